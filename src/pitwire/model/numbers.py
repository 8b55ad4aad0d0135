"""Floats for what we watch, Decimals for what we own, integer ticks in the matching engine.

House rules: a watched number keeps the venue's own text as its label, which holds up to
fifteen significant digits; an owned number is exact; nothing but `Instrument` turns the one
into the other.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

Price: TypeAlias = float
"""A watched price, in quote units for one base unit."""
Size: TypeAlias = float
"""A watched amount, in base units."""
Money: TypeAlias = Decimal
"""An owned amount: sizes and prices of orders, fills, fees, balances."""
Ticks: TypeAlias = int
"""A price counted in steps of the instrument's tick."""

DIGIT_BUDGET = 15
"""Significant digits that survive text → float → text without a change."""


def digits_needed(largest: Decimal, step: Decimal) -> int:
    """Significant digits of the largest multiple of `step` up to `largest`."""
    steps = int(largest / step)
    return len(str(steps)) if steps else 1


def within_budget(largest: Decimal, step: Decimal) -> bool:
    """Whether every multiple of `step` up to `largest` is safe as a float label."""
    return digits_needed(largest, step) <= DIGIT_BUDGET


def plain(value: Decimal) -> str:
    """Decimal text without an exponent, as every venue wants it."""
    return format(value, "f")
