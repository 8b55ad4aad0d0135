"""Errors over REST, which come as any status, and as 200 too (§3), to our error tree.

House rules: refused means that nothing was done; whatever may have been done, or nobody knows,
proves nothing. A status of 503 or 500 to an order proves nothing (§3: the back end took too long),
nor does one that no paper has. That a question was refused says nothing of the order it was about.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.errors import (
    AuthenticationFailed,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    RemoteError,
    RequestRejected,
    VenueUnavailable,
)
from pitwire.model.orders import RejectReason
from pitwire.venues.ibkr.reading import NAME, UNREADABLE
from pitwire.venues.reading import excerpt

PENALTY_SECONDS = 600.0
"""The penalty box (§9); one note of 2026 says fifteen minutes."""
AGAIN_SECONDS = 15.0
"""How often a session that is not ours at the moment is asked about."""
_REASONS: Mapping[str, RejectReason] = {
    "already registered": RejectReason.DUPLICATE_ID,
    "doesn't exist": RejectReason.UNKNOWN_ORDER,
    "not found": RejectReason.UNKNOWN_ORDER,
    "not confirmed": RejectReason.NOT_PERMITTED,
    "time-in-force": RejectReason.BAD_PARAMETER,
    "available funds": RejectReason.INSUFFICIENT_FUNDS,
    "insufficient": RejectReason.INSUFFICIENT_FUNDS,
    "minimum price variation": RejectReason.PRICE_RULE,
    "limit price": RejectReason.PRICE_RULE,
    "order size": RejectReason.SIZE_RULE,
    "quantity": RejectReason.SIZE_RULE,
    "cannot be cast": RejectReason.BAD_PARAMETER,
    "missing required": RejectReason.BAD_PARAMETER,
}
"""A part of the text, in small letters → the reason. The venue has no codes."""
COMMANDS = frozenset(("place", "cancel", "amend", "test"))
"""What is to do something about one order; a question after it is none."""
_SAYS_NO = frozenset((400, 401, 403, 404, 429))
"""With these the venue did nothing (§3)."""


def error_in(body: bytes) -> str | None:
    """The text of an error body; None where it is none."""
    try:
        found = msgspec.json.decode(body)
    except UNREADABLE:
        return None
    text = found.get("error") if isinstance(found, dict) else None
    return text[:400] if isinstance(text, str) and text else None


def reason_of(text: str) -> RejectReason:
    """Why, as far as the text tells."""
    low = text.lower()
    return next((why for part, why in _REASONS.items() if part in low), RejectReason.OTHER)


def refused(text: str, what: str, status: int = 200, order_id: str = "") -> RemoteError:
    """The venue said no in so many words: nothing was done."""
    reason = reason_of(text)
    if what in COMMANDS:
        return OrderRejected(
            venue=NAME, code=status, text=text, reason=reason.value, order_id=order_id
        )
    return RequestRejected(venue=NAME, code=status, text=text, request=what)


def failure(what: str, status: int, body: bytes, now: int, order_id: str = "") -> RemoteError:
    """What an answer that is not 200 means for what was asked (`place`, `status`, `login`, …)."""
    text = error_in(body) or f"HTTP {status}: {excerpt(body)}"
    if status == 429:
        until = now + round(PENALTY_SECONDS * SECOND)
        return RateLimited(venue=NAME, code=status, text=text, until=until, banned=True)
    if status == 401:
        if what == "login":
            return AuthenticationFailed(venue=NAME, code=status, text=LOG_IN, hint="permission")
        # Who is not logged in has done nothing, and a person at the gateway can mend it.
        return RequestRejected(venue=NAME, code=status, text=text, request=what)
    if status not in _SAYS_NO and what in ("place", "cancel", "amend"):
        return OutcomeUnknown(venue=NAME, code=status, text=text, request=what)
    if status >= 500:
        return VenueUnavailable(venue=NAME, code=status, text=text)
    if status in (400, 404):
        return refused(text, what, status, order_id)
    return RequestRejected(venue=NAME, code=status, text=text, request=what)


LOG_IN = "nobody is logged in at the gateway: a person has to, in a browser at its address"


def unavailable(text: str, now: int) -> VenueUnavailable:
    """The session is not to be had at the moment; it is asked about again soon."""
    until = now + round(AGAIN_SECONDS * SECOND)
    return VenueUnavailable(venue=NAME, text=text, until=until)
