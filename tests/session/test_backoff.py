"""Delays: quick first, growing, capped, forgiving, and never a storm."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.session.backoff import BASE_SECONDS, CALM_SECONDS, CAP_SECONDS, DEAD_VENUE, Backoff
from pitwire.session.pacing import Pacing

START = 1_700_000_000 * SECOND


def backoff(seed: int = 1) -> Backoff:
    return Backoff(Entropy(seed).stream("backoff/test"))


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6))
def test_the_first_is_quick_and_each_stays_under_its_ceiling(seed: int) -> None:
    ours = backoff(seed)
    for attempt in range(12):
        ceiling = min(CAP_SECONDS, BASE_SECONDS * 2.0**attempt)
        assert 0 <= ours.delay_seconds(START) <= ceiling


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), dial_seconds=st.floats(0, 10))
def test_a_dead_venue_sees_at_most_thirty_dials_in_ten_minutes(
    seed: int, dial_seconds: float
) -> None:
    ours, now, dials = backoff(seed), START, []
    while now < START + 3600 * SECOND:
        now += round(ours.delay_seconds(now) * SECOND)
        dials.append(now)
        ours.dials(now)
        now += round(dial_seconds * SECOND)
        ours.failed(now)
    for first in dials:
        assert sum(first <= at < first + 600 * SECOND for at in dials) <= 30
    longest = max(b - a for a, b in pairwise(dials)) / SECOND
    assert longest <= CAP_SECONDS + 0.001, "whoever comes back is met within the cap"


def test_what_all_lines_to_an_address_failed_is_counted_together() -> None:
    failures = Pacing((DEAD_VENUE,))
    chance = Entropy(1).stream("backoff/test")
    ours, other = Backoff(chance, failures), Backoff(chance, failures)
    for second in range(30):
        other.failed(START + second * SECOND)
    assert 560 <= ours.delay_seconds(START + 30 * SECOND) <= 600


def test_what_a_dial_took_is_part_of_the_delay_after_it() -> None:
    ours, twin, now = backoff(), backoff(), START
    for _ in range(9):
        assert ours.delay_seconds(now) == twin.delay_seconds(now)
    ours.dials(now)
    now += 5 * SECOND
    ours.failed(now)
    assert ours.delay_seconds(now) == pytest.approx(twin.delay_seconds(now) - 5.0)
    assert ours.delay_seconds(now) == twin.delay_seconds(now), "once"
    young, peer = backoff(), backoff()
    young.dials(START)
    assert young.delay_seconds(now) == peer.delay_seconds(now) > 0, "none is dialled with no pause"
    ours.dials(now)
    ours.opened(now)
    assert ours.delay_seconds(now + 9 * SECOND) == twin.delay_seconds(now), "a life is no dial"


def test_a_calm_minute_forgives_and_a_short_life_does_not() -> None:
    ours, now = backoff(), START
    for _ in range(10):
        ours.delay_seconds(now)
    ours.opened(now)
    now += round((CALM_SECONDS - 1) * SECOND)
    assert ours.delay_seconds(now) > BASE_SECONDS
    ours.opened(now)
    now += round(CALM_SECONDS * SECOND)
    assert ours.delay_seconds(now) <= BASE_SECONDS


def test_same_seed_same_delays() -> None:
    one, two, other = backoff(1), backoff(1), backoff(2)
    drawn = [one.delay_seconds(START) for _ in range(5)]
    assert drawn == [two.delay_seconds(START) for _ in range(5)]
    assert drawn != [other.delay_seconds(START) for _ in range(5)]


def test_the_third_strike_in_ten_minutes_counts() -> None:
    ours = backoff()
    minute = 60 * SECOND
    assert not ours.policy_strike(START)
    assert not ours.policy_strike(START + 6 * minute)
    assert not ours.policy_strike(START + 11 * minute)  # the first is forgotten
    assert ours.policy_strike(START + 12 * minute)


def test_a_strike_of_just_ten_minutes_ago_counts_still() -> None:
    for later, counts in (0, True), (1, False):
        ours = backoff()
        ours.policy_strike(START)
        ours.policy_strike(START + 60 * SECOND)
        assert ours.policy_strike(START + 600 * SECOND + later) is counts
