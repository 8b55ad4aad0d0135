"""A venue that lets in one connection, and hangs up on whoever reads too slowly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from pitwire.model import events
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError, SlowReader
from pitwire.venues.venue import Buffer, Decoded, Ended, Limit
from tests.session.toy import LIMITS, TOY, ToyCodec
from tests.session.world import World, live, settle

BTC = "BTC-USDT"
SOLE = replace(TOY, limits=(*LIMITS, Limit("connections", 1, 0.0)))


class Strict(ToyCodec):
    """Says what the venue thinks of slow readers."""

    def decode(self, frame: Buffer, now: int) -> Sequence[Decoded]:
        if b"slow" in bytes(frame):
            return (Ended(SlowReader(reason="slow client (407)")),)
        return super().decode(frame, now)


def test_a_second_copy_is_refused_by_name() -> None:
    async def story(world: World) -> None:
        said = "redundancy: found 2, expected 1: toy lets in no more market connections at once"
        with pytest.raises(ConfigError, match=said):
            world.connect(venue=SOLE, redundancy=2)
        with pytest.raises(ConfigError, match="redundancy: found 2, expected 1"):
            world.connect(venue=replace(TOY, streamed_books=True), redundancy=2)
        async with world.connect(venue=replace(SOLE, limits=LIMITS), redundancy=2):
            pass

    live(story)


def test_a_roll_closes_before_it_opens() -> None:
    most: list[int] = []

    async def story(world: World) -> None:
        async with world.connect(venue=SOLE) as session:
            await session.subscribe_to_trades(BTC)

            async def look() -> None:
                while True:
                    standing = [one for one in world.server.connections if one.lost is None]
                    most.append(len(standing))
                    await asyncio.sleep(0)

            looking = asyncio.create_task(look())
            await session.roll()
            looking.cancel()
            await asyncio.sleep(5)
            assert session.lines[0].stands
            assert session.lines[0].name == "market-1"

    world = live(story)
    assert max(most) == 1
    assert len(world.server.connections) == 2
    assert len(world.of(events.Subscribed)) == 2
    lost = world.of(events.Lost)[0]
    assert (lost.by_us, lost.covered) == (False, False), "until it stands again nothing comes"
    assert "asked for" in lost.reason
    assert world.of(events.Rolled) == []


def test_a_venue_that_takes_no_leave_is_left_all_the_same() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=SOLE) as session:
            await session.subscribe_to_trades(BTC)
            link = world.server.market.link
            began = world.loop.now()
            link.close = lambda code=1000, reason="": None  # type: ignore[method-assign]
            session_link = session._lines.market[0].pen.link
            assert session_link is not None
            session_link.close = lambda code=1000, reason="": None  # type: ignore[method-assign]
            await session.roll()
            assert world.loop.now() - began < 2 * SECOND
            await asyncio.sleep(5)
            assert session.lines[0].stands

    assert len(live(story).server.connections) == 2


def test_a_stream_that_held_the_venue_up_drops_its_oldest_once_the_venue_hung_up() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=replace(SOLE, codec=Strict)) as session:
            await session.subscribe_to_trades(BTC)
            slow, quick = session.stream(events.Trade, capacity=4), session.stream(events.Quote)
            for number in range(4):
                world.server.market.tell(e="trade", s=BTC, p=1.0, t=number)
            await settle()
            assert (slow.policy, len(slow)) == ("wait", 4)
            # What was on its way when the venue gave up is read before the end of the connection.
            lines = session._lines
            lines.market[0].lose(SlowReader(reason="slow client (407)"))
            assert (slow.policy, quick.policy) == ("drop", "wait")
            await asyncio.sleep(5)
            for number in range(4, 14):
                world.server.market.tell(e="trade", s=BTC, p=1.0, t=number)
            await settle()
            first = await anext(slow)
            assert isinstance(first, events.StreamDropped)
            assert first.count == 10
            assert [one.trade_id for one in [await anext(slow) for _ in range(4)]] == [
                10,
                11,
                12,
                13,
            ]

    world = live(story)
    said = [one.what for one in world.of(events.Lagging)]
    assert said == ["the reader of stream-1, whose oldest events are dropped from now on"]


def test_who_is_told_to_read_faster_dials_again_and_not_at_once_for_ever() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=replace(SOLE, codec=Strict)) as session:
            await session.subscribe_to_trades(BTC)
            for _ in range(6):
                dials = world.server.dials
                world.server.market.link.send(b"slow")
                while world.server.dials == dials:
                    await asyncio.sleep(0.05)
                await asyncio.sleep(0.05)

    world = live(story)
    lost = [one for one in world.of(events.Lost) if not one.by_us]
    assert ["slow client (407)" in one.reason for one in lost] == [True] * 6
    assert lost[-1].retry_after_seconds > 1, "each is waited for longer"


def test_what_the_venue_said_before_it_closed_is_why() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=replace(SOLE, codec=Strict)) as session:
            await session.subscribe_to_trades(BTC)
            link = world.server.market.link
            link.send(b"slow")
            link.close(1008, "slow client")  # in the same burst
            await asyncio.sleep(5)
            assert session.lines[0].stands

    [lost] = [one for one in live(story).of(events.Lost) if not one.by_us]
    assert lost.reason == "slow reader: reason slow client (407)"
