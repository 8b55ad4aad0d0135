"""Binance spot."""

from pitwire.venues.binance.venue import BINANCE

__all__ = ["BINANCE"]
