from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from pitwire.model import disk
from pitwire.model.disk import make_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no folder can be synced there")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, list[str]]]:
    """The folders that were synced, each with what was in it by then."""
    found: list[tuple[Path, list[str]]] = []
    real = disk.sync_folder

    def sync(folder: Path) -> None:
        found.append((folder, sorted(os.listdir(folder))))
        real(folder)

    monkeypatch.setattr(disk, "sync_folder", sync)
    return found


def test_each_name_is_synced_where_it_stands_once_it_is_there(
    tmp_path: Path, synced: list[tuple[Path, list[str]]]
) -> None:
    make_folder(tmp_path / "a" / "b" / "c", 0o700)
    assert synced == [(tmp_path, ["a"]), (tmp_path / "a", ["b"]), (tmp_path / "a" / "b", ["c"])]
    assert (tmp_path / "a" / "b" / "c").stat().st_mode & 0o777 == 0o700


def test_one_that_is_there_is_synced_too_since_its_maker_may_have_died(
    tmp_path: Path, synced: list[tuple[Path, list[str]]]
) -> None:
    make_folder(tmp_path)
    assert [folder for folder, _ in synced] == [tmp_path.parent]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EINVAL, errno.EROFS])
def test_where_the_folder_above_cannot_be_synced_it_is_made_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It is not ours to open, or a disk is mounted in an image whose folders know no sync."""

    def refuse(folder: Path) -> None:
        raise OSError(number, os.strerror(number), str(folder))

    monkeypatch.setattr(disk, "sync_folder", refuse)
    make_folder(tmp_path / "a")
    assert (tmp_path / "a").is_dir()


def test_a_disk_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))

    monkeypatch.setattr(disk, "sync_folder", fail)
    with pytest.raises(OSError, match="Input/output error"):
        make_folder(tmp_path / "a")


@pytest.mark.skipif(sys.platform != "linux", reason="no /proc there")
def test_a_folder_above_that_knows_no_sync_is_what_linux_has_of_it() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        disk.sync_folder(Path("/proc"))
    make_folder(Path("/proc/self"))


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "a")
    with pytest.raises(OSError, match="a"):
        make_folder(tmp_path / "a" / "b")
