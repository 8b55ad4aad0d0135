"""One symbol as the streams see it: the visible book level by level, and what has traded.

House rules: the book is followed from the exchange's facts, so that the touch is known after
every single change and not only after a batch.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable

import msgspec

from pitwire.model.orders import Side
from pitwire.sim.facades.binance_candles import SymbolHistory
from pitwire.sim.facades.binance_text import Scale
from pitwire.sim.facades.facade import Level, Market
from pitwire.sim.facts import Depth, LevelChanged

_NOTHING: Level = (0, 0)
_CHANGES_KEPT = 10_000
"""How many changes a book can be wound back by: half a minute of a calm market."""
_REAL_TIME = ("trade", "aggTrade", "bookTicker")


class _Undo(msgspec.Struct, frozen=True, gc=False):
    """What a change replaced."""

    at: int
    update_id: int
    is_bid: bool
    price: int
    lots: int


class BoardSide:
    """Levels of one side, best first."""

    __slots__ = ("_keys", "_sign", "lots")

    def __init__(self, side: Side, levels: Iterable[Level]) -> None:
        self._sign = -1 if side is Side.BUY else 1
        self.lots: dict[int, int] = dict(levels)
        self._keys = sorted(self._sign * price for price in self.lots)

    def put(self, price: int, lots: int) -> None:
        """The absolute size at a price; 0 removes it."""
        key = self._sign * price
        if lots:
            if price not in self.lots:
                insort(self._keys, key)
            self.lots[price] = lots
        elif price in self.lots:
            del self.lots[price]
            del self._keys[bisect_left(self._keys, key)]

    def best(self) -> Level:
        if not self._keys:
            return _NOTHING
        price = self._sign * self._keys[0]
        return price, self.lots[price]

    def top(self, count: int) -> list[Level]:
        prices = (self._sign * key for key in self._keys[:count])
        return [(price, self.lots[price]) for price in prices]


class Board:
    """A symbol's book and history, fed with facts."""

    def __init__(self, scale: Scale, market: Market) -> None:
        symbol = scale.listing.symbol
        book = market.book(symbol)
        self.scale = scale
        self.names = {kind: f"{scale.symbol.lower()}@{kind}" for kind in _REAL_TIME}
        """The symbol's real-time streams."""
        self.update_id = book.update_id
        self.bids = BoardSide(Side.BUY, book.bids)
        self.asks = BoardSide(Side.SELL, book.asks)
        self.top = (self.bids.best(), self.asks.best())
        self.history = SymbolHistory(market.last_price(symbol))
        self._changes: deque[_Undo] = deque(maxlen=_CHANGES_KEPT)

    def change(self, fact: LevelChanged) -> bool:
        """Follow one change; True when the best price or size moved."""
        is_bid = fact.side is Side.BUY
        side = self.bids if is_bid else self.asks
        self._changes.append(
            _Undo(fact.at, self.update_id, is_bid, fact.price, side.lots.get(fact.price, 0))
        )
        side.put(fact.price, fact.lots)
        self.update_id = fact.update_id
        top = (self.bids.best(), self.asks.best())
        if top == self.top:
            return False
        self.top = top
        return True

    def as_of(self, at: int) -> Depth:
        """The book as it was at `at`, or as far back as changes are remembered."""
        bids, asks, update_id = dict(self.bids.lots), dict(self.asks.lots), self.update_id
        for undo in reversed(self._changes):
            if undo.at <= at:
                break
            side = bids if undo.is_bid else asks
            side[undo.price] = undo.lots
            update_id = undo.update_id
        return Depth(
            update_id=update_id,
            bids=[level for level in sorted(bids.items(), reverse=True) if level[1]],
            asks=[level for level in sorted(asks.items()) if level[1]],
        )
