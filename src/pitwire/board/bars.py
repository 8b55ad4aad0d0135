"""Bars for the chart, folded from trades as they come: six intervals of one symbol, bounded.

House rules: pure; many trades of one second are folded once for each interval, so that a burst
costs little; a late trade goes into its own bar while that is kept; what was backfilled counts too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import TypeAlias

from pitwire.model.clock import SECOND

INTERVALS: Mapping[str, int] = MappingProxyType(
    {"1s": 1, "5s": 5, "15s": 15, "1m": 60, "5m": 300, "15m": 900}
)
"""Name → length in seconds, in the order of the keys 1 to 6."""
BARS = 240
"""Bars of each interval that are kept."""

Bar: TypeAlias = tuple[int, float, float, float, float, float]
"""When it began (s since 1970), open, high, low, close, volume in base units."""
Fact: TypeAlias = tuple[int, float, float]
"""A trade: its time in ns, price, size."""


class ChartBars:
    """The bars of one symbol."""

    def __init__(self) -> None:
        self._bars: dict[str, dict[int, Bar]] = {interval: {} for interval in INTERVALS}
        self._moved: dict[str, set[int]] = {interval: set() for interval in INTERVALS}

    def take(self, trades: Iterable[Fact]) -> None:
        """Fold these trades in, oldest first."""
        seconds: dict[int, Bar] = {}
        for time, price, size in trades:
            second = time // SECOND
            bar = seconds.get(second)
            if bar is None:
                seconds[second] = (second, price, price, price, price, size)
            else:
                _, start, high, low, _, volume = bar
                seconds[second] = (
                    second, start, max(high, price), min(low, price), price, volume + size,
                )  # fmt: skip
        for bar in seconds.values():
            for interval, length in INTERVALS.items():
                self._fold(interval, bar[0] - bar[0] % length, bar)

    def _fold(self, interval: str, start: int, part: Bar) -> None:
        bars = self._bars[interval]
        whole = bars.get(start)
        if whole is None:
            if len(bars) >= BARS and start < next(iter(bars)):
                return  # older than all that is shown
            bars[start] = (start, *part[1:])
            if len(bars) > BARS:
                del bars[next(iter(bars))]
        else:
            bars[start] = (
                start, whole[1], max(whole[2], part[2]), min(whole[3], part[3]), part[4],
                whole[5] + part[5],
            )  # fmt: skip
        moved = self._moved[interval]
        moved.add(start)
        if len(moved) > 2 * BARS:  # nobody has asked for long
            moved.intersection_update(bars)

    def moved(self, interval: str) -> list[Bar]:
        """Bars that have changed since this was last asked, in their order."""
        moved, self._moved[interval] = self._moved[interval], set()
        bars = self._bars[interval]
        return [bars[start] for start in sorted(moved) if start in bars]

    def all(self, interval: str) -> list[Bar]:
        """All bars of an interval, oldest first."""
        return sorted(self._bars[interval].values())

    def closes(self, seconds: int, until: int) -> list[float]:
        """The last price in each of the last `seconds` before `until` (s), from the first known."""
        bars = self._bars["1s"]
        found: list[float] = []
        last = None
        for start, bar in islice(bars.items(), max(0, len(bars) - seconds), None):
            if start <= until - seconds:
                last = bar[4]
        for second in range(until - seconds + 1, until + 1):
            last = bars[second][4] if second in bars else last
            if last is not None:
                found.append(last)
        return found
