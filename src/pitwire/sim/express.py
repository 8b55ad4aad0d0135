"""The short way of a recorded market: from the recording to who hears it, past the venue.

House rules: what is heard, and when, is what would be heard by the long way, to the nanosecond and
in the same order; whatever is more than a frame on its way (a request, an order that fills, a
deadline of the venue) goes the long way, through stage and façade.
"""

from __future__ import annotations

from typing import Protocol

from pitwire.sim.capture import Envelope
from pitwire.sim.facades.facade import SendText
from pitwire.sim.history import RecordedMarket
from pitwire.sim.links import MemoryCarrier, MemoryLink
from pitwire.sim.loop import Played
from pitwire.sim.stage import Stage


class Routes(Protocol):
    """A façade that passes a recording on."""

    def next_deadline(self) -> int | None: ...

    def hearers(self, stream: str) -> list[tuple[int, bytes]]:
        """Links that hear a stream, and what stands before its payload on each; b"" bare."""
        ...


class Express:
    """What happens in a world with a recorded market and no faults, between a client's timers."""

    def __init__(
        self, market: RecordedMarket, routes: Routes, stage: Stage, carrier: MemoryCarrier
    ) -> None:
        self._market, self._routes = market, routes
        self._stage, self._carrier = stage, carrier
        self._known: dict[str, list[tuple[MemoryLink, bytes]]] = {}
        """Stream → who hears it, as long as nothing has gone the long way."""

    def play(self, loop: Played, before: int) -> None:
        """Let everything happen that is due before then, until the client is stirred.

        What is due at the same moment as that, without a latency its requests too, happens before.
        """
        carrier = self._carrier
        self._known.clear()  # since then the client may have gone the long way
        with carrier.running():
            while not loop.stirred and self._go_on(loop, before):
                pass
            now = loop.reach(0)
            if carrier.agenda and carrier.agenda[0][0] <= now:
                carrier.run(now)

    def _go_on(self, loop: Played, before: int) -> bool:
        """Frames, and what else is due next; False when nothing is or somebody is stirred."""
        if self._pass(loop, before):
            return False
        due = self._carrier.next_deadline()
        if due is None or due >= before:
            return False
        self._known.clear()
        self._carrier.run(loop.reach(due))
        return True

    def _pass(self, loop: Played, before: int) -> bool:
        """Frames from the recording to their links, and from these to who hears, while that is
        all that happens; True when it has stirred somebody."""
        if self._stage.plan.faults:
            return False
        market, agenda, take = self._market, self._carrier.agenda, self._carrier.take
        attended, until = market.is_attended, self._until(before)
        while not loop.stirred:
            due = market.due
            if agenda and agenda[0][0] < due:
                at, _, deed, is_delivery = agenda[0]
                if at >= until or not is_delivery:
                    return False
                take()
                deed(loop.reach(at))
            elif due >= until:
                return False
            elif attended:
                if not self._play_attended(loop.reach(due)):
                    return loop.stirred
            else:
                now = loop.reach(due)
                passed = market.pass_on(now)
                if passed is None:
                    continue
                hearers = self._hearers(passed.stream)
                if len(hearers) != 1:
                    self._send(hearers, passed, now)
                    continue
                [(link, prefix)] = hearers
                at, frame = link.arrival(now), _framed(prefix, passed.payload)
                if at < until and at < market.due and link.is_idle and self._is_first(at):
                    loop.reach(at)  # nothing can come between: it need not wait in any queue
                    link.listener.on_frame(frame, True)
                elif link.alive:
                    link.put(at, SendText(frame, passed.stream))
        return True

    def _until(self, before: int) -> int:
        """Until when nothing else is due at the venue."""
        until = before
        for due in (self._routes.next_deadline(), self._market.next_schedule()):
            if due is not None and due < until:
                until = due
        return until

    def _play_attended(self, now: int) -> bool:
        """Play what is due while something of ours is open; False when it was more than frames."""
        self._market.handle_deadline(now)
        recorded = self._market.take_recorded()
        if recorded is None:
            self._known.clear()
            self._stage.act(now)
            self._carrier.run(now)
            return False
        for fact in recorded:
            self._send(self._hearers(fact.stream), Envelope(fact.stream, fact.payload), now)
        return True

    def _is_first(self, at: int) -> bool:
        """Whether nothing on the agenda is due by then."""
        agenda = self._carrier.agenda
        return not agenda or at < agenda[0][0]

    def _send(self, hearers: list[tuple[MemoryLink, bytes]], sent: Envelope, now: int) -> None:
        for link, prefix in hearers:
            if link.alive:
                frame = _framed(prefix, sent.payload)
                link.put(link.arrival(now), SendText(frame, sent.stream))

    def _hearers(self, stream: str) -> list[tuple[MemoryLink, bytes]]:
        hearers = self._known.get(stream)
        if hearers is None:
            found, routes = self._carrier.links, self._routes.hearers(stream)
            hearers = [(found[number], prefix) for number, prefix in routes if number in found]
            self._known[stream] = hearers
        return hearers


def _framed(prefix: bytes, payload: bytes) -> bytes:
    return b"%b%b}" % (prefix, payload) if prefix else payload
