"""The serving half of a WebSocket, as small as the bench needs it.

House rules: bytes in, values out; nothing here owns a socket.
"""

from __future__ import annotations

import base64
import hashlib
from typing import NamedTuple

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3


class Head(NamedTuple):
    """The first lines of an HTTP request."""

    method: str
    path: str
    query: str
    headers: dict[str, str]


def parse_head(data: bytes) -> Head:
    """Request line and headers of one request."""
    first, *lines = data.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    path, _, query = target.partition("?")
    pairs = (line.partition(":") for line in lines if line)
    return Head(method, path, query, {name.lower(): value.strip() for name, _, value in pairs})


def accept(key: str) -> bytes:
    """The answer that opens a WebSocket."""
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def http_answer(body: bytes, status: str = "200 OK") -> bytes:
    """One whole REST answer on a connection that stays open."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class Frame(NamedTuple):
    """One frame of a client, unmasked."""

    opcode: int
    payload: bytes
    size: int
    """Bytes it took on the wire."""


def frame_size(data: bytes | bytearray) -> int:
    """Bytes of the first frame of a client, 0 while its header is not complete."""
    if len(data) < 2:
        return 0
    size = data[1] & 0x7F
    if size < 126:
        return 6 + size
    extra = 2 if size == 126 else 8
    if len(data) < 2 + extra:
        return 0
    return 6 + extra + int.from_bytes(data[2 : 2 + extra], "big")


def read_frame(data: bytes | bytearray) -> Frame | None:
    """The first whole frame of a client, or None while it is not all there."""
    size = frame_size(data)
    if not size or len(data) < size:
        return None
    head = size - 6 - _length(data)
    mask_at = 2 + head
    mask, body = bytes(data[mask_at : mask_at + 4]), bytes(data[mask_at + 4 : size])
    if not data[1] & 0x80:
        raise ValueError("client frame: found no mask, expected one (RFC 6455 §5.3)")
    repeated = (mask * (len(body) // 4 + 1))[: len(body)]
    plain = int.from_bytes(body, "big") ^ int.from_bytes(repeated, "big")
    return Frame(data[0] & 0x0F, plain.to_bytes(len(body), "big"), size)


def _length(data: bytes | bytearray) -> int:
    size = data[1] & 0x7F
    if size < 126:
        return size
    return int.from_bytes(data[2 : 4 if size == 126 else 10], "big")


def control_frame(opcode: int, payload: bytes) -> bytes:
    """A pong or a close of ours."""
    return bytes((0x80 | opcode, len(payload))) + payload
