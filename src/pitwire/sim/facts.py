"""What can be asked of an exchange and what happens on it, in integer ticks and lots.

House rules: prices are counts of the listing's tick, sizes are counts of its lot, money is exact
Decimal; nothing here knows a venue's spelling. A fact is said once, in the order it happened.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from pitwire.model.orders import Side


class Kind(StrEnum):
    """Order types of the exchange."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    LIMIT_MAKER = "LIMIT_MAKER"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


class Tif(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Stp(StrEnum):
    """Self-trade prevention; the taker's mode decides."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"
    TRANSFER = "TRANSFER"
    """Within one account the same as DECREMENT (binance §7.4)."""


DECREMENTS = (Stp.DECREMENT, Stp.TRANSFER)
"""Modes in which both orders lose what would have been matched."""


class Status(StrEnum):
    NEW = "NEW"
    PENDING_NEW = "PENDING_NEW"
    """Waits for the working order of its list to be filled."""
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    REJECTED = "REJECTED"


class Refusal(StrEnum):
    """Why the exchange says no. A façade spells these in its venue's codes and texts."""

    UNKNOWN_SYMBOL = "unknown symbol"
    MARKET_CLOSED = "market closed"
    INSUFFICIENT_BALANCE = "insufficient balance"
    DUPLICATE_CLIENT_ID = "duplicate client id"
    UNKNOWN_ORDER = "unknown order"
    ID_MISMATCH = "client id does not belong to that order"
    WOULD_TAKE = "would immediately match and take"
    WOULD_TRIGGER = "would trigger immediately"
    TYPE_NOT_SUPPORTED = "order type not supported"
    STP_NOT_ALLOWED = "self-trade prevention mode not allowed"
    RESTRICTED = "cancel restrictions"
    NO_LIQUIDITY = "book is empty"
    ICEBERG_SIZE = "what is shown is not less than the whole"
    FILTER = "filter"
    """`detail` names the filter: PRICE_FILTER, LOT_SIZE, MARKET_LOT_SIZE, NOTIONAL,
    PERCENT_PRICE_BY_SIDE, MAX_NUM_ORDERS, MAX_NUM_ALGO_ORDERS, MAX_POSITION, TRAILING_DELTA, …"""
    AMEND_INCREASE = "amend may only make smaller"
    AMEND_NO_CHANGE = "amend changes nothing"
    AMEND_LIMIT = "too many amends"
    ACCOUNT_DISABLED = "account may not trade"
    PRICE_RELATION = "prices of a list are not in their order"
    LISTS_NOT_SUPPORTED = "order lists not supported"
    INSUFFICIENT_MARGIN = "insufficient margin"
    REDUCE_ONLY = "nothing to reduce"
    POSITION_SIDE = "position side does not match the position mode"
    OPEN_ORDERS = "not while orders are open"
    OPEN_POSITION = "not while a position is open"
    NO_CHANGE = "changes nothing"
    LEVERAGE = "leverage not permitted"
    MODIFY_LIMIT = "modified too often"
    NOT_REDUCE_ONLY = "the order is not reduce-only"
    ISOLATED = "not while a symbol is isolated"
    JOINT = "not in multi-assets mode"


FUTURES_ONLY = frozenset(
    (
        Refusal.INSUFFICIENT_MARGIN,
        Refusal.REDUCE_ONLY,
        Refusal.POSITION_SIDE,
        Refusal.OPEN_ORDERS,
        Refusal.OPEN_POSITION,
        Refusal.NO_CHANGE,
        Refusal.LEVERAGE,
        Refusal.MODIFY_LIMIT,
        Refusal.NOT_REDUCE_ONLY,
        Refusal.ISOLATED,
        Refusal.JOINT,
    )
)
"""What a spot exchange never says."""


class Refused(Exception):
    """Raised by an exchange's commands; nothing was changed."""

    def __init__(self, refusal: Refusal, detail: str = "") -> None:
        super().__init__(refusal.value, detail)
        self.refusal = refusal
        self.detail = detail


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a listing a perpetual future, settled in its quote. Rates are parts of one."""

    max_leverage: int = 125
    maintenance_rate: Decimal = Decimal("0.004")
    """Of a position's value; one tier, whatever its size."""
    liquidation_fee: Decimal = Decimal("0.0125")
    trigger_protect: Decimal = Decimal("0.05")
    """How far last trade and mark price may be apart where a protected conditional order fires, as
    a part of the mark price."""
    interest_rate: Decimal = Decimal("0.0001")
    """What funding tends to, per interval."""
    funding_hours: int = 8


class PositionSide(StrEnum):
    """Which position an order works for: the only one, or one of two in hedge mode."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol and its rules. A limit of 0 is no limit."""

    symbol: str
    """Our spelling, `BTC-USDT`."""
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    price_step: int = 1
    """In an order, a price is a multiple of so many ticks: more once the venue made its grid
    coarser, while older orders stand where they stood."""
    lot_step: int = 1
    """The same for its size."""
    min_price: int = 1
    max_price: int = 0
    min_lots: int = 1
    max_lots: int = 0
    market_max_lots: int = 0
    min_notional: Decimal = Decimal(0)
    max_notional: Decimal = Decimal(0)
    percent_up: Decimal = Decimal(0)
    percent_down: Decimal = Decimal(0)
    range_up: Decimal = Decimal(0)
    """How far from its reference price takers trade, as parts of it; 0 for any (binance §7.2)."""
    range_down: Decimal = Decimal(0)
    max_orders: int = 200
    max_algo_orders: int = 5
    max_iceberg_orders: int = 0
    max_amends: int = 10
    max_lists: int = 20
    iceberg_parts: int = 100
    plain_filters: bool = False
    """Whether its filters are PERCENT_PRICE and MIN_NOTIONAL, as symbols of old have them."""
    min_trailing_bips: int = 10
    max_trailing_bips: int = 2000
    max_position: Decimal = Decimal(0)
    kinds: tuple[Kind, ...] = tuple(Kind)
    default_stp: Stp = Stp.EXPIRE_MAKER
    allowed_stp: tuple[Stp, ...] = tuple(Stp)
    status: str = "TRADING"
    maker_fee: Decimal = Decimal("0.001")
    taker_fee: Decimal = Decimal("0.001")
    start_price: int = 0
    """Where a market begins, in ticks, before the first trade."""
    contract: Contract | None = None
    """None for spot, where base and quote change hands."""


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A request. Exactly one of `lots` and `quote` (quote units, MARKET only)."""

    account: str
    symbol: str
    side: Side
    kind: Kind
    tif: Tif = Tif.GTC
    lots: int | None = None
    quote: Decimal | None = None
    price: int | None = None
    stop_price: int | None = None
    trailing_bips: int | None = None
    iceberg_lots: int = 0
    client_id: str = ""
    """"" lets the exchange choose one."""
    stp: Stp | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None
    reduce_only: bool = False
    """Of a future: may only make the position smaller."""
    position_side: PositionSide = PositionSide.BOTH
    good_till: int = 0
    """When a future's order is to expire; 0 for never."""
    price_match: str = "NONE"
    """How the price of a future's order was taken from the book; told back, nothing more."""
    retail: bool = False
    """Whether a future's order improves retail prices; told back, nothing more."""
    origin: str = ""
    """The type of the conditional order that it came of."""


class SimOrder(msgspec.Struct, kw_only=True, gc=False):
    """An order as the exchange holds it. Times are ns since the epoch; ids begin at 1.

    A façade reads these and never writes them.
    """

    order_id: int
    account: str
    symbol: str
    side: Side
    kind: Kind
    tif: Tif
    lots: int
    """Original size; for a quote-sized market order what was worked out, 0 before."""
    quote: Decimal = Decimal(0)
    price: int = 0
    reserve_price: int = 0
    """What the exchange keeps locked per lot of a BUY, in ticks; 0 where it locks nothing."""
    stop_price: int = 0
    trailing_bips: int = 0
    trailing_since: int = -1
    iceberg_lots: int = 0
    client_id: str
    original_client_id: str = ""
    """Set when a cancel or an amend gave the order another client id."""
    stp: Stp
    strategy_id: int | None = None
    strategy_type: int | None = None
    status: Status = Status.NEW
    filled_lots: int = 0
    filled_quote: Decimal = Decimal(0)
    prevented_lots: int = 0
    created: int = 0
    updated: int = 0
    working_since: int = -1
    """When it entered the book or began to trade; -1 for a stop that waits."""
    on_book: bool = False
    expiry_reason: str = ""
    amends: int = 0
    list_id: int = -1
    """The order list that it belongs to; -1 for none."""
    holds: bool = True
    """Whether money is set aside for it: not before it may work, and once for a pair of an OCO."""
    reduce_only: bool = False
    position_side: PositionSide = PositionSide.BOTH
    good_till: int = 0
    price_match: str = "NONE"
    retail: bool = False
    origin: str = ""

    @property
    def left(self) -> int:
        return self.lots - self.filled_lots - self.prevented_lots


class Contingency(StrEnum):
    """What binds the orders of a list; one with a pending pair is an OTO too (binance §5.12)."""

    OCO = "OCO"
    OTO = "OTO"


class ListStep(StrEnum):
    """What has just happened to a list."""

    STARTED = "EXEC_STARTED"
    UPDATED = "UPDATED"
    DONE = "ALL_DONE"


class NewList(msgspec.Struct, frozen=True, kw_only=True):
    """A request for several orders that depend on one another, all of one symbol and account.

    `pair`: one cancels the other; both work at once, or when `working` has been filled whole.
    `pending`: a single order that begins to work then.
    """

    client_id: str = ""
    working: NewOrder | None = None
    pending: NewOrder | None = None
    pair: tuple[NewOrder, NewOrder] | None = None

    @property
    def orders(self) -> list[NewOrder]:
        """All of them, in the order in which they get their ids."""
        single = [order for order in (self.working, self.pending) if order is not None]
        return [*single, *(self.pair or ())]


class OrderList(msgspec.Struct, kw_only=True):
    """A list as the exchange holds it. A façade reads these and never writes them."""

    list_id: int
    account: str
    symbol: str
    contingency: Contingency
    client_id: str
    orders: list[SimOrder]
    working: SimOrder | None = None
    pair: tuple[SimOrder, SimOrder] | None = None
    created: int = 0
    updated: int = 0
    done: bool = False


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """A book as the market sees it: (price, lots), best first, as of `update_id`."""

    update_id: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


class Fact(msgspec.Struct, frozen=True, gc=False):
    """What all facts share. `execution` rises by at least one per fact of a symbol.

    Accounts opened as unlimited (the crowd's) are quiet: they cause `Traded` and `LevelChanged`
    and no other fact, and their orders are not copied into facts. While an exchange is hushed there
    is a `PublicTrade` where two of them meet, and no `LevelChanged` at all.
    """

    at: int
    symbol: str


class Accepted(Fact, frozen=True, kw_only=True):
    """An order came to be: on the book, about to trade, or waiting as a stop. `order` is a copy."""

    execution: int
    order: SimOrder


class Triggered(Fact, frozen=True, kw_only=True):
    """A stop was touched and its order now works."""

    execution: int
    order: SimOrder


class Traded(Fact, frozen=True):
    """One match. `taker` and `maker` are copies taken after it."""

    trade_id: int
    price: int
    lots: int
    taker_side: Side
    taker: SimOrder
    maker: SimOrder
    taker_execution: int
    maker_execution: int
    taker_fee: Decimal
    taker_fee_asset: str
    maker_fee: Decimal
    maker_fee_asset: str
    public: bool = True
    """False for a fill against a recorded market, whose public trades are the recorded ones."""
    taker_result: Decimal = Decimal(0)
    """What it realised of the taker's position; futures alone have one."""
    maker_result: Decimal = Decimal(0)

    @property
    def taker_order(self) -> int:
        return self.taker.order_id


class PublicTrade(Fact, frozen=True):
    """What everybody may know of a match; what is remembered of it once it has been told."""

    trade_id: int
    price: int
    lots: int
    taker_side: Side
    taker_order: int = 0
    """The taker's order; 0 where nobody knows it, in a recording."""


class Ended(Fact, frozen=True, kw_only=True):
    """An order was CANCELED or EXPIRED (its `status`)."""

    execution: int
    order: SimOrder


class Amended(Fact, frozen=True, kw_only=True):
    """An order was made smaller and kept its place."""

    execution: int
    order: SimOrder
    lots_before: int


class Prevented(Fact, frozen=True, kw_only=True):
    """A match between two orders of one account was prevented by `stp`.

    Told once per order that lost `lots` by it. `order.status` is EXPIRED_IN_MATCH when nothing was
    left, and then this is the order's last fact: no `Ended` follows.
    """

    execution: int
    order: SimOrder
    counter_order_id: int
    prevented_id: int
    price: int
    lots: int
    rested: bool
    """Whether this order was the one that stood in the book."""
    mode: Stp
    """The taker's, which decided."""


class ListChanged(Fact, frozen=True, kw_only=True):
    """A list began, was renamed in one of its orders, or is over whole."""

    account: str
    list_id: int
    contingency: Contingency
    client_id: str
    step: ListStep
    done: bool
    members: tuple[tuple[int, str], ...]
    """(order id, client id), as of now."""


class BalanceChanged(Fact, frozen=True, kw_only=True):
    """An account's absolute amounts after a change; `symbol` is the one that caused it, or ""."""

    account: str
    asset: str
    free: Decimal
    locked: Decimal


class Deposited(Fact, frozen=True, kw_only=True):
    """Money came to an account from outside, or left it (negative); `BalanceChanged` follows."""

    account: str
    asset: str
    amount: Decimal


class LevelChanged(Fact, frozen=True):
    """The visible size at a price is now `lots` (0: gone). `update_id` is dense per symbol."""

    side: Side
    price: int
    lots: int
    update_id: int


class StatusChanged(Fact, frozen=True, kw_only=True):
    """The symbol opened, halted or closed."""

    status: str


class Recorded(Fact, frozen=True, kw_only=True):
    """A payload of a recorded market is due, byte for byte as it was received.

    `stream` is the name it was sent under; the envelope that carried name and payload together is
    taken off. "" for a payload that came without a name.
    """

    stream: str
    payload: bytes
