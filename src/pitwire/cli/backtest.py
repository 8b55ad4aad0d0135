"""`pitwire backtest TAPE`: the same desk and rules against a recorded market, in virtual time.

The desk speaks the venue's own protocol to a simulated one that plays the tape, of one symbol or
several, or several tapes as one market; what a fill there is worth is said in docs/fills.md. The
same tapes, configuration, latency and seed give the same report and the same journal, byte for
byte.
"""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.progress import Progress

from pitwire.cli.backtest_report import Held, Point, Report, Trade, curve_of, lines_of
from pitwire.cli.bars import bars
from pitwire.cli.blame import blaming, naming
from pitwire.cli.exits import tell_damage
from pitwire.cli.play import playback
from pitwire.cli.recordings import (
    Recording,
    demand_overlap,
    fitting,
    in_order,
    recordings_of,
    venue_ahead,
)
from pitwire.cli.taped import is_tape
from pitwire.desk.config import DeskConfig, load_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.desk.playing import JournalDigest, Onlooker, harmless, recorded_config
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError
from pitwire.model.events import Fill
from pitwire.model.orders import Side
from pitwire.sim.capture import CaptureRecord
from pitwire.sim.facts import Listing
from pitwire.sim.history import Framed, RecordedMarket
from pitwire.sim.latency import LATENCIES
from pitwire.sim.queues import Cancels
from pitwire.sim.scenario_files import STAKE
from pitwire.sim.world import HTTP_URL, MARKET_URL, ORDERS_URL, World
from pitwire.tape.reader import Tape
from pitwire.trading.journal import Came, Decided, Record, placed
from pitwire.trading.limits import day_marks
from pitwire.trading.rules import Rule
from pitwire.venues.venue import Endpoints

ACCOUNT = "main"
_LEAD = 5 * SECOND
"""A desk begins to open so long before the market begins to speak."""
_NO_TOUCH = 0.0, 0.0, 0
_TAIL_SECONDS = 1.0
_ENDPOINTS = Endpoints(market=MARKET_URL, orders=ORDERS_URL, http=HTTP_URL)


class Wanted(NamedTuple):
    """What was asked for on the command line."""

    market: Path
    config: Path | None = None
    symbol: str = ""
    """One of the configuration's alone; "" for all of them that are recorded."""
    latency: str = "same-city"
    cancels: str = "proportional"
    seed: int = 1
    every_seconds: float = 1.0
    equity: Path | None = None
    trades: Path | None = None
    board: int | None = None
    """The port of a board on it, 0 for a free one."""
    others: tuple[Path, ...] = ()
    """More recordings, of other symbols and the same time, played as one market."""
    seconds: float | None = None
    """How long the board stands when the market is over; None: until Ctrl-C."""


def run(wanted: Wanted) -> int:
    """Test, print the report, write the files that were asked for."""
    config = _config(wanted)
    with ExitStack() as kept:
        onlooker = None
        if wanted.board is not None:
            onlooker = kept.enter_context(playback(wanted.board, wanted.seconds))
        bar = kept.enter_context(bars())
        kept.enter_context(blaming(wanted.config, config))
        report = backtest(wanted, config, bar=bar, onlooker=onlooker)
    for name, value in lines_of(report):
        sys.stdout.write(f"{name} {value}\n")
    if wanted.equity is not None:
        _write(wanted.equity, *curve_of(report))
    if wanted.trades is not None:
        _write(wanted.trades, Trade._fields, report.trades)
    return tell_damage(report.flaws)


def backtest(
    wanted: Wanted,
    config: DeskConfig,
    *,
    rules: Iterable[Rule] = (),
    bar: Progress | None = None,
    onlooker: Onlooker | None = None,
) -> Report:
    """Let a desk of this configuration, and rules in Python, live through a recorded market."""
    market = _market_of(wanted, config)
    try:
        return _lived(market, wanted, config, tuple(rules), bar, onlooker)
    finally:
        for one in market.recordings:
            one.close()


def _lived(
    market: _Market,
    wanted: Wanted,
    config: DeskConfig,
    rules: tuple[Rule, ...],
    bar: Progress | None,
    onlooker: Onlooker | None,
) -> Report:
    listings = market.listings
    cancels = Cancels(_known("--cancels", wanted.cancels, [each.value for each in Cancels]))
    recording = fitting(
        wanted.market,
        lambda: RecordedMarket(
            listings,
            market.snapshots,
            Entropy(wanted.seed).child("recording"),
            frames=market.frames,
            cancels=cancels,
            held=True,
            begin=market.first,
        ),
    )
    quote, owned = _quote_of(listings), _owned(config, listings)
    world = World(
        seed=wanted.seed,
        start=market.first - _LEAD,
        recording=recording,
        latency=LATENCIES[_known("--latency", wanted.latency, list(LATENCIES))],
        accounts={ACCOUNT: owned},
    )
    symbols = tuple(listing.symbol for listing in listings)
    stake = owned.get(quote, STAKE)
    told = _Told(symbols, quote, stake)
    plain_config = _plain(config, symbols, wanted.seed)
    shown = _Shown(bar, market)
    life = _live(world, recording, plain_config, rules, told, wanted, shown, onlooker)
    seconds = (market.last - market.first) / SECOND + 3600
    desk = fitting(wanted.market, lambda: world.run(life, within_seconds=seconds))
    return Report(
        symbols=symbols,
        begin=market.first,
        end=max(market.first, recording.last_stamp),
        latency=wanted.latency,
        cancels=wanted.cancels,
        moved=market.moved,
        frames=recording.played,
        gaps=recording.gaps,
        events=told.events,
        orders=told.orders,
        stake=stake,
        equity=tuple(told.points),
        held=tuple(told.held),
        trades=tuple(told.trades),
        halted=desk.engine.screen.halted,
        flaws=tuple(chain.from_iterable(one.flaws for one in market.recordings)),
        journal=told.digest.hexdigest(),
    )


async def _live(
    world: World,
    recording: RecordedMarket,
    config: DeskConfig,
    rules: tuple[Rule, ...],
    told: _Told,
    wanted: Wanted,
    shown: _Shown,
    onlooker: Onlooker | None,
) -> Desk:
    key, secret = world.keys["ed25519"]
    failed: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(partial(_note_failure, failed))
    desk = await open_desk(
        config,
        rules=rules,
        endpoints=_ENDPOINTS,
        credentials=Credentials(key, secret),
        dial=world.dial,
        fetch=world.fetch,
        clock=world.clock,
        journals=[told] if onlooker is None else [told, onlooker.journal],
        looked_at=onlooker is not None,
    )
    if onlooker is not None:
        onlooker.opened(desk)
    recording.release()
    world.act()

    def look() -> bool:
        if failed:
            raise failed[0]
        told.look(desk, world.clock.now())
        shown.show(recording.last_stamp)
        if onlooker is not None:
            onlooker.look()
        return not recording.finished

    await _Looks(look, min(wanted.every_seconds, shown.seconds)).through()
    await asyncio.sleep(_TAIL_SECONDS)
    told.look(desk, world.clock.now())
    told.events = desk.events
    told.digest.open = False
    if onlooker is not None:
        onlooker.ended()
    await desk.stop()
    return desk


def _note_failure(
    failed: list[BaseException], loop: asyncio.AbstractEventLoop, context: dict[str, Any]
) -> None:
    """A frame that cannot be read ends the test: what came after it would be another market."""
    error = context.get("exception")
    if error is None:
        loop.default_exception_handler(context)
    else:
        failed.append(error)


class _Looks:
    """Looks every so often while there is more to be seen, by a timer and no task of its own: the
    loop need not have a turn for it."""

    def __init__(self, look: Callable[[], bool], every: float) -> None:
        self._look, self._every = look, every
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()

    async def through(self) -> None:
        """Until the end; raises what a look raises."""
        self._loop.call_later(self._every, self._on_timer)
        await self._over

    def _on_timer(self) -> None:
        if self._over.done():
            return
        try:
            goes_on = self._look()
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self._over.set_exception(error)
            return
        if goes_on:
            self._loop.call_later(self._every, self._on_timer)
        else:
            self._over.set_result(None)


class _Shown:
    """How far it is, by the recorder's time."""

    def __init__(self, bar: Progress | None, market: _Market) -> None:
        self._bar, self._first = bar, market.first
        self.seconds = max(1.0, (market.last - market.first) / SECOND)
        """How long the market is; who looks at it seldomer looks at its end."""
        if bar is not None:
            self._task = bar.add_task("backtest", total=market.last - market.first)

    def show(self, stamp: int) -> None:
        if self._bar is not None and stamp:
            self._bar.update(self._task, completed=stamp - self._first)


class _Told:
    """A journal that keeps what the report is made of."""

    def __init__(self, symbols: tuple[str, ...], quote: str, owned: Decimal) -> None:
        self.digest = JournalDigest()
        self.points: list[Point] = []
        self.held: list[tuple[Held, ...]] = []
        self.trades: list[Trade] = []
        self.orders = self.events = 0
        self._symbols, self._quote, self._owned = symbols, quote, owned
        self._decided: dict[str, Decided] = {}
        self._seen: set[str] = set()

    def write(self, record: Record) -> None:
        self.digest.write(record)
        if not self.digest.open:
            return
        if isinstance(record, Decided):
            order = placed(record.command)
            if order is not None:
                self.orders += 1
                self._decided[order.id] = record
        elif isinstance(record, Came) and isinstance(record.event, Fill):
            self._filled(record.event)

    def look(self, desk: Desk, now: int) -> None:
        """Note where the account stands."""
        state = desk.engine.state
        held = []
        for symbol in self._symbols:
            position, touch = state.portfolio.position(symbol), state.touch(symbol)
            if touch is None and position:
                return
            bid, ask, _ = touch or _NO_TOUCH
            held.append(Held(position, (bid + ask) / 2))
        equity = self._owned + state.portfolio.result(self._quote, day_marks(state))
        self.points.append(Point(now, equity, *held[0]))
        if len(self._symbols) > 1:  # of one, its point says all
            self.held.append(tuple(held))

    def _filled(self, fill: Fill) -> None:
        decided = self._decided.get(fill.order_id)
        key = f"{fill.order_id}/{fill.trade_id}"
        if decided is None or key in self._seen:
            return
        self._seen.add(key)
        order = placed(decided.command)
        assert order is not None, "only what places an order is kept"
        buys = fill.side is Side.BUY
        touch = decided.ask if buys else decided.bid
        worse = (float(fill.price) / touch - 1) * 1e4 * (1 if buys else -1) if touch else 0.0
        self.trades.append(
            Trade(
                fill.received, fill.order_id, order.rule, str(fill.side), fill.price, fill.size,
                fill.fee, fill.fee_asset, fill.maker, worse, fill.received - decided.at,
                fill.symbol,
            )
        )  # fmt: skip


class _Market(NamedTuple):
    """What is played."""

    listings: list[Listing]
    snapshots: list[CaptureRecord]
    frames: Iterator[Framed]
    """In order of time, stamps put right."""
    first: int
    last: int
    """When it begins to speak and when it ends, ns."""
    moved: int
    """How late a clock was at most."""
    recordings: list[Recording]


def _market_of(wanted: Wanted, config: DeskConfig) -> _Market:
    symbols = (wanted.symbol,) if wanted.symbol else config.venue.symbols
    listings, recordings = recordings_of((wanted.market, *wanted.others), symbols)
    demand_overlap(recordings)
    moved = [venue_ahead(recording.frames()) for recording in recordings]
    frames = in_order([one.frames(ahead) for one, ahead in zip(recordings, moved, strict=True)])
    begin = next(frames, None)
    if begin is None:
        expected = "a market with times"
        raise ConfigError(where=str(wanted.market), found="no frame", expected=expected)
    ends = (one.last() + ahead for one, ahead in zip(recordings, moved, strict=True))
    return _Market(
        listings=listings,
        snapshots=[snapshot for one in recordings for snapshot in one.snapshots],
        frames=chain((begin,), frames),
        first=begin[0],
        last=max(ends),
        moved=max(moved),
        recordings=recordings,
    )


def _plain(config: DeskConfig, symbols: tuple[str, ...], seed: int) -> DeskConfig:
    """The same desk in these symbols, harmless, at the simulated venue."""
    found = harmless(config, seed=seed, paper=False)
    venue = msgspec.structs.replace(found.venue, symbols=symbols, endpoints=None, testnet=False)
    return msgspec.structs.replace(found, venue=venue)


def _owned(config: DeskConfig, listings: Sequence[Listing]) -> dict[str, Decimal]:
    """What the account begins with."""
    owned = dict(config.paper.balances)
    for listing in listings:
        owned.setdefault(listing.base, Decimal(0))
        owned.setdefault(listing.quote, Decimal(0))
    return owned


def _quote_of(listings: Sequence[Listing]) -> str:
    quotes = {listing.quote: None for listing in listings}
    if len(quotes) > 1:
        raise ConfigError(
            where="venue.symbols",
            found=f"symbols priced in {' and '.join(quotes)}",
            expected="all priced in one asset, in which the account is counted",
        )
    return next(iter(quotes))


def _config(wanted: Wanted) -> DeskConfig:
    if wanted.config is not None:
        return load_config(wanted.config)
    if not wanted.market.exists():
        missing, expected = "No such file or directory", "a tape or a capture"
        raise ConfigError(where=str(wanted.market), found=missing, expected=expected)
    found = recorded_config(Tape(wanted.market)) if is_tape(wanted.market) else None
    if found is None:
        expected = "--config with a desk's file: this market was not recorded by a desk"
        raise ConfigError(where=str(wanted.market), found="no configuration", expected=expected)
    return found


def _known(where: str, name: str, names: Sequence[str]) -> str:
    if name not in names:
        raise ConfigError(where=where, found=name, expected=f"one of {', '.join(names)}")
    return name


def _write(path: Path, columns: Sequence[str], rows: Iterable[Any]) -> None:
    with naming(path), path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
