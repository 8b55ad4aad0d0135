"""How a symbol's book came to be what it is: its last changes, as numbers and not as objects.

House rules: a row is written with every change, whoever hears of it; what is forgotten is the
oldest, and a change in numbers that no machine word holds, with all that came before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, error

KEPT_CHANGES = 10_000
"""How many changes a book can be wound back by: half a minute of a calm market."""
_ROW = Struct("=qqq")
"""When, 2 × price + whether it was a bid, how many lots there were before."""


class Past:
    """The last changes of one book; ids are dense and begin at 1."""

    __slots__ = ("_kept", "rows", "since")

    def __init__(self) -> None:
        self._kept = KEPT_CHANGES
        self.rows = bytearray(self._kept * _ROW.size)
        """A ring; the place of a change is its id modulo how many are kept."""
        self.since = 1
        """The first change that is remembered, unless too many have come after it."""

    def add(self, number: int, at: int, is_bid: bool, price: int, before: int, /) -> None:
        """Remember the change with this id: when it came, where, and the lots that were there."""
        place = number % self._kept * _ROW.size
        try:
            _ROW.pack_into(self.rows, place, at, 2 * price + is_bid, before)
        except error:
            self.since = number + 1

    def back_from(self, newest: int) -> Iterator[tuple[int, int, bool, int, int]]:
        """The newest change that there was, and those before it: (id, at, is_bid, price, lots
        before)."""
        for number in range(newest, max(self.since, newest - self._kept + 1) - 1, -1):
            at, where, before = _ROW.unpack_from(self.rows, number % self._kept * _ROW.size)
            yield number, at, bool(where & 1), where >> 1, before
