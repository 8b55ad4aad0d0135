"""A reader that holds the market's connections still is told of while it does."""

from __future__ import annotations

import asyncio

from pitwire.model.events import Lagging, Lost, Trade
from pitwire.session.holding import Holding
from tests.session.world import World, live, settle


async def test_the_same_again_is_nothing_new() -> None:
    said: list[bool] = []
    holding = Holding(hold=said.append, full=lambda: (), told=lambda who, seconds: None)
    for on in (False, True, True, False, False, True):
        holding.turn(on)
    holding.stop()
    assert said == [True, False, True]


def test_a_reader_that_holds_for_long_is_named_each_time_twice_as_late() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_trades("A")
            async with session.stream(Trade, capacity=2) as slow:
                for number in range(4):
                    world.server.market.tell(e="trade", s="A", p=1.0, t=number)
                await asyncio.sleep(9)
                assert world.of(Lagging) == []
                await asyncio.sleep(60)
                assert [(late.what, round(late.behind_seconds)) for late in world.of(Lagging)] == [
                    ("the reader of stream-1", 10),
                    ("the reader of stream-1", 20),
                    ("the reader of stream-1", 40),
                ]
                for _ in range(3):
                    await anext(slow)
                await settle()
                await asyncio.sleep(200)
                assert len(world.of(Lagging)) == 3, "it reads again"
            assert len(world.server.connections) == 1

    assert [lost.by_us for lost in live(story).of(Lost)] == [True]


def test_a_session_that_is_over_tells_of_nobody() -> None:
    async def story(world: World) -> None:
        session = await world.connect()
        await session.subscribe_to_trades("A")
        stream = session.stream(Trade, capacity=1)
        world.server.market.tell(e="trade", s="A", p=1.0, t=1)
        await asyncio.sleep(1)
        await session.close()
        await asyncio.sleep(60)
        assert len(stream) == 1

    assert live(story).of(Lagging) == []
