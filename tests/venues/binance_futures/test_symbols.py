"""Our spellings and theirs, both ways, and the rules of a listing (binance §11.4)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from pitwire.model.errors import ConfigError, MalformedFrame
from pitwire.model.orders import OrderType
from pitwire.venues.binance_futures import BINANCE_COINM, BINANCE_USDM
from pitwire.venues.binance_futures.house import COINM, USDM, House
from pitwire.venues.binance_futures.symbols import Symbols, guess
from pitwire.venues.venue import CodecOptions, Role, Venue


@pytest.mark.parametrize(
    ("house", "ours", "native"),
    [
        (USDM, "BTC-USDT", "BTCUSDT"),
        (USDM, "BTC-USDC", "BTCUSDC"),
        (USDM, "1000PEPE-USDT", "1000PEPEUSDT"),
        (USDM, "BTCUSDT-261225", "BTCUSDT_261225"),
        (COINM, "BNB-USD", "BNBUSD_PERP"),
        (COINM, "BTCUSD-261225", "BTCUSD_261225"),
    ],
)
def test_a_symbol_goes_both_ways(house: House, ours: str, native: str) -> None:
    assert guess(native) == ours
    assert Symbols(house).native(ours) == native
    assert Symbols(house)[native] == ours


def test_what_is_no_contract_is_refused() -> None:
    with pytest.raises(ConfigError, match="BTCUSDT-261225 on binance-usdm"):
        Symbols(USDM).native("BTC")


def test_a_spelling_learned_wins() -> None:
    symbols = Symbols(USDM)
    symbols.learn("FOO-BAR", "FOOBARUSDT")
    assert symbols.native("FOO-BAR") == "FOOBARUSDT"
    assert symbols["FOOBARUSDT"] == "FOO-BAR"


def listing(**more: Any) -> bytes:
    row = {
        "symbol": "BTCUSDT", "pair": "BTCUSDT", "contractType": "PERPETUAL", "status": "TRADING",
        "baseAsset": "BTC", "quoteAsset": "USDT", "marginAsset": "USDT", "pricePrecision": 2,
        "quantityPrecision": 3, "baseAssetPrecision": 8, "quotePrecision": 8,
        "orderTypes": ["LIMIT", "MARKET", "STOP", "TRAILING_STOP_MARKET"],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "556.8", "maxPrice": "4529764",
             "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120",
             "stepSize": "0.001"},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "100"},
        ],
        **more,
    }  # fmt: skip
    return json.dumps({"symbols": [row]}).encode()


def instrument(body: bytes, venue: Venue = BINANCE_USDM) -> Any:
    [found] = venue.codec(CodecOptions(role=Role.MARKET)).decode_instruments(body)
    return found


def test_a_listing_has_its_rules_and_its_margin() -> None:
    found = instrument(listing())
    assert (found.venue, found.symbol, found.margin) == ("binance-usdm", "BTC-USDT", "USDT")
    # The tick is the filter's and never 10 ** -pricePrecision.
    assert (found.tick, found.lot) == (Decimal("0.10"), Decimal("0.001"))
    assert (found.market_max_size, found.min_notional) == (Decimal(120), Decimal(100))
    assert found.max_open_orders == 200
    assert found.order_types == (
        OrderType.LIMIT, OrderType.POST_ONLY, OrderType.MARKET, OrderType.STOP_LIMIT,
        OrderType.STOP,
    )  # fmt: skip


def test_a_dated_contract_is_named_by_its_expiry() -> None:
    body = listing(symbol="BTCUSDT_261225", contractType="CURRENT_QUARTER")
    assert instrument(body).symbol == "BTCUSDT-261225"


def test_coin_margin_has_another_word_for_the_status() -> None:
    body = listing(
        symbol="BTCUSD_PERP", pair="BTCUSD", quoteAsset="USD", marginAsset="BTC", status="",
        contractStatus="PENDING_TRADING",
    )  # fmt: skip
    found = instrument(body, BINANCE_COINM)
    assert (found.symbol, found.margin, found.status) == ("BTC-USD", "BTC", "PENDING_TRADING")


def test_what_is_no_listing_is_refused() -> None:
    for body in (b"{}", b'{"symbols":[{"symbol":"A"}]}', b"<html>"):
        with pytest.raises(MalformedFrame, match="exchangeInfo"):
            instrument(body)
