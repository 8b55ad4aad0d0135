"""Names on a disk that a power cut leaves: a name is kept by a sync of the folder that it is in.

House rules: nothing here is asked for by who only reads; whoever makes a folder makes it here.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

_KEEPS_NO_NAMES = frozenset((errno.EINVAL, errno.EROFS, errno.ENOTSUP))
"""What a sync of a folder says on systems of files that cannot sync one, or may not be written."""


def sync_folder(folder: Path) -> None:
    """Make names in this folder survive a power cut; raises `OSError`."""
    if os.name == "nt":  # a folder cannot be opened there, and its names are the journal's own
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make this folder, and those above it that are not there, all to survive a power cut.

    It may be there already; `mode` is for the last alone. Raises `OSError`.
    """
    missing = [one for one in folder.parents if not one.exists()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        _keep(one)
    folder.mkdir(mode=mode, exist_ok=True)
    _keep(folder)  # also of one that is there: who made it may have died before this


def _keep(folder: Path) -> None:
    try:
        sync_folder(folder.parent)
    except PermissionError:  # not ours to open, though it may be ours to write to
        return
    except OSError as error:
        # A disk of its own may be mounted there, in the folder of an image that none writes to:
        # no name to lose. What is kept within is synced by who keeps it, and fails there.
        if error.errno not in _KEEPS_NO_NAMES:
            raise
