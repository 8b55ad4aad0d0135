"""A kill at each system call of a checkpoint's making, and just behind it: the next start reads the
same state, whether that checkpoint is there, half there or not, and leaves nothing half made."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pitwire.desk.keeper import keep
from pitwire.desk.restart import recall, restart
from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.store.checkpoint import KEPT, checkpoints
from pitwire.store.history import History, Position
from pitwire.torture.struck import Ready, strike
from pitwire.trading.engine import Engine
from pitwire.trading.journal import Decided
from pitwire.trading.limits import Limits
from pitwire.trading.risk import Screen
from tests.trading.making import at, fill, order

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("strace") is None, reason="strace is not installed"
)
T0 = 1_800_000_000 * SECOND
CALLS = (
    "openat",
    "close",
    "write",
    "fsync",
    "rename",
    "unlink",
    "newfstatat",
    "getdents64",
    "lseek",
)


def live(folder: Path, first: int) -> None:
    """A run with orders that leave; one trades, another stays open."""
    run = restart(folder, "main", now=T0, entropy=Entropy(1))
    engine = Engine((), Screen(Limits(), run.ids, run.file, armed=True), run.state, run.file)
    for number in range(first, first + 4):
        one = order(run.ids.next())
        run.file.write(Decided(at=at(number), command=one))
        run.state.ledger.made(one, at(number))
        engine.sent(one, at(number))
        if number % 2:
            engine.apply(fill(one.id, one.size, trade_id=str(number)))
        run.file.settle()
    run.close()


def left(folder: Path) -> None:
    """A folder with two checkpoints and more records behind them."""
    for number in range(3):
        live(folder, 10 * number)
        if number < KEPT:
            _keep(folder)
    assert len(checkpoints(folder)) == KEPT


def _end(folder: Path) -> Position:
    history = History(folder)
    for _ in history.payloads():
        pass
    return history.end


def _keep(folder: Path) -> None:
    end = _end(folder)
    for back in range(end.records):  # between a record and what follows from it
        if not keep(folder, Position(end.segment, end.records - back)):
            return
    raise AssertionError("no checkpoint was made")


def beside_a_desk(folder: Path) -> None:
    _keep(folder)


def by_a_desk(folder: Path) -> None:
    run = restart(folder, "main", now=T0, entropy=Entropy(1))
    run.checkpoint(run.halted)


def demand_the_same_state(folder: Path, what: str) -> None:
    """The newest checkpoint and what is behind it are the whole journal, and nobody is halted."""
    replay, history, wrong = recall(folder)
    assert (history.worst, wrong, replay.contradictions) == (None, [], []), what
    bare = folder.with_name("bare")
    shutil.copytree(folder, bare, ignore=shutil.ignore_patterns("*.checkpoint*", "*.sock"))
    assert replay.hash() == recall(bare)[0].hash(), what
    shutil.rmtree(bare)


def swept(tmp_path: Path, make: Callable[[Path], None], syscall: str) -> int:
    """How many kills; the last life ends by itself."""
    left(tmp_path / "as it was")
    for number in range(1, 1_000):
        folder = tmp_path / "a"
        shutil.copytree(tmp_path / "as it was", folder)

        def run(_ready: Ready, folder: Path = folder) -> None:
            make(folder)

        try:
            killed = strike(run, syscall, number)
        except PermissionError as error:
            pytest.skip(f"strace may not trace here: {error.strerror}")
        what = f"{syscall} {number}: {sorted(os.listdir(folder))}"
        demand_the_same_state(folder, what)
        again = restart(folder, "main", now=T0, entropy=Entropy(1))
        assert again.halted == "", what
        again.checkpoint(again.halted)
        again.close()
        demand_the_same_state(folder, what)
        assert not list(folder.glob("*.new")), what
        assert 0 < len(checkpoints(folder)) <= KEPT, what
        shutil.rmtree(folder)
        if not killed:
            return number - 1
    raise AssertionError(f"{syscall}: it never ended by itself")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("make", [beside_a_desk, by_a_desk])
@pytest.mark.parametrize("syscall", CALLS)
def test_killed_while_a_checkpoint_is_made(
    tmp_path: Path, make: Callable[[Path], None], syscall: str
) -> None:
    assert swept(tmp_path, make, syscall) > 0, "nothing was tried"
