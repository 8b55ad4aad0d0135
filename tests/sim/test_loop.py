"""Virtual time in a stock asyncio loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.clock import SECOND
from pitwire.sim.loop import START, Deadlock, SimLoop


def run(main: Coroutine[Any, Any, Any], loop: SimLoop | None = None) -> Any:
    made = loop or SimLoop()
    with asyncio.Runner(loop_factory=lambda: made) as runner:
        return runner.run(main)


def test_a_year_passes_in_no_time() -> None:
    loop = SimLoop()
    run(asyncio.sleep(365 * 86_400), loop)  # who really slept would not come back
    assert loop.now() - START == 365 * 86_400 * SECOND


def test_timeouts_and_groups_are_the_stock_ones() -> None:
    async def main() -> list[str]:
        said = []

        async def say(word: str, after: float) -> None:
            await asyncio.sleep(after)
            said.append(word)

        async with asyncio.TaskGroup() as group:
            for word, after in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
                group.create_task(say(word, after))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.sleep(11)
        return said

    assert run(main()) == ["a", "b", "c"]


def test_a_deadlock_raises_at_once() -> None:
    with pytest.raises(Deadlock, match="no timer is set"):
        run(asyncio.Event().wait())


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_sleepers_wake_at_their_time_and_in_order(delays: list[float]) -> None:
    loop = SimLoop()

    async def main() -> list[tuple[float, int]]:
        woken: list[tuple[float, int]] = []

        async def sleeper(delay: float) -> None:
            await asyncio.sleep(delay)
            woken.append((delay, loop.now()))

        await asyncio.gather(*(sleeper(delay) for delay in delays))
        return woken

    woken = run(main(), loop)
    # one loop turn takes what is due within the clock's resolution, in the heap's order
    assert [round(delay, 6) for delay, _ in woken] == sorted(round(d, 6) for d in delays)
    for delay, at in woken:
        assert abs(at - START - round(delay * SECOND)) <= 1000


def test_real_sockets_and_threads_are_refused() -> None:
    async def connect() -> None:
        await asyncio.open_connection("127.0.0.1", 9)

    async def listen() -> None:
        await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)

    async def think() -> None:
        await asyncio.to_thread(sum, (1, 2))

    for deed in (connect, listen, think):
        with pytest.raises(RuntimeError, match="SimLoop"):
            run(deed())


def test_callbacks_at_a_time_of_the_epoch() -> None:
    loop = SimLoop(5 * SECOND)
    seen: list[int] = []

    async def main() -> None:
        loop.call_at_ns(8 * SECOND, lambda: seen.append(loop.now()))
        await asyncio.sleep(10)

    run(main(), loop)
    assert seen == [8 * SECOND]
