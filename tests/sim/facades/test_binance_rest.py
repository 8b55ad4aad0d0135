"""The REST door (binance §9)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sim.binance_client import ApiClient, RestClient, quiet_world

ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "price": "59000.00",
    "quantity": "0.01",
}


@pytest.fixture
def client() -> RestClient:
    return RestClient(quiet_world())


def test_a_body_is_what_the_ws_api_calls_result(client: RestClient) -> None:
    assert client.get("/ping") == {}
    assert client.get("/time") == {"serverTime": 1_700_000_000_000}


def test_headers_say_what_was_used(client: RestClient) -> None:
    status, headers, _ = client.raw("GET", "/api/v3/ping")
    assert status == 200
    assert headers["content-type"] == "application/json;charset=UTF-8"
    assert headers["x-mbx-used-weight"] == headers["x-mbx-used-weight-1m"] == "1"
    assert len(headers["x-mbx-uuid"]) == 36
    assert "x-mbx-order-count-10s" not in headers


def test_a_placed_order_counts_in_the_headers(client: RestClient) -> None:
    status, headers, body = client.signed("POST", "/order", **ORDER)
    assert status == 200, body
    assert body["status"] == "NEW"
    assert headers["x-mbx-order-count-10s"] == headers["x-mbx-order-count-1d"] == "1"
    assert headers["x-mbx-used-weight-1m"] == "0"


def test_the_whole_life_of_an_order(client: RestClient) -> None:
    _, _, placed = client.signed("POST", "/order", **ORDER)
    which = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    _, _, queried = client.signed("GET", "/order", **which)
    assert " ".join(queried) == (
        "symbol orderId orderListId clientOrderId price origQty executedQty cummulativeQuoteQty "
        "status timeInForce type side stopPrice icebergQty time updateTime isWorking workingTime "
        "origQuoteOrderQty selfTradePreventionMode"
    )
    assert client.signed("GET", "/openOrders")[2] == [queried]
    assert client.signed("DELETE", "/order", **which)[2]["status"] == "CANCELED"
    assert client.signed("GET", "/openOrders", symbol="BTCUSDT")[2] == []
    everything = client.signed("GET", "/allOrders", symbol="BTCUSDT")[2]
    assert [row["status"] for row in everything] == ["CANCELED"]
    missing = client.signed("GET", "/order", symbol="BTCUSDT", orderId=77)
    assert (missing[0], missing[2]) == (400, {"code": -2013, "msg": "Order does not exist."})


def test_trades_are_listed_from_both_sides(client: RestClient) -> None:
    client.signed("POST", "/order", **ORDER)
    other = RestClient(client.world, account="other")
    other.signed("POST", "/order", symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.004")
    (mine,) = client.signed("GET", "/myTrades", symbol="BTCUSDT")[2]
    (theirs,) = other.signed("GET", "/myTrades", symbol="BTCUSDT")[2]
    assert " ".join(mine) == (
        "symbol id orderId orderListId price qty quoteQty commission commissionAsset time isBuyer "
        "isMaker isBestMatch"
    )
    assert (mine["isBuyer"], mine["isMaker"], mine["commissionAsset"]) == (True, True, "BTC")
    assert (theirs["isBuyer"], theirs["isMaker"], theirs["commissionAsset"]) == (
        False,
        False,
        "USDT",
    )
    assert mine["quoteQty"] == "236.00000000"


def test_the_account(client: RestClient) -> None:
    client.signed("POST", "/order", **ORDER)
    account = client.signed("GET", "/account")[2]
    assert " ".join(account) == (
        "makerCommission takerCommission buyerCommission sellerCommission canTrade canWithdraw "
        "canDeposit commissionRates brokered requireSelfTradePrevention preventSor updateTime "
        "accountType balances permissions uid"
    )
    assert {"asset": "USDT", "free": "999410.00000000", "locked": "590.00000000"} in account[
        "balances"
    ]
    rates = client.signed("GET", "/account/commission", symbol="BTCUSDT")[2]
    assert rates["standardCommission"]["maker"] == "0.00100000"
    limits = client.signed("GET", "/rateLimit/order")[2]
    assert [row["count"] for row in limits] == [1, 1]


def test_exchange_info(client: RestClient) -> None:
    info = client.get("/exchangeInfo", symbol="BTCUSDT")
    assert list(info) == ["timezone", "serverTime", "rateLimits", "exchangeFilters", "symbols"]
    kinds = [row["rateLimitType"] for row in info["rateLimits"]]
    assert kinds == ["REQUEST_WEIGHT", "ORDERS", "ORDERS", "RAW_REQUESTS"]
    (symbol,) = info["symbols"]
    filters = {row.pop("filterType"): row for row in symbol["filters"]}
    assert filters["PRICE_FILTER"] == {
        "minPrice": "0.01000000",
        "maxPrice": "1000000.00000000",
        "tickSize": "0.01000000",
    }
    assert filters["LOT_SIZE"] == {
        "minQty": "0.00001000",
        "maxQty": "9000.00000000",
        "stepSize": "0.00001000",
    }
    assert filters["NOTIONAL"] == {
        "minNotional": "5.00000000",
        "applyMinToMarket": True,
        "maxNotional": "9000000.00000000",
        "applyMaxToMarket": False,
        "avgPriceMins": 5,
    }
    assert filters["PERCENT_PRICE_BY_SIDE"]["bidMultiplierDown"] == "0.5"
    names = [row["symbol"] for row in client.get("/exchangeInfo")["symbols"]]
    assert names == ["BTCUSDT", "ETHUSDT", "ETHBTC"]
    some = client.get("/exchangeInfo", symbols='["ETHBTC","BTCUSDT"]')["symbols"]
    assert [row["symbol"] for row in some] == ["ETHBTC", "BTCUSDT"]


def test_a_halted_symbol_says_so(client: RestClient) -> None:
    client.world.exchange.set_status("ETH-BTC", "HALT", client.world.clock.now())
    client.world.act()
    assert client.get("/exchangeInfo", symbol="ETHBTC")["symbols"][0]["status"] == "HALT"
    halted = client.get("/exchangeInfo", symbolStatus="HALT")["symbols"]
    assert [row["symbol"] for row in halted] == ["ETHBTC"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/depth", -1102),
        ("/depth?symbol=NOSUCH", -1121),
        ("/depth?symbol=BTCUSDT&limit=x", -1100),
        ("/depth?symbol=BTCUSDT&limit=5&x=1", -1104),
        ("/depth?symbol=BTCUSDT&symbol=ETHUSDT", -1101),
        ("/klines?symbol=BTCUSDT", -1102),
        ("/klines?symbol=BTCUSDT&interval=2m", -1120),
        ("/klines?symbol=BTCUSDT&interval=1m&startTime=1483228799999", -1130),
        ("/klines?symbol=BTCUSDT&interval=1m&endTime=1700000010001", -1130),
        ("/aggTrades?symbol=BTCUSDT&startTime=0", -1130),
        ("/aggTrades?symbol=BTCUSDT&endTime=1700000010000001", -1130),
        ("/exchangeInfo?symbol=BTCUSDT&symbols=[]", -1128),
        ("/exchangeInfo?symbols=[%22ETHBTC%22,%22ETHBTC%22]", -1151),
        ("/exchangeInfo?symbolStatus=OPEN", -1122),
        ("/ticker/price?symbols=[\udcd8]", -1100),
        ("/ticker/price?symbols=%5B%D8%5D", -1100),
        ("/ticker/24hr?symbol=BTCUSDT&type=TINY", -1139),
        ("/account?timestamp=1700000000000", -1102),
        ("/account?timestamp=1700000000000&signature=x", -2014),
    ],
)
def test_bad_requests(client: RestClient, path: str, code: int) -> None:
    status, _, body = client.raw("GET", f"/api/v3{path}")
    assert json.loads(body)["code"] == code
    assert status == (401 if code == -2014 else 400)


@pytest.mark.parametrize(("limit", "weight"), [(100, 5), (101, 25), (501, 50), (1001, 250)])
def test_deep_books_weigh_more(client: RestClient, limit: int, weight: int) -> None:
    _, headers, _ = client.raw("GET", f"/api/v3/depth?symbol=BTCUSDT&limit={limit}")
    assert headers["x-mbx-used-weight-1m"] == str(weight)


def test_paths_that_do_not_exist(client: RestClient) -> None:
    status, headers, body = client.raw("GET", "/sapi/v1/system/status")
    assert (status, headers["content-type"]) == (404, "application/json;charset=UTF-8")
    assert json.loads(body)["path"] == "/sapi/v1/system/status"
    status, headers, body = client.raw("GET", "/api/v1/depth", headers={"accept": "text/html"})
    assert (status, headers["content-type"]) == (404, "text/html")
    assert client.raw("PATCH", "/api/v3/order")[0] == 404


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE"])
def test_listen_keys_are_gone(client: RestClient, verb: str) -> None:
    status, headers, body = client.raw(verb, "/api/v3/userDataStream")
    assert (status, headers["content-type"]) == (410, "text/html")
    assert b"<h1>410 Gone</h1>" in body


def test_the_query_wins_over_the_body(client: RestClient) -> None:
    _, _, body = client.raw("POST", "/api/v3/order/test?symbol=NOSUCH", body=b"symbol=BTCUSDT")
    assert json.loads(body)["code"] == -1102  # both were read as one parameter


def test_microseconds_by_header(client: RestClient) -> None:
    headers = {"x-mbx-time-unit": "MICROSECOND"}
    _, _, body = client.raw("GET", "/api/v3/time", headers=headers)
    assert json.loads(body) == {"serverTime": 1_700_000_000_000_000}
    _, _, body = client.raw("GET", "/api/v3/time", headers={"x-mbx-time-unit": "WEEK"})
    assert json.loads(body)["code"] == -1194


def traded(client: RestClient) -> None:
    main, other = ApiClient(client.world), ApiClient(client.world, account="other")
    main.limit("SELL", "60000.00", "0.01")
    main.limit("SELL", "60010.00", "0.01")
    other.market("BUY", quantity="0.015")
    main.limit("BUY", "59000.00", "0.01")


def test_market_data(client: RestClient) -> None:
    traded(client)
    now = client.world.clock.now() // 1_000_000
    assert client.get("/depth", symbol="BTCUSDT") == {
        "lastUpdateId": 5,
        "bids": [["59000.00000000", "0.01000000"]],
        "asks": [["60010.00000000", "0.00500000"]],
    }
    trades = client.get("/trades", symbol="BTCUSDT")
    assert trades[0] == {
        "id": 1,
        "price": "60000.00000000",
        "qty": "0.01000000",
        "quoteQty": "600.00000000",
        "time": now,
        "isBuyerMaker": False,
        "isBestMatch": True,
    }
    assert client.get("/historicalTrades", symbol="BTCUSDT", fromId=2) == trades[1:]
    aggregates = client.get("/aggTrades", symbol="BTCUSDT")
    assert [" ".join(row) for row in aggregates] == ["a p q f l T m M"] * 2
    assert client.get("/aggTrades", symbol="BTCUSDT", fromId=2) == aggregates[1:]
    assert client.get("/ticker/price", symbol="BTCUSDT") == {
        "symbol": "BTCUSDT",
        "price": "60010.00000000",
    }
    assert client.get("/ticker/bookTicker", symbol="BTCUSDT") == {
        "symbol": "BTCUSDT",
        "bidPrice": "59000.00000000",
        "bidQty": "0.01000000",
        "askPrice": "60010.00000000",
        "askQty": "0.00500000",
    }
    (row,) = client.get("/klines", symbol="BTCUSDT", interval="1h")
    assert row[1:6] == [
        "60000.00000000",
        "60010.00000000",
        "60000.00000000",
        "60010.00000000",
        "0.01500000",
    ]
    assert (row[6] - row[0], row[8], row[11]) == (3_599_999, 2, "0")
    assert client.get("/avgPrice", symbol="BTCUSDT") == {
        "mins": 5,
        "price": "60003.33333333",
        "closeTime": now,
    }


def test_tickers(client: RestClient) -> None:
    traded(client)
    full = client.get("/ticker/24hr", symbol="BTCUSDT")
    assert " ".join(full) == (
        "symbol priceChange priceChangePercent weightedAvgPrice prevClosePrice lastPrice lastQty "
        "bidPrice bidQty askPrice askQty openPrice highPrice lowPrice volume quoteVolume openTime "
        "closeTime firstId lastId count"
    )
    assert (full["priceChangePercent"], full["lastQty"]) == ("0.017", "0.00500000")
    mini = client.get("/ticker/24hr", symbols='["BTCUSDT"]', type="MINI")
    assert " ".join(mini[0]) == (
        "symbol openPrice highPrice lowPrice lastPrice volume quoteVolume openTime closeTime "
        "firstId lastId count"
    )
    everything = client.get("/ticker/24hr")
    assert [row["symbol"] for row in everything] == ["BTCUSDT", "ETHUSDT", "ETHBTC"]
    rolling = client.get("/ticker", symbol="BTCUSDT", windowSize="2h")
    assert rolling["openTime"] % 60_000 == 0
    assert (rolling["count"], rolling["volume"]) == (2, "0.01500000")


def test_twins_say_the_same(client: RestClient) -> None:
    traded(client)
    api = ApiClient(client.world)
    pairs: list[tuple[str, str, dict[str, Any]]] = [
        ("/depth", "depth", {"symbol": "BTCUSDT"}),
        ("/trades", "trades.recent", {"symbol": "BTCUSDT"}),
        ("/aggTrades", "trades.aggregate", {"symbol": "BTCUSDT"}),
        ("/klines", "klines", {"symbol": "BTCUSDT", "interval": "1m"}),
        ("/avgPrice", "avgPrice", {"symbol": "BTCUSDT"}),
        ("/ticker/24hr", "ticker.24hr", {"symbol": "BTCUSDT"}),
        ("/ticker/price", "ticker.price", {}),
        ("/ticker/bookTicker", "ticker.book", {}),
    ]
    for path, method, params in pairs:
        assert client.get(path, **params) == api.send(method, params)["result"]
