"""A short life of the simulated Binance in which every kind of message is said once.

House rules: a client of our own over raw frames, none of the library's; every message is kept under
the name that the table of shapes gives its kind, the first of each.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pitwire.model.clock import MILLISECOND
from pitwire.model.errors import ConnectionLost
from pitwire.model.orders import Side
from pitwire.sim.scenarios import Scenario, scenario
from pitwire.sim.world import BALANCES, BTC_USDT, MARKET_URL, ORDERS_URL, World

STREAMS = (
    "trade", "aggTrade", "bookTicker", "depth", "depth5", "kline_1m", "miniTicker", "ticker",
    "ticker_1h", "avgPrice", "blockTrade", "referencePrice",
)  # fmt: skip
SYMBOL = "BTCUSDT"
_ACCOUNTS = {"main": BALANCES, "other": BALANCES}


class Ear:
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def on_frame(self, frame: bytes, drained: bool) -> None:
        self.frames.append(bytes(frame))

    def on_ping(self, payload: bytes) -> None: ...
    def on_pong(self, payload: bytes) -> None: ...
    def on_lost(self, error: ConnectionLost) -> None: ...
    def take(self) -> list[Any]:
        frames, self.frames = self.frames, []
        return [json.loads(frame) for frame in frames]


class Api:
    """A WebSocket API connection that signs."""

    def __init__(self, world: World, account: str, kind: str = "hmac") -> None:
        self.world = world
        self.key, self.secret = world.keys_of(account)[kind]
        self.ear = Ear()
        self.link = world.open(ORDERS_URL, self.ear)
        self.events: list[Any] = []

    def say(self, method: str, params: dict[str, Any]) -> Any:
        request = {"id": "e2a85d9f", "method": method, "params": params}
        self.link.send(json.dumps(request).encode())
        self.world.advance()
        frames = self.ear.take()
        self.events += [frame["event"] for frame in frames if "event" in frame]
        return next(frame for frame in frames if "event" not in frame)

    def ask(self, method: str, **params: Any) -> Any:
        now = self.world.clock.now() // MILLISECOND
        params = {"apiKey": self.key, "timestamp": now} | params
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        return self.say(method, params | {"signature": sign(self.secret, text)})

    def order(self, side: str, price: str, size: str, **more: Any) -> Any:
        limit = {"type": "LIMIT", "timeInForce": "GTC", "price": price, "quantity": size}
        return self.ask("order.place", symbol=SYMBOL, side=side, **(limit | more))


def sign(secret: str, text: str) -> str:
    """HMAC or Ed25519, by the look of the secret."""
    if "PRIVATE KEY" not in secret:
        return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    key = load_pem_private_key(secret.encode(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return b64encode(key.sign(text.encode())).decode()


def said() -> dict[str, Any]:
    """Kind of message → the first of its kind."""
    found: dict[str, Any] = {}
    _streams(found)
    _market(found)
    _orders(found)
    _user(found)
    _rest(found)
    return found


def _quiet() -> World:
    return World(seed=3, scenario=None, accounts=_ACCOUNTS, listings=[BTC_USDT])


def _streams(found: dict[str, Any]) -> None:
    busy: Scenario = scenario("volatile")
    world = World(seed=3, scenario=busy, listings=[BTC_USDT])
    ear = Ear()
    names = [f"btcusdt@{name}" for name in STREAMS]
    link = world.open(f"{MARKET_URL}/stream?streams={'/'.join(names)}", ear)
    outside, now = world.exchange.outside, world.clock.now()
    outside.trade_block("BTC-USDT", Side.BUY, price=6_000_000, lots=500_000, now=now)
    outside.refer("BTC-USDT", 6_000_100, now)
    world.advance(5)
    for frame in ear.take():
        kind = frame["stream"].partition("@")[2].partition("_1m")[0]
        found.setdefault(f"stream {kind}", frame["data"])
    for kind, request in (
        ("result", {"method": "SUBSCRIBE", "params": ["ethusdt@avgPrice"], "id": 1}),
        ("LIST_SUBSCRIPTIONS", {"method": "LIST_SUBSCRIPTIONS", "id": 2}),
        ("GET_PROPERTY", {"method": "GET_PROPERTY", "params": ["combined"], "id": 3}),
        ("error", {"method": "SUBSCRIBE", "params": ["nonsense"], "id": 4}),
    ):
        link.send(json.dumps(request).encode())
        world.advance()
        found[f"stream {kind}"] = next(frame for frame in ear.take() if "id" in frame)
        world.advance(1)
        ear.take()
    raw, api = Ear(), Api(world, "main")
    world.open(f"{MARKET_URL}/ws", raw)
    world.advance()
    world.facade.announce_shutdown(world.clock.now())
    world.act()
    found["stream serverShutdown"] = raw.take()[-1]
    wrapped = [frame for frame in ear.take() if frame.get("stream") == "!serverShutdown"]
    found["stream serverShutdown, combined"] = wrapped[-1]
    found["user serverShutdown"] = next(frame for frame in api.ear.take() if "event" in frame)[
        "event"
    ]


def _market(found: dict[str, Any]) -> None:
    world = World(seed=3, scenario="calm", listings=[BTC_USDT])
    world.advance(70)
    api = Api(world, "main")
    found["ws answer"] = api.say("time", {})
    found["ws time"] = found["ws answer"]["result"]
    for method, more in (
        ("depth", {"limit": 5}),
        ("trades.recent", {"limit": 2}),
        ("klines", {"interval": "1m", "limit": 2}),
        ("avgPrice", {}),
        ("ticker.price", {}),
        ("ticker.book", {}),
    ):
        found[f"ws {method}"] = api.say(method, {"symbol": SYMBOL} | more)["result"]
    found["ws exchangeInfo"] = api.say("exchangeInfo", {"symbol": SYMBOL})["result"]


def _orders(found: dict[str, Any]) -> None:
    api, other = Api(world := _quiet(), "main"), None
    other = Api(world, "other")
    other.order("SELL", "60000.00", "0.01")
    found["ws order.place FULL"] = api.order("BUY", "60000.00", "0.002")["result"]
    resting = api.order("SELL", "61000.00", "0.01", newOrderRespType="RESULT")["result"]
    found["ws order.place RESULT"] = resting
    number = resting["orderId"]
    found["ws order.place ACK"] = api.order("SELL", "61000.00", "0.01", newOrderRespType="ACK")[
        "result"
    ]
    one = {"symbol": SYMBOL, "orderId": number}
    found["ws order.status"] = api.ask("order.status", **one)["result"]
    found["ws order.amend.keepPriority"] = api.ask(
        "order.amend.keepPriority", **one, newQty="0.005"
    )["result"]
    found["ws order.amendments"] = api.ask("order.amendments", **one)["result"]
    found["ws order.cancel"] = api.ask("order.cancel", **one)["result"]
    limit = {"type": "LIMIT", "timeInForce": "GTC", "price": "62000.00", "quantity": "0.01"}
    again = {"symbol": SYMBOL, "side": "SELL", "cancelReplaceMode": "STOP_ON_FAILURE"} | limit
    gone = api.ask("order.cancelReplace", cancelOrderId=number, **again)
    found["ws order.cancelReplace, failed"] = gone["error"]
    standing = api.ask("order.cancelReplace", cancelOrderId=number + 1, **again)["result"]
    found["ws order.cancelReplace"] = standing
    again["cancelReplaceMode"] = "ALLOW_FAILURE"
    half = api.ask("order.cancelReplace", cancelOrderId=number, **again)
    found["ws order.cancelReplace, half"] = half["error"]
    _lists(found, api)
    found["ws myTrades"] = api.ask("myTrades", symbol=SYMBOL)["result"]
    found["ws account.status"] = api.ask("account.status")["result"]
    found["ws account.rateLimits.orders"] = api.ask("account.rateLimits.orders")["result"]
    found["ws error"] = api.order("BUY", "60000.00", "100")
    found["ws session.logon"] = Api(world, "main", "ed25519").ask("session.logon")["result"]
    _refused(found)


def _lists(found: dict[str, Any], api: Api) -> None:
    pair = {
        "side": "BUY",
        "quantity": "0.01",
        "aboveType": "STOP_LOSS_LIMIT",
        "abovePrice": "63000.00",
        "aboveStopPrice": "62500.00",
        "aboveTimeInForce": "GTC",
        "belowType": "LIMIT_MAKER",
        "belowPrice": "58000.00",
    }
    listed = api.ask("orderList.place.oco", symbol=SYMBOL, **pair)["result"]
    found["ws orderList.place.oco"] = listed
    found["ws orderList.cancel"] = api.ask(
        "orderList.cancel", symbol=SYMBOL, orderListId=listed["orderListId"]
    )["result"]
    waiting = {
        "workingType": "LIMIT",
        "workingSide": "SELL",
        "workingPrice": "61000.00",
        "workingQuantity": "0.01",
        "workingTimeInForce": "GTC",
        "pendingType": "MARKET",
        "pendingSide": "BUY",
        "pendingQuantity": "0.01",
    }
    found["ws orderList.place.oto"] = api.ask("orderList.place.oto", symbol=SYMBOL, **waiting)[
        "result"
    ]


def _refused(found: dict[str, Any]) -> None:
    world = _quiet()
    api = Api(world, "main", "ed25519")
    api.ask("session.logon")
    world.facade.revoke_key(api.key)
    found["ws revoked"] = api.say("time", {})
    api = Api(world, "other")
    world.facade.ban(world.clock.now() + 60_000_000_000)
    found["ws banned"] = api.say("time", {})


def _user(found: dict[str, Any]) -> None:
    world = _quiet()
    api, other = Api(world, "main"), Api(world, "other")
    answer = api.ask("userDataStream.subscribe.signature")
    found["ws userDataStream.subscribe.signature"] = answer["result"]
    placed = api.order("SELL", "60000.00", "0.01")["result"]
    other.order("BUY", "60000.00", "0.004")
    api.ask("order.cancel", symbol=SYMBOL, orderId=placed["orderId"])
    api.order("BUY", "50000.00", "0.01", timeInForce="IOC")
    stop = {"belowType": "STOP_LOSS", "belowStopPrice": "50000.00"}
    api.ask("orderList.place.oco", symbol=SYMBOL, side="SELL", quantity="0.01",
            aboveType="LIMIT_MAKER", abovePrice="61000.00", **stop)  # fmt: skip
    world.exchange.deposit("main", "BTC", Decimal(1), world.clock.now())
    world.exchange.outside.encumber("main", "BTC", Decimal(1), world.clock.now())
    world.act()
    api.say("userDataStream.unsubscribe", {})
    world.advance()
    events = [*api.events, *(frame["event"] for frame in api.ear.take() if "event" in frame)]
    for event in events:
        kind = event["e"] + (f" {event['x']}" if event["e"] == "executionReport" else "")
        found.setdefault(f"user {kind}", event)


def _rest(found: dict[str, Any]) -> None:
    world = World(seed=3, scenario="calm", accounts=_ACCOUNTS, listings=[BTC_USDT])
    world.advance(20)
    api = Api(world, "main")
    bid = api.say("ticker.book", {"symbol": SYMBOL})["result"]["bidPrice"]
    api.ask("order.place", symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.01")
    number = str(api.order("BUY", str(Decimal(bid) - 100), "0.01")["result"]["orderId"])
    public = {"symbol": SYMBOL}
    for path, more in (
        ("/aggTrades", public), ("/avgPrice", public), ("/depth", public), ("/exchangeInfo", {}),
        ("/historicalTrades", public), ("/klines", public | {"interval": "1m"}),
        ("/ticker/24hr", public), ("/ticker/bookTicker", public), ("/ticker/price", public),
        ("/trades", public),
    ):  # fmt: skip
        found[f"rest GET {path}"] = _get(world, path, more)
    for path, more in (("/account", {}), ("/allOrders", public), ("/openOrders", {}),
                       ("/order", public | {"orderId": number})):  # fmt: skip
        found[f"rest GET {path}"] = _get(world, path, more, api)
    found["rest exchangeInfo.rateLimits"] = found["rest GET /exchangeInfo"]["rateLimits"]
    gone = {"symbol": SYMBOL, "orderId": number}
    found["rest DELETE /order"] = _get(world, "/order", gone, api, method="DELETE")


def _get(
    world: World, path: str, params: dict[str, str], api: Api | None = None, method: str = "GET"
) -> Any:
    headers = {}
    query = urlencode(params)
    if api is not None:
        headers = {"x-mbx-apikey": api.key}
        query = urlencode(params | {"timestamp": world.clock.now() // MILLISECOND})
        query += "&" + urlencode({"signature": sign(api.secret, query)})
    reply = world.stage.http(
        method, f"/api/v3{path}?{query}", headers=headers, body=b"", now=world.clock.now()
    )
    assert reply.status == 200, reply.body
    return json.loads(reply.body)
