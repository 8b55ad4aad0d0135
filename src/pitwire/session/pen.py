"""What writes the frames of one connection.

House rules: a frame is written in the call that brings it, and in order; where no connection stands
it waits in the outbox. Whoever taps the line sees what was written, in order, and after all was
noted of it that is to be noted: he may give a command of his own, and it is held to the limits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pitwire.session.outbox import Outbox
from pitwire.wire.link import Link


class Pen:
    """Writes to `link`, the connection while it stands; `tapped` is shown what it wrote."""

    __slots__ = ("_outbox", "_tapped", "_unshown", "link")

    def __init__(self, outbox: Outbox, tapped: Callable[[bytes], None] | None = None) -> None:
        self._outbox, self._tapped = outbox, tapped
        self._unshown: deque[bytes] = deque()
        self.link: Link | None = None

    def write(self, frame: bytes) -> None:
        """Write this frame, behind what waits in the outbox; `show` is to follow."""
        link = self.link
        if link is None or self._outbox.has_frames:
            self._outbox.send(frame)
            self._write_waiting()
            return
        link.send(frame)
        if self._tapped is not None:
            self._unshown.append(frame)

    def flush(self) -> None:
        """Write what waits in the outbox, and show it."""
        self._write_waiting()
        self.show()

    def show(self) -> None:
        """Show what was written to whoever taps."""
        while self._unshown and self._tapped is not None:
            self._tapped(self._unshown.popleft())

    def _write_waiting(self) -> None:
        link, is_tapped = self.link, self._tapped is not None
        if link is None:
            return
        for frame in self._outbox.take_frames():
            link.send(frame)
            if is_tapped:
                self._unshown.append(frame)
