"""A file system that keeps what was synced and, when the power is cut, nothing else for certain.

Served by FUSE in a process of its own: `python -m pitwire.torture.lossy MOUNT DISK`. What lies in
DISK is what it begins with. When a file named `cut-the-power` is made in it, it does: what had been
synced is written to DISK, of what had not a part by chance, and the process ends. House rules: a
file's bytes are kept by fsync and fdatasync of it, a name by fsync of the folder that it is in;
what survives by chance is a beginning of what was written since, and all names of a folder.
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
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from ctypes.util import find_library
from pathlib import Path
from typing import Any, TypeAlias

from pitwire.model.entropy import Chance, Entropy, system_seed

SWITCH = "cut-the-power"
_WITHIN_SECONDS = 60.0
_LOOK_SECONDS = 0.02
_OWNER_SECONDS = 0.2
_NAMES_SURVIVE = 0.5
"""How often a change of names that was not synced survives all the same."""


def why_not() -> str:
    """Why there can be no such file system here; "" when there can."""
    if sys.platform != "linux":  # others mount, and say who may, in other ways
        return "a system other than Linux"
    if not Path("/dev/fuse").exists():
        return "no /dev/fuse on this machine"
    if importlib.util.find_spec("mfusepy") is None:
        return "the package mfusepy is not installed"
    if find_library("fuse3") is None and find_library("fuse") is None:
        return "libfuse is not installed"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError:
        return "/dev/fuse is not ours to open"
    return may_not_mount()


def may_not_mount(status: Path = Path("/proc/self/status")) -> str:
    """Why this process may mount nothing, by what the system says of it; "" when it may."""
    told = dict(line.split(":", 1) for line in status.read_text("utf-8").splitlines())
    if _may_mount(told["CapEff"]):
        return ""
    if _unmounter() is None:
        return "fusermount is not installed"
    # It has the right by being root's, which not every process may become, nor has it all that.
    lends = int(told.get("NoNewPrivs", "0")) == 0 and _may_mount(told["CapBnd"])
    return "" if lends else "nothing may be mounted here"


def _may_mount(rights: str) -> bool:
    """Whether CAP_SYS_ADMIN is among these, capabilities(7)."""
    return bool(int(rights, 16) >> 21 & 1)


class Stored:
    """One file: its bytes now, and those that a power cut leaves."""

    __slots__ = ("kept", "now")

    def __init__(self, data: bytes = b"") -> None:
        self.now = bytearray(data)
        self.kept = bytes(data)


class Names:
    """One folder: what is in it now, and what is by its names on the disk."""

    __slots__ = ("kept", "now")

    def __init__(self, now: Mapping[str, Node] | None = None) -> None:
        self.now: dict[str, Node] = dict(now or {})
        self.kept = dict(self.now)


Node: TypeAlias = Stored | Names


class LossyFolder:
    """One folder and what is below, as FUSE's high-level operations see it."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self.root = _read(disk)

    def cut(self) -> None:
        """Leave on the disk what the power cut leaves."""
        chance = Entropy(system_seed()).stream("power")
        for path in self._disk.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        _leave(self.root, self._disk, chance)

    # ── names ─────────────────────────────────────────────────────────────────────────────────

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        common = {"st_uid": os.getuid(), "st_gid": os.getgid(), "st_nlink": 1}
        node = self._find(path)
        if isinstance(node, Names):
            return common | {"st_mode": stat.S_IFDIR | 0o700, "st_size": 0}
        return common | {"st_mode": stat.S_IFREG | 0o600, "st_size": len(node.now)}

    def readdir(self, path: str, fh: int) -> Iterator[str]:
        yield from (".", "..", *self._folder(path).now)

    def mkdir(self, path: str, mode: int) -> None:
        folder, name = self._place(path)
        folder.now[name] = Names()

    def rmdir(self, path: str) -> None:
        folder, name = self._place(path)
        if self._folder(path).now:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        del folder.now[name]

    def create(self, path: str, mode: int, fi: object = None) -> int:
        if path[1:] == SWITCH:
            self.cut()
            os._exit(0)
        folder, name = self._place(path)
        folder.now[name] = Stored()
        return 0

    def rename(self, old: str, new: str) -> None:
        node = self._find(old)
        (before, name), (behind, other) = self._place(old), self._place(new)
        del before.now[name]
        behind.now[other] = node

    def unlink(self, path: str) -> None:
        self._file(path)
        folder, name = self._place(path)
        del folder.now[name]

    def fsyncdir(self, path: str, datasync: int, fh: int) -> None:
        folder = self._folder(path)
        folder.kept = dict(folder.now)

    # ── bytes ─────────────────────────────────────────────────────────────────────────────────

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return bytes(self._file(path).now[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        now = self._file(path).now
        now.extend(bytes(max(0, offset - len(now))))
        now[offset : offset + len(data)] = data
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        now = self._file(path).now
        del now[length:]
        now.extend(bytes(length - len(now)))

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        file = self._file(path)
        file.kept = bytes(file.now)

    # ── within ────────────────────────────────────────────────────────────────────────────────

    def _find(self, path: str) -> Node:
        node: Node | None = self.root
        for name in path.split("/"):
            if name:
                node = node.now.get(name) if isinstance(node, Names) else None
        if node is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return node

    def _folder(self, path: str) -> Names:
        node = self._find(path)
        if isinstance(node, Names):
            return node
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)

    def _file(self, path: str) -> Stored:
        node = self._find(path)
        if isinstance(node, Stored):
            return node
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)

    def _place(self, path: str) -> tuple[Names, str]:
        """The folder in which this has its name, and the name."""
        parent, _, name = path.rpartition("/")
        return self._folder(parent), name


def _read(path: Path) -> Names:
    """A folder as it lies on the disk."""
    return Names(
        {
            one.name: _read(one) if one.is_dir() else Stored(one.read_bytes())
            for one in path.iterdir()
        }
    )


def _leave(folder: Names, path: Path, chance: Chance) -> None:
    """What is left of a folder: its names as they were synced, or as they were, by chance."""
    names = folder.now if chance.random() < _NAMES_SURVIVE else folder.kept
    for name, node in names.items():
        if isinstance(node, Names):
            (path / name).mkdir()
            _leave(node, path / name, chance)
        else:
            (path / name).write_bytes(_remains(node, chance.random()))


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
        own = str(os.getpid())
        command = [sys.executable, "-m", "pitwire.torture.lossy", str(mount), str(disk), own]
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
        """Now; returns when the disk is as it was left. Whoever writes to it fails until the end of
        `powered`, where the mount goes as well."""
        with suppress(OSError):  # nobody is left to answer
            self.mount.joinpath(SWITCH).touch()
        self._process.communicate(timeout=_WITHIN_SECONDS)


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
        try:
            if power._process.poll() is None:
                power.cut()
        finally:
            power._process.kill()  # where it does not even end
            unmount(mount)


def unmount(mount: Path) -> None:
    """Take the mount away, whoever still looks at it."""
    tool = _unmounter()
    command = ["umount", "-l", str(mount)] if tool is None else [tool, "-u", "-z", str(mount)]
    subprocess.run(command, capture_output=True, check=False)


def _unmounter() -> str | None:
    """The tool by which who is not root mounts and unmounts."""
    return next((name for name in ("fusermount3", "fusermount") if shutil.which(name)), None)


def main(mount: str, disk: str, owner: str = "") -> None:
    """Serve until the power is cut, or the process `owner` that began this is gone."""
    fuse: Any = importlib.import_module("mfusepy")
    folder = LossyFolder(Path(disk))
    if owner:
        threading.Thread(target=_end_with, args=(int(owner), Path(mount)), daemon=True).start()

    class Operations(fuse.Operations):  # type: ignore[misc]
        """Hands on what such a folder has to answer; the rest is the package's own."""

        use_ns = True

    for name in ("getattr", "readdir", "mkdir", "rmdir", "create", "rename", "unlink", "fsyncdir",
                 "read", "write", "truncate", "fsync"):  # fmt: skip
        setattr(Operations, name, staticmethod(getattr(folder, name)))

    fuse.FUSE(Operations(), mount, foreground=True, nothreads=True, direct_io=True)


def _end_with(owner: int, mount: Path) -> None:
    """Who was killed cuts no power and unmounts nothing, and a mount would stay for good."""
    while os.getppid() == owner:
        time.sleep(_OWNER_SECONDS)
    unmount(mount)
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
