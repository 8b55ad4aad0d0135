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
) -> SimOrder:
    """Somebody places a limit order at the exchange itself."""
    listing = world.exchange.listings[symbol]
    request = NewOrder(
        account=account,
        symbol=symbol,
        side=Side(side),
        kind=Kind.LIMIT,
        tif=Tif.GTC,
        stp=Stp.NONE,
        price=int(Decimal(price) / listing.tick),
        lots=int(Decimal(size) / listing.lot),
    )
    order = world.exchange.place(request, world.clock.now())
    world.act()
    return order


def error(code: int, text: str) -> list[dict[str, object]]:
    return [{"T": "error", "code": code, "msg": text}]
