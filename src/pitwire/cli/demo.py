"""`pitwire demo`: a market, a desk and a cut connection on this machine, and what came of it.

The market is served on a local port and the desk trades it as it would the venue itself. Beside the
desk stands an inspector who may look at the venue's own books and compares them with the desk's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib.resources import files
from pathlib import Path

import msgspec
from rich.console import Console

from pitwire.board.tail import Tail
from pitwire.cli import loops
from pitwire.cli.blame import blaming
from pitwire.cli.desk import (
    LEFT_OPEN,
    board_beside,
    interaction_log,
    masker_of,
    run_desk,
    run_folder,
)
from pitwire.cli.simulated import simulated_venue
from pitwire.cli.summary import summary_console
from pitwire.desk.config import DeskConfig, load_config, parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.model.errors import ConfigError, Unreconciled
from pitwire.sim.world import World

LOOK_SECONDS = 0.01
COMPARED_LEVELS = 50
"""How many levels a side the inspector compares each time."""


class Inspector:
    """Compares the desk's books with the venue's whenever both stand at the same id."""

    def __init__(self, desk: Desk, world: World, symbols: Sequence[str]) -> None:
        self._desk, self._world, self._symbols = desk, world, symbols
        self.equal = dict.fromkeys(symbols, 0)
        self.different = dict.fromkeys(symbols, 0)
        self._seen = dict.fromkeys(symbols, 0)

    async def work(self) -> None:
        """Look again and again until cancelled."""
        while True:
            for symbol in self._symbols:
                self.look(symbol)
            await asyncio.sleep(LOOK_SECONDS)

    def look(self, symbol: str) -> None:
        """Compare one book, if it has moved and the venue's has not moved on since."""
        book = self._desk.engine.state.books.get(symbol)
        if book is None or not book.ready or book.last_id == self._seen[symbol]:
            return
        depth = self._world.exchange.book(symbol)
        if depth.update_id != book.last_id:
            return
        self._seen[symbol] = book.last_id
        ours = tuple([*side[:COMPARED_LEVELS]] for side in book.depth(COMPARED_LEVELS))
        if ours == self._truth(symbol):
            self.equal[symbol] += 1
        else:
            self.different[symbol] += 1

    def told(self) -> list[str]:
        """One line a symbol."""
        return [
            f"[bold]book[/] {symbol}: compared with the venue's own {self.equal[symbol]} times, "
            f"{COMPARED_LEVELS} levels a side, different {self.different[symbol]} times"
            for symbol in self._symbols
        ]

    def _truth(self, symbol: str) -> tuple[list[tuple[float, float]], ...]:
        _, bids, asks = self._world.truth_book(symbol)
        return tuple(
            [(float(price), float(size)) for price, size in side[:COMPARED_LEVELS]]
            for side in (bids, asks)
        )


def run(
    path: Path | None = None,
    *,
    seconds: float = 20.0,
    seed: int | None = None,
    loop: str = "auto",
    log: Path | None = None,
    stay: bool = False,
    board: int | None = None,
    console: Console | None = None,
) -> int:
    """Run the demonstration and return the exit code: 0 when every book was right.

    `board` is the port of a board beside it, 0 for a free one.
    """
    console = console or summary_console()
    config = _config(path, seed=seed, log=log)
    with blaming(path, config):
        return loops.run(_run(config, None if stay else seconds, board, console), loop)


def default_config() -> str:
    """The demonstration's own TOML."""
    return files("pitwire.cli").joinpath("demo.toml").read_text(encoding="utf-8")


def write_config(path: Path) -> None:
    """Put a copy of the demonstration's TOML where a person can change it."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(default_config())
    except FileExistsError:
        raise ConfigError(
            where="--write", found=str(path), expected="a file that does not exist yet"
        ) from None
    except OSError as error:
        found = f"{path} ({error.strerror or type(error).__name__})"
        raise ConfigError(where="--write", found=found, expected="a file to write") from None


def _config(path: Path | None, *, seed: int | None, log: Path | None) -> DeskConfig:
    config = load_config(path) if path is not None else parse_config(default_config())
    if config.mode != "sim":
        raise ConfigError(
            where="mode", found=config.mode, expected="sim: a demo trades nowhere else"
        )
    if seed is not None:
        sim = msgspec.structs.replace(config.sim, seed=seed)
        config = msgspec.structs.replace(config, seed=seed, sim=sim)
    if log is not None:
        section = msgspec.structs.replace(config.log, file=str(log))
        config = msgspec.structs.replace(config, log=section)
    return config


async def _run(
    config: DeskConfig, seconds: float | None, board: int | None, console: Console
) -> int:
    symbols, sim = config.venue.symbols, config.sim
    place = simulated_venue(
        symbols, seed=sim.seed, scenario=sim.scenario, faults=sim.faults, port=sim.port
    )
    async with AsyncExitStack() as kept:
        venue = await kept.enter_async_context(place)
        console.print(
            f"[bold]a simulated Binance[/] at {venue.endpoints.http}: {', '.join(symbols)}, "
            f"scenario {sim.scenario}, faults {', '.join(sim.faults) or 'none'}, seed {sim.seed}; "
            + ("Ctrl-C ends it" if seconds is None else f"ends by itself after {seconds:g} s")
        )
        log, masker = interaction_log(config.log, venue.credentials), masker_of(venue.credentials)
        state, tail = kept.enter_context(run_folder(config)), Tail()
        try:
            desk = await open_desk(
                config,
                endpoints=venue.endpoints,
                credentials=venue.credentials,
                log=log,
                journals=[tail],
                state=state,
            )
            inspector = Inspector(desk, venue.world, symbols)
            looking = asyncio.create_task(inspector.work())
            try:
                async with board_beside(desk, tail, board, console, masker):
                    await run_desk(desk, seconds, console)
            finally:
                looking.cancel()
                for line in inspector.told():
                    console.print(line)
        finally:
            if log is not None:
                log.close()
                console.print(f"[bold]log[/]: {log.written} interactions in {log.path}")
    return _verdict(desk, inspector)


def _verdict(desk: Desk, inspector: Inspector) -> int:
    wrong = sum(inspector.different.values())
    if wrong:
        raise Unreconciled(order_id="", ours=f"{wrong} books that differ", theirs="the venue's own")
    return LEFT_OPEN if desk.left_open else 0
