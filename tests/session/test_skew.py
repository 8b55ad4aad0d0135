"""The venue's clock, and how wrong we may be about it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.clock import MILLISECOND, SECOND, drift
from pitwire.model.entropy import Entropy
from pitwire.model.events import ClockAlarm, ClockOffset
from pitwire.session.skew import TRANSIT, Skew

START = 1_700_000_000 * SECOND
DAY = 86_400


@settings(max_examples=80)
@given(
    offset=st.integers(-10 * SECOND, 10 * SECOND),
    ways=st.lists(
        st.tuples(st.integers(0, SECOND), st.integers(0, SECOND)), min_size=1, max_size=8
    ),
)
def test_the_truth_is_within_the_bound_whatever_the_ways(
    offset: int, ways: list[tuple[int, int]]
) -> None:
    skew, now, widths = Skew(), START, []
    for out, back in ways:
        stated = (now + out + offset) // MILLISECOND * MILLISECOND
        skew.take(sent=now, received=now + out + back, server_time=stated)
        now += out + back
        assert abs(skew.offset - offset) <= skew.bound(now) + 1
        widths.append(skew.bound(now))
    assert widths[-1] <= widths[0] + drift(now - START)


def measure(skew: Skew, at: int, round_trip: int, offset: int) -> bool:
    stated = at + round_trip // 2 + offset
    return skew.take(sent=at, received=at + round_trip, server_time=stated)


def test_a_measurement_that_teaches_nothing_is_not_taken() -> None:
    skew = Skew()
    assert measure(skew, START, 10 * MILLISECOND, 0)
    assert not measure(skew, START + SECOND, 50 * MILLISECOND, 0)
    assert measure(skew, START + 2 * SECOND, 5 * MILLISECOND, 0)
    assert measure(skew, START + 3 * SECOND, 50 * MILLISECOND, 5 * SECOND), "a clock was moved"
    assert abs(skew.offset - 5 * SECOND) <= skew.error


def test_what_is_known_widens_until_a_worse_measurement_narrows_it() -> None:
    skew = Skew()
    measure(skew, START, 10 * MILLISECOND, 0)
    assert skew.bound(START + 600 * SECOND) - skew.error == pytest.approx(
        0.12 * SECOND, abs=MILLISECOND
    )
    assert measure(skew, START + 600 * SECOND, 100 * MILLISECOND, 0)
    assert skew.error <= 52 * MILLISECOND


@pytest.mark.parametrize("ppm", [-200, -30, 200])
def test_a_day_of_drift_is_followed_within_fifty_milliseconds(ppm: int) -> None:
    chance, skew, worst = Entropy(3).stream(f"drift/{ppm}"), Skew(), 0
    sent = START
    while sent < START + DAY * SECOND:
        # One way in twenty is ten times as long.
        out, back = (
            round(chance.uniform(0.005, 0.05) * SECOND) * (10 if chance.random() < 0.05 else 1)
            for _ in range(2)
        )
        read = sent + out
        truth = (read - START) * ppm // 1_000_000
        stated = (read + truth) // MILLISECOND * MILLISECOND
        if sent > START + 60 * SECOND:  # just before it is known better
            worst = max(worst, abs(skew.offset - truth))
            assert abs(skew.offset - truth) <= skew.bound(read) + 1
        skew.take(sent=sent, received=read + back, server_time=stated)
        sent += skew.ask_after(sent)
    assert worst <= 50 * MILLISECOND


def test_where_nobody_can_ask_the_least_late_event_says_where_the_clock_is() -> None:
    skew = Skew()
    assert not skew.known
    assert skew.observe(-1270 * MILLISECOND, START)
    assert (skew.offset, skew.error) == (1270 * MILLISECOND, TRANSIT)
    assert not skew.observe(-1268 * MILLISECOND, START + SECOND)
    assert skew.observe(-1290 * MILLISECOND, START + 2 * SECOND)
    # Late ones say nothing of the clock: it is let go at the pace at which clocks drift apart.
    skew.observe(5 * SECOND, START + 62 * SECOND)
    assert skew.offset == 1290 * MILLISECOND - drift(60 * SECOND)
    assert measure(skew, START + 63 * SECOND, 10 * MILLISECOND, 1280 * MILLISECOND)
    assert skew.error < TRANSIT


def test_an_event_out_of_the_future_contradicts_a_measurement() -> None:
    skew = Skew()
    measure(skew, START, 10 * MILLISECOND, 0)
    assert not skew.observe(-50 * MILLISECOND, START + SECOND)
    assert skew.observe(-60 * SECOND, START + 2 * SECOND)
    assert skew.offset == 60 * SECOND


def test_a_clock_that_is_far_from_ours_is_told_once() -> None:
    skew = Skew()

    def alarms(at: int, offset: int) -> list[float]:
        measure(skew, at, 2 * MILLISECOND, offset)
        told = skew.told("toy", at, at)
        assert isinstance(told[0], ClockOffset)
        return [one.seconds for one in told if isinstance(one, ClockAlarm)]

    assert alarms(START, 240 * MILLISECOND) == []
    [seconds] = alarms(START + SECOND, 260 * MILLISECOND)
    assert seconds == pytest.approx(0.26, abs=0.003)
    assert alarms(START + 2 * SECOND, 300 * MILLISECOND) == []
    assert alarms(START + 3 * SECOND, 0) == []
    assert len(alarms(START + 4 * SECOND, -300 * MILLISECOND)) == 1


def test_an_offset_near_the_alarm_is_asked_for_every_second() -> None:
    def waits(offset: int, round_trip: int) -> float:
        skew = Skew()
        measure(skew, START, round_trip, offset)
        return skew.ask_after(START + round_trip) / SECOND

    assert waits(0, MILLISECOND) == 60
    assert waits(245 * MILLISECOND, MILLISECOND) == waits(-255 * MILLISECOND, MILLISECOND) == 1
    assert waits(300 * MILLISECOND, MILLISECOND) == 60
    assert waits(245 * MILLISECOND, SECOND) == 10, "nothing so coarse would find the edge"


def test_a_clock_that_nobody_can_ask_is_told_again_before_its_bound_is_worthless() -> None:
    skew, now, told = Skew(), START, []
    for _ in range(3600):
        now += SECOND
        if skew.observe(40 * MILLISECOND, now):
            told.append(now)
        assert skew.bound(now) <= 400 * MILLISECOND
    assert len(told) == 6


@pytest.mark.parametrize("step", [-120 * SECOND, 120 * SECOND])
def test_a_step_of_the_wall_clock_is_told_once_and_a_nudge_never(step: int) -> None:
    skew, jump = Skew(), 0
    for _ in range(100):
        jump += MILLISECOND // 2  # how a time daemon slews
        assert skew.wall(jump, "toy", START) == ()
    [told] = skew.wall(jump + step, "toy", START)
    assert isinstance(told, ClockAlarm)
    assert (told.what, told.seconds) == ("wall", step / SECOND)
    assert skew.wall(jump + step, "toy", START) == ()


def test_a_past_time_of_ours_is_a_span_of_the_venues() -> None:
    skew = Skew()
    assert skew.span(START, START + SECOND) == (START - 60 * SECOND, START + 60 * SECOND)
    measure(skew, START, 20 * MILLISECOND, 3 * SECOND)
    first, last = skew.span(START - DAY * SECOND, START)
    assert first <= START - DAY * SECOND + 3 * SECOND <= last
    assert last - first == 2 * skew.bound(START)


def test_a_doubt_that_comes_soon_after_another_is_not_lost() -> None:
    skew = Skew()
    assert not skew.settles(START)
    skew.doubt()
    assert [skew.settles(START + at * SECOND) for at in (1, 2)] == [True, False]
    skew.doubt()
    assert [skew.settles(START + at * SECOND) for at in (3, 10, 11, 30)] == [
        False, False, True, False,
    ]  # fmt: skip


def test_a_clock_that_tells_whole_seconds_leaves_ours_as_it_is_unless_it_cannot_be() -> None:
    ours, second = Skew(), 1_700_000_000 * SECOND
    for part in range(10):
        now = second + part * SECOND // 10
        ours.take(sent=now, received=now, server_time=second, step=SECOND)
        assert abs(ours.offset) <= SECOND // 10, part
        assert ours.told("toy", second, now)[1:] == [], "nobody is alarmed"
    ahead = Skew()
    ahead.take(sent=second, received=second, server_time=second + 5 * SECOND, step=SECOND)
    assert ahead.offset == 5 * SECOND
    assert len(ahead.told("toy", second, second)) == 2
