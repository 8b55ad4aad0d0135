"""How fast the simulated venue serves: messages a second of its own CPU time, and a round trip.

`python -m bench.serving [binance|binance-usdm]`. The venue lives in this process, its clients in a
child that reads and counts. Each change of the book is one bookTicker message to each client; what
the engine costs to make the change is in the figure. A round trip is an order and its answer over
the WebSocket API, and over REST, beside an echo by the same server library; minima of many short
rounds are compared, since the machine may be busy.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from multiprocessing.connection import Connection
from typing import NamedTuple

from aiohttp import web

from pitwire.model.clock import SystemClock
from pitwire.model.orders import Side
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facades.usdm_options import UsdmOptions
from pitwire.sim.facts import Kind, NewOrder, Stp
from pitwire.sim.frames import TEXT, Message
from pitwire.sim.serve import Venue, serve
from pitwire.sim.sockets import ServedSocket
from pitwire.sim.world import SPOT, USDM, World

BAR_ONE, BAR_EACH, CLIENTS = 20_000, 2_000, 20
BAR_RATIO = 5.0
SYMBOL = "BTC-USDT"
STREAMS = {SPOT: "/ws/btcusdt@bookTicker", USDM: "/public/ws/btcusdt@bookTicker"}
_AT_ONCE = 100
"""Changes of the book between two turns of the loop."""
_PLENTY = 10**9


class Served(NamedTuple):
    """What one run came to."""

    clients: int
    messages: int
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Messages for each second that the venue's process worked."""
        return self.messages / self.cpu_seconds


class Trip(NamedTuple):
    """The best and the middle of the rounds, in µs."""

    least: float
    middle: float


def world_of(venue: str) -> World:
    """Two levels a side, and nobody who acts by itself; limits out of the way."""
    plenty = {
        "weight_per_minute": _PLENTY,
        "orders_per_10_seconds": _PLENTY,
        "raw_requests_per_5_minutes": _PLENTY,
        "connections_per_5_minutes": _PLENTY,
    }
    options = (
        UsdmOptions(**plenty, orders_per_minute=_PLENTY)  # type: ignore[arg-type]
        if venue == USDM
        else BinanceOptions(**plenty, orders_per_day=_PLENTY)  # type: ignore[arg-type]
    )
    world = World(seed=1, venue=venue, scenario=None, clock=SystemClock(), options=options)
    world.exchange.open_account("deep", {}, unlimited=True)  # type: ignore[union-attr]
    start = world.exchange.listings[SYMBOL].start_price
    for side, away in ((Side.BUY, -5), (Side.BUY, -6), (Side.SELL, 5), (Side.SELL, 6)):
        _place(world, side, start + away)
    return world


def _place(world: World, side: Side, price: int) -> int:
    request = NewOrder(
        account="deep", symbol=SYMBOL, side=side, kind=Kind.LIMIT, lots=1_000, price=price,
        stp=Stp.NONE,
    )  # fmt: skip
    return world.exchange.place(request, world.clock.now()).order_id


async def measure(venue: str, clients: int, changes: int) -> Served:
    """Change the best bid so many times, and wait until every client has heard of each."""
    world = world_of(venue)
    price = world.exchange.listings[SYMBOL].start_price - 4
    async with serve(world) as served:
        served.act()  # what the book is made of is nobody's message
        with _child(_listen, served.port, clients, STREAMS[venue], changes) as pipe:
            await _heard(pipe)  # all are connected
            for _ in range(3):  # what is imported and made once
                _stir(world, served, price, _AT_ONCE)
                await asyncio.sleep(0)
            begun = time.process_time()
            for _ in range(changes // _AT_ONCE):
                _stir(world, served, price, _AT_ONCE)
                await asyncio.sleep(0)
            messages = int(await _heard(pipe))
            return Served(clients, messages, time.process_time() - begun)


def _stir(world: World, served: Venue, price: int, changes: int) -> None:
    for _ in range(changes // 2):
        order = _place(world, Side.BUY, price)
        world.exchange.cancel("deep", SYMBOL, order_id=order, now=world.clock.now())
    served.act()


async def trips(venue: str, rounds: int) -> dict[str, Trip]:
    """Echo, REST and WebSocket API: how long one message and its answer take."""
    world = world_of(venue)
    runner = web.AppRunner(_echo(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    echo = runner.addresses[0][1]
    key, secret = world.keys["hmac"]
    try:
        async with serve(world) as served:
            path = world.facade.ws_api
            with _child(_travel, echo, served.port, path, venue, key, secret, rounds) as pipe:
                found = json.loads(await _heard(pipe))
    finally:
        await runner.cleanup()
    return {name: Trip(*figures) for name, figures in found.items()}


def _echo() -> web.Application:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(body=await request.read())

        def heard(message: Message) -> None:
            served.send(TEXT, message.payload)

        served = ServedSocket(request, heard=heard, max_message=1 << 20)
        answer = await served.open()
        await served.wait_gone()
        return answer

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    return application


# ── the child ─────────────────────────────────────────────────────────────────────────────────


def _listen(pipe: Connection, port: int, clients: int, path: str, changes: int) -> None:
    """Read everything that comes to so many connections; tell how much it was."""

    async def one(wanted: int, ready: asyncio.Semaphore) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        writer.write(_upgrade(path))
        await reader.readuntil(b"\r\n\r\n")
        ready.release()
        count, rest = 0, b""
        while count < wanted:
            rest += await reader.read(1 << 20)
            frames, rest = _frames(rest)
            count += frames
        writer.close()
        return count

    async def all_of_them() -> None:
        ready = asyncio.Semaphore(0)
        wanted = changes + 3 * _AT_ONCE
        tasks = [asyncio.create_task(one(wanted, ready)) for _ in range(clients)]
        for _ in tasks:
            await ready.acquire()
        pipe.send("ready")
        counts = await asyncio.gather(*tasks)
        pipe.send(str(sum(counts) - 3 * _AT_ONCE * clients))

    asyncio.run(all_of_them())


def _frames(data: bytes) -> tuple[int, bytes]:
    """How many whole messages there are, and what is left."""
    at, count = 0, 0
    while len(data) - at >= 4:
        length, head = data[at + 1], 2
        if length == 126:
            length, head = int.from_bytes(data[at + 2 : at + 4]), 4
        if len(data) - at < head + length:
            break
        count += data[at] == 0x81
        at += head + length
    return count, data[at:]


def _upgrade(path: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()


def _travel(
    pipe: Connection,
    echo: int,
    port: int,
    path: str,
    venue: str,
    key: str,
    secret: str,
    rounds: int,
) -> None:
    """Time round trips over blocking sockets."""
    import hashlib
    import hmac

    def sign(text: str) -> str:
        return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    price = "59000.00" if venue == USDM else "59000.00000000"
    order = {
        "price": price, "quantity": "0.010", "side": "BUY", "symbol": "BTCUSDT",
        "timeInForce": "GTC", "type": "LIMIT",
    }  # fmt: skip

    def request(number: int) -> bytes:
        params = {"apiKey": key, "timestamp": time.time_ns() // 10**6} | order
        params["newClientOrderId"] = f"n{number}"
        params["signature"] = sign("&".join(f"{each}={params[each]}" for each in sorted(params)))
        return json.dumps({"id": number, "method": "order.place", "params": params}).encode()

    def rest(number: int) -> bytes:
        sent = order | {"newClientOrderId": f"r{number}", "timestamp": time.time_ns() // 10**6}
        query = "&".join(f"{each}={value}" for each, value in sent.items())
        target = "/fapi/v1/order" if venue == USDM else "/api/v3/order"
        return (
            f"POST {target}?{query}&signature={sign(query)} HTTP/1.1\r\nHost: x\r\n"
            f"X-MBX-APIKEY: {key}\r\nContent-Length: 0\r\n\r\n"
        ).encode()

    def cancel_all() -> bytes:
        query = f"symbol=BTCUSDT&timestamp={time.time_ns() // 10**6}"
        target = "/fapi/v1/allOpenOrders" if venue == USDM else "/api/v3/openOrders"
        return (
            f"DELETE {target}?{query}&signature={sign(query)} HTTP/1.1\r\nHost: x\r\n"
            f"X-MBX-APIKEY: {key}\r\nContent-Length: 0\r\n\r\n"
        ).encode()

    plain = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 350\r\n\r\n" + b"x" * 350
    doors: dict[str, tuple[socket.socket, Callable[[int], bytes], bool]] = {
        "echo over a socket": (_dial(echo, "/"), lambda _: b"x" * 450, True),
        "order over the WS-API": (_dial(port, path), request, True),
        "echo over REST": (_dial(echo, ""), lambda _: plain, False),
        "order over REST": (_dial(port, ""), rest, False),
    }
    sweeper = _dial(port, "")
    found: dict[str, list[int]] = {name: [] for name in doors}
    for number in range(rounds):
        for name, (door, make, framed) in doors.items():
            payload = make(number)
            payload = _masked(payload) if framed else payload
            begun = time.perf_counter_ns()
            door.sendall(payload)
            answer = door.recv(1 << 16)
            found[name].append(time.perf_counter_ns() - begun)
            refused = b'"code":-' in answer or (not framed and b" 200 " not in answer[:20])
            assert not refused, (name, answer)
        if number % 50 == 49:
            sweeper.sendall(cancel_all())
            sweeper.recv(1 << 20)
    told = {
        name: (min(took) / 1000, sorted(took)[len(took) // 2] / 1000)
        for name, took in found.items()
    }
    pipe.send(json.dumps(told))


def _dial(port: int, path: str) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if path:
        made.sendall(_upgrade(path))
        assert b" 101 " in made.recv(4096)
    return made


def _masked(payload: bytes) -> bytes:
    """A text frame with a mask of zeros: legal, and free."""
    return bytes((0x81, 0x80 | 126)) + len(payload).to_bytes(2) + bytes(4) + payload


@contextmanager
def _child(run: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=run, args=(theirs, *arguments), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        process.join(5)
        if process.is_alive():
            process.terminate()


async def _heard(pipe: Connection) -> str:
    while not pipe.poll():
        await asyncio.sleep(0.001)
    return str(pipe.recv())


def main(venue: str, changes: int = 20_000, rounds: int = 1_000) -> None:
    """Print a line a figure, with its bar."""
    print(f"{venue}: load {os.getloadavg()[0]:.1f}, {Decimal(changes):,} changes")
    for clients, bar in ((1, BAR_ONE), (CLIENTS, BAR_EACH * CLIENTS)):
        best = max(
            (asyncio.run(measure(venue, clients, changes // clients)) for _ in range(3)),
            key=lambda each: each.per_second,
        )
        kept = "kept" if best.per_second >= bar else "missed"
        print(f"  {clients:2} clients: {best.per_second:,.0f} messages a CPU second, "
              f"bar {bar:,} {kept}")  # fmt: skip
    found = asyncio.run(trips(venue, rounds))
    for kind, plain in (("order over the WS-API", "echo over a socket"),
                        ("order over REST", "echo over REST")):  # fmt: skip
        ratio = found[kind].least / found[plain].least
        kept = "kept" if ratio < BAR_RATIO else "missed"
        print(f"  {kind}: {found[kind].least:.0f} µs at best, {found[kind].middle:.0f} in the "
              f"middle; {ratio:.1f} times {plain}, bar {BAR_RATIO:g} {kept}")  # fmt: skip


if __name__ == "__main__":
    for each in sys.argv[1:] or (SPOT, USDM):
        main(each)
