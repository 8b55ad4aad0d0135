"""The futures façade: paths, doors, orders, positions, user events, limits."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from pitwire.model.errors import ConfigError
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facades.usdm_options import UsdmOptions
from pitwire.sim.world import USDM, World
from tests.sim.futures_client import (
    FuturesApi,
    FuturesClient,
    StreamClient,
    futures_world,
    order,
)


@pytest.fixture
def world() -> World:
    return futures_world()


@pytest.fixture
def main(world: World) -> FuturesClient:
    return FuturesClient(world)


@pytest.fixture
def other(world: World) -> FuturesClient:
    return FuturesClient(world, account="other")


def test_options_of_spot_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected UsdmOptions"):
        World(venue=USDM, options=BinanceOptions())


# ── paths ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "streams"),
    [
        ("/public/stream?streams=", {"btcusdt@bookTicker", "btcusdt@depth@100ms", "btcusdt@trade"}),
        ("/market/stream?streams=", {"btcusdt@aggTrade", "btcusdt@markPrice@1s"}),
        ("/stream?streams=", {"btcusdt@bookTicker", "btcusdt@depth@100ms", "btcusdt@trade"}),
        ("/private/stream?streams=", set()),
    ],
)
def test_a_stream_flows_on_its_own_path(path: str, streams: set[str]) -> None:
    names = ("bookTicker", "depth@100ms", "trade", "aggTrade", "markPrice@1s")
    world = World(seed=3, venue=USDM)
    ear = StreamClient(world, path + "/".join(f"btcusdt@{name}" for name in names))
    assert {frame["stream"] for frame in ear.after(2)} == streams


def test_the_wrong_path_is_acknowledged_and_silent() -> None:
    world = World(seed=3, venue=USDM)
    ear = StreamClient(world, "/market/ws")
    assert ear.ask("SUBSCRIBE", "btcusdt@bookTicker") == {"result": None, "id": 1}
    assert ear.ask("LIST_SUBSCRIPTIONS") == {"result": ["btcusdt@bookTicker"], "id": 1}
    assert ear.after(2) == []


def test_the_old_ways_can_be_brought_back_or_closed() -> None:
    everything = World(seed=3, venue=USDM, options=UsdmOptions(unrouted="all"))
    ear = StreamClient(everything, "/stream?streams=btcusdt@aggTrade/btcusdt@trade")
    heard = {frame["stream"] for frame in ear.after(2)}
    assert heard == {"btcusdt@aggTrade", "btcusdt@trade"}
    refusing = World(seed=3, venue=USDM, options=UsdmOptions(unrouted="refuse"))
    assert refusing.stage.open("/ws/btcusdt@trade", refusing.clock.now()).reply.status == 404  # type: ignore[union-attr]


def test_a_malformed_stream_is_refused(world: World) -> None:
    ear = StreamClient(world, "/public/ws")
    for name in ("btcusdt@depth7", "btcusdt@kline_1s", "btcusdt", "!nothing@arr"):
        assert ear.ask("SUBSCRIBE", name)["error"]["code"] == 2


# ── orders ────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_placed_queried_modified_and_cancelled(main: FuturesClient) -> None:
    placed = main.limit("BUY", "59000.00", "0.010", newClientOrderId="a.b:c/d")
    assert placed == {
        "orderId": 1,
        "symbol": "BTCUSDT",
        "status": "NEW",
        "clientOrderId": "a.b:c/d",
        "price": "59000.00",
        "origQty": "0.010",
        "executedQty": "0.000",
        "cumQty": "0.000",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "reduceOnly": False,
        "closePosition": False,
        "side": "BUY",
        "positionSide": "BOTH",
        "stopPrice": "0.00",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": "LIMIT",
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "updateTime": 1700000000000,
    }
    which = {"symbol": "BTCUSDT", "orderId": 1}
    queried = main.done("GET", "/v1/order", **which)
    assert (queried["avgPrice"], queried["cumQuote"], queried["time"]) == (
        "0.00000",
        "0.00000",
        1700000000000,
    )
    changed = main.done("PUT", "/v1/order", **which, side="BUY", quantity="0.020", price="58000.00")
    assert (changed["price"], changed["origQty"]) == ("58000.00", "0.020")
    assert [each["price"] for each in main.done("GET", "/v1/openOrders")] == ["58000.00"]
    cancelled = main.done("DELETE", "/v1/order", symbol="BTCUSDT", origClientOrderId="a.b:c/d")
    assert (cancelled["status"], cancelled["clientOrderId"]) == ("CANCELED", "a.b:c/d")
    assert main.done("GET", "/v1/openOrders", symbol="BTCUSDT") == []
    assert main.refused("DELETE", "/v1/order", **which) == (-2011, "Unknown order sent.")
    missing = {"symbol": "BTCUSDT", "orderId": 99}
    assert main.refused("GET", "/v1/order", **missing) == (-2013, "Order does not exist.")
    assert [each["status"] for each in main.done("GET", "/v1/allOrders", symbol="BTCUSDT")] == [
        "CANCELED"
    ]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"symbol": "NOPEUSDT"}, -1121),
        ({"price": "59000.05"}, -4014),
        ({"quantity": "0.0005"}, -4023),
        ({"quantity": "0"}, -4003),
        ({"quantity": "1001"}, -4005),
        ({"quantity": "0.001", "price": "4000"}, -4164),
        ({"price": "1000000"}, -4016),
        ({"side": "SELL", "price": "1000"}, -4024),
        ({"quantity": "900", "price": "60000"}, -2019),
        ({"reduceOnly": "true"}, -2022),
        ({"positionSide": "LONG"}, -4061),
        ({"type": "STOP_MARKET", "stopPrice": "1"}, -4120),
        ({"type": "STOP_LOSS"}, -1116),
        ({"timeInForce": "GTD"}, -1102),
        ({"timeInForce": "NOW"}, -1115),
        ({"newClientOrderId": "no blanks"}, -1100),
        ({"selfTradePreventionMode": "DECREMENT"}, -1130),
        ({"unheard": "of"}, -1104),
    ],
)
def test_a_wrong_order_gets_the_venue_s_code(
    main: FuturesClient, changed: dict[str, str], code: int
) -> None:
    main.world.advance(1)  # the first mark price
    asked = order("BUY", "59000.00", "0.010") | changed
    assert main.refused("POST", "/v1/order", **asked)[0] == code


def test_what_would_take_or_not_fill_is_refused(main: FuturesClient, other: FuturesClient) -> None:
    other.limit("SELL", "60000.00", "0.010")
    asked = order("BUY", "60000.00", "0.020")
    assert main.refused("POST", "/v1/order", **asked | {"timeInForce": "GTX"})[0] == -5022
    assert main.refused("POST", "/v1/order", **asked | {"timeInForce": "FOK"})[0] == -5021
    main.limit("BUY", "59000.00", "0.010", newClientOrderId="one")
    again = asked | {"price": "59000.00", "newClientOrderId": "one"}
    assert main.refused("POST", "/v1/order", **again)[0] == -4116
    assert main.limit("BUY", "59000.00", "0.010", timeInForce="GTX")["timeInForce"] == "GTX"


def test_an_unfillable_fok_may_expire_instead() -> None:
    world = futures_world(options=UsdmOptions(unfillable_fok="expire"))
    whole = {"timeInForce": "FOK", "newOrderRespType": "RESULT"}
    placed = FuturesClient(world).limit("BUY", "60000.00", "0.020", **whole)
    assert placed["status"] == "EXPIRED"


def test_a_price_can_be_taken_from_the_book(main: FuturesClient, other: FuturesClient) -> None:
    other.limit("SELL", "60000.00", "0.010")
    other.limit("BUY", "59000.00", "0.010")
    asked = order("BUY", "", "0.010") | {"priceMatch": "QUEUE"}
    del asked["price"]
    placed = main.done("POST", "/v1/order", **asked)
    assert (placed["price"], placed["priceMatch"]) == ("59000.00", "QUEUE")
    taking = asked | {"priceMatch": "OPPONENT", "timeInForce": "IOC", "newOrderRespType": "RESULT"}
    placed = main.done("POST", "/v1/order", **taking)
    assert (placed["price"], placed["status"]) == ("60000.00", "FILLED")
    assert main.refused("POST", "/v1/order", **asked | {"priceMatch": "QUEUE_5"})[0] == -4131


def test_a_dated_order_expires(main: FuturesClient) -> None:
    now = main.world.clock.now() // 1_000_000
    asked = order("BUY", "59000.00", "0.010") | {"timeInForce": "GTD"}
    soon = asked | {"goodTillDate": str(now + 1000)}
    assert main.refused("POST", "/v1/order", **soon)[0] == -4199
    main.done("POST", "/v1/order", **asked, goodTillDate=str(now + 700_999))
    main.world.advance(699)
    assert main.done("GET", "/v1/openOrders")[0]["timeInForce"] == "GTD"
    main.world.advance(2)
    assert main.done("GET", "/v1/openOrders") == []


def test_batches_answer_each_order(main: FuturesClient) -> None:
    rows = (
        '[{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"59000",'
        '"quantity":"0.01"},{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT"}]'
    )
    first, second = main.done("POST", "/v1/batchOrders", batchOrders=rows)
    assert first["orderId"] == 1
    assert second["code"] == -1102
    found = main.done("DELETE", "/v1/batchOrders", symbol="BTCUSDT", orderIdList="[1,7]")
    assert [each.get("status", each.get("code")) for each in found] == ["CANCELED", -2011]


def test_the_dead_man_s_switch_cancels_everything(main: FuturesClient) -> None:
    main.limit("BUY", "59000.00", "0.010")
    asked = {"symbol": "BTCUSDT", "countdownTime": 1000}
    assert main.done("POST", "/v1/countdownCancelAll", **asked) == {
        "symbol": "BTCUSDT",
        "countdownTime": "1000",
    }
    main.world.advance(0.9)
    assert len(main.done("GET", "/v1/openOrders")) == 1
    main.done("POST", "/v1/countdownCancelAll", **asked)  # refreshed
    main.world.advance(0.9)
    assert len(main.done("GET", "/v1/openOrders")) == 1
    main.world.advance(0.2)
    assert main.done("GET", "/v1/openOrders") == []
    main.limit("BUY", "59000.00", "0.010")
    main.done("POST", "/v1/countdownCancelAll", **asked)
    main.done("POST", "/v1/countdownCancelAll", **asked | {"countdownTime": 0})
    main.world.advance(5)
    assert len(main.done("GET", "/v1/openOrders")) == 1


@pytest.mark.parametrize(("every", "gone"), [(0.01, True), (1.0, False)])
def test_the_switch_is_looked_at_every_so_often(every: float, gone: bool) -> None:
    main = FuturesClient(futures_world(options=UsdmOptions(auto_cancel_seconds=every)))
    main.world.advance(0.5)
    main.limit("BUY", "59000.00", "0.010")
    main.done("POST", "/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=1005)
    main.world.advance(1.1)
    assert (main.done("GET", "/v1/openOrders") == []) is gone
    main.world.advance(0.5)
    assert main.done("GET", "/v1/openOrders") == []


def test_cancelling_all_says_so(main: FuturesClient) -> None:
    main.limit("BUY", "59000.00", "0.010")
    for _ in range(2):
        assert main.done("DELETE", "/v1/allOpenOrders", symbol="BTCUSDT") == {
            "code": 200,
            "msg": "The operation of cancel all open order is done.",
        }


# ── positions ─────────────────────────────────────────────────────────────────────────────────


def test_a_position_is_told_in_both_versions(main: FuturesClient, other: FuturesClient) -> None:
    other.limit("SELL", "60000.00", "0.100")
    main.market("BUY", "0.100")
    old = main.position()
    assert (old["positionAmt"], old["entryPrice"], old["leverage"], old["marginType"]) == (
        "0.100",
        "60000.00000",
        "20",
        "cross",
    )
    assert old["breakEvenPrice"] == "60030.00000"
    (new,) = main.done("GET", "/v3/positionRisk")
    assert new["notional"] == old["notional"] == "6000.00000000"
    assert new["positionInitialMargin"] == "300.00000000"
    assert new["maintMargin"] == "24.00000000"
    account = main.done("GET", "/v3/account")
    assert account["totalWalletBalance"] == "999997.00000000"
    assert account["totalPositionInitialMargin"] == "300.00000000"
    assert account["availableBalance"] == "999697.00000000"
    (balance,) = main.done("GET", "/v3/balance")
    assert balance["balance"] == "999997.00000000"
    (trade,) = main.done("GET", "/v1/userTrades", symbol="BTCUSDT")
    assert (trade["commission"], trade["realizedPnl"], trade["maker"]) == (
        "3.00000000",
        "0.00000000",
        False,
    )
    assert other.position()["positionAmt"] == "-0.100"


def test_leverage_margin_type_and_mode_are_set(main: FuturesClient) -> None:
    symbol = {"symbol": "BTCUSDT"}
    assert main.done("POST", "/v1/leverage", **symbol, leverage=50)["leverage"] == 50
    assert main.refused("POST", "/v1/leverage", **symbol, leverage=126)[0] == -4028
    isolated = {"marginType": "ISOLATED"}
    assert main.done("POST", "/v1/marginType", **symbol, **isolated)["code"] == 200
    assert main.refused("POST", "/v1/marginType", **symbol, **isolated)[0] == -4046
    main.limit("BUY", "59000.00", "0.010")
    crossed = {"marginType": "CROSSED"}
    assert main.refused("POST", "/v1/marginType", **symbol, **crossed)[0] == -4047
    dual = {"dualSidePosition": "true"}
    assert main.refused("POST", "/v1/positionSide/dual", **dual)[0] == -4067
    main.done("DELETE", "/v1/allOpenOrders", **symbol)
    assert main.done("POST", "/v1/positionSide/dual", **dual)["msg"] == "success"
    assert main.refused("POST", "/v1/positionSide/dual", **dual)[0] == -4059
    assert main.done("GET", "/v1/positionSide/dual") == {"dualSidePosition": True}
    asked = order("BUY", "59000.00", "0.010") | {"positionSide": "LONG", "reduceOnly": "true"}
    assert main.refused("POST", "/v1/order", **asked)[0] == -1106
    assert len(main.done("GET", "/v2/positionRisk", **symbol)) == 2


# ── conditional orders ────────────────────────────────────────────────────────────────────────


def test_a_conditional_order_waits_fires_and_is_told(
    main: FuturesClient, other: FuturesClient
) -> None:
    ear = main.listen()
    other.limit("SELL", "60000.00", "0.100")
    main.market("BUY", "0.100")
    other.limit("BUY", "58000.00", "1.000")
    asked = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "algoType": "CONDITIONAL",
        "type": "STOP_MARKET",
        "triggerPrice": "59000.00",
        "closePosition": "true",
    }
    placed = main.done("POST", "/v1/algoOrder", **asked)
    assert (placed["algoId"], placed["algoStatus"], placed["closePosition"]) == (1, "NEW", True)
    assert len(main.done("GET", "/v1/openAlgoOrders")) == 1
    ear.take()
    main.world.advance(1)
    other.limit("SELL", "59000.00", "0.001")
    FuturesClient(main.world).limit("BUY", "59000.00", "0.001")
    told = [
        (each["e"], each["o"].get("X"))
        for each in ear.after(0)
        if each["e"] in ("ALGO_UPDATE", "ORDER_TRADE_UPDATE")
    ]
    assert [state for kind, state in told if kind == "ALGO_UPDATE"] == [
        "TRIGGERING",
        "TRIGGERED",
        "FINISHED",
    ]
    found = main.done("GET", "/v1/algoOrder", algoId=1)
    assert (found["algoStatus"], found["actualPrice"]) == ("FINISHED", "58000.00000")
    assert main.position()["positionAmt"] == "0.000"
    assert main.refused("DELETE", "/v1/algoOrder", algoId=1)[0] == -2011


_STOP = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "algoType": "CONDITIONAL",
    "type": "STOP",
    "quantity": "0.010",
    "price": "59000.00",
    "triggerPrice": "59000.00",
}


def test_what_became_of_a_conditional_order_is_told_step_by_step(
    main: FuturesClient, other: FuturesClient
) -> None:
    ear = main.listen()
    asked = _STOP | {"priceProtect": "true"}
    assert main.done("POST", "/v1/algoOrder", **asked)["priceProtect"] is True
    row = main.done("GET", "/v1/algoOrder", algoId=1)
    assert (row["actualOrderId"], row["actualPrice"]) == ("", "0.00000")
    assert not {"actualType", "actualQty"} & set(row)

    other.limit("SELL", "59000.00", "0.001")
    FuturesClient(main.world).limit("BUY", "59000.00", "0.001")
    row = main.done("GET", "/v1/algoOrder", algoId=1)
    (placed,) = main.done("GET", "/v1/openOrders")
    assert (row["algoStatus"], row["actualOrderId"], row["actualType"]) == (
        "TRIGGERED",
        str(placed["orderId"]),
        "LIMIT",
    )
    assert "actualQty" not in row

    other.limit("BUY", "59000.00", "0.004")
    row = main.done("GET", "/v1/algoOrder", algoId=1)
    assert (row["algoStatus"], row["actualQty"], row["actualPrice"]) == (
        "TRIGGERED",
        "0.004",
        "59000.00000",
    )
    (listed,) = main.done("GET", "/v1/allAlgoOrders", symbol="BTCUSDT")
    assert not {"actualType", "actualQty"} & set(listed)
    ear.take()
    other.limit("BUY", "59000.00", "0.006")
    told = [each for each in ear.after(0) if each["e"] in ("ALGO_UPDATE", "ORDER_TRADE_UPDATE")]
    assert [each["o"]["X"] for each in told] == ["FILLED", "FINISHED"]
    last = told[-1]["o"]
    assert (last["ai"], last["aq"], last["act"], last["pP"]) == (
        str(placed["orderId"]),
        "0.010",
        "LIMIT",
        True,
    )
    assert list(last)[-2:] == ["rm", "ia"]


def test_a_mark_price_sets_a_conditional_order_off(
    main: FuturesClient, other: FuturesClient
) -> None:
    main.done("POST", "/v1/algoOrder", **_STOP | {"workingType": "MARK_PRICE"})
    main.done("POST", "/v1/algoOrder", **_STOP | {"clientAlgoId": "by-last"})
    other.limit("BUY", "58000.00", "0.001")
    other.limit("SELL", "58000.10", "0.001")
    main.world.advance(120)  # the mark price follows the middle of the book
    by_mark = main.done("GET", "/v1/algoOrder", algoId=1)
    assert (by_mark["workingType"], by_mark["algoStatus"]) == ("MARK_PRICE", "TRIGGERED")
    assert main.done("GET", "/v1/algoOrder", algoId=2)["algoStatus"] == "NEW"


@pytest.mark.parametrize(("rate", "whole"), [("0.05", False), ("25", False), ("10", True)])
def test_a_callback_rate_has_its_range(main: FuturesClient, rate: str, whole: bool) -> None:
    asked = {name: value for name, value in _STOP.items() if name not in ("price", "triggerPrice")}
    asked |= {"type": "TRAILING_STOP_MARKET", "callbackRate": rate}
    if whole:
        assert main.done("POST", "/v1/algoOrder", **asked)["callbackRate"] == "10.0"
    else:
        assert main.refused("POST", "/v1/algoOrder", **asked) == (-2007, "Invalid callBack rate")
    wide = UsdmOptions(callback_rates=(Decimal("0.01"), Decimal(50)))
    assert FuturesClient(futures_world(options=wide)).done("POST", "/v1/algoOrder", **asked)


@pytest.mark.parametrize("cancels", [False, True])
def test_a_countdown_leaves_conditional_orders_unless_it_is_told_to_take_them(
    cancels: bool,
) -> None:
    options = UsdmOptions(countdown_cancels_conditionals=cancels)
    main = FuturesClient(futures_world(options=options))
    main.done("POST", "/v1/algoOrder", **_STOP)
    main.limit("BUY", "59000.00", "0.010")
    main.done("POST", "/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=1000)
    main.world.advance(2)
    assert main.done("GET", "/v1/openOrders") == []
    assert len(main.done("GET", "/v1/openAlgoOrders")) == (0 if cancels else 1)


def test_a_position_mode_does_not_change_over_a_position(
    main: FuturesClient, other: FuturesClient
) -> None:
    other.limit("SELL", "60000.00", "0.010")
    main.market("BUY", "0.010")
    assert main.refused("POST", "/v1/positionSide/dual", dualSidePosition="true") == (
        -4068,
        "Position side cannot be changed if there exists position.",
    )
    assert main.refused("POST", "/v1/positionSide/dual", dualSidePosition="perhaps")[0] == -1130
    assert main.refused("POST", "/v1/positionSide/dual")[0] == -1102
    assert main.refused("POST", "/v1/algoOrder", **_STOP | {"positionSide": "LONG"}) == (
        -4061,
        "Order's position side does not match user's setting.",
    )


def test_a_conditional_order_behind_the_price_is_refused(main: FuturesClient) -> None:
    asked = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "algoType": "CONDITIONAL",
        "type": "STOP",
        "quantity": "0.01",
        "price": "61000.00",
        "triggerPrice": "61000.00",
    }
    assert main.refused("POST", "/v1/algoOrder", **asked)[0] == -2021
    placed = main.done("POST", "/v1/algoOrder", **asked | {"triggerPrice": "59000.00"})
    assert main.done("DELETE", "/v1/algoOrder", clientAlgoId=placed["clientAlgoId"]) == {
        "algoId": 1,
        "clientAlgoId": placed["clientAlgoId"],
        "code": "200",
        "msg": "success",
    }


# ── user events ───────────────────────────────────────────────────────────────────────────────


def test_a_fill_is_told_in_the_order_of_the_live_capture(
    main: FuturesClient, other: FuturesClient
) -> None:
    ear = main.listen()
    other.limit("SELL", "60000.00", "0.002")
    main.limit("BUY", "60000.00", "0.002")
    told = ear.take()
    assert [(each["e"], each.get("o", {}).get("x")) for each in told] == [
        ("TRADE_LITE", None),
        ("ORDER_TRADE_UPDATE", "NEW"),
        ("ACCOUNT_UPDATE", None),
        ("ORDER_TRADE_UPDATE", "TRADE"),
    ]
    assert told[1]["o"]["b"] == "120"
    assert told[3]["o"]["b"] == "0"
    assert told[2]["a"]["P"][0]["pa"] == "0.002"
    assert told[2]["a"]["m"] == "ORDER"


def test_a_listener_gets_the_kinds_that_it_asked_for(
    main: FuturesClient, other: FuturesClient
) -> None:
    _, _, body = main.raw("POST", "/v1/listenKey")
    key = body["listenKey"]
    ear = StreamClient(main.world, f"/private/ws?listenKey={key}&events=ACCOUNT_UPDATE")
    wrapped = StreamClient(main.world, f"/private/stream?listenKey={key}&events=TRADE_LITE")
    other.limit("SELL", "60000.00", "0.002")
    main.limit("BUY", "60000.00", "0.002")
    assert [each["e"] for each in ear.take()] == ["ACCOUNT_UPDATE"]
    assert [(each["stream"], each["data"]["e"]) for each in wrapped.take()] == [(key, "TRADE_LITE")]


def test_a_listen_key_lives_an_hour_from_its_last_renewal(main: FuturesClient) -> None:
    ear = main.listen()
    main.world.advance(3000)
    assert main.raw("PUT", "/v1/listenKey")[0] == 200
    main.world.advance(3000)
    assert ear.take() == []
    main.world.advance(700)
    (told,) = ear.take()
    assert (told["e"], len(told["listenKey"])) == ("listenKeyExpired", 64)
    status, _, body = main.raw("PUT", "/v1/listenKey")
    assert (status, body["code"]) == (400, -1125)
    main.limit("BUY", "59000.00", "0.010")
    assert ear.take() == []


def test_a_closed_listen_key_is_silent(main: FuturesClient) -> None:
    ear = main.listen()
    assert main.raw("DELETE", "/v1/listenKey")[2] == {}
    main.limit("BUY", "59000.00", "0.010")
    assert ear.take() == []


def test_a_leverage_is_told(main: FuturesClient) -> None:
    ear = main.listen()
    main.done("POST", "/v1/leverage", symbol="BTCUSDT", leverage=7)
    (told,) = ear.take()
    assert (told["e"], told["ac"]) == ("ACCOUNT_CONFIG_UPDATE", {"s": "BTCUSDT", "l": 7})


def test_a_liquidation_is_told_to_its_owner_and_to_everybody() -> None:
    poor = {"main": {"USDT": 1000}, "other": {"USDT": 10_000_000}}
    world = futures_world(accounts=poor)
    main, other = FuturesClient(world), FuturesClient(world, account="other")
    user = main.listen()
    market = StreamClient(world, "/market/ws/btcusdt@forceOrder")
    arrays = StreamClient(world, "/market/ws/!forceOrder@arr")
    other.limit("SELL", "60000.00", "0.300")
    main.limit("BUY", "60000.00", "0.300")
    other.limit("BUY", "57500.00", "0.500")
    other.limit("SELL", "57500.00", "0.001", selfTradePreventionMode="NONE")
    other.limit("SELL", "57600.00", "1.000")
    world.advance(70)  # the mark price follows within a minute
    other.limit("BUY", "56800.00", "2.000")
    other.limit("SELL", "56800.00", "0.500", selfTradePreventionMode="NONE")
    other.limit("SELL", "57000.00", "1.000")
    user.take()
    world.advance(70)
    events = user.take()
    orders = [each["o"] for each in events if each["e"] == "ORDER_TRADE_UPDATE"]
    assert orders[0]["c"].startswith("autoclose-")
    assert orders[-1]["X"] == "FILLED"
    reasons = [each["a"]["m"] for each in events if each["e"] == "ACCOUNT_UPDATE"]
    assert reasons == ["ORDER", "INSURANCE_CLEAR"]
    (told,) = market.take()
    assert (told["e"], told["o"]["S"], told["o"]["q"]) == ("forceOrder", "SELL", "0.300")
    assert [each["o"]["s"] for each in arrays.take()] == ["BTCUSDT"]


# ── the WS-API ────────────────────────────────────────────────────────────────────────────────


def test_orders_go_over_the_socket(world: World) -> None:
    api = FuturesApi(world)
    answer = api.ask("order.place", **order("BUY", "59000.00", "0.010"))
    assert (answer["status"], answer["result"]["status"]) == (200, "NEW")
    assert [
        (each["rateLimitType"], each["interval"], each["intervalNum"], each["limit"])
        for each in answer["rateLimits"]
    ] == [
        ("ORDERS", "SECOND", 10, 300),
        ("ORDERS", "MINUTE", 1, 1200),
        ("REQUEST_WEIGHT", "MINUTE", 1, 2400),
    ]
    which = {"symbol": "BTCUSDT", "orderId": 1}
    change = {"side": "BUY", "quantity": "0.010", "price": "58000.00"}
    assert api.done("order.modify", **which, **change)["price"] == "58000.00"
    assert api.done("order.status", **which)["price"] == "58000.00"
    assert api.done("order.cancel", **which)["status"] == "CANCELED"
    assert api.ask("order.cancel", **which)["error"]["code"] == -2011
    assert api.done("v2/account.status")["totalWalletBalance"] == "1000000.00000000"
    assert api.done("account.balance")[0]["asset"] == "USDT"
    assert api.done("v2/account.position") == []
    assert api.send("ticker.price", {"symbol": "BTCUSDT"})["result"]["price"] == "60000.00"
    assert api.send("ticker.book", {"symbol": "BTCUSDT"})["result"]["bidPrice"] == "0.00"
    assert api.send("depth", {"symbol": "BTCUSDT"})["result"]["bids"] == []
    assert api.send("exchangeInfo", {})["status"] == 400  # not over this door


@pytest.mark.parametrize("where", ["inside", "beside"])
def test_a_book_stands_in_its_result_or_beside_it(where: Any) -> None:
    world = futures_world(options=UsdmOptions(depth_answer=where))
    FuturesClient(world).limit("BUY", "59000.00", "0.010")
    answer = FuturesApi(world).send("depth", {"symbol": "BTCUSDT"})
    holder = answer["result"] if where == "inside" else answer
    assert (holder["bids"], holder["asks"]) == ([["59000.00", "0.010"]], [])
    assert ("bids" in answer["result"]) is (where == "inside")
    assert list(answer["result"])[:3] == ["lastUpdateId", "E", "T"]


def test_a_refusal_can_be_worded_otherwise() -> None:
    words = {-2019: "Not enough.", -1102: "Where is it?"}
    world = futures_world(options=UsdmOptions(wording=words))
    main, api = FuturesClient(world), FuturesApi(world)
    asked = order("BUY", "60000.00", "900")
    assert main.refused("POST", "/v1/order", **asked) == (-2019, "Not enough.")
    refused = {"code": -2019, "msg": "Not enough."}
    assert api.ask("order.place", **asked)["error"] == refused
    rows = json.dumps([asked, {"symbol": "BTCUSDT"}])
    assert main.done("POST", "/v1/batchOrders", batchOrders=rows) == [
        refused,
        {"code": -1102, "msg": "Where is it?"},
    ]
    assert main.refused("GET", "/v1/order", symbol="BTCUSDT", orderId=9)[1] == (
        "Order does not exist."
    )


def test_a_session_logs_on_and_listen_keys_are_had(world: World) -> None:
    api = FuturesApi(world, kind="ed25519")
    assert api.done("session.logon")["apiKey"] == api.key
    asked = order("BUY", "59000.00", "0.010") | {"timestamp": api.stamp()}
    assert api.send("order.place", asked)["status"] == 200
    key = api.send("userDataStream.start", {"apiKey": api.key})["result"]["listenKey"]
    assert api.send("userDataStream.ping", {"apiKey": api.key})["result"] == {"listenKey": key}
    assert api.send("userDataStream.stop", {"apiKey": api.key})["status"] == 200


def test_a_wrong_signature_is_refused(main: FuturesClient) -> None:
    main.secret = "x" * 64
    assert main.refused("GET", "/v3/account")[0] == -1022


# ── limits ────────────────────────────────────────────────────────────────────────────────────


def test_ten_messages_a_second_are_enough(world: World) -> None:
    ear = StreamClient(world, "/public/ws")
    for _ in range(10):
        assert ear.ask("LIST_SUBSCRIPTIONS")["result"] == []
    ear.say('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    assert ear.lost is not None
    assert (ear.lost.code, ear.lost.reason) == (1008, "Too many requests")


def test_pings_on_the_orders_door_are_counted(world: World) -> None:
    api = FuturesApi(world)
    for _ in range(6):
        api.link.ping(b"?")
        world.advance()
    assert api.lost is not None
    assert api.lost.code == 1008


def test_the_server_pings_every_three_minutes(world: World) -> None:
    ear = StreamClient(world, "/public/ws")
    world.advance(179)
    assert ear.pings == []
    world.advance(2)
    assert len(ear.pings) == 1


def test_weights_are_counted_against_2400(main: FuturesClient) -> None:
    for _ in range(120):
        main.get("/v1/depth", symbol="BTCUSDT", limit=1000)
    status, headers, body = main.raw("GET", "/v1/time")
    assert (status, body["code"]) == (429, -1003)
    assert headers["x-mbx-used-weight-1m"] == "2400"


def test_order_counts_ride_along(main: FuturesClient) -> None:
    _, headers, _ = main.signed("POST", "/v1/order", **order("BUY", "59000.00", "0.010"))
    assert headers["x-mbx-order-count-10s"] == headers["x-mbx-order-count-1m"] == "1"


# ── data ──────────────────────────────────────────────────────────────────────────────────────


def test_the_rule_book(main: FuturesClient) -> None:
    info: Any = main.get("/v1/exchangeInfo")
    assert [each["symbol"] for each in info["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    bitcoin = info["symbols"][0]
    assert bitcoin["contractType"] == "PERPETUAL"
    filters = {each["filterType"]: each for each in bitcoin["filters"]}
    assert filters["PRICE_FILTER"] == {
        "minPrice": "556.80",
        "maxPrice": "4529294.4",
        "filterType": "PRICE_FILTER",
        "tickSize": "0.10",
    }
    assert filters["MIN_NOTIONAL"]["notional"] == "5"
    assert filters["MAX_NUM_ORDERS"]["limit"] == 200


def test_a_depth_that_is_not_on_the_list_is_refused(main: FuturesClient) -> None:
    assert main.raw("GET", "/v1/depth", "symbol=BTCUSDT&limit=7")[2]["code"] == -4021


def test_funding_is_told_when_it_was_paid(main: FuturesClient, other: FuturesClient) -> None:
    ear = main.listen()
    other.limit("SELL", "60000.00", "0.100")
    main.market("BUY", "0.100")
    premium = main.get("/v1/premiumIndex", symbol="BTCUSDT")
    main.world.advance(1)
    premium = main.get("/v1/premiumIndex", symbol="BTCUSDT")
    assert premium["lastFundingRate"] == "0.00010000"
    wait = premium["nextFundingTime"] / 1000 - main.world.clock.now() / 1e9
    main.raw("PUT", "/v1/listenKey")
    ear.take()
    for _ in range(int(wait // 1800) + 1):
        main.world.advance(1800)
        main.raw("PUT", "/v1/listenKey")
    (told,) = ear.take()
    assert (told["a"]["m"], told["a"]["P"]) == ("FUNDING_FEE", [])
    assert told["a"]["B"][0]["bc"] == "-0.6"
    (row,) = main.get("/v1/fundingRate", symbol="BTCUSDT")
    assert row["fundingTime"] == premium["nextFundingTime"]
    at, ask = row["fundingTime"], {"symbol": "BTCUSDT"}
    assert main.get("/v1/fundingRate", **ask, startTime=at, endTime=at) == [row]
    assert main.get("/v1/fundingRate", **ask, startTime=at + 1) == []
    assert main.get("/v1/fundingRate", **ask, endTime=at - 1) == []
    (paid,) = main.done("GET", "/v1/income", incomeType="FUNDING_FEE")
    assert paid["income"] == "-0.60000000"
