"""The sides under test, made to say what they hear: the client's link, the venue's server."""

from __future__ import annotations

import asyncio
import json

import picows
from aiohttp import web
from picows import WSFrame, WSMsgType, WSTransport

from pitwire.model.errors import ConnectionLost
from pitwire.sim.frames import BINARY, PING, PONG, TEXT, Message
from pitwire.sim.sockets import ServedSocket
from pitwire.wire.link import Buffer
from pitwire.wire.websocket_link import WebSocketLink

LONGEST = 16 * 1024 * 1024
CASE_SECONDS = 60.0


class EchoLink(WebSocketLink):
    """The client's link, told by itself what to send."""

    def __init__(self) -> None:
        super().__init__(self, max_frame=LONGEST)
        self._kind = WSMsgType.TEXT
        self.heard: list[bytes] = []
        self.gone = asyncio.Event()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY):
            self._kind = frame.msg_type
        super().on_ws_frame(transport, frame)

    def on_frame(self, frame: Buffer, drained: bool) -> None:
        self.heard.append(bytes(frame))
        if not self._transport.is_close_frame_sent:
            self._transport.send(self._kind, frame)

    def on_drained(self) -> None: ...

    def on_ping(self, payload: bytes) -> None: ...

    def on_pong(self, payload: bytes) -> None: ...

    def on_lost(self, error: ConnectionLost) -> None:
        self.gone.set()


async def _visit(url: str) -> list[bytes]:
    link = EchoLink()
    await picows.ws_connect(
        lambda: link,
        url,
        logger_name=link.log,
        enable_auto_pong=False,
        max_frame_size=LONGEST,
        max_redirects=0,
    )
    try:
        async with asyncio.timeout(CASE_SECONDS):
            await link.gone.wait()
    except TimeoutError:
        link.abort()
    return link.heard


async def run_client(root: str, agent: str) -> int:
    """Take every case of a fuzzing server; returns how many there were."""
    count = json.loads((await _visit(f"{root}/getCaseCount"))[0])
    for case in range(1, count + 1):
        await _visit(f"{root}/runCase?case={case}&agent={agent}")
    await _visit(f"{root}/updateReports?agent={agent}")
    return int(count)


async def _echo(request: web.Request) -> web.StreamResponse:
    def heard(message: Message) -> None:
        if message.opcode in (TEXT, BINARY):
            socket.send(message.opcode, message.payload)
        elif message.opcode == PING:
            socket.send(PONG, message.payload)

    socket = ServedSocket(request, heard=heard, max_message=LONGEST)
    response = await socket.open()
    await socket.wait_gone()
    return response


async def serve_echo() -> tuple[web.AppRunner, int]:
    """The simulator's server on a free port; clean the runner up in the end."""
    application = web.Application()
    application.router.add_get("/{path:.*}", _echo)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, runner.addresses[0][1]
