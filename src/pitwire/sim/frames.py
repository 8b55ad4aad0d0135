"""WebSocket frames, read strictly: RFC 6455 §5 to §8 as one object for either side.

House rules: pure; bytes in, messages out; the first breach ends it, with the close code the
standard names. A message comes out whole, a control frame between its fragments at once.
"""

from __future__ import annotations

import struct
from codecs import getincrementaldecoder
from collections.abc import Iterator

import msgspec

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_OPCODES = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))
_FIN, _RESERVED, _CONTROL, _MASK = 0x80, 0x70, 0x08, 0x80
_SHORT, _MIDDLE, _LONG = 125, 126, 127
_CODES = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)))
"""Close codes that may be sent (§7.4)."""
_decoder = getincrementaldecoder("utf-8")


class Breach(Exception):
    """The other side broke the protocol; `code` is what it is told."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


class Message(msgspec.Struct, frozen=True, gc=False):
    """A whole message or a control frame; of a close, `code` is 1005 when none was given."""

    opcode: int
    payload: bytes = b""
    code: int = 0


class FrameReader:
    """Bytes in, messages out; `masked` says whether the other side must mask, as a client must."""

    def __init__(self, *, masked: bool, max_message: int) -> None:
        self._masked, self._max = masked, max_message
        self._rest = bytearray()
        self._parts = bytearray()
        self._kind = CONTINUATION
        """The opcode of the message that is half received; none is: `CONTINUATION`."""
        self._decoder = _decoder()
        self._over = False

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are whole now; raises `Breach`, and hears nothing after it."""
        if self._over:
            return
        self._rest += data
        try:
            while not self._over and (found := self._next()) is not None:
                head, payload = found
                message = self._take(head & 0x0F, bool(head & _FIN), payload)
                if message is not None:
                    self._over = message.opcode == CLOSE
                    yield message
        except Breach:
            self._over = True
            raise

    def _next(self) -> tuple[int, bytes] | None:
        """The next whole frame: its first byte and what it carries."""
        rest = self._rest
        if len(rest) < 2:
            return None
        head, second = rest[0], rest[1]
        self._check_head(head, second)
        found = self._length(second & 0x7F)
        if found is None:
            return None
        begin, size = found
        if not head & _CONTROL and size + len(self._parts) > self._max:
            raise Breach(1009, f"a message longer than {self._max} bytes")
        key = b""
        if self._masked:
            key, begin = bytes(rest[begin : begin + 4]), begin + 4
        if len(rest) < begin + size:
            return None
        payload = bytes(rest[begin : begin + size])
        del rest[: begin + size]
        return head, masked(payload, key) if key else payload

    def _check_head(self, head: int, second: int) -> None:
        opcode, size = head & 0x0F, second & 0x7F
        if head & _RESERVED:
            raise Breach(1002, "a reserved bit is set (RFC 6455 §5.2)")
        if opcode not in _OPCODES:
            raise Breach(1002, f"opcode {opcode} (RFC 6455 §5.2)")
        if bool(second & _MASK) is not self._masked:
            wrong = "no mask" if self._masked else "a mask"
            raise Breach(1002, f"{wrong} (RFC 6455 §5.1)")
        if opcode & _CONTROL:
            if size > _SHORT or not head & _FIN:
                raise Breach(1002, "a control frame too long or in pieces (RFC 6455 §5.5)")
        elif (opcode == CONTINUATION) is (self._kind == CONTINUATION):
            raise Breach(1002, "fragments out of order (RFC 6455 §5.4)")

    def _length(self, size: int) -> tuple[int, int] | None:
        """Where the mask or the payload begins, and how long it is."""
        rest, begin, least = self._rest, 2, 0
        if size == _MIDDLE:
            begin, least = 4, 126
        elif size == _LONG:
            begin, least = 10, 1 << 16
        if len(rest) < begin:
            return None
        if least:
            size = int.from_bytes(rest[2:begin], "big")
            if size < least or size >> 63:
                raise Breach(1002, "a length in a form that is not its own (RFC 6455 §5.2)")
        return begin, size

    def _take(self, opcode: int, fin: bool, payload: bytes) -> Message | None:
        if opcode == CLOSE:
            return _close(payload)
        if opcode & _CONTROL:
            return Message(opcode, payload)
        if opcode != CONTINUATION:
            self._kind = opcode
        if self._kind == TEXT:
            self._read_text(payload, fin)
        if not fin:
            self._parts += payload
            return None
        whole = bytes(self._parts) + payload if self._parts else payload
        kind, self._kind = self._kind, CONTINUATION
        self._parts.clear()
        return Message(kind, whole)

    def _read_text(self, piece: bytes, fin: bool) -> None:
        try:
            self._decoder.decode(piece, fin)
            begun = self._decoder.getstate()[0]
        except UnicodeDecodeError:
            begun = b"\xff"
        # The decoder tells half a surrogate only with its third byte.
        if begun == b"\xff" or (begun[:1] == b"\xed" and begun[1:2] >= b"\xa0"):
            raise Breach(1007, "text that is not UTF-8 (RFC 6455 §8.1)")


def _close(payload: bytes) -> Message:
    if not payload:
        return Message(CLOSE, b"", 1005)
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or code not in _CODES:
        raise Breach(1002, f"close code {code} (RFC 6455 §7.4)")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise Breach(1007, "a reason that is not UTF-8 (RFC 6455 §5.5.1)") from None
    return Message(CLOSE, payload[2:], code)


def masked(payload: bytes, key: bytes) -> bytes:
    """The payload under a key of four bytes, or without it again (§5.3)."""
    size = len(payload)
    stream = (key * (size // 4 + 1))[:size]
    whole = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return whole.to_bytes(size, "big")


def server_frame(opcode: int, payload: bytes) -> bytes:
    """A whole message or control frame as a server sends it: not masked."""
    size, head = len(payload), _FIN | opcode
    if size <= _SHORT:
        return bytes((head, size)) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", head, _MIDDLE, size) + payload
    return struct.pack("!BBQ", head, _LONG, size) + payload


def close_frame(code: int, reason: bytes = b"") -> bytes:
    """A server's goodbye; code 1005 stands for none, and is not sent (§7.4.1)."""
    body = b"" if code == 1005 else struct.pack("!H", code) + reason[: _SHORT - 2]
    return server_frame(CLOSE, body)
