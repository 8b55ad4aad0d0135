"""The analysis tab: figures made by a process of its own, asked for by whoever looks at it.

House rules: at most one such process, started when somebody first looks and ended when nobody has
for a while; it is nice to everybody else; what it says is passed on as it is.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from pitwire.board.server import BoardServer

LONGEST = 64 << 20
IDLE_SECONDS = 60.0
PATIENCE_SECONDS = 180.0


class Draughtsman:
    """The process that draws."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    async def draw(self, wish: dict[str, Any]) -> bytes:
        """One answer to one wish; others wait for their turn."""
        async with self._turn:
            if self._idle is not None:
                self._idle.cancel()
            if self._process is None or self._process.returncode is not None:
                self._process = await _start()
            process = self._process
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    process.stdin.write(msgspec.json.encode(wish) + b"\n")
                    line = await process.stdout.readline()
            except (TimeoutError, ValueError, OSError):
                line = b""
            if not line:
                await self._end()
                return b'{"error":"the figures could not be drawn"}'
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(IDLE_SECONDS, self._kill)
            return line

    async def close(self) -> None:
        """End the process, if there is one."""
        if self._idle is not None:
            self._idle.cancel()
        await self._end()

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _end(self) -> None:
        self._kill()
        if self._process is not None:
            await self._process.communicate()
            self._process = None


# It makes itself nice: to run code between fork and exec would copy the desk's memory map, and may
# hang in a process that has threads.
async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pitwire.board.figures",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=LONGEST,
    )


def serve_analysis(
    server: BoardServer, folders: Mapping[str, Callable[[], Path | None]]
) -> Draughtsman:
    """Answer `/figures` and `/report` of each desk; close what is returned in the end.

    Its folder is asked for each time: a desk may start anew in another.
    """
    draughtsman = Draughtsman()

    async def draw(request: web.Request, title: str) -> bytes:
        await server.rights(request)
        name = server.desk(request)
        where = folders[name]()
        if where is None:
            return b'{"error":"this desk keeps no journal on disk, and figures are made of one"}'
        lags = list(server.hubs[name].source.common.tales.get("lags", ()))
        return await draughtsman.draw({"folder": str(where), "lags": lags, "title": title})

    async def figures(request: web.Request) -> web.StreamResponse:
        return web.Response(body=await draw(request, ""), content_type="application/json")

    async def report(request: web.Request) -> web.StreamResponse:
        title = f"pitwire {server.desk(request)}".strip()
        return web.Response(body=await draw(request, title), content_type="application/json")

    server.add("GET", "/figures", figures)
    server.add("GET", "/report", report)
    return draughtsman
