"""What Binance writes, field by field, in its own names (binance §3, §5, §6).

House rules: a struct lists only the fields that are read, the rest are ignored; a watched number
is a bounded float, so that NaN, infinities and negative sizes are refused while parsing; an owned
number stays text until `amounts.py` reads it; ids and times are bounded integers.
"""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Raw, Struct, field

from pitwire.venues.mbx.fields import (
    Count,
    Id,
    IdOrNone,
    Levels,
    Name,
    Price,
    PriceOrNone,
    Signed,
    Size,
    Time,
)
from pitwire.venues.mbx.frames import AggregateFrame, BarFrame, ShutdownFrame

# ── market streams (§3) ───────────────────────────────────────────────────────────────────────


class TradeFrame(Struct, gc=False, tag_field="e", tag="trade"):
    s: Name
    t: Id
    p: Price
    q: Size
    T: Time
    m: bool


class DeltaFrame(Struct, gc=False, tag_field="e", tag="depthUpdate"):
    E: Time
    s: Name
    U: Id
    u: Id
    b: Levels
    a: Levels


class MiniFrame(Struct, gc=False, tag_field="e", tag="24hrMiniTicker"):
    E: Time
    s: Name
    c: PriceOrNone
    o: PriceOrNone
    h: PriceOrNone
    l: PriceOrNone  # noqa: E741 - the venue's name
    v: Size
    q: Size


class _Window(MiniFrame, gc=False):
    """What the day ticker and the rolling windows share."""

    p: Signed
    P: Signed
    w: PriceOrNone
    n: Id


class DayFrame(_Window, gc=False, tag_field="e", tag="24hrTicker"):
    b: PriceOrNone
    B: Size
    a: PriceOrNone
    A: Size


class HourFrame(_Window, gc=False, tag_field="e", tag="1hTicker"):
    """The rolling hour."""


class FourHoursFrame(_Window, gc=False, tag_field="e", tag="4hTicker"):
    """The rolling four hours."""


class RollingDayFrame(_Window, gc=False, tag_field="e", tag="1dTicker"):
    """The rolling day, snapped to minutes."""


class AverageFrame(Struct, gc=False, tag_field="e", tag="avgPrice"):
    E: Time
    s: Name
    i: str
    w: Price


class QuoteFrame(Struct, gc=False):
    """bookTicker: neither an event type nor a time. A side where nobody quotes is 0 for 0."""

    u: Id
    s: Name
    b: PriceOrNone
    B: Size
    a: PriceOrNone
    A: Size


class DepthBody(Struct, gc=False, rename="camel"):
    """A partial depth event or a REST snapshot: no symbol, no time."""

    last_update_id: Id
    bids: Levels
    asks: Levels


MarketFrame = (
    TradeFrame | AggregateFrame | DeltaFrame | BarFrame | MiniFrame | DayFrame | HourFrame
    | FourHoursFrame | RollingDayFrame | AverageFrame | ShutdownFrame
)  # fmt: skip
StatisticsFrame = MiniFrame | DayFrame | HourFrame | FourHoursFrame | RollingDayFrame


# ── user data (§6) ────────────────────────────────────────────────────────────────────────────


class ReportFrame(Struct, gc=False, tag_field="e", tag="executionReport"):
    s: Name
    c: str
    S: str
    o: str
    f: str
    q: str
    p: str
    C: str
    x: str
    X: str
    r: str
    i: Id
    l: str  # noqa: E741 - the venue's name
    z: str
    L: str
    n: str
    N: str | None
    T: Time
    t: IdOrNone
    I: IdOrNone  # noqa: E741 - the venue's name
    w: bool
    m: bool
    Z: str
    expiry: str = field(name="eR", default="")


class AssetBody(Struct, gc=False):
    a: str
    f: str
    l: str  # noqa: E741 - the venue's name


class PositionFrame(Struct, gc=False, tag_field="e", tag="outboundAccountPosition"):
    E: Time
    u: Time
    B: tuple[AssetBody, ...]


class DepositFrame(Struct, gc=False, tag_field="e", tag="balanceUpdate"):
    a: str
    d: str


class ListFrame(Struct, gc=False, tag_field="e", tag="listStatus"):
    s: Name
    L: str


class LockFrame(Struct, gc=False, tag_field="e", tag="externalLockUpdate"):
    a: str
    d: str


class TerminatedFrame(Struct, gc=False, tag_field="e", tag="eventStreamTerminated"):
    E: Time


UserFrame = (
    ReportFrame | PositionFrame | DepositFrame | ListFrame | LockFrame | TerminatedFrame
    | ShutdownFrame
)  # fmt: skip


# ── envelopes (§1.2, §5.1, §6.1) ──────────────────────────────────────────────────────────────

Body = TypeVar("Body")


class Wrapped(Struct, Generic[Body], gc=False):
    """What a combined connection puts around each event."""

    stream: str
    data: Body


class UserEvent(Struct, gc=False):
    """What the WS-API puts around each event; `subscriptionId` is optional and not needed."""

    event: UserFrame


# ── results (§5.8 – §5.13) ────────────────────────────────────────────────────────────────────


class TimeResult(Struct, gc=False, rename="camel"):
    """`time`, and the part of `session.logon` that we read."""

    server_time: Time


class FillBody(Struct, gc=False, rename="camel"):
    price: str
    qty: str
    commission: str
    commission_asset: str
    trade_id: IdOrNone


class AccountTrade(Struct, gc=False, rename="camel"):
    """A row of `myTrades`."""

    symbol: Name
    id: Id
    order_id: Id
    price: str
    qty: str
    commission: str
    commission_asset: str
    time: Time
    is_buyer: bool
    is_maker: bool


class OrderResult(Struct, gc=False, rename="camel"):
    """An order as placement, cancel and query answers write it; ACK has only the first three."""

    symbol: Name
    order_id: Id
    client_order_id: str
    orig_client_order_id: str = ""
    transact_time: Time = 0
    update_time: Time = 0
    price: str = ""
    orig_qty: str = ""
    executed_qty: str = ""
    cummulative_quote_qty: str = ""
    status: str = ""
    time_in_force: str = ""
    type: str = ""
    side: str = ""
    working_time: IdOrNone | None = None
    is_working: bool | None = None
    expiry_reason: str = ""
    fills: tuple[FillBody, ...] = ()


class OrderListResult(Struct, gc=False, rename="camel"):
    """An order list; cancelling one leg answers with this (§5.10)."""

    order_reports: tuple[OrderResult, ...]


class AmendedOrder(Struct, gc=False, rename="camel"):
    """An amended order: other names than every other order object (§5.10)."""

    symbol: Name
    order_id: Id
    client_order_id: str
    price: str
    qty: str
    executed_qty: str
    cumulative_quote_qty: str
    status: str
    time_in_force: str
    type: str
    side: str
    orig_client_order_id: str = ""
    working_time: IdOrNone = -1


class AmendResult(Struct, gc=False, rename="camel"):
    transact_time: Time
    execution_id: IdOrNone
    amended_order: AmendedOrder


class ReplaceResult(Struct, rename="camel"):
    """Both halves of a cancelReplace; a half that failed is `{code, msg}` (§5.11)."""

    cancel_result: str
    new_order_result: str
    cancel_response: Raw = Raw()
    new_order_response: Raw = Raw()


class Holding(Struct, gc=False):
    asset: str
    free: str
    locked: str


class AccountResult(Struct, gc=False, rename="camel"):
    balances: tuple[Holding, ...]
    update_time: Time = 0


# ── exchangeInfo (§5.8, §7.1) ─────────────────────────────────────────────────────────────────


class Filter(Struct, gc=False, rename="camel"):
    filter_type: str
    min_price: str = "0"
    max_price: str = "0"
    tick_size: str = "0"
    min_qty: str = "0"
    max_qty: str = "0"
    step_size: str = "0"
    min_notional: str = "0"
    max_notional: str = "0"
    apply_to_market: bool = True
    apply_min_to_market: bool = True
    max_num_orders: Count = 0


class SymbolInfo(Struct, gc=False, rename="camel"):
    symbol: Name
    status: str
    base_asset: str
    quote_asset: str
    order_types: tuple[str, ...] = ()
    base_asset_precision: Annotated[int, Meta(ge=0, le=18)] = 8
    quote_asset_precision: Annotated[int, Meta(ge=0, le=18)] = 8
    filters: tuple[Filter, ...] = ()


class ExchangeInfo(Struct, rename="camel"):
    symbols: tuple[SymbolInfo, ...]
