"""A ban by the simulated Binance, however it is told: nothing dials or asks until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.errors import DialFailed
from pitwire.session.connect import connect_to_websocket
from pitwire.sim.faults import HttpError
from pitwire.sim.world import HTTP_URL, MARKET_URL, ORDERS_URL, World
from pitwire.venues.venue import Endpoints
from pitwire.wire.link import HttpAnswer, Link, Receiver

MEMORY = Endpoints(market=MARKET_URL, orders=ORDERS_URL, http=HTTP_URL)
BAN_SECONDS = 90.0


class Door:
    """The world's door, and when somebody knocked."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.dials: list[int] = []
        self.asks: list[int] = []

    async def dial(self, url: str, receiver: Receiver) -> Link:
        self.dials.append(self.world.clock.now())
        return await self.world.dial(url, receiver)

    async def fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> HttpAnswer:
        self.asks.append(self.world.clock.now())
        return await self.world.fetch(method, url, headers, body)


@pytest.mark.parametrize("learned", ["upgrade", "request"])
@pytest.mark.parametrize("redundancy", [1, 2])
def test_nobody_dials_or_asks_until_a_ban_has_ended(learned: str, redundancy: int) -> None:
    world = World(seed=5, scenario="quiet", crowded=("BTC-USDT",))
    door = Door(world)
    now = world.clock.now

    async def story() -> None:
        async with connect_to_websocket(
            "binance",
            endpoints=MEMORY,
            dial=door.dial,
            fetch=door.fetch,
            clock=world.clock,
            entropy=Entropy(3),
            redundancy=redundancy,
        ) as session:
            await session.subscribe("book", "BTC-USDT")
            await session.subscribe("ticker", "BTC-USDT")
            await asyncio.sleep(5)
            assert session.book("BTC-USDT").ready
            ends = now() + round(BAN_SECONDS * SECOND)
            world.facade.ban(ends)
            if learned == "request":
                session.resync_book("BTC-USDT")
                await asyncio.sleep(1)
            knew = now()
            for link in list(world.stage.links()):
                world.stage.cut(link, now())
            await asyncio.sleep(BAN_SECONDS + 40)
            during = [at for at in door.dials + door.asks if knew <= at < ends]
            assert len(during) <= (redundancy if learned == "upgrade" else 0)
            assert all(line.stands for line in session.lines)
            assert session.book("BTC-USDT").ready

    world.run(story())


def test_a_connection_that_stands_asks_nothing_during_a_ban_either() -> None:
    """The orders connection asks for the time every ten seconds, and a ban is for the address."""
    ban = HttpError(kind="snapshot", status=418, retry_after_seconds=BAN_SECONDS)
    world = World(seed=5, scenario="quiet", faults=(ban,))
    asked: list[int] = []

    class Told:
        def __init__(self, link: Link) -> None:
            self.ping, self.close, self.abort = link.ping, link.close, link.abort
            self._link = link

        def send(self, frame: bytes) -> None:
            if b'"method":"time"' in frame:
                asked.append(world.clock.now())
            self._link.send(frame)

    async def dial(url: str, receiver: Receiver) -> Link:
        return Told(await world.dial(url, receiver))

    async def story() -> None:
        async with connect_to_websocket(
            "binance",
            endpoints=MEMORY,
            dial=dial,
            fetch=world.fetch,
            clock=world.clock,
            entropy=Entropy(3),
        ) as session:
            await session.authenticate_websocket(Credentials(*world.keys["ed25519"]))
            await session.subscribe("book", "BTC-USDT")
            await asyncio.sleep(BAN_SECONDS + 40)

    world.run(story())
    [(told, _)] = world.plan.happened
    ends = told + round(BAN_SECONDS * SECOND)
    assert [at for at in asked if told < at < ends] == []
    assert [at for at in asked if at >= ends] != []


def test_a_ban_that_one_connection_is_told_of_as_it_dials_silences_all_the_others() -> None:
    world = World(seed=5, scenario="quiet", crowded=("BTC-USDT",))
    door = Door(world)
    now = world.clock.now
    ends = 0

    async def dial(url: str, receiver: Receiver) -> Link:
        if url == ORDERS_URL and not ends:
            refusal = DialFailed(address=url, cause="banned", status=418, retry_after_seconds=90.0)
            raise refusal
        return await door.dial(url, receiver)

    async def story() -> None:
        nonlocal ends
        async with connect_to_websocket(
            "binance",
            endpoints=MEMORY,
            dial=dial,
            fetch=door.fetch,
            clock=world.clock,
            entropy=Entropy(3),
        ) as session:
            await session.subscribe("book", "BTC-USDT")
            await asyncio.sleep(5)
            with pytest.raises(DialFailed, match="418"):
                await session.authenticate_websocket(Credentials(*world.keys["ed25519"]))
            knew, ends = now(), now() + round(BAN_SECONDS * SECOND)
            session.resync_book("BTC-USDT")
            await asyncio.sleep(1)
            for link in list(world.stage.links()):
                world.stage.cut(link, now())
            await asyncio.sleep(BAN_SECONDS + 40)
            assert [at for at in door.dials + door.asks if knew <= at < ends] == []
            assert session.book("BTC-USDT").ready

    world.run(story())
