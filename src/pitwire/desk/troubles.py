"""When a watchdog could not act, lately: whether a desk may count on it.

House rules: pure, times are handed in; one long trouble and many short ones weigh the same, since a
desk may die in either.
"""

from __future__ import annotations

from collections import deque

from pitwire.model.clock import SECOND

UNGUARDED_SECONDS = 30
"""So long without one that can act, in all of `LATELY_SECONDS`: nothing grows until it can."""
LATELY_SECONDS = 300
STEADY_SECONDS = 60
"""One that was in trouble several times is counted on when it has had none for so long."""


class Troubles:
    """Begin, end, and what follows from them. All times are of our clock, ns."""

    def __init__(self) -> None:
        self._over: deque[tuple[int, int]] = deque()
        """When each began and ended, of those that reach into the time that counts."""
        self._since: int | None = None
        self.is_unguarded = False
        """Whether it cannot be counted on, as `tend` found last."""
        self.is_repeated = False
        """Whether the last one was not the only one lately."""

    def begin(self, now: int) -> None:
        """It cannot act; said again, it is the same trouble."""
        if self._since is None:
            self._since = now

    def end(self, now: int) -> None:
        """It can act."""
        if self._since is not None:
            self._over.append((self._since, now))
            self._since = None

    def tend(self, now: int) -> bool:
        """Time has passed; whether that has changed `is_unguarded`."""
        begun, was = now - LATELY_SECONDS * SECOND, self.is_unguarded
        while self._over and self._over[0][1] <= begun:
            self._over.popleft()
        if self._since is not None:
            spells = [*self._over, (self._since, now)]
            lately = sum(end - max(since, begun) for since, end in spells)
            self.is_repeated = bool(self._over)
            self.is_unguarded = was or lately >= UNGUARDED_SECONDS * SECOND
        elif was:
            steady = not self._over or now >= self._over[-1][1] + STEADY_SECONDS * SECOND
            self.is_unguarded = self.is_repeated and not steady
        return was is not self.is_unguarded
