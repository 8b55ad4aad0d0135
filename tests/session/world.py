"""A server and a session in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.events import Event
from pitwire.session.connect import Connecting, connect_to_websocket
from pitwire.sim.loop import SimLoop
from pitwire.wire.memory import dial_into
from tests.session.toy import TOY, ToyServer

KEY = Credentials("key", "secret")


class World:
    """A server, and a way to connect to it that remembers what was told."""

    def __init__(self, loop: SimLoop, seed: int = 7) -> None:
        self.loop, self.seed = loop, seed
        self.server = ToyServer()
        self.server.now = loop.now
        self.told: list[Event] = []
        self.bursts: list[tuple[int, bool]] = []

    def connect(self, **more: Any) -> Connecting:
        return connect_to_websocket(
            **{
                "venue": TOY,
                "dial": dial_into(self.server.welcome),
                "fetch": self.server.fetch,
                "clock": self.loop,
                "entropy": Entropy(self.seed),
                "on_event": self.told.append,
                "asks_time": False,
                **more,
            }
        )

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.told]


def live(story: Callable[[World], Awaitable[None]], *, seed: int = 7) -> World:
    """Run a story to its end in virtual time."""
    loop = SimLoop()
    world = World(loop, seed)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(_whole(story, world))
    return world


async def _whole(story: Callable[[World], Awaitable[None]], world: World) -> None:
    async with asyncio.timeout(3600):  # of virtual time: heartbeats would go on for ever
        await story(world)


async def settle(turns: int = 30) -> None:
    """Let everything that is ready happen, in no time at all."""
    for _ in range(turns):
        await asyncio.sleep(0)
