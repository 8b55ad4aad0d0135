"""The proxy breaks real sockets as its script says, and nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as ws_serve
from websockets.exceptions import (
    ConnectionClosed,
    ConnectionClosedError,
    InvalidMessage,
    InvalidStatus,
)

from pitwire.sim.proxy import Proxy, parse_address
from pitwire.sim.proxy_faults import (
    Answer,
    Damage,
    Fin,
    Hang,
    Insert,
    Lag,
    Narrow,
    ProxyFault,
    Recode,
    Refuse,
    Reset,
    Split,
    Spoil,
    Swallow,
)
from pitwire.sim.proxy_lanes import Lane, Schedule
from tests import unhurried


@asynccontextmanager
async def echoing(*faults: ProxyFault) -> AsyncIterator[Proxy]:
    """A WebSocket server that says everything back, behind a proxy."""

    async def echo(link: ServerConnection) -> None:
        async for message in link:
            await link.send(message)

    async with ws_serve(echo, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with Proxy("127.0.0.1", port, faults) as proxy:
            yield proxy


def joined(proxy: Proxy, path: str = "/") -> connect:
    return connect(f"ws://127.0.0.1:{proxy.port}{path}", compression=None, ping_interval=None)


async def said_back(link: ClientConnection, text: str, within: float = 60.0) -> str | bytes:
    await link.send(text)
    return await asyncio.wait_for(link.recv(), within)


async def test_without_faults_it_only_passes_on() -> None:
    async with echoing() as proxy, joined(proxy) as link:
        assert await said_back(link, "x" * 200_000) == "x" * 200_000
        assert (proxy.dials, proxy.happened) == (1, [])


async def test_a_reset_is_a_reset() -> None:
    async with echoing() as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await proxy.apply(Reset())
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_a_fin_is_an_end_without_a_close_frame() -> None:
    async with echoing() as proxy, joined(proxy) as link:
        await said_back(link, "here")
        await proxy.apply(Fin())
        with pytest.raises(ConnectionClosedError) as over:
            await link.recv()
        assert over.value.rcvd is None


async def test_what_is_swallowed_comes_when_it_is_over() -> None:
    async with echoing() as proxy, joined(proxy) as link:
        await proxy.apply(Swallow(for_seconds=0.3))
        began = asyncio.get_running_loop().time()
        assert await said_back(link, "late") == "late"
        assert asyncio.get_running_loop().time() - began >= 0.29


async def test_who_comes_after_a_swallow_is_not_concerned() -> None:
    async with echoing() as proxy, joined(proxy) as stood:
        await proxy.apply(Swallow())
        async with joined(proxy) as came:
            assert await said_back(came, "here") == "here"
        with pytest.raises(TimeoutError):
            await said_back(stood, "nowhere", within=0.1)
        stood.transport.abort()


async def test_a_lag_delays_and_keeps_order() -> None:
    async with echoing(Lag(seconds=0.05, jitter_seconds=0.05)) as proxy, joined(proxy) as link:
        began = asyncio.get_running_loop().time()
        for number in range(5):
            await link.send(str(number))
        assert [await link.recv() for _ in range(5)] == ["0", "1", "2", "3", "4"]
        assert asyncio.get_running_loop().time() - began >= 0.1
        assert len(proxy.happened) == 1, "told when it begins to matter, and once"


@pytest.mark.parametrize("way", ["up", "down"])
async def test_one_way_is_swallowed_and_the_other_is_not(way: Any) -> None:
    heard: list[str | bytes] = []

    async def talk(link: ServerConnection) -> None:
        async for message in link:
            heard.append(message)
            if message == "first":
                await go.wait()
                await link.send("down")

    go = asyncio.Event()
    async with ws_serve(talk, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with Proxy("127.0.0.1", port) as proxy, joined(proxy) as link:
            await link.send("first")
            while not heard:
                await asyncio.sleep(0.01)
            await proxy.apply(Swallow(way=way))
            await link.send("up")
            go.set()
            if way == "up":
                assert await asyncio.wait_for(link.recv(), 60.0) == "down"
            async with asyncio.timeout(60.0):
                while way == "down" and len(heard) < 2:
                    await asyncio.sleep(0.01)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(link.recv(), 0.1)
            assert heard == (["first"] if way == "up" else ["first", "up"])
            link.transport.abort()


async def test_what_is_no_text_is_neither_spoiled_nor_counted() -> None:
    async with echoing(Spoil(how="truncated", count=1)) as proxy, joined(proxy) as link:
        await (await link.ping())
        assert proxy.happened == []
        assert await said_back(link, "x" * 30) != "x" * 30
        assert await said_back(link, "y" * 30) == "y" * 30


async def test_at_most_a_megabyte_waits_and_then_its_source_is_not_read() -> None:
    class Sink:
        def __init__(self) -> None:
            self.size = 0

        def write(self, data: bytes) -> None:
            self.size += len(data)

        async def drain(self) -> None:
            await asyncio.sleep(0)

    sink, chunk, put = Sink(), b"x" * 65_536, 0
    lane = Lane("down", "/", sink, Schedule((), chance=Random(1)))  # type: ignore[arg-type]
    lane.close_until(asyncio.get_running_loop().time() + 0.2)
    passing = asyncio.create_task(lane.run())
    while True:
        full = asyncio.ensure_future(lane.room())
        await asyncio.sleep(0)
        if not full.done():
            break
        lane.put(chunk)
        put += len(chunk)
        assert put <= (1 << 20) + len(chunk)
    assert put > 1 << 20
    await full
    lane.end()
    await passing
    assert sink.size == put


async def test_a_narrow_line_takes_its_time() -> None:
    narrow = Narrow(bytes_per_second=100_000)
    async with echoing(narrow) as proxy, joined(proxy) as link:
        began = asyncio.get_running_loop().time()
        await said_back(link, "x" * 30_000)
        assert asyncio.get_running_loop().time() - began >= 0.3


async def test_one_byte_at_a_time_is_still_the_same_message() -> None:
    async with echoing(Split(way="both")) as proxy, joined(proxy) as link:
        assert await said_back(link, "ünïcode") == "ünïcode"


@pytest.mark.parametrize("how", ["fragments", "fragments-and-pings"])
async def test_fragments_are_still_the_same_message(how: str) -> None:
    async with echoing(Recode(how=how, size=2)) as proxy, joined(proxy) as link:  # type: ignore[arg-type]
        assert await said_back(link, "ünïcode") == "ünïcode"


async def test_text_may_come_as_binary() -> None:
    async with echoing(Recode(how="binary", count=1)) as proxy, joined(proxy) as link:
        assert await said_back(link, "text") == b"text"
        assert await said_back(link, "text") == "text"


async def test_a_frame_is_spoiled_and_the_next_is_not() -> None:
    async with echoing(Spoil(how="html")) as proxy, joined(proxy) as link:
        assert "502" in str(await said_back(link, "fine"))
        assert await said_back(link, "fine") == "fine"


async def test_a_damaged_bit_is_noticed_by_whoever_looks() -> None:
    async with echoing() as proxy, joined(proxy) as link:
        await said_back(link, "settled")
        await proxy.apply(Damage(way="down"))
        try:  # a header that is damaged makes it wait for more than ever comes
            found = await said_back(link, "x" * 100, within=5)
        except (ConnectionClosed, TimeoutError):
            return
        assert found != "x" * 100


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("huge-header", 1009),
        ("reserved-bit", 1002),
        ("unknown-opcode", 1002),
        ("lone-continuation", 1002),
        ("bad-utf8", 1007),
        ("split-bad-utf8", 1007),
    ],
)
async def test_what_is_made_up_is_refused_by_a_careful_client(how: str, code: int) -> None:
    async with echoing() as proxy, joined(proxy) as link:
        await said_back(link, "settled")
        await proxy.apply(Insert(how=how))  # type: ignore[arg-type]
        with pytest.raises(ConnectionClosedError) as over:
            await link.recv()
        assert over.value.sent is not None
        assert over.value.sent.code == code


async def test_pings_come_at_their_rate() -> None:
    async with echoing() as proxy, joined(proxy) as link:
        await proxy.apply(Insert(how="ping", count=5, per_second=100))
        assert await said_back(link, "alive") == "alive"


def test_nobody_listens_for_a_while() -> None:
    async def tale() -> None:
        async with echoing(Refuse(for_seconds=0.3)) as proxy:
            await asyncio.sleep(0.05)
            with pytest.raises(OSError, match=r"[Cc]onnect"):
                await joined(proxy)
            await asyncio.sleep(0.4)
            async with joined(proxy) as link:
                assert await said_back(link, "again") == "again"

    unhurried.run(tale())


@unhurried.alone
async def test_a_dial_hangs_and_the_next_does_not() -> None:
    async with echoing(Hang(count=1)) as proxy:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(joined(proxy), 0.2)
        async with joined(proxy) as link:
            assert await said_back(link, "here") == "here"


async def test_html_instead_of_an_upgrade_on_some_paths() -> None:
    page = Answer(path="*stream*", status=503, headers={"Retry-After": "7"}, body="<html></html>")
    async with echoing(page) as proxy:
        with pytest.raises(InvalidStatus) as refused:
            await joined(proxy, "/stream?streams=x")
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"] == "7"
        assert refused.value.response.body == b"<html></html>"
        async with joined(proxy, "/ws-api/v3") as link:
            assert await said_back(link, "here") == "here"


def test_a_script_keeps_its_times_and_may_begin_anew() -> None:
    async def tale() -> None:
        async with echoing(Fin(at_seconds=2.0)) as proxy:
            async with joined(proxy) as link:
                await asyncio.sleep(1.0)
                proxy.begin()
                await asyncio.sleep(1.2)
                assert await said_back(link, "not yet") == "not yet"
                with pytest.raises(ConnectionClosed):
                    await link.recv()
            assert [type(fault) for _, fault in proxy.happened] == [Fin]

    unhurried.run(tale())


async def test_a_server_that_is_not_there_ends_the_dial() -> None:
    with socket.socket() as held:  # bound, and not listening
        held.bind(("127.0.0.1", 0))
        async with Proxy("127.0.0.1", held.getsockname()[1]) as proxy:
            with pytest.raises((InvalidMessage, OSError, EOFError)):
                await joined(proxy)
            assert proxy.dials == 1


def test_an_address_is_a_host_and_a_port() -> None:
    assert parse_address("127.0.0.1:80") == ("127.0.0.1", 80)
    with pytest.raises(ValueError, match="expected host:port"):
        parse_address("here")


async def test_a_connection_that_is_made_while_it_stops_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dialled, dial, met = [], asyncio.open_connection, asyncio.Event()

    async def late(*where: Any) -> Any:
        met.set()
        await asyncio.sleep(0.05)
        dialled.append(await dial(*where))
        return dialled[0]

    async with echoing() as proxy:
        monkeypatch.setattr(asyncio, "open_connection", late)
        _, writer = await dial("127.0.0.1", proxy.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await met.wait()
        assert dialled == []
    writer.close()
    [(_, inner)] = dialled
    assert inner.is_closing()


async def test_who_is_let_in_as_it_stops_is_hung_up_on() -> None:
    closed: list[str] = []

    def arrives(name: str) -> None:
        writer: Any = SimpleNamespace(close=lambda: closed.append(name))
        proxy._accept(asyncio.StreamReader(), writer)

    async with echoing() as proxy:
        arrives("before its task has had a turn")
        await proxy.stop()
        arrives("after")
        await asyncio.sleep(0)
    assert closed == ["before its task has had a turn", "after"]


async def test_a_proxy_that_is_stopped_as_a_client_goes_leaves_the_venue_too() -> None:
    async with echoing() as proxy, joined(proxy):
        [crossing], [task] = proxy._crossings, proxy._tasks
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert crossing._inner[1].is_closing()
