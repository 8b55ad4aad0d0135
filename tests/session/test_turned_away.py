"""A key that is taken back, over real sockets: the market is heard on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pitwire.model.credentials import Credentials
from pitwire.model.errors import StateError
from pitwire.model.events import Event, Quote, Rejected
from pitwire.session.connect import connect_to_websocket
from pitwire.session.obedience import ACCOUNT
from pitwire.sim.hosted import HostedVenue
from pitwire.venues.venue import Endpoints

WITHIN_SECONDS = 30.0


async def until(done: Callable[[], object]) -> None:
    async with asyncio.timeout(WITHIN_SECONDS):
        while not done():
            await asyncio.sleep(0.02)


async def test_the_market_is_heard_on_when_the_key_is_taken_back() -> None:
    told: list[Event] = []

    def is_over() -> bool:
        return any(isinstance(one, Rejected) and one.what == ACCOUNT for one in told)

    def quotes() -> int:
        return sum(isinstance(one, Quote) for one in told)

    with HostedVenue(scenario="calm", seed=3) as venue:
        key, secret = venue.key()
        async with connect_to_websocket(
            endpoints=Endpoints(venue.market_url, venue.orders_url, venue.http_url),
            credentials=Credentials(key, secret),
            on_event=told.append,
        ) as session:
            await session.subscribe_to_order_updates()
            await session.subscribe_to_ticker("BTC-USDT")
            venue.ask(lambda world: world.facade.revoke_key(key))
            assert venue.hang_up("orders") > 0
            await until(is_over)
            [line] = session.lines
            assert (line.name, line.stands) == ("market-1", True)
            with pytest.raises(StateError, match="turned away"):
                session.ask_account(0)
            heard = quotes()
            await until(lambda: quotes() > heard + 3)
