"""What a conversation has ready for whoever carries it.

House rules: pure. Everything in here is handed out once; `stirred` says that something may be in
here, or that a deadline may have moved.
"""

from __future__ import annotations

from typing import TypeAlias

from pitwire.model.errors import PitwireError
from pitwire.model.events import Event
from pitwire.session.pending import Waited
from pitwire.venues.venue import HttpRequest

Settled: TypeAlias = tuple[Waited, PitwireError | None]
"""What somebody may be waiting for, and why it failed, if it did."""


class Outbox:
    """Frames and requests to send, answers to give, events to tell, a fault to act on."""

    __slots__ = (
        "_announced", "_fault", "_frames", "_key", "_ping", "_requests", "_settled", "_told",
        "stirred",
    )  # fmt: skip

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._requests: list[HttpRequest] = []
        self._settled: list[Settled] = []
        self._told: list[Event] = []
        self._ping = self._announced = False
        self._fault: PitwireError | None = None
        self._key = ""
        self.stirred = False

    # ── in ──

    def send(self, frame: bytes) -> None:
        """A frame is to be sent."""
        self._frames.append(frame)

    def ask(self, request: HttpRequest) -> None:
        """A REST request is to be carried."""
        self._requests.append(request)

    def ping(self) -> None:
        """A ping is to be sent."""
        self._ping = True

    def settle(self, key: Waited, error: PitwireError | None = None) -> None:
        """The venue has said yes, or no."""
        self._settled.append((key, error))

    def tell(self, *events: Event) -> None:
        """Events came about that no frame and no deadline brings."""
        self._told.extend(events)

    def announce(self) -> None:
        """The venue is going to drop the connection; another should take over."""
        self._announced = True

    def lead(self, key: str) -> None:
        """The private stream is to be had on a connection of its own, under this key."""
        self._key = key

    def fail(self, fault: PitwireError) -> None:
        """The connection is to be dropped; the first reason stands."""
        self._fault = self._fault or fault

    def forget_unsent(self) -> None:
        """The connection is gone; what belonged to it is not sent on the next."""
        self._frames.clear()
        self._requests.clear()
        self._ping, self._announced, self._fault = False, False, None

    # ── out ──

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to take."""
        return not (
            self._frames
            or self._requests
            or self._settled
            or self._told
            or self._ping
            or self._announced
            or self._key
            or self._fault is not None
        )

    @property
    def has_frames(self) -> bool:
        """Whether `take_frames` has any."""
        return bool(self._frames)

    @property
    def has_told(self) -> bool:
        """Whether `take_told` has any."""
        return bool(self._told)

    @property
    def pings(self) -> bool:
        """Whether `take_ping` has one."""
        return self._ping

    def take_frames(self) -> list[bytes]:
        """Frames to send, oldest first."""
        taken, self._frames = self._frames, []
        return taken

    def take_requests(self) -> list[HttpRequest]:
        """REST requests to carry."""
        taken, self._requests = self._requests, []
        return taken

    def take_ping(self) -> bool:
        """Whether a ping is to be sent."""
        taken, self._ping = self._ping, False
        return taken

    def take_announced(self) -> bool:
        """Whether the venue is going to drop the connection."""
        taken, self._announced = self._announced, False
        return taken

    def take_key(self) -> str:
        """The key of the private stream, if it was named just now."""
        taken, self._key = self._key, ""
        return taken

    def take_settled(self) -> list[Settled]:
        """What was confirmed or refused."""
        taken, self._settled = self._settled, []
        return taken

    def take_told(self) -> list[Event]:
        """Events to deliver."""
        taken, self._told = self._told, []
        return taken

    def take_fault(self) -> PitwireError | None:
        """Why the connection is to be dropped, if it is."""
        taken, self._fault = self._fault, None
        return taken
