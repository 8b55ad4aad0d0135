"""What a connection looks like from inside: a `Link` to speak through, a `Receiver` that is told.

House rules: a receiver's methods are plain calls made in the turn of the loop that read the socket;
a frame is a view of the reader's buffer and is valid only during the call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Protocol, TypeAlias, runtime_checkable

from pitwire.model.errors import ConnectionLost

Buffer: TypeAlias = bytes | bytearray | memoryview


class Link(Protocol):
    """An open connection. `send` never waits; a dead link drops what it is given."""

    def send(self, frame: bytes) -> None:
        """Send one text frame now."""
        ...

    def ping(self, payload: bytes = b"") -> None: ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye; `on_lost` follows."""
        ...

    def abort(self) -> None:
        """Drop the socket at once; `on_lost` follows with code 1006."""
        ...


@runtime_checkable
class PausableLink(Link, Protocol):
    """A link whose reader can hold still, so that the sender's own socket fills up."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Receiver(Protocol):
    """Who is told what a connection brings. Venue pings are answered below, and then told."""

    def on_frame(self, frame: Buffer, drained: bool) -> None:
        """`drained`: nothing more is buffered behind this frame; a burst ends here."""
        ...

    def on_drained(self) -> None:
        """A burst ended with something that is no frame: a ping, or half a message."""
        ...

    def on_ping(self, payload: bytes) -> None: ...

    def on_pong(self, payload: bytes) -> None: ...

    def on_lost(self, error: ConnectionLost) -> None:
        """Called exactly once, last."""
        ...


Dial: TypeAlias = Callable[[str, Receiver], Awaitable[Link]]
"""(URL, receiver) → an open link; raises `DialFailed`."""


@runtime_checkable
class HeadedDial(Protocol):
    """A `Dial` that can say more about us with the upgrade."""

    def with_headers(self, headers: Mapping[str, str]) -> Dial: ...


HttpAnswer: TypeAlias = tuple[int, Mapping[str, str], bytes]
"""Status, headers with lower-case names, body."""

Fetch: TypeAlias = Callable[[str, str, Mapping[str, str], bytes], Awaitable[HttpAnswer]]
"""(method, URL, headers, body) → answer; raises `DialFailed` when none came."""

WRITING: ContextVar[Callable[[], None] | None] = ContextVar("writing", default=None)
"""Called as the last bytes of a request that is fetched in this context go to the socket, by a
`Fetch` that knows when that is. It does nothing that takes time and raises nothing."""
