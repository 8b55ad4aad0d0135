"""What a connection does unasked: it listens for life.

House rules: pure. Anything that arrives is life; only silence is answered with a ping, and only a
ping that stays unanswered means death.
"""

from __future__ import annotations

from enum import Enum

from pitwire.model.clock import SECOND
from pitwire.venues.venue import Heartbeat


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
        self._pinged = self._out = 0
        self._is_sole = False
        """Whether no other ping was out when the last one went."""
        self.quickest = 0
        """The shortest time in which this connection brought an answer, in ns; 0: none came."""

    @property
    def all_answered(self) -> bool:
        """Whether a pong has come for each ping."""
        return not self._out

    def next_deadline(self, heard: int) -> int:
        """When silence since `heard` calls for something."""
        if self._pinged > heard:
            return self._pinged + self._answer
        return heard + self._every

    def answer_due(self, heard: int, within: int) -> int | None:
        """When the ping that is out will have been so long without a sign of life; None while none
        is out."""
        return self._pinged + within if self._pinged > heard else None

    def unanswered(self, heard: int, now: int) -> int:
        """For how long a ping has been out without a sign of life."""
        return now - self._pinged if self._pinged > heard else 0

    def judge(self, heard: int, now: int) -> Sign:
        """What to do now about silence since `heard`."""
        if self._pinged > heard:
            return Sign.DEAD if now >= self._pinged + self._answer else Sign.NOTHING
        if now < heard + self._every:
            return Sign.NOTHING
        self.ping(now)
        return Sign.PING

    def ping(self, now: int) -> None:
        """A ping goes out, in its turn or not."""
        self._pinged, self._is_sole = now, not self._out
        self._out += 1

    def answered(self, now: int) -> None:
        """A pong came. Only of a ping that is out alone is it plain that this answers it."""
        if self._is_sole and self._out:
            self.took(now - self._pinged)
        self._is_sole, self._out = False, max(0, self._out - 1)

    def took(self, spell: int) -> None:
        """So long, in ns, this connection took to bring an answer."""
        self.quickest = min(self.quickest or spell, spell)

    def reset(self) -> None:
        """A new connection has not been pinged, and how quick it is nobody knows."""
        self._pinged = self._out = 0
        self._is_sole, self.quickest = False, 0
