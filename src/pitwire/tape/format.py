"""A tape file, as bytes.

    preamble   magic, format version, CRC-32 of both
    block n    head: marker, flags, sizes, records, CRC-32 of the payload, first and last stamp,
               CRC-32 of these; then the payload
    index      the last block of a file that was closed: where each key block begins
    trailer    where the index is; a file without one was not closed

Payloads are one zstd stream, flushed at the end of each block, so a block costs few bytes and is
readable as soon as it is written; a *key* block begins a new stream, so reading can begin there.
House rules: no file is touched here; what is read is checked before it is believed, and no length
in a file makes us take more memory than `LONGEST`.
"""

from __future__ import annotations

import itertools
import struct
import sys
from collections.abc import Iterator
from enum import IntEnum, IntFlag
from typing import NamedTuple, TypeAlias
from zlib import crc32

import msgspec

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b"PWTAPE\r\n"
"""Ends in a line break that a transfer as text would change."""
VERSION = 1
"""Raised when an older reader would misread what is written; see docs/tape.md."""
MARKER = b"\xf5PWB"
LONGEST = 1 << 26
"""No block is longer, packed or not, so a length beyond it is damage."""
KEY_BYTES = 1 << 20
"""After so many bytes of records the next block is a key block."""
_PACKING: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 1,
    zstd.CompressionParameter.window_log: 17,
    zstd.CompressionParameter.hash_log: 12,
    zstd.CompressionParameter.min_match: 7,
}
"""Tables that fit the nearest cache: a sixth less CPU than level 1 as it comes, and no bigger.
Without short matches it is a little less again, to the same size."""
MOST_LINKS = 0xFFFF
"""Of one run, so that a number fits a record."""

PREAMBLE = struct.Struct("<8sII")
HEAD = struct.Struct("<4sB3xIIIIqqI")
TRAILER = struct.Struct("<8sQI")
_END = b"PWTEND\r\n"
RECORD = struct.Struct("<qIBH")
_FACTS = HEAD.size - 4
_PIECE, _FEW = 5120, 1 << 16
"""Bytes of which `crc32` keeps the interpreter, and of what is summed so."""


UNKNOWN = "unknown"
"""The venue of an import that no venue's decoder knows."""


class Kind(IntEnum):
    """What a record holds."""

    IN = 0
    """A frame from the venue."""
    OUT = 1
    """A frame to the venue; secrets are masked."""
    OPENED = 2
    """A link stands; the payload is its URL, masked."""
    REFUSED = 3
    """A dial failed; the payload is a `Refused` as JSON."""
    LOST = 4
    """A link is gone; the payload is an `Ended` as JSON."""
    HTTP = 5
    """A REST exchange: see `Exchange`."""
    META = 6
    """The first record of a file: a `Meta` as JSON."""
    LINK = 7
    """From here on the record's link number means the name in its payload."""
    DRAINED = 8
    """A burst ended with something that is no frame."""
    HOLE = 9
    """So many frames, as decimal text, came before this moment and were not kept."""
    STOP = 10
    """A desk was told to stop; what follows is its farewell."""


class Flag(IntFlag):
    """What a block is."""

    KEY = 1
    INDEX = 2


_LINK = int(Kind.LINK)
DRAINED_BIT = 0x80
_KIND_BITS = 0x7F

Entry: TypeAlias = tuple[str, Kind, int, bool, bytes]
"""(link, kind, stamp in ns, drained, payload): what is written."""
Parts: TypeAlias = tuple[int, Kind, str, bool, bytes]
"""The parts of a `Record`, in its order, for whoever reads too many to name each."""


class Record(NamedTuple):
    """What is read."""

    at: int
    """Our clock, ns."""
    kind: Kind
    link: str
    """The name of the line; "" where the record belongs to none."""
    drained: bool
    payload: bytes


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """Whose tape this is, and all that a replay needs beside the frames."""

    program: str
    venue: str
    """Its name; `unknown` for an import of which the venue's decoder knows nothing."""
    started: int
    """Our clock when the run began, ns."""
    file: int = 1
    """Which file of the run."""
    origin: str = "session"
    """`session`: a session of ours, with all it said; else the importer, and only what came."""
    time_unit: str = "ms"
    symbols: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    """As in a desk's file: `book`, `bars@1m`."""
    redundancy: int = 1
    roll_at: str = ""
    seed: int | None = None
    prefix: str = ""
    """What the desk's order ids begin with, and the epoch that they count in."""
    epoch: int = 0
    config: str = ""
    """The desk's configuration as JSON; "" when no desk was there."""
    note: str = ""


class Refused(msgspec.Struct, frozen=True):
    """A dial that failed."""

    address: str
    cause: str
    status: int = 0


class Ended(msgspec.Struct, frozen=True):
    """How a link was lost; code 0 means that we gave it up, for this reason."""

    code: int
    reason: str = ""
    clean: bool = False


class Exchange(msgspec.Struct, frozen=True):
    """A REST exchange; its record's stamp is when the answer was here."""

    method: str
    url: str
    sent: int
    status: int
    """0: no answer came, and `error` says why."""
    headers: dict[str, str]
    error: str = ""
    asked: bytes = b""
    """The body of the request."""
    body: bytes = b""


class Index(msgspec.Struct, frozen=True):
    """What a closed file holds."""

    first: int
    last: int
    records: int
    keys: list[tuple[int, int]]
    """(offset, first stamp) of each key block."""


class Head(NamedTuple):
    """What stands before a payload."""

    flags: int
    stored: int
    """Bytes of the payload."""
    raw: int
    """Bytes of the records in it, unpacked."""
    records: int
    check: int
    first: int
    last: int


def preamble() -> bytes:
    """The first bytes of a file."""
    start = MAGIC + VERSION.to_bytes(4, "little")
    return start + crc32(start).to_bytes(4, "little")


def preamble_trouble(data: bytes) -> str:
    """Why this is no file that we can read; "" when it is one."""
    if len(data) < PREAMBLE.size:
        return "an empty file" if not data else "a file cut within its preamble"
    magic, version, check = PREAMBLE.unpack(data)
    if magic != MAGIC:
        return "something else than a tape"
    if crc32(data[:12]) != check:
        return "a damaged preamble"
    if version > VERSION:
        newer = f"format {version} of a newer version (this one reads up to {VERSION})"
        return f"{newer}: upgrade pitwire to read it"
    return ""


def read_head(data: bytes) -> Head | None:
    """The head of a block, when this is one."""
    if len(data) < HEAD.size:
        return None
    marker, flags, stored, raw, records, check, first, last, own = HEAD.unpack(data)
    if marker != MARKER or crc32(data[:_FACTS]) != own or max(stored, raw) > LONGEST:
        return None
    return Head(flags, stored, raw, records, check, first, last)


def _block(flags: int, payload: bytes, raw: int, records: int, first: int, last: int) -> bytes:
    check = _sum_of(payload)
    head = HEAD.pack(MARKER, flags, len(payload), raw, records, check, first, last, 0)
    return b"".join((head[:_FACTS], crc32(head[:_FACTS]).to_bytes(4, "little"), payload))


def _sum_of(payload: bytes) -> int:
    """CRC-32, a piece at a time where there are few: of a longer one it lets go of the interpreter,
    and to get that back from a busy session costs more than the sum.
    """
    if len(payload) > _FEW:
        return crc32(payload)
    check = 0
    for begin in range(0, len(payload), _PIECE):
        check = crc32(payload[begin : begin + _PIECE], check)
    return check


class Spelling:
    """Records as bytes; numbers the links of a run, for all of its files."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {"": 0}
        self._next = itertools.count(1)

    def number_of(self, link: str) -> int:
        """What stands for this link in a record; a new one is named at the next block's start.

        Any thread may ask: each step is one that no other thread can cut in two.
        """
        number = self.numbers.get(link)
        return self.numbers.setdefault(link, next(self._next)) if number is None else number

    def spell(self, entry: Entry) -> bytes:
        """One record; raises `ValueError` when there are too many links to tell apart."""
        link, kind, at, drained, payload = entry
        number = self.number_of(link)
        if number > MOST_LINKS:
            raise ValueError(f"{number:,} links in one run, expected up to {MOST_LINKS:,}")
        return (
            RECORD.pack(at, len(payload), kind | DRAINED_BIT if drained else kind, number) + payload
        )

    def names(self, since: int, at: int) -> list[bytes]:
        """Records that name the links from the `since`-th on."""
        # In one go: whoever hears a new link meanwhile numbers it in another thread.
        known = tuple(self.numbers.items())
        spelt = [(name.encode(), number) for name, number in known[since:]]
        return [RECORD.pack(at, len(name), _LINK, number) + name for name, number in spelt]


def stamp_of(record: bytes) -> int:
    """The stamp of a record, ns."""
    return int(RECORD.unpack_from(record)[0])


def records_in(raw: bytes) -> Iterator[bytes]:
    """One after the other."""
    offset = 0
    while offset < len(raw):
        end = offset + RECORD.size + RECORD.unpack_from(raw, offset)[1]
        yield raw[offset:end]
        offset = end


def payload_of(record: bytes) -> bytes:
    """What a record holds."""
    return record[RECORD.size :]


def with_payload(record: bytes, payload: bytes) -> bytes:
    """The same record, with another payload."""
    at, _, flags, number = RECORD.unpack_from(record)
    return RECORD.pack(at, len(payload), flags, number) + payload


class Packer:
    """Records → the blocks of one file."""

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling
        self._named = 0
        self._packer = zstd.ZstdCompressor(options=_PACKING)
        self._room = 0
        self._keys: list[tuple[int, int]] = []
        self._first = self._last = self._records = 0
        self.raw = 0
        """Bytes of records, before they were packed."""
        self.offset = PREAMBLE.size
        """Where the next block will begin."""

    def pack(self, raw: bytes, count: int, first: int, last: int) -> bytes:
        """One block of so many records, of which the first and the last have these stamps.

        A block holds at most `LONGEST` bytes of records; raises `ValueError` for more.
        """
        flags = 0
        if self._room <= 0:  # a key block stands alone, so it says the links' names again
            self._room = KEY_BYTES
            self._keys.append((self.offset, first))
            flags, self._named = Flag.KEY, 1
        if self._named < len(self._spelling.numbers):
            names = self._spelling.names(self._named, first)
            self._named += len(names)
            raw = b"".join((*names, raw))
        self.raw += len(raw)
        self._room -= len(raw)
        # What comes before a key block ends its stream, and the same tables serve the next.
        if self._room <= 0:
            payload = self._packer.compress(raw, zstd.ZstdCompressor.FLUSH_FRAME)
        else:
            payload = self._packer.compress(raw, zstd.ZstdCompressor.FLUSH_BLOCK)
        if max(len(raw), len(payload)) > LONGEST:  # no reader would take it for a block
            raise ValueError(f"a block of {len(raw):,} bytes, expected up to {LONGEST:,}")
        block = _block(flags, payload, len(raw), count, first, last)
        self.offset += len(block)
        self._first = self._first or first
        self._last, self._records = max(self._last, last), self._records + count
        return block

    def finish(self) -> bytes:
        """The index and the trailer."""
        index = Index(self._first, self._last, self._records, self._keys)
        payload = msgspec.json.encode(index)
        block = _block(Flag.INDEX, payload, len(payload), 0, self._first, self._last)
        trailer = TRAILER.pack(_END, self.offset, 0)[:-4]
        return block + trailer + crc32(trailer).to_bytes(4, "little")


def read_trailer(data: bytes) -> int | None:
    """Where the index begins, when this is the end of a closed file."""
    if len(data) != TRAILER.size:
        return None
    end, offset, check = TRAILER.unpack(data)
    return int(offset) if end == _END and crc32(data[:-4]) == check else None


class Unpacker:
    """The blocks of one file, from a key block on → records."""

    def __init__(self) -> None:
        self._links: dict[int, str] = {0: ""}
        self._stream: zstd.ZstdDecompressor | None = None

    def unpack(self, head: Head, payload: bytes, only: Kind | None = None) -> list[Parts]:
        """The records of the next block; raises `ValueError` saying what is wrong with it.

        With `only`, those of one kind; the others cost next to nothing then.
        """
        if crc32(payload) != head.check:
            raise ValueError("its payload is not what was written")
        if head.flags & Flag.KEY:
            self._stream, self._links = zstd.ZstdDecompressor(), {0: ""}
        if self._stream is None:
            raise ValueError("it follows a block that is lost")
        try:
            raw = self._stream.decompress(payload, max_length=head.raw + 1)
        except zstd.ZstdError as error:
            raise ValueError(f"it cannot be unpacked: {error}") from None
        if len(raw) != head.raw:
            raise ValueError(f"{len(raw)} bytes unpacked, {head.raw} expected")
        try:
            return self._records(raw, only)
        except struct.error:
            raise ValueError("a record is cut") from None

    def _records(self, raw: bytes, only: Kind | None) -> list[Parts]:
        records: list[Parts] = []
        offset, size, links, flagged = 0, len(raw), self._links, _FLAGGED
        unpack, head, add, link_of = RECORD.unpack_from, RECORD.size, records.append, links.get
        while offset < size:
            at, length, flags, number = unpack(raw, offset)
            begin = offset + head
            offset = begin + length
            if offset > size:
                raise ValueError("a record is longer than its block")
            if flags == _LINK:
                links[number] = raw[begin:offset].decode()
                continue
            known = flagged.get(flags)
            if known is None:
                raise ValueError(f"record of kind {flags & _KIND_BITS}, which is unknown")
            kind, drained = known
            if only is None or kind is only:
                add((at, kind, link_of(number, ""), drained, raw[begin:offset]))
        return records


_FLAGGED = {int(kind) | bit: (kind, bool(bit)) for kind in Kind for bit in (0, DRAINED_BIT)}
"""What the flags of a record say: its kind, and whether a burst ended there."""
_LENGTH = struct.Struct("<I")


def encode_exchange(exchange: Exchange) -> bytes:
    """A REST exchange as a payload: the length of its head, the head as JSON, the answer's body."""
    head = msgspec.json.encode(msgspec.structs.replace(exchange, body=b""))
    return _LENGTH.pack(len(head)) + head + exchange.body


def decode_exchange(payload: bytes) -> Exchange:
    """The payload of an `HTTP` record; raises `ValueError` when it is none."""
    if len(payload) < _LENGTH.size:
        raise ValueError("an HTTP record without its head")
    end = _LENGTH.size + _LENGTH.unpack_from(payload)[0]
    try:
        head = msgspec.json.decode(payload[_LENGTH.size : end], type=Exchange)
    except msgspec.MsgspecError as error:
        raise ValueError(f"an HTTP record whose head is none: {error}") from None
    return msgspec.structs.replace(head, body=payload[end:])
