"""What is answered to a question about an order: a table of what somebody has said yes to by name.

House rules: a yes needs the question's id, and its text where the papers give one; every message of
a question needs its own. There is no default: without a name nothing is agreed to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pitwire.model.errors import ConfigError


class Known(NamedTuple):
    """One question of the papers (§7.2)."""

    id: str
    fragment: str = ""
    """What its text has in it; "" where the papers do not say."""


QUESTIONS: Mapping[str, Known] = {
    "price-percentage": Known("o163", "price exceeds the Percentage constraint of"),
    "no-market-data": Known("o354", "You are submitting an order without market data"),
    "tick-size": Known("o382", "exceeds the Tick Size Limit of"),
    "size-limit": Known("o383", "size exceeds the Size Limit of"),
    "fills-at-once": Known("o403", "This order will most likely trigger and fill immediately"),
    "total-value": Known("o451", "exceeds the Total Value Limit of"),
    "fractions-outside-hours": Known("o2165"),
    "size-modification": Known("o10138"),
    "market-order-risk": Known("o10151"),
    "stop-order-risk": Known("o10152"),
    "price-cap": Known("o10153"),
    "cash-quantity": Known("o10164"),
    "stop-order-types": Known("o10331"),
    "low-liquidity": Known("o10336"),
}
"""Our name of a question → how the venue asks it."""


class Policy:
    """Which questions are answered with yes."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._allowed: dict[str, Known] = {}
        for name in names:
            known = QUESTIONS.get(name)
            if known is None:
                expected = f"one of {', '.join(QUESTIONS)}"
                raise ConfigError(where="venue.options.answers", found=name, expected=expected)
            self._allowed[known.id] = known

    def agrees(self, ids: Sequence[str], messages: Sequence[str]) -> bool:
        """Whether each of these messages is one that may be answered with yes."""
        if not messages or len(ids) != len(messages):
            return False
        return all(self._knows(*one) for one in zip(ids, messages, strict=True))

    def _knows(self, id: str, text: str) -> bool:
        known = self._allowed.get(id)
        return known is not None and known.fragment in text


def said(ids: Sequence[str], messages: Sequence[str]) -> str:
    """A question on one line, for a person."""
    text = " / ".join(" ".join(one.split()) for one in messages)
    return f"{', '.join(ids) or 'no id'}: {text}"[:300]
