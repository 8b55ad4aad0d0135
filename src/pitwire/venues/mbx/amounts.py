"""Instants as Binance writes them, in either of its units."""

from __future__ import annotations

LAST_MILLISECOND = 9_223_372_036_854
"""The last ms that fits 63 bits of ns; a larger instant is in µs (binance §5.5)."""


def nanoseconds(instant: int) -> int:
    """ms or µs since the epoch, told apart by magnitude as the venue itself does (§5.5), → ns."""
    return instant * (1_000_000 if instant <= LAST_MILLISECOND else 1_000)
