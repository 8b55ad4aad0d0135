"""The yardstick of the micro-benchmarks: a fixed loop of plain Python.

A figure divided by the yardstick says how dear something is on whatever machine it ran, so that
budgets can be kept where machines differ. CPU time, the smallest of many short runs, of both: other
work can only make a run longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable

UNITS = 20_000
RUNS = 40


def calibrate() -> float:
    """Seconds for one unit: a dict look-up, a float addition and a store."""
    return least(_run, RUNS)


def least(once: Callable[[], float], runs: int) -> float:
    """The smallest of so many runs."""
    return min(once() for _ in range(runs))


def _run() -> float:
    table = {float(number): number / 3 for number in range(64)}
    keys = list(table) * (UNITS // len(table) + 1)
    begun = time.process_time()
    total = 0.0
    for key in keys:
        total = table[key] + 0.5
        table[key] = total
    return (time.process_time() - begun) / len(keys)
