"""Clocks that are wrong, and a desk that trades by them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from pitwire.desk.desk import Desk
from pitwire.model import events as ev
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.errors import StateError
from pitwire.model.orders import OrderState
from pitwire.sim.faults import ClockDrift, ClockSkew, ClockStep, DelayAck, Fault, Pause
from pitwire.trading.journal import Refusal
from pitwire.trading.rules import Watch
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish, buy
from tests.desk.setting import BTC, Setting, command, until

LIVE = """
mode = "live"
[venue]
symbols = ["BTC-USDT"]
[log]
file = ""
[risk]
max_order_notional = 5_000
max_position = 1
max_daily_loss = 1_000
[live]
account = "main"
armed_until = 2030-01-01T00:00:00Z
"""


def wrong(*faults: Fault, scenario: str = "quiet") -> Setting:
    """A world whose client has a clock of its own."""
    setting = Setting(faults=faults, scenario=scenario)
    setting.clock = setting.world.client_clock
    return setting


def test_live_does_not_start_while_the_venues_time_is_not_known() -> None:
    setting = wrong(DelayAck(kind="time", seconds=3.0, count=0))

    async def story(setting: Setting, desk: Desk) -> None:
        raise AssertionError("it must not have started")

    with pytest.raises(StateError) as caught:
        setting.run(story, config=LIVE)
    said = str(caught.value)
    assert said.startswith("live trading: found the session with a venue whose clock is known wit")
    assert said.endswith("expected its time within 0.5 s")
    assert setting.methods("order.place") == []


def test_live_starts_with_a_clock_that_is_wrong_by_a_known_amount() -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        [placed] = command(desk, buy(BTC, 0.01, price=40_000.0))
        await until(lambda: placed.state is OrderState.OPEN)

    setting = wrong(ClockSkew(at_seconds=0, seconds=-1.5))
    setting.run(story, config=LIVE)
    assert [alarm.what for alarm in setting.records(ev.ClockAlarm)] == ["venue"]


@pytest.mark.parametrize("seconds", [-120.0, 120.0])
def test_a_step_of_the_wall_clock_refuses_no_order_and_moves_no_deadline(seconds: float) -> None:
    setting = wrong(ClockStep(at_seconds=8, seconds=seconds), scenario="calm")

    async def story(setting: Setting, desk: Desk) -> None:
        for number in range(20):
            [placed] = command(desk, buy(BTC, 0.001, price=40_000.0 + number))
            await until(lambda one=placed: one.state is OrderState.OPEN)
            await asyncio.sleep(0.5)

    setting.run(story)
    assert setting.records(Refusal) == []
    assert setting.records(ev.FeedStale) == []
    assert [one.link for one in setting.records(ev.Lost) if not one.by_us] == []
    [told] = setting.records(ev.ClockAlarm)
    assert (told.what, told.seconds) == ("wall", seconds)


@pytest.mark.parametrize("ahead", [0.215, -0.215])
def test_an_offset_beyond_a_quarter_of_a_second_is_told_within_a_second(ahead: float) -> None:
    ppm = 200.0 if ahead < 0 else -200.0
    setting = wrong(ClockSkew(at_seconds=0, seconds=ahead), ClockDrift(ppm=ppm))

    async def story(setting: Setting, desk: Desk) -> None:
        await until(lambda: setting.records(ev.ClockAlarm), within_seconds=300)

    setting.run(story)
    [alarm] = setting.records(ev.ClockAlarm)
    clock = setting.world.client_clock
    right = alarm.received - clock.error(alarm.received)
    off = abs(round(ahead * SECOND) - clock.error(right))
    assert off <= 250 * MILLISECOND + SECOND * 200 // 1_000_000
    assert off >= 235 * MILLISECOND, "told before it is due"


def test_a_venue_that_puts_its_clock_back_is_an_offset_and_not_old_data() -> None:
    setting = wrong(ClockSkew(at_seconds=20, seconds=-1.27), scenario="calm")

    async def story(setting: Setting, desk: Desk) -> None:
        await asyncio.sleep(30)
        assert desk.engine.state.stale == {}

    setting.run(story)
    assert setting.records(ev.FeedStale) == []
    [alarm] = setting.records(ev.ClockAlarm)
    assert alarm.seconds == pytest.approx(-1.27, abs=0.01)


class Later:
    """A rule that wishes once, at the first quote it sees after a time."""

    name = "later"
    watches = (Watch(ev.Quote, BTC),)

    def __init__(self, after: int, wish: Wish) -> None:
        self.after, self.wishes = after, [wish]

    def react(self, state: State, now: int) -> Iterable[Wish]:
        if now < self.after or not self.wishes:
            return ()
        return (self.wishes.pop(),)


def test_after_a_minutes_pause_no_order_leaves_by_what_came_meanwhile() -> None:
    setting = wrong(Pause(at_seconds=15, for_seconds=60), scenario="calm")
    woken = setting.clock.now() + 75 * SECOND
    rule = Later(woken, buy(BTC, 0.001, price=40_000.0))

    async def story(setting: Setting, desk: Desk) -> None:
        await until(lambda: setting.records(Refusal), within_seconds=90)
        assert setting.methods("order.place") == []
        await until(lambda: not desk.engine.state.stale, within_seconds=30)
        [placed] = command(desk, buy(BTC, 0.001, price=40_000.0))
        await until(lambda: placed.state is OrderState.OPEN)

    setting.run(story, rule)
    [refused] = setting.records(Refusal)
    assert refused.limit == "stale input"
    assert {one.why for one in setting.records(ev.FeedStale)} == {"paused"}
