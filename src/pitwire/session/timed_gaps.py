"""What a loss took of trades that have no numbers to tell by: named by time.

House rules: pure. Where a symbol's trades count by one, or can be asked for by their ids, a gap is
found or filled by `backfill.py`; elsewhere nobody knows what traded while no connection stood, and
that is told with the first trade after it.
"""

from __future__ import annotations

from pitwire.model.events import Event, Trade, TradeGap
from pitwire.session.freshness import Freshness
from pitwire.venues.venue import Venue


class TimedGaps:
    """The trades of one connection, over its losses."""

    def __init__(self, venue: Venue) -> None:
        row = venue.channels.get("trades")
        self._is_meant = row is not None and not row.dense and not venue.can.trades_by_id
        self._venue = venue.name
        self._last: dict[str, int] = {}
        """Symbol → the venue's time of the last trade that came before a loss, ns."""

    def ends(self, freshness: Freshness) -> None:
        """The connection is gone; this is what had come on it."""
        if not self._is_meant:
            return
        for voice in freshness.voices:
            symbol = voice.ask.symbol
            newest = freshness.newest_of(Trade, symbol)
            if newest is not None:
                self._last[symbol] = newest.venue_time if isinstance(newest, Event) else newest[0]

    def resumes(self, event: Event) -> tuple[Event, ...]:
        """Something came off the hot path, as the first trade after a loss does: the gap before it,
        if there may be one."""
        since = self._last.pop(event.symbol, 0) if isinstance(event, Trade) else 0
        if not since:
            return ()
        at, now = event.venue_time, event.received
        return (TradeGap(self._venue, event.symbol, at, now, 0, -1, "trades", since),)

    def forget(self, symbol: str) -> None:
        """This symbol's trades are wanted no more; what is not sent meanwhile is not missing."""
        self._last.pop(symbol, None)
