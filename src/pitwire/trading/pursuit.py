"""Cancels that came too late for where an order waited, and follow it to the book.

Some venues keep what waits for its price apart from the book, and know it there by another name. A
cancel that was sent to the one place finds nothing when the order has gone to the other, and the
wish behind it stands: whoever cancels an order does not want it filled because it triggered first.

House rules: an order is followed once, and only while its cancel is unsettled; one that the venue
says still waits is not, for its owner sees it open and may have thought better of it.
"""

from __future__ import annotations

from pitwire.model.orders import CONDITIONAL, Cancel, CancelOrder, Command, OrderState
from pitwire.trading.ledger import OrderLedger


class Pursuit:
    """The cancels of one desk that may have to follow."""

    def __init__(self) -> None:
        self._sent: dict[str, CancelOrder] = {}

    def left(self, command: Command) -> None:
        """The bytes of this command left."""
        if isinstance(command, CancelOrder) and command.type in CONDITIONAL:
            if command.venue_id:
                self._sent.pop(command.order_id, None)
            else:
                self._sent[command.order_id] = command

    def due(self, ledger: OrderLedger) -> list[Cancel]:
        """Wishes that are due anew."""
        if not self._sent:
            return []
        wishes = []
        for name, command in tuple(self._sent.items()):
            order = ledger.find(name)
            if order is not None and order.is_open:
                if order.cancel_sent or order.state is OrderState.UNKNOWN:
                    continue
                if order.venue_id:
                    wishes.append(Cancel(order_id=name, rule=command.rule, cause=command.cause))
                elif order.doubt:
                    continue  # the venue has not said yet what it found
            del self._sent[name]
        return wishes
