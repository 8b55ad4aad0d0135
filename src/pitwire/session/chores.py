"""What a connection does unasked: it listens for life.

House rules: pure. Anything that arrives is life; only silence is answered with a ping, and only a
ping that stays unanswered means death.
"""

from __future__ import annotations

from enum import Enum

from pitwire.model.clock import SECOND
from pitwire.venues.venue import Heartbeat

HASTE_SECONDS = 1.5
"""A connection that is never silent for so long is pinged at once when it is."""
_HASTE = round(HASTE_SECONDS * SECOND)


class Sign(Enum):
    """What silence calls for."""

    NOTHING = "nothing"
    PING = "ping"
    DEAD = "dead"


class Pulse:
    """Judges the silence of a whole connection."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._every = round(heartbeat.ping_every_seconds * SECOND)
        self._answer = round(heartbeat.answer_within_seconds * SECOND)
        self._pinged = 0
        self.hasty = False
        """Whether silence is unusual here; then the first ping does not wait for its turn."""

    def next_deadline(self, heard: int) -> int:
        """When silence since `heard` calls for something."""
        if self._pinged > heard:
            return self._pinged + self._answer
        return heard + (min(_HASTE, self._every) if self.hasty else self._every)

    def unanswered(self, heard: int, now: int) -> int:
        """For how long a ping has been out without a sign of life."""
        return now - self._pinged if self._pinged > heard else 0

    def judge(self, heard: int, now: int) -> Sign:
        """What to do now about silence since `heard`."""
        if now < self.next_deadline(heard):
            return Sign.NOTHING
        if self._pinged > heard:
            return Sign.DEAD
        self._pinged = now
        return Sign.PING

    def ping(self, now: int) -> None:
        """A ping goes out of turn."""
        self._pinged = now

    def reset(self) -> None:
        """A new connection has not been pinged."""
        self._pinged, self.hasty = 0, False
