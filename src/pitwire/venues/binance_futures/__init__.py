"""Binance's futures: USDⓈ-M, and COIN-M to watch."""

from pitwire.venues.binance_futures.venue import BINANCE_COINM, BINANCE_USDM

__all__ = ["BINANCE_COINM", "BINANCE_USDM"]
