"""`Retry-After` in both of its forms (RFC 9110 §10.2.3): seconds, or an HTTP date.

House rules: pure; a date is measured from the answer's own `Date`, so that the server's clock need
not be right; nonsense names no time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from pitwire.model.clock import SECOND

MOST_SECONDS = 7 * 86_400.0
"""A longer wait is taken for this one: nobody is sent away for years by a slip."""
_DIGITS = 9
"""A number with more is no time."""


def retry_after_seconds(headers: Mapping[str, str], now: int) -> float | None:
    """How long an answer with these lower-case header names asks to wait; None: it does not say.

    `now` is in ns since the epoch and is used where the answer carries no `Date`.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MOST_SECONDS) if len(text) <= _DIGITS else None
    named = _instant(text)
    if named is None:
        return None
    since = _instant(headers.get("date", ""))
    if since is None:
        since = now / SECOND
    return min(max(named - since, 0.0), MOST_SECONDS)


def _instant(text: str) -> float | None:
    """Seconds since the epoch; a date without a zone is in GMT, as all HTTP dates are."""
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
