"""A house that sleeps does what one does that does not, at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import pytest

from pitwire.desk.desk import Desk
from pitwire.desk.housekeeping import House
from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.sim.faults import Fault, LoseAck
from pitwire.sim.loop import START, SimLoop
from pitwire.trading.journal import encode
from pitwire.trading.rules import Watch
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish, buy, cancel, sell
from tests.desk.setting import BTC, PLAIN, Setting

BEAT = SECOND // 20
SEEDED = "seed = 1\n" + PLAIN
LIMITED = SEEDED + "[risk]\nmax_drawdown = 0.05\nmax_unknown_seconds = 1\n"


class Trades:
    """Lets an order rest, takes it back, buys and sells; and is quiet for a while in between."""

    name = "trades"
    watches = (Watch(ev.Quote, BTC, each=False), Watch(ev.Trade, BTC, each=False))

    def __init__(self) -> None:
        self._due, self._turn = 0, 0

    def react(self, state: State, now: int) -> Iterable[Wish]:
        touch = state.touch(BTC)
        if touch is None or now < self._due:
            return
        self._due, self._turn = now + 700_000_000, self._turn + 1
        if self._turn % 4 == 1:
            yield buy(BTC, 0.01, price=touch[0] * 0.99, tag="resting")
        elif self._turn % 4 == 2:
            yield cancel(BTC, tag="resting")
        elif self._turn % 4 == 3:
            yield buy(BTC, 0.01)
        else:
            yield sell(BTC, 0.009)


def lived(
    *, looked_at: bool, faults: list[Fault], config: str, latency: str
) -> tuple[list[bytes], int, int]:
    """The journal of a life with trades, a cut and a halt; how often the house was kept, and how
    many events there were."""
    setting = Setting(scenario="calm", faults=faults, latency=latency)
    setting.looked_at = looked_at
    beats = 0

    async def story(setting: Setting, desk: Desk) -> None:
        nonlocal beats
        gateway, chase = desk.gateway, desk.gateway.chase

        def counted(now: int) -> None:
            nonlocal beats
            beats += 1
            chase(now)

        gateway.chase = counted  # type: ignore[method-assign]
        await asyncio.sleep(12)
        setting.cut("orders*")
        await asyncio.sleep(6)
        desk.halt("enough", "test")
        await asyncio.sleep(3)

    desk = setting.run(story, Trades(), config=config)
    return [encode(record) for record in setting.journal.records], beats, desk.events


@pytest.mark.parametrize("latency", ["none", "overseas"])
@pytest.mark.parametrize("config", [SEEDED, LIMITED])
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_house_that_sleeps_says_what_one_says_that_is_awake(
    latency: str, config: str, lost: int
) -> None:
    faults: list[Fault] = [LoseAck(count=lost)] if lost else []
    awake, beats, heard = lived(looked_at=True, faults=faults, config=config, latency=latency)
    asleep, fewer, events = lived(looked_at=False, faults=faults, config=config, latency=latency)
    assert asleep == awake
    assert len(awake) > 40
    assert events == heard > 500
    assert fewer < beats


class Told:
    """A desk of which only the house is there."""

    def __init__(self, loop: SimLoop) -> None:
        self.clock = loop
        self.done: list[int] = []

    def chore(self, now: int) -> None:
        self.done.append(now - START)


def kept(until: Iterator[int], rouse_at: Iterable[int], seconds: float) -> list[int]:
    """When a house is kept that has these idle times and is roused then, ns."""
    loop = SimLoop()
    told, house = Told(loop), House(sleeps=True)

    def idle_until(now: int) -> int:
        return next(until, now)

    async def life() -> None:
        keeping = asyncio.create_task(house.keep(told, (told.chore,), idle_until))  # type: ignore[arg-type]
        for at in rouse_at:
            loop.call_at_ns(START + at, house.rouse)
        await asyncio.sleep(seconds)
        keeping.cancel()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(life())
    return told.done


def test_it_wakes_on_the_beat() -> None:
    forever = 1 << 63
    assert kept(iter(()), (), 0.17) == [BEAT, 2 * BEAT, 3 * BEAT]
    assert kept(iter([forever]), [], 9.0) == []
    # Roused between two beats, and on one: the one after it is the first that could know.
    assert kept(iter([forever]), [BEAT * 7 + 1], 0.47) == [8 * BEAT, 9 * BEAT]
    assert kept(iter([forever]), [BEAT * 7], 0.47) == [8 * BEAT, 9 * BEAT]
    # By the clock: a chore is due then, or between two beats.
    due = START + 5 * BEAT
    assert kept(iter([due]), [], 0.33) == [5 * BEAT, 6 * BEAT]
    assert kept(iter([due + 1]), [], 0.33) == [6 * BEAT]
    # What comes sooner rouses it sooner.
    assert kept(iter([due, due]), [BEAT * 2 + 5], 0.27) == [3 * BEAT, 5 * BEAT]
