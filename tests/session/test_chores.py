"""Signs of life."""

from __future__ import annotations

from pitwire.model.clock import SECOND
from pitwire.session.chores import Pulse, Sign
from pitwire.venues.venue import Heartbeat

START = 1_700_000_000 * SECOND


def test_silence_is_pinged_and_only_an_unanswered_ping_is_death() -> None:
    pulse, heard = Pulse(Heartbeat(20, 5, 3, 86400)), START
    assert pulse.judge(heard, START + 5 * SECOND - 1) is Sign.NOTHING
    assert pulse.judge(heard, START + 5 * SECOND) is Sign.PING
    assert pulse.judge(heard, START + 6 * SECOND) is Sign.NOTHING
    heard = START + 7 * SECOND  # the answer, or anything else
    assert pulse.judge(heard, START + 11 * SECOND) is Sign.NOTHING
    assert pulse.judge(heard, START + 12 * SECOND) is Sign.PING
    assert pulse.next_deadline(heard) == START + 15 * SECOND
    assert pulse.judge(heard, START + 15 * SECOND) is Sign.DEAD
    pulse.reset()
    assert pulse.judge(START + 15 * SECOND, START + 16 * SECOND) is Sign.NOTHING


def test_a_ping_out_of_turn_is_waited_for_like_any_other() -> None:
    pulse, heard = Pulse(Heartbeat(20, 5, 5, 86400)), START
    pulse.ping(START + 2 * SECOND)
    assert pulse.judge(heard, START + 3 * SECOND) is Sign.NOTHING
    assert pulse.unanswered(heard, START + 3 * SECOND) == SECOND
    assert pulse.judge(heard, START + 7 * SECOND) is Sign.DEAD
    assert pulse.unanswered(START + 4 * SECOND, START + 5 * SECOND) == 0
