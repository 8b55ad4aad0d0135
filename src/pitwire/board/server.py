"""The server: the page, its live frames, and what a page may ask, on one local port.

House rules: nothing passes but through the gate; what comes in is small, counted and checked; a
viewer that misbehaves loses its own connection and nothing else happens.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import msgspec
from aiohttp import WSMsgType, web

from pitwire.board.assets import BORROWED, Asset, borrowed_asset, own_assets
from pitwire.board.gate import (
    FRAMED_POLICY,
    HEADERS,
    LOOK,
    PROTOCOL,
    TOKEN_HEADER,
    Gate,
    offered_token,
)
from pitwire.board.hub import Hub, Viewer
from pitwire.board.said import decode_said, hear
from pitwire.model.clock import Clock
from pitwire.model.errors import ConfigError

logger = logging.getLogger("pitwire.board")

CONNECTIONS = 64
"""Connections that are held at the same time; more are dropped as they come."""
LARGEST = 4096
"""Bytes of a message from a page."""
GUESS_SECONDS = 0.5
"""What a wrong token costs."""
MISTAKES = 8
"""Messages that a page may get wrong before its connection ends."""
_FRAMED = ("analysis.html",)
_LOCAL = ("127.0.0.1", "localhost", "::1")
_LAST_PORT = 65_535

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Refusing(asyncio.Protocol):
    """Takes a connection to end it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class BoardServer:
    """Serves the hub of each desk, by its name; of one desk alone the name is ""."""

    def __init__(
        self, hubs: Mapping[str, Hub], clock: Clock, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.hubs, self._clock = dict(hubs), clock
        self._host, self._port = host, port
        self._own = own_assets()
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._gate: Gate | None = None
        self._more: list[web.RouteDef] = []
        self.acts = False
        """Whether there is anything that the token for control is good for."""
        self.refusals = 0
        """Requests that did not pass the gate."""

    @property
    def gate(self) -> Gate:
        """Who may; there from `open` on."""
        assert self._gate is not None, "the gate stands when the port is known"
        return self._gate

    @property
    def url(self) -> str:
        """Where the page is, without a token."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/"

    def url_for(self, token: str) -> str:
        """The page with its token, in the part of an address that is never sent anywhere."""
        return f"{self.url}#{token}"

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Answer this too; to be said before `open`."""
        self._more.append(web.RouteDef(method, path, handler, {}))

    # ── life ──────────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Listen; raises `ConfigError` when the port cannot be had, or is not this machine's."""
        if self._host not in _LOCAL:
            expected = "an address of this machine; from elsewhere, use an SSH tunnel"
            raise ConfigError(where="board host", found=self._host, expected=expected)
        if not 0 <= self._port <= _LAST_PORT:  # some loops listen on what is left of it
            raise ConfigError(where="board port", found=self._port, expected=f"0 to {_LAST_PORT}")
        app = web.Application(middlewares=[self._check], client_max_size=LARGEST)
        app.router.add_get("/", self._page)
        app.router.add_get("/live", self._live)
        app.add_routes(self._more)
        app.router.add_get("/{name}", self._asset)
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=15.0, shutdown_timeout=1.0
        )
        await self._runner.setup()
        server = self._runner.server
        assert server is not None

        def accept() -> asyncio.Protocol:
            full = len(server.connections) >= CONNECTIONS
            return _Refusing() if full else server()

        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(accept, self._host, self._port, backlog=64)
        except OSError as error:
            await self._runner.cleanup()
            found = f"{self._host}:{self._port} ({error.strerror or type(error).__name__})"
            expected = "a port of this machine that nobody has; 0 takes a free one"
            raise ConfigError(where="board port", found=found, expected=expected) from None
        self._port = self._server.sockets[0].getsockname()[1]
        self._gate = Gate(self._port)

    async def close(self) -> None:
        """Say goodbye to everybody and give the port back."""
        if self._server is not None:
            self._server.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # ── the gate ──────────────────────────────────────────────────────────────────────────────

    @web.middleware
    async def _check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = self.gate.refuse(request.headers.get("Host", ""), request.headers.get("Origin"))
        if refused is not None:
            self.refusals += 1
            return web.Response(status=refused.status, text=f"{refused.why}\n", headers=HEADERS)
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            return web.Response(status=error.status, text=f"{error.reason}\n", headers=HEADERS)
        if not answer.prepared:
            for name, value in HEADERS.items():
                answer.headers.setdefault(name, value)
        return answer

    async def rights(self, request: web.Request) -> str:
        """What the token in a request's header allows; raises 403 when it is none of ours.

        Machines that scrape may say it as `Authorization: Bearer`.
        """
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        bearer = given if scheme.lower() == "bearer" else ""
        return await self._known(request.headers.get(TOKEN_HEADER, bearer))

    def desk(self, request: web.Request) -> str:
        """The desk that a request's address names, the first where it names none; raises 404."""
        name = request.query.get("desk", next(iter(self.hubs)))
        if name not in self.hubs:
            raise web.HTTPNotFound(reason="no desk of this name is on this board")
        return name

    async def _known(self, token: str) -> str:
        rights = self.gate.rights(token)
        if not rights:
            self.refusals += 1
            await asyncio.sleep(GUESS_SECONDS)
            raise web.HTTPForbidden(reason="a token of this run is needed: use the printed address")
        return rights

    # ── files ─────────────────────────────────────────────────────────────────────────────────

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return self._serve("board.html")

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        return self._serve(request.match_info["name"])

    def _serve(self, name: str) -> web.Response:
        if name in BORROWED:
            found = borrowed_asset(name)
            if isinstance(found, str):
                return web.Response(status=404, text=f"{found}\n")
            asset = found
        elif name in self._own:
            asset = self._own[name]
        else:
            return web.Response(status=404, text="no such file\n")
        return _respond(asset, framed=name in _FRAMED)

    # ── live ──────────────────────────────────────────────────────────────────────────────────

    async def _live(self, request: web.Request) -> web.StreamResponse:
        rights = await self._known(offered_token(request.headers.get("Sec-WebSocket-Protocol", "")))
        name = self.desk(request)
        hub = self.hubs[name]
        if hub.is_full:
            return web.Response(status=503, text="the board has as many viewers as it may have\n")
        socket = web.WebSocketResponse(
            protocols=(PROTOCOL,), max_msg_size=LARGEST, heartbeat=20.0, compress=False, timeout=2.0
        )
        if not socket.can_prepare(request):
            return web.Response(status=400, text="a WebSocket upgrade was expected\n")
        await socket.prepare(request)
        viewer = hub.join()
        hello = {"kind": "hello", "rights": rights if self.acts else LOOK}
        viewer.notify(hello | {"desk": name, "desks": list(self.hubs)})

        async def send(message: bytes) -> None:
            await socket.send_frame(message, WSMsgType.TEXT)

        sending = asyncio.ensure_future(viewer.run(send))
        listening = asyncio.ensure_future(self._listen(socket, viewer))
        try:
            await asyncio.wait((sending, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            hub.leave(viewer)
            for task in (sending, listening):
                task.cancel()
            await asyncio.gather(sending, listening, return_exceptions=True)
            with suppress(Exception):
                await socket.close()
        return socket

    async def _listen(self, socket: web.WebSocketResponse, viewer: Viewer) -> None:
        mistakes = 0
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                return
            try:
                said = decode_said(message.data)
            except msgspec.MsgspecError as error:
                mistakes += 1
                viewer.notify({"kind": "refused", "view": "", "why": f"not understood: {error}"})
                if mistakes >= MISTAKES:
                    return
                continue
            hear(viewer, said, self._clock.now())


def _respond(asset: Asset, *, framed: bool) -> web.Response:
    headers = dict(HEADERS)
    if framed:
        headers["Content-Security-Policy"] = FRAMED_POLICY
    headers["Content-Type"] = asset.content_type
    return web.Response(body=asset.body, headers=headers)
