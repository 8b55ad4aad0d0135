"""The simulated futures held against the venue's papers and recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pitwire.cli.examine import run_fidelity
from pitwire.conformance import usdm_fidelity, usdm_story
from pitwire.conformance.usdm_fidelity import MEANT, examine
from pitwire.model.errors import ConfigError


@pytest.fixture(scope="module")
def story() -> dict[str, Any]:
    return usdm_story.said()


@pytest.fixture
def once(story: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A story that can be spoilt, told to whoever examines."""
    copy = {
        kind: dict(value) if isinstance(value, dict) else value for kind, value in story.items()
    }
    monkeypatch.setattr(usdm_fidelity, "said", lambda: copy)
    return copy


def test_every_kind_of_papers_and_recordings_is_the_same(
    once: dict[str, Any], captures: Path
) -> None:
    found = examine(captures)
    assert [each for each in found if each.differences] == []
    assert sum(each.judge == "papers" for each in found) >= 19
    assert sum(each.judge == "recorded" for each in found) >= 21
    newer = {name for each in found for name in each.only_here}
    assert newer == {".ps", ".st", ".nq", ".o.er", ".lastUpdateId"}


def test_each_difference_that_is_meant_is_one(
    once: dict[str, Any], captures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No excuse stands for a difference that is not there."""
    monkeypatch.setattr(usdm_fidelity, "MEANT", {})
    told = {
        f"{each.kind} {difference}"
        for each in examine(captures)
        for difference in (*each.differences, *(f"{one}: only here" for one in each.only_here))
    }
    assert set(MEANT) - told == set()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda told: told["stream trade"].pop("X"), ".X: missing here"),
        (lambda told: told["stream trade"].update(x=1), ".x: only here"),
        (lambda told: told["stream trade"].update(t="7"), ".t: int there, decimal here"),
        (lambda told: told.pop("stream trade"), "never said"),
    ],
)
def test_a_difference_is_told_and_fails_the_command(
    once: dict[str, Any], spoil: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(once)
    assert run_fidelity("binance-usdm") == 1
    out = capsys.readouterr().out
    assert said in next(line for line in out.splitlines() if "stream trade " in line)


def test_a_folder_without_recordings_is_refused(once: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="captures: found"):
        run_fidelity("binance-usdm", tmp_path)
