"""The first moments after an outage: a whole desk in a world."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from pitwire.desk.desk import Desk
from pitwire.model.orders import OrderState, Side
from pitwire.sim.facts import Kind, NewOrder
from pitwire.sim.faults import Cut, DelayAck, Fault, LoseAck, RefuseDial
from pitwire.sim.world import BTC_USDT
from pitwire.trading.journal import Refusal
from pitwire.trading.wishes import order
from tests.desk.setting import BTC, Setting, command, until


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
        sells = NewOrder(
            account="main",
            symbol=BTC,
            side=Side.SELL,
            kind=Kind.MARKET,
            lots=int(held / BTC_USDT.lot),
            client_id="by-hand",
        )
        setting.world.exchange.place(sells, setting.clock.now())
        setting.world.act()
        closing = order(BTC, Side.SELL, size=held, reduce_only=True)
        await until(lambda: desk.gateway.may_trade)
        for _ in range(3000):
            blind, left = bool(desk.engine.state.blind), len(command(desk, closing))
            tried.append((blind, desk.engine.state.portfolio.position(BTC), left))
            await asyncio.sleep(0.005)
        assert desk.engine.state.missed == {}
        assert len(command(desk, order(BTC, Side.BUY, size=0.01))) == 1, "and then they leave again"

    outage = (Cut(at_seconds=10, link="*"), RefuseDial(at_seconds=9.9, count=0, for_seconds=5.0))
    setting = Setting(faults=(*outage, *slow))
    setting.run(story)
    assert any(not blind and held for blind, held, _ in tried), "in such moments it was tried"
    assert tried[-1][1] == 0
    assert not any(left for *_, left in tried)
    limits = [record.limit for record in setting.records(Refusal)]
    assert "order updates" in limits
    assert limits[-1] == "reduce only"
