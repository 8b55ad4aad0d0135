"""Intents, orders, and what may happen to an order.

An *intent* is a rule's wish and cannot be encoded. A *command* (`Order`, `CancelOrder`,
`ReplaceOrder`, `AmendOrder`, `CancelAll`) is what risk has approved and is the only thing a
codec turns into bytes. `TRANSITIONS` is the whole life of an order, as data.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import msgspec

from pitwire.model.words import Word


class Side(Word):
    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(Word):
    MARKET = "market"
    LIMIT = "limit"
    POST_ONLY = "post_only"
    """A limit order that is refused rather than take."""
    STOP = "stop"
    """A market order once the last price touches `stop_price` on the losing side."""
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT = "take_profit"
    """A market order once the last price touches `stop_price` on the winning side."""
    TAKE_PROFIT_LIMIT = "take_profit_limit"


CONDITIONAL = frozenset(
    (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
)
"""What waits outside the book for a price, then becomes an order on it."""


class TimeInForce(Word):
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    DAY = "day"


class UpdateKind(Word):
    """What an `Update` tells."""

    ACCEPTED = "accepted"
    """The venue has it: resting, or a stop that waits."""
    TRIGGERED = "triggered"
    """A stop became an order on the book."""
    FILLED = "filled"
    """It traded; `filled` equal to `size` means completely."""
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    AMENDED = "amended"
    CANCEL_REJECTED = "cancel_rejected"
    """A cancel, replacement or amendment was refused; the order itself goes on."""
    STATUS_OPEN = "status_open"
    """Answer to a question: open at the venue, filled as far as `filled` says."""
    MISSING = "missing"
    """Answer to a question: the venue knows no such order."""


class OrderState(Word):
    NEW = "new"
    """Made by risk, not yet on the wire."""
    SENT = "sent"
    OPEN = "open"
    PARTLY_FILLED = "partly_filled"
    UNKNOWN = "unknown"
    """The venue has not said whether it exists."""
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


FINAL = frozenset((OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED))


class RejectReason(Word):
    """Why the venue refused; closed, so that rules can depend on it."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    WOULD_TAKE = "would_take"
    WOULD_TRIGGER = "would_trigger"
    PRICE_RULE = "price_rule"
    SIZE_RULE = "size_rule"
    NOTIONAL_RULE = "notional_rule"
    ORDER_COUNT_RULE = "order_count_rule"
    DUPLICATE_ID = "duplicate_id"
    UNKNOWN_ORDER = "unknown_order"
    UNKNOWN_SYMBOL = "unknown_symbol"
    MARKET_CLOSED = "market_closed"
    NOT_SUPPORTED = "not_supported"
    BAD_PARAMETER = "bad_parameter"
    NO_LIQUIDITY = "no_liquidity"
    NOT_PERMITTED = "not_permitted"
    RATE_LIMIT = "rate_limit"
    CLOCK = "clock"
    SELF_TRADE = "self_trade"
    REDUCE_ONLY = "reduce_only"
    """It would have made a position larger, and was promised not to."""
    OTHER = "other"


class Cause(msgspec.Struct, frozen=True, gc=False):
    """The event that made a rule act."""

    event: str
    """Class name of the event: `Trade`, `Quote`, …; `Timer` or `Person` when there was none."""
    symbol: str
    venue_time: int
    received: int
    detail: str = ""
    """What a person wants to see: the price, the id."""


# ── intents: what a rule may wish ─────────────────────────────────────────────────────────────


class Place(msgspec.Struct, frozen=True, gc=False, tag=True, tag_field="kind"):
    """A wish for an order. Exactly one of `size` (base units) and `quote_size` (quote units).

    Prices and sizes are Decimals already on the instrument's grid (`Instrument.price`, `.size`).
    """

    symbol: str
    side: Side
    type: OrderType = OrderType.MARKET
    size: Decimal | None = None
    quote_size: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_bips: int | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    protective: bool = False
    """Left open by the watchdog when the desk is gone, as a stop for a position should be."""
    tag: str = ""
    """A name for the group this order belongs to; cancels can name it."""
    rule: str = ""
    cause: Cause | None = None


class Cancel(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True, tag_field="kind"):
    """A wish to cancel our open orders that match all fields given ("" and None match all)."""

    symbol: str = ""
    side: Side | None = None
    tag: str = ""
    order_id: str = ""
    rule: str = ""
    cause: Cause | None = None


class Replace(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """A wish to cancel one order of ours and place another at once."""

    order_id: str
    place: Place
    rule: str = ""
    cause: Cause | None = None


class Amend(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True, tag_field="kind"):
    """A wish to make one order of ours smaller and keep its place in the queue."""

    order_id: str
    size: Decimal
    rule: str = ""
    cause: Cause | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """A wish to tell a person something."""

    text: str
    level: str = "info"
    symbol: str = ""
    rule: str = ""
    cause: Cause | None = None


class HaltTrading(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="kind"):
    """A wish to send no more orders until a person says so; open orders of ours are cancelled."""

    reason: str
    rule: str = ""
    cause: Cause | None = None


Intent: TypeAlias = Place | Cancel | Replace | Amend | Alert | HaltTrading


# ── commands: what risk has approved; made in trading/risk.py and nowhere else ────────────────


class Order(msgspec.Struct, frozen=True, gc=False, tag=True, tag_field="kind"):
    """An approved order. `id` is the client order id, unique for this installation for ever."""

    id: str
    symbol: str
    side: Side
    type: OrderType
    size: Decimal | None
    quote_size: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_bips: int | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    tag: str = ""
    rule: str = ""
    cause: Cause | None = None
    decided: int = 0
    """When risk approved it, ns since the epoch."""


class CancelOrder(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True, tag_field="kind"):
    order_id: str
    symbol: str
    venue_id: str = ""
    rule: str = ""
    cause: Cause | None = None
    decided: int = 0
    type: OrderType | None = None
    """The order's own, for venues that keep conditional orders apart; None where unknown."""


class ReplaceOrder(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True, tag_field="kind"):
    """Cancel `order_id`, then place `order`; the venue does both in one request where it can."""

    order_id: str
    order: Order
    venue_id: str = ""
    untouched: bool = False
    """Only if nothing of the old one has traded: else both together could trade too much."""
    decided: int = 0


class AmendOrder(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True, tag_field="kind"):
    order_id: str
    symbol: str
    size: Decimal
    venue_id: str = ""
    decided: int = 0
    side: Side | None = None
    price: Decimal | None = None
    """The order's own, for venues that want them said again."""


Command: TypeAlias = Order | CancelOrder | ReplaceOrder | AmendOrder


# ── the life of an order, as data ─────────────────────────────────────────────────────────────

_S, _K = OrderState, UpdateKind
_LIVE = (_S.SENT, _S.OPEN, _S.PARTLY_FILLED, _S.UNKNOWN)
UNANSWERED = "unanswered"
"""Not a venue's word: our own deadline passed."""

TRANSITIONS: dict[tuple[OrderState, UpdateKind | str], OrderState] = {
    # FILLED leads here only while something is left; the ledger closes the order when nothing is.
    **{(state, _K.FILLED): _S.PARTLY_FILLED for state in _LIVE},
    **{(state, _K.CANCELED): _S.CANCELED for state in _LIVE},
    **{(state, _K.EXPIRED): _S.EXPIRED for state in _LIVE},
    **{(state, _K.CANCEL_REJECTED): state for state in _LIVE},
    (_S.SENT, _K.ACCEPTED): _S.OPEN,
    (_S.OPEN, _K.ACCEPTED): _S.OPEN,
    (_S.PARTLY_FILLED, _K.ACCEPTED): _S.PARTLY_FILLED,
    (_S.UNKNOWN, _K.ACCEPTED): _S.OPEN,
    (_S.SENT, _K.TRIGGERED): _S.OPEN,
    (_S.OPEN, _K.TRIGGERED): _S.OPEN,
    (_S.PARTLY_FILLED, _K.TRIGGERED): _S.PARTLY_FILLED,
    (_S.UNKNOWN, _K.TRIGGERED): _S.OPEN,
    (_S.SENT, _K.STATUS_OPEN): _S.OPEN,
    (_S.OPEN, _K.STATUS_OPEN): _S.OPEN,
    (_S.PARTLY_FILLED, _K.STATUS_OPEN): _S.PARTLY_FILLED,
    (_S.UNKNOWN, _K.STATUS_OPEN): _S.OPEN,
    (_S.OPEN, _K.AMENDED): _S.OPEN,
    (_S.PARTLY_FILLED, _K.AMENDED): _S.PARTLY_FILLED,
    (_S.UNKNOWN, _K.AMENDED): _S.OPEN,
    (_S.SENT, _K.AMENDED): _S.OPEN,
    (_S.SENT, _K.REJECTED): _S.REJECTED,
    (_S.UNKNOWN, _K.REJECTED): _S.REJECTED,
    (_S.UNKNOWN, _K.MISSING): _S.REJECTED,
    (_S.SENT, UNANSWERED): _S.UNKNOWN,
    (_S.OPEN, UNANSWERED): _S.OPEN,
    (_S.PARTLY_FILLED, UNANSWERED): _S.PARTLY_FILLED,
    (_S.UNKNOWN, UNANSWERED): _S.UNKNOWN,
}
"""(state, what came) → state. A missing key changes nothing and is recorded as a disagreement,
except in a final state, where a late or doubled message is normal and only counted."""
