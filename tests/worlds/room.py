"""A world, a desk in it, and the oracles that watch both: one run by a plan.

    python -m tests.worlds.room --seed 3 --scenario calm --faults cuts

runs one world and prints what happened; it ends with 1 when an oracle complains.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from hashlib import blake2b

import msgspec

from pitwire.desk.config import DeskConfig, parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.errors import PitwireError
from pitwire.model.orders import Cancel, OrderState
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.faults import Fault, matches
from pitwire.sim.latency import LATENCIES
from pitwire.sim.scenarios import Scenario, scenario
from pitwire.sim.scripts import random_plan, script
from pitwire.sim.world import BTC_USDT, ETH_USDT, HTTP_URL, MARKET_URL, ORDERS_URL, World
from pitwire.trading.journal import MemoryJournal, placed
from pitwire.trading.rules import Rule
from pitwire.trading.tracked import Change, Origin, Tracked
from pitwire.trading.wishes import Wish
from pitwire.venues.venue import Endpoints
from tests.worlds.oracles import Complaints, Inspector, Verdict
from tests.worlds.players import DECLARED, players
from tests.worlds.witness import Witness

ENDPOINTS = Endpoints(market=MARKET_URL, orders=ORDERS_URL, http=HTTP_URL)
LISTINGS = (BTC_USDT, ETH_USDT)
SYMBOLS = tuple(listing.symbol for listing in LISTINGS)
CHANNELS = ("ticker", "trades", "book")
SAMPLE_SECONDS = 0.2
CALM_SECONDS = 150.0
"""By then the desk must have found its feet after the last fault."""
LAG_SECONDS = 2.0
"""How far behind the venue a book may be that counts as up to date."""
OPENINGS = 30
"""How often a desk that cannot be opened is opened again, a second apart."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a world is made from; the same plan is the same world."""

    seed: int = 1
    scenario: str = "calm"
    faults: str = "none"
    """Names of scripts joined by `+`, or `random`."""
    seconds: float = 20.0
    """How long the rules play; faults that last longer are waited for."""
    keys: str = "ed25519"
    latency: str = "none"
    bustle: float = 0.25
    """How much of the scenario's pace the crowd keeps: time is what a sweep is short of."""
    redundancy: int = 1
    """How many connections carry the same streams."""
    script: tuple[Fault, ...] = ()
    """Faults beside the named ones; a story's own."""

    def line(self) -> str:
        """The command that runs this world again."""
        given = [f"--seed {self.seed}", f"--scenario {self.scenario}", f"--faults {self.faults}"]
        for name in ("seconds", "keys", "latency", "bustle", "redundancy"):
            value = getattr(self, name)
            if value != getattr(_USUAL, name):
                given.append(f"--{name} {value}")
        return f"python -m tests.worlds.room {' '.join(given)}"

    def all_faults(self) -> tuple[Fault, ...]:
        """The script that this plan means."""
        if self.faults == "random":
            found = random_plan(Entropy(self.seed).child("room"), self.seconds)
        else:
            found = tuple(fault for name in self.faults.split("+") for fault in script(name))
        return (*found, *self.script)


_USUAL = Plan()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a world."""

    plan: Plan
    complaints: tuple[str, ...]
    journal: bytes
    digest: str
    """Of every event delivered and every record written."""
    orders: int
    """That reached the venue, the strangers' included."""
    fills: int
    losses: int
    gaps: int
    """Times that a book went stale."""
    unknowns: int
    """Orders of unknown state that became known."""
    missing: int
    """Orders whose fills are known in sum only."""
    faults: int
    """How often a fault happened."""
    compared: int
    """Books held against the venue's."""
    worst_lag: float
    calm_after: float
    """Seconds from the last fault's end until everything was well."""

    def told(self) -> str:
        """One line for a person."""
        return (
            f"{self.orders} orders, {self.fills} fills, {self.faults} faults, "
            f"{self.losses} losses, {self.gaps} gaps, {self.unknowns} unknowns resolved, "
            f"{self.missing} orders with fills missing, {self.compared} books compared, "
            f"worst lag {self.worst_lag:.1f} s, calm after {self.calm_after:.1f} s, "
            f"digest {self.digest}"
        )


Story = Callable[["Room"], Awaitable[None]]


class Room:
    """One world with one desk; `play` runs a story in it and asks the oracles."""

    def __init__(
        self,
        plan: Plan,
        *,
        rules: Sequence[Rule] | None = None,
        config: str = DECLARED,
        options: BinanceOptions | None = None,
    ) -> None:
        self.plan = plan
        faults = plan.all_faults()
        self.world = World(
            seed=plan.seed,
            listings=LISTINGS,
            scenario=paced(scenario(plan.scenario), plan.bustle),
            faults=faults,
            latency=LATENCIES[plan.latency],
            options=options,
        )
        self.clock = self.world.clock
        self.start = self.clock.now()
        self.complaints = Complaints(self.start)
        self.witness = Witness(self.world)
        self.inspector = Inspector(self.witness, self.complaints)
        self.journal = MemoryJournal()
        self.config = _config(config, plan)
        chance = Entropy(plan.seed).stream("players")
        self.rules = [self.inspector, *(players(chance) if rules is None else rules)]
        self._over = self.start + round(_last(faults) * SECOND)
        self._desk: Desk | None = None
        self.judged = 0
        """When the oracles were asked at the end; what comes later is the goodbye."""
        self._calm_after = 0.0
        self._missing = 0

    @property
    def desk(self) -> Desk:
        """The desk, once it is open."""
        assert self._desk is not None, "a story begins when the desk is open"
        return self._desk

    # ── a world's life ────────────────────────────────────────────────────────────────────────

    def play(self, story: Story | None = None) -> Outcome:
        """Open the desk, live the story (or just live), wait for calm, judge, stop."""
        self.world.run(self._play(story), within_seconds=3_600)
        return self._outcome()

    async def _play(self, story: Story | None) -> None:
        await self.open()
        try:
            if story is None:
                await self.live(self.plan.seconds)
            else:
                await story(self)
            await self.settle()
            self.judge()
        finally:
            await self.desk.stop()
        self._after_stop()

    async def open(self) -> None:
        """Open the desk, again when the venue will not have it yet."""
        key, secret = self.world.keys[self.plan.keys]
        for attempt in range(1, OPENINGS + 1):
            try:
                self._desk = await open_desk(
                    self.config,
                    rules=self.rules,
                    endpoints=ENDPOINTS,
                    credentials=Credentials(key, secret),
                    dial=self.world.dial,
                    fetch=self.world.fetch,
                    clock=self.clock,
                    journals=[self.journal],
                )
            except PitwireError:
                if attempt == OPENINGS:
                    raise
                await asyncio.sleep(1)
            else:
                return

    async def live(self, seconds: float) -> None:
        """Let time pass, looking often."""
        until = self.clock.now() + round(seconds * SECOND)
        while (left := until - self.clock.now()) > 0:
            await asyncio.sleep(min(SAMPLE_SECONDS, left / SECOND))
            self.inspector.sample(self.desk.engine.state, self.clock.now())

    async def reach(self, seconds: float) -> None:
        """Let time pass until so long after the world's start."""
        await self.live(seconds - (self.clock.now() - self.start) / SECOND)

    async def until(self, test: Callable[[], object], *, within_seconds: float = 30.0) -> None:
        """Let time pass until something is so; complain when it does not come about."""
        deadline = self.clock.now() + round(within_seconds * SECOND)
        while not test():
            if self.clock.now() >= deadline:
                name = getattr(test, "__qualname__", str(test))
                text = f"{name} did not come about within {within_seconds:g} s"
                self.complaints.note("G", self.clock.now(), text)
                return
            await self.live(0.05)

    async def settle(self) -> None:
        """No more orders; wait until the faults are over and nothing is in doubt; cancel; ask."""
        self.desk.engine.screen.armed = False
        await self.live(max(0, self._over - self.clock.now()) / SECOND)
        began = self.clock.now()
        await self.until(self.is_calm, within_seconds=CALM_SECONDS)
        self._calm_after = (self.clock.now() - began) / SECOND
        for _ in range(5):
            if not self._ours():
                break
            self.cancel_all()
            await self.live(3)
        self.desk.gateway.reconcile(self.clock.now())
        await self.live(1)

    def cancel_all(self) -> None:
        """Cancel whatever is ours, as a person would."""
        self.wish(Cancel(rule="room"))

    def wish(self, *wishes: Wish) -> list[Tracked]:
        """Wish for something as a rule would; the orders that risk made of it."""
        now, engine = self.clock.now(), self.desk.engine
        commands = engine.screen.admit(wishes, engine.state, now)
        for command in commands:
            self.desk.gateway.send(command, now)
        orders = [placed(command) for command in commands]
        return [self.tracked(order.id) for order in orders if order is not None]

    def tracked(self, order_id: str) -> Tracked:
        """An order as the desk's ledger has it."""
        found = self.desk.engine.state.ledger.find(order_id)
        assert found is not None, f"{order_id} is not in the ledger"
        return found

    def cut(self, link: str = "*") -> None:
        """Cut the connections whose label matches, at the venue's end, now."""
        stage = self.world.stage
        for number, label in stage.links().items():
            if matches(link, label):
                stage.cut(number, self.clock.now())
        self.world.act()

    def is_calm(self) -> bool:
        """Connected, logged in, every book right and up to date, every order and fill known."""
        state, session = self.desk.engine.state, self.desk.session
        asked = state.ledger._doubts.asking.values()
        carried = [len(streams) for streams in self.witness.subscriptions()]
        return (
            session.may_trade
            and carried == [len(CHANNELS) * len(SYMBOLS)] * self.plan.redundancy
            and set(state.books) == set(SYMBOLS)
            and all(book.ready for book in state.books.values())
            and not state.stale
            and all(self.lag(symbol) < LAG_SECONDS for symbol in SYMBOLS)
            and not any(one.doubt or _unsettled(one.state) for one in state.ledger.open_of(""))
            and not any(one.missing and one.origin is Origin.OURS for one in asked)
        )

    def lag(self, symbol: str) -> float:
        """For how long the venue's book has not been what the desk's is, in seconds."""
        last_id = self.desk.engine.state.books[symbol].last_id
        since = self.witness.books[symbol].outdated_since(last_id)
        return 0.0 if since is None else (self.clock.now() - since) / SECOND

    def judge(self) -> None:
        """Ask the oracles that need a quiet moment."""
        self.judged = self.clock.now()
        verdict = Verdict(self.desk, self.witness, self.complaints, self.clock.now())
        wanted = [(channel, symbol) for channel in CHANNELS for symbol in SYMBOLS]
        verdict.reach(self.journal.records, wanted, copies=self.plan.redundancy)
        self._missing = verdict.missing_fills

    # ── after it ──────────────────────────────────────────────────────────────────────────────

    def _ours(self) -> list[str]:
        ledger = self.desk.engine.state.ledger
        return [one.id for one in ledger.open_of("") if one.is_ours]

    def _after_stop(self) -> None:
        now = self.clock.now()
        for name, order in self.witness.orders().items():
            if not self.witness.is_over(order) and self.desk.engine.state.ledger.is_ours(name):
                self.complaints.note("C", now, f"{name} still lives after the desk has stopped")

    def _outcome(self) -> Outcome:
        journal = self.journal.lines()
        changes = [one for one in self.journal.records if isinstance(one, Change)]
        digest = blake2b(journal + self.inspector.digest.encode(), digest_size=8)
        seen = self.inspector.seen
        return Outcome(
            plan=self.plan,
            complaints=tuple(self.complaints.found),
            journal=journal,
            digest=digest.hexdigest(),
            orders=sum(self.witness.names.values()),
            fills=seen["Fill"],
            losses=seen["Lost"],
            gaps=seen["BookStale"],
            unknowns=sum(
                one.before is OrderState.UNKNOWN and one.after is not OrderState.UNKNOWN
                for one in changes
            ),
            missing=self._missing,
            faults=len(self.world.plan.happened),
            compared=self.inspector.compared,
            worst_lag=self.inspector.worst_lag,
            calm_after=self._calm_after,
        )


def run(plan: Plan) -> Outcome:
    """One world by its plan, with the restless desk."""
    return Room(plan).play()


def _unsettled(state: OrderState) -> bool:
    return state in (OrderState.UNKNOWN, OrderState.SENT, OrderState.NEW)


def paced(scene: Scenario, bustle: float) -> Scenario:
    """A scenario with fewer acts a second; its prices move as they did."""
    return msgspec.structs.replace(
        scene,
        makers_per_second=scene.makers_per_second * bustle,
        takers_per_second=scene.takers_per_second * bustle,
        followers_per_second=scene.followers_per_second * bustle,
    )


def _config(text: str, plan: Plan) -> DeskConfig:
    symbols = ", ".join(f'"{symbol}"' for symbol in SYMBOLS)
    channels = ", ".join(f'"{channel}"' for channel in CHANNELS)
    head = f"seed = {plan.seed}\n[venue]\nsymbols = [{symbols}]\nchannels = [{channels}]\n"
    return parse_config(f"{head}redundancy = {plan.redundancy}\n{text}")


def _last(faults: Iterable[Fault]) -> float:
    """When the last fault that has an end is over, in seconds."""
    lengths = ("for_seconds", "seconds", "lead_seconds")
    return max(
        (
            fault.at_seconds + sum(max(0.0, getattr(fault, name, 0.0)) for name in lengths)
            for fault in faults
        ),
        default=0.0,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one world from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.worlds.room", description=__doc__)
    for name in Plan.__struct_fields__:
        usual = getattr(_USUAL, name)
        if name != "script":
            parser.add_argument(f"--{name}", type=type(usual), default=usual)
    plan = Plan(**vars(parser.parse_args(arguments)))
    outcome = run(plan)
    print(plan.line())
    print(outcome.told())
    for complaint in outcome.complaints:
        print(complaint)
    return 1 if outcome.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
