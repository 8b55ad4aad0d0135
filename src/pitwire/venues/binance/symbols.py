"""Our `BTC-USDT` and Binance's `BTCUSDT`, both ways, and instruments from exchangeInfo.

House rules: a spelling learned from the venue or from a caller wins; before that the quote asset
is recognised by its end, longest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from pitwire.model.errors import ConfigError
from pitwire.model.instruments import Instrument
from pitwire.model.orders import OrderType
from pitwire.model.symbols import Symbol
from pitwire.venues.binance.frames import Filter, SymbolInfo
from pitwire.venues.reading import amount

VENUE = "binance"

_QUOTES = sorted(
    (
        "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USD1", "USDS", "RLUSD", "EURI", "AEUR",
        "DAI", "BTC", "ETH", "BNB", "XRP", "TRX", "DOGE", "SOL", "EUR", "TRY", "BRL", "JPY", "GBP",
        "AUD", "RUB", "UAH", "PLN", "ARS", "ZAR", "NGN", "IDR", "BIDR", "IDRT", "BVND", "BKRW",
        "VAI", "UST", "PAX", "MXN", "COP", "CZK", "RON", "USD",
    ),
    key=len,
    reverse=True,
)  # fmt: skip
_GUESSES_KEPT = 10_000

ORDER_TYPES: Mapping[str, OrderType] = {
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.POST_ONLY,
    "MARKET": OrderType.MARKET,
    "STOP_LOSS": OrderType.STOP,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT,
    "TAKE_PROFIT_LIMIT": OrderType.TAKE_PROFIT_LIMIT,
}
"""Their word → ours (§7.3)."""


class Symbols(dict[str, str]):
    """Their spelling → ours, as a mapping that never misses; `native` is the way back."""

    def __init__(self) -> None:
        super().__init__()
        self._natives: dict[str, str] = {}
        self.texts: dict[bytes, str] = {}
        """Their spelling as binary frames have it, with its length, → ours: kept by who reads
        those, until a spelling is learned."""

    def __missing__(self, native: str) -> str:
        ours = guess(native)
        if len(self) < _GUESSES_KEPT:
            self[native] = ours
        return ours

    def learn(self, ours: str, native: str) -> None:
        """Both spellings of one symbol."""
        self[native] = ours
        self._natives[ours] = native
        self.texts.clear()

    def native(self, ours: str) -> str:
        """Their spelling of ours; raises `ConfigError` for what cannot be a symbol."""
        known = self._natives.get(ours)
        if known is not None:
            return known
        symbol = Symbol.parse(ours)
        if not symbol.quote:
            raise ConfigError(
                where="symbol", found=ours, expected="a pair such as BTC-USDT on binance"
            )
        native = symbol.base + symbol.quote
        self.learn(ours, native)
        return native


def guess(native: str) -> str:
    """Our spelling of theirs, by the quote asset at its end; itself where none is known."""
    for quote in _QUOTES:
        if native.endswith(quote) and len(native) > len(quote):
            return f"{native[: -len(quote)]}-{quote}"
    return native


def instrument(info: SymbolInfo) -> Instrument:
    """One entry of exchangeInfo with its filters (§7.1); a filter that is absent limits nothing."""
    filters = {item.filter_type: item for item in info.filters}
    absent = Filter(filter_type="")
    price = filters.get("PRICE_FILTER", absent)
    lot = filters.get("LOT_SIZE", absent)
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL", absent)
    return Instrument(
        venue=VENUE,
        symbol=f"{info.base_asset}-{info.quote_asset}",
        native=info.symbol,
        base=info.base_asset,
        quote=info.quote_asset,
        tick=_step(price.tick_size, info.quote_asset_precision, "tickSize"),
        lot=_step(lot.step_size, info.base_asset_precision, "stepSize"),
        min_price=amount(price.min_price, "minPrice"),
        max_price=amount(price.max_price, "maxPrice"),
        min_size=amount(lot.min_qty, "minQty"),
        max_size=amount(lot.max_qty, "maxQty"),
        market_max_size=amount(filters.get("MARKET_LOT_SIZE", absent).max_qty, "maxQty"),
        min_notional=amount(notional.min_notional, "minNotional"),
        max_notional=amount(notional.max_notional, "maxNotional"),
        notional_applies_to_market=notional.apply_to_market and notional.apply_min_to_market,
        base_digits=info.base_asset_precision,
        quote_digits=info.quote_asset_precision,
        status=info.status,
        order_types=_types(info.order_types),
        max_open_orders=filters.get("MAX_NUM_ORDERS", absent).max_num_orders,
    )


def _step(text: str, digits: int, path: str) -> Decimal:
    # A step of 0 switches the rule off (§7.1); the asset's own precision still binds (-1111).
    return amount(text, path) or Decimal(1).scaleb(-digits)


def _types(names: Iterable[str]) -> tuple[OrderType, ...]:
    return tuple(ORDER_TYPES[name] for name in names if name in ORDER_TYPES)
