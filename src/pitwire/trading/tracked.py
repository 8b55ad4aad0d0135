"""One order as we know it, and the records that its life leaves.

House rules: what we counted from fills and what the venue said in sum are two fields, never one;
an order without proof of its end is counted in full.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from pitwire.model.events import Fill, Update
from pitwire.model.orders import (
    CONDITIONAL,
    FINAL,
    CancelOrder,
    Order,
    OrderState,
    OrderType,
    RejectReason,
    Side,
)
from pitwire.model.words import Word

ZERO = Decimal(0)


class Origin(Word):
    """Whose order it is."""

    OURS = "ours"
    EARLIER = "earlier"
    """It carries our prefix but an earlier run sent it."""
    FOREIGN = "foreign"
    """Placed by somebody else on this account: counted, never touched."""


class Evidence(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What proves what became of an order: who said it, asked when, heard when, in which words."""

    by: str
    """The request that was answered (`status`, `place`, …), `order stream`, `fill` or `desk`."""
    said: str
    """The kind of update, or of what was missing."""
    heard: int
    asked: int = 0
    """When the question left; 0 where none was asked."""
    venue_time: int = 0
    code: int = 0
    text: str = ""
    counts_from: int = 0
    """For a death by "no such order": from when on a question could prove it."""


class Tracked(msgspec.Struct, eq=False, gc=False):
    """An order and everything we believe about it. Rules read it; the ledger alone writes."""

    id: str
    symbol: str
    origin: Origin
    state: OrderState
    # What `OrderLedger.made` says of an order stands first, since it says it by position.
    side: Side | None = None
    type: OrderType | None = None
    order: Order | None = None
    size: Decimal | None = None
    """None while unknown: a market order in quote units, a foreign order seen only by a fill."""
    quote_size: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    tag: str = ""
    rule: str = ""
    counted: bool = False
    """Whether every fill of it belongs to our count: it was ours, or untouched when first seen."""
    made_at: int = 0
    changed_at: int = 0
    """When its state changed or we heard of it last, but for answers that say nothing of it."""
    venue_id: str = ""
    filled: Decimal = ZERO
    """Sum of the fills that came."""
    filled_quote: Decimal = ZERO
    reported: Decimal = ZERO
    """The most that the venue has said is filled."""
    working: bool = False
    acknowledged: bool = False
    declared_dead: bool = False
    """Over because the venue knew no such order, not because it said so: REJECTED where the venue
    never had it, CANCELED where it had and has forgotten it."""
    sequence: int = 0
    cancel_sent: int = 0
    """When a cancel left; 0 when none is pending."""
    amend_to: Decimal | None = None
    pursued: CancelOrder | None = None
    """A cancel that went to where it waited for its price, and may have to follow it."""
    replaces: str = ""
    replaced_by: str = ""
    doubt: str = ""
    """Why the venue has to be asked about it; "" when there is no reason."""
    doubted_at: int = 0
    dead_from: int = 0
    """A question asked from here on and answered "no such order" proves its death; 0: none does."""
    absences: int = 0
    """Such answers in a row."""
    absent_at: int = 0
    """When the question behind the last of them was asked."""
    proof: Evidence | None = None
    """What ended it, or made it known again after it had been unknown."""
    sent_at: int = 0
    acknowledged_at: int = 0
    ask_at: int = 0
    """When the next question about it is due; 0 when none is wanted."""
    asked: int = 0

    @property
    def is_open(self) -> bool:
        """Not proven to be over."""
        return self.state not in FINAL

    @property
    def is_ours(self) -> bool:
        return self.origin is not Origin.FOREIGN

    @property
    def is_nameless(self) -> bool:
        """Whether it may trade under a name that we do not know yet.

        What waits for its price may have none until then, and nothing to trade either.
        """
        waits = self.acknowledged and self.type in CONDITIONAL
        return self.is_ours and not self.venue_id and not waits

    @property
    def done(self) -> Decimal:
        """What is filled by either account of it."""
        return max(self.filled, self.reported)

    @property
    def remaining(self) -> Decimal | None:
        """What may still trade; zero once it is over, None when its size is not known."""
        if self.state in FINAL:
            return ZERO
        return None if self.size is None else max(ZERO, self.size - self.done)

    @property
    def missing(self) -> Decimal:
        """What the venue says was filled and no fill has told us."""
        return max(ZERO, self.reported - self.filled) if self.reported else ZERO

    def may_trade(self, price: Decimal | None) -> Decimal:
        """What is left of it at worst, in base units; `price` converts a size in quote units."""
        if self.remaining is not None:
            return self.remaining
        if self.quote_size is not None and price:
            return max(ZERO, self.quote_size - self.filled_quote) / price
        return ZERO

    @property
    def average_price(self) -> Decimal | None:
        return self.filled_quote / self.filled if self.filled else None


def take_size(order: Tracked, update: Update) -> Decimal | None:
    """Take over the size that the venue says; what it was where that shrank and nobody of us has
    asked for it, else None."""
    size, before = update.size, order.size
    if not size:
        return None
    if before is None:
        # A market order in quote units learns its size when it is complete.
        if order.quote_size is None or update.filled == size:
            order.size = size
        return None
    if size >= before:
        return None
    order.size = size  # an amendment only makes smaller (binance §5.10), so it is the newest
    return before if order.amend_to is None and order.is_ours else None


class Change(msgspec.Struct, frozen=True, gc=False, tag=True, tag_field="record"):
    """What one message did to one order."""

    at: int
    order_id: str
    symbol: str
    came: str
    """An `UpdateKind`, `fill`, or what went unanswered."""
    before: OrderState
    after: OrderState
    origin: Origin
    filled: Decimal
    size: Decimal | None
    side: Side | None = None
    fill: Decimal = ZERO
    """What this message alone filled; zero when it was no fill."""
    price: Decimal | None = None
    missing: Decimal = ZERO
    reason: RejectReason | None = None
    code: int = 0
    text: str = ""
    proof: Evidence | None = None
    """Where the order ended, or became known again after it had been unknown."""

    @property
    def ended(self) -> bool:
        """Whether this message ended the order."""
        return self.after in FINAL and self.before not in FINAL


def change_of(
    order: Tracked, before: OrderState, at: int, came: str, event: Update | Fill | None = None
) -> Change:
    """The record of what `event` did to `order`, which was `before`."""
    fill = event if isinstance(event, Fill) else None
    update = event if isinstance(event, Update) else None
    proof = None
    if order.state is not before and (order.state in FINAL or before is OrderState.UNKNOWN):
        proof = order.proof = _evidence(order, at, came, event)
    # By position: a start makes one for every fourth record, and by name it takes twice as long.
    return Change(
        at,
        order.id,
        order.symbol,
        came,
        before,
        order.state,
        order.origin,
        order.filled,
        order.size,
        order.side,
        fill.size if fill else ZERO,
        fill.price if fill else None,
        order.missing,
        update.reason if update else None,
        update.code if update else 0,
        update.text if update else "",
        proof,
    )


def _evidence(order: Tracked, at: int, came: str, event: Update | Fill | None) -> Evidence:
    match event:
        case Update():
            return Evidence(
                by=event.answers or "order stream",
                said=came,
                heard=at,
                asked=event.asked,
                venue_time=event.venue_time,
                code=event.code,
                text=event.text,
                counts_from=order.dead_from if order.declared_dead else 0,
            )
        case Fill():
            said = f"trade {event.trade_id}"
            return Evidence(by="fill", said=said, heard=at, venue_time=event.venue_time)
        case None:
            return Evidence(by="desk", said=came, heard=at)


class Disagreement(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True, tag_field="record"
):
    """We believed one thing and the venue said another. Recorded, never smoothed away."""

    at: int
    order_id: str
    symbol: str
    what: str
    ours: str
    theirs: str


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """An order that the venue must be asked about, and why."""

    order_id: str
    symbol: str
    why: str
    """`unknown`, `missing fills`, or the doubt in words."""
    venue_id: str = ""
    is_ours: bool = True
    wants_fills: bool = False
    """The order is known, and what it traded is not: ask for that."""
    type: OrderType | None = None


class Exposure(msgspec.Struct, frozen=True, gc=False):
    """The most that open orders of one symbol may still buy and sell, in base units."""

    buys: Decimal
    sells: Decimal
