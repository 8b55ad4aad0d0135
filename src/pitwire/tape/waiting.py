"""What waits for the thread that writes a tape: records one behind the other, and what is rarer.

House rules: the session's thread puts in, the writing thread takes out, and no lock is between
them: each step is one that no other thread can cut in two.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any, Generic, TypeAlias, TypeVar

from pitwire.model.twins import twin
from pitwire.tape.format import DRAINED_BIT, RECORD, stamp_of
from pitwire.wire.link import Buffer

T = TypeVar("T")
Lot: TypeAlias = tuple[bytes, int, int, int]
"""Records one behind the other, how many, and the stamps of the first and the last, ns."""
Rare: TypeAlias = Callable[[str, str, Buffer, int, bool], object]
LOT_BYTES = 8 << 20
"""No lot is longer, but for a record that is."""
_head = RECORD.pack


class Waiting(Generic[T]):
    """Of `numbers`, which stand for lines in a record, only those frames are put down here that
    came; all others go to `rare`. Beyond `most` entries nothing is kept, and counted.
    """

    def __init__(self, numbers: dict[str, int], rare: Rare, most: int) -> None:
        self._numbers, self._rare, self._most = numbers, rare, most
        self._waiting: list[bytes | T] = []
        self._append = self._waiting.append
        self._hole = 0

    def frame(self, link: str, direction: str, frame: Buffer, now: int, drained: bool) -> None:
        """A frame came or went; its bytes are copied."""
        number = self._numbers.get(link)
        if number is None or direction != "in":
            self._rare(link, direction, frame, now, drained)
        elif len(self._waiting) < self._most:
            flags = DRAINED_BIT if drained else 0  # of `Kind.IN`, which is 0
            self._append(_head(now, len(frame), flags, number) + frame)
        else:
            self._hole += 1

    def add(self, entry: T) -> None:
        """Something waits that is no such frame, and no bytes."""
        if len(self._waiting) < self._most:
            self._append(entry)
        else:
            self._hole += 1

    def take(self) -> tuple[list[Lot | T], int, int]:
        """All that waits, in its order; how many entries that are, and how many found no room."""
        waiting, hole = self._waiting, self._hole
        count = len(waiting)
        taken = waiting[:count]
        del waiting[:count]  # what was appended since stays
        self._hole -= hole
        found: list[Lot | T] = []
        for kind, group in groupby(taken, type):
            run: list[Any] = list(group)
            found += _lots(run) if kind is bytes else run
        return found, count, hole


def _lots(records: list[bytes]) -> list[Lot]:
    if sum(map(len, records)) <= LOT_BYTES:
        return [_lot(records)]
    lots: list[Lot] = []
    begin, size = 0, 0
    for number, record in enumerate(records):
        if size and size + len(record) > LOT_BYTES:
            lots.append(_lot(records[begin:number]))
            begin, size = number, 0
        size += len(record)
    return [*lots, _lot(records[begin:])]


def _lot(records: list[bytes]) -> Lot:
    return b"".join(records), len(records), stamp_of(records[0]), stamp_of(records[-1])


def needles_in(raw: bytes, needles: tuple[bytes, ...]) -> set[bytes]:
    """Those of them that are somewhere in it."""
    return {needle for needle in needles if needle in raw}


_twin = twin("pitwire.tape._waiting")
IN_USE: Any = Waiting if _twin is None else _twin.Waiting
"""The one to use: the compiled twin where it was built."""
NEEDLES_IN: Callable[[bytes, tuple[bytes, ...]], set[bytes]] = (
    needles_in if _twin is None else _twin.needles_in
)
"""The same of what is sought."""
