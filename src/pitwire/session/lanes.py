"""One kind of event of one symbol, brought by several copies: each event once, in order.

House rules: pure. Every copy brings the same sequence. What is newer by the venue's own number or
time is news, what is older is late; among equals, an event is news as often as one copy brings it.
A copy that joins waits until the others have reached what it begins with, so that its first event
skips nothing that they may still bring.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter

import msgspec

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.events import Event
from pitwire.session.copies import Copy

HOLD_SECONDS = 0.25
"""How long what came early is held, beyond what the others are known to be behind by."""
HOLD_AT_MOST_SECONDS = 10.0
"""How long it is held in all."""
HELD = 10_000
"""How many events of one symbol and kind are held at most."""


class Patience:
    """Until when something that came early is held."""

    __slots__ = ("_limit", "until")

    def __init__(self, now: int, hold: int, behind: int = 0) -> None:
        self._limit = now + max(hold, round(HOLD_AT_MOST_SECONDS * SECOND))
        self.until = min(self._limit, now + hold + behind)

    def renew(self, now: int, hold: int) -> None:
        """Those who are behind made progress."""
        self.until = min(self._limit, max(self.until, now + hold))


class Early:
    """What came before that which it follows, by the venue's numbers, oldest first."""

    __slots__ = ("_held", "_seen", "_serial", "patience")

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._held: list[tuple[int, int, Event]] = []
        self._seen: dict[Copy, int] = {}
        self._serial = 0

    def __len__(self) -> int:
        return len(self._held)

    def add(self, number: int, event: Event, copy: Copy) -> None:
        """Hold an event, unless another copy brought the same."""
        self._seen[copy] = max(number, self._seen.get(copy, number))
        if all(held[0] != number for held in self._held[-1:]) and not self._has(number):
            self._serial += 1
            insort(self._held, (number, self._serial, event))

    def is_past(self, copy: Copy) -> bool:
        """Whether this copy, too, has gone on to what is held: it will not bring what is not."""
        return self._seen.get(copy, -1) >= self._held[0][0]

    @property
    def first(self) -> Event:
        """The oldest."""
        return self._held[0][2]

    def take(self) -> Event:
        """The oldest, held no more."""
        return self._held.pop(0)[2]

    def _has(self, number: int) -> bool:
        if not self._held or number > self._held[-1][0]:
            return False
        return any(held[0] == number for held in self._held)


class Reader:
    """How far one copy is in a lane."""

    __slots__ = ("at", "epoch", "same")

    def __init__(self, epoch: int) -> None:
        self.at = -1
        self.epoch = epoch
        self.same: Counter[tuple[object, ...]] = Counter()


class Lane:
    """The events of one kind, symbol and variant, where numbers do not tell what is missing.

    `unique` says that no two events have the same number.
    """

    __slots__ = (
        "_epoch", "_newest", "_readers", "_told", "_unique", "_waiting", "patience",
    )  # fmt: skip

    def __init__(self, *, unique: bool) -> None:
        self._unique = unique
        self._readers: dict[Copy, Reader] = {}
        self._newest = -1
        self._epoch = 0
        self._told: Counter[tuple[object, ...]] = Counter()
        self._waiting: list[tuple[int, Event, Copy]] = []
        self.patience: Patience | None = None
        """Set while a copy that joins is held."""

    def has_joined(self, copy: Copy) -> bool:
        """Whether what this copy brings is known to skip nothing."""
        return copy in self._readers

    @property
    def begun(self) -> bool:
        """Whether any copy has."""
        return bool(self._readers)

    def admit(self, event: Event, value: int, copy: Copy) -> bool:
        """Whether this event of a copy that has joined is news."""
        reader = self._readers[copy]
        if value < reader.at:
            reader.epoch += 1  # the venue's clock was set back, or it counts anew
        fresh = value != reader.at
        reader.at = value
        if reader.epoch < self._epoch:
            return False
        if reader.epoch > self._epoch or value > self._newest:
            self._epoch, self._newest = reader.epoch, value
            if not self._unique:
                fact = content(event)
                self._told, reader.same = Counter((fact,)), Counter((fact,))
            return True
        if value < self._newest or self._unique:
            return False
        if fresh:
            reader.same.clear()
        return self._is_another(event, reader)

    def goes_on(self, value: int, copy: Copy) -> bool | None:
        """The quick form of `admit` where numbers are unique; None where it cannot tell."""
        reader = self._readers.get(copy)
        if reader is None or value < reader.at or reader.epoch != self._epoch:
            return None
        reader.at = value
        if value <= self._newest:
            return False
        self._newest = value
        return True

    def skips(self, value: int, copy: Copy) -> bool:
        """Whether what this copy brings is late, where that is plain; it is noted then."""
        return value <= self._newest and self.goes_on(value, copy) is False

    def join(self, copy: Copy) -> None:
        """What this copy brings from now on skips nothing."""
        self._readers.setdefault(copy, Reader(self._epoch))

    def reaches(self, value: int) -> bool:
        """Whether what has been told reaches this far."""
        return value <= self._newest

    def is_waiting(self, copy: Copy) -> bool:
        """Whether something that this copy brought is held."""
        return any(held[2] is copy for held in self._waiting)

    def wait(self, event: Event, value: int, copy: Copy) -> None:
        """Hold an event of a copy that has not joined."""
        self._waiting.append((value, event, copy))

    def is_full(self) -> bool:
        """Whether no more should be held."""
        return len(self._waiting) >= HELD

    def caught_up(self) -> list[Event]:
        """The others have brought something: who is reached now joins; returns its news."""
        reached = {copy for value, _, copy in self._waiting if self.reaches(value)}
        return self._let_in(reached)

    def give_in(self) -> list[Event]:
        """It has been waited long enough: whoever waits joins; returns the news."""
        return self._let_in({copy for _, _, copy in self._waiting})

    def leave(self, copy: Copy) -> None:
        """This copy brings nothing more; what it has brought counts."""
        self._readers.pop(copy, None)
        self._let_go()

    def _let_in(self, copies: set[Copy]) -> list[Event]:
        ready = [held for held in self._waiting if held[2] in copies]
        self._waiting = [held for held in self._waiting if held[2] not in copies]
        self._let_go()
        ready.sort(key=_value)
        told = []
        for value, event, copy in ready:
            self.join(copy)
            if self.admit(event, value, copy):
                told.append(event)
        return told

    def _let_go(self) -> None:
        if not self._waiting:
            self.patience = None

    def _is_another(self, event: Event, reader: Reader) -> bool:
        """Among equal numbers: whether this copy has brought this one more often than was told."""
        fact = content(event)
        reader.same[fact] += 1
        if reader.same[fact] <= self._told[fact]:
            return False
        self._told[fact] += 1
        return True


def _value(held: tuple[int, Event, Copy]) -> int:
    return held[0]


def content(event: Event) -> tuple[object, ...]:
    """All that the venue wrote; when we received it is another matter, and NaN equals NaN."""
    fields = msgspec.structs.astuple(event)
    return tuple(None if one != one else one for one in fields[:3] + fields[4:])


# ── by what number the events of a kind follow one another, and what tells their variants apart ──


UNIQUE = (ev.Quote, ev.AggregateTrade, ev.Trade)
"""Kinds of which no two events have the same number."""


def number_of(event: Event) -> int:
    """The venue's own number of an event, or its time where it has none; 0: it has neither."""
    match event:
        case ev.Quote(update_id=number) | ev.PartialBook(last_id=number) if number:
            return number
        case ev.AggregateTrade(aggregate_id=number) | ev.Trade(trade_id=number) if number:
            return number
        case _:
            return event.venue_time


def variant_of(event: Event) -> str | int:
    """What tells apart two streams of one kind and symbol."""
    match event:
        case ev.Bar(interval=variant):
            return variant
        case ev.Ticker(window=variant) | ev.AveragePrice(window=variant):
            # Two streams write the same window, one of them with fewer fields.
            return variant if isinstance(event, ev.AveragePrice) or event.trades else f"{variant}-"
        case ev.PartialBook(depth=depth):
            return depth
        case _:
            return ""
