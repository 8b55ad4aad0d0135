"""Price–time priority in integer ticks and lots, for one symbol.

House rules: a book keeps orders in the order they are to be met; it moves no money, tells no facts
and knows no time. A level's size is what the market may see; what an iceberg hides trades too.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from pitwire.model.orders import Side
from pitwire.sim.facts import DECREMENTS, SimOrder, Stp

_SPARE = 16
"""How many levels of a side are kept that are gone."""


class Level:
    """The orders at one price, first come first."""

    __slots__ = ("orders", "price", "shown")

    def __init__(self, price: int) -> None:
        self.price = price
        self.orders: dict[int, SimOrder] = {}
        self.shown = 0


class Ladder:
    """One side of a book. `keys` are sign × price in rising order, so that the best is the last."""

    __slots__ = ("_spare", "keys", "levels", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self._spare: list[Level] = []
        """Levels that are gone, to be used again: nearly every order makes one or ends one."""
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}

    def best(self) -> Level | None:
        """The level that trades first."""
        return self.levels[self.sign * self.keys[-1]] if self.keys else None

    def best_within(self, limit: int | None) -> Level | None:
        """The level that trades first, if its price is as good as `limit` (None: any) or better."""
        if not self.keys:
            return None
        key = self.keys[-1]
        if limit is not None and key < self.sign * limit:
            return None
        return self.levels[self.sign * key]

    def level(self, price: int) -> Level:
        """The level at this price, made if there is none."""
        level = self.levels.get(price)
        if level is None:
            if self._spare:
                level = self._spare.pop()
                level.price, level.shown = price, 0
            else:
                level = Level(price)
            self.levels[price] = level
            insort(self.keys, self.sign * price)
        return level

    def drop(self, price: int) -> None:
        """Forget a level that holds no more orders."""
        level = self.levels.pop(price)
        if len(self._spare) < _SPARE:
            self._spare.append(level)
        key = self.sign * price
        keys = self.keys
        if keys[-1] == key:
            keys.pop()
        else:
            del keys[bisect_left(keys, key)]

    def lots_at(self, price: int) -> int:
        """What the market sees at this price."""
        level = self.levels.get(price)
        return level.shown if level is not None else 0

    def within(self, limit: int | None) -> Iterator[Level]:
        """Levels from the best to `limit`."""
        for key in reversed(self.keys):
            if limit is not None and key < self.sign * limit:
                return
            yield self.levels[self.sign * key]

    def lots_within(self, limit: int) -> int:
        """What the market sees from the best level to `limit`."""
        lots, bound, sign, levels = 0, self.sign * limit, self.sign, self.levels
        for key in reversed(self.keys):
            if key < bound:
                break
            lots += levels[sign * key].shown
        return lots

    def depth(self, count: int = 0) -> list[tuple[int, int]]:
        """(price, lots) of the first `count` levels (0: all), best first."""
        keys = self.keys[-count:] if count else self.keys
        sign, levels = self.sign, self.levels
        return [(sign * key, levels[sign * key].shown) for key in reversed(keys)]


class Book:
    """Both sides of one symbol."""

    __slots__ = ("_slices", "asks", "bids")

    def __init__(self) -> None:
        self.bids = Ladder(1)
        self.asks = Ladder(-1)
        self._slices: dict[int, int] = {}
        """Order id → what is left of an iceberg's visible part."""

    def ladder(self, side: Side) -> Ladder:
        """Where orders of this side rest."""
        return self.bids if side is Side.BUY else self.asks

    def against(self, side: Side) -> Ladder:
        """What an order of this side trades with."""
        return self.asks if side is Side.BUY else self.bids

    def shown(self, order: SimOrder) -> int:
        """The visible part of a resting order."""
        return self._slices[order.order_id] if order.iceberg_lots else order.left

    def add(self, order: SimOrder) -> None:
        """Put an order at the end of the queue at its price."""
        level = self.ladder(order.side).level(order.price)
        level.orders[order.order_id] = order
        lots = order.left
        if order.iceberg_lots:
            lots = self._slices[order.order_id] = min(order.iceberg_lots, lots)
        level.shown += lots

    def remove(self, order: SimOrder) -> None:
        """Take an order off the book whole."""
        ladder = self.ladder(order.side)
        level = ladder.levels[order.price]
        level.shown -= self.shown(order)
        del level.orders[order.order_id]
        self._slices.pop(order.order_id, None)
        if not level.orders:
            ladder.drop(order.price)

    def consume(self, maker: SimOrder, level: Level, lots: int) -> None:
        """Account for `lots` that the maker just lost; the order itself counts them already.

        The level is left in place even when empty: who sweeps it drops it.
        """
        level.shown -= lots
        if maker.iceberg_lots:
            self._consume_slice(maker, level, lots)
        elif maker.left == 0:
            del level.orders[maker.order_id]

    def _consume_slice(self, maker: SimOrder, level: Level, lots: int) -> None:
        rest = self._slices[maker.order_id] - lots
        if rest > 0:
            self._slices[maker.order_id] = rest
            return
        del level.orders[maker.order_id]
        if maker.left == 0:
            del self._slices[maker.order_id]
            return
        # A fresh slice has no claim to the old one's place: it goes to the end of the queue.
        level.orders[maker.order_id] = maker
        self._slices[maker.order_id] = min(maker.iceberg_lots, maker.left)
        level.shown += self._slices[maker.order_id]

    def shrink(self, order: SimOrder, lots: int) -> None:
        """Make a resting order's size `lots` and keep its place."""
        before = self.shown(order)
        order.lots = lots
        if order.iceberg_lots:
            self._slices[order.order_id] = min(before, order.left)
        self.ladder(order.side).levels[order.price].shown -= before - self.shown(order)

    def fillable(self, taker: SimOrder, limit: int | None) -> tuple[int, int]:
        """(lots, price × lots) that would trade if this order were worked now."""
        wanted, lots, units = taker.left, 0, 0
        for level in self.against(taker.side).within(limit):
            for maker in level.orders.values():
                meets = min(wanted, maker.left)
                if maker.account != taker.account or taker.stp is Stp.NONE:
                    lots += meets
                    units += meets * level.price
                elif taker.stp is Stp.EXPIRE_MAKER:
                    continue
                elif taker.stp not in DECREMENTS:
                    return lots, units
                wanted -= meets
                if wanted == 0:
                    return lots, units
        return lots, units

    def buys(self, side: Side, units: int, *, account: str, stp: Stp) -> int:
        """How many lots an order of this side may trade for at most `units` of price × lots.

        What the book cannot serve is reckoned at its last price, so that such an order is left
        with an unfilled rest. 0 when there is nothing to trade with.
        """
        lots = price = 0
        for maker in self._makers(side, account, stp):
            price = maker.price
            meets = min(maker.left, units // price)
            lots += meets
            units -= meets * price
            if units < price:
                return lots
        return lots + units // price if price else 0

    def _makers(self, side: Side, account: str, stp: Stp) -> Iterator[SimOrder]:
        """Whom an order would meet, as far as self-trade prevention lets it (binance §7.4)."""
        for level in self.against(side).within(None):
            for maker in level.orders.values():
                if maker.account == account and stp is not Stp.NONE:
                    if stp is Stp.EXPIRE_MAKER:
                        continue
                    if stp not in DECREMENTS:
                        return
                yield maker
