"""The watch over one connection: is it alive, does it speak, is what it says new, were we awake?

House rules: pure. One look twice a second, from what the hot path left behind; time in which we
did not read is never the venue's silence; a remedy that did not help is not tried again soon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from msgspec.structs import replace

from pitwire.model import errors
from pitwire.model.clock import SECOND
from pitwire.model.events import Event, FeedStale
from pitwire.session.chores import Pulse, Sign
from pitwire.session.freshness import MUTE, SWEEP_SECONDS, TOLD, AskOf, Freshness
from pitwire.session.lag import Lag
from pitwire.session.outbox import Outbox
from pitwire.session.rhythm import Rhythm
from pitwire.session.skew import Skew
from pitwire.venues.venue import Venue

LATE_SECONDS = 1.0
"""A look that comes so late says that we were not awake."""
PAUSED_SECONDS = 5.0
"""After a sleep this long nothing is believed until the connection has caught up."""
CAUGHT_UP_SECONDS = 10.0
"""By then everything that waited is read, though the venue may not answer pings."""
MUTE_SECONDS = 2.5
"""No connection is called mute sooner."""
SUSPECT_SECONDS = 1.5
"""One that speaks in every second, however young, is asked for a sign of life after so long."""
SURE_SECONDS = 3.5
"""As it spoke before its silence, so it counts until then; its silence itself counts after that."""
REDIAL_SECONDS = 2.0
"""How long a mute connection may mend itself before it is dialled again."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 30.0, 3600.0
"""Between two redials of connections that are mute; doubled by each that did not help."""
_SWEEP = round(SWEEP_SECONDS * SECOND)
_IDLE = SECOND
_LATE, _PAUSED = round(LATE_SECONDS * SECOND), round(PAUSED_SECONDS * SECOND)
_CAUGHT_UP = round(CAUGHT_UP_SECONDS * SECOND)
_MUTE, _REDIAL = round(MUTE_SECONDS * SECOND), round(REDIAL_SECONDS * SECOND)
_SUSPECT, _SURE = round(SUSPECT_SECONDS * SECOND), round(SURE_SECONDS * SECOND)
_FIRST_PAUSE = round(FIRST_PAUSE_SECONDS * SECOND)
_LONGEST_PAUSE = round(LONGEST_PAUSE_SECONDS * SECOND)
_PING_LATE, _LATER = SECOND, 3
"""An answer is late after a second, on a slow line after half as long again as the quickest."""
_OFTEN = 0.39
"""Share of sweeps that find data, from which on a connection speaks once a second or more."""
_SHARE_STEPS = 40
"""Sweeps that the share is of; of fewer, while there have been no more."""
_NEVER = 1 << 63


Elsewhere: TypeAlias = Callable[[str, str], bool]
"""(class name of an event, symbol) → whether somebody else brings it."""


def _nowhere(_kind: str, _symbol: str) -> bool:
    return False


MayAsk: TypeAlias = Callable[[int], bool]
"""Whether the venue's limits leave room for one message more now."""


def _always(_now: int) -> bool:
    return True


class Vigil:
    """What one connection is held against."""

    def __init__(
        self,
        venue: Venue,
        link: str,
        *,
        skew: Skew,
        outbox: Outbox,
        ask_of: AskOf | None = None,
    ) -> None:
        self._rows, self._outbox = venue.channels, outbox
        self.freshness = Freshness(venue.name, ask_of)
        self.elsewhere: Elsewhere = _nowhere
        """Whether another connection brings events of this class and symbol; then none is stale."""
        self._hushed: dict[tuple[str, str], FeedStale] = {}
        """(channel, symbol) → what was not told, as another connection brought it."""
        self._pulse = Pulse(venue.heartbeat)
        self._lag = Lag(venue.name, link, self.freshness, skew)
        self._rhythm = Rhythm(_MUTE)
        self._share, self._sweeps = 0.0, 0
        self._often = False
        """Whether it spoke once a second or more, before it fell silent."""
        self.look_at = 0
        """When everything is judged next."""
        self._soonest = 0
        """The same, or the very moment before it at which silence comes to mean something."""
        self._heard = 0
        """When anything was heard last, as known at the last look."""
        self.sleepless = False
        """Whether nobody can come late: time passes only from one timer to the next."""
        self.late_at = _NEVER
        """Whoever does anything later than this has slept over a look."""
        self._opened = self._newest = self._since = 0
        self._mute_wait = self._fence = 0
        self._pause, self._redial_at = _FIRST_PAUSE, 0

    # ── the connection ──

    def opened(self, now: int) -> None:
        """A connection stands: nothing has spoken on it."""
        self._pulse.reset()
        self._hushed.clear()
        self.freshness.begin_again()
        self._lag.begin_again()
        self._opened = self._since = now
        self._newest = self._mute_wait = self._fence = 0
        self._look_again(now)

    def lost(self) -> None:
        """It is gone."""
        self.freshness.begin_again()
        self._lag.begin_again()
        self.late_at = _NEVER

    def answered(self, now: int) -> None:
        """A pong: all that was sent before the venue answered our ping has been read."""
        self._pulse.answered(now)
        if self._fence and self._pulse.all_answered:  # else it was of a ping from before our sleep
            self._fence = -1  # the next look tells it

    def took(self, spell: int) -> None:
        """The venue's answer to something that we asked here was so long on its way, in ns."""
        self._pulse.took(spell)

    def note_pause(self, now: int) -> None:
        """We stopped reading ourselves; silence since then is ours, not the venue's."""
        self._since = now
        self.freshness.be_patient(now)
        self._look_again(now)

    # ── time ──

    def next_deadline(self, heard: int, now: int) -> int:
        """When to look next. Where nothing can be slept over, looks that could find nothing are
        left out; those that follow come when they would have."""
        if self.sleepless:
            if now > self.look_at:
                self.look_at += -(-(now - self.look_at) // _IDLE) * _IDLE
                self._soonest = self.look_at
            if self._finds_nothing:
                return self._pulse.next_deadline(heard)
        due = self._pulse.next_deadline(heard)
        return due if due < self._soonest else self._soonest

    def look(self, heard: int, now: int, may_ask: MayAsk = _always) -> list[Event]:
        """Judge everything; a ping, or the reason to drop the connection, goes to the outbox."""
        told: list[Event] = []
        if now >= self.look_at:
            told = self._sweep(heard, now)
            if told:
                told = self._unless_elsewhere(told)
            self._suspect(heard, now, may_ask)
            self._look_again(now)
            self._aim(heard, now)
        elif now >= self._soonest:
            if heard == self._heard:  # else a look must see first what came
                told = self._unless_elsewhere(self._judge_silence(heard, now))
            self._suspect(heard, now, may_ask)
            self._aim(heard, now)
        sign = self._pulse.judge(heard, now)
        if sign is Sign.PING:
            self._outbox.ping()
        elif sign is Sign.DEAD:
            self._outbox.fail(errors.Stalled(silent_seconds=(now - heard) / SECOND))
        return told

    def woke(self, now: int) -> list[Event]:
        """We come late: what lies unread may be old, and nobody was silent but we."""
        slept = now - self.look_at
        self.note_pause(now)
        self._pulse.ping(now)
        self._outbox.ping()
        if slept < _PAUSED:
            return []
        # Data come in order: what is read after the answer was sent after our awakening.
        self._fence = now
        self.freshness.miss(now)  # the venue may have been silent meanwhile, and lost first words
        return self._unless_elsewhere(self.freshness.doubt(now, slept))

    def distrust(self, now: int) -> list[Event]:
        """The venue says that what it sends here is not live: it is stale until it speaks."""
        fresh = self.freshness
        told = [fresh.call_stale(one, now, TOLD, 0) for one in fresh.voices if not one.stale]
        return self._unless_elsewhere([*told])

    def bereft(self, now: int) -> list[Event]:
        """Another connection is gone: what is silent here is told, though it was not as long as
        that one brought it."""
        told: list[Event] = []
        for key, stale in tuple(self._hushed.items()):
            kind = self._rows[stale.channel].event
            if not self.freshness.is_silent(kind, stale.symbol):
                del self._hushed[key]
            elif not self.elsewhere(kind, stale.symbol):
                silent = stale.silent_seconds + (now - stale.received) / SECOND
                told.append(replace(stale, received=now, silent_seconds=silent))
                del self._hushed[key]
        return told

    # ── within ──

    def _unless_elsewhere(self, told: list[Event]) -> list[Event]:
        said: list[Event] = []
        for one in told:
            if isinstance(one, FeedStale):
                if self.elsewhere(self._rows[one.channel].event, one.symbol):
                    self._hushed[one.channel, one.symbol] = one
                    continue
                self._hushed.pop((one.channel, one.symbol), None)
            said.append(one)
        return said

    def _look_again(self, now: int) -> None:
        self.look_at = self._soonest = now + (_IDLE if self.freshness.is_empty else _SWEEP)
        self.late_at = _NEVER if self.sleepless else self.look_at + _LATE

    @property
    def _finds_nothing(self) -> bool:
        """Whether a look, whenever it came, would find nothing and teach nothing."""
        fresh = self.freshness
        quiet = fresh.is_empty and not (fresh.moved or fresh.fewer)
        return quiet and not (self._fence or self._share or self._rhythm.wait)

    def _sweep(self, heard: int, now: int) -> list[Event]:
        told = self.freshness.sweep(now)
        if self.freshness.fewer:
            self._learn_anew(now)
        if self._fence and (self._fence < 0 or now - self._fence >= _CAUGHT_UP):
            self._fence = 0
            told += self.freshness.believe(now)
        told += self._lag.sweep(now)
        told += self._hear(now) if self.freshness.moved else self._miss(heard, now)
        return told

    def _learn_anew(self, now: int) -> None:
        """Something is not listened to any more: what is left has a rhythm of its own, or none."""
        self.freshness.fewer = False
        self._rhythm = Rhythm(_MUTE)
        self._share, self._sweeps, self._often, self._since = 0.0, 0, False, now

    def _hear(self, now: int) -> list[Event]:
        """Data came since the last look."""
        newest, before = self.freshness.newest, max(self._newest, self._since)
        if self._newest and newest > before:
            # Many who speak at once and none of whom does for a while: that is no chance.
            self._rhythm.learn(newest - before, len(self.freshness.moved))
        self._newest = newest
        self._sweeps = min(self._sweeps + 1, _SHARE_STEPS)
        self._share += (1 - self._share) / self._sweeps
        self._often = self._share >= _OFTEN
        if now - self._opened > self._pause:
            self._pause = _FIRST_PAUSE  # the redial has helped
        if not self._mute_wait:
            return []
        self._mute_wait = 0
        self.freshness.miss(now)
        return self.freshness.restored(MUTE, now)

    def _miss(self, heard: int, now: int) -> list[Event]:
        """No data came since the last look."""
        if not (self._share or self._rhythm.wait):
            return []
        self._sweeps = min(self._sweeps + 1, _SHARE_STEPS)
        self._share -= self._share / self._sweeps
        if now - max(self._newest, self._since) > _SURE and not self._mute_wait:
            self._often = self._share >= _OFTEN
        return self._judge_silence(heard, now)

    def _judge_silence(self, heard: int, now: int) -> list[Event]:
        """Call the connection mute when its silence has lasted too long, and drop it later."""
        silent = now - max(self._newest, self._since)
        wait = self._wait(heard, now)
        if not wait or silent < wait:
            return []
        told: list[Event] = []
        if not self._mute_wait:
            self._mute_wait = wait
            fresh = self.freshness
            told = [
                fresh.call_stale(one, now, MUTE, silent) for one in fresh.voices if not one.stale
            ]
        if silent >= self._mute_wait + _REDIAL and now >= self._redial_at:
            self._redial_at, self._pause = now + self._pause, min(self._pause * 2, _LONGEST_PAUSE)
            self._outbox.fail(errors.Stalled(silent_seconds=silent / SECOND, what="data"))
        return told

    def _suspect(self, heard: int, now: int, may_ask: MayAsk) -> None:
        """Ask at once if it lives; not again before that is answered, nor once a ping has told a
        dead connection from a mute one."""
        if now - heard < _SUSPECT or not self._often:
            return
        is_asked = self._pulse.unanswered(heard, now) > 0 or self._mute_wait
        if not is_asked and may_ask(now):
            self._pulse.ping(now)
            self._outbox.ping()

    def _aim(self, heard: int, now: int) -> None:
        """Look when it is to be asked, or to be called mute, and not half a second later."""
        self._heard, self._soonest = heard, self.look_at
        if self._mute_wait:
            return
        since = self._newest if self._newest > self._since else self._since
        at = since + self._rhythm.wait
        # What is over has been judged in this look.
        if self._rhythm.wait and now < at < self._soonest:
            self._soonest = at
        if self._often:
            late = self._pulse.answer_due(heard, self._late)
            at = heard + _SUSPECT if late is None else max(since + _MUTE, late)
            if now < at < self._soonest:
                self._soonest = at

    @property
    def _late(self) -> int:
        """How long an answer is waited for before its absence says something, in ns."""
        return max(_PING_LATE, self._pulse.quickest * _LATER // 2)

    def _wait(self, heard: int, now: int) -> int:
        if self._often and self._pulse.unanswered(heard, now) >= self._late:
            return _MUTE  # silence and no answer: two witnesses
        return self._rhythm.wait
