"""Which subscriptions have spoken.

House rules: pure. An acknowledgement proves nothing, data does: a venue may acknowledge a stream
that it never sends. Silence of the whole connection is the pulse's business, not judged here.
"""

from __future__ import annotations

from pitwire.model import events
from pitwire.model.clock import SECOND
from pitwire.model.events import Event, FeedFresh, FeedStale
from pitwire.venues.venue import Ask

FIRST_WITHIN_SECONDS = 5.0
"""A busy subscription that has not spoken this long after its acknowledgement is stale."""

KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in events.MARKET}


class Freshness:
    """First data after each acknowledgement, and which symbols have spoken, by kind of event."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._awaited: dict[tuple[type[Event], str], list[Ask]] = {}
        self._busy: dict[Ask, int] = {}
        self.spoken: dict[type, set[str]] = {kind: set() for kind in KINDS.values()}
        """Kind → symbols. A symbol is in here from its first data on."""

    def confirmed(self, ask: Ask, kind_name: str, now: int, *, busy: bool) -> None:
        """The venue acknowledged; now it must speak."""
        kind = KINDS.get(kind_name)
        if kind is None:
            return
        self.spoken[kind].discard(ask.symbol)
        # An event does not name its variant, so the first of its kind speaks for all of them.
        self._awaited.setdefault((kind, ask.symbol), []).append(ask)
        if busy:
            self._busy[ask] = now

    def ended(self, ask: Ask, kind_name: str) -> None:
        """Nothing is expected of this ask any more."""
        kind = KINDS.get(kind_name)
        self._busy.pop(ask, None)
        if kind is not None:
            self.spoken[kind].discard(ask.symbol)
            awaited = self._awaited.get((kind, ask.symbol), [])
            if ask in awaited:
                awaited.remove(ask)

    def begin_again(self) -> None:
        """A new connection: nothing has spoken."""
        self._awaited.clear()
        self._busy.clear()
        for symbols in self.spoken.values():
            symbols.clear()

    def first(self, event: Event, now: int) -> tuple[Event, ...]:
        """Note an event; a symbol's first of its kind is proof that the subscription works."""
        symbols = self.spoken.get(type(event))
        if symbols is None:
            return ()
        symbols.add(event.symbol)
        awaited = self._awaited.pop((type(event), event.symbol), ())
        for ask in awaited:
            self._busy.pop(ask, None)
        at = event.venue_time
        return tuple(FeedFresh(self._venue, event.symbol, at, now, ask.channel) for ask in awaited)

    def next_deadline(self) -> int | None:
        """When the next busy subscription has been silent for too long."""
        for since in self._busy.values():
            return since + round(FIRST_WITHIN_SECONDS * SECOND)
        return None

    def be_patient(self, now: int) -> None:
        """Begin to wait anew: up to now it was we who did not listen."""
        for ask in self._busy:
            self._busy[ask] = now

    def overdue(self, now: int) -> list[Event]:
        """One `FeedStale` for each busy subscription that never spoke; told once."""
        limit = now - round(FIRST_WITHIN_SECONDS * SECOND)
        late = [(ask, since) for ask, since in self._busy.items() if since <= limit]
        stale: list[Event] = []
        for ask, since in late:
            del self._busy[ask]
            silent = (now - since) / SECOND
            stale.append(FeedStale(self._venue, ask.symbol, 0, now, ask.channel, silent))
        return stale
