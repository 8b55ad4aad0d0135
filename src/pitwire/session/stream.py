"""`async for event in session.stream(...)`: comfort, not the hot path.

A stream is bounded, and says what happens when its reader is slow. `wait`: the socket is not read
until there is room, so the venue's own buffer fills up and, if that lasts, the venue hangs up; what
one read of the socket had already brought is still queued, and so is what comes before an answer
that somebody waits for. Where a venue says that it hung up for that, the stream is one of `drop`
from then on. `conflate`: only the newest event of a kind and symbol is kept. `drop`: the
oldest go, and a `StreamDropped` says how many. `spill`: what finds no room in memory goes to a file
and is given in order later; if the disk refuses, a `SpillFailed` says so and `spill_or` holds until
the reader has caught up. `capacity` bounds the three that queue; conflated events are bounded by
their kinds and symbols.

Events of the account and the session (`PROMPT`) have a lane of their own: a reader gets them before
any market event that waits, and no policy holds, conflates, drops or spills them. Their order is
kept, and so is the market's; the order between a fill and a trade is not, while market events wait.
Only our own account fills that lane, so it is not bounded.

A stream ends with the last hold on it: a loop that is left early lets it go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Self, TypeAlias

import msgspec

from pitwire.model import events
from pitwire.model.errors import ConfigError, StateError
from pitwire.model.events import ACCOUNT, SESSION, Event, SpillFailed, StreamDropped
from pitwire.session.queues import Conflating, Dropping, Queue, Spilling, Tally, Waiting
from pitwire.session.spill import Spill, spill_directory

Policy: TypeAlias = Literal["wait", "conflate", "drop", "spill"]
SpillOr: TypeAlias = Literal["drop", "wait"]

CONFLATABLE: tuple[type[Event], ...] = (
    events.Trade,
    events.AggregateTrade,
    events.Quote,
    events.Ticker,
    events.AveragePrice,
    events.PartialBook,
    events.Bar,
    events.MarketStatus,
    events.MarkPrice,
    events.Funding,
)
"""Kinds of which the newest can stand for all; the others tell a story that must be whole."""

_ENDLESS = (events.Malformed, events.Unhandled)  # what a venue may send without end
PROMPT: frozenset[type[Event]] = frozenset(
    kind for kind in (*ACCOUNT, *SESSION) if kind not in _ENDLESS
)
"""Kinds that market data does not delay."""

SPILL_LIMIT = 1 << 30
"""Bytes on disk for one stream, unless another limit is asked for."""


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream does when its reader is slow; `spill_dir` None: the system's own."""

    policy: Policy = "wait"
    capacity: int = 1000
    spill_dir: str | Path | None = None
    spill_limit: int = SPILL_LIMIT
    spill_or: SpillOr = "drop"

    @property
    def may_wait(self) -> bool:
        """Whether the socket may have to be held still."""
        return self.policy == "wait" or (self.policy == "spill" and self.spill_or == "wait")


class StreamCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the events of one stream; all but the last four run since it was made."""

    stream: str
    policy: Policy
    offered: int
    """Events of its kinds and symbols."""
    delivered: int
    """Events that the reader took; a `StreamDropped` or `SpillFailed` is none."""
    conflated: int
    """Events that a newer one has taken the place of."""
    dropped: int
    """Events that the reader was told it will not get."""
    spilled: int
    """Events that found no room in memory and went the way of the disk."""
    waited: int
    """How many times the socket was held still."""
    prompt: int
    """Events of the account and the session that wait for the reader now."""
    waiting: int
    """Market events that wait for the reader now, wherever they are."""
    on_disk: int
    """Events that are on disk now."""
    disk_bytes: int
    """What they take there."""


class EventStream:
    """An asynchronous iterator over the events of some kinds and symbols; one reader."""

    def __init__(
        self,
        name: str,
        kinds: tuple[type[Event], ...],
        *,
        symbols: frozenset[str],
        options: StreamOptions,
        on_full: Callable[[str], None],
        on_room: Callable[[str], None],
        on_closed: Callable[[str], None],
        on_failed: Callable[[SpillFailed], None],
    ) -> None:
        _check(kinds, options)
        self.name, self.policy, self.capacity = name, options.policy, options.capacity
        self._kinds, self._symbols = kinds, symbols
        self._on_closed, self._on_failed = on_closed, on_failed
        self._tally = Tally()
        self._failures: deque[SpillFailed] = deque()
        self._prompt: deque[Event] = deque()
        self._queue = self._queue_for(
            options, on_full=lambda: on_full(name), on_room=lambda: on_room(name)
        )
        self._ended = False
        self._reader: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._prompt) + len(self._queue)

    @property
    def counts(self) -> StreamCounts:
        """What became of everything that was offered."""
        tally, queue = self._tally, self._queue
        spilling = queue if isinstance(queue, Spilling) else None
        return StreamCounts(
            stream=self.name,
            policy=self.policy,
            offered=tally.offered,
            delivered=tally.delivered,
            conflated=tally.conflated,
            dropped=tally.dropped,
            spilled=tally.spilled,
            waited=tally.waited,
            prompt=len(self._prompt),
            waiting=len(queue),
            on_disk=spilling.on_disk if spilling is not None else 0,
            disk_bytes=spilling.disk_bytes if spilling is not None else 0,
        )

    def offer(self, event: Event) -> None:
        """Take an event in, if it is of the stream's kinds and symbols."""
        if self._ended or (self._kinds and not isinstance(event, self._kinds)):
            return
        if self._symbols and event.symbol and event.symbol not in self._symbols:
            return
        if event.__class__ in PROMPT:
            if isinstance(event, SpillFailed) and event.stream == self.name:
                return  # its reader was told already
            self._prompt.append(event)
        else:
            self._queue.put(event)
        self._tally.offered += 1
        self._wake()

    def shed(self) -> bool:
        """Hold nobody up any more: from now on the oldest go where there is no room, and the reader
        is told how many. Whether this was a stream that did."""
        queue = self._queue
        if isinstance(queue, Spilling):
            return queue.shed()
        if not isinstance(queue, Waiting):
            return False
        self.policy, self._queue = "drop", queue.shed(self.name)
        return True

    def end(self) -> None:
        """Nothing more will come; the reader gets what is left and then the end."""
        self._ended = True
        self._wake()

    async def aclose(self) -> None:
        """Stop; what is left is forgotten and nobody is held up any more."""
        self.end()
        self._prompt.clear()
        self._queue.clear()
        self._on_closed(self.name)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._reader is not None:
            raise StateError(
                verb="stream", state="being read by another task", expected="one reader"
            )
        while (event := self._take()) is None:
            if self._ended:
                raise StopAsyncIteration
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def _queue_for(
        self, options: StreamOptions, *, on_full: Callable[[], None], on_room: Callable[[], None]
    ) -> Queue:
        capacity, tally = options.capacity, self._tally
        if options.policy == "conflate":
            return Conflating(tally)
        held: Waiting | Dropping
        if options.may_wait:
            held = Waiting(capacity, tally, on_full=on_full, on_room=on_room)
        else:
            held = Dropping(self.name, capacity, tally)
        if options.policy != "spill":
            return held
        return Spilling(
            self.name,
            capacity,
            tally,
            spill=Spill(options.spill_dir, options.spill_limit),
            instead=held,
            policy=options.spill_or,
            tell=self._failed,
        )

    def _take(self) -> Event | None:
        if self._failures:
            return self._failures.popleft()
        event = self._prompt.popleft() if self._prompt else self._queue.take()
        if event is not None and not isinstance(event, StreamDropped):
            self._tally.delivered += 1
        return event

    def _failed(self, failed: SpillFailed) -> None:
        self._failures.append(failed)
        self._on_failed(failed)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def _check(kinds: tuple[type[Event], ...], options: StreamOptions) -> None:
    if options.policy not in ("wait", "conflate", "drop", "spill"):
        expected = "wait, conflate, drop or spill"
        raise ConfigError(where="policy", found=options.policy, expected=expected)
    if options.capacity < 1:
        raise ConfigError(where="capacity", found=options.capacity, expected="1 or more")
    if options.policy == "spill":
        _check_spill(options)
    whole = [kind.__name__ for kind in kinds if kind not in CONFLATABLE and kind not in PROMPT]
    if options.policy == "conflate" and (whole or not kinds):
        names = ", ".join(kind.__name__ for kind in CONFLATABLE)
        found = ", ".join(whole) or "every kind"
        raise ConfigError(where="kinds to conflate", found=found, expected=f"some of {names}")


def _check_spill(options: StreamOptions) -> None:
    if options.spill_or not in ("drop", "wait"):
        raise ConfigError(where="spill_or", found=options.spill_or, expected="drop or wait")
    if options.spill_limit < 1:
        raise ConfigError(where="spill_limit", found=options.spill_limit, expected="1 byte or more")
    directory = spill_directory(options.spill_dir)
    if not Path(directory).is_dir():
        raise ConfigError(where="spill_dir", found=directory, expected="a directory that is there")
