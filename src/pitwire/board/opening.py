"""A board beside a desk of this process, or before a desk of another."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

from pitwire.board.analysis import serve_analysis
from pitwire.board.commands import at_door, serve_commands, within
from pitwire.board.hub import Hub
from pitwire.board.metrics import serve_metrics
from pitwire.board.remote import Remote
from pitwire.board.server import BoardServer
from pitwire.desk.account import Account
from pitwire.desk.desk import Desk
from pitwire.desk.health import HealthReport
from pitwire.model.clock import Clock
from pitwire.model.errors import ConfigError

TOKEN_FILE = "board.token"


class Board:
    """A board that is open."""

    def __init__(self, server: BoardServer) -> None:
        self.server = server

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
    server = BoardServer({"": hub}, desk.clock, host=host, port=port)
    serve_commands(server, {"": within(desk)})

    async def report() -> HealthReport:
        return desk.report()

    serve_metrics(server, {"": report})
    folder = None if desk.restarted is None else desk.restarted.folder.path
    async with _serving(server, {"": lambda: folder}, [folder]):
        yield Board(server)


@asynccontextmanager
async def attach_board(
    accounts: Sequence[Account],
    clock: Clock,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    per_second: int = 20,
) -> AsyncIterator[Board]:
    """Show the desks that run on these accounts, in whichever process; each may come and go.

    One that is known by the folder of its runs is followed from run to run.
    """
    remotes = remotes_of(accounts, clock)
    places = [account.runs or account.folder for account in accounts]
    hubs = {name: Hub(one, clock, per_second=per_second) for name, one in remotes.items()}
    server = BoardServer(hubs, clock, host=host, port=port)
    whereabouts = {name: _whereabouts(one) for name, one in remotes.items()}
    serve_commands(server, {name: at_door(where) for name, where in whereabouts.items()})
    serve_metrics(server, {name: one.report for name, one in remotes.items()})
    async with _serving(server, whereabouts, places):
        runs = [one.run() for one in remotes.values()] + [one.run() for one in hubs.values()]
        tasks = [asyncio.ensure_future(run) for run in runs]
        try:
            yield Board(server)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def remotes_of(accounts: Sequence[Account], clock: Clock) -> dict[str, Remote]:
    """What shows each of these desks, by its name; raises `ConfigError` where one is told twice."""
    names = desk_names([account.runs or account.folder for account in accounts])
    return {
        name: Remote(account.folder, clock, runs=account.runs)
        for name, account in zip(names, accounts, strict=True)
    }


def _whereabouts(remote: Remote) -> Callable[[], Path]:
    return lambda: remote.folder


def desk_names(folders: Sequence[Path]) -> dict[str, Path]:
    """Names for the desks of several folders, as short as tells them apart; "" for one alone."""
    paths = [folder.resolve() for folder in folders]
    if len(paths) == 1:
        return {"": folders[0]}
    if len({*paths}) < len(paths):
        expected = "each folder once"
        raise ConfigError(where="folders", found=", ".join(map(str, folders)), expected=expected)
    told = [path.parent if path.name.startswith("run-") else path for path in paths]
    if len({*told}) < len(paths):  # two runs of one desk
        told = paths
    length, names = 0, [""]
    while len({*names}) < len(paths):
        length += 1
        names = ["/".join(path.parts[-length:]) for path in told]
    return dict(zip(names, folders, strict=True))


@asynccontextmanager
async def _serving(
    server: BoardServer,
    folders: Mapping[str, Callable[[], Path | None]],
    places: Sequence[Path | None],
) -> AsyncIterator[None]:
    draughtsman = serve_analysis(server, folders)
    await server.open()
    try:
        with ExitStack() as kept:
            for place in places:
                kept.enter_context(_token_file(place, server.gate.look))
            yield
    finally:
        await draughtsman.close()
        await server.close()


@contextmanager
def _token_file(folder: Path | None, token: str) -> Iterator[None]:
    """The token for looking in a file of this folder, for whoever scrapes."""
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
