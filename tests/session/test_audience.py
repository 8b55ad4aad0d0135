"""Everybody is told, books first, and one who raises costs the others nothing."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.market.checksum import TopLevelsCrc
from pitwire.model.errors import StateError
from pitwire.model.events import (
    BookDelta,
    BookSnapshot,
    BookStale,
    Event,
    FeedFresh,
    FeedStale,
    Quote,
    Subscribed,
    Trade,
)
from pitwire.session.audience import Audience
from pitwire.session.stream import StreamOptions


def audience(**more: Any) -> tuple[Audience, list[str]]:
    said: list[str] = []
    options = {
        "keep_books": True,
        "on_event": None,
        "on_events": None,
        "on_raised": lambda error: said.append(str(error)),
        "on_flaw": lambda symbol, flaw: said.append(f"{symbol} {flaw}"),
        "checksums": {},
        "tell_soon": lambda event: said.append(type(event).__name__),
        "pause": lambda: said.append("pause"),
        "resume": lambda: said.append("resume"),
        **more,
    }
    return Audience("toy", **options), said


STORY = (
    BookSnapshot("toy", "A", 0, 0, 10, ((1.0, 1.0),), ((2.0, 1.0),)),
    BookDelta("toy", "A", 0, 0, 11, 11, ((1.5, 3.0),), ()),
)
QUOTE = Quote("toy", "A", 0, 0, 1.0, 1.0, 2.0, 1.0)


def test_a_book_that_turns_out_wrong_is_not_to_be_read_and_is_told() -> None:
    ours, said = audience(checksums={"B": TopLevelsCrc(price_digits=1, size_digits=1)})
    ours.deliver(STORY, 0, True)
    ours.deliver([BookDelta("toy", "A", 0, 0, 12, 12, ((2.0, 1.0),), ())], 0, True)
    assert said == ["A crossed"]
    assert not ours.book("A").ready
    assert ours.book("A").best_bid is None
    ours.deliver([BookSnapshot("toy", "B", 0, 0, 1, ((1.0, 1.0),), ())], 0, True)
    ours.deliver([BookDelta("toy", "B", 0, 0, 2, 2, (), (), checksum=7)], 0, True)
    ours.deliver([BookSnapshot("toy", "C", 0, 0, 1, ((3.0, 1.0),), ((2.0, 1.0),))], 0, True)
    assert said == ["A crossed", "B checksum", "C crossed"]
    assert not ours.book("C").ready


def test_a_book_whose_feed_is_stale_says_so_until_the_feed_is_fresh() -> None:
    ours, _ = audience()
    ours.deliver(STORY, 0, True)
    book = ours.book("A")
    ours.deliver([FeedStale("toy", "A", 0, 0, "trades", 3.0, "mute")], 0, True)
    assert (book.ready, book.stale) == (True, ""), "its trades are another matter"
    ours.deliver([FeedStale("toy", "A", 0, 0, "book", 3.0, "mute")], 0, True)
    assert (book.ready, book.stale, book.best_bid) == (False, "mute", (1.5, 3.0))
    ours.deliver([BookStale("toy", "A", 0, 0, "asked for"), *STORY], 0, True)
    assert (book.ready, book.stale) == (False, "mute"), "nobody tells what has changed since"
    ours.deliver([BookDelta("toy", "A", 0, 0, 12, 12, ((1.6, 1.0),), ())], 0, True)
    ours.deliver([FeedFresh("toy", "A", 0, 0, "book")], 0, True)
    assert (book.ready, book.stale, book.best_bid) == (True, "", (1.6, 1.0))
    ours.deliver([FeedStale("toy", "A", 0, 0, "book", 3.0, "mute")], 0, True)
    ours.deliver([BookStale("toy", "A", 0, 0, "lost")], 0, True)
    ours.deliver([Subscribed("toy", "A", 0, 0, "market-1", "book")], 0, True)
    assert (book.ready, book.stale) == (False, ""), "it waits for its snapshot"
    ours.deliver(STORY, 0, True)
    assert book.ready
    ours.deliver([FeedStale("toy", "A", 0, 0, "book", 3.0, "silent")], 0, True)
    ours.deliver([Subscribed("toy", "A", 0, 0, "market-1b", "book")], 0, True)
    assert (book.ready, book.stale) == (False, "silent"), "another copy promises, and says nothing"
    ours.deliver([FeedFresh("toy", "A", 0, 0, "book")], 0, True)
    assert book.ready


def test_a_listener_finds_the_book_as_the_event_left_it() -> None:
    seen: list[Any] = []

    def listen(event: Event) -> None:
        seen.append((type(event).__name__, ours.book("A").best_bid))

    ours, _ = audience(on_event=listen)
    ours.deliver(STORY, 0, True)
    ours.deliver([BookStale("toy", "A", 0, 0, "gap")], 0, True)
    # The events of one frame are one fact: the book is at its end for both of them.
    assert seen == [
        ("BookSnapshot", (1.5, 3.0)),
        ("BookDelta", (1.5, 3.0)),
        ("BookStale", None),
    ]
    assert not ours.book("A").ready


def test_one_event_that_is_stumbled_over_does_not_hide_the_next() -> None:
    seen: list[Event] = []

    def listen(event: Event) -> None:
        seen.append(event)
        if event is QUOTE:
            raise ValueError("stumbled")

    ours, said = audience(on_event=listen)
    ours.deliver([QUOTE, STORY[0]], 0, True)
    assert seen == [QUOTE, STORY[0]]
    assert said == ["stumbled"]


def test_bursts_are_handed_on_whole_even_empty() -> None:
    bursts: list[Any] = []
    ours, _ = audience(keep_books=False, on_events=lambda *burst: bursts.append(burst))
    ours.deliver((), 5, True)
    ours.deliver(STORY, 6, False)
    assert bursts == [((), 5, True), (STORY, 6, False)]
    with pytest.raises(StateError, match="keep_books"):
        ours.book("A")


async def test_two_full_streams_pause_once_and_resume_when_both_have_room() -> None:
    ours, said = audience()
    one = ours.stream((Quote,), symbols=(), options=StreamOptions(capacity=1))
    two = ours.stream((Quote, Trade), symbols=(), options=StreamOptions(capacity=1))
    ours.deliver([QUOTE], 0, True)
    assert said == ["pause"]
    await anext(one)
    assert said == ["pause"]
    await two.aclose()
    assert said == ["pause", "resume"]
    ours.deliver([QUOTE], 0, True)
    assert (len(one), len(two)) == (1, 0)
