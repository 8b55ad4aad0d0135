"""Tape files on disk: blocks appended, a new file when one is full or its hour is over.

House rules: a file that failed once is never written again; nothing here waits for anybody.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.disk import make_folder, sync_folder
from pitwire.model.errors import ConfigError
from pitwire.tape.format import Entry, Kind, Meta, Packer, Spelling, preamble
from pitwire.tape.held import hold

Write = Callable[[int, bytes], None]
Sync = Callable[[int], None]
HOUR = 3600 * SECOND
MAX_BYTES = 512 << 20
_OWNER_ONLY = 0o600
fdatasync = getattr(os, "fdatasync", os.fsync)


def write_all(handle: int, data: bytes) -> None:
    """Hand all of it to the kernel, however many calls that takes."""
    written = os.write(handle, data)
    while written < len(data):
        written += os.write(handle, data[written:])


def run_name(started: int) -> str:
    """The name of a run's folder: its start in UTC, so that names sort by time."""
    seconds, rest = divmod(started, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%S}.{rest // 1000:06d}Z"


def file_path(run: Path, number: int) -> Path:
    """Where a file of a run stands."""
    return run / f"{number:06d}.tape"


class TapeWriter:
    """Writes one run into `folder/RUN/`. Raises `ConfigError` when it cannot begin.

    A file ends at `max_bytes`, and when `max_age` (ns) of our clock has passed on it; ages are
    counted from 1970, so that with an hour files end on the hour.
    """

    def __init__(
        self,
        folder: Path,
        meta: Meta,
        *,
        max_bytes: int = MAX_BYTES,
        max_age: int = HOUR,
        write: Write = write_all,
        sync: Sync = fdatasync,
    ) -> None:
        self.run = folder / run_name(meta.started)
        self.meta = msgspec.structs.replace(meta, file=0)
        self._max_bytes, self._max_age = max_bytes, max_age
        self._write, self._sync = write, sync
        self._age = meta.started // max_age
        self.spelling = Spelling()
        """Spells the records of this run."""
        self.handle = -1
        self.written = 0
        """Bytes in all files of this run."""
        try:
            make_folder(folder)
            self.run.mkdir()
            try:
                self._begin(meta.started)
                sync_folder(folder)
            except BaseException:
                self.discard()
                raise
        except OSError as error:
            found = f"{self.run} ({error.strerror or type(error).__name__})"
            expected = "a folder that a tape can be written to"
            raise ConfigError(where="tape.folder", found=found, expected=expected) from None

    @property
    def path(self) -> Path:
        """The file being written."""
        return file_path(self.run, self.meta.file)

    def put(self, entries: Sequence[Entry]) -> None:
        """Append a block; raises `OSError` when the disk does not take it."""
        if entries:
            spell = self.spelling.spell
            raw = b"".join([spell(entry) for entry in entries])
            self.put_spelt(raw, len(entries), entries[0][2], entries[-1][2])

    def put_spelt(self, raw: bytes, count: int, first: int, last: int) -> None:
        """The same, of so many records spelt by `spelling`, with the stamps of the outer ones."""
        if self._packer.offset >= self._max_bytes or first // self._max_age > self._age:
            self._end()
            self._age = max(self._age, first // self._max_age)
            self._begin(first)
        self._append(self._packer.pack(raw, count, first, last))

    def close(self) -> None:
        """Write the index and sync; raises `OSError`."""
        if self.handle >= 0:
            self._end()

    def abandon(self) -> None:
        """Let go of the file as it is."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1

    def discard(self) -> None:
        """Let go of the whole run, and take it away: what it was made of is elsewhere."""
        self.abandon()
        for number in range(1, self.meta.file + 1):
            file_path(self.run, number).unlink(missing_ok=True)
        with suppress(OSError):
            self.run.rmdir()

    def _begin(self, at: int) -> None:
        self.meta = msgspec.structs.replace(self.meta, file=self.meta.file + 1)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self.handle = os.open(self.path, flags, _OWNER_ONLY)
        hold(self.handle)
        self._packer = Packer(self.spelling)
        meta = self.spelling.spell(("", Kind.META, at, False, msgspec.json.encode(self.meta)))
        self._append(preamble() + self._packer.pack(meta, 1, at, at))
        sync_folder(self.run)

    def _end(self) -> None:
        self._append(self._packer.finish())
        self._sync(self.handle)
        handle, self.handle = self.handle, -1
        os.close(handle)

    def _append(self, data: bytes) -> None:
        self._write(self.handle, data)
        self.written += len(data)
