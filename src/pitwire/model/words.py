"""Words with a fixed meaning: text enumerations that are cheap to look up."""

from __future__ import annotations

from enum import StrEnum


class Word(StrEnum):
    """A `StrEnum` that is hashed as the text it is.

    `Enum` hashes by a call into Python, five times the cost of a look-up; orders are looked up by
    such words at every step of their way.
    """

    __hash__ = str.__hash__
