"""Small files that are whole or are not there: written aside, synced, renamed, folder synced.

A sealed file carries a digest of itself, so a flipped bit is found and never believed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from pitwire.model.disk import sync_folder
from pitwire.model.errors import Unsound

_OWNER_ONLY = 0o600
fdatasync = getattr(os, "fdatasync", os.fsync)
"""The contents and what is needed to find them; all of the file where there is no such call."""


def sync_file(path: Path) -> None:
    """Make what others have written into this file survive a power cut."""
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(handle: int, data: bytes) -> None:
    """Hand all of it to the kernel, however many calls that takes."""
    written = os.write(handle, data)
    while written < len(data):
        written += os.write(handle, data[written:])


def write_safely(path: Path, data: bytes, *, aside: str = ".new") -> None:
    """Replace the file by this; whoever looks finds the old one whole or the new one whole.

    Two processes that may write the same file at the same time need endings `aside` of their own.
    """
    beside = path.with_name(path.name + aside)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
    try:
        try:
            write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(beside, path)
    except OSError:  # a full disk is not to be filled with halves
        with suppress(OSError):
            beside.unlink()
        raise
    sync_folder(path.parent)


def remove_safely(path: Path) -> None:
    """Take the file away for good; it may be gone already."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sealed(data: bytes) -> bytes:
    """`data` and its digest."""
    return data + b"\n" + blake2b(data, digest_size=16).hexdigest().encode() + b"\n"


def unsealed(text: bytes, where: object) -> bytes:
    """What was sealed; raises `Unsound` when it is not what was written."""
    data, _, digest = text.removesuffix(b"\n").rpartition(b"\n")
    if sealed(data) != data + b"\n" + digest + b"\n" or not text.endswith(b"\n"):
        raise Unsound(where=str(where), found="another digest", expected="the one it was sealed by")
    return data
