"""What the journal adds to an order's path, what durability adds to that, and what risk takes.

One engine a way of journalling, the same trades for all, by turns in one run: a trade comes, a rule
wishes, risk passes it, the intent is written, and the outlet is handed the order. Timed is from the
trade to the outlet. Risk is asked by itself, with few and with many orders open and on their way.
Between two orders a desk sleeps, or polls and rehearses one (desk/rehearsal.py), or does nothing
but read the market.
House rules: µs; a figure of the path is the smallest of the rounds' medians, since other work can
only make a round longer; cost and ratio are of the same two figures, and risk is told in units of
the calibration loop, too, timed just before it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from enum import Enum
from itertools import chain
from pathlib import Path
from select import select

import msgspec

from bench import figures, ours, traffic
from bench.arena import Failed, cores
from bench.calibration import calibrate
from bench.client import Seat, seated
from bench.stages import decoded, instruments, ready
from pitwire.desk.gateway import Gateway
from pitwire.desk.opening import Journals
from pitwire.desk.rehearsal import EVERY_NS, PIECES, Rehearsal
from pitwire.desk.restart import LatchJournal
from pitwire.desk.timings import Timings
from pitwire.model.clock import SECOND, ManualClock
from pitwire.model.events import Balance, BookDelta, Trade, Update
from pitwire.model.orders import Command, Order, Side, UpdateKind
from pitwire.store.journal_file import JournalFile
from pitwire.store.latch import HaltLatch
from pitwire.store.segment import NOTHING, Header
from pitwire.trading.engine import Engine
from pitwire.trading.ids import OrderIds
from pitwire.trading.journal import DurableJournal, Journal, MemoryJournal, Volatile
from pitwire.trading.ledger import OrderLedger
from pitwire.trading.risk import Screen
from pitwire.trading.state import State
from pitwire.trading.wishes import buy

Row = tuple[str, float, str]
ROUNDS, ORDERS, KEPT = 12, 40, 1_000
PACE_NS = 500_000_000
"""Between two orders, by the clock that the engine is shown."""
SLEEP = 0.008
"""s between two orders of a desk that sleeps: longer than a sync behind takes, for none to sleep
longer than another. With 2 ms, who waited for its disk did, and met its path colder."""
REHEARSALS = 3
"""Between two orders of a desk that polls."""
DECISIONS, CHUNK = 10_000, 500
CROWDS = ((0, 0), (15, 0), (200, 0), (1_000, 0), (200, 5))
"""Orders that rest, and orders on their way."""
_WAYS = {
    "default": "on the slate before the bytes leave, where the file system is fit for one",
    "written": "without a slate: written before the bytes leave",
    "durable": "written before the bytes leave, and synced",
}
HEADER = Header(
    installation="bench0", account="main", epoch=1, segment=1, started=0, previous=NOTHING.hex()
)


class Between(Enum):
    """What a desk does before the next trade, and how that is told of a row."""

    SLEEPS = ""
    POLLS = ", polling"
    READS = ", back to back"


class Mark:
    """An outlet that notes when it is handed an order."""

    may_trade = True
    encoded_at = 0
    at = 0

    def place(self, one: Order, now: int) -> int:
        self.at = time.perf_counter_ns()
        return now

    def rehearse(self, one: Order, now: int) -> None:
        """What a session does here costs the same with a journal or without."""

    def recite(self, now: int) -> None:
        """So does this."""

    def __getattr__(self, name: str) -> object:
        raise Failed(f"journal: {name} was called, expected orders alone")


class Way:
    """One way of journalling, with an engine of its own."""

    def __init__(self, file: DurableJournal, journals: Sequence[Journal]) -> None:
        self.clock = ManualClock(0)
        journal = Journals([MemoryJournal(limit=KEPT), *journals])
        self.engine = ready(_engine(journal), instruments())
        self.file, self.mark, self.number = file, Mark(), 0
        self.gateway = Gateway(
            self.mark, self.engine, clock=self.clock, timings=Timings(), file=file
        )  # type: ignore[arg-type]
        self.rehearsal = Rehearsal(self.engine, self.mark, self.clock)

    def orders(self, count: int, between: Between) -> list[int]:
        """ns from a trade to the outlet, for so many orders."""
        return [self._one(between) for _ in range(count)]

    def _one(self, between: Between) -> int:
        self.number += 1
        now, engine = self.number * PACE_NS, self.engine
        self.clock.advance(PACE_NS / SECOND)
        began = time.perf_counter_ns()
        engine.apply(_FIRING)
        for command in engine.decide(now):
            self.gateway.send(command, now)
        taken = self.mark.at - began
        if taken < 0:
            raise Failed("journal: found no order for a wish, expected one")
        self.file.settle()
        for order in tuple(engine.state.ledger.open_of("")):
            engine.apply(_over(order.id, now))
        self.file.settle()
        for event in _MARKET:  # what a desk does between two orders, whoever keeps a journal
            engine.apply(event)
        if between is Between.SLEEPS:
            time.sleep(SLEEP)  # all ways alike, since whoever has slept finds its caches cold
            while self.file.behind_seconds:  # the disk has all of it, as between two bursts
                time.sleep(0.0005)
        elif between is Between.POLLS:
            self._poll()
        return taken

    def _poll(self) -> None:
        """The disk has its turn; then whole rehearsals; a trade comes before the next piece."""
        time.sleep(0.0005)
        ended = 0
        for _ in range(REHEARSALS * PIECES):
            _poll_for(EVERY_NS)
            ended += self.rehearsal.step()
        if ended != REHEARSALS:
            raise Failed(f"journal: found {ended} rehearsals, expected {REHEARSALS}")
        _poll_for(EVERY_NS // 2)


def _poll_for(ns: int) -> None:
    until = time.perf_counter_ns() + ns
    while time.perf_counter_ns() < until:
        select((), (), (), 0)


_MARKET = [item for item in decoded(instruments()) if isinstance(item, Trade | BookDelta)][:60]
_FIRING = Trade("binance", traffic.TRIGGER_OURS, 1, 2, traffic.TRIGGER_PRICE, 1.0, Side.BUY, 1)


def rows(seat: Seat) -> list[Row]:
    """What journalling costs, and the risk gate's percentiles."""
    with seated(seat), tempfile.TemporaryDirectory() as name, _ways(Path(name)) as ways:
        found = [(between, _taken(ways, between)) for between in Between]
        costs = (_cost_rows(taken, between.value) for between, taken in found)
        return [*chain.from_iterable(costs), *_risk_rows()]


def _taken(ways: dict[str, Way], between: Between) -> dict[str, list[float]]:
    """Medians of each round, µs, by way."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(1 + ROUNDS):
        for name, way in ways.items():
            found = way.orders(ORDERS, between)
            if number:  # the first is for warming up
                taken[name].append(statistics.median(found) / 1e3)
    return taken


def _cost_rows(taken: dict[str, list[float]], between: str) -> Iterator[Row]:
    without = min(taken["without"])
    yield f"without{between}", without, "trade to outlet, no journal on disk"
    for name, told in _WAYS.items():
        best, middle = min(taken[name]), statistics.median(taken[name])
        yield f"{name}{between}", best, f"{told}; median of the rounds {middle:.1f}"
        told = f"{best / without:.2f} of the same without"
        bar = "; bar: 5 µs" if name == "default" else ""
        yield f"{name}{between}, cost", best - without, told + bar


@contextmanager
def _ways(folder: Path) -> Iterator[dict[str, Way]]:
    for name in _WAYS:
        (folder / name).mkdir()
    with (
        closing(JournalFile(folder / "default", HEADER)) as default,
        closing(JournalFile(folder / "written", HEADER, mapped=False)) as written,
        closing(JournalFile(folder / "durable", HEADER, durable=True)) as durable,
    ):
        files = {"default": default, "written": written, "durable": durable}
        latches = {name: LatchJournal(HaltLatch(folder / name)) for name in files}
        yield {
            "without": Way(Volatile(), ()),
            **{name: Way(file, (file, latches[name])) for name, file in files.items()},
        }


def _engine(journal: Journal) -> Engine:
    ids = OrderIds("bench", 1)
    screen = Screen(ours.LIMITS, ids, journal, armed=True)
    state = State(ledger=OrderLedger(is_ours=ids.is_ours, keep_finished=KEPT))
    return Engine([ours.trigger], screen, state, journal)


def _over(order_id: str, now: int) -> Update:
    return Update("binance", traffic.TRIGGER_OURS, now, now, order_id, "1", UpdateKind.EXPIRED)


# ── risk ──────────────────────────────────────────────────────────────────────────────────────


def _risk_rows() -> Iterator[Row]:
    for resting, flying in CROWDS:
        unit = calibrate() * 1e6
        chunks = [sorted(chunk) for chunk in _decisions(resting, flying)]
        middle = [figures.percentile(chunk, 0.5) / 1e3 for chunk in chunks]
        high = [figures.percentile(chunk, 0.99) / 1e3 for chunk in chunks]
        name = f"risk, {resting} open, {flying} on their way" if flying else f"risk, {resting} open"
        for part, of, bar in (("p50", middle, ""), ("p99", high, "; bar: 20 µs")):
            found = statistics.median(of)
            told = f"median of {len(chunks)} chunks of {CHUNK}, the least {min(of):.1f}"
            yield f"{name}, {part}", found, f"{told}; {found / unit:.0f} units{bar}"
    yield from _noise_rows(round(statistics.median(middle) / unit))


def _noise_rows(units: int) -> Iterator[Row]:
    """A loop that does nothing but take as long: what of a p99 is the machine's, and nobody's."""
    keys = list(range(64)) * (units // 64 + 1)
    taken = []
    for _ in range(DECISIONS):
        table = dict.fromkeys(keys[:64], 0.0)
        began = time.perf_counter_ns()
        for key in keys[:units]:
            table[key] = table[key] + 0.5
        taken.append(time.perf_counter_ns() - began)
    chunks = [sorted(taken[at : at + CHUNK]) for at in range(0, len(taken), CHUNK)]
    for part in (0.5, 0.99):
        of = [figures.percentile(chunk, part) / 1e3 for chunk in chunks]
        told = f"a plain loop about as long; the least {min(of):.1f}"
        yield f"a plain loop, p{part * 100:.0f}", statistics.median(of), told


def _decisions(resting: int, flying: int) -> list[list[int]]:
    """ns that the gate took, for each of many wishes to place."""
    engine = ready(_engine(MemoryJournal(limit=KEPT)), instruments())
    screen, state, symbol = engine.screen, engine.state, traffic.TRIGGER_OURS
    listed = state.instruments[symbol]
    state.instruments[symbol] = msgspec.structs.replace(listed, max_open_orders=0)
    screen.limits = msgspec.structs.replace(
        ours.LIMITS,
        max_position=Decimal(10**6),
        max_open_orders=10**6,
        max_open_orders_per_symbol=10**6,
    )
    for asset in (listed.base, listed.quote):
        state.apply(Balance("binance", "", 0, 0, asset, Decimal(10**9), Decimal(0)))
    bid = state.touch(symbol)
    if bid is None:
        raise Failed("journal: found no quote, expected one")
    now, taken = 0, []
    for number in range(resting + flying + DECISIONS):
        now += PACE_NS
        wish = buy(symbol, 0.01, price=round(bid[0] * 0.99 - number % 50, 2), tag=str(number))
        began = time.perf_counter_ns()
        commands = screen.admit((wish,), state, now)
        taken.append(time.perf_counter_ns() - began)
        if len(commands) != 1:
            raise Failed(f"journal: found {len(commands)} orders for one wish, expected 1")
        kind = UpdateKind.ACCEPTED if number < resting else UpdateKind.EXPIRED
        _answer(engine, commands[0], now, None if 0 <= number - resting < flying else kind)
    taken = taken[resting + flying :]
    return [taken[at : at + CHUNK] for at in range(0, len(taken), CHUNK)]


def _answer(engine: Engine, command: Command, now: int, kind: UpdateKind | None) -> None:
    if not isinstance(command, Order):
        raise Failed(f"journal: found {command!r}, expected an order")
    engine.may_leave(command, now)
    engine.sent(command, now)
    if kind is not None:
        venue_id = command.id
        engine.apply(Update("binance", command.symbol, now, now, command.id, venue_id, kind))


if __name__ == "__main__":
    for name, micros, remark in rows(Seat(cores()[1], realtime=True)):
        print(f"{name:36} {micros:9.2f} µs  {remark}")
