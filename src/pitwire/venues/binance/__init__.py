"""Binance spot, in JSON and in binary."""

from pitwire.venues.binance.venue import BINANCE, BINANCE_SBE

__all__ = ["BINANCE", "BINANCE_SBE"]
