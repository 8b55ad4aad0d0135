"""One symbol as the streams see it: the visible book level by level, and what has traded.

House rules: the book is followed from the exchange's facts, so that the touch is known after
every single change and not only after a batch.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from pitwire.model.orders import Side
from pitwire.sim.facades.binance_candles import SymbolHistory
from pitwire.sim.facades.binance_text import Scale
from pitwire.sim.facades.facade import Level, Market
from pitwire.sim.facts import Depth, LevelChanged

_BUY = Side.BUY
_NOTHING: Level = (0, 0)
_EVER = 1 << 62
"""Later than any change."""
_REAL_TIME = ("trade", "aggTrade", "bookTicker")


class BoardSide:
    """Levels of one side, best first; sorted when somebody looks."""

    __slots__ = ("_is_sorted", "_keys", "_sign", "lots")

    def __init__(self, side: Side, levels: Iterable[Level]) -> None:
        self._sign = -1 if side is Side.BUY else 1
        self.lots: dict[int, int] = dict(levels)
        self._keys: list[int] = []
        self._is_sorted = False

    def put(self, price: int, lots: int) -> bool:
        """The absolute size at a price, 0 removes it; whether it is, or was, the best one."""
        keys = self._keys if self._is_sorted else self._sorted()
        key, held = self._sign * price, self.lots
        moves = not keys or key <= keys[0]
        if lots:
            if price not in held:
                insort(keys, key)
            held[price] = lots
        elif held.pop(price, 0):
            del keys[bisect_left(keys, key)]
        return moves

    def best(self) -> Level:
        keys = self._sorted()
        if not keys:
            return _NOTHING
        price = self._sign * keys[0]
        return price, self.lots[price]

    def top(self, count: int) -> list[Level]:
        prices = (self._sign * key for key in self._sorted()[:count])
        return [(price, self.lots[price]) for price in prices]

    def _sorted(self) -> list[int]:
        if not self._is_sorted:
            self._keys = sorted(self._sign * price for price in self.lots)
            self._is_sorted = True
        return self._keys


class Board:
    """A symbol's book and history, fed with facts."""

    def __init__(self, scale: Scale, market: Market) -> None:
        self._symbol = symbol = scale.listing.symbol
        book = market.book(symbol)
        self.scale = scale
        self.names = {kind: f"{scale.symbol.lower()}@{kind}" for kind in _REAL_TIME}
        """The symbol's real-time streams."""
        self._market = market
        self.update_id = book.update_id
        """Of the last change that was told."""
        self._first = book.update_id
        """Before it there was no venue that could have told of a book."""
        self._stands = book.update_id
        """That of the last one in the levels here; behind where nobody has looked since."""
        self._bids = BoardSide(Side.BUY, book.bids)
        self._asks = BoardSide(Side.SELL, book.asks)
        self._top: tuple[Level, Level] | None = None
        self.history = SymbolHistory(market.last_price(symbol))

    @property
    def bids(self) -> BoardSide:
        self._follow()
        return self._bids

    @property
    def asks(self) -> BoardSide:
        self._follow()
        return self._asks

    @property
    def top(self) -> tuple[Level, Level]:
        """Best bid and best ask."""
        self._follow()
        if self._top is None:
            self._top = (self._bids.best(), self._asks.best())
        return self._top

    def change(self, fact: LevelChanged) -> bool:
        """Follow one change; True when the best price or size moved."""
        before = self._top
        if before is None or self._stands != self.update_id:
            before = self.top
        is_bid = fact.side is _BUY
        side = self._bids if is_bid else self._asks
        self.update_id = self._stands = fact.update_id
        if not side.put(fact.price, fact.lots):
            return False
        best = side.best()
        self._top = (best, before[1]) if is_bid else (before[0], best)
        return best != before[not is_bid]

    def reach(self, update_id: int) -> None:
        """Be where the book was after this change; levels are looked up when somebody looks."""
        self.update_id = update_id

    def come_up(self) -> None:
        """Be where the book is."""
        self.update_id = self._market.book(self._symbol, 1).update_id

    def _follow(self) -> None:
        if self._stands == self.update_id:
            return
        book = self.as_of(_EVER)
        self._bids, self._asks = BoardSide(Side.BUY, book.bids), BoardSide(Side.SELL, book.asks)
        self._stands, self._top = self.update_id, None

    def as_of(self, at: int) -> Depth:
        """The book as it was at `at`, or as far back as the venue and its memory of changes go."""
        market = self._market
        book = market.book(self._symbol)
        bids, asks, update_id = dict(book.bids), dict(book.asks), book.update_id
        for number, since, is_bid, price, lots in market.past(self._symbol).back_from(update_id):
            if number <= self._first or (number <= self.update_id and since <= at):
                break
            side = bids if is_bid else asks
            side[price] = lots
            update_id = number - 1
        return Depth(
            update_id=update_id,
            bids=[level for level in sorted(bids.items(), reverse=True) if level[1]],
            asks=[level for level in sorted(asks.items()) if level[1]],
        )
