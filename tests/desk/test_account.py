"""Which account is meant: a file, a folder, a folder of runs, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.desk.account import find_account, newer_run, newest_run
from pitwire.model.errors import ConfigError

SERVED = 'mode = "sim"\n[desk]\nstate = "kept"\n'


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("run-2", "run-10", "run-x"):
        (tmp_path / "kept" / name).mkdir(parents=True)
    return Path("kept")


def test_of_a_desk_that_serves_its_own_market_the_newest_run_is_meant(runs: Path) -> None:
    Path("desk.toml").write_text(SERVED)
    assert find_account("desk.toml").folder == runs / "run-10"
    assert find_account("desk.toml").runs == runs
    assert find_account(runs) == (runs / "run-10", None, runs)
    assert find_account(runs / "run-2") == (runs / "run-2", None, None)


def test_a_run_knows_whether_there_is_a_newer_one(runs: Path) -> None:
    assert newer_run(runs / "run-2") == "run-10"
    assert newer_run(runs / "run-10") == newer_run(runs / "run-x") == newer_run(runs) == ""
    (runs / "run-11").mkdir()
    assert newer_run(runs / "run-10") == "run-11"
    assert newest_run(runs) == runs / "run-11"
    assert newest_run(runs / "run-2") == runs / "run-2", "before the first run"


def test_an_account_beside_runs_is_itself(runs: Path) -> None:
    (runs / "identity").touch()
    assert find_account(runs).folder == runs
    Path("desk.toml").write_text(SERVED.replace("sim", "paper"))
    assert find_account("desk.toml").folder == runs


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, "desk.toml: found 'No such file or directory', expected a file to read"),
        ("", "desk.toml: desk.state: found 'none', expected a folder, as state = "),
        (SERVED, "kept: found 'no such folder', expected an account's folder"),
    ],
)
def test_a_file_that_leads_nowhere_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("desk.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        find_account("desk.toml")
    assert str(caught.value).startswith(line)


def test_neither_a_folder_nor_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected an account's folder, or a desk's TOML file"):
        find_account(tmp_path / "nowhere")
