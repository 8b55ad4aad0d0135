"""The rules of a world's desk: some written as data, some in Python, all of them restless.

House rules: what they do is of no sense as a strategy; together they place, take, replace, amend
and cancel all the time, so that whatever goes wrong finds something on its way. Their chance comes
from the world's seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from random import Random

from pitwire.model.clock import SECOND
from pitwire.model.orders import OrderState, Side
from pitwire.trading.rules import Rule, Watch
from pitwire.trading.state import State
from pitwire.trading.tracked import Tracked
from pitwire.trading.wishes import Wish, amend, cancel, order, replace

DECLARED = """
[risk]
max_order_notional = 50_000
max_position = 5
max_open_orders_per_symbol = 8
max_orders_per_second = 20
max_orders_per_ten_seconds = 80

[[rule]]
name = "take what moves"
when = { moves = "BTC-USDT", percent = 0.004, within_seconds = 1 }
do = { market = "buy", size = 0.003, tag = "taken" }
cooldown_seconds = 1.3

[[rule]]
name = "lean on the book"
when = { imbalance = "BTC-USDT", levels = 3, above = 0.2 }
do = { ioc = "buy", size = 0.004, price = { from = "ask", bips = 2 }, tag = "taken" }
cooldown_seconds = 1.7

[[rule]]
name = "rest below"
when = { trade = "BTC-USDT", worth_more_than = 500 }
do = { post_only = "buy", size = 0.002, price = { from = "bid", ticks = -1 }, tag = "rest" }
cooldown_seconds = 1.1

[[rule]]
name = "no patience"
when = { unfilled_seconds = 2, tag = "rest" }
do = { cancel = { tag = "rest" } }

[[rule]]
name = "give it back"
when = { position = "BTC-USDT", above = 0.02 }
do = { close = "BTC-USDT" }
cooldown_seconds = 2

[[rule]]
name = "guard"
when = { position = "BTC-USDT", above = 0.004 }
do = { stop = "sell", size = 0.001, trigger = { from = "last", bips = -2 }, tag = "guard" }
cooldown_seconds = 5
"""
"""The desk's configuration but for its symbols."""


class Quoter:
    """Keeps a few orders near the touch of one symbol and changes its mind several times a second.

    `size` is in base units; sizes are drawn between it and four times that.
    """

    def __init__(self, symbol: str, size: str, chance: Random, every_seconds: float = 0.3) -> None:
        self.name = f"quoter of {symbol}"
        self.watches: Sequence[Watch] = ()
        self._symbol, self._size = symbol, Decimal(size)
        self._chance = chance
        self._every = every_seconds
        self._next = 0

    def next_wake(self) -> int | None:
        return self._next

    def react(self, state: State, now: int) -> Iterable[Wish]:
        if now < self._next:
            return ()
        self._next = now + round(self._chance.uniform(0.2, 1.8) * self._every * SECOND)
        touch = state.touch(self._symbol)
        if touch is None or not touch[0] or not touch[1]:
            return ()
        return self._act(state, touch[0], touch[1])

    def _act(self, state: State, bid: float, ask: float) -> list[Wish]:
        resting = [one for one in state.ledger.open_of(self._symbol) if _mine(one)]
        deeds = ["place", "place", "take", "ioc"]
        if resting:
            deeds += ["replace", "replace", "amend", "cancel"]
        deed = self._chance.choice(deeds)
        side = self._chance.choice((Side.BUY, Side.SELL))
        size = self._size * self._chance.randint(1, 4)
        match deed:
            case "place":
                return [self._quote(side, size, bid, ask)]
            case "take":
                return [order(self._symbol, side, size=size, tag="taken")]
            case "ioc":
                price = bid * 0.9999 if side is Side.SELL else ask * 1.0001
                return [
                    order(
                        self._symbol, side, size=size, price=price, time_in_force="ioc", tag="taken"
                    )
                ]
            case _:
                return self._change(deed, self._chance.choice(resting), bid, ask)

    def _quote(self, side: Side, size: Decimal, bid: float, ask: float) -> Wish:
        away = self._chance.choice((0.0, 0.00001, 0.0001, 0.001))
        price = bid * (1 - away) if side is Side.BUY else ask * (1 + away)
        post_only = self._chance.random() < 0.7
        return order(self._symbol, side, size=size, price=price, post_only=post_only, tag="quote")

    def _change(self, deed: str, one: Tracked, bid: float, ask: float) -> list[Wish]:
        assert one.side is not None
        if deed == "cancel":
            return [cancel(order_id=one.id)]
        if deed == "amend":
            smaller = (one.size or self._size) - self._size / 2
            return [amend(one.id, smaller)] if smaller > 0 else []
        away = self._chance.uniform(0.0, 0.0005)
        price = bid * (1 - away) if one.side is Side.BUY else ask * (1 + away)
        new = order(self._symbol, one.side, size=self._size * 2, price=price, tag="quote")
        return [replace(one.id, new)]


class CancelsAll:
    """Now and then wishes that everything of ours be cancelled."""

    name = "broom"

    def __init__(self, chance: Random) -> None:
        self.watches: Sequence[Watch] = ()
        self._chance = chance
        self._next = 0

    def next_wake(self) -> int | None:
        return self._next

    def react(self, state: State, now: int) -> Iterable[Wish]:
        if now < self._next:
            return ()
        first = not self._next
        self._next = now + round(self._chance.uniform(4, 12) * SECOND)
        return () if first else (cancel(),)


def _mine(one: Tracked) -> bool:
    live = one.state in (OrderState.OPEN, OrderState.PARTLY_FILLED)
    return one.is_ours and one.tag == "quote" and live


def players(chance: Random) -> list[Rule]:
    """The Python half of a restless desk."""
    return [
        Quoter("BTC-USDT", "0.001", chance),
        Quoter("ETH-USDT", "0.02", chance, every_seconds=0.5),
        CancelsAll(chance),
    ]
