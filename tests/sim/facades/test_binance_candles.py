"""Bars of every interval add up to the trades they are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.clock import SECOND
from pitwire.model.orders import Side
from pitwire.sim.facades import binance_candles
from pitwire.sim.facades.binance_candles import (
    DAY,
    HOUR,
    INTERVALS,
    MINUTE,
    SymbolHistory,
    following,
    opening,
)
from pitwire.sim.facts import Kind, PublicTrade, SimOrder, Stp, Tif, Traded

START = 1_700_000_040 * SECOND


def order(order_id: int, side: Side) -> SimOrder:
    return SimOrder(
        order_id=order_id,
        account="a",
        symbol="BTC-USDT",
        side=side,
        kind=Kind.LIMIT,
        tif=Tif.GTC,
        lots=1,
        client_id="c",
        stp=Stp.NONE,
    )


def untold(trade: Traded) -> PublicTrade:
    return PublicTrade(
        trade.at,
        trade.symbol,
        trade.trade_id,
        trade.price,
        trade.lots,
        trade.taker_side,
        trade.taker_order,
    )


@given(
    rows=st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(0, 2), st.integers(0, 1)),
        max_size=30,
    ),
    parts=st.lists(st.tuples(st.integers(1, 6), st.booleans(), st.booleans()), max_size=12),
)
def test_trades_that_nobody_hears_add_up_to_the_same(
    rows: list[tuple[int, int, int, int]], parts: list[tuple[int, bool, bool]]
) -> None:
    """(price, lots, seconds later, orders later), taken in by parts, which are heard or not and
    after which an instant ends or does not."""
    at, taker, trades = START, 1, []
    for number, (price, lots, later, orders) in enumerate(rows, start=1):
        at, taker = at + later * SECOND, taker + orders
        trades.append(trade(number, price, lots, at, taker=taker))
    histories = [SymbolHistory(1), SymbolHistory(1)]
    for count, is_heard, ends in [*parts, (len(trades) + 1, False, True)]:
        part, trades = trades[:count], trades[count:]
        for one in part:
            histories[0].add(one)
        if is_heard:
            for one in part:
                histories[1].add(one)
        elif part:
            histories[1].add_untold([untold(one) for one in part])
        if ends:
            for history in histories:
                history.close_aggregate()
    heard, quiet = histories
    assert quiet.aggregates == heard.aggregates
    assert (quiet.last_price, quiet.last_lots, quiet.last_time) == (
        heard.last_price,
        heard.last_lots,
        heard.last_time,
    )
    for interval in ("1s", "1m"):
        told = [each.bars(interval, start=0, end=at, limit=99, newest=True) for each in histories]
        assert told[0] == told[1]


def trade(trade_id: int, price: int, lots: int, at: int, *, taker: int = 1) -> Traded:
    side = Side.BUY if trade_id % 2 else Side.SELL
    return Traded(
        at=at,
        symbol="BTC-USDT",
        trade_id=trade_id,
        price=price,
        lots=lots,
        taker_side=side,
        taker=order(taker, side),
        maker=order(0, side),
        taker_execution=1,
        maker_execution=2,
        taker_fee=Decimal(0),
        taker_fee_asset="BTC",
        maker_fee=Decimal(0),
        maker_fee_asset="USDT",
    )


def utc(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * SECOND  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("interval", "opened", "next_opened"),
    [
        ("1m", utc(2023, 11, 14, 22, 13), utc(2023, 11, 14, 22, 14)),
        ("4h", utc(2023, 11, 14, 20), utc(2023, 11, 15)),
        ("1d", utc(2023, 11, 14), utc(2023, 11, 15)),
        ("1w", utc(2023, 11, 13), utc(2023, 11, 20)),
        ("1M", utc(2023, 11, 1), utc(2023, 12, 1)),
    ],
)
def test_intervals_are_aligned_in_utc(interval: str, opened: int, next_opened: int) -> None:
    assert opening(interval, utc(2023, 11, 14, 22, 13, 20)) == opened
    assert following(interval, opened) == next_opened


def test_the_offset_variant_is_aligned_eight_hours_east() -> None:
    at = utc(2023, 11, 14, 22)
    assert opening("1d", at, 8 * HOUR) == utc(2023, 11, 14, 16)
    assert opening("1M", utc(2023, 11, 30, 17), 8 * HOUR) == utc(2023, 11, 30, 16)


@given(st.integers(0, 2**61), st.sampled_from(sorted(INTERVALS)))
def test_every_instant_is_in_exactly_one_interval(at: int, interval: str) -> None:
    opened = opening(interval, at)
    assert opened <= at < following(interval, opened)
    assert opening(interval, following(interval, opened)) == following(interval, opened)


trades = st.lists(
    st.tuples(st.integers(1, 1000), st.integers(1, 50), st.integers(0, 40)),
    min_size=1,
    max_size=30,
)


@given(trades)
def test_bars_add_up(rows: list[tuple[int, int, int]]) -> None:
    history = SymbolHistory(500)
    at = START
    for number, (price, lots, wait) in enumerate(rows, start=1):
        at += wait * SECOND
        history.add(trade(number, price, lots, at))
    for interval in ("1s", "1m", "1d"):
        bars = history.bars(interval, start=0, end=at, limit=1000, newest=True)
        assert sum(bar.lots for bar in bars) == sum(lots for _, lots, _ in rows)
        assert sum(bar.volume for bar in bars) == sum(p * lots for p, lots, _ in rows)
        assert sum(bar.trades for bar in bars) == len(rows)
        assert max(bar.high for bar in bars) == max(price for price, _, _ in rows)
        assert bars[-1].last == rows[-1][0]
        assert [bar.opened for bar in bars] == sorted({bar.opened for bar in bars})
    window = history.window(at - DAY)
    assert (window.first_id, window.last_id, window.trades) == (1, len(rows), len(rows))


def test_a_quiet_interval_repeats_the_last_price() -> None:
    history = SymbolHistory(500)
    history.add(trade(1, 600, 5, START))
    history.add(trade(2, 700, 5, START + 180 * SECOND))
    bars = history.bars("1m", start=0, end=START + 200 * SECOND, limit=10, newest=True)
    assert [bar.last for bar in bars] == [600, 600, 600, 700]
    assert [bar.first_id for bar in bars] == [1, -1, -1, 2]
    assert [bar.lots for bar in bars] == [5, 0, 0, 5]


def test_bars_from_a_start_come_oldest_first() -> None:
    history = SymbolHistory(500)
    for minute in range(5):
        history.add(trade(minute + 1, 600 + minute, 5, START + minute * MINUTE))
    end = START + 5 * MINUTE
    first = history.bars("1m", start=START + MINUTE, end=end, limit=2, newest=False)
    assert [bar.last for bar in first] == [601, 602]
    newest = history.bars("1m", start=0, end=end, limit=2, newest=True)
    assert [bar.last for bar in newest] == [604, 604]


def test_fills_of_one_taker_at_one_price_are_one_aggregate() -> None:
    history = SymbolHistory(500)
    assert history.add(trade(1, 600, 5, START)) is None
    assert history.add(trade(2, 600, 7, START)) is None
    done = history.add(trade(3, 601, 1, START))
    assert done is not None
    assert (done.aggregate_id, done.first_id, done.last_id, done.lots) == (1, 1, 2, 12)
    other = history.add(trade(4, 601, 1, START, taker=2))
    assert other is not None
    last = history.close_aggregate()
    assert last is not None
    assert (last.aggregate_id, last.first_id, last.last_id) == (3, 4, 4)
    assert history.close_aggregate() is None
    assert len(history.aggregates) == 3


def test_a_bar_under_way_exists_before_its_first_trade() -> None:
    history = SymbolHistory(500)
    assert history.bar("1m", START).last == 500
    history.add(trade(1, 600, 5, START))
    assert history.bar("1m", START + 30 * SECOND).trades == 1
    later = history.bar("1m", START + 90 * SECOND)
    assert (later.first, later.trades, later.first_id) == (600, 0, -1)


@pytest.mark.parametrize("waiting", [1, 3, 1000])
def test_bars_are_the_same_however_long_trades_wait(
    monkeypatch: pytest.MonkeyPatch, waiting: int
) -> None:
    monkeypatch.setattr(binance_candles, "_UNFOLDED", waiting)
    history = SymbolHistory(500)
    for number in range(1, 11):
        if number == 6:
            history.keep("1d", 8 * HOUR)  # knows only what comes from now on
        history.add(trade(number, 600 + number, number, START + number * 20 * SECOND))
    end = START + 200 * SECOND
    bars = history.bars("1m", start=0, end=end, limit=100, newest=True)
    assert [(bar.first, bar.last, bar.lots) for bar in bars] == [
        (601, 602, 3),
        (603, 605, 12),
        (606, 608, 21),
        (609, 610, 19),
    ]
    assert history.window(end - DAY).lots == 55
    assert history.bar("1d", end, 8 * HOUR).lots == 6 + 7 + 8 + 9 + 10
