"""Placing orders over the WS-API (binance §5.9, §7)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.binance_client import ApiClient, quiet_world

PLACE = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "price": "60000.00",
    "quantity": "0.00847",
}
ACK = "symbol orderId orderListId clientOrderId transactTime"
CORE = (
    "price origQty executedQty origQuoteOrderQty cummulativeQuoteQty status timeInForce type side"
)


@pytest.fixture
def client() -> ApiClient:
    return ApiClient(quiet_world())


def rival(client: ApiClient) -> ApiClient:
    return ApiClient(client.world, account="other")


def error(answer: Any) -> tuple[int, str]:
    assert answer["status"] != 200, answer
    return answer["error"]["code"], answer["error"]["msg"]


def test_the_three_forms_of_an_answer(client: ApiClient) -> None:
    ack = client.done("order.place", **PLACE, newOrderRespType="ACK")
    assert " ".join(ack) == ACK
    result = client.done("order.place", **PLACE, newOrderRespType="RESULT")
    assert " ".join(result) == f"{ACK} {CORE} workingTime selfTradePreventionMode"
    full = client.done("order.place", **PLACE)
    assert " ".join(full) == f"{ACK} {CORE} workingTime fills selfTradePreventionMode"
    now = client.stamp()
    assert full == {
        "symbol": "BTCUSDT",
        "orderId": 3,
        "orderListId": -1,
        "clientOrderId": full["clientOrderId"],
        "transactTime": now,
        "price": "60000.00000000",
        "origQty": "0.00847000",
        "executedQty": "0.00000000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "SELL",
        "workingTime": now,
        "fills": [],
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }
    assert len(full["clientOrderId"]) == 22
    assert full["clientOrderId"].isalnum()


def test_an_answer_tells_each_fill(client: ApiClient) -> None:
    for price, quantity in (("60000.00", "0.00635"), ("60000.50", "0.5")):
        rival(client).limit("SELL", price, quantity)
    full = client.market("BUY", quantity="0.00847")
    assert full["status"] == "FILLED"
    assert full["price"] == "0.00000000"
    assert full["cummulativeQuoteQty"] == "508.20106000"
    assert full["fills"] == [
        {
            "price": "60000.00000000",
            "qty": "0.00635000",
            "commission": "0.00000635",
            "commissionAsset": "BTC",
            "tradeId": 1,
        },
        {
            "price": "60000.50000000",
            "qty": "0.00212000",
            "commission": "0.00000212",
            "commissionAsset": "BTC",
            "tradeId": 2,
        },
    ]


def test_a_market_order_can_be_sized_in_quote(client: ApiClient) -> None:
    rival(client).limit("SELL", "60000.00", "1")
    full = client.market("BUY", quoteOrderQty="100")
    assert full["origQuoteOrderQty"] == "100.00000000"
    assert full["executedQty"] == "0.00166000"
    assert full["cummulativeQuoteQty"] == "99.60000000"


def test_stop_orders_wait_and_default_to_ack(client: ApiClient) -> None:
    ask = PLACE | {"type": "STOP_LOSS_LIMIT", "stopPrice": "59000.00", "price": "58900.00"}
    assert " ".join(client.done("order.place", **ask)) == ACK
    result = client.done("order.place", **ask, newOrderRespType="RESULT")
    assert (result["stopPrice"], result["workingTime"]) == ("59000.00000000", -1)
    query = client.done("order.status", symbol="BTCUSDT", orderId=result["orderId"])
    assert (query["isWorking"], query["workingTime"]) == (False, -1)


def test_a_trailing_order_shows_its_delta(client: ApiClient) -> None:
    ask = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "STOP_LOSS",
        "quantity": "0.01",
        "trailingDelta": 100,
        "newOrderRespType": "RESULT",
    }
    result = client.done("order.place", **ask)
    assert (result["trailingDelta"], result["trailingTime"]) == (100, -1)


def test_strategies_and_icebergs_are_echoed(client: ApiClient) -> None:
    result = client.done(
        "order.place", **PLACE, icebergQty="0.001", strategyId=7, strategyType=1_000_000
    )
    assert (result["icebergQty"], result["strategyId"], result["strategyType"]) == (
        "0.00100000",
        7,
        1_000_000,
    )


def test_expired_orders_say_why(client: ApiClient) -> None:
    ioc = client.done("order.place", **PLACE | {"timeInForce": "IOC"})
    assert (ioc["status"], ioc["expiryReason"]) == ("EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED")
    fok = client.done("order.place", **PLACE | {"timeInForce": "FOK"})
    assert (fok["status"], fok["expiryReason"]) == ("EXPIRED", "UNFILLED_FOK_ORDER_EXPIRED")
    rival(client).limit("SELL", "60000.00", "0.01")
    short = client.market("BUY", quantity="0.02")
    assert (short["status"], short["expiryReason"]) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")


def test_numbers_may_come_as_json_numbers(client: ApiClient) -> None:
    params = client.signed(**PLACE | {"quantity": 0.5, "price": 60000})
    assert client.send("order.place", params)["result"]["origQty"] == "0.50000000"


MISSING = "Mandatory parameter '{}' was not sent, was empty/null, or malformed."


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"symbol": None}, -1102, MISSING.format("symbol")),
        ({"side": None}, -1102, MISSING.format("side")),
        ({"type": None}, -1102, MISSING.format("type")),
        ({"price": None}, -1102, MISSING.format("price")),
        ({"quantity": None}, -1102, MISSING.format("quantity")),
        ({"timeInForce": None}, -1102, MISSING.format("timeInForce")),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": "GUESS"}, -1116, "Invalid orderType."),
        ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
        ({"symbol": "NOSUCH"}, -1121, "Invalid symbol."),
        ({"stopPrice": "1.00"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"quoteOrderQty": "5"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
        (
            {"type": "MARKET", "price": None, "quantity": None, "timeInForce": None},
            -1102,
            "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!",
        ),
        (
            {"type": "MARKET", "price": None},
            -1106,
            "Parameter 'timeInForce' sent when not required.",
        ),
        (
            {"type": "LIMIT_MAKER"},
            -1106,
            "Parameter 'timeInForce' sent when not required.",
        ),
        (
            {"type": "STOP_LOSS_LIMIT"},
            -1102,
            "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!",
        ),
        ({"quantity": "0.123456789"}, -1111, "Parameter 'quantity' has too much precision."),
        ({"strategyType": 5}, -1134, "strategyType was less than 1000000."),
        ({"icebergQty": "0.001", "timeInForce": "IOC"}, -1128, "Combination of optional"),
        ({"icebergQty": "0.00005"}, -1013, "Filter failure: ICEBERG_PARTS"),
        ({"icebergQty": PLACE["quantity"]}, -2010, "IcebergQty exceeds QTY."),
        ({"price": "60000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
        ({"price": "999999.00"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "11"}, -2010, "Account has insufficient balance for requested action."),
        ({"pegPriceType": "PRIMARY_PEG"}, -2010, "Pegged orders are not supported"),
        ({"selfTradePreventionMode": "NEVER"}, -1013, "This symbol does not allow the"),
        ({"pegPriceType": "X"}, -1210, "Invalid pegPriceType."),
        ({"bogus": 1}, -1104, "Not all sent parameters were read; read '9' parameter(s)"),
    ],
)
def test_refusals(client: ApiClient, change: dict[str, Any], code: int, text: str) -> None:
    ask = {name: value for name, value in (PLACE | change).items() if value is not None}
    found = error(client.ask("order.place", **ask))
    assert found[0] == code
    assert found[1].startswith(text)


def test_the_engine_refuses_too(client: ApiClient) -> None:
    client.done("order.place", **PLACE, newClientOrderId="mine")
    again = client.ask("order.place", **PLACE, newClientOrderId="mine")
    assert error(again) == (-2010, "Duplicate order sent.")
    rival(client).limit("BUY", "59000.00", "0.01")
    taking = {k: v for k, v in PLACE.items() if k != "timeInForce"} | {
        "type": "LIMIT_MAKER",
        "price": "58000.00",
    }
    assert error(client.ask("order.place", **taking)) == (
        -2010,
        "Order would immediately match and take.",
    )
    client.world.exchange.set_status("BTC-USDT", "BREAK", client.world.clock.now())
    assert error(client.ask("order.place", **PLACE)) == (-2010, "Market is closed.")


def test_parameters_are_judged_before_the_key_and_the_key_before_the_signature(
    client: ApiClient,
) -> None:
    bad_everything = PLACE | {"side": "HOLD", "apiKey": "x", "signature": "y", "timestamp": 1}
    stages = [
        ({}, -1130),  # a timestamp before the venue existed is a bad parameter
        ({"timestamp": client.stamp() - 60_000}, -1117),
        ({"side": "SELL"}, -2014),
        ({"apiKey": "k" * 64}, -2015),
        ({"apiKey": client.key}, -1021),
        ({"timestamp": client.stamp()}, -1022),
    ]
    for change, code in stages:
        bad_everything |= change
        assert error(client.send("order.place", bad_everything))[0] == code


def test_a_test_order_passes_the_filters_and_places_nothing(client: ApiClient) -> None:
    assert client.done("order.test", **PLACE) == {}
    assert client.done("order.test", **PLACE | {"quantity": "11"}) == {}  # no balance check
    assert error(client.ask("order.test", **PLACE | {"quantity": "0.00001"}))[0] == -1013
    assert client.done("openOrders.status", symbol="BTCUSDT") == []
    rates = client.done("order.test", **PLACE, computeCommissionRates="true")
    assert rates["standardCommissionForOrder"] == {"maker": "0.00100000", "taker": "0.00100000"}


def test_prevented_matches_are_listed(client: ApiClient) -> None:
    mine = client.done("order.place", **PLACE)
    taker = client.done(
        "order.place",
        **PLACE | {"side": "BUY", "selfTradePreventionMode": "EXPIRE_TAKER"},
    )
    assert taker["status"] == "EXPIRED_IN_MATCH"
    (match,) = taker["preventedMatches"]
    assert match["makerOrderId"] == mine["orderId"]
    assert match["takerPreventedQuantity"] == "0.00847000"
    assert taker["preventedQuantity"] == "0.00847000"
