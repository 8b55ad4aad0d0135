"""A board beside a desk: opened after it, closed before it, and never in its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from pitwire.board.feed import Feed
from pitwire.board.hub import Hub
from pitwire.board.server import BoardServer
from pitwire.board.tail import Tail
from pitwire.desk.desk import Desk


class Board:
    """A board that is open."""

    def __init__(self, hub: Hub, server: BoardServer) -> None:
        self.hub, self.server = hub, server

    @property
    def control_url(self) -> str:
        """The page for who may halt and resume; whoever has it may do so."""
        return self.server.url_for(self.server.gate.control)

    @property
    def look_url(self) -> str:
        """The page for who may only look."""
        return self.server.url_for(self.server.gate.look)


@asynccontextmanager
async def open_board(
    desk: Desk,
    tail: Tail,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    per_second: int = 20,
    mask: Callable[[str], str] = str,
) -> AsyncIterator[Board]:
    """Show a desk that was opened with `tail` among its journals.

    Raises `ConfigError` when the port cannot be had.
    """
    hub = Hub(Feed(desk, tail, mask=mask), desk.clock, per_second=per_second)
    server = BoardServer(hub, desk.clock, host=host, port=port)
    await server.open()
    looking = asyncio.ensure_future(hub.run())
    try:
        yield Board(hub, server)
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        await server.close()
