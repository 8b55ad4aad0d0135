"""The two codecs of Alpaca's sockets: JSON in text frames, msgpack in binary ones (alpaca §2.1).

House rules: a message is built for its codec, since times and whole numbers are spelt otherwise in
each; an array is put together of messages that were encoded once, however many listen.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Protocol, TypeAlias

import msgspec

from pitwire.model.clock import SECOND
from pitwire.sim.facades.alpaca_text import timed

Message: TypeAlias = dict[str, object]
"""One object, `T` first: the venue's own Go client wants it so (§2.1)."""
MSGPACK_TYPE = "application/msgpack"
_TIMESTAMP = -1
_SHORT_ARRAY = 16
_LONG_ARRAY = 1 << 16
_SECONDS_OF_64 = 1 << 34


class Wire(Protocol):
    """How one connection is spoken to."""

    @property
    def name(self) -> str: ...
    @property
    def binary(self) -> bool:
        """Whether its frames are."""
        ...

    def number(self, value: float) -> object:
        """A float as it is written."""
        ...

    def time(self, at: int) -> object:
        """ns since the epoch as they are written."""
        ...

    def encode(self, message: object) -> bytes: ...
    def array(self, messages: Sequence[bytes]) -> bytes:
        """Messages that were encoded one by one, as one array."""
        ...

    def decode(self, frame: bytes) -> object:
        """What a client sent; raises `ValueError` where it is none."""
        ...


class JsonWire:
    """Times are text, and a float that is whole has no point (§3.2)."""

    def __init__(self, name: str = "json", *, binary: bool = False) -> None:
        self.name, self.binary = name, binary
        self.encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder().decode

    def number(self, value: float) -> object:
        return int(value) if value.is_integer() else value

    def time(self, at: int) -> object:
        return timed(at)

    def array(self, messages: Sequence[bytes]) -> bytes:
        return b"[" + b",".join(messages) + b"]"

    def decode(self, frame: bytes) -> object:
        return self._decode(frame)


class MsgpackWire:
    """Times are timestamp extensions with nanoseconds, floats are float64 (§2.1)."""

    name = "msgpack"
    binary = True

    def __init__(self) -> None:
        self.encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder().decode

    def number(self, value: float) -> object:
        return value

    def time(self, at: int) -> object:
        second, rest = divmod(at, SECOND)
        if 0 <= second < _SECONDS_OF_64:
            return msgspec.msgpack.Ext(_TIMESTAMP, struct.pack(">Q", rest << 34 | second))
        return msgspec.msgpack.Ext(_TIMESTAMP, struct.pack(">Iq", rest, second))

    def array(self, messages: Sequence[bytes]) -> bytes:
        count = len(messages)
        if count < _SHORT_ARRAY:
            head = bytes((0x90 | count,))
        elif count < _LONG_ARRAY:
            head = struct.pack(">BH", 0xDC, count)
        else:
            head = struct.pack(">BI", 0xDD, count)
        return head + b"".join(messages)

    def decode(self, frame: bytes) -> object:
        return self._decode(frame)


JSON = JsonWire()
JSON_IN_BINARY = JsonWire("json in binary frames", binary=True)
MSGPACK = MsgpackWire()


def wire_of(content_type: str, usual: Wire = JSON) -> Wire:
    """The codec that a handshake's `Content-Type` asks for (§2.1)."""
    kind = content_type.partition(";")[0].strip().lower()
    return MSGPACK if kind == MSGPACK_TYPE else usual
