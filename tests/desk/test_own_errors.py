"""An error of our own amid a send: it is told, and keeps nobody else from what has to be done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path

import pytest

from pitwire.desk.desk import Desk
from pitwire.model.clock import SECOND
from pitwire.model.events import Lost, Quote
from pitwire.model.orders import CancelOrder, Order, OrderState, Side
from pitwire.sim.world import BTC_USDT, ETH_USDT, World
from pitwire.store.latch import HaltLatch
from pitwire.trading.journal import Alerted, Left, OrdersLost
from pitwire.trading.rules import Watch
from pitwire.trading.state import State
from pitwire.trading.tracked import Tracked
from pitwire.trading.wishes import Wish, buy, cancel, order
from tests.desk.setting import BTC, PLAIN, Says, Setting, command, until
from tests.desk.test_restart import kept, open_at_venue, resting

ETH = "ETH-USDT"


def fail_to_cancel(desk: Desk, monkeypatch: pytest.MonkeyPatch, order_id: str) -> None:
    """From now on this order cannot be cancelled, for a fault of ours."""
    cancel: Callable[[CancelOrder, int], None] = desk.session.cancel

    def broken(given: CancelOrder, now: int) -> None:
        if given.order_id == order_id:
            raise ZeroDivisionError("planted")
        cancel(given, now)

    monkeypatch.setattr(desk.session, "cancel", broken)


async def three(desk: Desk) -> list[Tracked]:
    placed = command(desk, *(resting(price) for price in (50_000, 49_000, 48_000)))
    await until(lambda: all(one.state is OrderState.OPEN for one in placed))
    return placed


def alerts(setting: Setting) -> list[str]:
    return [one.text for one in setting.records(Alerted) if "planted" in one.text]


def test_a_cancel_that_cannot_be_made_keeps_no_other_back_in_a_halt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lives(setting: Setting) -> None:
        folder = tmp_path / "a"
        desk = await setting.open(config=kept(folder))
        first, second, third = await three(desk)
        fail_to_cancel(desk, monkeypatch, first.id)
        desk.halt("enough", "Ada")
        assert setting.methods("order.cancel") == ["order.cancel"] * 2, "at once"
        assert HaltLatch(folder).read() is not None
        await until(lambda: not second.is_open and not third.is_open, within_seconds=0.5)
        await asyncio.sleep(10)
        assert open_at_venue(setting) == [first.id]
        assert alerts(setting) == ["a command failed: ZeroDivisionError: planted"], "told once"
        await desk.stop(within_seconds=0.5)

    setting = Setting()
    setting.world.run(lives(setting))


def test_a_desk_that_cannot_make_a_cancel_ends_in_good_order_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        first, second, third = await three(desk)
        fail_to_cancel(desk, monkeypatch, first.id)
        await desk.stop()
        assert desk.left_open == (first.id,)
        assert not second.is_open
        assert not third.is_open

    setting = Setting()
    setting.world.run(lives(setting))


def test_an_order_that_may_have_left_amid_an_error_is_unknown_and_settled_by_proof(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        def broken(given: Order, now: int) -> int:
            raise ZeroDivisionError("planted")

        monkeypatch.setattr(desk.session, "place", broken)
        with pytest.raises(ZeroDivisionError):
            command(desk, resting(50_000))
        [lost] = desk.engine.state.ledger.open_of(BTC)
        assert lost.state is OrderState.UNKNOWN
        await until(lambda: not lost.is_open, within_seconds=20)
        assert (lost.state, lost.declared_dead) == (OrderState.REJECTED, True)

    Setting().run(story)


def test_a_position_that_cannot_be_closed_keeps_no_other_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting = Setting()
    setting.world = World(seed=3, listings=[BTC_USDT, ETH_USDT], scenario="quiet")
    setting.clock = setting.world.clock

    async def story(setting: Setting, desk: Desk) -> None:
        state = desk.engine.state
        await until(lambda: state.touch(ETH) and state.book(ETH) and not state.stale)
        bought = command(desk, order(BTC, Side.BUY, size=0.02), order(ETH, Side.BUY, size=0.1))
        await until(lambda: not any(one.is_open for one in bought))
        place: Callable[[Order, int], int] = desk.session.place

        def broken(given: Order, now: int) -> int:
            if given.symbol == BTC:
                raise ZeroDivisionError("planted")
            return place(given, now)

        monkeypatch.setattr(desk.session, "place", broken)
        desk.switchboard.flatten("enough", "Ada")
        sent = [one.command.symbol for one in setting.records(Left)
                if isinstance(one.command, Order) and one.command.rule == "flatten"]  # fmt: skip
        assert sent == [BTC, ETH], "in one turn"
        assert alerts(setting) == ["a command failed: ZeroDivisionError: planted"]
        await until(lambda: state.portfolio.position(ETH) < Decimal("0.001"), within_seconds=1)

    key, secret = setting.world.keys["ed25519"]
    setting.credentials = type(setting.credentials)(key, secret)
    setting.run(story, config=PLAIN.replace('["BTC-USDT"]', '["BTC-USDT", "ETH-USDT"]'))


def test_what_came_with_a_burst_is_heard_though_a_cancel_of_it_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rule = Says(Watch(Quote, BTC))

    async def story(setting: Setting, desk: Desk) -> None:
        first, *_ = await three(desk)
        fail_to_cancel(desk, monkeypatch, first.id)
        rule.wishes = [cancel(order_id=first.id)]
        now = desk.clock.now()
        burst = (
            Quote("binance", BTC, now, now, 60_000.0, 1.0, 60_001.0, 1.0),
            Lost("binance", "", 0, now, "orders", "gone", 0.0, by_us=False),
        )
        with pytest.raises(ZeroDivisionError):
            desk.on_events(burst, now, True)
        assert len(setting.records(OrdersLost)) == 1

    Setting().run(story, rule)


class Wakes:
    """A rule that wishes an order at each of its two wakes."""

    name = "wakes"
    watches: tuple[Watch, ...] = ()

    def __init__(self, at: int) -> None:
        self.times = [at, at + SECOND]
        self.woken = 0

    def next_wake(self) -> int | None:
        return self.times[0] if self.times else None

    def react(self, state: State, now: int) -> Iterable[Wish]:
        self.woken += 1
        del self.times[0]
        return [buy(BTC, 0.01, price=50_000 + self.woken)]


def test_a_rule_that_waits_is_woken_again_after_an_order_of_it_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting = Setting()
    rule = Wakes(setting.clock.now() + 10 * SECOND)

    async def story(setting: Setting, desk: Desk) -> None:
        def broken(given: Order, now: int) -> int:
            raise ZeroDivisionError("planted")

        def failed(_loop: asyncio.AbstractEventLoop, _context: object) -> None:
            waits.append(desk._wake is not None)

        waits: list[bool] = []
        monkeypatch.setattr(desk.session, "place", broken)
        asyncio.get_running_loop().set_exception_handler(failed)
        await until(lambda: waits, within_seconds=15)
        assert waits == [True]

    setting.run(story, rule)
