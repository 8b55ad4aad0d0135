"""SimLoop: a stock asyncio loop whose selector jumps to the next timer instead of waiting.

House rules: nothing waits on the outside world, so sockets, threads and processes are refused;
when no timer is left and nothing is ready, the program can never go on, and that is an error.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Mapping
from contextvars import Context
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVarTuple

from pitwire.model.clock import SECOND

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike as FileLike

_Args = TypeVarTuple("_Args")
_NEVER = 1 << 63
START = 1_700_000_000 * SECOND
"""Where virtual time begins unless a world says otherwise."""


_RESOLUTION = 1e-9
_DAY = 86400.0
"""No loop waits for longer at once."""


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set: whoever awaits, awaits forever."""


class _Jumper(selectors.BaseSelector):
    """Selects nothing, ever; asked to wait, it moves the time forward."""

    def __init__(self, jump: Callable[[float | None], None]) -> None:
        self._jump = jump
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
        self._jump(timeout)
        return []

    def get_map(self) -> Mapping[FileLike, selectors.SelectorKey]:
        return dict(self._keys)

    def close(self) -> None:
        self._keys.clear()


class Played(Protocol):
    """The loop of a world that plays, as whoever plays sees it."""

    stirred: bool
    """Whether a call was scheduled: it comes first, at the time that it is now."""
    before: int
    """When the next timer is due, ns: what happens at that very time happens after it."""

    def ring(self) -> bool:
        """Reach the next timer, and do what it does where that is all that is due, so that
        `before` is that of the one after it; False where the loop itself comes next, with what is
        due by now."""
        ...

    def reach(self, at: int) -> int:
        """It is this time now, ns, or later already; returns which."""
        ...


class Source(Protocol):
    """What happens between two timers."""

    def play(self, loop: Played, before: int) -> None:
        """Let everything happen that is due before then, ns, until something is stirred."""
        ...


class SimLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time; `clock` reads the same time in ns since the epoch."""

    def __init__(self, start: int = START) -> None:
        self.start = start
        """When it was made, in ns since the epoch."""
        self.elapsed = 0
        """How long ago that is, in ns."""
        super().__init__(_Jumper(self._jump))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.elapsed / SECOND

    def now(self) -> int:
        """Virtual time in ns since the epoch; makes the loop a `Clock`."""
        return self.start + self.elapsed

    def call_at_ns(self, at: int, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Call back at a time in ns since the epoch."""

        def ring() -> None:
            # seconds as a float may round a late time down by a few ns
            self.elapsed = max(self.elapsed, at - self.start)
            callback()

        return self.call_at((at - self.start) / SECOND, ring)

    def skip(self, duration: int) -> None:
        """Let so much time (ns) pass at once, as for a machine that stood still meanwhile."""
        self.elapsed += duration

    def run_in_executor(self, *args: object, **kwargs: object) -> NoReturn:
        """There are no threads in virtual time."""
        raise RuntimeError("SimLoop: a thread was asked for, expected work in virtual time only")

    async def create_connection(self, *args: object, **kwargs: object) -> NoReturn:
        """There are no sockets in virtual time."""
        raise RuntimeError("SimLoop: a socket was asked for, expected links in memory only")

    async def create_server(self, *args: object, **kwargs: object) -> NoReturn:
        """There are no sockets in virtual time."""
        raise RuntimeError("SimLoop: a server was asked for, expected links in memory only")

    def _jump(self, timeout: float | None) -> None:
        if timeout is None:
            raise Deadlock("SimLoop: nothing is ready and no timer is set")
        if timeout > 0:
            # at least 1 ns, or a rounded-down wait would be asked for again and again
            self._move_to(self.elapsed + max(1, round(timeout * SECOND)))

    def _move_to(self, elapsed: int) -> None:
        self.elapsed = elapsed
        # far from zero a float cannot tell a timer's time from the nanosecond after it
        self._clock_resolution = max(_RESOLUTION, 2 * math.ulp(elapsed / SECOND))


class PlayedLoop(SimLoop):
    """Where another would jump to the next timer, this one lets a source play until then.

    What happens there is a plain call, not a timer of its own, unless it stirs somebody here.
    """

    def __init__(self, start: int, source: Source) -> None:
        self._source = source
        self.stirred = False
        self.before = _NEVER
        super().__init__(start)

    def reach(self, at: int) -> int:
        """It is this time now, ns, or later already; returns which."""
        elapsed = at - self.start
        if elapsed > self.elapsed:
            self.elapsed = elapsed
            return at
        return self.start + self.elapsed

    def call_soon(
        self,
        callback: Callable[[*_Args], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.Handle:
        self.stirred = True
        return super().call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Args], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As asyncio has it, in one step instead of three: most timers of a world are such."""
        if self._debug or self._closed:  # type: ignore[attr-defined]
            return super().call_later(delay, callback, *args, context=context)
        self.stirred = True
        timer = asyncio.TimerHandle(self.time() + delay, callback, args, self, context)
        heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Args], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self.stirred = True
        return super().call_at(when, callback, *args, context=context)

    def _jump(self, timeout: float | None) -> None:
        if timeout is not None and timeout <= 0:
            return
        self._look_ahead(timeout)
        self.stirred = False
        try:
            self._source.play(self, self.before)
        except Exception as error:  # noqa: BLE001 - a receiver that raises does not stop the world
            self.call_exception_handler({"message": "a receiver raised", "exception": error})
            return
        if self.stirred:
            return
        if timeout is None:
            super()._jump(None)
        self._move_to(self.before - self.start)

    def ring(self) -> bool:
        """Reach the next timer, and do what it does as the loop would, where it is one alone."""
        self._move_to(self.before - self.start)
        timers, end = self._scheduled, self.elapsed / SECOND + self._clock_resolution  # type: ignore[attr-defined]
        self.stirred = True
        if not timers or timers[0]._cancelled or timers[0]._when >= end:
            return False
        for other in timers[1:3]:  # one of which is the next in the heap
            if other._when < end:
                return False
        timer = heappop(timers)
        timer._scheduled = False  # as the loop notes of one that is taken from its timers
        timer._run()
        if self._ready or self._stopping or not timers or timers[0]._cancelled:  # type: ignore[attr-defined]
            return False
        timeout = timers[0]._when - self.elapsed / SECOND
        if not 0 < timeout < _DAY:
            return False
        self.before = self.start + self.elapsed + max(1, round(timeout * SECOND))
        self.stirred = False
        return True

    def _look_ahead(self, timeout: float | None) -> None:
        self.before = _NEVER if timeout is None else self.now() + max(1, round(timeout * SECOND))
