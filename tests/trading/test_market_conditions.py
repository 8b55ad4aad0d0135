from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model import events as ev
from pitwire.model.orders import Side
from pitwire.trading.conditions import Condition, Truth
from pitwire.trading.market_conditions import (
    Crosses,
    Imbalance,
    Moves,
    PriceIs,
    SpreadWider,
    Thins,
    TradeLarger,
    price_of,
    tick_of,
)
from pitwire.trading.state import State
from tests.trading.making import BTC, ETH, at, instrument, quote, snapshot, trade

NO, YES, NOW = Truth.NO, Truth.YES, Truth.NOW


def looks(condition: Condition, *events: ev.Event) -> list[int]:
    state = State([instrument(BTC)])
    found = []
    for event in events:
        state.apply(event)
        found.append(condition.look(state, event.received))
    return found


def prices(*path: float) -> list[ev.Event]:
    return [trade(price, second) for second, price in enumerate(path)]


# ── crossing ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("above", "path", "at_index"),
    [
        (True, [99, 100, 101, 102], [2]),
        (True, [101, 102, 101], []),
        (True, [100, 101], []),
        (True, [99, 101, 100, 101], [1]),
        (True, [99, 101, 99, 101], [1, 3]),
        (True, [99, 100, 99, 101], [3]),
        (False, [101, 99, 101, 99], [1, 3]),
        (False, [101, 100, 101], []),
        (False, [101, 100, 99.99], [2]),
        (False, [99, 98], []),
    ],
)
def test_a_crossing_happens_when_the_price_changes_sides(
    above: bool, path: list[float], at_index: list[int]
) -> None:
    found = looks(Crosses(BTC, 100, above=above), *prices(*path))
    assert [index for index, truth in enumerate(found) if truth is NOW] == at_index
    assert set(found) <= {NO, NOW}


def test_a_crossing_arms_again_only_when_the_price_was_back_by_so_much() -> None:
    path = [95, 101, 99, 101, 95, 101]
    found = looks(Crosses(BTC, 100, above=True, back=5), *prices(*path))
    assert [index for index, truth in enumerate(found) if truth] == [1, 5]


def test_a_crossing_while_we_could_not_see_is_noticed_after() -> None:
    events = [trade(99), ev.Lost("test", "", 0, at(1), "one", "reset", 1.0), trade(120, 60)]
    assert looks(Crosses(BTC, 100, above=True), *events) == [NO, NO, NOW]


def test_bid_ask_and_mid_cross_by_quotes() -> None:
    events = [quote(98, 99), quote(99, 101), quote(101, 103), trade(500)]
    for of, expected in (("bid", 2), ("ask", 1), ("mid", 2)):
        found = looks(Crosses(BTC, 100, above=True, of=of), *events)  # type: ignore[arg-type]
        assert [i for i, truth in enumerate(found) if truth] == [expected]


def test_a_side_that_nobody_quotes_is_no_price_of_zero() -> None:
    nobody = quote(0, 101, 1, bid_size=0)
    state = State([instrument(BTC)])
    state.apply(nobody)
    assert [price_of(state, BTC, of) for of in ("bid", "ask", "mid")] == [None, None, None]
    back = quote(99, 101, 2)
    for of in ("bid", "mid"):
        assert looks(Crosses(BTC, 50, above=False, of=of), quote(99, 101), nobody, back) == [NO] * 3
        assert looks(PriceIs(BTC, below=50, of=of), quote(99, 101), nobody, back) == [NO] * 3
        moves = Moves(BTC, within_seconds=10, percent=1, of=of)
        assert looks(moves, quote(99, 101), nobody, back) == [NO] * 3
    assert looks(SpreadWider(BTC, bips=1_000), nobody) == [NO]


def test_the_book_moves_the_bid_only_where_no_quotes_come() -> None:
    books = [snapshot([(99, 1)], [(102, 1)]), snapshot([(101, 1)], [(102, 1)], 1)]
    assert looks(Crosses(BTC, 100, above=True, of="bid"), *books) == [NO, NOW]
    assert looks(Crosses(BTC, 100, above=True, of="bid"), quote(98, 99), *books) == [NO, NO, NO]


def test_another_symbol_never_crosses() -> None:
    events = [trade(99, symbol=ETH), trade(101, symbol=ETH)]
    assert looks(Crosses(BTC, 100, above=True), *events) == [NO, NO]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(90, 110), max_size=60))
def test_crossings_of_a_level_alternate(path: list[int]) -> None:
    up, down = Crosses(BTC, 100, above=True), Crosses(BTC, 100, above=False)
    state, told = State(), []
    for event in prices(*map(float, path)):
        state.apply(event)
        told += ["up"] * bool(up.look(state, 0)) + ["down"] * bool(down.look(state, 0))
    assert all(a != b for a, b in itertools.pairwise(told))
    sides = [price > 100 for price in path if price != 100]
    assert len(told) == sum(a != b for a, b in itertools.pairwise(sides))


# ── level ─────────────────────────────────────────────────────────────────────────────────────


def test_a_price_above_and_below() -> None:
    path = prices(99, 100, 101, 111)
    assert looks(PriceIs(BTC, above=100), *path) == [NO, NO, YES, YES]
    assert looks(PriceIs(BTC, below=100), *path) == [YES, NO, NO, NO]
    assert looks(PriceIs(BTC, above=100, below=110), *path) == [NO, NO, YES, NO]
    assert looks(PriceIs(BTC, above=100, of="bid"), trade(200), quote(101, 102)) == [NO, YES]


def test_prices_as_they_stand() -> None:
    state = State([instrument(BTC)])
    assert price_of(state, BTC, "last") is None
    assert price_of(state, BTC, "mid") is None
    state.apply(quote(10, 12))
    assert [price_of(state, BTC, of) for of in ("bid", "ask", "mid")] == [10, 12, 11]  # type: ignore[arg-type]
    assert (tick_of(state, BTC), tick_of(state, "X")) == (0.01, None)


# ── moves ─────────────────────────────────────────────────────────────────────────────────────


def test_a_move_within_the_window() -> None:
    path = prices(100, 100.6, 101.2, 101.2, 101.2, 101.2)
    assert looks(Moves(BTC, 2, percent=1), *path) == [NO, NO, YES, NO, NO, NO]
    slow = prices(100, 100.4, 100.8, 101.2)
    assert looks(Moves(BTC, 2, percent=1), *slow) == [NO, NO, NO, NO]


def test_a_jump_after_a_quiet_time_is_a_move() -> None:
    events = [trade(100, 0), trade(102, 500)]
    assert looks(Moves(BTC, 2, percent=1), *events) == [NO, YES]


@pytest.mark.parametrize("lost", [
    ev.Lost("test", "", 0, at(1), "one", "reset", 1.0),
    ev.FeedStale("test", BTC, 0, at(1), "trades", 5.0),
])  # fmt: skip
def test_what_happened_while_we_could_not_see_is_no_move(lost: ev.Event) -> None:
    events = [trade(100, 0), lost, trade(110, 60), trade(112, 61)]
    assert looks(Moves(BTC, 2, percent=1), *events) == [NO, NO, NO, YES]


@pytest.mark.parametrize(
    ("direction", "up", "down"), [("up", YES, NO), ("down", NO, YES), ("either", YES, YES)]
)
def test_the_direction_of_a_move(direction: Any, up: Truth, down: Truth) -> None:
    assert looks(Moves(BTC, 5, percent=1, direction=direction), *prices(100, 102))[-1] is up
    assert looks(Moves(BTC, 5, percent=1, direction=direction), *prices(100, 98))[-1] is down


def test_a_move_in_ticks() -> None:
    assert looks(Moves(BTC, 5, ticks=5), *prices(100, 100.04, 100.05)) == [NO, NO, YES]
    assert looks(Moves(ETH, 5, ticks=5), trade(1, symbol=ETH), trade(9, symbol=ETH)) == [NO, NO]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(90, 110)), min_size=1, max_size=40),
    st.sampled_from(["up", "down", "either"]),
)
def test_a_move_is_what_plain_counting_says(path: list[tuple[int, int]], direction: Any) -> None:
    condition, state, window = Moves(BTC, 5, percent=5, direction=direction), State(), 5
    told: list[tuple[int, int]] = []
    now = 0
    for pause, price in path:
        now += pause
        state.apply(trade(price, now))
        told.append((now, price))
        found = condition.look(state, at(now))
        # Prices that held at some time within the window: until the next one came, or still.
        held = [
            earlier
            for index, (_, earlier) in enumerate(told[:-1])
            if told[index + 1][0] > now - window
        ]
        up = any(price - earlier >= earlier * 0.05 - 1e-9 for earlier in held)
        down = any(earlier - price >= earlier * 0.05 - 1e-9 for earlier in held)
        wanted = (up and direction != "down") or (down and direction != "up")
        assert bool(found) is wanted


# ── the book ──────────────────────────────────────────────────────────────────────────────────


def test_a_spread() -> None:
    events = [trade(1), quote(100, 100.05), quote(100, 100.06), quote(100, 101)]
    assert looks(SpreadWider(BTC, ticks=5), *events) == [NO, NO, YES, YES]
    assert looks(SpreadWider(BTC, bips=10), *events) == [NO, NO, NO, YES]
    assert looks(SpreadWider(ETH, ticks=1), quote(1, 9, symbol=ETH)) == [NO]
    assert looks(SpreadWider(BTC, bips=10), quote(99.95, 100.05), quote(99.94, 100.05)) == [NO, YES]


def test_an_imbalance() -> None:
    events = [
        quote(1, 2),
        snapshot([(99, 3), (98, 5)], [(101, 1), (102, 5)]),
        snapshot([(99, 1)], [(101, 3)]),
    ]
    assert looks(Imbalance(BTC, levels=1, above=0.4), *events) == [NO, YES, NO]
    assert looks(Imbalance(BTC, levels=2, above=0.4), *events) == [NO, NO, NO]
    assert looks(Imbalance(BTC, levels=1, below=-0.4), *events) == [NO, NO, YES]


def test_a_side_that_thins() -> None:
    events = [trade(1), quote(1, 2, bid_size=0.5, ask_size=3), quote(1, 2, bid_size=0.4)]
    assert looks(Thins(BTC, "bid", 0.5), *events) == [NO, NO, YES]
    assert looks(Thins(BTC, "ask", 2), *events) == [NO, NO, YES]
    books = [snapshot([(9, 1), (8, 1)], [(10, 5)]), snapshot([(9, 1)], [(10, 5)])]
    assert looks(Thins(BTC, "bid", 2, levels=2), *books) == [NO, YES]
    assert looks(Thins(BTC, "ask", 2, levels=2), *books) == [NO, NO]
    assert looks(Thins(BTC, "bid", 2), *books) == [YES, YES]


def test_a_large_trade() -> None:
    events = [
        trade(10, size=5),
        trade(10, size=5.1),
        trade(10, size=6, side=Side.SELL),
        quote(1, 2),
    ]
    assert looks(TradeLarger(BTC, size=5), *events) == [NO, NOW, NOW, NO]
    assert looks(TradeLarger(BTC, worth=50), *events) == [NO, NOW, NOW, NO]
    assert looks(TradeLarger(BTC, size=5, side=Side.SELL), *events) == [NO, NO, NOW, NO]
    assert looks(TradeLarger(ETH, size=5), *events) == [NO, NO, NO, NO]


def test_an_aggregate_is_no_second_large_trade() -> None:
    aggregate = ev.AggregateTrade("test", BTC, 0, at(1), 10.0, 9.0, Side.BUY, 1, 1, 2)
    assert looks(TradeLarger(BTC, size=5), aggregate) == [NOW]
    assert looks(TradeLarger(BTC, size=5), trade(10, size=9), aggregate) == [NOW, NO]
