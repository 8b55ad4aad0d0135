"""One script against a whole desk that trades without end: what becomes of its orders.

The course: open, trade while it goes wrong, fall silent, wait until every order is known, cancel,
and judge by the venue's truth. In virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pitwire.desk.config import DeskConfig, parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.errors import PitwireError
from pitwire.model.events import Event, FeedStale, Lost, Rejected, Unanswered
from pitwire.model.orders import Cancel, OrderState, RejectReason
from pitwire.session.obedience import KEY
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.kit import Script, Trial
from pitwire.sim.latency import LATENCIES
from pitwire.sim.scenarios import SCENARIOS
from pitwire.sim.world import HTTP_URL, MARKET_URL, ORDERS_URL, World
from pitwire.torture.order_history import History, Judge, Lives
from pitwire.torture.order_truth import OrderTruth
from pitwire.torture.outcome import Outcome
from pitwire.torture.trader import Chance, Trader
from pitwire.torture.virtual import known, listings, paced
from pitwire.trading.journal import Came, Halted, Left, MemoryJournal, Refusal, placed
from pitwire.trading.rules import Rule
from pitwire.trading.tracked import Change
from pitwire.venues.venue import Endpoints

LOOK_SECONDS = 0.2
_OPENINGS = 30
_SECOND_APART = 1.0
_COUNTS = 5
_CONFIG = """
[venue]
name = "{venue}"
symbols = [{symbols}]
channels = ["ticker"]
[risk]
max_order_notional = 50_000
max_position = 1_000
max_open_orders_per_symbol = 12
max_orders_per_second = 50
max_orders_per_ten_seconds = 90
max_unanswered_orders = 1_000
"""


class Restless(Rule, Protocol):
    """A rule that trades until it is told to rest."""

    rests: bool


def try_orders(script: Script, seed: int) -> Outcome:
    """Try a script once."""
    trial = script.trial
    world = World(
        seed=seed,
        listings=listings(trial),
        scenario=paced(known("trial.scenario", trial.scenario, SCENARIOS), trial.bustle),
        faults=script.sim,
        latency=LATENCIES[known("trial.latency", trial.latency, LATENCIES)],
        options=BinanceOptions(lifetime_seconds=trial.lifetime_seconds),
    )
    course = Course(script, world, seed)
    world.run(course.run(), within_seconds=trial.most_seconds)
    return course.outcome()


class Course:
    """A trial from the opening to the judgement."""

    def __init__(self, script: Script, world: World, seed: int) -> None:
        self.script, self.world, self.seed = script, world, seed
        self.clock = world.clock
        self.history = History()
        self.journal = MemoryJournal()
        self.truth = self._truth()
        self.lives = Lives(self.truth, self.history)
        self.traders = self._traders(Entropy(seed).stream("trader"))
        self.begun = self.clock.now()
        self.over = self.begun + round(script.is_over * SECOND)
        self.known_after: float | None = None

    async def run(self) -> None:
        self.desk = await self._open()
        try:
            await self._trade()
            desk = self.desk
            if self.script.demand.shut_out:
                self._judge_shut_out(desk)
                return
            await self._learn(desk)
            await self._withdraw(desk)
            await self._learn(desk)
            judge = Judge(self.truth, desk.engine.state, self.history)
            judge.reach(tuple(self.journal.records), self.world.plan.happened, self.begun)
            if self.script.demand.gone:
                self._judge_gone(desk, self.script.demand.gone)
            if self.script.demand.refused_by_rule:
                self._judge_rules(self.script.demand.refused_by_rule)
        finally:
            await self.desk.stop()

    # ── what another venue has otherwise ──────────────────────────────────────────────────────

    orders_url = ORDERS_URL
    state: Path | None = None
    """Where the desk keeps its journal, if it does."""

    def _truth(self) -> OrderTruth:
        return OrderTruth(self.world)

    def _traders(self, chance: Chance) -> Sequence[Restless]:
        symbols = self.script.trial.symbols
        return [Trader(symbol, chance, every_seconds=0.25) for symbol in symbols]

    def _config(self) -> DeskConfig:
        return config_of(self.script.trial, self.seed)

    # ── the course ────────────────────────────────────────────────────────────────────────────

    async def _open(self) -> Desk:
        key, secret = self.world.keys["ed25519"]
        for attempt in range(_OPENINGS):
            with suppress(PitwireError):
                return await open_desk(
                    self._config(),
                    rules=self.traders,
                    endpoints=Endpoints(market=MARKET_URL, orders=self.orders_url, http=HTTP_URL),
                    credentials=Credentials(key, secret),
                    dial=self.world.dial,
                    fetch=self.world.fetch,
                    clock=self.world.client_clock,
                    journals=[self.journal],
                    state=self.state,
                )
            await asyncio.sleep(_SECOND_APART * (attempt < _OPENINGS))
        raise TimeoutError(f"{self.script.id}: the desk could not be opened")

    async def _trade(self) -> None:
        last = max((fault.at_seconds for fault in self.script.sim), default=0.0)
        until = self.begun + round((last + self.script.trial.seconds) * SECOND)
        while self.clock.now() < until:
            await self._look(self.desk)
        for trader in self.traders:
            trader.rests = True

    async def _learn(self, desk: Desk) -> None:
        """Wait until the faults are over, and then until every order is known."""
        plan, patience = self.world.plan, self.script.demand.back_within_seconds
        began = self.clock.now()
        while True:
            over = max(self.over, plan.happened[-1][0] if plan.happened else 0)
            now = self.clock.now()
            if now >= over and self._is_known(desk):
                if self.known_after is None:
                    self.known_after = (now - over) / SECOND
                return
            if now > max(over, began) + round(patience * SECOND):
                self.history.note(f"not all is known {patience:g} s after: {self._open_of(desk)}")
                return
            await self._look(desk)

    def _judge_shut_out(self, desk: Desk) -> None:
        """Nothing was tried again and again, the market is watched, and nobody is called dead."""
        note, records = self.history.note, self.journal.records
        refused = next(
            (one.at for one in records if isinstance(one, Came) and _refuses_key(one.event)), None
        )
        if refused is None:
            note("the venue never refused the key")
            return
        if not desk.engine.screen.halted:
            note("the desk has not halted")
        halted = next((one.at for one in records if isinstance(one, Halted)), self.clock.now())
        self.known_after = max(0, halted - self.over) / SECOND
        sent = [one for one in records if isinstance(one, Left)]
        self.history.orders = len(sent)
        late = [one for one in sent if one.at > refused and placed(one.command) is not None]
        if late:
            note(f"{len(late)} orders left after the key was refused")
        tried = [at for at in self.truth.requests if at > refused + SECOND]
        if tried:
            note(f"{len(tried)} requests later than a second after the key was refused")
        if desk.engine.state.stale:
            note(f"nobody watches any more: {desk.engine.state.stale}")

    def _judge_rules(self, most: int) -> None:
        """The venue refuses no more than so many orders by its rules; then risk does."""
        records, broke = self.journal.records, self.over
        rules = (RejectReason.PRICE_RULE, RejectReason.SIZE_RULE, RejectReason.NOTIONAL_RULE)
        ends = [one for one in records if isinstance(one, Change) and one.ended]
        by_venue = [one for one in ends if one.reason in rules]
        here = [one for one in records if isinstance(one, Refusal) and one.at > broke
                and one.limit.startswith("grid")]  # fmt: skip
        if not 0 < len(by_venue) <= most:
            self.history.note(f"the venue refused {len(by_venue)} orders, expected 1 to {most}")
        if not here:
            self.history.note("risk has refused none by the new rules")

    def _judge_gone(self, desk: Desk, symbol: str) -> None:
        """The symbol is named as stale, others are not, and no order went to it since."""
        note, records, stale = self.history.note, self.journal.records, desk.engine.state.stale
        if symbol not in stale:
            note(f"{symbol} is gone, and not called stale")
        for other in stale.keys() - {symbol}:
            note(f"{other} is called stale, and only {symbol} is gone")
        named = (one.at for one in records if isinstance(one, Came)
                 and isinstance(one.event, FeedStale) and one.event.symbol == symbol)  # fmt: skip
        since = next(named, None)
        sent = [(one.at, order) for one in records if isinstance(one, Left)
                and (order := placed(one.command)) is not None]  # fmt: skip
        late = [order for at, order in sent if since and at > since and order.symbol == symbol]
        if since is None or late:
            note(f"{len(late)} orders to {symbol} left after it was called stale at {since}")
        if not any(at > (since or 0) and order.symbol != symbol for at, order in sent):
            note("no order left for another symbol since")

    async def _withdraw(self, desk: Desk) -> None:
        """Cancel what is ours until nothing is left, and ask for everything once more."""
        engine = desk.engine
        for _ in range(20):
            if not any(one.is_ours for one in engine.state.ledger.open_of("")):
                break
            now = self.clock.now()
            if desk.gateway.may_trade:
                wish = (Cancel(rule="torture"),)
                for command in engine.screen.admit(wish, engine.state, now):
                    desk.gateway.send(command, now)
            await self._look(desk, 1.0)
        happened = self.world.plan.happened
        for _ in range(_COUNTS):
            before = len(happened)
            desk.gateway.reconcile(self.clock.now())
            await self._look(desk, 1.5)
            if len(happened) == before:
                break  # else a fault that was left over has made this last count a lie

    async def _look(self, desk: Desk, seconds: float = LOOK_SECONDS) -> None:
        await asyncio.sleep(seconds)
        self.lives.look(desk.engine.state)

    def _is_known(self, desk: Desk) -> bool:
        return desk.session.may_trade and desk.gateway.stock.is_done and not self._open_of(desk)

    def _open_of(self, desk: Desk) -> list[str]:
        ledger = desk.engine.state.ledger
        unsettled = (OrderState.UNKNOWN, OrderState.SENT, OrderState.NEW)
        open_ones = [one.id for one in ledger.open_of("") if one.state in unsettled]
        return open_ones + [one.id for one in ledger.in_doubt]

    # ── what came of it ───────────────────────────────────────────────────────────────────────

    def outcome(self) -> Outcome:
        script, history = self.script, self.history
        notices = [
            record.at
            for record in self.journal.records
            if isinstance(record, Came) and isinstance(record.event, Lost | Unanswered)
        ]
        broke = self.begun + round(
            min((fault.at_seconds for fault in script.sim), default=0.0) * SECOND
        )
        noticed = next((at for at in notices if at >= broke), None)
        happened = len(self.world.plan.happened)
        complaints = list(history.complaints)
        limit = script.demand.found_within_seconds
        complaints += _late("found alive", history.found, limit)
        complaints += _late("declared dead", history.buried, limit)
        if not happened and script.demand.certain:
            complaints.append("the fault never happened")
        if not history.orders and script.demand.certain:
            complaints.append("no order ever left")
        return Outcome(
            fault=script.id,
            title=script.title,
            way="virtual",
            source=script.source,
            seed=self.seed,
            noticed_after=None if noticed is None else (noticed - broke) / SECOND,
            back_after=self.known_after,
            lost=history.missing,
            doubled=history.doubled,
            gaps=0,
            wrong=history.false_deaths,
            dials=sum(at >= broke for at in self.truth.dials),
            happened=happened,
            seconds=(self.clock.now() - self.begun) / SECOND,
            orders=history.orders,
            fills=history.fills,
            unknown=history.unknown,
            found=tuple(history.found),
            buried=tuple(history.buried),
            differences=history.named,
            complaints=tuple(complaints),
        )


def _refuses_key(event: Event) -> bool:
    return isinstance(event, Rejected) and event.what == KEY


def _late(what: str, times: Sequence[float], limit: float) -> list[str]:
    slow = [each for each in times if each > limit]
    expected = f"expected within {limit:g} s of reaching the venue"
    return [f"{what} after {each:.2f} s, {expected}" for each in slow[:3]]


def config_of(trial: Trial, seed: int, venue: str = "binance", more: str = "") -> DeskConfig:
    """The desk's configuration."""
    symbols = ", ".join(f'"{symbol}"' for symbol in trial.symbols)
    text = _CONFIG.format(venue=venue, symbols=symbols)
    return parse_config(f"seed = {seed}\n{text}{more}")
