"""Two links joined in memory: the manners of a socket, without one.

House rules: what is sent arrives in a later turn of the loop, in order, each side told of the loss
exactly once and last. Nothing here takes time; a loop with virtual time may run it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from pitwire.model.errors import ConnectionLost
from pitwire.wire.link import Dial, Link, Receiver

Welcome = Callable[[str, "MemoryLink"], Receiver]
"""(URL, the server's link) → who listens at the server's side; raises `DialFailed` to refuse."""


class MemoryLink:
    """One end of a pair."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._inbox: deque[tuple[str, bytes]] = deque()
        self._scheduled = False
        self._paused = False
        self._lost: ConnectionLost | None = None
        self._over = False
        self._peer: MemoryLink
        self._receiver: Receiver | None = None

    @classmethod
    def pair(cls) -> tuple[MemoryLink, MemoryLink]:
        """Two ends of one connection; nothing arrives at an end before it is `attach`ed."""
        loop = asyncio.get_running_loop()
        ends = cls(loop), cls(loop)
        ends[0]._peer, ends[1]._peer = ends[1], ends[0]
        return ends

    def attach(self, receiver: Receiver) -> None:
        """Say who listens at this end."""
        self._receiver = receiver
        self._schedule()

    @property
    def is_open(self) -> bool:
        """Whether something sent now can still arrive."""
        return self._lost is None and self._peer._lost is None

    def send(self, frame: bytes) -> None:
        """Send one text frame now."""
        if self.is_open:
            self._peer._take("frame", bytes(frame))

    def ping(self, payload: bytes = b"") -> None:
        """Ask for a sign of life; the other end answers by itself."""
        if self.is_open:
            self._peer._take("ping", payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; what was sent before still arrives."""
        if self.is_open:
            self._peer._end(ConnectionLost(code=code, reason=reason, clean=True))
            self._end(ConnectionLost(code=code, reason=reason, clean=True))

    def abort(self) -> None:
        """Break the connection; what has not arrived is lost, on both sides."""
        for end in (self, self._peer):
            end._inbox.clear()
            end._end(ConnectionLost(code=1006, reason="connection broken"))

    def pause_reading(self) -> None:
        """Let frames wait at this end."""
        self._paused = True

    def resume_reading(self) -> None:
        """Take in what waited."""
        self._paused = False
        self._schedule()

    def _take(self, kind: str, payload: bytes) -> None:
        self._inbox.append((kind, payload))
        self._schedule()

    def _end(self, error: ConnectionLost) -> None:
        if self._lost is None:
            self._lost = error
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and self._receiver is not None:
            self._scheduled = True
            self._loop.call_soon(self._arrive)

    def _arrive(self) -> None:
        self._scheduled = False
        receiver = self._receiver
        if receiver is None:
            return
        while self._inbox and not self._paused:
            kind, payload = self._inbox.popleft()
            if kind == "frame":
                receiver.on_frame(payload, not self._inbox or self._inbox[0][0] != "frame")
            elif kind == "ping":
                receiver.on_ping(payload)
                if self.is_open:
                    self._peer._take("pong", payload)
            else:
                receiver.on_pong(payload)
        if self._lost is not None and not self._inbox and not self._over:
            self._over = True
            receiver.on_lost(self._lost)


def join(left: Receiver, right: Receiver) -> tuple[MemoryLink, MemoryLink]:
    """A pair of open links; what one sends, the other's receiver is told."""
    ends = MemoryLink.pair()
    ends[0].attach(left)
    ends[1].attach(right)
    return ends


def dial_into(welcome: Welcome) -> Dial:
    """A `Dial` whose every connection is answered by `welcome`."""

    async def dial(url: str, receiver: Receiver) -> Link:
        ours, theirs = MemoryLink.pair()
        theirs.attach(welcome(url, theirs))
        ours.attach(receiver)
        return ours

    return dial
