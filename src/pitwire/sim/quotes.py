"""The orders that a quiet hand keeps on one side of a book and takes from the other, and where and
how large the next ones are.

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
from pitwire.sim.accounts import ZERO
from pitwire.sim.execution import NO_MORE, NO_MORE_AT_ONCE, Execution
from pitwire.sim.facts import LevelChanged, PublicTrade, SimOrder, Status, Traded
from pitwire.sim.matching import Ladder, Level
from pitwire.sim.pit import Pit
from pitwire.sim.quiet import Hand

Draw: TypeAlias = Callable[[], float]
"""The next number of [0, 1)."""
KINDERMAN = 4 * math.exp(-0.5) / math.sqrt(2.0)
CANCELED, FILLED, PARTLY = Status.CANCELED, Status.FILLED, Status.PARTIALLY_FILLED
EXPIRED = Status.EXPIRED


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
    """A hand's orders on its side, best first; those that rest are remembered."""

    __slots__ = ("_hand", "_highest", "_least", "_lowest", "_sign", "draw", "keys", "orders")

    def __init__(self, hand: Hand, draw: Draw, *, least: int, lowest: int, highest: int) -> None:
        """None is smaller than `least` lots, none below `lowest` or above `highest` ticks."""
        self._hand, self.draw = hand, draw
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

    def withdraw_beyond(self, price: int, now: int, /) -> None:
        """Forget and cancel all that are better than this price."""
        for _ in range(self.beyond(price)):
            self.withdraw(0, now)

    def take(self, lots: int, now: int, /) -> None:
        """Trade with whatever is there; what is left expires."""
        self._hand.take(lots, now)

    def sweep(self, price: int, now: int, /) -> None:
        """Take everything from the other side up to a price."""
        lots = self._hand.offered(price)
        if lots:
            self._hand.take(lots, now, limit=price)

    def beyond(self, price: int, /) -> int:
        """How many of ours are better than this price."""
        keys, key = self.keys, self._sign * price
        return bisect_left(keys, key) if keys and keys[0] < key else 0

    def fill(self, best: int, most: int, levels: int, spread: float, worth: float,
             per_lot: float, now: int, /) -> None:  # fmt: skip
        """An order at `best`, and up to `levels` of them behind it: at most so many new ones there,
        dense near it and thinner with distance, over `spread` ticks."""
        draw = self.draw
        if not self.has(best):
            self._add_drawn(best, worth, per_lot, now)
        for _ in range(min(most, levels - len(self.keys))):
            where = draw()
            price = best + self._sign * (round(spread * where**1.7) + (where > 0.02))
            if price not in self.orders or not self.has(price):
                self._add_drawn(price, worth, per_lot, now)

    def churn(self, chance: float, levels: int, now: int, /) -> None:
        """Withdraw one somewhere, by this chance, and up to two of those beyond `levels`."""
        draw, keys = self.draw, self.keys
        if keys and draw() < chance:
            self.withdraw(int(len(keys) * draw() ** 2), now)
        for _ in range(min(len(keys) - levels, 2)):
            self.withdraw(-1, now)

    # ── both sides; these are the bids ────────────────────────────────────────────────────────

    def chase(self, others: Others, bid: int, ask: int, swept: float, now: int, /) -> None:
        """Quotes that a touch has run over are swept by this chance, or withdrawn."""
        asks, buyer, seller = others
        if asks.beyond(bid + 1):
            if buyer.draw() < swept:
                buyer.sweep(bid, now)
            asks.withdraw_beyond(bid + 1, now)
        if self.beyond(ask - 1):
            if seller.draw() < swept:
                seller.sweep(ask, now)
            self.withdraw_beyond(ask - 1, now)

    def refresh(self, others: Others, manners: Manners, bid: int, ask: int, levels: int,
                spread: float, per_lot: float, now: int, /) -> None:  # fmt: skip
        """Follow the touch, withdraw something here and there, and fill both sides up."""
        swept, churn, kept, worth, most = manners
        asks = others[0]
        self.chase(others, bid, ask, swept, now)
        self.churn(churn, kept, now)
        asks.churn(churn, kept, now)
        self.fill(bid, most, levels, spread, worth, per_lot, now)
        asks.fill(ask, most, levels, spread, worth, per_lot, now)

    def _add_drawn(self, price: int, worth: float, per_lot: float, now: int) -> None:
        if self._lowest <= price <= self._highest:
            lots = worth_about(self.draw, worth, per_lot)
            self.add(price, max(lots, self._least), now)


Others: TypeAlias = tuple[Quotes, Quotes, Quotes]
"""The asks, and who buys and who sells what was run over."""
Manners: TypeAlias = tuple[float, float, int, float, int]
"""How often what was run over is swept; `churn`'s chance and levels; `fill`'s worth and most."""
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
    "NO_MORE",
    "NO_MORE_AT_ONCE",
    "ZERO",
    "Execution",
    "Ladder",
    "Level",
    "LevelChanged",
    "Pit",
    "PublicTrade",
    "Quotes",
    "SimOrder",
    "Traded",
    "compiled_by",
    "fastest",
    "plain",
    "worth_about",
]
