"""The same job written plainly: `websockets`, `json`, an `asyncio.Queue`, a book of dicts.

This is the rival, so it is written as a competent user would write it and nothing is slowed down:
no logging, no keep-alive tasks, no copies, a compact order, one signature an order.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
import urllib.request
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import ClientConnection, connect

from bench import client, traffic

SYMBOLS = traffic.SYMBOLS
MAX_NOTIONAL = 1_000.0
COLLAR = 1.05
"""An order may cost at most this times the best ask: of ours' risk, what nobody leaves out."""


@dataclass
class Book:
    """One dict a side, price → size."""

    last_id: int = 0
    bids: dict[float, float] = field(default_factory=dict)
    asks: dict[float, float] = field(default_factory=dict)
    early: list[dict[str, Any]] = field(default_factory=list)
    ready: bool = False

    def fill(self, snapshot: dict[str, Any]) -> None:
        """Start from a snapshot and catch up with what came before it."""
        self.last_id = snapshot["lastUpdateId"]
        self.bids = {float(price): float(size) for price, size in snapshot["bids"]}
        self.asks = {float(price): float(size) for price, size in snapshot["asks"]}
        self.ready = True
        for diff in self.early:
            self.apply(diff)

    def apply(self, diff: dict[str, Any]) -> None:
        """One depth diff; a gap is fatal here."""
        if not self.ready:
            self.early.append(diff)
            return
        if diff["u"] <= self.last_id:
            return
        if diff["U"] > self.last_id + 1:
            raise RuntimeError(f"gap: found {diff['U']}, expected {self.last_id + 1}")
        for levels, side in ((diff["b"], self.bids), (diff["a"], self.asks)):
            for price, size in levels:
                amount = float(size)
                if amount:
                    side[float(price)] = amount
                else:
                    side.pop(float(price), None)
        self.last_id = diff["u"]


class Naive:
    """Reader task → queue → worker task → book, rule, order."""

    def __init__(self, port: int, auth: str, meter: client.Meter) -> None:
        self._port, self._auth, self._meter = port, auth, meter
        self._queue: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._books = {symbol: Book() for symbol in SYMBOLS}
        self._ids = count(1)
        self._tasks: list[asyncio.Task[None]] = []
        self.placed = 0

    async def start(self) -> None:
        """Connect, log on, subscribe, fill the books."""
        root = f"ws://127.0.0.1:{self._port}"
        self._market = await connect(f"{root}/ws", ping_interval=None, max_size=None)
        self._orders = await connect(f"{root}/ws-api/v3", ping_interval=None, max_size=None)
        if self._auth == "logon":
            await self._log_on()
        names = [f"{s.lower()}@{kind}" for s in SYMBOLS for kind in ("trade", "depth@100ms")]
        await self._market.send(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))
        self._tasks = [
            asyncio.create_task(self._read(self._market)),
            asyncio.create_task(self._work()),
            asyncio.create_task(self._drain(self._orders)),
        ]
        for symbol, book in self._books.items():
            book.fill(await asyncio.to_thread(self._snapshot, symbol))

    def _snapshot(self, symbol: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._port}/api/v3/depth?symbol={symbol}&limit=1000"
        with urllib.request.urlopen(url) as answer:
            snapshot: dict[str, Any] = json.load(answer)
        return snapshot

    async def _log_on(self) -> None:
        stamp = int(time.time() * 1000)
        key = Ed25519PrivateKey.from_private_bytes(client.LOGON_SEED)
        signed = key.sign(f"apiKey={client.LOGON_KEY}&timestamp={stamp}".encode())
        params = {
            "apiKey": client.LOGON_KEY,
            "timestamp": stamp,
            "signature": base64.b64encode(signed).decode(),
        }
        request = {"id": next(self._ids), "method": "session.logon", "params": params}
        await self._orders.send(json.dumps(request))
        if json.loads(await self._orders.recv())["status"] != 200:
            raise RuntimeError("session.logon was refused")

    async def _read(self, socket: ClientConnection) -> None:
        async for message in socket:
            self._queue.put_nowait(message)

    async def _drain(self, socket: ClientConnection) -> None:
        async for message in socket:
            answer = json.loads(message)
            if answer["status"] != 200:
                raise RuntimeError(f"refused: {answer}")

    async def _work(self) -> None:
        while True:
            event = json.loads(await self._queue.get())
            match event.get("e"):
                case "trade":
                    price, size = float(event["p"]), float(event["q"])
                    if event["s"] == traffic.TRIGGER_SYMBOL and size > 0:
                        await self._react(price)
                    self._meter.count()
                case "depthUpdate":
                    self._books[event["s"]].apply(event)
                    self._meter.count()

    async def _react(self, price: float) -> None:
        if price < traffic.TRIGGER_PRICE:
            return
        limit, size = float(traffic.ORDER_PRICE), float(traffic.ORDER_SIZE)
        asks = self._books[traffic.TRIGGER_SYMBOL].asks
        if limit * size > MAX_NOTIONAL or limit > min(asks) * COLLAR:
            return
        number = next(self._ids)
        params: dict[str, Any] = {
            "symbol": traffic.TRIGGER_SYMBOL,
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "IOC",
            "quantity": traffic.ORDER_SIZE,
            "price": traffic.ORDER_PRICE,
            "newClientOrderId": f"naive-{number}",
            "timestamp": int(time.time() * 1000),
        }
        if self._auth == "hmac":
            params["apiKey"] = client.HMAC_KEY
            text = "&".join(f"{name}={params[name]}" for name in sorted(params))
            secret = client.HMAC_SECRET.encode()
            params["signature"] = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        request = {"id": number, "method": "order.place", "params": params}
        await self._orders.send(json.dumps(request))
        self.placed += 1

    def tops(self) -> client.Tops:
        """Best five levels a side of every symbol."""
        return {
            symbol: (
                sorted(book.bids.items(), reverse=True)[:5],
                sorted(book.asks.items())[:5],
            )
            for symbol, book in self._books.items()
        }

    def notes(self) -> dict[str, Any]:
        """Orders placed, and the error of a task that died."""
        dead = [repr(task.exception()) for task in self._tasks if task.done()]
        return {"placed": self.placed, "dead": dead}

    async def stop(self) -> None:
        """Hang up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._market.close()
        await self._orders.close()


def serve(control: Connection, spec: client.Spec, port: int, seat: client.Seat) -> None:
    """The client's process."""
    client.serve(spec, control, seat, lambda meter: Naive(port, spec.auth, meter))
