"""One symbol as the streams see it: the visible book level by level, and what has traded.

House rules: the book is followed from the exchange's facts, so that the touch is known after
every single change and not only after a batch.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from typing import TypeAlias

from pitwire.model.orders import Side
from pitwire.sim.facades.binance_candles import SymbolHistory
from pitwire.sim.facades.binance_text import Scale
from pitwire.sim.facades.facade import Level, Market
from pitwire.sim.facts import Depth, LevelChanged

_BUY = Side.BUY
_NOTHING: Level = (0, 0)
_CHANGES_KEPT = 10_000
"""How many changes a book can be wound back by: half a minute of a calm market."""
_REAL_TIME = ("trade", "aggTrade", "bookTicker")


_Undo: TypeAlias = tuple[int, int, bool, int, int]
"""What a change replaced: when it came, the update id before, whether it was a bid, its price, and
the size that was there."""


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
        keys = self._sorted()
        key = self._sign * price
        moves = not keys or key <= keys[0]
        if lots:
            if price not in self.lots:
                insort(keys, key)
            self.lots[price] = lots
        elif price in self.lots:
            del self.lots[price]
            del keys[bisect_left(keys, key)]
        return moves

    def note(self, price: int, lots: int) -> None:
        """The same while nobody looks."""
        self._is_sorted = False
        if lots:
            self.lots[price] = lots
        else:
            self.lots.pop(price, None)

    def note_all(self, levels: Iterable[Level]) -> None:
        """The same of many, one after the other."""
        self._is_sorted = False
        self.lots.update(levels)
        self.lots = {price: lots for price, lots in self.lots.items() if lots}

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
        symbol = scale.listing.symbol
        book = market.book(symbol)
        self.scale = scale
        self.names = {kind: f"{scale.symbol.lower()}@{kind}" for kind in _REAL_TIME}
        """The symbol's real-time streams."""
        self._update_id = book.update_id
        self._bids = BoardSide(Side.BUY, book.bids)
        self._asks = BoardSide(Side.SELL, book.asks)
        self._top: tuple[Level, Level] | None = None
        self.history = SymbolHistory(market.last_price(symbol))
        self._changes: deque[_Undo] = deque(maxlen=_CHANGES_KEPT)
        self._waiting: list[LevelChanged] = []
        """Changes that nobody has looked at; they are followed when somebody does."""
        self.note = self._waiting.append
        """Follow one change while nobody looks; `tidy` once in a while."""

    @property
    def update_id(self) -> int:
        """Of the last change."""
        self._follow()
        return self._update_id

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
        before = self.top if self._waiting or self._top is None else self._top
        is_bid = fact.side is _BUY
        side = self._bids if is_bid else self._asks
        price = fact.price
        self._changes.append((fact.at, self._update_id, is_bid, price, side.lots.get(price, 0)))
        self._update_id = fact.update_id
        if not side.put(price, fact.lots):
            return False
        best = side.best()
        self._top = (best, before[1]) if is_bid else (before[0], best)
        return self._top != before

    def tidy(self) -> None:
        """Follow those of the waiting changes that are too old to be wound back."""
        waiting = self._waiting
        if len(waiting) < 2 * _CHANGES_KEPT:
            return
        old = waiting[:-_CHANGES_KEPT]
        del waiting[:-_CHANGES_KEPT]
        self._changes.clear()
        self._update_id, self._top = old[-1].update_id, None
        self._bids.note_all((fact.price, fact.lots) for fact in old if fact.side is _BUY)
        self._asks.note_all((fact.price, fact.lots) for fact in old if fact.side is not _BUY)

    def _follow(self) -> None:
        if not self._waiting:
            return
        changes, last = self._changes, self._update_id
        for fact in self._waiting:
            is_bid = fact.side is _BUY
            side = self._bids if is_bid else self._asks
            price = fact.price
            changes.append((fact.at, last, is_bid, price, side.lots.get(price, 0)))
            last = fact.update_id
            side.note(price, fact.lots)
        self._update_id, self._top = last, None
        self._waiting.clear()

    def as_of(self, at: int) -> Depth:
        """The book as it was at `at`, or as far back as changes are remembered."""
        bids, asks, update_id = dict(self.bids.lots), dict(self.asks.lots), self.update_id
        for since, before, is_bid, price, lots in reversed(self._changes):
            if since <= at:
                break
            side = bids if is_bid else asks
            side[price] = lots
            update_id = before
        return Depth(
            update_id=update_id,
            bids=[level for level in sorted(bids.items(), reverse=True) if level[1]],
            asks=[level for level in sorted(asks.items()) if level[1]],
        )
