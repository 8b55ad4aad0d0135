"""Rules of a symbol that change within the day, at the simulated venue and in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from pitwire.desk.desk import Desk
from pitwire.model.orders import OrderState, OrderType, Place, Side
from pitwire.sim.faults import ChangeRules, HaltMarket, HttpError
from pitwire.trading.journal import Alerted, Dropped, Refusal
from pitwire.trading.wishes import buy
from tests.desk.setting import BTC, Setting, command, until

RAISED = ChangeRules(at_seconds=5, min_notional=Decimal(100))
SMALL = buy(BTC, 0.001, price=50_000)
"""Worth 50."""


def live(
    tale: Callable[[Setting, Desk], Awaitable[None]], *faults: ChangeRules | HaltMarket | HttpError
) -> Setting:
    setting = Setting(faults=faults, latency="overseas")
    setting.run(tale)
    return setting


def test_one_order_is_refused_by_the_venue_and_the_next_by_us() -> None:
    async def tale(setting: Setting, desk: Desk) -> None:
        await asyncio.sleep(8)
        (first,) = command(desk, SMALL)
        await until(lambda: not first.is_open)
        assert first.state is OrderState.REJECTED
        (second,) = command(desk, buy(BTC, 0.001, price=49_999))  # they are not here yet
        assert second.state is OrderState.REJECTED
        [dropped] = setting.records(Dropped)
        assert dropped.why == "the venue's rules of BTC-USDT are being learned again"
        await asyncio.sleep(2)
        assert command(desk, SMALL) == []
        assert setting.records(Refusal)[-1].limit == "grid notional"
        (great,) = command(desk, buy(BTC, 0.003, price=50_000))
        await until(lambda: great.state is OrderState.OPEN)
        assert setting.methods("order.place") == ["order.place"] * 2

    setting = live(tale, RAISED)
    texts = [one.text for one in setting.records(Alerted)]
    assert any("min_notional 5" in text and "→ 100" in text for text in texts), texts


@pytest.mark.parametrize(
    ("changed", "wish", "right", "limit", "told"),
    [
        ({"tick": "0.5"}, (0.003, 50_000.1), (0.003, 50_000.5), "grid price", "tick 0.01"),
        ({"lot": "0.001"}, (0.0035, 50_000), (0.004, 50_000), "grid size", "lot 0.00001"),
    ],
)
def test_a_grid_that_becomes_coarser_costs_one_order(
    changed: dict[str, str],
    wish: tuple[float, float],
    right: tuple[float, float],
    limit: str,
    told: str,
) -> None:
    """V22: the tick and the lot."""
    rules = ChangeRules(at_seconds=5, **{name: Decimal(to) for name, to in changed.items()})

    async def tale(setting: Setting, desk: Desk) -> None:
        await asyncio.sleep(8)
        (first,) = command(desk, exact(*wish))
        await until(lambda: not first.is_open)
        assert first.state is OrderState.REJECTED
        await asyncio.sleep(3)
        assert command(desk, exact(*wish)) == []
        assert setting.records(Refusal)[-1].limit == limit
        (good,) = command(desk, exact(*right))
        await until(lambda: good.state is OrderState.OPEN)
        assert setting.methods("order.place") == ["order.place"] * 2

    setting = live(tale, rules)
    texts = [one.text for one in setting.records(Alerted)]
    assert any(told in text for text in texts), texts


def exact(size: float, price: float) -> Place:
    """A wish that is not rounded to the grid."""
    return Place(symbol=BTC, side=Side.BUY, size=Decimal(str(size)), type=OrderType.LIMIT,
                 price=Decimal(str(price)))  # fmt: skip


def test_rules_that_cannot_be_had_are_not_waited_for() -> None:
    async def tale(setting: Setting, desk: Desk) -> None:
        await asyncio.sleep(8)
        (first,) = command(desk, SMALL)
        await until(lambda: not first.is_open)
        await asyncio.sleep(12)
        assert any("could not be learned again" in one.text for one in setting.records(Alerted))
        (great,) = command(desk, buy(BTC, 0.003, price=50_000))
        await until(lambda: great.state is OrderState.OPEN)

    live(tale, RAISED, HttpError(at_seconds=6, kind="info", count=50))


def test_what_is_refused_by_chance_is_asked_about_once_a_minute() -> None:
    async def tale(setting: Setting, desk: Desk) -> None:
        setting.world.exchange.set_rules(BTC, min_notional=Decimal(100))
        for step in range(3):  # the venue says that nothing has changed
            command(desk, buy(BTC, 0.001, price=50_000 - step))
            await asyncio.sleep(2)

    setting = live(tale)
    assert setting.methods("order.place") == ["order.place"] * 3
    assert setting.records(Dropped) == []
    assert not any("rules of" in one.text for one in setting.records(Alerted))


def test_into_a_closed_market_one_order_goes_and_when_it_opens_they_go_again() -> None:
    async def tale(setting: Setting, desk: Desk) -> None:
        await asyncio.sleep(8)
        (first,) = command(desk, buy(BTC, 0.003, price=50_000))
        await until(lambda: not first.is_open)
        assert first.state is OrderState.REJECTED
        for _ in range(20):
            await asyncio.sleep(1)
            command(desk, buy(BTC, 0.003, price=50_000))
        assert setting.methods("order.place") == ["order.place"]
        await asyncio.sleep(20)
        (late,) = command(desk, buy(BTC, 0.003, price=50_000))
        await until(lambda: late.state is OrderState.OPEN)

    setting = live(
        tale,
        HaltMarket(at_seconds=5),
        HaltMarket(at_seconds=35, status="TRADING"),
        HttpError(at_seconds=6, kind="info", count=1),
    )
    texts = [one.text for one in setting.records(Alerted) if "trade" in one.text]
    assert texts == [
        "the venue does not trade BTC-USDT: no order of it leaves",
        "the venue trades BTC-USDT again",
    ]


def test_what_is_not_traded_at_the_start_is_traded_when_it_opens() -> None:
    async def tale(setting: Setting, desk: Desk) -> None:
        assert desk.engine.state.instruments[BTC].status == "HALT"
        assert command(desk, buy(BTC, 0.003, price=50_000)) == []
        await asyncio.sleep(45)
        (late,) = command(desk, buy(BTC, 0.003, price=50_000))
        await until(lambda: late.state is OrderState.OPEN)

    live(tale, HaltMarket(at_seconds=0), HaltMarket(at_seconds=30, status="TRADING"))
