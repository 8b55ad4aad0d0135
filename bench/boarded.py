"""The job done by a whole desk with a board beside it: what `desk` does, and frames for viewers."""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection
from typing import Any

from bench import client
from bench.desk import WholeDesk
from pitwire.board.feed import Feed
from pitwire.board.hub import Hub
from pitwire.board.server import BoardServer
from pitwire.board.tail import Tail


class BoardedDesk(WholeDesk):
    """A desk with the rule of the race, and its board on a free port."""

    async def start(self) -> None:
        """Connect, begin, and open the board."""
        await super().start()
        desk = self._desk
        self._hub = Hub(Feed(desk, Tail()), desk.clock)
        self._server = BoardServer({"": self._hub}, desk.clock)
        await self._server.open()
        self._looking = asyncio.ensure_future(self._hub.run())

    def notes(self) -> dict[str, Any]:
        """What a desk says, and where its board is and what it has cost."""
        gate, hub = self._server.gate, self._hub
        return super().notes() | {
            "board": self._server.url_for(gate.look),
            "frames": hub.frames,
            "busy_seconds": hub.busy_seconds,
            "failures": hub.failures,
            "viewers": len(hub.viewers),
        }

    async def stop(self) -> None:
        """Close the board, then hang up."""
        self._looking.cancel()
        await asyncio.gather(self._looking, return_exceptions=True)
        await self._server.close()
        await super().stop()


def serve(control: Connection, spec: client.Spec, port: int, seat: client.Seat) -> None:
    """The client's process."""
    client.serve(spec, control, seat, lambda meter: BoardedDesk(port, spec.auth, meter))
