"""The slate: intents whose bytes may leave, and that are in no segment yet.

A file that is mapped into the process: what is copied there is the kernel's, and so outlives a
process that is killed, without a call. An entry stands there until its record has been written
into the segment, at the end of the burst; a start takes over what did not get so far.

    beginning   magic, format version, four bytes of nothing
    entry n     Adler-32 of the payload, its length, the segment and how many records it had, the
                first eight bytes of the chain there; then the payload
    rest        zeros

House rules: an entry counts only where it is whole, the journal has the chain that it names, and
nothing stands behind that but entries before it; a store cannot say that a disk is full, so there
is a slate only on file systems that need no room to write once more what was written before.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple, Protocol, TypeAlias
from zlib import adler32

from pitwire.model.disk import sync_folder
from pitwire.model.orders import Cause, Order, OrderType, Side, TimeInForce
from pitwire.model.twins import twin
from pitwire.store.safely import write_all
from pitwire.store.segment import Flaw, Ill
from pitwire.trading.journal import Decided, Record, payload_into

SIZE = 1 << 16
"""Room for a hundred orders; a burst with more of them is written at once."""
_START = b"PWSLATE\n" + (1).to_bytes(4, "little") + bytes(4)
_FIRST = len(_START)
_HEAD = Struct("<IIII8s")
_HEAD_SIZE = _HEAD.size
_head_into = Struct("<II16s").pack_into
_PLACE = Struct("<II8s")
"""The rest of a head; it takes the first eight bytes of a chain."""
_LAST = SIZE - _HEAD_SIZE
Place = tuple[int, int]
"""A segment, and how many of its records lie before."""
ON_SLATE = "on the slate"
"""What the text of a flaw says that is none of a segment."""
_MOUNTS = Path("/proc/self/mountinfo")
_IN_PLACE = frozenset(("ext2", "ext3", "ext4", "tmpfs"))
"""File systems that write over what is there, where it is; xfs does so unless a copy shares it."""


class Pen(Protocol):
    """The compiled twin of `Slate.note`, for one slate: what an order waits for, in one call."""

    end: int
    """Behind the last entry, in bytes."""
    is_open: bool
    """Whether `write` puts down what it can; where not, everything is handed over."""

    def note(self, record: Record, /) -> bool:
        """Put it down; False where that is for the plain part to decide, and nothing is done."""

    def write(self, record: Record, /) -> None:
        """Put it down, or hand it over."""

    def commit(self) -> str:
        """What whoever takes the rest says of it; "" while it is open, for then there is none."""

    def move(self, end: int, rest: bytes, /) -> None:
        """Where the next entry goes, and what its head ends with."""

    def release(self) -> None:
        """Let go of the slate, so that it may be closed."""


Over: TypeAlias = Callable[[Record], None]
"""Takes a record that a pen has not put down."""
Commit: TypeAlias = Callable[[], str]
"""Sees to what was handed over; why it could not, or ""."""
Pens: TypeAlias = Callable[[mmap.mmap, int, bytes, Over, Commit], Pen]
"""Makes a pen; takes (map, end, rest of a head, over, commit)."""


def known_by(compiled: Any) -> Pens:
    """Who makes pens, which know what an order's record is made of from now on."""
    compiled.know(Decided, Order, Cause, Side, OrderType, TimeInForce, Decimal)
    pens: Pens = compiled.Pen
    return pens


_twin = twin("pitwire.store._slate")
COMPILED = None if _twin is None else known_by(_twin)
"""It, where it was built."""


def _refuse(record: Record) -> None:
    raise ValueError(f"a slate takes no {type(record).__name__}, or has no room for it")


def slate_path(folder: Path) -> Path:
    """Where the slate of an account stands."""
    return folder / "slate"


def can_be_mapped(folder: Path, mounts: Path = _MOUNTS) -> bool:
    """Whether a store into a mapped file of this folder cannot fail for want of room.

    A store that fails is a signal that kills, not an error; where nobody says what file system it
    is, the answer is no.
    """
    try:
        device = folder.stat().st_dev
        told = mounts.read_text("utf-8", "replace")
    except OSError:
        return False
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in told.splitlines():
        place, _, system = line.partition(" - ")
        if place.split()[2:3] == [wanted]:
            return system.split()[:1] != [] and system.split()[0] in _IN_PLACE
    return False


class Slate:
    """The slate of a run, wiped. Raises `OSError` or `ValueError` when it cannot be had.

    Without a folder it is this process's memory and outlives nothing.
    """

    __slots__ = ("_end", "_file", "_map", "_stands", "_text", "pen")

    def __init__(
        self,
        folder: Path | None,
        place: Place,
        chain: bytes,
        pens: Pens | None = COMPILED,
        over: Over = _refuse,
        commit: Commit = str,
    ) -> None:
        self._file: os.stat_result | None = None
        """Of the file that is mapped."""
        if folder is None:
            self._map = mmap.mmap(-1, SIZE)
        else:
            self._map, self._file = _mapped(slate_path(folder))
        self._map[:] = _START + bytes(SIZE - _FIRST)  # all of its pages are there from here on
        self._end = _FIRST
        self._stands = _PLACE.pack(*place, chain)
        self._text = bytearray()
        self.pen = None if pens is None else pens(self._map, _FIRST, self._stands, over, commit)

    @property
    def end(self) -> int:
        """Behind the last entry, in bytes."""
        return self._end if self.pen is None else self.pen.end

    @property
    def is_blank(self) -> bool:
        """Whether nothing stands on it."""
        return self.end == _FIRST

    def note(self, record: Record) -> bool:
        """Put down one more intent; False when there is no room."""
        if self.pen is not None and self.pen.note(record):
            return True
        begin, payload = self.end, self._text
        payload_into(record, payload)
        size = len(payload)
        text = begin + _HEAD_SIZE
        end = text + size
        if end > _LAST:
            return False
        self._map[text:end] = payload
        # Last, so that whoever dies before has put nothing down.
        _head_into(self._map, begin, adler32(payload), size, self._stands)
        self._reach(end)
        return True

    def _reach(self, end: int) -> None:
        self._end = end
        if self.pen is not None:
            self.pen.move(end, self._stands)

    def demand_place(self, folder: Path) -> None:
        """Raises `OSError` where another file is at its path: the next start would not find what is
        put down; or where it was cut, for then to put something down is a signal that kills."""
        found = os.stat(slate_path(folder))
        if self._file is None or not os.path.samestat(found, self._file) or found.st_size != SIZE:
            raise OSError(errno.ESTALE, "the slate beside it is not the one that was mapped")

    def cut(self, end: int) -> None:
        """Take off what was put down behind this place."""
        self._map[end : self.end] = bytes(self.end - end)
        self._reach(end)

    def payloads(self) -> list[bytes]:
        """All that is on it."""
        if self.is_blank:
            return []
        return [entry.payload for entry in entries_of(self._map[: self.end])]

    def wipe(self, place: Place, chain: bytes) -> None:
        """All that is on it stands in a segment now, which ends here; the next follows that."""
        self._stands = _PLACE.pack(*place, chain)
        self.cut(_FIRST)

    def close(self) -> None:
        if self.pen is not None:
            self.pen.release()
        self._map.close()


def asides(folder: Path) -> list[Path]:
    """The slates that starts have set aside, in their order."""
    return sorted(folder.glob("[0-9]*.slate"))


def set_aside(folder: Path, segment: int) -> Path | None:
    """Keep a slate that cannot be gone by under the number of the segment that is begun now.

    None where nothing stands on it. Raises `OSError`.
    """
    if not read_slate(folder):
        return None
    kept = folder / f"{segment:08d}.slate"
    os.replace(slate_path(folder), kept)
    sync_folder(folder)
    return kept


class Entry(NamedTuple):
    """What stands on a slate."""

    place: Place
    chain: bytes
    """The first eight bytes of it there."""
    payload: bytes
    is_whole: bool


def read_slate(folder: Path) -> list[Entry]:
    """The entries, up to the first that is not whole; none where there is no slate."""
    return read_entries(slate_path(folder))


def read_entries(path: Path) -> list[Entry]:
    """The same of a slate that stands elsewhere."""
    try:
        data = path.read_bytes()
    except OSError:
        return []
    return entries_of(data) if data[:_FIRST] == _START else []


def entries_of(data: bytes) -> list[Entry]:
    """What stands on a slate of these bytes."""
    at, found = _FIRST, list[Entry]()
    while (begin := at + _HEAD_SIZE) <= len(data) and any(data[at:begin]):
        check, size, segment, records, chain = _HEAD.unpack_from(data, at)
        at, payload = begin + size, data[begin : begin + size]
        is_whole = len(payload) == size and adler32(payload) == check
        found.append(Entry((segment, records), chain, payload, is_whole))
        if not is_whole:
            break
    return found


def left_over(
    entries: Sequence[Entry], chain: bytes, behind: Sequence[bytes]
) -> tuple[list[bytes], Flaw | None]:
    """Payloads that are in no segment, and what is wrong with the slate.

    `chain` is the one at the place that the slate is of, and `behind` are the records that the
    journal has behind it: first of all those of the slate, in their order, as far as they were
    written before a disk took no more or the process died. Whatever else stands there was written
    by a version that knew no slate, and asked the venue of these orders.
    """
    payloads = list[bytes]()
    for number, entry in enumerate(entries):
        if entry.chain != chain[:8] or entry.place != entries[0].place:
            return payloads, _flaw(entry, number)
        if number < len(behind):
            if behind[number] != entry.payload:
                return [], None
        elif entry.is_whole:
            payloads.append(entry.payload)
        else:
            return payloads, _flaw(entry, number)
    return payloads, None


def _flaw(entry: Entry, number: int) -> Flaw:
    """It is not whole or does not follow the journal; so many stand before it on the slate."""
    segment, records = entry.place
    lost, record = len(entry.payload), records + number + 1
    return Flaw(ill=Ill.TORN, segment=segment, record=record, lost=lost, text=ON_SLATE)


def _mapped(path: Path) -> tuple[mmap.mmap, os.stat_result]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        is_new = os.fstat(handle).st_size != SIZE
        os.ftruncate(handle, SIZE)
        write_all(handle, bytes(SIZE))  # a full disk is met here, and so is one with holes in it
        if is_new:
            os.fsync(handle)
            sync_folder(path.parent)
        return mmap.mmap(handle, SIZE), os.fstat(handle)
    finally:
        os.close(handle)
