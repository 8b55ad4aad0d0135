from __future__ import annotations

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


def test_where_the_folder_above_is_not_ours_to_open_it_is_made_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "no", str(folder))

    monkeypatch.setattr(disk, "sync_folder", refuse)
    make_folder(tmp_path / "a")
    assert (tmp_path / "a").is_dir()


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "a")
    with pytest.raises(OSError, match="a"):
        make_folder(tmp_path / "a" / "b")
