"""Order lists over both doors, with what the user stream tells of them (binance §5.12, §6.3)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.model.orders import Side
from pitwire.sim.facts import Kind, NewOrder, Tif
from pitwire.sim.world import World
from tests.sim.binance_client import ApiClient, RestClient, quiet_world

SKELETON = (
    "orderListId contingencyType listStatusType listOrderStatus listClientOrderId "
    "transactionTime symbol orders orderReports"
)
SELL_OCO = {
    "side": "SELL",
    "quantity": "0.01",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "61000.00",
    "belowType": "STOP_LOSS_LIMIT",
    "belowStopPrice": "59000.00",
    "belowPrice": "58900.00",
    "belowTimeInForce": "GTC",
}
BUY_OCO = {
    "side": "BUY",
    "quantity": "0.01",
    "aboveType": "STOP_LOSS",
    "aboveStopPrice": "61000.00",
    "belowType": "LIMIT_MAKER",
    "belowPrice": "59000.00",
}
WORKING = {
    "workingType": "LIMIT",
    "workingSide": "BUY",
    "workingPrice": "60000.00",
    "workingQuantity": "0.01",
    "workingTimeInForce": "GTC",
}
OTO = WORKING | {
    "pendingType": "LIMIT",
    "pendingSide": "SELL",
    "pendingPrice": "62000.00",
    "pendingQuantity": "0.009",
    "pendingTimeInForce": "GTC",
}
OTOCO = WORKING | {
    "pendingSide": "SELL",
    "pendingQuantity": "0.009",
    "pendingAboveType": "LIMIT_MAKER",
    "pendingAbovePrice": "62000.00",
    "pendingBelowType": "STOP_LOSS",
    "pendingBelowStopPrice": "58000.00",
}


@pytest.fixture
def world() -> World:
    found = quiet_world()
    for name in ("rival", "third"):
        found.exchange.open_account(name, {"BTC": Decimal(100), "USDT": Decimal(10_000_000)})
    return found


@pytest.fixture
def client(world: World) -> ApiClient:
    found = ApiClient(world)
    found.subscribe()
    return found


def rival(
    world: World,
    side: Side,
    price: int,
    lots: int = 1_000,
    tif: Tif = Tif.GTC,
    name: str = "rival",
) -> None:
    """The other side of a trade; price in whole quote units."""
    request = NewOrder(
        account=name,
        symbol="BTC-USDT",
        side=side,
        kind=Kind.LIMIT,
        tif=tif,
        lots=lots,
        price=price * 100,
    )
    world.exchange.place(request, world.clock.now())
    world.act()


def place(client: ApiClient, kind: str, params: dict[str, Any], **more: Any) -> Any:
    return client.done(f"orderList.place.{kind}", symbol="BTCUSDT", **(params | more))


def told(client: ApiClient) -> list[str]:
    """The events so far, one word or three each."""
    seen = []
    for event in client.take_events():
        match event["e"]:
            case "executionReport":
                seen.append(f"{event['o']} {event['x']} {event['X']} {event.get('eR', '')}".strip())
            case "listStatus":
                seen.append(f"list {event['l']} {event['L']}")
            case _:
                seen.append("balance")
    return seen


def locked(client: ApiClient) -> dict[str, str]:
    rows = client.done("account.status")["balances"]
    return {row["asset"]: row["locked"] for row in rows if Decimal(row["locked"])}


def test_an_oco_is_two_orders_and_one_lock(client: ApiClient) -> None:
    answer = place(client, "oco", SELL_OCO, listClientOrderId="both")
    assert " ".join(answer) == SKELETON
    assert (answer["contingencyType"], answer["listStatusType"], answer["listOrderStatus"]) == (
        "OCO",
        "EXEC_STARTED",
        "EXECUTING",
    )
    above, below = answer["orderReports"]
    assert (above["type"], above["status"], above["side"]) == ("LIMIT_MAKER", "NEW", "SELL")
    assert (below["type"], below["stopPrice"], below["workingTime"]) == (
        "STOP_LOSS_LIMIT",
        "59000.00000000",
        -1,
    )
    assert {above["orderListId"], below["orderListId"]} == {answer["orderListId"]}
    assert [row["orderId"] for row in answer["orders"]] == [above["orderId"], below["orderId"]]
    assert locked(client) == {"BTC": "0.01000000"}
    assert told(client) == [
        "list EXEC_STARTED EXECUTING",
        "LIMIT_MAKER NEW NEW",
        "STOP_LOSS_LIMIT NEW NEW",
        "balance",
    ]


def test_a_buy_locks_what_the_dearer_leg_costs(client: ApiClient) -> None:
    place(client, "oco", BUY_OCO)
    assert locked(client) == {"USDT": "610.00000000"}


def test_the_leg_that_trades_ends_the_other(world: World, client: ApiClient) -> None:
    listed = place(client, "oco", SELL_OCO)
    told(client)
    rival(world, Side.BUY, 61_000, lots=400)
    assert told(client) == [
        "LIMIT_MAKER TRADE PARTIALLY_FILLED",
        "STOP_LOSS_LIMIT EXPIRED EXPIRED OCO_TRIGGER",
        "balance",
    ]
    assert locked(client) == {"BTC": "0.00600000"}
    found = client.done("orderList.status", orderListId=listed["orderListId"])
    assert found["listOrderStatus"] == "EXECUTING"
    rival(world, Side.BUY, 61_000, lots=600)
    assert told(client) == ["LIMIT_MAKER TRADE FILLED", "list ALL_DONE ALL_DONE", "balance"]
    assert locked(client) == {}
    assert client.done("openOrderLists.status") == []


def test_the_stop_that_is_touched_ends_the_limit(world: World, client: ApiClient) -> None:
    place(client, "oco", SELL_OCO)
    told(client)
    rival(world, Side.BUY, 58_950)
    rival(world, Side.SELL, 58_950, lots=100, name="third")  # the touch
    assert told(client) == [
        "STOP_LOSS_LIMIT NEW NEW",
        "LIMIT_MAKER EXPIRED EXPIRED OCO_TRIGGER",
        "STOP_LOSS_LIMIT TRADE PARTIALLY_FILLED",
        "balance",
    ]
    assert locked(client) == {"BTC": "0.00100000"}


def test_a_stop_that_buys_at_the_market_pays_from_the_lock(world: World, client: ApiClient) -> None:
    place(client, "oco", BUY_OCO)
    told(client)
    rival(world, Side.SELL, 61_000, lots=2_000)
    rival(world, Side.BUY, 61_000, lots=100, name="third")
    assert told(client)[:3] == [
        "STOP_LOSS NEW NEW",
        "LIMIT_MAKER EXPIRED EXPIRED OCO_TRIGGER",
        "STOP_LOSS TRADE FILLED",
    ]
    assert locked(client) == {}


def test_cancelling_a_leg_cancels_the_list(client: ApiClient) -> None:
    listed = place(client, "oco", SELL_OCO, listClientOrderId="both")
    told(client)
    answer = client.done(
        "order.cancel",
        symbol="BTCUSDT",
        orderId=listed["orders"][1]["orderId"],
        newClientOrderId="bye",
    )
    assert (answer["listOrderStatus"], answer["listClientOrderId"]) == ("ALL_DONE", "both")
    assert [row["clientOrderId"] for row in answer["orders"]] == [
        row["clientOrderId"] for row in listed["orders"]
    ]
    assert {(row["status"], row["clientOrderId"]) for row in answer["orderReports"]} == {
        ("CANCELED", "bye")
    }
    assert told(client) == [
        "LIMIT_MAKER CANCELED CANCELED",
        "STOP_LOSS_LIMIT CANCELED CANCELED",
        "list ALL_DONE ALL_DONE",
        "balance",
    ]
    assert locked(client) == {}


def test_cancelling_all_names_each_list_once(client: ApiClient) -> None:
    client.limit("BUY", "50000.00", "0.01")
    place(client, "oco", SELL_OCO)
    answer = client.done("openOrders.cancelAll", symbol="BTCUSDT")
    assert ["contingencyType" in row for row in answer] == [False, True]
    assert client.done("openOrders.status", symbol="BTCUSDT") == []


def test_a_list_is_cancelled_by_its_name(client: ApiClient) -> None:
    place(client, "oto", OTO, listClientOrderId="first")
    answer = client.done("orderList.cancel", symbol="BTCUSDT", listClientOrderId="first")
    assert [row["status"] for row in answer["orderReports"]] == ["CANCELED", "CANCELED"]
    for params in ({"listClientOrderId": "first"}, {"orderListId": 99}):
        error = client.ask("orderList.cancel", symbol="BTCUSDT", **params)["error"]
        assert error["code"] == -2011
    error = client.ask("orderList.cancel", symbol="BTCUSDT")["error"]
    assert error["code"] == -1102


def test_an_oto_waits_for_its_working_order(world: World, client: ApiClient) -> None:
    answer = place(client, "oto", OTO)
    working, pending = answer["orderReports"]
    assert (answer["contingencyType"], working["status"], pending["status"]) == (
        "OTO",
        "NEW",
        "PENDING_NEW",
    )
    assert pending["workingTime"] == -1
    assert locked(client) == {"USDT": "600.00000000"}
    assert told(client) == [
        "list EXEC_STARTED EXECUTING",
        "LIMIT NEW NEW",
        "LIMIT NEW PENDING_NEW",
        "balance",
    ]
    rival(world, Side.SELL, 60_000, lots=400, tif=Tif.IOC)
    assert told(client) == ["LIMIT TRADE PARTIALLY_FILLED", "balance"]
    rival(world, Side.SELL, 60_000, lots=600, tif=Tif.IOC)
    assert told(client) == ["LIMIT TRADE FILLED", "LIMIT NEW NEW", "balance"]
    found = client.done("order.status", symbol="BTCUSDT", orderId=pending["orderId"])
    assert (found["status"], found["isWorking"]) == ("NEW", True)
    assert locked(client) == {"BTC": "0.00900000"}
    rival(world, Side.BUY, 62_000, lots=900, tif=Tif.IOC)
    assert told(client) == ["LIMIT TRADE FILLED", "list ALL_DONE ALL_DONE", "balance"]


def test_a_working_order_that_fills_at_once_still_shows_its_pending_one(
    world: World, client: ApiClient
) -> None:
    rival(world, Side.SELL, 59_990)
    answer = place(client, "oto", OTO)
    assert [row["status"] for row in answer["orderReports"]] == ["FILLED", "PENDING_NEW"]
    assert answer["listOrderStatus"] == "EXECUTING"
    number = answer["orders"][1]["orderId"]
    assert client.done("order.status", symbol="BTCUSDT", orderId=number)["status"] == "NEW"


def test_a_working_order_that_expires_takes_the_pending_one_along(client: ApiClient) -> None:
    place(client, "oto", OTO | {"workingTimeInForce": "IOC"})
    assert told(client) == [
        "list EXEC_STARTED EXECUTING",
        "LIMIT NEW NEW",
        "LIMIT EXPIRED EXPIRED UNFILLED_IOC_QUANTITY_EXPIRED",
        "LIMIT NEW PENDING_NEW",
        "LIMIT EXPIRED EXPIRED OTO_PHASE_ONE_EXPIRED",
        "list ALL_DONE ALL_DONE",
        "balance",
    ]


def test_a_pending_order_that_nobody_can_pay_expires(world: World, client: ApiClient) -> None:
    place(client, "oto", OTO | {"pendingQuantity": "50"})
    told(client)
    rival(world, Side.SELL, 60_000, tif=Tif.IOC)
    assert told(client) == [
        "LIMIT TRADE FILLED",
        "LIMIT EXPIRED EXPIRED REJECTED",
        "list ALL_DONE ALL_DONE",
        "balance",
    ]


def test_an_otoco_ends_in_a_pair(world: World, client: ApiClient) -> None:
    answer = place(client, "otoco", OTOCO)
    assert [row["status"] for row in answer["orderReports"]] == ["NEW", *["PENDING_NEW"] * 2]
    rival(world, Side.SELL, 60_000, tif=Tif.IOC)
    assert locked(client) == {"BTC": "0.00900000"}
    told(client)
    rival(world, Side.BUY, 58_000)
    rival(world, Side.SELL, 58_000, lots=50, name="third")
    assert told(client) == [
        "STOP_LOSS NEW NEW",
        "LIMIT_MAKER EXPIRED EXPIRED OCO_TRIGGER",
        "STOP_LOSS TRADE FILLED",
        "list ALL_DONE ALL_DONE",
        "balance",
    ]
    assert locked(client) == {}


def test_an_otoco_with_one_pending_leg_is_an_oto(client: ApiClient) -> None:
    single = {name: value for name, value in OTOCO.items() if "Below" not in name}
    assert len(place(client, "otoco", single)["orders"]) == 2


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"aboveType": "LIMIT", "aboveTimeInForce": "GTC"}, -1158, "Order type not supported"),
        ({"aboveTimeInForce": "GTC"}, -1106, "Parameter 'aboveTimeInForce' sent when not"),
        ({"abovePrice": None}, -1102, "Mandatory parameter 'abovePrice' was not sent"),
        ({"belowStopPrice": None}, -1102, "Param 'belowStopPrice' or 'belowTrailingDelta'"),
        ({"belowType": None}, -1102, "Mandatory parameter 'belowType'"),
        ({"quantity": None}, -1102, "Mandatory parameter 'quantity'"),
        ({"abovePrice": "59500.00"}, -2010, "The relationship of the prices"),
        ({"belowStopPrice": "60500.00"}, -2010, "The relationship of the prices"),
        ({"quantity": "20"}, -2010, "Account has insufficient balance"),
        ({"abovePrice": "61000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"aboveClientOrderId": "x", "belowClientOrderId": "x"}, -2010, "Duplicate order sent."),
        (
            {"belowType": "LIMIT_MAKER", "belowStopPrice": None, "belowTimeInForce": None},
            -1168,
            "At least one OCO order must be contingent.",
        ),
        (
            {"belowType": "TAKE_PROFIT", "belowPrice": None, "belowTimeInForce": None},
            -1199,
            "A take profit order in a sell OCO must be above.",
        ),
        (
            {"aboveType": "STOP_LOSS", "aboveStopPrice": "61000.00", "abovePrice": None},
            -1197,
            "A stop loss order in a sell OCO must be below.",
        ),
    ],
)
def test_lists_that_are_refused(
    client: ApiClient, change: dict[str, Any], code: int, text: str
) -> None:
    params = {name: value for name, value in (SELL_OCO | change).items() if value is not None}
    error = client.ask("orderList.place.oco", symbol="BTCUSDT", **params)["error"]
    assert (error["code"], error["msg"].startswith(text)) == (code, True), error
    assert client.done("openOrders.status", symbol="BTCUSDT") == []
    assert locked(client) == {}


def test_a_limit_of_a_buy_must_be_below(client: ApiClient) -> None:
    turned = {
        "side": "BUY",
        "quantity": "0.01",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "61000.00",
        "belowType": "STOP_LOSS",
        "belowStopPrice": "59000.00",
    }
    error = client.ask("orderList.place.oco", symbol="BTCUSDT", **turned)["error"]
    assert error["code"] == -1165


def test_a_working_order_is_a_limit(client: ApiClient) -> None:
    params = {name: value for name, value in OTO.items() if name != "workingTimeInForce"}
    params |= {"workingType": "STOP_LOSS", "workingStopPrice": "61000.00"}
    del params["workingPrice"]
    error = client.ask("orderList.place.oto", symbol="BTCUSDT", **params)["error"]
    assert error["code"] == -1116


def test_a_list_counts_as_many_orders_and_as_one_list(client: ApiClient) -> None:
    def count() -> int:
        return int(client.done("account.rateLimits.orders")[1]["count"])

    place(client, "oco", SELL_OCO)
    assert count() == 2
    place(client, "otoco", OTOCO)
    assert count() == 5
    for _ in range(3):
        place(client, "oco", SELL_OCO)
    error = client.ask("orderList.place.oco", symbol="BTCUSDT", **SELL_OCO)["error"]
    assert (error["code"], error["msg"]) == (-2010, "Filter failure: MAX_NUM_ALGO_ORDERS")


def test_twenty_lists_of_a_symbol_at_most(client: ApiClient) -> None:
    for _ in range(20):
        place(client, "oto", OTO)
        client.world.advance(1)
    error = client.ask("orderList.place.oto", symbol="BTCUSDT", **OTO)["error"]
    assert (error["code"], error["msg"]) == (-2010, "Filter failure: MAX_NUM_ORDER_LISTS")


def test_an_amend_makes_both_legs_smaller(client: ApiClient) -> None:
    listed = place(client, "oco", SELL_OCO)
    above, below = (row["orderId"] for row in listed["orders"])
    told(client)
    answer = client.done(
        "order.amend.keepPriority",
        symbol="BTCUSDT",
        orderId=below,
        newQty="0.004",
        newClientOrderId="smaller",
    )
    assert answer["amendedOrder"]["qty"] == "0.00400000"
    assert answer["listStatus"]["listOrderStatus"] == "EXECUTING"
    assert [row["clientOrderId"] for row in answer["listStatus"]["orders"]][1] == "smaller"
    for number in (above, below):
        found = client.done("order.status", symbol="BTCUSDT", orderId=number)
        assert found["origQty"] == "0.00400000"
    assert locked(client) == {"BTC": "0.00400000"}
    assert told(client) == [
        "STOP_LOSS_LIMIT REPLACED NEW",
        "LIMIT_MAKER REPLACED NEW",
        "list UPDATED EXECUTING",
        "balance",
    ]


def test_lists_can_be_asked_for(client: ApiClient) -> None:
    numbers = []
    for name in ("one", "two", "three"):
        numbers.append(place(client, "oto", OTO, listClientOrderId=name)["orderListId"])
        client.world.advance(1)
    client.done("orderList.cancel", symbol="BTCUSDT", orderListId=numbers[0])
    one = client.done("orderList.status", origClientOrderId="one", orderListId=numbers[2])
    assert (one["orderListId"], one["listStatusType"]) == (numbers[0], "ALL_DONE")
    assert "orderReports" not in one
    open_now = client.done("openOrderLists.status")
    assert [row["listClientOrderId"] for row in open_now] == ["two", "three"]
    everything = client.done("allOrderLists")
    assert [row["orderListId"] for row in everything] == numbers
    assert len(client.done("allOrderLists", fromId=numbers[1], limit=1)) == 1
    now = client.stamp()
    assert client.done("allOrderLists", startTime=now, endTime=now + 1) == []
    for params, code in (
        ({"fromId": 1, "startTime": now}, -1128),
        ({"startTime": now - 90_000_000, "endTime": now}, -1127),
    ):
        assert client.ask("allOrderLists", **params)["error"]["code"] == code
    assert client.ask("orderList.status", orderListId=99)["error"]["code"] == -2018


def test_what_the_venue_does_not_offer_is_refused_in_its_words(client: ApiClient) -> None:
    for kind in ("opo", "opoco"):
        error = client.ask(f"orderList.place.{kind}", symbol="BTCUSDT", **WORKING)["error"]
        assert error["msg"] == "OPO orders are not supported for this symbol."
    info = client.send("exchangeInfo", {"symbol": "BTCUSDT"})["result"]["symbols"][0]
    assert (info["ocoAllowed"], info["otoAllowed"], info["opoAllowed"]) == (True, True, False)


def test_the_deprecated_form_over_rest(world: World) -> None:
    rest = RestClient(world)
    old = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.01",
        "price": "61000.00",
        "stopPrice": "59000.00",
        "stopLimitPrice": "58900.00",
        "stopLimitTimeInForce": "GTC",
    }
    status, headers, body = rest.signed("POST", "/order/oco", **old)
    assert (status, headers["x-mbx-order-count-10s"]) == (200, "2")
    assert [row["type"] for row in body["orderReports"]] == ["LIMIT_MAKER", "STOP_LOSS_LIMIT"]
    status, _, body = rest.signed("GET", "/orderList", orderListId=body["orderListId"])
    assert (status, body["listOrderStatus"]) == (200, "EXECUTING")
    status, _, body = rest.signed(
        "DELETE", "/orderList", symbol="BTCUSDT", orderListId=body["orderListId"]
    )
    assert (status, body["listOrderStatus"]) == (200, "ALL_DONE")
    del old["stopLimitTimeInForce"]
    assert rest.signed("POST", "/order/oco", **old)[2]["code"] == -1102
    assert rest.signed("GET", "/allOrderList")[0] == 200
    assert rest.signed("GET", "/openOrderList")[2] == []


def test_nobody_asks_for_the_lists_of_others(world: World, client: ApiClient) -> None:
    number = place(client, "oco", SELL_OCO)["orderListId"]
    assert world.exchange.lists.find("third", list_id=number) is None
    assert world.exchange.lists.all_of("third") == []
