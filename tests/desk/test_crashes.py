"""Real deaths: a listener in another process is the judge, not our journal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from pitwire.sim.kit import kit
from pitwire.store.history import History
from pitwire.torture import kills as crashing
from pitwire.torture.struck import Ready, strike
from pitwire.trading.journal import Decided

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no fork and no signal 9 there")


def environment(repository: Path) -> dict[str, str]:
    paths = [str(repository / "src"), str(repository)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}


def killed(repository: Path, folder: Path, kills: int, seed: int, mode: str) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, crashing.__file__, str(folder), str(kills), str(seed), mode],
        env=environment(repository),
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


def check(found: dict[str, int], kills: int) -> None:
    assert found["unjournalled"] == 0, "an order left that no record tells of"
    assert found["twice"] == 0, "an order left twice"
    assert found["harmful"] == 0
    assert found["contradictions"] == 0
    assert found["epochs"] == kills
    assert found["sent"] >= kills // 2
    assert found["journalled_not_sent"] <= 2 * kills, "those of one burst each time, at most"


@pytest.mark.timeout(900)  # some forty starts, whatever else the machine does
@pytest.mark.parametrize(("mode", "kills"), [("process-safe", 40), ("durable", 10)])
def test_kill_9_at_random(repository: Path, tmp_path: Path, mode: str, kills: int) -> None:
    """B3, B9, O1."""
    found = killed(repository, tmp_path / "main", kills, 1, mode)
    check(found, kills)


@pytest.mark.soak
@pytest.mark.parametrize("mode", ["process-safe", "durable"])
def test_a_thousand_kills(repository: Path, tmp_path: Path, mode: str) -> None:
    for seed in range(25):
        found = killed(repository, tmp_path / str(seed), 20, seed, mode)
        check(found, 20)


traced = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
SYSCALLS = ("write", "fdatasync", "fsync", "rename")


def swept(
    folder: Path, syscall: str, *, durable: bool, beside: bool, steps: int = 6, most: int = 400
) -> int:
    """A scripted session killed at its first such call, its second, … until it ends by itself.

    Each is judged with the life after it; returns how many were killed.
    """
    for number in range(1, most):
        place, heard = folder / f"{syscall}-{number}", folder / f"{syscall}-{number}.heard"

        def run(ready: Ready, place: Path = place, heard: Path = heard) -> None:
            with heard.open("wb") as told:
                crashing.trade(place, told.fileno(), durable=durable, steps=steps, ready=ready)

        try:
            killed = strike(run, syscall, number, beside=beside)
        except PermissionError as error:
            pytest.skip(f"strace may not trace here: {error.strerror}")
        if not killed:
            return number - 1
        if place.is_dir():
            again = crashing.kill_once(place, 5, durable=False)
            before = heard.read_text().split("\n")[:-1] if heard.exists() else []
            found = crashing.judge(place, before + again)
            assert found["epochs"] in (1, 2), "the first may have died before it had one"
            check({**found, "sent": 1, "epochs": 2}, 2)
    raise AssertionError("it never ended by itself")


@traced
@pytest.mark.soak
@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("syscall", SYSCALLS)
def test_kill_9_at_every_system_call(tmp_path: Path, syscall: str, durable: bool) -> None:
    """O2. What it sends is a write, too: not durable, its intent is on the slate by then."""
    assert swept(tmp_path, syscall, durable=durable, beside=False) > 0, "nothing was tried"


@traced
@pytest.mark.soak
@pytest.mark.parametrize("durable", [True, False])
def test_kill_9_at_every_sync_beside(tmp_path: Path, durable: bool) -> None:
    """The journal is synced by a thread of its own, which counts its calls by itself.

    Behind, where it is not `durable`: a session may be over before that thread gets its turn.
    """
    for steps in (6, 60, 600):
        place = tmp_path / str(steps)
        place.mkdir()
        if swept(place, "fdatasync", durable=durable, beside=True, steps=steps):
            return
    raise AssertionError("nothing was tried")


@traced
@pytest.mark.timeout(300)
def test_kill_9_at_every_rename(tmp_path: Path) -> None:
    """The shortest of the sweeps, in every run."""
    assert swept(tmp_path, "rename", durable=True, beside=False) > 0, "nothing was tried"


@pytest.mark.timeout(900)
def test_the_bar_is_tried_by_torture() -> None:
    """B9 as `pitwire torture` tries it, with fewer kills."""
    bar = kit()["B9"]
    few = msgspec.structs.replace(bar, trial=msgspec.structs.replace(bar.trial, kills=3))
    outcome = crashing.try_kills(few, 1)
    assert outcome.complaints == ()
    assert outcome.happened == 3
    assert outcome.orders
    assert (outcome.wrong, outcome.doubled) == (0, 0)
    assert outcome.line() == "pitwire torture --only B9 --way process --seed 1"


def test_a_life_that_ends_well_leaves_nothing_to_read(repository: Path, tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    crashing.trade(tmp_path / "main", theirs, durable=False, steps=9)
    os.close(theirs)
    heard = b""
    while data := os.read(ours, 65536):
        heard += data
    os.close(ours)
    assert heard.count(b"+") == 13, "every other burst has two orders"
    decided = [one for one, _ in History(tmp_path / "main").records() if isinstance(one, Decided)]
    assert len(decided) == 26
