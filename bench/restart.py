"""A start over a long journal: how long until the desk watches, and until it trades.

The journal is written by a desk's own engine and holds 100,000 records; 1,000 of its orders are
open, and a simulated venue in another process has the same ones. It is begun twice: with no
checkpoint but the first, and with one kept while it ran, as many records ago as there may be. House
rules: everything over loopback; a start is timed from its first line to the first quote (watching)
and to the first moment at which an order may leave (trading).
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.arena import Failed, cores
from bench.client import Seat, seated
from pitwire.desk import opening
from pitwire.desk.config import parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.gateway import Gateway
from pitwire.desk.keeper import EVERY_RECORDS, keep
from pitwire.desk.restart import restart
from pitwire.desk.timings import Timings
from pitwire.model.clock import SystemClock
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.events import Event, Quote, Update
from pitwire.model.instruments import Instrument
from pitwire.model.orders import (
    AmendOrder,
    Cancel,
    CancelOrder,
    Order,
    ReplaceOrder,
    Side,
    UpdateKind,
)
from pitwire.sim.facts import Kind, NewOrder
from pitwire.sim.scenario_files import plain_listing
from pitwire.sim.serve import serve
from pitwire.sim.world import BALANCES, World
from pitwire.store.folder import read_identity
from pitwire.store.history import History, Position
from pitwire.torture.lives import settle_in
from pitwire.trading.engine import Engine
from pitwire.trading.ids import OrderIds, account_prefix
from pitwire.trading.limits import Limits
from pitwire.trading.risk import Screen
from pitwire.trading.wishes import order
from pitwire.venues.venue import Endpoints

Row = tuple[str, float, str]
SYMBOL = "BTC-USDT"
RECORDS, OPEN = 100_000, 1_000
RUNS = 5
_LOOSE = Limits(
    max_orders_per_second=10**9,
    max_orders_per_ten_seconds=10**9,
    max_open_orders=10**9,
    max_open_orders_per_symbol=10**9,
)
_CONFIG = f"""
mode = "sim"
[venue]
symbols = ["{SYMBOL}"]
channels = ["ticker", "trades", "book"]
[log]
file = ""
[risk]
max_open_orders = {10 * OPEN}
"""


class Started(NamedTuple):
    """One start, in seconds."""

    read: float
    """Lock, latch, epoch, checkpoint, tail, a segment of its own."""
    watching: float
    trading: float
    process: float
    """CPU of this process until then."""


class Mute:
    """An outlet from which nothing leaves."""

    may_trade = True
    asks_fills = False
    encoded_at = 0

    def place(self, one: Order, now: int) -> int:
        return now

    def cancel(self, command: CancelOrder, now: int) -> None: ...

    def replace(self, command: ReplaceOrder, now: int) -> None: ...

    def amend(self, command: AmendOrder, now: int) -> None: ...

    def ask_status(self, symbol: str, order_id: str, now: int, venue_id: str = "") -> None: ...

    def ask_fills(self, symbol: str, order_id: str, venue_id: str, now: int) -> None: ...

    def drop_waiting(self, now: int) -> None: ...

    def ask_fills_since(self, *_: object) -> None: ...

    def ask_open_orders(self, symbol: str, now: int) -> None: ...

    def ask_account(self, now: int) -> None: ...


def rows(seat: Seat) -> list[Row]:
    """Medians of several starts, in seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "main"
        settle_in(folder)
        with _venue(order_ids(folder)) as (endpoints, credentials, venue_ids):
            records = write_journal(folder, venue_ids)
            found = list(_timed(folder, seat, endpoints, credentials, records))
            behind = min(records // 4, EVERY_RECORDS)
            found.append(_keep(folder, behind))
            return found + list(_timed(folder, seat, endpoints, credentials, behind))


def _timed(
    folder: Path, seat: Seat, endpoints: Endpoints, credentials: Credentials, behind: int
) -> Iterator[Row]:
    starts = []
    for number in range(RUNS):
        copy = shutil.copytree(folder, folder.with_name(f"{behind}-{number}"))
        with seated(seat):
            starts.append(asyncio.run(start(copy, endpoints, credentials)))
    middle = [statistics.median(column) for column in zip(*starts, strict=True)]
    of = f", {behind:,} behind"
    told = f"{OPEN:,} open orders, {behind:,} records behind the checkpoint"
    yield f"read{of}", middle[0], f"{told}; up to a segment of our own"
    yield f"watching{of}", middle[1], "the first quote is there; bar: 1 s"
    yield f"trading{of}", middle[2], "the venue has settled every order; bar: 3 s"
    yield f"CPU{of}", middle[3], "of this process alone, so that other work does not count"


def _keep(folder: Path, behind: int) -> Row:
    """The checkpoint that a desk has made while it runs, as old as it may become."""
    history = History(folder)
    for _ in history.payloads():
        pass
    segment, records = history.end.segment, history.end.records - behind
    began = time.process_time()
    while keep(folder, Position(segment, records)):  # between a record and what follows from it
        records -= 1
        began = time.process_time()
    told = "CPU of the process that makes it beside the desk, at lowest rank"
    return "checkpoint", time.process_time() - began, told


def order_ids(folder: Path) -> list[str]:
    """Ids of the orders that stay open: the first that the writer will give."""
    identity = read_identity(folder / "identity")
    ids = OrderIds(account_prefix(identity.installation, identity.account), 1)
    return [ids.next() for _ in range(OPEN)]


def price(number: int) -> Decimal:
    """Far below the market, each a tick apart."""
    return Decimal(40_000) + number * Decimal("0.01")


# ── the journal ───────────────────────────────────────────────────────────────────────────────


def write_journal(folder: Path, venue_ids: Mapping[str, str], count: int = RECORDS) -> int:
    """What a desk leaves that is killed after so many records; how many they are."""
    clock = SystemClock()
    begun = restart(folder, "main", now=clock.now(), entropy=Entropy(1))
    begun.state.instruments[SYMBOL] = _instrument()
    screen = Screen(_LOOSE, begun.ids, begun.file, armed=True)
    engine = Engine((), screen, begun.state, begun.file)
    gateway = Gateway(Mute(), engine, clock=clock, timings=Timings(), file=begun.file)
    number, first = 0, begun.file.position.records

    def hear(order_id: str, kind: UpdateKind) -> None:
        at, venue_id = clock.now(), venue_ids.get(order_id, f"9{order_id[-9:]}")
        engine.apply(Update("binance", SYMBOL, at, at, order_id, venue_id, kind))

    while (number < OPEN) or begun.file.position.records - first < count:
        now = clock.now()
        engine.apply(Quote("binance", SYMBOL, now, now, 60_000.0, 1.0, 60_001.0, 1.0))
        wish = order(SYMBOL, Side.BUY, size=0.001, price=price(number), tag=str(number))
        for command in screen.admit((wish,), begun.state, now):
            gateway.send(command, now)
            hear(getattr(command, "id", ""), UpdateKind.ACCEPTED)
        if number >= OPEN:
            for command in screen.admit((Cancel(tag=str(number)),), begun.state, now):
                gateway.send(command, now)
                hear(getattr(command, "order_id", ""), UpdateKind.CANCELED)
        begun.file.settle()
        number += 1
    written = begun.file.position.records - first
    begun.close()  # without a last checkpoint, as a killed one leaves it
    return written


def _instrument() -> Instrument:
    one = plain_listing(SYMBOL)
    return Instrument(
        venue="binance", symbol=SYMBOL, native="BTCUSDT", base=one.base, quote=one.quote,
        tick=one.tick, lot=one.lot, max_price=Decimal(1_000_000), max_size=Decimal(9_000),
    )  # fmt: skip


# ── the venue ─────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _venue(ids: Sequence[str]) -> Iterator[tuple[Endpoints, Credentials, dict[str, str]]]:
    """A venue in a process of its own that holds these orders."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, list(ids)), daemon=True)
    process.start()
    try:
        if not ours.poll(60):
            raise Failed("restart: the venue did not come up within 60 s")
        market, orders, http, key, secret, venue_ids = ours.recv()
        yield (
            Endpoints(market=market, orders=orders, http=http),
            Credentials(key, secret),
            venue_ids,
        )
    finally:
        process.kill()
        process.join()


def _serve(pipe: Connection, ids: list[str]) -> None:
    async def serving() -> None:
        rules = msgspec.structs.replace(plain_listing(SYMBOL), max_orders=2 * OPEN)
        world = World(
            listings=[rules], scenario="calm", clock=SystemClock(), accounts={"main": BALANCES}
        )
        placed = {}
        for number, name in enumerate(ids):
            one = NewOrder(
                account="main",
                symbol=SYMBOL,
                side=Side.BUY,
                kind=Kind.LIMIT,
                lots=int(Decimal("0.001") / rules.lot),
                price=int(price(number) / rules.tick),
                client_id=name,
            )
            placed[name] = str(world.exchange.place(one, world.clock.now()).order_id)
        async with serve(world) as venue:
            urls = (venue.market_url, venue.orders_url, venue.http_url)
            pipe.send((*urls, *world.keys["ed25519"], placed))
            await asyncio.Event().wait()

    asyncio.run(serving())


# ── a start ───────────────────────────────────────────────────────────────────────────────────


class Timed(Desk):
    """Notes when the first quote came, and when an earlier run had been read."""

    began = read = watching = 0.0

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        Timed.read, Timed.watching = time.perf_counter() - Timed.began, 0.0

    def on_events(self, events: Sequence[Event], now: int, drained: bool) -> None:
        super().on_events(events, now, drained)
        if not Timed.watching and any(isinstance(event, Quote) for event in events):
            Timed.watching = time.perf_counter() - Timed.began


async def start(folder: Path, endpoints: Endpoints, credentials: Credentials) -> Started:
    """Open a desk over this folder and time it."""
    cpu, Timed.began = time.process_time(), time.perf_counter()
    desk = await opening.open_desk(
        parse_config(_CONFIG), endpoints=endpoints, credentials=credentials, state=folder
    )
    while not Timed.watching:  # without a price no order leaves either
        await asyncio.sleep(0.001)
    trading, process = time.perf_counter() - Timed.began, time.process_time() - cpu
    try:
        if desk.engine.screen.halted or len(desk.engine.state.ledger.open) != OPEN:
            found = f"{len(desk.engine.state.ledger.open)} open, halt {desk.engine.screen.halted!r}"
            raise Failed(f"restart: found {found}, expected {OPEN} open and none")
        return Started(Timed.read, Timed.watching, trading, process)
    finally:
        desk.engine.state.ledger.open.clear()  # they are left where they are, for the next start
        await desk.stop()


opening.Desk = Timed  # type: ignore[misc] # this program measures what that one opens

if __name__ == "__main__":
    for name, seconds, remark in rows(Seat(cores()[1], realtime=True)):
        print(f"{name:24} {seconds:.3f} s  {remark}")
