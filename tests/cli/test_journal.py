"""`pitwire journal`: every file, everything that is wrong, its place, and what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pitwire.cli.main import main
from pitwire.store.checkpoint import checkpoints
from pitwire.store.history import segment_path
from pitwire.trading.journal import decode
from tests.cli.journals import flip, journal, lived, of_a_newer_version

__all__ = ["journal", "lived"]

Capture = pytest.CaptureFixture[str]


def test_a_sound_journal(lived: Path, capsys: Capture) -> None:
    assert main(["journal", "verify", str(lived)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert re.match(
        r"00000001\.journal [\d,]+ bytes, \d+ records, account main, start 1 of", out[0]
    )
    assert sum(".checkpoint" in line for line in out) == 2
    assert re.fullmatch(r"1 segments, \d+ records, 0 wrong", out[-1])


def test_a_flipped_bit_is_named_with_file_and_byte_and_what_to_do(
    journal: Path, capsys: Capture
) -> None:
    path = segment_path(journal, 1)
    flip(path, 5_000)
    assert main(["journal", "verify", str(journal)]) == 5
    out = capsys.readouterr().out
    [wrong] = [line for line in out.splitlines() if line.startswith("WRONG 00000001.journal")]
    found = re.match(r"WRONG 00000001\.journal, byte (\d+): record \d+ damaged, its (\w+)", wrong)
    assert found is not None, wrong
    assert int(found[1]) <= 5_000
    assert "restore the file from a copy" in wrong


def test_a_torn_tail_is_a_note(journal: Path, capsys: Capture) -> None:
    path = segment_path(journal, 1)
    for one in checkpoints(journal):
        one.unlink()
    path.write_bytes(path.read_bytes()[:-7])
    assert main(["journal", "verify", str(journal)]) == 0
    out = capsys.readouterr().out
    assert "note 00000001.journal, byte" in out
    assert "a start cuts it off" in out


def test_a_checkpoint_behind_a_cut_tail_says_so(journal: Path, capsys: Capture) -> None:
    """The checkpoint was synced after the records, so a journal that lacks them was changed."""
    path = segment_path(journal, 1)
    path.write_bytes(path.read_bytes()[:-7])
    assert main(["journal", "verify", str(journal)]) == 5
    out = capsys.readouterr().out
    assert re.search(
        r"WRONG 00000001-\d+\.checkpoint: made of \d+ records of segment 1, not all there", out
    )


def test_a_missing_segment_is_named(journal: Path, capsys: Capture) -> None:
    segment_path(journal, 1).rename(segment_path(journal, 2))
    for one in checkpoints(journal):
        one.unlink()
    assert main(["journal", "verify", str(journal)]) == 5
    out = capsys.readouterr().out
    assert "WRONG 00000001.journal: missing; put the file back" in out
    assert "segment 1 by its header" in out


def test_the_newest_segment_gone_is_named_though_a_checkpoint_stands(
    journal: Path, capsys: Capture
) -> None:
    segment_path(journal, 1).rename(journal / "elsewhere")
    of_a_newer_version(journal, 3)
    assert main(["journal", "verify", str(journal)]) == 5
    out = capsys.readouterr().out
    assert "WRONG 00000001.journal: missing" in out
    assert "WRONG 00000002.journal: missing" in out


def test_a_half_written_checkpoint_is_a_note(journal: Path, capsys: Capture) -> None:
    newest = checkpoints(journal)[0]
    newest.write_bytes(newest.read_bytes()[:-40])
    assert main(["journal", "verify", str(journal)]) == 0
    assert f"note {newest.name}: found another digest" in capsys.readouterr().out


def test_a_damaged_identity_and_a_latch_that_cannot_be_read(journal: Path, capsys: Capture) -> None:
    flip(journal / "identity", 30)
    (journal / "halted").write_bytes(b"?")
    assert main(["journal", "verify", str(journal)]) == 5
    out = capsys.readouterr().out
    assert "WRONG identity: found not what was written" in out
    assert "WRONG halted: the halt file cannot be read, so it holds" in out


def test_a_newer_version_is_refused_politely(journal: Path, capsys: Capture) -> None:
    of_a_newer_version(journal)
    assert main(["journal", "verify", str(journal)]) == 5
    out = capsys.readouterr().out
    assert "format 3, this program reads up to 2" in out
    assert "use the version of pitwire that wrote it, or a newer one" in out


def test_every_record_is_shown_as_it_stands(lived: Path, capsys: Capture) -> None:
    assert main(["journal", "show", str(lived)]) == 0
    lines = capsys.readouterr().out.splitlines()
    whole = segment_path(lived, 1).read_bytes()
    assert len(lines) > 50
    for line in lines:
        decode(line.encode())
        assert line.encode() in whole
    assert {"Started", "Decided", "Left", "Came", "Change"} <= {
        json.loads(line)["record"] for line in lines
    }


def test_what_is_sound_behind_harm_is_shown_and_harm_is_told(
    journal: Path, capsys: Capture
) -> None:
    of_a_newer_version(journal)
    assert main(["journal", "show", str(journal)]) == 5
    said = capsys.readouterr()
    assert len(said.out.splitlines()) > 50
    assert "segment 2, record 0 at byte 0: newer" in said.err
    assert f"pitwire journal verify {journal} says what to do" in said.err


@pytest.mark.parametrize("command", [("journal", "verify"), ("journal", "show"), ("orders",)])
def test_no_journal_there(command: tuple[str, ...], tmp_path: Path, capsys: Capture) -> None:
    for folder, found, other in (
        (tmp_path, "no journal", ""),
        (tmp_path / "nowhere", "no such folder", ", or a desk's TOML file"),
    ):
        assert main([*command, str(folder)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        expected = f"an account's folder{other}"
        assert said.err == f"pitwire: {folder}: found '{found}', expected {expected}\n"


def test_a_file_in_place_of_a_folder(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "file"
    path.write_text("")
    assert main(["journal", "verify", str(path)]) == 2
    assert "file: desk.state: found 'none', expected a folder" in capsys.readouterr().err
