"""Numbers as a trader reads them: on the instrument's grid, with a true minus, a dash for unknown.

House rules: a price has the digits of its tick and a size those of its lot, so that columns stand
still; unknown is a dash, never 0; whoever shows these texts rounds nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from math import isfinite

from pitwire.model.instruments import Instrument

_REMEMBERED = 256
"""Texts of one instrument that are kept, of prices and of sizes each."""
UNKNOWN = "–"
MINUS = "−"
Number = Decimal | float | int


def digits_of(step: Decimal) -> int:
    """How many digits after the point a grid of this step needs."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def plainly(digits: int, *, grouped: bool = False, signed: bool = False) -> Callable[[Number], str]:
    """What writes numbers with so many digits after the point."""
    spec = f"{'+' if signed else ''}{',' if grouped else ''}.{digits}f"

    def write(number: Number) -> str:
        text = format(number, spec)
        if text[0] in "+-" and not text.strip("+-0.,"):
            text = text[1:]  # what is rounded away has no sign: never −0.00
        return MINUS + text[1:] if text[0] == "-" else text

    return write


class Digits:
    """How the numbers of one instrument are written."""

    def __init__(self, instrument: Instrument | None) -> None:
        tick, lot = (instrument.tick, instrument.lot) if instrument else (Decimal("0.01"),) * 2
        self.tick = float(tick)
        self.price_digits, self.size_digits = digits_of(tick), digits_of(lot)
        # Most of a book is as it was a twentieth of a second ago.
        self.price = lru_cache(_REMEMBERED)(plainly(self.price_digits))
        self.size = lru_cache(_REMEMBERED)(plainly(self.size_digits))
        self.money = plainly(2, grouped=True)
        """Amounts of the quote asset, in totals."""
        self.result = plainly(2, grouped=True, signed=True)

    def held(self, size: Decimal) -> str:
        """A size that we own, exactly: a fee may have left less than a lot of it."""
        return plainly(max(self.size_digits, digits_of(size)))(size) if size else self.size(size)

    def ticks(self, distance: float) -> str:
        """A distance between two prices, in ticks."""
        return f"{round(distance / self.tick):d}" if self.tick else UNKNOWN


percent = plainly(2, signed=True)


def known(number: Number | None, write: Callable[[Number], str]) -> str:
    """The number, or a dash."""
    if number is None or (isinstance(number, float) and not isfinite(number)):
        return UNKNOWN
    return write(number)


def milliseconds(stamp: int) -> float:
    """A stamp in ns as ms since 1970, to the µs: what a page counts in; 0 for none."""
    return stamp // 1000 / 1000
