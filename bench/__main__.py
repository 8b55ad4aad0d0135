"""`python -m bench`: every claim of speed, measured here. See `--help`."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import (
    arena,
    backtested,
    board,
    figures,
    floor,
    journal,
    kill,
    limit,
    lost,
    memory,
    micro_sbe,
    native,
    path,
    races,
    redial,
    report,
    restart,
    stages,
    tape,
)
from bench.client import Seat, Spec

MICRO = ("micro_market", "micro_decode", "micro_rules")
SECTIONS = (
    "micro", "sbe", "path", "stages", "journal", "races", "limit", "kill", "board", "redial",
    "memory", "tape", "lost", "backtest",
)  # fmt: skip


@dataclass
class Run:
    """What was asked for, and what was found so far."""

    console: Console
    plan: races.Plan
    minutes: float
    realtime: bool = True
    capture: Path | None = None
    results: races.Results = field(default_factory=races.Results)
    verdicts: report.Verdicts = field(default_factory=dict)
    sections: dict[str, Any] = field(default_factory=dict)

    def tell(self, text: str) -> None:
        """A word on how far things are."""
        self.console.print(f"[dim]{text}[/dim]")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sections asked for; 0 unless something went wrong. A missed bar is no error."""
    chosen = _parser().parse_args(arguments)
    run = Run(
        Console(width=None if sys.stdout.isatty() else 120),
        races.QUICK if chosen.quick else races.FULL,
        10.0 if chosen.full else chosen.minutes,
        not chosen.polite,
        chosen.capture,
    )
    wanted = chosen.only or [name for name in SECTIONS if not (chosen.quick and name == "memory")]
    failures = [name for name in wanted if not _section(run, name)]
    machine = report.machine(arena.cores()) | {"realtime": run.realtime}
    run.console.print(f"{machine}", highlight=False, soft_wrap=True)
    path = report.save(run.results, run.verdicts, run.sections, machine)
    run.console.print(f"written to {path.relative_to(path.parents[2])}")
    return 1 if failures else 0


def _section(run: Run, name: str) -> bool:
    began = time.monotonic()
    try:
        _RUN[name](run)
    except (arena.Failed, redial.Failed) as error:
        run.console.print(f"[red]error[/red] {name}: {error}", highlight=False)
        return False
    run.tell(f"{name}: {time.monotonic() - began:.0f} s\n")
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute, no memory run")
    parser.add_argument("--full", action="store_true", help="ten minutes of memory run")
    parser.add_argument("--minutes", type=float, default=2.0, help="minutes of memory run")
    parser.add_argument(
        "--polite", action="store_true", help="no SCHED_FIFO: other work on this machine goes first"
    )
    parser.add_argument(
        "--capture", type=Path, help="a capture for tape and backtest; made here if none"
    )
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="sections to run")
    return parser


def _micro(run: Run) -> None:
    budgets, over = figures.budgets(), []
    for name in MICRO:
        if importlib.util.find_spec(f"bench.{name}") is None:
            run.tell(f"{name}: not there")
            continue
        rows = importlib.import_module(f"bench.{name}").rows()
        title = f"{name.replace('_', ' of ')} (÷ one unit of the calibration loop)"
        run.console.print(report.rows_table(title, "ratio", rows))
        run.sections[name] = rows
        over += figures.over_budget(rows, budgets)
    if over:
        raise arena.Failed("over budget: " + "; ".join(over))


def _sbe(run: Run) -> None:
    bar = figures.bars()["sbe", "mix"].bar
    for build, rows in micro_sbe.by_parts().items():
        judged = f", bar {bar:g} for the mix to events" if build == native.COMPILED else ""
        title = f"What JSON costs to decode ÷ what binary costs ({build} parts{judged})"
        run.console.print(report.rows_table(title, "ratio", rows))
        run.sections[f"sbe, {build}"] = rows


def _stages(run: Run) -> None:
    rows = stages.rows()
    run.console.print(report.rows_table("Which stage costs what", "µs", rows))
    run.sections["stages"] = rows


def _path(run: Run) -> None:
    rows = path.rows()
    run.console.print(report.rows_table(path.title(), "µs", rows))
    run.sections["path"] = rows


def _journal(run: Run) -> None:
    seat = Seat(arena.cores()[1], run.realtime)
    rows = journal.rows(seat)
    run.console.print(report.rows_table("What the journal costs, and the risk gate", "µs", rows))
    starts = restart.rows(seat)
    run.console.print(report.rows_table("A start over a long journal", "s", starts))
    run.sections["journal"], run.sections["restart"] = rows, starts


def _races(run: Run) -> None:
    with contextlib.ExitStack() as stack:
        kinds = stack.enter_context(limit.built()) if limit.compiler() else {}
        opened = stack.enter_context(arena.arena(_specs(), realtime=run.realtime))
        look = stack.enter_context(floor.watching(opened.seat))
        run.results = races.run(opened, run.plan, run.tell, limits=kinds, look=look)
    run.verdicts = report.verdicts(run.results)
    report.show(run.console, run.results, run.verdicts)


def _limit(run: Run) -> None:
    if limit.compiler() is None:
        run.tell("limit: no C compiler on this machine, so the limit is not measured")
        return
    if run.results.limits:  # raced already
        found = {key: figures.figure(chunks) for key, chunks in run.results.limits.items()}
    else:
        with arena.arena([], realtime=run.realtime) as opened:
            found = limit.measure(opened, run.plan)
    run.sections["limit"] = {
        f"{kind} at {load:.0f}": asdict(f) for (kind, load), f in found.items()
    }
    run.console.print(report.limit_table(found, run.results))


def _kill(run: Run) -> None:
    rows = kill.rows(run.tell)
    run.console.print(report.rows_table("The kill switch and the risk gate", "figure", rows))
    run.sections["kill"] = rows


def _board(run: Run) -> None:
    rows = board.rows(run.tell, realtime=run.realtime)
    run.console.print(report.rows_table("The board beside a desk", "", rows))
    run.sections["board"] = rows


def _redial(run: Run) -> None:
    found = redial.measure()
    run.console.print(report.rows_table("Back after a drop", "ms", redial.rows(found)))
    run.sections["redial"] = [asdict(one) for one in found]


def _memory(run: Run) -> None:
    found = memory.measure(run.minutes * 60.0, run.tell)
    run.sections["memory"] = [asdict(one) for one in found]
    run.console.print(report.rows_table("Memory over time", "MiB", memory.rows(found)))


def _specs() -> list[Spec]:
    specs = []
    for auth in ("hmac", "logon"):
        specs.append(Spec("naive", "asyncio", auth))
        specs += [Spec("ours", loop, auth) for loop in ("asyncio", "uvloop", "polling")]
    # For information: the plain script on uvloop, the whole desk on the loops it offers, and some
    # with compiled parts (ADR 23), where there is a compiler.
    specs.append(Spec("naive", "uvloop", "hmac"))
    specs += [Spec("desk", loop, "hmac") for loop in ("uvloop", "polling")]
    if native.folder() is not None:
        specs += [Spec("ours", loop, "hmac", "compiled") for loop in ("asyncio", "polling")]
        specs.append(Spec("ours", "polling", "logon", "compiled"))
        specs.append(Spec("desk", "polling", "hmac", "compiled"))
    return specs


def _tape(run: Run) -> None:
    found = tape.measure(run.capture, run.tell)
    run.console.print(tape.table(found))
    run.sections["tape"] = asdict(found)


def _lost(run: Run) -> None:
    rows = lost.rows(run.tell)
    run.console.print(report.rows_table("What a tape loses", "figure", rows))
    run.sections["lost"] = rows


def _backtest(run: Run) -> None:
    rows = backtested.rows(run.capture, run.tell)
    run.console.print(report.rows_table("How many frames a backtest plays", "frames/s", rows))
    run.sections["backtest"] = rows


_RUN: dict[str, Callable[[Run], None]] = {
    "micro": _micro,
    "sbe": _sbe,
    "path": _path,
    "stages": _stages,
    "journal": _journal,
    "races": _races,
    "limit": _limit,
    "kill": _kill,
    "board": _board,
    "redial": _redial,
    "memory": _memory,
    "tape": _tape,
    "lost": _lost,
    "backtest": _backtest,
}

if __name__ == "__main__":
    sys.exit(main())
