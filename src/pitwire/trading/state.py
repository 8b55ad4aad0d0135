"""The only mutable truth: what the market looks like, what we ordered, what we own.

House rules: `apply` is the only writer; reads are plain attributes and dicts by symbol. A book
exists only where book events came. What may not be trusted is in `stale`, by symbol and channel,
and stays there until its feed says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pitwire.market.book import NOTHING, OrderBook
from pitwire.market.checksum import Checksum
from pitwire.model import events as ev
from pitwire.model.events import Event
from pitwire.model.instruments import Instrument
from pitwire.trading.ledger import OrderLedger
from pitwire.trading.portfolio import Portfolio
from pitwire.trading.tracked import Change

BOOK, TOPS = "book", "partial_book"
"""Channel names of stale books in `State.stale`."""
ORDERS = "orders"
"""Channel name of the private stream, and what links are called that carry commands."""
_PRIVATE = (ORDERS, "watch_orders")
"""What a refusal of it is about: the stream that was, or the request for it."""

_STALE = {
    "silent": "silent for {:g} s",
    "unproven": "no data for {:g} s since it was acknowledged",
    "mute": "silent for {:g} s, with its whole connection",
    "behind": "{:.3f} s old",
    "paused": "not read for {:g} s",
}

Touch = tuple[float, float, int]
"""Best bid, best ask, when it was heard last."""


class State:
    """Everything a rule may look at. Numbers of the market are floats, of the account Decimals."""

    __slots__ = (
        "_channels", "_feeds", "averages", "bars", "blind", "books", "checksum", "event", "flaws",
        "fundings", "instruments", "ledger", "marks", "missed", "missed_at", "now", "offset",
        "partials", "portfolio", "quotes", "reached_at", "stale", "statuses", "takers",
        "tickers", "trades",
    )  # fmt: skip

    def __init__(
        self,
        instruments: Iterable[Instrument] = (),
        *,
        ledger: OrderLedger | None = None,
        portfolio: Portfolio | None = None,
        checksum: Callable[[Instrument], Checksum] | None = None,
    ) -> None:
        self.instruments = {one.symbol: one for one in instruments}
        self.ledger = OrderLedger() if ledger is None else ledger
        self.portfolio = Portfolio(self.instruments) if portfolio is None else portfolio
        self.now = 0
        """`received` of the newest event."""
        self.event: Event | None = None
        """The event a rule is being shown; None when a timer woke it."""
        self.books: dict[str, OrderBook] = {}
        self.partials: dict[str, OrderBook] = {}
        """Books of the top levels only, from `PartialBook`."""
        self.flaws: dict[str, str] = {}
        """Books that turned out to be wrong, and why: whoever asks for new ones empties this."""
        self.quotes: dict[str, ev.Quote] = {}
        self.trades: dict[str, ev.Trade | ev.AggregateTrade] = {}
        """The last trade; aggregates count only where single trades do not come."""
        self.bars: dict[tuple[str, str], ev.Bar] = {}
        """By (symbol, interval)."""
        self.tickers: dict[str, ev.Ticker] = {}
        self.averages: dict[str, ev.AveragePrice] = {}
        self.marks: dict[str, ev.MarkPrice] = {}
        self.fundings: dict[str, ev.Funding] = {}
        self.statuses: dict[str, str] = {}
        """What the venue last said about trading in a symbol."""
        self.stale: dict[str, dict[str, str]] = {}
        """symbol → channel → why; a symbol without stale channels is not in it."""
        self.offset: ev.ClockOffset | None = None
        self.checksum = checksum
        """How the venue sums up a book of an instrument, where it does."""
        self.blind = ""
        """Why we do not hear of our own orders; "" while we do, or never asked to."""
        self.reached_at: int | None = 0
        """Since when the venue can be asked about our orders, ns; None while it cannot."""
        self.missed: dict[str, None] = {}
        """Symbols in which something may have traded that we have not been told: after a loss, and
        at a start."""
        self.missed_at = 0
        """When that was, ns."""
        self._channels: dict[str, dict[tuple[str, str], None]] = {}
        self._feeds: dict[tuple[str, str], tuple[str, str]] = {}
        """(symbol, channel) of each stale feed → why: what a book is marked with, and in words."""
        self.takers: dict[type[Event], Callable[[Any], Change | None]] = self._table()
        """What `apply` does with each kind of event, for who looks it up once for all."""

    def apply(self, event: Event) -> Change | None:
        """Take one event; what it did to an order, if it did."""
        self.event = event
        self.now = event.received
        taker = self.takers.get(type(event))
        return None if taker is None else taker(event)

    # ── reading ───────────────────────────────────────────────────────────────────────────────

    def book(self, symbol: str) -> OrderBook | None:
        """The book that is right: the full one, else the top levels; None when there is neither."""
        book = self.books.get(symbol)
        if book is not None and book.ready:
            return book
        if self.stale and TOPS in self.stale.get(symbol, ()):
            return None
        return self.partials.get(symbol)

    def touch(self, symbol: str) -> Touch | None:
        """(best bid, best ask, last heard) by whichever is newer of quote and book.

        None where there is neither, and while the newest has nobody on one side.

        The venue's book id decides where the quote carries one: a quote and a batch of book
        changes travel apart, so the later to arrive may be the older (binance §3, bookTicker u).
        """
        quote, book = self.quotes.get(symbol), self.books.get(symbol)
        if book is None or not book.ready:
            book = self.book(symbol)
        if book is None:
            return (quote.bid, quote.ask, quote.received) if quote and quote.is_whole else None
        bid, ask = book.bids.top, -book.asks.top
        whole = bid > NOTHING and ask < -NOTHING
        if quote is None:
            return (bid, ask, book.received) if whole else None
        heard = max(quote.received, book.received)
        if quote.update_id:
            newer = book.last_id > quote.update_id
        else:
            newer = book.received > quote.received
        if newer and whole:
            return bid, ask, heard
        return (quote.bid, quote.ask, heard) if quote.is_whole else None

    def mid(self, symbol: str) -> float | None:
        """Halfway between best bid and best ask."""
        touch = self.touch(symbol)
        return None if touch is None else (touch[0] + touch[1]) / 2

    def last(self, symbol: str) -> float | None:
        """Price of the last trade, else the ticker's."""
        trade = self.trades.get(symbol)
        if trade is not None:
            return trade.price
        ticker = self.tickers.get(symbol)
        return None if ticker is None else ticker.last

    def mark(self, symbol: str) -> float | None:
        """What one base unit is worth now: the mid, else the last price."""
        mid = self.mid(symbol)
        return self.last(symbol) if mid is None else mid

    def stale_reason(self, symbol: str) -> str:
        """Why this symbol's input is not to be trusted; "" when it is."""
        if symbol not in self.stale:
            return ""
        return "; ".join(f"{channel}: {why}" for channel, why in self.stale[symbol].items())

    # ── market ────────────────────────────────────────────────────────────────────────────────

    def _table(self) -> dict[type[Event], Callable[[Any], Change | None]]:
        return {
            ev.Trade: self._trade,
            ev.AggregateTrade: self._aggregate,
            ev.Quote: self._quote,
            ev.Ticker: self._ticker,
            ev.AveragePrice: self._average,
            ev.MarkPrice: self._mark_price,
            ev.Funding: self._funding,
            ev.BookSnapshot: self._snapshot,
            ev.BookDelta: self._delta,
            ev.PartialBook: self._partial,
            ev.BookStale: self._book_stale,
            ev.Bar: self._bar,
            ev.MarketStatus: self._status,
            ev.FeedStale: self._feed_stale,
            ev.FeedFresh: self._feed_fresh,
            ev.Update: self._order_event,
            ev.Unanswered: self._order_event,
            ev.Fill: self._fill,
            ev.Balance: self._balance,
            ev.Position: self._position,
            ev.OpenOrders: self._open_orders,
            ev.Subscribed: self._subscribed,
            ev.Unsubscribed: self._unsubscribed,
            ev.Authenticated: self._authenticated,
            ev.Lost: self._lost,
            ev.Rejected: self._rejected,
            ev.ClockOffset: self._clock_offset,
        }

    def _trade(self, event: ev.Trade) -> None:
        # What was backfilled is history, and later trades are on its heels.
        if not event.backfilled:
            self.trades[event.symbol] = event

    def _aggregate(self, event: ev.AggregateTrade) -> None:
        if not event.backfilled and type(self.trades.get(event.symbol)) is not ev.Trade:
            self.trades[event.symbol] = event

    def _quote(self, event: ev.Quote) -> None:
        self.quotes[event.symbol] = event

    def _ticker(self, event: ev.Ticker) -> None:
        self.tickers[event.symbol] = event

    def _average(self, event: ev.AveragePrice) -> None:
        self.averages[event.symbol] = event

    def _mark_price(self, event: ev.MarkPrice) -> None:
        self.marks[event.symbol] = event

    def _funding(self, event: ev.Funding) -> None:
        self.fundings[event.symbol] = event

    def _snapshot(self, event: ev.BookSnapshot) -> None:
        book = self.books.get(event.symbol)
        if book is None:
            rule = self._checksum_of(event.symbol)
            book = self.books[event.symbol] = OrderBook(event.venue, event.symbol, rule)
            book.mark(self._feeds.get((event.symbol, BOOK), ("", ""))[0])
        flaw = book.apply_snapshot(event)
        if flaw:
            self._distrust(book, flaw)
        else:
            self._heal(event.symbol, BOOK)

    def _delta(self, event: ev.BookDelta) -> None:
        book = self.books.get(event.symbol)
        if book is not None:
            flaw = book.apply(event)
            if flaw:
                self._distrust(book, flaw)

    def _partial(self, event: ev.PartialBook) -> None:
        book = self.partials.get(event.symbol)
        if book is None:
            book = self.partials[event.symbol] = OrderBook(event.venue, event.symbol)
        flaw = book.apply_snapshot(event)
        if flaw:
            self._mark(event.symbol, TOPS, flaw)
        elif self.stale and TOPS in self.stale.get(event.symbol, ()):
            self._heal(event.symbol, TOPS)

    def _book_stale(self, event: ev.BookStale) -> None:
        book = self.books.get(event.symbol)
        if book is not None:
            book.clear()
        self._mark(event.symbol, BOOK, event.reason)

    def _distrust(self, book: OrderBook, flaw: str) -> None:
        """At once: no rule is to see it, and risk lets nothing pass that looks at it."""
        book.clear()
        self._mark(book.symbol, BOOK, flaw)
        self.flaws[book.symbol] = flaw

    def _checksum_of(self, symbol: str) -> Checksum | None:
        instrument = self.instruments.get(symbol)
        known = self.checksum is not None and instrument is not None
        return self.checksum(instrument) if known else None  # type: ignore[misc, arg-type]

    def _bar(self, event: ev.Bar) -> None:
        self.bars[event.symbol, event.interval] = event

    def _status(self, event: ev.MarketStatus) -> None:
        self.statuses[event.symbol] = event.status

    def _feed_stale(self, event: ev.FeedStale) -> None:
        text = _STALE.get(event.why, event.why).format(event.silent_seconds)
        self._feeds[event.symbol, event.channel] = event.why, text
        if event.channel == BOOK and event.symbol in self.books:
            self.books[event.symbol].mark(event.why)
        self._mark(event.symbol, event.channel, text)

    def _feed_fresh(self, event: ev.FeedFresh) -> None:
        self._trust(event.symbol, event.channel)
        # A book is good again by its snapshot, not by deltas or a promise of them.
        if event.channel != BOOK or self._book_is_right(event.symbol):
            self._unmark(event.symbol, event.channel)

    # ── account ───────────────────────────────────────────────────────────────────────────────

    def _order_event(self, event: ev.Update | ev.Unanswered) -> Change | None:
        return self.ledger.apply(event, event.received)

    def _fill(self, event: ev.Fill) -> Change | None:
        change = self.ledger.apply(event, event.received)
        if change is not None:
            self.portfolio.apply(event)
        return change

    def _balance(self, event: ev.Balance) -> None:
        self.portfolio.take_balance(event)

    def _position(self, event: ev.Position) -> None:
        self.portfolio.take_position(event)

    def _open_orders(self, event: ev.OpenOrders) -> None:
        self.ledger.compare(event, event.received)

    # ── session ───────────────────────────────────────────────────────────────────────────────

    def _subscribed(self, event: ev.Subscribed) -> None:
        if event.channel == ORDERS:
            self.blind = ""
        key = event.symbol, event.channel
        is_another = any(key in held for link, held in self._channels.items() if link != event.link)
        self._channels.setdefault(event.link, {})[key] = None
        if is_another:
            return  # another connection carries the same: a promise of it mends nothing
        self._trust(event.symbol, event.channel)
        if event.channel != BOOK or self._book_is_right(event.symbol):
            self._unmark(event.symbol, event.channel)

    def _unsubscribed(self, event: ev.Unsubscribed) -> None:
        self._channels.get(event.link, {}).pop((event.symbol, event.channel), None)
        self._trust(event.symbol, event.channel)
        self._unmark(event.symbol, event.channel)

    def _authenticated(self, event: ev.Authenticated) -> None:
        if event.link.startswith(ORDERS):
            self.reached_at = event.received

    def _lost(self, event: ev.Lost) -> None:
        gone = self._channels.pop(event.link, {})
        is_way_out = event.link.startswith(ORDERS) and not event.covered
        if is_way_out:
            self.reached_at = None
        for symbol, channel in gone:
            if channel == ORDERS and not self._is_carried(symbol, channel):
                self.blind = "the connection was lost"
            if symbol and not self._is_carried(symbol, channel):
                self._mark(symbol, channel, "connection lost")
        if self.blind and (is_way_out or ("", ORDERS) in gone):
            self.miss(event.received)

    def miss(self, now: int) -> None:
        """Something may have traded that we were not told: no order leaves before we are."""
        self.missed, self.missed_at = dict.fromkeys(self.instruments), now

    def _rejected(self, event: ev.Rejected) -> None:
        if event.what in _PRIVATE:
            self.blind = f"refused: {event.text}"

    def _is_carried(self, symbol: str, channel: str) -> bool:
        return any((symbol, channel) in carried for carried in self._channels.values())

    def _clock_offset(self, event: ev.ClockOffset) -> None:
        self.offset = event
        self.portfolio.take_offset(event)

    def _book_is_right(self, symbol: str) -> bool:
        book = self.books.get(symbol)
        return book is None or book.ready

    def _trust(self, symbol: str, channel: str) -> None:
        """A feed speaks, begins again or ends: it is no longer what it was called stale for."""
        if self._feeds.pop((symbol, channel), None) and channel == BOOK and symbol in self.books:
            self.books[symbol].mark("")

    def _heal(self, symbol: str, channel: str) -> None:
        """What it shows is right; it is as stale as the feed that shall keep it so."""
        feed = self._feeds.get((symbol, channel))
        if feed is None:
            self._unmark(symbol, channel)
        else:
            self._mark(symbol, channel, feed[1])

    def _mark(self, symbol: str, channel: str, why: str) -> None:
        self.stale.setdefault(symbol, {})[channel] = why

    def _unmark(self, symbol: str, channel: str) -> None:
        if self.stale and symbol in self.stale:
            self.stale[symbol].pop(channel, None)
            if not self.stale[symbol]:
                del self.stale[symbol]
