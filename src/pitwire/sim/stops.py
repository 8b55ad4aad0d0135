"""Orders that wait for a trade at their price.

House rules: only trade prices count, never quotes (binance §7.3); what fires is handed back in the
order in which it fired and is forgotten here.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from pitwire.model.orders import Side
from pitwire.sim.facts import Kind, SimOrder

STOP_LOSSES = frozenset((Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT))
STOPS = STOP_LOSSES | {Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT}
_WHOLE = 10_000
"""Basis points in one."""


def waits_for_rise(kind: Kind, side: Side) -> bool:
    """Whether a stop of this kind is touched from below (else from above)."""
    return (kind in STOP_LOSSES) == (side is Side.BUY)


class Stops:
    """The waiting stops of one symbol."""

    def __init__(self) -> None:
        self.waiting: dict[int, SimOrder] = {}
        self._rising: list[tuple[int, int]] = []
        self._falling: list[tuple[int, int]] = []
        self._tracked: dict[int, int] = {}
        """Order id of a trailing stop that tracks → the best price since, 0 before the first."""

    def add(self, order: SimOrder) -> None:
        """Let an order wait."""
        self.waiting[order.order_id] = order
        if order.stop_price:
            insort(*self._place(order))
        else:
            self._tracked[order.order_id] = 0

    def remove(self, order: SimOrder) -> None:
        """Forget an order that was cancelled."""
        del self.waiting[order.order_id]
        if self._tracked.pop(order.order_id, None) is None:
            queue, entry = self._place(order)
            del queue[bisect_left(queue, entry)]

    def touch(self, price: int, now: int) -> list[SimOrder]:
        """The orders that a trade at `price` sets off."""
        fired = [order for order in self._trailing() if self._trails(order, price, now)]
        for order in self._reached(price):
            if order.trailing_bips:
                # binance §7.3: the touching trade sets the first extreme.
                self._tracked[order.order_id] = price
                order.trailing_since = now
            else:
                fired.append(order)
        for order in fired:
            del self.waiting[order.order_id]
            self._tracked.pop(order.order_id, None)
        return fired

    def _trailing(self) -> list[SimOrder]:
        return [self.waiting[order_id] for order_id in self._tracked]

    def _trails(self, order: SimOrder, price: int, now: int) -> bool:
        extreme = self._tracked[order.order_id]
        if extreme == 0:
            order.trailing_since = now
            self._tracked[order.order_id] = price
            return False
        if order.side is Side.SELL:
            self._tracked[order.order_id] = extreme = max(extreme, price)
            return price * _WHOLE <= extreme * (_WHOLE - order.trailing_bips)
        self._tracked[order.order_id] = extreme = min(extreme, price)
        return price * _WHOLE >= extreme * (_WHOLE + order.trailing_bips)

    def _reached(self, price: int) -> list[SimOrder]:
        reached = []
        while self._rising and self._rising[0][0] <= price:
            reached.append(self.waiting[self._rising.pop(0)[1]])
        while self._falling and -self._falling[0][0] >= price:
            reached.append(self.waiting[self._falling.pop(0)[1]])
        return reached

    def _place(self, order: SimOrder) -> tuple[list[tuple[int, int]], tuple[int, int]]:
        if waits_for_rise(order.kind, order.side):
            return self._rising, (order.stop_price, order.order_id)
        return self._falling, (-order.stop_price, order.order_id)
