"""The halt that survives a restart: a file that is there while nobody has lifted it.

House rules: thrown means synced; a file that cannot be understood is a halt; a person lifts it, and
lifts only what they knew of: each throw is another one, and a lift names the one that it is about.
So any number of processes may throw and lift at the same time without a lock, and no halt is lost.
Of a halt that only the journal has, the lift's place in it decides, for a clock may have been set.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import msgspec

from pitwire.model.entropy import system_seed
from pitwire.model.errors import Unsound
from pitwire.store.history import START, Position
from pitwire.store.safely import sealed, unsealed, write_safely
from pitwire.trading.journal import UNSAID

NAME, LIFTED, ROOM = "halted", "halted.lifted", "halted.room"
_ROOM_BYTES = 8_192
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Thrown(msgspec.Struct, frozen=True, kw_only=True):
    """Why trading is halted, by whom, and since when."""

    reason: str
    by: str
    at: int
    lifted_by: str = ""
    """Who lifted it; "" while it holds."""
    lifted_at: int = 0
    lifted_to: Position = START
    """Up to where who lifted it had read the journal: no halt behind that is lifted."""
    nonce: str = ""
    """Drawn for each throw, so that no two are the same."""
    mark: str = ""
    """What a lift calls it by; "" where it cannot be read. Not in the file."""


class _Lifted(msgspec.Struct, frozen=True, kw_only=True):
    mark: str
    by: str
    at: int
    to: Position = START


class HaltLatch:
    """The latch of one account's folder. Any process may throw, read and lift it."""

    def __init__(self, folder: Path) -> None:
        self.path, self._lifted, self._room = (folder / one for one in (NAME, LIFTED, ROOM))

    def read(self) -> Thrown | None:
        """Why it is thrown; None while it is not."""
        last = self.last()
        return last if last is not None and not last.lifted_by else None

    def mark(self) -> tuple[int, int]:
        """Another one whenever it was thrown anew; cheap to ask for."""
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
            found = msgspec.json.decode(unsealed(text, self.path), type=Thrown)
        except (Unsound, msgspec.MsgspecError) as error:
            found = _unclear(f"{self.path}: {error}")
        found = msgspec.structs.replace(found, reason=found.reason or UNSAID, mark=_mark_of(text))
        lifted = self._last_lift()
        if lifted is None or lifted.mark != found.mark:
            return found
        how = {"lifted_by": lifted.by, "lifted_at": lifted.at, "lifted_to": lifted.to}
        return msgspec.structs.replace(found, **how)

    def throw(self, reason: str, by: str, at: int) -> Thrown:
        """Halt; returns when a power cut could not undo it. The first reason stays.

        Whoever is lifting it at this moment lifts what they knew of, and not this. On a full disk
        the room that was kept for it is used. Raises `OSError` when the disk refuses: halted in
        memory is then all there is.
        """
        first = self.read()
        thrown = Thrown(reason=reason or UNSAID, by=by, at=at)
        if first is not None and first.at:
            thrown = Thrown(reason=first.reason, by=first.by, at=first.at)
        thrown = msgspec.structs.replace(thrown, nonce=f"{system_seed():x}")
        text = sealed(msgspec.json.encode(thrown))
        try:
            write_safely(self.path, text, aside=f".{os.getpid()}.new")
        except OSError as error:
            if error.errno not in _FULL or not self._room.exists():
                raise
            self._room.unlink()
            write_safely(self.path, text, aside=f".{os.getpid()}.new")
        return msgspec.structs.replace(thrown, mark=_mark_of(text))

    def keep_room(self) -> None:
        """Keep a little of the disk for a halt: a journal that meets a full disk is a reason."""
        if not self._room.exists():
            with suppress(OSError):
                write_safely(self._room, bytes(_ROOM_BYTES))

    def lift(
        self, by: str, at: int, *, mark: str | None = None, to: Position = START
    ) -> Thrown | None:
        """A person lifts it; what it was thrown for, None when it was not.

        With `mark` only the throw of that mark: one that came since holds. `to` is up to where the
        journal is known here. Raises `OSError` when the disk refuses, or when the file cannot be
        read at all.
        """
        was = self.read()
        if was is None:
            return None
        if not was.mark:
            self.path.read_bytes()  # raises what keeps it from being read
        if mark is None or mark == was.mark:
            lifted = sealed(msgspec.json.encode(_Lifted(mark=was.mark, by=by, at=at, to=to)))
            write_safely(self._lifted, lifted, aside=f".{os.getpid()}.new")
            self.keep_room()  # the halt that was lifted may have used it
        return was

    def _last_lift(self) -> _Lifted | None:
        """What was lifted last; a file that cannot be gone by lifts nothing."""
        try:
            text = self._lifted.read_bytes()
            return msgspec.json.decode(unsealed(text, self._lifted), type=_Lifted)
        except (OSError, Unsound, msgspec.MsgspecError):
            return None


def _mark_of(text: bytes) -> str:
    return blake2b(text, digest_size=16).hexdigest()


def _unclear(why: str) -> Thrown:
    return Thrown(reason=f"the halt file cannot be read, so it holds: {why}", by="desk", at=0)
