"""The receiver of one connection: where frames enter the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pitwire.model.clock import Clock
from pitwire.model.errors import ConnectionLost, DialFailed, PitwireError
from pitwire.model.events import Event
from pitwire.wire.link import Buffer

if TYPE_CHECKING:
    from pitwire.session.line import Line

Tap: TypeAlias = Callable[[str, str, Buffer, int, bool], None]
"""(link, `in` or `out`, payload, when, drained): sees every frame. Frames out may carry a key."""
Deliver: TypeAlias = Callable[[Sequence[Event], int, bool], None]


class Witness(Protocol):
    """Sees what is no frame, in the turn in which it happens; it must not raise."""

    def opened(self, link: str, url: str, now: int) -> None: ...

    def refused(self, link: str, error: DialFailed, now: int) -> None: ...

    def lost(self, link: str, error: PitwireError, now: int) -> None: ...

    def drained(self, link: str, now: int) -> None: ...


class Ear:
    """The receiver of one connection: it hears for its line until the line gives it up.

    What comes before the dial has returned is held; what comes after the line has given up the
    connection is of no interest to anybody.
    """

    __slots__ = (
        "_deliver", "_early", "_hears", "_line", "_now", "_outbox", "_over", "_receive", "_tap",
        "_vigil", "_witness", "link", "lost",
    )  # fmt: skip

    def __init__(
        self,
        line: Line,
        *,
        deliver: Deliver,
        clock: Clock,
        tap: Tap | None,
        witness: Witness | None = None,
    ) -> None:
        self._line, self._tap, self._witness = line, tap, witness
        self.link = line.name
        """Whose connection it is."""
        self._receive = line.conversation.receive_data
        self._outbox, self._vigil = line.conversation.outbox, line.conversation.vigil
        self._deliver, self._now = deliver, clock.now
        self._early: list[tuple[bytes, bool]] = []
        self._hears = self._over = False
        self.lost: ConnectionLost | None = None
        """How the connection ended before its dial had even returned."""

    def on_frame(self, frame: Buffer, drained: bool) -> None:
        """The hot path: one clock reading, the tape, the conversation, whoever listens."""
        if not self._hears:
            self._hold(frame, drained)
            return
        now = self._now()
        if now > self._vigil.late_at:
            self._line.woke(now)
        try:
            if self._tap is not None:
                self._tap(self.link, "in", frame, now, drained)
            self._deliver(self._receive(frame, now), now, drained)
        except Exception as error:  # noqa: BLE001 — the callback edge: what a listener raises
            self._line.caught(error)
        if self._outbox.stirred:
            self._line.flush(now)

    def on_drained(self) -> None:
        """A burst ended with something that is no frame."""
        if self._hears:
            now = self._now()
            if self._witness is not None:
                self._witness.drained(self.link, now)
            self._line.deliver((), now)

    def on_ping(self, payload: bytes) -> None:
        """The wire has answered already."""
        self._line.conversation.receive_ping(self._now())

    def on_pong(self, payload: bytes) -> None:
        """A sign of life."""
        self._line.conversation.receive_pong(self._now())

    def on_lost(self, error: ConnectionLost) -> None:
        """The connection ended, by whichever side."""
        self._line.gone()
        if self._hears:
            self._line.lose(error)
        else:
            self.lost = error

    def hear(self) -> None:
        """The dial has returned: take in what came early, and whatever comes."""
        self._hears = True
        early, self._early = self._early, []
        for frame, drained in early:
            self.on_frame(frame, drained)

    def give_up(self) -> None:
        """Hear nothing more."""
        self._hears, self._over = False, True
        self._early.clear()

    def _hold(self, frame: Buffer, drained: bool) -> None:
        if not self._over:
            self._early.append((bytes(frame), drained))
