"""A selector that asks again instead of sleeping, for an ordinary asyncio loop.

Waking a sleeping thread can cost more than everything we do with a tick. Where a core is ours to
burn, polling saves that; after a while of silence it sleeps like any other selector, so an idle
desk costs nothing.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pitwire.model.clock import MILLISECOND, SECOND, SystemClock

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

QUIET_NS = 20 * MILLISECOND


class PollingSelector(selectors.BaseSelector):
    """Polls while something happened in the last `quiet_ns`, and sleeps otherwise."""

    def __init__(
        self,
        *,
        now: Callable[[], int] | None = None,
        quiet_ns: int = QUIET_NS,
        inner: selectors.BaseSelector | None = None,
    ) -> None:
        self._inner = inner or selectors.DefaultSelector()
        self._now = now or SystemClock().now
        self._quiet_ns = quiet_ns
        self._stirred = self._now()
        self._idle: Callable[[], object] | None = None
        self._idle_every = self._idle_at = 0

    def when_idle(self, call: Callable[[], object], every_ns: int) -> None:
        """Call this while nothing happens and it polls, at most once in `every_ns`.

        `select` ends with it, so that a loop can do what it was given.
        """
        self._idle, self._idle_every = call, every_ns

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, waiting up to `timeout` seconds (None: until something is)."""
        poll = self._inner.select
        ready = poll(0)
        if ready:
            self._stirred = self._now()
            return ready
        if timeout is not None and timeout <= 0:
            return ready
        now = self._now()
        ends = None if timeout is None else now + round(timeout * SECOND)
        quiet = self._stirred + self._quiet_ns
        while now < quiet and (ends is None or now < ends):
            ready = poll(0)
            now = self._now()
            if ready:
                self._stirred = now
                return ready
            if self._idle is not None and now >= self._idle_at:
                self._idle_at = now + self._idle_every
                self._idle()
                return ready
        if ends is not None and now >= ends:
            return ready
        ready = poll(None if ends is None else (ends - now) / SECOND)
        if ready:
            self._stirred = self._now()
        return ready

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def close(self) -> None:
        self._inner.close()

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._inner.get_map()


class PollingLoop(asyncio.SelectorEventLoop):
    """An asyncio loop that polls, and can be given something to do while nothing happens."""

    def __init__(self, *, quiet_ns: int = QUIET_NS) -> None:
        self._polling = PollingSelector(quiet_ns=quiet_ns)
        super().__init__(self._polling)

    def when_idle(self, call: Callable[[], object], every_ns: int) -> None:
        """Call this while it polls and nothing happens, at most once in `every_ns`; the latest
        call given is the one."""
        self._polling.when_idle(partial(self.call_soon, call), every_ns)


def polling_loop() -> asyncio.AbstractEventLoop:
    """A loop factory: `asyncio.Runner(loop_factory=polling_loop)`."""
    return PollingLoop()
