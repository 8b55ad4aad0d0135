"""`pitwire replay --journal`: the state again, and no way out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pitwire.cli.main import main
from pitwire.store.checkpoint import checkpoints, read_checkpoint
from pitwire.store.history import History, segment_path
from pitwire.store.segment import Chain, begin
from pitwire.trading.journal import Left, payload
from pitwire.trading.snapshot import state_hash
from tests.cli.journals import flip, journal, lived

__all__ = ["journal", "lived"]

Capture = pytest.CaptureFixture[str]


def said(text: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in text.splitlines())


def test_the_state_is_that_of_the_desk_when_it_ended(lived: Path, capsys: Capture) -> None:
    assert main(["replay", "--journal", str(lived)]) == 0
    found = said(capsys.readouterr().out)
    last = read_checkpoint(checkpoints(lived)[0])
    assert found["state"] == state_hash(last.snapshot)
    assert found["chain"] == last.chain
    assert found["records"] == str(last.position.records)
    assert (found["contradictions"], found["halted"], found["open"]) == ("0", "no", "0")


def test_a_contradiction_is_told_and_is_the_exit_code(
    lived: Path, tmp_path: Path, capsys: Capture
) -> None:
    """A whole journal, chain and all, in which one order left twice."""
    history = History(lived)
    records = [record for record, _ in history.records()]
    left = next(record for record in records if isinstance(record, Left))
    chain = Chain()
    data = begin(history.headers[0], chain)
    data += b"".join(chain.frame(payload(record)) for record in [*records, left])
    segment_path(tmp_path, 1).write_bytes(data)
    assert main(["replay", "--journal", str(tmp_path)]) == 5
    heard = capsys.readouterr()
    assert said(heard.out)["contradictions"] == "1"
    assert "left again, expected no order to leave twice" in heard.err


def test_harm_is_told_and_nothing_behind_it_is_used(journal: Path, capsys: Capture) -> None:
    assert main(["replay", "--journal", str(journal)]) == 0
    whole = int(said(capsys.readouterr().out)["records"])
    flip(segment_path(journal, 1), 20_000)
    assert main(["replay", "--journal", str(journal)]) == 5
    heard = capsys.readouterr()
    assert 0 < int(said(heard.out)["records"]) < whole
    assert "segment 1, record " in heard.err


def test_bad_input(tmp_path: Path, capsys: Capture) -> None:
    assert main(["replay", "--journal", str(tmp_path / "nowhere")]) == 2
    assert "found 'no such folder', expected an account's folder" in capsys.readouterr().err
    assert main(["replay"]) == 2
    assert "--journal" in capsys.readouterr().err


NO_WAY_OUT = """
import sys
tried = []
def watch(event, arguments):
    if event in ("socket.__new__", "socket.connect", "subprocess.Popen", "os.posix_spawn"):
        tried.append(event)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        tried.append(f"open {arguments[0]} to write")
sys.addaudithook(watch)
from pitwire.cli.main import main
code = main(["replay", "--journal", sys.argv[1]])
print("tried", tried)
raise SystemExit(code)
"""


def test_it_opens_no_socket_and_writes_no_file(lived: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_WAY_OUT, str(lived)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "tried []"
