"""Which subscriptions have spoken, and which have fallen silent against their own rhythm.

House rules: pure. An acknowledgement proves nothing, data does: a venue may acknowledge a stream
that it never sends. The hot path stores each event in `heard`, and nothing else; everything here
is judged by whoever calls `sweep` twice a second, from what was heard last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec

from pitwire.model import events
from pitwire.model.clock import SECOND
from pitwire.model.events import Event, FeedFresh, FeedStale
from pitwire.session.rhythm import FEW, Rhythm
from pitwire.venues.venue import Ask

FIRST_WITHIN_SECONDS = 10.0
"""A busy subscription of unknown rhythm that has not spoken this long after its acknowledgement
is stale."""
SWEEP_SECONDS = 0.5
FLOOR_SECONDS = 4.5
"""No subscription is called silent sooner; with a sweep on top it is told within five seconds."""
PEERS = 3
"""So many others of a busy channel say what is usual there."""
PEERS_FACTOR = 4
"""What has hardly spoken is waited for so many times as long as they are in the middle."""

KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in events.MARKET}
_FIRST_WITHIN = round(FIRST_WITHIN_SECONDS * SECOND)
_FLOOR = round(FLOOR_SECONDS * SECOND)
_NEVER = 1 << 63

SILENT, UNPROVEN, MUTE, BEHIND, PAUSED = "silent", "unproven", "mute", "behind", "paused"
TOLD = "told"
"""Why a voice is stale: out of its own rhythm; never spoke; its whole connection fell silent; its
data are old by venue time; we did not read; the venue itself says so."""
_HELD = (BEHIND, PAUSED)
"""What the next event alone does not heal, since it may be as old."""

AskOf = Callable[[Event], Ask | None]
"""Which ask an event answers: told apart where a symbol has several variants of one kind."""


Heard: TypeAlias = Event | tuple[int, int]
"""An event; of one that is not kept for later, or was not read, `venue_time` and `received`."""


class Voice:
    """One subscription that has spoken on the present connection."""

    __slots__ = ("alone", "ask", "busy", "hot", "newest", "rhythm", "stale", "swept", "taken")

    def __init__(
        self, ask: Ask, hot: dict[str, Heard], rhythm: Rhythm, newest: Event, *, busy: bool
    ) -> None:
        self.ask, self.hot, self.rhythm, self.busy = ask, hot, rhythm, busy
        self.alone = True
        """Whether its events are its alone, so that the hot path may keep the newest."""
        self.newest = newest
        self.taken = newest.received
        """`received` of the newest event that a sweep has seen."""
        self.swept = False
        """Whether one has: what had come until the first says nothing of how long it was silent."""
        self.stale = ""
        """Why it was told stale; "" while it is not."""


class Freshness:
    """First data after each acknowledgement, then silence, by subscription."""

    def __init__(self, venue: str, ask_of: AskOf | None = None) -> None:
        self._venue, self._ask_of = venue, ask_of
        self._awaited: dict[tuple[type[Event], str], list[Ask]] = {}
        self._due: dict[Ask, tuple[int, int]] = {}
        self._voices: dict[tuple[type[Event], str], list[Voice]] = {}
        self._rhythms: dict[Ask, Rhythm] = {}
        self._busy: set[Ask] = set()
        self._usual: dict[str, int] = {}
        """Channel → how long what has hardly spoken there is waited for, in this sweep."""
        self.fewer = False
        """Whether something that spoke is not wanted any more; for whoever listens to all of it."""
        self.on_revival: Callable[[str, int], None] | None = None
        """Told of each symbol that was silent and speaks again, and when; of "" where all were."""
        self._since = 0
        self._doubts = False
        """Whether what comes may have waited while we did not read: what speaks for the first
        time is no more to be believed than what spoke before."""
        self.newest = 0
        """When the last sweep saw data last, on this connection."""
        self.moved: list[Voice] = []
        """The voices of which the last sweep found something new."""
        self.heard: dict[type, dict[str, Heard]] = {kind: {} for kind in KINDS.values()}
        """Kind → symbol → the newest event. A symbol is in here while its voice is alone and to be
        trusted; the hot path asks it, and stores here what it passes."""
        self.spoken: dict[type, set[str]] = {kind: set() for kind in self.heard}
        """Kind → the symbols of which something came that may be trusted."""

    # ── what is expected ──

    def confirmed(
        self, ask: Ask, kind_name: str, now: int, *, busy: bool, every_seconds: float = 0.0
    ) -> None:
        """The venue acknowledged; now it must speak: soon where it is usually `busy`, and in time
        where it promises a word `every_seconds`."""
        kind = KINDS.get(kind_name)
        if kind is None:
            return
        self._cool(kind, ask.symbol)
        # An event does not always name its variant: the first of its kind may speak for all.
        self._awaited.setdefault((kind, ask.symbol), []).append(ask)
        known = self._rhythms.get(ask)
        if known is None:
            known = self._rhythms[ask] = Rhythm(_FLOOR, round(every_seconds * SECOND))
        if busy:
            self._busy.add(ask)
        wait = known.wait or (_FIRST_WITHIN if busy else 0)
        if wait:
            self._due[ask] = (now, wait)

    def ended(self, ask: Ask, kind_name: str) -> None:
        """Nothing is expected of this ask any more."""
        kind = KINDS.get(kind_name)
        self._due.pop(ask, None)
        self._rhythms.pop(ask, None)
        self._busy.discard(ask)
        if kind is None:
            return
        self._cool(kind, ask.symbol)
        key = (kind, ask.symbol)
        awaited = self._awaited.get(key, [])
        if ask in awaited:
            awaited.remove(ask)
        before = self._voices.pop(key, [])
        voices = [voice for voice in before if voice.ask != ask]
        self.fewer = self.fewer or len(voices) < len(before)
        if voices:
            self._voices[key] = voices
            voices[0].alone = len(voices) == 1 and bool(voices[0].ask.symbol)

    def begin_again(self) -> None:
        """A new connection: nothing has spoken. What was learned stays."""
        self._awaited.clear()
        self._due.clear()
        self._voices.clear()
        self._doubts = False
        self.moved, self.newest = [], 0
        for heard in self.heard.values():
            heard.clear()
        for symbols in self.spoken.values():
            symbols.clear()

    # ── what came ──

    def first(self, event: Event, now: int) -> tuple[Event, ...]:
        """Note an event off the hot path; data of a subscription that was awaited, or was silent,
        is told."""
        kind, symbol = type(event), event.symbol
        hot = self.heard.get(kind)
        if hot is None:
            return ()
        key = (kind, symbol)
        if key not in self._awaited and key not in self._voices:
            key = (kind, "")  # all symbols of a kind may have been asked for at once
        told = self._speak(key, event, hot) if key in self._awaited else ()
        voices = self._voices.get(key, ())
        told += self._revived(self._meant(voices, event), event)
        if all(voice.stale for voice in voices) and voices:
            return told
        self.spoken[kind].add(symbol)
        if not voices or voices[0].alone:
            hot[symbol] = event
        return told

    def _speak(
        self, key: tuple[type[Event], str], event: Event, hot: dict[str, Heard]
    ) -> tuple[Event, ...]:
        asks = self._awaited.pop(key)
        voices = self._voices.setdefault(key, [])
        for ask in asks:
            busy, told = ask in self._busy, self._due.pop(ask, None) is None
            if busy and (told or self._doubts) and self.on_revival is not None:
                # it was told that it never spoke, or might have been while we did not read
                self.on_revival(event.symbol, event.received)
            voices.append(Voice(ask, hot, self._rhythms[ask], event, busy=busy))
            if self._doubts:
                voices[-1].stale = PAUSED
        for voice in voices:
            voice.alone = len(voices) == 1 and bool(key[1])
        return () if self._doubts else tuple(self._fresh(ask, event) for ask in asks)

    def _meant(self, voices: list[Voice] | tuple[Voice, ...], event: Event) -> list[Voice]:
        """The voices that this event may belong to."""
        if len(voices) <= 1 or self._ask_of is None:
            return list(voices)
        ask = self._ask_of(event)
        meant = [voice for voice in voices if voice.ask == ask]
        return meant or list(voices)

    def _revived(self, voices: list[Voice], event: Event) -> tuple[Event, ...]:
        told = []
        for voice in voices:
            voice.newest = event
            if voice.stale and voice.stale not in _HELD:
                voice.stale = ""
                if self.on_revival is not None:
                    self.on_revival(event.symbol, event.received)
                told.append(self._fresh(voice.ask, event))
        return tuple(told)

    # ── judged ──

    @property
    def voices(self) -> Iterator[Voice]:
        """Every subscription that has spoken on this connection."""
        for voices in self._voices.values():
            yield from voices

    def newest_of(self, kind: type[Event], symbol: str) -> Heard | None:
        """The newest event of a subscription that has spoken on this connection."""
        for voice in self._voices.get((kind, symbol), ()):
            heard = voice.hot.get(symbol) if voice.alone else None
            return voice.newest if heard is None else heard
        return None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is awaited and nothing has spoken."""
        return not (self._due or self._voices)

    def is_silent(self, kind_name: str, symbol: str) -> bool:
        """Whether something is expected of which nothing comes that may be trusted."""
        kind = KINDS[kind_name]
        key = kind, symbol
        is_wanted = self._awaited.get(key) or self._voices.get(key)
        return bool(is_wanted) and symbol not in self.spoken[kind]

    def be_patient(self, now: int) -> None:
        """Begin to wait anew: up to now it was we who did not listen."""
        self._since = now
        for ask, (_, wait) in self._due.items():
            self._due[ask] = (now, wait)

    def doubt(self, now: int, slept: int) -> list[Event]:
        """We did not read for so long: nothing is believed, and nothing that speaks for the first
        time, until `believe`. Told of what was, and of what has still to speak."""
        awaited = [] if self._doubts else list(self._due)
        self._doubts = True
        told: list[Event] = [
            self.call_stale(voice, now, PAUSED, slept) for voice in self.voices if not voice.stale
        ]
        seconds = slept / SECOND
        return told + [
            FeedStale(self._venue, ask.symbol, 0, now, ask.channel, seconds, PAUSED)
            for ask in awaited
        ]

    def believe(self, now: int) -> list[Event]:
        """All that waited has been read: what has spoken is fresh, and what will is believed."""
        self._doubts = False
        return self.restored(PAUSED, now)

    def miss(self, now: int) -> None:
        """The whole connection was silent, and what all others said meanwhile may be lost, too."""
        if self.on_revival is not None:
            self.on_revival("", now)

    def restored(self, why: str, now: int) -> list[Event]:
        """Take away every mark that was made for this reason."""
        return [self.call_fresh(voice, now) for voice in self.voices if voice.stale == why]

    def sweep(self, now: int) -> list[Event]:
        """Learn from what came since the last time; tell who never spoke and who fell silent."""
        told = self._unproven(now) if self._due else []
        since, moved = self._since, []
        self._usual.clear()
        for voices in self._voices.values():
            for voice in voices:
                newest = voice.hot.get(voice.ask.symbol) if voice.alone else None
                if newest is not None and newest is not voice.newest:
                    voice.newest = self._event(newest, voice)
                heard, rhythm = voice.newest.received, voice.rhythm
                if heard != voice.taken:
                    begun = voice.taken if voice.taken > since else since
                    voice.taken = heard
                    moved.append(voice)
                    if heard > begun and voice.swept:
                        rhythm.learn(heard - begun)
                elif not voice.stale and (rhythm.wait or voice.busy):
                    silent = now - (heard if heard > since else since)
                    if silent >= (rhythm.wait or self._peers_wait(voice, silent)):
                        told.append(self.call_stale(voice, now, SILENT, silent))
                voice.swept = True
        self.moved = moved
        if moved:
            self.newest = max([voice.taken for voice in moved])
        return told

    def call_stale(self, voice: Voice, now: int, why: str, silent: int) -> FeedStale:
        """Mark one voice, so that its next event is told as fresh."""
        voice.stale = why
        ask, kind = voice.ask, type(voice.newest)
        last = voice.hot.pop(ask.symbol, None)
        if last is not None:
            voice.newest = self._event(last, voice)
        if all(one.stale for one in self._voices.get((kind, ask.symbol), ())):
            self.spoken[kind].discard(ask.symbol)
        return FeedStale(self._venue, ask.symbol, 0, now, ask.channel, silent / SECOND, why)

    def call_fresh(self, voice: Voice, now: int) -> FeedFresh:
        """Take the mark away."""
        voice.stale, ask = "", voice.ask
        self.spoken[type(voice.newest)].add(ask.symbol)
        if voice.alone:
            voice.hot[ask.symbol] = voice.newest
        return FeedFresh(self._venue, ask.symbol, voice.newest.venue_time, now, ask.channel)

    def _unproven(self, now: int) -> list[Event]:
        """One `FeedStale` for each subscription that never spoke; told once."""
        late = [
            (ask, now - since) for ask, (since, wait) in self._due.items() if since + wait <= now
        ]
        told: list[Event] = []
        for ask, silent in late:
            del self._due[ask]
            seconds = silent / SECOND
            told.append(FeedStale(self._venue, ask.symbol, 0, now, ask.channel, seconds, UNPROVEN))
        return told

    def _peers_wait(self, voice: Voice, silent: int) -> int:
        """How long one of a busy channel that has hardly spoken is waited for: as its peers are."""
        if silent < _FIRST_WITHIN or voice.rhythm.gaps >= FEW:
            return _NEVER
        channel = voice.ask.channel
        if channel not in self._usual:
            rhythms = [one.rhythm for one in self.voices if one.ask.channel == channel]
            known = sorted(rhythm.wait for rhythm in rhythms if rhythm.wait)
            enough = len(known) >= PEERS
            self._usual[channel] = PEERS_FACTOR * known[len(known) // 2] if enough else _NEVER
        return self._usual[channel]

    def _fresh(self, ask: Ask, event: Event) -> FeedFresh:
        at, now = event.venue_time, event.received
        return FeedFresh(self._venue, ask.symbol, at, now, ask.channel)

    def _event(self, heard: Heard, voice: Voice) -> Event:
        """What was heard, as an event; of one that is not kept the times are right, and the rest
        is that of the newest that is."""
        if isinstance(heard, Event):
            return heard
        at, received = heard
        return msgspec.structs.replace(voice.newest, venue_time=at, received=received)

    def _cool(self, kind: type[Event], symbol: str) -> None:
        """Send the next event of this symbol through `first`."""
        last = self.heard[kind].pop(symbol, None)
        self.spoken[kind].discard(symbol)
        for voice in self._voices.get((kind, symbol), ()):
            if last is not None:
                voice.newest = self._event(last, voice)
