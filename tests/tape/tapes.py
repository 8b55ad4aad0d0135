"""Tapes small enough to be broken everywhere."""

from __future__ import annotations

from pathlib import Path

from pitwire.desk.masking import Masker
from pitwire.model.clock import SECOND, ManualClock
from pitwire.model.credentials import Credentials
from pitwire.tape.format import Entry, Kind, Meta
from pitwire.tape.reader import Tape
from pitwire.tape.recorder import Recorder
from pitwire.tape.writer import TapeWriter

START = 1_700_000_000 * SECOND
META = Meta(program="test", venue="binance", started=START)
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zv"
CREDENTIALS = Credentials(KEY, "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP")


def entries(count: int, *, size: int = 40, step: int = SECOND // 100) -> list[Entry]:
    """Frames of the market with their numbers in them."""
    return [
        ("market-1", Kind.IN, START + number * step, number % 3 == 0, b"%0*d" % (size, number))
        for number in range(count)
    ]


def write_tape(folder: Path, batches: list[list[Entry]], *, closed: bool = True) -> Path:
    """A tape of one file; returns the file."""
    writer = TapeWriter(folder, META)
    for batch in batches:
        writer.put(batch)
    if closed:
        writer.close()
    else:
        writer.abandon()
    return writer.path


def apart(tape: Tape, folder: Path) -> Path:
    """The same tape with each record in a block of its own; returns its one file.

    In how few blocks a recorder puts what it heard is a matter of when its thread had its turn.
    """
    writer = TapeWriter(folder, tape.meta)
    for one in tape.records():
        writer.put([(one.link, one.kind, one.at, one.drained, one.payload)])
    writer.close()
    return writer.path


def recorder(folder: Path, **options: object) -> Recorder:
    """A recorder at the start of time."""
    options = {"mask": Masker([CREDENTIALS]), "clock": ManualClock(START)} | options
    return Recorder(folder, META, **options)  # type: ignore[arg-type]
