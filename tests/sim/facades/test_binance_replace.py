"""Cancel, cancel-replace, amend (binance §5.10, §5.11)."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.sim.facades.binance_options import BinanceOptions
from tests.sim.binance_client import ApiClient, RestClient, quiet_world

UNKNOWN = {"code": -2011, "msg": "Unknown order sent."}
CANCELED = (
    "symbol origClientOrderId orderId orderListId clientOrderId transactTime price origQty "
    "executedQty origQuoteOrderQty cummulativeQuoteQty status timeInForce type side "
    "selfTradePreventionMode"
)


@pytest.fixture
def client() -> ApiClient:
    return ApiClient(quiet_world())


def resting(client: ApiClient, **more: Any) -> Any:
    return client.limit("SELL", "60000.00", "0.01", **more)


def test_a_cancel_takes_an_id_of_its_own(client: ApiClient) -> None:
    order = resting(client, newClientOrderId="mine")
    answer = client.done(
        "order.cancel", symbol="BTCUSDT", orderId=order["orderId"], newClientOrderId="bye"
    )
    assert " ".join(answer) == CANCELED
    assert (answer["origClientOrderId"], answer["clientOrderId"]) == ("mine", "bye")
    assert answer["status"] == "CANCELED"
    queried = client.done("order.status", symbol="BTCUSDT", orderId=order["orderId"])
    assert queried["clientOrderId"] == "bye"


def test_a_cancel_without_an_id_is_given_one(client: ApiClient) -> None:
    resting(client, newClientOrderId="mine")
    answer = client.done("order.cancel", symbol="BTCUSDT", origClientOrderId="mine")
    assert len(answer["clientOrderId"]) == 22


@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        ({}, -1102, "Param 'origClientOrderId' or 'orderId' must be sent"),
        ({"orderId": 99}, -2011, "Unknown order sent."),
        ({"origClientOrderId": "nobody"}, -2011, "Unknown order sent."),
        ({"orderId": 1, "origClientOrderId": "nobody"}, -2039, "Client order ID is not correct"),
        ({"orderId": 1, "cancelRestrictions": "ONLY_PARTIALLY_FILLED"}, -2011, "Order was not"),
        ({"orderId": 1, "cancelRestrictions": "MAYBE"}, -1145, "Invalid cancelRestrictions"),
    ],
)
def test_cancels_that_fail(client: ApiClient, params: dict[str, Any], code: int, text: str) -> None:
    resting(client, newClientOrderId="mine")
    error = client.ask("order.cancel", symbol="BTCUSDT", **params)["error"]
    assert error["code"] == code
    assert error["msg"].startswith(text)
    assert len(client.done("openOrders.status", symbol="BTCUSDT")) == 1


def test_a_second_cancel_is_unknown(client: ApiClient) -> None:
    resting(client)
    client.done("order.cancel", symbol="BTCUSDT", orderId=1)
    assert client.ask("order.cancel", symbol="BTCUSDT", orderId=1)["error"] == UNKNOWN


def test_cancel_all(client: ApiClient) -> None:
    for _ in range(2):
        resting(client)
    answer = client.done("openOrders.cancelAll", symbol="BTCUSDT")
    assert [row["status"] for row in answer] == ["CANCELED", "CANCELED"]
    assert client.ask("openOrders.cancelAll", symbol="BTCUSDT")["error"] == UNKNOWN


def replace(client: ApiClient, **change: Any) -> Any:
    ask = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": "60001.00",
        "quantity": "0.01",
        "cancelReplaceMode": "STOP_ON_FAILURE",
        "cancelOrderId": 1,
    }
    return client.ask("order.cancelReplace", **ask | change)


POOR = "11"
"""More than the account holds."""


@pytest.mark.parametrize(
    ("mode", "known", "quantity", "status", "code", "results"),
    [
        ("STOP_ON_FAILURE", True, "0.01", 200, 0, ("SUCCESS", "SUCCESS")),
        ("ALLOW_FAILURE", True, "0.01", 200, 0, ("SUCCESS", "SUCCESS")),
        ("STOP_ON_FAILURE", False, "0.01", 400, -2022, ("FAILURE", "NOT_ATTEMPTED")),
        ("STOP_ON_FAILURE", True, POOR, 409, -2021, ("SUCCESS", "FAILURE")),
        ("ALLOW_FAILURE", True, POOR, 409, -2021, ("SUCCESS", "FAILURE")),
        ("ALLOW_FAILURE", False, POOR, 400, -2022, ("FAILURE", "FAILURE")),
        ("ALLOW_FAILURE", False, "0.01", 409, -2021, ("FAILURE", "SUCCESS")),
    ],
)
def test_the_matrix_of_cancel_replace(
    client: ApiClient,
    mode: str,
    known: bool,
    quantity: str,
    status: int,
    code: int,
    results: tuple[str, str],
) -> None:
    resting(client)
    answer = replace(
        client, cancelReplaceMode=mode, cancelOrderId=1 if known else 77, quantity=quantity
    )
    assert answer["status"] == status
    if status == 200:
        body = answer["result"]
    else:
        assert answer["error"]["code"] == code
        body = answer["error"]["data"]
    assert list(body) == ["cancelResult", "newOrderResult", "cancelResponse", "newOrderResponse"]
    assert (body["cancelResult"], body["newOrderResult"]) == results
    if not known:
        assert body["cancelResponse"] == UNKNOWN
    if results[1] == "NOT_ATTEMPTED":
        assert body["newOrderResponse"] is None
    count = client.done("account.rateLimits.orders")[0]["count"]
    assert count == 2  # also when the new order was not attempted


def test_filters_come_before_either_step(client: ApiClient) -> None:
    resting(client)
    answer = replace(client, price="60001.005")
    assert answer["error"] == {"code": -1013, "msg": "Filter failure: PRICE_FILTER"}
    assert replace(client, quantity="0.00001")["error"]["code"] == -1013
    assert len(client.done("openOrders.status", symbol="BTCUSDT")) == 1


@pytest.mark.parametrize(
    ("exceeded", "status", "code", "left"),
    [("DO_NOTHING", 429, -1015, 1), ("CANCEL_ONLY", 409, -2021, 0)],
)
def test_when_the_order_count_is_used_up(exceeded: str, status: int, code: int, left: int) -> None:
    client = ApiClient(quiet_world(options=BinanceOptions(orders_per_10_seconds=1)))
    resting(client)
    answer = replace(client, orderRateLimitExceededMode=exceeded)
    assert (answer["status"], answer["error"]["code"]) == (status, code)
    if exceeded == "CANCEL_ONLY":
        assert answer["error"]["data"]["newOrderResponse"]["code"] == -1015
    assert len(client.done("openOrders.status", symbol="BTCUSDT")) == left


def test_the_new_order_may_take_the_old_ones_client_id(client: ApiClient) -> None:
    resting(client, newClientOrderId="mine")
    answer = replace(client, newClientOrderId="mine")
    assert answer["result"]["newOrderResponse"]["clientOrderId"] == "mine"


def test_over_rest_the_error_object_is_the_body(client: ApiClient) -> None:
    rest = RestClient(client.world)
    status, _, body = rest.signed(
        "POST",
        "/order/cancelReplace",
        symbol="BTCUSDT",
        side="SELL",
        type="LIMIT",
        timeInForce="GTC",
        price="60000.00",
        quantity="0.01",
        cancelReplaceMode="STOP_ON_FAILURE",
        cancelOrderId=5,
    )
    assert status == 400
    assert body == {
        "code": -2022,
        "msg": "Order cancel-replace failed.",
        "data": {
            "cancelResult": "FAILURE",
            "newOrderResult": "NOT_ATTEMPTED",
            "cancelResponse": UNKNOWN,
            "newOrderResponse": None,
        },
    }


def test_an_amend_keeps_the_place_and_speaks_its_own_names(client: ApiClient) -> None:
    order = resting(client, newClientOrderId="mine")
    answer = client.done(
        "order.amend.keepPriority",
        symbol="BTCUSDT",
        orderId=order["orderId"],
        newQty="0.004",
        newClientOrderId="smaller",
    )
    assert list(answer) == ["transactTime", "executionId", "amendedOrder"]
    assert " ".join(answer["amendedOrder"]) == (
        "symbol orderId orderListId origClientOrderId clientOrderId price qty executedQty "
        "preventedQty quoteOrderQty cumulativeQuoteQty status timeInForce type side workingTime "
        "selfTradePreventionMode"
    )
    assert answer["amendedOrder"]["qty"] == "0.00400000"
    assert answer["amendedOrder"]["origClientOrderId"] == "mine"
    assert answer["amendedOrder"]["clientOrderId"] == "smaller"
    assert answer["executionId"] > 0


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        ("0.02", "Order amend (quantity increase) is not supported."),
        ("0.01", "The requested action would change no state; rejecting"),
    ],
)
def test_amends_that_fail(client: ApiClient, quantity: str, text: str) -> None:
    resting(client)
    answer = client.ask("order.amend.keepPriority", symbol="BTCUSDT", orderId=1, newQty=quantity)
    assert answer["error"] == {"code": -2038, "msg": text}


def test_an_amend_weighs_nothing_when_the_order_expires_by_it(client: ApiClient) -> None:
    """binance §5.7: otherwise four."""
    rival = ApiClient(client.world, account="other")
    order = resting(client)
    rival.limit("BUY", "60000.00", "0.004", timeInForce="IOC")
    weight = client.world.facade.office.limits.address("127.0.0.1").weight
    used = []
    for quantity in ("0.008", "0.004"):
        before = weight.count(client.world.clock.now())
        answer = client.done(
            "order.amend.keepPriority", symbol="BTCUSDT", orderId=order["orderId"], newQty=quantity
        )
        after = weight.count(client.world.clock.now())
        used.append((answer["amendedOrder"]["status"], after - before))
    assert used == [("PARTIALLY_FILLED", 4), ("EXPIRED", 0)]
