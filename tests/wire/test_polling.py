"""The polling selector, over an inner selector that counts, and under a real loop."""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.wire.polling import PollingLoop, PollingSelector, polling_loop

READY = [(selectors.SelectorKey(0, 0, 1, None), 1)]


class Inner(selectors.BaseSelector):
    """Ready at the given ask; each ask takes a millisecond, and a sleep as long as it may."""

    def __init__(self, ready_at: int) -> None:
        self.ready_at = ready_at
        self.asked: list[float | None] = []
        self.time = 0

    def now(self) -> int:
        return self.time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.asked.append(timeout)
        self.time += MILLISECOND + round((timeout or 0) * SECOND)
        return READY if len(self.asked) >= self.ready_at else []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise NotImplementedError

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise NotImplementedError

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


def polled(ready_at: int, timeout: float | None) -> tuple[Inner, bool]:
    inner = Inner(ready_at)
    selector = PollingSelector(now=inner.now, inner=inner)
    return inner, bool(selector.select(timeout))


def test_what_comes_soon_is_met_awake() -> None:
    inner, ready = polled(ready_at=10, timeout=None)
    assert ready
    assert set(inner.asked) == {0}


def test_after_20_ms_of_silence_it_sleeps() -> None:
    inner, ready = polled(ready_at=100, timeout=0.5)
    assert not ready
    *awake, asleep = inner.asked
    assert set(awake) == {0}
    assert 19 <= len(awake) <= 21
    assert asleep is not None
    assert 0.4 < asleep < 0.5
    assert inner.time <= 0.502 * SECOND


def test_without_a_timer_it_sleeps_until_something_comes() -> None:
    inner, ready = polled(ready_at=30, timeout=None)
    assert inner.asked[-1] is None
    assert not ready


def test_a_timer_within_the_silence_is_kept_awake() -> None:
    inner, ready = polled(ready_at=100, timeout=0.005)
    assert not ready
    assert set(inner.asked) == {0}
    assert inner.time <= 7 * MILLISECOND


def test_something_that_comes_keeps_it_awake_for_another_while() -> None:
    inner = Inner(ready_at=1)
    selector = PollingSelector(now=inner.now, inner=inner)
    inner.time = SECOND
    assert selector.select(None)
    inner.ready_at = 15
    assert selector.select(None)
    assert None not in inner.asked


def test_asked_not_to_wait_it_does_not() -> None:
    inner, ready = polled(ready_at=100, timeout=0)
    assert (inner.asked, ready) == ([0], False)


def test_while_nothing_happens_it_has_time_for_something_else_now_and_then() -> None:
    inner = Inner(ready_at=16)
    selector = PollingSelector(now=inner.now, inner=inner)
    called: list[int] = []
    selector.when_idle(lambda: called.append(inner.time), 5 * MILLISECOND)
    assert selector.select(None), "it went on polling"
    assert len(called) == 3
    assert [later - sooner for sooner, later in pairwise(called)] == [5 * MILLISECOND] * 2
    assert set(inner.asked) == {0}


def test_who_has_given_the_loop_something_to_do_ends_the_polling() -> None:
    inner = Inner(ready_at=16)
    selector = PollingSelector(now=inner.now, inner=inner)
    answers = [False, True, False, True]
    selector.when_idle(lambda: answers.pop(0), 2 * MILLISECOND)
    assert selector.select(None) == []
    assert answers == [False, True]
    assert selector.select(None) == []
    assert answers == []


def test_asleep_it_has_time_for_nothing_else() -> None:
    inner = Inner(ready_at=100)
    inner.time = SECOND
    selector = PollingSelector(now=inner.now, inner=inner, quiet_ns=0)
    selector.when_idle(lambda: pytest.fail("it sleeps"), 1)
    assert selector.select(0.5) == []
    assert inner.asked == [0, 0.5]


def test_a_loop_does_something_else_while_it_polls() -> None:
    async def wait_for(times: int) -> int:
        loop, done, called = asyncio.get_running_loop(), asyncio.Event(), 0
        assert isinstance(loop, PollingLoop)

        def call() -> None:
            nonlocal called
            called += 1
            if called == times:
                done.set()

        loop.when_idle(call, 1)
        await done.wait()
        return called

    # It never falls asleep, however slow the machine is.
    with asyncio.Runner(loop_factory=lambda: PollingLoop(quiet_ns=3_600 * SECOND)) as runner:
        assert runner.run(wait_for(3)) >= 3


@pytest.mark.parametrize("what", ["a callback", "a timer", "an end", "an error"])
def test_what_comes_of_something_else_is_done_though_nothing_else_happens(what: str) -> None:
    told: list[str] = []

    async def story() -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        assert isinstance(loop, PollingLoop)
        loop.set_exception_handler(lambda _, context: told.append(repr(context["exception"])))
        calls = 0

        def call() -> None:
            nonlocal calls
            calls += 1
            if calls > 1:
                if what == "an error" and told:
                    done.set()
                return
            match what:
                case "a callback":
                    loop.call_soon(done.set)
                case "a timer":
                    loop.call_later(0.001, done.set)
                case "an end":
                    loop.stop()
                case _:
                    raise ValueError("while idle")

        loop.when_idle(call, 1)
        await done.wait()

    loop = PollingLoop(quiet_ns=3_600 * SECOND)
    task = loop.create_task(story())
    if what == "an end":
        loop.run_forever()
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
    else:
        loop.run_until_complete(task)
    loop.close()
    assert told == (["ValueError('while idle')"] if what == "an error" else [])


def test_it_says_what_an_ordinary_selector_says() -> None:
    pairs = [socket.socketpair() for _ in range(6)]
    polling, ordinary = PollingSelector(), selectors.DefaultSelector()
    both = selectors.EVENT_READ | selectors.EVENT_WRITE
    wanted = (selectors.EVENT_READ, selectors.EVENT_READ, selectors.EVENT_WRITE, both, both, both)

    def said() -> list[dict[int, tuple[int, str]]]:
        found = [selector.select(0) for selector in (polling, ordinary)]
        return [{key.fd: (mask, key.data) for key, mask in one} for one in found]

    for selector in (polling, ordinary):
        for (mine, _), events in zip(pairs, wanted, strict=True):
            selector.register(mine, events, "first")
    pairs[1][1].send(b"x")
    pairs[4][1].send(b"x")
    pairs[5][1].close()
    first, expected = said()
    assert first == expected
    assert len(expected) == 5, "all but the one that waits for something to read"
    for selector in (polling, ordinary):
        selector.modify(pairs[4][0], selectors.EVENT_READ, "second")
        selector.unregister(pairs[1][0])
    changed, expected = said()
    assert changed == expected
    assert expected[pairs[4][0].fileno()] == (selectors.EVENT_READ, "second")
    assert pairs[1][0].fileno() not in changed
    polling.close()
    ordinary.close()
    for end in (end for pair in pairs for end in pair):
        end.close()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no list of open descriptors here")
def test_it_leaves_no_descriptor_behind() -> None:
    held = len(os.listdir("/proc/self/fd"))
    PollingSelector().close()
    assert len(os.listdir("/proc/self/fd")) == held


def test_who_was_taken_off_the_loop_by_another_reader_is_not_called() -> None:
    async def told() -> list[str]:
        loop, heard = asyncio.get_running_loop(), list[str]()
        pairs = {name: socket.socketpair() for name in "ab"}
        loop.set_exception_handler(lambda _, context: heard.append(str(context)))

        def read(name: str) -> None:
            heard.append(name)
            for mine, _ in pairs.values():
                loop.remove_reader(mine)

        for name, (mine, other) in pairs.items():
            loop.add_reader(mine, read, name)
            other.send(b"x")
        await asyncio.sleep(0.01)
        for pair in pairs.values():
            for end in pair:
                end.close()
        return heard

    with asyncio.Runner(loop_factory=polling_loop) as runner:
        assert len(runner.run(told())) == 1


@pytest.mark.parametrize("queues", [False, True])
def test_a_reader_is_called_at_once_unless_something_is_queued_before_it(queues: bool) -> None:
    async def told() -> list[str]:
        loop, heard = asyncio.get_running_loop(), list[str]()
        mine, other = socket.socketpair()

        def read() -> None:
            mine.recv(1)
            heard.append("read")
            loop.call_soon(heard.append, "said by the reader")

        def begin() -> None:
            loop.add_reader(mine, read)
            loop.call_at(0, heard.append, "timer")
            other.send(b"x")
            if queues:
                loop.call_soon(heard.append, "queued")

        loop.call_soon(begin)
        for _ in range(100):
            await asyncio.sleep(0.001)
            if len(heard) == 3 + queues:
                break
        loop.remove_reader(mine)
        mine.close()
        other.close()
        return heard

    with asyncio.Runner(loop_factory=polling_loop) as runner:
        heard = runner.run(told())
    if queues:
        assert heard == ["queued", "read", "timer", "said by the reader"], "as asyncio has it"
    else:
        assert heard == ["read", "said by the reader", "timer"]


def test_who_dials_as_nobody_waits_any_more_is_let_in_by_the_next() -> None:
    async def told() -> bool:
        loop, failed = asyncio.get_running_loop(), list[object]()
        loop.set_exception_handler(lambda _, context: failed.append(context["exception"]))
        with socket.create_server(("127.0.0.1", 0)) as door:
            door.setblocking(False)
            waits = loop.create_task(loop.sock_accept(door))
            await asyncio.sleep(0.01)
            with socket.create_connection(door.getsockname()) as dialled:
                waits.cancel()
                await asyncio.sleep(0)
                assert failed == []
                taken, who = await asyncio.wait_for(loop.sock_accept(door), 60)
                taken.close()
                return bool(who == dialled.getsockname())

    with asyncio.Runner(loop_factory=polling_loop) as runner:
        assert runner.run(told())


def test_a_socket_that_was_closed_under_it_is_forgotten_like_by_the_inner_one() -> None:
    polling = PollingSelector()
    mine, other = socket.socketpair()
    fd = mine.fileno()
    polling.register(fd, selectors.EVENT_READ, "old")
    mine.close()
    with pytest.raises(OSError, match=r"."):
        polling.modify(fd, selectors.EVENT_READ | selectors.EVENT_WRITE, "new")
    assert (polling.key_at(fd), dict(polling.get_map())) == (None, {})
    polling.close()
    other.close()


def test_an_ordinary_loop_runs_on_it() -> None:
    async def echo_once() -> bytes:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with server:
            where = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(*where, family=socket.AF_INET)
            writer.write(b"hello\n")
            heard = await reader.readline()
            await asyncio.sleep(0.001)
            await asyncio.to_thread(lambda: None)
            writer.close()
            return heard

    with asyncio.Runner(loop_factory=polling_loop) as runner:
        assert runner.run(echo_once()) == b"hello\n"
