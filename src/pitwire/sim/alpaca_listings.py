"""What trades at the simulated Alpaca: crypto in parts of a coin, stocks in whole shares.

House rules: `BTC/USD` is our `BTC-USD`, `AAPL` our `AAPL-USD`; steps are near those of the venue's
own assets, a minimum order is worth a dollar; commissions are left out, as stocks have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from pitwire.model.errors import ConfigError
from pitwire.model.symbols import Symbol
from pitwire.sim.facts import Kind, Listing

_KINDS = (Kind.LIMIT, Kind.MARKET, Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT)
_COINS = frozenset(
    (
        "AAVE", "ADA", "AVAX", "BAT", "BCH", "BTC", "CRV", "DOGE", "DOT", "ETH", "GRT", "LINK",
        "LTC", "PEPE", "SHIB", "SOL", "SUSHI", "TRUMP", "UNI", "USDC", "USDT", "XRP", "XTZ", "YFI",
    )
)  # fmt: skip
"""Bases that are crypto; any other is a stock."""
_QUOTES = ("USD", "USDC", "USDT", "BTC")
_CRYPTO = Listing(
    symbol="",
    base="",
    quote="USD",
    tick=Decimal("0.01"),
    lot=Decimal("0.0001"),
    max_price=1_000_000_000,
    max_lots=10_000_000_000,
    min_notional=Decimal(1),
    kinds=_KINDS,
    maker_fee=Decimal(0),
    taker_fee=Decimal(0),
    start_price=10_000,
)
_STOCK = msgspec.structs.replace(_CRYPTO, lot=Decimal(1), max_lots=10_000_000)
_STARTS = {"BTC": 6_000_000, "ETH": 300_000, "AAPL": 17_500, "SPY": 50_000, "FAKEPACA": 13_400}
"""In cents."""
ALPACA_STAKES: Mapping[str, Decimal] = {
    "USD": Decimal(1_000_000),
    "BTC": Decimal(10),
    "ETH": Decimal(100),
    "AAPL": Decimal(1_000),
    "SPY": Decimal(1_000),
}
"""What an account begins with; a paper account of the venue has dollars alone."""


def alpaca_listing(symbol: str) -> Listing:
    """The rules of a symbol: crypto where its base is a coin, else a stock in whole shares."""
    pair = Symbol.parse(symbol)
    is_coin = pair.base in _COINS
    if not pair.quote or pair.quote not in (_QUOTES if is_coin else ("USD",)):
        expected = f"a pair such as BTC-USD or AAPL-USD, in {', '.join(_QUOTES)}"
        raise ConfigError(where="symbol", found=symbol, expected=expected)
    steps = {"BTC": Decimal("0.00001")}
    plain = _CRYPTO if is_coin else _STOCK
    return msgspec.structs.replace(
        plain,
        symbol=symbol,
        base=pair.base,
        quote=pair.quote,
        lot=steps.get(pair.base, plain.lot),
        start_price=_STARTS.get(pair.base, plain.start_price),
    )


FAKEPACA = alpaca_listing("FAKEPACA-USD")
"""The ticker of the test stream, which is always on."""
ALPACA_LISTINGS = (
    *(alpaca_listing(name) for name in ("BTC-USD", "ETH-USD", "AAPL-USD", "SPY-USD")),
    FAKEPACA,
)


def as_asset(listing: Listing) -> Listing:
    """A listing with the kinds of orders that this venue takes."""
    return msgspec.structs.replace(listing, kinds=_KINDS)
