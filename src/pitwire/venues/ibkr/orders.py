"""What is remembered of orders: a frame of the stream has only what changed of one (§8.7).

House rules: kept by the venue's number, the oldest forgotten first; a fact that only grows (what is
filled) never shrinks, whatever comes late.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from pitwire.model.orders import Order, OrderType, Side, TimeInForce

KEPT = 5_000


class Known(msgspec.Struct):
    """An order as far as it is known."""

    venue_id: str
    order_id: str = ""
    """Ours, or the id somebody else gave it; "" where it has none."""
    symbol: str = ""
    conid: str = ""
    side: Side | None = None
    type: OrderType | None = None
    tif: TimeInForce | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    size: Decimal | None = None
    filled: Decimal = Decimal(0)
    average: Decimal | None = None


class Memory:
    """Orders by the venue's number, and ours by our own id."""

    def __init__(self) -> None:
        self._by_venue: dict[str, Known] = {}
        self._by_ours: dict[str, str] = {}
        self._placed: dict[str, Order] = {}

    def placed(self, order: Order) -> None:
        """We are about to send this: what an amendment has to say again."""
        self._placed[order.id] = order
        if len(self._placed) > KEPT:
            del self._placed[next(iter(self._placed))]

    def at(self, venue_id: str) -> Known:
        """What is known of this number, to be added to."""
        found = self._by_venue.get(venue_id)
        if found is None:
            found = self._by_venue[venue_id] = Known(venue_id)
            if len(self._by_venue) > KEPT:
                oldest = next(iter(self._by_venue))
                self._by_ours.pop(self._by_venue.pop(oldest).order_id, None)
        return found

    def name(self, known: Known, order_id: str) -> None:
        """This number is the order of this id."""
        if order_id and not known.order_id:
            known.order_id = order_id
            self._by_ours[order_id] = known.venue_id
            if (order := self._placed.get(order_id)) is not None:
                known.side, known.type, known.tif = order.side, order.type, order.time_in_force
                known.symbol = order.symbol
                known.price, known.stop_price = order.price, order.stop_price
                known.size = known.size or order.size

    def venue_id(self, order_id: str, told: str = "") -> str:
        """The venue's number of an order of ours; "" where it was not told."""
        if told:
            return told
        return self._by_ours.get(order_id, order_id if order_id.isdigit() else "")
