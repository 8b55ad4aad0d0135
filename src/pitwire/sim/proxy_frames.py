"""WebSocket frames as a proxy needs them: cut out of a stream of bytes, spoiled, made up.

House rules: written from RFC 6455; pure; frames go from server to client and are not masked.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from pitwire.sim.proxy_faults import Insertion, Recoding

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
_FIN, _RESERVED = 0x80, 0x40
_SHORT, _MIDDLE, _LONG = 125, 126, 127


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame; `head` is its first byte: FIN, reserved bits and opcode."""

    head: int
    payload: bytes

    @property
    def opcode(self) -> int:
        return self.head & 0x0F

    @property
    def is_text(self) -> bool:
        """A whole text message."""
        return self.head == _FIN | TEXT

    def encode(self) -> bytes:
        """As it goes over the wire."""
        size = len(self.payload)
        if size <= _SHORT:
            return bytes((self.head, size)) + self.payload
        if size < 1 << 16:
            return struct.pack("!BBH", self.head, _MIDDLE, size) + self.payload
        return struct.pack("!BBQ", self.head, _LONG, size) + self.payload


class FrameCutter:
    """Bytes in, whole frames out."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now."""
        self._rest += data
        while (found := self._first()) is not None:
            yield found

    def _first(self) -> Frame | None:
        rest = self._rest
        if len(rest) < 2:
            return None
        size, begin = rest[1] & 0x7F, 2
        if size == _MIDDLE:
            begin = 4
        elif size == _LONG:
            begin = 10
        if len(rest) < begin:
            return None
        if begin > 2:
            size = int.from_bytes(rest[2:begin], "big")
        if len(rest) < begin + size:
            return None
        frame = Frame(rest[0], bytes(rest[begin : begin + size]))
        del rest[: begin + size]
        return frame


def recoded(frame: Frame, how: Recoding, size: int) -> Iterator[Frame]:
    """A text message in another shape that means the same (RFC 6455 §5.4, §5.6)."""
    if not frame.is_text:
        yield frame
        return
    if how == "binary":
        yield Frame(_FIN | BINARY, frame.payload)
        return
    pieces = [frame.payload[at : at + size] for at in range(0, len(frame.payload), size)] or [b""]
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        yield Frame((_FIN if last else 0) | (CONTINUATION if number else TEXT), piece)
        if how == "fragments-and-pings" and number == 0 and not last:
            yield Frame(_FIN | PING, b"between")


def inserted(how: Insertion, code: int) -> bytes:
    """What a made-up frame is on the wire."""
    match how:
        case "ping":
            return Frame(_FIN | PING, b"made up").encode()
        case "pong":
            return Frame(_FIN | PONG, b"nobody asked").encode()
        case "close":
            return Frame(_FIN | CLOSE, struct.pack("!H", code) + b"made up").encode()
        case "huge-header":  # §5.2: the most significant bit must be 0; here the next one is 1
            return struct.pack("!BBQ", _FIN | TEXT, _LONG, (1 << 63) - 1)
        case "reserved-bit":  # §5.2: set without an extension that was agreed upon
            return Frame(_FIN | _RESERVED | TEXT, b"{}").encode()
        case "unknown-opcode":
            return Frame(_FIN | 0x3, b"{}").encode()
        case "lone-continuation":
            return Frame(_FIN | CONTINUATION, b"{}").encode()
        case "long-ping":  # §5.5: control frames have 125 bytes at most
            return Frame(_FIN | PING, b"x" * 126).encode()
        case "fragmented-ping":
            return Frame(PING, b"half").encode()
        case "bad-utf8":
            return Frame(_FIN | TEXT, b'{"a":"\xff"}').encode()
        case "split-bad-utf8":  # a character begun in one fragment and ended wrongly in the next
            return Frame(TEXT, b'{"a":"\xce').encode() + Frame(_FIN, b'"}').encode()
        case "binary-garbage":
            return Frame(_FIN | BINARY, bytes(range(64))).encode()
