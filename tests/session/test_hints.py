"""A quote that is ahead of a book that does not move is a hint."""

from __future__ import annotations

import msgspec

from pitwire.market.sequence import ByRange
from pitwire.market.sync import BookSync
from pitwire.model.clock import SECOND
from pitwire.model.events import BookDelta, BookSnapshot, Quote
from pitwire.session.copies import Copy
from pitwire.session.hints import AHEAD_SECONDS, Hints
from pitwire.session.wants import Wants
from pitwire.venues.binance.venue import BINANCE
from tests.session.toy import TOY

NOW = 1_700_000_000 * SECOND
AHEAD = round(AHEAD_SECONDS * SECOND)


class Rig:
    """A book that stands at 10, a connection with quotes, and who is doubted when."""

    def __init__(self, *, numbered: bool = True) -> None:
        channels = dict(TOY.channels)
        channels["ticker"] = msgspec.structs.replace(channels["ticker"], numbers_book=numbered)
        self.quotes: dict[str, object] = {}
        self.copy = Copy("x", Wants(), {})
        self.copy.stands, self.copy.quotes = True, self.quotes
        self.doubted: list[tuple[str, int, int]] = []
        self.sync = BookSync("toy", "A", ByRange())
        self.sync.accept_snapshot(BookSnapshot("toy", "A", 0, NOW, 10, (), ()), NOW)
        self.hints = Hints(
            msgspec.structs.replace(TOY, channels=channels),
            [self.copy],
            lambda symbol, number, now: self.doubted.append((symbol, number, now)),
        )

    def quote(self, update_id: int) -> None:
        self.quotes["A"] = Quote("toy", "A", 0, NOW, 1.0, 1.0, 2.0, 1.0, update_id)

    def move(self, last_id: int) -> None:
        first = self.sync.last_id + 1
        assert self.sync.accept(BookDelta("toy", "A", 0, NOW, first, last_id, (), ()))

    def look(self, now: int) -> None:
        self.hints.look({"A": self.sync}, now)


def test_a_book_that_stays_behind_its_quotes_is_doubted() -> None:
    rig = Rig()
    rig.quote(11)
    rig.look(NOW)
    rig.look(NOW + AHEAD - 1)
    assert rig.doubted == []
    rig.quote(15)
    rig.look(NOW + AHEAD)
    assert rig.doubted == [("A", 15, NOW + AHEAD)]
    rig.look(NOW + AHEAD + 1)
    assert len(rig.doubted) == 1, "somebody is finding out"


def test_a_book_that_moves_or_is_as_far_is_not() -> None:
    rig = Rig()
    for step in range(10):  # quotes lead a delta that comes with its rhythm
        rig.quote(rig.sync.last_id + 2)
        rig.look(NOW + step * AHEAD)
        rig.move(rig.sync.last_id + 1)
    rig.quote(rig.sync.last_id)
    for step in range(10):
        rig.look(NOW + step * AHEAD)
    rig.quotes["A"] = (NOW, NOW)  # one that was not read
    rig.look(NOW)
    rig.look(NOW + AHEAD)
    assert rig.doubted == []


def test_who_is_broken_unwanted_or_numbered_otherwise_is_not() -> None:
    for rig in (Rig(numbered=False), Rig(), Rig()):
        rig.quote(11)
        rig.quotes["B"] = rig.quotes["A"]
        if rig.hints._numbered:
            rig.sync.distrust("crossed", NOW)
        rig.look(NOW)
        rig.look(NOW + AHEAD)
        assert rig.doubted == []
    rig = Rig()
    rig.quote(11)
    rig.copy.stands = False
    rig.look(NOW)
    rig.look(NOW + AHEAD)
    assert rig.doubted == []


def test_binance_numbers_its_quotes_as_its_book() -> None:
    assert BINANCE.channels["ticker"].numbers_book
