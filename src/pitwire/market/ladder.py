"""The levels of one side, sorted: what a book spends its time on.

House rules: prices and sizes are finite, no size is below zero, a price is a key as it came. A
*key* is a price with the side's sign: the higher, the better. `Ladder` here is plain Python;
`_ladder.c` beside it is its compiled twin, used where it has been built (ADR 23), held
against this one by the same tests.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from itertools import islice

from pitwire.model.events import Level
from pitwire.model.twins import twin

NOTHING = float("-inf")
"""Below every price key."""

_MANY = 16
"""From so many new prices on, sorting all of them costs less than a search for each (measured)."""
_ALL = 1 << 62


class Ladder:
    """Price → size of one side; `sign` is 1.0 where the highest price is the best, else -1.0.

    Removed levels stay in both structures with size 0 until they surface at the top or grow too
    many: most removed prices come back, and need no search then (measured in `bench/`).
    """

    __slots__ = ("_best", "_limit", "_prices", "_sign", "_sizes", "top")
    _prices: list[float]

    def __init__(self, sign: float) -> None:
        self._sign = sign
        self._best = -1 if sign > 0 else 0
        """Where the best of the prices is, which are sorted as numbers are."""
        self.fill(())

    def fill(self, levels: Iterable[Level], /) -> None:
        """Hold these levels and no others; those of size 0 are none."""
        self._sizes = {price: size for price, size in dict(levels).items() if size}
        self._sort()
        self.top = self._sign * self._prices[self._best] if self._prices else NOTHING
        """The best key, or `NOTHING`."""

    def change(self, levels: Iterable[Level], /) -> None:
        """Set these levels to their new sizes.

        No line of Python runs for a level of a price that is held, and most are.
        """
        sizes = self._sizes
        held = len(sizes)
        sizes.update(levels)
        if len(sizes) > held:
            self._take_in(len(sizes) - held)
            sizes = self._sizes
        prices = self._prices
        if not prices:
            return
        best = prices[self._best]
        if sizes[best]:
            self.top = self._sign * best
        else:
            self._surface()

    def size(self, price: float, /) -> float:
        """The size held at a price, 0.0 where none is."""
        return self._sizes.get(price, 0.0)

    def levels(self, start: int = 0, count: int = _ALL, /) -> list[Level]:
        """Levels held, best first, from the `start`-th on; raises `ValueError` below 0."""
        if start < 0 or count < 0:
            raise ValueError("levels: expected a start and a count of 0 or more")
        sizes, prices = self._sizes, self._prices
        ordered = prices if self._best == 0 else reversed(prices)
        if start == 0 and count >= len(prices):
            return [(price, size) for price in ordered if (size := sizes[price])]
        held = ((price, size) for price in ordered if (size := sizes[price]))
        return list(islice(held, start, min(start + count, _ALL)))

    def __len__(self) -> int:
        return sum(1 for size in self._sizes.values() if size)

    def _take_in(self, count: int) -> None:
        """Find a place for the `count` prices that are new: a dict has them last."""
        sizes, prices, found = self._sizes, self._prices, []
        for price in tuple(islice(reversed(sizes), count)):
            if sizes[price]:
                found.append(price)
            else:
                del sizes[price]  # binance §4.1 step 6: deleting an unknown price is normal
        if len(found) < _MANY:
            for price in found:
                insort(prices, price)
        else:
            prices += found
            prices.sort()
        if len(prices) > self._limit:
            self._sizes = {price: size for price, size in sizes.items() if size}
            self._sort()

    def _surface(self) -> None:
        """Drop removed levels from the top, until the best one is there."""
        sizes, prices, best = self._sizes, self._prices, self._best
        while prices and not sizes[prices[best]]:
            del sizes[prices.pop(best)]
        self.top = self._sign * prices[best] if prices else NOTHING

    def _sort(self) -> None:
        self._prices = sorted(self._sizes)
        self._limit = len(self._prices) * 3 // 2 + 256


_compiled = twin("pitwire.market._ladder")
Fastest: type[Ladder] = Ladder if _compiled is None else _compiled.Ladder
"""The compiled ladder where it was built, else the plain one."""
