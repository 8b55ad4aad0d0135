"""What has happened: counters and tables, filled after the orders have left.

House rules: nothing is kept of an event but its numbers; it is noted in the call that brings it,
because an event that waits keeps memory busy that the next one could use (measured).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pitwire.desk.health import Health, Reaction
from pitwire.market.book import OrderBook
from pitwire.model.events import EVENTS, MARKET, BookDelta, BookSnapshot, Event
from pitwire.store.frames import Frames


class Chronicle:
    """The health and the tables of one desk. `books` are read where they have moved.

    `reactions` are the desk's own, by kind of event.
    """

    def __init__(
        self,
        health: Health,
        frames: Frames,
        books: Mapping[str, OrderBook],
        reactions: Mapping[type[Event], Reaction],
    ) -> None:
        self.health, self._frames, self._books = health, frames, books
        self._moved: dict[str, None] = {}
        self._unlike: dict[type[Event], Reaction] = {}
        self._reactions = reactions
        health.reaction_to = self._reaction_to
        self.note: Callable[[Sequence[Event]], None] = health.note_all
        """Count a burst, and do with each event what is to be done with it."""
        self._counted = 0

    def keep_nothing(self, rouse: Callable[[], None]) -> None:
        """Nobody will look at tables or health: from now on events are counted together, and only
        what is no market's word is looked at, of which `rouse` is told, too."""

        def roused(react: Reaction | None) -> Reaction:
            def both(event: Event) -> None:
                rouse()
                if react is not None:
                    react(event)

            return both

        others = (kind for kind in EVENTS if kind not in MARKET)
        self._unlike = {kind: roused(self._reactions.get(kind)) for kind in others}
        self.note = self._count

    @property
    def events(self) -> int:
        """How many events there were, so far."""
        return self._counted or self.health.lags()[0]

    def _count(self, events: Sequence[Event]) -> None:
        self._counted += len(events)
        unlike = self._unlike
        for event in events:
            react = unlike.get(event.__class__)
            if react is not None:
                react(event)

    def _reaction_to(self, event: Event) -> Reaction | None:
        """Asked once for each kind of event and symbol, so that nothing is looked up again."""
        kind = type(event)
        own = self._reactions.get(kind)
        if own is not None:
            return own
        if kind in (BookDelta, BookSnapshot):
            return self._on_book
        # Updates and fills come twice, by the answer and by the private stream: their tables are
        # filled by `opening.TablesJournal`, once.
        return self._frames.recorder(event) if kind in MARKET else None

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
