"""A short life of the simulated USDⓈ-M futures in which every kind of message is said once.

House rules: as in `binance_story`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from pitwire.conformance.binance_story import Ear, sign
from pitwire.model.clock import MILLISECOND
from pitwire.sim.world import FUTURES_ORDERS_URL, MARKET_URL, USDM, World

SYMBOL = "BTCUSDT"
_PUBLIC = ("trade", "bookTicker", "depth", "depth5")
_MARKET = ("aggTrade", "markPrice@1s", "kline_1m", "miniTicker", "ticker")
_RICH = {"USDT": Decimal(1_000_000)}


class Client:
    """REST of one account, and its user stream."""

    def __init__(self, world: World, account: str) -> None:
        self.world = world
        self.key, self.secret = world.keys_of(account)["hmac"]
        self.ear = Ear()

    def ask(self, verb: str, path: str, **params: Any) -> Any:
        """A signed request; its answer, whatever it is."""
        now = self.world.clock.now()
        query = urlencode(params | {"timestamp": now // MILLISECOND})
        query += "&" + urlencode({"signature": sign(self.secret, query)})
        return self.raw(verb, path, query)

    def raw(self, verb: str, path: str, query: str = "") -> Any:
        reply = self.world.stage.http(
            verb,
            f"/fapi{path}?{query}",
            headers={"x-mbx-apikey": self.key},
            body=b"",
            now=self.world.clock.now(),
        )
        self.world.advance()
        return json.loads(reply.body)

    def order(self, side: str, price: str, size: str, **more: Any) -> Any:
        limit = {"type": "LIMIT", "timeInForce": "GTC", "price": price, "quantity": size}
        return self.ask("POST", "/v1/order", symbol=SYMBOL, side=side, **limit | more)

    def listen(self) -> Any:
        """Open the user stream; what the key was answered with."""
        found = self.raw("POST", "/v1/listenKey")
        self.world.open(f"{MARKET_URL}/private/ws/{found['listenKey']}", self.ear)
        return found


def said() -> dict[str, Any]:
    """Kind of message → the first of its kind."""
    found: dict[str, Any] = {}
    _streams(found)
    _orders(found)
    _user(found)
    _forced(found)
    return found


def _quiet(money: str = "1000000") -> World:
    accounts = {"main": {"USDT": Decimal(money)}, "other": _RICH}
    return World(seed=3, venue=USDM, scenario=None, accounts=accounts)


def _streams(found: dict[str, Any]) -> None:
    world = World(seed=3, venue=USDM, scenario="volatile")
    for way, kinds in (("public", _PUBLIC), ("market", _MARKET)):
        ear = Ear()
        names = "/".join(f"btcusdt@{kind}" for kind in kinds)
        world.open(f"{MARKET_URL}/{way}/stream?streams={names}", ear)
        world.advance(5)
        for frame in ear.take():
            kind, data = frame["stream"].partition("@")[2].partition("@")[0], frame["data"]
            if data.get("b") != [] and data.get("a") != []:
                found.setdefault(f"stream {kind}", data)
    client = Client(world, "main")
    found["rest GET /v1/depth"] = client.raw("GET", "/v1/depth", f"symbol={SYMBOL}")
    for path in ("/v1/ticker/24hr", "/v1/ticker/price", "/v1/ticker/bookTicker", "/v1/trades",
                 "/v1/aggTrades", "/v1/premiumIndex", "/v1/openInterest"):  # fmt: skip
        found[f"rest GET {path}"] = client.raw("GET", path, f"symbol={SYMBOL}")
    found["rest GET /v1/klines"] = client.raw("GET", "/v1/klines", f"symbol={SYMBOL}&interval=1m")
    for path in ("/v1/time", "/v1/exchangeInfo", "/v1/fundingInfo"):
        found[f"rest GET {path}"] = client.raw("GET", path)


def _orders(found: dict[str, Any]) -> None:
    world = _quiet()
    ear = Ear()
    link = world.open(FUTURES_ORDERS_URL, ear)
    key, secret = world.keys_of("main")["hmac"]
    params: dict[str, Any] = {
        "apiKey": key,
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": "59000.00",
        "quantity": "0.010",
        "timestamp": world.clock.now() // MILLISECOND,
    }
    text = "&".join(f"{name}={params[name]}" for name in sorted(params))
    request = {"id": "3f7df6e3", "method": "order.place",
               "params": params | {"signature": sign(secret, text)}}  # fmt: skip
    link.send(json.dumps(request).encode())
    world.advance()
    (found["ws order.place"],) = ear.take()
    client = Client(world, "main")
    countdown = {"symbol": SYMBOL, "countdownTime": 100_000}
    found["rest POST /v1/countdownCancelAll"] = client.ask(
        "POST", "/v1/countdownCancelAll", **countdown
    )
    found["rest DELETE /v1/allOpenOrders"] = client.ask(
        "DELETE", "/v1/allOpenOrders", symbol=SYMBOL
    )


def _user(found: dict[str, Any]) -> None:
    world = _quiet()
    main, other = Client(world, "main"), Client(world, "other")
    found["rest POST /v1/listenKey"] = main.listen()
    main.ask("POST", "/v1/leverage", symbol=SYMBOL, leverage=10)
    other.order("SELL", "60000.00", "0.002")
    main.order("BUY", "60000.00", "0.004", priceMatch="NONE")
    algo = {"algoType": "CONDITIONAL", "type": "STOP_MARKET", "triggerPrice": "50000.00"}
    main.ask("POST", "/v1/algoOrder", symbol=SYMBOL, side="SELL", quantity="0.002", **algo)
    events = main.ear.take()
    world.advance(3_700)
    for event in (*events, *main.ear.take()):
        kind = event["e"] + (f" {event['o']['x']}" if event["e"] == "ORDER_TRADE_UPDATE" else "")
        found.setdefault(f"user {kind}", event)


def _forced(found: dict[str, Any]) -> None:
    """A position that loses what stands behind it, by and by."""
    world = _quiet("1000")
    main, other = Client(world, "main"), Client(world, "other")
    main.listen()
    ear = Ear()
    world.open(f"{MARKET_URL}/market/ws/btcusdt@forceOrder", ear)
    other.order("SELL", "60000.00", "0.300")
    main.order("BUY", "60000.00", "0.300")
    own = {"selfTradePreventionMode": "NONE"}
    for price in ("58000.00", "56950.00", "56500.00"):
        other.order("BUY", price, "1.000")
        other.order("SELL", price, "0.001", **own)
        other.order("SELL", str(Decimal(price) + 2), "1.000")
        world.advance(70)
        other.ask("DELETE", "/v1/allOpenOrders", symbol=SYMBOL)
        if price == "56500.00":
            other.order("BUY", price, "1.000")
            world.advance(70)
    for event in main.ear.take():
        if event["e"] == "MARGIN_CALL":
            found.setdefault("user MARGIN_CALL", event)
    frames = ear.take()
    if frames:
        found["stream forceOrder"] = frames[0]
