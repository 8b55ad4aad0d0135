"""How quickly the kill switch bites, and what the risk gate costs an order.

A desk with a journal trades with a simulated venue in another process, as fast as its limits allow,
and a person asks for a halt at its door, again and again. Clocked from before the asking: the last
byte of an order that still left, the last byte of the cancels, the answer, and the venue's word
that nothing is open. The gate is clocked order by order, in time of its own thread, so that other
work on the machine does not count: some orders pass, some meet one limit after another.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.arena import start
from bench.figures import percentile
from bench.micro_rules import Nowhere
from pitwire.cli.simulated import simulated_venue
from pitwire.desk.config import DeskConfig, VenueSection
from pitwire.desk.control import Ask, ask_desk
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.model.credentials import Credentials
from pitwire.model.events import Quote
from pitwire.model.instruments import Instrument
from pitwire.model.orders import OrderType, Place, Side
from pitwire.trading import rules, wishes
from pitwire.trading.engine import Engine
from pitwire.trading.ids import OrderIds
from pitwire.trading.limits import Limits
from pitwire.trading.risk import Screen
from pitwire.trading.state import State
from pitwire.venues.venue import Endpoints
from pitwire.wire.http import HttpClient
from pitwire.wire.link import Link, Receiver
from pitwire.wire.websocket import WebSocketDialer

Row = tuple[str, float, str]

SYMBOL = "BTC-USDT"
RESTING = 8
"""Orders that the rule keeps at the venue."""
ROUNDS = 60
ORDERS = 20_000
_MS = 1e6


class Clocked:
    """A link that notes when orders and cancels left."""

    def __init__(self, link: Link, placed: list[int], cancelled: list[int]) -> None:
        self._link, self._placed, self._cancelled = link, placed, cancelled

    def send(self, frame: bytes) -> None:
        self._link.send(frame)
        now = time.perf_counter_ns()
        if b'"order.place"' in frame:
            self._placed.append(now)
        elif b'"order.cancel"' in frame:
            self._cancelled.append(now)

    def ping(self, payload: bytes = b"") -> None:
        self._link.ping(payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._link.close(code, reason)

    def abort(self) -> None:
        self._link.abort()


class Halts:
    """Nanoseconds from the asking, one of each for every halt."""

    def __init__(self) -> None:
        self.last_order: list[int] = []
        """0 where none left after it."""
        self.after_hearing: list[int] = []
        """The same from the moment at which the desk had read the request."""
        self.heard = 0
        self.cancels: list[int] = []
        self.answered: list[int] = []
        self.clear: list[int] = []


def rows(tell: Callable[[str], None], rounds: int = ROUNDS) -> list[Row]:
    """(name, ms or µs, note) of each measurement."""
    venue = start("venue", _serve)
    try:
        endpoints, key = venue.hear()
        with TemporaryDirectory(prefix="pitwire-bench-") as folder:
            halts = asyncio.run(_halted(endpoints, Credentials(*key), Path(folder), rounds))
        venue.tell("stop")
    finally:
        venue.end()
    tell(f"kill: {len(halts.clear)} halts")
    measured = [
        ("last order after the switch", halts.last_order, "bar: 10 ms p99"),
        ("last order after the desk heard", halts.after_hearing, "an order more is a fault"),
        ("cancels of ours out", halts.cancels, f"bar: 100 ms p99; {RESTING} orders at most"),
        ("answered at the door", halts.answered, "cancels written, halt synced to the disk"),
        ("nothing open, by the venue", halts.clear, "bar: 2 s"),
    ]
    found = [
        (f"{name}, {word}, ms", percentile(sorted(times), share) / _MS, note)
        for name, times, note in measured
        for word, share in (("p50", 0.5), ("p99", 0.99))
    ]
    passed, refused = _gate()
    for name, times in (("passes", passed), ("refused", refused)):
        note = f"{len(times):,} orders, bar: 20 µs p99"
        found += [
            (f"risk gate, {name}, p50, µs", percentile(sorted(times), 0.5) / 1e3, note),
            (f"risk gate, {name}, p99, µs", percentile(sorted(times), 0.99) / 1e3, note),
        ]
    return found


# ── the switch ────────────────────────────────────────────────────────────────────────────────


def _serve(control: Connection) -> None:
    async def serve() -> None:
        async with simulated_venue((SYMBOL,)) as venue:
            control.send((venue.endpoints, venue.world.keys["ed25519"]))
            while not control.poll():
                await asyncio.sleep(0.05)

    asyncio.run(serve())


def _place(state: State, _now: int) -> Iterator[wishes.Wish]:
    """One more far from the market, until enough rest there."""
    bid = state.touch(SYMBOL)
    resting = state.ledger.open_by_symbol.get(SYMBOL, {})
    if bid is not None and len(resting) < RESTING:
        yield wishes.buy(SYMBOL, "0.001", price=bid[0] * (0.90 + len(resting) / 1000))


async def _halted(
    endpoints: Endpoints, credentials: Credentials, folder: Path, rounds: int
) -> Halts:
    placed: list[int] = []
    cancelled: list[int] = []
    sockets = WebSocketDialer()

    async def dial(url: str, receiver: Receiver) -> Clocked:
        return Clocked(await sockets(url, receiver), placed, cancelled)

    config = DeskConfig(
        venue=VenueSection(symbols=(SYMBOL,), channels=("ticker", "book")),
        risk=Limits(duplicate_seconds=0, max_orders_per_ten_seconds=90),
    )
    client = HttpClient()
    desk = await open_desk(
        config,
        rules=[rules.rule(rules.quotes(SYMBOL), name="rest")(_place)],
        endpoints=endpoints,
        credentials=credentials,
        dial=dial,
        fetch=client.fetch,
        state=folder,
    )
    chance, halts = random.Random(1), Halts()
    obey = desk.switchboard.halt

    def heard(reason: str, by: str) -> None:
        halts.heard = time.perf_counter_ns()
        obey(reason, by)

    desk.switchboard.halt = heard  # type: ignore[method-assign]
    try:
        for _ in range(rounds):
            wanted = chance.randrange(RESTING // 2, RESTING)
            await _until(lambda wanted=wanted: len(desk.switchboard.ours()) >= wanted)
            await asyncio.sleep(chance.random() / 20)
            await _halt_once(desk, folder, placed, cancelled, halts)
            desk.resume("bench")
    finally:
        await desk.stop()
        await client.close()
    return halts


async def _halt_once(
    desk: Desk, folder: Path, placed: list[int], cancelled: list[int], halts: Halts
) -> None:
    placed.clear()
    cancelled.clear()
    begun = time.perf_counter_ns()
    told = await ask_desk(folder, Ask(do="halt", by="bench"))
    halts.answered.append(time.perf_counter_ns() - begun)
    if told is None or told.kept:
        raise RuntimeError(f"kill: found {told}, expected a halt that is kept")
    await _until(lambda: not desk.switchboard.ours())
    halts.clear.append(time.perf_counter_ns() - begun)
    await asyncio.sleep(0.05)  # an order that leaves now would be one too many
    halts.last_order.append(max((at - begun for at in placed), default=0))
    halts.after_hearing.append(max((max(0, at - halts.heard) for at in placed), default=0))
    halts.cancels.append(max((at - begun for at in cancelled), default=0))


async def _until(test: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not test():
            await asyncio.sleep(0.001)


# ── the gate ──────────────────────────────────────────────────────────────────────────────────


def _gate() -> tuple[list[int], list[int]]:
    """Nanoseconds of each order through the gate: of those that pass, and of those that do not."""
    engine, chance = _engine(), random.Random(1)
    gc.collect()
    gc.disable()  # a desk collects in quiet moments
    try:
        return _through(engine, chance)
    finally:
        gc.enable()


def _through(engine: Engine, chance: random.Random) -> tuple[list[int], list[int]]:
    passed: list[int] = []
    refused: list[int] = []
    for number in range(ORDERS):
        now = number * 1_000_000_000 // 3
        engine.apply(Quote("bench", SYMBOL, now, now, 99.99, 1.0, 100.01, 1.0))
        place = _wished(chance)
        begun = time.thread_time_ns()
        commands = engine.screen.admit([place], engine.state, now)
        spent = time.thread_time_ns() - begun
        (passed if commands else refused).append(spent)
        for command in commands:
            engine.screen.conduct.dropped(command)
            engine.state.ledger.dropped(command, now, "bench")
    return passed, refused


def _wished(chance: random.Random) -> Place:
    """Half of them are fine; the others are too large, too dear, too far or too much."""
    size, price = Decimal(chance.choice((1, 1, 1, 1, 3, 5, 30))), chance.choice((99, 100, 100, 120))
    return Place(
        symbol=SYMBOL,
        side=chance.choice(tuple(Side)),
        size=size,
        price=Decimal(price),
        rule=chance.choice("ab"),
        type=OrderType.LIMIT,
    )


def _engine() -> Engine:
    listed = Instrument(
        venue="bench",
        symbol=SYMBOL,
        native="BTCUSDT",
        base="BTC",
        quote="USDT",
        tick=Decimal("0.01"),
        lot=Decimal("0.001"),
        max_price=Decimal(1_000_000),
        max_size=Decimal(9000),
        min_notional=Decimal(5),
    )
    limits = Limits(
        max_order_size=Decimal(20),
        max_order_notional=Decimal(400),
        max_position=Decimal(10),
        max_daily_loss=Decimal(100),
        max_drawdown=Decimal(100),
        max_cancel_ratio=Decimal(5),
        max_day_orders=10**6,
    )
    screen = Screen(limits, OrderIds("bench", 1), Nowhere(), armed=True)
    return Engine((), screen, State([listed]), Nowhere())
