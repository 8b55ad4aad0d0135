"""How long to wait before the next attempt.

House rules: pure; time comes in as `now`, chance from a named stream. The first retry is quick,
later ones grow with full jitter up to a cap, a calm minute forgives everything, and a dead venue
is dialled at most thirty times in ten minutes. What a dial took is part of the delay after it: a
venue that is back is met within the cap, whether it refused or hung before.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from pitwire.model.clock import SECOND
from pitwire.model.errors import ConnectionLost
from pitwire.model.recovery import Halt, Remedy
from pitwire.session.pacing import Pacing
from pitwire.venues.venue import Limit

BASE_SECONDS = 0.25
CAP_SECONDS = 28.0
"""Less than the 30 s within which everything must be live again once the venue is."""
FLOOR_SECONDS = 26.5
"""At the cap no delay is shorter: with the quick ones before it a dead venue is dialled just as
often as it may be, so that no dial has to wait for that limit beyond the cap."""
CALM_SECONDS = 60.0
DEAD_VENUE = Limit("failures", 30, 600.0)
POLICY_WINDOW_SECONDS = 600.0
POLICY_STRIKES = 3


class Chance(Protocol):
    """A stream of chance, as far as delays need one."""

    def uniform(self, a: float, b: float, /) -> float: ...


class Backoff:
    """Delays between the attempts of one line."""

    def __init__(self, chance: Chance, failures: Pacing | None = None) -> None:
        """`failures` counts what all lines to the same address fail; each its own by default."""
        self._chance = chance
        self._attempt = 0
        self._opened = self._began = 0
        self._failures = failures or Pacing((DEAD_VENUE,))
        self._policy: deque[int] = deque()

    def dials(self, now: int) -> None:
        """An attempt begins."""
        self._began = now

    def opened(self, now: int) -> None:
        """An attempt succeeded; calm begins to count."""
        self._opened, self._began = now, 0

    def failed(self, now: int) -> None:
        """A dial failed; it counts against what a dead venue may see of us."""
        self._failures.spend("failures", now)

    def delay_seconds(self, now: int) -> float:
        """The next delay; each call is the next attempt."""
        if self._opened and now - self._opened >= CALM_SECONDS * SECOND:
            self._attempt = 0
        self._opened = 0
        ceiling = min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(self._attempt, 16))
        floor = FLOOR_SECONDS if ceiling == CAP_SECONDS else 0.0
        self._attempt += 1
        drawn = self._chance.uniform(floor, ceiling)
        took = (now - self._began) / SECOND if self._began else 0.0
        self._began = 0
        drawn = max(drawn - took, min(drawn, BASE_SECONDS))
        allowed = (self._failures.ready_at("failures", now) - now) / SECOND
        return max(drawn, allowed)

    def halt(self, error: ConnectionLost, remedy: str | None, now: int) -> Halt | None:
        """Why a close with this remedy is the last, if it is."""
        match remedy:
            case Remedy.HALT:
                return Halt(str(error))
            case Remedy.POLICY if self.policy_strike(now):
                return Halt(f"{error}: the third time in ten minutes")
            case _:
                return None

    def policy_strike(self, now: int) -> bool:
        """Note a close for breaking the venue's rules; True at the third in ten minutes."""
        self._policy.append(now)
        while self._policy and now - self._policy[0] > POLICY_WINDOW_SECONDS * SECOND:
            self._policy.popleft()
        return len(self._policy) >= POLICY_STRIKES
