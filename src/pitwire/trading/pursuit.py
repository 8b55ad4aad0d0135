"""Cancels that came too late for where an order waited, and follow it to the book.

Some venues keep what waits for its price apart from the book, and know it there by another name. A
cancel that was sent to the one place finds nothing when the order has gone to the other, and the
wish behind it stands: whoever cancels an order does not want it filled because it triggered first.

House rules: an order is followed once, and only while its cancel is unsettled; one that the venue
says still waits is not, for its owner sees it open and may have thought better of it. What is to be
followed stands with the order (`Tracked.pursued`), so records make it again; when it is wished for
is no record.
"""

from __future__ import annotations

from collections.abc import Iterable

from pitwire.model.orders import CONDITIONAL, Cancel, CancelOrder, OrderState
from pitwire.trading.tracked import Tracked


class Pursuit:
    """The orders of one ledger whose cancels may have to follow them."""

    def __init__(self) -> None:
        self._orders: dict[str, Tracked] = {}
        self._wished: dict[str, int] = {}
        """Order → the login since which its second cancel was asked for; it may be on its way."""

    @property
    def is_on(self) -> bool:
        """Whether any cancel may still have to follow."""
        return bool(self._orders)

    def left(self, order: Tracked, command: CancelOrder) -> None:
        """The bytes of this cancel left."""
        if command.venue_id:
            self.end(order)
        elif command.type in CONDITIONAL:
            order.pursued = command
            self._orders[order.id] = order

    def heard(self, order: Tracked) -> None:
        """The venue has spoken of it: a cancel that is settled is not followed."""
        unsettled = order.cancel_sent or order.venue_id or order.doubt
        if not unsettled and order.state is not OrderState.UNKNOWN:
            self.end(order)

    def end(self, order: Tracked) -> None:
        """It is over, or its cancel has gone to the book."""
        order.pursued = None
        self._orders.pop(order.id, None)
        self._wished.pop(order.id, None)

    def restore(self, orders: Iterable[Tracked]) -> None:
        """Go on with those of these that are to be followed."""
        self._orders.update((order.id, order) for order in orders if order.pursued is not None)

    def due(self, reached_at: int | None) -> list[Cancel]:
        """Wishes that are due anew, each once in every time that the venue can be reached.

        `reached_at` is since when it can be; what did not leave before it was lost leaves after.
        """
        wishes: list[Cancel] = []
        if reached_at is None:
            return wishes
        for name, order in self._orders.items():
            known = order.venue_id and order.state is not OrderState.UNKNOWN
            command, wished = order.pursued, self._wished.get(name) == reached_at
            if command is None or wished or order.cancel_sent or not known:
                continue
            self._wished[name] = reached_at
            wishes.append(Cancel(order_id=name, rule=command.rule, cause=command.cause))
        return wishes
