"""The way of a frame through one connection: from bytes to what is told of them.

House rules: pure. The steady state is one event, of a symbol that has spoken before, in its order;
all that is to be noted of it is noted here, flat, and of everything else elsewhere. `_hearing.c`
beside this is the compiled twin of the steady state (ADR 40): what is not plain to it, it leaves
to `Hearing` and has done nothing but decode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from pitwire.market.sync import BookSync
from pitwire.model.events import AggregateTrade, BookDelta, Event, Quote, Trade
from pitwire.model.twins import twin
from pitwire.session.conflicts import MASK
from pitwire.session.copies import Copy
from pitwire.session.feed import Feed
from pitwire.session.freshness import Heard
from pitwire.session.lanes import Lane, Reader
from pitwire.session.told import LONGEST, MOST, SAMPLED, forget
from pitwire.session.unread import Unread
from pitwire.venues.venue import Buffer, Codec, Decoded, GlancingCodec

Receive: TypeAlias = Callable[[Buffer, int], Sequence[Event]]
"""(frame, when it came) → what is to be told."""


class Hearing:
    """What comes on one connection. `rest` takes what is not steady, `pump` sends what is due."""

    __slots__ = (
        "_aggregates", "_books", "_copy", "_feed", "_heard", "_of_deltas", "_of_trades", "_pump",
        "_rest", "_steady", "_syncs", "_trades", "at", "decode", "skips",
    )  # fmt: skip

    def __init__(
        self,
        codec: Codec,
        feed: Feed,
        copy: Copy,
        heard: Mapping[type, dict[str, Heard]],
        *,
        rest: Callable[[Sequence[Decoded], int], Sequence[Event]],
        pump: Callable[[int], None],
    ) -> None:
        self._feed, self._copy, self._heard = feed, copy, heard
        self._of_trades, self._of_deltas = heard[Trade], heard[BookDelta]
        self._rest, self._pump = rest, pump
        self._books, self._syncs = feed.books, feed.books.syncs
        self._trades, self._aggregates = feed.backfill.trades, feed.backfill.aggregates
        self._steady = self._trades.steady
        self.decode = codec.decode
        self.skips = Unread(codec, feed, copy, heard).skips
        self.at = 0
        """When there was the last sign of life."""

    def receive(
        self, frame: Buffer, now: int, decoded: Sequence[Decoded] | None = None
    ) -> Sequence[Event]:
        """A frame came; the compiled twin says what it has `decoded` of it already."""
        if self._copy.shared:
            return self._merged(frame, now, decoded)
        if decoded is None:
            self.at = now
            decoded = self.decode(frame, now)
        if len(decoded) == 1:
            event: Any = decoded[0]
            kind = event.__class__
            # The steady state, written out flat: the next one of a symbol.
            if kind is Trade:
                symbol, number = event.symbol, event.trade_id
                if self._steady.get(symbol) == number and symbol in self._of_trades:
                    self._of_trades[symbol] = event
                    self._steady[symbol] = number + 1  # as `TradeChain.accept` has it
                    return decoded  # type: ignore[return-value]
            elif kind is BookDelta:
                symbol = event.symbol
                sync = self._syncs.get(symbol)
                if (
                    sync is not None
                    and event.first_id == sync.next_id <= (last := event.last_id)
                    and sync.live
                    and symbol in self._of_deltas
                ):
                    # Of a delta its times alone: forty levels that are kept for later are dear.
                    self._of_deltas[symbol] = event.venue_time, now
                    sync.last_id, sync.next_id = last, last + 1  # as `BookSync.accept` has it
                    return decoded  # type: ignore[return-value]
            heard = self._heard.get(kind)  # of a reply: None
            if heard is not None and (symbol := event.symbol) in heard:
                before = heard[symbol]
                heard[symbol] = (event.venue_time, now) if kind is BookDelta else event
                return self._judged(decoded, now, before)
        return self._rest(decoded, now)

    def _judged(self, decoded: Sequence[Decoded], now: int, before: Heard) -> Sequence[Event]:
        """One event of a symbol that has spoken before, and said this last."""
        event: Any = decoded[0]
        kind = event.__class__
        if kind is Trade:
            self._trades.hears(event, before)
            return self._trades.accept(event, event.trade_id) or self.waits(now)
        if kind is AggregateTrade:
            return self._aggregates.accept(event, event.aggregate_id) or self.waits(now)
        if kind is not BookDelta:
            return decoded  # type: ignore[return-value]
        sync = self._syncs.get(event.symbol)
        if sync is None:
            return self._rest(decoded, now)
        events = sync.accept(event)
        if not sync.live and events:  # broken just now; what is held stirs nothing
            self._books.broken(event.symbol, now)
            self._pump(now)
        return events

    def _merged(
        self, frame: Buffer, now: int, decoded: Sequence[Decoded] | None
    ) -> Sequence[Event]:
        """The same where another copy brings all of it, too."""
        feed = self._feed
        if decoded is None:
            self.at = now
            frame = frame if frame.__class__ is bytes else bytes(frame)
            if self.skips(frame, now):
                return self.waits(now) if feed.stirred else ()
            decoded = self.decode(frame, now)
        if len(decoded) == 1:
            event: Any = decoded[0]
            kind = event.__class__
            heard = self._heard.get(kind)  # of a reply: None
            if heard is not None and (symbol := event.symbol) in heard:
                heard[symbol] = (event.venue_time, now) if kind is BookDelta else event
                events = feed.merge(event, self._copy, frame)  # type: ignore[arg-type]
                if feed.stirred:
                    self.waits(now)
                return events
        return self._rest(decoded, now)

    def by(self, kind: Any) -> Receive:
        """The same by the compiled twin, of this type, which is shown all that it looks at."""
        feed, heard, codec = self._feed, self._heard, self._feed.codec
        conflicts = feed.conflicts
        head, size = (
            (None, 0) if not isinstance(codec, GlancingCodec) else (codec.head, codec.head_bytes)
        )
        tables = (
            heard[Trade], heard[Quote], heard[BookDelta], self._steady, self._syncs, feed.early,
            feed.held, feed.quotes, feed.told, conflicts.trades, conflicts.quotes, conflicts.deltas,
        )  # fmt: skip
        receive: Receive = kind(self, self._copy, feed, self._trades, head, size, tables).receive
        return receive

    def waits(self, now: int) -> Sequence[Event]:
        """Nothing is told of what came, or not yet; what that has made due is done."""
        if self._feed.stirred:
            self._feed.stirred = False
            self._pump(now)
        return ()


def known_by(hearing: Any) -> Any:
    """The type of the compiled twin in this module, which knows what it looks at from now on."""
    types = Event, Trade, Quote, BookDelta, BookSync, Copy, Lane, Reader, Hearing
    hearing.know(types, forget, LONGEST, MOST, SAMPLED, MASK)
    return hearing.Hearing


_twin = twin("pitwire.session._hearing")
COMPILED: Any = None if _twin is None else known_by(_twin)
"""The type of the compiled twin, where it was built."""


def fastest(hearing: Hearing, kind: Any = COMPILED) -> Receive:
    """Its `receive`, by the compiled twin where there is one."""
    return hearing.receive if kind is None else hearing.by(kind)
