"""Batches: how they are counted and how long they may be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pitwire.sim.facades.usdm_options import UsdmOptions
from tests.sim.futures_client import FuturesClient, futures_world, order

_ROW = order("BUY", "59000.00", "0.010")


def _batch(client: FuturesClient, rows: list[dict[str, Any]], verb: str = "POST") -> Any:
    return client.signed(verb, "/v1/batchOrders", batchOrders=json.dumps(rows))


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_batch_counts_five_in_ten_seconds_and_one_in_a_minute(rows: int) -> None:
    main = FuturesClient(futures_world())
    before = int(main.raw("GET", "/v1/ping", keyed=False)[1]["x-mbx-used-weight-1m"])
    status, headers, body = _batch(main, [_ROW] * rows)
    assert (status, len(body)) == (200, rows)
    counts = (headers["x-mbx-order-count-10s"], headers["x-mbx-order-count-1m"])
    assert counts == ("5", "1")
    assert int(headers["x-mbx-used-weight-1m"]) - before == 5
    change = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.010", "price": "58000.00"}
    status, headers, body = _batch(
        main, [change | {"orderId": number + 1} for number in range(rows)], "PUT"
    )
    assert [each["price"] for each in body] == ["58000.00"] * rows
    counts = (headers["x-mbx-order-count-10s"], headers["x-mbx-order-count-1m"])
    assert counts == ("10", "2")


def test_a_batch_has_a_length() -> None:
    main = FuturesClient(futures_world())
    assert _batch(main, [_ROW] * 6)[0] == 400
    assert main.done("GET", "/v1/openOrders") == []
    wide = FuturesClient(futures_world(options=UsdmOptions(batch_orders=6)))
    assert len(_batch(wide, [_ROW] * 6)[2]) == 6


def test_a_batch_is_refused_when_the_window_is_full() -> None:
    main = FuturesClient(futures_world(options=UsdmOptions(orders_per_10_seconds=5)))
    assert _batch(main, [_ROW])[0] == 200
    status, _, body = _batch(main, [_ROW])
    assert (status, body["code"]) == (429, -1015)
