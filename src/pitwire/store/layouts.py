"""What each table's columns are called, made of and measured in.

House rules: one row is one event; a layout is data plus one plain function from event to row.
Watched numbers are float64; owned numbers stay exact `Decimal`s in every frame they reach.

| kind | in memory | pandas | polars |
| --- | --- | --- | --- |
| time | int64: ns since 1970 UTC, 0 for none | `datetime64[ns, UTC]`, `NaT` | `Datetime`, ns, UTC |
| float | float64 | `float64` | `Float64` |
| int | int64 | `int64` | `Int64` |
| flag | int8 | `bool` | `Boolean` |
| choice | int8 code, -1 for none | `category` of the words | `Enum` of the words |
| text | the text | `str` | `String` |
| money | the `Decimal`, None for none | `object`: the `Decimal`s | `Decimal`, digits as met |

To plot money, say that exactness may go: `frame["price"].astype(float)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

import msgspec

from pitwire.model.events import AggregateTrade, Bar, Fill, Quote, Trade, Update
from pitwire.model.orders import OrderType, RejectReason, Side, TimeInForce, UpdateKind

Cell: TypeAlias = int | float | str | Decimal | None
Row: TypeAlias = tuple[Cell, ...]


class Kind(StrEnum):
    """What a column holds; the module's table says how it is kept and shown."""

    TIME = "time"
    FLOAT = "float"
    INT = "int"
    FLAG = "flag"
    CHOICE = "choice"
    TEXT = "text"
    MONEY = "money"


TYPECODES: Mapping[Kind, str] = {
    Kind.TIME: "q",
    Kind.FLOAT: "d",
    Kind.INT: "q",
    Kind.FLAG: "b",
    Kind.CHOICE: "b",
}
"""Type codes of `array`; the kinds missing here are kept as the objects they are."""


class Column(msgspec.Struct, frozen=True):
    """One column: `unit` says what a number in it counts, `words` what a choice may be."""

    name: str
    kind: Kind
    unit: str = ""
    words: tuple[str, ...] = ()


class Layout(msgspec.Struct, frozen=True):
    """One table. Its first column is the time index."""

    name: str
    columns: tuple[Column, ...]


SIDES = tuple(Side)
_UPDATES, _TYPES, _FORCES, _REASONS = (
    tuple(UpdateKind),
    tuple(OrderType),
    tuple(TimeInForce),
    tuple(RejectReason),
)


def _codes(words: tuple[str, ...]) -> Mapping[str | None, int]:
    return {None: -1, **{word: code for code, word in enumerate(words)}}


SIDE_CODES, _UPDATE, _TYPE = _codes(SIDES), _codes(_UPDATES), _codes(_TYPES)
_FORCE, _REASON = _codes(_FORCES), _codes(_REASONS)

_TIME = Column("time", Kind.TIME, "our clock when it arrived")
_VENUE_TIME = Column("venue_time", Kind.TIME, "the venue's clock")
_SIDE_OF_TAKER = Column("side", Kind.CHOICE, "the taker's", SIDES)
_BACKFILLED = Column("backfilled", Kind.FLAG, "whether it was asked for afterwards")

TRADES = Layout(
    "trades",
    (
        _TIME,
        _VENUE_TIME,
        Column("price", Kind.FLOAT, "quote per base"),
        Column("size", Kind.FLOAT, "base"),
        _SIDE_OF_TAKER,
        Column("trade_id", Kind.INT, "the venue's"),
        _BACKFILLED,
    ),
)


def trade_row(event: Trade) -> Row:
    return (
        event.received, event.venue_time, event.price, event.size, SIDE_CODES[event.side],
        event.trade_id, event.backfilled,
    )  # fmt: skip


AGGREGATE_TRADES = Layout(
    "aggregate_trades",
    (
        *TRADES.columns[:5],
        Column("aggregate_id", Kind.INT, "the venue's"),
        Column("first_id", Kind.INT, "the venue's"),
        Column("last_id", Kind.INT, "the venue's"),
        _BACKFILLED,
    ),
)


def aggregate_trade_row(event: AggregateTrade) -> Row:
    return (
        event.received, event.venue_time, event.price, event.size, SIDE_CODES[event.side],
        event.aggregate_id, event.first_id, event.last_id, event.backfilled,
    )  # fmt: skip


_TOUCH = (
    Column("bid", Kind.FLOAT, "quote per base"),
    Column("bid_size", Kind.FLOAT, "base"),
    Column("ask", Kind.FLOAT, "quote per base"),
    Column("ask_size", Kind.FLOAT, "base"),
)
QUOTES = Layout(
    "quotes", (_TIME, _VENUE_TIME, *_TOUCH, Column("update_id", Kind.INT, "the venue's"))
)


def quote_row(event: Quote) -> Row:
    return (
        event.received, event.venue_time, event.bid, event.bid_size, event.ask, event.ask_size,
        event.update_id,
    )  # fmt: skip


TOPS = Layout("tops", (_TIME, *_TOUCH))

BARS = Layout(
    "bars",
    (
        Column("time", Kind.TIME, "when the interval began, the venue's clock"),
        Column("close_time", Kind.TIME, "the last instant of the interval"),
        Column("received", Kind.TIME, "our clock when this state of it arrived"),
        Column("open", Kind.FLOAT, "quote per base"),
        Column("high", Kind.FLOAT, "quote per base"),
        Column("low", Kind.FLOAT, "quote per base"),
        Column("close", Kind.FLOAT, "quote per base"),
        Column("volume", Kind.FLOAT, "base"),
        Column("quote_volume", Kind.FLOAT, "quote"),
        Column("trades", Kind.INT, "trades"),
        Column("closed", Kind.FLAG),
    ),
)


def bar_row(event: Bar) -> Row:
    return (
        event.open_time, event.close_time, event.received, event.open, event.high, event.low,
        event.close, event.volume, event.quote_volume, event.trades, event.closed,
    )  # fmt: skip


_WHOSE = (
    _TIME,
    _VENUE_TIME,
    Column("venue", Kind.TEXT),
    Column("symbol", Kind.TEXT),
    Column("order_id", Kind.TEXT),
    Column("venue_id", Kind.TEXT),
)
ORDERS = Layout(
    "orders",
    (
        *_WHOSE,
        Column("update", Kind.CHOICE, "", _UPDATES),
        Column("side", Kind.CHOICE, "ours", SIDES),
        Column("type", Kind.CHOICE, "", _TYPES),
        Column("time_in_force", Kind.CHOICE, "", _FORCES),
        Column("price", Kind.MONEY, "quote per base"),
        Column("size", Kind.MONEY, "base"),
        Column("filled", Kind.MONEY, "base, since the order began"),
        Column("filled_quote", Kind.MONEY, "quote, since the order began"),
        Column("working", Kind.FLAG),
        Column("sequence", Kind.INT, "the venue's"),
        Column("reason", Kind.CHOICE, "", _REASONS),
        Column("code", Kind.INT, "the venue's"),
        Column("text", Kind.TEXT),
    ),
)


def order_row(event: Update) -> Row:
    return (
        event.received, event.venue_time, event.venue, event.symbol, event.order_id,
        event.venue_id, _UPDATE[event.update], SIDE_CODES[event.side], _TYPE[event.type],
        _FORCE[event.time_in_force], event.price, event.size, event.filled, event.filled_quote,
        event.working, event.sequence, _REASON[event.reason], event.code, event.text,
    )  # fmt: skip


FILLS = Layout(
    "fills",
    (
        *_WHOSE,
        Column("trade_id", Kind.TEXT, "the venue's"),
        Column("side", Kind.CHOICE, "ours", SIDES),
        Column("price", Kind.MONEY, "quote per base"),
        Column("size", Kind.MONEY, "base"),
        Column("fee", Kind.MONEY, "fee_asset, positive when we pay"),
        Column("fee_asset", Kind.TEXT),
        Column("maker", Kind.FLAG),
    ),
)


def fill_row(event: Fill) -> Row:
    return (
        event.received, event.venue_time, event.venue, event.symbol, event.order_id,
        event.venue_id, event.trade_id, SIDE_CODES[event.side], event.price, event.size, event.fee,
        event.fee_asset, event.maker,
    )  # fmt: skip


LAYOUTS: Mapping[str, Layout] = {
    layout.name: layout for layout in (TRADES, AGGREGATE_TRADES, QUOTES, TOPS, BARS, ORDERS, FILLS)
}
RowOf: TypeAlias = Callable[..., Row]
