"""The audit: now and then a live book is held against a fresh snapshot, exactly.

House rules: pure. One book at a time, so seldom that all audits together cost at most a tenth of
the venue's weight. The deltas around the fetch are kept and laid over the snapshot, and both books
are compared at the same id, as far as both are known. What was found is told either way; a book
that differs begins again with the snapshot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pitwire.market.book import OrderBook, book_of, difference
from pitwire.market.sync import BookSync
from pitwire.model.clock import SECOND
from pitwire.model.events import BookAudited, BookSnapshot, BookStale, Event
from pitwire.session.books import Books, replaced, weight_limit
from pitwire.session.pacing import Pacing
from pitwire.venues.venue import Codec, HttpRequest, Venue

EVERY_SECONDS = 60.0
"""A book is audited this often, if the weight suffices for all."""
WEIGHT_PERCENT = 10
"""What all audits together may cost of the venue's weight."""
RESERVED_PERCENT = 60
"""What must be left of it for an audit to begin."""
WITHIN_SECONDS = 10.0
"""How long the answer may take, and the deltas that reach the snapshot after it."""
LOOK_SECONDS = 0.1
"""How often it is looked whether they have."""
EDGE_SECONDS = 1.0
EDGE_BOOKS = 50
"""So many books every so often are asked whether they are still known deeply enough."""
EDGE_PERCENT = 20
"""That is: to this part of the depth they are fetched with; a shallow one is not."""

BookOf: TypeAlias = Callable[[str], OrderBook | None]
"""The live book of a symbol, wherever it is kept."""


class _Run:
    """One audit under way."""

    __slots__ = ("request", "snapshot", "sync", "until")

    def __init__(self, sync: BookSync, request: HttpRequest, until: int) -> None:
        self.sync, self.request, self.until = sync, request, until
        self.snapshot: BookSnapshot | None = None


class Audit:
    """Looks after live books: are they right, are they deep enough?"""

    def __init__(
        self,
        venue: Venue,
        codec: Codec,
        books: Books,
        *,
        pacing: Pacing,
    ) -> None:
        self._venue, self._codec, self._books, self._pacing = venue, codec, books, pacing
        self.book_of: BookOf | None = None
        """Where live books are kept; without it none is audited or deepened."""
        self._limit = weight_limit(venue)
        self._last: dict[str, int] = {}
        self._next_at = self._edge_at = 0
        self._edge_from = 0
        self._run: _Run | None = None

    # ── asking ──

    def due(self, now: int) -> list[HttpRequest]:
        """The request with which the next audit begins, when it may."""
        if self.book_of is None or not self._books.syncs:
            return []
        if now >= self._edge_at:
            self._edge_at = now + round(EDGE_SECONDS * SECOND)
            self._deepen(self.book_of, now)
        if self._run is not None or now < self._next_at:
            return []
        sync = self._oldest()
        if sync is None or self._due_at(sync) > now:
            every = round(EVERY_SECONDS * SECOND)
            self._next_at = now + every if sync is None else self._due_at(sync)
            return []
        return self._begin(sync, now)

    def next_deadline(self, now: int) -> int | None:
        """When `due` or `overdue` will next have something to say."""
        if self.book_of is None or not self._books.syncs:
            return None
        run = self._run
        if run is None:
            return min(max(now, self._next_at), self._edge_at)
        if run.snapshot is None:
            return min(run.until, self._edge_at)
        return min(now + round(LOOK_SECONDS * SECOND), self._edge_at)

    # ── answers ──

    def fetched(self, request: HttpRequest, snapshot: BookSnapshot, now: int) -> list[Event]:
        """A snapshot came, perhaps the one that was asked for here."""
        run = self._run
        if run is None or run.request is not request:
            return []
        run.snapshot = snapshot
        return self._judge(run, now)

    def failed(self, request: HttpRequest) -> None:
        """No snapshot came; another time."""
        run = self._run
        if run is not None and run.request is request and run.snapshot is None:
            self._end(run)

    def overdue(self, now: int) -> list[Event]:
        """Look whether the book has reached the snapshot, and at what took too long."""
        run = self._run
        if run is None:
            return []
        if run.snapshot is not None:
            return self._judge(run, now)
        if now >= run.until:
            self._end(run)
        return []

    # ── within ──

    def _oldest(self) -> BookSync | None:
        live = [sync for sync in self._books.syncs.values() if sync.live and not sync.holding]
        return min(live, key=self._due_at, default=None)

    def _due_at(self, sync: BookSync) -> int:
        last = max(sync.live_since, self._last.get(sync.symbol, 0))
        return last + round(EVERY_SECONDS * SECOND)

    def _begin(self, sync: BookSync, now: int) -> list[HttpRequest]:
        request = self._codec.ask_snapshot(sync.symbol, sync.depth)
        reserve = self._limit * RESERVED_PERCENT // 100
        ready = self._pacing.ready_at("weight", now, cost=request.weight + reserve)
        if ready > now:
            self._next_at = ready
            return []
        self._pacing.spend("weight", now, cost=request.weight)
        self._next_at = now + self._spacing(request.weight)
        self._last[sync.symbol] = now
        sync.hold()
        self._run = _Run(sync, request, now + round(WITHIN_SECONDS * SECOND))
        return [request]

    def _spacing(self, weight: int) -> int:
        """The least time between two audits, in ns."""
        a_second = sum(
            limit.count / limit.per_seconds for limit in self._venue.limits
            if limit.scope == "weight" and limit.count == self._limit
        )  # fmt: skip
        return round(weight * SECOND * 100 / (a_second * WEIGHT_PERCENT)) if a_second else SECOND

    def _judge(self, run: _Run, now: int) -> list[Event]:
        sync, snapshot = run.sync, run.snapshot
        assert snapshot is not None
        if not (sync.live and sync.holding) or self._books.syncs.get(sync.symbol) is not sync:
            self._end(run)  # it broke meanwhile, and begins anew anyway
            return []
        found = sync.story_of(snapshot)
        if found is None or found[1] < sync.last_id:
            self._end(run)  # older than what we were told before we asked
            return []
        story, at = found
        if at > sync.last_id:
            if now < run.until:
                return []
            return self._differs(run, f"the venue is at {at}, deltas end at {sync.last_id}", now)
        return self._compare(run, story, now)

    def _compare(self, run: _Run, story: list[Event], now: int) -> list[Event]:
        sync = run.sync
        assert self.book_of is not None
        ours = self.book_of(sync.symbol)
        if ours is None or not ours.ready or ours.last_id != sync.last_id:
            self._end(run)  # whoever keeps it does not stand where we do
            return []
        wrong = difference(ours, book_of(story))
        if wrong:
            return self._differs(run, wrong, now)
        self._end(run)
        return [self._audited(sync, sync.last_id, "", now)]

    def _differs(self, run: _Run, wrong: str, now: int) -> list[Event]:
        sync, snapshot = run.sync, run.snapshot
        assert snapshot is not None
        self._run = None
        book_id = sync.last_id
        sync.refresh()
        story = replaced(sync, snapshot, now)
        stale = BookStale(self._venue.name, sync.symbol, 0, now, f"audit: {wrong}")
        return [self._audited(sync, book_id, wrong, now), stale, *story]

    def _audited(self, sync: BookSync, book_id: int, wrong: str, now: int) -> BookAudited:
        return BookAudited(self._venue.name, sync.symbol, 0, now, book_id, wrong)

    def _end(self, run: _Run) -> None:
        self._run = None
        run.sync.release()

    def _deepen(self, book_of: BookOf, now: int) -> None:
        """Fetch books anew that the market is about to walk out of."""
        symbols = list(self._books.syncs)
        first = self._edge_from % len(symbols)
        self._edge_from = first + EDGE_BOOKS
        for symbol in (symbols + symbols)[first : first + min(EDGE_BOOKS, len(symbols))]:
            sync, book = self._books.syncs[symbol], book_of(symbol)
            if book is None or not (sync.live and book.ready) or sync.holding:
                continue
            levels = sync.depth * EDGE_PERCENT // 100
            if levels and not book.knows(levels):
                self._books.refresh(symbol, now)
