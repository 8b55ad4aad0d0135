"""`pitwire record` and `pitwire replay TAPE`, as they are typed."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pitwire.cli import play as module
from pitwire.cli.main import main
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.tape.format import Kind
from pitwire.tape.reader import Tape
from tests.tape.tapes import apart
from tests.unhurried import calm, commands

Capture = pytest.CaptureFixture[str]

DESK = """
mode = "sim"
seed = 4
[venue]
symbols = ["BTC-USDT"]
[log]
file = ""
[tape]
folder = "{folder}"
[[rule]]
name = "buy"
when = {{ price = "BTC-USDT", above = 1, of = "ask" }}
do = {{ market = "buy", size = {size} }}
once = true
"""


def said(text: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


@pytest.fixture(scope="module")
def taped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `desk.toml`, another's rules, and the tape of a desk on real sockets."""
    folder = tmp_path_factory.mktemp("taped")
    for name, size in (("desk", "0.02"), ("other", "0.03")):
        (folder / f"{name}.toml").write_text(DESK.format(folder=folder / "tapes", size=size))
    with commands():
        assert main(["desk", str(folder / "desk.toml"), "--seconds", "2"]) == 0
    return folder


def test_record_and_replay(tmp_path: Path, capsys: Capture) -> None:
    folder = str(tmp_path / "tapes")
    arguments = ["record", "BTC-USDT", "--channel", "trades", "--channel", "book"]
    with commands():
        assert main([*arguments, "--out", folder, "--seconds", "1.5"]) == 0
    assert folder in capsys.readouterr().out.replace("\n", "")
    meta = Tape(Path(folder)).meta
    assert (meta.symbols, meta.channels) == (("BTC-USDT",), ("trades", "book"))
    assert main(["replay", folder]) == 0
    first = said(capsys.readouterr().out)
    assert int(first["frames"]) > 10
    assert main(["replay", folder]) == 0
    assert said(capsys.readouterr().out) == first


def _recorded(folder: Path) -> int:
    """How many records can be read; none while the first file has no head yet."""
    if not any(path.stat().st_size for path in folder.glob("*/*.tape")):
        return 0
    try:
        return sum(1 for _ in Tape(folder).records())
    except ConfigError:
        return 0


def test_ctrl_c_is_a_clean_end(tmp_path: Path, repository: Path) -> None:
    program = "import sys; from pitwire.cli.main import main; sys.exit(main())"
    child = subprocess.Popen(
        [sys.executable, "-u", "-c", program, "record", "BTC-USDT", "--out", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(repository / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        while _recorded(tmp_path) < 20:
            assert child.poll() is None
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=120)
    finally:
        child.kill()
        child.communicate()
    assert (child.returncode, calm(err.decode())) == (0, "")
    assert b"records" in out
    assert sum(1 for _ in Tape(tmp_path).records()) >= 20


def test_a_desk_is_replayed_with_its_own_rules(taped: Path, capsys: Capture) -> None:
    tape, out = str(taped / "tapes"), taped / "journal"
    assert main(["replay", tape, "--out", str(out)]) == 0
    first = said(capsys.readouterr().out)
    assert (first["answers"], first["orders"]) == ("tape", "1")
    lines = out.read_bytes()
    assert main(["replay", tape, "--out", str(out), "--speed", "20"]) == 0
    assert said(capsys.readouterr().out) == first
    assert out.read_bytes() == lines
    assert lines.count(b'"record":"Decided"') >= 1


def test_other_rules_show_what_they_would_decide(taped: Path, capsys: Capture) -> None:
    tape = str(taped / "tapes")
    assert main(["replay", tape, "--rules", str(taped / "desk.toml")]) == 0
    assert "1 decisions are the same, 0 are not" in capsys.readouterr().out
    assert main(["replay", tape, "--rules", str(taped / "other.toml")]) == module.DIFFERENT
    before, after, total = capsys.readouterr().out.splitlines()
    assert before.startswith("- ")
    assert "size=0.02000" in before
    assert after.startswith("+ ")
    assert "size=0.03000" in after
    assert total == "0 decisions are the same, 2 are not"


def test_step_by_step(taped: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n3\nq\n"))
    assert main(["replay", str(taped / "tapes"), "--step"]) == 0
    lines = capsys.readouterr().out.splitlines()
    frames = [line for line in lines if line.startswith("20")]
    assert len(frames) == 5, "one, three more, and the one at which it was enough"


def test_from_and_until_are_times_the_tape_holds(taped: Path, capsys: Capture) -> None:
    tape = str(taped / "tapes")
    assert main(["replay", tape]) == 0
    whole = int(said(capsys.readouterr().out)["frames"])
    # Wherever the machine paused: of the frames themselves, the half in the middle.
    (first, _), records = Tape(taped / "tapes").span(), Tape(taped / "tapes").records()
    heard = [record.at for record in records if record.kind is Kind.IN]
    begin, end = ((heard[len(heard) * part // 4] - first) / SECOND for part in (1, 3))
    assert main(["replay", tape, "--from", f"{begin:f}", "--until", f"{end:f}"]) == 0
    assert 0 < int(said(capsys.readouterr().out)["frames"]) < whole
    for option, text, told in (
        ("--from", "99", "which the tape holds"),
        ("--from", "1e30", "which the tape holds"),
        ("--until", "-1e15", "found '-1e15', expected 20"),
        ("--until", "inf", "seconds from the start"),
        ("--until", "yesterday", "seconds from the start"),
        ("--speed", "fast", "max, or a number"),
    ):
        assert main(["replay", tape, option, text]) == 2
        assert told in capsys.readouterr().err
    assert main(["replay", tape, "--from", "1", "--until", "0.5"]) == 2
    assert "--until: found '20" in (err := capsys.readouterr().err)
    assert "a time after --from, which is 20" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["replay", "nowhere"], "found 'nothing', expected a tape"),
        (["replay"], "one of TAPE and --journal"),
        (["replay", "x", "--journal", "y"], "one of TAPE and --journal"),
        (["record", "BTCUSDT"], "pitwire: symbols[0]: found 'BTCUSDT'"),
        (["record", "--channel", "weather"], "pitwire: --channel[0]: found 'weather'"),
        (["record", "--out", "/proc/none"], "tape.folder"),
        (["record", "--market", "ws://127.0.0.1:1"], "--market and --http together"),
    ],
)
def test_bad_input(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert told in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_damage_is_told_and_the_rest_played(taped: Path, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "broken.tape"
    data = bytearray(apart(Tape(taped / "tapes"), tmp_path / "whole").read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert main(["replay", str(path)]) == 5
    heard = capsys.readouterr()
    assert int(said(heard.out)["frames"]) > 5
    assert str(path) in heard.err
    assert "at byte" in heard.err


def test_a_mistake_in_the_rules_to_compare_with_names_their_file(
    taped: Path, capsys: Capture
) -> None:
    wrong = taped / "wrong.toml"
    wrong.write_text((taped / "other.toml").read_text().replace("0.03", "0.0300000001"))
    [tape] = (taped / "tapes").iterdir()
    assert main(["replay", str(tape), "--rules", str(wrong)]) == 2
    line = "pitwire: wrong.toml: rule[0].do.size of 'buy': found 0.0300000001, expected"
    assert capsys.readouterr().err.startswith(line)
    assert main(["replay", str(tape), "--config", str(wrong)]) == 2
    assert capsys.readouterr().err.startswith(line)
