"""Orders that this run never sent, and the venue's list of open orders beside ours.

House rules: what is not ours is counted and never touched; absence from a list proves nothing, it
is a reason to ask; a stranger that turns out to be an order of ours becomes one with it.
"""

from __future__ import annotations

from collections.abc import Callable

from pitwire.model.events import Fill, OpenOrders, Update
from pitwire.model.orders import OrderState, UpdateKind
from pitwire.trading.doubts import NOT_LISTED, Doubts
from pitwire.trading.shelf import Shelf
from pitwire.trading.tracked import Origin, Tracked

_S, _K = OrderState, UpdateKind
PROVES_LIFE = frozenset(
    (_K.ACCEPTED, _K.TRIGGERED, _K.FILLED, _K.CANCELED, _K.EXPIRED, _K.AMENDED, _K.STATUS_OPEN)
)


class Adoption:
    """Takes strangers in, and finds out who they are."""

    def __init__(self, shelf: Shelf, doubts: Doubts, is_ours: Callable[[str], bool]) -> None:
        self._shelf, self._doubts = shelf, doubts
        self._is_ours = is_ours

    def by_update(self, update: Update, now: int) -> Tracked | None:
        """An order that this run never sent; None when there is nothing alive to adopt."""
        if update.update not in PROVES_LIFE:
            return None
        tracked = Tracked(
            id=self._shelf.name_for(update.order_id, update.venue_id, update.symbol),
            symbol=update.symbol,
            origin=self._origin(update.order_id),
            state=_S.SENT,
            side=update.side,
            type=update.type,
            size=update.size,
            price=update.price,
            counted=update.update is _K.ACCEPTED or update.filled == 0,
        )
        return self._take_in(tracked, "an update", now)

    def by_fill(self, fill: Fill, now: int) -> Tracked:
        """An order known only by what it traded."""
        tracked = Tracked(
            id=self._shelf.name_for(fill.order_id, fill.venue_id, fill.symbol),
            symbol=fill.symbol,
            origin=self._origin(fill.order_id),
            state=_S.SENT,
            side=fill.side,
        )
        self._take_in(tracked, "a fill", now)
        self._doubts.doubt(tracked, "known by a fill only", now)
        return tracked

    def link(self, order: Tracked, venue_id: str, now: int) -> None:
        """Learn the venue's id of an order; whoever was adopted under it is this order."""
        if not venue_id or order.venue_id:
            return
        stranger = self._shelf.under(order.symbol, venue_id)
        self._shelf.link(order, venue_id)
        if stranger is None or stranger is order or stranger.is_ours:
            return
        self._shelf.remove(stranger)
        self._doubts.forget(stranger.id)
        order.filled += stranger.filled
        order.filled_quote += stranger.filled_quote
        order.reported = max(order.reported, stranger.reported)
        order.acknowledged = True
        self._doubts.disagree(order, "foreign order", f"{stranger.id} was foreign", "ours", now)

    def compare(self, listed: OpenOrders, now: int, grace: int) -> None:
        """Hold the venue's list beside ours; who is missing is asked about after the grace."""
        theirs = set(listed.order_ids)
        here = self._shelf.open_by_symbol.get(listed.symbol, {}) if listed.symbol else (
            self._shelf.open
        )  # fmt: skip
        numbers = theirs - self._shelf.orders.keys()  # a stranger's name may look like a number
        for order in tuple(here.values()):
            known = order.id in theirs or order.venue_id in numbers
            if not known and order.state in (_S.OPEN, _S.PARTLY_FILLED) and _is_old(order, listed):
                # It may be over, and the word of it on its way to us.
                self._doubts.doubt(order, NOT_LISTED, now, now + grace)
        for order_id in listed.order_ids:
            found = self._shelf.find(order_id, "", listed.symbol)
            if found is None or found.is_open or 0 < listed.asked <= found.changed_at:
                continue  # where it ended after the list was asked for, the list is older
            self._doubts.disagree(found, "open orders", found.state, "open", now)
            self._doubts.doubt(found, "finished for us, open at the venue", now)

    def _take_in(self, tracked: Tracked, by: str, now: int) -> Tracked:
        tracked.made_at = tracked.sent_at = tracked.changed_at = now
        self._doubts.forget(tracked.id)  # a question about whoever had this name is over
        self._shelf.add(tracked)
        self._doubts.disagree(tracked, f"{tracked.origin} order", "not sent by this run", by, now)
        return tracked

    def _origin(self, order_id: str) -> Origin:
        return Origin.EARLIER if self._is_ours(order_id) else Origin.FOREIGN


def _is_old(order: Tracked, listed: OpenOrders) -> bool:
    """Whether an order was there before the list was made."""
    if listed.asked and order.sent_at >= listed.asked:
        return False
    return not listed.venue_time or order.acknowledged_at <= listed.venue_time
