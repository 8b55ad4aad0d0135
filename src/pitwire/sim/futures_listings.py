"""The contracts of the simulated futures venue.

House rules: ticks, lots and limits are near those of the venue's own contracts of these names (as
captured in 2021 and 2024); start prices are those of the simulated spot market.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from pitwire.sim.facts import Contract, Kind, Listing, Stp

_KINDS = (Kind.LIMIT, Kind.MARKET, Kind.LIMIT_MAKER)
_STP = (Stp.NONE, Stp.EXPIRE_TAKER, Stp.EXPIRE_MAKER, Stp.EXPIRE_BOTH)
MAKER_FEE, TAKER_FEE = Decimal("0.0002"), Decimal("0.0005")

BTC_USDT_PERP = Listing(
    symbol="BTC-USDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.10"),
    lot=Decimal("0.001"),
    min_price=5_568,
    max_price=45_292_944,
    max_lots=1_000_000,
    market_max_lots=120_000,
    min_notional=Decimal(5),
    percent_up=Decimal("1.05"),
    percent_down=Decimal("0.95"),
    kinds=_KINDS,
    allowed_stp=_STP,
    maker_fee=MAKER_FEE,
    taker_fee=TAKER_FEE,
    start_price=600_000,
    contract=Contract(),
)
ETH_USDT_PERP = Listing(
    symbol="ETH-USDT",
    base="ETH",
    quote="USDT",
    tick=Decimal("0.01"),
    lot=Decimal("0.001"),
    min_price=3_986,
    max_price=30_617_700,
    max_lots=10_000_000,
    market_max_lots=2_000_000,
    min_notional=Decimal(5),
    percent_up=Decimal("1.05"),
    percent_down=Decimal("0.95"),
    kinds=_KINDS,
    allowed_stp=_STP,
    maker_fee=MAKER_FEE,
    taker_fee=TAKER_FEE,
    start_price=300_000,
    contract=Contract(max_leverage=100),
)
FUTURES = (BTC_USDT_PERP, ETH_USDT_PERP)


def as_contract(listing: Listing) -> Listing:
    """A spot listing's rules as those of a perpetual contract in it; ours by their own."""
    for known in FUTURES:
        if (known.symbol, known.start_price * known.tick) == (
            listing.symbol,
            listing.start_price * listing.tick,
        ):
            return known
    return msgspec.structs.replace(
        listing,
        kinds=_KINDS,
        allowed_stp=_STP,
        max_notional=Decimal(0),
        percent_up=Decimal("1.05"),
        percent_down=Decimal("0.95"),
        contract=Contract(),
    )


STAKES: Mapping[str, Decimal] = {"USDT": Decimal(1_000_000)}
