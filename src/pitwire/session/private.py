"""The private stream where it has a connection of its own, under a key that the venue lends out.

The orders connection asks for the key and keeps it alive. This connection is dialled under it, and
after each loss only when the key has been asked for anew: a dead one is taken and then silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pitwire.model import errors
from pitwire.session.line import Line

NAME = "private"
"""The name of the line; a successor has a number after it."""


class PrivateLine:
    """At most one connection, which serves every orders line that asked for it."""

    def __init__(self, make: Callable[[str, str], Line], path: Callable[[str], str]) -> None:
        self._make, self._path = make, path
        self.line: Line | None = None
        self._askers: list[Line] = []
        self._url = self._account = ""
        self._granted = asyncio.Event()

    def granted(self, asker: Line, key: str, now: int) -> None:
        """The venue named the key of the stream, to this orders line."""
        if asker not in self._askers:
            self._askers.append(asker)
        url, self._url = self._url, self._path(key)
        self._granted.set()
        credentials = asker.conversation.credentials
        self._account = credentials.account if credentials is not None else ""
        if self.line is None:
            self.line = self.successor(NAME)
            self.line.start(0.0)
        elif url != self._url:
            self.line.move(self._url)
            self.line.drop(errors.ConnectionLost(code=1006, reason="the venue named another key"))
        elif self.line.stands:
            _confirm(asker, now)

    async def permission(self) -> None:
        """Wait until the key is known to be alive."""
        await self._granted.wait()

    def stood(self, now: int) -> None:
        """The connection was opened under a living key."""
        for asker in self._askers:
            _confirm(asker, now)

    def fell(self, line: Line, now: int) -> None:
        """A connection of the session is gone; if it is this one, the key is asked for anew."""
        if line in self._askers:
            if not line.stands and line is not self._askers[-1]:
                self._askers.remove(line)
        elif line is self.line:
            self._granted.clear()
            for asker in self._askers:
                asker.conversation.errands.watch_fell()
                asker.take_over(now)

    def successor(self, name: str) -> Line:
        """Another connection to the same stream, not dialled yet."""
        line = self._make(name, self._url)
        line.conversation.errands.account = self._account
        return line


def _confirm(asker: Line, now: int) -> None:
    asker.conversation.errands.watched()
    asker.flush(now)
