"""The connections that carry the same asks: who stands, who has been told what, who is behind.

House rules: pure. A copy is one connection's part in a feed. It is counted and measured here, and
asked one question: may it still bring what another has skipped?
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

import msgspec

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.session.wants import Wants
from pitwire.venues.venue import Ask, Channel

FED = (
    ev.Trade, ev.AggregateTrade, ev.Quote, ev.Ticker, ev.AveragePrice, ev.BookDelta,
    ev.PartialBook, ev.Bar, ev.MarketStatus, ev.MarkPrice, ev.Funding, ev.Liquidation,
)  # fmt: skip
"""What streams bring; of everything else each connection has its own."""
Spoken: TypeAlias = tuple[str, str]
"""Class name of an event, symbol."""

CUTS = 64
"""So many deltas of a copy are looked at by their heads after one was read in vain."""
_SMOOTH = 4
"""A new measurement moves the mean by a sixteenth."""


class LineHealth(msgspec.Struct, frozen=True):
    """How one connection of a session does."""

    name: str
    stands: bool
    opened_at: int
    """When its connection was opened, ns; 0 where it never was."""
    streams: int
    wins: int
    """Events that it brought before any other connection of its feed; 0 where it is alone."""
    behind_seconds: float
    """How much later than the fastest of its feed it brings them, in the mean."""


class Copy:
    """One connection's part in a feed."""

    __slots__ = (
        "_delay",
        "_spoken",
        "_wants",
        "bereft",
        "confirmed",
        "cuts",
        "name",
        "quotes",
        "rank",
        "shared",
        "stands",
        "wins",
    )

    def __init__(self, name: str, wants: Wants, spoken: Mapping[type, Collection[str]]) -> None:
        self.name = name
        self._wants, self._spoken = wants, spoken
        self.stands = False
        """Whether its connection is open."""
        self.shared = False
        """Whether another copy carries the same asks, so that everything comes twice."""
        self.bereft = False
        """Whether another has been lost, and this one has not yet told what it does not bring."""
        self.rank = 0
        """Counts up with every opening in the feed: who stands longer has the lower one."""
        self.wins = 0
        """Events that this copy brought first."""
        self.cuts = 0
        """So many heads of deltas are still to be read, as it cuts them elsewhere than others."""
        self.confirmed: dict[Spoken, dict[Ask, int]] = {}
        """What comes on it → the asks for that, each with the time of its confirmation."""
        self.quotes: Mapping[str, object] = {}
        """Symbol → the newest quote that came on it; of one that was not read only the times."""
        self._delay = 0

    def confirm(self, ask: Ask, channel: Channel, now: int) -> None:
        """The venue acknowledged this ask on the present connection."""
        self.confirmed.setdefault((channel.event, ask.symbol), {}).setdefault(ask, now)

    def end(self, ask: Ask, channel: Channel) -> None:
        """This ask is wanted no more."""
        asks = self.confirmed.get((channel.event, ask.symbol))
        if asks is not None:
            asks.pop(ask, None)
            if not asks:
                del self.confirmed[channel.event, ask.symbol]

    def wants(self, ask: Ask) -> bool:
        """Whether this ask is wanted of it."""
        return ask in self._wants

    @property
    def asks(self) -> Iterable[Ask]:
        """All that is wanted of it."""
        return self._wants

    def carries(self, ask: Ask) -> bool:
        """Whether it is open and the venue has acknowledged this ask on it."""
        return self.stands and self._wants.is_confirmed(ask)

    def may_bring(self, kind: str, symbol: str) -> bool:
        """Whether events of this class and symbol come on it."""
        # An ask for all symbols at once names none.
        return self.stands and ((kind, symbol) in self.confirmed or (kind, "") in self.confirmed)

    def precedes(self, other: Copy, event: ev.Event) -> bool:
        """Whether such events were confirmed on this copy before they were on another; of two at
        the same time, the one that stands longer is first."""
        ours, theirs = self._since(event), other._since(event)
        return ours < theirs if ours != theirs else self.rank < other.rank

    def _since(self, event: ev.Event) -> float:
        kind = event.__class__.__name__
        times = (asks.values() for symbol in (event.symbol, "")
                 if (asks := self.confirmed.get((kind, symbol))))  # fmt: skip
        return min(map(min, times), default=math.inf)

    def speaks(self, kind: str, symbol: str) -> bool:
        """Whether events of this class and symbol have come on the present connection."""
        return self.stands and any(
            symbol in symbols for one, symbols in self._spoken.items() if one.__name__ == kind
        )

    def has_confirmed(self, old: Copy) -> bool:
        """Whether all that is confirmed on an old copy is on this one."""
        return all(self.may_bring(kind, symbol) for kind, symbol in old.confirmed)

    def brings_all_of(self, old: Copy) -> bool:
        """Whether that is so, and what has spoken there has spoken here."""
        return self.has_confirmed(old) and all(
            self.speaks(kind, symbol) or not old.speaks(kind, symbol)
            for kind, symbol in old.confirmed
        )

    def measure(self, venue_time: int, received: int) -> None:
        """Note how long an event took from the venue to us."""
        if venue_time:
            took = received - venue_time
            self._delay = self._delay + ((took - self._delay) >> _SMOOTH) if self._delay else took

    def behind(self, others: Iterable[Copy]) -> int:
        """How much later than the fastest of these its events come, ns; both clocks cancel out."""
        delays = [other._delay for other in others if other._delay]
        return max(0, self._delay - min(delays)) if self._delay and delays else 0

    def behind_seconds(self, others: Iterable[Copy]) -> float:
        """The same in seconds."""
        return self.behind(others) / SECOND
