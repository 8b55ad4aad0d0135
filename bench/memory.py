"""Memory over time: a desk of ours under a steady market over real sockets, orders included.

The client's process is watched from outside. The first fifth is warm-up; through the rest a line
is laid, and its slope is what the claim "flat" means.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.arena import arena
from bench.client import Spec

SPEC = Spec("ours", "uvloop", "hmac")
RATE = 3_000.0
"""Messages a second; more than a demo market of twenty symbols speaks."""
SLICE_MESSAGES, SLICE_ORDERS = 3_000, 20


@dataclass(frozen=True)
class Found:
    """RSS in MiB; `slope` in MiB for ten minutes, warm-up left out."""

    seconds: float
    messages: int
    orders: int
    first: float
    last: float
    largest: float
    slope: float


def measure(seconds: float, tell: Callable[[str], None]) -> Found:
    """Let a market run for so long and watch the client that listens and trades."""
    samples: list[tuple[float, float]] = []
    messages = orders = 0
    with arena([SPEC]) as opened:
        pid = opened.clients[SPEC][0].process.pid
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < seconds:
            opened.feed(SPEC, SLICE_MESSAGES, RATE)
            opened.trials(SPEC, count=SLICE_ORDERS, rate=RATE, seed=len(samples))
            messages += SLICE_MESSAGES
            orders += SLICE_ORDERS
            samples.append((elapsed, resident(pid)))
            if len(samples) % 30 == 0:
                tell(f"memory: {elapsed:.0f} s, {samples[-1][1]:.1f} MiB")
    return summary(samples, messages, orders)


def resident(pid: int | None) -> float:
    """Resident MiB of a process, as the kernel counts it (proc_pid_statm(5), second field)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def summary(samples: Sequence[tuple[float, float]], messages: int, orders: int) -> Found:
    """Samples of (seconds, MiB) as one finding."""
    steady = samples[len(samples) // 5 :]
    sizes = [size for _, size in steady]
    return Found(
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


def rows(found: Found) -> list[tuple[str, float, str]]:
    """A finding as rows of a table."""
    return [
        ("RSS after warm-up, MiB", found.first, "20 symbols, books kept, risk on"),
        ("RSS at the end, MiB", found.last, f"after {found.seconds:.0f} s"),
        ("largest RSS, MiB", found.largest, ""),
        (
            "slope, MiB in 10 minutes",
            found.slope,
            f"{found.messages:,} messages, {found.orders:,} orders",
        ),
    ]
