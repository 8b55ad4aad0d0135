"""Room that the disk keeps for a file beyond its end: the file gets no longer by it.

House rules: what the system refuses is an `OSError` with its number, as from the calls that Python
has; where there is no such call, it is refused, too.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

_KEEP_SIZE = 1
"""`FALLOC_FL_KEEP_SIZE` of Linux."""


def keep_room(handle: int, offset: int, length: int) -> None:
    """Have `length` bytes from `offset` on kept for this file; raises `OSError` when they are not.

    A write there no longer asks for room. What is kept stays so until `give_back`, also when the
    process dies.
    """
    if _fallocate is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if _fallocate(handle, _KEEP_SIZE, offset, length):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def give_back(handle: int) -> None:
    """Keep no more room for this file than it fills, where the system lets us."""
    with suppress(OSError):
        os.ftruncate(handle, os.fstat(handle).st_size)


def trim(path: Path) -> None:
    """The same for a file whose writer has died."""
    with suppress(OSError):
        handle = os.open(path, os.O_WRONLY)
        give_back(handle)
        os.close(handle)


def _of_system() -> ctypes._NamedFuncPointer | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None, use_errno=True)
    call: ctypes._NamedFuncPointer | None = getattr(library, "fallocate64", None)
    if call is not None:
        call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return call


_fallocate = _of_system()
