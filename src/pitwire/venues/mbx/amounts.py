"""Owned numbers and instants, read from Binance's text strictly.

House rules: a decimal is plain digits and nothing else (no exponent, no sign where none belongs);
what cannot be read raises `Unreadable`, which never leaves this package.
"""

from __future__ import annotations

import re
from decimal import Decimal

LAST_MILLISECOND = 9_223_372_036_854
"""The last ms that fits 63 bits of ns; a larger instant is in µs (binance §5.5)."""

_AMOUNT = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_SIGNED = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")


class Unreadable(ValueError):
    """A value that is not what the venue's documents promise."""

    def __init__(self, path: str, found: str) -> None:
        super().__init__(f"{path}: found {found[:40]!r}")
        self.path = path


def amount(text: str, path: str) -> Decimal:
    """A number that cannot be negative: a price, a size, a balance."""
    if _AMOUNT.fullmatch(text) is None:
        raise Unreadable(path, text)
    return Decimal(text)


def signed(text: str, path: str) -> Decimal:
    """A number that may be negative: a fee."""
    if _SIGNED.fullmatch(text) is None:
        raise Unreadable(path, text)
    return Decimal(text)


def nanoseconds(instant: int) -> int:
    """ms or µs since the epoch, told apart by magnitude as the venue itself does (§5.5), → ns."""
    return instant * (1_000_000 if instant <= LAST_MILLISECOND else 1_000)
