"""Ids that go back: a past trade is a copy of one that was told, or the venue counts anew.

House rules: pure. Binance's ids never go back; those of a test network or a simulator that was
begun anew do, and those of a symbol that is launched again may. A copy is no later than the last
trade that was told. Once the venue counts anew, it is what was counted before that comes late.
"""

from __future__ import annotations

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.events import Trade
from pitwire.session.beginnings import AnyTrade, trade_number
from pitwire.session.conflicts import MASK, Ring

ANEW_SECONDS = 1.0
"""A trade with a past id that is so much later than the last one told is no copy of it, nor of one
before it: not every venue's times keep to the order of its ids to the millisecond, and history has
them shorter than some streams do."""
_ANEW = round(ANEW_SECONDS * SECOND)


class Anew:
    """When the last trade of each symbol was traded, and since when the venue counts as it does."""

    def __init__(self) -> None:
        self.rings: dict[str, Ring] = {}
        """Symbol → what was told of late, by its number, where several copies bring it."""
        self.newest: dict[str, AnyTrade] = {}
        """Symbol → the last one that `TradeChain.accept` told, as the next that followed."""
        self._stood: dict[str, tuple[int, int]] = {}
        """Symbol → the id that followed when that was asked last, and when the one before it was
        traded, by the venue's clock."""
        self._since: dict[str, int] = {}
        """Symbol → when the first trade of the present count was traded, where that is not the
        first count, in whole milliseconds."""

    def stands(self, trade: AnyTrade, number: int) -> None:
        """This is the last one that was told."""
        self._stood[trade.symbol] = number + 1, trade.venue_time

    def told_at(self, symbol: str, due: int) -> int | None:
        """When the trade before this id was traded, the last one told; None where nobody knows."""
        stood, at = self._stood.get(symbol, (-1, 0))
        if stood == due:
            return at
        newest, ring = self.newest.get(symbol), self.rings.get(symbol)
        if newest is not None and trade_number(newest) == due - 1:
            return newest.venue_time
        told = None if ring is None else ring[(due - 1) & MASK]
        if isinstance(told, Trade) and told.trade_id == due - 1:
            return told.venue_time
        return None

    def counts(self, trade: AnyTrade, due: int, *, begun: bool) -> bool:
        """Whether a past id is no copy of a trade that was told; `begun` says whether the
        connection, or one beside it, has told of that symbol before."""
        at = self.told_at(trade.symbol, due)
        # A connection seldom begins with the past: only where it is older than what was told, and
        # where trades have no time of their own nobody can tell.
        return not begun if at is None or not trade.venue_time else trade.venue_time > at + _ANEW

    def begin(self, trade: AnyTrade) -> None:
        """The venue counts anew, from this trade on."""
        self.forget(trade.symbol)
        self._since[trade.symbol] = trade.venue_time - trade.venue_time % MILLISECOND

    def is_older(self, trade: AnyTrade) -> bool:
        """Whether this is of a count that is over: it was told, or is within the gap between."""
        return bool(self._since) and trade.venue_time < self._since.get(trade.symbol, 0)

    def forget(self, symbol: str) -> None:
        """Nobody wants this symbol any more, or nothing of it counts."""
        self.rings.pop(symbol, None)
        self.newest.pop(symbol, None)
        self._stood.pop(symbol, None)
        self._since.pop(symbol, None)
