"""`pitwire desk CONFIG`: rules against a venue, until the session ends or somebody says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape

from pitwire.board.assets import INSTALL, missing_packages
from pitwire.board.opening import Board, open_board
from pitwire.board.tail import Tail
from pitwire.board.window import watched
from pitwire.cli import loops
from pitwire.cli.blame import blaming
from pitwire.cli.collector import Collector
from pitwire.cli.simulated import SimulatedVenue, recorded_venue, venue_beside
from pitwire.cli.summary import print_summary, summary_console
from pitwire.desk.config import DeskConfig, LogSection, load_config
from pitwire.desk.console import Narrator, setup_console
from pitwire.desk.desk import Desk
from pitwire.desk.interactions import InteractionLog
from pitwire.desk.masking import Masker
from pitwire.desk.opening import credentials_of, open_desk
from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError, JournalFailed
from pitwire.session.setup import Closed
from pitwire.venues.venue import Endpoints

_LOOK_SECONDS = 0.1
LEFT_OPEN = 1
"""Exit code when orders of ours may still rest at the venue."""


class Place(NamedTuple):
    """Where a desk trades and as whom; without endpoints, at the venue's own addresses."""

    endpoints: Endpoints | None = None
    credentials: Credentials | None = None
    venue: SimulatedVenue | None = None
    """The venue itself, where it is served here."""
    state: Path | None = None
    """The account's folder, where it is not the configuration's."""


def run(
    path: Path,
    *,
    market: Path | None = None,
    seconds: float | None = None,
    board: int | None = None,
    console: Console | None = None,
) -> int:
    """Run until the session ends, `seconds` are over, or Ctrl-C; returns the exit code.

    `board` is the port of a board beside it, 0 for a free one.
    """
    config = load_config(path)
    if market is not None and config.mode != "sim":
        raise ConfigError(where="--market", found=config.mode, expected='mode = "sim" in the file')
    console = console or summary_console()
    with blaming(path, config):
        return loops.run(_run(config, market, seconds, board, console), config.loop.kind)


async def _run(
    config: DeskConfig,
    market: Path | None,
    seconds: float | None,
    board: int | None,
    console: Console,
) -> int:
    async with place_of(config, market) as place:
        if place.venue is not None:
            what = str(market) if market is not None else f"scenario {config.sim.scenario}"
            console.print(
                f"[bold]{place.venue.what}[/] at {place.venue.endpoints.http}: "
                f"{', '.join(config.venue.symbols)}, {escape(what)}; "
                + ("Ctrl-C ends it" if seconds is None else f"ends after {seconds:g} s")
            )
        log, tail = interaction_log(config.log, place.credentials), Tail()
        with log:
            with telling(log):
                desk = await open_desk(
                    config,
                    endpoints=place.endpoints,
                    credentials=place.credentials,
                    log=log,
                    journals=[tail],
                    state=place.state,
                )
            if place.venue is not None:
                place.venue.begin()
            async with board_beside(desk, tail, board, console, masker_of(place.credentials)):
                closed = await run_desk(desk, seconds, console, place.venue)
    if desk.restarted is not None and desk.journal_failed:
        file = desk.restarted.file
        raise JournalFailed(path=str(file.path), cause=file.cause)
    if closed is not None and closed.error is not None:
        raise closed.error
    return LEFT_OPEN if desk.left_open else 0


@contextmanager
def telling(log: InteractionLog) -> Iterator[None]:
    """What comes while a desk opens is told meanwhile: a venue may keep it waiting for long."""

    async def tell() -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            log.flush()

    speaking = asyncio.ensure_future(tell())
    try:
        yield
    finally:
        speaking.cancel()
        log.flush()


async def run_desk(
    desk: Desk, seconds: float | None, console: Console, venue: SimulatedVenue | None = None
) -> Closed | None:
    """Let an open desk run; it is stopped and summed up however that ends."""
    running = asyncio.ensure_future(desk.run())
    try:
        with Collector(desk.clock.now()) as collector:
            async with asyncio.timeout(seconds):
                while not running.done() and not (venue is not None and venue.is_over):
                    await asyncio.wait([running], timeout=_LOOK_SECONDS)
                    collector.quiet(desk.clock.now())
        return running.result() if running.done() else None
    except TimeoutError:
        return None
    finally:
        running.cancel()
        try:
            await desk.stop()
        finally:
            print_summary(desk, console)
            await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def board_beside(
    desk: Desk, tail: Tail, port: int | None, console: Console, masker: Masker
) -> AsyncIterator[None]:
    """A window for boards to be attached to, and with a port a board of our own.

    The desk is stopped in the end, also when the port cannot be had.
    """
    try:
        async with watched(desk, tail, mask=masker) as hub:
            if port is None:
                yield
                return
            async with open_board(desk, hub, port=port) as board:
                tell_addresses(board, console)
                yield
    finally:
        await desk.stop()


def tell_addresses(board: Board, console: Console) -> None:
    """Print where a board is to be seen, one address a line."""
    console.print(f"[bold]board[/]: {board.control_url}", soft_wrap=True)
    console.print(f"[bold]board, to look only[/]: {board.look_url}", soft_wrap=True)
    if missing := missing_packages():
        names = ", ".join(missing)
        lacks = f"the board lacks its chart or its analysis, without {names}: {INSTALL}"
        console.print(f"[yellow]{escape(lacks)}[/]", soft_wrap=True)


@asynccontextmanager
async def place_of(config: DeskConfig, market: Path | None = None) -> AsyncIterator[Place]:
    """The venue that a configuration means; in mode `sim`, one is served here."""
    if config.mode != "sim" or config.venue.endpoints is not None:
        keys = credentials_of(config) if config.mode != "paper" else None
        yield Place(config.venue.endpoints, keys)
        return
    sim = config.sim
    served = (
        recorded_venue(market, config.venue.symbols, speed=sim.speed, port=sim.port, seed=sim.seed)
        if market is not None
        else venue_beside(
            config.venue.name,
            config.venue.symbols,
            seed=sim.seed,
            scenario=sim.scenario,
            faults=sim.faults,
            port=sim.port,
        )
    )
    with run_folder(config) as state:
        async with served as venue:
            yield Place(venue.endpoints, venue.credentials, venue, state)


@contextmanager
def run_folder(config: DeskConfig) -> Iterator[Path]:
    """A folder for one run: a market that is served here is gone with it, and so are its orders.

    It stays, below the configuration's, where there is one; else it goes with the run.
    """
    if not config.desk.state:
        with TemporaryDirectory(prefix="pitwire-") as name:
            yield Path(name)
        return
    base = Path(config.desk.state).expanduser()
    taken = [int(path.name[4:]) for path in base.glob("run-*") if path.name[4:].isdigit()]
    yield base / f"run-{max(taken, default=0) + 1}"


def masker_of(credentials: Credentials | None) -> Masker:
    """What keeps these out of everything that is shown."""
    return Masker([credentials] if credentials is not None else [])


def interaction_log(section: LogSection, credentials: Credentials | None = None) -> InteractionLog:
    """The log a configuration asks for, told on the console too; without a file, only there."""
    masker = masker_of(credentials)
    setup_console(section.level, masker=masker)
    return InteractionLog(
        section.file or None,
        masker=masker,
        frames=section.frames,
        sample_every=section.sample_every,
        max_bytes=section.max_megabytes << 20,
        keep=section.keep,
        told=Narrator(),
    )
