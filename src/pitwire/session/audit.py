"""The audit: now and then a live book is held against a fresh snapshot, exactly.

House rules: pure. One book at a time, so seldom that all these together cost at most a tenth of
the venue's weight; and out of turn the books that stand still after something may have been lost.
The deltas around the fetch are kept and laid over the snapshot, and both books are compared at the
same id, as far as both are known. What was found is told either way; a book that differs begins
again with the snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from pitwire.market.book import OrderBook, book_of, difference
from pitwire.market.sync import BookSync
from pitwire.model.clock import SECOND
from pitwire.model.events import BookAudited, BookSnapshot, BookStale, Event
from pitwire.session.books import (
    AT_ONCE,
    WITHIN_SECONDS,
    Books,
    behind,
    replaced,
    weight_limit,
)
from pitwire.session.copies import Copy
from pitwire.session.hints import Hints
from pitwire.session.origins import DOUBT_SECONDS
from pitwire.session.pacing import Pacing
from pitwire.venues.venue import Codec, HttpRequest, Venue

EVERY_SECONDS = 60.0
"""A book is audited this often, if the weight suffices for all."""
WEIGHT_PERCENT = 10
"""What all audits together may cost of the venue's weight."""
RESERVED_PERCENT = 60
"""What must be left of it for an audit to begin."""
LOOK_SECONDS = 0.1
"""How often it is looked whether they have."""
EDGE_SECONDS = 1.0
EDGE_BOOKS = 50
"""So many books every so often are asked whether they are still known deeply enough."""
EDGE_PERCENT = 20
"""That is: to this part of the depth they are fetched with; a shallow one is not."""

_EDGE = round(EDGE_SECONDS * SECOND)
_NOWHERE = -1
_OLDER = 10 * SECOND
"""No answer is so long on its way through the venue's own caches."""
_LATE = 2 * SECOND
"""Twice as long as there ever is between two looks."""

BookOf: TypeAlias = Callable[[str], OrderBook | None]
"""The live book of a symbol, wherever it is kept."""


class _Run:
    """One audit under way."""

    __slots__ = ("request", "snapshot", "sync", "until")

    def __init__(self, sync: BookSync, request: HttpRequest, until: int) -> None:
        self.sync, self.request, self.until = sync, request, until
        self.snapshot: BookSnapshot | None = None

    @property
    def cuts(self) -> bool:
        """Whether a deeper snapshot would tell more."""
        found, depth = self.snapshot, self.sync.depth
        if found is None or not found.depth or (depth and found.depth >= depth):
            return False
        return max(len(found.bids), len(found.asks)) >= found.depth


class _Doubt(msgspec.Struct):
    """A book of which deltas may be lost; the next one would show it."""

    at: int
    """From when on it is looked after."""
    stood: int
    """The id at which it stood then; `_NOWHERE` where it was not live and its snapshot on the way,
    which may be older than the loss."""
    deep: bool = False
    """Whether the best levels were looked at, and say nothing."""


class Audit:
    """Looks after live books: are they right, are they deep enough?"""

    def __init__(
        self,
        venue: Venue,
        codec: Codec,
        books: Books,
        *,
        pacing: Pacing,
        copies: Sequence[Copy] = (),
    ) -> None:
        """`copies`: the connections whose quotes are held against the books."""
        self._venue, self._codec, self._books, self._pacing = venue, codec, books, pacing
        self.book_of: BookOf | None = None
        """Where live books are kept; without it none is audited or deepened."""
        self._limit = weight_limit(venue)
        self._last: dict[str, int] = {}
        self._next_at = self._edge_at = 0
        self._edge_from = 0
        self._runs: list[_Run] = []
        self._doubted: dict[str, _Doubt] = {}
        self._vain: dict[str, tuple[int, int]] = {}
        """Symbol → the id at which its book stands, and one of the venue up to which no delta came
        while deltas were waited for."""
        self._older: dict[str, tuple[int, int]] = {}
        """Symbol → the id at which its book stood when the venue's was first seen to be older, and
        when that was."""
        self._doubts_at = 0
        """No doubted book can be asked about sooner; with many of them it is dear to find out."""
        self._looked_at = 0
        self._hints = Hints(venue, copies, self._hinted)

    def doubt(self, symbol: str, now: int) -> None:
        """Deltas of this symbol, or of all (""), may be lost on a connection that stands. Where no
        other one follows soon, which would show it, the book is audited."""
        at = now + round(DOUBT_SECONDS * SECOND)
        for one in self._books.syncs if not symbol else (symbol,):
            sync = self._books.syncs.get(one)
            if sync is not None and (sync.live or self._books.is_fetching(one)):
                doubt = self._doubted.setdefault(one, _Doubt(at, _NOWHERE))
                doubt.stood = sync.last_id if sync.live else _NOWHERE
                self._doubts_at = min(self._doubts_at, doubt.at)

    def _hinted(self, symbol: str, number: int, now: int) -> None:
        """A quote is ahead of a book; once it is known that nothing changed up to there, no more
        is to be found out."""
        sync = self._books.syncs.get(symbol)
        if sync is None or number <= self._in_vain(sync):
            return
        if all(run.sync is not sync for run in self._runs):  # else somebody is finding out
            self.doubt(symbol, now)

    # ── asking ──

    def due(self, now: int) -> list[HttpRequest]:
        """The requests with which audits begin, when they may."""
        if self.book_of is None or not self._books.syncs:
            return []
        if now >= self._edge_at:
            self._edge_at = now + _EDGE
            self._deepen(self.book_of, now)
            self._hints.look(self._books.syncs, now)
        if self._doubted and now >= self._doubts_at:
            requests = self._due_doubted(now)
            if requests:
                return requests
        if self._runs or now < self._next_at:
            return []
        sync = self._oldest()
        if sync is None or self._due_at(sync) > now:
            every = round(EVERY_SECONDS * SECOND)
            self._next_at = now + every if sync is None else self._due_at(sync)
            return []
        request = self._codec.ask_snapshot(sync.symbol, sync.depth)
        ready = self._ready_at(request, now)
        if ready > now:
            self._next_at = ready
            return []
        self._next_at = now + self._spacing(request.weight)
        return [self._begin(sync, request, now)]

    def next_deadline(self, now: int) -> int | None:
        """When `due` or `overdue` will next have something to say."""
        if self.book_of is None or not self._books.syncs:
            return None
        if not (self._runs or self._doubted):  # nearly always
            soon = self._next_at if self._next_at > now else now
            return soon if soon < self._edge_at else self._edge_at
        times = [self._edge_at]
        if not self._runs:
            times.append(max(now, self._next_at))
        for run in self._runs:
            soon = now + round(LOOK_SECONDS * SECOND)
            times.append(run.until if run.snapshot is None else soon)
        if self._doubted and len(self._runs) < AT_ONCE:
            times.append(max(now, self._doubts_at))
        return min(times)

    # ── answers ──

    def fetched(self, request: HttpRequest, snapshot: BookSnapshot, now: int) -> list[Event]:
        """A snapshot came, perhaps one that was asked for here; else its book may be live now."""
        self._doubts_at = 0
        for run in self._runs:
            if run.request is request:
                run.snapshot = snapshot
                return self._judge(run, now)
        return []

    def failed(self, request: HttpRequest) -> None:
        """No snapshot came; another time."""
        for run in self._runs:
            if run.request is request and run.snapshot is None:
                self._end(run)
                return

    def overdue(self, now: int) -> list[Event]:
        """Look whether books have reached their snapshots, and at what took too long."""
        self._forgive_sleep(now)
        told = self._books.overdue(now)
        for run in tuple(self._runs) if self._runs else ():
            if run.snapshot is not None:
                told += self._judge(run, now)
            elif now >= run.until:
                self._end(run)
        return told

    # ── within ──

    def _forgive_sleep(self, now: int) -> None:
        """What waited for us while we did not look has not taken too long."""
        slept, self._looked_at = now - self._looked_at, now
        if slept > _LATE and slept < now:
            self._books.be_patient(slept)
            for run in self._runs:
                run.until += slept

    def _in_vain(self, sync: BookSync) -> int:
        """The id of the venue's up to which no delta is to be waited for any more."""
        stood, at = self._vain.get(sync.symbol, (_NOWHERE, _NOWHERE))
        return at if stood == sync.last_id else _NOWHERE

    def _oldest(self) -> BookSync | None:
        live = [sync for sync in self._books.syncs.values() if sync.live and not sync.holding]
        return min(live, key=self._due_at, default=None)

    def _due_at(self, sync: BookSync) -> int:
        last = max(sync.live_since, self._last.get(sync.symbol, 0))
        return last + round(EVERY_SECONDS * SECOND)

    def _due_doubted(self, now: int) -> list[HttpRequest]:
        """The requests about books that stand still since something may have been lost."""
        requests: list[HttpRequest] = []
        times: list[int] = []
        soon = now + round(LOOK_SECONDS * SECOND)
        for symbol, doubt in list(self._doubted.items()):
            sync = self._books.syncs.get(symbol)
            if len(self._runs) >= AT_ONCE:
                times.append(soon)
                break
            if sync is None or self._is_settled(sync, doubt):
                del self._doubted[symbol]
            elif doubt.at > now:
                times.append(doubt.at)
            elif not self._may_begin(sync):
                times.append(soon)
            else:
                request = self._ask_about(sync, deep=doubt.deep)
                ready = self._ready_at(request, now)
                if ready > now:
                    times.append(ready)
                    break
                del self._doubted[symbol]
                requests.append(self._begin(sync, request, now))
        self._doubts_at = min(times, default=0)
        return requests

    @staticmethod
    def _is_settled(sync: BookSync, doubt: _Doubt) -> bool:
        """Whether a delta has followed the ones before, or the book begins anew after it."""
        if doubt.stood == _NOWHERE:
            return False
        return not sync.live or sync.last_id != doubt.stood

    def _may_begin(self, sync: BookSync) -> bool:
        if not sync.live or sync.holding:
            return False
        return all(run.sync is not sync for run in self._runs)

    def _ask_about(self, sync: BookSync, *, deep: bool) -> HttpRequest:
        """The id is what it is about, and the best levels; they cost the least."""
        shallow = 0 if deep else self._venue.shallow_depth
        depth = min(sync.depth, shallow) if sync.depth and shallow else shallow or sync.depth
        return self._codec.ask_snapshot(sync.symbol, depth)

    def _ready_at(self, request: HttpRequest, now: int) -> int:
        reserve = self._limit * RESERVED_PERCENT // 100
        return self._pacing.ready_at("weight", now, cost=request.weight + reserve)

    def _begin(self, sync: BookSync, request: HttpRequest, now: int) -> HttpRequest:
        self._pacing.spend("weight", now, cost=request.weight)
        self._last[sync.symbol] = now
        sync.hold()
        self._runs.append(_Run(sync, request, now + round(WITHIN_SECONDS * SECOND)))
        return request

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
        if found is None:
            self._end(run)
            return []
        story, at = found
        if at < sync.last_id:  # older than what we were told before we asked
            return self._behind(run, at, now)
        self._older.pop(sync.symbol, None)
        if at > sync.last_id:
            if now < run.until and at > self._in_vain(sync):
                return []
            return self._lags(run, story, at, now)
        return self._compare(run, story, now)

    def _behind(self, run: _Run, at: int, now: int) -> list[Event]:
        """The venue answers with less than it told. That was on its way; or it counts anew, if it
        says so again much later, and nothing else meanwhile."""
        sync = run.sync
        stood, since = self._older.get(sync.symbol, (_NOWHERE, now))
        if stood != sync.last_id:
            since = now
            self._older[sync.symbol] = sync.last_id, now
        if now - since < _OLDER:
            self._end(run)
            return []
        del self._older[sync.symbol]
        self._leave(run)
        wrong = f"the venue is at {at}, deltas went to {sync.last_id}"
        told = self._audited(sync, sync.last_id, wrong, now)
        return [told, *self._books.resync(sync.symbol, f"audit: {wrong}", now)]

    def _lags(self, run: _Run, story: list[Event], at: int, now: int) -> list[Event]:
        """No delta reached the snapshot in time. What changed nothing may not have been sent."""
        sync = run.sync
        ours = self.book_of(sync.symbol) if self.book_of is not None else None
        if ours is not None and ours.whole and not difference(ours, book_of(story)):
            self._end(run)
            kept = self._books.syncs
            self._vain = {one: ids for one, ids in self._vain.items() if one in kept}
            self._vain[sync.symbol] = sync.last_id, at
            if run.cuts:  # what changed may lie deeper
                self._doubted[sync.symbol] = _Doubt(now, sync.last_id, deep=True)
                self._doubts_at = 0
                return []
            return [self._audited(sync, sync.last_id, "", now)]
        if self._books.on_break is not None:
            self._books.on_break(sync.symbol, now)
        return self._differs(run, behind(sync, at), now)

    def _compare(self, run: _Run, story: list[Event], now: int) -> list[Event]:
        sync = run.sync
        assert self.book_of is not None
        ours = self.book_of(sync.symbol)
        if ours is None or not ours.whole or ours.last_id != sync.last_id:
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
        self._leave(run)
        book_id = sync.last_id
        sync.refresh()
        story = replaced(sync, snapshot, now)
        stale = BookStale(self._venue.name, sync.symbol, 0, now, f"audit: {wrong}")
        return [self._audited(sync, book_id, wrong, now), stale, *story]

    def _audited(self, sync: BookSync, book_id: int, wrong: str, now: int) -> BookAudited:
        return BookAudited(self._venue.name, sync.symbol, 0, now, book_id, wrong)

    def _end(self, run: _Run) -> None:
        self._leave(run)
        run.sync.release()

    def _leave(self, run: _Run) -> None:
        self._runs.remove(run)
        self._doubts_at = 0

    def _deepen(self, book_of: BookOf, now: int) -> None:
        """Fetch books anew that the market is about to walk out of."""
        symbols = list(self._books.syncs)
        first = self._edge_from % len(symbols)
        self._edge_from = first + EDGE_BOOKS
        for symbol in (symbols + symbols)[first : first + min(EDGE_BOOKS, len(symbols))]:
            sync, book = self._books.syncs[symbol], book_of(symbol)
            if book is None or not (sync.live and book.whole) or sync.holding:
                continue
            levels = sync.depth * EDGE_PERCENT // 100
            if levels and not book.knows(levels):
                self._books.refresh(symbol, now)
