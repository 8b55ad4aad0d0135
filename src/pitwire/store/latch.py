"""The halt that survives a restart: a file that is there while nobody has lifted it.

House rules: thrown means synced; a file that cannot be understood is a halt; a person lifts it.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from pitwire.model.errors import Unsound
from pitwire.store.safely import sealed, unsealed, write_safely

NAME = "halted"


class Thrown(msgspec.Struct, frozen=True, kw_only=True):
    """Why trading is halted, by whom, and since when."""

    reason: str
    by: str
    at: int
    lifted_by: str = ""
    """Who lifted it; "" while it holds."""
    lifted_at: int = 0


class HaltLatch:
    """The latch of one account's folder. Any process may throw, read and lift it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def read(self) -> Thrown | None:
        """Why it is thrown; None while it is not."""
        last = self.last()
        return last if last is not None and not last.lifted_by else None

    def mark(self) -> tuple[int, int]:
        """Another one whenever the file was written anew; cheap to ask for."""
        try:
            found = self.path.stat()
        except OSError:
            return (0, 0)
        return (found.st_ino, found.st_mtime_ns)

    def last(self) -> Thrown | None:
        """The last time it was thrown, lifted or not; None when it never was."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            return _unclear(f"{self.path}: {error.strerror}")
        try:
            return msgspec.json.decode(unsealed(text, self.path), type=Thrown)
        except (Unsound, msgspec.MsgspecError) as error:
            return _unclear(f"{self.path}: {error}")

    def throw(self, reason: str, by: str, at: int) -> None:
        """Halt; returns when a power cut could not undo it. The first reason stays.

        Raises `OSError` when the disk refuses: halted in memory is then all there is.
        """
        if self.read() is None:
            thrown = Thrown(reason=reason, by=by, at=at)
            self._write(thrown)

    def lift(self, by: str, at: int) -> Thrown | None:
        """A person lifts it; what it was thrown for, None when it was not."""
        was = self.read()
        if was is not None:
            lifted = msgspec.structs.replace(was, lifted_by=by, lifted_at=at)
            self._write(lifted)
        return was

    def _write(self, thrown: Thrown) -> None:
        text = sealed(msgspec.json.encode(thrown))
        write_safely(self.path, text, aside=f".{os.getpid()}.new")


def _unclear(why: str) -> Thrown:
    return Thrown(reason=f"the halt file cannot be read, so it holds: {why}", by="desk", at=0)
