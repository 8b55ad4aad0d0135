"""What tells Binance's two futures venues apart (binance §11.1).

House rules: facts only.
"""

from __future__ import annotations

import msgspec


class House(msgspec.Struct, frozen=True):
    """One of the two."""

    name: str
    root: str
    """Where its REST routes begin."""
    universe: int
    """What it writes as `st` since streams for all symbols carry both universes (§11.2)."""
    splits: bool
    """Whether market streams are split over addresses by kind (§11.1)."""


USDM = House("binance-usdm", "/fapi/v1", 1, True)
COINM = House("binance-coinm", "/dapi/v1", 2, False)
