"""Interactive Brokers over its Client Portal gateway: US stocks, watched and traded."""

from __future__ import annotations

from pitwire.venues.ibkr.venue import IBKR as IBKR
