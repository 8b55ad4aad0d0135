"""What a tape loses when its recorder is killed, and when the machine loses its power.

A process records a frame a millisecond and keeps the stamp of the last one in a mapped file, which
outlives it. It is killed at a moment drawn by chance. What the tape then ends with, against that
stamp, is what a kill has lost. For the power, the tape is cut where the last sync had put it: of
what was written since, nothing counts. `python -m bench.lost FOLDER` is that process.
"""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from pitwire.desk.masking import Masker
from pitwire.model.clock import MILLISECOND, SystemClock
from pitwire.model.entropy import Entropy
from pitwire.tape.format import Meta
from pitwire.tape.reader import Tape, runs_in
from pitwire.tape.recorder import Recorder
from pitwire.tape.writer import fdatasync

DEATHS = 20
Row = tuple[str, float, str]
_FRAME = b'{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","p":"60000.00"}}'
_STAMP = 8


def rows(tell: Callable[[str], None], deaths: int = DEATHS, seed: int = 1) -> list[Row]:
    """(what, figure, remark): the worst of so many deaths."""
    chance = Entropy(seed).stream("deaths")
    killed, cut, announced = 0.0, 0.0, 0
    with TemporaryDirectory(prefix="pitwire-bench-") as scratch:
        for number in range(deaths):
            folder = Path(scratch) / f"{number}"
            last, synced = _death(folder, chance.uniform(0.3, 2.0))
            [run] = runs_in(folder)
            killed = max(killed, (last - _end(run)) / MILLISECOND)
            left = shutil.copytree(run, Path(scratch) / f"{number}-cut" / run.name)
            for file in left.iterdir():
                os.truncate(file, synced)
            cut = max(cut, (last - _end(left)) / MILLISECOND)
            announced += _announces(folder) and _announces(left.parent)
    tell(f"lost: {deaths} deaths")
    how = f"bar: %s ms; the worst of {deaths} deaths at 1,000 frames a second"
    return [
        ("lost when killed, ms", killed, how % 50),
        ("lost with the power, ms", cut, how % "1,000"),
        ("announced by who opens it next", announced, f"of {deaths}, both of each"),
    ]


def _death(folder: Path, after_seconds: float) -> tuple[int, int]:
    """A recorder's life; the stamp of its last frame, and how much of its file was synced."""
    folder.mkdir()
    marks = folder / "last"
    marks.write_bytes(bytes(_STAMP))
    command = [sys.executable, "-m", "bench.lost", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        while not any(marks.read_bytes()) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(after_seconds)
        process.send_signal(signal.SIGKILL)
        assert process.stdout is not None
        said = process.stdout.read().rpartition(b"\n")[0].split()
    return int.from_bytes(marks.read_bytes(), "little"), int(said[-1])


def _end(run: Path) -> int:
    """The stamp of the last record that can be read."""
    return max(record.at for record in Tape(run).records())


def _announces(folder: Path) -> bool:
    clock = SystemClock()
    meta = Meta(program="bench", venue="binance", started=clock.now())
    recorder = Recorder(folder, meta, mask=Masker(), clock=clock)
    found = recorder.found
    recorder.close()
    return "was not closed" in found


def record(folder: Path) -> None:
    """Record until it ends; says how many bytes are safe."""
    clock, synced = SystemClock(), threading.Event()

    def sync(handle: int) -> None:
        size = os.fstat(handle).st_size
        fdatasync(handle)
        sys.stdout.write(f"{size}\n")
        sys.stdout.flush()
        synced.set()

    meta = Meta(program="bench", venue="binance", started=clock.now())
    recorder = Recorder(folder, meta, mask=Masker(), clock=clock, sync=sync)
    with (folder / "last").open("r+b") as file, mmap.mmap(file.fileno(), _STAMP) as last:
        recorder.frame("market-1", "in", _FRAME, clock.now(), True)
        synced.wait()
        while True:
            now = clock.now()
            recorder.frame("market-1", "in", _FRAME, now, True)
            last[:] = now.to_bytes(_STAMP, "little")
            time.sleep(0.001)


if __name__ == "__main__":
    record(Path(sys.argv[1]))
