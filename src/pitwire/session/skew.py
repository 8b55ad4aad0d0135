"""The venue's clock minus ours, with the bound of what we cannot know; one a session.

House rules: pure, integer nanoseconds. A measurement narrows what was known, and what is known
widens with its age, since two clocks drift apart; a measurement that contradicts it replaces it.
"""

from __future__ import annotations

from pitwire.model.clock import MILLISECOND, SECOND, drift
from pitwire.model.events import ClockAlarm, ClockOffset, Event

TIME_EVERY_SECONDS = 60.0
"""How often the venue's clock is asked for; more often while too little is known of it."""
TIME_SOON_SECONDS = 10.0
TIME_NEAR_SECONDS = 1.0
"""How often while the offset may be passing the alarm's edge at this moment."""
GOOD_SECONDS = 0.035
"""A bound that is good enough to ask seldom: a minute of drift later it is below 50 ms."""
ALARM_SECONDS = 0.25
"""A venue's clock further from ours than this is told."""
TRANSIT = 250 * MILLISECOND
"""What an event is assumed to need at most from the venue to us, where no question was asked."""
_RESOLUTION = MILLISECOND
"""Most venues state their time in milliseconds, so half a step either way is not known."""
_COARSE = 100 * MILLISECOND
"""A clock that is told less finely says whether ours can be right, and not how wrong it is."""
_ALARM = round(ALARM_SECONDS * SECOND)
_CALM = _ALARM * 4 // 5
_SURE = 50 * MILLISECOND
"""What is known better than this raises the alarm as soon as it may be due."""
_UNKNOWN = 60 * SECOND
"""How far apart the clocks are taken to be at most while nothing is known of them."""
_LASTS = 600 * SECOND
"""A measurement older than this gives way to what the events say."""
_WORTH_TELLING = 5 * MILLISECOND
_DOUBT_AGAIN = 10 * SECOND
_STEP = 100 * MILLISECOND
"""The wall clock was stepped when it has moved by more than this between two looks; what moves it
less is somebody keeping it right."""


class Skew:
    """What is known of the venue's clock, and of the wall clock beneath ours.

    Cristian's method: the venue read its clock somewhere between our sending and our receiving,
    so the middle is wrong by at most half the round trip. Two such bounds hold both.
    """

    def __init__(self) -> None:
        self.offset = 0
        self.error = 0
        """Its bound at the time of the measurement; `bound` says what has become of it."""
        self.known = self.measured = False
        """Whether anything is known of it, and whether by a question that was answered."""
        self._doubted = False
        """Whether what came speaks against what is known, and nobody has asked since."""
        self._asked_at = 0
        self._at = 0
        self._alarmed = False
        self._jump = 0

    def bound(self, now: int) -> int:
        """How wrong `offset` may be by now."""
        return self.error + drift(max(0, now - self._at))

    def span(self, at: int, now: int) -> tuple[int, int]:
        """The earliest and the latest that the venue's clock may have said at a past time of
        ours."""
        bound = self.bound(now) if self.known else _UNKNOWN
        return at + self.offset - bound, at + self.offset + bound

    def ask_after(self, now: int) -> int:
        """How long to wait before the venue's clock is asked for again, in ns."""
        bound, usual = self.bound(now), round(TIME_EVERY_SECONDS * SECOND)
        if self.measured and abs(abs(self.offset) - _ALARM) <= bound + drift(usual) < 2 * _SURE:
            return round(TIME_NEAR_SECONDS * SECOND)
        soon = not self.measured or bound > GOOD_SECONDS * SECOND
        return round(TIME_SOON_SECONDS * SECOND) if soon else usual

    def take(self, *, sent: int, received: int, server_time: int, step: int = _RESOLUTION) -> bool:
        """Consider a measurement; True when it has taught us anything.

        `step`: how finely the venue stated its time, ns; what is finer was cut off.
        """
        error = (received - sent) // 2 + step // 2
        middle = server_time + step // 2 - (sent + received) // 2
        low, high = middle - error, middle + error
        if self.measured:
            bound = self.bound(received)
            known = (self.offset - bound, self.offset + bound)
            # One that contradicts what we believe replaces it: a clock was moved.
            if low <= known[1] and high >= known[0]:
                low, high = max(low, known[0]), min(high, known[1])
                if (low, high) == known:
                    return False
        if step > _COARSE:
            # What we believe stands unless it cannot be: the middle would be half a step off.
            offset = min(max(self.offset, low), high)
            self._set(offset, max(high - offset, offset - low), received, measured=True)
            return True
        self._set((low + high) // 2, (high - low + 1) // 2, received, measured=True)
        return True

    def observe(self, least: int, now: int) -> bool:
        """Consider how late the least late of several events was; True when that is news.

        No event comes from the future, so the venue's clock is ahead at least by what makes it
        look so. Where nobody could ask, that is all there is to know.
        """
        floor = -least
        if self.measured and now - self._at < _LASTS:
            if floor <= self.offset + self.bound(now) + _STEP:
                return False
            self._set(floor, TRANSIT, now, measured=False)
            return True
        if self.known and not self.measured:
            floor = max(floor, self.offset - drift(now - self._at))
            if abs(floor - self.offset) < _WORTH_TELLING and now - self._at < _LASTS:
                return False
        self._set(floor, TRANSIT, now, measured=False)
        return True

    @property
    def measured_at(self) -> int:
        """When it was measured, ns; what was seen by then says nothing against it. -1: never."""
        return self._at if self.measured else -1

    def contradicts(self, least: int, now: int) -> bool:
        """Whether an event so late seems to come from the future of a measured clock."""
        return self.measured and -least > self.offset + self.bound(now) + _STEP

    def doubt(self) -> None:
        """Any connection may find that the venue should be asked, whichever asks."""
        self._doubted = True

    def settles(self, now: int) -> bool:
        """Whether to ask now, as there is a doubt; one that comes soon after another waits."""
        if not self._doubted or now - self._asked_at < _DOUBT_AGAIN:
            return False
        self._doubted, self._asked_at = False, now
        return True

    def told(self, venue: str, at: int, now: int) -> list[Event]:
        """What is to be told when it has changed."""
        events: list[Event] = [ClockOffset(venue, "", at, now, self.offset, self.error)]
        if abs(self.offset) + min(self.error, _SURE) > _ALARM and not self._alarmed:
            self._alarmed = True
            events.append(ClockAlarm(venue, "", at, now, "venue", self.offset / SECOND))
        elif abs(self.offset) + min(self.error, _SURE) < _CALM:
            self._alarmed = False
        return events

    def wall(self, jump: int, venue: str, now: int) -> tuple[Event, ...]:
        """How far the wall clock stands from where it set ours; a step is told by the first who
        looks."""
        moved, self._jump = jump - self._jump, jump
        if abs(moved) < _STEP:
            return ()
        return (ClockAlarm(venue, "", 0, now, "wall", moved / SECOND),)

    def _set(self, offset: int, error: int, now: int, *, measured: bool) -> None:
        self.offset, self.error, self._at = offset, error, now
        self.measured, self.known = measured, True
