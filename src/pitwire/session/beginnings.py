"""Symbols whose trades were confirmed and that have not spoken yet: what they said may be lost.

House rules: pure. Where the last trade is known, the next one shows what is missing before it.
Before the first there is nothing to hold the next against but the time from which trades should
have come. After a loss or a doubt the first trade waits until somebody has found out which was the
first since then, or it goes out behind a gap that names that time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.events import AggregateTrade, Event, Trade, TradeGap

AnyTrade: TypeAlias = Trade | AggregateTrade
PATIENCE_SECONDS = 2.0
"""How long a first trade waits."""
PATIENCE = round(PATIENCE_SECONDS * SECOND)
MOST_HELD = 10_000
"""How many trades of a symbol may wait."""
OnWait: TypeAlias = Callable[[str, str, int], None]


class _Waiting(msgspec.Struct):
    """The trades of one symbol that wait, by their ids."""

    until: int
    """0 where nobody wants them any more: they are told, and are no beginning."""
    trades: dict[int, AnyTrade] = {}


class Beginnings:
    """The symbols of one channel that have not spoken since they were confirmed."""

    def __init__(self, venue: str, channel: str) -> None:
        self._venue, self.channel = venue, channel
        self.on_wait: OnWait | None = None
        """Told of each first trade that waits, by channel, symbol and time; None where nobody can
        be asked, so that none waits."""
        self.span: Callable[[int, int], tuple[int, int]] = _same
        """Our time, and ours at present → the earliest and the latest that the venue's clock may
        have said then."""
        self._since: dict[str, int] = {}
        """Symbol → when its trades were confirmed, by our clock."""
        self._doubted: dict[str, None] = {}
        self.held: dict[str, _Waiting] = {}
        """Symbol → what waits, and until when."""

    def confirmed(self, symbol: str, now: int) -> None:
        """Trades of this symbol come from now on, and none has come yet."""
        self._since.setdefault(symbol, now)

    def spoke(self, symbol: str) -> None:
        """It has begun: from now on its ids tell."""
        self._since.pop(symbol, None)
        self._doubted.pop(symbol, None)

    def doubt(self, symbol: str = "") -> list[str]:
        """What this symbol said, or any (""), may be lost; of which that is news."""
        found = [one for one in self._since if symbol in ("", one)]
        self._doubted |= dict.fromkeys(found)
        return found

    def sure(self, symbol: str) -> None:
        """Nothing has traded since it was confirmed."""
        if symbol not in self.held:
            self._doubted.pop(symbol, None)

    def since(self, symbol: str) -> int | None:
        """From when on what it said may be lost; None where nothing is."""
        return self._since.get(symbol) if symbol in self._doubted else None

    def is_waiting(self, symbol: str) -> bool:
        """Whether a trade of this symbol waits."""
        return symbol in self.held

    def holds(self, trade: AnyTrade, number: int) -> bool:
        """Whether this trade, before which none is known, waits. One that does not begins."""
        symbol = trade.symbol
        waiting = self.held.get(symbol)
        if waiting is None:
            if symbol not in self._doubted or self.on_wait is None:
                return False
            until = trade.received + PATIENCE
            waiting = self.held[symbol] = _Waiting(until)
            self.on_wait(self.channel, symbol, trade.received)
        waiting.trades.setdefault(number, trade)
        if len(waiting.trades) > MOST_HELD:
            waiting.until = trade.received
        return True

    def first(self, symbol: str) -> AnyTrade | None:
        """The first of those that wait."""
        waiting = self.held.get(symbol)
        return None if waiting is None else waiting.trades[min(waiting.trades)]

    def release(self, symbol: str) -> list[AnyTrade]:
        """What waited, in the order of its ids; it does so no more."""
        waiting = self.held.pop(symbol, None)
        return [] if waiting is None else [waiting.trades[one] for one in sorted(waiting.trades)]

    def forget(self, symbol: str) -> None:
        """Nobody wants this symbol's trades any more; what is not sent is not missing."""
        self.spoke(symbol)
        if symbol in self.held:
            self.held[symbol].until = 0

    def overdue(self, now: int) -> list[str]:
        """Symbols whose trades have waited for long enough."""
        return [symbol for symbol, waiting in self.held.items() if waiting.until <= now]

    def waiting(self) -> list[str]:
        """All symbols of which a trade waits."""
        return list(self.held)

    def is_forgotten(self, symbol: str) -> bool:
        """Whether what waits was wanted once, and is no beginning."""
        return symbol in self.held and not self.held[symbol].until

    def next_deadline(self) -> int | None:
        """When `overdue` will next have something to say."""
        if not self.held:
            return None
        return min((waiting.until for waiting in self.held.values()), default=None)

    def gap(self, symbol: str, now: int, first: AnyTrade | None = None) -> list[Event]:
        """The gap up to the first trade, or to now, where what was said before may be lost.

        Without a trade the time begins anew: what is lost later is a gap of its own.
        """
        since = self.since(symbol)
        if since is None:
            return []
        begin, _ = self.span(since, now)
        if first is None:
            self._since[symbol] = now
            del self._doubted[symbol]
            end = self.span(now, now)[1]
        else:
            end = first.venue_time
        return [TradeGap(self._venue, symbol, end, now, 0, -1, self.channel, min(begin, end))]


def trade_number(trade: AnyTrade) -> int:
    """The id by which a trade follows the one before it."""
    return trade.trade_id if isinstance(trade, Trade) else trade.aggregate_id


def _same(at: int, _now: int) -> tuple[int, int]:
    return at, at
