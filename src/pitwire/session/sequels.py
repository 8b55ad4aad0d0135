"""What leaves unasked for: what the venue wants before it answers, and what its session needs.

House rules: pure. Nothing leaves against a limit; what an answer waits for goes before a chore, and
is dropped once that answer has been given up.
"""

from __future__ import annotations

from collections.abc import Callable

from pitwire.model.clock import SECOND
from pitwire.session.outbox import Outbox
from pitwire.session.pacing import Pacing
from pitwire.session.pending import Pending
from pitwire.venues.venue import (
    Codec,
    DutifulCodec,
    Further,
    HttpRequest,
    Outgoing,
    Role,
    Venue,
)


class Sequels:
    """The further requests of one connection, and its chores."""

    def __init__(
        self,
        venue: Venue,
        codec: Codec,
        role: Role,
        *,
        pacing: Pacing,
        pending: Pending,
        outbox: Outbox,
        count: Callable[[int], None],
    ) -> None:
        self._codec = codec if isinstance(codec, DutifulCodec) else None
        self._chores = {
            one.name: round(one.every_seconds * SECOND)
            for one in venue.chores
            if one.role in (None, role)
        }
        self._pacing, self._pending, self._outbox = pacing, pending, outbox
        self._count = count
        """Called with the time for each frame."""
        self._waiting: list[Further] = []
        self._due: dict[str, int] = {}

    def begin_again(self) -> None:
        """A new connection: nothing is waited for, and no chore is due before a login."""
        self._waiting.clear()
        self._due.clear()

    def logged_in(self, now: int) -> None:
        """From now on the session is to be kept."""
        self._due = {name: now + every for name, every in self._chores.items()}

    def add(self, further: Further, now: int) -> None:
        """The venue wants this before it answers."""
        self._pending.goes_on(further.request_id)
        self._waiting.append(further)
        self.release(now)

    def release(self, now: int) -> None:
        """Send what may leave now."""
        if self._due and self._codec is not None:
            for name in [name for name, at in self._due.items() if at <= now]:
                self._due[name] = now + self._chores[name]
                due = [Further(0, one) for one in self._codec.chore(name, now)]
                self._waiting += [one for one in due if one not in self._waiting]
        if not self._waiting:  # nearly always
            return
        left, self._waiting = self._waiting, []
        for one in left:
            if one.request_id and not self._pending.waits_for(one.request_id):
                continue  # whoever asked has been told that no answer came
            if not self._send(one.outgoing, now):
                self._waiting.append(one)

    def next_deadline(self, now: int) -> int | None:
        """When `release` will next have something to send."""
        times = list(self._due.values())
        for one in self._waiting:
            if isinstance(one.outgoing, HttpRequest):
                times.append(self._pacing.ready_for(one.outgoing, now))
        return min(times, default=None)

    def _send(self, outgoing: Outgoing, now: int) -> bool:
        if isinstance(outgoing, HttpRequest):
            if self._pacing.ready_for(outgoing, now) > now:
                return False
            self._pacing.spend_on(outgoing, now)
            self._outbox.ask(outgoing)
        else:
            self._count(now)
            self._outbox.send(outgoing)
        self._outbox.stirred = True
        return True
