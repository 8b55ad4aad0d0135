"""Two faults at once, by hand: each is tried alone elsewhere."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from pitwire.desk.desk import Desk
from pitwire.model.clock import SECOND
from pitwire.model.orders import OrderState, Side
from pitwire.sim.facts import Kind, NewOrder, Status
from pitwire.sim.faults import Cut, Drop, Fault, HttpError, LoseAck, RefuseDial, Rewrite
from pitwire.sim.world import BTC_USDT
from pitwire.trading.journal import Left
from pitwire.trading.wishes import amend, cancel, order, replace
from tests.desk.setting import BTC, Setting, command, is_open, until
from tests.desk.test_outage import sell_by_hand
from tests.desk.test_restart import die, found, kept, open_at_venue, resting, sell_down_to

D = Decimal


def settled(desk: Desk) -> bool:
    state = desk.engine.state
    return not (state.ledger.in_doubt or state.missed or state.blind)


@pytest.mark.parametrize("latency", ["none", "overseas"])
@pytest.mark.parametrize("after_ms", [0, 1, 40, 80, 120, 160, 200, 400])
@pytest.mark.parametrize("whole", [True, False])
def test_a_cut_amid_a_replacement_while_the_old_order_trades(
    latency: str, after_ms: int, whole: bool
) -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        [old] = command(desk, resting(55_000))
        await until(lambda: old.state is OrderState.OPEN)
        if not whole:
            setting.place_as_stranger("54000", 10)
        command(desk, replace(old.id, resting(54_500)))
        new = old.replaced_by
        assert new
        sell_down_to(setting, 55_000 if whole else 54_400)
        await asyncio.sleep(after_ms / 1000)
        setting.cut("orders*")
        await until(lambda: settled(desk) and desk.gateway.stock.is_done)
        sent = [one.command for one in setting.records(Left)]
        assert len(sent) == 2, "nothing is said again"
        names = [one.client_id for one in setting.world.exchange.all_orders("main", BTC)]
        assert len(names) == len(set(names))
        assert not found(desk, old.id).is_open
        if new not in setting.orders():
            assert found(desk, new).state is OrderState.REJECTED
        setting_orders = {k: v for k, v in setting.orders().items() if k != "stranger"}
        for name, theirs in setting_orders.items():
            ours = found(desk, name)
            assert ours.filled == theirs.filled_lots * BTC_USDT.lot, name
            assert ours.is_open == is_open(theirs), name
        bought = sum((one.filled_lots for one in setting.orders().values()), 0) * BTC_USDT.lot
        assert desk.engine.state.portfolio.holding(BTC).bought == bought

    Setting(latency=latency).run(story)


class SetClock:
    """The desk's clock, which somebody sets."""

    def __init__(self, setting: Setting) -> None:
        self._clock, self.ahead = setting.world.clock, 0

    def now(self) -> int:
        return self._clock.now() + self.ahead


@pytest.mark.parametrize("step", [-120, 120])
@pytest.mark.parametrize("came", [True, False])
def test_a_death_amid_an_unknown_order_and_a_clock_that_is_set_meanwhile(
    tmp_path: Path, came: bool, step: int
) -> None:
    """What is known of it is known by the new clock, no later than by one that was let be."""
    told: list[Fault] = [LoseAck(kind="place"), Drop(stream="userData")]

    async def lives(setting: Setting) -> None:
        setting.clock = clock = SetClock(setting)  # type: ignore[assignment]
        desk = await setting.open(config=kept(tmp_path / "a"))
        [lost] = command(desk, resting())
        await until(lambda: lost.state is OrderState.UNKNOWN)
        copy = await die(desk, tmp_path / "a")
        clock.ahead = step * SECOND
        begun = setting.world.clock.now()
        again = await setting.open(config=kept(copy))
        tracked = found(again, lost.id)
        assert tracked.state is (OrderState.OPEN if came else OrderState.REJECTED)
        assert setting.world.clock.now() < begun + 20 * SECOND
        assert settled(again)
        await again.stop()

    setting = Setting(faults=told if came else [HttpError(kind="place", status=504)])
    setting.world.run(lives(setting))


@pytest.mark.parametrize("step", [-120, 120])
def test_a_death_amid_a_doubt_and_a_clock_that_is_set_meanwhile(tmp_path: Path, step: int) -> None:
    """A cancel of which nobody knows what became: the venue's word on the order settles it."""

    async def lives(setting: Setting) -> None:
        setting.clock = clock = SetClock(setting)  # type: ignore[assignment]
        desk = await setting.open(config=kept(tmp_path / "a"))
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        command(desk, cancel(order_id=placed.id))
        setting.cut("orders*")
        await until(lambda: placed.doubt, every_seconds=0.001)
        assert placed.is_open
        copy = await die(desk, tmp_path / "a")
        clock.ahead = step * SECOND
        begun = setting.world.clock.now()
        again = await setting.open(config=kept(copy))
        assert settled(again)
        assert found(again, placed.id).is_open is bool(open_at_venue(setting))
        assert setting.world.clock.now() < begun + 20 * SECOND
        await again.stop()

    setting = Setting(latency="overseas")
    setting.world.run(lives(setting))


@pytest.mark.parametrize("after_ms", [0, 60, 130, 200])
def test_a_halt_amid_a_reconnection_with_an_amendment_on_its_way(after_ms: int) -> None:
    """The cancel is the first word on the new connection; the amendment is not said again."""

    async def story(setting: Setting, desk: Desk) -> None:
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        command(desk, amend(placed.id, Decimal("0.004")))
        await asyncio.sleep(after_ms / 1000)
        setting.cut("orders*")
        await asyncio.sleep(0.2)
        assert not desk.gateway.may_trade
        before = len(setting.sent)
        desk.halt("enough", "Ada")
        await until(lambda: not placed.is_open)
        assert open_at_venue(setting) == []
        said = [str(one["method"]) for one in setting.sent[before:]]
        about = [one for one in said if one.startswith(("order", "open", "account", "my"))]
        assert about[0] == "order.cancel"
        assert not {"order.place", "order.amend.keepPriority"} & set(said)
        await until(lambda: settled(desk))
        assert placed.state is OrderState.CANCELED

    Setting(latency="overseas", faults=[RefuseDial(at_seconds=1, link="orders*", count=2)]).run(
        story
    )


def test_an_answer_that_is_older_than_the_truth_is_found_out() -> None:
    """Nobody is told that an order came and traded, and the first word on it is of before that."""

    async def story(setting: Setting, desk: Desk) -> None:
        [lost] = command(desk, resting(55_000))
        sell_down_to(setting, 54_000)
        assert setting.orders()[lost.id].status is Status.FILLED
        await until(lambda: lost.state is not OrderState.SENT)
        await until(lambda: lost.state is OrderState.OPEN, within_seconds=20)
        assert desk.engine.state.ledger.exposure(BTC, None).buys == lost.size
        await until(lambda: lost.state is OrderState.FILLED, within_seconds=120)
        await until(lambda: settled(desk) and not lost.missing)
        assert lost.filled == lost.size
        assert desk.engine.state.portfolio.holding(BTC).bought == lost.size

    when = {"link": "orders*", "at_seconds": 4.9, "for_seconds": 0.2, "count": 0}
    older = [
        Rewrite(pattern='"status":"FILLED"', by='"status":"NEW"', **when),
        Rewrite(pattern='"executedQty":"[0-9.]*"', by='"executedQty":"0.00000000"', **when),
    ]
    untold = [LoseAck(kind="place"), Drop(stream="userData", count=0, for_seconds=4)]
    Setting(faults=[*untold, *older]).run(story)


def test_a_fill_that_stream_and_history_tell_counts_once_through_two_deaths(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        folder = tmp_path / "a"
        desk = await setting.open(config=kept(folder))
        [placed] = command(desk, resting(55_000))
        await until(lambda: placed.state is OrderState.OPEN)
        price = int(Decimal(55_000) / BTC_USDT.tick)

        def sell(lots: int) -> None:
            setting.world.exchange.place(
                NewOrder(account="whale", symbol=BTC, side=Side.SELL, kind=Kind.LIMIT, lots=lots,
                         price=price),
                setting.clock.now(),
            )  # fmt: skip
            setting.world.act()

        sell_down_to(setting, 56_000)  # everybody above it is gone
        sell(300)
        await until(lambda: placed.filled)
        for life in range(3):
            folder = await die(desk, folder)
            sell(100)
            desk = await setting.open(config=kept(folder))
            again = found(desk, placed.id)
            theirs = setting.orders()[placed.id].filled_lots * BTC_USDT.lot
            assert again.filled == theirs == BTC_USDT.lot * (400 + 100 * life)
            assert desk.engine.state.portfolio.holding(BTC).bought == theirs
            assert desk.engine.state.ledger.take_disagreements() == []
            assert settled(desk)
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))


@pytest.mark.parametrize("sizes", [(), (0.02,)])
def test_a_death_before_it_is_told_what_somebody_traded_by_hand_meanwhile(
    tmp_path: Path, sizes: tuple[float, ...]
) -> None:
    """Our own order trades in between: its number is behind that of what nobody has told yet."""
    outage = [
        Cut(at_seconds=10, link="*"),
        RefuseDial(at_seconds=9.9, count=1000, for_seconds=5),
        LoseAck(at_seconds=9.9, kind="fills", count=2),
    ]

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        at_once = (order(BTC, Side.BUY, size=size) for size in sizes)
        *bought, rests = command(desk, *at_once, resting(55_000))
        await until(lambda: all(one.state is OrderState.FILLED for one in bought))
        await until(lambda: rests.state is OrderState.OPEN)
        await until(lambda: not desk.gateway.may_trade)
        sell_by_hand(setting, Decimal("0.01"))
        await until(lambda: not desk.engine.state.blind and desk.gateway.may_trade)
        await asyncio.sleep(1)
        sell_down_to(setting, 55_000)
        await until(lambda: rests.filled, within_seconds=1)
        assert desk.engine.state.missed, "nobody has told it"
        again = await setting.open(config=kept(await die(desk, tmp_path / "a")))
        holding = again.engine.state.portfolio.holding(BTC)
        await until(lambda: settled(again) and again.gateway.stock.is_done)
        bought_in_all = Decimal("0.03") if sizes else Decimal("0.01")
        assert (holding.bought, holding.sold) == (bought_in_all, Decimal("0.01"))
        assert again.gateway.stock.named == {}
        await again.stop()

    setting = Setting(faults=outage)
    setting.world.run(lives(setting))
