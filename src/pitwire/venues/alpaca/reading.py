"""Owned numbers and instants, read from Alpaca's text strictly; what cannot be read, as events.

House rules: a decimal is plain digits and nothing else; hostile bytes become one `Malformed` or
`Unhandled`; nothing is raised here but `Unreadable`, which never leaves this package.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.events import Malformed, Unhandled

VENUE = "alpaca"
UNREADABLE = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError, IndexError)
"""All that parsing hostile bytes can raise: `ValueError` covers bad UTF-8 and `Unreadable`."""

_AMOUNT = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
_SIGNED = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}):([0-5][0-9])(?:\.([0-9]{1,9}))?"
    r"(?:Z|([+-])([0-9]{2}):([0-5][0-9]))",
    re.ASCII,
)
_DIGITS = 9
_LAST = 1 << 63
_MINUTES_KEPT = 64


class Unreadable(ValueError):
    """A value that is not what the venue's documents promise."""

    def __init__(self, path: str, found: str) -> None:
        super().__init__(f"{path}: found {found[:40]!r}")
        self.path = path


def amount(text: str, path: str) -> Decimal:
    """A number that cannot be negative: a price, a size."""
    if _AMOUNT.fullmatch(text) is None:
        raise Unreadable(path, text)
    return Decimal(text)


def signed(text: str, path: str) -> Decimal:
    """A number that may be negative: cash, a position."""
    if _SIGNED.fullmatch(text) is None:
        raise Unreadable(path, text)
    return Decimal(text)


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


def refuse_doubled_keys(frame: bytes) -> None:
    """Raise `Unreadable` when an object in the frame has the same key twice."""
    json.loads(frame, object_pairs_hook=_single)


def _single(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise Unreadable(next(name for name in names if names.count(name) > 1), "the key twice")
    return found


def excerpt(frame: bytes) -> str:
    """The first 80 characters, for a person."""
    return frame[:80].decode("utf-8", "replace")


def malformed(frame: bytes, now: int, error: BaseException, channel: str = "") -> Malformed:
    """What a frame that could not be read becomes."""
    return Malformed(VENUE, "", 0, now, channel[:80], _path(error), excerpt(frame))


def unhandled(frame: bytes, now: int, channel: str) -> Unhandled:
    """What a well-formed message of an unknown kind becomes."""
    return Unhandled(VENUE, "", 0, now, channel[:80], excerpt(frame))


def _path(error: BaseException) -> str:
    if isinstance(error, Unreadable):
        return error.path
    if isinstance(error, RecursionError):
        return "nested too deeply"
    text = str(error)
    _, found, path = text.rpartition("`$")
    return f"${path.rstrip('`')}" if found else text[:80]
