"""A board before a desk of elsewhere: the same picture, its silence, its end, its return."""

from __future__ import annotations

import asyncio
import itertools
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pitwire.board.hub import Hub
from pitwire.board.remote import Remote
from pitwire.board.window import Window
from pitwire.desk.health import Health, HealthReport
from tests.board.watching import FakeSource
from tests.unhurried import RunningClock, run

VIEW = "A-B@1s"


class Desk:
    """What a window asks of a desk."""

    clock = RunningClock()

    def report(self) -> HealthReport:
        return Health(0).snapshot(1)


@asynccontextmanager
async def window(folder: Path, source: FakeSource) -> AsyncIterator[Hub]:
    hub = Hub(source, Desk.clock, per_second=50)
    served = Window(folder, hub, Desk())  # type: ignore[arg-type]
    await served.open()
    looking = asyncio.ensure_future(hub.run())
    try:
        yield hub
    finally:
        await served.close()
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


@asynccontextmanager
async def remote_of(folder: Path) -> AsyncIterator[Remote]:
    remote = Remote(folder, Desk.clock)
    staying = asyncio.ensure_future(remote.run())
    try:
        yield remote
    finally:
        staying.cancel()
        await asyncio.gather(staying, return_exceptions=True)


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


def live(tale: Callable[[], Awaitable[None]]) -> None:
    run(asyncio.wait_for(tale(), 120))


@pytest.fixture
def source() -> Iterator[FakeSource]:
    made = FakeSource()
    made.common.put("watch", "A-B", ["1.0"])
    made.common.tell("log", ["one", "two"])
    made.views[VIEW].put("book", "asks", [["1.0", "2"]])
    return made


def test_what_is_seen_from_afar_is_what_is_there(tmp_path: Path, source: FakeSource) -> None:
    async def tale() -> None:
        async with window(tmp_path, source), remote_of(tmp_path) as remote:
            assert stat.S_IMODE((tmp_path / "board.sock").stat().st_mode) == 0o600
            await until(lambda: remote.common.tables.get("watch"))
            assert "expected one of A-B" in remote.open("X@1s")
            assert "expected one of 1s" in remote.open("A-B@2s")
            assert remote.open(VIEW) == ""
            picture = remote.picture(VIEW)
            assert picture is not None
            await until(lambda: picture.tables.get("book"))
            for number in range(20):
                source.views[VIEW].put("book", "asks", [["1.0", str(number)]])
                source.common.tell("log", [number])
                await asyncio.sleep(0.01)
            await until(lambda: picture.tables["book"] == {"asks": [["1.0", "19"]]})
            await until(lambda: len(remote.common.tales["log"]) >= 22)
            assert list(remote.common.tales["log"]) == ["one", "two", *range(20)]
            report = await remote.report()
            assert report == Health(0).snapshot(1)
            remote.close(VIEW)
            await until(lambda: source.open_views == [])

    live(tale)


def test_a_desk_that_goes_and_comes_back(tmp_path: Path, source: FakeSource) -> None:
    async def tale() -> None:
        async with remote_of(tmp_path) as remote:
            now = Desk.clock.now()
            assert list(remote.steps(now)) == [None]
            assert "no desk answers" in remote.common.tables["desk"]["upstream"]
            assert await remote.report() is None
            async with window(tmp_path, source):
                await until(lambda: remote.common.tables.get("watch"))
                generation = remote.generation
                list(remote.steps(Desk.clock.now()))
                assert remote.common.tables["desk"]["upstream"] == ""
                later = Desk.clock.now() + 5 * 10**9
                list(remote.steps(later))
                assert "no frame for" in remote.common.tables["desk"]["upstream"]
            await until(lambda: remote._writer is None)
            list(remote.steps(Desk.clock.now()))
            assert "no desk answers" in remote.common.tables["desk"]["upstream"]
            again = FakeSource()
            again.common.put("watch", "C-D", ["3.0"])
            async with window(tmp_path, again):
                await until(lambda: remote.generation > generation)
                assert list(remote.common.tables["watch"]) == ["C-D"]

    live(tale)


def test_a_visitor_that_talks_nonsense_is_shown_out(tmp_path: Path, source: FakeSource) -> None:
    async def tale() -> None:
        async with window(tmp_path, source) as hub, remote_of(tmp_path) as remote:
            await until(lambda: remote.generation)
            for line in (b"hello\n", b"\xff\n", b"x" * 10_000 + b"\n", b'{"do":"halt"}\n'):
                reader, writer = await asyncio.open_unix_connection(str(tmp_path / "board.sock"))
                writer.write(line)
                async with asyncio.timeout(60):
                    while await reader.read(4096):
                        pass
                writer.close()
            seen = remote._seq
            await until(lambda: remote._seq > seen)
            assert len(hub.viewers) == 1

    live(tale)


def test_a_desk_is_followed_from_run_to_run_and_a_run_that_was_named_stays(tmp_path: Path) -> None:
    async def tale() -> None:
        first, second = tmp_path / "run-1", tmp_path / "run-2"
        first.mkdir()
        later = itertools.count(Desk.clock.now(), 10**10)
        follows, stays = Remote(first, Desk.clock, runs=tmp_path), Remote(first, Desk.clock)
        staying = [asyncio.ensure_future(one.run()) for one in (follows, stays)]

        def shown(remote: Remote, what: str) -> Any:
            list(remote.steps(next(later)))  # it is looked round now and then
            return remote.common.tables["desk"].get(what)

        try:
            async with window(first, source_of("A-B")):
                for one in (follows, stays):
                    await until(lambda one=one: one.common.tables.get("watch"))
                    assert (shown(one, "run"), shown(one, "newer")) == ("run-1", "")
                second.mkdir()
                assert shown(stays, "newer") == "run-2"
                async with window(second, source_of("C-D")):
                    pass
                assert follows.folder == first, "while it lives, what is looked at is not changed"
            async with window(second, source_of("C-D")):
                await until(lambda: list(follows.common.tables.get("watch", ())) == ["C-D"])
                assert (shown(follows, "run"), shown(follows, "newer")) == ("run-2", "")
                assert list(stays.common.tables["watch"]) == ["A-B"]
                assert "no desk answers at" in shown(stays, "upstream")
                assert (shown(stays, "run"), shown(stays, "newer")) == ("run-1", "run-2")
        finally:
            for task in staying:
                task.cancel()
            await asyncio.gather(*staying, return_exceptions=True)

    live(tale)


def source_of(symbol: str) -> FakeSource:
    made = FakeSource()
    made.common.put("watch", symbol, ["1.0"])
    return made
