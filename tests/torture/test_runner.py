"""Trials in processes of their own end when whoever wants them does."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing import active_children
from pathlib import Path

import pytest

from pitwire.sim.kit import Script, kit
from pitwire.torture import runner
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
