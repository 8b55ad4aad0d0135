"""JSON types of the futures' WS-API parameters, where they are demanded."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.sim.facades.usdm_options import UsdmOptions
from tests.sim.futures_client import FuturesApi, futures_world, order

_GOOD: dict[str, Any] = order("BUY", "59000.00", "0.010") | {"recvWindow": 5000}


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, ""),
        ({"quantity": 1}, "quantity"),
        ({"price": 59000.5}, "price"),
        ({"timestamp": "as text"}, "timestamp"),
        ({"goodTillDate": "1800000000000"}, "goodTillDate"),
        ({"goodTillDate": True}, "goodTillDate"),
    ],
)
def test_types_are_demanded_or_forgiven(changed: dict[str, Any], wrong: str) -> None:
    api = FuturesApi(futures_world(options=UsdmOptions(typed_params="demand")))
    if "timestamp" in changed:
        changed = {"timestamp": str(api.stamp())}
    answer = api.ask("order.place", **_GOOD | changed)
    if not wrong:
        assert answer["status"] == 200
        return
    assert answer["error"]["code"] == -1102
    assert f"'{wrong}'" in answer["error"]["msg"]
    lenient = FuturesApi(futures_world())
    answer = lenient.ask("order.place", **_GOOD | changed)
    assert answer.get("error", {}).get("code") != -1102
