"""TapeLoop: a stock asyncio loop in the time of a tape.

Where another loop would wait, this one plays: every record that is due before the next timer, one
after another, in plain calls; then it jumps to the timer. House rules: nothing waits on the outside
world, so sockets and threads are refused; the same tape gives the same calls at the same times.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVarTuple

from pitwire.model.clock import SECOND

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike as FileLike

_Args = TypeVarTuple("_Args")
_NEVER = 1 << 63
_NAP = 0.05
"""Seconds that are slept at a time, so that Ctrl-C is heard."""


class Stage(Protocol):
    """Where it is played: the time there, and whether anything has come up."""

    at: int
    """ns since the epoch; whoever plays a record moves it on."""
    stirred: bool
    """Whether a call was scheduled: it comes first, at the time that it is now."""


class Source(Protocol):
    """What is played."""

    def next_at(self) -> int | None:
        """When the next record is due, ns; None at the end."""
        ...

    def play(self, stage: Stage, before: int) -> None:
        """Play what is due before that time, until something is stirred."""
        ...


class Ended(RuntimeError):
    """The tape is over and no timer is set: whoever awaits, awaits forever."""


class _Needle(selectors.BaseSelector):
    """Selects nothing, ever; asked to wait, it plays."""

    def __init__(self, wait: Callable[[float | None], None]) -> None:
        self._wait = wait
        self._keys: dict[FileLike, selectors.SelectorKey] = {}

    def register(
        self, fileobj: FileLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        descriptor = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = selectors.SelectorKey(fileobj, descriptor, events, data)
        self._keys[descriptor] = key
        return key

    def unregister(self, fileobj: FileLike) -> selectors.SelectorKey:
        return self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self._wait(timeout)
        return []

    def get_map(self) -> Mapping[FileLike, selectors.SelectorKey]:
        return dict(self._keys)

    def close(self) -> None:
        self._keys.clear()


class TapeLoop(asyncio.SelectorEventLoop):
    """An event loop in a tape's time; `now` makes it a `Clock`. `speed` 0 plays without waiting.

    `rest` is what is done where the pace has to be kept.
    """

    def __init__(
        self, start: int, *, speed: float = 0.0, rest: Callable[[float], None] = time.sleep
    ) -> None:
        self._start = self.at = start
        self._source: Source | None = None
        self._speed, self._rest = speed, rest
        self.stirred = False
        self._began = time.perf_counter()
        super().__init__(_Needle(self._wait))

    def load(self, source: Source) -> None:
        """Play this from now on."""
        self._source = source

    def time(self) -> float:
        """Seconds of the tape's time since the loop was made."""
        return (self.at - self._start) / SECOND

    def now(self) -> int:
        """The tape's time in ns since the epoch."""
        return self.at

    def call_soon(
        self,
        callback: Callable[[*_Args], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.Handle:
        self.stirred = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Args], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self.stirred = True
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(self, *args: object, **kwargs: object) -> NoReturn:
        """There are no threads in a tape's time."""
        raise RuntimeError("TapeLoop: a thread was asked for, expected work in the tape's time")

    async def create_connection(self, *args: object, **kwargs: object) -> NoReturn:
        """There are no sockets in a tape's time."""
        raise RuntimeError("TapeLoop: a socket was asked for, expected what is on the tape")

    def _wait(self, timeout: float | None) -> None:
        timer = None if timeout is None else self.at + max(1, round(timeout * SECOND))
        self.stirred = False
        if self._source is not None:
            self._play(self._source, _NEVER if timer is None else timer)
        if self.stirred:
            return
        if timer is None:
            raise Ended("TapeLoop: the tape is over, nothing is ready and no timer is set")
        if not self._speed or self._sleep_until(timer):
            self.at = timer

    def _play(self, source: Source, before: int) -> None:
        """Play what is due by then, at its pace."""
        if not self._speed:
            source.play(self, before)
            return
        while not self.stirred:
            at = source.next_at()
            if at is None or at >= before or not self._sleep_until(at):
                return
            source.play(self, max(at, self.at) + 1)

    def _sleep_until(self, at: int) -> bool:
        """Keep the pace; False when something came up meanwhile."""
        due = self._began + (at - self._start) / SECOND / self._speed
        while (left := due - time.perf_counter()) > 0:
            self._rest(min(left, _NAP))
            if self.stirred:
                return False
        return True
