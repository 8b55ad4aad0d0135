"""Where orders are kept: found by our id or the venue's, open ones at hand, old ones let go."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.events import Fill
from pitwire.model.orders import Side
from pitwire.trading.tally import Tally
from pitwire.trading.tracked import Tracked


class ShelfContents(msgspec.Struct, kw_only=True):
    """All orders in the order in which they came, and the names of the open and finished ones."""

    orders: list[Tracked] = []
    open: list[str] = []
    finished: list[str] = []


class Shelf:
    """Orders by every name they have. Keeps the last `keep_finished` that ended."""

    __slots__ = (
        "_by_venue_id", "_finished", "_keep_finished", "open", "open_by_symbol", "orders",
        "tally",
    )  # fmt: skip

    def __init__(self, keep_finished: int) -> None:
        self.orders: dict[str, Tracked] = {}
        self.open: dict[str, Tracked] = {}
        self.open_by_symbol: dict[str, dict[str, Tracked]] = {}
        self.tally = Tally()
        self._by_venue_id: dict[tuple[str, str], Tracked] = {}
        self._finished: dict[str, None] = {}
        self._keep_finished = keep_finished

    def find(self, order_id: str, venue_id: str, symbol: str) -> Tracked | None:
        """The order by client id, or by the venue's id (which may stand in either place)."""
        order = self.orders.get(order_id)
        if order is not None:
            return order
        # Where both are said, the first is a name that somebody gave, and may look like any number.
        return self._by_venue_id.get((symbol, venue_id or order_id))

    def named(self, order_id: str, venue_id: str, symbol: str) -> Tracked | None:
        """The order that a message of the venue is about.

        Strangers use a client id again, or in another symbol; where the venue's ids differ it is
        another order. Ours are used once.
        """
        order = self.find(order_id, venue_id, symbol)
        if order is None or order.is_ours:
            return order
        if order.symbol == symbol and venue_id in ("", order.venue_id or venue_id):
            return order
        if venue_id:
            return self._by_venue_id.get((symbol, venue_id))
        found = self.orders.get(f"{symbol}-")  # what `name_for` had to call it
        return found if found is not None and found.symbol == symbol else None

    def name_for(self, order_id: str, venue_id: str, symbol: str) -> str:
        """What to call an order that is adopted: its client id, unless that still names another."""
        old = self.orders.get(order_id)
        if old is None:
            return order_id
        if old.id not in self._finished or old.missing or old.doubt:
            name = f"{symbol}-{venue_id}"
            while name in self.orders:  # somebody may call his own order so
                name += "-"
            return name
        del self._finished[old.id]
        self._forget(old)
        return order_id

    def begin(self, order: Tracked) -> None:
        """Put an order of ours among the open ones that was made just now."""
        name, symbol = order.id, order.symbol
        if name in self.orders:
            self.add(order)
            return
        self.orders[name] = self.open[name] = order
        here = self.open_by_symbol.get(symbol)
        if here is None:
            here = self.open_by_symbol[symbol] = {}
        here[name] = order
        self.tally.begin(order)

    def add(self, order: Tracked) -> None:
        """Put it among the open ones, also when it had been thought finished."""
        before = self.orders.get(order.id)
        if before is not None and before is not order:  # a copy of us gave this id before we did
            self.remove(before)
            self._by_venue_id.pop((before.symbol, before.venue_id), None)
        self._finished.pop(order.id, None)
        self._lay_out(order)
        self.tally.note(order)

    def _lay_out(self, order: Tracked) -> None:
        name, symbol = order.id, order.symbol
        self.orders[name] = self.open[name] = order
        here = self.open_by_symbol.get(symbol)
        if here is None:
            here = self.open_by_symbol[symbol] = {}
        here[name] = order

    def note(self, order: Tracked) -> None:
        """Something about it has changed: it counts for something else."""
        if self.orders.get(order.id) is order:
            self.tally.note(order)

    def link(self, order: Tracked, venue_id: str) -> None:
        """Learn the venue's id of this order."""
        if venue_id and not order.venue_id:
            order.venue_id = venue_id
            self._by_venue_id[order.symbol, venue_id] = order

    def under(self, symbol: str, venue_id: str) -> Tracked | None:
        """The order that the venue calls so."""
        return self._by_venue_id.get((symbol, venue_id))

    def remove(self, order: Tracked) -> None:
        """Take an order away that turned out to be another; the name at the venue is left."""
        self.open.pop(order.id, None)
        self.open_by_symbol.get(order.symbol, {}).pop(order.id, None)
        self._finished.pop(order.id, None)
        self.tally.drop(order)
        del self.orders[order.id]

    def close(self, order: Tracked) -> Tracked | None:
        """Take it from the open ones; returns the old order that is forgotten for it, if any."""
        self.open.pop(order.id, None)
        self.open_by_symbol.get(order.symbol, {}).pop(order.id, None)
        self._finished[order.id] = None
        self.tally.note(order)
        if len(self._finished) <= self._keep_finished:
            return None
        oldest = next(iter(self._finished))
        del self._finished[oldest]
        return self._forget(self.orders[oldest])

    def contents(self) -> ShelfContents:
        """Everything kept; when to ask about an order next is not."""
        return ShelfContents(
            orders=[
                msgspec.structs.replace(order, ask_at=0, asked=0) for order in self.orders.values()
            ],
            open=list(self.open),
            finished=list(self._finished),
        )

    def restore(self, kept: ShelfContents) -> None:
        """Fill an empty shelf with what was kept."""
        self.orders.update((order.id, order) for order in kept.orders)
        for order in kept.orders:
            if order.venue_id:
                self._by_venue_id[order.symbol, order.venue_id] = order
        for order_id in kept.open:
            self.add(self.orders[order_id])
        self._finished.update(dict.fromkeys(kept.finished))
        for order_id in kept.finished:
            self.tally.note(self.orders[order_id])

    def _forget(self, order: Tracked) -> Tracked:
        self.tally.drop(order)
        del self.orders[order.id]
        self._by_venue_id.pop((order.symbol, order.venue_id), None)
        return order


_ASKED_BY_THEN = 600 * SECOND
"""So long after a loss the venue has been asked what traded, and has answered."""
Seen = tuple[str, str, Side, Decimal, Decimal]
"""Symbol, trade id and side of a trade, and the price and size it was told with."""


class TradesSeen:
    """Remembers trades, so that a fill told by two paths counts once."""

    def __init__(self, keep: int) -> None:
        self._seen: dict[tuple[str, str, Side], tuple[Decimal, Decimal]] = {}
        self._keep = keep
        self.last: dict[str, int] = {}
        """Symbol → the highest trade id of ours, where the venue counts them in numbers."""
        self.sure: dict[str, int] | None = None
        """The same at the loss since which not all may have been told; None where all has been."""
        self.lost_at = 0
        """When the order stream was lost last, or begun by a start; ns."""

    @property
    def told_up_to(self) -> Mapping[str, int]:
        """Symbol → the trade behind which the venue has to be asked for more at a start."""
        return self.last if self.sure is None else self.sure

    def lost(self, now: int) -> None:
        """What traded from here on is asked for; until then later ones do not tell of earlier."""
        self.sure, self.lost_at = dict(self.last) if self.sure is None else self.sure, now

    def earlier(self, fill: Fill) -> tuple[Decimal, Decimal] | None:
        """(price, size) this trade was told with before; None, and noted, when it is new."""
        # One trade with ourselves has one id and two sides, so the side is part of the key.
        if not fill.trade_id:
            return None
        key = (fill.symbol, fill.trade_id, fill.side)
        seen = self._seen.get(key)
        if seen is None:
            if self.sure is not None and fill.received > self.lost_at + _ASKED_BY_THEN:
                self.sure = None
            self._seen[key] = (fill.price, fill.size)
            self._count(fill.symbol, fill.trade_id)
            if len(self._seen) > self._keep:
                del self._seen[next(iter(self._seen))]
        return seen

    def contents(self) -> list[Seen]:
        """Everything remembered, oldest first."""
        return [(*key, *seen) for key, seen in self._seen.items()]

    def restore(self, kept: list[Seen], sure: dict[str, int] | None, lost_at: int) -> None:
        """Remember what was kept."""
        self.sure, self.lost_at = sure, lost_at
        self._seen = {one[:3]: one[3:] for one in kept}
        for symbol, trade_id, *_ in kept:
            self._count(symbol, trade_id)

    def _count(self, symbol: str, trade_id: str) -> None:
        if trade_id.isdecimal():
            self.last[symbol] = max(int(trade_id), self.last.get(symbol, 0))
