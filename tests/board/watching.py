"""A source without a desk, a board that serves it, and visitors of it, good and bad."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from pitwire.board.gate import PROTOCOL
from pitwire.board.hub import Hub
from pitwire.board.picture import Picture
from pitwire.board.server import BoardServer
from pitwire.model.clock import ManualClock, SystemClock

VIEWS = ("A-B@1s", "C-D@1s")


class FakeSource:
    """Pictures that a test paints itself."""

    generation = 0

    def __init__(self) -> None:
        self.common = Picture()
        self.views = {view: Picture() for view in VIEWS}
        self.open_views: list[str] = []
        self.looks = 0
        self.broken = False

    def head(self, now: int) -> dict[str, Any]:
        return {"now": now / 1e6, "heard": now / 1e6, "late": 0.0}

    def steps(self, now: int) -> Iterator[None]:
        self.looks += 1
        if self.broken:
            raise RuntimeError("no picture today")
        self.common.put("desk", "looks", self.looks)
        yield

    def open(self, view: str) -> str:
        if view not in self.views:
            return f"symbol: found {view!r}, expected one of A-B, C-D"
        self.open_views.append(view)
        return ""

    def close(self, view: str) -> None:
        self.open_views.remove(view)

    def picture(self, view: str) -> Picture | None:
        return self.views.get(view)


class Watching:
    """A board that is open, and sockets to it."""

    def __init__(self, server: BoardServer, hub: Hub, http: aiohttp.ClientSession) -> None:
        self.server, self.hub, self.http = server, hub, http

    @property
    def source(self) -> FakeSource:
        assert isinstance(self.hub.source, FakeSource)
        return self.hub.source

    def socket(
        self, token: str | None = None, *, query: str = "", **headers: str
    ) -> aiohttp.client._WSRequestContextManager:
        token = self.server.gate.look if token is None else token
        protocols = (PROTOCOL, f"token.{token}") if token else (PROTOCOL,)
        url = f"{self.server.url}live{query}"
        return self.http.ws_connect(url, protocols=protocols, headers=headers)

    async def frame(self, socket: aiohttp.ClientWebSocketResponse, kind: str = "frame") -> Any:
        """The next message of this kind; others are passed over."""
        async with asyncio.timeout(60):
            while True:
                message = json.loads(await socket.receive_str())
                if message["kind"] == kind:
                    return message

    async def look(self, socket: aiohttp.ClientWebSocketResponse, *views: str) -> Any:
        await socket.send_json({"do": "look", "views": views})
        return await self.frame(socket, "snapshot")


@asynccontextmanager
async def watching(
    *,
    per_second: int = 50,
    prepare: Callable[[BoardServer], None] | None = None,
    more: tuple[str, ...] = (),
) -> AsyncIterator[Watching]:
    """A board of a fake source on a free port; `more` names others on it, which stand still."""
    clock = SystemClock()
    hub = Hub(FakeSource(), clock, per_second=per_second)
    others = {name: Hub(FakeSource(), clock) for name in more}
    server = BoardServer({"": hub} | others, clock)
    if prepare is not None:
        prepare(server)
    await server.open()
    looking = asyncio.ensure_future(hub.run())
    try:
        async with aiohttp.ClientSession() as http:
            yield Watching(server, hub, http)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await server.close()


def live(tale: Callable[[Watching], Awaitable[None]]) -> None:
    """Open a board, live the tale, close it."""

    async def life() -> None:
        async with watching() as place, asyncio.timeout(120):
            await tale(place)

    asyncio.run(life())


def hub_of(source: FakeSource) -> tuple[Hub, ManualClock]:
    """A hub that nobody runs: a test ticks it."""
    clock = ManualClock()
    return Hub(source, clock), clock
