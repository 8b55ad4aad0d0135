"""What is recorded comes back, typed and in order, and what was overwritten is counted."""

from __future__ import annotations

import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.model.events import (
    AggregateTrade,
    Balance,
    Bar,
    BookStale,
    Event,
    Fill,
    Quote,
    Trade,
    Update,
)
from pitwire.model.orders import OrderType, RejectReason, Side, TimeInForce, UpdateKind
from pitwire.store.frames import Frames, Ring
from pitwire.store.layouts import (
    LAYOUTS,
    TOPS,
    TYPECODES,
    Kind,
    aggregate_trade_row,
    quote_row,
    trade_row,
)

START = 1_700_000_000 * SECOND
UTC_NS = "datetime64[ns, UTC]"


def trade(number: int, symbol: str = "BTC-USDT", venue: str = "binance") -> Trade:
    return Trade(
        venue=venue,
        symbol=symbol,
        venue_time=START + number if number % 2 else 0,
        received=START + 10 * number,
        price=100.0 + number,
        size=0.5,
        side=Side.SELL if number % 3 else Side.BUY,
        trade_id=number,
    )


def fill(number: int, symbol: str = "BTC-USDT", price: str = "61602.01000000") -> Fill:
    return Fill(
        venue="binance",
        symbol=symbol,
        venue_time=START,
        received=START + number,
        order_id=f"o{number}",
        venue_id="77",
        trade_id=str(number),
        side=Side.BUY,
        price=Decimal(price),
        size=Decimal("0.000123456789012345"),
        fee=Decimal("1E-8"),
        fee_asset="BNB",
        maker=True,
    )


UPDATE = Update(
    venue="binance",
    symbol="BTC-USDT",
    venue_time=0,
    received=START,
    order_id="o1",
    venue_id="77",
    update=UpdateKind.REJECTED,
    side=Side.SELL,
    type=OrderType.POST_ONLY,
    time_in_force=TimeInForce.GTC,
    price=Decimal("0.10"),
    reason=RejectReason.WOULD_TAKE,
    code=-2010,
    text="Order would immediately match and take.",
)
BARE_UPDATE = Update(
    venue="binance",
    symbol="ETH-USDT",
    venue_time=0,
    received=START,
    order_id="o2",
    venue_id="78",
    update=UpdateKind.MISSING,
)


def bar(minute: int, close: float, *, closed: bool, venue: str = "binance") -> Bar:
    return Bar(
        venue=venue,
        symbol="BTC-USDT",
        venue_time=0,
        received=START + 5,
        interval="1m",
        open_time=START + minute * 60 * SECOND,
        close_time=START + (minute + 1) * 60 * SECOND - 1,
        open=1.0,
        high=2.0,
        low=0.5,
        close=close,
        volume=3.0,
        quote_volume=4.0,
        trades=2,
        closed=closed,
    )


def filled(*events: Event, capacity: int = 100) -> Frames:
    frames = Frames(capacity)
    for event in events:
        frames.record(event)
    return frames


def test_a_recorder_is_for_one_kind_and_symbol() -> None:
    frames = Frames(100)
    record = frames.recorder(trade(1))
    assert record is not None
    record(trade(1))
    frames.record(trade(2))
    assert frames.trades("BTC-USDT").total == 2
    assert frames.recorder(BookStale("binance", "BTC-USDT", 0, START, "gap")) is None


# ── pandas ────────────────────────────────────────────────────────────────────────────────────


def test_trades_as_pandas() -> None:
    frame = filled(trade(1), trade(2), trade(3)).trades("BTC-USDT").to_pandas()
    assert frame.index.name == "time"
    assert str(frame.index.dtype) == UTC_NS
    assert frame.index[0] == pd.Timestamp(START + 10, tz="UTC")
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "venue_time": UTC_NS,
        "price": "float64",
        "size": "float64",
        "side": "category",
        "trade_id": "int64",
        "backfilled": "bool",
    }
    assert list(frame["price"]) == [101.0, 102.0, 103.0]
    assert list(frame["side"]) == ["sell", "sell", "buy"]
    assert list(frame["side"].cat.categories) == ["buy", "sell"]
    assert list(frame["trade_id"]) == [1, 2, 3]
    assert frame["venue_time"].isna().tolist() == [False, True, False]
    assert frame.attrs["dropped"] == 0


def test_fills_keep_their_decimals_exact_in_pandas() -> None:
    frame = filled(fill(1)).fills().to_pandas()
    row = frame.iloc[0]
    assert (row["price"], row["size"], row["fee"]) == (
        Decimal("61602.01000000"),
        Decimal("0.000123456789012345"),
        Decimal("1E-8"),
    )
    assert str(row["price"]) == "61602.01000000"
    assert frame["price"].dtype == object
    assert frame["price"].astype(float).iloc[0] == 61602.01
    assert bool(row["maker"]) is True
    assert row["fee_asset"] == "BNB"


def test_updates_of_all_and_of_one_symbol() -> None:
    frames = filled(UPDATE, BARE_UPDATE)
    assert len(frames.orders()) == 2
    assert list(frames.orders().to_pandas()["order_id"]) == ["o1", "o2"]
    one = frames.orders("ETH-USDT")
    assert len(one) == 1
    row = one.to_pandas().iloc[0]
    assert row["price"] is None
    assert pd.isna(row["side"])
    assert row["update"] == "missing"
    full = frames.orders("BTC-USDT").to_pandas().iloc[0]
    assert (full["reason"], full["type"], full["code"], full["price"]) == (
        "would_take",
        "post_only",
        -2010,
        Decimal("0.10"),
    )
    assert len(frames.orders("XRP-USDT")) == 0
    assert len(frames.orders("XRP-USDT").to_pandas()) == 0


def test_a_bar_that_is_told_again_is_one_row() -> None:
    frames = filled(bar(0, 1.0, closed=False), bar(0, 1.5, closed=True), bar(1, 2.0, closed=False))
    frame = frames.bars("BTC-USDT", "1m").to_pandas()
    assert list(frame["close"]) == [1.5, 2.0]
    assert list(frame["closed"]) == [True, False]
    assert frame["closed"].dtype == bool
    assert frame.index[1] == pd.Timestamp(START + 60 * SECOND, tz="UTC")
    assert str(frame["close_time"].dtype) == UTC_NS
    assert len(frames.bars("BTC-USDT", "5m")) == 0


def test_quotes_aggregates_and_tops() -> None:
    frames = filled(
        Quote(
            venue="binance",
            symbol="A-B",
            venue_time=0,
            received=START,
            bid=1.0,
            bid_size=2.0,
            ask=3.0,
            ask_size=4.0,
            update_id=9,
        ),
        AggregateTrade(
            venue="binance",
            symbol="A-B",
            venue_time=START,
            received=START,
            price=1.0,
            size=2.0,
            side=Side.BUY,
            aggregate_id=5,
            first_id=6,
            last_id=8,
        ),
    )
    frames.record_top(
        "binance", "A-B", START, bid=1.0, bid_size=2.0, ask=float("nan"), ask_size=float("nan")
    )
    assert list(frames.quotes("A-B").to_pandas().iloc[0])[1:] == [1.0, 2.0, 3.0, 4.0, 9]
    aggregate = frames.aggregate_trades("A-B").to_pandas().iloc[0]
    assert list(aggregate[["aggregate_id", "first_id", "last_id"]]) == [5, 6, 8]
    top = frames.tops("A-B").to_pandas()
    assert top["bid"].iloc[0] == 1.0
    assert np.isnan(top["ask"].iloc[0])


# ── polars ────────────────────────────────────────────────────────────────────────────────────


def test_trades_as_polars() -> None:
    frame = filled(trade(1), trade(2), trade(3)).trades("BTC-USDT").to_polars()
    assert dict(frame.schema) == {
        "time": pl.Datetime("ns", "UTC"),
        "venue_time": pl.Datetime("ns", "UTC"),
        "price": pl.Float64(),
        "size": pl.Float64(),
        "side": pl.Enum(["buy", "sell"]),
        "trade_id": pl.Int64(),
        "backfilled": pl.Boolean(),
    }
    assert frame["time"].dt.timestamp("ns").to_list() == [START + 10, START + 20, START + 30]
    assert frame["venue_time"].is_null().to_list() == [False, True, False]
    assert frame["side"].to_list() == ["sell", "sell", "buy"]


def test_money_is_exact_in_polars() -> None:
    frames = filled(fill(1), fill(2, price="1E+3"), UPDATE, BARE_UPDATE)
    frame = frames.fills().to_polars()
    assert frame["price"].to_list() == [Decimal("61602.01"), Decimal(1000)]
    assert frame["size"].to_list() == [Decimal("0.000123456789012345")] * 2
    assert frame.schema["fee"] == pl.Decimal(38, 8)
    assert frame["maker"].to_list() == [True, True]
    orders = frames.orders().to_polars()
    assert orders["price"].to_list() == [Decimal("0.10"), None]
    assert orders["side"].to_list() == ["sell", None]


def test_without_polars_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ConfigError, match=r"expected polars installed: pip install 'pitwire"):
        filled(trade(1)).trades("BTC-USDT").to_polars()


# ── every table, empty and not ────────────────────────────────────────────────────────────────


def test_an_empty_table_has_the_types_of_a_full_one() -> None:
    full = filled(trade(1), fill(1), UPDATE, bar(0, 1.0, closed=True))
    empty = Frames(5)
    for one, other in (
        (full.trades("BTC-USDT"), empty.trades("BTC-USDT")),
        (full.fills(), empty.fills()),
        (full.orders(), empty.orders()),
        (full.bars("BTC-USDT", "1m"), empty.bars("BTC-USDT", "1m")),
    ):
        assert len(other) == 0
        assert other.dropped == 0
        assert (other.to_pandas().dtypes == one.to_pandas().dtypes).all()
        assert str(other.to_pandas().index.dtype) == UTC_NS
        money = [column.name for column in one.columns if column.kind is Kind.MONEY]
        assert other.to_polars().drop(money).schema == one.to_polars().drop(money).schema


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_a_layout_begins_with_time_and_names_every_choice(name: str) -> None:
    columns = LAYOUTS[name].columns
    assert (columns[0].name, columns[0].kind) == ("time", Kind.TIME)
    assert len({column.name for column in columns}) == len(columns)
    for column in columns:
        assert bool(column.words) == (column.kind is Kind.CHOICE)
        assert (column.kind in TYPECODES) == (column.kind not in (Kind.TEXT, Kind.MONEY))


# ── bounds ────────────────────────────────────────────────────────────────────────────────────


def test_the_oldest_rows_are_overwritten_and_counted() -> None:
    table = filled(*(trade(number) for number in range(25)), capacity=10).trades("BTC-USDT")
    assert len(table) == 10
    assert table.dropped == 15
    frame = table.to_pandas()
    assert list(frame["trade_id"]) == list(range(15, 25))
    assert frame.attrs["dropped"] == 15
    assert frame.index.is_monotonic_increasing


def test_a_busy_symbol_does_not_push_out_a_quiet_one() -> None:
    frames = filled(trade(0, "A-B"), *(trade(n) for n in range(50)), capacity=10)
    assert len(frames.trades("A-B")) == 1
    assert frames.symbols("trades") == [("binance", "A-B"), ("binance", "BTC-USDT")]


def test_a_bar_is_replaced_across_the_wrap() -> None:
    frames = Frames(2)
    for minute in range(5):
        frames.record(bar(minute, 1.0, closed=False))
        frames.record(bar(minute, 9.0, closed=True))
    table = frames.bars("BTC-USDT", "1m")
    assert list(table.to_pandas()["close"]) == [9.0, 9.0]
    assert table.dropped == 3


def test_a_reading_is_a_copy() -> None:
    frames = filled(trade(1), trade(2), capacity=2)
    before = frames.trades("BTC-USDT").to_pandas()
    frames.record(trade(3))
    assert list(before["trade_id"]) == [1, 2]


@pytest.mark.parametrize("already", [0, 1, 5])
def test_an_id_beyond_64_bits_spoils_no_row(already: int) -> None:
    frames = filled(*(trade(number) for number in range(already)), capacity=3)
    frames.record(trade(2**70 + 1))
    frames.record(trade(7))
    columns = frames.trades("BTC-USDT").to_columns()
    assert list(columns["trade_id"])[-2:] == [-1, 7]
    assert list(columns["price"])[-2:] == [100.0 + 2**70, 107.0]
    assert {len(values) for values in columns.values()} == {min(already + 2, 3)}


@pytest.mark.parametrize("last", [5, 2**70])
def test_what_is_packed_from_an_event_is_its_row(last: int) -> None:
    facts = ("v", "A-B", START, START + 9)
    events = [
        Trade(*facts, 1.5, 2.5, Side.SELL, last, True),
        Quote(*facts, 1.5, 2.5, 3.5, 4.5, last),
        AggregateTrade(*facts, 1.5, 2.5, Side.BUY, last, 3, 4, False),
    ]
    rows = (trade_row, quote_row, aggregate_trade_row)
    tables = ("trades", "quotes", "aggregate_trades")
    frames = filled(*events, *events)
    for event, row, name in zip(events, rows, tables, strict=True):
        table = getattr(frames, name)("A-B")
        expected = tuple(-1 if cell == 2**70 else cell for cell in row(event))
        assert table.newest(2) == [expected, expected]


@settings(max_examples=60)
@given(st.integers(1, 7), st.lists(st.integers(0, 2**62), max_size=30))
def test_a_ring_is_the_tail_of_all_rows(capacity: int, times: list[int]) -> None:
    ring = Ring(TOPS, capacity)
    for number, time in enumerate(times):
        ring.append((time, float(number), 0.0, 0.0, 0.0))
    assert len(ring) == min(len(times), capacity)
    assert ring.total == len(times)
    assert list(ring.values(0)) == times[-capacity:]
    assert list(ring.values(1)) == [float(n) for n in range(len(times))][-capacity:]
    assert ring.last_time == (times[-1] if times else None)


# ── asking wrongly ────────────────────────────────────────────────────────────────────────────


def test_a_symbol_of_two_venues_must_say_which() -> None:
    frames = filled(trade(1), trade(2, venue="other"))
    with pytest.raises(ConfigError, match="venue of BTC-USDT: found '', expected binance or other"):
        frames.trades("BTC-USDT")
    assert list(frames.trades("BTC-USDT", venue="other").to_pandas()["trade_id"]) == [2]
    assert len(frames.trades("BTC-USDT", venue="third")) == 0


def test_a_capacity_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="capacity: found 0, expected 1 row or more"):
        Frames(0)


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="table: found 'ticks', expected one of trades"):
        Frames().symbols("ticks")


def test_kinds_without_a_table_are_passed_over() -> None:
    frames = filled(
        Balance(
            venue="binance",
            symbol="",
            venue_time=0,
            received=0,
            asset="BTC",
            free=Decimal(1),
            locked=Decimal(0),
        )
    )
    assert frames.symbols("trades") == []
    assert len(frames.orders()) == len(frames.fills()) == 0


def test_the_newest_rows_across_the_wrap() -> None:
    frames = Frames(capacity=5)
    assert frames.trades("A-B").newest(3) == []
    for number in range(1, 8):
        frames.record(Trade("v", "A-B", 0, number, float(number), 1.0, Side.BUY, number))
    table = frames.trades("A-B")
    assert table.total == 7
    assert [row[0] for row in table.newest(3)] == [5, 6, 7]
    assert [row[0] for row in table.newest(99)] == [3, 4, 5, 6, 7]
    with pytest.raises(ValueError, match="a table of its own"):
        frames.fills("A-B").newest(1)
