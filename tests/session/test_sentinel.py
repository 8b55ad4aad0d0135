"""Whoever holds the loop up is named, while it lasts and afterwards, and nothing else changes."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from pitwire.model.clock import SECOND, SystemClock
from pitwire.model.errors import ConfigError
from pitwire.model.events import Event, Lagging, Lost, Quote, Trade
from pitwire.session.sentinel import NOBODY, UNSEEN, Sentinel, _place, logger
from pitwire.session.session import Session
from pitwire.sim.loop import SimLoop
from pitwire.venues.venue import Endpoints
from tests import unhurried
from tests.session.world import World, live, settle

ALLOWED = 0.1
PATIENCE = 60.0
"""By then it has come even on a busy machine; nothing waits so long that is right."""


class RealWorld(World):
    """The same server on a loop that takes real time."""

    def __init__(self) -> None:
        super().__init__(SimLoop())
        self.loop.close()

    def connect(self, **more: Any) -> Any:
        given = {"clock": SystemClock(), "late_after_seconds": ALLOWED, **more}
        return super().connect(**given)


async def until(done: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not done():
            await asyncio.sleep(0.01)


def watchers() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "pitwire-sentinel"]


@pytest.fixture
def heard() -> Iterator[Callable[[Callable[..., object]], threading.Event]]:
    """What is set as soon as the log says that this function holds everything up."""
    ears: list[logging.Handler] = []

    def listen(function: Callable[..., object]) -> threading.Event:
        said, ear = threading.Event(), logging.Handler()
        name = function.__code__.co_qualname
        ear.emit = lambda record: said.set() if name in record.getMessage() else None  # type: ignore[method-assign]
        logger.addHandler(ear)
        ears.append(ear)
        return said

    yield listen
    for ear in ears:
        logger.removeHandler(ear)


Heard = Callable[[Callable[..., object]], threading.Event]


def naming(world: World, what: str) -> list[Lagging]:
    """What was told of this; a busy machine may have held others up besides."""
    return [late for late in world.of(Lagging) if what in late.what]


def written(caplog: pytest.LogCaptureFixture, what: str) -> list[logging.LogRecord]:
    """What the log says of this."""
    return [record for record in caplog.records if what in record.getMessage()]


async def test_a_function_that_blocks_is_named_with_its_line(
    caplog: pytest.LogCaptureFixture, heard: Heard
) -> None:
    world = RealWorld()
    took: list[float] = []

    def dawdle(event: Event) -> None:
        world.told.append(event)
        if isinstance(event, Trade):
            begun = time.monotonic()
            in_time = said.wait(PATIENCE)
            assert in_time, "said while it lasts"
            took.append(time.monotonic() - begun)

    # On a busy machine it may stand still before it comes to its wait, in a line next to that.
    begins, name = dawdle.__code__.co_firstlineno + 3, dawdle.__code__.co_qualname
    lines = "|".join(str(begins + number) for number in range(4))
    where = re.compile(rf"test_sentinel\.py:({lines}) in {re.escape(name)}")
    said = heard(dawdle)
    begun = time.monotonic()
    async with world.connect(on_event=dawdle) as session:
        await session.subscribe_to_trades("A")
        world.server.market.tell(e="trade", s="A", p=1.0, t=1)
        await until(lambda: naming(world, name))
        assert len(watchers()) == 1
    # The thread may stand still between the ear here and the one of the log.
    await until(lambda: written(caplog, name))
    [late] = naming(world, name)
    assert where.search(late.what)
    assert took[0] - ALLOWED / 4 <= late.behind_seconds < time.monotonic() - begun
    first = written(caplog, name)[0]
    assert first.levelno == logging.WARNING
    assert re.match(rf"{where.pattern} holds everything up, for \d+\.\d s now", first.getMessage())
    await until(lambda: not watchers())


async def test_a_rule_is_named_by_whoever_knows_it(heard: Heard) -> None:
    world = RealWorld()
    doing = ""

    def dawdle(event: Event) -> None:
        nonlocal doing
        world.told.append(event)
        if isinstance(event, Trade):
            doing = "rule 'slow'"
            said.wait(PATIENCE)
            doing = ""

    said = heard(dawdle)
    async with world.connect(on_event=dawdle, doing=lambda: doing) as session:
        await session.subscribe_to_trades("A")
        world.server.market.tell(e="trade", s="A", p=1.0, t=1)
        await until(lambda: naming(world, "slow"))
    [late] = naming(world, "slow")
    assert late.what.startswith("rule 'slow' at test_sentinel.py:")


async def test_a_task_that_blocks_is_named_too_though_we_did_not_call_it(heard: Heard) -> None:
    world = RealWorld()

    async def somebody_elses() -> None:
        said.wait(PATIENCE)

    name = somebody_elses.__code__.co_qualname
    said = heard(somebody_elses)
    async with world.connect():
        await asyncio.sleep(0.05)
        await asyncio.create_task(somebody_elses())
        await until(lambda: naming(world, name))
    [late] = naming(world, name)
    assert late.what.endswith(name)


async def test_who_was_at_it_for_a_moment_at_the_end_is_not_the_one_who_is_named() -> None:
    world, looks, left = RealWorld(), 0, threading.Event()

    def looked() -> str:
        nonlocal looks
        looks += 1
        if looks == 12:
            left.wait(PATIENCE)  # or it would go on looking at whom a busy machine keeps there
        return ""

    def dawdle() -> None:
        over = time.monotonic() + PATIENCE
        while looks < 10 and time.monotonic() < over:
            time.sleep(0.001)

    def hurry() -> None:
        over = time.monotonic() + PATIENCE
        while looks < 12 and time.monotonic() < over:
            time.sleep(0.001)
        left.set()

    async with world.connect(doing=looked):
        await asyncio.sleep(0.05)
        looks = 0
        dawdle()
        hurry()
        await until(lambda: world.of(Lagging))
    assert looks >= 12
    assert naming(world, dawdle.__code__.co_qualname)
    assert naming(world, hurry.__code__.co_qualname) == []


@pytest.mark.parametrize(
    ("name", "warned"), [("f.py:1 in f", [1.5, 3.25, 6.75, 13.75]), (NOBODY, [])]
)
def test_it_is_said_ever_more_seldom_and_a_machine_that_gives_no_time_is_not_warned_of(
    name: str, warned: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that is held for twenty seconds; the thread looks on four times a second."""
    clock = SimpleNamespace(at=0, now=lambda: clock.at)
    watcher = Sentinel(clock, doing=None, told=print, died=print, late_after_seconds=1.0)  # type: ignore[arg-type]
    said: list[float] = []

    def wait(seconds: float) -> bool:
        clock.at += round(seconds * SECOND)
        return bool(clock.at > 20 * SECOND)

    monkeypatch.setattr(watcher, "_over", SimpleNamespace(wait=wait))
    monkeypatch.setattr(watcher, "_name", lambda: name)
    monkeypatch.setattr(logger, "warning", lambda *_: said.append(clock.at / SECOND))
    watcher._look_on()
    assert said == warned


def test_a_loop_that_only_waits_is_not_late() -> None:
    async def story() -> list[Lagging]:
        world, loop = RealWorld(), asyncio.get_running_loop()
        assert isinstance(loop, unhurried.UnhurriedLoop)
        async with world.connect(clock=unhurried.UnhurriedClock(loop)):
            await asyncio.sleep(0.5)
            assert watchers()
        return world.of(Lagging)

    assert unhurried.run(story()) == []


async def test_a_watcher_that_dies_halts_with_its_reason() -> None:
    world = RealWorld()
    asked = threading.Event()

    def doing() -> str:
        asked.set()
        raise KeyError("no such rule")

    session: Session = await world.connect(doing=doing)
    assert asked.wait(PATIENCE)
    async with asyncio.timeout(PATIENCE):
        closed = await session.process_incoming_data()
    assert "no such rule" in closed.reason
    await session.close()
    await until(lambda: not watchers())


def test_in_virtual_time_it_is_told_and_no_thread_is_made() -> None:
    async def story(world: World) -> None:
        async with world.connect(late_after_seconds=1.0) as session:
            await session.subscribe_to_trades("A")
            hold(world, 8)
            await asyncio.sleep(1)
            assert watchers() == []
            await asyncio.sleep(60)

    [late] = live(story).of(Lagging)
    assert late.what == UNSEEN
    assert late.behind_seconds == pytest.approx(8, abs=0.3)


def test_without_being_asked_nobody_watches_virtual_time() -> None:
    async def story(world: World) -> None:
        async with world.connect():
            hold(world, 8)
            await asyncio.sleep(60)

    assert live(story).of(Lagging) == []


def test_a_second_that_is_none_is_refused() -> None:
    async def story(world: World) -> None:
        with pytest.raises(ConfigError, match="late_after_seconds: found 0"):
            world.connect(late_after_seconds=0)

    live(story)


def test_a_loop_that_waits_for_work_is_held_by_nobody() -> None:
    assert _place(None) == NOBODY
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        for _ in range(6000):
            frame = sys._current_frames()[thread.ident or 0]
            if frame.f_code.co_name == "select":
                break
            time.sleep(0.01)
        assert _place(frame) == NOBODY
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_whoever_started_the_loop_is_not_blamed_for_what_runs_in_it() -> None:
    loop, held, let_go = asyncio.new_event_loop(), threading.Event(), threading.Event()

    def caller() -> None:
        loop.call_soon(held.set)
        loop.call_soon(let_go.wait)
        loop.call_soon(loop.stop)
        loop.run_forever()

    thread = threading.Thread(target=caller)
    thread.start()
    try:
        assert held.wait(PATIENCE)
        for _ in range(6000):
            place = _place(sys._current_frames()[thread.ident or 0])
            if place.endswith("wait"):
                break
            time.sleep(0.01)
        assert place.startswith("threading.py:")
    finally:
        let_go.set()
        thread.join()
        loop.close()


# --- the connection lives on


def hold(world: World, seconds: float) -> None:
    """Hold the loop up: time passes and nobody gets a turn."""
    world.loop.elapsed += round(seconds * SECOND)


def test_a_function_that_blocks_for_eight_seconds_costs_no_connection() -> None:
    async def story(world: World) -> None:
        def dawdle(event: Event) -> None:
            world.told.append(event)
            if isinstance(event, Trade):
                hold(world, 8)

        async with world.connect(on_event=dawdle) as session:
            await session.subscribe_to_trades("A")
            for number in range(20):
                world.server.market.tell(e="trade", s="A", p=1.0, t=number)
                await asyncio.sleep(11)
            assert [trade.trade_id for trade in world.of(Trade)] == [*range(20)]
            assert len(world.server.connections) == 1

    assert [lost.by_us for lost in live(story).of(Lost)] == [True]


@pytest.mark.parametrize("held", [8, 70])
def test_what_came_while_the_loop_was_held_is_read_before_silence_is_judged(held: int) -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await session.subscribe_to_ticker("A")
            pings: list[bytes] = []
            ours: Any = world.server.market.link._peer
            ours.ping = lambda payload=b"": pings.append(payload)
            await asyncio.sleep(5.5)
            assert pings, "after silence, and not answered yet"
            loop = asyncio.get_running_loop()
            loop.call_later(3.9, hold, world, held)
            # The venue spoke in time, but while nobody was there to hear it.
            loop.call_later(3.95, lambda: world.server.market.tell(e="quote", s="A", bid=1.0))
            await asyncio.sleep(held + 6)
            assert len(world.of(Quote)) == 1
            assert len(world.server.connections) == 1

    assert [lost.by_us for lost in live(story).of(Lost)] == [True]


def test_a_venue_that_died_meanwhile_is_found_out_soon_after() -> None:
    async def story(world: World) -> None:
        async with world.connect():
            link = world.server.market.link
            link._peer.ping = lambda payload=b"": None  # type: ignore[method-assign]
            await asyncio.sleep(1)
            hold(world, 60)
            await asyncio.sleep(6)  # a ping at once, and five seconds for its answer
            assert [lost.reason for lost in world.of(Lost)]
            await settle()

    live(story)


def test_an_answer_that_came_while_the_loop_was_held_counts_as_in_time() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            world.server.refuse["subscribe"] = lambda said: None
            asking = asyncio.ensure_future(session.subscribe_to_ticker("A"))
            await settle()
            said = world.server.market.said[-1]
            loop = asyncio.get_running_loop()
            loop.call_later(4.0, hold, world, 8)
            loop.call_later(4.1, lambda: world.server.market.tell(id=said["id"]))
            await asyncio.sleep(13)
            assert asking.done()
            await asking

    live(story)


async def test_a_real_socket_outlives_a_function_that_blocks_it() -> None:
    world = RealWorld()
    connections: list[ServerConnection] = []

    async def venue(connection: ServerConnection) -> None:
        connections.append(connection)
        async for message in connection:
            await connection.send(json.dumps({"id": json.loads(message)["id"]}))
            await connection.send(json.dumps({"e": "trade", "s": "A", "p": 1.0, "t": 1}))
            for number in range(2, 200):
                await asyncio.sleep(0.002)
                await connection.send(json.dumps({"e": "trade", "s": "A", "p": 1.0, "t": number}))

    def dawdle(event: Event) -> None:
        world.told.append(event)
        if isinstance(event, Trade) and event.trade_id == 5:
            time.sleep(1.2)

    # The venue pings twelve times a second and hangs up when none is answered.
    async with serve(venue, "127.0.0.1", 0, ping_interval=0.08, ping_timeout=PATIENCE) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"ws://127.0.0.1:{port}/"
        async with world.connect(
            on_event=dawdle, endpoints=Endpoints(url, url, "http://127.0.0.1:1"), dial=None
        ) as session:
            await session.subscribe_to_trades("A")
            await until(lambda: len(world.of(Trade)) == 199)
            async with asyncio.timeout(PATIENCE):
                await (await connections[0].ping())
            assert world.of(Lost) == []
    assert len(connections) == 1
    assert [trade.trade_id for trade in world.of(Trade)] == [*range(1, 200)]
    # A busy machine may have held it up at another event, too.
    late = max(naming(world, dawdle.__code__.co_qualname), key=lambda late: late.behind_seconds)
    assert late.behind_seconds > 1
