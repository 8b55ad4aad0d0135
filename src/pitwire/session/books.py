"""The books of one connection: who needs a snapshot, when it may be asked for, what came of it.

House rules: pure. A broken book is fetched again alone; fetches share the venue's weight limit
with the whole session, and one that fails or comes too old is tried again after a growing while.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from pitwire.market.sync import BookSync
from pitwire.model.clock import SECOND
from pitwire.model.events import BookDelta, BookSnapshot, Event
from pitwire.session.backoff import Chance
from pitwire.session.pacing import Pacing
from pitwire.venues.venue import Codec, HttpRequest, Venue

AT_ONCE = 8
"""Fetches under way together; more would only wait at the venue instead of here."""
RESERVED_PERCENT = 10
"""What fetches leave of the weight limit: a login or a question must never be refused for them."""
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
        self._tries: dict[str, int] = {}
        limit = min((each.count for each in venue.limits if each.scope == "weight"), default=0)
        self._reserve = limit * RESERVED_PERCENT // 100

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
        events = sync.accept(delta)
        if sync.wants_snapshot:
            self._want(delta.symbol, now)
        return events

    def broken(self, symbol: str, now: int) -> None:
        """A delta on the fast path broke this book."""
        self._want(symbol, now)

    def resync(self, symbol: str, reason: str, now: int) -> Sequence[Event]:
        """Somebody knows that this book is wrong."""
        sync = self.syncs.get(symbol)
        if sync is None:
            return ()
        events = sync.distrust(reason, now)
        self._want(symbol, now)
        return events

    def lost(self, now: int, kept: Container[str] = ()) -> list[Event]:
        """A connection is gone: the books that no other keeps are stale until confirmed again."""
        told: list[Event] = []
        for symbol, sync in self.syncs.items():
            if symbol not in kept:
                self._wanting.pop(symbol, None)
                self._fetching.pop(symbol, None)
                told += sync.lost(now)
        return told

    def wants(self, symbol: str) -> bool:
        """Whether a snapshot is to be asked for."""
        return symbol in self._wanting

    # ── fetching ──

    def due(self, now: int) -> list[HttpRequest]:
        """The snapshot requests that may leave now."""
        requests: list[HttpRequest] = []
        for symbol in [s for s, at in self._wanting.items() if at <= now]:
            if len(self._fetching) >= AT_ONCE:
                break
            sync = self.syncs[symbol]
            request = self._codec.ask_snapshot(symbol, sync.depth)
            if not self._pacing.allows("weight", now, cost=request.weight + self._reserve):
                break
            self._pacing.spend("weight", now, cost=request.weight)
            del self._wanting[symbol]
            self._fetching[symbol] = request
            requests.append(request)
        return requests

    def next_deadline(self, now: int) -> int | None:
        """When `due` will next have something to say."""
        if not self._wanting or len(self._fetching) >= AT_ONCE:
            return None
        earliest = min(self._wanting.values())
        return max(earliest, self._pacing.ready_at("weight", now, cost=self._cost()))

    def fetched(self, request: HttpRequest, snapshot: BookSnapshot, now: int) -> Sequence[Event]:
        """A snapshot came."""
        sync = self.syncs.get(snapshot.symbol)
        if sync is None or self._fetching.get(snapshot.symbol) is not request:
            return ()  # asked for before a loss, or no longer wanted
        del self._fetching[snapshot.symbol]
        events = sync.accept_snapshot(snapshot, now)
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

    def _want(self, symbol: str, now: int) -> None:
        if symbol not in self._wanting and symbol not in self._fetching:
            self._wanting[symbol] = now

    def _retry(self, symbol: str, now: int, *, until: int = 0) -> None:
        tries = self._tries[symbol] = self._tries.get(symbol, 0) + 1
        ceiling = min(RETRY_CAP_SECONDS, RETRY_SECONDS * 2.0 ** min(tries - 1, 16))
        delay = self._chance.uniform(ceiling / 2, ceiling)
        self._wanting[symbol] = max(now + round(delay * SECOND), until)

    def _forget(self, symbol: str) -> None:
        self._wanting.pop(symbol, None)
        self._fetching.pop(symbol, None)
        self._tries.pop(symbol, None)

    def _cost(self) -> int:
        symbol = next(iter(self._wanting))
        request = self._codec.ask_snapshot(symbol, self.syncs[symbol].depth)
        return request.weight + self._reserve
