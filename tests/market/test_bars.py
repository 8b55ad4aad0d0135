"""Bars beside a plain grouping of the same trades."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pitwire.market.bars import AHEAD, INTERVALS, BarBuilder, Misplaced
from pitwire.model.clock import SECOND
from pitwire.model.events import AggregateTrade, Bar, Trade
from pitwire.model.orders import Side

MINUTE = 60 * SECOND
START = 1_700_000_040 * SECOND  # a whole minute


def trade(trade_id: int, time: int, price: float = 1.0, size: float = 1.0) -> Trade:
    return Trade(
        venue="v",
        symbol="A-B",
        venue_time=time,
        received=time + 5,
        price=price,
        size=size,
        side=Side.BUY,
        trade_id=trade_id,
    )


def builder(interval: str = "1m") -> BarBuilder:
    return BarBuilder("v", "A-B", interval)


def test_the_first_trade_of_the_next_interval_closes_the_bar() -> None:
    bars = builder()
    for number, price in enumerate((5.0, 9.0, 2.0, 6.0)):
        assert list(bars.apply(trade(number, START + number, price, 0.5))) == []
    (bar,) = bars.apply(trade(4, START + MINUTE))
    assert bar == Bar(
        venue="v",
        symbol="A-B",
        venue_time=START + 3,
        received=START + 8,
        interval="1m",
        open_time=START,
        close_time=START + MINUTE - 1,
        open=5.0,
        high=9.0,
        low=2.0,
        close=6.0,
        volume=2.0,
        quote_volume=11.0,
        trades=4,
        closed=True,
    )
    assert bars.current is not None
    assert (bars.current.open_time, bars.current.closed) == (START + MINUTE, False)


def test_being_told_the_time_closes_the_bar_once() -> None:
    bars = builder()
    bars.apply(trade(1, START))
    assert list(bars.close_until(START + MINUTE - 1)) == []
    (bar,) = bars.close_until(START + MINUTE)
    assert bar.closed
    assert bars.current is None
    assert list(bars.close_until(START + 2 * MINUTE)) == []


def test_an_interval_without_a_trade_has_no_bar() -> None:
    bars = builder()
    bars.apply(trade(1, START))
    closed = list(bars.apply(trade(2, START + 10 * MINUTE)))
    assert [bar.open_time for bar in closed if isinstance(bar, Bar)] == [START]
    (bar,) = bars.close_until(START + 30 * MINUTE)
    assert bar.open_time == START + 10 * MINUTE


def test_a_trade_of_a_closed_bar_is_handed_back() -> None:
    bars = builder()
    bars.apply(trade(1, START))
    bars.apply(trade(2, START + MINUTE))
    late = trade(3, START + MINUTE - 1)
    assert list(bars.apply(late)) == [Misplaced(trade=late, why="late")]
    bars.close_until(START + 2 * MINUTE)
    again = trade(4, START + MINUTE)
    assert list(bars.apply(again)) == [Misplaced(trade=again, why="late")]
    assert bars.misplaced == 2


def test_a_trade_before_the_first_bar_is_handed_back() -> None:
    bars = builder()
    bars.apply(trade(5, START))
    assert isinstance(bars.apply(trade(4, START - 1))[0], Misplaced)


def test_a_stamp_from_the_future_does_not_close_the_bar() -> None:
    bars = builder()
    bars.apply(trade(1, START))
    wild = Trade(
        venue="v",
        symbol="A-B",
        venue_time=START + AHEAD + 10,
        received=START + 9,
        price=1.0,
        size=1.0,
        side=Side.BUY,
        trade_id=2,
    )
    assert list(bars.apply(wild)) == [Misplaced(trade=wild, why="ahead")]
    assert list(bars.apply(trade(3, START + 10))) == []


def test_a_stamp_that_is_just_not_too_far_ahead_is_taken() -> None:
    bars = builder()
    one = replace(trade(1, START), received=START - AHEAD)
    assert list(bars.apply(one)) == []
    [told] = bars.apply(replace(one, trade_id=2, venue_time=START + 1))
    assert isinstance(told, Misplaced)


def test_ids_say_which_trade_was_first_and_last() -> None:
    bars = builder()
    for trade_id, price in ((5, 50.0), (3, 30.0), (9, 90.0), (7, 70.0)):
        bars.apply(trade(trade_id, START + 1, price))
    (bar,) = bars.close_until(START + MINUTE)
    assert (bar.open, bar.close, bar.low, bar.high) == (30.0, 90.0, 30.0, 90.0)


def test_of_trades_with_one_number_the_last_to_come_closes_the_bar() -> None:
    bars = builder()
    for price in (5.0, 7.0, 6.0):
        bars.apply(trade(0, START + 1, price))
    (bar,) = bars.close_until(START + MINUTE)
    assert (bar.open, bar.close) == (5.0, 6.0)


@pytest.mark.parametrize("told", [False, True])
def test_the_first_instant_of_an_interval_belongs_to_it(told: bool) -> None:
    bars = builder()
    bars.apply(trade(1, START))
    if told:
        assert len(bars.close_until(START + MINUTE)) == 1
    assert len(bars.apply(trade(2, START + MINUTE))) == (0 if told else 1)
    assert list(bars.apply(trade(3, START + MINUTE))) == [], "and so does another trade of it"
    assert bars.current is not None
    assert (bars.current.open_time, bars.current.trades) == (START + MINUTE, 2)


def test_an_aggregate_counts_its_fills() -> None:
    bars = builder()
    bars.apply(
        AggregateTrade(
            venue="v",
            symbol="A-B",
            venue_time=START,
            received=START,
            price=3.0,
            size=2.0,
            side=Side.BUY,
            aggregate_id=1,
            first_id=4,
            last_id=6,
        )
    )
    assert bars.current is not None
    assert bars.current.trades == 3


def test_a_trade_without_a_venue_time_is_placed_by_ours() -> None:
    bars = builder()
    bars.apply(
        Trade(
            venue="v",
            symbol="A-B",
            venue_time=0,
            received=START + 1,
            price=3.0,
            size=2.0,
            side=Side.BUY,
            trade_id=1,
        )
    )
    assert bars.current is not None
    assert bars.current.open_time == START


def test_weeks_begin_on_mondays_and_days_at_midnight_utc() -> None:
    for interval in ("1w", "1d"):
        bars = builder(interval)
        bars.apply(trade(1, START))
        assert bars.current is not None
        begins = datetime.fromtimestamp(bars.current.open_time / SECOND, UTC)
        assert (begins.hour, begins.minute, begins.second) == (0, 0, 0)
        assert interval == "1d" or begins.weekday() == 0


def test_an_unknown_interval_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="interval: found '7m', expected one of 1s, 1m, 3m"):
        builder("7m")


trades = st.lists(
    st.tuples(st.integers(0, 90), st.integers(1, 50).map(float), st.sampled_from([0.5, 2.0])),
    min_size=1,
    max_size=40,
)


@given(trades, st.sampled_from(["1s", "1m"]))
def test_bars_are_a_grouping_of_the_trades(
    steps: list[tuple[int, float, float]], interval: str
) -> None:
    time, made = START, []
    for number, (seconds, price, size) in enumerate(steps):
        time += seconds * SECOND
        made.append(trade(number, time, price, size))
    bars = builder(interval)
    found = [bar for one in made for bar in bars.apply(one)]
    found += bars.close_until(time + INTERVALS[interval])
    groups = [list(g) for _, g in groupby(made, lambda t: t.venue_time // INTERVALS[interval])]
    assert len(found) == len(groups)
    for bar, group in zip(found, groups, strict=True):
        assert isinstance(bar, Bar)
        prices = [one.price for one in group]
        assert (bar.open, bar.close) == (prices[0], prices[-1])
        assert (bar.low, bar.high) == (min(prices), max(prices))
        assert bar.volume == sum(one.size for one in group)
        assert bar.trades == len(group)
        assert bar.open_time <= group[0].venue_time <= group[-1].venue_time <= bar.close_time
