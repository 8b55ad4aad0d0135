"""Binance spot's error codes and texts, as reasons for rules (binance §5.2, §7.1)."""

from __future__ import annotations

from collections.abc import Mapping

from pitwire.model.orders import RejectReason as Why
from pitwire.venues.binance.symbols import VENUE
from pitwire.venues.mbx.refusals import AUTHENTICATION, REQUEST_REASONS, Refusals

REASONS: Mapping[int, Why] = {
    **REQUEST_REASONS,
    **dict.fromkeys((-2011, -2013, -2026), Why.UNKNOWN_ORDER),
    **dict.fromkeys((-2010, -2021, -2022, -2035, -2036, -2038, -2042), Why.OTHER),
    -2016: Why.MARKET_CLOSED,
    -2039: Why.BAD_PARAMETER,
    -2043: Why.NOT_SUPPORTED,
}
"""Code → reason where the text does not say it better."""

TEXTS: Mapping[str, Why] = {
    "unknown order sent": Why.UNKNOWN_ORDER,
    "duplicate order sent": Why.DUPLICATE_ID,
    "market is closed": Why.MARKET_CLOSED,
    "account has insufficient balance for requested action": Why.INSUFFICIENT_FUNDS,
    "price * qty is zero or less": Why.NOTIONAL_RULE,
    "icebergqty exceeds qty": Why.SIZE_RULE,
    "this action is disabled on this account": Why.NOT_PERMITTED,
    "this account may not place or cancel orders": Why.NOT_PERMITTED,
    "unsupported order combination": Why.BAD_PARAMETER,
    "order would trigger immediately": Why.WOULD_TRIGGER,
    "cancel order is invalid. check origclordid and orderid": Why.UNKNOWN_ORDER,
    "order would immediately match and take": Why.WOULD_TAKE,
    "the relationship of the prices for the orders is not correct": Why.PRICE_RULE,
    "this symbol is not permitted for this account": Why.NOT_PERMITTED,
    "this symbol is restricted for this account": Why.NOT_PERMITTED,
    "order was not canceled due to cancel restrictions": Why.OTHER,
    "rest api trading is not enabled": Why.NOT_PERMITTED,
    "websocket api trading is not enabled": Why.NOT_PERMITTED,
    "order amend (quantity increase) is not supported": Why.SIZE_RULE,
    "order amend (pending opo order) is not supported": Why.NOT_SUPPORTED,
    "the requested action would change no state; rejecting": Why.SIZE_RULE,
    "this order type may not use pegged price": Why.BAD_PARAMETER,
    "this price peg cannot be used with this order type": Why.BAD_PARAMETER,
    "this symbol does not allow the specified self-trade prevention mode": Why.SELF_TRADE,
    "order does not exist": Why.UNKNOWN_ORDER,
}
"""Whole text, lower case, without the last full stop → reason (§5.2, last table)."""

_ENDINGS = (
    ("not supported for this symbol", Why.NOT_SUPPORTED),
    ("not support for this symbol", Why.NOT_SUPPORTED),
)
_BEGINNINGS = (("order book liquidity", Why.NO_LIQUIDITY),)

FILTERS: Mapping[str, Why] = {
    "PRICE_FILTER": Why.PRICE_RULE,
    "PERCENT_PRICE": Why.PRICE_RULE,
    "PERCENT_PRICE_BY_SIDE": Why.PRICE_RULE,
    "TRAILING_DELTA": Why.PRICE_RULE,
    "LOT_SIZE": Why.SIZE_RULE,
    "MARKET_LOT_SIZE": Why.SIZE_RULE,
    "ICEBERG_PARTS": Why.SIZE_RULE,
    "MAX_POSITION": Why.SIZE_RULE,
    "MAX_ASSET": Why.SIZE_RULE,
    "MIN_NOTIONAL": Why.NOTIONAL_RULE,
    "NOTIONAL": Why.NOTIONAL_RULE,
    "T_PLUS_SELL": Why.NOT_PERMITTED,
}
"""Filter → reason; every `MAX_NUM_*` and `EXCHANGE_MAX_*` is a count of open orders."""

SPOT = Refusals(
    venue=VENUE,
    authentication=AUTHENTICATION,
    reasons=REASONS,
    texts=TEXTS,
    endings=_ENDINGS,
    beginnings=_BEGINNINGS,
    filters=FILTERS,
)
refusal, reason = SPOT.refusal, SPOT.reason
