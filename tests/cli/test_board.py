"""The board from the command line: beside a desk, and before one of another process."""

from __future__ import annotations

import json
import re
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cli.command import Command, finished, pitwire

CONFIG = """
mode = "sim"
[venue]
symbols = ["BTC-USDT"]
[desk]
state = "kept"
[log]
file = ""
"""
NOT_ANSWERED = 504
"""What a board says of a desk that took too long."""
ADDRESS = r"board: (http://127\.0\.0\.1:(\d+)/)#([0-9a-f]{64})"


def address(command: Command) -> tuple[str, str]:
    found = re.search(ADDRESS, command.until(ADDRESS))
    assert found is not None
    return found[1], found[3]


def ask(url: str, token: str = "", body: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and text of a request; with a body it is a command."""
    request = urllib.request.Request(url, headers={"X-Pitwire-Token": token})
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


@pytest.mark.timeout(300)
def test_a_board_beside_a_desk_and_one_of_another_process(tmp_path: Path) -> None:
    (tmp_path / "desk.toml").write_text(CONFIG)
    with pitwire("desk", "desk.toml", "--board", folder=tmp_path) as desk:
        url, control = address(desk)
        assert ask(url)[0] == 200
        assert ask(f"{url}healthz") == (
            403,
            "a token of this run is needed: use the printed address\n",
        )
        assert "pitwire_events_total" in ask(f"{url}metrics", control)[1]
        with pitwire("board", "kept/run-1", "--attach", folder=tmp_path) as board:
            there, other = address(board)
            assert other != control
            assert ask(f"{there}healthz", control)[0] == 403
            halt = {"do": "halt", "key": "0123456789abcdef", "reason": "from afar"}
            while (told := ask(f"{there}command", other, halt))[0] == NOT_ANSWERED:
                pass  # a busy desk; the same key is the same command
            assert (told[0], json.loads(told[1])["halted"]) == (200, "from afar")
            desk.until("trading halted by board: from afar")
            board.process.send_signal(signal.SIGINT)
            board.ended()
        desk.process.send_signal(signal.SIGINT)
        desk.ended()
    assert not list((tmp_path / "kept" / "run-1").glob("board.*"))
    report = finished("board", "kept/run-1", "--report", "out.html", folder=tmp_path)
    assert report.process.returncode == 0, report.text
    assert "halted" in (tmp_path / "out.html").read_text()


@pytest.mark.timeout(300)
def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "desk.toml").write_text(CONFIG)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = finished("desk", "desk.toml", "--board", "--board-port", port, folder=tmp_path)
    assert command.process.returncode not in (0, None)
    assert f"127.0.0.1:{port}" in command.said
    assert "Traceback" not in command.text
    # The desk that stood already was stopped in order: its last word is a checkpoint.
    assert list((tmp_path / "kept" / "run-1").glob("*.checkpoint"))
    assert not (tmp_path / "kept" / "run-1" / "desk.sock").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("board", "."), "--attach or --report FILE"),
        (("board", "nowhere", "--attach"), "an account's folder"),
        (("board", ".", "--report", "x.html"), "a journal"),
    ],
)
def test_what_cannot_be_is_one_clear_line(
    arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    command = finished(*arguments, folder=tmp_path)
    assert command.process.returncode not in (0, None)
    assert words in re.sub(r"\s+", " ", command.said)
    assert "Traceback" not in command.text
