"""Whatever a client sends, the simulated Alpaca answers it or is silent, and goes on."""

from __future__ import annotations

import json
import random
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from pitwire.sim.facades.alpaca_options import CRYPTO, IEX
from tests.sim.alpaca_client import (
    PACKED,
    FeedClient,
    RestClient,
    Trader,
    member,
    place,
    quiet_world,
)

ROUNDS = 400
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 10**19, 1.5, 1e300, -0.0, "", " ", "x", "BTC/USD", "*", "NaN",
    "1e999999", "1e-999999", "9" * 30, "Infinity", "9" * 400, "0.5", "gtc", "day", "ioc", "limit",
    "stop_limit", "market", "buy",
    "\u0000", "\ud7ff", "é" * 50, [], ["BTC/USD"], [[]], [None], {}, {"a": 1}, [{"a": []}] * 3,
]  # fmt: skip
FIELDS = ("symbol", "qty", "notional", "side", "type", "time_in_force", "limit_price", "stop_price",
          "client_order_id", "extended_hours", "order_class", "trail", "legs", "")  # fmt: skip
ACTIONS = ("auth", "subscribe", "unsubscribe", "authenticate", "listen", "", 1, None, [])
KEYS = ("key", "secret", "data", "streams", "trades", "quotes", "orderbooks", "bars", "statuses",
        "imbalances", "corrections", "news", "x")  # fmt: skip
PATHS = (
    "/v2/orders", "/v2/orders/x", "/v2/orders:by_client_order_id", "/v2/account", "/v2/positions",
    "/v2/positions/BTC%2FUSD", "/v2/account/activities", "/v2/account/activities/FILL", "/v2/clock",
    "/v2/calendar", "/v2/assets", "/v2/assets/%00", "/v2/stocks/bars", "/v2/stocks/trades/latest",
    "/v1beta3/crypto/us/bars", "/v1beta3/crypto/us/trades", "/v1beta3/crypto/us/latest/orderbooks",
    "/v1beta3/crypto/us/snapshots", "/v2/%ff", "/%", "//",
)  # fmt: skip
NAMES = ("symbols", "limit", "start", "end", "after", "until", "timeframe", "page_token", "sort",
         "status", "direction", "date", "page_size", "side", "qty", "percentage", "before_order_id",
         "feed", "client_order_id", "asset_class", "cancel_orders")  # fmt: skip
WORDS = ("", "x", "BTC/USD", "AAPL,SPY", "1Min", "1Day", "-1", "9" * 30, "²", "2023-11-14", "all",
         "asc", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2023-11-14T22:13:20+99:99",
         "MQ==", "%00", "50")  # fmt: skip


def request(chance: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = {"action": chance.choice(ACTIONS)}
    for name in chance.sample(KEYS, chance.randrange(5)):
        found[name] = chance.choice([*VALUES, {"key_id": chance.choice(VALUES), "streams": ["x"]}])
    return found


@pytest.mark.parametrize(("path", "headers"), [(CRYPTO, {}), (IEX, PACKED), ("/stream", {})])
def test_requests_on_a_socket(path: str, headers: dict[str, str]) -> None:
    chance, world = random.Random(path), quiet_world()
    client = Trader(world) if path == "/stream" else member(world, path, headers)
    for _ in range(ROUNDS):
        sent = request(chance)
        encode = msgspec.msgpack.encode if headers else json.dumps
        frame: Any = encode(sent)
        frame = bytearray(frame if isinstance(frame, bytes) else frame.encode("utf-8", "replace"))
        if chance.random() < 0.3:
            frame[chance.randrange(len(frame))] = chance.randrange(256)
        client.link.send(bytes(frame))
        world.advance()
        assert client.lost is None
        client.take()
    place(world, "buy", "100", "1")
    world.advance(60)


def test_orders() -> None:
    chance, world = random.Random(1), quiet_world(requests_per_minute=0)
    client = RestClient(world)
    place(world, "sell", "60000", "1")
    place(world, "buy", "59000", "1")
    order = client.placed(limit_price="58000")
    taken = 0
    for _ in range(ROUNDS):
        fields = {name: chance.choice(VALUES) for name in chance.sample(FIELDS, 3)}
        status, _ = client.submit(**fields)
        taken += status == 200
        assert status in (200, 400, 403, 422), fields
        status, answer = client.ask("PATCH", f"/v2/orders/{order['id']}", fields)
        assert status in (200, 400, 403, 422), fields
        order = answer if status == 200 else order
    assert taken, "some of it makes sense"


def test_questions() -> None:
    chance, world = random.Random(2), quiet_world(requests_per_minute=0, data_requests_per_minute=0)
    client = RestClient(world)
    place(world, "sell", "60000", "1")
    client.placed(limit_price="60000")
    for _ in range(ROUNDS):
        query = "&".join(
            f"{name}={quote(chance.choice(WORDS))}" for name in chance.sample(NAMES, 3)
        )
        method = chance.choice(("GET", "GET", "GET", "POST", "DELETE", "PATCH", "PUT"))
        path = chance.choice(PATHS)
        reply = world.stage.http(
            method, f"{path}?{query}", headers=client.headers, body=chance.randbytes(9),
            now=world.clock.now(),
        )  # fmt: skip
        assert reply.status < 500, (method, path, query)
        if reply.body:
            json.loads(reply.body)


def test_headers() -> None:
    world = quiet_world(bad_header_status=0)
    for scheme in ("Basic", "Bearer", "basic", "", "X"):
        for text in ("", "x", "%", "/w==", "\udcff", "a" * 10_000):
            headers = {"authorization": f"{scheme} {text}", "content-type": text}
            assert FeedClient(world, CRYPTO, headers).lost is None
    FeedClient(world, CRYPTO, {"apca-api-key-id": "\udcff", "apca-api-secret-key": "\udcff"})
