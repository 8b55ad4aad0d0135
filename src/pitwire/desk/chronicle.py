"""What has happened: counters and tables, filled after the orders have left.

House rules: nothing is kept of an event but its numbers; it is noted in the call that brings it,
because an event that waits keeps memory busy that the next one could use (measured).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pitwire.desk.health import Health
from pitwire.market.book import OrderBook
from pitwire.model.events import MARKET, BookDelta, BookSnapshot, Event
from pitwire.store.frames import Frames


class Chronicle:
    """The health and the tables of one desk. `books` are read where they have moved."""

    def __init__(self, health: Health, frames: Frames, books: Mapping[str, OrderBook]) -> None:
        self.health, self._frames, self._books = health, frames, books
        self._moved: dict[str, None] = {}
        # Updates and fills come twice, by the answer and by the private stream: their tables are
        # filled by `opening.TablesJournal`, once.
        recorders = {kind: frames.recorder(kind) for kind in MARKET}
        self.reactions: dict[type[Event], Callable[[Any], None]] = {
            kind: record for kind, record in recorders.items() if record is not None
        }
        """What to do with each kind of event that is more than counted."""
        self.reactions |= {BookDelta: self._on_book, BookSnapshot: self._on_book}

    @property
    def frames(self) -> Frames:
        """What happened lately. Tops of a book: one row for every call in which it had changed."""
        self.note_tops()
        return self._frames

    def _on_book(self, event: Event) -> None:
        self._moved[event.symbol] = None

    def note_tops(self) -> None:
        """One row for each book that has changed since the last time, as it stands now."""
        moved, self._moved = self._moved, {}
        for symbol in moved:
            book = self._books.get(symbol)
            if book is None:
                continue
            bid, ask = book.best_bid, book.best_ask
            if bid is not None and ask is not None:
                self._frames.record_top(
                    book.venue,
                    symbol,
                    book.received,
                    bid=bid[0],
                    bid_size=bid[1],
                    ask=ask[0],
                    ask_size=ask[1],
                )
