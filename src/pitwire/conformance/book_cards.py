"""Cards about books (B): whatever goes wrong, a book equals the truth or says that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pitwire.conformance.cards import Card, Exam, Found, wrong
from pitwire.conformance.courses import BACK_SECONDS, channels_of
from pitwire.sim.faults import Drop, Duplicate, Fault, LateSnapshot, Reorder, StaleSnapshot
from pitwire.sim.kit import Demand, Script, Trial
from pitwire.torture.trial import attempt
from pitwire.torture.virtual import stand_in
from pitwire.venues.venue import Venue

_AT = 4.0
"""When frames begin to go wrong, in seconds; everything flows by then."""
_SCRIPTS: dict[str, tuple[Fault, ...]] = {
    "drop": (
        Drop(link="market*", at_seconds=_AT, count=1),
        Drop(link="market*", at_seconds=_AT + 4, count=3),
    ),
    "double": (Duplicate(link="market*", at_seconds=_AT, count=40),),
    "reorder": (Reorder(link="market*", at_seconds=_AT, count=10),),
    "late": (LateSnapshot(seconds=3.0, count=2),),
    "stale": (StaleSnapshot(seconds=2.0, count=2),),
}


def book_through(name: str, exam: Exam) -> Found:
    """Books through a script of faults, held against the façade's truth at every step."""
    return _through(exam, name, _SCRIPTS[name])


def bad_checksum(exam: Exam) -> Found:
    """A sum that is not that of our book."""
    fault = exam.candidate.bad_checksum
    if fault is None:
        return wrong(0, "books", "the table has a checksum, the candidate no `bad_checksum`")
    return _through(exam, "checksum", (fault,))


def _through(exam: Exam, name: str, faults: tuple[Fault, ...]) -> Found:
    script = Script(
        id=name,
        title=f"books: {name}",
        does=name,
        expected="equal or stale",
        sim=faults,
        trial=Trial(
            symbols=exam.candidate.symbols,
            channels=channels_of(exam, "book"),
            seconds=4.0,
            most_seconds=120.0,
        ),
        demand=Demand(back_within_seconds=BACK_SECONDS, sole=False),
    )
    world = exam.world(faults=faults)
    stand = stand_in(world, script, venue=exam.venue, endpoints=exam.candidate.endpoints)
    outcome = world.run(attempt(script, stand, seed=exam.seed), within_seconds=600.0)
    if outcome.complaints:
        return wrong(outcome.compared, "books", outcome.complaints[0])
    return Found(outcome.compared, f"looks at books, {outcome.happened} faults")


def _no_book(venue: Venue) -> str:
    return "" if "book" in venue.channels else "channels has no book"


def _no_numbers(venue: Venue) -> str:
    counted = "streamed_books: the venue numbers nothing, so a loss within does not show"
    return _no_book(venue) or (counted if venue.streamed_books else "")


def _no_checksum(venue: Venue) -> str:
    return _no_book(venue) or ("" if venue.checksum else "checksum is None")


def _cards() -> Iterator[Card]:
    titles = {
        "drop": "dropped deltas",
        "double": "doubled deltas",
        "reorder": "reordered deltas",
        "late": "late snapshots",
        "stale": "stale snapshots",
    }
    demand = "leave the book equal to the truth, or stale"
    for number, (name, title) in enumerate(titles.items(), 1):
        yield Card(f"B{number}", title, demand, partial(book_through, name), _no_numbers)
    yield Card("B6", "bad checksums", demand, bad_checksum, _no_checksum)


CARDS = tuple(_cards())
