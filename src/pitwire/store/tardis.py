"""CSV files in tardis.dev's columns → events, for tables.

House rules: a file is read row by row; a missing column or a row that cannot be read is an error
that names file and line. Rows of a book that came in one message (the same local time) become one
event; such files have no sequence numbers, so ids are made of the time of coming: dense within a
file, and higher in a later one.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import Path

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
_EXCHANGE = re.compile(r"\w[\w.-]*", re.ASCII)
_DIGITS = 18
"""Of a number that fits a column."""
_SIDES = {"buy": Side.BUY, "sell": Side.SELL, "unknown": Side.BUY}
"""`unknown` is a side of theirs; nothing better can be said of it in a `Trade` of ours."""
_BIDS = {"bid": True, "ask": False}
_NO_ROW = (ValueError, TypeError, KeyError, AttributeError)
"""What comes of a row that is none: a field that is no number, or is not there."""
Row = dict[str, str]
Name = Callable[[str], str]


class Cut(ConfigError):
    """A file that ends in the midst of something; what stands before was read."""


def read_tardis(path: Path, name: Name = str) -> Iterator[Event]:
    """The events of a file; `name` turns a venue's spelling of a symbol into ours.

    Raises `ConfigError` naming the line of what is wrong, and `Cut` where the file ends too early.
    """
    with _open(path) as text:
        lines = _Lines(path, text)
        rows = csv.DictReader(lines)
        kind = _kind(path, tuple(_headed(path, rows)))
        numbered = _numbered(lines, rows)
        match kind:
            case "trades":
                yield from _each(numbered, name, _trade)
            case "quotes":
                yield from _each(numbered, name, _quote)
            case _:
                yield from _book(numbered, name)


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


class _Lines:
    """A file's lines as text."""

    def __init__(self, path: Path, raw: Iterable[bytes]) -> None:
        self.path, self._raw = path, raw
        self.number = 0
        self.is_half = False
        """Whether the last one has no end."""

    def __iter__(self) -> Iterator[str]:
        for line in self._raw:
            self.number += 1
            self.is_half = not line.endswith(b"\n")
            if self.is_half and self.number > 1 and not isinstance(self._raw, gzip.GzipFile):
                # Its last number may have had more digits; of a packed file the sum says that it
                # is whole.
                raise self.bad(ValueError())
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                raise self.bad(error) from None
            yield text.removeprefix("\ufeff") if self.number == 1 else text

    def bad(self, error: Exception) -> ConfigError:
        """What to say of the last line."""
        where, expected = f"{self.path} line {self.number}", "a row of numbers"
        if self.is_half:
            expected += " with a line break at its end"
            return Cut(where=where, found="a row that is cut", expected=expected)
        found = str(error) or type(error).__name__
        return ConfigError(where=where, found=found, expected=expected)


def _headed(path: Path, rows: csv.DictReader[str]) -> Sequence[str]:
    try:
        return rows.fieldnames or ()
    except csv.Error as error:
        expected = "the names of the columns"
        raise ConfigError(where=f"{path} line 1", found=str(error), expected=expected) from None


def _numbered(lines: _Lines, rows: csv.DictReader[str]) -> Iterator[tuple[_Lines, Row]]:
    try:
        for row in rows:
            yield lines, row
    except csv.Error as error:
        raise lines.bad(error) from None


def _each(
    rows: Iterator[tuple[_Lines, Row]],
    name: Name,
    make: Callable[[Row, str, str, int, int], Event],
) -> Iterator[Event]:
    for lines, row in rows:
        try:
            event = make(row, *_head(row, name))
        except _NO_ROW as error:
            raise lines.bad(error) from None
        yield event


def _trade(row: Row, venue: str, symbol: str, venue_time: int, received: int) -> Trade:
    side = _SIDES[row["side"]]
    # Names of other kinds are no ids of ours.
    trade_id = int(row["id"]) if row["id"].isdecimal() and len(row["id"]) <= _DIGITS else 0
    price, size = _number(row["price"]), _amount(row["amount"])
    return Trade(venue, symbol, venue_time, received, price, size, side, trade_id)


def _quote(row: Row, venue: str, symbol: str, venue_time: int, received: int) -> Quote:
    bid, bid_size = _side(row["bid_price"], row["bid_amount"])
    ask, ask_size = _side(row["ask_price"], row["ask_amount"])
    return Quote(venue, symbol, venue_time, received, bid, bid_size, ask, ask_size)


def _book(rows: Iterator[tuple[_Lines, Row]], name: Name) -> Iterator[Event]:
    message = _Message()
    for lines, row in rows:
        try:
            venue, symbol, venue_time, received = _head(row, name)
            key = (venue, symbol, venue_time, received, row["is_snapshot"] == "true")
            level = (_number(row["price"]), _amount(row["amount"]))
            is_bid = _BIDS[row["side"]]
        except _NO_ROW as error:
            raise lines.bad(error) from None
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
    venue_time, received = (
        int(row[name]) * _MICROSECOND for name in ("timestamp", "local_timestamp")
    )
    if not (0 <= venue_time < 1 << 63 and 0 <= received < 1 << 63):
        raise ValueError(f"{row['timestamp']} and {row['local_timestamp']} as times")
    if not _EXCHANGE.fullmatch(row["exchange"]):  # a folder will have this name
        raise ValueError(f"exchange {row['exchange']}")
    return row["exchange"], name(row["symbol"]), venue_time, received


def _side(price: str, amount: str) -> tuple[float, float]:
    """A side may be empty, but then all of it is; a field that is not there at all is no text."""
    return (0.0, 0.0) if price == amount == "" else (_number(price), _amount(amount))


def _number(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} as a number")
    return number


def _amount(text: str) -> float:
    if (number := _number(text)) < 0:
        raise ValueError(f"{text} as an amount")
    return number


@contextmanager
def _open(path: Path) -> Iterator[Iterable[bytes]]:
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            yield gzip.GzipFile(fileobj=raw) if packed else raw
    except EOFError:
        raise Cut(where=str(path), found="one that is cut", expected="a whole gzip file") from None
    except (zlib.error, gzip.BadGzipFile) as error:  # then what was read before may be wrong, too
        found, expected = f"a damaged one ({error})", "a whole gzip file"
        raise ConfigError(where=str(path), found=found, expected=expected) from None
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise ConfigError(where=str(path), found=found, expected="a CSV file to read") from None
