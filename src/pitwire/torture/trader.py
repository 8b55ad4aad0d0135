"""A rule that is never content: it places, takes, replaces, amends and cancels without end.

House rules: of no sense as a strategy, so that whatever goes wrong finds something on its way; its
chance comes from the trial's seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Protocol, TypeVar

from pitwire.model.clock import SECOND
from pitwire.model.orders import OrderState, Side
from pitwire.trading.rules import Watch
from pitwire.trading.state import State
from pitwire.trading.tracked import Tracked
from pitwire.trading.wishes import Draft, Wish, amend, cancel, order, replace

T = TypeVar("T")
_SIZES = {"BTC-USDT": Decimal("0.001"), "ETH-USDT": Decimal("0.02"), "ETH-BTC": Decimal("0.02")}
_LIVE = (OrderState.OPEN, OrderState.PARTLY_FILLED)


class Chance(Protocol):
    """A stream of `pitwire.model.entropy`."""

    def uniform(self, a: float, b: float) -> float: ...

    def randint(self, a: int, b: int) -> int: ...

    def choice(self, seq: Sequence[T]) -> T: ...


class Trader:
    """Keeps a few orders near the touch of one symbol and changes its mind all the time."""

    def __init__(self, symbol: str, chance: Chance, *, every_seconds: float) -> None:
        self.name = f"trader of {symbol}"
        self.watches: Sequence[Watch] = ()
        self.rests = False
        """Whether it has been told to let it be."""
        self._symbol, self._size = symbol, _SIZES.get(symbol, Decimal(1))
        self._chance, self._every = chance, every_seconds
        self._next = 0

    def next_wake(self) -> int | None:
        return None if self.rests else self._next

    def react(self, state: State, now: int) -> Iterable[Wish]:
        if self.rests or now < self._next:
            return ()
        self._next = now + round(self._chance.uniform(0.2, 1.8) * self._every * SECOND)
        touch = state.touch(self._symbol)
        if touch is None or not touch[0] or not touch[1]:
            return ()
        return self._act(state, touch[0], touch[1])

    def _act(self, state: State, bid: float, ask: float) -> list[Wish]:
        resting = [one for one in state.ledger.open_of(self._symbol) if self._is_mine(one)]
        deeds = ["rest", "near", "take", "ioc"]
        if len(resting) > 2:
            deeds += ["replace", "amend", "cancel", "cancel"]
        side = self._chance.choice((Side.BUY, Side.SELL))
        size = self._size * self._chance.randint(1, 4)
        match deed := self._chance.choice(deeds):
            case "rest" | "near":
                away = 0.02 if deed == "rest" else self._chance.choice((0.0, 0.00002, 0.0002))
                return [self._limit(side, size, bid, ask, away)]
            case "take":
                return [order(self._symbol, side, size=size, tag="taken")]
            case "ioc":
                price = bid * 0.9999 if side is Side.SELL else ask * 1.0001
                made = order(self._symbol, side, size=size, price=price, time_in_force="ioc")
                return [made]
            case _:
                return self._change(deed, self._chance.choice(resting), bid, ask)

    def _limit(self, side: Side, size: Decimal, bid: float, ask: float, away: float) -> Draft:
        price = bid * (1 - away) if side is Side.BUY else ask * (1 + away)
        return order(self._symbol, side, size=size, price=price, tag="quote")

    def _change(self, deed: str, one: Tracked, bid: float, ask: float) -> list[Wish]:
        assert one.side is not None
        if deed == "cancel":
            return [cancel(order_id=one.id)]
        if deed == "amend":
            smaller = (one.size or self._size) - self._size / 2
            return [amend(one.id, smaller)] if smaller > 0 else []
        away = self._chance.uniform(0.0, 0.0005)
        new = self._limit(one.side, self._size * 2, bid, ask, away)
        return [replace(one.id, new)]

    def _is_mine(self, one: Tracked) -> bool:
        return one.is_ours and one.tag == "quote" and one.state in _LIVE
