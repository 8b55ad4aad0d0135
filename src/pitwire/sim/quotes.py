"""The orders that makers keep on one side of a book, and where and how large the next ones are.

House rules: every draw is made in the order in which it stands here, and floats are reckoned in
that order too, so that a seed is a market to the byte. `Quotes` here is plain Python; `_quotes.c`
beside it is its compiled twin, used where it has been built (ADR 23), held against this one by the
same tests.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_left, insort
from collections.abc import Callable
from math import exp, log
from typing import TypeAlias, cast

from pitwire.model.twins import twin
from pitwire.sim.execution import Execution
from pitwire.sim.facts import LevelChanged, SimOrder, Status
from pitwire.sim.matching import Ladder, Level
from pitwire.sim.pit import Pit
from pitwire.sim.quiet import Hand

Draw: TypeAlias = Callable[[], float]
"""The next number of [0, 1)."""
KINDERMAN = 4 * math.exp(-0.5) / math.sqrt(2.0)
CANCELED = Status.CANCELED


def worth_about(draw: Draw, worth: float, per_lot: float) -> int:
    """Lots for a size worth about so much, spread widely; `per_lot` is what one is worth."""
    # `lognormvariate(-0.5, 1.0)`, draw for draw: three calls cost more than the rest
    while True:
        u1 = draw()
        u2 = 1.0 - draw()
        z = KINDERMAN * (u1 - 0.5) / u2
        if z * z / 4.0 <= -log(u2):
            break
    return round(worth * exp(z - 0.5) / per_lot)


class Quotes:
    """The makers' orders on one side, best first."""

    __slots__ = ("_draw", "_hand", "_highest", "_least", "_lowest", "_sign", "keys", "orders")

    def __init__(self, hand: Hand, draw: Draw, *, least: int, lowest: int, highest: int) -> None:
        """None is smaller than `least` lots, none below `lowest` or above `highest` ticks."""
        self._hand, self._draw = hand, draw
        self._least, self._lowest, self._highest = least, lowest, highest
        self._sign = -1 if hand.is_buy else 1
        self.keys: list[int] = []
        """sign × price of each, those that were filled meanwhile among them."""
        self.orders: dict[int, SimOrder] = {}
        """By price, those that were filled meanwhile among them."""

    def add(self, price: int, lots: int, now: int, /) -> None:
        """Place an order, and remember it if it rests; one a price."""
        order = self._hand.quote(price, lots, now)
        if order.on_book:
            insort(self.keys, self._sign * price)
            self.orders[price] = order

    def has(self, price: int, /) -> bool:
        """Whether an order of ours still rests at this price."""
        order = self.orders.get(price)
        if order is not None and not order.on_book:
            del self.orders[price]
            del self.keys[bisect_left(self.keys, self._sign * price)]
            return False
        return order is not None

    def withdraw(self, index: int, now: int, /) -> None:
        """Forget the order at this place, and cancel it unless it was filled meanwhile."""
        order = self.orders.pop(self._sign * self.keys.pop(index))
        if order.on_book:
            self._hand.withdraw(order, now)

    def beyond(self, price: int, /) -> int:
        """How many of ours are better than this price."""
        keys, key = self.keys, self._sign * price
        return bisect_left(keys, key) if keys and keys[0] < key else 0

    def fill(self, best: int, most: int, levels: int, spread: float, worth: float,
             per_lot: float, now: int, /) -> None:  # fmt: skip
        """An order at `best`, and up to `levels` of them behind it: at most so many new ones there,
        dense near it and thinner with distance, over `spread` ticks."""
        draw = self._draw
        if not self.has(best):
            self._add_drawn(best, worth, per_lot, now)
        for _ in range(min(most, levels - len(self.keys))):
            where = draw()
            price = best + self._sign * (round(spread * where**1.7) + (where > 0.02))
            if price not in self.orders or not self.has(price):
                self._add_drawn(price, worth, per_lot, now)

    def churn(self, chance: float, levels: int, now: int, /) -> None:
        """Withdraw one somewhere, by this chance, and up to two of those beyond `levels`."""
        draw, keys = self._draw, self.keys
        if keys and draw() < chance:
            self.withdraw(int(len(keys) * draw() ** 2), now)
        for _ in range(min(len(keys) - levels, 2)):
            self.withdraw(-1, now)

    def _add_drawn(self, price: int, worth: float, per_lot: float, now: int) -> None:
        if self._lowest <= price <= self._highest:
            lots = worth_about(self._draw, worth, per_lot)
            self.add(price, max(lots, self._least), now)


MakeQuotes: TypeAlias = Callable[[Hand, Draw, int, int, int], Quotes]
"""(hand, draw, least, lowest, highest) → quotes."""


def plain(hand: Hand, draw: Draw, least: int, lowest: int, highest: int) -> Quotes:
    """Quotes that are plain Python."""
    return Quotes(hand, draw, least=least, lowest=lowest, highest=highest)


def compiled_by(module: object) -> MakeQuotes:
    """How this compiled module makes them; it looks up here what a hand's things are."""

    def make(hand: Hand, draw: Draw, least: int, lowest: int, highest: int) -> Quotes:
        made = module.Quotes(hand, draw, least, lowest, highest, sys.modules[__name__])  # type: ignore[attr-defined]
        return cast("Quotes", made)

    return make


_compiled = twin("pitwire.sim._quotes")
fastest: MakeQuotes = plain if _compiled is None else compiled_by(_compiled)
"""The compiled ones where they were built, else the plain ones."""

__all__ = [
    "Execution",
    "Ladder",
    "Level",
    "LevelChanged",
    "Pit",
    "Quotes",
    "SimOrder",
    "compiled_by",
    "fastest",
    "plain",
    "worth_about",
]
