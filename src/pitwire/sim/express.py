"""The short way of a recorded market: from the recording to who hears it, past the venue.

House rules: what is heard, and when, is what would be heard by the long way, to the nanosecond and
in the same order; whatever is more than a frame on its way (a request, an order that fills, a
deadline of the venue) goes the long way, through stage and façade.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from pitwire.sim.capture import COMPILED, open_frame
from pitwire.sim.facades.facade import SendText
from pitwire.sim.history import NEVER, Reading, RecordedMarket
from pitwire.sim.links import MemoryCarrier, MemoryLink
from pitwire.sim.loop import Played
from pitwire.sim.stage import Stage

Hearer: TypeAlias = tuple[MemoryLink, bytes]
"""A link, and what stands before a stream's payload on it."""
Route: TypeAlias = tuple[Reading | None, Sequence[Hearer]]
"""Of whom a stream tells, and who hears it."""


RIDE: Any = None if COMPILED is None else COMPILED.ride
"""What plays frames that come alone, or None: the compiled twin of the plainest of `_ride`."""


class Routes(Protocol):
    """A façade that passes a recording on."""

    def next_deadline(self) -> int | None: ...

    def hearers(self, stream: str) -> list[tuple[int, bytes]]:
        """Links that hear a stream, and what stands before its payload on each; b"" bare."""
        ...


class LongWay:
    """A world with a recorded market and no short way: all of it by stage and façade, and between
    a client's timers, too, so that what meets one of these comes behind it by either way."""

    def __init__(self, carrier: MemoryCarrier) -> None:
        self._carrier = carrier

    def play(self, loop: Played, before: int) -> None:
        """Let everything happen that is due before then, until the client is stirred."""
        carrier = self._carrier
        while not loop.stirred:
            due = carrier.next_deadline()
            if due is None or due >= before:
                return
            carrier.run(loop.reach(due))


class Express:
    """What happens in a world with a recorded market and no faults, between a client's timers."""

    def __init__(
        self, market: RecordedMarket, routes: Routes, stage: Stage, carrier: MemoryCarrier
    ) -> None:
        self._market, self._routes = market, routes
        self._stage, self._carrier = stage, carrier
        self._known: dict[str, Route] = {}
        """Stream → where it goes, as long as nothing has gone the long way."""
        self._known_at = carrier.changes
        self._deadline = routes.next_deadline()
        """The façade's, for as long."""
        self._twin = RIDE if market.keeps_pace else None
        self._is_through = False
        """Whether the loop's own turn comes before whatever is due by now."""

    def play(self, loop: Played, before: int) -> None:
        """Let everything happen that is due before then, until the client is stirred.

        What is due at the same moment as that, without a latency its requests too, happens before.
        """
        carrier = self._carrier
        self._is_through = False
        carrier.hold()
        try:
            while not loop.stirred and self._go_on(loop):
                pass
            now = loop.reach(0)
            if not self._is_through and carrier.agenda and carrier.agenda[0][0] <= now:
                carrier.run(now)
        finally:
            carrier.go_on()

    def _go_on(self, loop: Played) -> bool:
        """Frames, and what else is due next; False when nothing is or somebody is stirred."""
        carrier, market = self._carrier, self._market
        if carrier.changes != self._known_at:  # something has gone the long way
            self._known.clear()
            self._deadline = self._routes.next_deadline()
            self._known_at = carrier.changes
        if self._pass(loop):
            return False
        before, agenda = loop.before, carrier.agenda
        soonest = agenda[0][0] if agenda else NEVER
        if self._until(before) == before <= min(market.due, soonest) and market.due < NEVER:
            return False  # frames, façade, market, agenda: there is nothing else
        due = carrier.next_deadline()
        if due is None or due >= before:
            return False
        carrier.run(loop.reach(due))
        return True

    def _pass(self, loop: Played) -> bool:
        """Frames from the recording to their links, and from these to who hears, while that is
        all that happens; True when it has stirred somebody."""
        if self._stage.plan.faults:
            return False
        market, agenda, carrier = self._market, self._carrier.agenda, self._carrier
        attended = market.is_attended
        while not loop.stirred:
            due, until = market.due, self._until(loop.before)
            if agenda and agenda[0][0] < due:
                at, _, deed, is_delivery = agenda[0]
                if at >= until or not is_delivery:
                    return False
                carrier.take()
                deed(loop.reach(at))
            elif due >= until:
                return False
            elif attended:
                if not self._play_attended(loop.reach(due)):
                    return loop.stirred
            else:
                self._ride(loop, until)
                if carrier.changes != self._known_at:
                    return loop.stirred
        return True

    def _let_ring(self, loop: Played, until: int) -> int:
        """Let a timer have its turn where it is what comes first: until when frames may go on then;
        0 where they may not."""
        carrier = self._carrier
        agenda = carrier.agenda
        if until < loop.before or (agenda and agenda[0][0] < until):
            return 0
        if not loop.ring():
            self._is_through = True
            return 0
        return self._until(loop.before) if carrier.changes == self._known_at else 0

    def _ride(self, loop: Played, until: int) -> None:
        """Frames of a market that nobody of us attends, until anything else is to be done.

        What the one link hears that hears most waits in a queue of its own, in its order, instead
        of on the agenda; what is left of it goes there, at the place that it would have had.
        """
        market, agenda, promise = self._market, self._carrier.agenda, self._carrier.promise
        twin, take, known, reach = self._twin, market.take, self._known, loop.reach
        ours: MemoryLink | None = None
        wakes: deque[tuple[int, int]] = deque()
        try:
            while not loop.stirred:
                if twin is not None and ours is not None:
                    shown = loop, market, ours, known, agenda, until, wakes, promise, SendText
                    if not twin(*shown):
                        return
                due = market.due
                if wakes and wakes[0][0] < due:
                    at = wakes[0][0]
                    if at >= until or (agenda and agenda[0][:2] < wakes[0]):
                        if not (until := self._let_ring(loop, until)):
                            return
                        continue
                    assert ours is not None, "somebody waits"
                    wakes.popleft()
                    ours.deliver(reach(at))
                    continue
                if due >= until or (agenda and agenda[0][0] < due):
                    if not (until := self._let_ring(loop, until)):
                        return
                    continue
                now, raw = reach(due), take()
                stream, payload = open_frame(raw)
                route = known.get(stream)
                if route is None:
                    route = known[stream] = self._route(stream)
                reading, hearers = route
                if reading is None:
                    continue
                if reading[1]:
                    market.note(reading[0], payload, now)
                if len(hearers) != 1 or ours not in (None, hearers[0][0]):
                    self._send(hearers, stream, payload, now)
                    continue
                [(ours, prefix)] = hearers
                at, frame = ours.arrival(now), _framed(prefix, payload)
                alone = at < market.due and at < until and not (agenda and agenda[0][0] <= at)
                if alone and ours.is_idle:
                    reach(at)  # nothing can come between: it need not wait in any queue
                    ours.listener.on_frame(frame, True)
                elif ours.alive:
                    self._await(ours, at, frame, stream, wakes)
        finally:
            for at, place in wakes:
                assert ours is not None, "somebody waits"
                self._carrier.wake_as_promised(at, place, ours)

    def _await(
        self, link: MemoryLink, at: int, frame: bytes, stream: str, wakes: deque[tuple[int, int]]
    ) -> None:
        """A frame is on its way to the link that hears most, and others may come before it."""
        queue = link.queue
        if queue and at <= queue[-1][0]:
            at = queue[-1][0]
        else:
            wakes.append((at, self._carrier.promise()))
        queue.append((at, SendText(frame, stream)))

    def _until(self, before: int) -> int:
        """Until when nothing else is due at the venue."""
        until = before
        for due in (self._deadline, self._market.next_schedule()):
            if due is not None and due < until:
                until = due
        return until

    def _play_attended(self, now: int) -> bool:
        """Play what is due while something of ours is open; False when it was more than frames."""
        market = self._market
        market.settle(now)
        stream, payload = open_frame(market.take())
        reading, hearers = self._route(stream)
        if reading is None:
            return True
        if reading[1] and not market.follow(reading[0], stream, payload, now):
            self._stage.act(now)
            self._carrier.run(now)
            return False
        self._send(hearers, stream, payload, now)
        return True

    def _send(self, hearers: Sequence[Hearer], stream: str, payload: bytes, now: int) -> None:
        for link, prefix in hearers:
            if link.alive:
                link.put(link.arrival(now), SendText(_framed(prefix, payload), stream))

    def _route(self, stream: str) -> Route:
        route = self._known.get(stream)
        if route is None:
            found, heard = self._carrier.links, self._routes.hearers(stream)
            hearers = [(found[number], prefix) for number, prefix in heard if number in found]
            route = self._known[stream] = self._market.reading_of(stream), hearers
        return route


def _framed(prefix: bytes, payload: bytes) -> bytes:
    return b"%b%b}" % (prefix, payload) if prefix else payload
