"""Two copies of a feed that say different things under the same number.

House rules: pure. The first to come was told and stands; the other is named, not dropped in
silence. What was told is remembered for a while only, so a copy that is far behind is not compared.
Told the first time, and again each time it has happened twice as often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from pitwire.model.events import BookDelta, CopyConflict, Event, Quote, Trade

REMEMBERED = 16
"""So many trades and quotes of a symbol are remembered, by their numbers."""
MASK = REMEMBERED - 1

Ring = list[Event | None]
"""The place of an event is its number, cut to the size."""
Past: TypeAlias = Callable[[Trade], Sequence[Event]]
"""(past trade) → what is to be told."""
_NOTHING: tuple[Event, ...] = ()


class Conflicts:
    """What was told of late, and how often a copy has contradicted it."""

    def __init__(self, trades: dict[str, Ring], past: Past) -> None:
        """`past`: told of each past trade but copies of those remembered in `trades`."""
        self._past = past
        self.trades = trades
        self.quotes: dict[str, Ring] = {}
        self.deltas: dict[str, BookDelta] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def ring(self, event: Event) -> Ring:
        """A place for what is told of this symbol and kind."""
        rings = self.trades if isinstance(event, Trade) else self.quotes
        return rings.setdefault(event.symbol, [None] * REMEMBERED)

    def late_trade(self, had: Any, late: Any, link: str) -> Sequence[Event]:
        """Hold a late trade against the one that was told, if that is remembered."""
        if had is None or had.trade_id != late.trade_id:
            return self._past(late)
        if had.venue_time != late.venue_time and (anew := self._past(late)):
            return anew
        if had.price == late.price and had.size == late.size:
            return _NOTHING
        told, found = (f"{one.side} {one.size} at {one.price}" for one in (had, late))
        return self._named(late, "trades", late.trade_id, link, told, found)

    def late_quote(self, had: Any, late: Any, link: str) -> tuple[Event, ...]:
        """The same for quotes."""
        if had is None or had.update_id != late.update_id or _sides(had) == _sides(late):
            return _NOTHING
        told, found = (
            f"{one.bid_size} at {one.bid}, {one.ask_size} at {one.ask}" for one in (had, late)
        )
        return self._named(late, "ticker", late.update_id, link, told, found)

    def late_delta(self, had: BookDelta | None, late: BookDelta, link: str) -> tuple[Event, ...]:
        """The same for deltas, level by level."""
        if (
            had is None
            or had.last_id != late.last_id
            or (had.first_id, had.bids, had.asks) == (late.first_id, late.bids, late.asks)
        ):
            return _NOTHING
        told, found = (
            f"{len(one.bids)} bids and {len(one.asks)} asks from {one.first_id}"
            for one in (had, late)
        )
        return self._named(late, "book", late.last_id, link, told, found)

    def _named(
        self, late: Event, channel: str, number: int, link: str, told: str, found: str
    ) -> tuple[Event, ...]:
        key = (link, late.symbol)
        count = self._counts[key] = self._counts.get(key, 0) + 1
        if count & (count - 1):
            return _NOTHING
        facts = (late.venue, late.symbol, late.venue_time, late.received)
        return (CopyConflict(*facts, link, channel, number, told, found, count),)


def _sides(quote: Quote) -> tuple[float, float, float, float]:
    return quote.bid, quote.bid_size, quote.ask, quote.ask_size
