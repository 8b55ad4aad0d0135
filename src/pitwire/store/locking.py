"""Files that one process at a time holds; the system lets go of them when it dies."""

from __future__ import annotations

import sys
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def take(file: IO[bytes]) -> None:
        """Hold it; raises `OSError` when somebody else does."""
        file.seek(1 << 20)  # a byte that nobody reads, so that the holder's number can be read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def wait_for(file: IO[bytes]) -> None:
        """Hold it as soon as nobody else does; raises `OSError` when that takes ten seconds."""
        file.seek(1 << 20)
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)

    def let_go(file: IO[bytes]) -> None:
        """Hold it no more."""
        file.seek(1 << 20)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def take(file: IO[bytes]) -> None:
        """Hold it; raises `OSError` when somebody else does."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def wait_for(file: IO[bytes]) -> None:
        """Hold it as soon as nobody else does."""
        fcntl.flock(file, fcntl.LOCK_EX)

    def let_go(file: IO[bytes]) -> None:
        """Hold it no more."""
        fcntl.flock(file, fcntl.LOCK_UN)


def is_taken(file: IO[bytes]) -> bool:
    """Whether somebody else holds it."""
    try:
        take(file)
    except OSError:
        return True
    let_go(file)
    return False
