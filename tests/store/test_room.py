from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pitwire.store import room
from pitwire.store.room import give_back, keep_room, trim


def test_room_is_kept_behind_the_end_and_no_part_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb", buffering=0) as file:
        file.write(b"all there is")
        try:
            keep_room(file.fileno(), 12, 1 << 20)
        except OSError as error:
            pytest.skip(f"no room is kept here: {error}")
        assert path.read_bytes() == b"all there is"
        assert path.stat().st_blocks >= 2_048
        give_back(file.fileno())
        assert path.stat().st_blocks < 2_048
        keep_room(file.fileno(), 12, 1 << 20)
    trim(path)
    assert path.stat().st_blocks < 2_048
    assert path.read_bytes() == b"all there is"


def test_what_the_system_refuses_is_an_error_with_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = f"{os.strerror(errno.EINVAL)}|{os.strerror(errno.ENOSYS)}"
    with (tmp_path / "file").open("wb") as file, pytest.raises(OSError, match=told):
        keep_room(file.fileno(), 0, 0)
    monkeypatch.setattr(room, "_fallocate", None)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSYS)):
        keep_room(0, 0, 1)


def test_a_file_that_is_not_there_needs_no_trimming(tmp_path: Path) -> None:
    trim(tmp_path / "nothing")
    give_back(-1)
    assert list(tmp_path.iterdir()) == []
