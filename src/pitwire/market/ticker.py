"""Ticker: the one latest picture of a symbol, from quotes and trades.

House rules: no clock; what is older than what is shown (by the venue's ids) changes nothing; a
value that nothing has told yet is None.
"""

from __future__ import annotations

from pitwire.model.events import AggregateTrade, Quote, Trade
from pitwire.model.orders import Side


class Ticker:
    """Best bid and ask, last trade, and when each was told.

    Times are ns; `quote_received` and `trade_received` are our clock, `trade_time` is the venue's
    (ours where the venue wrote none).
    """

    __slots__ = (
        "ask", "ask_size", "bid", "bid_size", "last", "last_side", "last_size", "quote_received",
        "symbol", "trade_id", "trade_received", "trade_time", "update_id", "venue",
    )  # fmt: skip

    def __init__(self, venue: str, symbol: str) -> None:
        self.venue = venue
        self.symbol = symbol
        self.bid: float | None = None
        self.bid_size: float | None = None
        self.ask: float | None = None
        self.ask_size: float | None = None
        self.last: float | None = None
        self.last_size: float | None = None
        self.last_side: Side | None = None
        self.update_id = 0
        self.trade_id = 0
        self.quote_received = 0
        self.trade_received = 0
        self.trade_time = 0

    def apply(self, event: Quote | Trade | AggregateTrade) -> bool:
        """Take in one event; whether the picture changed or was confirmed by something newer."""
        if isinstance(event, Quote):
            return self._quote(event)
        return self._trade(event)

    def _quote(self, quote: Quote) -> bool:
        if quote.update_id < self.update_id and quote.update_id:
            return False  # binance §4.1: bookTicker.u counts the changes of the book
        self.bid = quote.bid
        self.bid_size = quote.bid_size
        self.ask = quote.ask
        self.ask_size = quote.ask_size
        self.update_id = quote.update_id
        self.quote_received = quote.received
        return True

    def _trade(self, trade: Trade | AggregateTrade) -> bool:
        # The last fill of an aggregate has the id that the single trade has on its own stream.
        trade_id = trade.trade_id if isinstance(trade, Trade) else trade.last_id
        if 0 < trade_id <= self.trade_id:
            return False
        self.last = trade.price
        self.last_size = trade.size
        self.last_side = trade.side
        self.trade_id = trade_id
        self.trade_time = trade.venue_time or trade.received
        self.trade_received = trade.received
        return True

    def clear_quote(self) -> None:
        """Forget bid and ask (their stream was lost); the last trade stays, it has happened."""
        self.bid = self.bid_size = self.ask = self.ask_size = None
        self.update_id = 0
        self.quote_received = 0

    @property
    def mid(self) -> float | None:
        """Halfway between bid and ask; None unless there are both."""
        if self.bid is None or self.ask is None:
            return None
        return (self.bid + self.ask) / 2

    @property
    def spread(self) -> float | None:
        """Ask minus bid; None unless there are both."""
        if self.bid is None or self.ask is None:
            return None
        return self.ask - self.bid
