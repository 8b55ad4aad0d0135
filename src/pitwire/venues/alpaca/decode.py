"""Market messages to events (alpaca §2, §3.2).

House rules: one typed pass over an array of messages; where that fails each is read by itself, so
that one that cannot be read spoils no other; nothing is raised but what `UNREADABLE` names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.events import Bar, BookDelta, BookSnapshot, Event, Quote, Trade
from pitwire.model.orders import Side
from pitwire.venues.alpaca import frames as wire
from pitwire.venues.alpaca.reading import VENUE, instant, malformed, unhandled
from pitwire.venues.alpaca.symbols import Symbols
from pitwire.venues.reading import UNREADABLE, Unreadable, refuse_doubled_keys
from pitwire.venues.venue import Decoded

Control: TypeAlias = Callable[[Any, bytes, int], Sequence[Decoded]]
"""(a `Success`, `Fault` or `Subscription`, the frame, now) → what it answers."""

SIDES = {"B": Side.BUY, "S": Side.SELL}
"""Of the taker (§3.2)."""
_MINUTE, _DAY = 60 * SECOND, 86_400 * SECOND
_KINDS = frozenset(("t", "q", "o", "b", "u", "d", "success", "error", "subscription"))

_messages = msgspec.json.Decoder(tuple[wire.Message, ...]).decode


class MarketDecoder:
    """Decodes the frames of a market connection.

    Books have no numbers here (§3.2), so they are counted: each message of a symbol's book, whole
    or changed levels, has the next one. What was counted goes on over a loss.
    """

    def __init__(self, symbols: Symbols, control: Control) -> None:
        self._symbols, self._control = symbols, control
        self._counts: dict[str, int] = {}

    def decode(self, frame: bytes, now: int) -> Sequence[Decoded]:
        """What a frame says; raises one of `UNREADABLE` when the quick reading fails."""
        found = _messages(frame)
        if len(found) == 1:
            return self._read(found[0], frame, now)
        told: list[Decoded] = []
        for one in found:
            told += self._read(one, frame, now)
        return told

    def decode_unusual(self, frame: bytes, now: int) -> Sequence[Decoded]:
        """A frame that the quick reading refused, message by message. Never raises."""
        try:
            found = msgspec.json.decode(frame)
            if not isinstance(found, list):
                raise Unreadable("$", f"no array: {found!s:.20}")
            refuse_doubled_keys(frame)
        except UNREADABLE as error:
            return (malformed(frame, now, error),)
        told: list[Decoded] = []
        for number, one in enumerate(found):
            told += self._one(one, number, frame, now)
        return told or (unhandled(frame, now, ""),)

    def _one(self, one: object, number: int, frame: bytes, now: int) -> Sequence[Decoded]:
        kind = one.get("T") if isinstance(one, dict) else None
        if not isinstance(kind, str):
            return (malformed(frame, now, Unreadable(f"$[{number}].T", "no kind")),)
        if kind not in _KINDS:
            return (unhandled(frame, now, kind),)
        try:
            return self._read(msgspec.convert(one, wire.Message), frame, now)
        except UNREADABLE as error:
            return (malformed(frame, now, error, kind),)

    def _read(self, one: Any, frame: bytes, now: int) -> Sequence[Decoded]:
        match one:
            case wire.TradeMessage():
                return (self._trade(one, now),)
            case wire.QuoteMessage():
                return (self._quote(one, now),)
            case wire.BookMessage():
                return (self._book(one, now),)
            case wire.BarMessage():
                return (self._bar(one, now),)
            case _:
                return self._control(one, frame, now)

    def _trade(self, data: wire.TradeMessage, now: int) -> Event:
        side = SIDES.get(data.tks)
        if side is None:
            raise Unreadable("$.tks", data.tks)
        at = instant(data.t, "$.t")
        return Trade(VENUE, self._symbols[data.S], at, now, data.p, data.s, side, data.i)

    def _quote(self, data: wire.QuoteMessage, now: int) -> Event:
        # §3.1: a price of 0 is nobody on that side, whatever size is written beside it.
        bid_size = data.bs if data.bp else 0.0
        ask_size = data.ask_size if data.ap else 0.0
        at = instant(data.t, "$.t")
        return Quote(VENUE, self._symbols[data.S], at, now, data.bp, bid_size, data.ap, ask_size)

    def _book(self, data: wire.BookMessage, now: int) -> Event:
        symbol, at = self._symbols[data.S], instant(data.t, "$.t")
        bids = tuple([(level.p, level.s) for level in data.b])
        asks = tuple([(level.p, level.s) for level in data.a])
        number = self._counts[symbol] = self._counts.get(symbol, 0) + 1
        if not data.r:
            return BookDelta(VENUE, symbol, at, now, number, number, bids, asks)
        return BookSnapshot(
            VENUE, symbol, at, now, number,
            tuple(sorted([level for level in bids if level[1]], reverse=True)),
            tuple(sorted([level for level in asks if level[1]])),
        )  # fmt: skip

    def _bar(self, data: wire.BarMessage, now: int) -> Event:
        is_day = isinstance(data, wire.DailyBarMessage)
        opened = instant(data.t, "$.t")
        closed = opened + (_DAY if is_day else _MINUTE) - MILLISECOND
        # §3.1: a minute is sent when it is over; the day again and again while it lasts.
        return Bar(
            VENUE, self._symbols[data.S], 0, now, "1d" if is_day else "1m", opened, closed,
            data.o, data.h, data.l, data.c, data.v, data.vw * data.v, data.n, not is_day,
        )  # fmt: skip
