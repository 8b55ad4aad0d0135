"""What a connection does unasked: it listens for life, and learns the venue's clock.

House rules: pure. Anything that arrives is life; only silence is answered with a ping, and only a
ping that stays unanswered means death.
"""

from __future__ import annotations

from enum import Enum

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.venues.venue import Heartbeat

TIME_EVERY_SECONDS = 60.0
"""How often the venue's clock is asked for on an orders connection."""
_STALE_SECONDS = 600.0
"""A measurement older than this gives way to any newer one."""
_RESOLUTION = MILLISECOND
"""Venues state their time in milliseconds, so half a step either way is not known."""


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

    def next_deadline(self, heard: int) -> int:
        """When silence since `heard` calls for something."""
        return self._pinged + self._answer if self._pinged > heard else heard + self._every

    def judge(self, heard: int, now: int) -> Sign:
        """What to do now about silence since `heard`."""
        if now < self.next_deadline(heard):
            return Sign.NOTHING
        if self._pinged > heard:
            return Sign.DEAD
        self._pinged = now
        return Sign.PING

    def reset(self) -> None:
        """A new connection has not been pinged."""
        self._pinged = 0


class Skew:
    """The venue's clock minus ours, with the bound of what we cannot know; one a session.

    Cristian's method: the venue read its clock somewhere between our sending and our receiving,
    so the middle is wrong by at most half the round trip.
    """

    def __init__(self) -> None:
        self.offset = 0
        self.error = 0
        self._measured = 0

    def take(self, *, sent: int, received: int, server_time: int) -> bool:
        """Consider a measurement; True when it is the better one and was taken."""
        error = (received - sent) // 2 + _RESOLUTION // 2
        stale = received - self._measured > _STALE_SECONDS * SECOND
        apart = abs(server_time - (sent + received) // 2 - self.offset)
        # One that contradicts what we believe is taken too: a clock was moved.
        if not stale and error >= self.error and apart <= error + self.error:
            return False
        self.offset = server_time + _RESOLUTION // 2 - (sent + received) // 2
        self.error = error
        self._measured = received
        return True
