"""What the futures remember of orders and trades, and for how long."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from pitwire.model.clock import MILLISECOND, SECOND
from tests.sim.binance_client import sign
from tests.sim.futures_client import FuturesClient, futures_world

_DAY = 86_400
_GONE = {"code": -2013, "msg": "Order does not exist."}


def later(client: FuturesClient, days: float, path: str, **params: Any) -> Any:
    """What a question of that day is answered; the days between are not lived through."""
    now = client.world.clock.now() + int(days * _DAY * SECOND)
    query = urlencode({"symbol": "BTCUSDT"} | params | {"timestamp": now // MILLISECOND})
    query += "&" + urlencode({"signature": sign(client.secret, query)})
    reply = client.world.stage.facade.http(
        "GET", f"/fapi{path}?{query}", headers={"x-mbx-apikey": client.key}, body=b"", now=now
    )
    return json.loads(reply.body)


def test_an_order_that_ended_without_a_fill_is_forgotten_after_three_days() -> None:
    main = FuturesClient(futures_world())
    cancelled = main.limit("BUY", "59000.00", "0.010")["orderId"]
    kept = main.limit("BUY", "58000.00", "0.010")["orderId"]
    main.done("DELETE", "/v1/order", symbol="BTCUSDT", orderId=cancelled)
    assert later(main, 2.9, "/v1/order", orderId=cancelled)["status"] == "CANCELED"
    assert later(main, 3.1, "/v1/order", orderId=cancelled) == _GONE
    assert later(main, 3.1, "/v1/order", orderId=kept)["status"] == "NEW"
    assert [each["orderId"] for each in later(main, 3.1, "/v1/allOrders")] == [kept]


def test_a_filled_order_and_its_trade_are_forgotten_after_ninety_days() -> None:
    world = futures_world()
    main, other = FuturesClient(world), FuturesClient(world, account="other")
    other.limit("SELL", "60000.00", "0.010")
    filled = main.market("BUY", "0.010")["orderId"]
    assert later(main, 89.9, "/v1/order", orderId=filled)["status"] == "FILLED"
    assert len(later(main, 89.9, "/v1/userTrades")) == 1
    assert later(main, 90.1, "/v1/order", orderId=filled) == _GONE
    assert later(main, 90.1, "/v1/allOrders") == later(main, 90.1, "/v1/userTrades") == []
