"""The client against servers we did not write, and against raw bytes, on real loopback sockets."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.asyncio.server import ServerConnection, serve

from pitwire.model.errors import DialFailed
from pitwire.model.recovery import Reconnect, recovery_for
from pitwire.wire import websocket_link
from pitwire.wire.link import PausableLink
from pitwire.wire.websocket import WebSocketDialer
from tests import unhurried
from tests.wire.recorder import Recorder

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(talk: Talk) -> AsyncIterator[str]:
    """A TCP server that says whatever `talk` writes."""
    tasks = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"ws://127.0.0.1:{port}/ws"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the handshake as RFC 6455 §4.2.2 says."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line.split(": ")[1] for line in head.split("\r\n") if "Sec-WebSocket-Key" in line)
    magic = f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()
    accept = base64.b64encode(hashlib.sha1(magic).digest()).decode()
    writer.write(
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        ).encode()
    )


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A server's frame of up to 125 bytes."""
    return bytes([(0x80 if fin else 0) | opcode, len(payload)]) + payload


@asynccontextmanager
async def talking(*pieces: bytes, hold: bool = True) -> AsyncIterator[str]:
    """A server that upgrades, writes these pieces one by one, and then holds or drops."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if hold:
            await reader.read()
        else:
            writer.transport.abort()

    async with raw_server(talk) as url:
        yield url


@asynccontextmanager
async def strangers(handler: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    """A server of the websockets package."""
    async with serve(handler, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/"


# --- an open connection


async def test_texts_go_both_ways() -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(f"heard {message}")

    told = Recorder()
    async with strangers(echo) as url:
        link = await WebSocketDialer()(url, told)
        link.send(b"one")
        link.send(b"two")
        await told.until(lambda: len(told.frames) == 2)
        link.close()
        await told.until(lambda: bool(told.losses))
    assert told.frames == [b"heard one", b"heard two"]
    [lost] = told.losses
    assert (lost.code, lost.clean) == (1000, True)


async def test_a_stranger_answers_our_ping_and_closes_with_a_reason() -> None:
    async def part(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.close(4001, "enough")

    told = Recorder()
    async with strangers(part) as url:
        link = await WebSocketDialer()(url, told)
        link.ping(b"there?")
        await told.until(lambda: bool(told.pongs))
        link.send(b"bye")
        await told.until(lambda: bool(told.losses))
    assert told.pongs == [b"there?"]
    [lost] = told.losses
    assert (lost.code, lost.reason, lost.clean) == (4001, "enough", True)
    link.send(b"dropped")  # a dead link drops what it is given
    link.close()
    link.abort()
    assert len(told.losses) == 1


async def test_the_venues_ping_is_answered_and_told() -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(frame(0x9, b"1234"))
        heard.set_result(await reader.readexactly(2 + 4 + 4))
        await reader.read()

    told = Recorder()
    async with raw_server(talk) as url:
        link = await WebSocketDialer()(url, told)
        answer = await heard
        link.abort()
        await told.until(lambda: bool(told.losses))
    assert answer[0] == 0x8A
    assert bytes(a ^ b for a, b in zip(answer[6:], answer[2:6], strict=True)) == b"1234"
    assert told.pings == [b"1234"]


async def read_pong(reader: asyncio.StreamReader) -> bytes:
    """What the client's next frame carries, which must be a pong of up to 125 bytes."""
    head = await reader.readexactly(6)
    assert head[0] == 0x8A
    body = await reader.readexactly(head[1] & 0x7F)
    return bytes(byte ^ head[2 + at % 4] for at, byte in enumerate(body))


@pytest.mark.parametrize(
    ("apart", "answered"), [(0.0, [b"1", b"2", b"3", b"4"]), (0.02, [b"1", b"4"])]
)
async def test_pings_faster_than_answers_may_be_are_answered_by_the_newest(
    apart: float, answered: list[bytes]
) -> None:
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(b"".join(frame(0x9, payload) for payload in (b"1", b"2", b"3", b"4")))
        for _ in answered:
            heard.append(await read_pong(reader))
        writer.write(frame(1, b"enough"))
        await reader.read()

    told = Recorder()
    async with raw_server(talk) as url:
        link = await WebSocketDialer(pongs_apart_seconds=apart)(url, told)
        await told.until(lambda: bool(told.frames))
        link.abort()
        await told.until(lambda: bool(told.losses))
    assert heard == told.pings == answered


def test_a_distance_between_pongs_that_was_chosen_stays() -> None:
    chosen = WebSocketDialer(pongs_apart_seconds=0.0)
    assert chosen.with_pongs_apart(1.0) is chosen
    left = WebSocketDialer()
    assert left.with_pongs_apart(1.0) is not left


async def test_a_text_beyond_ascii_comes_whole_or_in_pieces_cut_anywhere() -> None:
    text = "κόσμε 🚀".encode()
    pieces = [frame(1, text), frame(1, text[:1], fin=False)]
    pieces += [frame(0, text[at : at + 1], fin=False) for at in range(1, len(text))]
    pieces += [frame(0, b"")]
    told = Recorder()
    async with talking(*pieces) as url:
        link = await WebSocketDialer()(url, told)
        await told.until(lambda: len(told.frames) == 2)
        link.abort()
        await told.until(lambda: bool(told.losses))
    assert told.frames == [text, text]


async def test_nothing_is_said_after_a_goodbye() -> None:
    said = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        said.extend(await reader.readexactly(8))
        writer.write(frame(0x9, b"still there?") + frame(8, (1000).to_bytes(2, "big")))
        said.extend(await reader.read())

    told = Recorder()
    async with raw_server(talk) as url:
        link = await WebSocketDialer()(url, told)
        link.close()
        link.send(b"late")
        link.ping(b"late")
        await told.until(lambda: bool(told.losses))
    assert (said[0], len(said)) == (0x88, 8)


async def test_a_burst_is_drained_only_at_its_end() -> None:
    told = Recorder()
    burst = frame(1, b"a") + frame(1, b"b") + frame(1, b"c")
    async with talking(burst) as url:
        link = await WebSocketDialer()(url, told)
        await told.until(lambda: len(told.frames) == 3)
        link.abort()
        await told.until(lambda: bool(told.losses))
    assert told.frames == [b"a", b"b", b"c"]
    assert told.drains == [False, False, True]


async def test_a_burst_that_ends_in_a_ping_is_drained_too() -> None:
    told = Recorder()
    async with talking(frame(1, b"a") + frame(0x9, b"")) as url:
        link = await WebSocketDialer()(url, told)
        await told.until(lambda: True in told.drains)
        link.abort()
        await told.until(lambda: bool(told.losses))
    assert (told.frames, told.drains) == ([b"a"], [False, True])


async def test_fragments_are_joined_with_pings_between() -> None:
    told = Recorder()
    pieces = (
        frame(1, b"he", fin=False),
        frame(0x9, b"now"),
        frame(0, b"ll", fin=False),
        frame(0, b"o"),
        frame(2, b"\x00\x01"),
    )
    async with talking(*pieces) as url:
        link = await WebSocketDialer()(url, told)
        await told.until(lambda: len(told.frames) == 2)
        link.abort()
        await told.until(lambda: bool(told.losses))
    assert told.frames == [b"hello", b"\x00\x01"]
    assert told.pings == [b"now"]


async def test_reading_can_be_held_still() -> None:
    go: asyncio.Event = asyncio.Event()

    async def send_late(connection: ServerConnection) -> None:
        await go.wait()
        await connection.send("late")
        await connection.wait_closed()

    told = Recorder()
    async with strangers(send_late) as url:
        link = await WebSocketDialer()(url, told)
        assert isinstance(link, PausableLink)
        link.pause_reading()
        go.set()
        for _ in range(50):
            await asyncio.sleep(0)
        assert told.frames == []
        link.resume_reading()
        await told.until(lambda: bool(told.frames))
        link.close()
        await told.until(lambda: bool(told.losses))


# --- how one ends


@pytest.mark.parametrize(
    ("pieces", "hold", "code", "reason"),
    [
        ((), False, 1006, "broken"),
        ((frame(1, b"whole"), b"\x81\x7e\x00"), False, 1006, "broken"),
        ((frame(0, b"lost half"),), True, 1002, "fragments"),
        ((frame(1, b"a", fin=False), frame(1, b"b")), True, 1002, "fragments"),
        ((b"\x83\x00",), True, 1002, "opcode"),
        ((b"\x81\x7f\x00\x00\x00\x7f\x00\x00\x00\x00",), True, 1009, "exceeding"),
        ((frame(8, (1012).to_bytes(2, "big") + b"restart"),), True, 1012, "restart"),
        ((frame(8, b""),), True, 1005, ""),
        ((b"\xc1\x02{}",), True, 1002, "reserved bit"),
        ((b"\xa9\x00",), True, 1002, "reserved bit"),
        ((b"\x91\x02{}", frame(1, b"after")), True, 1002, "reserved bit"),
        ((frame(1, b'"\xff"') + frame(1, b"after"),), True, 1007, "UTF-8"),
        ((frame(1, b"\xce", fin=False), frame(0, b"a", fin=False)), True, 1007, "UTF-8"),
        ((frame(1, b"\xce", fin=False), frame(0, b"")), True, 1007, "UTF-8"),
        ((frame(8, b"\x00\x00"),), True, 1002, "close code 0"),
        ((frame(8, (1006).to_bytes(2, "big")),), True, 1002, "close code 1006"),
        ((frame(8, (5000).to_bytes(2, "big")),), True, 1002, "close code 5000"),
        ((frame(8, (1000).to_bytes(2, "big")) + frame(1, b"after"),), True, 1000, ""),
    ],
)
async def test_every_end_is_told_once(
    pieces: tuple[bytes, ...], hold: bool, code: int, reason: str
) -> None:
    told = Recorder()
    async with talking(*pieces, hold=hold) as url:
        await WebSocketDialer()(url, told)
        await told.until(lambda: bool(told.losses))
    [lost] = told.losses
    assert lost.code == code
    assert reason in lost.reason
    assert b"after" not in told.frames


async def test_a_message_in_pieces_has_a_limit_too() -> None:
    told = Recorder()
    pieces = [frame(1, b"x" * 100, fin=False), frame(0, b"x" * 100)]
    async with talking(*pieces) as url:
        await WebSocketDialer(max_frame=150)(url, told)
        await told.until(lambda: bool(told.losses))
    assert told.frames == []
    assert told.losses[0].code == 1009


async def test_a_peer_that_does_not_answer_our_close_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket_link, "GOODBYE_SECONDS", 0.02)
    told = Recorder()
    async with talking() as url:
        link = await WebSocketDialer()(url, told)
        link.close()
        await told.until(lambda: bool(told.losses))
    assert told.losses[0].code == 1006
    assert "close" in told.losses[0].reason


# --- how none comes about


def http(status: str, headers: str = "", body: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (http("503 Service Unavailable", "Retry-After: 7\r\n"), 503, "503 Service Unavailable"),
        (http("200 OK", "Content-Type: text/html; charset=x\r\n", "<html>"), 200, "text/html"),
        (http("451 Unavailable For Legal Reasons"), 451, "451"),
        (http("301 Moved Permanently", "Location: ws://elsewhere/\r\n"), 301, "301"),
        (b"<html>no HTTP at all</html>\r\n\r\n", 0, "not an HTTP answer"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", 101, "wrong upgrade"),
        (b"", 0, "closed"),
    ],
)
async def test_a_refused_upgrade_names_the_status(answer: bytes, status: int, words: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with raw_server(talk) as url:
        with pytest.raises(DialFailed) as caught:
            await WebSocketDialer()(url + "?signature=secret", Recorder())
    assert caught.value.status == status
    assert words in caught.value.cause
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("named", "after"), [("30", 30.0), ("\xb2", 60.0), ("soon", 60.0)])
async def test_retry_after_is_obeyed_when_it_names_a_time(named: str, after: float) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http("429 Too Many Requests", f"Retry-After: {named}\r\n"))

    async with raw_server(talk) as url:
        with pytest.raises(DialFailed) as caught:
            await WebSocketDialer()(url, Recorder())
    assert recovery_for(caught.value, delay_seconds=9.0) == Reconnect(after)


async def test_nobody_listens() -> None:
    with socket.socket() as held:  # bound, and not listening
        held.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{held.getsockname()[1]}/"
        with pytest.raises(DialFailed, match="connection refused"):
            await WebSocketDialer()(url, Recorder())


async def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(DialFailed, match=r"name not found: nowhere\.invalid"):
        await WebSocketDialer()("wss://nowhere.invalid/", Recorder())


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "nonsense", "ws://127.0.0.1:99999/"])
async def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(DialFailed) as caught:
        await WebSocketDialer()(url, Recorder())
    assert caught.value.cause


async def test_tls_with_somebody_who_speaks_none() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(http("400 Bad Request"))

    dialer = WebSocketDialer(ssl_context=ssl.create_default_context())
    async with raw_server(talk) as url:
        with pytest.raises(DialFailed, match="TLS failed"):
            await dialer(url.replace("ws:", "wss:"), Recorder())


async def test_silence_during_the_upgrade() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(talk) as url:
        with pytest.raises(DialFailed, match=r"no answer within 0\.05 s"):
            await WebSocketDialer(within_seconds=0.05)(url, Recorder())


@pytest.mark.parametrize("answers", [False, True])
@pytest.mark.parametrize("cancelled", [False, True])
@unhurried.alone
async def test_a_dial_that_is_given_up_leaves_no_connection(answers: bool, cancelled: bool) -> None:
    met, gone = asyncio.Event(), asyncio.Event()
    go = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.set()
        await go.wait()
        if answers:
            await upgrade(reader, writer)
            writer.write(frame(1, b"late"))
        with suppress(ConnectionError):
            while await reader.read(1000):
                pass
        gone.set()

    async with raw_server(talk) as url:
        receiver = Recorder()
        dial = asyncio.ensure_future(WebSocketDialer(within_seconds=0.1)(url, receiver))
        await met.wait()
        if cancelled:
            dial.cancel()
        await asyncio.gather(dial, return_exceptions=True)
        go.set()
        async with asyncio.timeout(60):
            await gone.wait()
    assert (receiver.frames, receiver.losses) == ([], [])
