"""A board beside a desk of this process, or before a desk of another."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from pitwire.board.analysis import serve_analysis
from pitwire.board.commands import at_door, serve_commands, within
from pitwire.board.hub import Hub
from pitwire.board.metrics import serve_metrics
from pitwire.board.remote import Remote
from pitwire.board.server import BoardServer
from pitwire.desk.desk import Desk
from pitwire.desk.health import HealthReport
from pitwire.model.clock import Clock

TOKEN_FILE = "board.token"


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
    desk: Desk, hub: Hub, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Board]:
    """Show a desk whose hub runs (`window.watched`); raises `ConfigError` when there is no port."""
    server = BoardServer(hub, desk.clock, host=host, port=port)
    serve_commands(server, within(desk))

    async def report() -> HealthReport:
        return desk.report()

    serve_metrics(server, hub, report)
    kept = desk.restarted
    folder = None if kept is None else kept.folder.path
    async with _serving(server, hub, folder):
        yield Board(hub, server)


@asynccontextmanager
async def attach_board(
    folder: Path, clock: Clock, *, host: str = "127.0.0.1", port: int = 0, per_second: int = 20
) -> AsyncIterator[Board]:
    """Show the desk that runs on this folder, in whichever process; one may come and go."""
    remote = Remote(folder, clock)
    hub = Hub(remote, clock, per_second=per_second)
    server = BoardServer(hub, clock, host=host, port=port)
    serve_commands(server, at_door(folder))
    serve_metrics(server, hub, remote.report)
    async with _serving(server, hub, folder):
        tasks = [asyncio.ensure_future(work) for work in (remote.run(), hub.run())]
        try:
            yield Board(hub, server)
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task


@asynccontextmanager
async def _serving(server: BoardServer, hub: Hub, folder: Path | None) -> AsyncIterator[None]:
    def lags() -> list[list[float]]:
        return list(hub.source.common.tales.get("lags", ()))

    draughtsman = serve_analysis(server, lambda: folder, lags)
    await server.open()
    try:
        with _token_file(folder, server.gate.look):
            yield
    finally:
        await draughtsman.close()
        await server.close()


@contextmanager
def _token_file(folder: Path | None, token: str) -> Iterator[None]:
    """The token for looking in a file of the account's folder, for whoever scrapes."""
    if folder is None:
        yield
        return
    path = folder / TOKEN_FILE
    with suppress(OSError):
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(token)
    try:
        yield
    finally:
        with suppress(OSError):
            if path.read_text() == token:  # else it is that of another board by now
                path.unlink()
