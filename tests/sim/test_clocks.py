"""A client's clock that is stepped, drifts, or stands still with its machine."""

from __future__ import annotations

import asyncio

from pitwire.model.clock import SECOND, ManualClock
from pitwire.sim.clocks import FaultyClock
from pitwire.sim.faults import ClockDrift, ClockStep, Pause
from tests.sim.binance_client import World, quiet_world

START = 1_700_000_000 * SECOND


def test_steps_add_up_and_are_told_while_time_goes_on() -> None:
    right = ManualClock(START)
    clock = FaultyClock(
        right, (ClockStep(at_seconds=1, seconds=-120), ClockStep(at_seconds=2, seconds=121.5))
    )
    assert (clock.now(), clock.jump()) == (START, 0)
    right.advance(1)
    assert (clock.now(), clock.jump()) == (START + SECOND, -120 * SECOND)
    right.advance(1)
    assert (clock.now(), clock.jump()) == (START + 2 * SECOND, 1_500_000_000)


def test_a_drift_grows_and_stays_when_it_is_over() -> None:
    right = ManualClock(START)
    clock = FaultyClock(right, (ClockDrift(at_seconds=10, ppm=200, for_seconds=1000),))
    right.advance(10)
    assert clock.error(right.now()) == 0
    right.advance(500)
    assert clock.error(right.now()) == SECOND // 10
    right.advance(5000)
    assert clock.error(right.now()) == SECOND // 5


def test_a_world_hands_its_client_the_wrong_clock_and_keeps_the_right_one() -> None:
    world = quiet_world(faults=(ClockDrift(ppm=1_000_000),))
    world.advance(6)
    assert world.client_clock.now() - world.clock.now() == 6 * SECOND


def test_while_a_client_stands_still_the_venue_goes_on() -> None:
    world = World(faults=(Pause(at_seconds=2.5, for_seconds=30),))
    woken: list[float] = []

    async def sleep() -> None:
        begun = world.clock.now()
        for _ in range(5):
            await asyncio.sleep(1)
            woken.append((world.clock.now() - begun) / SECOND)

    before = world.exchange.book("BTC-USDT").update_id
    world.run(sleep())
    assert [round(at, 6) for at in woken] == [1, 2, 32.5, 33.5, 34.5]
    assert world.exchange.book("BTC-USDT").update_id > before
