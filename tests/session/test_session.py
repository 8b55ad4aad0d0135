"""The verbs, end to end over memory links."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pitwire.model import events
from pitwire.model.clock import SystemClock
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.events import Event
from pitwire.model.orders import UpdateKind
from pitwire.session.connect import connect_to_websocket
from pitwire.wire.memory import dial_into
from tests.session.toy import TOY, ToyServer

KEY = Credentials("key", "secret")


class World:
    """A server, and a session connected to it that remembers its events."""

    def __init__(self) -> None:
        self.server = ToyServer()
        self.told: list[Event] = []
        self.clock = SystemClock()
        self.server.now = self.clock.now

    def connect(self, **more: Any) -> Any:
        return connect_to_websocket(
            TOY,
            dial=dial_into(self.server.welcome),
            fetch=self.server.fetch,
            clock=self.clock,
            entropy=Entropy(7),
            **{"on_event": self.told.append, **more},
        )

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.told]

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


async def settle(turns: int = 30) -> None:
    """Let everything that is ready happen."""
    for _ in range(turns):
        await asyncio.sleep(0)


@pytest.fixture
def world() -> World:
    return World()


async def test_the_six_verbs(world: World) -> None:
    async with world.connect() as session:
        await session.authenticate_websocket(KEY)
        await session.subscribe_to_ticker("BTC-USDT")
        await session.subscribe_to_order_updates()
        world.server.market.tell(e="quote", s="BTC-USDT", bid=1.0)
        world.server.orders.tell(e="update", s="BTC-USDT", order="x", kind="canceled")
        waiting = asyncio.ensure_future(session.process_incoming_data())
        await settle()
        assert not waiting.done()
    closed = await waiting
    assert closed.reason == "closed by us"
    assert [e.bid for e in world.of(events.Quote)] == [1.0]
    assert [e.update for e in world.of(events.Update)] == [UpdateKind.CANCELED]
    assert [e.channel for e in world.of(events.Subscribed)] == ["ticker", "orders"]
    assert world.of(events.FeedFresh)[0].channel == "ticker"
