"""How old data are when they come, by the venue's own time: the connection's and each voice's.

House rules: pure, looked at twice a second and never on the hot path. One odd stamp proves
nothing, two sweeps in a row do; what a voice without stamps brings is as old as its connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from pitwire.model.clock import SECOND
from pitwire.model.events import Behind, Event
from pitwire.session.freshness import BEHIND, Freshness, Voice
from pitwire.session.skew import Skew

LAG_SECONDS = 0.75
"""Data older than this, twice in a row, are told as behind."""
OLD_SECONDS = 2.5
"""Data older than this make their voice stale."""
_LAG, _OLD = round(LAG_SECONDS * SECOND), round(OLD_SECONDS * SECOND)
_SWEEPS = 2
_ASKED_AGAIN = 10 * SECOND
"""While a connection stays behind, the venue is asked for its clock so often."""
_FOREIGN = 3600 * SECOND
"""Stamps further than this from a measured clock are of another day: a recording is played."""
_REMEMBERED = 5
_NEVER = 1 << 63
_FEW = 3


def _middle(numbers: Iterable[int]) -> int:
    """The middle of several, so that one stamp out of the future teaches nothing."""
    found = sorted(numbers)
    return found[len(found) // 2]


class _Late:
    """Somebody who may be late: in a row, and how late when it was last told."""

    __slots__ = ("row", "told")

    def __init__(self) -> None:
        self.row = 0
        self.told = 0

    def news(self, behind: int) -> int | None:
        """What is to be told of it, in ns: a lag, 0 for its end, None for nothing."""
        if behind <= _LAG:
            self.row = 0
            was, self.told = self.told, 0
            return 0 if was else None
        self.row += 1
        if self.row < _SWEEPS or behind < 2 * self.told:
            return None
        self.told = behind
        return behind


class Lag:
    """The lag of one connection and of its voices."""

    def __init__(self, venue: str, link: str, freshness: Freshness, skew: Skew) -> None:
        self._venue, self._link = venue, link
        self._freshness, self._skew = freshness, skew
        self._leasts: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        """How late the least late of a sweep was, and when that sweep was."""
        self._line = _Late()
        self._late: dict[int, _Late] = {}
        self._old = self._foreign = False

    def begin_again(self) -> None:
        """A new connection has no past."""
        self._leasts.clear()
        self._line = _Late()
        self._late.clear()
        self._old = self._foreign = False

    def sweep(self, now: int) -> list[Event]:
        """Look at what the last sweep of freshness has found."""
        least, moved = _NEVER, self._freshness.moved
        for voice in moved:
            newest = voice.newest
            if newest.venue_time and newest.received - newest.venue_time < least:
                least = newest.received - newest.venue_time
        if least == _NEVER:
            return []
        if self._skew.contradicts(least, now) and not self._foreign:
            self._skew.doubt()
        told = self._learn(least, now)
        if len(self._leasts) < _FEW or self._foreign or not self._skew.known:
            return told
        offset, line = self._skew.offset, self._line
        # Nearly always all is as it should be, and was.
        if least + offset > _LAG or line.row or line.told or self._old:
            told += self._judge_line(least + offset, now)
        for voice in moved:
            newest = voice.newest
            behind = newest.received - newest.venue_time + offset
            if not newest.venue_time:
                continue
            if behind > _LAG or voice.stale == BEHIND or id(voice) in self._late:
                told += self._judge(voice, behind, now)
        return told

    def _learn(self, least: int, now: int) -> list[Event]:
        self._leasts.append((least, now))
        if len(self._leasts) < _FEW:
            return []
        if len(self._leasts) == _FEW and not self._foreign:
            middle = _middle(late for late, _ in self._leasts)
            self._foreign = self._skew.measured and abs(middle + self._skew.offset) > _FOREIGN
        # What came before the venue was asked says nothing against its answer.
        since = self._skew.measured_at
        lates = [late for late, at in self._leasts if at > since]
        if self._foreign or len(lates) < _FEW or not self._skew.observe(_middle(lates), now):
            return []
        return self._skew.told(self._venue, 0, now)

    def _judge_line(self, behind: int, now: int) -> list[Event]:
        """The least late of all is how late the connection is."""
        told: list[Event] = []
        news = self._line.news(behind)
        if news is not None:
            told.append(Behind(self._venue, "", 0, now, self._link, "", news / SECOND))
            self._skew.doubt()  # a lag, or a clock that was put back: only the venue can tell
        elif self._line.row and now - self._skew.measured_at >= _ASKED_AGAIN:
            self._skew.doubt()  # its clock may have been put back since it told
        if self._line.row >= _SWEEPS and self._is_old(behind, now):
            self._old = True
            told += [self._stale(voice, behind, now) for voice in self._trusted()]
        elif self._old and not self._line.row:
            self._old = False
            unstamped = [f for f in self._freshness.voices if not f.newest.venue_time]
            told += self._healed(unstamped, now)
        return told

    def _judge(self, voice: Voice, behind: int, now: int) -> list[Event]:
        late = self._late.get(id(voice))
        if late is None:
            if behind <= _LAG:
                return self._healed((voice,), now)
            late = self._late[id(voice)] = _Late()
        told: list[Event] = []
        news = late.news(behind)
        if news is not None and not self._line.row:  # else it is the connection that is late
            ask, seconds = voice.ask, news / SECOND
            told.append(Behind(self._venue, ask.symbol, 0, now, self._link, ask.channel, seconds))
        if not late.row:
            del self._late[id(voice)]
            return told + self._healed((voice,), now)
        if late.row >= _SWEEPS and self._is_old(behind, now) and not voice.stale:
            told.append(self._stale(voice, behind, now))
        return told

    def _is_old(self, behind: int, now: int) -> bool:
        """Whether it is old even if the venue's clock is as far off as it may be."""
        return behind > _OLD + self._skew.bound(now)

    def _trusted(self) -> list[Voice]:
        return [voice for voice in self._freshness.voices if not voice.stale]

    def _stale(self, voice: Voice, behind: int, now: int) -> Event:
        return self._freshness.call_stale(voice, now, BEHIND, behind)

    def _healed(self, voices: Iterable[Voice], now: int) -> list[Event]:
        fresh = self._freshness
        return [fresh.call_fresh(voice, now) for voice in voices if voice.stale == BEHIND]
