"""`pitwire torture`: the fault kit against our own session, ending in a table and a verdict."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pitwire.cli.exits import Code
from pitwire.model.errors import ConfigError
from pitwire.sim.kit import Script, find_scripts, is_path, kit, load_script
from pitwire.torture import report, runner
from pitwire.torture.outcome import OURS, Outcome
from pitwire.torture.runner import Way

_WIDTH = 140
"""Columns where the output is no terminal."""
_WAYS: tuple[Way, ...] = ("all", "virtual", "sockets", "root", "process")


def run(
    *, only: Sequence[str], way: str, seed: int, jobs: int, as_json: bool, rivals: bool = False
) -> int:
    """Try what is asked for; 0 when every trial passed."""
    chosen = _way(way)
    if jobs < 1:
        raise ConfigError(where="jobs", found=jobs, expected="1 or more")
    scripts = scripts_of(only)
    # What the proxy breaks is no news to whoever broke it.
    logging.getLogger("picows").setLevel(logging.CRITICAL)
    console = Console(stderr=True)
    outcomes = _tried(scripts, chosen, seed, jobs=jobs, rivals=rivals, console=console)
    if as_json:
        typer.echo(report.as_json(outcomes))
    else:
        wide = None if console.is_terminal else _WIDTH
        tables = [report.table(outcomes), report.order_table(outcomes)]
        shown = [one for one in tables if one.row_count]
        lines = [*report.figures(outcomes), report.totals(outcomes)]
        Console(width=wide).print(*shown, *lines, sep="\n")
    for line in report.complaints(outcomes):
        console.print(line, highlight=False, markup=False)
    ours = [one for one in outcomes if one.client == OURS]
    return Code.DONE if all(one.passed for one in ours) else Code.OTHER


def scripts_of(only: Sequence[str]) -> list[Script]:
    """By id or by path, with commas or without; none: the whole kit."""
    names = [name.strip() for each in only for name in each.split(",") if name.strip()]
    found: list[Script] = []
    for name in names:
        found += [load_script(Path(name))] if is_path(name) else find_scripts([name])
    return found or list(kit().values())


def _tried(
    scripts: Sequence[Script],
    way: Way,
    seed: int,
    *,
    jobs: int,
    rivals: bool,
    console: Console,
) -> list[Outcome]:
    program = runner.program(scripts, way)
    outcomes = list(runner.not_tried(program.elsewhere))
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task(
            "torture", total=len(program) + rivals * runner.contests(), completed=len(outcomes)
        )

        def told(outcome: Outcome) -> None:
            outcomes.append(outcome)
            state = "skipped" if outcome.skipped else "passed" if outcome.passed else "FAILED"
            progress.update(task, advance=1, description=f"{outcome.fault} {outcome.way} {state}")

        runner.run_virtual(program.virtual, seed, jobs=jobs, told=told)
        runner.run_sockets(program.sockets, seed, told=told)
        runner.run_root(program.root, seed, told=told)
        runner.run_processes(program.process, seed, told=told)
        if rivals:
            runner.run_rivals(seed, told=told)
    order = {script.id: number for number, script in enumerate(scripts)}
    last = len(order)
    return sorted(
        outcomes, key=lambda one: (order.get(one.fault, last), _place(one.way), one.client)
    )


def _place(way: str) -> int:
    places = ("virtual", "sockets", "root", "process", "elsewhere")
    return places.index(way)


def _way(name: str) -> Way:
    for way in _WAYS:
        if way == name:
            return way
    raise ConfigError(where="way", found=name, expected=f"one of {', '.join(_WAYS)}")
