"""From tick to order: when each stage of an order's way was over.

House rules: stamps are ns since the epoch by one clock; memory is bounded; nothing here is on the
path between a decision and the socket but four integer stores.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from pitwire.desk.health import Histogram, Spread
from pitwire.model.events import Update
from pitwire.model.orders import Cause, Order

KEPT = 10_000


class OrderTiming(msgspec.Struct):
    """One order's way. A stamp is 0 where that stage has not come, or was not measured."""

    order_id: str
    rule: str
    symbol: str
    cause: Cause | None
    received: int
    """When the frame that caused it was read; of a timer or a person, when they spoke."""
    decided: int
    """Books and state applied, rules heard, risk passed."""
    encoded: int = 0
    """Its bytes were ready, signed where the key demands it."""
    sent: int = 0
    """Its bytes were given to the socket."""
    answered: int = 0
    """The venue's first word about it was read."""


class StageReport(msgspec.Struct, frozen=True):
    """How long each stage took, over all orders, ns."""

    decide: Spread
    encode: Spread
    send: Spread
    tick_to_order: Spread
    answer: Spread


class Timings:
    """The ways of the last orders, and the spread of each stage over all of them."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self.orders: OrderedDict[str, OrderTiming] = OrderedDict()
        self._decide, self._encode, self._send = Histogram(), Histogram(), Histogram()
        self._whole, self._answer = Histogram(), Histogram()

    def left(self, order: Order, *, decided: int, encoded: int = 0, sent: int = 0) -> None:
        """An order went out; without `sent` it waits for a limit, or nobody measured it."""
        received = order.cause.received if order.cause is not None else order.decided
        self.orders[order.id] = OrderTiming(
            order.id, order.rule, order.symbol, order.cause, received, decided, encoded, sent
        )
        if len(self.orders) > self._kept:
            self.orders.popitem(last=False)
        self._decide.add(decided - received)
        if not sent:
            return
        self._encode.add(encoded - decided)
        self._send.add(sent - encoded)
        self._whole.add(sent - received)

    def written(self, order_id: str, at: int) -> None:
        """The bytes of an order that left over HTTP were given to the socket then."""
        timing = self.orders.get(order_id)
        if timing is not None and not timing.sent:
            timing.sent = at
            self._whole.add(at - timing.received)

    def heard(self, update: Update) -> None:
        """The venue spoke of an order; only the first time counts."""
        timing = self.orders.get(update.order_id)
        if timing is not None and not timing.answered:
            timing.answered = update.received
            if timing.sent:
                self._answer.add(update.received - timing.sent)

    def report(self) -> StageReport:
        """The spread of every stage."""
        return StageReport(
            decide=self._decide.spread(),
            encode=self._encode.spread(),
            send=self._send.spread(),
            tick_to_order=self._whole.spread(),
            answer=self._answer.spread(),
        )
