"""The shell of a conversation: dials, early and late frames, failures at the border."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from pitwire.model import errors, events
from pitwire.model.clock import SECOND
from pitwire.venues.venue import Limit
from pitwire.wire.link import Link, Receiver
from pitwire.wire.memory import dial_into
from tests.session.toy import TOY
from tests.session.world import World, live, settle


def test_frames_that_come_before_the_dial_returns_are_not_lost() -> None:
    async def story(world: World) -> None:
        inner = dial_into(world.server.welcome)

        async def dial(url: str, receiver: Receiver) -> Link:
            link = await inner(url, receiver)
            world.server.market.tell(e="trade", s="A", p=1.0)
            world.server.market.tell(e="trade", s="A", p=2.0)
            await settle()
            return link

        async with world.connect(dial=dial):
            assert [type(event).__name__ for event in world.told[:1]] == ["Opened"]
            assert [event.price for event in world.of(events.Trade)] == [1.0, 2.0]

    live(story)


def test_a_connection_lost_before_its_dial_returns_is_a_failed_dial() -> None:
    async def story(world: World) -> None:
        inner, failures = dial_into(world.server.welcome), 2

        async def dial(url: str, receiver: Receiver) -> Link:
            nonlocal failures
            link = await inner(url, receiver)
            if failures:
                failures -= 1
                world.server.market.link.close(1013, "try later")
                await settle()
            return link

        with pytest.raises(errors.DialFailed, match=r"as soon as it stood.*try later"):
            await world.connect(dial=dial)
        async with world.connect(dial=dial, connect_attempts=2) as session:
            await session.subscribe_to_ticker("A")

    live(story)


def test_what_an_abandoned_connection_still_says_is_of_no_interest() -> None:
    async def story(world: World) -> None:
        receivers: list[Receiver] = []
        inner = dial_into(world.server.welcome)

        async def dial(url: str, receiver: Receiver) -> Link:
            receivers.append(receiver)
            return await inner(url, receiver)

        async with world.connect(dial=dial) as session:
            await session.subscribe_to_trades("A")
            for _ in range(5):
                world.server.market.link.send(b"<html>")
            await settle(8)
            old = receivers[0]
            old.on_frame(b'{"e": "trade", "s": "A", "p": 9.0}', True)
            old.on_drained()
            await asyncio.sleep(1)
            old.on_frame(b'{"e": "trade", "s": "A", "p": 9.0}', True)
            old.on_lost(errors.ConnectionLost(code=1006))
            await asyncio.sleep(1)
            assert len(world.server.connections) == 2
            assert world.of(events.Trade) == []
            assert len(world.of(events.Lost)) == 1

    live(story)


def test_an_unforeseen_failure_of_the_dial_is_not_swallowed() -> None:
    async def story(world: World) -> None:
        inner, broken = dial_into(world.server.welcome), False

        async def dial(url: str, receiver: Receiver) -> Link:
            if broken:
                raise RuntimeError("no loop today")
            return await inner(url, receiver)

        session = await world.connect(dial=dial)
        broken = True
        world.server.market.link.abort()
        closed = await session.process_incoming_data()
        assert closed.reason == "unforeseen RuntimeError: no loop today"
        await session.close()

    live(story)


def test_an_unforeseen_failure_of_a_fetch_is_not_swallowed() -> None:
    async def story(world: World) -> None:
        async def fetch(*asked: Any) -> Any:
            raise RuntimeError("no fetch today")

        session = await world.connect(fetch=fetch)
        await session.subscribe_to_book("A")
        closed = await session.process_incoming_data()
        assert "no fetch today" in closed.reason
        await session.close()

    live(story)


def test_closing_while_dialling_leaves_nothing_behind() -> None:
    async def story(world: World) -> None:
        inner, gate = dial_into(world.server.welcome), asyncio.Event()
        gate.set()

        async def dial(url: str, receiver: Receiver) -> Link:
            await gate.wait()
            return await inner(url, receiver)

        session = await world.connect(dial=dial)
        gate.clear()
        world.server.market.link.abort()
        await asyncio.sleep(1)
        await session.close()
        gate.set()
        await asyncio.sleep(60)
        assert len(world.server.connections) == 1
        assert len(asyncio.all_tasks()) <= 2

    live(story)


def test_a_venue_that_does_not_answer_our_close_is_left_standing() -> None:
    async def story(world: World) -> None:
        class Deaf:
            """A link that never ends by itself."""

            def __init__(self, receiver: Receiver) -> None:
                self.receiver, self.aborted = receiver, False

            def send(self, frame: bytes) -> None: ...

            def ping(self, payload: bytes = b"") -> None: ...

            def close(self, code: int = 1000, reason: str = "") -> None: ...

            def abort(self) -> None:
                self.aborted = True
                self.receiver.on_lost(errors.ConnectionLost(code=1006))

        links: list[Deaf] = []

        async def dial(url: str, receiver: Receiver) -> Link:
            links.append(Deaf(receiver))
            return links[-1]

        session = await world.connect(dial=dial)
        with pytest.raises(errors.StateError, match="cannot pause"):
            session.stream(events.Quote)
        before = world.loop.time()
        await session.close()
        assert links[0].aborted
        assert world.loop.time() - before < 2

    live(story)


def test_dials_keep_to_the_venues_limit() -> None:
    async def story(world: World) -> None:

        strict = msgspec.structs.replace(TOY, limits=(Limit("dials", 2, 100.0),))
        world.server.down = True
        before = world.loop.time()
        with pytest.raises(errors.DialFailed):
            await world.connect(venue=strict, connect_attempts=5)
        assert world.server.dials == 5
        assert world.loop.time() - before >= 200

    live(story)


def test_flapping_leaves_no_task_and_no_timer_behind() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_ticker("A")
            for _ in range(100):
                world.server.market.link.abort()
                await asyncio.sleep(3)
            await asyncio.sleep(40)
            assert world.server.market.asks == [("ticker", "A", "")]
            assert len(asyncio.all_tasks()) <= 2
        assert len(world.of(events.Lost)) == len(world.server.connections)

    live(story)


@pytest.mark.parametrize("answers", [True, False])
def test_a_loop_that_was_held_up_reads_before_it_judges(answers: bool) -> None:
    """Somebody held everything for 0.6 s, over the moment at which an answer was due."""

    class Held:
        def __init__(self, world: World) -> None:
            self.now_of, self.extra = world.loop.now, 0

        def now(self) -> int:
            return self.now_of() + self.extra

    class Unanswered:
        def __init__(self, link: Link) -> None:
            self.send, self.close, self.abort = link.send, link.close, link.abort
            self.pinged = asyncio.Event()

        def ping(self) -> None:
            self.pinged.set()

    async def story(world: World) -> None:
        clock, links = Held(world), list[tuple[Unanswered, Receiver]]()
        inner = dial_into(world.server.welcome)

        async def dial(url: str, receiver: Receiver) -> Link:
            links.append((Unanswered(await inner(url, receiver)), receiver))
            return links[-1][0]

        async with world.connect(dial=dial, clock=clock):
            [(link, receiver)] = links
            await link.pinged.wait()
            await asyncio.sleep(TOY.heartbeat.answer_within_seconds - 0.1)
            clock.extra = 6 * SECOND // 10
            await asyncio.sleep(0.2)
            if answers:
                receiver.on_pong(b"")
            await asyncio.sleep(2)
            assert len(links) == (1 if answers else 2)

    live(story)
