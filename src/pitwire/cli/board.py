"""`pitwire board`: a desk of another process in a browser, or what it did as one file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console

from pitwire.board.figures import facts_of, report
from pitwire.board.opening import attach_board
from pitwire.cli import loops
from pitwire.cli.desk import tell_addresses
from pitwire.cli.summary import summary_console
from pitwire.model.clock import SystemClock
from pitwire.model.errors import ConfigError


def run(
    folder: Path,
    *,
    attach: bool = False,
    report_to: Path | None = None,
    port: int = 0,
    seconds: float | None = None,
    loop: str = "auto",
    console: Console | None = None,
) -> None:
    """Show the desk that runs on an account's folder, or write what its journal tells.

    A desk is shown until somebody says so, or for `seconds`.
    """
    if attach == (report_to is not None):
        found = "both" if attach else "neither"
        raise ConfigError(where="board", found=found, expected="--attach or --report FILE")
    if not folder.is_dir():
        expected = "an account's folder: [desk] state of its file"
        raise ConfigError(where="folder", found=str(folder), expected=expected)
    console = console or summary_console()
    if report_to is not None:
        _write_report(folder, report_to, console)
    else:
        loops.run(_attach(folder, port, seconds, console), loop)


def _write_report(folder: Path, path: Path, console: Console) -> None:
    facts = facts_of(folder)
    if not (facts.orders or facts.incidents):
        raise ConfigError(where="folder", found=f"{folder}: no journal", expected="a journal")
    text = report(facts, title=f"pitwire {folder.name}")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        found = f"{path} ({error.strerror or type(error).__name__})"
        raise ConfigError(where="--report", found=found, expected="a file to write") from None
    size = len(text.encode()) / 1e6
    console.print(f"{path}: {len(facts.orders)} orders, {size:.1f} MB, opens without a network")


async def _attach(folder: Path, port: int, seconds: float | None, console: Console) -> None:
    async with attach_board(folder, SystemClock(), port=port) as board:
        tell_addresses(board, console)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            return
