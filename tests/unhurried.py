"""A loop on real sockets in which the time is left out that a busy machine gave to others.

Its time is what its own thread computed and what it waited for on purpose: a machine with other
things to do makes a test long, and no deadline in it late.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import count
from typing import Any, ParamSpec, TypeVar

import pytest

from pitwire.cli import loops
from pitwire.model.clock import SECOND, SystemClock

Answer = TypeVar("Answer")
Given = ParamSpec("Given")
Ready = list[tuple[selectors.SelectorKey, int]]


class _Patient(selectors.DefaultSelector):
    """Knows how long it was to wait, and did."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0.0

    def select(self, timeout: float | None = None) -> Ready:
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        began = time.monotonic()
        ready = super().select(timeout)
        took = time.monotonic() - began
        self.waited += took if timeout is None else min(took, timeout)
        return ready


class UnhurriedLoop(asyncio.SelectorEventLoop):
    """An event loop in such a time; `now` makes it a `Clock`."""

    def __init__(self) -> None:
        self._patient = _Patient()
        self._processor = time.pthread_getcpuclockid(threading.get_ident())
        self._computed = time.clock_gettime(self._processor)
        self._epoch = time.time_ns()
        super().__init__(self._patient)

    def time(self) -> float:
        """Seconds that its thread computed or meant to wait since the loop was made there."""
        return self._patient.waited + time.clock_gettime(self._processor) - self._computed

    def now(self) -> int:
        """The same in ns since the epoch."""
        return self._epoch + round(self.time() * SECOND)


class UnhurriedClock(SystemClock):
    """The same for whoever asks whether time is real: it is."""

    def __init__(self, loop: UnhurriedLoop) -> None:
        super().__init__()
        self._loop = loop

    def now(self) -> int:
        return self._loop.now()


class RunningClock(SystemClock):
    """The same, of whichever such loop runs."""

    def now(self) -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, UnhurriedLoop)
        return loop.now()


class TickingClock(SystemClock):
    """A nanosecond goes by from one look at it to the next, however long that takes."""

    def __init__(self) -> None:
        super().__init__()
        self._ticks = count(time.time_ns())

    def now(self) -> int:
        return next(self._ticks)


def calm(said: str) -> str:
    """What a program said, but for that it was held up: a busy machine does that to it."""
    lines = said.splitlines(keepends=True)
    return "".join(line for line in lines if "holds everything up, for" not in line)


@contextmanager
def commands() -> Iterator[None]:
    """Commands that begin in here live in such a time, unless they name their loop: `--seconds` are
    those in which they could have done something."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "_uvloop", lambda: UnhurriedLoop)
        yield


def run(what: Coroutine[Any, Any, Answer]) -> Answer:
    """Run this in a loop of its own."""
    with asyncio.Runner(loop_factory=UnhurriedLoop) as runner:
        return runner.run(what)


def alone(test: Callable[Given, Coroutine[Any, Any, Answer]]) -> Callable[Given, Answer]:
    """A test that is lived through in such a loop."""

    @wraps(test)
    def lived(*given: Given.args, **named: Given.kwargs) -> Answer:
        return run(test(*given, **named))

    return lived
