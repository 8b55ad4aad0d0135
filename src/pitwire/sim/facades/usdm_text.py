"""How Binance's futures spell numbers and refusals (binance §11.3, §11.8).

House rules: prices have the symbol's own precision, sizes its lot's, amounts of money eight
digits; nothing at all is "0" in what is told of an order or a position, as in the live capture. Of
the codes beyond the sheet's list, number and wording are our reading of the venue's table.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

from pitwire.sim.facades.binance_text import ApiError, Scale
from pitwire.sim.facts import Kind, Listing, NewOrder, Refusal, Refused

_STEP = Decimal("0.00000001")
FOREVER_MS, ONBOARD_MS = 4_133_404_800_000, 1_569_398_400_000
"""When a perpetual contract is delivered, and when ours were listed."""
USDM = 1
"""`st`: which of the two universes a symbol belongs to (binance §11.2)."""


class FuturesScale(Scale):
    """A contract's arithmetic, in its own digits."""

    __slots__ = ("price_digits", "size_digits")

    def __init__(self, listing: Listing) -> None:
        super().__init__(listing)
        self.price_digits = _digits(listing.tick)
        self.size_digits = _digits(listing.lot)

    def _spell_price(self, ticks: int) -> str:
        return f"{ticks * self.listing.tick:.{self.price_digits}f}"

    def _spell_size(self, lots: int) -> str:
        return f"{lots * self.listing.lot:.{self.size_digits}f}"

    def quote(self, volume: int) -> str:
        """As bars have it: all the digits that a price times a size can have."""
        value = volume * self.listing.tick * self.listing.lot
        return f"{value:.{self.price_digits + self.size_digits}f}"

    def money(self, volume: int) -> str:
        """As tickers and trades have it: the digits of a price."""
        value = volume * self.listing.tick * self.listing.lot
        step = Decimal(1).scaleb(-self.price_digits)
        return format(value.quantize(step, rounding=ROUND_DOWN), "f")

    def change(self, ticks: int) -> str:
        return self.price(ticks)

    def average(self, value: Decimal) -> str:
        """An average price."""
        step = Decimal(1).scaleb(-self.price_digits - self.size_digits)
        return format(value.quantize(step, rounding=ROUND_HALF_EVEN), "f")

    def to_ticks(self, value: Decimal) -> int:
        ticks, rest = divmod(value, self.listing.tick)
        if rest:
            raise ApiError(-4014, "Price not increased by tick size.")
        return int(ticks)

    def to_lots(self, value: Decimal) -> int:
        if value <= 0:
            raise ApiError(-4003, "Quantity less than or equal to zero.")
        lots, rest = divmod(value, self.listing.lot)
        if rest:
            raise ApiError(-4023, "Qty not increased by step size.")
        return int(lots)


def _digits(step: Decimal) -> int:
    exponent = step.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def eight(value: Decimal) -> str:
    """An amount with its eight digits."""
    return format(value.quantize(_STEP, rounding=ROUND_DOWN), "f")


def short(value: Decimal) -> str:
    """The shortest text: "0" for nothing."""
    return format(value.normalize(), "f") if value else "0"


def none_or(value: int | Decimal, text: str) -> str:
    """The text, or "0" for nothing."""
    return text if value else "0"


_TEXTS = {
    Refusal.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Refusal.MARKET_CLOSED: (-4140, "Invalid symbol status for opening position."),
    Refusal.INSUFFICIENT_MARGIN: (-2019, "Margin is insufficient."),
    Refusal.INSUFFICIENT_BALANCE: (-2019, "Margin is insufficient."),
    Refusal.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    Refusal.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
    Refusal.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    Refusal.TYPE_NOT_SUPPORTED: (-1116, "Invalid orderType."),
    Refusal.STP_NOT_ALLOWED: (
        -1130,
        "Data sent for parameter 'selfTradePreventionMode' is not valid.",
    ),
    Refusal.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Refusal.POSITION_SIDE: (-4061, "Order's position side does not match user's setting."),
    Refusal.OPEN_ORDERS: (-4067, "Position side cannot be changed if there exists open orders."),
    Refusal.OPEN_POSITION: (-4068, "Position side cannot be changed if there exists position."),
    Refusal.NO_CHANGE: (-4059, "No need to change position side."),
    Refusal.AMEND_NO_CHANGE: (-5027, "No need to modify the order."),
    Refusal.MODIFY_LIMIT: (-5026, "Exceed maximum modify order limit."),
    Refusal.NOT_REDUCE_ONLY: (-5047, "The original order is not a reduce-only order"),
    Refusal.ISOLATED: (
        -4167,
        "Unable to adjust to Multi-Assets mode with symbols of USDⓈ-M Futures under "
        "isolated-margin mode.",
    ),
    Refusal.JOINT: (
        -4168,
        "Unable to adjust to isolated-margin mode under the Multi-Assets mode.",
    ),
    Refusal.ACCOUNT_DISABLED: (-2015, "Invalid API-key, IP, or permissions for action."),
}
_FILTERS = {
    "LOT_SIZE": (-4005, "Quantity greater than max quantity."),
    "MARKET_LOT_SIZE": (-4005, "Quantity greater than max quantity."),
    "NOTIONAL": (
        -4164,
        "Order's notional must be no smaller than {} (unless you choose reduce only).",
    ),
    "MAX_NUM_ORDERS": (-2025, "Reach max open order limit."),
    "MAX_NUM_ALGO_ORDERS": (-4045, "Reach max stop order limit."),
}
WRONG_TYPE = (
    -4120,
    "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
)
TOO_SMALL = (-4004, "Quantity less than min quantity.")
TOO_LATE = (-5028, "Timestamp for this request is outside of the ME recvWindow.")
FOK_REFUSED = (
    -5021,
    "Due to the order could not be filled immediately, the FOK order has been rejected. "
    "The order will not be recorded in the order history",
)


def refused(error: Refused, *, code: int = -2011) -> ApiError:
    """The exchange's no in the venue's words; `code` is that of an unknown order."""
    if error.refusal in (Refusal.UNKNOWN_ORDER, Refusal.ID_MISMATCH):
        text = "Order does not exist." if code == -2013 else "Unknown order sent."
        return ApiError(code, text)
    if error.refusal is Refusal.LEVERAGE:
        return ApiError(-4028, "Leverage is not valid")
    if error.refusal is Refusal.FILTER and error.detail in _FILTERS:
        return ApiError(*_FILTERS[error.detail])
    return ApiError(*_TEXTS.get(error.refusal, (-1013, f"Filter failure: {error.detail}")))


def order_refused(error: Refused, request: NewOrder, scale: FuturesScale, mark: int) -> ApiError:
    """The same of a new order, where the text names what would have been right."""
    listing = scale.listing
    if error.refusal is not Refusal.FILTER:
        return refused(error)
    if error.detail == "NOTIONAL":
        code, text = _FILTERS["NOTIONAL"]
        return ApiError(code, text.format(short(listing.min_notional)))
    if error.detail == "LOT_SIZE" and (request.lots or 0) < listing.min_lots:
        return ApiError(*TOO_SMALL)
    if error.detail == "PRICE_FILTER" and (request.price or 0) < listing.min_price:
        return ApiError(-4013, "Price less than min price.")
    if error.detail == "LOT_SIZE" and (request.lots or 0) % listing.lot_step:
        return ApiError(-4023, "Qty not increased by step size.")
    if error.detail == "PRICE_FILTER" and (request.price or 0) % listing.price_step:
        return ApiError(-4014, "Price not increased by tick size.")
    if error.detail == "PRICE_FILTER":
        return ApiError(-4002, "Price greater than max price.")
    if error.detail == "PERCENT_PRICE":
        up = (request.price or 0) > mark
        share = listing.percent_up if up else listing.percent_down
        bound = scale.price(int(mark * share))
        if up:
            return ApiError(-4016, f"Limit price can't be higher than {bound}.")
        return ApiError(-4024, f"Limit price can't be lower than {bound}.")
    return refused(error)


def order_type(kind: Kind) -> str:
    """A post-only order is a LIMIT with another time in force."""
    return "MARKET" if kind is Kind.MARKET else "LIMIT"
