"""Worlds drawn from their seeds in which conditional orders trigger while everything goes wrong.

    python -m pitwire.torture.stop_worlds --seed 17

tries one again and prints what happened; it ends with 1 when something does not hold. Around each
trigger something is broken: a connection, an answer, a list, a cancel that meets it, or the desk.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias

import msgspec

from pitwire.desk.config import DeskConfig
from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.orders import Cancel, Side
from pitwire.sim.facts import Kind, NewOrder, Tif
from pitwire.sim.faults import (
    BlackHole,
    Cut,
    Delay,
    DelayAck,
    Duplicate,
    Fault,
    HttpError,
    LoseAck,
    Misreport,
    RefuseDial,
    Way,
    Withhold,
    ending,
)
from pitwire.sim.futures_facts import Conditional
from pitwire.sim.kit import Demand, Script, Trial
from pitwire.sim.latency import LATENCIES
from pitwire.sim.world import FUTURES_ORDERS_URL, USDM, World
from pitwire.torture.order_trial import Course, Restless, config_of
from pitwire.torture.outcome import Outcome
from pitwire.torture.stop_trader import StopTrader
from pitwire.torture.stop_truth import StopTruth
from pitwire.torture.trader import Chance
from pitwire.torture.virtual import paced

SYMBOL = "BTC-USDT"
Act: TypeAlias = Literal["push", "cancel", "die"]
_WHALE = "whale"
_APART_SECONDS = 7.0
_KNOWN_SECONDS = 40.0
_LATENCIES = ("none", "same-city", "overseas", "mobile")
_BEYOND = 5
"""So many ticks beyond its trigger somebody trades."""
_MARKET, _ORDERS, _BOTH = "market*", "orders*", "*"
TROUBLES = (
    "nothing", "cut", "unseen", "deaf", "shut out", "late", "twice", "place lost", "place late",
    "place misreported", "cancel meets it", "cancel lost", "question lost", "question refused",
    "withheld", "death", "death unseen",
)  # fmt: skip
_MORE = """
[desk]
reconcile_seconds = 10
[watchdog]
enabled = false
countdown = {countdown}
[log]
file = ""
"""


class Deed(msgspec.Struct, frozen=True):
    """What is done at a time, s after the start."""

    at_seconds: float
    act: Act


class StopWorld(msgspec.Struct, frozen=True, kw_only=True):
    """One of these worlds."""

    script: Script
    deeds: tuple[Deed, ...]
    countdown: bool
    """Whether the desk winds the venue's own timer."""

    @property
    def dies(self) -> bool:
        return any(deed.act == "die" for deed in self.deeds)


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one."""

    outcome: Outcome
    conditionals: int
    triggered: int
    starts: int


def drawn_stops(seed: int) -> StopWorld:
    """The world of this seed."""
    chance = Entropy(seed).stream("drawn stops")
    named, faults, deeds = [], list[Fault](), list[Deed]()
    at = 4.0
    for _ in range(chance.choice((1, 2, 2, 3))):
        at = round(at + chance.uniform(0, 2), 3)
        trouble = chance.choice(TROUBLES)
        named.append(trouble)
        faults += _faults(trouble, at, chance)
        deeds += _deeds(trouble, at, chance)
        at += _APART_SECONDS
    script = Script(
        id=f"S{seed}",
        title=" + ".join(named),
        does="conditional orders trigger meanwhile",
        expected="each is one order from its wish to its end; all by the truth",
        sim=tuple(sorted(faults, key=lambda fault: fault.at_seconds)),
        trial=Trial(
            orders=True,
            symbols=(SYMBOL,),
            seconds=2.0,
            most_seconds=600.0,
            scenario=chance.choice(("quiet", "calm")),
            latency=chance.choice(_LATENCIES),
            bustle=0.2,
        ),
        demand=Demand(back_within_seconds=_KNOWN_SECONDS, found_within_seconds=10.0, certain=False),
    )
    ordered = tuple(sorted(deeds, key=lambda deed: deed.at_seconds))
    return StopWorld(script=script, deeds=ordered, countdown=chance.choice((False, False, True)))


def _faults(trouble: str, at: float, chance: Chance) -> Iterator[Fault]:
    """What goes wrong around a trigger at this time."""
    about = max(0.0, at + chance.uniform(-0.2, 0.1))
    before, lasts = at - chance.uniform(0.3, 1.0), chance.uniform(1.5, 6.0)
    algo = "algoOrder.place"
    match trouble:
        case "cut":
            yield Cut(at_seconds=about, link=chance.choice((_MARKET, _ORDERS, _BOTH)))
        case "unseen" | "death unseen" | "shut out":
            link = _BOTH if trouble == "shut out" else _MARKET
            yield Cut(at_seconds=before, link=link)
            yield RefuseDial(at_seconds=before, link=link, count=0, for_seconds=lasts)
        case "deaf":
            ways: tuple[Way, ...] = ("down", "both")
            way = chance.choice(ways)
            yield BlackHole(at_seconds=before, link=_MARKET, way=way, for_seconds=lasts)
        case "late":
            yield Delay(at_seconds=before, link=chance.choice((_MARKET, _BOTH)),
                        seconds=chance.uniform(0.2, 2.0), for_seconds=lasts)  # fmt: skip
        case "twice":
            yield Duplicate(at_seconds=before, count=0, for_seconds=lasts)
        case "place lost":
            yield LoseAck(at_seconds=before, kind=algo, count=3)
        case "place late":
            yield DelayAck(at_seconds=before, kind=algo, seconds=lasts, count=3)
        case "place misreported":
            yield Misreport(at_seconds=before, kind=algo, count=2,
                            done=chance.choice((True, False)))  # fmt: skip
        case "cancel lost":
            yield LoseAck(at_seconds=before, kind="algoOrder.cancel", count=8)
        case "question lost" | "question refused":
            yield Cut(at_seconds=before, link=_MARKET)
            yield RefuseDial(at_seconds=before, link=_MARKET, count=0, for_seconds=lasts)
            lost = trouble == "question lost"
            kind = chance.choice(("algo*", "query*"))
            yield (LoseAck(at_seconds=before, kind=kind, count=3) if lost
                   else HttpError(at_seconds=before, kind=kind, count=3))  # fmt: skip
        case "withheld":
            yield Cut(at_seconds=about, link=_ORDERS)
            yield Withhold(at_seconds=about, kind=chance.choice(("*algo*", "*open*")), count=2)
        case _:
            pass


def _deeds(trouble: str, at: float, chance: Chance) -> Iterator[Deed]:
    """What is done about it."""
    for number in range(chance.randint(1, 3)):
        yield Deed(round(at + 0.3 * number, 3), "push")
    if trouble in ("cancel meets it", "cancel lost", "unseen", "deaf"):
        yield Deed(round(at + chance.uniform(-0.05, 0.4), 3), "cancel")
    if trouble in ("death", "death unseen"):
        yield Deed(round(at + chance.uniform(-0.2, 0.8), 3), "die")


def try_stops(drawn: StopWorld, seed: int) -> Tried:
    """Try a world once."""
    trial = drawn.script.trial
    world = World(
        venue=USDM,
        seed=seed,
        scenario=paced(trial.scenario, trial.bustle),
        crowded=trial.symbols,
        faults=drawn.script.sim,
        latency=LATENCIES[trial.latency],
    )
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(prefix="pitwire-", dir=memory) as folder:
        course = _StopCourse(drawn, world, seed, Path(folder) if drawn.dies else None)
        world.run(course.run(), within_seconds=trial.most_seconds)
    return Tried(
        outcome=course.outcome(),
        conditionals=len(course.truth.conditionals),
        triggered=course.truth.triggered,
        starts=course.starts,
    )


class _StopCourse(Course):
    """A trial at futures; somebody trades through our triggers, and the desk may die."""

    orders_url = FUTURES_ORDERS_URL
    truth: StopTruth

    def __init__(self, drawn: StopWorld, world: World, seed: int, folder: Path | None) -> None:
        self._drawn, self._folder = drawn, folder
        self._chance = Entropy(seed).stream("deeds")
        self.starts = 1
        self.state = None if folder is None else folder / "1"
        super().__init__(drawn.script, world, seed)
        self.truth.exchange.open_account(_WHALE, {}, unlimited=True)

    def _truth(self) -> StopTruth:
        return StopTruth(self.world)

    def _traders(self, chance: Chance) -> Sequence[Restless]:
        return [StopTrader(SYMBOL, chance, every_seconds=0.3)]

    def _config(self) -> DeskConfig:
        more = _MORE.format(countdown=str(self._drawn.countdown).lower())
        return config_of(self.script.trial, self.seed, USDM, more)

    async def _trade(self) -> None:
        for deed in self._drawn.deeds:
            at = self.begun + round(deed.at_seconds * SECOND)
            while (left := at - self.clock.now()) > 0:
                await self._look(self.desk, min(0.2, left / SECOND))
            match deed.act:
                case "push":
                    self._push()
                case "cancel":
                    self._cancel()
                case "die":
                    await self._die()
        await super()._trade()

    def _push(self) -> None:
        """Somebody trades through the trigger of one that waits."""
        waiting = self.truth.open_ones()
        if waiting:
            self._trade_through(self._chance.choice(waiting))

    def _trade_through(self, one: Conditional) -> None:
        what, exchange = one.request, self.truth.exchange
        falls = (what.side is Side.SELL) == what.kind.startswith("STOP")
        new = NewOrder(
            account=_WHALE,
            symbol=what.symbol,
            side=Side.SELL if falls else Side.BUY,
            kind=Kind.LIMIT,
            tif=Tif.IOC,
            lots=100_000,
            price=what.trigger - _BEYOND if falls else what.trigger + _BEYOND,
        )
        exchange.place(new, self.clock.now())
        self.world.act()

    def _cancel(self) -> None:
        """A person wants everything gone."""
        desk, now = self.desk, self.clock.now()
        if desk.gateway.may_trade:
            wish = (Cancel(rule="person"),)
            for command in desk.engine.screen.admit(wish, desk.engine.state, now):
                desk.gateway.send(command, now)
            desk.settle()

    async def _die(self) -> None:
        """The folder is as a kill leaves it; what is left of the desk says nothing more."""
        assert self._folder is not None
        assert self.state is not None
        dead, copy = self.desk, self._folder / str(self.starts + 1)
        shutil.copytree(self.state, copy, ignore=shutil.ignore_patterns("*.sock"))
        for trader in self.traders:
            trader.rests = True
        await dead.session.close()
        await dead.stop(within_seconds=0.1)
        self.state, self.starts = copy, self.starts + 1
        self.traders = self._traders(Entropy(self.seed).child(copy.name).stream("trader"))
        self.desk = await self._open()


def line(seed: int) -> str:
    """The command that tries a world again."""
    return f"python -m pitwire.torture.stop_worlds --seed {seed}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Try one world from the command line."""
    parser = argparse.ArgumentParser(prog="python -m pitwire.torture.stop_worlds")
    parser.add_argument("--seed", type=int, required=True)
    seed = parser.parse_args(arguments).seed
    drawn = drawn_stops(seed)
    print(line(seed), drawn.script.title, drawn.script.trial, sep="\n")
    for fault in drawn.script.sim:
        print(f"    until {ending(fault):.1f} s: {fault}")
    for deed in drawn.deeds:
        print(f"    at {deed.at_seconds:.3f} s: {deed.act}")
    tried = try_stops(drawn, seed)
    print(tried)
    for complaint in tried.outcome.complaints:
        print(complaint)
    return 0 if tried.outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
