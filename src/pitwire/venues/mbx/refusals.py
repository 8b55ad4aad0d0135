"""From the family's error codes and texts to our error tree (binance §5.2, §7.1, §8, §11.8).

House rules: total over codes, known or not; what may have been executed is never called refused;
a refusal of an order says why in a word rules can depend on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.errors import (
    AuthenticationFailed,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    RemoteError,
    RequestRejected,
    SubscriptionRejected,
    VenueUnavailable,
)
from pitwire.model.orders import RejectReason as Why


class Asked(StrEnum):
    """What sort of request an answer belongs to; the same code means different things."""

    STREAM = "stream"
    LOGIN = "login"
    QUESTION = "question"
    STATUS = "status"
    """A question about one order."""
    TEST = "test"
    """An order that is only checked."""
    COMMAND = "command"
    """What the venue acts on: place, cancel, replace, amend."""


class Context(msgspec.Struct, frozen=True):
    """What is known about a refused request."""

    asked: Asked
    request: str
    now: int
    status: int = 0
    order_id: str = ""
    until: int = 0
    """When the venue says to ask again, in ns; 0 when it does not."""


AUTHENTICATION: Mapping[int, str] = {
    -1002: "permission",
    -1022: "signature",
    -2014: "key",
    -2015: "permission",
}
"""Code → hint. -1021 is one only at login: later it is one late message, not a wrong clock."""

THROTTLED: Mapping[int, str] = {-1003: "weight", -1015: "orders", -1034: "dials"}
UNPROVEN = frozenset({-1000, -1001, -1006, -1007})
"""The venue itself does not know whether it acted; -1000 and -1001 come with a 5xx (§5.1)."""
OVERLOADED = frozenset({-1008, -1016})

_BAD = (
    -1014, -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108, -1114, -1115, -1116, -1117,
    -1118, -1119, -1120, -1122, -1125, -1127, -1128, -1130, -1134, -1135, -1139, -1145, -1151,
    -1158, -1160, -1168, -1194, -1210, -1211, -1222, -1223, -1224, -1225,
)  # fmt: skip

REQUEST_REASONS: Mapping[int, Why] = {
    **dict.fromkeys(_BAD, Why.BAD_PARAMETER),
    **dict.fromkeys((-1165, -1166, -1196, -1197, -1198, -1199), Why.PRICE_RULE),
    **dict.fromkeys((-1020, -1152, -1153, -1155, -1161), Why.NOT_SUPPORTED),
    **dict.fromkeys((-1010, -1013), Why.OTHER),
    **dict.fromkeys((-1003, -1015), Why.RATE_LIMIT),
    -1021: Why.CLOCK,
    -1111: Why.BAD_PARAMETER,
    -1112: Why.NO_LIQUIDITY,
    -1121: Why.UNKNOWN_SYMBOL,
    -1220: Why.MARKET_CLOSED,
}
"""Code → reason, for what is wrong with a request on any venue of the family (§5.2)."""

_FILTER = "filter failure: "
_BANNED_UNTIL = re.compile(r"banned until (\d{13})\b")
_WINDOW = re.compile(r"per (\d{1,4}) (SECOND|MINUTE|HOUR|DAY)")
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}


class Refusals(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's codes and texts, and what they mean."""

    venue: str
    authentication: Mapping[int, str]
    reasons: Mapping[int, Why]
    """Code → reason where the text does not say it better."""
    texts: Mapping[str, Why] = {}
    """Whole text, lower case, without the last full stop → reason."""
    endings: tuple[tuple[str, Why], ...] = ()
    beginnings: tuple[tuple[str, Why], ...] = ()
    filters: Mapping[str, Why] = {}
    """Filter → reason; every `MAX_NUM_*` and `EXCHANGE_MAX_*` is a count of open orders."""

    def refusal(self, code: int, text: str, context: Context) -> RemoteError:
        """The error that a code and its text are, for this sort of request."""
        venue = self.venue
        if code in THROTTLED or context.status in (418, 429):
            return _throttled(venue, code, text, context)
        if code in UNPROVEN or code in OVERLOADED or context.status >= 500:
            return _unavailable(venue, code, text, context)
        if code in self.authentication:
            hint = self.authentication[code]
            return AuthenticationFailed(venue=venue, code=code, text=text, hint=hint)
        if context.status == 403:
            return _firewall(venue, code, text, context)
        if not code and context.status in (401, 451):
            hint = "key" if context.status == 401 else "address"
            return AuthenticationFailed(venue=venue, code=code, text=text, hint=hint)
        return self._refused(code, text, context)

    def reason(self, code: int, text: str) -> Why:
        """Why an order was refused, from the text where it says, else from the code."""
        folded = text.strip().rstrip(".").replace("`", "").lower()
        if folded.startswith(_FILTER):
            return self._by_filter(folded[len(_FILTER) :].upper())
        if folded in self.texts:
            return self.texts[folded]
        for ending, why in self.endings:
            if folded.endswith(ending):
                return why
        for beginning, why in self.beginnings:
            if folded.startswith(beginning):
                return why
        if code == -1111:
            return _by_parameter(folded)
        return self.reasons.get(code, Why.OTHER)

    def _by_filter(self, name: str) -> Why:
        if name.startswith(("MAX_NUM_", "EXCHANGE_MAX_")):
            return Why.ORDER_COUNT_RULE
        return self.filters.get(name, Why.OTHER)

    def _refused(self, code: int, text: str, context: Context) -> RemoteError:
        venue, request = self.venue, context.request
        match context.asked:
            case Asked.STREAM:
                return SubscriptionRejected(venue=venue, code=code, text=text, channel=request)
            case Asked.LOGIN:
                # Whatever the code, a login that is refused has failed (§5.6: code unconfirmed).
                hint = "clock" if code == -1021 else "key"
                return AuthenticationFailed(venue=venue, code=code, text=text, hint=hint)
            case Asked.QUESTION:
                return RequestRejected(venue=venue, code=code, text=text, request=request)
            case _:
                why = self.reason(code, text)
        if context.asked is Asked.STATUS and why is not Why.UNKNOWN_ORDER:
            return RequestRejected(venue=venue, code=code, text=text, request=request)
        return OrderRejected(
            venue=venue, code=code, text=text, reason=why.value, order_id=context.order_id
        )


def _by_parameter(folded: str) -> Why:
    if "price" in folded:
        return Why.PRICE_RULE
    return Why.SIZE_RULE if "quantity" in folded or "qty" in folded else Why.BAD_PARAMETER


def _unavailable(venue: str, code: int, text: str, context: Context) -> RemoteError:
    # §5.1: on any 5xx the execution is unknown; -1008 and -1016 below that are plain refusals.
    unproven = code in UNPROVEN or context.status >= 500
    if context.asked is Asked.COMMAND and unproven:
        return OutcomeUnknown(venue=venue, code=code, text=text, request=context.request)
    return VenueUnavailable(venue=venue, code=code, text=text, until=context.until)


def _throttled(venue: str, code: int, text: str, context: Context) -> RateLimited:
    banned = _BANNED_UNTIL.search(text)
    until = context.until or (int(banned[1]) * 1_000_000 if banned else 0)
    return RateLimited(
        venue=venue,
        code=code,
        text=text,
        until=until or _window_end(text, context.now),
        limit=THROTTLED.get(code, "weight"),
        banned=context.status == 418 or banned is not None,
    )


def _window_end(text: str, now: int) -> int:
    # §8: windows are aligned to wall clock; a minute is the weight window when none is named.
    found = _WINDOW.search(text)
    length = (int(found[1]) * _SECONDS[found[2]] if found else 60) * SECOND
    return now - now % length + length if length else now


def _firewall(venue: str, code: int, text: str, context: Context) -> RateLimited:
    # §5.1, §9: 403 is the web firewall; it names no time, so one weight window is waited for.
    until = context.until or context.now + 60 * SECOND
    return RateLimited(venue=venue, code=code, text=text, until=until, limit="firewall")
