"""The power goes again and again under a recorder; a listener outside keeps what it was given.

`python -m pitwire.torture.taped FOLDER CUTS SEED` forks a recorder over a lossy file system, cuts
the power after a while drawn by chance, and reads what the disk has kept. Prints one JSON object.
House rules: a frame that was there when a sync began which has ended is safe, however late both
were; how much later than that frames are lost is a figure, as it is the machine's as well.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from pitwire.desk.masking import Masker
from pitwire.model.clock import MILLISECOND, SECOND, SystemClock
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError
from pitwire.tape.format import Meta
from pitwire.tape.reader import Tape, runs_in
from pitwire.tape.recorder import Recorder
from pitwire.tape.writer import fdatasync
from pitwire.torture.power import cut_once

FOLDER = "market/tapes"
"""Where the recorder keeps its runs; it makes both folders itself."""
_CLOCK = SystemClock()
_PAUSE_SECONDS = 0.001
_FRAME_BYTES = 400
_FILE_BYTES = 200_000
"""A file of a tape here: half a second or so, so that many a cut is near a new one."""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What the recorder was given, against what the disk has kept."""

    cuts: int
    idle: int
    """Lives in which nothing was given, so that nothing was tried."""
    given: int
    forgotten: int
    """Frames that had been synced and are not on the tape."""
    altered: int
    """Lives of whose frames the tape has others, or not the first ones without a hole."""
    harm: int
    """Flaws that a power cut must not leave, and runs of before that it has changed."""
    unannounced: int
    """Starts after a cut that did not say so."""
    late_ms: float
    """How long before the cut the oldest of the frames had come that are not on the tape."""


def record(folder: Path, handle: int, life: int) -> None:
    """Record frames with their numbers, and say which were given, and which a sync has kept."""
    bytes_ = Entropy(life).stream("frames").randbytes

    def told(*words: object) -> None:
        os.write(handle, f"{' '.join(map(str, words))}\n".encode())

    def sync(file: int) -> None:
        safe = recorder.kept if recorder is not None else 0
        # Else another file was begun meanwhile, of which this sync keeps nothing.
        same = recorder is not None and recorder._writer.handle == file
        fdatasync(file)
        if same:
            told("safe", safe)

    recorder: Recorder | None = None
    meta = Meta(program="torture", venue="binance", started=_CLOCK.now())
    recorder = Recorder(folder, meta, mask=Masker(), clock=_CLOCK, max_bytes=_FILE_BYTES, sync=sync)
    told("begun", recorder.run.name, int("was not closed" in recorder.found))
    number = 0
    while not recorder.failed:
        now = _CLOCK.now()
        frame = b"%d %d " % (life, number) + bytes_(_FRAME_BYTES)
        recorder.frame("market-1", "in", frame, now, True)
        told("given", number, now)
        number += 1
        time.sleep(_PAUSE_SECONDS)


class _Life(msgspec.Struct):
    """What was heard of one."""

    run: str = ""
    announced: bool = False
    given: list[int] = []
    """The stamp of each frame."""
    safe: int = 0

    @classmethod
    def heard(cls, lines: list[str]) -> _Life:
        life = cls()
        for line in lines:
            match line.split():
                case ["begun", run, announced]:
                    life.run, life.announced = run, announced == "1"
                case ["given", _, at]:
                    life.given.append(int(at))
                case ["safe", count]:
                    life.safe = max(life.safe, int(count))
        return life


def main(root: Path, cuts: int, seed: int) -> Tally:
    """So many cuts, one after another over the same disk."""
    root.mkdir(parents=True, exist_ok=True)
    chance = Entropy(seed).stream("cuts")
    found = dict.fromkeys(Tally.__struct_fields__, 0)
    kept: dict[str, int] = {}
    late = 0
    for number in range(cuts):

        def run(handle: int, number: int = number) -> None:
            record(root / "mount" / FOLDER, handle, number)

        lines, at = cut_once(root, run, _for(chance.uniform(0.05, 2.5)))
        life = _Life.heard(lines)
        count, unlike, harm = _read(root / "disk" / FOLDER / life.run, number)
        found["idle"] += not life.given
        found["given"] += len(life.given)
        found["forgotten"] += max(0, life.safe - count)
        found["altered"] += unlike
        found["harm"] += harm
        found["unannounced"] += bool(kept) and not life.announced
        kept[life.run] = count
        if count < len(life.given):
            late = max(late, at - life.given[count])
    again = {run: _read(root / "disk" / FOLDER / run, life)[0] for life, run in enumerate(kept)}
    gone = {path.name for path in runs_in(root / "disk" / FOLDER)} ^ kept.keys()
    found["harm"] += sum(again[run] != count for run, count in kept.items()) + len(gone)
    found["cuts"] = cuts
    return Tally(**found | {"late_ms": round(late / MILLISECOND, 3)})  # type: ignore[arg-type]


def _for(seconds: float) -> Callable[[bytes], bool]:
    """Whether so long has passed since it began."""
    until = 0

    def enough(heard: bytes) -> bool:
        nonlocal until
        if not until and b"given" in heard:
            until = _CLOCK.now() + int(seconds * SECOND)
        return bool(until) and _CLOCK.now() >= until

    return enough


def _read(run: Path, life: int) -> tuple[int, bool, int]:
    """How many frames of this life a run has, whether they are not the first ones as they were
    given, and how many flaws no power cut may leave."""
    bytes_ = Entropy(life).stream("frames").randbytes
    count, unlike = 0, False
    try:
        tape = Tape(run)
        for one in tape.records():
            unlike |= one.payload != b"%d %d " % (life, count) + bytes_(_FRAME_BYTES)
            count += 1
    except ConfigError:
        return 0, False, int(count > 0 or not list(run.glob("*.tape")))
    return count, unlike, sum(not flaw.torn for flaw in tape.flaws)


if __name__ == "__main__":
    print(msgspec.json.encode(main(Path(sys.argv[1]), *map(int, sys.argv[2:4]))).decode())
