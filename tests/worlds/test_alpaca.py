"""Alpaca's codec meets its façade, which somebody else wrote from the same papers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError
from pitwire.session.connect import connect_to_websocket
from pitwire.session.session import Session
from pitwire.sim.faults import BlackHole, Cut, Fault, Flap, Rewrite
from pitwire.sim.latency import LATENCIES
from pitwire.sim.world import ALPACA as NAME
from pitwire.sim.world import HTTP_URL, MARKET_URL, World
from pitwire.venues.alpaca import ALPACA
from pitwire.venues.venue import Endpoints

HERE = Endpoints(market=MARKET_URL, orders=MARKET_URL, http=HTTP_URL)
PAIRS = ("BTC-USD", "ETH-USD")


class Room:
    """A world of Alpaca and what a session in it was told."""

    def __init__(self, seed: int = 1, faults: Sequence[Fault] = (), **more: Any) -> None:
        self.world = World(
            seed=seed, venue=NAME, faults=faults, latency=LATENCIES["same-city"], **more
        )
        self.told: list[ev.Event] = []
        self.most = 0

    def connect(self, **more: Any) -> Any:
        return connect_to_websocket(
            ALPACA,
            **{
                "endpoints": HERE,
                "dial": self.world.dial,
                "fetch": self.world.fetch,
                "credentials": Credentials(*self.world.keys["hmac"]),
                "clock": self.world.client_clock,
                "on_event": self.told.append,
                "asks_time": False,
                **more,
            },
        )

    def live(self, story: Callable[[Session], Awaitable[None]], **more: Any) -> Room:
        async def whole() -> None:
            async with self.connect(**more) as session:
                await story(session)

        self.world.run(whole(), within_seconds=2000)
        return self

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]

    def is_right(self, session: Session, symbol: str) -> bool:
        """Whether a book is the venue's, level by level; the link takes a moment."""
        book, (_, bids, asks) = session.book(symbol), self.world.truth_book(symbol)
        ours = [list(side) for side in (book.bids, book.asks)]
        theirs = [[(float(price), float(size)) for price, size in side] for side in (bids, asks)]
        return book.ready and ours == theirs

    async def agrees(self, session: Session, symbol: str, seconds: float = 40.0) -> bool:
        """Whether it is at some moment soon: what is on its way makes both differ for a while."""
        until = self.world.clock.now() + round(seconds * SECOND)
        while not self.is_right(session, symbol):
            if self.world.clock.now() > until:
                return False
            await asyncio.sleep(0.003)
        return True


async def everything(session: Session) -> None:
    await session.subscribe_to_ticker(*PAIRS)
    await session.subscribe_to_trades(*PAIRS)
    await session.subscribe_to_book(*PAIRS)
    await session.subscribe_to_bars(*PAIRS)


@pytest.mark.parametrize("scenario", ["calm", "dip"])
def test_what_the_crypto_feed_sends_is_what_happens(scenario: str) -> None:
    room = Room(scenario=scenario)

    async def story(session: Session) -> None:
        await everything(session)
        for _ in range(3):
            await asyncio.sleep(25)
            for symbol in PAIRS:
                assert await room.agrees(session, symbol)

    room.live(story)
    assert room.of(ev.Malformed) + room.of(ev.Unhandled) + room.of(ev.Rejected) == []
    assert len(room.of(ev.BookSnapshot)) == 2
    assert len(room.of(ev.Subscribed)) == 8
    assert len(room.of(ev.Bar)) >= 2
    assert len(room.of(ev.Trade)) > 100
    last = room.of(ev.Quote)[-1]
    assert last.is_whole


def test_through_cuts_a_book_is_the_venues_or_says_that_it_is_not() -> None:
    faults = (
        Cut(link="market*", at_seconds=5.0),
        Flap(link="market*", at_seconds=20.0, every_seconds=6.0, times=5),
    )
    room, wrong = Room(seed=4, faults=faults), list[str]()

    async def story(session: Session) -> None:
        await everything(session)
        crossed = 0
        for _ in range(3000):
            await asyncio.sleep(0.03)
            for symbol in PAIRS:
                book = session.book(symbol)
                bids, asks = list(book.bids), list(book.asks)
                if book.ready and bids and asks:
                    crossed += bids[0][0] >= asks[0][0]
        assert not crossed
        for symbol in PAIRS:
            if not await room.agrees(session, symbol):
                wrong.append(symbol)

    room.live(story)
    assert wrong == []
    lost = [one for one in room.of(ev.Lost) if not one.by_us]
    assert len(lost) >= 4
    assert len([one for one in room.of(ev.BookStale) if one.reason == "connection lost"]) >= 4
    gaps = room.of(ev.TradeGap)
    assert gaps
    assert all(gap.since < gap.venue_time for gap in gaps)
    numbers = [one.trade_id for one in room.of(ev.Trade) if one.symbol == "BTC-USD"]
    assert numbers == sorted(set(numbers)), "none twice and none out of order"


def test_a_connection_that_the_venue_holds_on_to_is_waited_for() -> None:
    """Dead for us, alive for the venue: each new one is refused with 406 until it lets go."""
    hole = BlackHole(link="market*", at_seconds=5.0, for_seconds=60.0)
    room = Room(seed=2, faults=(hole,))

    async def story(session: Session) -> None:
        await everything(session)
        await asyncio.sleep(120)
        for symbol in PAIRS:
            assert await room.agrees(session, symbol)

    room.live(story)
    refused = [one for one in room.of(ev.Rejected) if one.what == "login"]
    assert {one.code for one in refused} == {406}
    assert 2 <= len(refused) <= 12, "neither given up nor stormed"
    assert max(one.retry_after_seconds for one in room.of(ev.Lost)) > 4


def test_a_slow_client_that_is_cut_comes_back() -> None:
    says = '[{"T":"error","code":407,"msg":"slow client"}]'
    slow = Rewrite(link="market*", at_seconds=5.0, count=1, pattern="^.*$", by=says)
    room = Room(seed=3, faults=(slow,))

    async def story(session: Session) -> None:
        await everything(session)
        await asyncio.sleep(30)
        for symbol in PAIRS:
            assert await room.agrees(session, symbol)

    room.live(story)
    [lost] = [one for one in room.of(ev.Lost) if not one.by_us]
    assert "slow client (407)" in lost.reason


def test_a_stream_that_nobody_reads_makes_the_venue_hang_up_once() -> None:
    """The venue's own 407: it could not send for as long as we did not read."""
    room = Room(seed=1)

    async def story(session: Session) -> None:
        stream = session.stream(ev.Trade, capacity=5)
        await everything(session)
        await asyncio.sleep(200)
        assert stream.policy == "wait"
        taken = [await anext(stream) for _ in range(6)]
        assert all(isinstance(one, ev.Trade) for one in taken)
        await asyncio.sleep(60)  # it is not read again, and holds nobody up
        assert stream.policy == "drop"
        dropped = await anext(stream)
        assert isinstance(dropped, ev.StreamDropped)
        assert dropped.count > 100
        for symbol in PAIRS:
            assert await room.agrees(session, symbol)

    room.live(story)
    [lost] = [one for one in room.of(ev.Lost) if not one.by_us]
    assert "slow client (407)" in lost.reason
    assert [one.what for one in room.of(ev.Lagging)][-1].endswith("dropped from now on")


def test_a_roll_keeps_to_one_connection() -> None:
    room = Room(seed=5)

    async def story(session: Session) -> None:
        await everything(session)
        await asyncio.sleep(2)
        await session.roll()
        await asyncio.sleep(30)
        for symbol in PAIRS:
            assert await room.agrees(session, symbol)

    room.live(story)
    assert len([one for one in room.of(ev.Lost) if not one.by_us]) >= 1
    assert room.of(ev.Rolled) == []


def test_a_second_copy_is_refused_before_anything_is_dialled() -> None:
    room = Room()
    with pytest.raises(ConfigError, match="redundancy: found 2, expected 1: alpaca"):
        room.connect(redundancy=2)


def test_a_wrong_secret_ends_the_session_and_says_so() -> None:
    room = Room()
    key, _ = room.world.keys["hmac"]
    closed: list[str] = []

    async def story(session: Session) -> None:
        closed.append((await session.process_incoming_data()).reason)

    room.live(story, credentials=Credentials(key, "another"))
    assert "auth failed" in closed[0]
    assert len(room.of(ev.Opened)) == 1, "nobody tries a wrong key again"
