"""Lists of conditional orders, and how they are counted."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.sim.facades.usdm_options import UsdmOptions
from tests.sim.futures_client import FuturesClient, futures_world

_STOP = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "algoType": "CONDITIONAL",
    "type": "STOP_MARKET",
    "quantity": "0.010",
    "triggerPrice": "50000.00",
}


@pytest.fixture
def main() -> FuturesClient:
    """Three stops, ten seconds apart, the first of which was cancelled."""
    client = FuturesClient(futures_world())
    for _ in range(3):
        client.done("POST", "/v1/algoOrder", **_STOP)
        client.world.advance(10)
    client.done("DELETE", "/v1/algoOrder", algoId=1)
    return client


def ids(client: FuturesClient, path: str, **params: Any) -> list[int]:
    return [row["algoId"] for row in client.done("GET", path, **params)]


def test_lists_are_narrowed_by_what_is_asked(main: FuturesClient) -> None:
    every, waiting = "/v1/allAlgoOrders", "/v1/openAlgoOrders"
    symbol = {"symbol": "BTCUSDT"}
    assert ids(main, waiting) == ids(main, waiting, **symbol) == [2, 3]
    assert ids(main, waiting, algoId=3) == [3]
    assert ids(main, waiting, symbol="ETHUSDT") == []
    assert ids(main, every, **symbol) == [1, 2, 3]
    assert ids(main, every, **symbol, algoId=2) == [2, 3]
    assert ids(main, every, **symbol, limit=2) == [1, 2]
    assert ids(main, every, **symbol, limit=2, page=2) == [3]
    second = main.done("GET", every, **symbol)[1]["createTime"]
    assert ids(main, every, **symbol, startTime=second) == [2, 3]
    assert ids(main, every, **symbol, endTime=second) == [1, 2]


def test_a_conditional_order_is_counted_as_an_order() -> None:
    main = FuturesClient(futures_world(options=UsdmOptions(orders_per_10_seconds=1)))
    _, headers, _ = main.signed("POST", "/v1/algoOrder", **_STOP)
    assert headers["x-mbx-order-count-10s"] == headers["x-mbx-order-count-1m"] == "1"
    status, _, body = main.signed("POST", "/v1/algoOrder", **_STOP)
    assert (status, body["code"]) == (429, -1015)


def test_a_conditional_order_of_a_wrong_size_or_age_is_refused() -> None:
    main = FuturesClient(futures_world())
    too_much = (-4005, "Quantity greater than max quantity.")
    assert main.refused("POST", "/v1/algoOrder", **_STOP | {"quantity": "1001"}) == too_much
    slow = FuturesClient(futures_world(options=UsdmOptions(backend_delay_seconds=6)))
    assert slow.refused("POST", "/v1/algoOrder", **_STOP)[0] == -5028
