"""A simulated venue on real local ports, for any client in any language.

House rules: one port carries REST, streams and the WS-API; the façade answers pings and is told
of pongs itself; a client that does not read is dropped, and never holds up the venue.
"""

from __future__ import annotations

import asyncio
import errno
import ssl as tls
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from types import TracebackType
from typing import Self

from aiohttp import web

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.errors import ConfigError
from pitwire.sim.facades.facade import Action, Close, HttpReply, SendPing, SendPong, SendText
from pitwire.sim.frames import BINARY, PING, PONG, TEXT, Message
from pitwire.sim.sockets import ServedSocket
from pitwire.sim.stage import Cut, Refusal, Sending, Stage
from pitwire.sim.world import World, WorldClock

BUFFERED_BYTES = 16 * 1024 * 1024
"""How much may wait for a client that reads slowly before it is dropped."""
_LARGEST_FRAME = 1 << 20
_GOODBYE_SECONDS = 2.0
_LONGEST_RUSH = 50 * MILLISECOND
_LAST_PORT = 65_535
"""How far a recorded market may be behind before it is slowed down instead of caught up with."""


class Outlet:
    """What is on its way to one client."""

    def __init__(
        self,
        socket: ServedSocket,
        on_slow: Callable[[], None] = lambda: None,
        slow_bytes: int = sys.maxsize,
    ) -> None:
        """`on_slow` is called, once, when more than `slow_bytes` wait."""
        self._socket = socket
        self._on_slow, self._slow_bytes = on_slow, slow_bytes
        self._queue: deque[Action] = deque()
        """What the socket did not take at once; nothing overtakes it."""
        self._bytes = 0
        self._ready = asyncio.Event()

    def put(self, action: Action | Cut) -> None:
        """Send something, or queue it; a client that is too far behind is cut off."""
        size = len(action.frame) if isinstance(action, SendText) else 0
        if isinstance(action, Cut) or self._bytes + size > BUFFERED_BYTES:
            self.abort()
        elif self._queue or self._socket.is_paused:
            self._bytes += size
            self._queue.append(action)
            self._ready.set()
            if self._bytes > self._slow_bytes:
                self._slow_bytes = sys.maxsize
                asyncio.get_running_loop().call_soon(self._on_slow)
        else:
            self._send(action)

    def abort(self) -> None:
        """Break the connection off as a network does."""
        self._queue.clear()
        self._socket.abort()

    async def write(self) -> None:
        """Send what was queued as the socket takes it, until the connection ends."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._queue:
                try:
                    await self._socket.drain()
                except ConnectionError:
                    return
                if self._queue:  # still: it may have been broken off meanwhile
                    action = self._queue.popleft()
                    if isinstance(action, SendText):
                        self._bytes -= len(action.frame)
                    self._send(action)

    def _send(self, action: Action) -> None:
        match action:
            case SendText(frame=frame, binary=binary):
                self._socket.send(BINARY if binary else TEXT, frame)
            case SendPing(payload=payload):
                self._socket.send(PING, payload)
            case SendPong(payload=payload):
                self._socket.send(PONG, payload)
            case Close(code=code, reason=reason):
                self._socket.close(code, reason)


class Venue:
    """A served venue: where it is, and how to stop it."""

    def __init__(
        self, world: World, *, host: str, port: int, ssl: tls.SSLContext | None, plain: bool
    ) -> None:
        self.world = world
        self._stage: Stage = world.stage
        self._host = host
        self._port = port
        self._ssl = ssl
        self._plain_port: int | None = 0 if plain and ssl is not None else None
        self._clock = world.clock
        self._outlets: dict[int, Outlet] = {}
        self._runner: web.AppRunner | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._alarm: int | None = None
        """When the timer is to ring, in the stage's time."""
        self._open = False
        self._waiting: list[tuple[int, int, Sending]] = []
        """What is to leave later: when, in order, what."""
        self._serial = 0

    @property
    def port(self) -> int:
        return self._port

    @property
    def market_url(self) -> str:
        """Where streams are; `/ws` and `/stream` follow."""
        return f"{'wss' if self._ssl else 'ws'}://{self._authority()}"

    @property
    def orders_url(self) -> str:
        """Where the WS-API is."""
        return f"{self.market_url}{self.world.facade.ws_api}"

    @property
    def http_url(self) -> str:
        """Where REST is; `/api/v3` follows."""
        return f"{'https' if self._ssl else 'http'}://{self._authority()}"

    @property
    def plain_urls(self) -> tuple[str, str, str]:
        """Streams, WS-API and REST without TLS; a second port where there is TLS on the first."""
        authority = self._authority(self._plain_port)
        orders = f"ws://{authority}{self.world.facade.ws_api}"
        return f"ws://{authority}", orders, f"http://{authority}"

    async def start(self) -> None:
        """Listen; raises `ConfigError` when the port cannot be had."""
        application = web.Application(client_max_size=_LARGEST_FRAME)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=_GOODBYE_SECONDS
        )
        await runner.setup()
        site = web.TCPSite(runner, self._host, self._port, ssl_context=self._ssl)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise _no_port(self._host, self._port, error) from error
        self._runner = runner
        self._port = runner.addresses[0][1]
        if self._plain_port is not None:
            await web.TCPSite(runner, self._host, 0).start()
            self._plain_port = runner.addresses[1][1]
        self._open = True
        self._pump()

    async def stop(self) -> None:
        """Drop every client and stop listening."""
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
        for outlet in list(self._outlets.values()):
            outlet.abort()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def act(self) -> None:
        """Publish what somebody has just done to the exchange directly."""
        self._stage.act(self._now())
        self._pump()

    def outlets(self) -> dict[int, Outlet]:
        """Open links and what is on its way to them."""
        return dict(self._outlets)

    # -- inside

    def _now(self) -> int:
        """The time, for whoever is about to bring the venue up to it."""
        now = self._clock.now()
        if self.world.recording is not None:
            self.world.recording.slow_down(now - _LONGEST_RUSH)
        return now

    def _authority(self, port: int | None = None) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{port or self._port}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        return await (self._upgrade(request) if upgrade else self._answer(request))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = self._stage.http(
            request.method, request.raw_path, headers=headers, body=body, now=self._now()
        )
        self._pump()
        if reply.delay:
            await asyncio.sleep(reply.delay / SECOND)
        if not reply.answers:
            _abort(request)
        return _response(reply)

    async def _upgrade(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        opened = self._stage.open(request.raw_path, self._now(), headers)
        if isinstance(opened, Refusal):
            if opened.delay:
                await asyncio.sleep(opened.delay / SECOND)
            if opened.reply is None:
                _abort(request)
                return web.Response(status=503)
            return _response(opened.reply)
        heard = partial(self._heard, opened)
        socket = ServedSocket(request, heard=heard, max_message=_LARGEST_FRAME)
        shedding = self._stage.shedding
        most = sys.maxsize if shedding is None else shedding.slow_bytes
        outlet = Outlet(socket, partial(self._behind, opened), most)
        writer = asyncio.create_task(outlet.write())
        try:
            response = await socket.open()
            self._outlets[opened] = outlet
            self._pump()
            await socket.wait_gone()
        except ConnectionError:  # it has gone before it was let in
            return web.Response(status=503)
        finally:
            self._outlets.pop(opened, None)
            self._stage.lost(opened, self._now())
            writer.cancel()
        return response

    def _heard(self, link: int, message: Message) -> None:
        now = self._now()
        if message.opcode in (TEXT, BINARY):
            self._stage.receive(link, message.payload, now)
        elif message.opcode == PING:
            self._stage.receive_ping(link, message.payload, now)
        else:
            self._stage.receive_pong(link, message.payload, now)
        self._hand_out(now)  # an answer does not wait for what else is due
        self._pump()

    def _behind(self, link: int) -> None:
        """A client reads too slowly: the venue says so, and does not wait long for it to hear."""
        outlet = self._outlets.get(link)
        if outlet is not None:
            now = self._now()
            self._stage.behind(link, now)
            self._hand_out(now)
            asyncio.get_running_loop().call_later(_GOODBYE_SECONDS, outlet.abort)

    def _pump(self) -> None:
        """Bring the venue up to now, hand out what is to be sent, and set the next alarm."""
        if not self._open:
            return
        now = self._now()
        self._stage.advance(now)
        self._hand_out(now)
        self._set_alarm()

    def _hand_out(self, now: int) -> None:
        """Send what is to leave by now, and keep what is to leave later."""
        for sending in self._stage.take_sendings():
            if sending.at > now:
                self._serial += 1
                heappush(self._waiting, (sending.at, self._serial, sending))
            else:
                self._put(sending)
        while self._waiting and self._waiting[0][0] <= now:
            self._put(heappop(self._waiting)[2])

    def _set_alarm(self) -> None:
        due = self._stage.next_deadline()
        if self._waiting:
            due = min(self._waiting[0][0], self._waiting[0][0] if due is None else due)
        if due == self._alarm and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._alarm = due
        if due is not None:
            delay = max(0.0, (due - self._now()) / SECOND)
            self._timer = asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._pump()

    def _put(self, sending: Sending) -> None:
        outlet = self._outlets.get(sending.link)
        if outlet is not None:
            outlet.put(sending.action)


def serve(
    world: World,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ssl: tls.SSLContext | None = None,
    plain: bool = False,
) -> Venue:
    """A world on a port (0: any free one), as an async context manager.

    The world must live on a real clock: `World(clock=SystemClock())`. With `ssl` everything is
    `wss://` and `https://`; `plain=True` then opens a second port without it (`Venue.plain_urls`).
    `certificates.local_authority` makes a context that local clients can be told to trust.
    """
    if isinstance(world.clock, WorldClock):
        raise ConfigError(
            where="world.clock", found="virtual time", expected="World(clock=SystemClock())"
        )
    if not 0 <= port <= _LAST_PORT:  # some loops take it, and listen on what is left of it
        raise ConfigError(where="port", found=port, expected=f"0 to {_LAST_PORT}")
    return Venue(world, host=host, port=port, ssl=ssl, plain=plain)


def _response(reply: HttpReply) -> web.Response:
    return web.Response(status=reply.status, headers=reply.headers, body=reply.body)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _no_port(host: str, port: int, error: OSError) -> ConfigError:
    expected = {
        errno.EADDRINUSE: "a port that nobody listens on",
        errno.EACCES: "a port that this user may open (1024 or higher)",
        errno.EADDRNOTAVAIL: "an address of this machine",
        # A newer asyncio passes over such an address, and says in the end, without a number,
        # that it could bind to none.
        None: "an address of this machine",
    }.get(error.errno, f"an address to listen on ({error.strerror})")
    return ConfigError(where="port", found=f"{host}:{port}", expected=expected)
