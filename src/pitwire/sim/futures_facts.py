"""What happens to positions and margins, beside what happens to orders.

House rules: as in `facts`; amounts are in the asset that a contract settles in, prices that are no
order's are exact Decimals in quote units.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from pitwire.model.orders import Side
from pitwire.sim.facts import Fact, PositionSide, SimOrder, Stp, Tif


class Reason(StrEnum):
    """Why an account's margin changed (binance §11.7, ACCOUNT_UPDATE)."""

    ORDER = "ORDER"
    DEPOSIT = "DEPOSIT"
    WITHDRAW = "WITHDRAW"
    FUNDING_FEE = "FUNDING_FEE"
    INSURANCE_CLEAR = "INSURANCE_CLEAR"
    MARGIN_TYPE_CHANGE = "MARGIN_TYPE_CHANGE"


class PositionState(msgspec.Struct, frozen=True, kw_only=True):
    """A position as of now. `lots` is below zero for a short one."""

    symbol: str
    side: PositionSide
    lots: int
    entry: Decimal
    """Average price, 0 without a position; rounded to eight digits, as it is shown."""
    breakeven: Decimal
    """The price at which it pays for its commissions too."""
    realised: Decimal
    """All that it has ever brought, commissions apart."""
    unrealised: Decimal
    mark: Decimal
    value: Decimal
    """At the mark price, below zero for a short one."""
    isolated: bool
    wallet: Decimal
    """What an isolated one has been given."""
    leverage: int
    initial: Decimal
    maintenance: Decimal
    order_margin: Decimal
    """What the open orders that may make it larger need beyond."""
    bids: Decimal
    asks: Decimal
    """Value of the open orders that may make it larger."""
    liquidation: Decimal
    """The mark price at which it would be closed by force; 0 where there is none."""
    updated: int


class MarginState(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has of the asset that it settles in, and what of it is spoken for."""

    wallet: Decimal
    cross: Decimal
    """The wallet less what isolated positions have been given."""
    unrealised: Decimal
    cross_unrealised: Decimal
    position_margin: Decimal
    order_margin: Decimal
    maintenance: Decimal
    available: Decimal


class MarginChanged(Fact, frozen=True, kw_only=True):
    """An account's wallet or positions changed; the positions are those that did."""

    account: str
    reason: Reason
    asset: str
    wallet: Decimal
    cross: Decimal
    change: Decimal
    """Of the wallet, results and commissions apart."""
    positions: tuple[PositionState, ...] = ()


class MarkChanged(Fact, frozen=True, kw_only=True):
    """The venue reckoned its prices again, as it does each second."""

    mark: Decimal
    index: Decimal
    settle: Decimal
    average: Decimal
    """Of the mark price over the last minute."""
    rate: Decimal
    """Funding, as it stands."""
    funding_at: int


class ConfigChanged(Fact, frozen=True, kw_only=True):
    """An account chose another leverage for a symbol, or another mode of margin."""

    account: str
    leverage: int = 0
    joint: bool | None = None
    """Whether several assets back everything from now on; None where the leverage was chosen."""


class MarginCalled(Fact, frozen=True, kw_only=True):
    """An account is about to be closed by force; told once each time."""

    account: str
    cross: Decimal
    positions: tuple[PositionState, ...]


class Liquidated(Fact, frozen=True, kw_only=True):
    """A position was closed by force, with this order."""

    order: SimOrder


class Modified(Fact, frozen=True, kw_only=True):
    """An order got another price or size, and the end of the queue."""

    execution: int
    order: SimOrder
    lots_before: int
    price_before: int
    modify_id: int | None = None
    """What the request called itself."""


class AlgoStatus(StrEnum):
    """The life of a conditional order (binance §11.7, ALGO_UPDATE)."""

    NEW = "NEW"
    TRIGGERING = "TRIGGERING"
    TRIGGERED = "TRIGGERED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class NewConditional(msgspec.Struct, frozen=True, kw_only=True):
    """A request for an order that waits for a price. Prices in ticks."""

    account: str
    symbol: str
    side: Side
    kind: str
    """STOP, TAKE_PROFIT (with a price), STOP_MARKET, TAKE_PROFIT_MARKET, TRAILING_STOP_MARKET."""
    lots: int = 0
    """0 with `close_position`."""
    price: int | None = None
    trigger: int = 0
    """Of a trailing stop: where it begins to follow; 0 for at once."""
    callback_bips: int = 0
    by_mark: bool = False
    """Whether the mark price sets it off, and not the last trade's."""
    close_position: bool = False
    reduce_only: bool = False
    price_protect: bool = False
    """Whether it must not fire while last trade and mark price are far apart."""
    position_side: PositionSide = PositionSide.BOTH
    tif: Tif = Tif.GTC
    post_only: bool = False
    stp: Stp | None = None
    client_id: str = ""
    good_till: int = 0


class Conditional(msgspec.Struct, kw_only=True):
    """A conditional order as the exchange holds it."""

    algo_id: int
    client_id: str
    request: NewConditional
    status: AlgoStatus = AlgoStatus.NEW
    order: SimOrder | None = None
    """What it became."""
    created: int = 0
    updated: int = 0
    triggered: int = 0
    extreme: Decimal | None = None
    """Of a trailing stop that follows: the best price so far."""
    why: str = ""


class ConditionalChanged(Fact, frozen=True, kw_only=True):
    """A conditional order took its next step; a copy."""

    account: str
    conditional: Conditional
