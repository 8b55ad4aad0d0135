"""How long a subscription may be silent before its silence means something.

House rules: pure, integer nanoseconds. Learned from completed gaps only: a silence that still
lasts teaches nothing, else a dead feed would teach us to wait for it.
"""

from __future__ import annotations

from pitwire.model.clock import SECOND

FACTOR = 4
"""Silence of so many times the widest gap is out of rhythm, once many gaps are known."""
DOUBT = 80
"""Of a few gaps the widest says little: `DOUBT` over their number is added to the factor."""
ENOUGH = 20
"""Gaps from which on the floor of a rhythm holds."""
FEW = 3
"""Gaps to have seen before anything is judged by them."""
EARLY = 10 * SECOND
"""The floor while fewer than `ENOUGH` are known: a burst is no rhythm yet."""
CEILING = 900 * SECOND
"""What would have to be waited for longer than this is too quiet to be judged."""
_HALF_LIFE = 7200 * SECOND
_HALF_GAPS = 300
_LN2_PERMILLE = 693


class Rhythm:
    """The widest gap of late, in slow decay, and the wait that follows from it."""

    __slots__ = ("_floor", "_promised", "gaps", "wait", "widest")

    def __init__(self, floor: int, every: int = 0) -> None:
        """Nothing is known but what is promised: one word `every` so long, or nothing (0)."""
        self._floor = floor
        self._promised = max(floor, FACTOR * every) if every else 0
        self.gaps = 0
        self.widest = 0
        self.wait = self._promised
        """Silence longer than this is out of rhythm; 0 while there is no telling."""

    def learn(self, gap: int, voices: int = 1) -> None:
        """A gap is over: something came after so long a silence, from so many at once."""
        self.gaps += voices
        widest = self.widest
        gap = min(gap, CEILING)  # one long night must not be waited for all day
        if gap >= widest:
            self.widest = gap
        else:
            # Halved in two hours or in three hundred gaps, whichever is later.
            lost = min(widest * gap // _HALF_LIFE, widest // _HALF_GAPS)
            self.widest = max(gap, widest - lost * _LN2_PERMILLE // 1000)
        if self.gaps < FEW or (self.gaps < ENOUGH and self._promised):
            return
        wait = self.widest * FACTOR + self.widest * DOUBT // self.gaps
        floor = self._floor if self.gaps >= ENOUGH else max(self._floor, EARLY)
        self.wait = 0 if wait > CEILING else max(floor, wait)
