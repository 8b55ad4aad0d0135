"""Market frames of the futures to events (binance §11.3).

House rules: one typed pass over the bytes, wrapper and all; whatever cannot be read is a
`Malformed`, whatever is not known an `Unhandled`, and nothing is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from pitwire.model.events import (
    AggregateTrade,
    Bar,
    BookDelta,
    Event,
    Funding,
    Liquidation,
    MarkPrice,
    PartialBook,
    Quote,
    Ticker,
    Trade,
    VenueShutdown,
)
from pitwire.model.orders import Side
from pitwire.venues.binance_futures import frames as wire
from pitwire.venues.binance_futures.house import House
from pitwire.venues.binance_futures.symbols import Symbols
from pitwire.venues.mbx import frames as shared
from pitwire.venues.mbx.amounts import nanoseconds
from pitwire.venues.mbx.reading import malformed
from pitwire.venues.reading import UNREADABLE, Unreadable, refuse_doubled_keys, signed, unhandled

NAN = float("nan")
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_S, _LIST = ord("s"), ord("[")
_NAMES_KEPT = 10_000

_wrapped = msgspec.json.Decoder(wire.Wrapped, strict=False).decode
_event = msgspec.json.Decoder(wire.MarketFrame, strict=False).decode
_rows = msgspec.json.Decoder(wire.Rows, strict=False).decode

Told: TypeAlias = Sequence[Event]


class _Depths(dict[str, int]):
    """Stream name → how many levels its book has, 0 for deltas; a mapping that never misses."""

    def __missing__(self, stream: str) -> int:
        depth = _depth_in(stream)
        if len(self) < _NAMES_KEPT:
            self[stream] = depth
        return depth


def _depth_in(stream: str) -> int:
    # §11.3: `@depth`, `@depth@500ms` are deltas; `@depth5`, `@depth20@100ms` are books.
    text = stream.partition("@depth")[2].partition("@")[0]
    if not text:
        return 0
    if text not in ("5", "10", "20"):
        raise Unreadable("stream", stream)
    return int(text)


class MarketDecoder:
    """Decodes the frames of a market connection, wrapped (`/stream`) or bare (`/ws`)."""

    def __init__(self, house: House, symbols: Symbols) -> None:
        self._house, self._symbols = house, symbols
        self._depths = _Depths()
        self._mappers: dict[type, Callable[[Any, str, int], Told]] = {
            wire.TradeFrame: self._trade,
            shared.AggregateFrame: self._aggregate,
            wire.QuoteFrame: self._quote,
            wire.DeltaFrame: self._delta,
            shared.BarFrame: self._bar,
            wire.MiniFrame: self._mini,
            wire.DayFrame: self._day,
            wire.MarkFrame: self._mark,
            wire.ForceFrame: self._force,
            shared.ShutdownFrame: self._shutdown,
        }

    def decode(self, frame: bytes, now: int) -> Told:
        """The events of one frame; raises one of `UNREADABLE` when the fast reading fails."""
        if frame[2] != _S:
            if frame[0] == _LIST:
                return self._listed(_rows(frame), "", now)
            data = _event(frame)
            return self._mappers[data.__class__](data, "", now)
        found = _wrapped(frame)
        data = found.data
        if data.__class__ is tuple:
            return self._listed(data, found.stream, now)
        return self._mappers[data.__class__](data, found.stream, now)

    def _listed(self, rows: Sequence[Any], stream: str, now: int) -> Told:
        return [event for row in rows for event in self._mappers[row.__class__](row, stream, now)]

    def decode_unusual(self, frame: bytes, now: int) -> Told:
        """A frame that the fast reading refused: unknown or broken."""
        name = self._house.name
        try:
            found = msgspec.json.decode(frame)
            refuse_doubled_keys(frame)
        except UNREADABLE as worse:
            return (malformed(name, frame, now, worse),)
        stream = ""
        if isinstance(found, dict) and "stream" in found and "data" in found:
            stream, found = str(found["stream"]), found["data"]
        kind = found.get("e") if isinstance(found, dict) else None
        word = kind if isinstance(kind, str) else ""
        if isinstance(found, dict) and word not in KINDS:
            return (unhandled(name, frame, now, word or stream),)
        try:
            if isinstance(found, list):
                return self._listed(_convert(found, wire.Rows), stream, now)
            if not isinstance(found, dict):
                raise Unreadable("$", f"neither an object nor a list: {found!s:.20}")
            row = _convert(found, wire.MarketFrame)
            return self._mappers[row.__class__](row, stream, now)
        except UNREADABLE as worse:
            return (malformed(name, frame, now, worse, channel=stream),)

    # ── one function a kind of event ──

    def _trade(self, data: wire.TradeFrame, _: str, now: int) -> Told:
        if data.X != "MARKET":
            # Of the insurance fund, of a deleveraging: at a price that no taker found on the book.
            return ()
        side = Side.SELL if data.m else Side.BUY
        return (
            Trade(
                self._house.name, self._symbols[data.s], nanoseconds(data.T), now, data.p, data.q,
                side, data.t,
            ),
        )  # fmt: skip

    def _aggregate(self, data: shared.AggregateFrame, _: str, now: int) -> Told:
        side = Side.SELL if data.m else Side.BUY
        return (
            AggregateTrade(
                self._house.name, self._symbols[data.s], nanoseconds(data.T), now, data.p, data.q,
                side, data.a, data.f, data.l,
            ),
        )  # fmt: skip

    def _quote(self, data: wire.QuoteFrame, _: str, now: int) -> Told:
        if self._is_elsewhere(data.st):
            return ()
        if not data.b and data.B:
            raise Unreadable("$.b", "a price of 0 for a size")
        if not data.a and data.A:
            raise Unreadable("$.a", "a price of 0 for a size")
        return (
            Quote(
                self._house.name, self._symbols[data.s], nanoseconds(data.E), now, data.b, data.B,
                data.a, data.A, data.u,
            ),
        )  # fmt: skip

    def _delta(self, data: wire.DeltaFrame, stream: str, now: int) -> Told:
        venue, symbol, at = self._house.name, self._symbols[data.s], nanoseconds(data.E)
        depth = self._depths[stream]
        if depth:
            return (PartialBook(venue, symbol, at, now, data.u, data.b, data.a, depth),)
        return (BookDelta(venue, symbol, at, now, data.U, data.u, data.b, data.a, max(0, data.pu)),)

    def _bar(self, data: shared.BarFrame, _: str, now: int) -> Told:
        bar = data.k
        return (
            Bar(
                self._house.name, self._symbols[data.s], nanoseconds(data.E), now, bar.i,
                nanoseconds(bar.t), nanoseconds(bar.T), bar.o, bar.h, bar.l, bar.c, bar.v, bar.q,
                bar.n, bar.x,
            ),
        )  # fmt: skip

    def _mini(self, data: wire.MiniFrame, _: str, now: int) -> Told:
        if self._is_elsewhere(data.st):
            return ()
        return (
            Ticker(
                self._house.name, self._symbols[data.s], nanoseconds(data.E), now, "24h",
                data.o or NAN, data.h or NAN, data.l or NAN, data.c or NAN, data.v, data.q,
            ),
        )  # fmt: skip

    def _day(self, data: wire.DayFrame, _: str, now: int) -> Told:
        if self._is_elsewhere(data.st):
            return ()
        return (
            Ticker(
                self._house.name, self._symbols[data.s], nanoseconds(data.E), now, "24h",
                data.o or NAN, data.h or NAN, data.l or NAN, data.c or NAN, data.v, data.q,
                data.p, data.P, data.w or NAN, trades=data.n,
            ),
        )  # fmt: skip

    def _mark(self, data: wire.MarkFrame, _: str, now: int) -> Told:
        if self._is_elsewhere(data.st):
            return ()
        venue, symbol, at = self._house.name, self._symbols[data.s], nanoseconds(data.E)
        mark = MarkPrice(
            venue, symbol, at, now, data.p, _number(data.i, "$.i"), _number(data.P, "$.P"),
            _number(data.ap, "$.ap"),
        )  # fmt: skip
        if not data.r or not data.T:
            return (mark,)
        rate = float(signed(data.r, "$.r"))
        return mark, Funding(venue, symbol, at, now, rate, nanoseconds(data.T))

    def _force(self, data: wire.ForceFrame, _: str, now: int) -> Told:
        order = data.o
        if self._is_elsewhere(data.st or order.st):
            return ()
        if order.S not in SIDES:
            raise Unreadable("$.o.S", order.S)
        return (
            Liquidation(
                self._house.name, self._symbols[order.s], nanoseconds(order.T), now,
                SIDES[order.S], order.p or NAN, order.ap or NAN, order.q, order.z, order.X,
            ),
        )  # fmt: skip

    def _shutdown(self, data: shared.ShutdownFrame, _: str, now: int) -> Told:
        return (VenueShutdown(self._house.name, "", nanoseconds(data.E), now, ""),)

    def _is_elsewhere(self, universe: int) -> bool:
        # §11.2: streams for all symbols carry those of the other venue too.
        return universe not in (0, self._house.universe)


KINDS = frozenset(
    str(kind.__struct_config__.tag)
    for kind in (
        wire.TradeFrame, shared.AggregateFrame, wire.QuoteFrame, wire.DeltaFrame, shared.BarFrame,
        wire.MiniFrame, wire.DayFrame, wire.MarkFrame, wire.ForceFrame, shared.ShutdownFrame,
    )
)  # fmt: skip


def _number(text: str, path: str) -> float:
    return (float(signed(text, path)) or NAN) if text else NAN


def _convert(found: object, kind: Any) -> Any:
    return msgspec.convert(found, kind, strict=False)
