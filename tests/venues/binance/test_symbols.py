"""Spellings both ways, and instruments from exchangeInfo."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from pitwire.model.errors import ConfigError, MalformedFrame, OffGrid
from pitwire.model.orders import OrderType
from pitwire.venues.binance.codec import BinanceCodec
from pitwire.venues.binance.symbols import Symbols
from pitwire.venues.venue import CodecOptions, Role

# §5.8, shortened to what is read.
BTCUSDT: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "baseAssetPrecision": 8,
    "quoteAsset": "USDT",
    "quoteAssetPrecision": 8,
    "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "SOMETHING_NEW"],
    "filters": [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": "0.01000000",
            "maxPrice": "1000000.00000000",
            "tickSize": "0.01000000",
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": "0.00001000",
            "maxQty": "9000.00000000",
            "stepSize": "0.00001000",
        },
        {"filterType": "ICEBERG_PARTS", "limit": 100},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": "141.67845966",
            "stepSize": "0.00000000",
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": "5.00000000",
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "A_NEW_FILTER", "limit": "odd"},
    ],
}


def read(**changes: Any) -> Any:
    codec = BinanceCodec(CodecOptions(role=Role.MARKET))
    body = json.dumps({"symbols": [{**BTCUSDT, **changes}]}).encode()
    [instrument] = codec.decode_instruments(body)
    return instrument


def test_an_instrument() -> None:
    found = read()
    assert (found.venue, found.symbol, found.native) == ("binance", "BTC-USDT", "BTCUSDT")
    assert (found.base, found.quote, found.status) == ("BTC", "USDT", "TRADING")
    assert (found.tick, found.lot) == (Decimal("0.01"), Decimal("0.00001"))
    assert (found.min_price, found.max_price) == (Decimal("0.01"), Decimal(1000000))
    assert (found.min_size, found.max_size) == (Decimal("0.00001"), Decimal(9000))
    assert found.market_max_size == Decimal("141.67845966")
    assert (found.min_notional, found.max_notional) == (Decimal(5), Decimal(9000000))
    assert found.notional_applies_to_market
    assert found.max_open_orders == 200
    assert found.order_types == (
        OrderType.LIMIT, OrderType.POST_ONLY, OrderType.MARKET, OrderType.STOP,
    )  # fmt: skip
    assert found.price(61837.634) == Decimal("61837.63")
    with pytest.raises(OffGrid):
        found.size("0.000001")


def test_the_older_notional_filter() -> None:
    old = {
        "filterType": "MIN_NOTIONAL",
        "minNotional": "10.0",
        "applyToMarket": False,
        "avgPriceMins": 5,
    }
    found = read(filters=[old])
    assert found.min_notional == 10
    assert not found.notional_applies_to_market


def test_a_switched_off_step_leaves_the_assets_precision() -> None:
    off = {"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0", "tickSize": "0.00000000"}
    assert read(filters=[off]).tick == Decimal("0.00000001")
    assert read(filters=[], baseAssetPrecision=2).lot == Decimal("0.01")


@pytest.mark.parametrize("text", ["-0.01", "NaN", "1e-2", "", "0,01"])
def test_a_step_that_is_no_number_is_malformed(text: str) -> None:
    with pytest.raises(MalformedFrame) as caught:
        read(filters=[{"filterType": "PRICE_FILTER", "tickSize": text}])
    assert caught.value.path == "tickSize"


@pytest.mark.parametrize(
    ("native", "ours"),
    [
        ("BTCUSDT", "BTC-USDT"),
        ("ETHBTC", "ETH-BTC"),
        ("BTCFDUSD", "BTC-FDUSD"),
        ("RENBTCETH", "RENBTC-ETH"),
        ("NEOUSDC", "NEO-USDC"),
        ("1000SATSTRY", "1000SATS-TRY"),
        ("USDT", "USDT"),
        ("SOMETHING", "SOMETHING"),
        ("１２３４５６", "１２３４５６"),
    ],
)
def test_a_quote_asset_is_known_by_its_end(native: str, ours: str) -> None:
    assert Symbols()[native] == ours


def test_what_was_learned_wins() -> None:
    symbols = Symbols()
    symbols.learn("AB-CDE", "ABCDE")
    assert symbols["ABCDE"] == "AB-CDE"
    assert symbols.native("AB-CDE") == "ABCDE"
    symbols.learn("ABC-USDT", "ABCUSDT-X")
    assert symbols.native("ABC-USDT") == "ABCUSDT-X"


def test_a_spelling_that_was_asked_for_comes_back() -> None:
    symbols = Symbols()
    assert symbols.native("A-BTCUSDT") == "ABTCUSDT"
    assert symbols["ABTCUSDT"] == "A-BTCUSDT"


@pytest.mark.parametrize("ours", ["AAPL", "ES-202612", "btc-usdt", "BTC-", "BTC USDT", ""])
def test_what_is_no_pair_here(ours: str) -> None:
    with pytest.raises(ConfigError):
        Symbols().native(ours)


def test_guesses_are_not_kept_without_bound() -> None:
    symbols = Symbols()
    for n in range(20_000):
        assert symbols[f"A{n}USDT"] == f"A{n}-USDT"
    assert len(symbols) == 10_000
