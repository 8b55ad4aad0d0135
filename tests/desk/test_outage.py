"""The first moments after an outage: a whole desk in a world."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from pitwire.desk.desk import Desk
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.events import Rejected
from pitwire.model.orders import OrderState, Side
from pitwire.sim.facts import Kind, NewOrder
from pitwire.sim.faults import Cut, DelayAck, Fault, LoseAck, RefuseDial
from pitwire.sim.world import BTC_USDT, START, World
from pitwire.trading.journal import Alerted, Refusal
from pitwire.trading.wishes import order
from tests.desk.setting import BTC, PLAIN, Setting, command, until
from tests.desk.test_restart import kept


def sell_by_hand(setting: Setting, size: Decimal) -> None:
    sells = NewOrder(
        account="main",
        symbol=BTC,
        side=Side.SELL,
        kind=Kind.MARKET,
        lots=int(size / BTC_USDT.lot),
        client_id="by-hand",
    )
    setting.world.exchange.place(sells, setting.clock.now())
    setting.world.act()


@pytest.mark.parametrize(
    "slow",
    [
        (),
        (DelayAck(at_seconds=9.9, kind="fills", seconds=1),),
        (LoseAck(at_seconds=9.9, kind="fills"),),
    ],
)
def test_after_an_outage_no_order_leaves_until_it_is_told_what_traded(
    slow: tuple[Fault, ...],
) -> None:
    """A rule that closes would sell again what somebody has sold by hand meanwhile."""
    tried: list[tuple[bool, Decimal, int]] = []

    async def story(setting: Setting, desk: Desk) -> None:
        [bought] = command(desk, order(BTC, Side.BUY, size=0.02))
        await until(lambda: bought.state is OrderState.FILLED)
        held = desk.engine.state.portfolio.position(BTC)
        await until(lambda: not desk.gateway.may_trade)
        sell_by_hand(setting, held)
        closing = order(BTC, Side.SELL, size=held, reduce_only=True)
        await until(lambda: desk.gateway.may_trade)
        for _ in range(3000):
            blind, left = bool(desk.engine.state.blind), len(command(desk, closing))
            tried.append((blind, desk.engine.state.portfolio.position(BTC), left))
            await asyncio.sleep(0.005)
        assert desk.engine.state.missed == {}
        assert len(command(desk, order(BTC, Side.BUY, size=0.01))) == 1, "and then they leave again"

    outage = (Cut(at_seconds=10, link="*"), RefuseDial(at_seconds=9.9, count=1000, for_seconds=5.0))
    setting = Setting(faults=(*outage, *slow))
    setting.run(story)
    assert any(not blind and held for blind, held, _ in tried), "in such moments it was tried"
    assert tried[-1][1] == 0
    assert not any(left for *_, left in tried)
    limits = [record.limit for record in setting.records(Refusal)]
    assert "order updates" in limits
    assert limits[-1] == "reduce only"


@pytest.mark.parametrize(
    ("slow", "begins_within"),
    [
        ((), 1),
        ((DelayAck(at_seconds=19, kind="fills", seconds=3),), 4),
        ((LoseAck(at_seconds=19, kind="fills"),), 20),
        ((LoseAck(at_seconds=19, kind="fills", count=0),), 31),
    ],
)
def test_a_start_knows_what_traded_before_an_order_leaves(
    tmp_path: Path, slow: tuple[Fault, ...], begins_within: float
) -> None:
    """Somebody has sold by hand while no desk was there, and the answer about fills is late."""
    setting = Setting(faults=slow)
    left: list[tuple[Decimal, int]] = []

    async def life() -> None:
        first = await setting.open(config=kept(tmp_path))
        [bought] = command(first, order(BTC, Side.BUY, size=0.02))
        await until(lambda: bought.state is OrderState.FILLED)
        held = first.engine.state.portfolio.position(BTC)
        await first.stop()
        await asyncio.sleep(20 - (setting.clock.now() - START) / SECOND)
        sell_by_hand(setting, held)
        began = setting.clock.now()
        second = await setting.open(config=kept(tmp_path))
        assert setting.clock.now() - began < begins_within * SECOND
        closing = order(BTC, Side.SELL, size=held, reduce_only=True)
        for _ in range(300):
            commands = command(second, closing)
            left.append((second.engine.state.portfolio.position(BTC), len(commands)))
            await asyncio.sleep(0.1)
        await second.stop()

    setting.world.run(life())
    assert not any(count for _, count in left)
    lost = begins_within > 30
    assert bool(left[-1][0]) == lost, "what nobody ever tells is not known, and nothing leaves"
    told = [one.text for one in setting.records(Alerted) if "not settled" in one.text]
    assert told == ["not settled after 30 s, asked on: BTC-USDT"] * lost


def test_a_line_that_flaps_asks_about_many_symbols_no_more_than_the_venue_allows() -> None:
    """Eighty symbols cost 1,700 of 6,000 a minute each time; beyond that the address is banned."""
    names = [BTC, *(f"C{number}-USDT" for number in range(79))]
    setting = Setting()
    listings = [
        replace(BTC_USDT, symbol=name, base=name.removesuffix("-USDT"), start_price=60_00)
        for name in names
    ]
    setting.world = World(seed=3, listings=listings, scenario="quiet")
    setting.clock = setting.world.clock
    setting.credentials = Credentials(*setting.world.keys["ed25519"])
    lost = 5

    async def story(setting: Setting, desk: Desk) -> None:
        await until(lambda: desk.gateway.may_trade)
        for _ in range(lost):
            setting.cut("orders*")
            await until(lambda: not desk.gateway.may_trade)
            await until(lambda: desk.gateway.may_trade)
            await asyncio.sleep(0.5)  # what it asks for leaves
        await until(lambda: not desk.engine.state.missed, within_seconds=150)

    listed = ", ".join(f'"{name}"' for name in names)
    setting.run(story, config=PLAIN.replace('symbols = ["BTC-USDT"]', f"symbols = [{listed}]"))
    assert len(setting.methods("myTrades")) >= len(names)
    assert len(setting.methods("openOrders")) == 1 + lost
    assert setting.records(Rejected) == []


def test_more_is_told_of_an_outage_than_one_answer_holds() -> None:
    """A venue tells a thousand fills at once; the rest is asked for, however many they are."""

    async def story(setting: Setting, desk: Desk) -> None:
        portfolio = desk.engine.state.portfolio
        [bought] = command(desk, order(BTC, Side.BUY, size=0.5))
        await until(lambda: bought.state is OrderState.FILLED)
        await until(lambda: not desk.gateway.may_trade)
        for _ in range(2_100):
            sell_by_hand(setting, Decimal("0.0001"))
        await until(lambda: not desk.engine.state.blind)
        sell_by_hand(setting, Decimal("0.0001"))  # told by the stream ahead of all those
        await until(lambda: not desk.engine.state.missed)
        assert portfolio.holding(BTC).sold == Decimal("0.2101")
        await asyncio.sleep(90)
        assert desk.report().orders.differences == ()

    outage = (Cut(at_seconds=10, link="*"), RefuseDial(at_seconds=9.9, count=1000, for_seconds=5.0))
    Setting(faults=outage).run(story)
