"""Our spellings and the futures': a perpetual is a pair, a dated contract a root with its expiry.

`BTC-USDT` is `BTCUSDT`, `BTCUSDT-210924` is `BTCUSDT_210924`; on COIN-M `ETH-USD` is `ETHUSD_PERP`.

House rules: a spelling learned from the venue's listing wins; before that the quote asset is
recognised by its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from pitwire.model.errors import ConfigError
from pitwire.model.instruments import Instrument
from pitwire.model.orders import OrderType
from pitwire.model.symbols import Symbol
from pitwire.venues.binance_futures.frames import Filter, SymbolInfo
from pitwire.venues.binance_futures.house import COINM, House
from pitwire.venues.reading import amount

_QUOTES = ("USDT", "USDC", "BUSD", "USD1", "BTC", "ETH", "BNB")
_COINM_QUOTE = "USD"
"""Every contract of COIN-M is in dollars, so that BNBUSD_PERP is not a BN in BUSD."""
_DATED_IN_BUSD = ("BTCBUSD", "ETHBUSD")
"""Any other pair of a dated contract that ends so is one of COIN-M, as BNBUSD_210924 was."""
_GUESSES_KEPT = 10_000

ORDER_TYPES: Mapping[str, OrderType] = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP": OrderType.STOP_LIMIT,
    "STOP_MARKET": OrderType.STOP,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT_LIMIT,
    "TAKE_PROFIT_MARKET": OrderType.TAKE_PROFIT,
    "TRAILING_STOP_MARKET": OrderType.STOP,
}
"""Their word → ours; a LIMIT that is GTX is post-only, a stop that trails a stop (§11.5)."""


class Symbols(dict[str, str]):
    """Their spelling → ours, as a mapping that never misses; `native` is the way back."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self._house = house
        self._natives: dict[str, str] = {}

    def __missing__(self, native: str) -> str:
        ours = guess(native)
        if len(self) < _GUESSES_KEPT:
            self[native] = ours
        return ours

    def learn(self, ours: str, native: str) -> None:
        """Both spellings of one symbol."""
        self[native] = ours
        self._natives[ours] = native

    def native(self, ours: str) -> str:
        """Their spelling of ours; raises `ConfigError` for what cannot be a symbol."""
        known = self._natives.get(ours)
        if known is not None:
            return known
        symbol = Symbol.parse(ours)
        if not (symbol.quote or (symbol.expiry and self._may_trade(symbol.base))):
            raise ConfigError(
                where="symbol",
                found=ours,
                expected=f"BTC-USDT or BTCUSDT-261225 on {self._house.name}",
            )
        perpetual = "_PERP" if self._house is COINM else ""
        tail = f"_{symbol.expiry}" if symbol.expiry else f"{symbol.quote}{perpetual}"
        native = f"{symbol.base}{tail}"
        self.learn(ours, native)
        return native

    def _may_trade(self, pair: str) -> bool:
        """Whether contracts on this pair may be of this house: those in dollars are COIN-M's."""
        in_dollars = pair.endswith(_COINM_QUOTE) and pair not in _DATED_IN_BUSD
        return self._house is COINM or not in_dollars


def guess(native: str) -> str:
    """Our spelling of theirs, by the quote asset at its end; itself where none is known."""
    pair, _, tail = native.partition("_")
    if tail == "PERP":
        return f"{pair.removesuffix(_COINM_QUOTE)}-{_COINM_QUOTE}"
    if tail:
        return f"{pair}-{tail}"
    for quote in _QUOTES:
        if pair.endswith(quote) and len(pair) > len(quote):
            return f"{pair[: -len(quote)]}-{quote}"
    return native


def instrument(info: SymbolInfo, house: House) -> Instrument:
    """One entry of exchangeInfo with its filters (§11.4); an absent filter limits nothing."""
    filters = {item.filter_type: item for item in info.filters}
    absent = Filter(filter_type="")
    price = filters.get("PRICE_FILTER", absent)
    lot = filters.get("LOT_SIZE", absent)
    tail = info.symbol.partition("_")[2]
    perpetual = tail in ("", "PERP")
    return Instrument(
        venue=house.name,
        symbol=f"{info.base_asset}-{info.quote_asset}" if perpetual else f"{info.pair}-{tail}",
        native=info.symbol,
        base=info.base_asset,
        quote=info.quote_asset,
        margin=info.margin_asset,
        # Never from pricePrecision, which is not the tick (§11.4).
        tick=_step(price.tick_size, info.quote_precision, "tickSize"),
        lot=_step(lot.step_size, info.base_asset_precision, "stepSize"),
        min_price=amount(price.min_price, "minPrice"),
        max_price=amount(price.max_price, "maxPrice"),
        min_size=amount(lot.min_qty, "minQty"),
        max_size=amount(lot.max_qty, "maxQty"),
        market_max_size=amount(filters.get("MARKET_LOT_SIZE", absent).max_qty, "maxQty"),
        min_notional=amount(filters.get("MIN_NOTIONAL", absent).notional, "notional"),
        base_digits=info.base_asset_precision,
        quote_digits=info.quote_precision,
        status=info.status or info.contract_status,
        order_types=_types(info.order_types),
        max_open_orders=filters.get("MAX_NUM_ORDERS", absent).limit,
    )


def _step(text: str, digits: int, path: str) -> Decimal:
    return amount(text, path) or Decimal(1).scaleb(-digits)


def _types(names: Iterable[str]) -> tuple[OrderType, ...]:
    types: dict[OrderType, None] = {}
    for name in names:
        if name in ORDER_TYPES:
            types[ORDER_TYPES[name]] = None
        if name == "LIMIT":  # §11.5: GTX makes it post-only
            types[OrderType.POST_ONLY] = None
    return tuple(types)
