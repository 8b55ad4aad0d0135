"""Long work shows how far it is, on a terminal, and leaves what is printed alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

from pitwire.cli.main import main
from tests.tape.test_imports import capture

_START = "from pitwire_command import main; raise SystemExit(main())"


class Said(NamedTuple):
    """What a command said, on its terminal and into its pipe."""

    terminal: str
    piped: str


def on_a_terminal(*arguments: str) -> Said:
    """A command whose stderr is a terminal, while its stdout is piped."""
    ours, theirs = os.openpty()
    shown = bytearray()

    def look() -> None:
        while True:
            try:
                shown.extend(os.read(ours, 65536))
            except OSError:  # the terminal's last user is gone
                return

    watching = threading.Thread(target=look, daemon=True)
    process = subprocess.Popen(
        [sys.executable, "-c", _START, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    watching.start()
    piped, _ = process.communicate()
    watching.join()
    os.close(ours)
    assert process.returncode == 0, (piped, shown)
    return Said(shown.decode(), piped)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bars")
    (folder / "capture.jsonl").write_text(capture())
    assert main(["import", str(folder / "capture.jsonl"), "--out", str(folder / "tapes")]) == 0
    assert main(["tables", str(folder / "tapes"), "--out", str(folder / "tables")]) == 0
    return folder


@pytest.mark.parametrize(
    ("arguments", "bar", "first"),
    [
        ("import {0}/capture.jsonl --out {0}/again", "import", "tape "),
        ("replay {0}/tapes", "replay", "frames "),
        ("tables {0}/tapes --out {0}/other", "tables", "{0}/tapes: "),
        ("tables --compact --out {0}/tables", "compact", "{0}/tables: "),
    ],
)
def test_a_bar_is_on_the_terminal_and_not_in_the_pipe(
    arguments: str, bar: str, first: str, folder: Path
) -> None:
    said = on_a_terminal(*arguments.format(folder).split())
    assert bar in said.terminal
    assert "━" in said.terminal
    assert said.piped.startswith(first.format(folder)), said.piped
