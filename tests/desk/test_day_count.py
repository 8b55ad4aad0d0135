"""Limits by the day hold for all of it, whichever run ordered: a desk counts on what it finds."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from pitwire.desk.desk import Desk
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.model.orders import OrderState, Side
from pitwire.sim.loop import START
from pitwire.store import ordered as module
from pitwire.trading.conduct import midnight
from pitwire.trading.journal import Refusal
from pitwire.trading.wishes import Draft, order, replace
from tests.desk.setting import BTC, PLAIN, Setting, command, until
from tests.desk.test_restart import die

DAY = 86_400 * SECOND
MIDNIGHT = midnight(START) + DAY


def kept(path: Path, limits: str = "max_day_orders = 4\nmax_day_notional = 1000000") -> str:
    return f'{PLAIN}[desk]\nstate = "{path}"\n[risk]\n{limits}\n'


def resting(price: float = 50_000) -> Draft:
    return order(BTC, Side.BUY, size=0.01, price=price)


def counted(desk: Desk) -> tuple[int, dict[str, Decimal]]:
    conduct = desk.engine.screen.conduct
    return conduct.day_orders, conduct.day_notional


def refused(setting: Setting) -> list[str]:
    return [one.limit for one in setting.records(Refusal)]


async def end(desk: Desk, path: Path, how: str) -> Path:
    if how == "killed":
        return await die(desk, path)
    await desk.stop()
    return path


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_orders_and_turnover_of_the_day_go_on_after_another_start(tmp_path: Path, how: str) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a"))
        [placed] = command(desk, resting())
        await until(lambda: placed.state is OrderState.OPEN)
        command(desk, replace(placed.id, resting(49_000)))
        [market] = command(desk, order(BTC, Side.BUY, size=0.02))
        await until(lambda: market.state is OrderState.FILLED)
        assert counted(desk)[0] == 3
        assert counted(desk)[1]["USDT"] > 500 + 490 + 900, "the market order by its quote"
        before = counted(desk)
        place = await end(desk, tmp_path / "a", how)

        again = await setting.open(config=kept(place))
        assert counted(again) == before
        [fourth] = command(again, resting(48_000))
        assert command(again, resting(47_000)) == []
        assert refused(setting) == ["max_day_orders"]
        await until(lambda: fourth.state is OrderState.OPEN)
        place = await end(again, place, how)

        third = await setting.open(config=kept(place, "max_day_notional = 3000"))
        assert counted(third)[0] == 4, "an order is counted by one start once"
        assert command(third, order(BTC, Side.BUY, size=0.05, price=40_000)) == []
        assert refused(setting) == ["max_day_orders", "max_day_notional"]
        await third.stop()

    setting = Setting()
    setting.world.run(lives(setting))


def test_the_journal_is_read_before_anything_is_dialled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be long, and a connection that stands has to be heard meanwhile."""
    dialled: list[int] = []
    read = module.ordered_since

    async def lives(setting: Setting) -> None:
        def noted(*given: object, **more: object) -> object:
            dialled.append(len(setting.world.stage.links()))
            return read(*given, **more)  # type: ignore[arg-type]

        monkeypatch.setattr("pitwire.desk.day_count.ordered_since", noted)
        desk = await setting.open(config=kept(tmp_path / "a"))
        assert len(setting.world.stage.links()) > 0
        await desk.stop()

    setting = Setting()
    setting.world.run(lives(setting))
    assert dialled == [0]


def test_a_new_day_that_began_meanwhile_begins_at_zero(tmp_path: Path) -> None:
    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a", "max_day_orders = 2"))
        for price in (50_000, 49_000):
            command(desk, resting(price))
        place = await die(desk, tmp_path / "a")

        before = await setting.open(config=kept(place, "max_day_orders = 2"))
        assert setting.clock.now() < MIDNIGHT
        assert command(before, resting(48_000)) == []
        await asyncio.sleep((MIDNIGHT - setting.clock.now()) / SECOND + 1)
        assert len(command(before, resting(48_000))) == 1, "the day is over under a desk that runs"
        place = await die(before, place)

        after = await setting.open(config=kept(place, "max_day_orders = 2"))
        assert counted(after)[0] == 1, "what was ordered since midnight, and no more"
        assert len(command(after, resting(47_000))) == 1
        assert command(after, resting(46_000)) == []
        place = await die(after, place)

        await asyncio.sleep(1)
        last = await setting.open(config=kept(place, "max_day_orders = 2"))
        assert counted(last)[0] == 2
        await last.stop()

    setting = Setting(start=MIDNIGHT - 40 * SECOND)
    setting.world.run(lives(setting))


def test_a_clock_that_was_set_back_over_midnight_gives_no_orders_back(tmp_path: Path) -> None:
    """What was ordered on the day that it has left counts, and goes on to count on that day."""

    async def late(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a", "max_day_orders = 2"))
        command(desk, resting())
        await desk.stop()

    async def early(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a", "max_day_orders = 2"))
        assert counted(desk)[0] == 1
        await until(lambda: not desk.engine.state.missed)
        assert len(command(desk, resting(49_000))) == 1
        assert command(desk, resting(48_000)) == []
        await asyncio.sleep((MIDNIGHT - setting.clock.now()) / SECOND + 60)
        assert command(desk, resting(47_000)) == [], "it has begun, and begins no second time"
        assert refused(setting) == ["max_day_orders"] * 2
        await desk.stop()

    for life, start in ((late, MIDNIGHT + 5 * SECOND), (early, MIDNIGHT - 40 * SECOND)):
        setting = Setting(start=start)
        setting.world.run(life(setting))


def test_without_such_a_limit_no_journal_is_read_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("nobody asked")

    async def lives(setting: Setting) -> None:
        desk = await setting.open(config=kept(tmp_path / "a", "max_open_orders = 5"))
        command(desk, resting())
        await desk.stop()
        again = await setting.open(config=kept(tmp_path / "a", "max_open_orders = 5"))
        assert counted(again) == (0, {})
        await again.stop()

    monkeypatch.setattr(module, "_decided", refuse)
    setting = Setting()
    setting.world.run(lives(setting))


def test_a_journal_that_cannot_be_read_for_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "_decided", refuse)
    setting = Setting()
    with pytest.raises(ConfigError, match=r"Permission denied.*expected a journal to count"):
        setting.world.run(setting.open(config=kept(tmp_path / "a")))
