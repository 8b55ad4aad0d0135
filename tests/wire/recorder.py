"""A receiver that remembers what it was told, and lets a test wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pitwire.model.errors import ConnectionLost
from pitwire.wire.link import Buffer


class Recorder:
    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.drains: list[bool] = []
        self.pings: list[bytes] = []
        self.pongs: list[bytes] = []
        self.losses: list[ConnectionLost] = []
        self._changed = asyncio.Event()

    def on_frame(self, frame: Buffer, drained: bool) -> None:
        self.frames.append(bytes(frame))
        self.drains.append(drained)
        self._changed.set()

    def on_drained(self) -> None:
        self.drains.append(True)
        self._changed.set()

    def on_ping(self, payload: bytes) -> None:
        self.pings.append(payload)
        self._changed.set()

    def on_pong(self, payload: bytes) -> None:
        self.pongs.append(payload)
        self._changed.set()

    def on_lost(self, error: ConnectionLost) -> None:
        self.losses.append(error)
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something that was told makes this true; the suite's timeout ends it."""
        while not holds():
            self._changed.clear()
            await self._changed.wait()
