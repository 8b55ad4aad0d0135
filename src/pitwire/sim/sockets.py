"""The server's end of a WebSocket, on aiohttp's HTTP: handshake, frames, goodbyes.

House rules: what a client may not send closes its connection as RFC 6455 says; a message is told in
the turn of the loop that read it; nothing is told after the end.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from pitwire.sim.frames import (
    CLOSE,
    Breach,
    FrameReader,
    Message,
    close_frame,
    server_frame,
)

GOODBYE_SECONDS = 2.0
"""How long a client may take to answer a close."""
BREACH_SECONDS = 0.2
"""How long what comes after a breach is thrown away, so that its close frame arrives."""
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = "13"


class ServedSocket:
    """One client's connection, from the upgrade on."""

    def __init__(
        self, request: web.Request, *, heard: Callable[[Message], None], max_message: int
    ) -> None:
        self._request, self._heard = request, heard
        self._reader = FrameReader(masked=True, max_message=max_message)
        self._writer: AbstractStreamWriter
        self._parting = False
        self._gone = asyncio.Event()

    async def open(self) -> web.StreamResponse:
        """Answer the upgrade (§4.2.2); raises `web.HTTPException` for one that is none."""
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": _accept(self._request),
        }
        answer = web.StreamResponse(status=101, headers=headers)
        writer = await answer.prepare(self._request)
        if writer is None or self._request.transport is None:
            raise ConnectionResetError("the client left during the upgrade")
        self._writer = writer
        self._request.protocol.keep_alive(False)
        self._request.protocol.set_parser(self)  # type: ignore[arg-type]
        return answer

    async def wait_gone(self) -> None:
        """Until the connection is over."""
        await self._gone.wait()

    # ── out ──

    def send(self, opcode: int, payload: bytes) -> None:
        """Send a whole message or control frame; nothing after a goodbye (§5.5.1)."""
        if not self._parting:
            self._write(server_frame(opcode, payload))

    @property
    def is_paused(self) -> bool:
        """Whether the socket's buffer is full: what is sent all the same makes it longer."""
        return self._request.protocol.writing_paused

    async def drain(self) -> None:
        """Wait until the socket takes more; raises `ConnectionError` when it is gone."""
        await self._writer.drain()

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye, and end when the client has answered, or after a moment."""
        self._part(close_frame(code, reason.encode()), GOODBYE_SECONDS)

    def abort(self) -> None:
        """Break the connection off as a network does."""
        if self._request.transport is not None:
            self._request.transport.abort()

    # ── what aiohttp calls ──

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Bytes of the client."""
        try:
            for message in self._reader.feed(bytes(data)):
                self._take(message)
        except Breach as breach:
            self._part(close_frame(breach.code, breach.reason.encode()), BREACH_SECONDS)
        return False, b""

    def feed_eof(self) -> None:
        """The client is gone."""
        self._end()

    # ── within ──

    def _take(self, message: Message) -> None:
        if message.opcode == CLOSE:
            if not self._parting:
                self._parting = True
                self._write(close_frame(message.code))
            self._hang_up()
        elif not self._parting:
            self._heard(message)

    def _part(self, goodbye: bytes, within_seconds: float) -> None:
        if not self._parting:
            self._parting = True
            self._write(goodbye)
            asyncio.get_running_loop().call_later(within_seconds, self._hang_up)

    def _hang_up(self) -> None:
        if self._request.transport is not None:
            self._request.transport.close()
        self._end()

    def _end(self) -> None:
        self._parting = True
        self._gone.set()

    def _write(self, frame: bytes) -> None:
        transport = self._request.transport
        if transport is not None and not transport.is_closing():
            transport.write(frame)


def _accept(request: web.Request) -> str:
    """The answer to the client's key (§4.2.2, step 5.4)."""
    headers = request.headers
    options = {part.strip().lower() for part in headers.get("Connection", "").split(",")}
    if request.method != "GET" or "upgrade" not in options:
        raise web.HTTPBadRequest(text="expected GET with Connection: Upgrade\n")
    version = headers.get("Sec-WebSocket-Version", "")
    if version != _VERSION:
        raise web.HTTPUpgradeRequired(
            headers={"Sec-WebSocket-Version": _VERSION},
            text=f"Sec-WebSocket-Version: found {version!r}, expected {_VERSION}\n",
        )
    key = headers.get("Sec-WebSocket-Key", "")
    if not _is_key(key):
        raise web.HTTPBadRequest(text="Sec-WebSocket-Key: expected 16 bytes in base64\n")
    return base64.b64encode(hashlib.sha1(key.encode() + _MAGIC).digest()).decode()


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key.strip(), validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
