"""Other people's clients, each in a process of its own: trades of one symbol, one id a line.

    python -m pitwire.torture.drivers NAME ws://127.0.0.1:1 http://127.0.0.1:2

A line is `t <ns> <trade id>` for a trade that the user of the client is given, and `e <ns> <what>`
for whatever tells the user that something is wrong. Each is used as its documents show, at default
settings; the only change is the address.

House rules: no client of ours in here, and nothing that helps or hinders one of theirs.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from pitwire.model.clock import SystemClock

SYMBOL = "BTC-USDT"
_NATIVE, _SLASHED = "BTCUSDT", "BTC/USDT"
_clock = SystemClock()


def versions() -> dict[str, str]:
    """The clients that are installed here, with their versions."""
    found = {}
    for name in DRIVERS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _trade(trade_id: object) -> None:
    print("t", _clock.now(), trade_id, flush=True)


def _trouble(what: object) -> None:
    print("e", _clock.now(), " ".join(str(what).split())[:200], flush=True)


async def _websockets(market: str, _http: str) -> None:
    """The reconnecting iterator of the library's own documents."""
    client = importlib.import_module("websockets.asyncio.client")
    closed = importlib.import_module("websockets.exceptions").ConnectionClosed
    async for link in client.connect(f"{market}/ws/{_NATIVE.lower()}@trade"):
        try:
            async for frame in link:
                _trade(json.loads(frame)["t"])
        except closed as error:
            _trouble(repr(error))


async def _python_binance(market: str, http: str) -> None:
    """A trade socket of a `BinanceSocketManager`."""
    binance: Any = importlib.import_module("binance")
    client_class: Any = type("Client", (binance.AsyncClient,), {"API_URL": f"{http}/api"})
    manager_class: Any = type(
        "Sockets", (binance.BinanceSocketManager,), {"STREAM_URL": f"{market}/"}
    )
    client = await client_class.create()
    async with manager_class(client).trade_socket(_NATIVE) as socket:
        while True:
            message = await socket.recv()
            if message is None or "t" not in message:
                _trouble(message)
            else:
                _trade(message["t"])


async def _ccxt(market: str, http: str) -> None:
    """`watch_trades` in a loop; an exception is told and the call made again."""
    ccxt: Any = importlib.import_module("ccxt.pro")
    api = {"public": f"{http}/api/v3", "private": f"{http}/api/v3",
           "ws": {"spot": f"{market}/ws"}}  # fmt: skip
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False,
               "fetchCurrencies": False}  # fmt: skip
    exchange = ccxt.binance({"urls": {"api": api}, "options": options, "newUpdates": True})
    while True:
        try:
            for trade in await exchange.watch_trades(_SLASHED):
                _trade(trade["id"])
        except ccxt.NetworkError as error:
            _trouble(repr(error))


DRIVERS: dict[str, Callable[[str, str], Coroutine[Any, Any, None]]] = {
    "websockets": _websockets,
    "python-binance": _python_binance,
    "ccxt": _ccxt,
}
"""Name of the package → how its trades are watched."""

if __name__ == "__main__":
    asyncio.run(DRIVERS[sys.argv[1]](sys.argv[2], sys.argv[3]))
