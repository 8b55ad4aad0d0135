"""Checkpoints while a desk runs, so that the start after it reads little, however long it ran.

They are made by a process of its own from the journal alone, as a start would make the state, and
so they cannot say anything else. The desk names a place behind which nothing is due, and goes on.
The process is started when the first is wanted and stays: to start one holds a desk up for a
millisecond or, where others have the cores, many.

House rules: what cannot be vouched for is not written; a checkpoint is never needed, so whoever
fails here is told of and holds nobody up; nobody writes for a desk that is gone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from pitwire.desk.inheritance import bequest
from pitwire.model.clock import SECOND
from pitwire.store.checkpoint import newest_good, write_checkpoint
from pitwire.store.history import START, History, Position, segment_path
from pitwire.store.safely import sync_file
from pitwire.store.segment import NOTHING
from pitwire.trading.replay import Replay

EVERY_RECORDS = 10_000
"""Since the last one: a start reads so many in a tenth of a second."""
APART_SECONDS = 60
"""And so long after it, however much is written."""
_MADE = "made"
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
        self._waits = False
        """Whether one is being made."""
        self._said: SimpleQueue[str] = SimpleQueue()

    def tend(self, count: int, position: Position, now: int) -> str:
        """Called between two bursts, all of them on the disk's side; what to tell, mostly "".

        `count` are the records of this run so far, `position` is the place behind them.
        """
        if self._waits:
            return "" if self._said.empty() else self._hear(self._said.get())
        if count - self._count < self._every or now < self._not_before:
            return ""
        self._count, self._not_before = count, now + self._apart
        return self._ask(position)

    def close(self) -> None:
        """End the process; what it has written stands."""
        maker, self._maker, self._waits = self._maker, None, False
        if maker is not None:
            maker.kill()
            maker.wait()

    def _ask(self, position: Position) -> str:
        try:
            if self._maker is None:
                self._maker = self._start()
            assert self._maker.stdin is not None
            self._maker.stdin.write(f"{position.segment} {position.records}\n")
            self._maker.stdin.flush()
        except (OSError, ValueError) as error:  # the latter where its pipe was closed behind it
            self.close()
            return f"no checkpoint: {getattr(error, 'strerror', '') or error}"
        self._waits = True
        return ""

    def _start(self) -> subprocess.Popen[str]:
        maker = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(self._folder), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=bequest(),
            start_new_session=True,  # a Ctrl-C meant for the desk is none of its business
        )
        self._said = SimpleQueue()
        Thread(target=_listen, args=(maker, self._said), name="keeper", daemon=True).start()
        return maker

    def _hear(self, said: str) -> str:
        self._waits = False
        if said == _MADE:
            self.kept += 1
            return ""
        if not said:  # it has died; the next one is asked of another
            self.close()
        return f"no checkpoint: {said or 'the process that makes it has died'}"


def _listen(maker: subprocess.Popen[str], said: SimpleQueue[str]) -> None:
    """Hand on each line, and "" at the end."""
    assert maker.stdin is not None
    assert maker.stdout is not None
    with suppress(ValueError, OSError):
        for line in maker.stdout:
            said.put(line.strip())
    said.put("")
    for pipe in (maker.stdin, maker.stdout):
        with suppress(OSError):
            pipe.close()


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
    for record, text in history.records(replay.expects):
        replay.take(record, text)
    if history.worst is not None:
        return str(history.worst)
    if history.end != until:
        return f"record {history.end.records} of segment {history.end.segment} is the last there"
    if replay.contradicted:
        return str(replay.contradictions[0])
    if replay.derived():
        return "what follows from the last record is not written yet"
    # A power cut must not leave a checkpoint of records that it took: that would be harm.
    sync_file(segment_path(folder, until.segment))
    if desk and os.getppid() != desk:
        return "the desk is gone"
    write_checkpoint(folder, until, history.chain, replay.snapshot())
    return ""


def main() -> None:
    """The process: behind all others, on any core, until the desk lets go of it."""
    folder, desk = sys.argv[1:]
    _stand_back()
    for line in sys.stdin:
        segment, records = line.split()
        try:
            why = keep(Path(folder), Position(int(segment), int(records)), int(desk))
        except OSError as error:
            why = error.strerror or str(error)
        print(why or _MADE, flush=True)


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
