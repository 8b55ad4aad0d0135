"""Are we well? Counters, lags and silences of every stream, cheap to note and frozen to read.

House rules: time is an argument; noting an event costs two dictionary look-ups, a few additions and
one store: lags are counted by the hundred; memory grows with the number of streams, never with the
number of events; a percentile is a bucket's upper edge, at most one eighth above the truth.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from operator import add, sub
from typing import Any, TypeAlias

import msgspec

from pitwire.model import events
from pitwire.model.clock import SECOND
from pitwire.model.events import Event
from pitwire.session.copies import LineHealth
from pitwire.session.stream import StreamCounts
from pitwire.trading.stance import Stance

_SHIFT = 3
_STEPS = 1 << _SHIFT
_BUCKETS = 64 * _STEPS
TOGETHER = 256
"""Durations that are counted in one go: sorted, they cost a third of one after another."""

Reaction: TypeAlias = Callable[[Any], None]
"""What is done with an event beyond counting it."""

_TALLIED: dict[type, str] = {
    events.TradeGap: "trade_gaps",
    events.Rolled: "rolls",
    events.Malformed: "malformed",
    events.Unhandled: "unhandled",
    events.Rejected: "rejected",
    events.Unanswered: "unanswered",
    events.Lagging: "lagging",
    events.ClockAlarm: "clock_alarms",
    events.CopyConflict: "copy_conflicts",
}
_SPECIAL = frozenset(_TALLIED) | {
    events.Opened,
    events.Lost,
    events.BookStale,
    events.BookSnapshot,
    events.BookAudited,
    events.FeedStale,
    events.FeedFresh,
    events.ClockOffset,
    events.StreamDropped,
    events.Behind,
}


_TOLD_AGAIN = frozenset(
    {events.BookSnapshot, events.Update, events.Fill, events.Balance, events.Position}
)
"""Answers to questions of ours tell them, too, however old they are: no lag is taken of them."""


class Histogram:
    """Durations in ns, counted in fixed buckets: eight for each doubling, 4 kB in all, and up to
    10 kB that wait to be counted."""

    __slots__ = ("_counts", "_largest", "waiting")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._largest = 0
        self.waiting: list[int] = []
        """Durations that are not counted yet; whoever adds to it calls `settle` at `TOGETHER`."""

    @property
    def count(self) -> int:
        """How many were counted."""
        return sum(self.counts)

    @property
    def largest(self) -> int:
        """The longest of them."""
        self.settle()
        return self._largest

    @property
    def counts(self) -> list[int]:
        """How many of each bucket."""
        self.settle()
        return self._counts

    def add(self, duration: int) -> None:
        """Count one duration; what is below zero counts as zero."""
        self.waiting.append(duration)
        if len(self.waiting) >= TOGETHER:
            self.settle()

    def settle(self) -> None:
        """Put what waits into its buckets."""
        waiting, counts = self.waiting, self._counts
        if not waiting:
            return
        waiting.sort()
        self._largest = max(self._largest, waiting[-1])
        at, end = 0, len(waiting)
        while at < end:
            bucket = _bucket(waiting[at])
            until = bisect_right(waiting, _upper_edge(bucket), at)
            counts[bucket] += until - at
            at = until
        waiting.clear()

    def take_in(self, other: Histogram) -> None:
        """Count all that another has counted."""
        self._counts = list(map(add, self.counts, other.counts))
        self._largest = max(self._largest, other.largest)

    def since(self, earlier: Histogram) -> Histogram:
        """What was counted after `earlier`, an older state of the same counts."""
        recent = Histogram()
        recent._counts = list(map(sub, self.counts, earlier.counts))
        recent._largest = self.largest
        return recent

    def percentile(self, share: float) -> int:
        """The duration that `share` (0 to 1) of all stay within; 0 when nothing was counted."""
        if not 0 <= share <= 1:
            raise ValueError(f"share: found {share}, expected 0 to 1")
        held = self.count
        left = max(1, round(share * held))
        for bucket, count in enumerate(self.counts):
            left -= count
            if left <= 0 and held:
                return min(_upper_edge(bucket), self.largest)
        return 0

    def spread(self) -> Spread:
        """What is worth printing of it."""
        return Spread(
            count=self.count,
            p50=self.percentile(0.5),
            p99=self.percentile(0.99),
            largest=self.largest,
        )


class Spread(msgspec.Struct, frozen=True):
    """Durations in ns."""

    count: int = 0
    p50: int = 0
    p99: int = 0
    largest: int = 0


class StreamHealth(msgspec.Struct, frozen=True):
    """One kind of event of one symbol."""

    venue: str
    symbol: str
    event: str
    count: int
    per_second: float
    """Since the first one."""
    silent_seconds: float
    lag: Spread
    """Venue time to our border, corrected by the measured clock offset; empty without stamps."""


class OrdersHealth(msgspec.Struct, frozen=True):
    """How our orders stand with the venue."""

    open: int = 0
    """Ours that are not proven to be over."""
    unknown: int = 0
    """Of these, ones of which the venue has not said whether they exist."""
    in_doubt: int = 0
    """Orders, anybody's, that the venue has to be asked about."""
    foreign: int = 0
    """Open ones that are not ours."""
    differences: tuple[str, ...] = ()
    """What our count and the venue's do not agree about, in words."""


class HealthReport(msgspec.Struct, frozen=True):
    """A picture of one moment; counters run since the start."""

    at: int
    up_seconds: float
    events: int
    streams: tuple[StreamHealth, ...]
    lag: Spread
    """Venue time to our border, all streams."""
    work: Spread
    """Our border to the end of our own work, where it was told."""
    dials: int
    losses: int
    """Connections that broke; our own goodbyes are none."""
    reconnects: int
    gaps: int
    """Books that missed something and were taken up again from a snapshot; of a lost connection,
    see `losses`."""
    trade_gaps: int
    backfilled: int
    """Trades that were missing and came by another way."""
    audits: int
    """Live books that were held against a fresh snapshot."""
    audit_differences: int
    """How many of them were wrong."""
    malformed: int
    unhandled: int
    rejected: int
    unanswered: int
    dropped: int
    """Events that a bounded stream dropped for a slow reader."""
    lagging: int
    stale_books: tuple[str, ...]
    """Symbols whose book must not be used now."""
    stale_feeds: tuple[str, ...]
    """`symbol channel` of every subscription that is silent and should not be."""
    behind: tuple[tuple[str, float], ...]
    """Whose data are old by venue time now, a link or `symbol channel`, and by how many seconds."""
    clock_offset: int | None
    """Venue time minus ours in ns, None before it was measured."""
    clock_error: int | None
    """How wrong that may have been when it was measured, in ns."""
    clock_alarms: int
    """How often the wall clock was moved, or the venue's was found far from ours."""
    copy_conflicts: int
    """How often it was told that two connections differ about one event."""
    readers: tuple[StreamCounts, ...] = ()
    """What became of the events of each stream that somebody reads."""
    lines: tuple[LineHealth, ...] = ()
    """The session's connections, and how far each is behind the fastest with the same streams."""
    rolls: int = 0
    """Connections that gave way to others as planned."""
    orders: OrdersHealth = OrdersHealth()
    stance: Stance = Stance.WATCH
    """What may leave: of a session without a desk, nothing."""

    @property
    def well(self) -> bool:
        """Whether every book and every feed can be used now."""
        return not (self.stale_books or self.stale_feeds)

    @property
    def unwell(self) -> str:
        """What cannot be used now, or is late, in a few words; "" when nothing is."""
        parts = [f"stale book {symbol}" for symbol in self.stale_books]
        parts += [f"stale {feed}" for feed in self.stale_feeds]
        parts += [f"{who} {seconds:.1f} s behind" for who, seconds in self.behind]
        return ", ".join(parts)


class _Stream:
    """What is kept of one kind of event of one symbol."""

    __slots__ = (
        "count", "first", "lag", "lags", "last", "marked", "react", "special", "timed", "venue",
    )  # fmt: skip

    def __init__(self, event: Event, react: Reaction | None) -> None:
        self.venue = event.venue
        self.timed = type(event) not in _TOLD_AGAIN
        self.special = type(event) in _SPECIAL
        self.marked = hasattr(event, "backfilled")
        self.first = self.last = event.received
        self.count = 0
        self.lag = Histogram()
        self.lags = self.lag.waiting
        self.react = react


class Health:
    """Counts what it is told. One for a desk, or one for a session."""

    def __init__(self, now: int) -> None:
        self.started = now
        self.reaction_to: Callable[[Event], Reaction | None] = _none
        """What is done with all events of the kind and symbol of this one, once they are counted;
        asked at the first of them, as all events of a desk are of one venue."""
        self._streams: dict[type[Event], dict[str, _Stream]] = {}
        self._work = Histogram()
        self._tally: dict[str, int] = {}
        self._links: set[str] = set()
        self._books: dict[str, None] = {}
        self._stale_books: dict[str, None] = {}
        self._stale_feeds: dict[str, None] = {}
        self._behind: dict[str, float] = {}
        self._offset: int | None = None
        self._correction = 0
        self._offset_error: int | None = None

    def note(self, event: Event, now: int = 0) -> None:
        """Count one event; `now` is when our work on it was done, 0 when that is not told."""
        self.note_all((event,), now)

    def note_all(self, batch: Iterable[Event], now: int = 0) -> None:
        """Count a burst."""
        streams = self._streams
        for event in batch:
            try:
                stream = streams[event.__class__][event.symbol]
            except KeyError:
                stream = self._begin(event)
            stream.count += 1
            received = stream.last = event.received
            stamp = event.venue_time
            if stamp and stream.timed:
                if stream.marked and event.backfilled:  # type: ignore[attr-defined]
                    self._add("backfilled")  # late because it was missing: no lag of the stream
                else:
                    lags = stream.lags
                    lags.append(received - stamp + self._correction)
                    if len(lags) >= TOGETHER:
                        stream.lag.settle()
            if now:
                self._work.add(now - received)
            if stream.special:
                self._note_special(event)
            react = stream.react
            if react is not None:
                react(event)

    def _begin(self, event: Event) -> _Stream:
        stream = _Stream(event, self.reaction_to(event))
        self._streams.setdefault(type(event), {})[event.symbol] = stream
        return stream

    def lags(self) -> tuple[int, Histogram]:
        """How many events there were, and the lags of all of them together."""
        events, lag = 0, Histogram()
        for found in self._streams.values():
            for stream in found.values():
                events += stream.count
                lag.take_in(stream.lag)
        return events, lag

    def tally(self, name: str) -> int:
        """One counter of the report by its name."""
        return self._tally.get(name, 0)

    def snapshot(
        self,
        now: int,
        readers: tuple[StreamCounts, ...] = (),
        lines: tuple[LineHealth, ...] = (),
    ) -> HealthReport:
        """The picture of this moment, with a session's `stream_counts` and `lines`."""
        tally = self._tally.get
        lag = Histogram()
        streams = [
            (kind, symbol, stream)
            for kind, found in self._streams.items()
            for symbol, stream in found.items()
        ]
        for _, _, stream in streams:
            lag.take_in(stream.lag)
        return HealthReport(
            at=now,
            up_seconds=(now - self.started) / SECOND,
            events=sum(stream.count for _, _, stream in streams),
            streams=tuple(_picture(*found, now) for found in streams),
            lag=lag.spread(),
            work=self._work.spread(),
            dials=tally("dials", 0),
            losses=tally("losses", 0),
            reconnects=tally("reconnects", 0),
            gaps=tally("gaps", 0),
            trade_gaps=tally("trade_gaps", 0),
            backfilled=tally("backfilled", 0),
            audits=tally("audits", 0),
            audit_differences=tally("audit_differences", 0),
            malformed=tally("malformed", 0),
            unhandled=tally("unhandled", 0),
            rejected=tally("rejected", 0),
            unanswered=tally("unanswered", 0),
            # Told by those streams, or noted one by one: the same drops.
            dropped=max(tally("dropped", 0), sum(counts.dropped for counts in readers)),
            lagging=tally("lagging", 0),
            stale_books=tuple(self._stale_books),
            stale_feeds=tuple(self._stale_feeds),
            behind=tuple(self._behind.items()),
            clock_offset=self._offset,
            clock_error=self._offset_error,
            clock_alarms=tally("clock_alarms", 0),
            copy_conflicts=tally("copy_conflicts", 0),
            readers=readers,
            lines=lines,
            rolls=tally("rolls", 0),
        )

    def _note_special(self, event: Event) -> None:
        """The few events that mean more than a count."""
        match event:
            case events.Opened(link=link, attempt=attempt):
                self._add("dials", attempt)
                self._add("reconnects", link in self._links)
                self._links.add(link)
            case events.Lost(by_us=by_us):
                self._add("losses", not by_us)
            case events.BookStale(symbol=symbol, expected=expected, found=found):
                # Only a book that stood can lose its thread, and one gap is one gap. A book that
                # fell with its connection has no gap: that is a loss, and counted as one.
                self._add("gaps", symbol in self._books and bool(expected or found))
                self._books.pop(symbol, None)
                self._stale_books[symbol] = None
            case events.BookSnapshot(symbol=symbol):
                self._books[symbol] = None
                self._stale_books.pop(symbol, None)
            case events.FeedStale(symbol=symbol, channel=channel):
                self._stale_feeds[f"{symbol} {channel}"] = None
            case events.FeedFresh(symbol=symbol, channel=channel):
                self._stale_feeds.pop(f"{symbol} {channel}", None)
            case events.ClockOffset(offset=offset, error=error):
                self._offset = self._correction = offset
                self._offset_error = error
            case events.Behind():
                self._note_behind(event)
            case events.BookAudited(difference=difference):
                self._add("audits")
                self._add("audit_differences", bool(difference))
            case events.StreamDropped(count=count):
                self._add("dropped", count)
            case _:
                self._add(_TALLIED[type(event)])

    def _note_behind(self, late: events.Behind) -> None:
        who = f"{late.symbol} {late.channel}".strip() or late.link
        if late.seconds:
            self._behind[who] = late.seconds
        else:
            self._behind.pop(who, None)

    def _add(self, name: str, count: int = 1) -> None:
        self._tally[name] = self._tally.get(name, 0) + count


def _picture(kind: type[Event], symbol: str, stream: _Stream, now: int) -> StreamHealth:
    alive = (stream.last - stream.first) / SECOND
    return StreamHealth(
        venue=stream.venue,
        symbol=symbol,
        event=kind.__name__,
        count=stream.count,
        per_second=(stream.count - 1) / alive if alive > 0 else 0.0,
        silent_seconds=(now - stream.last) / SECOND,
        lag=stream.lag.spread(),
    )


def _none(_event: Event) -> None:
    """Nothing is done."""


def _bucket(duration: int) -> int:
    bits = duration.bit_length() - _SHIFT - 1
    return (bits << _SHIFT) + (duration >> bits) if bits > 0 < duration else max(0, duration)


def _upper_edge(bucket: int) -> int:
    if bucket < 2 * _STEPS:
        return bucket
    bits = (bucket >> _SHIFT) - 1
    return ((bucket - (bits << _SHIFT)) + 1 << bits) - 1
