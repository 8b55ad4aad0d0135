"""Positions closed in a halt, because a person has asked for it: a whole desk in a world."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from pitwire.desk.control import Ask, Control
from pitwire.desk.desk import Desk
from pitwire.desk.flattening import FRUITLESS, RULE
from pitwire.model.orders import Order, OrderState, OrderType, Side
from pitwire.sim.facts import Kind, NewOrder
from pitwire.sim.faults import Cut, DelayAck, Drop, Fault, LoseAck, RefuseDial
from pitwire.sim.world import BTC_USDT
from pitwire.trading.journal import Alerted, Asked, Decided, Flattening, Halted, Refusal
from pitwire.trading.replay import Replay
from pitwire.trading.stance import Stance
from pitwire.trading.wishes import order
from tests.desk.setting import BTC, PLAIN, Setting, command, until
from tests.desk.test_restart import kept, open_at_venue, resting

D = Decimal


def held(desk: Desk) -> Decimal:
    return desk.engine.state.portfolio.position(BTC)


async def take(desk: Desk, size: float, side: Side = Side.BUY) -> None:
    """Trade at the market, and wait until that order is over."""
    [placed] = command(desk, order(BTC, side, size=size))
    await until(lambda: not placed.is_open)
    assert placed.state is OrderState.FILLED


def closings(setting: Setting) -> list[Order]:
    """What was decided to close positions."""
    decided = [record.command for record in setting.records(Decided)]
    return [one for one in decided if isinstance(one, Order) and one.rule == RULE]


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_orders_are_cancelled_then_the_position_is_closed(tmp_path: Path, side: Side) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        await take(desk, 0.02, side)
        [waits] = command(desk, resting(50_000))
        await until(lambda: waits.state is OrderState.OPEN)
        control = Control(tmp_path / "a", desk.switchboard)
        ask = Ask(do="flatten", by="Ada", reason="enough", key="k1")
        told = control.obey(ask)
        assert (told.stance, told.halted, told.error) == (Stance.HALT, "enough", "")
        assert told.closing[BTC].state == "waiting", "its cancel is not confirmed yet"
        assert told.closing[BTC].why == "1 of our orders are not closed yet"
        await until(lambda: desk.switchboard.told().closing[BTC].state in ("closed", "left"))
        # Bought back, the fee is taken in coins: that little cannot be bought at this venue.
        assert held(desk) == (0 if side is Side.BUY else D("-0.00002"))
        assert waits.state is OrderState.CANCELED
        assert open_at_venue(setting) == []
        # The same request again is the same decision; a rule's order is still refused.
        sent = len(setting.methods("order.place"))
        assert control.obey(ask) == told
        assert command(desk, resting(50_000)) == []
        assert setting.records(Refusal)[-1].limit == "halt"
        await asyncio.sleep(3)
        assert len(setting.methods("order.place")) == sent
        desk.resume("Ada")
        assert desk.switchboard.told().closing == {}
        assert len(command(desk, resting(50_000))) == 1
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))
    [closing] = closings(setting)
    assert (closing.type, closing.side) == (OrderType.MARKET, side.opposite)
    assert closing.reduce_only, "where the venue knows it, it keeps us from turning it over"
    kinds = [type(one) for one in setting.journal.records]
    assert kinds.index(Asked) < kinds.index(Halted) < kinds.index(Flattening)
    # What was written is without contradiction: each order in the halt made a position smaller.
    replay = Replay()
    for record in setting.journal.records:
        replay.take(record)
    assert replay.contradictions == []


def test_a_halt_alone_leaves_positions_as_they_are() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        await take(desk, 0.02)
        before = held(desk)
        desk.halt("enough", "Ada")
        await asyncio.sleep(3)
        assert held(desk) == before > 0
        assert desk.switchboard.told().closing == {}
        # Asked for later, it is done then; the halt keeps its first reason.
        desk.switchboard.flatten("and out", "Eve")
        await until(lambda: held(desk) == 0)
        assert desk.engine.screen.halted == "enough"

    setting = Setting()
    setting.run(story)
    [flattening] = setting.records(Flattening)
    assert flattening.by == "Eve"


def test_what_is_larger_than_one_order_may_be_goes_in_several() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        for _ in range(3):
            await take(desk, 0.01)
            await asyncio.sleep(1)
        desk.switchboard.flatten("enough", "Ada")
        await until(lambda: held(desk) == 0)

    setting = Setting()
    setting.run(story, config=PLAIN + "[risk]\nmax_order_notional = 700\n")
    orders = closings(setting)
    assert len(orders) == 3
    assert all(one.size is not None and one.size * 60_000 < 710 for one in orders)


def test_what_is_too_small_for_the_venue_is_left_and_said() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        await take(desk, 0.001)
        await take(desk, 0.00095, Side.SELL)
        desk.switchboard.flatten("enough", "Ada")
        await asyncio.sleep(3)
        closing = desk.switchboard.told().closing[BTC]
        assert closing.state == "left"
        assert closing.held == held(desk) > 0
        assert "worth 2.39999" in closing.why

    setting = Setting()
    setting.run(story)
    assert closings(setting) == []
    told = [one.text for one in setting.records(Alerted) if one.text.startswith("flatten: ")]
    assert len(told) == 1, "once, not once a second"


def test_it_waits_for_the_venue_and_closes_when_that_is_back(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        await take(desk, 0.02)
        await until(lambda: not desk.gateway.may_trade)
        desk.switchboard.flatten("enough", "Ada")
        closing = desk.switchboard.told().closing[BTC]
        assert (closing.state, closing.why) == ("waiting", "the venue cannot be reached")
        await until(lambda: held(desk) == 0, within_seconds=120)
        await desk.stop()

    outage = (
        Cut(at_seconds=10, link="*"),
        RefuseDial(at_seconds=9.9, count=0, for_seconds=30.0),
    )
    setting = Setting(faults=outage)
    setting.world.run(lives(setting))
    assert len(closings(setting)) == 1


@pytest.mark.parametrize("late", [0, 3])
def test_what_has_traded_and_is_not_told_is_not_closed_again(late: int) -> None:
    """Its answer and its fill are lost, and the venue says of it only that it is filled."""
    seen: list[tuple[Decimal, str]] = []

    async def story(setting: Setting, desk: Desk) -> None:
        await take(desk, 0.02)
        await asyncio.sleep(5)
        desk.switchboard.flatten("enough", "Ada")
        for _ in range(600):
            await asyncio.sleep(0.05)
            seen.append((held(desk), desk.switchboard.told().closing[BTC].why))
        assert desk.switchboard.told().closing[BTC].state == "closed"

    faults: list[Fault] = [
        LoseAck(at_seconds=4, kind="place"),
        Drop(at_seconds=4, stream="userData", count=2),
    ]
    if late:
        faults.append(DelayAck(at_seconds=4, kind="fills", seconds=late))
    setting = Setting(faults=faults)
    setting.run(story)
    assert len(closings(setting)) == 1, "a second one would have turned the position over"
    assert min(size for size, _ in seen) == seen[-1][0] == 0
    assert "the fills of 1 order are not told yet" in {why for _, why in seen}


@pytest.mark.parametrize(
    "slow",
    [
        (),
        (DelayAck(at_seconds=9.9, kind="fills", seconds=3),),
        (LoseAck(at_seconds=9.9, kind="fills"),),
    ],
)
def test_what_somebody_has_closed_by_hand_meanwhile_is_not_closed_again(
    slow: tuple[Fault, ...],
) -> None:
    """The venue is back, and our fills are not: who was tired of waiting has sold it himself."""

    async def story(setting: Setting, desk: Desk) -> None:
        await take(desk, 0.02)
        size = held(desk)
        await until(lambda: not desk.gateway.may_trade)
        desk.switchboard.flatten("enough", "Ada")
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
        # thirty seconds of outage, a dial 28 s later at most, and ten for an answer that is lost
        for _ in range(2000):
            await asyncio.sleep(0.05)
            assert held(desk) >= 0
        assert desk.switchboard.told().closing[BTC].state == "closed"
        assert held(desk) == 0

    outage = (
        Cut(at_seconds=10, link="*"),
        RefuseDial(at_seconds=9.9, count=0, for_seconds=30.0),
    )
    setting = Setting(faults=(*outage, *slow))
    setting.run(story)
    assert closings(setting) == []


def test_orders_that_change_nothing_are_not_repeated_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        await take(desk, 0.02)
        send: Callable[..., None] = desk.gateway.send

        def lose(command: object, now: int) -> None:
            if isinstance(command, Order):
                desk.engine.dropped(command, "planted", now)
            else:
                send(command, now)

        monkeypatch.setattr(desk.gateway, "send", lose)
        desk.switchboard.flatten("enough", "Ada")
        await asyncio.sleep(20)
        closing = desk.switchboard.told().closing[BTC]
        assert (closing.state, closing.why) == ("left", "5 orders have not changed it")

    setting = Setting()
    setting.run(story)
    assert len(closings(setting)) == FRUITLESS


def test_a_start_after_it_is_halted_and_closes_nothing(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        await take(desk, 0.02)
        before = held(desk)
        assert desk._house is not None
        desk._house.cancel()  # it stops before it comes to that
        desk.switchboard.halt("enough", "Ada")
        desk.engine.screen.flatten("Ada", setting.clock.now())  # asked for, and then it stops
        desk.settle()
        await desk.stop()
        again = await setting.open(config=kept(tmp_path / "a"))
        await asyncio.sleep(3)
        assert again.engine.screen.halted == "enough"
        assert again.engine.screen.flattening == ""
        assert held(again) == before
        await again.stop()

    setting = Setting()
    setting.world.run(lives(setting))
