"""Lines are appended whole, files are set aside in order, and a bad path is told clearly."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.desk.rotating import RotatingFile
from pitwire.model.errors import ConfigError


def test_lines_are_appended_to_what_is_there(tmp_path: Path) -> None:
    for line in (b"one\n", b"two\n"):
        file = RotatingFile(tmp_path / "deep" / "x.jsonl", max_bytes=100, keep=2)
        file.write(line)
        file.close()
    assert file.path.read_bytes() == b"one\ntwo\n"
    assert file.path.stat().st_mode & 0o077 == 0


def test_full_files_are_set_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "x", max_bytes=8, keep=2)
    for number in range(4):
        file.write(b"line %d\n" % number)
    file.close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "x": b"line 3\n",
        "x.1": b"line 2\n",
        "x.2": b"line 1\n",
    }


def test_a_line_longer_than_a_file_is_written_all_the_same(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "x", max_bytes=2, keep=1)
    file.write(b"long\n")
    file.close()
    assert file.path.read_bytes() == b"long\n"


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"log\.file: .*expected a file that can be written"):
        RotatingFile(tmp_path, max_bytes=1, keep=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"log\.file"):
        RotatingFile(tmp_path / "file" / "x", max_bytes=1, keep=1)
