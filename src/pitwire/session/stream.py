"""`async for event in session.stream(...)`: comfort, not the hot path.

A stream is bounded, and says what happens when its reader is slow. `wait`: the socket is not read
until there is room, so the venue's own buffer fills up and, if that lasts, the venue hangs up; what
one read of the socket had already brought is still queued, and so is what comes before an answer
that somebody waits for. `conflate`: only the newest event of a kind and symbol is kept. `drop`: the
oldest go, and a `StreamDropped` says how many. `capacity` bounds the two that queue; conflated
events are bounded by their kinds and symbols. A stream ends with the last hold on it: a loop that
is left early lets it go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Literal, Self, TypeAlias

from pitwire.model import events
from pitwire.model.errors import ConfigError, StateError
from pitwire.model.events import Bar, Event, StreamDropped

Policy: TypeAlias = Literal["wait", "conflate", "drop"]

CONFLATABLE: tuple[type[Event], ...] = (
    events.Trade,
    events.AggregateTrade,
    events.Quote,
    events.Ticker,
    events.AveragePrice,
    events.PartialBook,
    events.Bar,
    events.MarketStatus,
    events.Balance,
    events.Position,
)
"""Kinds of which the newest can stand for all; the others tell a story that must be whole."""


class EventStream:
    """An asynchronous iterator over the events of some kinds and symbols; one reader."""

    def __init__(
        self,
        name: str,
        kinds: tuple[type[Event], ...],
        *,
        symbols: frozenset[str],
        policy: Policy,
        capacity: int,
        on_full: Callable[[str], None],
        on_room: Callable[[str], None],
        on_closed: Callable[[str], None],
    ) -> None:
        _check(kinds, policy, capacity)
        self.name, self.policy, self.capacity = name, policy, capacity
        self._kinds, self._symbols = kinds, symbols
        self._on_full, self._on_room, self._on_closed = on_full, on_room, on_closed
        self._queue: deque[Event] = deque()
        self._newest: dict[object, Event] = {}
        self._missing: Event | None = None
        self._missed = 0
        self._full = False
        self._ended = False
        self._reader: asyncio.Future[None] | None = None
        self.conflated = 0
        """How many events a newer one has taken the place of."""

    def __len__(self) -> int:
        return len(self._queue) + len(self._newest)

    def offer(self, event: Event) -> None:
        """Take an event in, if it is of the stream's kinds and symbols."""
        if self._ended or (self._kinds and not isinstance(event, self._kinds)):
            return
        if self._symbols and event.symbol and event.symbol not in self._symbols:
            return
        if self.policy == "conflate":
            key = _key(event)
            self.conflated += key in self._newest
            self._newest[key] = event  # an older one's place in the queue is kept
        else:
            self._queue.append(event)
            if len(self._queue) >= self.capacity:
                self._overflow()
        self._wake()

    def end(self) -> None:
        """Nothing more will come; the reader gets what is left and then the end."""
        self._ended = True
        self._wake()

    async def aclose(self) -> None:
        """Stop; what is left is forgotten and nobody is held up any more."""
        self.end()
        self._queue.clear()
        self._newest.clear()
        self._make_room()
        self._on_closed(self.name)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._reader is not None:
            raise StateError(
                verb="stream", state="being read by another task", expected="one reader"
            )
        while not (self._missed or self._queue or self._newest):
            if self._ended:
                raise StopAsyncIteration
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._take()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def _take(self) -> Event:
        if self._missed and self._missing is not None:
            gone, count, self._missed = self._missing, self._missed, 0
            return StreamDropped(gone.venue, "", 0, gone.received, self.name, count)
        if self._newest:
            return self._newest.pop(next(iter(self._newest)))
        event = self._queue.popleft()
        if self._full and len(self._queue) <= self.capacity // 2:
            self._make_room()
        return event

    def _overflow(self) -> None:
        if self.policy == "wait":
            if not self._full:
                self._full = True
                self._on_full(self.name)
        elif len(self._queue) > self.capacity:
            self._missing = self._queue.popleft()
            self._missed += 1

    def _make_room(self) -> None:
        if self._full:
            self._full = False
            self._on_room(self.name)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def _key(event: Event) -> object:
    match event:
        case Bar():  # the next bar must not take the place of a closed one
            return (Bar, event.symbol, event.interval, event.open_time)
        case events.Balance(asset=variant):
            pass
        case events.Ticker(window=variant) | events.AveragePrice(window=variant):
            pass
        case events.PartialBook(depth=variant):
            pass
        case _:
            variant = ""
    return (type(event), event.symbol, variant)


def _check(kinds: tuple[type[Event], ...], policy: str, capacity: int) -> None:
    if policy not in ("wait", "conflate", "drop"):
        raise ConfigError(where="policy", found=policy, expected="wait, conflate or drop")
    if capacity < 1:
        raise ConfigError(where="capacity", found=capacity, expected="1 or more")
    whole = [kind.__name__ for kind in kinds if kind not in CONFLATABLE]
    if policy == "conflate" and (whole or not kinds):
        names = ", ".join(kind.__name__ for kind in CONFLATABLE)
        found = ", ".join(whole) or "every kind"
        raise ConfigError(where="kinds to conflate", found=found, expected=f"some of {names}")
