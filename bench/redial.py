"""How long from a dropped connection to the first good event again, on loopback with the venue up.

Each drop is of a session of its own, so that no earlier one is held against it: the venue breaks
the socket off as a network does, the first market event that is delivered afterwards counts, and
then the moment when every subscription has spoken again and the book is good. The venue's limits
by address are lifted, and it is a fresh one after a few drops, since a client also heeds the
weight that its address has used, and here one address has sixty users.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import percentile
from pitwire.model import events as ev
from pitwire.model.clock import SystemClock
from pitwire.model.entropy import Entropy
from pitwire.session.connect import connect_to_websocket
from pitwire.session.session import Session
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.serve import Venue, serve
from pitwire.sim.world import World
from pitwire.venues.venue import Endpoints

SYMBOL = "BTC-USDT"
CHANNELS = ("ticker", "trades", "book")
DROPS = 60
DROPS_A_VENUE = 12
WITHIN_SECONDS = 30.0
BAR_P50_MS, BAR_P99_MS = 250.0, 1000.0
"""What is promised of the first good event."""
_MARKET = (ev.Quote, ev.Trade, ev.BookSnapshot, ev.BookDelta)


class Failed(Exception):
    """A drop that nothing came back after."""


@dataclass(frozen=True)
class Drop:
    """One drop: ns until it was noticed, until the first event, until all of it flowed again."""

    noticed: int
    first: int
    whole: int


class Watch:
    """What is delivered after a drop, and when."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self.noticed = self.first = self.whole = 0
        self._open: set[str] = set()
        self._changed = asyncio.Event()

    def begin(self) -> None:
        """From now on: the connection is about to be dropped."""
        self.noticed = self.first = self.whole = 0
        self._open = {"Quote", "Trade", "BookSnapshot"}
        self._changed.clear()

    def take(self, event: ev.Event) -> None:
        """An event was delivered."""
        now = self._clock.now()
        if isinstance(event, ev.Lost) and not self.noticed:
            self.noticed = now
        if self.noticed and isinstance(event, _MARKET):
            self.first = self.first or now
            self._open.discard(type(event).__name__)
            if not self._open and not self.whole:
                self.whole = now
                self._changed.set()

    async def until_whole(self) -> None:
        """Wait until everything flows again."""
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            raise Failed(f"nothing of {', '.join(sorted(self._open))} within 30 s") from None


def measure(drops: int = DROPS, seed: int = 1) -> list[Drop]:
    """Drop that many connections, one after the other; raises `Failed`."""
    return asyncio.run(_measure(drops, seed))


def rows(found: Sequence[Drop]) -> list[tuple[str, float, str]]:
    """Name, milliseconds, remark; the bars of the first event are in its remarks."""
    table = []
    for name, values in (
        ("noticed", [one.noticed for one in found]),
        ("first good event", [one.first for one in found]),
        ("all subscriptions, book good", [one.whole for one in found]),
    ):
        ordered = sorted(values)
        for share, word, bar in ((0.5, "p50", BAR_P50_MS), (0.99, "p99", BAR_P99_MS)):
            value = percentile(ordered, share) / 1e6
            remark = f"of {len(ordered)} drops"
            if name == "first good event":
                remark += f"; bar {bar:g}, {'met' if value <= bar else 'missed'}"
            table.append((f"{name}, {word}", value, remark))
    return table


async def _measure(drops: int, seed: int) -> list[Drop]:
    clock = SystemClock()
    options = BinanceOptions(connections_per_5_minutes=10**6, weight_per_minute=10**6)
    found: list[Drop] = []
    while len(found) < drops:
        world = World(seed=seed, clock=clock, crowded=(SYMBOL,), options=options)
        async with serve(world) as venue:
            for number in range(len(found), min(drops, len(found) + DROPS_A_VENUE)):
                found.append(await _one(venue, clock, Entropy(seed + number)))
    return found


async def _one(venue: Venue, clock: SystemClock, entropy: Entropy) -> Drop:
    watch = Watch(clock)
    endpoints = Endpoints(market=venue.market_url, orders=venue.orders_url, http=venue.http_url)
    async with connect_to_websocket(
        "binance", endpoints=endpoints, on_event=watch.take, entropy=entropy, asks_time=False
    ) as session:
        await _subscribe(session)
        await asyncio.sleep(0.1)
        watch.begin()
        began = clock.now()
        for outlet in venue.outlets().values():
            outlet.abort()
        await watch.until_whole()
    return Drop(watch.noticed - began, watch.first - began, watch.whole - began)


async def _subscribe(session: Session) -> None:
    for channel in CHANNELS:
        await session.subscribe(channel, SYMBOL)
    async with asyncio.timeout(WITHIN_SECONDS):
        while not session.book(SYMBOL).ready:
            await asyncio.sleep(0.01)
