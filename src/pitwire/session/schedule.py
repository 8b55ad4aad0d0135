"""When a connection gives way to another: before the venue cuts it, and when the user says so.

House rules: pure. The venue's limit is never tried: a connection rolls a margin before it, each at
a moment of its own, so that no two of a feed are replaced together.
"""

from __future__ import annotations

import re

from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.session.backoff import Chance

MOST_COPIES = 4
"""Of the same asks; more would only spend the venue's limits."""
MARGIN = 1 / 48
"""How much of its life a connection has left at its roll, at least: half an hour of a day."""
SPREAD = 1 / 144
"""How much earlier chance may move a roll: ten minutes of a day."""
BETWEEN = 1 / 96
"""How much earlier the next copy of the same feed rolls: a quarter of an hour of a day."""
DAY = 86_400 * SECOND
JITTER_SECONDS = 10.0
"""How much later than the named time of day chance may move a roll."""
APART_SECONDS = 20.0
"""How long after one copy another of the same feed begins, where a time of day is named."""

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


def parse_roll_at(text: str) -> int | None:
    """Minutes after midnight UTC; None for "". Raises `ConfigError` for what is no time of day."""
    if text == "":
        return None
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        expected = "a time of day in UTC, as 04:30"
        raise ConfigError(where="roll_at", found=text, expected=expected)
    return int(found[1]) * 60 + int(found[2])


class Schedule:
    """When the connections of a session are due."""

    def __init__(self, *, life_seconds: float, roll_at: int | None, chance: Chance) -> None:
        self._life = life_seconds
        self._roll_at = roll_at
        self._chance = chance

    def due(self, opened: int, *, place: int = 0) -> int | None:
        """When a connection that was opened then is due; `place` counts the copies of its feed."""
        times = []
        if self._life > 0:
            early = MARGIN + BETWEEN * place + self._chance.uniform(0.0, SPREAD)
            times.append(opened + round(self._life * (1 - min(early, 0.5)) * SECOND))
        if self._roll_at is not None:
            later = APART_SECONDS * place + self._chance.uniform(0.0, JITTER_SECONDS)
            times.append(self._next(opened) + round(later * SECOND))
        return min(times) if times else None

    def _next(self, after: int) -> int:
        """The next time of day that was named."""
        assert self._roll_at is not None
        midnight = after // DAY * DAY
        at = midnight + self._roll_at * 60 * SECOND
        return at if at > after else at + DAY
