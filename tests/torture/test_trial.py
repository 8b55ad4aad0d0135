"""How a trial ends: what is late has not been lost, and a machine without time is named."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pitwire.model.clock import SECOND
from pitwire.sim.loop import SimLoop
from pitwire.torture.outcome import Outcome
from pitwire.torture.trial import LAG_SECONDS, blamed, hear_out


def waited(missing_until: dict[int, float], *, never: tuple[int, ...] = ()) -> float:
    """How long it was waited for trades that come after so many seconds, or never."""
    loop = SimLoop()
    ended = loop.now()

    def lost(_until: int) -> dict[str, list[int]]:
        passed = (loop.now() - ended) / SECOND
        left = [trade for trade, seconds in missing_until.items() if passed < seconds]
        return {"A": [*left, *never]} if left or never else {}

    stand: Any = SimpleNamespace(now=loop.now)
    witness: Any = SimpleNamespace(lost=lost)
    loop.run_until_complete(hear_out(stand, witness, ended))
    loop.close()
    return (loop.now() - ended) / SECOND


def test_what_is_still_on_its_way_is_waited_for_as_long_as_some_of_it_comes() -> None:
    last = 3 * LAG_SECONDS - 3
    assert last <= waited({1: LAG_SECONDS - 1, 2: 2 * LAG_SECONDS - 2, 3: last}) < last + 1


def test_what_does_not_come_is_lost() -> None:
    assert LAG_SECONDS <= waited({}, never=(1,)) < LAG_SECONDS + 1
    assert 2 * LAG_SECONDS - 1 <= waited({2: LAG_SECONDS - 1}, never=(1,)) < 2 * LAG_SECONDS


def test_nobody_waits_where_nothing_is_missing() -> None:
    assert waited({}) == 0


def outcome(*complaints: str) -> Outcome:
    return Outcome(fault="N1", title="t", way="sockets", seconds=10.0, complaints=complaints)


def test_a_failure_on_a_machine_that_had_no_time_says_so_and_stays_a_failure() -> None:
    said = blamed(outcome("noticed never"), 7.2).complaints
    assert said == ("noticed never", "this machine held the trial up for 7 of its 10 s")
    assert blamed(outcome("noticed never"), 4.9).complaints == ("noticed never",)
    assert blamed(outcome(), 9.9).complaints == ()
