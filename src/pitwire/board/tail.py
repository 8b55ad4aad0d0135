"""The end of a desk's journal, kept in memory for the board.

House rules: writing costs one append; what nobody reads in time falls off the other end and is
counted, never waited for.
"""

from __future__ import annotations

from collections import deque

from pitwire.trading.journal import Record

KEPT = 4096


class Tail:
    """A journal that holds what a board has not read yet. Hand it to `open_desk(journals=...)`."""

    def __init__(self, kept: int = KEPT) -> None:
        self._records: deque[Record] = deque(maxlen=kept)
        self._written = 0
        self._read = 0

    def write(self, record: Record) -> None:
        self._records.append(record)
        self._written += 1

    def read(self) -> tuple[list[Record], int]:
        """Records that came since the last time, oldest first, and how many more were too old."""
        new = self._written - self._read
        self._read = self._written
        held = min(new, len(self._records))
        records = [*self._records][len(self._records) - held :] if held else []
        self._records.clear()
        return records, new - held
