"""Whose file a tape is just then: a writer holds it, and the system lets go when that dies.

House rules: a system, or a network's file system, that keeps no such locks stops nothing; there a
tape that is being written looks like one whose writer died.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":

    def hold(handle: int) -> None:
        """There, such a lock would keep readers out."""

    def is_held(_path: Path) -> bool:
        """Whether its writer lives; nobody can say."""
        return False
else:
    import fcntl

    def hold(handle: int) -> None:
        """Hold this file until it is closed."""
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def is_held(path: Path) -> bool:
        """Whether its writer lives."""
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            except OSError:
                pass
        return False
