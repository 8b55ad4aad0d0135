"""How an order leaves, and how one goes the same way that never does.

House rules: from the order to the write of its bytes nothing is awaited and nothing is noted that
can be noted after it. A rehearsal goes through this very code: what it does not go through is met
cold by the next order (ADR 51).
"""

from __future__ import annotations

from typing import cast

from pitwire.model.clock import Clock
from pitwire.model.orders import Order
from pitwire.session.commands import Commands
from pitwire.session.outbox import Outbox
from pitwire.session.pacing import Pacing
from pitwire.session.pen import Pen
from pitwire.session.pending import Pending
from pitwire.venues.venue import Codec, HttpRequest, Outgoing, RehearsingCodec, Venue


class Placing:
    """One way out: `commands` makes the bytes, `pen` writes them, `lap` stamps both."""

    __slots__ = ("_commands", "_lap", "_show", "_write", "_written", "encoded_at")

    def __init__(self, commands: Commands, pen: Pen, lap: Clock | None) -> None:
        self._commands, self._write, self._lap = commands, pen.write, lap
        self._show = pen.show
        self.encoded_at = self._written = 0
        """With a `lap` clock: when the last order's bytes were ready, before the write."""

    def place(self, order: Order, now: int) -> int:
        """Send an order; returns when it was written, 0 without a `lap` clock, or when it waits or
        goes over HTTP."""
        self._written = 0
        write = self._write if self._lap is None else self._stamped
        self._commands.place(order, now, write)
        written = self._written
        self._show()
        return written

    def _stamped(self, frame: bytes) -> None:
        assert self._lap is not None, "without a clock nobody asks for stamps"
        self.encoded_at = self._lap.now()
        self._write(frame)
        self._written = self._lap.now()


class Understudy:
    """Goes the way of an order with one that never leaves; nothing is sent, spent or awaited."""

    def __init__(self, venue: Venue, real: Commands, lap: Clock | None) -> None:
        self.real = real
        """Whose way it is."""
        self._pending, codec = Pending(0), real.codec
        self._outbox = outbox = Outbox()
        self._placing: Placing | None = None
        if isinstance(codec, RehearsingCodec):
            commands = Commands(
                venue,
                cast(Codec, _Rehearsed(codec)),
                pacing=cast(Pacing, _Unspent(real.pacing)),
                pending=self._pending,
                outbox=outbox,
                skew=real.skew,
            )
            commands.admitted = True
            pen = Pen(outbox)
            pen.link = _Nowhere()
            self._placing = Placing(commands, pen, lap)

    @property
    def is_bare(self) -> bool:
        """Whether nothing is left of what was rehearsed."""
        return self._outbox.is_empty and not self._pending

    def rehearse(self, order: Order, now: int) -> None:
        """Do all that `Placing.place` does, up to the write; where no order could leave now, or the
        codec cannot write one without remembering it, nothing is done."""
        if self._placing is not None and self.real.may_place(now):
            self._placing.place(order, now)
            self._pending.drain()
            self._outbox.take_requests()


class _Rehearsed:
    """A codec that remembers no order."""

    def __init__(self, codec: RehearsingCodec) -> None:
        self._rehearse = codec.rehearse

    def place(self, order: Order, now: int, _request_id: int) -> Outgoing:
        return self._rehearse(order, now)


class _Unspent:
    """A venue's limits, of which nothing is used up."""

    def __init__(self, pacing: Pacing) -> None:
        self.has_room_for_order = pacing.has_room_for_order

    def spend(self, scope: str, now: int, *, cost: int = 1) -> None: ...

    def spend_on(self, request: HttpRequest, now: int) -> None: ...


class _Nowhere:
    """A connection on which nothing is said."""

    def send(self, frame: bytes) -> None: ...

    def ping(self, payload: bytes = b"") -> None: ...

    def close(self, code: int = 1000, reason: str = "") -> None: ...

    def abort(self) -> None: ...
