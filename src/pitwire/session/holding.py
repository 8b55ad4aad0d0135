"""Whether the market's connections are read; if they are held for long, that is said.

House rules: a connection that is not read answers no ping of the venue's, so a venue hangs up on
whoever holds it for as long as its patience lasts; this module can only tell who it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

TOLD_AFTER_SECONDS = 10.0
"""Held for so long, and again for twice as long each time, a reader is told of as `Lagging`."""


class Holding:
    """Holds connections still, or lets them be read.

    `hold` does it, `full` names the streams that demand it, `told` hears who is late and how long.
    """

    def __init__(
        self,
        *,
        hold: Callable[[bool], None],
        full: Callable[[], Collection[str]],
        told: Callable[[str, float], None],
    ) -> None:
        self._hold, self._full, self._told = hold, full, told
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.on = False
        """Whether they are held now."""

    def turn(self, on: bool) -> None:
        """Hold from now on, or read; the same again is nothing new."""
        if on is self.on:
            return
        self.on = on
        self._hold(on)
        self.stop()
        if on:
            self._since = asyncio.get_running_loop().time()
            self._arm(TOLD_AFTER_SECONDS)

    def stop(self) -> None:
        """Tell nobody any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._tell)

    def _tell(self) -> None:
        seconds = asyncio.get_running_loop().time() - self._since
        self._arm(seconds)
        for name in self._full():
            self._told(f"the reader of {name}", seconds)
