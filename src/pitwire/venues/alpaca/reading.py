"""Instants, read from Alpaca's text strictly; what cannot be read, as events of this venue.

House rules: nothing is raised here but `Unreadable`, which never leaves this package.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial

from pitwire.model.clock import SECOND
from pitwire.venues import reading
from pitwire.venues.reading import Unreadable

VENUE = "alpaca"
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}):([0-5][0-9])(?:\.([0-9]{1,9}))?"
    r"(?:Z|([+-])([0-9]{2}):([0-5][0-9]))",
    re.ASCII,
)
_DIGITS = 9
_LAST = 1 << 63
_MINUTES_KEPT = 64


_minutes: dict[str, int] = {}


def instant(text: str, path: str) -> int:
    """RFC 3339 with up to nine digits of a second, `Z` or an offset (§2.1, §4.3), → ns."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise Unreadable(path, text)
    minute, second, fraction, sign, hours, minutes = found.groups()
    at = _minutes.get(minute)
    if at is None:
        at = round(datetime.fromisoformat(minute).replace(tzinfo=UTC).timestamp()) * SECOND
        if len(_minutes) >= _MINUTES_KEPT:
            _minutes.clear()
        _minutes[minute] = at
    at += int(second) * SECOND
    if fraction:
        at += int(str(fraction).ljust(_DIGITS, "0"))
    if sign:
        ahead = (int(hours) * 3600 + int(minutes) * 60) * SECOND
        at += -ahead if sign == "+" else ahead
    if not 0 <= at < _LAST:
        raise Unreadable(path, text)
    return at


def step_of(text: str) -> int:
    """How finely an instant is written, ns: a second where it has no fraction."""
    found = _INSTANT.fullmatch(text)
    digits = len(found[3] or "") if found is not None else 0
    return SECOND // int(10**digits)


def written(at: int) -> str:
    """The venue's spelling of an instant, to the ns."""
    whole, rest = divmod(at, SECOND)
    text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:09d}Z" if rest else f"{text}Z"


malformed, unhandled = partial(reading.malformed, VENUE), partial(reading.unhandled, VENUE)
"""What a frame becomes that could not be read, or is of an unknown kind."""
