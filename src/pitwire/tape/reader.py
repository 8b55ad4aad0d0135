"""Reading a tape: records in order, from any time on, past damage, never past belief.

House rules: nothing is repaired or written; every flaw says file, offset and what was lost, and
what stands before and behind it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain, takewhile
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

import msgspec

from pitwire.model.errors import ConfigError
from pitwire.tape.format import (
    HEAD,
    MARKER,
    PREAMBLE,
    TRAILER,
    Flag,
    Head,
    Index,
    Kind,
    Meta,
    Parts,
    Record,
    Unpacker,
    preamble_trouble,
    read_head,
    read_trailer,
)
from pitwire.tape.held import is_held
from pitwire.tape.writer import file_path

_named: Callable[[Parts], Record] = partial(tuple.__new__, Record)
"""`Record(*parts)`, in a fraction of the time."""
_WINDOW = 1 << 16
_WANTED = "a tape of this program"
_ENDLESS = "it was not closed, though a later file of the run is there; its end may be missing"
_NOBODYS = Meta(program="", venue="", started=0)


class Flaw(msgspec.Struct, frozen=True):
    """One place of a file that could not be read."""

    path: Path
    offset: int
    lost: int
    """Bytes that are not used."""
    what: str
    torn: bool = False
    """Whether it is the end that every crash may leave behind."""

    def __str__(self) -> str:
        advice = (
            "what stands before it is whole; a crash leaves such an end"
            if self.torn
            else "what stands before and behind it is read; restore the file if there is a copy"
        )
        return f"{self.path} at byte {self.offset}: {self.what}, {self.lost} bytes lost; {advice}"


class TapeFile:
    """One file of a tape. Raises `ConfigError` when it is none that this program reads.

    `meta` says whose tape it is; only where that is known from elsewhere, `demand_meta=False` reads
    a file whose first block is damaged, too.
    """

    def __init__(self, path: Path, *, demand_meta: bool = True) -> None:
        self.path = path
        self.flaws: list[Flaw] = []
        """What was found on the way, by the last reading."""
        self._file = _open(path)
        try:
            self.size = path.stat().st_size
            trouble = preamble_trouble(self._file.read(PREAMBLE.size))
            if trouble:
                raise ConfigError(where=f"{path} at byte 0", found=trouble, expected=_WANTED)
            self.index = self._read_index()
            """None: the file was not closed."""
            self.meta = self._read_meta() if demand_meta else _NOBODYS
        except BaseException:
            self._file.close()
            raise

    @property
    def is_closed(self) -> bool:
        """Whether its writer came to its end."""
        return self.index is not None

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def records(self, since: int = 0, only: Kind | None = None) -> Iterator[Record]:
        """Records with a stamp of at least `since` ns, in their order; `META` is left out.

        With `only`, those of one kind.
        """
        return map(_named, chain.from_iterable(self.blocks(since, only)))

    def blocks(self, since: int = 0, only: Kind | None = None) -> Iterator[list[Parts]]:
        """The same, block by block."""
        self.flaws = []
        offset, unpacker = self._key_before(since), Unpacker()
        while offset < self._end:
            head, payload = self._read_block(offset)
            if head is None or len(payload) < head.stored:
                offset = self._damaged(offset, head)
                continue
            if head.flags & Flag.INDEX:
                return
            try:
                records = unpacker.unpack(head, payload, only)
            except ValueError as error:
                unpacker = Unpacker()
                offset = self._skip(offset, str(error), at_least=HEAD.size + head.stored)
                continue
            if offset == PREAMBLE.size:
                records = [record for record in records if record[1] is not Kind.META]
            if head.first < since:
                records = [record for record in records if record[0] >= since]
            yield records
            offset += HEAD.size + head.stored

    def last_stamp(self) -> int:
        """When the last block was written that is there; 0 without one."""
        if self.index is not None:
            return self.index.last
        return max((head.last for _, head in self._heads()), default=0)

    # ── within ──

    @property
    def _end(self) -> int:
        return self.size - TRAILER.size if self.is_closed else self.size

    def _read_block(self, offset: int) -> tuple[Head | None, bytes]:
        self._file.seek(offset)
        head = read_head(self._file.read(HEAD.size))
        return head, b"" if head is None else self._file.read(head.stored)

    def _damaged(self, offset: int, head: Head | None) -> int:
        """Where reading goes on."""
        if head is not None:
            return self._skip(offset, "its last block is cut", torn=True, at_least=HEAD.size)
        self._file.seek(offset)
        rest = self._file.read(HEAD.size)
        torn = len(rest) < HEAD.size or not any(rest)
        what = "its last block is cut" if torn else "no block begins here"
        return self._skip(offset, what, torn=torn, at_least=1)

    def _skip(self, offset: int, what: str, *, at_least: int, torn: bool = False) -> int:
        """Note a flaw, and find the next key block behind it."""
        onward = self._next_key(offset + at_least)
        torn = torn and onward >= self.size
        onward = min(onward, self._end)
        self.flaws.append(Flaw(self.path, offset, max(0, onward - offset), what, torn))
        return onward

    def _next_key(self, offset: int) -> int:
        """The first place from `offset` on where a key block or the index stands whole."""
        while offset < self.size:
            self._file.seek(offset)
            window = self._file.read(_WINDOW)
            found = window.find(MARKER)
            if found < 0:
                offset += max(1, len(window) - len(MARKER) + 1)
                continue
            offset += found
            head, payload = self._read_block(offset)
            if head is not None and len(payload) == head.stored and head.flags:
                return offset
            offset += 1
        return self.size

    def _read_index(self) -> Index | None:
        if self.size < PREAMBLE.size + TRAILER.size:
            return None
        self._file.seek(self.size - TRAILER.size)
        offset = read_trailer(self._file.read(TRAILER.size))
        if offset is None:
            return None
        head, payload = self._read_block(offset)
        if head is None or not head.flags & Flag.INDEX or crc32(payload) != head.check:
            return None  # it is read as one that was not closed: nothing of it is lost
        try:
            return msgspec.json.decode(payload, type=Index)
        except msgspec.MsgspecError:
            return None

    def _read_meta(self) -> Meta:
        head, payload = self._read_block(PREAMBLE.size)
        where = f"{self.path} at byte {PREAMBLE.size}"
        if head is None:
            found = "nothing but a preamble" if self.size == PREAMBLE.size else "no first block"
            raise ConfigError(where=where, found=found, expected=_WANTED)
        try:
            for _, kind, _, _, content in Unpacker().unpack(head, payload):
                if kind is Kind.META:
                    return msgspec.json.decode(content, type=Meta)
            found = "no word on what this is a tape of"
        except (ValueError, msgspec.MsgspecError) as error:
            found = f"a damaged first block ({error})"
        expected = (
            "its first block whole, which says whose tape it is; restore the file from a copy"
        )
        raise ConfigError(where=where, found=found, expected=expected)

    def _key_before(self, since: int) -> int:
        keys = self.index.keys if self.index is not None else None
        if keys is None:
            keys = [(at, head.first) for at, head in self._heads() if head.flags & Flag.KEY]
        before = [offset for offset, first in keys if first <= since]
        return before[-1] if before else PREAMBLE.size

    def _heads(self) -> Iterator[tuple[int, Head]]:
        """The heads alone, up to the first thing wrong."""
        offset = PREAMBLE.size
        while offset < self._end:
            self._file.seek(offset)
            head = read_head(self._file.read(HEAD.size))
            if head is None:
                return
            yield offset, head
            offset += HEAD.size + head.stored


class Tape:
    """A run: all its files, or a single one. Raises `ConfigError` for what is no tape.

    Whose it is, the first file says that can be read; what is wrong with the others is a flaw.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._paths = _files_of(path)
        self._missing = [] if path.is_file() else _missing(self._paths)
        self._flaws: list[Flaw] = []
        self._open: list[TapeFile] = []
        self.meta = _meta_of(self._paths)

    @property
    def flaws(self) -> tuple[Flaw, ...]:
        """What the last reading could not use."""
        return tuple(self._flaws)

    def records(
        self, since: int = 0, until: int | None = None, only: Kind | None = None
    ) -> Iterator[Record]:
        """Records of `since` ≤ stamp < `until` ns, in the order in which they were written.

        With `only`, those of one kind.
        """
        return map(_named, chain.from_iterable(self.blocks(since, until, only)))

    def blocks(
        self, since: int = 0, until: int | None = None, only: Kind | None = None
    ) -> Iterator[list[Parts]]:
        """The same, block by block."""
        self._flaws = list(self._missing)
        for path in self._paths:
            try:
                file = TapeFile(path, demand_meta=False)
            except ConfigError as error:
                self._note([_unreadable(path, f"{error.found}", is_last=path == self._paths[-1])])
                continue
            self._open.append(file)
            try:
                if file.index is not None and file.index.last < since:
                    continue
                if until is None:
                    yield from file.blocks(since, only)
                else:
                    for block in file.blocks(since, only):
                        early = list(takewhile(lambda record: record[0] < until, block))
                        yield early
                        if len(early) < len(block):
                            return
                if not (file.is_closed or file.flaws or path == self._paths[-1]):
                    file.flaws.append(Flaw(path, file.size, 0, _ENDLESS))
            finally:
                self._note(file.flaws)
                self._open.remove(file)
                file.close()

    def close(self) -> None:
        """Let go of what readings have open that were not read to their end; they are over."""
        for file in self._open:
            file.close()

    def _note(self, flaws: list[Flaw]) -> None:
        """Once each, though a tape may be read again before it was read to its end."""
        self._flaws += [flaw for flaw in flaws if flaw not in self._flaws]

    def span(self) -> tuple[int, int]:
        """The stamps of the first and the last record, ns; of the files that can be read."""
        started = last = self.meta.started
        for path in reversed(self._paths):
            with suppress(ConfigError):
                file = TapeFile(path, demand_meta=False)
                last = max(last, file.last_stamp())
                file.close()
            if last > started:
                break
        return started, last

    @property
    def is_being_written(self) -> bool:
        """Whether a recorder is at it just now, as far as the system can say."""
        return is_held(self._paths[-1])

    @property
    def files(self) -> tuple[Path, ...]:
        """Its files, in order."""
        return tuple(self._paths)


def _meta_of(paths: list[Path]) -> Meta:
    refused: list[ConfigError] = []
    for path in paths:
        try:
            file = TapeFile(path)
        except ConfigError as error:
            refused.append(error)
        else:
            file.close()
            return file.meta
    raise refused[0]


def _missing(paths: list[Path]) -> list[Flaw]:
    """What is not there of a run, whose files are numbered from one on."""
    flaws, before = [], 0
    for number, path in ((int(path.stem), path) for path in paths if path.stem.isdecimal()):
        gone = number - before - 1
        if gone > 0:
            what = "not there" if gone == 1 else f"not there, nor the {gone - 1} after it"
            flaws.append(Flaw(file_path(path.parent, before + 1), 0, 0, what))
        before = number
    return flaws


def _unreadable(path: Path, what: str, *, is_last: bool) -> Flaw:
    """A file that cannot be opened. A crash may leave one that is empty, or hardly begun."""
    size = path.stat().st_size if path.exists() else 0
    return Flaw(path, 0, size, what, torn=is_last and size < PREAMBLE.size)


def runs_in(folder: Path) -> list[Path]:
    """The runs in a folder of tapes, oldest first."""
    return sorted({path.parent for path in folder.glob("*/*.tape")})


def _files_of(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(path.glob("*.tape"))
    if files:
        return files
    runs = runs_in(path) if path.is_dir() else []
    if len(runs) == 1:
        return _files_of(runs[0])
    names = ", ".join(run.name for run in runs[-5:])
    found = f"{len(runs)} runs ({names})" if runs else "no file that ends in .tape"
    if not path.exists():
        found = "nothing"
    expected = "a tape: a file, or the folder of one run"
    raise ConfigError(where=str(path), found=found, expected=expected)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise ConfigError(where=str(path), found=found, expected="a tape to read") from None
