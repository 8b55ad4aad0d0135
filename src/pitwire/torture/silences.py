"""Whether a silence is told in time: every stream of every symbol is held to its own deadline.

House rules: the deadline is the documented one (`docs/freshness.md`, B5), reckoned from what was
delivered and from nothing that the client says of itself. Where a witness cannot know what the
client heard (two connections, half a second between two looks) the later deadline counts. Only a
silence in which the venue had something to say is one; another symbol's trouble excuses nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from pitwire.model import events as ev
from pitwire.model.clock import SECOND

Stream = tuple[str, str]
"""Channel, symbol."""
FLOOR_SECONDS, MUTE_FLOOR_SECONDS = 4.5, 2.5
"""No stream is called silent sooner, no connection mute."""
EARLY_SECONDS = 10.0
"""The floor while few gaps are known; and how long a first word is waited for."""
CEILING_SECONDS = 900.0
"""What would have to be waited for longer is not judged."""
WAY_SECONDS = 3.0
"""What the venue said so shortly ago may be on its way."""
LATER_SECONDS = 0.7
"""What the client's looks and ours, half a second and a tenth apart, come to."""
SPREAD_SECONDS = 1.0
"""Of two connections each may have gaps so much wider than what the first of both brings. Each is
judged by its own, and it is told when the later of them is out of its rhythm."""
ASLEEP_SECONDS = 1.0
"""Who does not look for so long was not awake; the client, in the same loop, was not either."""
_HOLDING = "behind", "paused"
"""Whys of `FeedStale` that last until `FeedFresh`, whatever comes meanwhile."""
_FEW, _ENOUGH, _FACTOR, _DOUBT = 3, 20, 4, 80
_LOOK, _PHASES = SECOND // 2, 5
_LATER, _WAY = round(LATER_SECONDS * SECOND), round(WAY_SECONDS * SECOND)
_EARLY, _CEILING = round(EARLY_SECONDS * SECOND), round(CEILING_SECONDS * SECOND)
_ASLEEP, _SPREAD = round(ASLEEP_SECONDS * SECOND), round(SPREAD_SECONDS * SECOND)


class Pace:
    """How something speaks, as a client knows it that looks twice a second; whenever that is."""

    def __init__(self, floor_seconds: float, copies: int = 1) -> None:
        self._floor = round(floor_seconds * SECOND)
        # To a look the last of a burst is the end of a gap, and a look later at most.
        self._wider = _LOOK + (_SPREAD if copies > 1 else 0)
        self.last = 0
        """When it spoke last; 0 while it has not."""
        self._widest = 0
        self._begins = True
        """Whether what comes next ends no gap."""
        self._lookers = [_Looker(phase * _LOOK // _PHASES) for phase in range(_PHASES)]

    def hear(self, now: int, voice: Hashable = None) -> None:
        """It spoke, and which of its voices did."""
        if not self._begins:
            self._widest = max(self._widest, now - self.last)
        self.last, self._begins = now, False
        for looker in self._lookers:
            looker.hear(now, voice)

    def begin_again(self) -> None:
        """What comes next ends no gap: it is another connection's."""
        self._begins = True
        for looker in self._lookers:
            looker.begin_again()

    def wait(self, voices: int = 1) -> int | None:
        """How long its silence may last before it is told, in ns, so many voices having begun it;
        None where nobody has promised to tell."""
        gaps = min(looker.gaps for looker in self._lookers) - voices  # a first word ends no gap
        if gaps < _FEW:
            return None
        widest = self._widest + self._wider
        wait = widest * _FACTOR + widest * _DOUBT // gaps
        if wait > _CEILING:
            return None
        return max(self._floor if gaps >= _ENOUGH else max(self._floor, _EARLY), wait)


class _Looker:
    """Counts the gaps that one sees who looks at these times."""

    def __init__(self, phase: int) -> None:
        self._phase = phase
        self._look = 0
        self.gaps = 0
        self._has_before = False
        self._voices: set[Hashable] = set()

    def hear(self, now: int, voice: Hashable) -> None:
        look = (now - self._phase) // _LOOK
        if look != self._look:
            if self._has_before:
                self.gaps += len(self._voices)
            self._has_before = self._has_before or bool(self._voices)
            self._voices.clear()
            self._look = look
        self._voices.add(voice)

    def begin_again(self) -> None:
        self._voices.clear()  # it fell before a look could see them
        self._has_before = False


class Silences:
    """Takes in what was delivered and told, and complains of what was not told in time."""

    def __init__(
        self,
        wanted: Iterable[Stream],
        *,
        said_since: Callable[[Stream, int], int | None],
        complain: Callable[[int, str], None],
        copies: int = 1,
    ) -> None:
        """`said_since`: when the venue first said something of a stream, after this time, that has
        not been delivered."""
        self._said_since, self._complain, self._copies = said_since, complain, copies
        self._wanted = tuple(wanted)
        self._forget()
        self._asked: dict[Stream, int] = {}
        self._told: dict[Stream, int] = {}
        self._spoken: set[Stream] = set()
        """What has spoken since it was confirmed last."""
        self._whole: dict[Stream, int] = {}
        """Since when a book is one. Until then it says that it is none, and what came was kept back
        for its snapshot, heard by the client and not delivered."""
        self._awake = self._looked = 0

    def hear(self, stream: Stream, now: int) -> None:
        """Something was delivered."""
        pace = self._paces.get(stream)
        if pace is not None:
            pace.hear(now)
            self._spoken.add(stream)
        self._all.hear(now, stream)

    def confirmed(self, stream: Stream, now: int) -> None:
        """The venue acknowledged: a first word is due."""
        self._asked[stream] = now
        self._held.discard(stream)  # it begins again: what it was marked for is over
        self._spoken.discard(stream)
        if self._copies == 1 and stream in self._paces:
            self._paces[stream].begin_again()
            self._all.begin_again()

    def tell(self, event: ev.Event, now: int) -> None:
        """The client says that something is wrong, and with what; or that it is well again."""
        match event:
            case ev.FeedFresh(symbol=symbol, channel=channel):
                self._held.discard((channel, symbol))
                if (channel, symbol) not in self._spoken:
                    # A first word, though a delta that is ahead of its snapshot is not delivered.
                    self.hear((channel, symbol), now)
            case ev.FeedStale(symbol=symbol, channel=channel, why=why):
                self._told[channel, symbol] = now
                if why in _HOLDING:
                    self._held.add((channel, symbol))
            case ev.BookStale(symbol=symbol):
                self._told["book", symbol] = now
                self._whole.pop(("book", symbol), None)
            case ev.BookSnapshot(symbol=symbol):
                self._whole.setdefault(("book", symbol), now)
            case ev.Lost(covered=False):
                self._told.update(dict.fromkeys(self._paces, now))
                self._held.clear()
            case ev.Rolled():  # on the next connection nothing is known of any rhythm
                self._forget()

    def look(self, now: int) -> None:
        """Complain of each silence that should have been told by now."""
        if now - self._looked > _ASLEEP:
            self._awake = now
        self._looked = now
        for stream in self._paces:
            if stream in self._held:
                continue
            since, due = self._silence(stream)
            if due is None or now < due + _LATER or self._told.get(stream, -1) >= since:
                continue
            said = self._said_since(stream, max(since, self._awake))
            if said is not None and now - said >= _WAY:
                self._told[stream] = now
                silent, allowed = (now - since) / SECOND, (due - since) / SECOND
                text = f"{stream[1]} {stream[0]} silent for {silent:.1f} s and nobody said so"
                self._complain(now, f"{text}, expected within {allowed:.1f} s")

    def wait(self, stream: Stream) -> int | None:
        """How long its silence may last before it is told, in ns; None while no rhythm is known."""
        return self._paces[stream].wait()

    def _forget(self) -> None:
        self._paces = {stream: Pace(FLOOR_SECONDS, self._copies) for stream in self._wanted}
        self._all = Pace(MUTE_FLOOR_SECONDS, self._copies)
        self._held: set[Stream] = set()
        """Told stale in a way that no word ends, which may be as old: only `FeedFresh` does."""

    def _silence(self, stream: Stream) -> tuple[int, int | None]:
        """Since when it is silent, and when it should be told; sleep is nobody's silence."""
        pace, asked = self._paces[stream], self._asked.get(stream, 0)
        own = pace.wait()
        if stream not in self._spoken:
            wait = own if pace.last else _EARLY
            return asked, max(asked, self._awake) + wait if asked and wait is not None else None
        begun = max(self._awake, self._whole.get(stream, 0))
        dues = [] if own is None else [max(pace.last, begun) + own]
        together = self._all.wait(len(self._spoken))
        if together is not None:
            dues.append(max(self._all.last, begun) + together)
        return pace.last, min(dues, default=None)
