"""Trades by their ids: a copy is dropped, what never came is named.

House rules: pure. Where the venue's table says that the ids of a symbol count by one
(`Channel.dense`), trades leave in the order of their ids; elsewhere nothing is judged. A lost
connection takes trades with it, and the first trade of the next one tells which.
"""

from __future__ import annotations

from pitwire.model.events import Event, Trade, TradeGap
from pitwire.venues.venue import Venue


class TradeChain:
    """The next trade id of each symbol."""

    def __init__(self, venue: Venue) -> None:
        channel = venue.channels.get("trades")
        self._judges = channel is not None and channel.dense
        self._next: dict[str, int] = {}
        self._begun: dict[str, None] = {}
        self.dropped = 0
        """Trades that had come before, or came after a later one."""

    def due(self, symbol: str) -> int | None:
        """The id that follows, once a trade has come on the connections that stand."""
        return self._next[symbol] if symbol in self._begun else None

    def accept(self, trade: Trade) -> tuple[Event, ...]:
        """The trade, after a `TradeGap` where some are missing; nothing for one that is past."""
        symbol, found = trade.symbol, trade.trade_id
        # The steady state, and the only line that must be fast.
        if self._next.get(symbol) == found and symbol in self._begun:
            self._next[symbol] = found + 1
            return (trade,)
        return self._judge(trade) if self._judges else (trade,)

    def _judge(self, trade: Trade) -> tuple[Event, ...]:
        symbol, found = trade.symbol, trade.trade_id
        due = self._next.get(symbol, found)
        # A connection never begins with the past: where it seems so, the venue counts anew.
        if found < due and symbol in self._begun:
            self.dropped += 1
            return ()
        self._begun[symbol] = None
        self._next[symbol] = found + 1
        if found <= due:
            return (trade,)
        at, now = trade.venue_time, trade.received
        return (TradeGap(trade.venue, symbol, at, now, due, found - 1), trade)

    def begin_again(self) -> None:
        """A new connection."""
        self._begun.clear()

    def forget(self, symbol: str) -> None:
        """Nobody wants this symbol's trades any more; what is not sent is not missing."""
        self._next.pop(symbol, None)
        self._begun.pop(symbol, None)
