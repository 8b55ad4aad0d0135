"""How Binance spells numbers, times and refusals.

House rules: prices and sizes are integers until they are text; text has eight decimals; a refusal
is an `ApiError` with the venue's code and exact words (binance §5.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal

from pitwire.model.clock import MICROSECOND, MILLISECOND
from pitwire.sim.facts import Kind, Listing, Refusal, Refused

EIGHT = 100_000_000
_KEPT_TEXTS = 4096
"""Of one symbol's prices, and of its sizes."""
_STEP = Decimal("0.00000001")
UNITS = {"MILLISECOND": MILLISECOND, "MICROSECOND": MICROSECOND}


class ApiError(Exception):
    """A refusal as the venue words it; `data` is what rides along in the error object."""

    def __init__(
        self, code: int, text: str, *, status: int = 400, data: dict[str, object] | None = None
    ) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.status = status
        self.data = data

    def body(self) -> dict[str, object]:
        """The error object of a WS answer, and the whole body of a REST answer."""
        found: dict[str, object] = {"code": self.code, "msg": self.text}
        if self.data is not None:
            found["data"] = self.data
        return found


def eights(units: int) -> str:
    """A count of 1e-8 as text with eight decimals."""
    if units < 0:
        return "-" + eights(-units)
    return f"{units // EIGHT}.{units % EIGHT:08d}"


def money(value: Decimal) -> str:
    """An exact amount as text with eight decimals."""
    return format(value.quantize(_STEP, rounding=ROUND_DOWN), "f")


def plain(value: Decimal) -> str:
    """A multiplier: shortest text, no exponent."""
    return format(value.normalize(), "f")


class Scale:
    """One listing's arithmetic: ticks and lots to text and back."""

    __slots__ = ("_prices", "_sizes", "listing", "lot", "symbol", "tick")

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.symbol = listing.base + listing.quote
        self.tick = int(listing.tick * EIGHT)
        self.lot = int(listing.lot * EIGHT)
        self._prices: dict[int, str] = {}
        self._sizes: dict[int, str] = {}

    def price(self, ticks: int) -> str:
        text = self._prices.get(ticks)
        return text if text is not None else _keep(self._prices, ticks, self._spell_price(ticks))

    def size(self, lots: int) -> str:
        text = self._sizes.get(lots)
        return text if text is not None else _keep(self._sizes, lots, self._spell_size(lots))

    def levels(self, side: Iterable[tuple[int, int]]) -> list[tuple[str, str]]:
        """(price, size) as text, of levels in ticks and lots."""
        known_price, known_size = self._prices.get, self._sizes.get
        return [
            (known_price(ticks) or self.price(ticks), known_size(lots) or self.size(lots))
            for ticks, lots in side
        ]

    def _spell_price(self, ticks: int) -> str:
        units = ticks * self.tick
        return f"{units // EIGHT}.{units % EIGHT:08d}"

    def _spell_size(self, lots: int) -> str:
        units = lots * self.lot
        return f"{units // EIGHT}.{units % EIGHT:08d}"

    def quote(self, volume: int) -> str:
        """Text of a volume, the sum of ticks × lots."""
        return eights(volume * self.tick * self.lot // EIGHT)

    def change(self, ticks: int) -> str:
        """A signed difference of prices."""
        return eights(ticks * self.tick)

    def to_ticks(self, value: Decimal) -> int:
        """Raises the venue's own filter failure when the price is off the grid."""
        ticks, rest = divmod(value, self.listing.tick)
        if rest:
            raise filter_failure("PRICE_FILTER")
        return int(ticks)

    def to_lots(self, value: Decimal) -> int:
        lots, rest = divmod(value, self.listing.lot)
        if rest:
            raise filter_failure("LOT_SIZE")
        return int(lots)


def _keep(texts: dict[int, str], number: int, text: str) -> str:
    """Remember how a number is spelt; nearly all are asked for again within seconds."""
    if len(texts) >= _KEPT_TEXTS:
        texts.clear()
    texts[number] = text
    return text


def filter_failure(name: str) -> ApiError:
    """binance §7.1: filters that count open orders answer from the matching engine."""
    counted = name.startswith(("MAX_NUM_", "MAX_POSITION", "EXCHANGE_MAX_"))
    return ApiError(-2010 if counted else -1013, f"Filter failure: {name}")


_NOT_SUPPORTED = {
    Kind.MARKET: "Market orders are not supported for this symbol.",
    Kind.STOP_LOSS: "Stop loss orders are not supported for this symbol.",
    Kind.STOP_LOSS_LIMIT: "Stop loss limit orders are not supported for this symbol.",
    Kind.TAKE_PROFIT: "Take profit orders are not supported for this symbol.",
    Kind.TAKE_PROFIT_LIMIT: "Take profit limit orders are not supported for this symbol.",
}
_ENGINE_TEXTS = {
    Refusal.MARKET_CLOSED: "Market is closed.",
    Refusal.INSUFFICIENT_BALANCE: "Account has insufficient balance for requested action.",
    Refusal.DUPLICATE_CLIENT_ID: "Duplicate order sent.",
    Refusal.UNKNOWN_ORDER: "Unknown order sent.",
    Refusal.WOULD_TAKE: "Order would immediately match and take.",
    Refusal.WOULD_TRIGGER: "Order would trigger immediately.",
    Refusal.RESTRICTED: "Order was not canceled due to cancel restrictions.",
    Refusal.NO_LIQUIDITY: ("Order book liquidity is less than `LOT_SIZE` filter minimum quantity."),
    Refusal.ICEBERG_SIZE: "IcebergQty exceeds QTY.",
    Refusal.AMEND_INCREASE: "Order amend (quantity increase) is not supported.",
    Refusal.AMEND_NO_CHANGE: "The requested action would change no state; rejecting",
    Refusal.AMEND_LIMIT: "Filter failure: MAX_NUM_ORDER_AMENDS",
    Refusal.ACCOUNT_DISABLED: "This action is disabled on this account.",
    Refusal.PRICE_RELATION: "The relationship of the prices for the orders is not correct.",
    Refusal.LISTS_NOT_SUPPORTED: "OCO orders are not supported for this symbol",
}
_FIXED = {
    Refusal.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Refusal.ID_MISMATCH: (-2039, "Client order ID is not correct for this order ID."),
    Refusal.STP_NOT_ALLOWED: (
        -1013,
        "This symbol does not allow the specified self-trade prevention mode.",
    ),
}


def refused(error: Refused, *, code: int, kind: Kind | None = None) -> ApiError:
    """The exchange's no in the venue's words; `code` is -2010, -2011, -2013 or -2038."""
    if error.refusal is Refusal.FILTER:
        return filter_failure(error.detail)
    if error.refusal in _FIXED:
        return ApiError(*_FIXED[error.refusal])
    if error.refusal is Refusal.TYPE_NOT_SUPPORTED:
        text = _NOT_SUPPORTED.get(kind or Kind.MARKET, "Unsupported order combination")
        return ApiError(code, text)
    if code == -2013:
        return ApiError(code, "Order does not exist.")
    return ApiError(code, _ENGINE_TEXTS[error.refusal])
