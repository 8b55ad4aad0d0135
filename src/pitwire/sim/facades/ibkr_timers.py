"""What is to be done later, in order of time.

House rules: a deed looks by itself whether it is still wanted; two of one time are done in the
order in which they were set.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class Timers:
    """An agenda that is stepped through."""

    def __init__(self) -> None:
        self._agenda: list[tuple[int, int, Callable[[int], None]]] = []
        self._serial = 0

    def set(self, at: int, deed: Callable[[int], None]) -> None:
        """Do it then; it is told what time it is."""
        self._serial += 1
        heappush(self._agenda, (at, self._serial, deed))

    def step(self, now: int) -> None:
        """Do all that is due."""
        while self._agenda and self._agenda[0][0] <= now:
            heappop(self._agenda)[2](now)

    def next_deadline(self) -> int | None:
        return self._agenda[0][0] if self._agenda else None
