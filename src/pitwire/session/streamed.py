"""Books whose snapshot comes on the stream itself: one that breaks is subscribed to anew.

House rules: pure. Such a venue numbers nothing, so the ids are the codec's own count of what it has
read, and a loss inside a connection cannot be seen by them. What makes such a book stale is a loss
of the connection, a frame that could not be read, and whoever finds its levels wrong.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from pitwire.model.clock import SECOND
from pitwire.model.events import BookDelta, BookSnapshot, Event
from pitwire.session.backoff import Chance
from pitwire.session.books import Books, replaced
from pitwire.session.pacing import Pacing
from pitwire.venues.venue import Codec, HttpRequest, Venue

SNAPSHOT_WITHIN_SECONDS = 10.0
"""How long the snapshot of a book may take after its subscription was asked for or confirmed."""
_WITHIN = round(SNAPSHOT_WITHIN_SECONDS * SECOND)


class StreamedBooks(Books):
    """The same, where nothing is fetched."""

    def __init__(self, venue: Venue, codec: Codec, pacing: Pacing, chance: Chance) -> None:
        super().__init__(venue, codec, pacing, chance)
        self._awaited: dict[str, int] = {}
        """Symbol → until when its snapshot may come."""
        self._mistrusted = False

    def begin(self, symbol: str, now: int) -> None:
        """The venue confirmed the stream of this symbol, which begins with a snapshot."""
        super().begin(symbol, now)
        if self._wanting.pop(symbol, None) is not None:
            self._awaited[symbol] = now + _WITHIN

    def accept(self, delta: BookDelta, now: int) -> Sequence[Event]:
        """A delta; before its book has begun it is part of a snapshot that is still to come."""
        sync = self.syncs.get(delta.symbol)
        if sync is None:
            return ()
        was_live = sync.live
        events = sync.accept(delta)
        if was_live and not sync.live:
            self._again(delta.symbol, now)
        return events

    def streamed(self, snapshot: BookSnapshot, now: int) -> Sequence[Event]:
        """A snapshot came on the stream, asked for or not: the book is this from now on."""
        sync = self.syncs.get(snapshot.symbol)
        if sync is None:
            return ()
        self._awaited.pop(snapshot.symbol, None)
        self._wanting.pop(snapshot.symbol, None)
        self._tries.pop(snapshot.symbol, None)
        return replaced(sync, snapshot, now)

    def mistrust(self) -> None:
        """A frame could not be read, and nobody knows of which book it was."""
        self._mistrusted = True

    def overdue(self, now: int) -> list[Event]:
        """Books that began and may lack what could not be read; snapshots that did not come."""
        told: list[Event] = []
        if self._mistrusted:
            self._mistrusted = False
            for symbol, sync in self.syncs.items():
                if sync.live:
                    told += self.resync(symbol, "a frame could not be read", now)
        for symbol in [symbol for symbol, until in self._awaited.items() if now >= until]:
            del self._awaited[symbol]
            self._retry(symbol, now)
        return told

    def refresh(self, symbol: str, now: int) -> None:
        """All levels are known: there is nothing deeper to fetch."""

    def lost(self, now: int, kept: Container[str] = ()) -> list[Event]:
        """A connection is gone: each book begins again when it is confirmed anew."""
        self._mistrusted = False
        for symbol in [symbol for symbol in self._awaited if symbol not in kept]:
            del self._awaited[symbol]
        return super().lost(now, kept)

    def is_fetching(self, symbol: str) -> bool:
        """Whether a snapshot is to come."""
        return symbol in self._awaited

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be asked for anew, and no snapshot is waited for."""
        return not (self._wanting or self._awaited or self._mistrusted)

    def due(self, now: int) -> list[HttpRequest]:
        """No requests: those that may be asked for anew now are."""
        for symbol in [symbol for symbol, at in self._wanting.items() if at <= now]:
            del self._wanting[symbol]
            if self.anew is not None and self.anew(symbol, now):
                self._awaited[symbol] = now + _WITHIN
        return []

    def next_deadline(self, now: int) -> int | None:
        """When `due` or `overdue` will next have something to say."""
        if self._mistrusted:
            return now
        return min((*self._wanting.values(), *self._awaited.values()), default=None)

    def _forget(self, symbol: str) -> None:
        super()._forget(symbol)
        self._awaited.pop(symbol, None)


def new_books(venue: Venue, codec: Codec, pacing: Pacing, chance: Chance) -> Books:
    """The books of a venue, by where their snapshots come from."""
    kind = StreamedBooks if venue.streamed_books else Books
    return kind(venue, codec, pacing, chance)
