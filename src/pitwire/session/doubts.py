"""What may be lost on a connection that stands, and whose next word would show it.

House rules: pure. Whoever keeps what counts by number is told which symbols to look after. A loss
in one symbol is hardly ever alone: what swallowed it may have swallowed the last word of another
that is quiet, so all are doubted a moment later, once for any number of losses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pitwire.model.clock import SECOND

SPREAD_SECONDS = 3.0
"""All are doubted this often at most: each that is quiet costs a question."""
_SPREAD = round(SPREAD_SECONDS * SECOND)
Doubter: TypeAlias = Callable[[str, int], None]
"""Told of a symbol, or of all (""), and when."""


class Doubts:
    """Told of whatever may be lost; tells it on."""

    def __init__(self, *doubters: Doubter) -> None:
        self._doubters = doubters
        self._lost, self._not_before = False, 0

    def of(self, symbol: str, now: int) -> None:
        """Something of this symbol, or of all (""), may be lost."""
        for doubt in self._doubters:
            doubt(symbol, now)

    def lost(self, symbol: str, now: int) -> None:
        """Something of this symbol is lost, and of others may be."""
        self._lost = True
        self.of(symbol, now)

    def overdue(self, now: int) -> None:
        """Now and then: doubt all, if anything was lost since the last time."""
        if self._lost and now >= self._not_before:
            self._lost, self._not_before = False, now + _SPREAD
            self.of("", now)
