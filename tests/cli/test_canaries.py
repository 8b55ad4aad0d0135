"""Keys in the environment, in .env and where they do not belong: no command says them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.cli.main import main
from pitwire.torture.canary import LEVELS

KEY = "CANARYKEYabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRS"
SECRET = "CANARYSECRETzyxwvutsrqponmlkjihgfedcba9876543210SRQPONMLKJIHGFED"
BEGINNINGS = (KEY[:12], SECRET[:12])
DEAD = """
[venue]
symbols = ["BTC-USDT"]
[venue.endpoints]
market = "ws://127.0.0.1:1"
orders = "ws://127.0.0.1:1"
http = "http://127.0.0.1:1"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BINANCE_API_KEY", raising=False)
    monkeypatch.delenv("BINANCE_API_SECRET", raising=False)
    return tmp_path


def said(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Everything that a command has said or written."""
    captured = capsys.readouterr()
    files = [
        path.read_text("utf-8", "replace")
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (".env", "desk.toml")
    ]
    return "\n".join([captured.out, captured.err, *files])


@pytest.mark.parametrize("place", ["environment", ".env"])
@pytest.mark.parametrize("level", LEVELS)
def test_no_command_says_a_key(
    folder: Path,
    level: str,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = {"BINANCE_API_KEY": KEY, "BINANCE_API_SECRET": SECRET}
    if place == "environment":
        for name, text in known.items():
            monkeypatch.setenv(name, text)
    else:
        (folder / ".env").write_text("".join(f"{name}={text}\n" for name, text in known.items()))
    log = f'[log]\nfile = "log.jsonl"\nlevel = "{level}"\nframes = "full"\n'
    (folder / "desk.toml").write_text(f'mode = "sim"\n{DEAD}{log}')
    codes = [
        main(["--debug", "desk", "desk.toml", "--seconds", "1"]),
        main(["--debug", "doctor", "desk.toml", "--offline"]),
        main(["--debug", "orders"]),
    ]
    assert all(codes[:1]), "nobody is there"
    told = said(folder, capsys)
    assert told
    assert [text for text in BEGINNINGS if text in told] == []


@pytest.mark.parametrize("name", ["key", "secret"])
def test_a_key_in_the_file_itself_is_refused_and_not_shown(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "desk.toml").write_text(f'mode = "sim"\n{DEAD}[account]\n{name} = "{SECRET}"\n')
    for command in (["desk", "desk.toml", "--seconds", "1"], ["doctor", "desk.toml", "--offline"]):
        main(["--debug", *command])
        told = said(folder, capsys)
        assert SECRET[:12] not in told


@pytest.mark.parametrize("text", [f"{SECRET} {SECRET}", f"-----BEGIN PRIVATE KEY-----\n{SECRET}"])
def test_a_secret_that_cannot_be_read_is_not_shown(
    folder: Path, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BINANCE_API_KEY", KEY)
    monkeypatch.setenv("BINANCE_API_SECRET", text)
    (folder / "desk.toml").write_text(f'mode = "sim"\n{DEAD}')
    assert main(["--debug", "desk", "desk.toml", "--seconds", "1"]) == 2
    told = said(folder, capsys)
    assert "BINANCE_API_SECRET: found" in told
    assert [text for text in BEGINNINGS if text in told] == []
