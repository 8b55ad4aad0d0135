"""Binary market frames of Binance spot to events (binance §10.1, §10.2; schema 1).

House rules: offsets are the schema's, lengths are the frame's own, so that a newer version with
longer blocks reads the same; a number is mantissa by power of ten, divided once and as whole
numbers, which gives the very float that its text would; what is short, negative or absurd raises
`Unreadable` with its place, and nothing here raises anything else.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from struct import Struct

from pitwire.model.events import BookDelta, Event, Level, PartialBook, Quote, Trade
from pitwire.model.orders import Side
from pitwire.venues.binance.symbols import VENUE, Symbols
from pitwire.venues.mbx.amounts import Unreadable
from pitwire.venues.mbx.fields import LAST_INSTANT

SCHEMA = 1
_TRADES, _BEST, _TOP, _DIFF = 10000, 10001, 10002, 10003
_HEADER = 8
"""`blockLength`, `templateId`, `schemaId`, `version`, each u16."""
_LEVEL, _TRADE = 16, 25
_MICRO = 1_000
_SELL, _BUY = Side.SELL, Side.BUY
_LAST_ID = 2**62

_head = Struct("<HHHH").unpack_from
_trades_root = Struct("<qqbb").unpack_from
_best_root = Struct("<qqbbqqqq").unpack_from
_top_root = Struct("<qqbb").unpack_from
_diff_root = Struct("<qqqbb").unpack_from
_group32 = Struct("<HI").unpack_from
_group16 = Struct("<HH").unpack_from


class SbeDecoder:
    """Decodes the binary frames of one market connection."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self._names: dict[bytes, str] = {}
        self._readers: Mapping[int, Callable[[bytes, int, int], Sequence[Event]]] = {
            _TRADES: self._trades,
            _BEST: self._best,
            _TOP: self._top,
            _DIFF: self._diff,
        }

    def decode(self, frame: bytes, now: int) -> Sequence[Event] | None:
        """The events of one message; None for one of a template or schema that we do not know.

        Raises `Unreadable`.
        """
        try:
            block, template, schema, _ = _head(frame)
            reader = self._readers.get(template) if schema == SCHEMA else None
            return None if reader is None else reader(frame, block, now)
        except struct.error:
            raise Unreadable("$", f"cut off after {len(frame)} bytes") from None

    # ── one function a template ──

    def _trades(self, frame: bytes, block: int, now: int) -> Sequence[Event]:
        _demand(block, 18, "TradesStreamEvent")
        _, at, price_exponent, size_exponent = _trades_root(frame, _HEADER)
        length, count = _group32(frame, _HEADER + block)
        begin = _HEADER + block + 6
        rows, end = _rows(frame, begin, length, count, _TRADE, "trades")
        symbol = self._symbol(frame, end)
        prices, sizes = _scale(price_exponent), _scale(size_exponent)
        venue_time = _instant(at, "transactTime")
        told = []
        for trade_id, price, size, maker in rows:
            if price <= 0 or size < 0 or not 0 <= trade_id < _LAST_ID or maker > 1:
                raise Unreadable("trades", f"{trade_id}, {price}, {size}, {maker}")
            side = _SELL if maker else _BUY
            told.append(
                Trade(VENUE, symbol, venue_time, now, price / prices, size / sizes, side, trade_id)
            )
        return told

    def _best(self, frame: bytes, block: int, now: int) -> Sequence[Event]:
        _demand(block, 50, "BestBidAskStreamEvent")
        at, update_id, price_exponent, size_exponent, bid, bid_size, ask, ask_size = _best_root(
            frame, _HEADER
        )
        symbol = self._symbol(frame, _HEADER + block)
        if bid <= 0 or ask <= 0 or bid_size < 0 or ask_size < 0:
            # §10.2: a side where nobody quotes is not documented; as in JSON, it is 0 for 0.
            if min(bid, bid_size, ask, ask_size) < 0 or (not bid and bid_size):
                raise Unreadable("bid", f"{bid_size} at {bid}")
            if not ask and ask_size:
                raise Unreadable("ask", f"{ask_size} at {ask}")
        if not 0 <= update_id < _LAST_ID:
            raise Unreadable("bookUpdateId", str(update_id))
        prices, sizes = _scale(price_exponent), _scale(size_exponent)
        return (
            Quote(
                VENUE, symbol, _instant(at, "eventTime"), now, bid / prices, bid_size / sizes,
                ask / prices, ask_size / sizes, update_id,
            ),
        )  # fmt: skip

    def _top(self, frame: bytes, block: int, now: int) -> Sequence[Event]:
        _demand(block, 18, "DepthSnapshotStreamEvent")
        at, last, price_exponent, size_exponent = _top_root(frame, _HEADER)
        bids, asks, end = _sides(frame, _HEADER + block, price_exponent, size_exponent)
        symbol = self._symbol(frame, end)
        if not 0 <= last < _LAST_ID:
            raise Unreadable("bookUpdateId", str(last))
        # The name of the stream says how deep it is (§10.2); there is one depth.
        return (PartialBook(VENUE, symbol, _instant(at, "eventTime"), now, last, bids, asks, 20),)

    def _diff(self, frame: bytes, block: int, now: int) -> Sequence[Event]:
        _demand(block, 26, "DepthDiffStreamEvent")
        at, first, last, price_exponent, size_exponent = _diff_root(frame, _HEADER)
        bids, asks, end = _sides(frame, _HEADER + block, price_exponent, size_exponent)
        symbol = self._symbol(frame, end)
        if not 0 <= first < _LAST_ID or not 0 <= last < _LAST_ID:
            raise Unreadable("lastBookUpdateId", f"{first} to {last}")
        return (BookDelta(VENUE, symbol, _instant(at, "eventTime"), now, first, last, bids, asks),)

    def _symbol(self, frame: bytes, at: int) -> str:
        """The varString8 at the end, as we spell it."""
        raw = frame[at + 1 : at + 1 + frame[at]] if at < len(frame) else b""
        known = self._names.get(raw)
        if known is not None:
            return known
        if not raw or len(raw) < frame[at] or len(raw) > 40:
            raise Unreadable("symbol", f"{len(raw)} bytes at {at}")
        try:
            ours = self._symbols[raw.decode()]
        except UnicodeDecodeError:
            raise Unreadable("symbol", repr(raw)) from None
        if len(self._names) < 10_000:
            self._names[raw] = ours
        return ours


def _sides(
    frame: bytes, at: int, price_exponent: int, size_exponent: int
) -> tuple[tuple[Level, ...], tuple[Level, ...], int]:
    """Bids, asks, and where they end."""
    prices, sizes = _scale(price_exponent), _scale(size_exponent)
    length, count = _group16(frame, at)
    rows, at = _rows(frame, at + 4, length, count, _LEVEL, "bids")
    bids = tuple([(price / prices, size / sizes) for price, size in rows])
    length, count = _group16(frame, at)
    rows, at = _rows(frame, at + 4, length, count, _LEVEL, "asks")
    asks = tuple([(price / prices, size / sizes) for price, size in rows])
    if (bids and min(bids)[0] <= 0) or (asks and min(asks)[0] <= 0):
        raise Unreadable("price", "0")
    return bids, asks, at


_LAYOUTS: Mapping[int, str] = {_LEVEL: "<qq", _TRADE: "<qqqB"}
_ITERATORS: Mapping[int, Callable[[bytes], Sequence[tuple[int, ...]]]] = {
    size: Struct(layout).iter_unpack  # type: ignore[misc]
    for size, layout in _LAYOUTS.items()
}


def _rows(
    frame: bytes, begin: int, length: int, count: int, known: int, group: str
) -> tuple[Sequence[tuple[int, ...]], int]:
    """The entries of a group of `count` blocks of `length`, of which we know the first bytes."""
    end = begin + length * count
    if end > len(frame) or (count and length < known):
        raise Unreadable(group, f"{count} of {length} bytes in a frame of {len(frame)}")
    body = frame[begin:end]
    if length == known:
        # The last byte of a negative number has its highest bit set.
        if known == _LEVEL and not body[7::8].isascii():
            raise Unreadable(group, "a number below zero")
        return _ITERATORS[known](body), end
    rows = [*Struct(f"{_LAYOUTS[known]}{length - known}x").iter_unpack(body)] if count else []
    if known == _LEVEL and any(min(row) < 0 for row in rows):
        raise Unreadable(group, "a number below zero")
    return rows, end


def _demand(block: int, least: int, message: str) -> None:
    if block < least:
        raise Unreadable("blockLength", f"{block} of {message}, which has {least}")


class _Times:
    """Divides by less than one, exactly: of a mantissa whose exponent is above zero."""

    def __init__(self, factor: int) -> None:
        self._factor = factor

    def __rtruediv__(self, mantissa: int) -> float:
        return float(mantissa * self._factor)


_SCALES: Mapping[int, int | _Times] = {
    exponent: 10**-exponent if exponent <= 0 else _Times(10**exponent)
    for exponent in range(-18, 19)
}


def _scale(exponent: int) -> int | _Times:
    """What a mantissa is divided by."""
    try:
        return _SCALES[exponent]
    except KeyError:
        raise Unreadable("exponent", str(exponent)) from None


def _instant(micros: int, path: str) -> int:
    if not 0 <= micros <= LAST_INSTANT:
        raise Unreadable(path, str(micros))
    return micros * _MICRO
