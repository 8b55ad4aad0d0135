"""What Alpaca writes, field by field, in its own names (alpaca §2 – §5).

House rules: a struct lists only the fields that are read, the rest are ignored; a watched number is
a bounded float, so that NaN, infinities and negative sizes are refused while parsing; an owned
number stays text until `reading.py` reads it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

HUGE = 1e300
"""No watched number comes near; the bound is what keeps infinity and NaN out."""
Price = Annotated[float, Meta(gt=0, lt=HUGE)]
PriceOrNone = Annotated[float, Meta(ge=0, lt=HUGE)]
"""0 where nobody quotes (§3.1)."""
Size = Annotated[float, Meta(ge=0, lt=HUGE)]
Name = Annotated[str, Meta(min_length=1, max_length=40)]
Id = Annotated[int, Meta(ge=0, lt=2**62)]
Count = Annotated[int, Meta(ge=0, lt=2**31)]
Text = Annotated[str, Meta(max_length=400)]

# ── the market stream: arrays of these (§2.2, §3.2) ───────────────────────────────────────────


class TradeMessage(Struct, gc=False, tag_field="T", tag="t"):
    S: Name
    p: Price
    s: Size
    t: str
    i: Id
    tks: str


class QuoteMessage(Struct, gc=False, tag_field="T", tag="q"):
    S: Name
    bp: PriceOrNone
    bs: Size
    ap: PriceOrNone
    ask_size: Size = field(name="as")
    t: str


class BarMessage(Struct, gc=False, tag_field="T", tag="b"):
    S: Name
    o: Price
    h: Price
    l: Price  # noqa: E741 - the venue's name
    c: Price
    v: Size
    t: str
    vw: PriceOrNone
    n: Count = 0


class UpdatedBarMessage(BarMessage, gc=False, tag_field="T", tag="u"):
    """A minute that was told already, with trades that came late (§3.1)."""


class DailyBarMessage(BarMessage, gc=False, tag_field="T", tag="d"):
    """The day so far."""


class Level(Struct, gc=False):
    p: Price
    s: Size


class BookMessage(Struct, gc=False, tag_field="T", tag="o"):
    S: Name
    t: str
    b: tuple[Level, ...]
    a: tuple[Level, ...]
    r: bool = False


class Success(Struct, gc=False, tag_field="T", tag="success"):
    msg: Text


class Fault(Struct, gc=False, tag_field="T", tag="error"):
    code: Annotated[int, Meta(ge=0, lt=2**31)]
    msg: Text = ""


class Subscription(Struct, tag_field="T", tag="subscription"):
    """All that is subscribed to now, by the venue's channels (§2.3)."""

    trades: tuple[Name, ...] = ()
    quotes: tuple[Name, ...] = ()
    orderbooks: tuple[Name, ...] = ()
    bars: tuple[Name, ...] = ()
    updated_bars: tuple[Name, ...] = field(name="updatedBars", default=())
    daily_bars: tuple[Name, ...] = field(name="dailyBars", default=())


Message = (
    TradeMessage
    | QuoteMessage
    | BookMessage
    | BarMessage
    | UpdatedBarMessage
    | DailyBarMessage
    | Success
    | Fault
    | Subscription
)

# ── the order stream (§4) ─────────────────────────────────────────────────────────────────────


class Order(Struct):
    """An order as every answer and every event has it (§5.4); text is text until it is read."""

    id: Name
    client_order_id: Annotated[str, Meta(min_length=1, max_length=128)]
    status: str
    symbol: Annotated[str, Meta(max_length=40)] | None = None
    """None or "" where it has several legs (§5.4)."""
    side: str | None = None
    type: str = ""
    order_type: str = ""
    time_in_force: str = ""
    qty: str | None = None
    filled_qty: str | None = None
    filled_avg_price: str | None = None
    limit_price: str | None = None
    updated_at: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None


class TradeUpdate(Struct):
    """One event of `trade_updates` (§4.3)."""

    event: str
    order: Order
    timestamp: str | None = None
    execution_id: Text = ""
    price: str | None = None
    qty: str | None = None


class Authorization(Struct):
    status: str
    action: str = ""
    message: Text = ""


class Listening(Struct):
    streams: tuple[str, ...] = ()


class OrdersMessage(Struct):
    """The envelope of everything on `/stream` (§4.1)."""

    stream: str


class AuthorizationMessage(Struct):
    data: Authorization


class ListeningMessage(Struct):
    data: Listening


class TradeUpdateMessage(Struct):
    data: TradeUpdate


# ── REST (§5) ─────────────────────────────────────────────────────────────────────────────────


class Refusal(Struct):
    """The body of every refusal (§5.1)."""

    code: Annotated[int, Meta(ge=0, lt=2**31)] = 0
    message: str | None = None


class Activity(Struct):
    """A fill among the account's activities. Its fields are in none of the papers at hand
    (unconfirmed)."""

    id: Annotated[str, Meta(min_length=1, max_length=120)]
    order_id: Name
    symbol: Name
    side: str
    price: str
    qty: str
    transaction_time: str


class Account(Struct):
    """What of an account is read (§5.9)."""

    cash: str
    currency: str = "USD"
    account_number: str = ""
    status: str = ""
    non_marginable_buying_power: str | None = None


class Position(Struct):
    """A holding (§5.9)."""

    symbol: Name
    qty: str
    avg_entry_price: str
    asset_class: str = ""
    qty_available: str | None = None


class Clock(Struct):
    timestamp: str


class Asset(Struct):
    """A listed asset (§5.9); what crypto adds are strings."""

    symbol: Name
    asset_class: str = field(name="class")
    status: str
    tradable: bool
    min_order_size: str | None = None
    min_trade_increment: str | None = None
    price_increment: str | None = None
