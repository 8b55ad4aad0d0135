"""A queue of events on disk, for a reader that is slow: first in, first out, exactly as they were.

House rules: a disk is written in blocks, never an event at a time; its files have no names, so that
none is left behind however the process ends; what the disk refuses is not taken, and what it has
taken is read back or counted as lost.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
from collections import deque
from pathlib import Path
from typing import IO, Union

import msgspec

from pitwire.model.events import EVENTS, Event
from pitwire.model.packed import unpacked

BLOCK = 64 << 10
"""Bytes gathered before they are written, and read back at once."""
SEGMENT = 16 << 20
"""A file is given back to the disk when all of it is read, so it should not be too big."""
_SEGMENTS = 32
"""Files at most, whatever the limit: a process may hold only so many."""

_HEAD = struct.Struct(">II")  # bytes, events
_ARRAY = struct.Struct(">BI")  # msgpack's array32: the block is one array, decoded in one call
_KNOWN = frozenset(EVENTS)
_encoder = msgspec.msgpack.Encoder(enc_hook=unpacked)
# ruff would have it spelt with |, which does not take a tuple.
_decoder = msgspec.msgpack.Decoder(list[Union[EVENTS]])  # type: ignore[valid-type]  # noqa: UP007


class SpillRefused(Exception):
    """An event was not taken, and why."""


class SpillLost(Exception):
    """Events that had been taken cannot be read back: how many, and why."""

    def __init__(self, count: int, reason: str) -> None:
        super().__init__(reason)
        self.count = count


class _Segment:
    """One file: written at its end, read from its beginning."""

    __slots__ = ("events", "file", "read", "size")

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.size = self.read = self.events = 0

    def write(self, count: int, payload: bytes) -> None:
        """Append a block whole, or raise and be as before."""
        try:
            self.file.seek(self.size)
            left = memoryview(_HEAD.pack(len(payload), count) + payload)
            while left:
                left = left[self.file.write(left) :]
        except OSError:
            with contextlib.suppress(OSError):
                self.file.truncate(self.size)
            raise
        self.size += _HEAD.size + len(payload)
        self.events += count

    def take(self) -> list[Event]:
        """The next block."""
        self.file.seek(self.read)
        length, count = _HEAD.unpack(self.file.read(_HEAD.size))
        payload = self.file.read(length)
        events: list[Event] = _decoder.decode(payload)
        self.read += _HEAD.size + length
        self.events -= count
        return events


class Spill:
    """Events beyond what memory may hold. `directory` None: the system's own, on a disk if it has.

    Raises `SpillRefused` at once when nothing can be written there.
    """

    def __init__(self, directory: str | Path | None, limit: int) -> None:
        self._directory = spill_directory(directory)
        self._limit = limit
        self._segment_size = max(SEGMENT, limit // _SEGMENTS)
        self._segments: deque[_Segment] = deque()
        self._block = bytearray()
        self._in_block = 0
        self.on_disk = 0
        """How many events the files hold now."""
        self.disk_bytes = 0
        """What the files take now, with what of them has been read."""

    def __del__(self) -> None:
        self.clear()

    def __len__(self) -> int:
        return self._in_block + self.on_disk

    def try_disk(self) -> None:
        """Raise `SpillRefused` if no file can be made there."""
        self._new_file().close()

    def put(self, event: Event) -> None:
        """Take an event, or raise `SpillRefused` and not have it."""
        if type(event) not in _KNOWN:
            raise SpillRefused(f"no way to write a {type(event).__name__}")
        block = self._block
        if len(block) >= BLOCK:
            self._write()
        before = len(block)
        try:
            _encoder.encode_into(event, block, before)
        except (TypeError, ValueError, OverflowError) as error:
            del block[before:]
            raise SpillRefused(f"no way to write this {type(event).__name__}: {error}") from None
        self._in_block += 1

    def take(self) -> list[Event]:
        """The next events in order, none when nothing is held; raises `SpillLost`."""
        if self._segments:
            return self._read()
        if not self._in_block:
            return []
        events: list[Event] = _decoder.decode(_whole(self._in_block, self._block))
        self._empty_block()
        return events

    def clear(self) -> None:
        """Forget everything and give the disk its room back."""
        while self._segments:
            self._forget(self._segments[0])
        self._empty_block()

    def _write(self) -> None:
        payload = _whole(self._in_block, self._block)
        size = _HEAD.size + len(payload)
        if self.disk_bytes + size > self._limit:
            raise SpillRefused(f"spill_limit of {self._limit} bytes is reached")
        if not self._segments or self._segments[-1].size >= self._segment_size:
            self._segments.append(_Segment(self._new_file()))
        segment = self._segments[-1]
        try:
            segment.write(self._in_block, payload)
        except OSError as error:
            if not segment.size:
                self._forget(segment)
            raise SpillRefused(f"{self._directory}: {_cause(error)}") from None
        self.disk_bytes += size
        self.on_disk += self._in_block
        self._empty_block()

    def _read(self) -> list[Event]:
        segment = self._segments[0]
        try:
            events = segment.take()
        except (OSError, ValueError, struct.error, msgspec.MsgspecError) as error:
            lost = segment.events
            self._forget(segment)
            raise SpillLost(lost, f"{self._directory}: cannot be read: {_cause(error)}") from None
        self.on_disk -= len(events)
        if not segment.events:
            self._forget(segment)
        return events

    def _forget(self, segment: _Segment) -> None:
        self._segments.remove(segment)
        self.disk_bytes -= segment.size
        self.on_disk -= segment.events
        segment.file.close()

    def _empty_block(self) -> None:
        self._block.clear()
        self._in_block = 0

    def _new_file(self) -> IO[bytes]:
        try:
            return tempfile.TemporaryFile(buffering=0, prefix="pitwire-", dir=self._directory)
        except OSError as error:
            raise SpillRefused(f"{self._directory}: {_cause(error)}") from None


def spill_directory(directory: str | Path | None) -> str:
    """Where the files go. A system's first choice for temporary files is often its memory."""
    if directory is not None:
        return str(directory)
    lasting = "/var/tmp"
    return lasting if os.access(lasting, os.W_OK) else tempfile.gettempdir()


def _whole(count: int, block: bytearray) -> bytes:
    return _ARRAY.pack(0xDD, count) + block


def _cause(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
