"""A segment: one file of a journal, as bytes.

    preamble   magic, format version, CRC-32 of both
    record 0   the header: whose journal, which epoch, which segment, what it follows
    record n   length, the same with every bit turned over, chain; then the payload

The chain of a record is BLAKE2b of the chain before it and its payload, so no record can be
changed, left out or moved without every later one saying so; a header names the chain that its
segment follows. The length stands there twice so that a changed one is not taken for a record that
was cut. Format 1 had CRCs in these places, whose tables an order had to wait for; it is read.

House rules: no file is touched here; what is wrong is located and never read past.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple
from zlib import crc32

import msgspec

MAGIC = b"PWJRNL\r\n"
"""Ends in a line break that a transfer as text would change."""
VERSION = 2
"""Raised when an older reader would misread what is written; see docs/journal.md."""
NOTHING = bytes(16)
"""The chain before the first record."""
LONGEST = 1 << 24
"""No record is longer, so a length beyond it is damage."""

_PREAMBLE = Struct("<8sII")
_HEAD = Struct("<II16s")
_OLD_HEAD = Struct("<II16sI")
"""Of format 1: length, CRC-32 of the payload, chain, CRC-32 of these three."""
HEAD_SIZE = _HEAD.size
"""Bytes before each payload."""
_TURNED = 0xFFFFFFFF


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first record of every segment."""

    installation: str
    account: str
    epoch: int
    """Which start of this account wrote it."""
    segment: int
    started: int
    """Our clock when it was begun, ns."""
    previous: str
    """The chain at the end of the segment before, in hexadecimal."""


class Ill(StrEnum):
    """What can be wrong with a journal."""

    TORN = "torn"
    """The last record is not whole: the process or the machine died while writing it."""
    DAMAGED = "damaged"
    """A record is not what was written."""
    MISSING = "missing"
    """A segment that should be there is not."""
    NEWER = "newer"
    """Written by a newer version of this program."""
    STRANGE = "strange"
    """Whole and unchanged, and still no record that we know."""


class Flaw(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, and where."""

    ill: Ill
    segment: int
    record: int = 0
    """Number of the record within its segment; 0 is the header."""
    offset: int = 0
    """Where that record begins, in bytes."""
    lost: int = 0
    """Bytes from there on that are not used."""
    text: str = ""

    @property
    def is_harmless(self) -> bool:
        """Whether every crash may leave this behind."""
        return self.ill is Ill.TORN

    def __str__(self) -> str:
        if self.ill is Ill.MISSING:
            return f"segment {self.segment} is missing"
        where = f"segment {self.segment}, record {self.record} at byte {self.offset}"
        told = f", {self.text}" if self.text else ""
        return f"{where}: {self.ill}{told}, {self.lost} bytes not used"


class Chain:
    """Frames payloads, each bound to all before it."""

    __slots__ = ("last",)

    def __init__(self, last: bytes = NOTHING) -> None:
        self.last = last

    def frame(self, payload: bytes) -> bytes:
        """The bytes of the next record."""
        length = len(payload)
        last = self.last = blake2b(self.last + payload, digest_size=16).digest()
        return _HEAD.pack(length, length ^ _TURNED, last) + payload


def begin(header: Header, chain: Chain) -> bytes:
    """The first bytes of a segment; `chain` goes on from its header."""
    start = MAGIC + VERSION.to_bytes(4, "little")
    chain.last = NOTHING
    return start + crc32(start).to_bytes(4, "little") + chain.frame(msgspec.json.encode(header))


class Segment(NamedTuple):
    """What could be read of a segment."""

    header: Header | None
    payloads: list[bytes]
    """The records after the header."""
    chains: list[bytes]
    """The chain after the header and after each of them."""
    flaw: Flaw | None


def read_segment(data: bytes, number: int) -> Segment:
    """Everything up to the first thing that is wrong."""
    flaw = _preamble_flaw(data, number)
    if flaw is not None:
        return Segment(None, [], [], flaw)
    is_old = int.from_bytes(data[8:12], "little") == 1
    payloads, chains, end = _sound_old(data) if is_old else _sound(data)
    if end < len(data):
        wrong = _wrong_old(data, end) if is_old else _wrong(data, end)
        size = _OLD_HEAD.size if is_old else _HEAD.size
        flaw = _flaw(data, number, len(payloads), end, wrong, size)
    if not payloads:
        nothing = Flaw(ill=Ill.TORN, segment=number, offset=end, text="no header")
        return Segment(None, [], [], flaw or nothing)
    try:
        header = msgspec.json.decode(payloads[0], type=Header)
    except msgspec.MsgspecError as error:
        strange = Flaw(ill=Ill.STRANGE, segment=number, offset=_PREAMBLE.size, text=str(error))
        return Segment(None, [], [], strange)
    return Segment(header, payloads[1:], chains, flaw)


_CUT, _BAD_HEAD, _BAD_PAYLOAD, _BAD_CHAIN = "cut", "its head", "its payload", "its chain"
_BAD = "its payload or its chain"
"""The chain covers both, and nothing else says which it is."""


def _sound(data: bytes) -> tuple[list[bytes], list[bytes], int]:
    """Payloads and chains of the records that are sound, and where they end."""
    payloads: list[bytes] = []
    chains: list[bytes] = []
    last, offset, size = NOTHING, _PREAMBLE.size, len(data)
    unpack, head, turn, longest = _HEAD.unpack_from, _HEAD.size, _TURNED, LONGEST
    while (start := offset + head) <= size:
        length, turned, chain = unpack(data, offset)
        end = start + length
        if turned != length ^ turn or length > longest or end > size:
            break
        payload = data[start:end]
        if blake2b(last + payload, digest_size=16).digest() != chain:
            break
        last, offset = chain, end
        payloads.append(payload)
        chains.append(chain)
    return payloads, chains, offset


def _wrong(data: bytes, offset: int) -> str:
    """What is wrong with the record that begins here."""
    start = offset + _HEAD.size
    if start > len(data):
        return _CUT
    length, turned, _ = _HEAD.unpack_from(data, offset)
    if turned != length ^ _TURNED or length > LONGEST:
        return _BAD_HEAD
    return _CUT if start + length > len(data) else _BAD


def _sound_old(data: bytes) -> tuple[list[bytes], list[bytes], int]:
    """The same of format 1.

    The chain covers the payload and the head's own check all that stands in the head, so the
    payload's check is looked at only to say what is wrong: a start reads a hundred thousand.
    """
    payloads: list[bytes] = []
    chains: list[bytes] = []
    last, offset, size = NOTHING, _PREAMBLE.size, len(data)
    while (start := offset + _OLD_HEAD.size) <= size:
        length, _, chain, head_check = _OLD_HEAD.unpack_from(data, offset)
        end = start + length
        if length > LONGEST or end > size or crc32(data[offset : offset + 24]) != head_check:
            break
        payload = data[start:end]
        if blake2b(last + payload, digest_size=16).digest() != chain:
            break
        last, offset = chain, end
        payloads.append(payload)
        chains.append(chain)
    return payloads, chains, offset


def _wrong_old(data: bytes, offset: int) -> str:
    start = offset + _OLD_HEAD.size
    if start > len(data):
        return _CUT
    length, check, _, head_check = _OLD_HEAD.unpack_from(data, offset)
    if crc32(data[offset : offset + 24]) != head_check or length > LONGEST:
        return _BAD_HEAD
    payload = data[start : start + length]
    if len(payload) < length:
        return _CUT
    return _BAD_PAYLOAD if crc32(payload) != check else _BAD_CHAIN


def _flaw(data: bytes, number: int, record: int, offset: int, wrong: str, head: int) -> Flaw:
    """A tail that is cut or was never written (zeros) is torn; anything else is damage."""
    rest = data[offset:]
    contents = rest[head:]
    lost = wrong in (_BAD, _BAD_PAYLOAD) and bool(contents) and not any(contents)
    unwritten = lost or not any(rest)
    torn = wrong == _CUT or unwritten
    return Flaw(
        ill=Ill.TORN if torn else Ill.DAMAGED,
        segment=number,
        record=record,
        offset=offset,
        lost=len(rest),
        text="" if torn else wrong,
    )


def _preamble_flaw(data: bytes, number: int) -> Flaw | None:
    size = len(data)
    if size < _PREAMBLE.size:
        torn = MAGIC.startswith(data[:8]) or not any(data)
        ill = Ill.TORN if torn else Ill.DAMAGED
        return Flaw(ill=ill, segment=number, lost=size, text="the preamble")
    magic, version, check = _PREAMBLE.unpack_from(data)
    if not any(data):
        return Flaw(ill=Ill.TORN, segment=number, lost=size, text="the preamble")
    if magic != MAGIC or crc32(data[:12]) != check:
        return Flaw(ill=Ill.DAMAGED, segment=number, lost=size, text="the preamble")
    if version > VERSION:
        told = f"format {version}, this program reads up to {VERSION}"
        return Flaw(ill=Ill.NEWER, segment=number, lost=size, text=told)
    return None
