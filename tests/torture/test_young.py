"""A connection that has hardly spoken, and a venue that stands still: found as soon as an old one.

In virtual time with a link that carries nothing any more, and with a venue's real process that is
stopped (SIGSTOP), in a time that a busy machine does not lengthen.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.session.connect import connect_to_websocket
from pitwire.sim.faults import BlackHole, Fault, LatePong
from pitwire.sim.kit import Demand, Script, Trial
from pitwire.torture.virtual import try_virtually
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Endpoints
from tests.unhurried import UnhurriedClock, UnhurriedLoop, run

SYMBOL = "BTC-USDT"
CHANNELS = ("ticker", "trades", "book")
WITHIN_SECONDS = 2.6
"""Half a second less than B5 allows, and what the look that is due then takes."""
TRIES = 5
DATA = (ev.Quote, ev.Trade, ev.BookDelta)


def tried(*faults: Fault, **demand: object) -> Script:
    return Script(
        id="X1",
        title="young",
        does="x",
        expected="x",
        sim=faults,
        trial=Trial(seconds=4, symbols=(SYMBOL,)),
        demand=Demand(back_within_seconds=15, **demand),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("at", [1.5, 2.5, 4.0, 8.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_link_that_carries_nothing_is_told_within_three_seconds_however_young(
    at: float, seed: int
) -> None:
    hole = BlackHole(at_seconds=at, link="market*")
    outcome = try_virtually(tried(hole, noticed_within_seconds=WITHIN_SECONDS), seed)
    assert outcome.complaints == ()
    assert outcome.noticed_by == "FeedStale"


def test_pongs_that_come_late_are_no_alarm_while_data_come() -> None:
    late = LatePong(at_seconds=0, seconds=2.5, for_seconds=20)
    assert try_virtually(tried(late, unnoticed=True, certain=False), 1).complaints == ()


# ── a process that stands still ───────────────────────────────────────────────────────────────


class Listener:
    """What came, and what was told of it."""

    def __init__(self) -> None:
        self.looks = 0
        """Half seconds in which data came."""
        self.last = 0
        self.stale: list[tuple[int, ev.FeedStale]] = []
        self.told, self.spoke = asyncio.Event(), asyncio.Event()
        self.disturbed = False
        """Whether the venue was silent before it was stopped: it had to wait for its turn."""

    def take(self, events: tuple[ev.Event, ...], _now: int, _drained: bool) -> None:
        for event in events:
            if isinstance(event, DATA):
                self.looks += event.received // (SECOND // 2) != self.last // (SECOND // 2)
                self.last = event.received
                if self.looks > 4:
                    self.spoke.set()
            elif isinstance(event, ev.FeedStale | ev.Lost):
                if isinstance(event, ev.FeedStale):
                    self.stale.append((event.received, event))
                self.told.set()


async def served() -> tuple[asyncio.subprocess.Process, Endpoints]:
    """A venue in a process of its own, and where it is."""
    lines = (
        "import asyncio, signal",
        "from pitwire.sim.serve import serve",
        "from pitwire.sim.world import BTC_USDT, World",
        "from pitwire.model.clock import SystemClock",
        "async def main():",
        "    world = World(seed=3, listings=[BTC_USDT], clock=SystemClock())",
        "    async with serve(world) as venue:",
        "        print(venue.market_url, venue.orders_url, venue.http_url, flush=True)",
        "        await asyncio.Event().wait()",
        "asyncio.run(main())",
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "\n".join(lines), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    market, orders, http = (await process.stdout.readline()).decode().split()
    return process, Endpoints(market=market, orders=orders, http=http)


async def stopped() -> tuple[Listener, str]:
    """What is told when the venue is stopped in a connection's first seconds, and of its book."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, UnhurriedLoop)
    process, endpoints = await served()
    heard = Listener()
    try:
        async with connect_to_websocket(
            find_venue("binance"),
            endpoints=endpoints,
            clock=UnhurriedClock(loop),
            on_events=heard.take,
        ) as session:
            for channel in CHANNELS:
                await session.subscribe(channel, SYMBOL)
            await heard.spoke.wait()
            while not session.book(SYMBOL).ready:
                await asyncio.sleep(0.01)
            heard.disturbed = heard.told.is_set()
            os.kill(process.pid, signal.SIGSTOP)
            await heard.told.wait()
            return heard, session.book(SYMBOL).stale
    finally:
        process.kill()
        await process.wait()


def test_a_venue_that_is_stopped_in_the_first_seconds_is_told_by_our_own_ping() -> None:
    for _ in range(TRIES):
        heard, book = run(stopped())
        if not heard.disturbed:
            break
    found = {(one.channel, one.why) for _, one in heard.stale}
    assert found == {(channel, "mute") for channel in CHANNELS}, "told before it is given up"
    assert book == "mute"
    assert heard.stale[0][0] - heard.last <= WITHIN_SECONDS * SECOND
