"""A selector that asks again instead of sleeping, for an ordinary asyncio loop.

Waking a sleeping thread can cost more than everything we do with a tick. Where a core is ours to
burn, polling saves that; after a while of silence it sleeps like any other selector, so an idle
desk costs nothing.
"""

from __future__ import annotations

import asyncio
import os
import select
import selectors
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pitwire.model.clock import MILLISECOND, SECOND, ticks

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

QUIET_NS = 20 * MILLISECOND
_AT_MOST = 64
"""Sockets told of at once; the others are told of next time."""
_FOREVER = 1 << 63


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
        self._now = now or ticks()
        self._quiet_ns = quiet_ns
        self._stirred = self._now()
        self._epoll = _epoll_of(self._inner)
        self._ask: Callable[[], list[Any]] = partial(self._inner.select, 0)
        """What is ready at this moment, in the words of who is asked; nothing is mostly the answer,
        and epoll itself says it in a quarter of the time."""
        if self._epoll is not None:
            self._ask = partial(self._epoll.poll, 0, _AT_MOST)
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._idle: Callable[[], object] | None = None
        self._idle_every = self._idle_at = 0

    def when_idle(self, call: Callable[[], object], every_ns: int) -> None:
        """Call this while nothing happens and it polls, at most once in `every_ns`.

        `select` ends when it returns something true, so that a loop can do what it was given.
        """
        self._idle, self._idle_every = call, every_ns

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, waiting up to `timeout` seconds (None: until something is)."""
        ask, clock = self._ask, self._now
        found = ask()
        if found:
            self._stirred = clock()
            return self._keyed(found)
        if timeout is not None and timeout <= 0:
            return []
        now = clock()
        ends = _FOREVER if timeout is None else now + round(timeout * SECOND)
        until = min(self._stirred + self._quiet_ns, ends)
        idle = self._idle
        while now < until:
            found = ask()
            now = clock()
            if found:
                self._stirred = now
                return self._keyed(found)
            if idle is not None and now >= self._idle_at:
                self._idle_at = now + self._idle_every
                if idle():
                    return []
        if now >= ends:
            return []
        ready = self._inner.select(None if timeout is None else (ends - now) / SECOND)
        if ready:
            self._stirred = clock()
        return ready

    def _keyed(self, found: list[Any]) -> list[tuple[selectors.SelectorKey, int]]:
        """What the inner selector's `select(0)` says of what was found."""
        if self._epoll is None:
            return found
        ready = []
        for fd, events in found:
            key = self._keys.get(fd)
            if key is not None:
                read = selectors.EVENT_READ if events & ~select.EPOLLOUT else 0
                write = selectors.EVENT_WRITE if events & ~select.EPOLLIN else 0
                ready.append((key, (read | write) & key.events))
        return ready

    def key_at(self, fd: int) -> selectors.SelectorKey | None:
        """What is registered for this descriptor."""
        return self._keys.get(fd)

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._kept(self._inner.register(fileobj, events, data))

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        key = self._inner.unregister(fileobj)
        self._keys.pop(key.fd, None)
        return key

    def modify(
        self, fileobj: FileDescriptorLike, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        try:
            return self._kept(self._inner.modify(fileobj, events, data))
        except Exception:
            # The inner one may have forgotten it, as one does whose socket was closed.
            self._keys = {key.fd: key for key in self._inner.get_map().values()}
            raise

    def _kept(self, key: selectors.SelectorKey) -> selectors.SelectorKey:
        self._keys[key.fd] = key
        return key

    def close(self) -> None:
        if self._epoll is not None:
            self._epoll.close()
        self._inner.close()

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._inner.get_map()


def _epoll_of(inner: selectors.BaseSelector) -> select.epoll | None:
    """The inner selector's epoll, by a descriptor of its own; None where it has none."""
    kind = getattr(selectors, "EpollSelector", None)
    if kind is None or not isinstance(inner, kind):
        return None
    return select.epoll.fromfd(os.dup(inner.fileno()))


class PollingLoop(asyncio.SelectorEventLoop):
    """An asyncio loop that polls, and can be given something to do while nothing happens."""

    def __init__(self, *, quiet_ns: int = QUIET_NS) -> None:
        self._polling = PollingSelector(quiet_ns=quiet_ns)
        super().__init__(self._polling)

    def _process_events(self, event_list: list[tuple[selectors.SelectorKey, int]]) -> None:
        """As asyncio has it, but that readers are called here instead of being queued first.

        Not where something is queued: that may be what takes a reader off, as when nobody waits any
        more for who dials (`sock_accept`), and then a reader that is called finds nobody to tell.
        """
        if self._ready:  # type: ignore[attr-defined]
            super()._process_events(event_list)  # type: ignore[misc]
            return
        readers: list[asyncio.Handle] = []
        for key, mask in event_list:
            reader = key.data[0]
            if mask == selectors.EVENT_READ and reader is not None and not reader.cancelled():
                readers.append(reader)
            else:
                super()._process_events([(key, mask)])  # type: ignore[misc]
        for reader in readers:
            if not reader.cancelled():  # by one before it
                reader._run()  # as the loop does with what is queued

    def read(self, fd: int) -> None:
        """Call who reads this socket now, as if it had been found ready."""
        key = self._polling.key_at(fd)
        reader = None if key is None else key.data[0]
        if reader is not None and not reader.cancelled():
            reader._run()

    def when_idle(self, call: Callable[[], object], every_ns: int) -> None:
        """Call this while it polls and nothing happens, at most once in `every_ns`; the latest
        call given is the one. What it raises is told as of any other callback."""
        self._polling.when_idle(partial(self._meanwhile, call), every_ns)

    def _meanwhile(self, call: Callable[[], object]) -> bool:
        """Call it in the midst of polling; whether the loop has got anything to do by that."""
        timers = len(self._scheduled)  # type: ignore[attr-defined]
        try:
            call()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 — the callback edge
            self.call_exception_handler(
                {"message": f"Exception while idle in {call!r}", "exception": error}
            )
        loop: Any = self
        return bool(loop._ready or loop._stopping or len(loop._scheduled) != timers)


def polling_loop() -> asyncio.AbstractEventLoop:
    """A loop factory: `asyncio.Runner(loop_factory=polling_loop)`."""
    return PollingLoop()
