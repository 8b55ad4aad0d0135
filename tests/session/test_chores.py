"""Signs of life, and the venue's clock."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.session.chores import Pulse, Sign, Skew
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


@settings(max_examples=80)
@given(
    offset=st.integers(-10 * SECOND, 10 * SECOND),
    out=st.integers(0, SECOND),
    back=st.integers(0, SECOND),
)
def test_the_truth_is_within_the_error_bound(offset: int, out: int, back: int) -> None:
    skew = Skew()
    venue_read = START + out + offset
    stated = venue_read // MILLISECOND * MILLISECOND
    assert skew.take(sent=START, received=START + out + back, server_time=stated)
    assert abs(skew.offset - offset) <= skew.error + 1


def test_a_worse_measurement_is_not_taken_unless_it_contradicts_or_the_old_is_stale() -> None:
    skew = Skew()

    def measure(at: int, round_trip: int, offset: int) -> bool:
        stated = at + round_trip // 2 + offset
        return skew.take(sent=at, received=at + round_trip, server_time=stated)

    assert measure(START, 10 * MILLISECOND, 0)
    assert not measure(START + SECOND, 50 * MILLISECOND, 0)
    assert measure(START + 2 * SECOND, 5 * MILLISECOND, 0)
    assert measure(START + 3 * SECOND, 50 * MILLISECOND, 5 * SECOND)  # somebody moved a clock
    assert not measure(START + 4 * SECOND, 60 * MILLISECOND, 5 * SECOND)
    assert measure(START + 700 * SECOND, 60 * MILLISECOND, 5 * SECOND)
