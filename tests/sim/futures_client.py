"""A small client for tests of the simulated futures; signs as the papers say, decodes nothing."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from pitwire.sim.world import FUTURES_ORDERS_URL, USDM, World
from tests.sim.binance_client import ApiClient, Ear, StreamClient, sign

RICH = {"USDT": Decimal(1_000_000)}


def futures_world(**options: Any) -> World:
    """Two rich accounts and nobody else."""
    accounts = {"main": RICH, "other": RICH}
    return World(**{"venue": USDM, "scenario": None, "accounts": accounts} | options)


class FuturesClient:
    """REST of one account, without a socket."""

    def __init__(self, world: World, *, account: str = "main", kind: str = "hmac") -> None:
        self.world = world
        self.account = account
        self.key, self.secret = world.keys_of(account)[kind]

    def raw(self, method: str, path: str, query: str = "", *, keyed: bool = True
            ) -> tuple[int, dict[str, str], Any]:  # fmt: skip
        reply = self.world.stage.http(
            method,
            f"/fapi{path}" + (f"?{query}" if query else ""),
            headers={"x-mbx-apikey": self.key} if keyed else {},
            body=b"",
            now=self.world.clock.now(),
        )
        self.world.advance()
        return reply.status, reply.headers, json.loads(reply.body)

    def get(self, path: str, **params: Any) -> Any:
        """Something public."""
        status, _, body = self.raw("GET", path, urlencode(params), keyed=False)
        assert status == 200, body
        return body

    def signed(self, method: str, path: str, **params: Any) -> tuple[int, dict[str, str], Any]:
        query = urlencode(params | {"timestamp": self.world.clock.now() // 1_000_000})
        signature = urlencode({"signature": sign(self.secret, query)})
        return self.raw(method, path, f"{query}&{signature}")

    def done(self, method: str, path: str, **params: Any) -> Any:
        status, _, body = self.signed(method, path, **params)
        assert status == 200, body
        return body

    def refused(self, method: str, path: str, **params: Any) -> tuple[int, str]:
        status, _, body = self.signed(method, path, **params)
        assert status == 400, (status, body)
        return body["code"], body["msg"]

    def limit(self, side: str, price: str, quantity: str, **more: Any) -> Any:
        asked = order(side, price, quantity) | more
        return self.done("POST", "/v1/order", **asked)

    def market(self, side: str, quantity: str, **more: Any) -> Any:
        asked = {"symbol": "BTCUSDT", "side": side, "type": "MARKET", "quantity": quantity}
        return self.done("POST", "/v1/order", **asked | more)

    def position(self, **params: Any) -> Any:
        (row,) = self.done("GET", "/v2/positionRisk", symbol="BTCUSDT", **params)
        return row

    def listen(self, path: str = "/private/ws/", query: str = "") -> StreamClient:
        """Its user stream."""
        status, _, body = self.raw("POST", "/v1/listenKey")
        assert status == 200, body
        return StreamClient(self.world, f"{path}{body['listenKey']}{query}")


def order(side: str, price: str, quantity: str) -> dict[str, str]:
    return {
        "symbol": "BTCUSDT",
        "side": side,
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": price,
        "quantity": quantity,
    }


class FuturesApi(ApiClient):
    """A connection to /ws-fapi/v1."""

    def __init__(self, world: World, *, account: str = "main", kind: str = "hmac") -> None:
        Ear.__init__(self)
        self.world = world
        self.key, self.secret = world.keys_of(account)[kind]
        self.link = world.open(FUTURES_ORDERS_URL, self)
        self.events: list[Any] = []
        self._next = 0


__all__ = ["FuturesApi", "FuturesClient", "StreamClient", "futures_world", "order"]
