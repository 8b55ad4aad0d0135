"""A small client for tests of the simulated Binance; signs as the papers say, decodes nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pitwire.model.errors import ConnectionLost
from pitwire.sim.world import HTTP_URL, MARKET_URL, ORDERS_URL, World

RICH = {"BTC": Decimal(10), "ETH": Decimal(100), "USDT": Decimal(1_000_000)}
TWO_ACCOUNTS = {"main": RICH, "other": RICH}


def quiet_world(**options: Any) -> World:
    """Two rich accounts and nobody else."""
    return World(**{"scenario": None, "accounts": TWO_ACCOUNTS} | options)


class Ear:
    """Keeps what a link brings."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.drained: list[bool] = []
        self.pings: list[bytes] = []
        self.pongs: list[bytes] = []
        self.lost: ConnectionLost | None = None

    def on_frame(self, frame: bytes, drained: bool) -> None:
        self.raw.append(bytes(frame))
        self.drained.append(drained)

    def on_ping(self, payload: bytes) -> None:
        self.pings.append(payload)

    def on_pong(self, payload: bytes) -> None:
        self.pongs.append(payload)

    def on_lost(self, error: ConnectionLost) -> None:
        assert self.lost is None
        self.lost = error

    def take(self) -> list[Any]:
        """Everything so far, decoded; given out once."""
        raw, self.raw = self.raw, []
        return [json.loads(frame) for frame in raw]


class StreamClient(Ear):
    """A stream connection."""

    def __init__(self, world: World, path: str = "/ws") -> None:
        super().__init__()
        self.world = world
        self.link = world.open(MARKET_URL + path, self)

    def say(self, text: str | bytes) -> list[Any]:
        """Send a frame as it is and return what comes at once."""
        self.link.send(text.encode() if isinstance(text, str) else text)
        self.world.advance()
        return self.take()

    def ask(self, method: str, *params: Any, id: Any = 1) -> Any:
        request: dict[str, Any] = {"method": method}
        if params:
            request["params"] = list(params)
        (answer,) = self.say(json.dumps(request | {"id": id}))
        return answer

    def after(self, seconds: float) -> list[Any]:
        self.world.advance(seconds)
        return self.take()


class ApiClient(Ear):
    """A WS-API connection of one account."""

    def __init__(
        self, world: World, *, account: str = "main", kind: str = "hmac", query: str = ""
    ) -> None:
        super().__init__()
        self.world = world
        self.key, self.secret = world.keys_of(account)[kind]
        self.link = world.open(ORDERS_URL + query, self)
        self.events: list[Any] = []
        self._next = 0

    def stamp(self) -> int:
        return self.world.clock.now() // 1_000_000

    def signed(self, **params: Any) -> dict[str, Any]:
        params = {"apiKey": self.key, "timestamp": self.stamp()} | params
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        return params | {"signature": sign(self.secret, text)}

    def send(self, method: str, params: dict[str, Any]) -> Any:
        """Send a request with exactly these parameters; events are kept aside."""
        self._next += 1
        request = {"id": self._next, "method": method, "params": params}
        return self.send_raw(json.dumps(request))

    def send_raw(self, text: str) -> Any:
        self.link.send(text.encode())
        self.world.advance()
        frames = self.take()
        self.events += [frame for frame in frames if "event" in frame]
        answers = [frame for frame in frames if "event" not in frame]
        assert len(answers) == 1, frames
        return answers[0]

    def ask(self, method: str, **params: Any) -> Any:
        """A signed request."""
        return self.send(method, self.signed(**params))

    def done(self, method: str, **params: Any) -> Any:
        """A signed request that must succeed; its result."""
        answer = self.ask(method, **params)
        assert answer["status"] == 200, answer
        return answer["result"]

    def limit(self, side: str, price: str, quantity: str, **more: Any) -> Any:
        return self.done(
            "order.place",
            **{
                "symbol": "BTCUSDT",
                "side": side,
                "type": "LIMIT",
                "timeInForce": "GTC",
                "price": price,
                "quantity": quantity,
            }
            | more,
        )

    def market(self, side: str, **more: Any) -> Any:
        return self.done("order.place", symbol="BTCUSDT", side=side, type="MARKET", **more)

    def subscribe(self) -> int:
        return self.done("userDataStream.subscribe.signature")["subscriptionId"]

    def take_events(self) -> list[Any]:
        """User-data events so far, unwrapped; given out once."""
        self.world.advance()
        self.events += self.take()
        events, self.events = self.events, []
        return [frame["event"] for frame in events]


def sign(secret: str, text: str) -> str:
    """HMAC or Ed25519, by the look of the secret."""
    if "PRIVATE KEY" not in secret:
        return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    key = load_pem_private_key(secret.encode(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return base64.b64encode(key.sign(text.encode())).decode()


class RestClient:
    """REST, without a socket."""

    def __init__(self, world: World, *, account: str = "main", kind: str = "hmac") -> None:
        self.world = world
        self.key, self.secret = world.keys_of(account)[kind]

    def raw(
        self, method: str, target: str, *, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        reply = self.world.stage.http(
            method, target, headers=headers or {}, body=body, now=self.world.clock.now()
        )
        self.world.advance()
        return reply.status, reply.headers, reply.body

    def get(self, path: str, **params: Any) -> Any:
        query = "?" + urlencode(params) if params else ""
        status, _, body = self.raw("GET", f"/api/v3{path}{query}")
        assert status == 200, body
        return json.loads(body)

    def signed(self, method: str, path: str, **params: Any) -> tuple[int, dict[str, str], Any]:
        params = params | {"timestamp": self.world.clock.now() // 1_000_000}
        query = urlencode(params)
        signature = urlencode({"signature": sign(self.secret, query)})
        status, headers, body = self.raw(
            method,
            f"/api/v3{path}?{query}&{signature}",
            headers={"x-mbx-apikey": self.key},
        )
        return status, headers, json.loads(body)


__all__ = ["HTTP_URL", "ApiClient", "Ear", "RestClient", "StreamClient", "quiet_world", "sign"]
