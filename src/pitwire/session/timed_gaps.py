"""What a loss took of trades that have no numbers to tell by: named by time.

House rules: pure. Where the ids of a symbol's trades count by one, a gap is found by them and
filled (`continuity.py`); elsewhere nobody knows what traded while no connection brought them. That
is told with the first trade after it: from the last one that was told on, or, where none was, from
the confirmation, as what was said then may have been lost with the connection.
"""

from __future__ import annotations

from collections.abc import Callable

from pitwire.model.events import Event, Trade, TradeGap
from pitwire.session.freshness import Freshness
from pitwire.venues.venue import Channel


class TimedGaps:
    """The trades of one feed, over the losses of its connections."""

    def __init__(self, channel: Channel | None, venue: str) -> None:
        self._is_meant = channel is not None and not channel.dense
        self._venue = venue
        self.span: Callable[[int, int], tuple[int, int]] = _same
        """Our time, and ours at present → the earliest and the latest that the venue's clock may
        have said then."""
        self._since: dict[str, int] = {}
        """Symbol → when its trades were confirmed first, by our clock."""
        self._last: dict[str, int] = {}
        """Symbol → the venue's time of the last trade that came before a loss, ns."""
        self.fell: dict[str, None] = {}
        """The symbols whose trades came nowhere for a while, and of which none has come since."""

    def confirmed(self, symbol: str, now: int) -> None:
        """Trades of this symbol come from now on."""
        if self._is_meant:
            self._since.setdefault(symbol, now)

    def interrupted(self, symbol: str) -> None:
        """They come no more, on any connection."""
        if symbol in self._since:
            self.fell[symbol] = None

    def ends(self, freshness: Freshness) -> None:
        """A connection is gone; this is what had come on it."""
        for symbol in self._since:
            newest = freshness.newest_of(Trade, symbol)
            if newest is not None:
                at = newest.venue_time if isinstance(newest, Event) else newest[0]
                self._last[symbol] = max(at, self._last.get(symbol, 0))

    def resumes(self, trade: Trade) -> tuple[Event, ...]:
        """A trade of a symbol that fell has come: the gap before it."""
        symbol, at, now = trade.symbol, trade.venue_time, trade.received
        del self.fell[symbol]
        since = self._last.get(symbol) or self.span(self._since[symbol], now)[0]
        return (TradeGap(self._venue, symbol, at, now, 0, -1, "trades", min(since, at)),)

    def forget(self, symbol: str) -> None:
        """This symbol's trades are wanted no more; what is not sent meanwhile is not missing."""
        self._since.pop(symbol, None)
        self._last.pop(symbol, None)
        self.fell.pop(symbol, None)


def _same(at: int, _now: int) -> tuple[int, int]:
    return at, at
