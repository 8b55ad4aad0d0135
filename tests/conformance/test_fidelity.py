"""The simulated Binance's messages, held against the venue's papers and recordings."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from pitwire.cli.examine import run_fidelity
from pitwire.conformance import binance_story, fidelity
from pitwire.conformance.fidelity import ABSENT, MEANT, examine, report
from pitwire.conformance.shapes import differences, shape_of
from pitwire.model.errors import ConfigError


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    return binance_story.said()


@pytest.fixture
def once(ours: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The story is told once for all tests."""
    told = json.loads(json.dumps(ours))
    monkeypatch.setattr(fidelity, "said", lambda: told)
    return told


def test_every_kind_of_the_papers_is_said_as_they_show_it(once: dict[str, Any]) -> None:
    verdicts = examine()
    assert [each for each in verdicts if each.differences] == []
    assert {each.kind for each in verdicts if each.absent} == set(ABSENT)
    assert not ABSENT
    assert report(verdicts).endswith("59 of 59 kinds covered, 0 absent, 0 with differences")


def test_every_recorded_kind_is_said_as_it_was_recorded(
    once: dict[str, Any], captures: Path
) -> None:
    verdicts = [each for each in examine(captures) if each.judge == "recorded"]
    assert [each for each in verdicts if each.differences] == []
    assert len(verdicts) == 20
    assert "newer here: .closeTime" in report(verdicts)


def test_what_is_meant_to_differ_does(ours: dict[str, Any]) -> None:
    """An exception that nobody needs any more would hide the next difference."""
    text = files("pitwire.conformance").joinpath("binance_shapes.json").read_text("utf-8")
    shapes = json.loads(text)
    needed = {
        f"{kind} {each.partition(':')[0]}"
        for kind, shape in shapes.items()
        if kind in ours
        for each in differences(shape, shape_of(ours[kind]))
    }
    assert needed == set(MEANT)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda told: told["stream trade"].pop("M"), ".M: missing here"),
        (lambda told: told["stream trade"].update(x=1), ".x: only here"),
        (lambda told: told["stream trade"].update(p="1.5"), ".p: 1.5 has not eight digits"),
        (lambda told: told["stream trade"].update(t="7"), ".t: int there, decimal here"),
        (lambda told: told["stream trade"].update(e=told["stream trade"].pop("e")),
         ".: keys in another order"),
        (lambda told: told.pop("stream trade"), "never said"),
    ],
)  # fmt: skip
def test_a_difference_is_told_and_fails_the_command(
    once: dict[str, Any], spoil: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(once)
    assert run_fidelity("binance") == 1
    out = capsys.readouterr().out
    assert said in next(line for line in out.splitlines() if "stream trade " in line)
    assert "1 with differences" in out


def test_what_cannot_be_examined_is_said(once: dict[str, Any], tmp_path: Path) -> None:
    for venue, captures, said in (
        ("nasdaq", None, "venue: found 'nasdaq', expected one of binance"),
        ("binance", tmp_path, "captures: found"),
    ):
        with pytest.raises(ConfigError, match=said):
            run_fidelity(venue, captures)
