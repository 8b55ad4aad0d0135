"""`pitwire board`: desks of other processes in a browser, or what one did as one file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pitwire.board.figures import facts_of, report
from pitwire.board.opening import attach_board
from pitwire.cli import loops
from pitwire.cli.desk import tell_addresses
from pitwire.cli.summary import summary_console
from pitwire.desk.account import Account, find_account
from pitwire.model.clock import SystemClock
from pitwire.model.errors import ConfigError


def run(
    accounts: Sequence[Path],
    *,
    attach: bool = False,
    report_to: Path | None = None,
    port: int = 0,
    seconds: float | None = None,
    loop: str = "auto",
    console: Console | None = None,
) -> None:
    """Show the desks that run on accounts' folders, or write what one's journal tells.

    They are shown until somebody says so, or for `seconds`.
    """
    if attach == (report_to is not None):
        given = "both" if attach else "neither"
        raise ConfigError(where="board", found=given, expected="--attach or --report FILE")
    found = [find_account(where) for where in accounts]
    console = console or summary_console()
    if report_to is not None:
        if len(found) > 1:
            several, expected = f"{len(found)} folders", "one: a journal is a desk's"
            raise ConfigError(where="--report", found=several, expected=expected)
        _write_report(found[0].folder, report_to, console)
    else:
        loops.run(_attach(found, port, seconds, console), loop)


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


async def _attach(
    accounts: Sequence[Account], port: int, seconds: float | None, console: Console
) -> None:
    async with attach_board(accounts, SystemClock(), port=port) as board:
        tell_addresses(board, console)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            return
