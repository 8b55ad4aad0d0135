"""HTTP against an aiohttp server and against raw bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from pitwire.model.errors import UNREACHED, DialFailed
from pitwire.wire.http import HttpClient
from pitwire.wire.link import WRITING
from pitwire.wire.names import Address, Names


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    client = HttpClient(within_seconds=60.0, max_body=1000)
    yield client
    await client.close()


@pytest.fixture
async def server() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/long":
            return web.Response(body=b"x" * 5000)
        if request.path == "/away":
            raise web.HTTPFound("/elsewhere")
        body = f"{request.method} {request.rel_url.raw_query_string} {await request.text()}"
        said = request.headers.get("X-Key", "")
        return web.Response(status=418, text=body, headers={"X-Said": said})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_request_goes_out_as_it_is(client: HttpClient, server: str) -> None:
    status, headers, body = await client.fetch(
        "POST", f"{server}/order?a=1%2C2&b=3", {"X-Key": "k"}, b"hello"
    )
    assert (status, body) == (418, b"POST a=1%2C2&b=3 hello")
    assert headers["x-said"] == "k"


@pytest.mark.parametrize(("method", "body"), [("POST", b"hello"), ("DELETE", b"")])
async def test_who_asks_in_this_context_is_told_when_the_bytes_go(
    method: str, body: bytes, client: HttpClient, server: str
) -> None:
    noted: list[str] = []
    WRITING.set(lambda: noted.append("written"))
    for _ in range(2):  # over a new connection, and over a kept one
        await client.fetch(method, server, {}, body)
        noted.append("answered")
    assert noted == ["written", "answered"] * 2
    WRITING.set(None)
    await client.fetch(method, server, {}, body)
    assert len(noted) == 4


async def test_what_never_leaves_is_not_told_as_written(client: HttpClient) -> None:
    noted: list[str] = []
    WRITING.set(lambda: noted.append("written"))
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(DialFailed):
            await client.fetch("POST", f"http://127.0.0.1:{held.getsockname()[1]}", {}, b"order")
    assert noted == []


async def test_a_redirect_is_an_answer_like_any_other(client: HttpClient, server: str) -> None:
    status, headers, _ = await client.fetch("GET", f"{server}/away", {}, b"")
    assert (status, headers["location"]) == (302, "/elsewhere")


async def test_a_body_has_a_limit(client: HttpClient, server: str) -> None:
    with pytest.raises(DialFailed, match="longer than 1000 bytes"):
        await client.fetch("GET", f"{server}/long", {}, b"")


async def test_nobody_listens(client: HttpClient) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        with pytest.raises(DialFailed) as caught:
            await client.fetch("GET", f"http://127.0.0.1:{port}/x?signature=secret", {}, b"")
    assert "refused" in caught.value.cause or "connect call failed" in caught.value.cause
    assert caught.value.kind == UNREACHED, "nothing of it has left"
    assert "secret" not in str(caught.value)


async def test_a_name_that_does_not_exist(client: HttpClient) -> None:
    with pytest.raises(DialFailed, match=r"name not found: nowhere\.invalid"):
        await client.fetch("GET", "https://nowhere.invalid/", {}, b"")


async def test_no_address(client: HttpClient) -> None:
    with pytest.raises(DialFailed, match="not an address"):
        await client.fetch("GET", "nonsense", {}, b"")


@pytest.mark.parametrize(
    "said", [b"", b"what\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"]
)
async def test_an_answer_that_is_none(client: HttpClient, said: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(DialFailed) as caught:
            await client.fetch("GET", f"http://127.0.0.1:{port}/", {}, b"")
    assert caught.value.cause
    assert caught.value.kind != UNREACHED, "the venue may have read it"


async def test_silence(server: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(talk, "127.0.0.1", 0)
    client = HttpClient(within_seconds=0.05)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(DialFailed, match=r"no answer within 0\.05 s"):
            await client.fetch("GET", f"http://127.0.0.1:{port}/", {}, b"")
        await client.close()


@pytest.mark.parametrize("method", ["DELETE", "PUT", "POST", "GET"])
@pytest.mark.parametrize("stays", [True, False])
async def test_a_request_without_an_answer_is_not_said_again(
    client: HttpClient, method: str, stays: bool
) -> None:
    """The venue may have done it: a second would be refused, or be told as if none had left."""
    heard = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        await reader.readuntil(b"\r\n\r\n")
        heard += 1
        if not stays:
            listener.close()
        writer.close()

    listener = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(DialFailed, match="closed the connection without an answer") as caught:
            await client.fetch(method, f"http://127.0.0.1:{port}/orders/1", {}, b"")
    assert heard == 1
    assert caught.value.kind != UNREACHED


@pytest.mark.parametrize("method", ["POST", "PATCH", "GET", "DELETE"])
async def test_what_asks_for_something_new_does_not_leave_when_its_time_is_over(
    server: str, method: str
) -> None:
    """An order must not come about long after it was decided; a cancel is never too late."""
    known = asyncio.Event()

    async def lookup(_name: str) -> list[Address]:
        await known.wait()
        return [(socket.AF_INET, "127.0.0.1")]

    client = HttpClient(names=Names(lookup=lookup), leaves_within_seconds=0.05)
    url = f"{server.replace('127.0.0.1', 'localhost')}/orders?signature=secret"
    asking = asyncio.create_task(client.fetch(method, url, {}, b"x"))
    if method in ("POST", "PATCH"):
        with pytest.raises(DialFailed, match="no connection in time") as caught:
            await asking
        assert caught.value.kind == UNREACHED
        assert "secret" not in str(caught.value)
    else:
        await asyncio.sleep(0.1)
        known.set()
        assert (await asking)[0] == 418
    await client.close()


async def test_a_name_that_nobody_answers_for_is_no_silence_of_the_venue() -> None:
    async def lookup(_name: str) -> list[Address]:
        await asyncio.Event().wait()
        return []

    client = HttpClient(names=Names(lookup=lookup, within_seconds=0.05))
    with pytest.raises(DialFailed, match=r"no answer about the name .* within 0\.05 s") as caught:
        await client.fetch("GET", "https://venue.invalid/", {}, b"")
    assert caught.value.kind == UNREACHED
    await client.close()
