"""Streams are bounded, and what they do when they are full is what they say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pitwire.model.errors import ConfigError, StateError
from pitwire.model.events import (
    Bar,
    BookDelta,
    Event,
    Lost,
    PartialBook,
    Quote,
    SpillFailed,
    StreamDropped,
    Ticker,
    Trade,
    Update,
)
from pitwire.model.orders import Side, UpdateKind
from pitwire.session.stream import EventStream, Policy, StreamOptions
from tests.session.toy import order
from tests.session.world import KEY, World, live, settle


def quote(bid: float, symbol: str = "BTC-USDT") -> Quote:
    return Quote("toy", symbol, 0, 0, bid, 1.0, bid + 1, 1.0)


def trade(number: int) -> Trade:
    return Trade("toy", "BTC-USDT", 0, 0, 1.0, 1.0, Side.BUY, number)


class Calls:
    """A stream, and what it told its owner."""

    def __init__(self, *kinds: type[Event], **more: Any) -> None:
        self.said: list[str] = []
        self.failed: list[SpillFailed] = []
        symbols = more.pop("symbols", frozenset())
        self.stream = EventStream(
            "s",
            kinds,
            symbols=symbols,
            options=StreamOptions(**{"policy": "drop", "capacity": 3, **more}),
            on_full=lambda _: self.said.append("full"),
            on_room=lambda _: self.said.append("room"),
            on_closed=lambda _: self.said.append("closed"),
            on_failed=self.failed.append,
        )


async def test_only_what_was_asked_for_comes() -> None:
    calls = Calls(Trade, Lost, symbols=frozenset({"BTC-USDT"}))
    calls.stream.offer(trade(1))
    calls.stream.offer(quote(1.0))
    calls.stream.offer(Trade("toy", "ETH-USDT", 0, 0, 1.0, 1.0, Side.BUY, 9))
    calls.stream.offer(Lost("toy", "", 0, 0, "market-1", "gone", 0.0))  # of no symbol: for all
    calls.stream.end()
    assert [type(event).__name__ async for event in calls.stream] == ["Lost", "Trade"]


async def test_drop_lets_the_oldest_go_and_says_how_many() -> None:
    calls = Calls(Trade)
    for number in range(10):
        calls.stream.offer(trade(number))
    calls.stream.end()
    first, *rest = [event async for event in calls.stream]
    assert isinstance(first, StreamDropped)
    assert (first.count, first.stream) == (7, "s")
    assert [event.trade_id for event in rest if isinstance(event, Trade)] == [7, 8, 9]


async def test_conflate_keeps_the_newest_of_each_and_the_place_of_the_oldest() -> None:
    calls = Calls(Quote, policy="conflate")
    for bid in (1.0, 2.0, 3.0):
        calls.stream.offer(quote(bid, "BTC-USDT"))
        calls.stream.offer(quote(bid * 10, "ETH-USDT"))
    calls.stream.end()
    got = [(e.symbol, e.bid) async for e in calls.stream if isinstance(e, Quote)]
    assert got == [("BTC-USDT", 3.0), ("ETH-USDT", 30.0)]
    assert calls.stream.counts.conflated == 4


async def test_variants_do_not_take_the_place_of_one_another() -> None:
    calls = Calls(Ticker, PartialBook, policy="conflate")
    for last in (1.0, 2.0):
        for window in ("1h", "24h"):
            calls.stream.offer(Ticker("toy", "A", 0, 0, window, 1.0, 1.0, 1.0, last, 1.0, 1.0))
        for depth in (5, 20):
            calls.stream.offer(PartialBook("toy", "A", 0, 0, 7, (), (), depth))
    calls.stream.end()
    got = [(getattr(e, "window", ""), getattr(e, "depth", 0)) async for e in calls.stream]
    assert got == [("1h", 0), ("24h", 0), ("", 5), ("", 20)]


async def test_a_new_bar_does_not_take_the_place_of_a_closed_one() -> None:
    calls = Calls(Bar, policy="conflate")
    for open_time, close in ((0, 1.0), (0, 2.0), (60, 3.0)):
        calls.stream.offer(
            Bar("toy", "A", 0, 0, "1m", open_time, 0, 1.0, 1.0, 1.0, close, 1.0, 1.0, 1, False)
        )
    calls.stream.end()
    assert [e.close async for e in calls.stream if isinstance(e, Bar)] == [2.0, 3.0]


@pytest.mark.parametrize(
    ("kinds", "more", "field"),
    [
        ((BookDelta,), {"policy": "conflate"}, "kinds to conflate: found 'BookDelta'"),
        ((), {"policy": "conflate"}, "kinds to conflate: found 'every kind'"),
        ((Trade,), {"policy": "lose"}, "policy: found 'lose'"),
        ((Trade,), {"capacity": 0}, "capacity: found 0"),
    ],
)
async def test_what_cannot_be_promised_is_refused(
    kinds: tuple[type[Event], ...], more: dict[str, Any], field: str
) -> None:
    with pytest.raises(ConfigError, match=field):
        Calls(*kinds, **more)


async def test_wait_says_when_it_is_full_and_when_there_is_room() -> None:
    calls = Calls(Trade, policy="wait", capacity=4)
    for number in range(6):
        calls.stream.offer(trade(number))
    assert calls.said == ["full"]
    for _ in range(4):
        await anext(calls.stream)
    assert calls.said == ["full", "room"]
    assert len(calls.stream) == 2
    for number in range(6):
        calls.stream.offer(trade(number))
    await calls.stream.aclose()
    assert calls.said == ["full", "room", "full", "room", "closed"]
    with pytest.raises(StopAsyncIteration):
        await anext(calls.stream)


async def test_one_reader_only() -> None:
    calls = Calls(Trade)
    first = asyncio.ensure_future(anext(calls.stream))
    await asyncio.sleep(0)
    with pytest.raises(StateError, match="one reader"):
        await anext(calls.stream)
    calls.stream.offer(trade(1))
    assert isinstance(await first, Trade)


async def test_a_reader_that_gives_up_leaves_the_stream_whole() -> None:
    calls = Calls(Trade)
    first = asyncio.ensure_future(anext(calls.stream))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    calls.stream.offer(trade(1))
    assert isinstance(await anext(calls.stream), Trade)


def test_a_slow_reader_holds_the_socket_back_and_loses_nothing() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_trades("BTC-USDT")
            stream = session.stream(Trade, capacity=5)
            numbers: list[int] = []
            for number in range(100):
                world.server.market.tell(e="trade", s="BTC-USDT", p=1.0, t=number)
                await settle(2)
            assert len(stream) == 5
            # Deaf for a minute: our silence is not the venue's, so the connection is kept.
            await asyncio.sleep(60)
            assert len(world.server.connections) == 1
            while len(numbers) < 100:
                event = await anext(stream)
                assert isinstance(event, Trade)
                numbers.append(event.trade_id)
                await settle(2)
            assert numbers == list(range(100))

    live(story)


def test_a_stream_ends_with_its_session() -> None:
    async def story(world: World) -> None:
        session = await world.connect()
        stream = session.stream(Quote, policy="conflate")
        reading = asyncio.ensure_future(anext(stream))
        await settle()
        await session.close()
        with pytest.raises(StopAsyncIteration):
            await reading
        late = session.stream(Quote, policy="drop")
        with pytest.raises(StopAsyncIteration):
            await anext(late)

    live(story)


def test_a_reader_may_await_an_answer_that_waits_behind_what_it_has_not_read() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_trades("A")
            async with session.stream(Trade, capacity=2) as trades:
                for number in range(9):
                    world.server.market.tell(e="trade", s="A", p=1.0, t=number)
                await settle()
                held = len(trades)
                async with asyncio.timeout(1):
                    await session.subscribe_to_trades("B")
                assert held == 2
                for number in range(9, 12):
                    world.server.market.tell(e="trade", s="A", p=1.0, t=number)
                await settle()
                assert len(trades) == 9, "held still again"
                assert [(await anext(trades)).trade_id for _ in range(12)] == [*range(12)]

    live(story)


def test_a_pause_of_our_own_makes_no_answer_overdue_and_no_feed_stale() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_trades("A", "B")
            async with session.stream(Trade, capacity=2) as trades:
                world.server.refuse["unsubscribe"] = lambda said: None
                for number in range(2):
                    world.server.market.tell(e="trade", s="A", p=1.0, t=number)
                await settle()
                await session.unsubscribe("trades", "B")
                await asyncio.sleep(60)
                asked = world.server.market.said[-1]
                assert [(await anext(trades)).trade_id for _ in range(2)] == [0, 1]
                await asyncio.sleep(3)
                world.server.market.tell(id=asked["id"])
                await asyncio.sleep(60)

    assert [lost.by_us for lost in live(story).of(Lost)] == [True]


def test_a_stream_that_nobody_holds_any_more_holds_nobody_up() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_trades("A")
            for number in range(4):
                world.server.market.tell(e="trade", s="A", p=1.0, t=number)
            async for _ in session.stream(Trade, capacity=2):
                break
            for number in range(4, 8):
                world.server.market.tell(e="trade", s="A", p=1.0, t=number)
            await settle()
            assert [trade.trade_id for trade in world.of(Trade)] == [*range(8)]

    live(story)


# --- the lane of our own account


def update(order_id: str) -> Update:
    return Update("toy", "BTC-USDT", 0, 0, order_id, "v", UpdateKind.ACCEPTED)


@pytest.mark.parametrize("policy", ["wait", "conflate", "drop", "spill"])
async def test_what_is_ours_overtakes_the_market_and_is_never_lost(policy: Policy) -> None:
    calls = Calls(Trade, Update, policy=policy, capacity=2)
    for number in range(200):
        calls.stream.offer(trade(number))
        calls.stream.offer(update(f"o{number}"))
    counts = calls.stream.counts
    assert (counts.prompt, counts.offered) == (200, 400)
    calls.stream.end()
    got = [event async for event in calls.stream]
    assert [e.order_id for e in got[:200] if isinstance(e, Update)] == [
        f"o{number}" for number in range(200)
    ]
    assert not any(isinstance(event, Update) for event in got[200:])


async def test_our_own_events_hold_no_socket_still() -> None:
    calls = Calls(Update, policy="wait", capacity=1)
    for number in range(50):
        calls.stream.offer(update(f"o{number}"))
    assert calls.said == []


def test_a_reader_stuck_in_market_data_gets_its_fills_at_once() -> None:
    async def story(world: World) -> None:
        async with world.connect(credentials=KEY) as session:
            await session.authenticate_websocket()
            await session.subscribe_to_order_updates()
            await session.subscribe_to_trades("A")
            async with session.stream(Trade, Update, capacity=3) as stream:
                for number in range(50):
                    world.server.market.tell(e="trade", s="A", p=1.0, t=number)
                await settle()
                # The market's socket is held; the orders' is another one, and is not.
                for number in range(5):
                    world.server.orders.tell(e="update", s="A", order=f"o{number}", kind="accepted")
                await asyncio.sleep(60)
                assert stream.counts.waited == 1
                got = [await anext(stream) for _ in range(5)]
                assert [e.order_id for e in got if isinstance(e, Update)] == [
                    f"o{number}" for number in range(5)
                ]
                session.place(order("mine"), world.loop.now())
                await settle()
                mine = await anext(stream)
                assert isinstance(mine, Update)
                assert mine.order_id == "mine"
                assert [(await anext(stream)).trade_id for _ in range(50)] == [*range(50)]

    assert [lost.by_us for lost in live(story).of(Lost)] == [True, True]


# --- what became of everything


@pytest.mark.parametrize("policy", ["wait", "conflate", "drop", "spill"])
async def test_every_event_is_accounted_for(policy: Policy) -> None:
    calls = Calls(Quote, Update, policy=policy)
    taken = 0
    for number in range(300):
        calls.stream.offer(quote(float(number), f"S{number % 4}"))
        if number % 10 == 0:
            calls.stream.offer(update(f"o{number}"))
        if number % 3 == 0 and len(calls.stream):
            taken += not isinstance(await anext(calls.stream), StreamDropped)
        counts = calls.stream.counts
        gone = counts.conflated + counts.dropped
        assert counts.offered == taken + gone + counts.prompt + counts.waiting
        assert counts.delivered == taken
    assert (counts.conflated > 0) is (policy == "conflate")
    assert (counts.dropped > 0) is (policy == "drop")
    assert (counts.spilled > 0) is (policy == "spill")
    assert (counts.waited > 0) is (policy == "wait")
    await calls.stream.aclose()


def test_a_session_tells_what_became_of_each_stream() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_trades("A")
            slow = session.stream(Trade, policy="drop", capacity=2)
            for number in range(9):
                world.server.market.tell(e="trade", s="A", p=1.0, t=number)
            await settle()
            (counts,) = session.stream_counts()
            assert counts == slow.counts
            assert (counts.stream, counts.policy) == ("stream-1", "drop")
            assert (counts.offered, counts.dropped, counts.waiting) == (9, 7, 2)
            del slow
            assert session.stream_counts() == ()

    live(story)


# --- the disk


def test_a_spilled_stream_gives_what_another_one_gives(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_trades("A")
            await session.subscribe_to_ticker("B")
            spilled = session.stream(
                Trade, Quote, policy="spill", capacity=3, spill_dir=str(tmp_path)
            )
            whole = session.stream(Trade, Quote, capacity=100_000)
            for number in range(2_000):
                world.server.market.tell(e="trade", s="A", p=1.1, t=number)
                world.server.market.tell(e="quote", s="B", bid=number / 7)
                await settle(2)
            counts = spilled.counts
            assert counts.on_disk > 1_000
            assert counts.spilled == 4_000 - 3
            assert counts.waited == 0
            await session.close()
            assert [event async for event in spilled] == [event async for event in whole]
            assert (spilled.counts.on_disk, spilled.counts.disk_bytes) == (0, 0)

    live(story)


async def test_a_stream_that_is_closed_gives_the_disk_its_room_back(tmp_path: Path) -> None:
    calls = Calls(Trade, policy="spill", capacity=1, spill_dir=tmp_path)
    for number in range(3_000):
        calls.stream.offer(trade(number))
    assert calls.stream.counts.disk_bytes > 0
    await calls.stream.aclose()
    assert calls.stream.counts.disk_bytes == 0


@pytest.mark.parametrize("listening", [True, False])
def test_a_disk_that_refuses_is_told_to_everybody_once(
    listening: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(world: World) -> None:
        told = {} if listening else {"on_event": None}
        async with world.connect(**told) as session:
            await session.subscribe_to_trades("A")
            other = session.stream(SpillFailed)
            slow = session.stream(
                policy="spill", capacity=2, spill_dir=tmp_path, spill_limit=1, spill_or="wait"
            )
            for number in range(3_000):
                world.server.market.tell(e="trade", s="A", p=1.0, t=number)
                await settle(1)
            assert slow.counts.waited == 1, "policy wait takes over"
            failed = await anext(other)
            assert isinstance(failed, SpillFailed)
            assert failed.reason == "spill_limit of 1 bytes is reached"
            assert await anext(slow) == failed
            assert len(other) == 0
            got: list[int] = []
            while len(got) < 3_000:
                event = await anext(slow)
                got += [event.trade_id] if isinstance(event, Trade) else []
                await settle(1)
            assert got == [*range(3_000)]

    world = live(story)
    said = [record.getMessage() for record in caplog.records]
    if listening:
        assert len(world.of(SpillFailed)) >= 1
        assert said == []
    else:
        assert said[0] == (
            "stream-2 cannot spill (spill_limit of 1 bytes is reached): policy wait instead"
        )


@pytest.mark.parametrize(
    ("more", "field"),
    [
        (
            {"spill_dir": "/no/such/place"},
            "spill_dir: found '/no/such/place', expected a directory",
        ),
        ({"spill_limit": 0}, "spill_limit: found 0, expected 1 byte or more"),
        ({"spill_or": "spill"}, "spill_or: found 'spill', expected drop or wait"),
    ],
)
async def test_a_spill_that_cannot_be_is_refused(more: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        Calls(Trade, policy="spill", **more)


@pytest.mark.parametrize("policy", ["wait", "spill"])
async def test_whoever_held_a_venue_up_until_it_hung_up_does_so_no_more(
    policy: Policy, tmp_path: Path
) -> None:
    calls = Calls(Trade, policy=policy, spill_dir=tmp_path, spill_limit=1, spill_or="wait")
    number = 0
    while not calls.said:  # what goes to the disk is gathered first
        number += 1
        calls.stream.offer(trade(number))
    assert calls.said == ["full"]
    assert calls.stream.shed()
    assert calls.said == ["full", "room"]
    assert not calls.stream.shed()
    for later in range(number + 1, number + 11):
        calls.stream.offer(trade(later))
    assert calls.said == ["full", "room"]
    calls.stream.end()
    told = [one async for one in calls.stream if not isinstance(one, SpillFailed)]
    [dropped] = [one for one in told if isinstance(one, StreamDropped)]
    assert dropped.count == 10
    ids = [one.trade_id for one in told if isinstance(one, Trade)]
    kept = number - 3  # before the three that waited
    assert ids == [*range(1, kept + 1), *range(number + 8, number + 11)]
    assert calls.stream.counts.dropped == 10
