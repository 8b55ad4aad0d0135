"""Chunks of measurements to figures, figures to ratios, ratios beside the bars.

House rules: pure; ns in, µs out, and the smaller figure is the better one everywhere.
"""

from __future__ import annotations

import math
import statistics
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BUDGETS = Path(__file__).with_name("budgets.toml")
MICRO = "micro"
"""The section of what may be over budget; all others hold bars."""
COMPARED = "for comparison"
"""How the remark of a row ends that is not ours."""


@dataclass(frozen=True)
class Figure:
    """What one client took, in µs; low and high are the extreme chunk medians."""

    p50: float
    low: float
    high: float
    p99: float
    samples: int
    missed: int = 0


@dataclass(frozen=True)
class Bar:
    """A promised ratio and a wished one."""

    bar: float
    stretch: float


@dataclass(frozen=True)
class Verdict:
    """One ratio beside its bar; low and high are the extremes over the rounds."""

    ratio: float
    low: float
    high: float
    bar: float
    stretch: float | None = None
    """What was wished beyond the bar, where it was wished of this client."""
    within_reach: float | None = None
    """The ratio of a C program that does the least, in the same run, where one was measured. It is
    no bar."""

    @property
    def met(self) -> bool:
        """Whether the ratio reaches the bar."""
        return self.ratio >= self.bar

    @property
    def stretched(self) -> bool | None:
        """Whether it reaches the wish; None where nothing was wished."""
        return None if self.stretch is None else self.ratio >= self.stretch


def percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest-rank percentile of sorted values."""
    if not ordered:
        raise ValueError("percentile: found no values, expected at least one")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def figure(chunks: Sequence[Sequence[int]]) -> Figure:
    """Median of chunk medians and p99 over all trials; -1 marks a trial that was missed."""
    kept = [[taken / 1e3 for taken in chunk if taken >= 0] for chunk in chunks]
    medians = [statistics.median(chunk) for chunk in kept if chunk]
    pooled = sorted(taken for chunk in kept for taken in chunk)
    if not pooled:
        raise ValueError("figure: found no trial with an order, expected at least one")
    return Figure(
        p50=statistics.median(medians),
        low=min(medians),
        high=max(medians),
        p99=percentile(pooled, 0.99),
        samples=len(pooled),
        missed=sum(map(len, chunks)) - len(pooled),
    )


def ratio(rival: Sequence[float], ours: Sequence[float], bar: float) -> Verdict:
    """Ratio of the medians over rounds, with the extremes of the ratios within one round."""
    rounds = [theirs / mine for theirs, mine in zip(rival, ours, strict=True)]
    return Verdict(
        statistics.median(rival) / statistics.median(ours), min(rounds), max(rounds), bar
    )


def middle_ratio(rival: Sequence[float], ours: Sequence[float]) -> float:
    """Median of the ratios within one round: a round in which the machine stood still is one."""
    return statistics.median(theirs / mine for theirs, mine in zip(rival, ours, strict=True))


def chunk_figures(chunks: Sequence[Sequence[int]], share: float) -> list[float]:
    """One percentile a chunk, in µs."""
    return [percentile(sorted(t / 1e3 for t in chunk if t >= 0), share) for chunk in chunks]


def bars(path: Path = BUDGETS) -> dict[tuple[str, str], Bar]:
    """The file of bars, by section and name."""
    document = tomllib.loads(path.read_text())
    return {
        (section, name): Bar(**values)
        for section, rows in document.items()
        if section != MICRO
        for name, values in rows.items()
    }


def budgets(path: Path = BUDGETS) -> dict[str, float]:
    """What each row of the micro-benchmarks may cost at most, in units of the calibration loop."""
    found: dict[str, float] = tomllib.loads(path.read_text())[MICRO]
    return found


def over_budget(rows: Iterable[tuple[str, float, str]], most: Mapping[str, float]) -> list[str]:
    """One line for each row that costs more than it may, or that has no budget."""
    found = []
    for name, ratio, remark in rows:
        if remark.endswith(COMPARED):
            continue
        if name not in most:
            found.append(f"{name}: found no budget, expected one in {BUDGETS.name}")
        elif ratio > most[name]:
            found.append(f"{name}: found {ratio:.1f}, expected at most {most[name]:g}")
    return found
