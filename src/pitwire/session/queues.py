"""What happens to events whose reader is slow: four queues, one for each policy.

House rules: pure but for the disk that `Spilling` writes to; each is bounded, keeps the order, and
counts in its `Tally` whatever the reader will not get, or will get later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from pitwire.model import events
from pitwire.model.events import Bar, Event, SpillFailed, StreamDropped
from pitwire.session.spill import Spill, SpillLost, SpillRefused


class Tally:
    """Counters of one stream, since it was made."""

    __slots__ = ("conflated", "delivered", "dropped", "offered", "spilled", "waited")

    def __init__(self) -> None:
        self.offered = self.delivered = self.conflated = 0
        self.dropped = self.spilled = self.waited = 0


class Queue(Protocol):
    """Where the events of a stream wait for its reader."""

    def __len__(self) -> int: ...

    def put(self, event: Event) -> None: ...

    def take(self) -> Event | None:
        """The next one, None when there is none."""
        ...

    def clear(self) -> None:
        """Forget everything, and hold nobody up."""
        ...


class Waiting:
    """Says when it is full and when there is room again; whoever fills it should wait."""

    def __init__(
        self,
        capacity: int,
        tally: Tally,
        *,
        on_full: Callable[[], None],
        on_room: Callable[[], None],
    ) -> None:
        self._capacity, self._tally = capacity, tally
        self._on_full, self._on_room = on_full, on_room
        self._held: deque[Event] = deque()
        self._full = False

    def __len__(self) -> int:
        return len(self._held)

    def put(self, event: Event) -> None:
        self._held.append(event)
        if len(self._held) >= self._capacity and not self._full:
            self._full = True
            self._tally.waited += 1
            self._on_full()

    def take(self) -> Event | None:
        """The oldest."""
        if not self._held:
            return None
        event = self._held.popleft()
        if self._full and len(self._held) <= self._capacity // 2:
            self._make_room()
        return event

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        if self._full:
            self._make_room()

    def shed(self, name: str) -> Dropping:
        """A queue that holds nobody up, with what waits here; nothing is left here."""
        queue = Dropping(name, self._capacity, self._tally)
        while (event := self.take()) is not None:
            queue.put(event)
        return queue

    def _make_room(self) -> None:
        self._full = False
        self._on_room()


class Conflating:
    """Keeps the newest of each kind and symbol, in the place of the oldest."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._newest: dict[object, Event] = {}

    def __len__(self) -> int:
        return len(self._newest)

    def put(self, event: Event) -> None:
        key = _key(event)
        self._tally.conflated += key in self._newest
        self._newest[key] = event  # an older one's place in the queue is kept

    def take(self) -> Event | None:
        """The newest of whoever has waited longest."""
        return self._newest.pop(next(iter(self._newest))) if self._newest else None

    def clear(self) -> None:
        """Forget everything."""
        self._newest.clear()


class Dropping:
    """Lets the oldest go, and says how many before it gives the next one."""

    def __init__(self, name: str, capacity: int, tally: Tally) -> None:
        self._name, self._capacity, self._tally = name, capacity, tally
        self._held: deque[Event] = deque()
        self._gone: Event | None = None
        self._missed = 0

    def __len__(self) -> int:
        return len(self._held)

    def put(self, event: Event) -> None:
        self._held.append(event)
        if len(self._held) > self._capacity:
            self._gone = self._held.popleft()
            self._missed += 1
            self._tally.dropped += 1

    def take(self) -> Event | None:
        """How many are gone, if any are; else the oldest."""
        if self._gone is not None:
            gone, count, self._gone, self._missed = self._gone, self._missed, None, 0
            return StreamDropped(gone.venue, "", 0, gone.received, self._name, count)
        return self._held.popleft() if self._held else None

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        self._gone, self._missed = None, 0


class Spilling:
    """Keeps the first in memory and the others on disk; if the disk refuses, `instead` takes over.

    What the disk has taken is still read from it, before anything that came later.
    """

    def __init__(
        self,
        name: str,
        capacity: int,
        tally: Tally,
        *,
        spill: Spill,
        instead: Waiting | Dropping,
        policy: str,
        tell: Callable[[SpillFailed], None],
    ) -> None:
        self._name, self._capacity, self._tally = name, capacity, tally
        self._spill, self._instead, self._policy, self._tell = spill, instead, policy, tell
        self._front: deque[Event] = deque()
        self._refused = False
        self._latest: Event | None = None

    def __len__(self) -> int:
        return len(self._front) + len(self._spill) + len(self._instead)

    @property
    def on_disk(self) -> int:
        """How many events are on the disk now."""
        return self._spill.on_disk

    @property
    def disk_bytes(self) -> int:
        """What the files hold now."""
        return self._spill.disk_bytes

    def put(self, event: Event) -> None:
        if self._latest is None:
            self._try_disk(event)
        self._latest = event
        if self._refused:
            self._instead.put(event)
        elif len(self._front) < self._capacity and not self._spill:
            self._front.append(event)
        else:
            self._put_behind(event)

    def take(self) -> Event | None:
        """The oldest, wherever it is."""
        front = self._front
        if not front and self._spill and (gone := self._refill()) is not None:
            return gone
        if front:
            return front.popleft()
        event = self._instead.take()
        if event is None:
            self._refused = False  # caught up: the disk is given another chance
        return event

    def clear(self) -> None:
        """Forget everything, on disk as well."""
        self._front.clear()
        self._spill.clear()
        self._instead.clear()

    def shed(self) -> bool:
        """Hold nobody up any more, once the disk has refused; whether this did so until now."""
        if not isinstance(self._instead, Waiting):
            return False
        self._instead, self._policy = self._instead.shed(self._name), "drop"
        return True

    def _try_disk(self, event: Event) -> None:
        # Better told with the first event than with the first that finds no room.
        try:
            self._spill.try_disk()
        except SpillRefused as refused:
            self._fail(event, str(refused))

    def _put_behind(self, event: Event) -> None:
        try:
            self._spill.put(event)
        except SpillRefused as refused:
            self._refused = True
            self._instead.put(event)
            self._fail(event, str(refused))
        else:
            self._tally.spilled += 1

    def _refill(self) -> StreamDropped | None:
        try:
            self._front.extend(self._spill.take())
        except SpillLost as lost:
            latest = self._latest
            assert latest is not None, "something was put, or nothing could be lost"
            self._tally.dropped += lost.count
            self._fail(latest, str(lost))
            return StreamDropped(latest.venue, "", 0, latest.received, self._name, lost.count)
        return None

    def _fail(self, event: Event, reason: str) -> None:
        self._tell(
            SpillFailed(event.venue, "", 0, event.received, self._name, reason, self._policy)
        )


def _key(event: Event) -> object:
    match event:
        case Bar():  # the next bar must not take the place of a closed one
            return (Bar, event.symbol, event.interval, event.open_time)
        case events.Ticker(window=variant) | events.AveragePrice(window=variant):
            pass
        case events.PartialBook(depth=variant):
            pass
        case _:
            variant = ""
    return (type(event), event.symbol, variant)
