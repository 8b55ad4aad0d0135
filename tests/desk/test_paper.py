"""Paper fills against the live market, and never sends an order."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from pitwire.desk.desk import Desk
from pitwire.desk.paper import PaperOutlet
from pitwire.model import events as ev
from pitwire.model.clock import ManualClock
from pitwire.model.orders import OrderState, Side
from pitwire.trading.journal import Left
from pitwire.trading.paper import PaperVenue
from pitwire.trading.state import State
from pitwire.trading.wishes import buy, cancel, order, replace, sell
from tests.desk.setting import BTC, PLAIN, Setting, command, until
from tests.trading import making

D = Decimal
PAPER = (
    PLAIN.replace('mode = "sim"', 'mode = "paper"') + "[paper.balances]\nUSDT = 5_000\nBTC = 1\n"
)


def test_paper_trades_and_no_order_leaves() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        await until(lambda: desk.engine.state.portfolio.free("USDT") == 5_000)
        [bought] = command(desk, buy(BTC, 0.02))
        await until(lambda: bought.state is OrderState.FILLED)
        [rests] = command(desk, order(BTC, Side.BUY, size=0.01, price=50_000))
        await until(lambda: rests.state is OrderState.OPEN)
        [new] = command(desk, replace(rests.id, order(BTC, Side.BUY, size=0.01, price=51_000)))
        await until(lambda: rests.state is OrderState.CANCELED)
        command(desk, cancel(order_id=new.replaced_by or rests.replaced_by))
        await until(lambda: not desk.engine.state.ledger.open)
        [refused] = command(desk, sell(BTC, 0.5))
        await until(lambda: not refused.is_open)
        command(desk, order(BTC, Side.SELL, size=0.1, price=70_000))

    setting = Setting()
    desk = setting.run(story, config=PAPER, credentials=False)
    # Not one frame but subscriptions: no order, no login, no second connection even.
    assert {frame["method"] for frame in setting.sent} == {"SUBSCRIBE"}
    assert setting.orders() == {}
    assert setting.free("BTC") == 10
    assert desk.left_open == (), "what rested on paper was cancelled"
    portfolio = desk.engine.state.portfolio
    bought, *_ = setting.records(ev.Fill)
    held = 1 + sum(
        one.size * (1 if one.side is Side.BUY else -1) for one in setting.records(ev.Fill)
    )
    fees = sum(one.fee for one in setting.records(ev.Fill) if one.fee_asset == "BTC")
    assert portfolio.free("BTC") == held - fees
    assert bought.fee == D("0.02") * D("0.001")
    assert portfolio.differences() == []
    assert setting.records(Left), "commands are journalled as if they had left"
    assert len(desk.timings.orders) == 5
    assert all(timing.answered for timing in desk.timings.orders.values())
    fills = desk.frames.fills().to_pandas()
    assert len(fills) == len(setting.records(ev.Fill))


def test_a_resting_order_on_paper_is_filled_by_the_market() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        touch = desk.engine.state.touch(BTC)
        assert touch is not None
        [rests] = command(desk, order(BTC, Side.BUY, size=0.01, price=round(touch[0] - 5, 2)))
        await until(lambda: rests.state is OrderState.OPEN)
        setting.world.nudge(BTC, -50)
        await until(lambda: rests.state is OrderState.FILLED)
        assert rests.average_price == rests.price

    setting = Setting(scenario="calm")
    setting.run(story, config=PAPER, credentials=False)
    assert all(fill.maker for fill in setting.records(ev.Fill))


class Told:
    """What was delivered, and a loop that can be turned by hand."""

    def __init__(self) -> None:
        self.bursts: list[list[str]] = []
        self.waiting: list[object] = []
        self.clock = ManualClock(making.T0)
        self.state = State([making.instrument()])
        venue = PaperVenue(self.state, {"USDT": D(1_000)})
        self.outlet = PaperOutlet(venue, self.deliver, clock=self.clock, soon=self.waiting.append)

    def deliver(self, events: object, now: int, drained: bool) -> None:
        assert drained
        assert now == self.clock.now()
        self.bursts.append([type(event).__name__ for event in events])  # type: ignore[attr-defined]

    def turn(self) -> None:
        waiting, self.waiting[:] = list(self.waiting), []
        for call in waiting:
            call()  # type: ignore[operator]


def test_answers_come_in_a_turn_of_their_own_and_together() -> None:
    told = Told()
    told.state.apply(making.quote(99, 101))
    sent = told.outlet.place(making.order("a", 1, price=50), making.T0)
    assert sent == told.outlet.encoded_at == making.T0
    told.outlet.ask_account(making.T0)
    assert told.bursts == []
    assert len(told.waiting) == 1
    told.turn()
    [burst] = told.bursts
    assert burst[0] == "Update"
    assert burst.count("Balance") > 1
    told.turn()
    assert len(told.bursts) == 1
    told.outlet.ask_status(making.BTC, "a", making.T0)
    told.outlet.ask_open_orders("", making.T0)
    told.outlet.pass_time(making.T0)
    assert told.waiting == [], "paper leaves nothing unanswered"


async def test_the_loops_own_soon_will_do() -> None:
    told = Told()
    soon = asyncio.get_running_loop().call_soon
    venue = PaperVenue(told.state, {"USDT": D(1_000)})
    outlet = PaperOutlet(venue, told.deliver, clock=told.clock, soon=soon)
    outlet.ask_account(making.T0)
    await asyncio.sleep(0)
    assert told.bursts == [["Balance"]]
