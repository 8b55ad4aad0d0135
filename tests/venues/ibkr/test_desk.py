"""A desk at the simulated gateway: what it believes is held against what is there."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from pitwire.desk.config import parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.model.events import Fill, Lost, Rejected, Update
from pitwire.model.orders import Cancel, OrderState, OrderType, Place, Side, UpdateKind
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.faults import (
    AskBack,
    Cut,
    DailyReset,
    EndLogin,
    Fault,
    LoginElsewhere,
    LoseAck,
    LoseLine,
)
from pitwire.sim.world import World
from pitwire.trading.journal import Alerted, Came, Left, MemoryJournal
from pitwire.trading.rules import watch
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish
from pitwire.wire.link import HttpAnswer
from tests.venues.ibkr.world import AAPL, ENDPOINTS, gateway, until

CONFIG = """
mode = "sim"
[venue]
name = "ibkr"
symbols = ["AAPL-USD"]
channels = ["ticker", "stats"]
[venue.options]
answers = ["price-percentage"]
[log]
file = ""
[risk]
max_order_notional = 100_000
"""


class Buyer:
    """Buys a share each twenty seconds: at the market, far from it, and cancels what rests."""

    name = "buyer"
    watches = (watch("Quote", AAPL),)

    def __init__(self) -> None:
        self._next = self._turn = 0

    def react(self, state: State, now: int) -> Iterable[Wish]:
        if now < self._next:
            return
        self._next, self._turn = now + 20 * SECOND, self._turn + 1
        if self._turn % 3:
            yield Place(AAPL, Side.BUY, size=Decimal(1))
        else:
            yield Cancel(symbol=AAPL)
            bid = state.touch(AAPL)
            price = state.instruments[AAPL].price_down(bid[0] * 0.99)
            yield Place(AAPL, Side.BUY, OrderType.LIMIT, size=Decimal(2), price=price)


Story = Callable[[Desk, MemoryJournal, World], Awaitable[None]]


def desk_at(world: World, story: Story, config: str = CONFIG) -> tuple[Desk, MemoryJournal]:
    journal = MemoryJournal()

    async def life() -> Desk:
        desk = await open_desk(
            parse_config(config),
            rules=[Buyer()],
            endpoints=ENDPOINTS,
            dial=world.dialer,
            fetch=world.fetch,
            clock=world.clock,
            journals=[journal],
        )
        try:
            await story(desk, journal, world)
        finally:
            await desk.stop()
        return desk

    return world.run(life()), journal


def came(journal: MemoryJournal, kind: type) -> list[Any]:
    return [
        one.event
        for one in journal.records
        if isinstance(one, Came) and isinstance(one.event, kind)
    ]


def alerts(journal: MemoryJournal) -> list[str]:
    return [one.text for one in journal.records if isinstance(one, Alerted)]


async def quietly(desk: Desk, journal: MemoryJournal, world: World) -> None:
    await asyncio.sleep(170)


def test_a_desk_trades_and_counts_as_the_venue_does() -> None:
    desk, journal = desk_at(gateway(), quietly)
    fills = came(journal, Fill)
    assert len({one.trade_id for one in fills}) >= 5
    assert not desk.gateway.stock.named, desk.gateway.stock.named
    assert not [one for one in desk.engine.state.ledger.open.values() if one.is_ours]
    assert not [text for text in alerts(journal) if "differ" in text]


def test_a_list_that_is_long_on_its_way_counts_from_when_it_came() -> None:
    """The venue counts what arrives, and one too many is ten minutes of silence."""
    world, lists = gateway(faults=[Cut(at_seconds=33)]), itertools.count()
    fetch = world.fetch

    async def late(method: str, url: str, headers: Any, body: bytes) -> HttpAnswer:
        if "/iserver/account/orders" in url and next(lists) % 2 == 0:
            await asyncio.sleep(4)
        return await fetch(method, url, headers, body)

    world.fetch = late  # type: ignore[method-assign, assignment]
    _, journal = desk_at(world, quietly)
    assert next(lists) > 4
    assert [one for one in came(journal, Rejected) if one.code == 429] == []


def test_a_rule_that_would_wait_for_ever_is_refused_by_name() -> None:
    rule = '[[rule]]\nname = "dip"\nwhen = { price = "AAPL-USD", crosses_below = 190 }\n'
    with pytest.raises(ConfigError, match=r"'dip'.*Trade.*that ibkr tells"):
        desk_at(gateway(), quietly, f'{CONFIG}{rule}do = {{ market = "buy", size = 1 }}\n')


FAULTS: dict[str, Sequence[Fault]] = {
    "cuts": [Cut(at_seconds=33), Cut(at_seconds=61), Cut(at_seconds=62)],
    "lost answers": [LoseAck(at_seconds=0, kind="place", count=3)],
    "V17 lost": [LoseLine(at_seconds=30, for_seconds=25)],
    "V17 kept": [LoseLine(at_seconds=30, for_seconds=25, data_kept=True)],
    "V18 another": [LoginElsewhere(at_seconds=30, for_seconds=45)],
    "V18 reset": [DailyReset(at_seconds=30, for_seconds=45)],
    "V18 login": [EndLogin(at_seconds=30, for_seconds=45)],
    "V19 known": [AskBack(at_seconds=30, questions=("o163", "o163"), count=2)],
    "V19 unknown": [AskBack(at_seconds=30, questions=("Whatever?",), count=2)],
}


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_happens_it_trades_on_and_counts_right(name: str) -> None:
    world = gateway(faults=FAULTS[name], options=IbkrOptions())

    async def story(desk: Desk, journal: MemoryJournal, world: World) -> None:
        await asyncio.sleep(200)
        before = len(came(journal, Fill))
        await until(lambda: len(came(journal, Fill)) > before, 90)
        await asyncio.sleep(100)

    desk, journal = desk_at(world, story)
    ledger = desk.engine.state.ledger
    unknown = [one.id for one in ledger.open.values() if one.state is OrderState.UNKNOWN]
    assert not unknown
    assert not desk.gateway.stock.named, desk.gateway.stock.named
    placed = [one for one in journal.records if isinstance(one, Left)]
    assert len(placed) >= 8
    if name.startswith("V18"):
        assert [one for one in alerts(journal) if "no order leaves" in one]
    if name == "V19 unknown":
        refused = [one for one in came(journal, Update) if one.update is UpdateKind.REJECTED]
        assert len(refused) == 2
        assert all("nobody said yes" in one.text for one in refused)
    if name == "cuts":
        assert len(came(journal, Lost)) >= 3


def test_a_desk_that_is_started_again_at_once_asks_for_no_list_too_soon() -> None:
    """One that begins knows nothing of what the one before has asked, and the venue does."""
    world = gateway()

    async def lives() -> list[Rejected]:
        journal = MemoryJournal()
        for _ in range(3):
            desk = await open_desk(
                parse_config(CONFIG),
                rules=[Buyer()],
                endpoints=ENDPOINTS,
                dial=world.dialer,
                fetch=world.fetch,
                clock=world.clock,
                journals=[journal],
            )
            await desk.stop()
            await asyncio.sleep(2)  # for a process to begin
        return came(journal, Rejected)

    assert [one for one in world.run(lives()) if one.code == 429] == []
