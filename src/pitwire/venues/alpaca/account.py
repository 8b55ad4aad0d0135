"""Orders, fills, balances: what Alpaca says of them as our events (alpaca §4.3, §5.4, §5.9).

House rules: an order is told under the id that it was placed with; a status or an event that
nobody knows is unreadable and nothing is made of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from pitwire.model.events import Balance, Event, Fill, Update
from pitwire.model.orders import OrderType, Side, TimeInForce, UpdateKind
from pitwire.venues.alpaca import frames as wire
from pitwire.venues.alpaca.reading import VENUE, instant
from pitwire.venues.alpaca.symbols import CRYPTO, Symbols
from pitwire.venues.reading import Unreadable, amount, signed

ZERO = Decimal(0)
_KEPT = 10_000
SIDES: Mapping[str, Side] = {"buy": Side.BUY, "sell": Side.SELL}
TYPES: Mapping[str, OrderType] = {
    "market": OrderType.MARKET,
    "limit": OrderType.LIMIT,
    "stop": OrderType.STOP,
    "stop_limit": OrderType.STOP_LIMIT,
}
TIMES: Mapping[str, TimeInForce] = {
    "day": TimeInForce.DAY,
    "gtc": TimeInForce.GTC,
    "ioc": TimeInForce.IOC,
    "fok": TimeInForce.FOK,
}

_K = UpdateKind
_OPEN = (
    "new", "accepted", "pending_new", "accepted_for_bidding", "pending_cancel", "pending_replace",
    "stopped", "suspended", "calculated", "held", "pending_review", "done_for_day",
)  # fmt: skip
ASKED: Mapping[str, UpdateKind] = {
    **dict.fromkeys(_OPEN, _K.STATUS_OPEN),
    "partially_filled": _K.STATUS_OPEN,
    "filled": _K.FILLED,
    "canceled": _K.CANCELED,
    "replaced": _K.CANCELED,
    "expired": _K.EXPIRED,
    "rejected": _K.REJECTED,
}
"""An order's status (§5.4) → what an answer to a question says."""
PLACED: Mapping[str, UpdateKind] = {
    **ASKED,
    **dict.fromkeys(_OPEN, _K.ACCEPTED),
    "partially_filled": _K.ACCEPTED,
}
"""The same of the answer to a placement; what it traded comes as fills on the stream."""
EVENTS: Mapping[str, UpdateKind] = {
    "new": _K.ACCEPTED,
    "accepted": _K.ACCEPTED,
    "pending_new": _K.ACCEPTED,
    "fill": _K.FILLED,
    "partial_fill": _K.FILLED,
    "canceled": _K.CANCELED,
    "replaced": _K.CANCELED,
    "expired": _K.EXPIRED,
    "rejected": _K.REJECTED,
    "order_cancel_rejected": _K.CANCEL_REJECTED,
    "order_replace_rejected": _K.CANCEL_REJECTED,
    **dict.fromkeys(
        ("done_for_day", "stopped", "pending_cancel", "pending_replace", "calculated", "suspended",
         "restated", "held", "pending_review"),
        _K.STATUS_OPEN,
    ),
}  # fmt: skip
"""An event of `trade_updates` (§4.3) → what it says."""
_TRADED = frozenset(("fill", "partial_fill"))
_WORKING = frozenset(("new", "partially_filled", "pending_cancel", "pending_replace"))
_OVER = frozenset(("filled", "canceled", "replaced", "expired", "rejected"))


class Ids:
    """The venue's ids of orders beside ours, as far as they were told on this connection."""

    def __init__(self) -> None:
        self._ours: OrderedDict[str, str] = OrderedDict()
        self._theirs: dict[str, str] = {}

    def learn(self, order: wire.Order) -> None:
        """Both ids of an order; of more than ten thousand the oldest is forgotten."""
        if order.id not in self._ours and len(self._ours) >= _KEPT:
            _, ours = self._ours.popitem(last=False)
            self._theirs.pop(ours, None)
        self._ours[order.id] = order.client_order_id
        self._theirs[order.client_order_id] = order.id

    def ours(self, venue_id: str) -> str:
        """Ours of theirs; theirs where it is not known."""
        return self._ours.get(venue_id, venue_id)

    def theirs(self, order_id: str) -> str:
        """Theirs of ours; "" where it is not known."""
        return self._theirs.get(order_id, "")


def update(
    order: wire.Order, kind: UpdateKind, symbols: Symbols, now: int, at: str | None = None
) -> Update:
    """An order as it is after what `kind` says, at the venue's time `at` or as it was last."""
    if not order.symbol:
        raise Unreadable("symbol", "")
    filled = _optional(order.filled_qty, "filled_qty")
    average = _optional(order.filled_avg_price, "filled_avg_price")
    when = at or order.updated_at
    return Update(
        VENUE,
        symbols[order.symbol],
        instant(when, "timestamp") if when else 0,
        now,
        order.client_order_id,
        order.id,
        kind,
        side=_side(order.side),
        type=TYPES.get(order.type or order.order_type),
        time_in_force=TIMES.get(order.time_in_force),
        price=_optional(order.limit_price, "limit_price") or None,
        size=_optional(order.qty, "qty"),
        filled=filled,
        filled_quote=filled * average if filled is not None and average is not None else None,
        working=order.status in _WORKING,
    )


def status(order: wire.Order, kinds: Mapping[str, UpdateKind], path: str = "status") -> UpdateKind:
    """What an order's status means; raises `Unreadable` for one that nobody knows."""
    try:
        return kinds[order.status]
    except KeyError:
        raise Unreadable(path, order.status) from None


def events(data: wire.TradeUpdate, symbols: Symbols, now: int) -> Sequence[Event]:
    """One event of the order stream: what became of the order, and the fill where it traded."""
    order = data.order
    kind = EVENTS.get(data.event)
    if kind is None:
        raise Unreadable("event", data.event)
    if kind is _K.ACCEPTED and order.status in _OVER:
        kind = _K.STATUS_OPEN  # told late: the order is further than the event
    told = update(order, kind, symbols, now, data.timestamp)
    if data.event not in _TRADED or not data.execution_id:
        # A fill without a name could not be told from a copy of itself: the order says that
        # something traded, and what it was is asked for (§4.3: there is one in practice).
        return (told,)
    fill = Fill(
        VENUE, told.symbol, told.venue_time, now, told.order_id, told.venue_id, data.execution_id,
        _side(order.side), _positive(data.price, "price"), _positive(data.qty, "qty"), ZERO, "",
        False,
    )  # fmt: skip
    return told, fill


def activity(row: wire.Activity, ids: Ids, symbols: Symbols, now: int) -> Fill:
    """A fill of the account's history. Behind the `::` of its id is that of the execution, as the
    stream names it (unconfirmed)."""
    _, parted, execution = row.id.partition("::")
    return Fill(
        VENUE, symbols[row.symbol], instant(row.transaction_time, "transaction_time"), now,
        ids.ours(row.order_id), row.order_id, execution if parted else row.id, _side(row.side),
        _positive(row.price, "price"), _positive(row.qty, "qty"), ZERO, "", False,
    )  # fmt: skip


def cash(data: wire.Account, now: int) -> Balance:
    """What there is of the account's currency, and how much of it open orders leave free.

    Borrowed money, which the account may show as cash below zero, is nothing that a desk can count:
    it is told as none.
    """
    total = max(ZERO, signed(data.cash, "cash"))
    said = data.non_marginable_buying_power
    free = total if said is None else min(total, max(ZERO, signed(said, "buying_power")))
    return Balance(VENUE, "", 0, now, data.currency, free, total - free)


def holdings(rows: Iterable[wire.Position], symbols: Symbols, now: int) -> list[Event]:
    """What there is of each asset; of one that was learned and is not held, nothing."""
    found: dict[str, Balance] = {
        base: Balance(VENUE, "", 0, now, base, ZERO, ZERO) for base in symbols.bases
    }
    for row in rows:
        if row.asset_class not in ("", CRYPTO):
            continue
        base = symbols[row.symbol].partition("-")[0]
        total = amount(row.qty, "qty")
        free = total if row.qty_available is None else amount(row.qty_available, "qty_available")
        free = min(free, total)
        found[base] = Balance(VENUE, "", 0, now, base, free, total - free)
    return [*found.values()]


def _side(text: str | None) -> Side:
    side = SIDES.get(text or "")
    if side is None:
        raise Unreadable("side", text or "")
    return side


def _optional(text: str | None, path: str) -> Decimal | None:
    return amount(text, path) if text is not None else None


def _positive(text: str | None, path: str) -> Decimal:
    found = amount(text or "", path)
    if not found:
        raise Unreadable(path, text or "")
    return found
