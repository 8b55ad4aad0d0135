"""Orders that wait for the venue's limit when a desk is halted: none of them leaves any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pitwire.desk.desk import Desk
from pitwire.model.events import Quote
from pitwire.model.orders import OrderState, Side
from pitwire.trading.journal import Halted
from pitwire.trading.rules import Watch
from pitwire.trading.tracked import Tracked
from pitwire.trading.wishes import buy, halt, order
from tests.desk.setting import BTC, PLAIN, Says, Setting, command, until

LOOSE = f"""{PLAIN}[risk]
max_orders_per_second = 1_000
max_orders_per_ten_seconds = 1_000
max_open_orders = 1_000
max_open_orders_per_symbol = 1_000
max_unanswered_orders = 1_000
"""
rule = Says(Watch(Quote, BTC))


def by_a_person(desk: Desk) -> None:
    desk.halt("enough", "Ada")


def by_a_rule(desk: Desk) -> None:
    rule.wishes = [halt("enough")]


def by_the_engine(desk: Desk) -> None:
    desk.engine.screen.throw("enough", "risk", desk.clock.now())


def by_its_end(desk: Desk) -> None:
    desk.switchboard.disarm("the desk stops")


async def waiting(setting: Setting, desk: Desk) -> list[Tracked]:
    """A market order and another, behind a hundred that have used the venue's limit up."""
    command(desk, *(buy(BTC, 0.001, price=50_000 - number) for number in range(100)))
    await asyncio.sleep(9)
    placed = command(desk, order(BTC, Side.BUY, size=0.01), buy(BTC, 0.001, price=49_000))
    assert [one.state for one in placed] == [OrderState.SENT] * 2
    await asyncio.sleep(0.1)
    assert not any(one.id in setting.orders() for one in placed), "they wait"
    return placed


@pytest.mark.parametrize("stops", [by_a_person, by_a_rule, by_the_engine, by_its_end])
def test_what_waits_for_the_venues_limit_never_leaves_after_a_halt(
    stops: Callable[[Desk], None],
) -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        placed = await waiting(setting, desk)
        stops(desk)
        await until(lambda: not any(one.is_open for one in placed), within_seconds=0.5)
        assert [one.state for one in placed] == [OrderState.REJECTED] * 2, "proven: never sent"
        await asyncio.sleep(5)
        assert not any(one.id in setting.orders() for one in placed)

    Setting().run(story, rule, config=LOOSE)


def test_what_waits_is_dropped_in_the_turn_of_the_rule_that_halts() -> None:
    """The venue's limit may have room again a moment later."""

    async def story(setting: Setting, desk: Desk) -> None:
        placed = await waiting(setting, desk)
        dropped: list[int] = []
        drop = desk.session.drop_waiting

        def noted(now: int) -> None:
            dropped.append(now)
            drop(now)

        desk.session.drop_waiting = noted  # type: ignore[method-assign]
        by_a_rule(desk)
        await until(lambda: desk.engine.screen.halted, every_seconds=0.001)
        [halted] = setting.records(Halted)
        assert halted.at in dropped
        await until(lambda: not any(one.is_open for one in placed), within_seconds=0.5)

    Setting().run(story, rule, config=LOOSE)


def test_what_closes_a_position_in_a_halt_waits_for_its_turn() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        [bought] = command(desk, order(BTC, Side.BUY, size=0.02))
        await until(lambda: not bought.is_open)
        command(desk, *(buy(BTC, 0.001, price=50_000 - number) for number in range(99)))
        await asyncio.sleep(9)
        desk.switchboard.flatten("enough", "Ada")
        await until(lambda: "flatten" in {one.rule for one in desk.engine.state.ledger.open_of("")})
        desk.halt("enough", "Bea")
        closing = lambda: desk.switchboard.told().closing[BTC].state  # noqa: E731
        await until(lambda: closing() in ("closed", "left"), within_seconds=5)
        made = [one for one in desk.engine.state.ledger.memory[0].orders.values()
                if one.rule == "flatten"]  # fmt: skip
        assert [one.state for one in made][:1] == [OrderState.FILLED]

    Setting().run(story, config=LOOSE)
