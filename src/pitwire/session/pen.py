"""What writes the frames of one connection.

House rules: a frame is written in the call that brings it, and in order; where no connection stands
it waits in the outbox. Whoever taps the line sees what was written, and after it was.
"""

from __future__ import annotations

from collections.abc import Callable

from pitwire.session.outbox import Outbox
from pitwire.wire.link import Link


class Pen:
    """Writes to `link`, the connection while it stands; `tapped` is shown what it wrote."""

    __slots__ = ("_outbox", "_tapped", "link")

    def __init__(self, outbox: Outbox, tapped: Callable[[bytes], None] | None = None) -> None:
        self._outbox, self._tapped = outbox, tapped
        self.link: Link | None = None

    def write(self, frame: bytes) -> None:
        """Write this frame, behind what waits in the outbox."""
        link = self.link
        if link is None or self._outbox.has_frames:
            self._outbox.send(frame)
            self.flush()
            return
        link.send(frame)
        if self._tapped is not None:
            self._tapped(frame)

    def flush(self) -> None:
        """Write what waits in the outbox."""
        link, tapped = self.link, self._tapped
        if link is None:
            return
        for frame in self._outbox.take_frames():
            link.send(frame)
            if tapped is not None:
                tapped(frame)
