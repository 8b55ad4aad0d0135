"""A connection of this process with itself, over which a rehearsal hears and says what it does.

So the system's way from one end of a connection to the other, the loop's reader, the parser of
frames and the writing of one have been met just before, when a tick comes.

House rules: it never leaves the machine, nobody else can join it, what is said on it is blank, and
it keeps no loop awake: what does not arrive at once ends it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing, suppress
from typing import cast

from pitwire.model.errors import ConnectionLost, DialFailed
from pitwire.wire.link import Buffer, Link
from pitwire.wire.polling import PollingLoop
from pitwire.wire.websocket import WebSocketDialer
from pitwire.wire.websocket_link import WebSocketLink

WITHIN_SECONDS = 2.0
_ROOM = 4096
_KEY = re.compile(rb"(?i)\r\nsec-websocket-key: *([^\r]+)\r\n")
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_SAID = b" " * 160
"""As long as a trade is."""
_FRAME = bytes((0x81, 126, *len(_SAID).to_bytes(2, "big"))) + _SAID
_BLANK = b" " * 320
"""As long as an order is."""


class Backstage:
    """Both ends. `on_frame` is called for what was spoken, from where any frame comes."""

    def __init__(self, loop: PollingLoop, on_frame: Callable[[], None]) -> None:
        self._loop, self._heard = loop, on_frame
        self._far: socket.socket | None = None
        self._near: Link | None = None
        self._fd = -1
        self._speaking = False

    async def open(self) -> None:
        """Connect; where that cannot be, nothing is ever said or heard."""
        with suppress(OSError, DialFailed, TimeoutError):
            async with asyncio.timeout(WITHIN_SECONDS):
                await self._connect()

    @property
    def stands(self) -> bool:
        """Whether it is connected."""
        return self._near is not None

    def speak(self) -> None:
        """Let a frame come, which is read before this returns."""
        if self._far is None or self._near is None:
            return
        self._speaking = True
        with suppress(OSError):
            self._far.send(_FRAME)
        self._loop.read(self._fd)
        self._speaking = False

    def answer(self) -> None:
        """Write as much as an order is."""
        if self._far is None or self._near is None:
            return
        self._near.send(_BLANK)
        with suppress(OSError):
            self._far.recv(_ROOM)

    def close(self) -> None:
        """Hang up."""
        near, far, self._near, self._far = self._near, self._far, None, None
        if near is not None:
            near.abort()
        if far is not None:
            far.close()

    async def _connect(self) -> None:
        with closing(socket.create_server(("127.0.0.1", 0), backlog=1)) as door:
            door.setblocking(False)
            port = door.getsockname()[1]
            dial = self._loop.create_task(_dial(f"ws://127.0.0.1:{port}/", self))
            dial.add_done_callback(_take_up)
            try:
                self._far, _ = await self._loop.sock_accept(door)
                await self._let_in(self._far)
                link = await dial
                if self._far is None:
                    raise ConnectionResetError  # it was lost as soon as it stood
            except BaseException:
                dial.cancel()
                self.close()
                raise
        # Had a stranger come in instead, our own dial would have had no answer.
        self._near, self._fd = link, cast(WebSocketLink, link).socket.fileno()

    async def _let_in(self, far: socket.socket) -> None:
        far.setblocking(False)
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _ROOM:
            part = await self._loop.sock_recv(far, _ROOM)
            head += part
            if not part:
                raise ConnectionResetError
        found = _KEY.search(head)
        if found is None:
            raise ConnectionResetError
        proof = b64encode(hashlib.sha1(found[1].strip() + _GUID, usedforsecurity=False).digest())
        answer = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        )
        await self._loop.sock_sendall(far, answer + b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n")

    # ── its near end's receiver ──

    def on_frame(self, frame: Buffer, drained: bool) -> None:
        if self._speaking:
            self._heard()
        else:
            self.close()  # it came late, and would keep the loop awake for ever

    def on_drained(self) -> None:
        """A burst ended with something that is no frame."""

    def on_ping(self, payload: bytes) -> None:
        """Nobody pings."""

    def on_pong(self, payload: bytes) -> None:
        """Nobody pings."""

    def on_lost(self, error: ConnectionLost) -> None:
        self.close()


async def _dial(url: str, receiver: Backstage) -> Link:
    return await WebSocketDialer()(url, receiver)


def _take_up(dial: asyncio.Task[Link]) -> None:
    """How it failed is nobody's business."""
    if not dial.cancelled():
        dial.exception()
