"""What quotes say about books: a quote that is ahead of a book that does not move is a hint.

House rules: pure. Where a venue numbers its quotes as its book, a book that stays behind its own
best prices has missed a delta, and no other may come for long. A hint is no proof: it is told to
whoever finds out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pitwire.market.sync import BookSync
from pitwire.model.clock import SECOND
from pitwire.model.events import Quote
from pitwire.session.copies import Copy
from pitwire.venues.venue import Venue

AHEAD_SECONDS = 2.0
"""A quote comes at once and a delta with the next of its rhythm, a second later at most."""
_AHEAD = round(AHEAD_SECONDS * SECOND)


class Hints:
    """Looks at the newest quote of each symbol beside its book."""

    def __init__(
        self, venue: Venue, copies: Sequence[Copy], doubt: Callable[[str, int, int], None]
    ) -> None:
        """`doubt` is told of a symbol, the id of its quote, and when."""
        ticker = venue.channels.get("ticker")
        self._numbered = ticker is not None and ticker.numbers_book
        self._copies, self._doubt = copies, doubt
        self._stands: dict[str, tuple[int, int]] = {}
        """Symbol → the id at which its book has stood while a quote was ahead, and since when."""

    def look(self, syncs: dict[str, BookSync], now: int) -> None:
        """Now and then: doubt the books that have been behind their quotes for long."""
        if not self._numbered:
            return
        before, self._stands = self._stands, {}
        for quotes in [copy.quotes for copy in self._copies if copy.stands]:
            for symbol, quote in quotes.items():
                sync = syncs.get(symbol)
                if sync is None or not sync.live or not isinstance(quote, Quote):
                    continue
                stood = sync.last_id
                if quote.update_id <= stood:
                    continue
                stands = before.get(symbol)
                if stands is None or stands[0] != stood:
                    stands = stood, now
                if now - stands[1] >= _AHEAD:
                    self._doubt(symbol, quote.update_id, now)
                else:
                    self._stands[symbol] = stands
