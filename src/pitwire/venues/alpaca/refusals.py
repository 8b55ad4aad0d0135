"""From Alpaca's HTTP statuses, codes and texts to our error tree (alpaca §2.4, §5.8).

House rules: total over codes, known or not; what may have been executed is never called refused; a
refusal of an order says why in a word rules can depend on.
"""

from __future__ import annotations

from collections.abc import Mapping

from pitwire.model import errors
from pitwire.model.clock import SECOND
from pitwire.model.orders import RejectReason as Why
from pitwire.venues.alpaca.reading import VENUE

COMMANDS = frozenset(("place", "cancel"))
"""Purposes of requests that the venue acts on."""
_DUPLICATE = "client_order_id must be unique"
_UNKNOWN_ORDER = 404
_LAST_SECOND = 1 << 33

CODES: Mapping[int, Why] = {
    40310000: Why.NOT_PERMITTED,
    40310100: Why.NOT_PERMITTED,
    40410000: Why.UNKNOWN_ORDER,
    40010001: Why.BAD_PARAMETER,
    40010000: Why.BAD_PARAMETER,
    42210000: Why.OTHER,
    42910000: Why.RATE_LIMIT,
}
"""Code → reason where the text does not say it better."""

TEXTS: tuple[tuple[str, Why], ...] = (
    ("insufficient", Why.INSUFFICIENT_FUNDS),
    ("wash trade", Why.SELF_TRADE),
    (_DUPLICATE, Why.DUPLICATE_ID),
    ("sub-penny", Why.PRICE_RULE),
    ("limit_price", Why.PRICE_RULE),
    ("stop price must be", Why.WOULD_TRIGGER),
    ("stop_price", Why.PRICE_RULE),
    ("is not tradable", Why.MARKET_CLOSED),
    ("cannot be sold short", Why.NOT_PERMITTED),
    ("not allowed to short", Why.NOT_PERMITTED),
    ("is already in", Why.UNKNOWN_ORDER),
    ("order not found", Why.UNKNOWN_ORDER),
    ("notional", Why.NOTIONAL_RULE),
    ("cost basis", Why.NOTIONAL_RULE),
    ("qty", Why.SIZE_RULE),
)
"""What the text contains → reason; the first that does counts."""

_AT_LOGIN: Mapping[int, str] = {402: "key", 408: "permission", 409: "permission", 411: "permission"}
"""Codes of the market stream that no waiting heals (§2.6) → hint."""
_BUSY = frozenset((404, 406, 500))
"""Codes that it does: nobody was heard in time, another connection is held on to, its own fault."""


def reason(code: int, text: str) -> Why:
    """Why an order was refused, from the text where it says, else from the code."""
    folded = text.lower()
    for part, why in TEXTS:
        if part in folded:
            return why
    return CODES.get(code, Why.OTHER)


def login_refused(code: int, text: str) -> errors.RemoteError:
    """A market stream that does not let us in (§2.4)."""
    if code in _BUSY:
        return errors.VenueUnavailable(venue=VENUE, code=code, text=text)
    hint = _AT_LOGIN.get(code, "key")
    return errors.AuthenticationFailed(venue=VENUE, code=code, text=text, hint=hint)


def asking_refused(code: int, text: str) -> errors.RemoteError:
    """A market stream that does not send what was asked for (§2.4)."""
    if code in _BUSY:
        return errors.VenueUnavailable(venue=VENUE, code=code, text=text)
    return errors.SubscriptionRejected(venue=VENUE, code=code, text=text)


def refusal(
    purpose: str,
    status: int,
    code: int,
    text: str,
    headers: Mapping[str, str],
    *,
    order_id: str = "",
) -> errors.RemoteError:
    """What an HTTP answer that is no yes proves (§5.8); `code` is the body's, else the status."""
    code = code or status
    if status == 429:
        return errors.RateLimited(
            venue=VENUE, code=code, text=text, until=_reset(headers), limit="weight"
        )
    if status >= 500 or status in (408, 425):
        return _unavailable(purpose, code, text)
    if status == 401 or (status == 403 and code == status):
        hint = "key" if status == 401 else "permission"
        return errors.AuthenticationFailed(venue=VENUE, code=code, text=text, hint=hint)
    if purpose == "place" and _DUPLICATE in text.lower():
        # The venue has an order of this id: it refuses a copy, and the other may be ours.
        return errors.OutcomeUnknown(venue=VENUE, code=code, text=text, request=purpose)
    if purpose in COMMANDS or purpose == "status":
        why = Why.UNKNOWN_ORDER if _knows_none(purpose, status) else reason(code, text)
        if purpose == "status" and why is not Why.UNKNOWN_ORDER:
            return errors.RequestRejected(venue=VENUE, code=code, text=text, request=purpose)
        return errors.OrderRejected(
            venue=VENUE, code=code, text=text, reason=why.value, order_id=order_id
        )
    return errors.RequestRejected(venue=VENUE, code=code, text=text, request=purpose)


def _knows_none(purpose: str, status: int) -> bool:
    # A path of our own that is wrong is a 404 as well, but not on the ways that are known to be.
    return purpose in ("status", "cancel") and status == _UNKNOWN_ORDER


def _unavailable(purpose: str, code: int, text: str) -> errors.RemoteError:
    if purpose in COMMANDS:
        return errors.OutcomeUnknown(venue=VENUE, code=code, text=text, request=purpose)
    return errors.VenueUnavailable(venue=VENUE, code=code, text=text)


def _reset(headers: Mapping[str, str]) -> int:
    """When the limit counts anew, ns (§5.2); 0 where it is not said."""
    text = headers.get("x-ratelimit-reset", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return 0
    seconds = int(text)
    return seconds * SECOND if seconds < _LAST_SECOND else 0


def used_weight(headers: Mapping[str, str]) -> int:
    """The venue's own count of requests in the present minute (§5.2), -1 where it is not said."""
    limit, left = (headers.get(f"x-ratelimit-{name}", "") for name in ("limit", "remaining"))
    if not all(text.isascii() and text.isdigit() and len(text) <= 7 for text in (limit, left)):
        return -1
    return max(0, int(limit) - int(left))
