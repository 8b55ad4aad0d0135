"""`python -m bench --only backtest [--capture FILE]`: how many frames a backtest plays.

One recording, three ways in turns: played through conversation and books alone, as a replay does
it; lived through by a desk whose rule never fires; and by one that has an order resting for two
seconds of every six. CPU time, the best of three turns, in a process of its own for the plain parts
and for the compiled ones. Judged is a backtest's rate divided by that of the replay beside it.

And a whole day: a quiet symbol of the simulated market, recorded first (`bench/day.py`), lived
through once by a desk that has an order resting for two seconds of every minute, with the best
parts that there are. Told are its seconds, of CPU and by the clock, and what memory it took.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import day, figures, native, tape
from pitwire.cli.backtest import Wanted, backtest
from pitwire.desk.playing import play
from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.tape.reader import Tape
from pitwire.trading.rules import Watch
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish, buy, cancel, sell

TURNS = 3
LATENCY = "same-city"
_SIZE = Decimal("0.001")
_EVERY, _FOR = 6 * SECOND, 2 * SECOND
_EVERY_MINUTE = 60 * SECOND
DAY_SCENARIO = "quiet"
_HERE, _DAY = "--here", "--day"

Row = tuple[str, float, str]


class Rests:
    """Buys at the best bid every so often, or sells at the best ask what it has; waits for so long,
    takes back what is left."""

    name = "rests"

    def __init__(self, symbol: str, every: int = _EVERY) -> None:
        self.watches = (Watch(ev.Quote, symbol, each=False),)
        self._symbol, self._every = symbol, every
        self._next, self._until = 0, 0

    def react(self, state: State, now: int) -> Iterable[Wish]:
        if self._until and now >= self._until:
            self._until = 0
            yield cancel(self._symbol)
        touch = state.touch(self._symbol)
        if touch is not None and now >= self._next:
            self._next, self._until = now + self._every, now + _FOR
            if state.portfolio.position(self._symbol) >= _SIZE:
                yield sell(self._symbol, size=float(_SIZE), price=touch[1])
            else:
                yield buy(self._symbol, size=float(_SIZE), price=touch[0])


def measured(run: Path) -> dict[str, float]:
    """Frames a second of CPU, each way, and how many orders the last one placed."""
    config, symbol = tape.config_of(Tape(run).meta), Tape(run).meta.symbols[0]
    wanted = Wanted(run, latency=LATENCY)
    placed: list[int] = []

    def resting() -> int:
        report = backtest(wanted, config, rules=[Rests(symbol)])
        placed.append(report.orders)
        return report.frames

    ways: dict[str, Callable[[], int]] = {
        "replay": lambda: play(Tape(run)).frames,
        "quiet": lambda: backtest(wanted, config).frames,
        "resting": resting,
    }
    best = dict.fromkeys(ways, 0.0)
    for _ in range(TURNS):
        for name, way in ways.items():
            cpu = time.process_time()
            frames = way()
            best[name] = max(best[name], frames / (time.process_time() - cpu))
    return {**best, "orders": placed[-1]}


def whole_day(run: Path) -> dict[str, float]:
    """A recorded day, lived through once in this process."""
    config, symbol = tape.config_of(Tape(run).meta), Tape(run).meta.symbols[0]
    before, begun, cpu = tape.resident("VmRSS"), time.perf_counter(), time.process_time()
    report = backtest(Wanted(run, latency=LATENCY), config, rules=[Rests(symbol, _EVERY_MINUTE)])
    return {
        "frames": report.frames,
        "hours": (report.end - report.begin) / SECOND / 3600,
        "cpu": time.process_time() - cpu,
        "seconds": time.perf_counter() - begun,
        "orders": report.orders,
        "fills": len(report.trades),
        "points": len(report.equity),
        "mib": (tape.resident("VmHWM") - before) / 1024,
    }


def day_rows(found: dict[str, float], build: str) -> list[Row]:
    """What a whole day took, in words."""
    what = f"{found['hours']:.2f} hours, {found['frames']:,.0f} frames"
    deeds = f"{found['orders']:,.0f} orders, {found['fills']:,.0f} fills"
    points = f"{found['points']:,.0f} points of equity"
    note = (
        f"{what} in {found['cpu']:.1f} s of CPU, {found['seconds']:.1f} s by the clock; {deeds}, "
        f"{points}; {found['mib']:.0f} MiB more than before"
    )
    return [(f"a day of one symbol, {build}", found["frames"] / found["cpu"], note)]


def _child(build: str, what: str, run: Path) -> dict[str, float]:
    with native.chosen(build):
        child = [sys.executable, "-m", "bench.backtested", what, str(run)]
        done = subprocess.run(child, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def rows(capture: Path | None, tell: Callable[[str], None]) -> list[Row]:
    """(name, figure, note), for the plain parts and, where there is a compiler, for the others."""
    bars = figures.bars()
    found: list[Row] = []
    builds = [native.PLAIN] if native.folder() is None else [native.PLAIN, native.COMPILED]
    with TemporaryDirectory(prefix="pitwire-bench-") as name:
        folder = Path(name)
        run = tape.imported(capture, folder)
        for build in builds:
            tell(f"backtest: {build} parts")
            rates = _child(build, _HERE, run)
            found.append((f"replay, {build}", rates["replay"], "frames a second of CPU"))
            for way, orders in (("quiet", 0), ("resting", int(rates["orders"]))):
                bar = bars["backtest", way]
                ratio = rates[way] / rates["replay"]
                met = "met" if ratio >= bar.bar else "missed"
                note = f"{orders} orders; {ratio:.2f} of the replay, bar {bar.bar:g}: {met}"
                found.append((f"backtest, {way}, {build}", rates[way], note))
        tell("backtest: recording a day")
        whole = day.record(folder / "day", scenario=DAY_SCENARIO)
        tell(f"backtest: living through it, {builds[-1]} parts")
        found += day_rows(_child(builds[-1], _DAY, whole), builds[-1])
    return found


if __name__ == "__main__":
    work = whole_day if sys.argv[1] == _DAY else measured
    print(json.dumps(work(Path(sys.argv[2]))))
