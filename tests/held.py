"""How much memory a piece of a test holds at the most.

Counted is what the allocators have given out: small blocks at the most that one may have, and to
the byte what the C library gave. That is never less than what is held, and costs nothing; where the
C library does not say, every allocation is traced instead, which takes six times as long.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import tracemalloc
from types import TracebackType
from typing import Self

SMALL = 512
"""The most bytes of a block that Python's allocator gives out; larger ones are the library's."""


class _Given(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                     "uordblks", "fordblks", "keepcost")
    ]  # fmt: skip


def _mallinfo() -> ctypes._NamedFuncPointer | None:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    asked = getattr(library, "mallinfo2", None)
    if asked is not None:
        asked.restype = _Given
    return asked


_ASKED = _mallinfo()


def _held() -> int:
    assert _ASKED is not None
    given = _ASKED()
    return int(given.uordblks + given.hblkhd) + SMALL * sys.getallocatedblocks()


class Peak:
    """Watches what is held inside `with`, as often as it is told to look."""

    def __init__(self) -> None:
        self.grown = 0
        """Bytes, at the most that was seen."""
        self._before = 0

    def __enter__(self) -> Self:
        gc.collect()
        if _ASKED is None:
            tracemalloc.start()
        else:
            self._before = _held()
        return self

    def look(self) -> None:
        """See how much it is now."""
        if _ASKED is None:
            self.grown = tracemalloc.get_traced_memory()[1]
        else:
            self.grown = max(self.grown, _held() - self._before)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if _ASKED is None:
            tracemalloc.stop()
