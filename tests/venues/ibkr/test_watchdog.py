"""A watchdog at the gateway, which counts what it asks with what its desk asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pitwire.desk.config import parse_config
from pitwire.desk.opening import open_desk
from pitwire.desk.watchdog import Beat, Charge, Goodbye, Report, Watchdog
from pitwire.model.events import Rejected
from pitwire.model.orders import OrderType, Place, Side
from pitwire.trading.journal import MemoryJournal
from pitwire.trading.rules import watch
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish
from pitwire.wire.link import HttpAnswer
from tests.venues.ibkr.test_desk import CONFIG, came
from tests.venues.ibkr.world import AAPL, ACCOUNTS, ENDPOINTS, gateway, until


class Rests:
    """One order, far from the market."""

    name = "rests"
    watches = (watch("Quote", AAPL),)

    def __init__(self) -> None:
        self._done = False

    def react(self, state: State, now: int) -> Iterable[Wish]:
        bid = state.touch(AAPL)
        if not self._done and bid[0]:
            self._done = True
            price = state.instruments[AAPL].price_down(bid[0] * 0.98)
            yield Place(AAPL, Side.BUY, OrderType.LIMIT, size=Decimal(2), price=price)


def test_it_asks_nothing_while_the_desk_lives_and_clears_away_behind_it() -> None:
    world, journal = gateway(), MemoryJournal()
    reports: list[Report] = []
    asked: list[str] = []

    async def noted(method: str, url: str, headers: Any, body: bytes) -> HttpAnswer:
        asked.append(url)
        return await world.fetch(method, url, headers, body)

    def resting() -> int:
        return len(world.exchange.open_orders(ACCOUNTS[0]))

    async def story() -> None:
        desk = await open_desk(
            parse_config(CONFIG),
            rules=[Rests()],
            endpoints=ENDPOINTS,
            dial=world.dialer,
            fetch=world.fetch,
            clock=world.clock,
            journals=[journal],
        )
        charge = Charge(
            venue="ibkr",
            prefix=desk.order_prefix,
            key="gateway",
            secret="",
            kind="hmac",
            endpoints=ENDPOINTS,
        )
        dog = Watchdog(
            charge, clock=world.clock, tell=reports.append, dial=world.dialer, fetch=noted
        )
        running = asyncio.ensure_future(dog.run())
        for _ in range(480):
            dog.hear(Beat())
            await asyncio.sleep(0.25)
        assert [report.state for report in reports] == ["ready"]
        assert asked == []
        assert resting() == 1
        await until(lambda: not resting(), 60)  # no beat any more
        dog.hear(Goodbye())
        await running
        await desk.stop()

    world.run(story())
    assert asked != []
    assert [one for one in came(journal, Rejected) if one.code == 429] == []
