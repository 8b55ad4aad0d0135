"""Our `BTC-USD` and Alpaca's `BTC/USD`, both ways, and instruments from its assets (alpaca §5.9).

House rules: a spelling learned from the venue or from a caller wins; without a slash, as older
answers have it, the quote asset is recognised by its end.
"""

from __future__ import annotations

from decimal import Decimal

from pitwire.model.errors import ConfigError
from pitwire.model.instruments import Instrument
from pitwire.model.numbers import DIGIT_BUDGET
from pitwire.model.orders import OrderType
from pitwire.model.symbols import Symbol
from pitwire.venues.alpaca.frames import Asset
from pitwire.venues.alpaca.reading import VENUE
from pitwire.venues.reading import amount

CRYPTO = "crypto"
_QUOTES = ("USDT", "USDC", "USD", "BTC", "ETH")
_DOLLARS = ("USD", "USDT", "USDC")
_LEAST = Decimal(1)
"""No listing says what an order must be worth at least (unconfirmed)."""
_KEPT = 10_000
_STEP = Decimal("0.000000001")
"""Of sizes and prices where the venue names none: no number of its own has more digits."""
_DIGITS = 9
_STEPS = Decimal(10**DIGIT_BUDGET)
_USUAL = Decimal(10**8)


class Symbols(dict[str, str]):
    """Their spelling → ours, as a mapping that never misses; `native` is the way back."""

    def __init__(self) -> None:
        super().__init__()
        self._natives: dict[str, str] = {}

    def __missing__(self, native: str) -> str:
        ours = guess(native)
        if len(self) < _KEPT:
            self[native] = ours
        return ours

    def learn(self, ours: str, native: str) -> None:
        """Both spellings of one symbol, and theirs without the slash."""
        self[native] = self[native.replace("/", "")] = ours
        self._natives[ours] = native

    @property
    def bases(self) -> list[str]:
        """The base assets of all that was learned, once each."""
        return list(dict.fromkeys(ours.partition("-")[0] for ours in self._natives))

    def native(self, ours: str) -> str:
        """Their spelling of ours; raises `ConfigError` for what cannot be a symbol."""
        known = self._natives.get(ours)
        if known is not None:
            return known
        symbol = Symbol.parse(ours)
        if not symbol.quote:
            raise ConfigError(
                where="symbol", found=ours, expected="a pair such as BTC-USD on alpaca"
            )
        native = f"{symbol.base}/{symbol.quote}"
        self.learn(ours, native)
        return native


def guess(native: str) -> str:
    """Our spelling of theirs; itself where it is no pair."""
    if "/" in native:
        return native.replace("/", "-", 1)
    for quote in _QUOTES:
        if native.endswith(quote) and len(native) > len(quote):
            return f"{native[: -len(quote)]}-{quote}"
    return native


def instrument(asset: Asset) -> Instrument:
    """A crypto asset. The venue names no largest size and no largest price: the limits are ours,
    where without one a number might need more digits than a label has (docs/numbers.md)."""
    symbol = guess(asset.symbol)
    base, _, quote = symbol.partition("-")
    lot, tick = _step(asset.min_trade_increment), _step(asset.price_increment)
    trades = asset.tradable and asset.status == "active"
    return Instrument(
        venue=VENUE,
        symbol=symbol,
        native=asset.symbol,
        base=base,
        quote=quote,
        tick=tick,
        lot=lot,
        max_price=_most(tick),
        min_size=amount(asset.min_order_size, "min_order_size") if asset.min_order_size else lot,
        max_size=_most(lot),
        min_notional=_LEAST if quote in _DOLLARS else Decimal(0),
        base_digits=_DIGITS,
        quote_digits=_DIGITS,
        status="TRADING" if trades else asset.status.upper() or "HALT",
        order_types=(OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT),
    )


def _step(text: str | None) -> Decimal:
    return (amount(text, "increment") if text else _STEP) or _STEP


def _most(step: Decimal) -> Decimal:
    most = _STEPS * step - step
    return most if most < _USUAL else Decimal(0)
