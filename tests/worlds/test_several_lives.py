"""A desk that dies again and again in drawn worlds, its clock set in between: two faults at once.

The venue's truth is the judge: every order of ours there is on record, once; what was filled, what
is open and what is held agree; and the journal of all lives contradicts itself nowhere.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from pitwire.desk.config import parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.desk.restart import recall
from pitwire.model.clock import SECOND, Clock
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.errors import PitwireError
from pitwire.model.orders import Cancel, OrderState
from pitwire.sim.facts import SimOrder, Status
from pitwire.sim.latency import LATENCIES
from pitwire.sim.world import BTC_USDT, World
from pitwire.store.history import History
from pitwire.torture.order_truth import OrderTruth
from pitwire.torture.order_worlds import drawn_orders
from pitwire.torture.trader import Trader
from pitwire.trading.journal import Decided, placed
from tests.desk.setting import BTC, ENDPOINTS, until

WORLDS = 10
MANY = int(os.environ.get("WORLDS", "10000")) // 10
LIVES = 4
LONGEST = 5.0
STEPS = (0, 0, -120 * SECOND, 60 * SECOND, -2 * SECOND)
"""What is done to the clock between two lives."""
_ENDED = {
    OrderState.FILLED: (Status.FILLED,),
    OrderState.CANCELED: (Status.CANCELED,),
    OrderState.EXPIRED: (Status.EXPIRED,),
}
CONFIG = """
mode = "sim"
[venue]
symbols = ["BTC-USDT"]
channels = ["ticker"]
[desk]
state = "{path}"
[log]
file = ""
[risk]
max_order_notional = 50_000
max_orders_per_second = 50
max_orders_per_ten_seconds = 90
max_unanswered_orders = 1_000
max_open_orders_per_symbol = 12
"""


class SetClock:
    """The desk's clock, which somebody sets."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ahead = 0

    def now(self) -> int:
        return self._clock.now() + self.ahead


class Story:
    """Several lives on one account in the world of a seed."""

    def __init__(self, seed: int, folder: Path) -> None:
        script = drawn_orders(seed)
        self.title = script.title
        self.chance = Entropy(seed).stream("several lives")
        self.world = World(
            seed=seed, listings=[BTC_USDT], scenario="calm", faults=script.sim,
            latency=LATENCIES[script.trial.latency],
        )  # fmt: skip
        self.over = self.world.clock.now() + round(script.is_over * SECOND)
        self.truth = OrderTruth(self.world)
        self.clock = SetClock(self.world.clock)
        self.folder, self.number = folder, 0

    async def run(self) -> None:
        for _ in range(LIVES):
            await self.live()
            self.clock.ahead += self.chance.choice(STEPS)
            await asyncio.sleep(self.chance.choice((0.0, 0.05, 3.0)))
        while self.world.clock.now() < self.over:
            await asyncio.sleep(0.2)
        desk = await self.open()
        await self.settle(desk)
        self.judge(desk)
        await desk.stop()
        self.judge_journal()

    async def live(self) -> None:
        """Until it is killed, while it starts or while it trades."""
        begin = asyncio.create_task(self.open())
        is_short = self.chance.choice((True, False, False, False))
        await asyncio.wait([begin], timeout=self.chance.uniform(0.1, LONGEST) if is_short else None)
        if begin.done():
            await asyncio.sleep(self.chance.uniform(0.0, LONGEST))
        self.number += 1
        copy = self.folder.with_name(f"{self.number}")
        if self.folder.is_dir():  # as a kill leaves it
            shutil.copytree(self.folder, copy, ignore=shutil.ignore_patterns("*.sock"))
        if begin.done():
            desk = begin.result()
            assert desk._house is not None
            desk._house.cancel()
            desk._gateway = None  # cancels nothing
            await desk.stop()
        else:
            begin.cancel()
            with suppress(asyncio.CancelledError):
                await begin
        self.folder = copy

    async def open(self) -> Desk:
        """A desk that trades, however often it must be begun."""
        self.trader = Trader(BTC, self.chance, every_seconds=0.2)
        while True:
            try:
                return await open_desk(
                    parse_config(CONFIG.format(path=self.folder)),
                    rules=[self.trader],
                    endpoints=ENDPOINTS,
                    credentials=Credentials(*self.world.keys["ed25519"]),
                    dial=self.world.dial,
                    fetch=self.world.fetch,
                    clock=self.clock,
                )
            except PitwireError:
                await asyncio.sleep(0.5)

    async def settle(self, desk: Desk) -> None:
        """Nothing more is wished for, all is known, and what is ours is cancelled."""
        self.trader.rests = True
        state, ledger = desk.engine.state, desk.engine.state.ledger
        await until(lambda: not (ledger.in_doubt or state.missed or state.blind))
        while any(one.is_ours for one in ledger.open_of("")):
            now = desk.clock.now()
            wishes = [Cancel(order_id=one.id) for one in ledger.open_of("") if one.is_ours]
            for one in desk.engine.screen.admit(wishes, state, now):
                desk.gateway.send(one, now)
            await asyncio.sleep(1)
        desk.gateway.stock.take(desk.clock.now())
        await until(lambda: desk.gateway.stock.is_done and not ledger.in_doubt)

    # ── judging ───────────────────────────────────────────────────────────────────────────────

    def judge(self, desk: Desk) -> None:
        ledger, portfolio = desk.engine.state.ledger, desk.engine.state.portfolio
        for name, order in self.truth.orders().items():
            if not name.startswith(desk.order_prefix):
                continue
            ours = ledger.find(name)
            assert ours is not None, f"{name} is nowhere"
            assert ours.filled == self.filled(order), name
            assert order.status in _ENDED.get(ours.state, ()), (name, ours.state, order.status)
        opening, held = self.truth.opening_at(portfolio.counted_from), self.truth.balances()
        assert portfolio.flow("BTC") == held["BTC"] - opening["BTC"]
        assert desk.gateway.stock.named == {}

    def judge_journal(self) -> None:
        replay, history, _ = recall(self.folder)
        assert history.worst is None
        whole = [one for one, _ in History(self.folder).records()]
        orders = [placed(one.command) for one in whole if isinstance(one, Decided)]
        names = [one.id for one in orders if one is not None]
        assert len(names) == len(set(names)), "an id was given twice"
        asked = [one.client_id for one in self.world.exchange.all_orders("main", BTC)]
        assert len(asked) == len(set(asked))
        assert replay.contradictions == []
        prefix = replay.ids.prefix if replay.ids is not None else "?"
        ours = {name for name in self.truth.orders() if name.startswith(prefix)}
        assert ours <= set(names), "at the venue and not on record"
        assert ours, "nothing was tried"

    def filled(self, order: SimOrder) -> object:
        return order.filled_lots * BTC_USDT.lot


@pytest.mark.parametrize("seed", range(WORLDS))
def test_whatever_it_dies_in_every_order_is_on_record_and_known(seed: int, tmp_path: Path) -> None:
    examine(seed, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(WORLDS, WORLDS + MANY, 10))
def test_many_times_several_lives(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + 10):
        examine(seed, tmp_path / str(seed))


def examine(seed: int, folder: Path) -> None:
    """The lives of this seed; an error is noted with it."""
    folder.mkdir(exist_ok=True)
    story = Story(seed, folder / "0")
    try:
        story.world.run(story.run(), within_seconds=600)
    except BaseException as error:
        error.add_note(f"seed {seed}: {story.title}, {story.number} lives")
        raise
