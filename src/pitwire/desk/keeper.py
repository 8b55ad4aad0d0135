"""Checkpoints while a desk runs, so that the start after it reads little, however long it ran.

They are made by a process of its own from the journal alone, as a start would make the state, and
so they cannot say anything else. The desk names a place behind which nothing is due, pays for the
start of that process once in many records, and goes on.

House rules: what cannot be vouched for is not written; a checkpoint is never needed, so whoever
fails here is told of and holds nobody up; nobody writes for a desk that is gone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from pitwire.model.clock import SECOND
from pitwire.store.checkpoint import newest_good, write_checkpoint
from pitwire.store.history import START, History, Position
from pitwire.store.segment import NOTHING
from pitwire.trading.replay import Replay

EVERY_RECORDS = 10_000
"""Since the last one: a start reads so many in a tenth of a second."""
APART_SECONDS = 60
"""And so long after it, however much is written."""
_END_SECONDS = 2.0
_PROGRAM = "from pitwire.desk.keeper import main; main()"


class Keeper:
    """Has checkpoints of one running desk made, one after the other."""

    def __init__(
        self,
        folder: Path,
        *,
        every_records: int = EVERY_RECORDS,
        apart_seconds: float = APART_SECONDS,
    ) -> None:
        self.kept = 0
        """Checkpoints that were made."""
        self._folder = folder
        self._every, self._apart = every_records, round(apart_seconds * SECOND)
        self._count = 0
        """Records of this run when the last was asked for."""
        self._not_before = 0
        self._maker: subprocess.Popen[str] | None = None

    def tend(self, count: int, position: Position, now: int) -> str:
        """Called between two bursts, all of them on the disk's side; what to tell, mostly "".

        `count` are the records of this run so far, `position` is the place behind them.
        """
        told = ""
        if self._maker is not None:
            if self._maker.poll() is None:
                return ""
            told = self._hear(self._maker)
            self._maker = None
        if count - self._count >= self._every and now >= self._not_before:
            self._count, self._not_before = count, now + self._apart
            told = self._start(position) or told
        return told

    def close(self) -> None:
        """End the one that is being made; what it has written stands."""
        maker, self._maker = self._maker, None
        if maker is None:
            return
        maker.kill()
        with suppress(subprocess.TimeoutExpired):
            maker.communicate(timeout=_END_SECONDS)

    def _start(self, position: Position) -> str:
        place = (str(self._folder), str(position.segment), str(position.records))
        try:
            self._maker = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, *place, str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # a Ctrl-C meant for the desk is none of its business
            )
        except OSError as error:
            return f"no checkpoint: {error.strerror or error}"
        return ""

    def _hear(self, maker: subprocess.Popen[str]) -> str:
        said, _ = maker.communicate()
        why = said.strip()
        if maker.returncode == 0 and not why:
            self.kept += 1
            return ""
        return f"no checkpoint: {why or f'its process ended with {maker.returncode}'}"


def keep(folder: Path, until: Position, desk: int = 0) -> str:
    """Make the checkpoint of this place from the newest before it; why there is none, or "".

    Nothing is written once process `desk` (0: nobody in particular) is our parent no longer.
    """
    newest, _ = newest_good(folder)
    history = (
        History(folder, START, chain=NOTHING, until=until)
        if newest is None
        else History(folder, newest.position, chain=bytes.fromhex(newest.chain), until=until)
    )
    replay = Replay(None if newest is None else newest.snapshot)
    for record, text in history.records():
        replay.take(record, text)
    if history.worst is not None:
        return str(history.worst)
    if history.end != until:
        return f"record {history.end.records} of segment {history.end.segment} is the last there"
    if replay.contradicted:
        return str(replay.contradictions[0])
    if replay.derived():
        return "what follows from the last record is not written yet"
    if desk and os.getppid() != desk:
        return "the desk is gone"
    write_checkpoint(folder, until, history.chain, replay.snapshot())
    return ""


def main() -> None:
    """The process: behind all others, on any core."""
    folder, segment, records, desk = sys.argv[1:]
    _stand_back()
    try:
        print(keep(Path(folder), Position(int(segment), int(records)), int(desk)))
    except OSError as error:
        print(error.strerror or error)


def _stand_back() -> None:
    """Whatever core and rank the desk has, it does not share them with us."""
    if hasattr(os, "sched_setscheduler"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        with suppress(OSError):
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(19)
