"""A file system that keeps what was synced and, when the power is cut, nothing else for certain.

Served by FUSE in a process of its own: `python -m pitwire.torture.lossy MOUNT DISK`. What lies in
DISK is what it begins with. When a file named `cut-the-power` is made in it, it does: what had been
synced is written to DISK, of what had not a part by chance, and the process ends. House rules: a
file's bytes are kept by fsync and fdatasync of it, its name by fsync of its folder; what survives
by chance is a beginning of what was written since.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ctypes.util import find_library
from pathlib import Path
from typing import Any

from pitwire.model.entropy import Entropy, system_seed

SWITCH = "cut-the-power"
_WITHIN_SECONDS = 60.0
_LOOK_SECONDS = 0.02
_NAMES_SURVIVE = 0.5
"""How often a change of names that was not synced survives all the same."""


def why_not() -> str:
    """Why there can be no such file system here; "" when there can."""
    if not Path("/dev/fuse").exists():
        return "no /dev/fuse on this machine"
    if importlib.util.find_spec("mfusepy") is None:
        return "the package mfusepy is not installed"
    if find_library("fuse3") is None and find_library("fuse") is None:
        return "libfuse is not installed"
    if not os.access("/dev/fuse", os.W_OK):
        return "/dev/fuse is not ours to open"
    return ""


class Stored:
    """One file: its bytes now, and those that a power cut leaves."""

    __slots__ = ("kept", "now")

    def __init__(self, data: bytes = b"") -> None:
        self.now = bytearray(data)
        self.kept = bytes(data)


class LossyFolder:
    """One flat folder, as FUSE's high-level operations see it."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self.files = {path.name: Stored(path.read_bytes()) for path in disk.iterdir()}
        self.names = dict(self.files)
        """Name → file, as the folder was last synced."""

    def cut(self) -> None:
        """Leave on the disk what the power cut leaves."""
        chance = Entropy(system_seed()).stream("power")
        names = self.files if chance.random() < _NAMES_SURVIVE else self.names
        for path in self._disk.iterdir():
            path.unlink()
        for name, file in names.items():
            self._disk.joinpath(name).write_bytes(_remains(file, chance.random()))

    # ── names ─────────────────────────────────────────────────────────────────────────────────

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        common = {"st_uid": os.getuid(), "st_gid": os.getgid(), "st_nlink": 1}
        if path == "/":
            return common | {"st_mode": stat.S_IFDIR | 0o700, "st_size": 0}
        return common | {"st_mode": stat.S_IFREG | 0o600, "st_size": len(self._file(path).now)}

    def readdir(self, path: str, fh: int) -> Iterator[str]:
        yield from (".", "..", *self.files)

    def create(self, path: str, mode: int, fi: object = None) -> int:
        if path[1:] == SWITCH:
            self.cut()
            os._exit(0)
        self.files[path[1:]] = Stored()
        return 0

    def rename(self, old: str, new: str) -> None:
        self.files[new[1:]] = self._file(old)
        del self.files[old[1:]]

    def unlink(self, path: str) -> None:
        self._file(path)
        del self.files[path[1:]]

    def fsyncdir(self, path: str, datasync: int, fh: int) -> None:
        self.names = dict(self.files)

    # ── bytes ─────────────────────────────────────────────────────────────────────────────────

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return bytes(self._file(path).now[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._file(path).now[offset : offset + len(data)] = data
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        del self._file(path).now[length:]

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        file = self._file(path)
        file.kept = bytes(file.now)

    def _file(self, path: str) -> Stored:
        file = self.files.get(path[1:])
        if file is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return file


def _remains(file: Stored, share: float) -> bytes:
    """The synced bytes, and a beginning of what was added since."""
    now = bytes(file.now)
    if not now.startswith(file.kept):
        return file.kept
    added = len(now) - len(file.kept)
    return now[: len(file.kept) + int(added * share)]


class Power:
    """A mounted lossy folder; `cut` takes its process away."""

    def __init__(self, mount: Path, disk: Path) -> None:
        self.mount, self.disk = mount, disk
        command = [sys.executable, "-m", "pitwire.torture.lossy", str(mount), str(disk)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE)

    def wait(self) -> None:
        """Until it is mounted; raises `OSError` with what FUSE said when it is not."""
        looks = round(_WITHIN_SECONDS / _LOOK_SECONDS)
        while not self.mount.is_mount():
            looks -= 1
            if self._process.poll() is not None or not looks:
                self._process.kill()
                told = self._process.communicate()[1].decode("utf-8", "replace").strip()
                raise OSError(errno.EIO, told or "it was not mounted in time", str(self.mount))
            time.sleep(_LOOK_SECONDS)

    def cut(self) -> None:
        """Now; returns when the disk is as it was left."""
        with suppress(OSError):  # nobody is left to answer
            self.mount.joinpath(SWITCH).touch()
        self._process.communicate(timeout=_WITHIN_SECONDS)
        unmount(self.mount)


@contextmanager
def powered(mount: Path, disk: Path) -> Iterator[Power]:
    """Mount it; if the power was not cut in between, it is at the end."""
    mount.mkdir(exist_ok=True)
    disk.mkdir(exist_ok=True)
    power = Power(mount, disk)
    try:
        power.wait()
        yield power
    finally:
        if power._process.poll() is None:
            power.cut()
        unmount(mount)


def unmount(mount: Path) -> None:
    """Take the mount away, whoever still looks at it."""
    tool = next((name for name in ("fusermount3", "fusermount") if shutil.which(name)), None)
    command = ["umount", "-l", str(mount)] if tool is None else [tool, "-u", "-z", str(mount)]
    subprocess.run(command, capture_output=True, check=False)


def main(mount: str, disk: str) -> None:
    """Serve until the power is cut."""
    fuse: Any = importlib.import_module("mfusepy")
    folder = LossyFolder(Path(disk))

    class Operations(fuse.Operations):  # type: ignore[misc]
        """Hands on what a flat folder has to answer; the rest is the package's own."""

        use_ns = False

    for name in ("getattr", "readdir", "create", "rename", "unlink", "fsyncdir", "read", "write",
                 "truncate", "fsync"):  # fmt: skip
        setattr(Operations, name, staticmethod(getattr(folder, name)))

    fuse.FUSE(Operations(), mount, foreground=True, nothreads=True, direct_io=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
