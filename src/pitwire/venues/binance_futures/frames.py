"""What Binance's futures write, field by field, in their own names (binance §11.3, §11.5, §11.7).

House rules: a struct lists only the fields that are read, the rest are ignored; owned numbers stay
text until `mbx.amounts` reads them.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

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

# ── market streams (§11.3) ────────────────────────────────────────────────────────────────────


class TradeFrame(Struct, gc=False, tag_field="e", tag="trade"):
    s: Name
    t: Id
    p: Price
    q: Size
    T: Time
    m: bool
    X: str = "MARKET"


class QuoteFrame(Struct, gc=False, tag_field="e", tag="bookTicker"):
    """A side where nobody quotes is 0 for 0."""

    u: Id
    s: Name
    b: PriceOrNone
    B: Size
    a: PriceOrNone
    A: Size
    E: Time
    st: int = 0


class DeltaFrame(Struct, gc=False, tag_field="e", tag="depthUpdate"):
    """A delta, or a partial book: only the stream's name tells which (§11.3)."""

    E: Time
    s: Name
    U: Id
    u: Id
    pu: IdOrNone
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
    st: int = 0


class DayFrame(Struct, gc=False, tag_field="e", tag="24hrTicker"):
    E: Time
    s: Name
    p: Signed
    P: Signed
    w: PriceOrNone
    c: PriceOrNone
    o: PriceOrNone
    h: PriceOrNone
    l: PriceOrNone  # noqa: E741 - the venue's name
    v: Size
    q: Size
    n: Id
    st: int = 0


class MarkFrame(Struct, gc=False, tag_field="e", tag="markPriceUpdate"):
    """A dated contract has no funding: an empty rate, or a time of 0."""

    E: Time
    s: Name
    p: Price
    i: str = ""
    P: str = ""
    r: str = ""
    ap: str = ""
    T: Time = 0
    st: int = 0


class ForceBody(Struct, gc=False):
    s: Name
    S: str
    q: Size
    p: PriceOrNone
    ap: PriceOrNone
    X: str
    z: Size
    T: Time
    st: int = 0


class ForceFrame(Struct, gc=False, tag_field="e", tag="forceOrder"):
    o: ForceBody
    st: int = 0


MarketFrame = (
    TradeFrame | AggregateFrame | QuoteFrame | DeltaFrame | BarFrame | MiniFrame | DayFrame
    | MarkFrame | ForceFrame | ShutdownFrame
)  # fmt: skip
Rows = tuple[MarketFrame, ...]


class Wrapped(Struct, gc=False):
    """What a combined connection puts around each event, or around a list of them."""

    stream: str
    data: MarketFrame | Rows


class DepthBody(Struct, gc=False, rename="camel"):
    """A REST snapshot."""

    last_update_id: Id
    bids: Levels
    asks: Levels


# ── user data (§11.7) ─────────────────────────────────────────────────────────────────────────


class OrderBody(Struct, gc=False):
    s: Name
    c: str
    S: str
    o: str
    f: str
    q: str
    p: str
    x: str
    X: str
    i: Id
    l: str  # noqa: E741 - the venue's name
    z: str
    L: str
    T: Time
    t: IdOrNone
    m: bool
    n: str = "0"
    N: str | None = None
    ot: str = ""
    er: str = "0"


class OrderFrame(Struct, gc=False, tag_field="e", tag="ORDER_TRADE_UPDATE"):
    o: OrderBody


class LiteFrame(Struct, gc=False, tag_field="e", tag="TRADE_LITE"):
    s: Name
    S: str
    c: str
    l: str  # noqa: E741 - the venue's name
    T: Time
    t: IdOrNone
    i: Id


class AssetBody(Struct, gc=False):
    a: str
    wb: str
    cw: str


class PositionBody(Struct, gc=False):
    s: Name
    pa: str
    ep: str
    ps: str = "BOTH"


class AccountBody(Struct, gc=False):
    B: tuple[AssetBody, ...] = ()
    P: tuple[PositionBody, ...] = ()


class AccountFrame(Struct, gc=False, tag_field="e", tag="ACCOUNT_UPDATE"):
    T: Time
    a: AccountBody


class LeverageBody(Struct, gc=False):
    s: Name
    l: Count  # noqa: E741 - the venue's name


class ConfigFrame(Struct, gc=False, tag_field="e", tag="ACCOUNT_CONFIG_UPDATE"):
    E: Time
    T: Time = 0
    ac: LeverageBody | None = None


class CalledBody(Struct, gc=False):
    s: Name
    pa: str
    mp: str
    up: str
    mm: str
    ps: str = "BOTH"


class CallFrame(Struct, gc=False, tag_field="e", tag="MARGIN_CALL"):
    E: Time
    p: tuple[CalledBody, ...]


class ExpiredFrame(Struct, gc=False, tag_field="e", tag="listenKeyExpired"):
    E: Time


class AlgoBody(Struct, gc=False):
    """A conditional order; `ai` is the order that it became, `aq` what that one has traded."""

    caid: str
    aid: Id
    at: str
    s: Name
    o: str
    S: str
    X: str
    f: str = ""
    q: str = ""
    p: str = ""
    ai: str = ""
    aq: str = ""
    rm: str = ""


class AlgoFrame(Struct, gc=False, tag_field="e", tag="ALGO_UPDATE"):
    E: Time
    o: AlgoBody
    T: Time = 0


UserFrame = (
    OrderFrame | LiteFrame | AccountFrame | ConfigFrame | CallFrame | ExpiredFrame | AlgoFrame
    | ShutdownFrame
)  # fmt: skip


class WrappedUser(Struct, gc=False):
    stream: str
    data: UserFrame


# ── results (§11.5, §11.6) ────────────────────────────────────────────────────────────────────


class TimeResult(Struct, gc=False, rename="camel"):
    server_time: Time


class KeyResult(Struct, gc=False, rename="camel"):
    listen_key: Annotated[str, Meta(min_length=1, max_length=256)]


class OrderResult(Struct, gc=False, rename="camel"):
    """An order as placement, modification, cancel and query answers write it."""

    symbol: Name
    order_id: Id
    client_order_id: str
    status: str
    price: str = ""
    orig_qty: str = ""
    executed_qty: str = ""
    cum_quote: str = ""
    time_in_force: str = ""
    type: str = ""
    orig_type: str = ""
    side: str = ""
    update_time: Time = 0


class AlgoResult(Struct, gc=False, rename="camel"):
    """A conditional order as placement, query and list answers write it."""

    algo_id: Id
    client_algo_id: str
    symbol: Name
    algo_status: str
    side: str
    order_type: str = ""
    time_in_force: str = ""
    quantity: str | None = None
    price: str | None = None
    actual_order_id: str | None = None
    actual_qty: str | None = None
    update_time: Time = 0


class AlgoCancelled(Struct, gc=False, rename="camel"):
    """The answer to the cancel of one."""

    client_algo_id: str
    code: str | int = ""


class AccountTrade(Struct, gc=False, rename="camel"):
    """A row of `userTrades`."""

    symbol: Name
    id: Id
    order_id: Id
    side: str
    price: str
    qty: str
    commission: str
    commission_asset: str
    time: Time
    maker: bool


class AssetResult(Struct, gc=False, rename="camel"):
    asset: str
    wallet_balance: str
    cross_wallet_balance: str
    update_time: Time = 0


class PositionResult(Struct, gc=False, rename="camel"):
    symbol: Name
    position_amt: str
    entry_price: str = "0"
    position_side: str = "BOTH"
    update_time: Time = 0


class AccountResult(Struct, gc=False):
    assets: tuple[AssetResult, ...]
    positions: tuple[PositionResult, ...] = ()


class LeverageResult(Struct, gc=False):
    symbol: Name
    leverage: Count


# ── exchangeInfo (§11.4) ──────────────────────────────────────────────────────────────────────


class Filter(Struct, gc=False, rename="camel"):
    filter_type: str
    min_price: str = "0"
    max_price: str = "0"
    tick_size: str = "0"
    min_qty: str = "0"
    max_qty: str = "0"
    step_size: str = "0"
    notional: str = "0"
    limit: Count = 0


class SymbolInfo(Struct, gc=False, rename="camel"):
    symbol: Name
    pair: Name
    base_asset: str
    quote_asset: str
    margin_asset: str
    status: str = ""
    contract_status: str = ""
    """COIN-M's name for the status."""
    order_types: tuple[str, ...] = ()
    base_asset_precision: Annotated[int, Meta(ge=0, le=18)] = 8
    quote_precision: Annotated[int, Meta(ge=0, le=18)] = 8
    filters: tuple[Filter, ...] = ()


class ExchangeInfo(Struct, rename="camel"):
    symbols: tuple[SymbolInfo, ...]
