"""The vectors of `rfc6455.tsv`: rows, the bytes they stand for, and what must come of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from pitwire.sim.frames import BINARY, PING, PONG, TEXT, Message, masked

LIMIT = 100_000
"""The longest message of a side under test, in bytes."""
_KEY = bytes.fromhex("37fa213d")  # RFC 6455 §5.7
_TABLE = Path(__file__).with_name("rfc6455.tsv")
_KINDS = {"m": (TEXT, BINARY), "p": (PING,), "q": (PONG,)}


class Vector(msgspec.Struct, frozen=True):
    """One row. `heard` has (letter, payload) in order; `code` is None where it stays open."""

    clause: str
    side: str
    frames: str
    heard: tuple[tuple[str, bytes], ...]
    code: int | None
    note: str

    def __str__(self) -> str:
        return f"{self.clause} {self.note}: {self.frames[:60]}"

    def data(self, side: str) -> bytes:
        """What the side under test (`client` or `server`) is sent."""
        return b"".join(_frame(token, side == "server") for token in self.frames.split(" "))

    def judge(self, side: str, heard: list[tuple[str, bytes]], code: int | None) -> str:
        """What is wrong with what came of it, or nothing."""
        if tuple(heard) == self.heard and code == self.code:
            return ""
        short = [(kind, payload[:20], len(payload)) for kind, payload in heard]
        return f"{side}: {self}: heard {short}, closed with {code}, expected {self.code}"


def vectors(side: str) -> list[Vector]:
    """The rows for this side."""
    return [row for row in _rows() if row.side in ("both", side)]


def letter(message: Message) -> str:
    """The table's letter for a message."""
    return next(letter for letter, kinds in _KINDS.items() if message.opcode in kinds)


def client_frame(opcode: int, payload: bytes) -> bytes:
    """A whole short frame as a client sends it."""
    return _frame(f"{0x80 | opcode:02x}:{payload.hex()}", True)


def _rows() -> Iterator[Vector]:
    for line in _TABLE.read_text().splitlines():
        if line.startswith("#"):
            continue
        clause, side, frames, expected, note = line.split("\t")
        *heard, last = expected.split(" ")
        code = int(last) if last.isdigit() else None
        said = heard if code is not None else [*heard, last]
        yield Vector(clause, side, frames, tuple(map(_heard, said)), code, note)


def _heard(token: str) -> tuple[str, bytes]:
    kind, rest = token[0], token[1:]
    return kind, b"x" * int(rest[1:]) if rest[0] == "*" else bytes.fromhex(rest[1:])


def _frame(token: str, masks: bool) -> bytes:
    head, rest = token[:2], token[2:]
    if token.startswith("raw:"):
        return bytes.fromhex(token[4:])
    form, key = "", _KEY
    if rest[0] == "=":
        form, rest = rest[1:4], rest[4:]
    elif rest[0] == "!":
        masks, rest = not masks, rest[1:]
    elif rest[0] == "@":
        key, rest = bytes.fromhex(rest[1:9]), rest[9:]
    payload = b"x" * int(rest[1:]) if rest[0] == "*" else bytes.fromhex(rest[1:])
    bit, size = 0x80 if masks else 0, len(payload)
    if form == "127" or size >= 1 << 16:
        length = bytes([bit | 127]) + size.to_bytes(8, "big")
    elif form == "126" or size > 125:
        length = bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([bit | size])
    return bytes.fromhex(head) + length + (key + masked(payload, key) if masks else payload)
