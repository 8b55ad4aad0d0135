"""A connection of the process with itself: heard at once, alone with itself, and soon over."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from pitwire.desk import backstage as module
from pitwire.desk.backstage import Backstage
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConnectionLost
from pitwire.wire.link import Link
from pitwire.wire.polling import PollingLoop


def on_a_loop(story: Callable[[PollingLoop], Awaitable[None]], quiet_ns: int = SECOND) -> None:
    async def told() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, PollingLoop)
        await story(loop)

    with asyncio.Runner(loop_factory=lambda: PollingLoop(quiet_ns=quiet_ns)) as runner:
        runner.run(told())


def test_what_is_spoken_is_heard_before_it_returns() -> None:
    async def story(loop: PollingLoop) -> None:
        heard: list[int] = []
        stage = Backstage(loop, lambda: heard.append(1))
        stage.speak()
        stage.answer()
        assert not heard, "it is not connected yet"
        await stage.open()
        assert stage.stands
        for number in range(1, 200):
            stage.speak()
            stage.answer()
            assert len(heard) == number
        stage.close()
        stage.speak()
        stage.answer()
        assert (len(heard), stage.stands) == (199, False)

    on_a_loop(story)


def test_it_keeps_no_loop_awake() -> None:
    async def story(loop: PollingLoop) -> None:
        stage, spoken = Backstage(loop, lambda: None), 0

        def speak() -> None:
            nonlocal spoken
            spoken += 1
            stage.speak()
            stage.answer()

        await stage.open()
        loop.when_idle(speak, 1)
        async with asyncio.timeout(60):
            while not spoken:
                loop.call_soon_threadsafe(int)  # something has come, so it polls for a while
                await asyncio.sleep(0.01)
            said = 0
            while spoken != said:  # until it sleeps, and so does who is to speak while it polls
                said = spoken
                await asyncio.sleep(0.3)
        stage.close()

    on_a_loop(story, quiet_ns=SECOND // 20)


def test_what_comes_late_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(loop: PollingLoop) -> None:
        heard: list[int] = []
        stage = Backstage(loop, lambda: heard.append(1))
        await stage.open()
        monkeypatch.setattr(loop, "read", lambda fd: None)
        stage.speak()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if not stage.stands:
                break
        assert not stage.stands
        assert heard == []

    on_a_loop(story)


def test_one_that_is_lost_as_soon_as_it_stands_does_not_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dial = module._dial

    async def lost(url: str, receiver: Backstage) -> Link:
        link = await dial(url, receiver)
        receiver.on_lost(ConnectionLost(code=1006, reason="gone"))
        return link

    async def story(loop: PollingLoop) -> None:
        stage = Backstage(loop, lambda: None)
        await stage.open()
        assert not stage.stands

    monkeypatch.setattr(module, "_dial", lost)
    on_a_loop(story)


def test_a_stranger_at_the_door_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made, strangers = socket.create_server, list[socket.socket]()

    def create_server(address: tuple[str, int], backlog: int) -> socket.socket:
        door = made(address, backlog=backlog)
        strangers.append(socket.create_connection(door.getsockname()))
        strangers[0].sendall(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: eA==\r\n\r\n")
        return door

    async def story(loop: PollingLoop) -> None:
        stage = Backstage(loop, lambda: pytest.fail("a stranger is heard"))
        await stage.open()
        assert not stage.stands
        stage.speak()

    monkeypatch.setattr(module, "WITHIN_SECONDS", 0.2)
    monkeypatch.setattr(socket, "create_server", create_server)
    on_a_loop(story)
    strangers[0].close()


def test_where_no_connection_can_be_had_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_server(address: tuple[str, int], backlog: int) -> socket.socket:
        raise OSError("no room for another socket")

    async def story(loop: PollingLoop) -> None:
        stage = Backstage(loop, lambda: None)
        await stage.open()
        assert not stage.stands

    monkeypatch.setattr(socket, "create_server", create_server)
    on_a_loop(story)
