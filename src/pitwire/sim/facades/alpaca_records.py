"""An order as Alpaca shows it, and where each is found (alpaca §5.4).

House rules: every amount leaves as text; a record outlives its order at the exchange, as the venue
answers for finished ones; of those a stated number is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from pitwire.model.orders import Side
from pitwire.sim.facades.alpaca_text import Scale, timed, written

ZERO = Decimal(0)
KEPT_RECORDS = 20_000
"""Finished orders of all accounts that can still be asked for; the oldest go first."""
TERMINAL = frozenset(("filled", "canceled", "expired", "replaced", "rejected"))
PENDING = frozenset(("accepted", "pending_new", "pending_cancel", "pending_replace"))
"""States in which an order cannot be replaced (§5.6)."""


class Record(msgspec.Struct, kw_only=True):
    """One order. Times are ns, 0 for never; prices and sizes are in their own units."""

    id: str
    client_id: str
    account: str
    scale: Scale
    side: Side
    kind: str
    """`market`, `limit`, `stop` or `stop_limit`."""
    tif: str
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    extended_hours: bool = False
    order_class: str = ""
    order_id: int = 0
    """At the exchange; 0 before it is there."""
    status: str = "pending_new"
    created: int = 0
    updated: int = 0
    filled_at: int = 0
    expired_at: int = 0
    canceled_at: int = 0
    failed_at: int = 0
    replaced_at: int = 0
    cancel_requested_at: int = 0
    replaced_by: str = ""
    replaces: str = ""
    filled: Decimal = ZERO
    worth: Decimal = ZERO
    """What was paid or received for it in all."""

    @property
    def is_over(self) -> bool:
        return self.status in TERMINAL

    @property
    def left(self) -> Decimal:
        return (self.qty or ZERO) - self.filled

    def show(self) -> dict[str, object]:
        """The object of the REST API, in the order of the papers' example."""
        average = None
        if self.filled:
            average = written(round(self.worth / self.filled, 9))
        return {
            "id": self.id,
            "client_order_id": self.client_id,
            "created_at": timed(self.created),
            "updated_at": timed(self.updated),
            "submitted_at": timed(self.created),
            "filled_at": _time(self.filled_at),
            "expired_at": _time(self.expired_at),
            "canceled_at": _time(self.canceled_at),
            "failed_at": _time(self.failed_at),
            "replaced_at": _time(self.replaced_at),
            "replaced_by": self.replaced_by or None,
            "replaces": self.replaces or None,
            "asset_id": self.scale.asset_id,
            "symbol": self.scale.symbol,
            "asset_class": self.scale.asset_class,
            "notional": _number(self.notional),
            "qty": _number(self.qty),
            "filled_qty": written(self.filled),
            "filled_avg_price": average,
            "order_class": self.order_class,
            "order_type": self.kind,
            "type": self.kind,
            "side": self.side.value,
            "time_in_force": self.tif,
            "limit_price": _number(self.limit_price),
            "stop_price": _number(self.stop_price),
            "status": self.status,
            "extended_hours": self.extended_hours,
            "legs": None,
            "trail_percent": None,
            "trail_price": None,
            "hwm": None,
            "subtag": None,
            "source": None,
        }

    def tell(self) -> dict[str, object]:
        """The object of the trading stream: other keys, in the order of the alphabet (§4.3)."""
        shown = self.show()
        del shown["subtag"], shown["source"]
        shown["cancel_requested_at"] = _time(self.cancel_requested_at)
        return dict(sorted(shown.items()))


class Records:
    """All orders that are remembered."""

    def __init__(self) -> None:
        self._by_id: dict[str, Record] = {}
        self._by_client: dict[tuple[str, str], Record] = {}
        self._by_order: dict[tuple[str, int], Record] = {}
        self._done: deque[Record] = deque()

    def add(self, record: Record) -> None:
        self._by_id[record.id] = record
        self._by_client[record.account, record.client_id] = record

    def place(self, record: Record, order_id: int) -> None:
        """It has come to be at the exchange."""
        record.order_id = order_id
        self._by_order[record.scale.listing.symbol, order_id] = record

    def finish(self, record: Record) -> None:
        """It is over, and will be forgotten once many others are."""
        self._done.append(record)
        while len(self._done) > KEPT_RECORDS:
            old = self._done.popleft()
            self._by_id.pop(old.id, None)
            self._by_order.pop((old.scale.listing.symbol, old.order_id), None)
            if self._by_client.get((old.account, old.client_id)) is old:
                del self._by_client[old.account, old.client_id]

    def find(self, account: str, order: str) -> Record | None:
        """By the venue's id."""
        record = self._by_id.get(order)
        return record if record is not None and record.account == account else None

    def named(self, account: str, client_id: str) -> Record | None:
        return self._by_client.get((account, client_id))

    def at_exchange(self, symbol: str, order_id: int) -> Record | None:
        return self._by_order.get((symbol, order_id))

    def of(self, account: str) -> Iterator[Record]:
        """All of an account, oldest first."""
        return (record for record in self._by_id.values() if record.account == account)

    def open_of(self, account: str) -> list[Record]:
        return [record for record in self.of(account) if not record.is_over]


def _time(at: int) -> str | None:
    return timed(at) if at else None


def _number(value: Decimal | None) -> str | None:
    return None if value is None else written(value)
