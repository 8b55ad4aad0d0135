"""Binary market frames of Binance spot to events (binance §10.1, §10.2; schema 1).

House rules: offsets are the schema's, lengths are the frame's own, so that a newer version with
longer blocks reads the same; a number is mantissa by power of ten, divided once and as whole
numbers, which gives the very float that its text would; what is short, negative or absurd raises
`Unreadable` with its place, and nothing here raises anything else. A frame as today's schema lays
it out is read by the shortest way, and what is unusual about it by the other, which says so.
`_sbe.c` beside this is the compiled twin of the shortest way (ADR 29).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from struct import Struct
from typing import Any, TypeAlias

from pitwire.model import packed
from pitwire.model.events import BookDelta, Event, Levels, PartialBook, Quote, Trade
from pitwire.model.orders import Side
from pitwire.model.packed import SCALES, PackedLevels, Scale
from pitwire.model.twins import KINDS, twin
from pitwire.venues.binance.symbols import VENUE, Symbols
from pitwire.venues.mbx.fields import LAST_INSTANT
from pitwire.venues.reading import Unreadable
from pitwire.venues.venue import Buffer, Decoded

SCHEMA = 1
_TRADES, _BEST, _TOP, _DIFF = 10000, 10001, 10002, 10003
_HEADER = 8
"""`blockLength`, `templateId`, `schemaId`, `version`, each u16."""
_LEVEL, _TRADE = 16, 25
_MICRO = 1_000
_SELL, _BUY = Side.SELL, Side.BUY
_LAST_ID = 2**62

Read: TypeAlias = Callable[[bytes, int], Sequence[Event]]
"""(frame, now) → events; raises `Unreadable`."""
Decode: TypeAlias = Callable[[Buffer, int], Sequence[Decoded]]
"""`Codec.decode`."""
_head = Struct("<HHHH").unpack_from
_trades_root = Struct("<qqbb").unpack_from
_best_root = Struct("<qqbbqqqq").unpack_from
_top_root = Struct("<qqbb").unpack_from
_diff_root = Struct("<qqqbb").unpack_from
_group32 = Struct("<HI").unpack_from
_group16 = Struct("<HH").unpack_from
# Header and all of the shortest frames; both exponents are one number, which names two scales.
_one_trade = Struct("<16xQhHIQqqB").unpack_from
_one_quote = Struct("<8xQQhqqqq").unpack_from
_ONE_TRADE, _ONE_QUOTE = 57, 58
"""Where the name begins in these."""
_SIDES = {0: _BUY, 1: _SELL}
"""§10.2: `isBuyerMaker`; then the taker sold."""
_BOTH: Mapping[int, tuple[Scale, Scale]] = {
    int.from_bytes(struct.pack("<bb", one, other), "little", signed=True): (price, size)
    for one, price in SCALES.items()
    for other, size in SCALES.items()
}
"""Both exponents → what prices and sizes are divided by."""
_NO_SCALES = None, None


class SbeDecoder:
    """Decodes the binary frames of one market connection."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self._names = symbols.texts
        self.usual: Mapping[bytes, Read] = {
            _header(18, _TRADES): self._usual_trade,
            _header(50, _BEST): self._usual_best,
            _header(18, _TOP): partial(self._top, 18),
            _header(26, _DIFF): partial(self._diff, 26),
        }
        """Header of today's schema → the shortest way to read what follows; raises `Unreadable`,
        and `struct.error` for a frame that is cut off."""
        self._readers: Mapping[int, Callable[[int, bytes, int], Sequence[Event]]] = {
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
            return None if reader is None else reader(block, frame, now)
        except struct.error:
            raise Unreadable("$", f"cut off after {len(frame)} bytes") from None

    # ── the shortest way ──

    def _usual_trade(self, frame: bytes, now: int) -> Sequence[Event]:
        at, scales, length, count, number, price, size, maker = _one_trade(frame)
        symbol, side = self._names.get(frame[_ONE_TRADE:]), _SIDES.get(maker)
        prices, sizes = _BOTH.get(scales, _NO_SCALES)
        if (
            symbol is None
            or side is None
            or length != _TRADE
            or count != 1
            or number >= _LAST_ID
            or at > LAST_INSTANT
            or not price > 0 <= size
            or prices is None
            or sizes is None
        ):
            return self._trades(18, frame, now)
        return (
            Trade(
                VENUE, symbol, at * _MICRO, now, price / prices, size / sizes, side, number
            ),
        )  # fmt: skip

    def _usual_best(self, frame: bytes, now: int) -> Sequence[Event]:
        at, number, scales, bid, bid_size, ask, ask_size = _one_quote(frame)
        symbol = self._names.get(frame[_ONE_QUOTE:])
        prices, sizes = _BOTH.get(scales, _NO_SCALES)
        if (
            symbol is None
            or at > LAST_INSTANT
            or number >= _LAST_ID
            or not 0 < bid < ask
            or not bid_size >= 0 <= ask_size
            or prices is None
            or sizes is None
        ):
            return self._best(50, frame, now)
        return (
            Quote(
                VENUE, symbol, at * _MICRO, now, bid / prices, bid_size / sizes, ask / prices,
                ask_size / sizes, number,
            ),
        )  # fmt: skip

    # ── one function a template ──

    def _trades(self, block: int, frame: bytes, now: int) -> Sequence[Event]:
        _demand(block, 18, "TradesStreamEvent")
        _, at, price_exponent, size_exponent = _trades_root(frame, _HEADER)
        length, count = _group32(frame, _HEADER + block)
        begin = _HEADER + block + 6
        rows, end = _rows(frame, begin, length, count)
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

    def _best(self, block: int, frame: bytes, now: int) -> Sequence[Event]:
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

    def _top(self, block: int, frame: bytes, now: int) -> Sequence[Event]:
        _demand(block, 18, "DepthSnapshotStreamEvent")
        at, last, price_exponent, size_exponent = _top_root(frame, _HEADER)
        bids, asks, end = _sides(frame, _HEADER + block, price_exponent, size_exponent)
        symbol = self._symbol(frame, end)
        if not 0 <= last < _LAST_ID:
            raise Unreadable("bookUpdateId", str(last))
        # The name of the stream says how deep it is (§10.2); there is one depth.
        return (PartialBook(VENUE, symbol, _instant(at, "eventTime"), now, last, bids, asks, 20),)

    def _diff(self, block: int, frame: bytes, now: int) -> Sequence[Event]:
        _demand(block, 26, "DepthDiffStreamEvent")
        at, first, last, price_exponent, size_exponent = _diff_root(frame, _HEADER)
        bids, asks, end = _sides(frame, _HEADER + block, price_exponent, size_exponent)
        symbol = self._symbol(frame, end)
        if not 0 <= first < _LAST_ID or not 0 <= last < _LAST_ID:
            raise Unreadable("lastBookUpdateId", f"{first} to {last}")
        return (BookDelta(VENUE, symbol, _instant(at, "eventTime"), now, first, last, bids, asks),)

    def _symbol(self, frame: bytes, at: int) -> str:
        """The varString8 at the end, as we spell it."""
        end = at + 1 + frame[at] if at < len(frame) else 0
        text = frame[at:end]
        known = self._names.get(text)
        if known is not None:
            return known
        raw = text[1:]
        if not raw or end > len(frame) or len(raw) > 40:
            raise Unreadable("symbol", f"{len(raw)} bytes at {at}")
        try:
            ours = self._symbols[raw.decode()]
        except UnicodeDecodeError:
            raise Unreadable("symbol", repr(raw)) from None
        if len(self._names) < 10_000:
            self._names[text] = ours
        return ours


def _header(block: int, template: int) -> bytes:
    return struct.pack("<HHHH", block, template, SCHEMA, 0)


def _sides(
    frame: bytes, at: int, price_exponent: int, size_exponent: int
) -> tuple[Levels, Levels, int]:
    """Bids, asks, and where they end."""
    prices, sizes = _scale(price_exponent), _scale(size_exponent)
    length, count = _group16(frame, at)
    body, at = _levels(frame, at + 4, length, count, "bids")
    bids: Levels = PackedLevels(body, prices, sizes) if body else ()
    length, count = _group16(frame, at)
    body, at = _levels(frame, at + 4, length, count, "asks")
    asks: Levels = PackedLevels(body, prices, sizes) if body else ()
    return bids, asks, at


def _levels(frame: bytes, begin: int, length: int, count: int, group: str) -> tuple[bytes, int]:
    """The levels of a group as they are packed today, all of them looked at; and where it ends."""
    end = begin + length * count
    if end > len(frame) or (count and length < _LEVEL):
        raise Unreadable(group, f"{count} of {length} bytes in a frame of {len(frame)}")
    body = frame[begin:end]
    if length > _LEVEL:
        body = b"".join([body[at : at + _LEVEL] for at in range(0, len(body), length)])
    # The last byte of a negative number has its highest bit set.
    if not body[7::8].isascii():
        raise Unreadable(group, "a number below zero")
    if 0 in _prices(count)(body):
        raise Unreadable("price", "0")
    return body, end


@lru_cache(maxsize=256)
def _prices(count: int) -> Callable[[bytes], tuple[int, ...]]:
    """What reads the prices of so many levels."""
    return Struct(f"<{'q8x' * count}").unpack


def _rows(
    frame: bytes, begin: int, length: int, count: int
) -> tuple[Sequence[tuple[int, ...]], int]:
    """The trades of a group of `count` blocks of `length`, of which we know the first bytes."""
    end = begin + length * count
    if end > len(frame) or (count and length < _TRADE):
        raise Unreadable("trades", f"{count} of {length} bytes in a frame of {len(frame)}")
    layout = Struct(f"<qqqB{max(0, length - _TRADE)}x")
    return [*layout.iter_unpack(frame[begin:end])] if count else [], end


def _demand(block: int, least: int, message: str) -> None:
    if block < least:
        raise Unreadable("blockLength", f"{block} of {message}, which has {least}")


def _scale(exponent: int) -> Scale:
    """What a mantissa is divided by."""
    try:
        return SCALES[exponent]
    except KeyError:
        raise Unreadable("exponent", str(exponent)) from None


def _instant(micros: int, path: str) -> int:
    if not 0 <= micros <= LAST_INSTANT:
        raise Unreadable(path, str(micros))
    return micros * _MICRO


# ── the compiled twin ──


def known_by(reading: Any, levels: Any) -> Callable[[Symbols, Decode], Decode]:
    """What makes the compiled readers of this module, with levels of that one.

    A reader is `(symbols, plain) → decode`; what it does not read it hands to `plain`.
    """
    PackedLevels.register(levels.PackedLevels)
    kinds = Trade, Quote, BookDelta, PartialBook
    made = levels.PackedLevels, levels.maker
    reading.know(*kinds, *made, _BUY, _SELL, VENUE, LAST_INSTANT)

    def reader(symbols: Symbols, plain: Decode) -> Decode:
        decode: Decode = reading.Reader(symbols, plain).decode
        return decode

    return reader


_NAME = "pitwire.venues.binance._sbe"
_compiled = twin(_NAME)
COMPILED = (
    None if _compiled is None or packed.COMPILED is None else known_by(_compiled, packed.COMPILED)
)
"""Makes compiled readers (`_sbe.c`), where they and their levels were built."""
if COMPILED is None and _compiled is not None:
    KINDS[_NAME] = KINDS["pitwire.model._packed"]  # it is there, and not used for want of these
