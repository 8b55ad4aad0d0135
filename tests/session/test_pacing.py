"""No limit is ever exceeded, in any window, and what is promised for later is kept."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.clock import SECOND
from pitwire.session.pacing import Pacing
from pitwire.venues.venue import HttpRequest, Limit

START = 1_700_000_000 * SECOND


def most_in_any_window(spent: list[tuple[int, int]], length: int) -> int:
    """The largest sum of costs within `length`, counted exactly."""
    return max(
        sum(cost for at, cost in spent if begin <= at < begin + length) for begin, _ in spent
    )


@settings(max_examples=60)
@given(
    count=st.integers(1, 12),
    seconds=st.sampled_from([0.5, 1.0, 10.0]),
    steps=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 4)), min_size=1, max_size=60),
)
def test_a_limit_holds_in_every_window(
    count: int, seconds: float, steps: list[tuple[float, int]]
) -> None:
    pacing, now, spent = Pacing([Limit("x", count, seconds)]), START, []
    for gap, cost in steps:
        now += round(gap * seconds * SECOND / 4)
        cost = min(cost, count)
        if pacing.try_spend("x", now, cost=cost):
            spent.append((now, cost))
    assert spent
    assert most_in_any_window(spent, round(seconds * SECOND)) <= count


@settings(max_examples=60)
@given(
    limits=st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from([0.5, 1.0, 10.0])), min_size=1, max_size=3
    ),
    costs=st.lists(st.integers(1, 5), min_size=1, max_size=30),
)
def test_what_is_ready_at_a_time_may_be_spent_then(
    limits: list[tuple[int, float]], costs: list[int]
) -> None:
    pacing, now = Pacing([Limit("x", count, seconds) for count, seconds in limits]), START
    spent: list[tuple[int, int]] = []
    for cost in costs:
        cost = min(cost, *(count for count, _ in limits))
        ready = pacing.ready_at("x", now, cost=cost)
        assert pacing.ready_at("x", now, cost=cost) == ready, "asking changes nothing"
        now = ready
        assert pacing.try_spend("x", now, cost=cost)
        spent.append((now, cost))
    for count, seconds in limits:
        assert most_in_any_window(spent, round(seconds * SECOND)) <= count


def test_a_waiting_time_is_not_longer_than_it_must_be() -> None:
    pacing = Pacing([Limit("x", 2, 10.0)])
    assert pacing.try_spend("x", START)
    assert pacing.try_spend("x", START)
    wait = (pacing.ready_at("x", START) - START) / SECOND
    assert 10.0 <= wait <= 10.0 * (1 + 1 / 64) + 0.001


def test_what_has_no_limit_is_free() -> None:
    pacing = Pacing([Limit("streams", 5, 0.0)])
    assert pacing.ready_at("anything", START, cost=10**9) == START
    assert pacing.try_spend("streams", START, cost=10**9)


def test_more_than_the_whole_limit_waits_for_an_empty_window() -> None:
    pacing = Pacing([Limit("x", 2, 1.0)])
    assert pacing.try_spend("x", START, cost=5)
    assert not pacing.allows("x", START + SECOND // 2)
    assert pacing.try_spend("x", pacing.ready_at("x", START, cost=5), cost=5)


def test_what_was_long_on_its_way_was_counted_when_it_came() -> None:
    pacing = Pacing([Limit("lists", 1, 5.0), Limit("weight", 10, 1.0)])
    request = HttpRequest("orders", "GET", "/orders", scope="lists")
    pacing.spend_on(request, START)
    pacing.heard_of(request, START + 4 * SECOND)
    assert not pacing.allows("lists", START + 6 * SECOND)
    assert pacing.allows("lists", START + 10 * SECOND)
    pacing.heard_of(request, START + 60 * SECOND)  # however long it took
    assert not pacing.allows("lists", START + 64 * SECOND)
    pacing.heard_of(HttpRequest("time", "GET", "/time"), START + 90 * SECOND)
    assert pacing.left("weight", START + 90 * SECOND) == (10, 10, 1.0)


def test_the_venues_own_count_is_taken_over_when_it_is_higher() -> None:
    pacing = Pacing([Limit("weight", 100, 60.0)])
    pacing.spend("weight", START, cost=10)
    pacing.report("weight", 5, START)
    assert pacing.allows("weight", START, cost=90)
    pacing.report("weight", 95, START)
    assert pacing.allows("weight", START, cost=5)
    assert not pacing.allows("weight", START, cost=6)


def test_a_block_holds_until_its_end() -> None:
    pacing = Pacing([])
    pacing.block("weight", START + SECOND)
    pacing.block("weight", START)
    assert not pacing.try_spend("weight", START + SECOND - 1)
    assert pacing.ready_at("weight", START) == pacing.blocked_until("weight") == START + SECOND
    assert pacing.try_spend("weight", START + SECOND)


def test_what_is_left_is_of_the_limit_that_binds() -> None:
    pacing = Pacing([Limit("orders", 10, 1), Limit("orders", 15, 100)])
    assert pacing.left("weight", 0) is None
    assert pacing.left("orders", 0) == (10, 10, 1.0)
    pacing.spend("orders", 0, cost=8)
    assert pacing.left("orders", 0) == (2, 10, 1.0)
    assert pacing.left("orders", 5 * SECOND) == (7, 15, 100.0)


def test_what_is_left_is_what_could_be_spent() -> None:
    pacing = Pacing([Limit("weight", 100, 60.0), Limit("weight", 1000, 3600.0)])
    for step in range(400):
        now = 1_700_000_000 * SECOND + step * 3 * SECOND
        for cost in (1, 50, 95, 100):
            assert pacing.leaves("weight", cost, now) is pacing.allows("weight", now, cost=cost)
        pacing.spend("weight", now, cost=step % 9)
    assert pacing.leaves("nothing", 1000, 0)


def test_an_order_is_let_through_as_three_questions_would() -> None:
    draws, let, held = random.Random(5), 0, 0
    for _ in range(40):
        limits = [Limit("weight", draws.randrange(1, 30), 10), Limit("orders", 4, 1)]
        limits += [Limit("orders", draws.randrange(5, 12), 10)] * draws.randrange(2)
        one, three = (Pacing(limits) for _ in range(2))
        now = START
        for _ in range(60):
            now += draws.randrange(SECOND)
            reserve, cost = draws.randrange(8), draws.randrange(4)
            if draws.random() < 0.05:
                scope, until = draws.choice(("weight", "orders")), now + draws.randrange(3 * SECOND)
                one.block(scope, until)
                three.block(scope, until)
            one.spend("weight", now, cost=cost)
            three.spend("weight", now, cost=cost)
            expected = (
                three.leaves("weight", reserve, now)
                and three.blocked_until("weight") <= now
                and three.try_spend("orders", now)
            )
            assert one.has_room_for_order(now, reserve) is expected
            if expected:
                one.spend("orders", now)
            assert one.left("orders", now) == three.left("orders", now)
            let, held = let + expected, held + (not expected)
    assert min(let, held) > 100, "both answers were met"


def test_what_was_spent_is_free_again_at_the_moment_that_was_promised() -> None:
    pacing = Pacing([Limit("x", 2, 1.0)])
    for _ in range(2):
        assert pacing.try_spend("x", START)
    at = pacing.ready_at("x", START)
    for now, free in (at - 1, 0), (at, 2):
        left = pacing.left("x", now)
        assert left is not None
        assert left[0] == free


def test_what_outlives_a_run_is_not_asked_before_a_window_is_over() -> None:
    pacing = Pacing([Limit("lists", 1, 5.0, outlives=True), Limit("tickle", 1, 5.0)])
    pacing.begin(START)
    assert pacing.ready_at("lists", START) == pacing.begun_at >= START + 5 * SECOND
    assert pacing.allows("tickle", START)
