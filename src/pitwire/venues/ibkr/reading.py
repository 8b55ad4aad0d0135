"""Numbers and texts as this venue writes them, read leniently and never guessed.

House rules: a number may be a JSON number or a text with separators, a letter before it or a unit
behind it (§8.4); what is none raises `Unreadable`, which never leaves this package.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import partial
from typing import TypeAlias

from pitwire.model.clock import MILLISECOND
from pitwire.venues import reading
from pitwire.venues.reading import Unreadable

NAME = "ibkr"
UNREADABLE = (*reading.UNREADABLE, KeyError, TypeError, AttributeError)
"""All that parsing hostile bytes can raise, here where types are not kept to."""
Loose: TypeAlias = str | int | float | None
"""A value whose type the venue does not keep to."""
_SHOWN = re.compile(r"([A-Z]?)([+-]?)((?:\d{1,3}(?:,\d{3})+|\d{1,20})(?:\.\d{1,20})?)([KMB]?)%?")
_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9}
_OWNED = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d{1,20})(?:\.\d{1,20})?(?:[eE][+-]?\d{1,2})?")
_MOST_DIGITS = 20
_LAST_MILLISECOND = 9_223_372_036_854
"""The last ms that fits 63 bits of ns."""
NAN = float("nan")


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


malformed, unhandled = partial(reading.malformed, NAME), partial(reading.unhandled, NAME)
"""What a frame becomes that could not be read, or is of an unknown kind."""
