"""Frames: what happened lately, in bounded columns, read as pandas or polars DataFrames.

House rules: recording is two dict look-ups and one store a row, nothing is converted until
somebody reads; memory is bounded by `capacity` rows a table (a table per kind, venue and symbol;
one table each for all orders and all fills); what was overwritten is counted, never hidden.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pitwire.model.errors import ConfigError
from pitwire.model.events import AggregateTrade, Bar, Event, Fill, Quote, Trade, Update
from pitwire.store import layouts
from pitwire.store.layouts import TYPECODES, Column, Kind, Layout, Row

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Values: TypeAlias = "np.ndarray[Any, Any] | list[Any]"
"""One column, oldest first: numbers and codes as an array, texts and Decimals as a list."""

_INT64 = range(-(2**63), 2**63)
_FIRST_ROWS = 64
"""Rows a table has room for at first; it doubles until it is full."""
_Recorder: TypeAlias = Callable[[Any], None]


@cache
def _packing(layout: Layout) -> struct.Struct:
    """One row."""
    return struct.Struct("<" + "".join(TYPECODES.get(column.kind, "") for column in layout.columns))


class Ring:
    """The last `capacity` rows of a layout of numbers, packed side by side; grows until full.

    A row is packed at once: whatever waits keeps memory busy that the next event could use, which
    costs more than packing a row by itself (measured).
    """

    __slots__ = (
        "_columns", "_packing", "_turned", "at", "capacity", "end", "pack", "packed", "size",
    )  # fmt: skip

    def __init__(self, layout: Layout, capacity: int) -> None:
        self._columns = layout.columns
        self._packing = _packing(layout)
        self.pack = self._packing.pack_into
        self.size = self._packing.size
        """Bytes of a row."""
        self.packed = bytearray()
        self.capacity = capacity
        self.at = self.end = 0
        """Where the next row goes, in bytes, and where `make_room` is to be asked for that."""
        self._turned = 0

    @property
    def total(self) -> int:
        """Rows ever appended."""
        return self._turned + self.at // self.size

    def append(self, row: Row) -> None:
        at = self.at
        if at >= self.end:
            at = self.make_room()
        self._put(at, row)
        self.at = at + self.size

    def make_room(self) -> int:
        """Where the next row goes when there is no place for it: behind, or at the beginning."""
        most = self.capacity * self.size
        if self.at >= most:
            self._turned += self.capacity
            self.at = 0
            return 0
        room = min(max(2 * len(self.packed), _FIRST_ROWS * self.size), most)
        self.packed.extend(bytes(room - len(self.packed)))
        self.end = room
        return self.at

    def replace_last(self, row: Row) -> None:
        self._put((self.total - 1) % self.capacity * self.size, row)

    def _put(self, at: int, row: Row) -> None:
        try:
            self.pack(self.packed, at, *row)
        except struct.error:
            # A number no 64 bits can hold is not an id we could look up either.
            self.pack(self.packed, at, *map(_fitting, row))

    @property
    def last_time(self) -> int | None:
        """The time of the last row; None when there is none."""
        if not self.total:
            return None
        at = (self.total - 1) % self.capacity * self.size
        return int(self._packing.unpack_from(self.packed, at)[0])

    def __len__(self) -> int:
        return min(self.total, self.capacity)

    @property
    def oldest(self) -> int:
        """Where the oldest row is."""
        return self.total % self.capacity if self.total > self.capacity else 0

    def newest(self, count: int) -> list[Row]:
        """The last `count` rows, or all there are, oldest first."""
        total = self.total
        unpack, size = self._packing.unpack_from, self.size
        return [
            unpack(self.packed, number % self.capacity * size)
            for number in range(total - min(count, len(self)), total)
        ]

    def values(self, number: int) -> Values:
        """A copy of column `number`, oldest first."""
        kinds = [(column.name, f"<{TYPECODES[column.kind]}") for column in self._columns]
        rows = np.ndarray((len(self),), np.dtype(kinds), buffer=self.packed)
        return np.roll(rows[self._columns[number].name], -self.oldest)


class MixedRing(Ring):
    """The last `capacity` rows of a layout that has texts or Decimals: the rows as they came."""

    __slots__ = ("_rows",)

    def __init__(self, layout: Layout, capacity: int) -> None:
        super().__init__(layout, capacity)
        self._rows: list[Row] = []

    def append(self, row: Row) -> None:
        if len(self._rows) < self.capacity:
            self._rows.append(row)
        else:
            self._rows[self._turned % self.capacity] = row
        self._turned += 1

    def newest(self, count: int) -> list[Row]:
        """The last `count` rows, or all there are, oldest first."""
        first = self.total - min(count, len(self))
        return [self._rows[number % self.capacity] for number in range(first, self.total)]

    def values(self, number: int) -> Values:
        """Column `number`, oldest first."""
        rows = self._rows[self.oldest :] + self._rows[: self.oldest]
        code = TYPECODES.get(self._columns[number].kind)
        cells = [row[number] for row in rows]
        return cells if code is None else np.array([_fitting(cell) for cell in cells], code)


def _fitting(cell: layouts.Cell) -> layouts.Cell:
    return -1 if isinstance(cell, int) and cell not in _INT64 else cell


class Table:
    """A window on one table; every reading gives what is there at that moment.

    `dropped` counts the rows that were overwritten. For orders and fills it counts those of all
    symbols, because they share one table.
    """

    def __init__(self, layout: Layout, ring: Ring | None, *, symbol: str = "") -> None:
        self.layout = layout
        self._ring = ring if ring is not None else Ring(layout, 1)
        self._symbol = symbol

    @property
    def columns(self) -> tuple[Column, ...]:
        """Names, kinds and units; the first is the index."""
        return self.layout.columns

    @property
    def dropped(self) -> int:
        return self._ring.total - len(self._ring)

    @property
    def total(self) -> int:
        """Rows ever written, those of all symbols where they share a table."""
        return self._ring.total

    def newest(self, count: int) -> list[Row]:
        """The last `count` rows as they are kept, oldest first: cheap where little is new.

        A table of one symbol among others has no such way.
        """
        if self._symbol:
            raise ValueError(f"symbol: found {self._symbol!r}, expected a table of its own")
        return self._ring.newest(count)

    def __len__(self) -> int:
        return len(self._ring) if not self._symbol else len(self._chosen())

    def to_columns(self) -> dict[str, Values]:
        """Plain columns, oldest first: times as ns since 1970 UTC, choices as codes."""
        found = {
            column.name: self._ring.values(number) for number, column in enumerate(self.columns)
        }
        if not self._symbol:
            return found
        chosen = self._chosen()
        return {
            name: [values[i] for i in chosen] if isinstance(values, list) else values[chosen]
            for name, values in found.items()
        }

    def _chosen(self) -> list[int]:
        names = [column.name for column in self.columns]
        symbols = self._ring.values(names.index("symbol"))
        return [number for number, symbol in enumerate(symbols) if symbol == self._symbol]

    def to_pandas(self) -> pd.DataFrame:
        """A DataFrame indexed by `time` (UTC). `attrs["dropped"]` is how many rows it lacks."""
        import pandas as pd

        time, *others = self.columns
        found = self.to_columns()
        frame = pd.DataFrame(
            {column.name: _to_pandas(column, found[column.name]) for column in others},
            index=pd.DatetimeIndex(_utc(found[time.name]), name=time.name),
        )
        frame.attrs["dropped"] = self.dropped
        return frame

    def to_polars(self) -> pl.DataFrame:
        """A DataFrame whose first column is `time` (UTC); needs the extra `polars`."""
        try:
            import polars as pl
        except ImportError:
            raise ConfigError(
                where="to_polars",
                found="no polars in this environment",
                expected="polars installed: pip install 'pitwire[polars]'",
            ) from None
        found = self.to_columns()
        return pl.DataFrame([_to_polars(column, found[column.name]) for column in self.columns])


def _utc(values: Values) -> Any:
    import pandas as pd

    times = np.asarray(values, dtype="int64")
    stamps = np.where(times == 0, np.datetime64("NaT", "ns"), times.view("datetime64[ns]"))
    return pd.DatetimeIndex(stamps).tz_localize("UTC")


def _to_pandas(column: Column, values: Values) -> Any:
    import pandas as pd

    match column.kind:
        case Kind.TIME:
            return _utc(values)
        case Kind.FLOAT | Kind.INT:
            return values
        case Kind.FLAG:
            return np.asarray(values, dtype=bool)
        case Kind.CHOICE:
            words = pd.Index([str(word) for word in column.words])
            return pd.Categorical.from_codes(np.asarray(values, dtype="int8"), words)
        case Kind.TEXT:
            return pd.array(list(values), dtype="str")
        case Kind.MONEY:
            exact = np.empty(len(values), dtype=object)
            exact[:] = values
            return exact


def _to_polars(column: Column, values: Values) -> pl.Series:
    import polars as pl

    name = column.name
    match column.kind:
        case Kind.TIME:
            told = pl.Series(name, values).cast(pl.Datetime("ns", "UTC"))
            return told.set(pl.Series(values) == 0, None)
        case Kind.FLOAT | Kind.INT:
            return pl.Series(name, values)
        case Kind.FLAG:
            return pl.Series(name, values, dtype=pl.Int8).cast(pl.Boolean)
        case Kind.CHOICE:
            words = [str(word) for word in column.words]
            chosen = [words[code] if code >= 0 else None for code in values]
            return pl.Series(name, chosen, dtype=pl.Enum(words))
        case Kind.TEXT:
            return pl.Series(name, values, dtype=pl.String)
        case Kind.MONEY:
            return pl.Series(name, values, dtype=pl.Decimal(38, _digits(values)))


def _digits(values: Values) -> int:
    exponents = [value.as_tuple().exponent for value in values if isinstance(value, Decimal)]
    return max([-e for e in exponents if isinstance(e, int)] + [0])


def _record_trades(ring: Ring) -> _Recorder:
    """Packs `layouts.trade_row` without making one."""
    pack, packed, size, side = ring.pack, ring.packed, ring.size, layouts.SIDE_CODES

    def record(event: Trade) -> None:
        at = ring.at
        if at >= ring.end:
            at = ring.make_room()
        try:
            pack(packed, at, event.received, event.venue_time, event.price, event.size,
                 side[event.side], event.trade_id, event.backfilled)  # fmt: skip
        except struct.error:
            ring.append(layouts.trade_row(event))
        else:
            ring.at = at + size

    return record


def _record_quotes(ring: Ring) -> _Recorder:
    """Packs `layouts.quote_row` without making one."""
    pack, packed, size = ring.pack, ring.packed, ring.size

    def record(event: Quote) -> None:
        at = ring.at
        if at >= ring.end:
            at = ring.make_room()
        try:
            pack(packed, at, event.received, event.venue_time, event.bid, event.bid_size,
                 event.ask, event.ask_size, event.update_id)  # fmt: skip
        except struct.error:
            ring.append(layouts.quote_row(event))
        else:
            ring.at = at + size

    return record


def _record_aggregates(ring: Ring) -> _Recorder:
    append, row = ring.append, layouts.aggregate_trade_row
    return lambda event: append(row(event))


_TABLES: dict[type[Event], tuple[Layout, Callable[[Ring], _Recorder]]] = {
    Trade: (layouts.TRADES, _record_trades),
    AggregateTrade: (layouts.AGGREGATE_TRADES, _record_aggregates),
    Quote: (layouts.QUOTES, _record_quotes),
}


class Frames:
    """The last `capacity` rows of every table.

    Feed it with `record` for every event and `record_top` after a book changed; kinds that have no
    table are passed over.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        if capacity < 1:
            raise ConfigError(where="capacity", found=capacity, expected="1 row or more")
        self.capacity = capacity
        self._market: dict[str, dict[tuple[str, ...], Ring]] = {
            layout.name: {}
            for layout in (
                layouts.TRADES, layouts.AGGREGATE_TRADES, layouts.QUOTES, layouts.TOPS,
                layouts.BARS,
            )
        }  # fmt: skip
        self._orders = MixedRing(layouts.ORDERS, capacity)
        self._fills = MixedRing(layouts.FILLS, capacity)
        self._recorders: dict[tuple[type[Event], str, str], Callable[[Any], None] | None] = {}
        self._others: dict[type[Event], Callable[[Any], None]] = {
            Bar: self._record_bar,
            Update: lambda event: self._orders.append(layouts.order_row(event)),
            Fill: lambda event: self._fills.append(layouts.fill_row(event)),
        }

    def recorder(self, event: Event) -> Callable[[Any], None] | None:
        """What `record` does with every event of this kind, venue and symbol; None where it does
        nothing."""
        known = _TABLES.get(type(event))
        if known is None:
            return self._others.get(type(event))
        layout, recorder = known
        return recorder(self._ring(layout, (event.venue, event.symbol)))

    def record(self, event: Event) -> None:
        """Keep one event, if its kind has a table."""
        key = type(event), event.venue, event.symbol
        try:
            recorder = self._recorders[key]
        except KeyError:
            recorder = self._recorders[key] = self.recorder(event)
        if recorder is not None:
            recorder(event)

    def record_top(
        self,
        venue: str,
        symbol: str,
        now: int,
        *,
        bid: float,
        bid_size: float,
        ask: float,
        ask_size: float,
    ) -> None:
        """Keep the best levels of a book as they stand; NaN for a side that is empty."""
        ring = self._ring(layouts.TOPS, (venue, symbol))
        ring.append((now, bid, bid_size, ask, ask_size))

    def _record_bar(self, bar: Bar) -> None:
        # A venue tells an open bar again and again: its row is the last that was told.
        ring = self._ring(layouts.BARS, (bar.venue, bar.symbol, bar.interval))
        keep = ring.replace_last if ring.last_time == bar.open_time else ring.append
        keep(layouts.bar_row(bar))

    def _ring(self, layout: Layout, key: tuple[str, ...]) -> Ring:
        rings = self._market[layout.name]
        ring = rings.get(key)
        if ring is None:
            ring = rings[key] = Ring(layout, self.capacity)
        return ring

    def trades(self, symbol: str, venue: str = "") -> Table:
        """Single trades of a symbol."""
        return self._table(layouts.TRADES, symbol, venue)

    def aggregate_trades(self, symbol: str, venue: str = "") -> Table:
        """Trades as the venue merged them."""
        return self._table(layouts.AGGREGATE_TRADES, symbol, venue)

    def quotes(self, symbol: str, venue: str = "") -> Table:
        """Best bid and ask as the venue's quote stream told them."""
        return self._table(layouts.QUOTES, symbol, venue)

    def tops(self, symbol: str, venue: str = "") -> Table:
        """Best bid and ask of our own book."""
        return self._table(layouts.TOPS, symbol, venue)

    def bars(self, symbol: str, interval: str, venue: str = "") -> Table:
        """Bars of one interval; the last may still be open (`closed` says)."""
        return self._table(layouts.BARS, symbol, venue, interval)

    def orders(self, symbol: str = "") -> Table:
        """What the venues said about our orders, one row an update; "" for all symbols."""
        return Table(layouts.ORDERS, self._orders, symbol=symbol)

    def fills(self, symbol: str = "") -> Table:
        """Our fills; "" for all symbols."""
        return Table(layouts.FILLS, self._fills, symbol=symbol)

    def symbols(self, table: str) -> list[tuple[str, ...]]:
        """The (venue, symbol) pairs a market table has rows of; for bars with the interval."""
        if table not in self._market:
            expected = f"one of {', '.join(self._market)}"
            raise ConfigError(where="table", found=table, expected=expected)
        return sorted(self._market[table])

    def _table(self, layout: Layout, symbol: str, venue: str, interval: str = "") -> Table:
        rest = (symbol, interval) if interval else (symbol,)
        rings = self._market[layout.name]
        if venue:
            return Table(layout, rings.get((venue, *rest)))
        found = [key for key in rings if key[1:] == rest]
        if len(found) > 1:
            venues = " or ".join(sorted(key[0] for key in found))
            raise ConfigError(where=f"venue of {symbol}", found=venue, expected=venues)
        return Table(layout, rings[found[0]] if found else None)
