"""Orders at the futures: what is answered, what may be modified, hedge mode's two sides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pitwire.sim.facades.usdm_options import UsdmOptions
from pitwire.sim.world import World
from tests.sim.futures_client import FuturesApi, FuturesClient, futures_world, order

HEDGED = {"dualSidePosition": "true"}
LONG, SHORT = {"positionSide": "LONG"}, {"positionSide": "SHORT"}
NOT_REQUIRED = (-1106, "Parameter 'reduceonly' sent when not required.")
WRONG_SIDE = (-4061, "Order's position side does not match user's setting.")
NOTHING_TO_REDUCE = (-2022, "ReduceOnly Order is rejected.")
WHICH = {"symbol": "BTCUSDT", "orderId": 1}


@pytest.fixture
def world() -> World:
    return futures_world()


@pytest.fixture
def main(world: World) -> FuturesClient:
    return FuturesClient(world)


@pytest.fixture
def other(world: World) -> FuturesClient:
    return FuturesClient(world, account="other")


@pytest.fixture
def hedged(main: FuturesClient) -> FuturesClient:
    """The same account, with two positions a symbol."""
    main.done("POST", "/v1/positionSide/dual", **HEDGED)
    return main


def sides(client: FuturesClient) -> dict[str, str]:
    rows = client.done("GET", "/v2/positionRisk", symbol="BTCUSDT")
    return {row["positionSide"]: row["positionAmt"] for row in rows}


# ── what is answered ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("more", "status", "executed"),
    [
        ({}, "NEW", "0.000"),
        ({"newOrderRespType": "ACK"}, "NEW", "0.000"),
        ({"newOrderRespType": "RESULT"}, "FILLED", "0.004"),
    ],
)
def test_a_market_order_is_acknowledged_or_told_to_its_end(
    main: FuturesClient, other: FuturesClient, more: dict[str, str], status: str, executed: str
) -> None:
    other.limit("SELL", "60000.00", "0.004")
    placed = main.market("BUY", "0.004", **more)
    assert (placed["status"], placed["executedQty"], placed["cumQty"]) == (
        status,
        executed,
        executed,
    )
    which = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    assert main.done("GET", "/v1/order", **which)["status"] == "FILLED"


@pytest.mark.parametrize(
    ("tif", "response", "status"),
    [
        ("IOC", "RESULT", "EXPIRED"),
        ("IOC", "ACK", "NEW"),
        ("GTC", "RESULT", "NEW"),
    ],
)
def test_a_limit_order_is_told_to_its_end_where_that_comes_at_once(
    main: FuturesClient, other: FuturesClient, tif: str, response: str, status: str
) -> None:
    other.limit("SELL", "60000.00", "0.004")
    asked = {"timeInForce": tif, "newOrderRespType": response}
    placed = main.limit("BUY", "60000.00", "0.010", **asked)
    executed = "0.004" if status == "EXPIRED" else "0.000"
    assert (placed["status"], placed["executedQty"]) == (status, executed)


def test_a_request_that_grew_old_on_its_way_has_a_code_of_its_own() -> None:
    slow = futures_world(options=UsdmOptions(backend_delay_seconds=6))
    late = (-5028, "Timestamp for this request is outside of the ME recvWindow.")
    main = FuturesClient(slow)
    assert main.refused("POST", "/v1/order", **order("BUY", "59000.00", "0.010")) == late
    main.limit("BUY", "59000.00", "0.010", recvWindow="7000")
    assert main.refused("DELETE", "/v1/order", **WHICH) == late
    change = {"side": "BUY", "quantity": "0.010", "price": "58000.00"}
    assert main.refused("PUT", "/v1/order", **WHICH, **change) == late


def test_a_fill_gives_no_place_back_in_the_windows(
    main: FuturesClient, other: FuturesClient
) -> None:
    other.limit("SELL", "60000.00", "0.004")
    main.market("BUY", "0.004")
    _, headers, _ = main.signed("POST", "/v1/order", **order("BUY", "59000.00", "0.010"))
    assert headers["x-mbx-order-count-10s"] == headers["x-mbx-order-count-1m"] == "2"


@pytest.mark.parametrize("tif", ["GTC", "GTX", "RPI"])
def test_a_time_in_force_is_told_back_as_it_was_sent(main: FuturesClient, tif: str) -> None:
    ear = main.listen()
    placed = main.limit("BUY", "59000.00", "0.010", timeInForce=tif)
    assert placed["timeInForce"] == tif
    assert main.done("GET", "/v1/order", **WHICH)["timeInForce"] == tif
    assert ear.take()[0]["o"]["f"] == tif


# ── modification ──────────────────────────────────────────────────────────────────────────────


def test_a_modification_s_own_id_is_told_back_where_it_was_sent(main: FuturesClient) -> None:
    ear = main.listen()
    main.limit("BUY", "59000.00", "0.010")
    change = {"side": "BUY", "quantity": "0.010"}
    told = main.done("PUT", "/v1/order", **WHICH, **change, price="58000.00", modifyId="77")
    assert told["modifyId"] == 77
    told = main.done("PUT", "/v1/order", **WHICH, **change, price="58500.00")
    assert "modifyId" not in told
    events = [each["o"] for each in ear.take() if each["e"] == "ORDER_TRADE_UPDATE"]
    assert [(each["x"], each.get("M")) for each in events] == [
        ("NEW", None),
        ("AMENDMENT", "77"),
        ("AMENDMENT", None),
    ]


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        (
            {"quantity": "0.001", "price": "4000.00"},
            (-4164, "Order's notional must be no smaller than 5 (unless you choose reduce only)."),
        ),
        ({"price": "9000000.00"}, (-4002, "Price greater than max price.")),
        ({"price": "100.00"}, (-4013, "Price less than min price.")),
        ({"price": "66000.00"}, (-4016, "Limit price can't be higher than 63000.00.")),
        ({"quantity": "1001"}, (-4005, "Quantity greater than max quantity.")),
        ({"quantity": "900"}, (-2019, "Margin is insufficient.")),
    ],
)
def test_a_wrong_modification_is_refused_in_the_words_of_a_wrong_order(
    main: FuturesClient, changed: dict[str, str], refusal: tuple[int, str]
) -> None:
    main.world.advance(1)  # the first mark price
    main.limit("BUY", "59000.00", "0.010")
    asked = {"side": "BUY", "quantity": "0.010", "price": "59000.00"} | changed
    assert main.refused("PUT", "/v1/order", **WHICH, **asked) == refusal
    assert main.done("GET", "/v1/order", **WHICH)["origQty"] == "0.010"


def test_what_may_only_reduce_cannot_be_modified_into_more(
    main: FuturesClient, other: FuturesClient
) -> None:
    other.limit("SELL", "60000.00", "0.010")
    main.market("BUY", "0.010")
    placed = main.limit("SELL", "61000.00", "0.004", reduceOnly="true")
    which = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    change = {"side": "SELL", "quantity": "0.050", "price": "61000.00"}
    assert main.done("PUT", "/v1/order", **which, **change)["origQty"] == "0.010"
    other.limit("BUY", "61000.00", "0.050")
    assert main.position()["positionAmt"] == "0.000"


# ── hedge mode ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/v1/order", "/v1/order/test"])
def test_an_order_names_its_side_in_hedge_mode_and_there_alone(world: World, path: str) -> None:
    one_way, hedged = FuturesClient(world), FuturesClient(world, account="other")
    hedged.done("POST", "/v1/positionSide/dual", **HEDGED)
    asked = order("BUY", "59000.00", "0.010")
    assert one_way.refused("POST", path, **asked, **LONG) == WRONG_SIDE
    for none in ({}, {"positionSide": "BOTH"}):
        assert one_way.signed("POST", path, **asked, **none)[0] == 200
        assert hedged.refused("POST", path, **asked, **none) == WRONG_SIDE
    for side in (LONG, SHORT):
        assert hedged.signed("POST", path, **asked | {"side": "SELL" if side is SHORT else "BUY"},
                             **side)[0] == 200  # fmt: skip


@pytest.mark.parametrize("reduces", ["true", "false"])
def test_reduce_only_is_not_for_hedge_mode(hedged: FuturesClient, reduces: str) -> None:
    asked = order("BUY", "59000.00", "0.010") | LONG | {"reduceOnly": reduces}
    assert hedged.refused("POST", "/v1/order", **asked) == NOT_REQUIRED
    assert hedged.refused("POST", "/v1/order/test", **asked) == NOT_REQUIRED
    stop = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "algoType": "CONDITIONAL",
        "type": "STOP_MARKET",
        "triggerPrice": "50000.00",
        "quantity": "0.010",
    }
    assert hedged.refused("POST", "/v1/algoOrder", **stop, **LONG, reduceOnly=reduces) == (
        NOT_REQUIRED
    )
    assert hedged.done("POST", "/v1/algoOrder", **stop, **LONG)["positionSide"] == "LONG"


def test_two_positions_live_side_by_side(hedged: FuturesClient, other: FuturesClient) -> None:
    ear = hedged.listen()
    other.limit("SELL", "60000.00", "0.005")
    hedged.market("BUY", "0.005", **LONG)
    other.limit("BUY", "59990.00", "0.003")
    hedged.market("SELL", "0.003", **SHORT)
    assert sides(hedged) == {"LONG": "0.005", "SHORT": "-0.003"}
    told = ear.take()
    rows = [each["a"]["P"] for each in told if each["e"] == "ACCOUNT_UPDATE"]
    assert [[(row["ps"], row["pa"], row["ep"]) for row in each] for each in rows] == [
        [("LONG", "0.005", "60000")],
        [("SHORT", "-0.003", "59990")],
    ]
    orders = [each["o"] for each in told if each["e"] == "ORDER_TRADE_UPDATE"]
    assert [(each["x"], each["ps"], each["R"]) for each in orders] == [
        ("NEW", "LONG", False),
        ("TRADE", "LONG", False),
        ("NEW", "SHORT", False),
        ("TRADE", "SHORT", False),
    ]
    trades = hedged.done("GET", "/v1/userTrades", symbol="BTCUSDT")
    assert [(each["positionSide"], each["side"]) for each in trades] == [
        ("LONG", "BUY"),
        ("SHORT", "SELL"),
    ]
    new = hedged.done("GET", "/v3/positionRisk")
    assert [row["positionSide"] for row in new] == ["LONG", "SHORT"]
    for version in ("v2", "v3"):
        account = hedged.done("GET", f"/{version}/account")
        mine = [row for row in account["positions"] if row["symbol"] == "BTCUSDT"]
        assert [row["positionSide"] for row in mine] == ["LONG", "SHORT"]


def test_each_side_is_closed_by_its_own_orders_and_no_further(
    hedged: FuturesClient, other: FuturesClient
) -> None:
    other.limit("SELL", "60000.00", "0.005")
    hedged.market("BUY", "0.005", **LONG)
    selling = order("SELL", "61000.00", "0.006") | LONG
    assert hedged.refused("POST", "/v1/order", **selling) == NOTHING_TO_REDUCE
    first = hedged.done("POST", "/v1/order", **selling | {"quantity": "0.003"})
    assert (first["positionSide"], first["reduceOnly"]) == ("LONG", False)
    # What is set aside to close cannot be closed twice, not even by a modification.
    assert hedged.refused("POST", "/v1/order", **selling | {"quantity": "0.003"})[0] == -2022
    which = {"symbol": "BTCUSDT", "orderId": first["orderId"], "side": "SELL"}
    change = {"price": "61000.00"}
    assert hedged.refused("PUT", "/v1/order", **which, **change, quantity="0.006") == (
        NOTHING_TO_REDUCE
    )
    assert hedged.done("PUT", "/v1/order", **which, **change, quantity="0.005")["origQty"] == (
        "0.005"
    )
    other.limit("BUY", "61000.00", "0.010")
    assert sides(hedged) == {"LONG": "0.000", "SHORT": "0.000"}
    # The buyer of the rest is met by a short one, which is another position.
    hedged.market("SELL", "0.002", **SHORT)
    assert sides(hedged) == {"LONG": "0.000", "SHORT": "-0.002"}
    assert hedged.refused("POST", "/v1/order", **order("BUY", "60000.00", "0.003") | SHORT) == (
        NOTHING_TO_REDUCE
    )


def test_the_mode_stays_while_an_order_or_a_position_is_there(
    hedged: FuturesClient, other: FuturesClient
) -> None:
    back = {"dualSidePosition": "false"}
    path = "/v1/positionSide/dual"
    hedged.limit("BUY", "59000.00", "0.010", **LONG)
    open_orders = (-4067, "Position side cannot be changed if there exists open orders.")
    assert hedged.refused("POST", path, **back) == open_orders
    hedged.done("DELETE", "/v1/allOpenOrders", symbol="BTCUSDT")
    other.limit("SELL", "60000.00", "0.005")
    hedged.market("BUY", "0.005", **LONG)
    position = (-4068, "Position side cannot be changed if there exists position.")
    assert hedged.refused("POST", path, **back) == position
    other.limit("BUY", "60000.00", "0.005")
    hedged.market("SELL", "0.005", **LONG)
    assert hedged.done("POST", path, **back) == {"code": 200, "msg": "success"}
    assert sides(hedged) == {"BOTH": "0.000"}


@pytest.mark.parametrize("counts", [True, False])
def test_a_conditional_order_may_keep_the_mode_too(counts: bool) -> None:
    options = UsdmOptions(mode_waits_for_conditionals=counts)
    main = FuturesClient(futures_world(options=options))
    stop = {"algoType": "CONDITIONAL", "type": "STOP_MARKET", "triggerPrice": "50000.00"}
    main.done("POST", "/v1/algoOrder", symbol="BTCUSDT", side="SELL", quantity="0.010", **stop)
    status, _, body = main.signed("POST", "/v1/positionSide/dual", **HEDGED)
    assert (status, body["code"]) == ((400, -4067) if counts else (200, 200))


def test_a_stop_closes_the_side_that_it_names(hedged: FuturesClient, other: FuturesClient) -> None:
    other.limit("SELL", "60000.00", "0.005")
    hedged.market("BUY", "0.005", **LONG)
    other.limit("BUY", "60000.00", "0.003")
    hedged.market("SELL", "0.003", **SHORT)
    stop = {
        "symbol": "BTCUSDT",
        "algoType": "CONDITIONAL",
        "type": "STOP_MARKET",
        "closePosition": "true",
    }
    hedged.done("POST", "/v1/algoOrder", **stop, side="SELL", triggerPrice="59000.00", **LONG)
    hedged.done("POST", "/v1/algoOrder", **stop, side="BUY", triggerPrice="63000.00", **SHORT)
    ear = hedged.listen()
    other.limit("BUY", "59000.00", "0.010")
    other.limit("SELL", "59000.00", "0.001", selfTradePreventionMode="NONE")
    hedged.world.advance(1)
    assert sides(hedged) == {"LONG": "0.000", "SHORT": "-0.003"}
    algos = [each["o"] for each in ear.take() if each["e"] == "ALGO_UPDATE"]
    assert [(each["ps"], each["X"]) for each in algos] == [
        ("LONG", "TRIGGERING"),
        ("LONG", "TRIGGERED"),
        ("LONG", "FINISHED"),
    ]
    (waiting,) = hedged.done("GET", "/v1/openAlgoOrders")
    assert waiting["positionSide"] == "SHORT"


def test_hedge_mode_over_the_socket(world: World, hedged: FuturesClient) -> None:
    api = FuturesApi(world)
    asked = order("BUY", "59000.00", "0.010")
    assert api.ask("order.place", **asked)["error"] == {"code": -4061, "msg": WRONG_SIDE[1]}
    assert api.done("order.place", **asked, **LONG)["positionSide"] == "LONG"
    assert api.done("v2/account.position")[0]["positionSide"] == "LONG"
    assert api.done("order.status", **WHICH)["positionSide"] == "LONG"
    assert api.done("order.cancel", **WHICH)["positionSide"] == "LONG"
    rows = api.done("account.position", symbol="BTCUSDT")
    assert [row["positionSide"] for row in rows] == ["LONG", "SHORT"]


def test_a_batch_in_hedge_mode_answers_each_side(hedged: FuturesClient) -> None:
    rows: list[dict[str, Any]] = [
        order("BUY", "59000.00", "0.010") | LONG,
        order("SELL", "61000.00", "0.010") | SHORT,
        order("BUY", "59000.00", "0.010"),
    ]
    found = hedged.done("POST", "/v1/batchOrders", batchOrders=json.dumps(rows))
    assert [each.get("positionSide", each.get("code")) for each in found] == [
        "LONG",
        "SHORT",
        -4061,
    ]
