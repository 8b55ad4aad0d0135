"""The books of one connection: who needs a snapshot, when it may be asked for, what came of it.

House rules: pure. A broken book is fetched again alone; fetches share the venue's weight limit
with the whole session, and one that fails or comes too old is tried again after a growing while.
When many are broken, those that matter come first, and a shallow snapshot makes each of them a book
sooner; a live book whose known depth runs out is fetched again behind all of them, and stays live:
no delta is left out for its sake, none told twice.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from pitwire.market.book import merged
from pitwire.market.sync import BookSync
from pitwire.model.clock import SECOND
from pitwire.model.events import BookDelta, BookSnapshot, Event
from pitwire.session.backoff import Chance
from pitwire.session.pacing import Pacing
from pitwire.session.stamps import all_stamped, stamped
from pitwire.venues.venue import Codec, HttpRequest, Venue

MANY = 20
"""From so many broken books on, a shallow snapshot is enough to begin with."""
AT_ONCE = 8
"""Fetches under way together; more would only wait at the venue instead of here."""
RESERVED_PERCENT = 10
"""What fetches leave of the weight limit: a login or a question must never be refused for them."""
REFRESH_RESERVED_PERCENT = 50
"""What is left of it by the fetching of books that are live: broken ones may need it."""
WITHIN_SECONDS = 10.0
"""How long the deltas of a live book may take to reach a snapshot that was ahead of them."""
YOUNG_SECONDS = 10.0
"""A book that breaks again so soon is fetched after a growing while, not at once."""
RETRY_SECONDS = 0.25
RETRY_CAP_SECONDS = 30.0


class Books:
    """One `BookSync` a symbol, and the fetching that keeps it live."""

    def __init__(self, venue: Venue, codec: Codec, pacing: Pacing, chance: Chance) -> None:
        self._venue = venue
        self._codec = codec
        self._pacing = pacing
        self._chance = chance
        self.syncs: dict[str, BookSync] = {}
        self._wanting: dict[str, int] = {}
        self._fetching: dict[str, HttpRequest] = {}
        self._ahead: dict[str, tuple[BookSnapshot, int]] = {}
        """Of live books: snapshots that wait until every delta up to them has been told, and how
        long they do."""
        self._tries: dict[str, int] = {}
        self._breaks: dict[str, int] = {}
        limit = weight_limit(venue)
        self._reserve = limit * RESERVED_PERCENT // 100
        self._refresh_reserve = limit * REFRESH_RESERVED_PERCENT // 100
        self._idle_until = 0
        """Nothing may leave before this: no weight, or nobody's turn."""
        self.on_break: Callable[[str, int], None] | None = None
        """Told of each live book that breaks: more than its deltas may be lost."""
        self.anew: Callable[[str, int], bool] | None = None
        """Subscribes to this book anew, and says whether anybody wants it, where its snapshot comes
        on the stream (`streamed.py`)."""
        self.urgent: Callable[[], Container[str]] = tuple
        """The symbols that matter most; asked when not all can be fetched at once."""

    def begin(self, symbol: str, now: int) -> None:
        """The venue confirmed the deltas of this symbol; a snapshot makes them a book."""
        if symbol not in self.syncs:
            self.syncs[symbol] = BookSync(
                self._venue.name, symbol, self._venue.continuity, self._venue.snapshot_depth
            )
        if not self.syncs[symbol].live:  # else another connection carries it already
            self._want(symbol, now)

    def end(self, symbol: str, now: int) -> Sequence[Event]:
        """Nobody wants this book any more."""
        self._forget(symbol)
        sync = self.syncs.pop(symbol, None)
        return sync.distrust("unsubscribed", now) if sync else ()

    def accept(self, delta: BookDelta, now: int) -> Sequence[Event]:
        """A delta off the fast path: for a book that is not live, or that this one breaks."""
        sync = self.syncs.get(delta.symbol)
        if sync is None:
            return ()
        was_live = sync.live
        events = sync.accept(delta)
        if was_live and not sync.live:
            self._again(delta.symbol, now)
        elif delta.symbol in self._ahead:
            return [*events, *self._caught_up(sync, now)]
        elif sync.wants_snapshot:
            self._want(delta.symbol, now)
        return events

    def streamed(self, snapshot: BookSnapshot, now: int) -> Sequence[Event]:
        """A snapshot came on the stream, which is none of ours."""
        return ()

    def mistrust(self) -> None:
        """A frame could not be read; the next delta of its book shows that by its ids."""

    def _caught_up(self, sync: BookSync, now: int) -> Sequence[Event]:
        """A snapshot that was ahead of the deltas, once they are there."""
        snapshot, _ = self._ahead[sync.symbol]
        if sync.last_id < snapshot.last_id:
            return ()
        del self._ahead[sync.symbol]
        return self._take_in(sync, stamped(snapshot, now), now)

    def broken(self, symbol: str, now: int) -> None:
        """A delta on the fast path broke this book."""
        self._again(symbol, now)

    def refresh(self, symbol: str, now: int) -> None:
        """Fetch a live book again, to know its deeper levels; it stays live meanwhile."""
        sync = self.syncs.get(symbol)
        if sync is not None and sync.live and symbol not in self._fetching:
            sync.refresh()
            self._want(symbol, now)

    def resync(self, symbol: str, reason: str, now: int) -> Sequence[Event]:
        """Somebody knows that this book is wrong."""
        sync = self.syncs.get(symbol)
        if sync is None:
            return ()
        events = sync.distrust(reason, now)
        self._again(symbol, now)
        return events

    def lost(self, now: int, kept: Container[str] = ()) -> list[Event]:
        """A connection is gone: the books that no other keeps are stale until confirmed again."""
        told: list[Event] = []
        for symbol, sync in self.syncs.items():
            if symbol not in kept:
                self._wanting.pop(symbol, None)
                self._fetching.pop(symbol, None)
                self._ahead.pop(symbol, None)
                told += sync.lost(now)
        return told

    def be_patient(self, longer: int) -> None:
        """For so long it was we who did not listen."""
        for symbol, (snapshot, until) in self._ahead.items():
            self._ahead[symbol] = snapshot, until + longer

    def overdue(self, now: int) -> list[Event]:
        """Books that are behind their own snapshot for too long: deltas were lost, begin again."""
        told: list[Event] = []
        if not self._ahead:
            return told
        for symbol, (snapshot, until) in list(self._ahead.items()):
            if now >= until:
                told += self.resync(symbol, behind(self.syncs[symbol], snapshot.last_id), now)
        return told

    def has(self, symbol: str) -> bool:
        """Whether this book is looked after here."""
        return symbol in self.syncs

    def is_fetching(self, symbol: str) -> bool:
        """Whether a snapshot is on its way."""
        return symbol in self._fetching

    def wants(self, symbol: str) -> bool:
        """Whether a snapshot is to be asked for."""
        return symbol in self._wanting

    # ── fetching ──

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be asked for, and no snapshot waits for its deltas."""
        return not (self._ahead or self._wanting)

    def due(self, now: int) -> list[HttpRequest]:
        """The snapshot requests that may leave now."""
        if not self._wanting or len(self._fetching) >= AT_ONCE or now < self._idle_until:
            return []
        requests: list[HttpRequest] = []
        shallow = self._is_shallow()
        times = [at for at in self._wanting.values() if at > now]
        for symbol in self._ready(now):
            request, reserve = self._request(symbol, shallow=shallow)
            may = self._pacing.ready_at("weight", now, cost=request.weight + reserve)
            if may > now:
                times.append(may)
                break
            self._pacing.spend("weight", now, cost=request.weight)
            del self._wanting[symbol]
            self._fetching[symbol] = request
            requests.append(request)
            if len(self._fetching) >= AT_ONCE:
                return requests
        self._idle_until = min(times, default=0)
        return requests

    def next_deadline(self, now: int) -> int | None:
        """When `due` will next have something to say."""
        times = [until for _, until in self._ahead.values()] if self._ahead else []
        if self._wanting and len(self._fetching) < AT_ONCE:
            times.append(max(now, self._idle_until or min(self._wanting.values())))
        return min(times, default=None)

    def _ready(self, now: int) -> list[str]:
        """Those that may be fetched now, in the order in which they should be."""
        ready = [symbol for symbol, at in self._wanting.items() if at <= now]
        if len(ready) > 1:
            urgent = self.urgent()
            ready.sort(key=lambda one: (self.syncs[one].live, one not in urgent))
        return ready

    def _is_shallow(self) -> bool:
        return self._venue.shallow_depth > 0 and len(self._wanting) >= MANY

    def _request(self, symbol: str, *, shallow: bool) -> tuple[HttpRequest, int]:
        """What would fetch this book, and what must be left of the weight then."""
        sync = self.syncs[symbol]
        depth = sync.depth
        if shallow and not sync.live:
            depth = min(depth, self._venue.shallow_depth) or self._venue.shallow_depth
        reserve = self._refresh_reserve if sync.live else self._reserve
        return self._codec.ask_snapshot(symbol, depth), reserve

    def fetched(self, request: HttpRequest, snapshot: BookSnapshot, now: int) -> Sequence[Event]:
        """A snapshot came."""
        sync = self.syncs.get(snapshot.symbol)
        if sync is None or self._fetching.get(snapshot.symbol) is not request:
            return ()  # asked for before a loss, or no longer wanted
        del self._fetching[snapshot.symbol]
        if sync.live and snapshot.last_id > sync.last_id:
            self._ahead[snapshot.symbol] = snapshot, now + round(WITHIN_SECONDS * SECOND)
            return ()
        return self._take_in(sync, snapshot, now)

    def _take_in(self, sync: BookSync, snapshot: BookSnapshot, now: int) -> Sequence[Event]:
        events = replaced(sync, snapshot, now)
        if sync.wants_snapshot:
            self._retry(snapshot.symbol, now)
        else:
            self._tries.pop(snapshot.symbol, None)
        return events

    def failed(self, request: HttpRequest, now: int, *, until: int = 0) -> None:
        """No snapshot came; ask again, but not before `until`."""
        if self._fetching.get(request.symbol) is request:
            del self._fetching[request.symbol]
            self._retry(request.symbol, now, until=until)

    def _want(self, symbol: str, at: int) -> None:
        if not (symbol in self._wanting or symbol in self._fetching or symbol in self._ahead):
            self._wanting[symbol] = at
            self._idle_until = 0

    def _again(self, symbol: str, now: int) -> None:
        """A book broke that was live: at once, unless it has been live for a moment only."""
        self._ahead.pop(symbol, None)
        if self.on_break is not None:
            self.on_break(symbol, now)
        if now - self.syncs[symbol].live_since >= YOUNG_SECONDS * SECOND:
            self._breaks.pop(symbol, None)
        breaks = self._breaks[symbol] = self._breaks.get(symbol, -1) + 1
        self._want(symbol, now + self._delay(breaks) if breaks else now)

    def _retry(self, symbol: str, now: int, *, until: int = 0) -> None:
        tries = self._tries[symbol] = self._tries.get(symbol, 0) + 1
        self._want(symbol, max(now + self._delay(tries), until))

    def _delay(self, tries: int) -> int:
        ceiling = min(RETRY_CAP_SECONDS, RETRY_SECONDS * 2.0 ** min(tries - 1, 16))
        return round(self._chance.uniform(ceiling / 2, ceiling) * SECOND)

    def _forget(self, symbol: str) -> None:
        self._wanting.pop(symbol, None)
        self._fetching.pop(symbol, None)
        self._ahead.pop(symbol, None)
        self._tries.pop(symbol, None)
        self._breaks.pop(symbol, None)


def replaced(sync: BookSync, snapshot: BookSnapshot, now: int) -> Sequence[Event]:
    """Take a snapshot in; over a live book, the deltas told already are part of what is told."""
    was_live = sync.live
    story = sync.accept_snapshot(snapshot, now)
    if not story:
        return ()
    whole = merged(snapshot, story[1:]) if was_live and len(story) > 1 else None
    return all_stamped(story, now) if whole is None else (stamped(whole, now),)


def behind(sync: BookSync, venue_id: int) -> str:
    """What is wrong with a book that the venue's is ahead of."""
    return f"the venue is at {venue_id}, deltas end at {sync.last_id}"


def weight_limit(venue: Venue) -> int:
    """The venue's tightest limit on request weight; 0 where it has none."""
    return min((each.count for each in venue.limits if each.scope == "weight"), default=0)
