"""COIN-M contracts as the streams of all symbols show them beside ours (binance §11.2, `st`).

House rules: they are there to be left out by whoever wants one universe. Their prices are those of
our contract in the same asset, their sizes whole contracts; nobody trades them here.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pitwire.sim.facades.binance_payloads import Payload
from pitwire.sim.facades.usdm_text import FuturesScale, short

COINM = 2
NO_SIZES: Mapping[str, str] = {}
_WORTH = {"BTC": Decimal(100)}
_OTHERS = Decimal(10)
"""What a contract is worth in dollars."""


def as_coinm(
    scale: FuturesScale, row: Payload, *, contracts: Mapping[str, str], coins: str = ""
) -> Payload:
    """A row of ours as one of the contract that is settled in the coin.

    `contracts`: field of a size → field of its price; `coins`: the field of the volume in quote
    units, which there is one in coins.
    """
    base = scale.listing.base
    worth = _WORTH.get(base, _OTHERS)
    made = row | {"s": f"{base}USD_PERP", "st": COINM}
    if "ps" in row:
        made["ps"] = f"{base}USD"
    if coins:
        made[coins] = row["v"]
    for size, price in contracts.items():
        value = Decimal(str(row[size])) * Decimal(str(row[price]))
        made[size] = short(Decimal(int(value / worth)))
    return made


__all__ = ["COINM", "NO_SIZES", "as_coinm"]
