"""Conditions on prices, books and trades: what the market may do.

House rules: those of `conditions`; prices are floats and are held against levels as they came.
"""

from __future__ import annotations

from collections import deque
from typing import Literal, TypeAlias

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.orders import Side
from pitwire.trading.conditions import Truth, Untimed, within, yes
from pitwire.trading.rules import Watch, book, touch
from pitwire.trading.state import State

PriceName: TypeAlias = Literal["last", "bid", "ask", "mid"]
BookSide: TypeAlias = Literal["bid", "ask"]
_FLOAT_ROOM = 1e-9
"""Relative room when a difference of floats is held against a count of ticks."""


# ── prices ────────────────────────────────────────────────────────────────────────────────────


class PriceFeed:
    """One price of a symbol, event by event. Bid, ask and mid come from the book only where no
    quotes come, since the two would tell the same change twice."""

    def __init__(self, symbol: str, of: PriceName) -> None:
        self.symbol = symbol
        self.of = of
        kinds: tuple[type[ev.Event], ...] = (ev.Trade, ev.AggregateTrade)
        if of != "last":
            kinds = (ev.Quote, ev.BookSnapshot, ev.BookDelta, ev.PartialBook)
        self.watches = tuple(Watch(kind, symbol) for kind in kinds)

    def shown(self, state: State) -> float | None:
        """The price that the event being shown brought; None when it brought none."""
        event = state.event
        if event is None or event.symbol != self.symbol:
            return None
        if self.of == "last":
            # The state keeps aggregates only where no single trades come.
            return state.last(self.symbol) if state.trades.get(self.symbol) is event else None
        if type(event) is ev.Quote:
            return price_of(state, self.symbol, self.of)
        is_book = isinstance(event, ev.BookSnapshot | ev.BookDelta | ev.PartialBook)
        if is_book and self.symbol not in state.quotes:
            return price_of(state, self.symbol, self.of)
        return None


def price_of(state: State, symbol: str, of: PriceName) -> float | None:
    """A price as it stands; None where there is none, or nobody quotes on one side."""
    if of == "last":
        return state.last(symbol)
    quote = state.quotes.get(symbol)
    if quote is not None:
        bid_ask = (quote.bid, quote.ask) if quote.is_whole else None
    else:
        touched = state.touch(symbol)
        bid_ask = touched[:2] if touched is not None else None
    if bid_ask is None:
        return None
    bid, ask = bid_ask
    return bid if of == "bid" else ask if of == "ask" else (bid + ask) / 2


class Crosses(Untimed):
    """The price goes from one side of a level to the other. At the level is on neither side.

    After a crossing there is no second one until the price was back on the first side by `back`
    (price units, 0: on it at all). The side is remembered over gaps: what crossed while we could
    not see is noticed at the first price after.
    """

    def __init__(
        self, symbol: str, level: float, *, above: bool, of: PriceName = "last", back: float = 0.0
    ) -> None:
        self.symbol = symbol
        self._feed = PriceFeed(symbol, of)
        self.watches = self._feed.watches
        self._sign = 1.0 if above else -1.0
        self._level = level
        self._back = back
        self._ready = False

    def look(self, state: State, now: int) -> int:
        price = self._feed.shown(state)
        if price is None:
            return Truth.NO
        beyond = self._sign * (price - self._level)
        if beyond > 0:
            crossed, self._ready = self._ready, False
            return Truth.NOW if crossed else Truth.NO
        if beyond < 0 and beyond <= -self._back:
            self._ready = True
        return Truth.NO


class PriceIs(Untimed):
    """The price is above or below a level."""

    def __init__(
        self,
        symbol: str,
        *,
        above: float | None = None,
        below: float | None = None,
        of: PriceName = "last",
    ) -> None:
        self.symbol = symbol
        self._of: PriceName = of
        self.watches = PriceFeed(symbol, of).watches
        self._above = above
        self._below = below

    def look(self, state: State, now: int) -> int:
        return yes(within(price_of(state, self.symbol, self._of), self._above, self._below))


class Moves(Untimed):
    """The price is so far from where it was at some time within the window.

    A price holds until the next one, so a jump after a quiet time is a move. What happened while
    the feed was stale or the connection lost is not: the window begins anew.
    """

    def __init__(
        self,
        symbol: str,
        within_seconds: float,
        *,
        percent: float | None = None,
        ticks: int | None = None,
        direction: Literal["up", "down", "either"] = "either",
        of: PriceName = "last",
    ) -> None:
        self.symbol = symbol
        self._feed = PriceFeed(symbol, of)
        self.watches = (*self._feed.watches, Watch(ev.FeedStale, symbol), Watch(ev.Lost))
        self._within = round(within_seconds * SECOND)
        self._percent = percent
        self._ticks = ticks
        self._up = direction != "down"
        self._down = direction != "up"
        self._price: float | None = None
        # (until when it held, price), the best at the left: what the window's low and high were.
        self._lows: deque[tuple[int, float]] = deque()
        self._highs: deque[tuple[int, float]] = deque()

    def look(self, state: State, now: int) -> int:
        event = state.event
        if isinstance(event, ev.FeedStale) or (isinstance(event, ev.Lost) and not event.covered):
            self._price = None
            self._lows.clear()
            self._highs.clear()
        price = self._feed.shown(state)
        if price is not None:
            self._take(price, now)
        if self._price is None:
            return Truth.NO
        for side in (self._lows, self._highs):
            while side and side[0][0] <= now - self._within:
                side.popleft()
        up = bool(self._lows) and self._is_far(self._price, self._lows[0][1], state)
        down = bool(self._highs) and self._is_far(self._highs[0][1], self._price, state)
        return yes((self._up and up) or (self._down and down))

    def _take(self, price: float, now: int) -> None:
        before, self._price = self._price, price
        if before is None:
            return
        while self._lows and self._lows[-1][1] >= before:
            self._lows.pop()
        self._lows.append((now, before))
        while self._highs and self._highs[-1][1] <= before:
            self._highs.pop()
        self._highs.append((now, before))

    def _is_far(self, higher: float, lower: float, state: State) -> bool:
        far = higher - lower
        if self._ticks is not None:
            step = tick_of(state, self.symbol)
            return step is not None and far >= self._ticks * step * (1 - _FLOAT_ROOM)
        assert self._percent is not None
        # Percent of where the move began.
        start = lower if higher == self._price else higher
        return far >= start * self._percent / 100 * (1 - _FLOAT_ROOM)


def tick_of(state: State, symbol: str) -> float | None:
    """The tick of a symbol as a float; None when its rules are not known."""
    instrument = state.instruments.get(symbol)
    return None if instrument is None else float(instrument.tick)


# ── the book ──────────────────────────────────────────────────────────────────────────────────


class SpreadWider(Untimed):
    """Best ask less best bid is more than so many ticks, or so many bips of the mid."""

    def __init__(
        self, symbol: str, *, ticks: float | None = None, bips: float | None = None
    ) -> None:
        self.symbol = symbol
        self.watches = touch(symbol)
        self._ticks = ticks
        self._bips = bips

    def look(self, state: State, now: int) -> int:
        best = state.touch(self.symbol)
        if best is None:
            return Truth.NO
        bid, ask, _ = best
        if self._ticks is not None:
            step = tick_of(state, self.symbol)
            return yes(step is not None and ask - bid > self._ticks * step * (1 + _FLOAT_ROOM))
        assert self._bips is not None
        return yes((ask - bid) / ((ask + bid) / 2) * 10_000 > self._bips * (1 + _FLOAT_ROOM))


class Imbalance(Untimed):
    """Bids less asks over their sum in the best levels: 1 is all bids, -1 all asks."""

    def __init__(
        self,
        symbol: str,
        *,
        levels: int = 5,
        above: float | None = None,
        below: float | None = None,
    ) -> None:
        self.symbol = symbol
        self.watches = book(symbol)
        self._levels = levels
        self._above = above
        self._below = below

    def look(self, state: State, now: int) -> int:
        there = state.book(self.symbol)
        found = None if there is None else there.imbalance(self._levels)
        return yes(within(found, self._above, self._below))


class Thins(Untimed):
    """The size in the best levels of one side is less than `below`."""

    def __init__(self, symbol: str, side: BookSide, below: float, *, levels: int = 1) -> None:
        self.symbol = symbol
        self.watches = touch(symbol)
        self._bids = side == "bid"
        self._below = below
        self._levels = levels

    def look(self, state: State, now: int) -> int:
        there = self._there(state)
        return yes(there is not None and there < self._below)

    def _there(self, state: State) -> float | None:
        quote, book_now = state.quotes.get(self.symbol), state.book(self.symbol)
        if self._levels == 1 and quote is not None:
            return quote.bid_size if self._bids else quote.ask_size
        if book_now is None:
            return None
        bids, asks = book_now.depth(self._levels)
        return sum(size for _, size in (bids if self._bids else asks))


class TradeLarger(Untimed):
    """One trade of more than `size` base units, or worth more than `worth` quote units."""

    def __init__(
        self,
        symbol: str,
        *,
        size: float | None = None,
        worth: float | None = None,
        side: Side | None = None,
    ) -> None:
        self.symbol = symbol
        self.watches = (Watch(ev.Trade, symbol), Watch(ev.AggregateTrade, symbol))
        self._size = size
        self._worth = worth
        self._side = side

    def look(self, state: State, now: int) -> int:
        event = state.event
        if not isinstance(event, ev.Trade | ev.AggregateTrade) or event.symbol != self.symbol:
            return Truth.NO
        if state.trades.get(self.symbol) is not event or self._side not in (None, event.side):
            return Truth.NO
        large = within(event.size, self._size, None)
        return (
            Truth.NOW
            if large and within(event.size * event.price, self._worth, None)
            else (Truth.NO)
        )
