"""RFC 6455, clause by clause, against the client's link, the simulator's server and its reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web

from pitwire.sim.frames import CLOSE, TEXT, Breach, FrameReader, Message, server_frame
from pitwire.sim.sockets import ServedSocket
from pitwire.wire.websocket import WebSocketDialer
from tests.wire.recorder import Recorder
from tests.wire.rfc6455 import LIMIT, Vector, client_frame, letter, vectors
from tests.wire.test_websocket import raw_server, upgrade

AT_ONCE = 20
END = b"the end of this vector"
CLAUSES = sorted({row.clause for side in ("client", "server") for row in vectors(side)})
_HELLO = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def test_the_table_is_as_large_as_it_says() -> None:
    assert len(vectors("client")) > 300
    assert len(vectors("server")) > 300


# --- the reader alone, in one piece and byte by byte


def read(row: Vector, side: str, pieces: list[bytes]) -> str:
    reader = FrameReader(masked=side == "server", max_message=LIMIT)
    heard: list[tuple[str, bytes]] = []
    code: int | None = None
    try:
        for piece in pieces:
            for message in reader.feed(piece):
                if message.opcode == CLOSE:
                    code = message.code
                else:
                    heard.append((letter(message), message.payload))
    except Breach as breach:
        code = breach.code
    return row.judge(f"reader of a {side}", heard, code)


@pytest.mark.parametrize("side", ["client", "server"])
def test_the_reader(side: str) -> None:
    wrong = []
    for row in vectors(side):
        data = row.data(side)
        wrong.append(read(row, side, [data]))
        if len(data) < 1000:
            wrong.append(read(row, side, [data[at : at + 1] for at in range(len(data))]))
    assert [one for one in wrong if one] == []


# --- on sockets


async def judged(rows: list[Vector], attempt: Callable[[Vector], Awaitable[str]]) -> list[str]:
    """Try the rows, some at a time; what was wrong."""
    wrong: list[str] = []
    for begin in range(0, len(rows), AT_ONCE):
        async with asyncio.timeout(50):
            found = await asyncio.gather(*map(attempt, rows[begin : begin + AT_ONCE]))
        wrong += [one for one in found if one]
    return wrong


async def collect(reader: asyncio.StreamReader, frames: FrameReader) -> list[Message]:
    """All that the side under test says until it leaves."""
    said: list[Message] = []
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            said += frames.feed(data)
    return said


class Heard(Recorder):
    """Everything in the order in which it came."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[tuple[str, bytes]] = []

    def on_frame(self, frame: bytes | bytearray | memoryview, drained: bool) -> None:
        self.order.append(("m", bytes(frame)))
        super().on_frame(frame, drained)

    def on_ping(self, payload: bytes) -> None:
        self.order.append(("p", payload))
        super().on_ping(payload)

    def on_pong(self, payload: bytes) -> None:
        self.order.append(("q", payload))
        super().on_pong(payload)


async def try_client(row: Vector) -> str:
    said: asyncio.Future[list[Message]] = asyncio.get_running_loop().create_future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(row.data("client") + (server_frame(TEXT, END) if row.code is None else b""))
        found = await collect(reader, FrameReader(masked=True, max_message=LIMIT))
        if not said.done():
            said.set_result(found)

    told = Heard()
    async with raw_server(talk) as url:
        link = await WebSocketDialer(max_frame=LIMIT, within_seconds=20)(url, told)
        if row.code is None:
            await told.until(lambda: ("m", END) in told.order)
            told.order.remove(("m", END))
            link.abort()
        await told.until(lambda: bool(told.losses))
        code = told.losses[0].code if row.code is not None else None
        answers = await said
    wrong = row.judge("client", told.order, code)
    return wrong or check_answers(row, "client", answers)


def check_answers(row: Vector, side: str, answers: list[Message]) -> str:
    """Pongs for all pings, in order, and the right goodbye."""
    pongs = [one.payload for one in answers if one.opcode != CLOSE and one.payload != END]
    if pongs != [payload for kind, payload in row.heard if kind == "p"]:
        return f"{side}: {row}: answered {pongs}"
    codes = [one.code for one in answers if one.opcode == CLOSE]
    allowed = {row.code, 1000} if row.code == 1005 else {row.code}
    if row.code is not None and not (codes and codes[0] in allowed):
        return f"{side}: {row}: said goodbye with {codes}, expected {row.code}"
    return ""


@asynccontextmanager
async def listening(heard: Callable[[str, Message], bytes | None]) -> AsyncIterator[int]:
    """The simulator's sockets; `heard` is told under the path and may have an answer."""

    async def handle(request: web.Request) -> web.StreamResponse:
        def take(message: Message) -> None:
            answer = heard(request.path, message)
            if answer is not None:
                socket.send(TEXT if answer == END else 0xA, answer)

        socket = ServedSocket(request, heard=take, max_message=LIMIT)
        response = await socket.open()
        await socket.wait_gone()
        return response

    application = web.Application()
    application.router.add_get("/{row}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def try_server(row: Vector, port: int, name: str) -> list[Message]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_HELLO.replace(b"GET /", b"GET /" + name.encode()))
    await reader.readuntil(b"\r\n\r\n")
    writer.write(row.data("server"))
    frames = FrameReader(masked=False, max_message=LIMIT)
    said: list[Message] = []
    if row.code is None:
        writer.write(client_frame(TEXT, END))
        while not any(one.payload == END for one in said):
            said += frames.feed(await reader.read(1 << 16))
    else:
        said = await collect(reader, frames)
    writer.transport.abort()
    return said


@pytest.mark.parametrize("clause", CLAUSES)
async def test_the_clients_link(clause: str) -> None:
    rows = [row for row in vectors("client") if row.clause == clause]
    assert await judged(rows, try_client) == []


@pytest.mark.parametrize("clause", CLAUSES)
async def test_the_simulators_server(clause: str) -> None:
    rows = [row for row in vectors("server") if row.clause == clause]
    names = {row: str(number) for number, row in enumerate(rows)}
    heard: dict[str, list[tuple[str, bytes]]] = {f"/{name}": [] for name in names.values()}

    def take(path: str, message: Message) -> bytes | None:
        if message.payload == END:
            return END
        kind = letter(message)
        heard[path].append((kind, message.payload))
        return message.payload if kind == "p" else None

    async with listening(take) as port:

        async def attempt(row: Vector) -> str:
            said = await try_server(row, port, names[row])
            code = next((one.code for one in said if one.opcode == CLOSE), None)
            code = row.code if row.code == 1005 and code == 1000 else code
            wrong = row.judge("server", heard[f"/{names[row]}"], code)
            return wrong or check_answers(row, "server", said)

        assert await judged(rows, attempt) == []


# --- the upgrade (§4.2.1)


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"", b"", 101),
        (b"Upgrade: websocket", b"Upgrade: WebSocket", 101),
        (b"Connection: Upgrade", b"Connection: keep-alive, upgrade", 101),
        (b"Connection: Upgrade", b"Connection: keep-alive", 400),
        (b"Version: 13", b"Version: 12", 426),
        (b"Sec-WebSocket-Version: 13\r\n", b"", 426),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZQ==", 400),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"not base64", 400),
        (b"Sec-WebSocket-Key", b"X-Key", 400),
    ],
)
async def test_the_upgrade(old: bytes, new: bytes, status: int) -> None:
    async with listening(lambda path, message: None) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_HELLO.replace(b"GET /", b"GET /x").replace(old, new))
        head = await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()
    assert int(head.split()[1]) == status
    assert (b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head) is (status == 101)  # RFC 6455 §1.3
    assert (b"Sec-WebSocket-Version: 13" in head) is (status == 426)
