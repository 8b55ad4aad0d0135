"""Results as tables for a person and as one JSON file for the record.

House rules: absolute figures are for information, ratios are the claim; nothing is measured here.
"""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import figures, floor, native
from bench.client import Spec
from bench.races import LOADS, Results

RESULTS = Path(__file__).with_name("results")
Verdicts = dict[tuple[Spec, str], figures.Verdict]
"""(client of ours, what was measured) → ratio of the plain script to it."""
PLAIN = "naive"
POLLING = "polling"
SLEEPING_LIMIT = "epoll"
"""The C program that sleeps, as `bench.limit` calls it."""
ENOUGH = 250
"""Trials of a round that make a p99 of its own: its third worst."""
BESIDE = "p99 a round, for comparison"
"""The middle one of the rounds' own ratios. The claim is judged by all trials together."""


def verdicts(results: Results) -> Verdicts:
    """Every ratio of the plain script to ours."""
    bars, found = figures.bars(), {}
    for spec in (spec for spec in results.feed if spec.who != PLAIN):
        rival, bar = _rival(spec), bars["feed", "cpu"].bar
        found[spec, "CPU, flat out"] = figures.ratio(results.feed[rival], results.feed[spec], bar)
    for (spec, load), chunks in results.trials.items():
        if spec.who != PLAIN:
            rivals = results.trials[_rival(spec), load]
            limit = None if spec.loop == POLLING else results.limits.get((SLEEPING_LIMIT, load))
            for name, verdict in _order_verdicts(spec, rivals, chunks, limit).items():
                found[spec, f"{name}, {load:,.0f}/s"] = verdict
    return found


def _order_verdicts(
    spec: Spec, rivals: list[list[int]], chunks: list[list[int]], limit: list[list[int]] | None
) -> dict[str, figures.Verdict]:
    """One a percentile: the bar is the same on every loop, the stretch is wished of one that
    polls; beside one that sleeps stands what a C program that sleeps reaches (`limit`)."""
    bars, found = figures.bars(), {}
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        theirs, mine = (figures.chunk_figures(side, share) for side in (rivals, chunks))
        bar = bars["tick_to_order", name]
        verdict = figures.ratio(theirs, mine, bar.bar)
        found[name] = replace(verdict, stretch=bar.stretch if spec.loop == POLLING else None)
    rival = figures.figure(rivals)
    # p99 over all trials: a chunk has too few for its own.
    pooled = rival.p99 / figures.figure(chunks).p99
    own = found["p99"]
    found["p99"] = replace(own, ratio=pooled)
    if limit is not None:
        least = figures.figure(limit)
        found["p50"] = replace(found["p50"], within_reach=rival.p50 / least.p50)
        found["p99"] = replace(found["p99"], within_reach=rival.p99 / least.p99)
    if min(map(len, (*rivals, *chunks))) >= ENOUGH:
        middle = figures.middle_ratio(*(figures.chunk_figures(s, 0.99) for s in (rivals, chunks)))
        found[BESIDE] = replace(own, ratio=middle)
    return found


def _rival(spec: Spec) -> Spec:
    # The plain script runs on the loop that comes with Python, whatever loop ours is on.
    return Spec(PLAIN, "asyncio", spec.auth)


def show(console: Console, results: Results, found: Verdicts) -> None:
    """Three tables: what a message costs, tick to order, ratios beside the bars."""
    console.print(_feed_table(results))
    console.print(_order_table(results))
    if found:
        console.print(_ratio_table(found))


def _feed_table(results: Results) -> Table:
    table = Table(title="Feed: trades and depth of 20 symbols, books kept (information)")
    table.add_column("client")
    for name in ("CPU µs/msg, flat out", "msg/s, flat out", "CPU µs/msg at 5,000/s"):
        table.add_column(name, justify="right")
    for spec, costs in results.feed.items():
        paced = results.paced.get(spec)
        table.add_row(
            f"{spec.who}, {spec.loop}" + ("" if spec.build == "plain" else f", {spec.build}"),
            f"{statistics.median(costs):.1f} ({min(costs):.1f}–{max(costs):.1f})",
            f"{statistics.median(results.rates[spec]):,.0f}",
            f"{statistics.median(paced):.1f}" if paced else "burns its core",
        )
    return table


def _order_table(results: Results) -> Table:
    table = Table(
        title="Tick to order, µs: write of the trade → read of the order (information)",
        caption="floor: the p99 of who always takes this p50, on the same core, for whatever the "
        "machine itself holds him up",
    )
    table.add_column("client")
    for load in LOADS:
        for name in (f"p50 at {load:,.0f}/s", "p99", "floor", "missed"):
            table.add_column(name, justify="right")
    for name, load in dict.fromkeys((str(spec), load) for spec, load in results.trials):
        if load == LOADS[0]:
            table.add_row(name, *_order_row(results, name))
    for name in dict.fromkeys(name for name, _ in results.limits):
        table.add_row(f"C program, {name}", *_order_row(results, name))
    return table


def _order_row(results: Results, name: str) -> list[str]:
    taken = {(str(spec), load): chunks for (spec, load), chunks in results.trials.items()}
    row = []
    for load in LOADS:
        found = figures.figure((taken | results.limits)[name, load])
        row += [f"{found.p50:.0f} ({found.low:.0f}–{found.high:.0f})", f"{found.p99:.0f}"]
        row += [_floor(results, found.p50), str(found.missed)]
    return row


def _floor(results: Results, p50: float) -> str:
    return f"{floor.delayed(results.watched, round(p50 * 1e3)):.0f}" if results.watched else ""


def _ratio_table(found: Verdicts) -> Table:
    table = Table(title="The claim: plain script ÷ ours, same run", caption=_promised())
    table.add_column("client")
    measures = list(dict.fromkeys(measure for _, measure in found))
    for measure in measures:
        table.add_column(measure, justify="right")
    for spec in dict.fromkeys(spec for spec, _ in found):
        cells = (found.get((spec, measure)) for measure in measures)
        table.add_row(str(spec), *(_cell(verdict) for verdict in cells))
    return table


def _promised() -> str:
    """What is promised and what is wished, in words."""
    lines = []
    for (section, name), bar in figures.bars().items():
        wished = f", wished of one that polls {bar.stretch:g}×" if bar.stretch > bar.bar else ""
        lines.append(f"{section.replace('_', ' ')}, {name}: at least {bar.bar:g}×{wished}")
    lines.append("limit: what a C program that sleeps reaches in this run; it is no bar")
    return "\n".join(lines)


def _cell(verdict: figures.Verdict | None) -> str:
    if verdict is None:
        return ""
    lines = [f"{verdict.ratio:.2f}× {_word(verdict.met)}"]
    if verdict.stretched is not None:
        lines.append(f"{verdict.stretch:g}: {_word(verdict.stretched)}")
    if verdict.within_reach is not None:
        lines.append(f"limit {verdict.within_reach:.1f}×")
    lines.append(f"[dim]{verdict.low:.2f}–{verdict.high:.2f}[/dim]")
    return "\n".join(lines)


def _word(met: bool) -> str:
    return "[green]met[/green]" if met else "[red]missed[/red]"


def limit_table(limits: Mapping[tuple[str, float], figures.Figure], results: Results) -> Table:
    """The C program's figures, and how many times longer ours took."""
    table = Table(title="Distance from the limit: a C program that does the least (p50, µs)")
    best = "plain script ÷ it: p50, p99"
    for name in ("the C program", "msg/s", "p50", "p99", best, "ours ÷ the C program"):
        table.add_column(name, justify="left" if name == "the C program" else "right")
    for (kind, load), taken in limits.items():
        row = [f"{taken.p50:.0f}", f"{taken.p99:.0f}", _within_reach(load, taken, results)]
        table.add_row(kind, f"{load:,.0f}", *row, _distances(kind, load, taken, results))
    return table


def _within_reach(load: float, limit: figures.Figure, results: Results) -> str:
    """What any program could reach of the bars at most."""
    plain = results.trials.get((Spec(PLAIN, "asyncio", "hmac"), load))
    if plain is None:
        return ""
    rival = figures.figure(plain)
    return f"{rival.p50 / limit.p50:.1f}×, {rival.p99 / limit.p99:.1f}×"


def _distances(kind: str, load: float, limit: figures.Figure, results: Results) -> str:
    # Who polls is compared with who polls, who sleeps with who sleeps.
    return "\n".join(
        f"{spec}: {figures.figure(chunks).p50 / limit.p50:.2f}×"
        for (spec, at), chunks in results.trials.items()
        if spec.who != PLAIN and at == load and (spec.loop == "polling") == (kind == "poll")
    )


def rows_table(title: str, unit: str, rows: Sequence[tuple[str, float, str]]) -> Table:
    """Rows of name, figure, remark."""
    table = Table(title=title)
    table.add_column("what")
    table.add_column(unit, justify="right")
    table.add_column("remark")
    for name, value, remark in rows:
        table.add_row(name, f"{value:,.2f}", remark)
    return table


def save(
    results: Results, found: Verdicts, sections: Mapping[str, Any], machine: Mapping[str, Any]
) -> Path:
    """Write everything to `bench/results/latest.json`."""
    document = {
        "machine": dict(machine),
        "feed_cpu_us": {str(spec): values for spec, values in results.feed.items()},
        "feed_rate": {str(spec): values for spec, values in results.rates.items()},
        "paced_cpu_us": {str(spec): values for spec, values in results.paced.items()},
        "tick_to_order": {
            f"{spec} at {load:.0f}": asdict(figures.figure(chunks))
            for (spec, load), chunks in results.trials.items()
        },
        "limits": {
            f"{name} at {load:.0f}": asdict(figures.figure(chunks))
            for (name, load), chunks in results.limits.items()
        },
        "hold_ups": [asdict(watch) for watch in results.watched],
        "ratios": {
            f"{spec}: {name}": asdict(verdict)
            | {"met": verdict.met, "stretched": verdict.stretched}
            for (spec, name), verdict in found.items()
        },
        "notes": results.notes,
        **sections,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "latest.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return path


def machine(cores: tuple[int | None, int | None]) -> dict[str, Any]:
    """What the figures were taken on."""
    names = ("picows", "msgspec", "uvloop", "websockets")
    return {
        "python": platform.python_version(),
        "parts": native.installed(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": {"server": cores[0], "clients": cores[1]},
        "versions": {name: metadata.version(name) for name in names},
    }
