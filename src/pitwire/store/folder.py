"""The folder of one account: who holds it, which start this is, and where everything lies.

    lock            held by the desk that runs; a second one is refused
    identity        installation, account, epoch: synced before the first id of an epoch is used
    bans            how long the venue's addresses want silence (store/bans.py)
    halted          the last halt (store/latch.py)
    halted.lifted   which halt a person has lifted
    halted.room     a little of the disk, for a halt when it is full
    slate           intents that are in no segment yet
    *.slate         slates of runs whose journal was harmed (store/slate.py)
    *.journal       the segments
    *.checkpoint    the state at a place of the journal

House rules: an epoch is given once, whatever is cut when; every refusal is one line that names the
folder.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.disk import make_folder
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError, Unsound
from pitwire.store.checkpoint import checkpoints
from pitwire.store.history import segment_numbers, segment_path
from pitwire.store.latch import HaltLatch
from pitwire.store.locking import take
from pitwire.store.safely import sealed, unsealed, write_safely
from pitwire.store.segment import Header, Ill, read_segment
from pitwire.trading.ids import installation_letters

VERSION = 1
CRASHES, CRASHES_WITHIN = 5, 60 * SECOND
"""So many starts after a death, within so long, are a crash loop."""
_TRIES, _TRY_SECONDS = 10, 0.01
"""How often a lock that is taken is tried again: who only looks has it for a moment."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder is of. Written again at every start."""

    version: int = VERSION
    installation: str
    """Drawn once; every order id of this account begins with it."""
    account: str
    epoch: int
    """How many starts there were."""
    segment: int = 0
    """The segment that the newest start began with."""
    ended: bool = True
    """Whether the newest run, or the one before it that is being looked at, ended in good order."""
    crashes: tuple[int, ...] = ()
    """When starts found that the run before them had not, the newest last."""


class AccountFolder:
    """An account's folder, locked for us. Close it to let another desk in."""

    def __init__(self, path: Path, lock: IO[bytes], identity: Identity) -> None:
        self.path, self.identity = path, identity
        self.latch = HaltLatch(path)
        self._lock = lock
        self._others: list[IO[bytes]] = []

    @classmethod
    def hold(cls, path: Path, account: str, entropy: Entropy) -> Self:
        """Make or open the folder and lock it; raises `ConfigError` when that cannot be.

        `entropy` names a new installation; an old one keeps its name.
        """
        try:
            make_folder(path, 0o700)
            numbers = segment_numbers(path)
            lock = (path / "lock").open("a+b")
        except OSError as error:
            found = error.strerror or type(error).__name__
            expected = "a folder to keep the journal in"
            raise ConfigError(where=str(path), found=found, expected=expected) from None
        try:
            _lock(lock, path)
            return cls(path, lock, _identity(path, account, numbers, entropy))
        except BaseException:
            lock.close()
            raise

    def next_epoch(self, now: int) -> Identity:
        """What the next start will be: later than every epoch and segment that was ever begun."""
        crashes = self.identity.crashes
        if not self.identity.ended:
            crashes = (*crashes, now)[-CRASHES:]
        numbers = segment_numbers(self.path)
        begun = [header.epoch for header in _headers(self.path, numbers)]
        return msgspec.structs.replace(
            self.identity,
            epoch=max([self.identity.epoch, *begun]) + 1,
            segment=max([self.identity.segment, *numbers]) + 1,
            ended=False,
            crashes=crashes,
        )

    def take_epoch(self, identity: Identity) -> None:
        """Write it down; when this returns, no later start can have this epoch."""
        write_safely(self.path / "identity", sealed(msgspec.json.encode(identity)))
        self.identity = identity

    def end(self) -> None:
        """The run has come to its end in good order; raises `OSError` when the disk refuses."""
        self.take_epoch(msgspec.structs.replace(self.identity, ended=True))

    def is_crash_loop(self, now: int) -> bool:
        """Whether so many runs have died of late that another one should not trade."""
        crashes = self.identity.crashes
        times = (*crashes, now)  # in no order, where the clock was set
        return len(crashes) == CRASHES and max(times) - min(times) <= CRASHES_WITHIN

    def close(self) -> None:
        for lock in (*self._others, self._lock):
            lock.close()

    def hold_also(self, path: Path, what: str) -> None:
        """Be the one desk on this machine that has what this lock stands for: a key, an account.

        Its folder alone does not say whose account it is of. Raises `ConfigError`, naming `what`.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = path.open("a+b")
        except OSError as error:
            found = error.strerror or type(error).__name__
            expected = f"a place for the lock of {what}, under $XDG_STATE_HOME"
            raise ConfigError(where=str(path), found=found, expected=expected) from None
        try:
            _lock(lock, what)
        except BaseException:
            lock.close()
            raise
        self._others.append(lock)


def identity_of(path: Path) -> Identity:
    """Whose folder it is, without holding it; raises `ConfigError` when it is nobody's."""
    file = path / "identity"
    try:
        found = msgspec.json.decode(unsealed(file.read_bytes(), file), type=Identity)
    except OSError as error:
        found_ = error.strerror or type(error).__name__
        expected = "an account's folder"
        raise ConfigError(where=str(file), found=found_, expected=expected) from None
    except (Unsound, msgspec.MsgspecError):
        expected = "the identity of an account, unchanged"
        raise ConfigError(
            where=str(file), found="not what was written", expected=expected
        ) from None
    return found


def readable_identity(path: Path) -> Identity:
    """Whose folder it is; raises `ConfigError` also where its journal is of a newer version, so
    that no start here takes it over."""
    found = identity_of(path)
    read_identity(path / "identity")
    _headers(path, segment_numbers(path))
    return found


def holder_of(path: Path) -> str:
    """The number of the process that holds this folder; "" when none does."""
    try:
        with (path / "lock").open("rb") as file:
            try:
                take(file)
            except OSError:
                return file.read(32).decode("ascii", "replace").strip() or "unknown"
    except OSError:
        pass  # no lock: never held
    return ""


def _identity(path: Path, account: str, numbers: list[int], entropy: Entropy) -> Identity:
    try:
        found = read_identity(path / "identity")
    except FileNotFoundError:
        found = _from_segments(path, numbers) or Identity(
            installation=installation_letters(entropy), account=account, epoch=0
        )
    if found.account != account:
        expected = f"the folder of account {account!r}"
        raise ConfigError(where=str(path), found=f"that of {found.account!r}", expected=expected)
    return found


def read_identity(file: Path) -> Identity:
    """Raises `FileNotFoundError` without one, `ConfigError` when it cannot be gone by."""
    try:
        found = msgspec.json.decode(unsealed(file.read_bytes(), file), type=Identity)
    except FileNotFoundError:
        raise
    except (Unsound, msgspec.MsgspecError):
        raise ConfigError(
            where=str(file),
            found="not what was written",
            expected="it unchanged, or no such file: the journal beside it says the same",
        ) from None
    except OSError as error:
        found_ = error.strerror or type(error).__name__
        raise ConfigError(where=str(file), found=found_, expected="a file to read") from None
    if found.version > VERSION:
        where, newer = str(file), f"version {found.version}"
        raise ConfigError(where=where, found=newer, expected=f"version {VERSION} or older")
    return found


def _from_segments(path: Path, numbers: list[int]) -> Identity | None:
    """What the newest segment says; a segment is begun before its epoch is used."""
    headers = list(_headers(path, numbers))
    if not headers:
        return None
    newest = headers[-1]
    # Segments may be gone with it. A start has a segment of its own, so epochs are no later than
    # the segments that checkpoints are named after.
    later = [int(path.name.partition("-")[0]) for path in checkpoints(path)]
    return Identity(
        installation=newest.installation,
        account=newest.account,
        epoch=max([*(header.epoch for header in headers), *later]),
        segment=max([newest.segment, *later]),
    )


def _headers(path: Path, numbers: list[int]) -> list[Header]:
    """The headers that can be read; raises `ConfigError` for a journal of a newer version."""
    headers = []
    for number in numbers:
        with segment_path(path, number).open("rb") as file:
            segment = read_segment(file.read(4096), number)
        if segment.flaw is not None and segment.flaw.ill is Ill.NEWER:
            where = str(segment_path(path, number))
            expected = "a journal of this version or older"
            raise ConfigError(where=where, found=segment.flaw.text, expected=expected)
        if segment.header is not None:
            headers.append(segment.header)
    return headers


def _lock(file: IO[bytes], path: Path | str) -> None:
    """One desk an account: take the lock and write down who has it, or say who does."""
    tries = _TRIES
    while not (taken := _takes(file)) and tries:
        tries -= 1
        time.sleep(_TRY_SECONDS)  # somebody may only be looking who has it: `holder_of`
    if not taken:
        file.seek(0)
        holder = file.read(32).decode("ascii", "replace").strip()
        raise ConfigError(
            where=str(path),
            found=f"in use by process {holder or 'unknown'}",
            expected="one desk an account",
        )
    with suppress(OSError):  # whose lock it is, is a courtesy
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()


def _takes(file: IO[bytes]) -> bool:
    try:
        take(file)
    except OSError:
        return False
    return True
