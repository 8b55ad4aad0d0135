"""Alpaca: its crypto feed, its orders."""

from pitwire.venues.alpaca.venue import ALPACA

__all__ = ["ALPACA"]
