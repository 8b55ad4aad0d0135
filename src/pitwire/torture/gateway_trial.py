"""One script against a whole desk that trades at a broker, through its gateway: V17 to V19.

The course is that of the other venue (`order_trial`): trade while it goes wrong, fall silent, wait
until every order is known, withdraw. Judged by what the exchange holds, and by all that was asked
over REST: the gateway names orders at the exchange as it likes, so they are held together by sums.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pitwire.desk.config import DeskConfig
from pitwire.desk.desk import Desk
from pitwire.model.clock import SECOND
from pitwire.model.events import Event, FeedStale, Fill, Lost, Rejected, Unanswered, Update
from pitwire.model.orders import Side
from pitwire.session.obedience import SESSION
from pitwire.sim.execution import OVER
from pitwire.sim.faults import AskBack, DailyReset, EndLogin, LoginElsewhere
from pitwire.sim.kit import Script
from pitwire.sim.latency import LATENCIES
from pitwire.sim.links import HttpAnswer
from pitwire.sim.scenarios import SCENARIOS
from pitwire.sim.shares import SHARES
from pitwire.sim.world import MARKET_URL, World
from pitwire.torture.order_trial import Course, Restless, config_of
from pitwire.torture.outcome import Outcome
from pitwire.torture.trader import Chance, Trader
from pitwire.torture.virtual import known, paced
from pitwire.trading.journal import Came, Left, placed

GATEWAY = "ibkr"
"""The venue's name, as a script's trial has it."""
AGREED = ("price-percentage", "no-market-data")
"""Questions that the desk's configuration says yes to."""
NOTICED_SECONDS = 5.0
BACK_SECONDS = 60.0
"""From the end of what keeps the session from us until an order has left again."""
EVERY_SECONDS = 2.0
"""How often each trader acts: ten requests a second are all there are."""
_QUIET_SECONDS = 10.0
_OURS = re.compile(rb'"cOID":"([^"]+)"')
_TAKES = re.compile(rb'"compete": ?true')


class OverheardGateway(World):
    """The simulated gateway, and all that was asked of it over REST."""

    def __init__(self, script: Script, seed: int) -> None:
        trial = script.trial
        super().__init__(
            seed=seed,
            venue=GATEWAY,
            listings=[one for one in SHARES if one.symbol in trial.symbols],
            scenario=paced(known("trial.scenario", trial.scenario, SCENARIOS), trial.bustle),
            faults=script.sim,
            latency=LATENCIES[known("trial.latency", trial.latency, LATENCIES)],
        )
        self.sent: list[str] = []
        """The id of every order that was posted, questions apart."""
        self.taken_back = 0
        """How often another login was thrown out."""
        self.refused = 0
        """How often too much was asked."""

    async def fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> HttpAnswer:
        """Ask over HTTP within `run`; raises `DialFailed`."""
        if method == "POST" and url.endswith("/orders"):
            self.sent += [found.decode() for found in _OURS.findall(body)]
        self.taken_back += bool(_TAKES.search(body))
        answer = await super().fetch(method, url, headers, body)
        self.refused += answer[0] == 429
        return answer


def try_gateway(script: Script, seed: int) -> Outcome:
    """Try a script once."""
    world = OverheardGateway(script, seed)
    course = GatewayCourse(script, world, seed)
    world.run(course.run(), within_seconds=script.trial.most_seconds)
    return course.outcome()


class GatewayCourse(Course):
    """A trial at the broker, from the opening to the judgement."""

    orders_url = MARKET_URL

    def __init__(self, script: Script, world: OverheardGateway, seed: int) -> None:
        super().__init__(script, world, seed)
        self._gateway = world

    async def run(self) -> None:
        self.desk = await self._open()
        try:
            await self._trade()
            await self._learn(self.desk)
            await self._withdraw(self.desk)
            await self._learn(self.desk)
            self._judge_sums(self.desk)
            self._judge_requests()
            self._judge_silence(self.desk)
            self._judge_questions()
            self._judge_session()
        finally:
            await self.desk.stop()

    def _traders(self, chance: Chance) -> Sequence[Restless]:
        symbols = self.script.trial.symbols
        return [Trader(symbol, chance, every_seconds=EVERY_SECONDS) for symbol in symbols]

    def _config(self) -> DeskConfig:
        answers = ", ".join(f'"{one}"' for one in AGREED)
        options = f"[venue.options]\nanswers = [{answers}]\n"
        return config_of(self.script.trial, self.seed, GATEWAY, options)

    # ── what is demanded ──────────────────────────────────────────────────────────────────────

    def _judge_sums(self, desk: Desk) -> None:
        """What we count is what the exchange holds, and nothing of ours is left there."""
        note, state, truth = self.history.note, desk.engine.state, self.truth.balances()
        traded: dict[tuple[str, Side], Decimal] = {}
        ids = set[str]()
        for fill in self._came(Fill):
            if fill.trade_id not in ids:
                ids.add(fill.trade_id)
                key = (fill.symbol, fill.side)
                traded[key] = traded.get(key, Decimal(0)) + fill.size
        self.history.fills = len(ids)
        for symbol in self.script.trial.symbols:
            asset = symbol.partition("-")[0]
            bought, sold = (traded.get((symbol, side), Decimal(0)) for side in Side)
            held = truth.get(asset, Decimal(0)) - self.truth.opening.get(asset, Decimal(0))
            if bought - sold != held:
                note(f"{asset}: {bought - sold} by fills, {held} at the exchange")
            ours = state.portfolio.balances.get(asset)
            if ours is None or ours.free != truth.get(asset):
                note(f"{asset}: told {ours}, {truth.get(asset)} at the exchange")
        for what, pair in desk.gateway.stock.named.items():
            note(f"{' '.join(what)} differs at the end: {pair}")
        left = [one for one in self.truth.orders().values() if one.status not in OVER]
        if left:
            note(f"{len(left)} orders are open at the exchange at the end")

    def _judge_requests(self) -> None:
        """No order was posted twice, nothing was taken back, no limit was broken."""
        sent, note = self._gateway.sent, self.history.note
        self.history.orders = len(sent)
        if len(set(sent)) != len(sent):
            note(f"{len(sent) - len(set(sent))} orders were posted twice")
        if self._gateway.taken_back:
            note(f"another login was thrown out {self._gateway.taken_back} times")
        if self._gateway.refused:
            note(f"too much was asked {self._gateway.refused} times")
        self.history.unknown = len([one for one in self._came(Unanswered) if one.what == "place"])

    def _judge_silence(self, desk: Desk) -> None:
        """What broke is told in time, and every stream speaks at the end."""
        asks = [one for one in self.script.sim if isinstance(one, AskBack)]
        broke = self.begun + round(min(one.at_seconds for one in self.script.sim) * SECOND)
        told = [one.received for one in self._came(Lost, FeedStale) if one.received >= broke]
        if not asks and (not told or told[0] > broke + round(NOTICED_SECONDS * SECOND)):
            self.history.note(f"not noticed within {NOTICED_SECONDS:g} s")
        now = self.clock.now()
        for symbol in self.script.trial.symbols:
            quote = desk.engine.state.quotes.get(symbol)
            if quote is None or now - quote.received > round(_QUIET_SECONDS * SECOND):
                self.history.note(f"{symbol} is dead at the end")

    def _judge_questions(self) -> None:
        """Nobody said yes to what nobody knows, and a person was told of it."""
        asked = [one for one in self.script.sim if isinstance(one, AskBack)]
        unknown = {" ".join(text.split()) for one in asked for text in one.questions if " " in text}
        texts = [one.text for one in self._came(Update)]
        for text in unknown:
            if any(one.startswith("said yes") and text in one for one in texts):
                self.history.note(f"somebody said yes to {text!r}")
            if not any("nobody said yes" in one and text in one for one in texts):
                self.history.note(f"nobody was told of {text!r}")

    def _judge_session(self) -> None:
        """Who has the session is told, no order leaves meanwhile, and they leave again in time."""
        left = [one.at for one in self.journal.records if isinstance(one, Left)
                and placed(one.command) is not None]  # fmt: skip
        said = [one.received for one in self._came(Rejected) if one.what == SESSION]
        for fault in self.script.sim:
            if not isinstance(fault, LoginElsewhere | DailyReset | EndLogin):
                continue
            begin = self.begun + round(fault.at_seconds * SECOND)
            end = begin + round(fault.for_seconds * SECOND)
            name, note = type(fault).__name__, self.history.note
            if not any(begin <= at <= begin + SECOND for at in said):
                note(f"{name}: nobody was told at once")
            during = sum(begin + SECOND < at < end for at in left)
            if during:
                note(f"{name}: {during} orders left while the session was not ours")
            back = next((at for at in left if at >= end), None)
            if back is None or back > end + round(BACK_SECONDS * SECOND):
                note(f"{name}: no order left within {BACK_SECONDS:g} s of its end")

    def _came(self, *kinds: type[Event]) -> list[Any]:
        return [
            one.event
            for one in self.journal.records
            if isinstance(one, Came) and isinstance(one.event, kinds)
        ]
