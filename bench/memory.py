"""Memory over time: a demo market with its desk, and a client of ours under a steady load.

Each process is watched from outside. What is bounded is filled first and the first fifth is left
out; through the rest a line is laid, and its slope is what the claim "flat" means. The demo market
fills its tables within minutes; its venue and its desk keep ten thousand finished orders each, five
kilobytes an order in all, so twice a second they add six megabytes in ten minutes until those are
full.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import market
from bench.arena import arena, start
from bench.client import Spec

SPEC = Spec("ours", "uvloop", "hmac")
RATE = 3_000.0
"""Messages a second; more than a demo market speaks."""
WARM_UP_MESSAGES, WARM_UP_ORDERS = 100_000, 2_000
"""Enough to fill what is bounded: journal, finished orders."""
SLICE_MESSAGES, SLICE_ORDERS = 3_000, 20
LOADED_SHARE = 0.25
"""How much of the time goes to the client under load; the rest is the demo market's."""

Tell = Callable[[str], None]
Samples = list[tuple[float, float]]
"""(seconds, MiB)."""


@dataclass(frozen=True)
class Found:
    """RSS in MiB; `slope` in MiB for ten minutes, warm-up left out."""

    what: str
    seconds: float
    messages: int
    orders: int
    first: float
    last: float
    largest: float
    slope: float


def measure(seconds: float, tell: Tell) -> list[Found]:
    """Both processes, one after the other, `seconds` in all."""
    loaded = seconds * LOADED_SHARE
    return [_demo(seconds - loaded, tell), _loaded(loaded, tell)]


def _demo(seconds: float, tell: Tell) -> Found:
    child = start("demo market", market.live)
    try:
        child.hear()
        samples: Samples = []
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < seconds:
            time.sleep(1.0)
            samples.append((elapsed, resident(child.process.pid)))
            if len(samples) % 30 == 0:
                tell(f"demo market: {elapsed:.0f} s, {samples[-1][1]:.1f} MiB")
        child.tell("stop")
        messages, orders = child.hear()
    finally:
        child.process.kill()
        child.end()
    return summary("demo market and desk, one process", samples, messages, orders)


def _loaded(seconds: float, tell: Tell) -> Found:
    samples: Samples = []
    messages = orders = 0
    with arena([SPEC]) as opened:
        pid = opened.clients[SPEC][0].process.pid
        opened.feed(SPEC, WARM_UP_MESSAGES)
        opened.trials(SPEC, count=WARM_UP_ORDERS, rate=0.0, seed=0)
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < seconds:
            opened.feed(SPEC, SLICE_MESSAGES, RATE)
            opened.trials(SPEC, count=SLICE_ORDERS, rate=RATE, seed=len(samples))
            messages += SLICE_MESSAGES
            orders += SLICE_ORDERS
            samples.append((elapsed, resident(pid)))
            if len(samples) % 30 == 0:
                tell(f"client under load: {elapsed:.0f} s, {samples[-1][1]:.1f} MiB")
    return summary("session and engine, 20 symbols, 3,000 msg/s", samples, messages, orders)


def resident(pid: int | None) -> float:
    """Resident MiB of a process, as the kernel counts it (proc_pid_statm(5), second field)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def summary(what: str, samples: Sequence[tuple[float, float]], messages: int, orders: int) -> Found:
    """Samples as one finding."""
    steady = samples[len(samples) // 5 :]
    sizes = [size for _, size in steady]
    return Found(
        what=what,
        seconds=samples[-1][0],
        messages=messages,
        orders=orders,
        first=sizes[0],
        last=sizes[-1],
        largest=max(sizes),
        slope=slope(steady) * 600.0,
    )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least-squares slope; 0 for fewer than two points."""
    if len(points) < 2:
        return 0.0
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread


def rows(findings: Sequence[Found]) -> list[tuple[str, float, str]]:
    """Findings as rows of a table."""
    return [
        row
        for found in findings
        for row in (
            (found.what, found.last, f"MiB after {found.seconds:.0f} s"),
            ("  largest", found.largest, f"MiB; {found.first:.1f} after warm-up"),
            (
                "  slope",
                found.slope,
                f"MiB in 10 minutes; {found.messages:,} messages, {found.orders:,} orders",
            ),
        )
    ]
