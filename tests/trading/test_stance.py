"""Watch, trade, reduce-only, halt: a table of what moves them, and nothing else does."""

from __future__ import annotations

import itertools

import pytest

from pitwire.trading.journal import Armed, Disarmed, Halted, Record, Restricted, Resumed, Started
from pitwire.trading.replay import Replay
from pitwire.trading.snapshot import decode, encode
from pitwire.trading.stance import SWITCHING, Stance, Switches
from tests.trading.test_journal import RECORDS

ARMED = Armed(at=1, by="desk")
OVER = Disarmed(at=1, reason="the arming is over")
HALT = Halted(at=1, reason="enough", by="Ada")
REDUCE = Restricted(at=1, reason="drawdown", by="risk")
RESUME = Resumed(at=1, by="Ada")
START = Started(at=1, prefix="pw", epoch=2)
W, T, R, H = Stance


@pytest.mark.parametrize(
    ("records", "stance"),
    [
        ((), W), ((ARMED,), T), ((ARMED, OVER), W), ((ARMED, REDUCE), R), ((ARMED, HALT), H),
        ((HALT,), H), ((HALT, ARMED), H), ((HALT, RESUME), W), ((HALT, RESUME, ARMED), T),
        ((ARMED, REDUCE, HALT), H), ((ARMED, REDUCE, HALT, RESUME), T), ((ARMED, REDUCE, OVER), W),
        ((ARMED, HALT, START), H), ((ARMED, REDUCE, START), W), ((ARMED, REDUCE, START, ARMED), R),
        ((ARMED, START), W), ((ARMED, HALT, START, ARMED, RESUME), T),
    ],
)  # fmt: skip
def test_the_stance_after(records: tuple[Record, ...], stance: Stance) -> None:
    switches = Switches()
    for record in records:
        switches = switches.after(record)
    assert switches.stance is stance
    replay = Replay()
    for record in records:
        replay.take(record)
    assert replay.switches == switches


def test_only_a_person_leaves_halt_and_reduce_only() -> None:
    """Whatever is written, in any order of three, without `Resumed`."""
    moves = [one for one in RECORDS if type(one) is not Resumed]
    assert {*SWITCHING, Started} <= {type(one) for one in RECORDS}
    for records in itertools.product([ARMED, OVER, START, HALT, REDUCE], repeat=3):
        halted, reducing = Switches().after(HALT), Switches().after(REDUCE)
        for record in (*records, *moves):
            halted, reducing = halted.after(record), reducing.after(record)
            assert halted.stance is Stance.HALT
            assert reducing.reducing


def test_what_is_no_switch_moves_nothing() -> None:
    for record in RECORDS:
        if not isinstance(record, (*SWITCHING, Started)):
            assert Switches("a", "b", armed=True).after(record) == Switches("a", "b", armed=True)


def test_a_checkpoint_keeps_what_only_a_person_may_lift() -> None:
    replay = Replay()
    for record in (START, ARMED, REDUCE, HALT):
        replay.take(record)
    again = Replay(decode(encode(replay.snapshot())))
    assert (again.halted, again.switches.reducing) == ("enough", "drawdown")
    assert again.switches.stance is Stance.HALT
    again.take(RESUME)
    assert again.switches == Switches()
