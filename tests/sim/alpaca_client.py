"""A small client for tests of the simulated Alpaca; it logs in as the papers say."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec

from pitwire.model.orders import Side
from pitwire.sim.facades.alpaca_options import CRYPTO, AlpacaOptions
from pitwire.sim.facts import Kind, NewOrder, SimOrder, Stp, Tif
from pitwire.sim.world import MARKET_URL, World
from tests.sim.binance_client import Ear

RICH = {"USD": Decimal(1_000_000), "BTC": Decimal(10), "ETH": Decimal(100), "AAPL": Decimal(500)}
PACKED = {"content-type": "application/msgpack"}
CONNECTED = {"T": "success", "msg": "connected"}
AUTHENTICATED = {"T": "success", "msg": "authenticated"}


def quiet_world(**options: Any) -> World:
    """Two rich accounts and nobody else; `options` of `AlpacaOptions` or of `World`."""
    ours = {name: options.pop(name) for name in AlpacaOptions.__struct_fields__ if name in options}
    given = {"scenario": None, "accounts": {"main": RICH, "other": RICH}} | options
    return World(venue="alpaca", options=AlpacaOptions(**ours), **given)


class FeedClient(Ear):
    """A connection to a market-data endpoint."""

    def __init__(
        self, world: World, path: str = CRYPTO, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__()
        self.world, self.packed = world, headers is not None and headers == PACKED
        self.link = world.open(MARKET_URL + path, self, headers or {})
        world.advance()

    def take(self) -> list[Any]:
        """Every object that has come, in order; given out once."""
        raw, self.raw = self.raw, []
        decode = msgspec.msgpack.decode if self.packed else json.loads
        return [message for frame in raw for message in decode(frame)]

    def say(self, message: object) -> list[Any]:
        """Send an object, or text as it is, and return what comes at once."""
        encode = msgspec.msgpack.encode if self.packed else msgspec.json.encode
        frame = message.encode() if isinstance(message, str) else encode(message)
        self.link.send(frame)
        self.world.advance()
        return self.take()

    def ask(self, action: str, **more: object) -> list[Any]:
        return self.say({"action": action, **more})

    def log_in(self, account: str = "main") -> list[Any]:
        key, secret = self.world.keys_of(account)["hmac"]
        return self.ask("auth", key=key, secret=secret)

    def after(self, seconds: float) -> list[Any]:
        self.world.advance(seconds)
        return self.take()


def member(world: World, path: str = CRYPTO, headers: dict[str, str] | None = None) -> FeedClient:
    """A client that has logged in, and heard so."""
    client = FeedClient(world, path, headers)
    client.log_in()
    return client


def place(
    world: World,
    side: str,
    price: str,
    size: str,
    *,
    account: str = "other",
    symbol: str = "BTC-USD",
    stp: Stp = Stp.NONE,
) -> SimOrder:
    """Somebody places a limit order at the exchange itself."""
    listing = world.exchange.listings[symbol]
    request = NewOrder(
        account=account,
        symbol=symbol,
        side=Side(side),
        kind=Kind.LIMIT,
        tif=Tif.GTC,
        stp=stp,
        price=int(Decimal(price) / listing.tick),
        lots=int(Decimal(size) / listing.lot),
    )
    order = world.exchange.place(request, world.clock.now())
    world.act()
    return order


class Trader(FeedClient):
    """A connection to the trading stream; by default logged in and listening."""

    def __init__(
        self, world: World, headers: dict[str, str] | None = None, *, listens: bool = True
    ) -> None:
        super().__init__(world, "/stream", headers)
        if listens:
            key, secret = world.keys["hmac"]
            self.say({"action": "authenticate", "data": {"key_id": key, "secret_key": secret}})
            self.say({"action": "listen", "data": {"streams": ["trade_updates"]}})

    def take(self) -> list[Any]:
        """Every message that has come; given out once."""
        raw, self.raw = self.raw, []
        decode = msgspec.msgpack.decode if self.packed else json.loads
        return [decode(frame) for frame in raw]

    def events(self) -> list[tuple[str, str]]:
        """(event, order's status) of what has come."""
        data = [message["data"] for message in self.take()]
        return [(one["event"], one["order"]["status"]) for one in data]


class RestClient:
    """Asks over HTTP; the last answer's headers are kept."""

    def __init__(self, world: World, account: str = "main") -> None:
        self.world = world
        key, secret = world.keys_of(account)["hmac"]
        self.headers = {"apca-api-key-id": key, "apca-api-secret-key": secret}
        self.told: dict[str, str] = {}
        self.delay, self.answered = 0, True

    def ask(self, method: str, target: str, body: object = None) -> tuple[int, Any]:
        reply = self.world.stage.http(
            method,
            target,
            headers=self.headers,
            body=b"" if body is None else msgspec.json.encode(body),
            now=self.world.clock.now(),
        )
        self.world.advance()
        self.told, self.delay, self.answered = reply.headers, reply.delay, reply.answers
        return reply.status, json.loads(reply.body) if reply.body else None

    def get(self, target: str) -> Any:
        status, body = self.ask("GET", target)
        assert status == 200, body
        return body

    def submit(self, **fields: object) -> Any:
        """An order: a limit order of BTC/USD unless said otherwise."""
        usual = {"symbol": "BTC/USD", "qty": "0.5", "side": "buy", "type": "limit",
                 "limit_price": "59000", "time_in_force": "gtc"}  # fmt: skip
        body = {k: v for k, v in (usual | fields).items() if v is not None}
        return self.ask("POST", "/v2/orders", body)

    def placed(self, **fields: object) -> Any:
        status, body = self.submit(**fields)
        assert status == 200, body
        return body


def error(code: int, text: str) -> list[dict[str, object]]:
    return [{"T": "error", "code": code, "msg": text}]
