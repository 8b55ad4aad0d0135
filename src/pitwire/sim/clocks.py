"""Clocks that are not as the system has them: stepped, drifting, moved ahead by hand.

House rules: pure over another clock; what the faults say is a function of that clock's time alone;
as `SystemClock` does, it goes on through a step of the wall clock, and tells of it when asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from pitwire.model.clock import SECOND, Clock
from pitwire.sim.faults import BaseFault, ClockDrift, ClockStep

MOST_SKIPPED = 7 * 86_400.0
"""How far a clock is moved ahead at once: whoever lives by it has to catch up."""


class FaultyClock:
    """Another clock's time with the `ClockStep`s and `ClockDrift`s of a script upon it."""

    def __init__(self, clock: Clock, faults: Sequence[BaseFault]) -> None:
        self._clock = clock
        self._start = clock.now()
        self._steps = [fault for fault in faults if isinstance(fault, ClockStep)]
        self._drifts = [fault for fault in faults if isinstance(fault, ClockDrift)]

    def now(self) -> int:
        """ns since the epoch, as this clock has it; steps are left out, drift is not."""
        now = self._clock.now()
        return now + self.error(now)

    def jump(self) -> int:
        """How far the wall clock has been moved since the start, in ns."""
        passed = self._clock.now() - self._start
        return sum(
            round(step.seconds * SECOND)
            for step in self._steps
            if passed >= round(step.at_seconds * SECOND)
        )

    def error(self, now: int) -> int:
        """How far it has drifted ahead of the right time, in ns."""
        passed = now - self._start
        wrong = 0
        for drift in self._drifts:
            since = passed - round(drift.at_seconds * SECOND)
            if drift.for_seconds:
                since = min(since, round(drift.for_seconds * SECOND))
            wrong += round(max(0, since) * drift.ppm / 1_000_000)
        return wrong


class SteerableClock:
    """A running clock that can be moved ahead, for a served venue whose tests cannot wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = 0

    def now(self) -> int:
        """ns since the epoch, with all that was skipped."""
        return self._clock.now() + self._ahead

    def skip(self, seconds: float) -> int:
        """Move ahead; returns the new time. Back is refused."""
        if not 0 <= seconds <= MOST_SKIPPED:
            raise ValueError(f"seconds: found {seconds}, expected 0 to {MOST_SKIPPED:.0f}")
        self._ahead += round(seconds * SECOND)
        return self.now()
