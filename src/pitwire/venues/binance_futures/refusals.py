"""The futures' error codes as reasons for rules (binance §11.8).

House rules: a code that spot and futures use for different things is named here alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from pitwire.model.orders import RejectReason as Why
from pitwire.venues.binance_futures.house import House
from pitwire.venues.mbx.refusals import AUTHENTICATION, REQUEST_REASONS, Refusals

REASONS: Mapping[int, Why] = {
    **REQUEST_REASONS,
    -2011: Why.UNKNOWN_ORDER,
    -2013: Why.UNKNOWN_ORDER,
    -2019: Why.INSUFFICIENT_FUNDS,
    -2021: Why.WOULD_TRIGGER,
    -2022: Why.REDUCE_ONLY,
    -2025: Why.ORDER_COUNT_RULE,
    -4003: Why.SIZE_RULE,
    -4014: Why.PRICE_RULE,
    -4023: Why.SIZE_RULE,
    -4061: Why.NOT_PERMITTED,
    -4067: Why.NOT_PERMITTED,
    -4068: Why.NOT_PERMITTED,
    -4116: Why.DUPLICATE_ID,
    -4120: Why.NOT_SUPPORTED,
    -4164: Why.NOTIONAL_RULE,
    -5021: Why.NO_LIQUIDITY,
    -5022: Why.WOULD_TAKE,
    -5026: Why.OTHER,
    -5028: Why.CLOCK,
    -5047: Why.REDUCE_ONLY,
}
"""Code → reason."""


def refusals(house: House) -> Refusals:
    """The table of one of the two venues."""
    return Refusals(venue=house.name, authentication=AUTHENTICATION, reasons=REASONS)
