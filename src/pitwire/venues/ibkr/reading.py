"""Numbers and texts as this venue writes them, read leniently and never guessed.

House rules: a number may be a JSON number or a text with separators, a letter before it or a unit
behind it (§8.4); what is none raises `Unreadable`, which never leaves this package.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TypeAlias

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.model.events import Malformed, Unhandled

NAME = "ibkr"
UNREADABLE = (
    msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError, IndexError, KeyError,
    TypeError, AttributeError,
)  # fmt: skip
"""All that parsing hostile bytes can raise."""
Loose: TypeAlias = str | int | float | None
"""A value whose type the venue does not keep to."""
_SHOWN = re.compile(r"([A-Z]?)([+-]?)((?:\d{1,3}(?:,\d{3})+|\d{1,20})(?:\.\d{1,20})?)([KMB]?)%?")
_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9}
_OWNED = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d{1,20})(?:\.\d{1,20})?(?:[eE][+-]?\d{1,2})?")
_MOST_DIGITS = 20
_LAST_MILLISECOND = 9_223_372_036_854
"""The last ms that fits 63 bits of ns."""
NAN = float("nan")


class Unreadable(ValueError):
    """A value that is not what the venue's documents promise."""

    def __init__(self, path: str, found: object) -> None:
        super().__init__(f"{path}: found {str(found)[:40]!r}")
        self.path = path


def shown(value: object, path: str) -> tuple[str, float]:
    """A displayed number as (the letter before it, its value): `C189.60`, `1.2M`, `1,234.5`."""
    text = value if isinstance(value, str) else repr(value)
    if isinstance(value, float):
        text = f"{Decimal(text):f}"  # 5e-05 is a number as any other
    found = _SHOWN.fullmatch(text.strip()) if len(text) < 48 else None
    if found is None or isinstance(value, bool):
        raise Unreadable(path, value)
    letter, sign, digits, unit = found.groups()
    return letter, float(f"{sign}{digits.replace(',', '')}") * _UNITS[unit]


def watched(value: object, path: str) -> float:
    """A price or size of market data that cannot be negative; 0 where the venue shows none."""
    if value is None or value == "":
        return 0.0
    return max(0.0, shown(value, path)[1])


def owned(value: object, path: str) -> Decimal:
    """A number of our own account; raises `Unreadable`."""
    text = str(value).strip()
    if isinstance(value, bool) or _OWNED.fullmatch(text) is None:
        raise Unreadable(path, value)
    found = Decimal(text.replace(",", ""))
    if found and abs(found.adjusted()) > _MOST_DIGITS:
        raise Unreadable(path, value)
    return found


def amount(value: object, path: str) -> Decimal:
    """The same of one that cannot be negative: a price, a size."""
    found = owned(value, path)
    if found < 0:
        raise Unreadable(path, value)
    return found


def owned_or_none(value: object, path: str) -> Decimal | None:
    """`owned`, of one that may be left out."""
    return None if value is None or value == "" else owned(value, path)


def amount_or_none(value: object, path: str) -> Decimal | None:
    """The same of one that may be left out."""
    return None if value is None or value == "" else amount(value, path)


def instant(value: object, path: str) -> int:
    """Milliseconds since the epoch → ns; 0 where there are none."""
    if value is None or value == "":
        return 0
    if isinstance(value, bool) or not str(value).isascii() or not str(value).isdigit():
        raise Unreadable(path, value)
    found = int(str(value))
    if not 0 <= found <= _LAST_MILLISECOND:
        raise Unreadable(path, value)
    return found * MILLISECOND


def whole(value: object, path: str) -> str:
    """An id that is a number or a text of digits, as text."""
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Unreadable(path, value)
    return text


def excerpt(frame: bytes) -> str:
    """The first 80 characters, for a person."""
    return frame[:80].decode("utf-8", "replace")


def malformed(frame: bytes, now: int, error: BaseException, channel: str) -> Malformed:
    """What a frame that could not be read becomes."""
    return Malformed(NAME, "", 0, now, channel[:80], _path(error), excerpt(frame))


def unhandled(frame: bytes, now: int, channel: str) -> Unhandled:
    """What a well-formed frame of an unknown kind becomes."""
    return Unhandled(NAME, "", 0, now, channel[:80], excerpt(frame))


def _path(error: BaseException) -> str:
    if isinstance(error, Unreadable):
        return error.path
    if isinstance(error, RecursionError):
        return "nested too deeply"
    text = str(error)
    _, found, path = text.rpartition("`$")
    return f"${path.rstrip('`')}" if found else text[:80]
