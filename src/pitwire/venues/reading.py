"""What readers of every dialect need: strict numbers, and what unreadable bytes are told as.

House rules: a decimal is plain digits and nothing else (no exponent, no sign where none belongs);
hostile bytes become one `Malformed` or `Unhandled`; nothing is raised here but `Unreadable`, which
never leaves the dialects.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal

import msgspec

from pitwire.model.events import Malformed, Unhandled

UNREADABLE = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError, IndexError)
"""All that parsing hostile bytes can raise: `ValueError` covers bad UTF-8 and `Unreadable`."""

_AMOUNT = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_SIGNED = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")


class Unreadable(ValueError):
    """A value that is not what the venue's documents promise."""

    def __init__(self, path: str, found: object) -> None:
        super().__init__(f"{path}: found {str(found)[:40]!r}")
        self.path = path


def amount(text: str, path: str) -> Decimal:
    """A number that cannot be negative: a price, a size, a balance."""
    if _AMOUNT.fullmatch(text) is None:
        raise Unreadable(path, text)
    return Decimal(text)


def signed(text: str, path: str) -> Decimal:
    """A number that may be negative: a fee, a position."""
    if _SIGNED.fullmatch(text) is None:
        raise Unreadable(path, text)
    return Decimal(text)


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


def malformed(
    venue: str, frame: bytes, now: int, error: BaseException, channel: str = ""
) -> Malformed:
    """What a frame that could not be read becomes."""
    return Malformed(venue, "", 0, now, channel[:80], _path(error), excerpt(frame))


def unhandled(venue: str, frame: bytes, now: int, channel: str) -> Unhandled:
    """What a well-formed message of an unknown kind becomes."""
    return Unhandled(venue, "", 0, now, channel[:80], excerpt(frame))


def _path(error: BaseException) -> str:
    if isinstance(error, Unreadable):
        return error.path
    if isinstance(error, RecursionError):
        return "nested too deeply"
    text = str(error)
    _, found, path = text.rpartition("`$")
    return f"${path.rstrip('`')}" if found else text[:80]
