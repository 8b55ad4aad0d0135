"""Silence is judged by what came before it."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable
from itertools import pairwise
from math import log
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.session.freshness import FLOOR_SECONDS, SWEEP_SECONDS
from pitwire.session.rhythm import CEILING, EARLY, ENOUGH, FACTOR, FEW, Rhythm

FLOOR = round(FLOOR_SECONDS * SECOND)
SWEEP = round(SWEEP_SECONDS * SECOND)
WEEK = 7 * 86_400


def alarms(times: Iterable[int]) -> tuple[int, int]:
    """(false alarms, time judged) of a subscription that spoke at these times, as swept."""
    lasts = {at // SWEEP: at for at in times}
    rhythm, count, judged = Rhythm(FLOOR), 0, 0
    for before, at in pairwise(lasts.values()):
        if rhythm.wait:
            judged += at - before
            count += at - before > rhythm.wait + SWEEP
        rhythm.learn(at - before)
    return count, judged


def test_nothing_is_judged_by_two_gaps_and_by_few_it_is_judged_late() -> None:
    rhythm, waits = Rhythm(FLOOR), []
    for _ in range(ENOUGH):
        waits.append(rhythm.wait)
        rhythm.learn(SECOND // 2)
    assert waits[:FEW] == [0] * FEW
    assert waits[FEW:] == sorted(waits[FEW:], reverse=True)
    assert EARLY < waits[FEW] < 2 * EARLY
    assert waits[-1] == EARLY
    assert rhythm.wait == FLOOR


def test_a_promise_holds_until_the_rhythm_is_known() -> None:
    rhythm = Rhythm(FLOOR, every=3 * SECOND)
    for _ in range(ENOUGH):
        assert rhythm.wait == FACTOR * 3 * SECOND
        rhythm.learn(3 * SECOND)
    assert rhythm.wait == 2 * FACTOR * 3 * SECOND
    assert Rhythm(FLOOR, every=SECOND).wait == FLOOR


def test_many_who_speak_at_once_are_known_sooner() -> None:
    rhythm = Rhythm(FLOOR)
    rhythm.learn(SECOND // 2, voices=ENOUGH)
    assert rhythm.wait == FLOOR


def test_what_speaks_every_second_is_judged_at_the_floor() -> None:
    rhythm = Rhythm(FLOOR)
    for _ in range(160):
        rhythm.learn(SECOND)
    assert rhythm.wait == FLOOR


def test_what_would_be_waited_for_too_long_is_not_judged() -> None:
    rhythm = Rhythm(FLOOR)
    for _ in range(1000):
        rhythm.learn(CEILING // FACTOR + SECOND)
    assert rhythm.wait == 0


def test_a_long_night_is_forgotten_by_noon() -> None:
    rhythm = Rhythm(FLOOR)
    for _ in range(200):
        rhythm.learn(SECOND)
    rhythm.learn(8 * 3600 * SECOND)
    assert rhythm.wait == 0
    hours = 0
    while rhythm.wait == 0:
        hours += 1
        for _ in range(3600):
            rhythm.learn(SECOND)
    assert hours <= 6


@settings(max_examples=60)
@given(st.lists(st.integers(1, 2 * CEILING), min_size=ENOUGH, max_size=200))
def test_the_wait_is_longer_than_any_gap_just_seen(gaps: list[int]) -> None:
    rhythm = Rhythm(FLOOR)
    for gap in gaps:
        rhythm.learn(gap)
        assert rhythm.wait == 0 or rhythm.wait >= max(FLOOR, gap)
        assert rhythm.wait <= CEILING


@pytest.mark.parametrize("a_second", [0.03, 0.1, 0.3, 1.0])
def test_a_week_of_chance_gives_one_false_alarm_at_most(a_second: float) -> None:
    chance = Entropy(5).stream(f"poisson/{a_second}")
    times, at = [], 0.0
    while at < WEEK:
        at -= log(1.0 - chance.uniform(0.0, 1.0)) / a_second
        times.append(round(at * SECOND))
    count, judged = alarms(times)
    assert count <= 1
    assert judged > 0.9 * WEEK * SECOND


@pytest.mark.parametrize("kind", ["quote", "trade"])
def test_a_session_of_shares_with_its_night_gives_one_false_alarm_at_most(
    captures: Path, kind: str
) -> None:
    with gzip.open(captures / f"equity-ticks/IBM_{kind}_20131007.csv.gz", "rt") as lines:
        times = [int(row[0]) * 1_000_000 for row in csv.reader(lines)]
    count, judged = alarms(times)
    assert count <= 1
    assert judged > 2 * 3600 * SECOND
