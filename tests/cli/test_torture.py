"""`pitwire torture`: a verdict as an exit code, a table or JSON, one line for a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pitwire.cli.main import main

MINE = """
id = "X1"
title = "Two cuts"
does = "Cut twice."
expected = "Back twice."
[trial]
seconds = 2.0
[[sim]]
what = "Cut"
at_seconds = 3.0
[[sim]]
what = "Cut"
at_seconds = 5.0
"""


def test_what_passes_ends_with_0_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["torture", "--only", "N1,c2", "--way", "virtual", "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert "N1 Reset in mid-stream" in out
    assert "2 trials, 0 failed, 0 skipped" in out


def test_json_is_alone_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["torture", "--only", "N1", "--way", "virtual", "--json", "--seed", "9"]
    assert main(line) == 0
    (row,) = json.loads(capsys.readouterr().out)["outcomes"]
    assert (row["fault"], row["seed"], row["lost"], row["passed"]) == ("N1", 9, 0, True)


def test_what_fails_ends_with_1_and_the_line_that_repeats_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE + "[demand]\nunnoticed = true\n")
    assert main(["torture", "--only", str(path), "--way", "virtual"]) == 1
    told = "".join(capsys.readouterr().err.split())  # a console wraps where it likes
    again = f"pitwire torture --only {path} --way virtual --seed 1"
    assert again.replace(" ", "") in told
    assert "told of trouble where there was none".replace(" ", "") in told


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["--only", "N71"], "pitwire: only: found 'N71', expected N7 perhaps; one of "),
        (["--way", "sideways"], "pitwire: way: found 'sideways', expected one of all, virtual"),
        (["--jobs", "0"], "pitwire: jobs: found 0, expected 1 or more"),
        (["--only", "nothing/here.toml"], "pitwire: nothing/here.toml: found 'No such file"),
    ],
)
def test_a_mistake_is_one_line(
    given: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["torture", *given]) == 2
    assert capsys.readouterr().err.startswith(line)
