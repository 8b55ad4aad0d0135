"""SimLoop: a stock asyncio loop whose selector jumps to the next timer instead of waiting.

House rules: nothing waits on the outside world, so sockets, threads and processes are refused;
when no timer is left and nothing is ready, the program can never go on, and that is an error.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NoReturn

from pitwire.model.clock import SECOND

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike as FileLike

START = 1_700_000_000 * SECOND
"""Where virtual time begins unless a world says otherwise."""


_RESOLUTION = 1e-9


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


class SimLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time; `clock` reads the same time in ns since the epoch."""

    def __init__(self, start: int = START) -> None:
        self._start = start
        self._elapsed = 0
        super().__init__(_Jumper(self._jump))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._elapsed / SECOND

    def now(self) -> int:
        """Virtual time in ns since the epoch; makes the loop a `Clock`."""
        return self._start + self._elapsed

    def call_at_ns(self, at: int, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Call back at a time in ns since the epoch."""

        def ring() -> None:
            # seconds as a float may round a late time down by a few ns
            self._elapsed = max(self._elapsed, at - self._start)
            callback()

        return self.call_at((at - self._start) / SECOND, ring)

    def skip(self, duration: int) -> None:
        """Let so much time (ns) pass at once, as for a machine that stood still meanwhile."""
        self._elapsed += duration

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
            self._elapsed += max(1, round(timeout * SECOND))
            # far from zero a float cannot tell a timer's time from the nanosecond after it
            self._clock_resolution = max(_RESOLUTION, 2 * math.ulp(self.time()))
