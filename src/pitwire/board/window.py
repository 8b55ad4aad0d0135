"""The window: a desk's hub over a socket in its account's folder, for a board of another process.

One JSON line a message, both ways, as on the page's own socket. House rules: whoever may open the
folder may look, nobody else; a desk that cannot have a window runs without one, and says so; while
nobody looks, it costs one look a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from pitwire.board.feed import Feed
from pitwire.board.hub import Hub
from pitwire.board.said import decode_said, hear
from pitwire.board.tail import Tail
from pitwire.desk.control import listen
from pitwire.desk.desk import Desk
from pitwire.model.errors import ConfigError

logger = logging.getLogger("pitwire.board")

NAME = "board.sock"
REPORT = b'{"do":"report"}\n'
"""Asks for the health of the desk, once."""


class Window:
    """Serves a hub in a folder."""

    def __init__(self, folder: Path, hub: Hub, desk: Desk) -> None:
        self.path = folder / NAME
        self._hub, self._desk = hub, desk
        self._server: asyncio.Server | None = None
        self._visits: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def open(self) -> None:
        """Listen; raises `ConfigError` when the folder does not allow it."""
        self._server = await listen(self.path, self._visit)

    async def close(self) -> None:
        """Stop listening and take the socket away."""
        if self._server is None:
            return
        self._server.close()
        for writer in self._visits.values():
            writer.transport.abort()
        await asyncio.gather(*self._visits, return_exceptions=True)
        with suppress(OSError):
            self.path.unlink()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = asyncio.current_task()
        assert visit is not None
        self._visits[visit] = writer
        try:
            await self._serve(reader, writer)
        except (OSError, ValueError, asyncio.LimitOverrunError, msgspec.MsgspecError):
            pass  # a visitor that leaves, or says what none of ours says
        finally:
            del self._visits[visit]
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._hub.is_full:
            return
        viewer = self._hub.join()

        async def send(message: bytes) -> None:
            writer.write(message + b"\n")
            await writer.drain()

        sending = asyncio.ensure_future(viewer.run(send))
        try:
            while line := await reader.readline():
                if line == REPORT:
                    viewer.notify({"kind": "report", "report": msgspec.to_builtins(self._report())})
                else:
                    hear(viewer, decode_said(line), self._desk.clock.now())
        finally:
            self._hub.leave(viewer)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def _report(self) -> object:
        return self._desk.report()


@asynccontextmanager
async def watched(
    desk: Desk, tail: Tail, *, per_second: int = 20, mask: Callable[[str], str] = str
) -> AsyncIterator[Hub]:
    """A hub of this desk, and a window to it where the account has a folder."""
    hub = Hub(Feed(desk, tail, mask=mask), desk.clock, per_second=per_second)
    looking = asyncio.ensure_future(hub.run())
    window = None
    if desk.restarted is not None:
        window = Window(desk.restarted.folder.path, hub, desk)
        try:
            await window.open()
        except ConfigError as error:
            logger.warning("no window, so no board can be attached: %s", error)
            window = None
    try:
        yield hub
    finally:
        if window is not None:
            await window.close()
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
