"""What the lossy file system forgets, asked of it without FUSE; `test_promises` mounts it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from pitwire.torture import lossy
from pitwire.torture.lossy import LossyFolder


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LossyFolder:
    """One of which nothing survives by chance."""
    monkeypatch.setattr(lossy, "_NAMES_SURVIVE", 0.0)
    monkeypatch.setattr(lossy, "_remains", lambda file, _: file.kept)
    return LossyFolder(tmp_path)


def names(path: Path) -> list[str]:
    return sorted(str(one.relative_to(path)) for one in path.rglob("*"))


def test_a_name_is_kept_by_a_sync_of_each_folder_above_it(cut: LossyFolder, tmp_path: Path) -> None:
    cut.mkdir("/a", 0o700)
    cut.mkdir("/a/b", 0o700)
    cut.create("/a/b/file", 0o600)
    cut.write("/a/b/file", b"one", 0, 0)
    cut.fsync("/a/b/file", 0, 0)
    cut.write("/a/b/file", b"two", 3, 0)
    for folder, left in (("/a/b", []), ("/a", []), ("/", ["a", "a/b", "a/b/file"])):
        cut.fsyncdir(folder, 0, 0)
        cut.cut()
        assert names(tmp_path) == left, folder
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"one"


def test_what_was_taken_away_or_renamed_comes_back_unless_it_was_synced(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("gone", "old"):
        (tmp_path / "a" / name).write_bytes(name.encode())
    folder = LossyFolder(tmp_path)
    folder.unlink("/a/gone")
    folder.rename("/a/old", "/a/new")
    assert sorted(folder.root.now["a"].kept) == ["gone", "old"]
    assert sorted(folder.readdir("/a", 0)) == [".", "..", "new"]
    folder.fsyncdir("/a", 0, 0)
    folder.cut()
    assert names(tmp_path) == ["a", "a/new"]
    assert (tmp_path / "a" / "new").read_bytes() == b"old"


def test_a_hole_reads_as_zeros_and_what_is_cut_off_is_gone(tmp_path: Path) -> None:
    folder = LossyFolder(tmp_path)
    folder.create("/file", 0o600)
    folder.write("/file", b"end", 5, 0)
    assert folder.read("/file", 99, 0, 0) == bytes(5) + b"end"
    folder.truncate("/file", 2)
    folder.truncate("/file", 4)
    assert folder.read("/file", 99, 0, 0) == bytes(4)


def test_what_is_no_file_or_no_folder_is_refused(tmp_path: Path) -> None:
    folder = LossyFolder(tmp_path)
    folder.create("/file", 0o600)
    folder.mkdir("/full", 0o700)
    folder.create("/full/file", 0o600)
    with pytest.raises(FileNotFoundError):
        folder.getattr("/nothing")
    with pytest.raises(FileNotFoundError):
        folder.getattr("/file/below")
    with pytest.raises(NotADirectoryError):
        folder.fsyncdir("/file", 0, 0)
    with pytest.raises(IsADirectoryError):
        folder.unlink("/full")
    with pytest.raises(OSError, match="not empty"):
        folder.rmdir("/full")
    folder.unlink("/full/file")
    folder.rmdir("/full")
    assert sorted(folder.readdir("/", 0)) == [".", "..", "file"]


ALL, NONE = f"{1 << 21:016x}", f"{0:016x}"


@pytest.mark.parametrize(
    ("own", "most", "never", "tool", "told"),
    [
        (ALL, ALL, 0, "", ""),
        (NONE, ALL, 0, "/usr/bin/fusermount", ""),
        (NONE, ALL, 0, "", "fusermount is not installed"),
        (NONE, NONE, 0, "/usr/bin/fusermount", "nothing may be mounted here"),
        (NONE, ALL, 1, "/usr/bin/fusermount", "nothing may be mounted here"),
    ],
)
def test_who_may_not_mount_is_told_so(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own: str,
    most: str,
    never: int,
    tool: str,
    told: str,
) -> None:
    """Root in a box without rights finds /dev/fuse and cannot mount, and a test would fail."""
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nCapEff:\t{own}\nCapBnd:\t{most}\nNoNewPrivs:\t{never}\n")
    monkeypatch.setattr("shutil.which", lambda _: tool or None)
    assert lossy.may_not_mount(status) == told


def test_other_systems_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "freebsd14")
    assert lossy.why_not() == "a system other than Linux"


def test_a_mount_goes_with_who_was_killed(tmp_path: Path) -> None:
    if lossy.why_not():
        pytest.skip(lossy.why_not())
    mount, disk = tmp_path / "mount", tmp_path / "disk"
    program = (
        "import sys, time; from pathlib import Path; from pitwire.torture.lossy import powered\n"
        "with powered(*map(Path, sys.argv[1:])): print(flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", program, str(mount), str(disk)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"\n", "it was mounted"
        assert is_mounted(mount)
        owner.kill()
    for _ in range(3_000):
        if not is_mounted(mount):
            return
        time.sleep(0.02)
    lossy.unmount(mount)
    raise AssertionError("it is mounted for good")


def is_mounted(place: Path) -> bool:
    return f" {place} " in Path("/proc/self/mountinfo").read_text("utf-8")
