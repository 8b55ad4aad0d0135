"""CSV files in tardis.dev's columns → events, for tables.

House rules: a file is read row by row; a missing column or a row that cannot be read is an error
that names file and line. Rows of a book that came in one message (the same local time) become one
event; such files have no sequence numbers, so ids are made of the time of coming: dense within a
file, and higher in a later one.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pitwire.model.errors import ConfigError
from pitwire.model.events import BookDelta, BookSnapshot, Event, Quote, Trade
from pitwire.model.orders import Side

_MICROSECOND = 1000
_COMMON = ("exchange", "symbol", "timestamp", "local_timestamp")
_COLUMNS = {
    "trades": (*_COMMON, "id", "side", "price", "amount"),
    "quotes": (*_COMMON, "ask_amount", "ask_price", "bid_price", "bid_amount"),
    "incremental_book_L2": (*_COMMON, "is_snapshot", "side", "price", "amount"),
}
Row = dict[str, str]
Name = Callable[[str], str]


def read_tardis(path: Path, name: Name = str) -> Iterator[Event]:
    """The events of a file; `name` turns a venue's spelling of a symbol into ours."""
    with _open(path) as text:
        rows = csv.DictReader(text)
        kind = _kind(path, tuple(rows.fieldnames or ()))
        numbered = ((rows.line_num, row) for row in rows)
        match kind:
            case "trades":
                yield from _each(path, numbered, name, _trade)
            case "quotes":
                yield from _each(path, numbered, name, _quote)
            case _:
                yield from _book(path, numbered, name)


def _kind(path: Path, columns: tuple[str, ...]) -> str:
    for kind, wanted in _COLUMNS.items():
        if set(wanted) <= set(columns):
            return kind
    named = [kind for kind in _COLUMNS if kind in path.name]
    likely = named or sorted(_COLUMNS, key=lambda kind: -len(set(_COLUMNS[kind]) & set(columns)))
    missing = [column for column in _COLUMNS[likely[0]] if column not in columns]
    raise ConfigError(
        where=f"{path} line 1",
        found=f"no column {missing[0]!r}",
        expected=f"the columns of {likely[0]}: {', '.join(_COLUMNS[likely[0]])}",
    )


def _each(
    path: Path,
    rows: Iterator[tuple[int, Row]],
    name: Name,
    make: Callable[[Row, str, str, int, int], Event],
) -> Iterator[Event]:
    for number, row in rows:
        try:
            venue, symbol, venue_time, received = _head(row, name)
            yield make(row, venue, symbol, venue_time, received)
        except (ValueError, TypeError, KeyError) as error:
            raise _bad(path, number, error) from None


def _trade(row: Row, venue: str, symbol: str, venue_time: int, received: int) -> Trade:
    # `unknown` is a side of theirs; nothing better than "buy" can be said of it in a Trade of ours.
    side = Side.SELL if row["side"] == "sell" else Side.BUY
    trade_id = int(row["id"]) if row["id"].isdigit() else 0
    price, size = float(row["price"]), float(row["amount"])
    return Trade(venue, symbol, venue_time, received, price, size, side, trade_id)


def _quote(row: Row, venue: str, symbol: str, venue_time: int, received: int) -> Quote:
    bid, bid_size = _number(row["bid_price"]), _number(row["bid_amount"])
    ask, ask_size = _number(row["ask_price"]), _number(row["ask_amount"])
    return Quote(venue, symbol, venue_time, received, bid, bid_size, ask, ask_size)


def _book(path: Path, rows: Iterator[tuple[int, Row]], name: Name) -> Iterator[Event]:
    message = _Message()
    for number, row in rows:
        try:
            venue, symbol, venue_time, received = _head(row, name)
            key = (venue, symbol, venue_time, received, row["is_snapshot"] == "true")
            level = (float(row["price"]), float(row["amount"]))
            is_bid = row["side"] == "bid"
        except (ValueError, TypeError, KeyError) as error:
            raise _bad(path, number, error) from None
        if key != message.key:
            yield from message.take()
            message.key = key
        (message.bids if is_bid else message.asks).append(level)
    yield from message.take()


class _Message:
    """Rows that came together."""

    def __init__(self) -> None:
        self.key: tuple[str, str, int, int, bool] | None = None
        self.bids: list[tuple[float, float]] = []
        self.asks: list[tuple[float, float]] = []
        self._last = 0

    def take(self) -> Iterator[Event]:
        if self.key is None:
            return
        venue, symbol, venue_time, received, whole = self.key
        bids, asks = tuple(self.bids), tuple(self.asks)
        self.bids, self.asks = [], []
        first = self._last + 1
        last = self._last = max(first, received)
        if whole:
            yield BookSnapshot(venue, symbol, venue_time, received, last, bids, asks)
        else:
            yield BookDelta(venue, symbol, venue_time, received, first, last, bids, asks)


def _head(row: Row, name: Name) -> tuple[str, str, int, int]:
    venue_time = int(row["timestamp"]) * _MICROSECOND
    received = int(row["local_timestamp"]) * _MICROSECOND
    return row["exchange"], name(row["symbol"]), venue_time, received


def _number(text: str) -> float:
    return float(text) if text else 0.0  # an empty side


@contextmanager
def _open(path: Path) -> Iterator[TextIO]:
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            whole = gzip.GzipFile(fileobj=raw) if packed else raw
            yield io.TextIOWrapper(whole, "utf-8", newline="")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        expected = "a whole gzip file; unpack it by hand to save what is there"
        raise ConfigError(where=str(path), found="a damaged one", expected=expected) from None
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise ConfigError(where=str(path), found=found, expected="a CSV file to read") from None


def _bad(path: Path, number: int, error: Exception) -> ConfigError:
    found = str(error) or type(error).__name__
    return ConfigError(where=f"{path} line {number}", found=found, expected="a row of numbers")
