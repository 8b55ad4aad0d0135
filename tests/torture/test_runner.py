"""Trials in processes of their own end when whoever wants them does."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing import active_children
from pathlib import Path

import pytest

from pitwire.model.errors import DialFailed
from pitwire.sim.kit import Script, kit
from pitwire.torture import runner, sockets
from pitwire.torture.outcome import Outcome

_TRACES = "PITWIRE_TEST_TRACES"


def _trace(script: Script, seed: int) -> Outcome:
    """A trial that leaves a trace, takes a moment, and is where somebody presses Ctrl-C."""
    (Path(os.environ[_TRACES]) / f"{script.id}-{seed}").touch()
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGINT)
    return Outcome(fault=script.id, title=script.title, way="virtual")


@pytest.fixture
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(_TRACES, str(tmp_path))
    monkeypatch.setattr(runner, "try_one", _trace)
    return tmp_path


def test_what_is_interrupted_tries_nothing_more(traces: Path) -> None:
    scripts = list(kit().values())

    def told(_: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run_virtual(scripts, 1, jobs=2, told=told)
    assert not active_children()
    assert len(list(traces.iterdir())) < len(scripts)


@pytest.mark.usefixtures("traces")
def test_ctrl_c_is_for_who_wants_the_trials_and_not_for_each_of_them() -> None:
    scripts = list(kit().values())[:4]
    outcomes: list[Outcome] = []
    runner.run_virtual(scripts, 1, jobs=2, told=outcomes.append)
    assert {one.fault for one in outcomes} == {script.id for script in scripts}


def test_a_trial_that_breaks_off_costs_no_other_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(script: Script, seed: int) -> Outcome:
        if script.id == "N2":
            raise TimeoutError
        return Outcome(fault=script.id, title=script.title, way="sockets")

    def late(script: Script, seed: int) -> Outcome:
        raise DialFailed(address="ws://127.0.0.1:1", cause="refused")

    scripts = [kit()[name] for name in ("N1", "N2", "N3")]
    outcomes: list[Outcome] = []
    monkeypatch.setattr(sockets, "try_on_sockets", never)
    runner.run_sockets(scripts, 7, told=outcomes.append)
    monkeypatch.setattr(runner, "try_virtually", late)
    monkeypatch.setattr(runner, "try_kills", late)
    runner.run_virtual(scripts[:1], 7, jobs=1, told=outcomes.append)
    runner.run_processes([kit()["B9"]], 7, told=outcomes.append)
    rows = sorted((one.fault, one.way, one.passed) for one in outcomes)
    assert rows == [
        ("B9", "process", False),
        ("N1", "sockets", True),
        ("N1", "virtual", False),
        ("N2", "sockets", False),
        ("N3", "sockets", True),
    ]
    [late_row] = [one for one in outcomes if one.fault == "N2"]
    assert late_row.complaints == ("the trial itself did not come to its end: TimeoutError",)
    assert late_row.line() == "pitwire torture --only N2 --way sockets --seed 7"
