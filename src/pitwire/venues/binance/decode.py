"""Market frames to events (binance §1.2, §3).

House rules: one typed pass over the bytes, wrapper and all; the key after the opening brace only
chooses the decoder to try first, it is never trusted; whatever cannot be read is a `Malformed`,
whatever is not known an `Unhandled`, and nothing is raised. Of a key written twice the last counts,
as for every reader of JSON; only where a frame is read at leisure is it refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import msgspec

from pitwire.model.events import (
    AggregateTrade,
    AveragePrice,
    Bar,
    BookDelta,
    Event,
    PartialBook,
    Quote,
    Ticker,
    Trade,
    VenueShutdown,
)
from pitwire.model.orders import Side
from pitwire.model.twins import twin
from pitwire.venues import reading
from pitwire.venues.binance import frames as wire
from pitwire.venues.binance.symbols import VENUE, Symbols
from pitwire.venues.mbx import frames as shared
from pitwire.venues.mbx import reading as family
from pitwire.venues.mbx.amounts import LAST_MILLISECOND, nanoseconds
from pitwire.venues.mbx.fields import LAST_INSTANT
from pitwire.venues.reading import UNREADABLE, Unreadable, refuse_doubled_keys

NAN = float("nan")
malformed, unhandled = partial(family.malformed, VENUE), partial(reading.unhandled, VENUE)
_S, _E, _U, _QUOTE, _LIST = ord("s"), ord("e"), ord("u"), ord('"'), ord("[")
_SELL, _BUY = Side.SELL, Side.BUY
_TRADE_FRAME, _DELTA_FRAME = wire.TradeFrame, wire.DeltaFrame

_event = msgspec.json.Decoder(wire.MarketFrame, strict=False).decode
_wrapped_event = msgspec.json.Decoder(wire.Wrapped[wire.MarketFrame], strict=False).decode
_quote = msgspec.json.Decoder(wire.QuoteFrame, strict=False).decode
_wrapped_quote = msgspec.json.Decoder(wire.Wrapped[wire.QuoteFrame], strict=False).decode
_depth = msgspec.json.Decoder(wire.DepthBody, strict=False).decode
_wrapped_depth = msgspec.json.Decoder(wire.Wrapped[wire.DepthBody], strict=False).decode
_list = msgspec.json.Decoder(tuple[wire.StatisticsFrame, ...], strict=False).decode
_wrapped_list = msgspec.json.Decoder(
    wire.Wrapped[tuple[wire.StatisticsFrame, ...]], strict=False
).decode

Partial: TypeAlias = Callable[[str], tuple[str, int]]
"""A stream name (or "" on a raw line) → our symbol and the depth; raises `Unreadable`."""
Read: TypeAlias = Callable[[bytes, int, Symbols], Sequence[Event] | None]
"""(frame, now, symbols) → the event of a frame that is written as usual, else None."""


def known_by(reading: Any) -> Read:
    """The compiled reader of this module, which knows what events are made of from now on."""
    instants = LAST_MILLISECOND, LAST_INSTANT
    reading.know(Trade, Quote, BookDelta, _BUY, _SELL, VENUE, *instants)
    read: Read = reading.read
    return read


_compiled = twin("pitwire.venues.binance._reading")
COMPILED = None if _compiled is None else known_by(_compiled)
"""The compiled reader of the commonest frames (`_reading.c`), where it was built."""


class MarketDecoder:
    """Decodes the frames of a market connection, wrapped (`/stream`) or bare (`/ws`)."""

    def __init__(self, symbols: Symbols, partial: Partial) -> None:
        self._symbols = symbols
        self._partial = partial

    def decode(self, frame: bytes, now: int) -> Sequence[Event]:
        """The events of one frame; raises one of `UNREADABLE` when the fast reading fails.

        A trade is written out flat, and met first: every look and every call is a tenth of its
        cost. It ends in a flag, `…e}}`; it begins behind a name of any length. Quotes and deltas
        are next, and flat as well.
        """
        if frame[2] != _S:
            return self._bare(frame, now)
        if frame[-3] == _E:
            data = _wrapped_event(frame).data
            if data.__class__ is _TRADE_FRAME:
                instant = data.T
                return (
                    Trade(
                        VENUE,
                        self._symbols[data.s],
                        instant * (1_000_000 if instant <= LAST_MILLISECOND else 1_000),
                        now,
                        data.p,
                        data.q,
                        # §3: `m` true means that the buyer was the maker, so the taker sold.
                        _SELL if data.m else _BUY,
                        data.t,
                    ),
                )
            return (MAPPERS[data.__class__](data, self._symbols, now),)
        # After the name comes `","data":{"` and then the first letter of the payload's first key.
        key = frame[frame.find(b'"', 11) + 11]
        if key == _U:
            quote = _wrapped_quote(frame).data
            bid, bid_size, ask, ask_size = quote.b, quote.B, quote.a, quote.A
            if bid and ask:
                name = self._symbols[quote.s]
                return (Quote(VENUE, name, 0, now, bid, bid_size, ask, ask_size, quote.u),)
            return (_quoted(quote, self._symbols, now),)
        if key == _E:
            data = _wrapped_event(frame).data
            if data.__class__ is _DELTA_FRAME:
                instant = data.E
                return (
                    BookDelta(
                        VENUE,
                        self._symbols[data.s],
                        instant * (1_000_000 if instant <= LAST_MILLISECOND else 1_000),
                        now,
                        data.U,
                        data.u,
                        data.b,
                        data.a,
                    ),
                )
            return (MAPPERS[data.__class__](data, self._symbols, now),)
        if key == _QUOTE:
            return self._listed(_wrapped_list(frame).data, now)
        depth = _wrapped_depth(frame)
        return self._topped(depth.stream, depth.data, now)

    def _bare(self, frame: bytes, now: int) -> Sequence[Event]:
        key = frame[2]
        if key == _E:
            data = _event(frame)
            return (MAPPERS[data.__class__](data, self._symbols, now),)
        if key == _U:
            return (_quoted(_quote(frame), self._symbols, now),)
        if frame[0] == _LIST:
            return self._listed(_list(frame), now)
        return self._topped("", _depth(frame), now)

    def _topped(self, stream: str, data: wire.DepthBody, now: int) -> Sequence[Event]:
        symbol, depth = self._partial(stream)
        return (
            PartialBook(VENUE, symbol, 0, now, data.last_update_id, data.bids, data.asks, depth),
        )

    def _listed(self, rows: Sequence[Any], now: int) -> Sequence[Event]:
        return [MAPPERS[row.__class__](row, self._symbols, now) for row in rows]

    def decode_unusual(self, frame: bytes, now: int) -> Sequence[Event]:
        """A frame that the fast reading refused: another order of fields, unknown, or broken."""
        try:
            found = msgspec.json.decode(frame)
        except UNREADABLE as worse:
            return (malformed(frame, now, worse),)
        stream = ""
        if isinstance(found, dict) and "stream" in found and "data" in found:
            stream, found = str(found["stream"]), found["data"]
        try:
            return self._reread(stream, found, frame, now)
        except UNREADABLE as worse:
            return (malformed(frame, now, worse, channel=stream),)

    def _reread(self, stream: str, found: object, frame: bytes, now: int) -> Sequence[Event]:
        refuse_doubled_keys(frame)
        if isinstance(found, list):
            return self._listed(_convert(found, _Statistics), now)
        if not isinstance(found, dict):
            raise Unreadable("$", f"neither an object nor a list: {found!s:.20}")
        kind = found.get("e")
        if kind is None and {"u", "b", "B", "a", "A"} <= found.keys():
            return (_quoted(_convert(found, wire.QuoteFrame), self._symbols, now),)
        if kind is None and "lastUpdateId" in found:
            return self._topped(stream, _convert(found, wire.DepthBody), now)
        if isinstance(kind, str) and kind not in KINDS:
            return (unhandled(frame, now, kind),)
        if kind is None:
            return (unhandled(frame, now, stream),)
        row = _convert(found, wire.MarketFrame)
        return (MAPPERS[row.__class__](row, self._symbols, now),)


_Statistics = tuple[wire.StatisticsFrame, ...]


def _convert(found: object, kind: Any) -> Any:
    return msgspec.convert(found, kind, strict=False)


# ── one function a kind of event ──────────────────────────────────────────────────────────────


def _trade(data: wire.TradeFrame, symbols: Symbols, now: int) -> Event:
    side = _SELL if data.m else _BUY
    return Trade(VENUE, symbols[data.s], nanoseconds(data.T), now, data.p, data.q, side, data.t)


def _quoted(data: wire.QuoteFrame, symbols: Symbols, now: int) -> Event:
    if not data.b and data.B:
        raise Unreadable("$.b", "a price of 0 for a size")
    if not data.a and data.A:
        raise Unreadable("$.a", "a price of 0 for a size")
    return Quote(VENUE, symbols[data.s], 0, now, data.b, data.B, data.a, data.A, data.u)


def _aggregate(data: shared.AggregateFrame, symbols: Symbols, now: int) -> Event:
    side = _SELL if data.m else _BUY
    return AggregateTrade(
        VENUE, symbols[data.s], nanoseconds(data.T), now, data.p, data.q, side,
        data.a, data.f, data.l,
    )  # fmt: skip


def _delta(data: wire.DeltaFrame, symbols: Symbols, now: int) -> Event:
    instant = data.E
    venue_time = instant * (1_000_000 if instant <= LAST_MILLISECOND else 1_000)
    return BookDelta(VENUE, symbols[data.s], venue_time, now, data.U, data.u, data.b, data.a)


def _bar(data: shared.BarFrame, symbols: Symbols, now: int) -> Event:
    bar = data.k
    return Bar(
        VENUE, symbols[data.s], nanoseconds(data.E), now, bar.i, nanoseconds(bar.t),
        nanoseconds(bar.T), bar.o, bar.h, bar.l, bar.c, bar.v, bar.q, bar.n, bar.x,
    )  # fmt: skip


def _mini(data: wire.MiniFrame, symbols: Symbols, now: int) -> Event:
    return Ticker(
        VENUE, symbols[data.s], nanoseconds(data.E), now, "24h", _price(data.o), _price(data.h),
        _price(data.l), _price(data.c), data.v, data.q,
    )  # fmt: skip


def _day(data: wire.DayFrame, symbols: Symbols, now: int) -> Event:
    return Ticker(
        VENUE, symbols[data.s], nanoseconds(data.E), now, "24h", _price(data.o), _price(data.h),
        _price(data.l), _price(data.c), data.v, data.q, data.p, data.P, _price(data.w),
        _price(data.b), data.B, _price(data.a), data.A, data.n,
    )  # fmt: skip


def _rolling(window: str) -> Callable[[Any, Symbols, int], Event]:
    def rolling(data: wire.HourFrame, symbols: Symbols, now: int) -> Event:
        return Ticker(
            VENUE, symbols[data.s], nanoseconds(data.E), now, window, _price(data.o),
            _price(data.h), _price(data.l), _price(data.c), data.v, data.q, data.p, data.P,
            _price(data.w), trades=data.n,
        )  # fmt: skip

    return rolling


def _average(data: wire.AverageFrame, symbols: Symbols, now: int) -> Event:
    return AveragePrice(VENUE, symbols[data.s], nanoseconds(data.E), now, data.i, data.w)


def _shutdown(data: shared.ShutdownFrame, _symbols: Symbols, now: int) -> Event:
    return VenueShutdown(VENUE, "", nanoseconds(data.E), now, "")


def _price(value: float) -> float:
    # Statistics write 0 where nothing traded or nobody quotes; 0 would look like a crash.
    return value or NAN


MAPPERS: dict[type[msgspec.Struct], Callable[[Any, Symbols, int], Event]] = {
    wire.TradeFrame: _trade,
    shared.AggregateFrame: _aggregate,
    wire.DeltaFrame: _delta,
    shared.BarFrame: _bar,
    wire.MiniFrame: _mini,
    wire.DayFrame: _day,
    wire.HourFrame: _rolling("1h"),
    wire.FourHoursFrame: _rolling("4h"),
    wire.RollingDayFrame: _rolling("1d"),
    wire.AverageFrame: _average,
    shared.ShutdownFrame: _shutdown,
}
"""Frame → its mapper."""
KINDS = frozenset(str(kind.__struct_config__.tag) for kind in MAPPERS)
