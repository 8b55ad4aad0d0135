"""The yardstick of the micro-benchmarks: a fixed loop of plain Python.

A figure divided by the yardstick says how dear something is on whatever machine it ran, so that
budgets can be kept where machines differ.
"""

from __future__ import annotations

import statistics
import time

UNITS = 20_000
RUNS = 7


def calibrate() -> float:
    """Seconds for one unit: a dict look-up, a float addition and a store. Median of some runs."""
    return statistics.median(_run() for _ in range(RUNS))


def _run() -> float:
    table = {float(number): number / 3 for number in range(64)}
    keys = list(table) * (UNITS // len(table) + 1)
    begun = time.perf_counter()
    total = 0.0
    for key in keys:
        total = table[key] + 0.5
        table[key] = total
    return (time.perf_counter() - begun) / len(keys)
