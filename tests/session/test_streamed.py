"""Books that begin on their stream: no snapshot is fetched, and a broken one is asked for anew."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from pitwire.market.book import OrderBook
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConnectionLost
from pitwire.model.events import (
    BookDelta,
    BookSnapshot,
    BookStale,
    FeedFresh,
    Malformed,
    Subscribed,
    Unsubscribed,
)
from pitwire.session.conversation import Conversation
from pitwire.venues.venue import Ask
from tests.session.test_conversation import START, answer, conversation, frame, said
from tests.session.toy import TOY
from tests.session.world import World, live

STREAMED = replace(TOY, streamed_books=True)
BOOK = Ask("book", "BTC-USDT")


def snapshot(number: int, bid: float = 100.0, symbol: str = "BTC-USDT") -> bytes:
    return frame(e="snapshot", s=symbol, id_=number, b=[(bid, 1)], a=[(bid + 1, 1)])


def delta(number: int, bid: float = 100.0, size: float = 2.0) -> bytes:
    return frame(e="delta", s="BTC-USDT", U=number, u=number, b=[(bid, size)], a=[])


def subscribed(now: int = START) -> Conversation:
    ours = conversation(venue=STREAMED)
    ours.opened(now)
    ours.want([BOOK], now)
    [request] = said(ours)
    answer(ours, request, now)
    return ours


def begun(now: int = START) -> Conversation:
    ours = subscribed(now)
    ours.receive_data(snapshot(1), now)
    ours.receive_data(delta(2), now)
    return ours


def names(events: Any) -> list[str]:
    return [type(event).__name__ for event in events]


def test_a_book_begins_with_the_snapshot_on_its_stream_and_none_is_fetched() -> None:
    ours = subscribed()
    told = [*ours.receive_data(snapshot(1), START)]
    assert names(told) == ["FeedFresh", "BookSnapshot"], "a snapshot is a word of the stream"
    assert names(ours.receive_data(delta(2), START)) == ["BookDelta"]
    assert names(ours.receive_data(delta(3), START)) == ["BookDelta"]
    assert ours.outbox.take_requests() == []
    ours.handle_deadline(START + 60 * SECOND)
    assert ours.outbox.take_requests() == []
    assert [one["do"] for one in said(ours)] == []


def test_deltas_from_before_the_snapshot_are_part_of_it() -> None:
    ours = subscribed()
    assert [*ours.receive_data(delta(1), START)][1:] == []
    told = [*ours.receive_data(snapshot(2), START), *ours.receive_data(delta(3), START)]
    assert names(told) == ["BookSnapshot", "BookDelta"]


def test_a_snapshot_that_nobody_asked_for_replaces_the_book() -> None:
    ours = begun()
    [told] = ours.receive_data(snapshot(3, 50.0), START)
    assert isinstance(told, BookSnapshot)
    [after] = ours.receive_data(delta(4, 50.0), START)
    book = OrderBook("toy", "BTC-USDT")
    book.apply_snapshot(told)
    assert isinstance(after, BookDelta)
    assert book.apply(after) == ""
    assert list(book.bids) == [(50.0, 2.0)]


def test_a_book_found_wrong_is_ended_and_begun_anew() -> None:
    ours = begun()
    [stale] = ours.resync("BTC-USDT", "crossed", START + 20 * SECOND)
    assert isinstance(stale, BookStale)
    first, second = said(ours)
    assert (first["do"], second["do"]) == ("unsubscribe", "subscribe")
    assert [*ours.receive_data(delta(3), START + 20 * SECOND)] == [], "of the old subscription"
    assert answer(ours, first, START + 20 * SECOND) == [], "for whoever listens it never ended"
    assert names(answer(ours, second, START + 20 * SECOND)) == ["Subscribed"]
    told = ours.receive_data(snapshot(4), START + 21 * SECOND)
    assert names(told) == ["FeedFresh", "BookSnapshot"]
    assert ours.outbox.take_requests() == []


def test_a_snapshot_that_does_not_come_is_asked_for_again_ever_more_seldom() -> None:
    ours, now, asked = subscribed(), START, []
    for _ in range(400):
        due = ours.next_deadline(now)
        assert due is not None
        now = max(due, now)
        if now > START + 200 * SECOND:
            break
        ours.receive_data(frame(e="quote", s="ETH-USDT", bid=1.0), now)
        ours.handle_deadline(now)
        ours.outbox.take_ping()
        for request in said(ours):
            asked.append((request["do"], (now - START) / SECOND))
            answer(ours, request, now)
    begun_at = [at for do, at in asked if do == "subscribe"]
    assert len(asked) == 2 * len(begun_at)
    spells = [later - sooner for sooner, later in pairwise(begun_at)]
    assert begun_at[0] > 10
    assert 4 <= len(begun_at) <= 15
    assert spells[-1] > spells[0]


def test_a_frame_that_cannot_be_read_makes_every_book_stale() -> None:
    """Nothing else would ever show that a delta was in it."""
    ours = begun()
    [malformed] = ours.receive_data(b"{", START + SECOND // 2)
    assert isinstance(malformed, Malformed)
    due = ours.next_deadline(START + SECOND // 2)
    assert due == START + SECOND // 2
    told = ours.handle_deadline(due)
    assert [one.reason for one in told if isinstance(one, BookStale)] == [
        "a frame could not be read"
    ]
    assert [one["do"] for one in said(ours)] == ["unsubscribe", "subscribe"]


def test_what_could_not_be_read_before_a_loss_says_nothing_of_the_book_after_it() -> None:
    ours = begun()
    ours.receive_data(b"{", START)
    ours.lost(ConnectionLost(code=1006), START)
    later = START + SECOND
    ours.opened(later)
    answer(ours, said(ours)[0], later)
    ours.receive_data(snapshot(7), later)
    told = ours.handle_deadline(later + 1)
    assert [one for one in told if isinstance(one, BookStale)] == []
    assert said(ours) == []


def test_after_a_loss_a_book_is_stale_until_its_stream_begins_again() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=STREAMED) as session:
            await session.subscribe_to_book("BTC-USDT")
            world.server.market.link.send(snapshot(1))
            await session_turns()
            assert session.book("BTC-USDT").ready
            world.server.market.link.abort()
            await session_turns()
            assert not session.book("BTC-USDT").ready
            await settled(world)
            assert not session.book("BTC-USDT").ready, "a confirmation is no book"
            world.server.market.link.send(snapshot(2, 7.0))
            await session_turns()
            assert session.book("BTC-USDT").ready
            assert list(session.book("BTC-USDT").bids) == [(7.0, 1.0)]

    world = live(story)
    assert world.server.fetched == [], "neither a snapshot nor an audit"
    assert len(world.of(Subscribed)) == 2
    assert world.of(Unsubscribed) == []


def test_who_ends_a_book_that_begins_anew_ends_it() -> None:
    ours = begun()
    ours.resync("BTC-USDT", "crossed", START + 20 * SECOND)
    said(ours)
    ours.unwant([BOOK], START + 20 * SECOND)
    assert [one["do"] for one in said(ours)] == ["unsubscribe"]
    assert [*ours.receive_data(snapshot(9), START + 20 * SECOND)] == []


@pytest.mark.parametrize("symbol", ["BTC-USDT", "ETH-USDT"])
def test_a_snapshot_of_a_book_that_nobody_wants_is_nothing(symbol: str) -> None:
    ours = conversation(venue=STREAMED)
    ours.opened(START)
    assert [*ours.receive_data(snapshot(1, symbol=symbol), START)] == []


def test_where_snapshots_are_fetched_one_on_the_stream_is_none_of_ours() -> None:
    ours = conversation()
    ours.opened(START)
    ours.want([BOOK], START)
    [request] = said(ours)
    answer(ours, request, START)
    told = ours.receive_data(snapshot(1), START)
    assert [type(one) for one in told] == [FeedFresh]
    [fetched] = ours.outbox.take_requests()
    assert fetched.purpose == "snapshot"


async def session_turns() -> None:
    await asyncio.sleep(0.1)


async def settled(world: World) -> None:
    while len(world.of(Subscribed)) < 2:
        await asyncio.sleep(0.1)
