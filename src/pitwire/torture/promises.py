"""Promises about journals, ids and secrets, each tried by a program of its own; one row a promise.

What a process must not survive, it does not try upon itself: every trial but those of single bytes
runs in a process of its own, in a folder that goes with it. House rules: a trial that cannot be had
here says why; nothing is called kept that was not tried.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from pitwire.sim.kit import Script
from pitwire.store.history import History, segment_path
from pitwire.store.segment import HEAD_SIZE
from pitwire.torture import lossy
from pitwire.torture.gate import INTENTS, Tried
from pitwire.torture.lives import live
from pitwire.torture.outcome import Outcome

_WITHIN_SECONDS = 1_800


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much is tried."""

    kills: int = 10
    cuts: int = 5
    lives: int = 4
    intents: int = 20_000
    seed: int = 1
    python: str = ""
    """Another interpreter, for half of the lives."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a promise."""

    promise: str
    title: str
    figures: dict[str, float] = {}
    complaints: tuple[str, ...] = ()
    skipped: str = ""

    @property
    def passed(self) -> bool:
        """Whether it was kept, or not tried."""
        return not self.complaints


class Failed(Exception):
    """A trial that did not come to its end."""


Trial = Callable[[Path, Size], Kept]


def program(module: str, *arguments: object, python: str = "", **environ: str) -> bytes:
    """What a module prints; raises `Failed` with its last line when it does not end well."""
    done = subprocess.run(
        [python or sys.executable, "-m", f"pitwire.torture.{module}", *map(str, arguments)],
        capture_output=True,
        env={**_environment(), **environ},
        timeout=_WITHIN_SECONDS,
        check=False,
    )
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["nothing"]
        raise Failed(f"{module} ended with {done.returncode} and said: {told[-1]}")
    return done.stdout


def _environment() -> Mapping[str, str]:
    """None of ours: no key of a user may come near a trial."""
    return {
        "PATH": os.defpath,
        "HOME": str(Path.home()),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _nothing_but(figures: Mapping[str, float], zeros: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{name}: found {figures[name]:g}, expected 0" for name in zeros if figures[name])


# ── what is tried ─────────────────────────────────────────────────────────────────────────────


def kills(folder: Path, size: Size) -> Kept:
    """B3, B9: a desk that trades is killed; the venue is the listener."""
    found: dict[str, float] = {}
    for mode in ("default", "durable"):
        told = program("deaths", folder / mode, size.kills, size.seed, mode)
        for name, number in msgspec.json.decode(told, type=dict[str, int]).items():
            found[name] = found.get(name, 0) + number
    zeros = ("unjournalled", "twice", "ghosts", "lost", "misfilled", "left_open", "harm",
             "contradictions")  # fmt: skip
    complaints = _nothing_but(found, zeros)
    if not found["asked"]:
        complaints = (*complaints, "asked: found 0, expected orders, or nothing was tried")
    if 2 * found["starts"] < found["kills"]:
        few = f"starts: found {found['starts']:g}, expected half of the kills at least"
        complaints = (*complaints, few)
    return Kept(promise="B9", title="", figures=found, complaints=complaints)


def power_cuts(folder: Path, size: Size) -> Kept:
    """B10: the power goes; no id comes twice, `durable` forgets nothing, nor tape nor tables what
    was synced."""
    why = lossy.why_not()
    if why:
        return Kept(promise="B10", title="", skipped=why)
    trials: list[tuple[str, tuple[object, ...]]] = [
        (mode, ("power", folder / mode, size.cuts, size.seed, mode))
        for mode in ("default", "durable")
    ]
    trials.append(("tape", ("taped", folder / "tape", size.cuts, size.seed)))
    if importlib.util.find_spec("pyarrow") is not None:  # the extra `store`
        trials.append(("tables", ("tabled", folder / "tables", size.cuts, size.seed)))
    figures: dict[str, float] = {}
    for what, (module, *arguments) in trials:
        found = msgspec.json.decode(program(f"{module}", *arguments), type=dict[str, float])
        figures |= {f"{what} {name}": number for name, number in found.items()}
    zeros = [f"{what} {name}" for what, _ in trials for name in _CUT_ZEROS[what]]
    complaints = _nothing_but(figures, zeros)
    if figures.get("tables runs") == 0:
        nothing = "tables runs: found 0, expected some, or nothing was tried"
        complaints = (*complaints, nothing)
    return Kept(promise="B10", title="", figures=figures, complaints=complaints)


_JOURNAL = ("idle", "twice", "epochs_twice", "harm", "unannounced")
_CUT_ZEROS = {
    "default": _JOURNAL,
    "durable": (*_JOURNAL, "forgotten"),
    "tape": ("idle", "forgotten", "altered", "harm", "unannounced"),
    "tables": ("missing", "doubled", "taken_twice"),
}
"""What must be none where the power was cut."""


def gate(_: Path, size: Size) -> Kept:
    """B12: intents against the gate, with fills in flight; what the venue holds is the judge."""
    worlds = max(1, size.intents // INTENTS)
    told = program("gate", 1_000_000 * size.seed, worlds)
    found = msgspec.json.decode(told, type=Tried)
    figures: dict[str, float] = {"intents": found.intents, "admitted": found.admitted}
    figures |= {f"refused by {name}": count for name, count in sorted(found.refused.items())}
    complaints = () if found.admitted else ("admitted: found 0, expected orders",)
    return Kept(promise="B12", title="", figures=figures, complaints=complaints)


def same_bytes(folder: Path, size: Size) -> Kept:
    """B15: one life, several hash seeds, perhaps two Pythons: the same journal, the same state."""
    told = [
        program(
            "lives", folder / str(number), size.seed, 12,
            python=size.python if number % 2 else "", PYTHONHASHSEED=str(number),
        )
        for number in range(size.lives)
    ]  # fmt: skip
    _, _, records, contradictions = told[0].decode().split()
    different = sum(one != told[0] for one in told)
    figures: dict[str, float] = {
        "lives": len(told),
        "pythons": 2 if size.python else 1,
        "records": int(records),
        "contradictions": int(contradictions),
        "different": different,
    }
    zeros = ("different", "contradictions")
    return Kept(promise="B15", title="", figures=figures, complaints=_nothing_but(figures, zeros))


def secrets(folder: Path, _: Size) -> Kept:
    """B16: canaries go through everything and are found nowhere."""
    found = msgspec.json.decode(program("canary", folder / "canary"))
    hits = found.pop("hits")
    return Kept(promise="B16", title="", figures=found, complaints=tuple(hits))


def single_bytes(folder: Path, size: Size) -> Kept:
    """S5, S6: cut at every byte of the last two records; one bit of each byte flipped."""
    live(folder / "whole", size.seed, seconds=1.2)
    path = segment_path(folder / "whole", 1)
    data, whole = path.read_bytes(), list(History(folder / "whole").payloads())
    last_two = len(data) - sum(HEAD_SIZE + len(payload) for payload in whole[-2:])
    wrong = []
    for length in range(last_two, len(data)):
        path.write_bytes(data[:length])
        history = History(folder / "whole")
        kept = list(history.payloads())
        if kept != whole[: len(kept)] or len(kept) < len(whole) - 2 or history.worst:
            wrong.append(f"cut at {length}: {len(kept)} records, {history.worst}")
    path.write_bytes(data)
    for place in _flipped(path, data):
        history = History(folder / "whole")
        kept = list(history.payloads())
        if history.worst is None or kept != whole[: len(kept)]:
            wrong.append(f"bit {place % 8} of byte {place}: not found")
    figures: dict[str, float] = {
        "cuts": len(data) - last_two,
        "flips": len(data),
        "wrong": len(wrong),
    }
    return Kept(promise="S6", title="", figures=figures, complaints=tuple(wrong[:5]))


def _flipped(path: Path, data: bytes) -> Iterator[int]:
    """One byte of the file after the other with one bit turned over; each is mended again."""
    with path.open("r+b", buffering=0) as file:
        for place, byte in enumerate(data):
            file.seek(place)
            file.write(bytes((byte ^ 1 << place % 8,)))
            yield place
            file.seek(place)
            file.write(bytes((byte,)))


PROMISES: dict[str, tuple[str, Trial]] = {
    "B9": ("killed while it trades: every order journalled, none twice, none lost", kills),
    "B10": ("power cut: no id twice, nothing lost that was synced, rows once", power_cuts),
    "B12": ("the gate: no limit is broken by what the venue holds", gate),
    "B15": ("the same life gives the same journal, byte for byte", same_bytes),
    "B16": ("no secret in any log, tape, journal, error, repr or report", secrets),
    "S6": ("a tail cut anywhere is cut off, a flipped bit is found", single_bytes),
}
"""By id: what is promised, and how it is tried."""


def try_promise(script: Script, seed: int) -> Outcome:
    """One of them as a row of the fault kit."""
    if os.name == "nt":
        return Outcome(fault=script.id, title=script.title, way="process", seed=seed,
                       skipped="a system without fork")  # fmt: skip
    kept = attempt(script.id, Size(seed=seed))
    return Outcome(
        fault=script.id,
        title=script.title,
        way="process",
        source=script.source,
        seed=seed,
        figures=kept.figures,
        complaints=kept.complaints,
        skipped=kept.skipped,
    )


def attempt(name: str, size: Size) -> Kept:
    """Try one of them."""
    title, trial = PROMISES[name]
    root = "/dev/shm" if name == "B15" and os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(prefix="pitwire-", dir=root) as folder:
        try:
            kept = trial(Path(folder), size)
        except (Failed, subprocess.TimeoutExpired, OSError) as error:
            kept = Kept(promise=name, title=title, complaints=(str(error),))
        finally:  # also where a test is over before its time
            for mount in Path(folder).glob("*/mount"):
                lossy.unmount(mount)
                shutil.rmtree(mount, ignore_errors=True)
    return msgspec.structs.replace(kept, promise=name, title=title)
