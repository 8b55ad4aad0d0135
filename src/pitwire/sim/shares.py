"""The shares of the simulated broker: what is listed, and what an account owns of it.

House rules: rules are those of US shares (a tick of a cent, whole shares); prices are round numbers
of our own; a broker charges its commission beside the trade, so the exchange takes no fee.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from pitwire.sim.facts import Kind, Listing, Stp

CENT = Decimal("0.01")
_KINDS = (Kind.LIMIT, Kind.MARKET, Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT)
_NO_FEE = Decimal(0)


def share(ticker: str, start_price: int, currency: str = "USD") -> Listing:
    """A share by its ticker; `start_price` in cents."""
    return Listing(
        symbol=f"{ticker}-{currency}",
        base=ticker,
        quote=currency,
        tick=CENT,
        lot=Decimal(1),
        max_price=100_000_000,
        max_lots=1_000_000,
        market_max_lots=1_000_000,
        kinds=_KINDS,
        default_stp=Stp.NONE,
        allowed_stp=(Stp.NONE,),
        maker_fee=_NO_FEE,
        taker_fee=_NO_FEE,
        max_algo_orders=200,
        max_amends=1_000_000,
        start_price=start_price,
    )


SHARES = (share("AAPL", 19_000), share("IBM", 17_000), share("SPY", 65_500))
SHARE_STAKES: Mapping[str, Decimal] = {
    "AAPL": Decimal(1_000),
    "IBM": Decimal(1_000),
    "SPY": Decimal(1_000),
    "USD": Decimal(1_000_000),
}


def as_share(listing: Listing) -> Listing:
    """A listing's rules as those of a share; ours by their own."""
    for known in SHARES:
        if known.symbol == listing.symbol:
            return known
    price = max(int(listing.start_price * listing.tick / CENT), 1)
    return msgspec.structs.replace(share(listing.base, price, listing.quote), status=listing.status)
