"""Dials that fail late, hang, or must not be made, on loopback sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
import traceback

import pytest

from pitwire.model.clock import ManualClock
from pitwire.model.errors import DialFailed
from pitwire.wire.http import HttpClient
from pitwire.wire.names import Address, Names
from pitwire.wire.websocket import WebSocketDialer
from tests import unhurried
from tests.wire.recorder import Recorder
from tests.wire.test_websocket import frame, http, raw_server, talking, upgrade


async def failing(dialer: WebSocketDialer, url: str) -> DialFailed:
    with pytest.raises(DialFailed) as caught:
        await dialer(url, Recorder())
    return caught.value


def here(*addresses: str) -> Names:
    """Names that all lead to these."""

    async def lookup(name: str) -> list[Address]:
        return [(socket.AF_INET, address) for address in addresses]

    return Names(lookup=lookup)


async def test_a_page_instead_of_an_upgrade_is_kept_short() -> None:
    page = "<html>\r\n<h1>Please log in to the hotel</h1>\x1b[31m" + "x" * 500

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http("200 OK", "Content-Type: text/html\r\n", page))

    async with raw_server(talk) as url:
        error = await failing(WebSocketDialer(), url)
    assert error.excerpt.startswith("<html> <h1>Please log in to the hotel</h1> [31mxxx")
    assert len(error.excerpt) <= 200
    assert "hotel" in str(error)


async def test_a_date_to_come_back_at_is_obeyed() -> None:
    headers = (
        "Date: Sun, 29 Nov 2026 12:00:00 GMT\r\nRetry-After: Sun, 29 Nov 2026 12:01:30 GMT\r\n"
    )

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http("418 I'm a teapot", headers))

    async with raw_server(talk) as url:
        error = await failing(WebSocketDialer(clock=ManualClock(0)), url)
    assert (error.status, error.retry_after_seconds) == (418, 90.0)


async def test_tls_that_is_never_answered() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    dialer = WebSocketDialer(within_seconds=0.1, ssl_context=ssl.create_default_context())
    async with raw_server(talk) as url:
        error = await failing(dialer, url.replace("ws:", "wss:"))
    assert (error.kind, error.cause) == ("silent", "no answer within 0.1 s")


@unhurried.alone
async def test_a_name_whose_lookup_hangs_leaves_the_loop_alone() -> None:
    async def hang(name: str) -> list[Address]:
        await asyncio.Event().wait()
        return []

    dialer = WebSocketDialer(names=Names(lookup=hang, within_seconds=0.5))
    dial = asyncio.ensure_future(failing(dialer, "wss://venue.test/ws"))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not dial.done()
    error = await dial
    assert error.kind == "silent"
    assert "no answer about the name venue.test" in error.cause


def test_the_last_good_address_is_dialled_while_the_names_hang() -> None:
    async def tale() -> None:
        answers = [[(int(socket.AF_INET), "127.0.0.1")]]

        async def once(name: str) -> list[Address]:
            if answers:
                return answers.pop()
            await asyncio.Event().wait()
            return []

        dialer = WebSocketDialer(names=Names(lookup=once, within_seconds=0.5), plain_text=True)
        async with talking(frame(1, b"hello")) as url:
            for _ in range(2):
                told = Recorder()
                link = await dialer(url.replace("127.0.0.1", "venue.test"), told)
                await told.until(lambda told=told: bool(told.frames))
                link.abort()
                await told.until(lambda told=told: bool(told.losses))
        assert answers == []

    unhurried.run(tale())


async def test_a_second_address_is_tried_when_the_first_refuses() -> None:
    told = Recorder()
    dialer = WebSocketDialer(names=here("127.0.0.2", "127.0.0.1"), plain_text=True)
    async with talking(frame(1, b"hello")) as url:  # it listens on 127.0.0.1 alone
        link = await dialer(url.replace("127.0.0.1", "venue.test"), told)
        await told.until(lambda: bool(told.frames))
        link.abort()
        await told.until(lambda: bool(told.losses))


async def test_a_dial_that_fails_is_told_once_and_in_one_line() -> None:
    """Who catches nothing sees what went wrong, and not how our libraries came upon it."""
    refused = "ws://127.0.0.1:1/ws"
    errors = [await failing(WebSocketDialer(), refused)]
    async with raw_server(_at_home_elsewhere) as url:
        errors.append(await failing(WebSocketDialer(), url))
    client = HttpClient()
    for address in ("http://127.0.0.1:1/", "nonsense"):
        with pytest.raises(DialFailed) as caught:
            await client.fetch("GET", address, {}, b"")
        errors.append(caught.value)
    await client.close()
    for error in errors:
        assert "".join(traceback.format_exception(error)).count("Traceback") == 1, error
    assert str(errors[0]) == f"dial failed: address {refused}, cause connection refused"


async def _at_home_elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(http("404 Not Found", ""))


@pytest.mark.parametrize("host", ["venue.test", "10.0.0.1", "0.0.0.0", "localhost.venue.test"])
async def test_plain_text_stays_on_this_machine(host: str) -> None:
    error = await failing(WebSocketDialer(names=here("127.0.0.1")), f"ws://{host}:1/ws?k=secret")
    assert (error.kind, "secret" in str(error)) == ("address", False)
    client = HttpClient(names=here("127.0.0.1"))
    with pytest.raises(DialFailed, match="expected https:// beyond this machine"):
        await client.fetch("GET", f"http://{host}:1/", {"X-Key": "k"}, b"")
    await client.close()


async def test_a_redirect_gets_nothing_of_a_signed_request() -> None:
    met: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(await reader.read(1000))

    async with raw_server(elsewhere) as trap:
        location = f"Location: {trap.replace('ws:', 'http:')}\r\n"

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(http("307 Temporary Redirect", location))
            await writer.drain()
            writer.close()

        async with raw_server(talk) as url:
            client = HttpClient()
            address = url.replace("ws:", "http:")
            answer = await client.fetch("POST", f"{address}?signature=s", {"X-Key": "k"}, b"b")
            assert answer[0] == 307
            await client.close()
            assert (await failing(WebSocketDialer(headers={"X-Key": "k"}), url)).status == 307
    assert met == []


async def test_more_headers_are_said_with_the_upgrade_and_leave_the_first_dialer_as_it_was() -> (
    None
):
    said: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.append((await reader.readuntil(b"\r\n\r\n")).lower())
        writer.write(http("418 I'm a teapot"))
        await writer.drain()
        writer.close()

    async with raw_server(talk) as url:
        plain = WebSocketDialer(headers={"X-One": "1"})
        await failing(plain.with_headers({"X-Two": "2"}), url)
        await failing(plain, url)
    assert [b"x-one: 1" in one for one in said] == [True, True]
    assert [b"x-two: 2" in one for one in said] == [True, False]


async def test_an_upgrade_with_a_wrong_key_is_refused() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: bm90IHRoZSBhbnN3ZXI=\r\n\r\n"
        )

    async with raw_server(talk) as url:
        error = await failing(WebSocketDialer(), url)
    assert (error.status, error.kind) == (101, "upgrade")


async def test_http_uses_the_last_good_address_too() -> None:
    answers = [[(int(socket.AF_INET), "127.0.0.1")]]

    async def once(name: str) -> list[Address]:
        if answers:
            return answers.pop()
        raise socket.gaierror(-3, "again")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http("200 OK", "Connection: close\r\n", "hello"))
        await writer.drain()
        writer.close()

    names = Names(lookup=once)
    async with raw_server(talk) as url:
        address = url.replace("ws:", "http:").replace("127.0.0.1", "venue.test")
        for _ in range(2):  # a client each, as one remembers for itself
            client = HttpClient(names=names, plain_text=True)
            assert (await client.fetch("GET", address, {}, b""))[2] == b"hello"
            await client.close()


async def test_the_helper_upgrades() -> None:
    """The raw server of these tests is understood by our own client."""
    told = Recorder()
    async with raw_server(upgrade) as url:
        await WebSocketDialer()(url, told)
        await told.until(lambda: bool(told.losses))
