"""The command line as a person meets it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dotenv
import pytest

import pitwire
from pitwire.cli.main import main


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_the_package_is_the_command_too() -> None:
    for arguments, code in (["--version"], 0), (["nothing-of-this-name"], 2):
        here = [sys.executable, "-m", "pitwire", *arguments]
        done = subprocess.run(here, capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert (done.stdout.split()[:1] == ["pitwire"]) == (code == 0)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    names = (
        "ladder", "packed", "hearing", "quotes", "recorded", "slate", "waiting", "gate", "reading",
        "sbe", "writing",
    )  # fmt: skip
    parts = r"\(" + ", ".join(rf"{name} (plain|compiled)" for name in names) + r"\)"
    said = capsys.readouterr().out
    assert re.fullmatch(rf"pitwire {re.escape(pitwire.__version__)} {parts}\n", said)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = plain(capsys.readouterr().out)
    for command in ("demo", "watch", "desk", "sim", "doctor"):
        assert f" {command} " in text


@pytest.mark.parametrize(
    "arguments", [["bogus"], ["doctor", "--offlin"], ["watch", "--seconds", "soon"], ["desk"]]
)
def test_wrong_usage_is_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Usage: pitwire" in plain(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["watch", "--http", "http://h"], 2, "pitwire: --http: found 'alone', expected"),
        (["watch", "btcusdt"], 2, "pitwire: symbol: found 'btcusdt', expected BASE-QUOTE"),
        (["watch", "--loop", "fast"], 2, "pitwire: loop.kind: found 'fast', expected auto"),
        (["sim", "--port", "80000"], 2, "pitwire: port: found 80000, expected 0 to 65535"),
        (["demo", "--board-port", "99999"], 2, "pitwire: --board-port: found 99999, expected 0 to"),
        (["sim", "--seconds", "-1"], 2, "pitwire: --seconds: found -1.0, expected a finite number"),
        (["sim", "--seconds", "nan"], 2, "pitwire: --seconds: found nan, expected a finite number"),
        (
            ["demo", "--seconds", "inf"],
            2,
            "pitwire: --seconds: found inf, expected a finite number",
        ),
        (
            ["backtest", "nowhere"],
            2,
            "pitwire: nowhere: found 'No such file or directory', expected",
        ),
        (["sim", "--faults", "rain"], 2, "pitwire: sim.faults: found 'rain', expected one of"),
        (
            ["watch", "--market", "ws://127.0.0.1:1", "--http", "http://127.0.0.1:1"],
            4,
            "pitwire: dial failed: address ws://127.0.0.1:1/stream, cause connection refused",
        ),
    ],
)
def test_a_mistake_is_one_line_and_a_code(
    arguments: list[str], code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["tables", "a.tape"], ["export", "t", "BTC-USDT", "--to", "nautilus", "--out", "o"]],
)
def test_tables_without_their_libraries_are_told_in_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("pitwire.store.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "pitwire.cli.tables", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(arguments) == 2
    line = f"pitwire: pitwire {arguments[0]}: found 'no pyarrow', expected the extra: pip install"
    assert capsys.readouterr().err.startswith(line)


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--debug", "watch", "btcusdt"]) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_doctor_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--offline"]) == 0
    assert "mode sim" in plain(capsys.readouterr().out)


def test_watching_a_market_of_our_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "BTC-USDT", "--seconds", "0.3"]) == 0
    text = plain(capsys.readouterr().out)
    assert "BTC-USDT" in text
    assert "0 malformed" in " ".join(text.split())


def test_sim_prints_what_a_client_needs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["sim", "ETH-BTC", "--seconds", "0.1", "--seed", "3", "--faults", "cut"]) == 0
    text = capsys.readouterr().out
    assert "ETH-BTC; seed 3, scenario calm, faults cut" in text
    (tmp_path / ".env").write_text(text)
    values = dotenv.dotenv_values(tmp_path / ".env")
    places = [name for name in values if name.endswith("_URL")]
    assert sorted(values.keys() - places) == ["BINANCE_API_KEY", "BINANCE_PRIVATE_KEY"]
    assert values["BINANCE_SBE_MARKET_URL"] == f"{values['BINANCE_MARKET_URL']}/sbe"
    assert str(values["BINANCE_PRIVATE_KEY"]).startswith("-----BEGIN PRIVATE KEY-----\n")


@pytest.fixture
def serving() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", "from pitwire.cli.main import main; raise SystemExit(main())"]
    with subprocess.Popen(
        [*command, "sim", "--scenario", "quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "told to end")],
)
def test_a_signal_ends_it_cleanly(
    serving: subprocess.Popen[str], number: signal.Signals, code: int, word: str
) -> None:
    assert serving.stdout is not None
    while "Ctrl-C" not in (line := serving.stdout.readline()):
        assert line, "it ended before it served"
    serving.send_signal(number)
    _, said = serving.communicate(timeout=120)
    assert serving.returncode == code
    assert said == f"pitwire: {word}\n"
