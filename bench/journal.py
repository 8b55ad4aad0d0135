"""What the journal adds to an order's path, what durability adds to that, and what risk takes.

One engine; by which journal an order goes is drawn anew in each round, so that what else this
machine does is met by all alike. A trade comes, a rule wishes, risk passes it, the intent is
written, and the order's bytes are written and signed. Timed is from the trade to the bytes. Risk is
asked by itself, with few and with many orders open and on their way. Between two orders a desk
sleeps, or polls and rehearses one (desk/rehearsal.py), or does nothing but read the market; the
disk is done before that begins, for a core that has just synced is no core that has slept.
House rules: µs; a cost is the median of what an order took more than those of the same round that
went without a journal, and stands with the bounds within which it lies in 19 of 20 cases; one more
way without a journal shows what such a difference is worth. Risk is told in units of the
calibration loop, too, timed just before it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from decimal import Decimal
from enum import Enum
from itertools import chain
from pathlib import Path as Folder
from select import select
from typing import Any

import msgspec

from bench import figures, ours, traffic
from bench.arena import Failed, cores
from bench.calibration import calibrate
from bench.client import Seat, seated
from bench.stages import decoded, instruments, orders_codec, ready
from pitwire.desk.gateway import Gateway
from pitwire.desk.opening import Journals
from pitwire.desk.rehearsal import EVERY_NS, PIECES, Rehearsal
from pitwire.desk.restart import LatchJournal
from pitwire.desk.timings import Timings
from pitwire.model.clock import SECOND, ManualClock
from pitwire.model.entropy import Entropy
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
ROUNDS, WARMING, KEPT = 600, 15, 1_000
PACE_NS = 500_000_000
"""Between two orders, by the clock that the engine is shown."""
SLEEP = 0.008
"""s between two orders of a desk that sleeps."""
SPELL = 10
"""Rounds back to back, before the disk has its turn."""
REHEARSALS = 3
"""Between two orders of a desk that polls."""
DECISIONS, CHUNK = 10_000, 500
CROWDS = ((0, 0), (15, 0), (200, 0), (1_000, 0), (200, 5))
"""Orders that rest, and orders on their way."""
_WITHOUT = "without"
_AGAIN = "without again"
_WAYS = {
    _AGAIN: "the same once more: what a difference is worth",
    "default": "on the slate before the bytes leave, where the file system is fit for one",
    "written": "without a slate: written before the bytes leave",
    "durable": "written before the bytes leave, and synced",
}
_TOGETHER = ((_AGAIN, "default"), ("written", "durable"))
"""Ways of the same rounds: who waits for a disk leaves a core behind that others meet cold."""
HEADER = Header(
    installation="bench0", account="main", epoch=1, segment=1, started=0, previous=NOTHING.hex()
)


class Between(Enum):
    """What a desk does before the next trade, and how that is told of a row."""

    SLEEPS = ""
    POLLS = ", polling"
    READS = ", back to back"


class Mark:
    """An outlet that writes an order's bytes, and notes when they could leave."""

    may_trade = True
    encoded_at = 0
    at = 0

    def __init__(self) -> None:
        self._codec: Any = orders_codec(ours.credentials("hmac"), instruments(), logged_on=False)
        self._number = 1
        self.last_placed: Order | None = None

    def place(self, one: Order, now: int) -> int:
        self._number += 1
        self._codec.place(one, _VENUE_TIME + now, self._number)
        self.at = time.perf_counter_ns()
        self.last_placed = one
        return now

    def rehearse(self, one: Order, now: int) -> None:
        self._codec.rehearse(one, _VENUE_TIME + now)

    def recite(self, now: int) -> None:
        """What a session reads here costs the same with a journal or without."""

    def __getattr__(self, name: str) -> object:
        raise Failed(f"journal: {name} was called, expected orders alone")


class Path:
    """The way of an order through one engine, by this journal or that."""

    def __init__(self, files: dict[str, DurableJournal], others: dict[str, list[Journal]]) -> None:
        memory, self._files = MemoryJournal(limit=KEPT), files
        self._journals = {name: Journals([memory, *others[name]]) for name in files}
        self.clock, self.mark, self.number = ManualClock(0), Mark(), 0
        self.engine = ready(_engine(self._journals[_WITHOUT]), instruments())
        self._gateways = {
            name: Gateway(self.mark, self.engine, clock=self.clock, timings=Timings(), file=file)  # type: ignore[arg-type]
            for name, file in files.items()
        }
        self.rehearsal = Rehearsal(self.engine, self.mark, self.clock)

    def order(self, name: str, between: Between) -> int:
        """ns from a trade to an order's bytes, by this journal, after a pause."""
        engine, file, gateway = self.engine, self._files[name], self._gateways[name]
        engine.journal = engine.screen._journal = self._journals[name]
        self.number += 1
        now = self.number * PACE_NS
        self.clock.advance(PACE_NS / SECOND)
        if between is Between.SLEEPS:
            time.sleep(SLEEP)
        elif between is Between.POLLS:
            self._poll()
        began = time.perf_counter_ns()
        engine.apply(_FIRING)
        for command in engine.decide(now):
            gateway.send(command, now)
        taken = self.mark.at - began
        if taken < 0:
            raise Failed("journal: found no order for a wish, expected one")
        file.settle()
        for order in tuple(engine.state.ledger.open_of("")):
            engine.apply(_over(order.id, now))
        file.settle()
        if between is not Between.READS:
            self.rest()
        for event in _MARKET:  # what a desk does between two orders, whoever keeps a journal
            engine.apply(event)
        return taken

    def rest(self) -> None:
        """The disk has its turn, to the end."""
        time.sleep(0.001)
        while any(file.behind_seconds for file in self._files.values()):
            time.sleep(0.0005)
        time.sleep(0.0005)  # its thread goes back to sleep

    def _poll(self) -> None:
        """Whole rehearsals; a trade comes before the next piece."""
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


_VENUE_TIME = 1_700_000_000_000_000_000
_MARKET = [item for item in decoded(instruments()) if isinstance(item, Trade | BookDelta)][:60]
_FIRING = Trade("binance", traffic.TRIGGER_OURS, 1, 2, traffic.TRIGGER_PRICE, 1.0, Side.BUY, 1)


def rows(seat: Seat) -> list[Row]:
    """What journalling costs, and the risk gate's percentiles."""
    with seated(seat), tempfile.TemporaryDirectory() as name, _path(Folder(name)) as path:
        found = [
            (between, _taken(path, between, ways)) for between in Between for ways in _TOGETHER
        ]
        costs = (_cost_rows(taken, between.value) for between, taken in found)
        return [*chain.from_iterable(costs), *_risk_rows()]


def _taken(path: Path, between: Between, ways: Sequence[str]) -> dict[str, list[int]]:
    """ns of each round, by way."""
    chance, names = Entropy(1).stream("ways"), [_WITHOUT, *ways]
    rounds = ROUNDS if _AGAIN in ways else ROUNDS // 6
    taken: dict[str, list[int]] = {name: [] for name in names}
    for number in range(WARMING + rounds):
        if number % SPELL == 0:
            path.rest()
        chance.shuffle(names)
        for name in names:
            found = path.order(name, between)
            if number >= WARMING:
                taken[name].append(found)
    return taken


def _cost_rows(taken: dict[str, list[int]], between: str) -> Iterator[Row]:
    without = taken.pop(_WITHOUT)
    whole = statistics.median(without) / 1e3
    if _AGAIN in taken:
        yield f"{_WITHOUT}{between}", whole, "trade to an order's bytes, no journal on disk"
    for name, found in taken.items():
        yield f"{name}{between}", statistics.median(found) / 1e3, _WAYS[name]
        others = [without] if name == _AGAIN else [without, taken.get(_AGAIN, without)]
        more = sorted(one - other[at] for at, one in enumerate(found) for other in others)
        cost, (low, high) = statistics.median(more) / 1e3, bounds(more, len(found))
        told = f"{low / 1e3:.1f} to {high / 1e3:.1f}; {1 + cost / whole:.2f} of the same without"
        bar = "; bar: 5 µs" if name == "default" else ""
        yield f"{name}{between}, cost", cost, told + bar


def bounds(ranked: Sequence[int], rounds: int) -> tuple[int, int]:
    """Between which the median of what these were drawn from lies, in 19 of 20 cases.

    By the binomial distribution of how many lie below it, which is near enough to a normal one; two
    differences of a round count as one, since they have an order in common.
    """
    aside = max(0, int(len(ranked) * (0.5 - 0.98 / rounds**0.5)))
    return ranked[aside], ranked[-1 - aside]


@contextmanager
def _path(folder: Folder) -> Iterator[Path]:
    made = {"default": {}, "written": {"mapped": False}, "durable": {"durable": True}}
    for name in made:
        (folder / name).mkdir()
    with ExitStack() as stack:
        written = {
            name: stack.enter_context(closing(JournalFile(folder / name, HEADER, **how)))
            for name, how in made.items()
        }
        latches = {name: LatchJournal(HaltLatch(folder / name)) for name in made}
        none = (_WITHOUT, _AGAIN)
        yield Path(
            {**dict.fromkeys(none, Volatile()), **written},
            {
                **{name: [] for name in none},
                **{name: [written[name], latches[name]] for name in made},
            },
        )


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
