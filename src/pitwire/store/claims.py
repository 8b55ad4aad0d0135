"""Who writes into a folder of tables: one writer a run, a number of its own for each file.

    FOLDER/.runs/RUN.txt            what a run has written, a file a line, `done` at its end; held
                                    by the process that writes the run
    FOLDER/.runs/numbers            held by whoever chooses a number, and by nobody for long
    PARTITION/.000008.parquet.new   the file that number 8 will be

House rules: a number is claimed by that last file and noted, both while the numbers are held; it is
above all that are there or claimed. Whoever dies leaves its locks to the system and its claims to
compaction, which takes them away.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO
from weakref import finalize

from pitwire.model.disk import make_folder, sync_folder
from pitwire.model.errors import ConfigError
from pitwire.store.locking import is_taken, let_go, take, wait_for

_DONE = "done"
_FILE = re.compile(r"(\d{6,})(?:-(\d{6,}))?\.parquet\Z")
_CLAIM = re.compile(r"\.(\d{6,})\.parquet\.new\Z")
_PART = re.compile(r"(?P<whole>.+)\.\d{6}\Z")
"""The run of one file of a tape that has several."""
APART = "a tape as a whole, or its files one by one"
"""What is expected where `overlap` finds something."""


def whole_of(run: str) -> str:
    """The run that this one is a file of; "" where it is none."""
    part = _PART.match(run)
    return "" if part is None else part["whole"]


def overlap(run: str, others: Iterable[str]) -> str:
    """Which of the others holds rows of this run, too: its whole, or a part of it; "" for none."""
    whole = whole_of(run)
    for other in others:
        if (whole and other == whole) or whole_of(other) == run:
            return other
    return ""


class RunNotes:
    """What one run writes, noted; this process alone writes it while it has this.

    Raises `ConfigError` when another process does, or it was written to its end. What a run that
    was cut has written is taken out, so that no row is there twice.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self._folder, runs = folder, folder / ".runs"
        make_folder(runs)
        self._file = (runs / f"{run}.txt").open("a+b", buffering=0)
        # Whoever drops a writer before its end has cut its run, as a death would.
        self._let_go = finalize(self, self._file.close)
        try:
            sync_folder(runs)  # a power cut that leaves files leaves what says whose they are
            with numbers_held(folder):
                self._begin(run)
                self._promised = _promises(folder, f"{run}.txt")
        except BaseException:
            self._let_go()
            raise

    def claim(self, partition: Path) -> Path:
        """The name of a new file; what stands aside for it is there, and empty."""
        make_folder(partition)
        name = partition.relative_to(self._folder)
        with numbers_held(self._folder):
            # In this order: a file that gets its name meanwhile was a claim, or is there.
            taken = claims(partition)
            taken.update(last for _, last, _ in numbered(partition))
            number = max([self._promised.get(str(name), 0), *taken]) + 1
            path = partition / f"{number:06d}.parquet"
            aside_of(path).open("xb").close()
            self._note(str(name / path.name))
        return path

    def done(self) -> None:
        """It is written to its end."""
        self._note(_DONE)
        self._let_go()

    def abandon(self) -> None:
        """Nothing of it is to stay: what was written is taken out, and it may be written again."""
        with numbers_held(self._folder):
            self._take_out()
        self._let_go()

    def _note(self, line: str) -> None:
        note, before = f"{line}\n".encode(), self._file.seek(0, os.SEEK_END)
        if self._file.write(note) != len(note):  # nor may it come later: the claim is not made
            self._file.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._file.fileno())

    def _begin(self, run: str) -> None:
        try:
            take(self._file)
        except OSError:
            found, expected = f"run {run}, which another process writes", "one writer for each run"
            raise ConfigError(where=str(self._folder), found=found, expected=expected) from None
        if self._names()[-1:] == [_DONE]:
            expected = "one that is not in these tables yet"
            raise ConfigError(where=str(self._folder), found=f"run {run}", expected=expected)
        kin = [
            path for path in (self._folder / ".runs").glob("*.txt") if overlap(run, (path.stem,))
        ]
        if other := next((path.stem for path in kin if _is_begun(path)), ""):
            found = f"run {other}, which holds rows of {run}"
            raise ConfigError(where=str(self._folder), found=found, expected=APART)
        self._take_out()

    def _names(self) -> list[str]:
        self._file.seek(0)
        return _noted(self._file)

    def _take_out(self) -> None:
        names = self._names()
        for name in names:
            path = self._folder / name
            path.unlink(missing_ok=True)
            aside_of(path).unlink(missing_ok=True)
        for partition in {(self._folder / name).parent for name in names}:
            if partition.is_dir():  # or a power cut would bring back what nothing says is ours
                sync_folder(partition)
        self._file.truncate(0)
        # Before anybody else may have these numbers, or a power cut would make them ours again.
        os.fsync(self._file.fileno())


def aside_of(path: Path) -> Path:
    """Where a file is written until it is whole."""
    return path.with_name(f".{path.name}.new")


def numbered(partition: Path) -> list[tuple[int, int, Path]]:
    """The files of a partition, each with the first and the last number that it stands for."""
    found = []
    for path in partition.iterdir() if partition.is_dir() else ():
        name = _FILE.match(path.name)
        if name:
            found.append((int(name[1]), int(name[2] or name[1]), path))
    return sorted(found)


def claims(partition: Path) -> set[int]:
    """Numbers that are claimed and have no file yet, or never will."""
    names = (_CLAIM.match(path.name) for path in partition.iterdir())
    return {int(name[1]) for name in names if name}


@contextmanager
def numbers_held(folder: Path) -> Iterator[None]:
    """Nobody else claims a number meanwhile."""
    with (folder / ".runs" / "numbers").open("ab") as file:
        wait_for(file)
        try:
            yield
        finally:
            let_go(file)


def unfinished(folder: Path) -> Iterator[tuple[str, bool, list[str]]]:
    """Each run that has written something, and not its end: its name, whether a process writes it,
    its files. For whoever holds the numbers."""
    for notes in sorted((folder / ".runs").glob("*.txt")):
        with notes.open("rb") as file:
            names = _noted(file)
            if names and names[-1] != _DONE:
                yield notes.stem, is_taken(file), names


def _is_begun(path: Path) -> bool:
    """Whether something of this run is written, or will be by who holds its notes."""
    with path.open("rb") as file:
        return path.stat().st_size > 0 or is_taken(file)


def _noted(file: BinaryIO | FileIO) -> list[str]:
    """The lines of a run's notes; what a power cut left of one is none: nothing was written yet."""
    lines = file.read().decode(errors="replace").splitlines(keepends=True)
    return [line.rstrip("\n") for line in lines if line.endswith("\n")]


def _promises(folder: Path, own: str) -> dict[str, int]:
    """Partition → the highest number that an unfinished run has noted for a file.

    Whoever writes such a run again takes those files out, so nobody else may have their names.
    """
    promised: dict[str, int] = {}
    for run, _, names in unfinished(folder):
        for part, name in map(os.path.split, names if f"{run}.txt" != own else ()):
            found = _FILE.match(name)
            if found:
                promised[part] = max(int(found[1]), promised.get(part, 0))
    return promised
