"""Events as Arrow tables: which columns, of what type, in what unit, and whether they may be null.

The columns of a kind are the fields of its event, in their order, after `seq`, the number of the
event in the run that wrote it; docs/tables.md lists them all, and a test holds it to that. House
rules: a float stays a float and a Decimal a decimal; times are integers of ns since 1970 UTC; what
changes in a way that an older reader would misread raises `VERSION`.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from pitwire.model import events as ev
from pitwire.model.events import Event
from pitwire.model.orders import OrderType, Side
from pitwire.trading.journal import Decided, placed

VERSION = 1
"""Of the schema; it stands in every file."""
VERSION_KEY, KIND_KEY = b"pitwire.schema", b"pitwire.kind"
_MONEY = pa.decimal128(38, 18)
_LEVELS = pa.list_(
    pa.struct(
        [pa.field("price", pa.float64(), nullable=False), pa.field("size", pa.float64(), False)]
    )
)


class Decision(Event, frozen=True, gc=False, tag=True):
    """An order of ours as it was decided, with the touch at that moment; `received` is when."""

    order_id: str
    side: Side
    type: OrderType
    price: Decimal | None
    size: Decimal | None
    rule: str
    tag: str
    bid: float
    ask: float


class Checkpoint(Event, frozen=True, gc=False, tag=True):
    """A whole book as our deltas had made it, now and then, so that any moment is near one."""

    last_id: int
    bids: tuple[ev.Level, ...]
    asks: tuple[ev.Level, ...]
    bid_edge: float | None
    """Where what is known of this side ends, with the side's sign; null: nowhere."""
    ask_edge: float | None


KINDS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        ev.Trade, ev.AggregateTrade, ev.Quote, ev.Ticker, ev.AveragePrice, ev.MarkPrice,
        ev.Funding, ev.Liquidation, ev.BookSnapshot,
        ev.BookDelta, ev.PartialBook, ev.BookStale, ev.BookAudited, ev.Bar, ev.MarketStatus,
        ev.TradeGap, ev.Update, ev.Fill, ev.Balance, ev.Position, ev.Opened, ev.Lost, Decision,
        Checkpoint,
    )
}  # fmt: skip
"""Kinds that have a table."""

_TYPES: dict[Any, pa.DataType] = {
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bool: pa.bool_(),
    Decimal: _MONEY,
}


def decision_of(record: Decided, venue: str) -> Decision | None:
    """The row of an order that was decided; None for a command that places none."""
    order = placed(record.command)
    if order is None:
        return None
    return Decision(
        venue, order.symbol, 0, record.at, order.id, order.side, order.type,
        order.price, order.size, order.rule, order.tag, record.bid, record.ask,
    )  # fmt: skip


def schema_of(kind: type[Event]) -> pa.Schema:
    """The columns of a kind, with the version that they are of."""
    hints = typing.get_type_hints(kind)
    fields = [pa.field("seq", pa.int64(), nullable=False)]
    for name in kind.__struct_fields__:
        arrow, nullable = _column_type(hints[name])
        fields.append(pa.field(name, arrow, nullable=nullable))
    metadata = {VERSION_KEY: str(VERSION).encode(), KIND_KEY: kind.__name__.encode()}
    return pa.schema(fields, metadata=metadata)


def table_of(kind: type[Event], events: Sequence[Event], numbers: Sequence[int]) -> pa.Table:
    """A table of events of one kind; `numbers` holds the number of each."""
    schema = schema_of(kind)
    columns: list[pa.Array] = [pa.array(numbers, pa.int64())]
    for field in list(schema)[1:]:
        values = [getattr(event, field.name) for event in events]
        if field.type == _LEVELS:
            columns.append(_levels(values))
        elif field.type == _MONEY:
            columns.append(pa.array(values, _MONEY))
        elif field.type == pa.string():
            columns.append(pa.array([None if one is None else str(one) for one in values]))
        else:
            columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(
        [column.cast(field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )


def _levels(values: Sequence[Sequence[tuple[float, float]]]) -> pa.Array:
    offsets, prices, sizes, count = [0], [], [], 0
    for levels in values:
        count += len(levels)
        offsets.append(count)
        for price, size in levels:
            prices.append(price)
            sizes.append(size)
    pairs = pa.StructArray.from_arrays(
        [pa.array(prices, pa.float64()), pa.array(sizes, pa.float64())],
        fields=list(_LEVELS.value_type),
    )
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pairs)


def _column_type(hint: Any) -> tuple[pa.DataType, bool]:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        [inner] = [one for one in typing.get_args(hint) if one is not types.NoneType]
        return _column_type(inner)[0], True
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return pa.string(), False
    if typing.get_origin(hint) is tuple:
        return _LEVELS, False
    return _TYPES[hint], False


def describe(kind: type[Event]) -> list[tuple[str, str, bool]]:
    """(column, type, nullable) of a kind, in words."""
    names = {_MONEY: "decimal(38, 18)", _LEVELS: "list of (price double, size double)"}
    return [
        (field.name, names.get(field.type, str(field.type)), field.nullable)
        for field in schema_of(kind)
    ]
