"""Time, read at the border and passed down. Integer nanoseconds since 1970-01-01 UTC."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

SECOND = 1_000_000_000
MOST_SECONDS = 1_000_000_000
"""The longest time that a configuration may ask for, some thirty years: no sum of it overflows."""
_monotonic = time.monotonic_ns
MILLISECOND = 1_000_000
MICROSECOND = 1_000


DRIFT_PPM = 200
"""How fast two clocks may run apart that nobody has compared: parts in a million."""


def timestamp(now: int) -> str:
    """RFC 3339 in UTC with all nine digits of a nanosecond."""
    seconds, rest = divmod(now, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def to_second(at: int) -> str:
    """RFC 3339 in UTC as a person reads it, to the second."""
    return datetime.fromtimestamp(at // SECOND, UTC).isoformat()


def drift(elapsed: int) -> int:
    """How far two clocks may have run apart in so many ns."""
    return elapsed * DRIFT_PPM // 1_000_000


def booted_at() -> int:
    """When this machine started, by its clock, ns; 0 where the system does not say."""
    since = getattr(time, "CLOCK_BOOTTIME", None)
    return 0 if since is None else time.time_ns() - time.clock_gettime_ns(since)


def since_boot() -> int:
    """ns since this machine started, asleep or not: the same for all its processes, never set."""
    asleep_too = getattr(time, "CLOCK_BOOTTIME", None)
    return _monotonic() if asleep_too is None else time.clock_gettime_ns(asleep_too)


class Clock(Protocol):
    """Anything that tells the time and never runs backwards."""

    def now(self) -> int: ...


@runtime_checkable
class SteppedClock(Protocol):
    """A clock that knows how far the wall clock has been moved under it, in ns."""

    def jump(self) -> int: ...


@runtime_checkable
class PlayedClock(Protocol):
    """A clock of which it is known whether its time can pass while nobody looks."""

    @property
    def is_sleepless(self) -> bool:
        """Whether it cannot: every timer comes at its time."""
        ...


def ticks() -> Callable[[], int]:
    """What tells ns since some moment: for who measures how long a thing takes, very often."""
    return _monotonic


class SystemClock:
    """Wall time anchored to the monotonic clock at start; steps of the wall clock are ignored."""

    def __init__(self) -> None:
        self._anchor = time.time_ns() - time.monotonic_ns()

    def now(self) -> int:
        return _monotonic() + self._anchor

    def jump(self) -> int:
        """How far the wall clock has been moved since the anchor was set, in ns."""
        return time.time_ns() - time.monotonic_ns() - self._anchor


class ManualClock:
    """A clock that moves when told to."""

    def __init__(self, start: int = 1_700_000_000 * SECOND) -> None:
        self._now = start

    def now(self) -> int:
        return self._now

    def advance(self, seconds: float) -> int:
        """Move forward and return the new time."""
        if seconds < 0:
            raise ValueError(f"seconds: found {seconds}, expected zero or more")
        self._now += round(seconds * SECOND)
        return self._now
