"""Everybody who is told of events: our books first, then streams, then the caller's functions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias
from weakref import ref

from pitwire.market.book import OrderBook
from pitwire.market.checksum import Checksum
from pitwire.model.errors import StateError
from pitwire.model.events import (
    BookDelta,
    BookSnapshot,
    BookStale,
    Event,
    FeedFresh,
    FeedStale,
    Lagging,
    SpillFailed,
    Subscribed,
    Unsubscribed,
)
from pitwire.session.stream import EventStream, StreamCounts, StreamOptions

logger = logging.getLogger("pitwire.session")

OnEvent: TypeAlias = Callable[[Event], None]
OnEvents: TypeAlias = Callable[[Sequence[Event], int, bool], None]
"""(events, now, drained): a burst ends where `drained` is true; the events may be none."""


_OF_FEEDS = FeedStale, FeedFresh, Subscribed, Unsubscribed
_OF_BOOKS: frozenset[type] = frozenset((BookDelta, BookSnapshot, BookStale, *_OF_FEEDS))
"""What changes a book, or says whether it may be used."""


class Audience:
    """Hands each event on, in order, to all who asked for it."""

    def __init__(
        self,
        venue: str,
        *,
        keep_books: bool,
        on_event: OnEvent | None,
        on_events: OnEvents | None,
        on_raised: Callable[[Exception], None],
        on_flaw: Callable[[str, str], None],
        checksums: Mapping[str, Checksum],
        tell_soon: Callable[[Event], None],
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        self._venue, self._keep_books = venue, keep_books
        self._on_event, self._on_events, self._on_raised = on_event, on_events, on_raised
        self._on_flaw, self._checksums = on_flaw, checksums
        self._tell_soon, self._pause, self._resume = tell_soon, pause, resume
        self._books: dict[str, OrderBook] = {}
        # Held by their readers alone: whoever leaves a loop early holds nobody up.
        self._streams: dict[str, ref[EventStream]] = {}
        self._full: set[str] = set()
        self._made = 0
        self._over = False

    def deliver(self, events: Sequence[Event], now: int, drained: bool) -> None:
        """Tell everybody."""
        if self._keep_books:
            for event in events:
                if event.__class__ in _OF_BOOKS:
                    self._keep(event)
        if self._streams:
            for stream in self._readers():
                for event in events:
                    stream.offer(event)
        if self._on_event is not None:
            self._tell_singly(self._on_event, events)
        if self._on_events is not None:
            self._on_events(events, now, drained)

    def book(self, symbol: str) -> OrderBook:
        """The book of a symbol; not `ready` while it is not known to be right."""
        if not self._keep_books:
            raise StateError(verb="book", state="keeping no books", expected="keep_books=True")
        if symbol not in self._books:
            rule = self._checksums.get(symbol)
            self._books[symbol] = OrderBook(self._venue, symbol, rule)
        return self._books[symbol]

    def kept_book(self, symbol: str) -> OrderBook | None:
        """The same, where one is kept."""
        return self._books.get(symbol)

    def stream(
        self,
        kinds: tuple[type[Event], ...],
        *,
        symbols: Iterable[str],
        options: StreamOptions,
    ) -> EventStream:
        """A new stream, fed from now on."""
        self._made += 1
        name = f"stream-{self._made}"
        made = EventStream(
            name,
            kinds,
            symbols=frozenset(symbols),
            options=options,
            on_full=self._filled,
            on_room=self._emptied,
            on_closed=self._forget,
            on_failed=self._failed,
        )
        self._streams[name] = ref(made, lambda _: self._forget(name))
        if self._over:
            made.end()
        return made

    def counts(self) -> tuple[StreamCounts, ...]:
        """What became of the events of every stream that is held."""
        return tuple(stream.counts for stream in self._readers())

    def end(self) -> None:
        """Nothing more will come."""
        self._over = True
        for stream in self._readers():
            stream.end()

    def shed(self, now: int) -> None:
        """The venue hung up because we did not read: whoever waits for a slow reader does so no
        more, and of each such stream the oldest events are dropped from now on, and counted."""
        for stream in self._readers():
            if stream.name in self._full and stream.shed():
                what = f"the reader of {stream.name}, whose oldest events are dropped from now on"
                self._tell_soon(Lagging(self._venue, "", 0, now, what, 0.0))

    def _keep(self, event: Event) -> None:
        kind = type(event)
        if kind is BookDelta:
            flaw = self.book(event.symbol).apply(event)  # type: ignore[arg-type]
            if flaw:
                self._distrust(event.symbol, flaw)
        elif kind is BookSnapshot:
            flaw = self.book(event.symbol).apply_snapshot(event)  # type: ignore[arg-type]
            if flaw:
                self._distrust(event.symbol, flaw)
        elif kind is BookStale:
            self.book(event.symbol).clear()
        elif isinstance(event, _OF_FEEDS) and event.channel == "book":
            book = self.book(event.symbol)
            # One that begins again, or ends, is no longer what it was marked for. Where the book is
            # whole it does not begin again: another copy has subscribed, and has yet to speak.
            if not (kind is Subscribed and book.whole):
                book.mark(event.why if isinstance(event, FeedStale) else "")

    def _distrust(self, symbol: str, flaw: str) -> None:
        # At once: nobody is to read it until the session has said that it is stale.
        self.book(symbol).clear()
        self._on_flaw(symbol, flaw)

    def _tell_singly(self, tell: OnEvent, events: Sequence[Event]) -> None:
        for event in events:
            try:
                tell(event)
            except Exception as error:  # noqa: BLE001 — the callback edge: the others are still told
                self._on_raised(error)

    def _readers(self) -> list[EventStream]:
        return [stream for held in self._streams.values() if (stream := held()) is not None]

    @property
    def full(self) -> tuple[str, ...]:
        """Streams whose readers hold everybody up now."""
        return tuple(sorted(self._full))

    def _filled(self, name: str) -> None:
        if not self._full:
            self._pause()
        self._full.add(name)

    def _emptied(self, name: str) -> None:
        if name in self._full:
            self._full.discard(name)
            if not self._full:
                self._resume()

    def _failed(self, failed: SpillFailed) -> None:
        if self._on_event is None and self._on_events is None:
            text = "%s cannot spill (%s): policy %s instead"
            logger.warning(text, failed.stream, failed.reason, failed.policy)
        self._tell_soon(failed)

    def _forget(self, name: str) -> None:
        self._streams.pop(name, None)
        self._emptied(name)
