"""A stage: a real desk on a served market with a board, in a process of its own, told by lines.

Run as a program with a port, or with `two`: then two desks, each on a venue of its own, are shown
by one board that is attached to their folders. It prints `{"control": url, "look": url}` and then
answers each line of its input, a JSON object `{"do": …}`, with one of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pitwire.board import hub as hub_module
from pitwire.board.commands import serve_commands, within
from pitwire.board.feed import Feed
from pitwire.board.hub import Hub
from pitwire.board.opening import attach_board
from pitwire.board.server import BoardServer
from pitwire.board.tail import Tail
from pitwire.board.window import watched
from pitwire.cli.simulated import SimulatedVenue, simulated_venue
from pitwire.desk.account import Account
from pitwire.desk.config import parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.model.clock import SystemClock
from pitwire.trading.journal import Alerted, Record

CONFIG = """
mode = "sim"
[venue]
symbols = ["BTC-USDT", "ETH-USDT"]
channels = ["ticker", "trades", "book"]
[log]
file = ""
[[rule]]
name = "rest a bid"
when = { price = "BTC-USDT", above = 1, of = "bid" }
do = { post_only = "buy", size = 0.02, price = { from = "bid", bips = -40 }, tag = "resting" }
once = true
[[rule]]
name = "buy once"
when = { price = "BTC-USDT", above = 2 }
do = { market = "buy", size = 0.01 }
once = true
"""


class StagedFeed(Feed):
    """A feed whose clocks and rows a test can hold."""

    holding = False
    looking = False
    """Whether a look has begun and is not over."""
    frozen_head: dict[str, Any] | None = None

    def steps(self, now: int) -> Iterator[None]:
        if self.holding:
            return
        self.looking = True
        try:
            yield from super().steps(now)
        finally:
            self.looking = False

    def head(self, now: int) -> dict[str, Any]:
        head = super().head(now)
        return head if self.frozen_head is None else {**self.frozen_head, "now": head["now"]}


class Alerts:
    """A journal that keeps what was alerted alone."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def write(self, record: Record) -> None:
        if isinstance(record, Alerted):
            self.texts.append(record.text)


class Stage:
    """What a test may ask of it."""

    def __init__(
        self, desk: Desk, feed: StagedFeed, hub: Hub, venue: SimulatedVenue, alerts: Alerts
    ) -> None:
        self.desk, self.feed, self.hub, self.venue = desk, feed, hub, venue
        self.alerts = alerts
        self.put: list[tuple[str, str]] = []

    def truth(self) -> dict[str, Any]:
        """The desk's own state, in its own numbers."""
        state = self.desk.engine.state
        books = {
            symbol: [[list(level) for level in side] for side in book.depth(15)]
            for symbol, book in state.books.items()
        }
        return {
            "books": books,
            "last": {symbol: state.last(symbol) for symbol in state.instruments},
            "orders": {
                order.id: [order.state.value, order.is_open, str(order.size), str(order.done)]
                for order in (state.ledger.find(one) for one in self.desk.timings.orders)
                if order is not None
            },
            "positions": {
                symbol: format(holding.size.normalize(), "f")
                for symbol, holding in state.portfolio.holdings.items()
                if holding.fills
            },
            "halted": self.desk.engine.screen.halted,
            "seq": self.hub.seq,
            "merged": [viewer.merged for viewer in self.hub.viewers],
            "viewers": len(self.hub.viewers),
            "failures": self.hub.failures,
            "alerts": self.alerts.texts,
        }

    async def answer(self, told: dict[str, Any]) -> dict[str, Any]:
        match told["do"]:
            case "truth":
                pass
            case "hold":
                while self.feed.looking:  # else its rest would tell of a later moment
                    await asyncio.sleep(0)
                now = self.desk.clock.now()
                for _ in self.feed.steps(now):
                    pass
                self.hub.tick(now)
                self.feed.holding = True
            case "go":
                self.feed.holding, self.feed.frozen_head = False, None
                while self.put:
                    self.feed.common.drop(*self.put.pop())
            case "freeze events":
                self.feed.frozen_head = self.feed.head(self.desk.clock.now())
            case "drop a frame":
                for viewer in self.hub.viewers:
                    viewer.seq += 1000  # as if a frame had been sent that never came
            case "put":
                self.put.append((told["topic"], told["key"]))
                self.feed.common.put(told["topic"], told["key"], told["row"])
            case "kill the venue":
                await self.venue.served.stop()
            case "halt":
                self.desk.halt(told["reason"], "stage")
            case "resume":
                self.desk.resume("stage")
        return self.truth()


async def play(port: int, folder: Path) -> None:
    tail, alerts = Tail(), Alerts()
    async with simulated_venue(["BTC-USDT", "ETH-USDT"], seed=5) as venue:
        desk = await open_desk(
            parse_config(CONFIG),
            endpoints=venue.endpoints,
            credentials=venue.credentials,
            journals=[tail, alerts],
            state=folder,
        )
        feed = StagedFeed(desk, tail)
        hub = Hub(feed, desk.clock)
        server = BoardServer({"": hub}, desk.clock, port=port)
        serve_commands(server, {"": within(desk)})
        await server.open()
        if tokens := os.environ.get("STAGE_TOKENS"):
            # A page that was there before the server was started again knows the old ones.
            server.gate.look, server.gate.control = tokens.split()
        looking = asyncio.ensure_future(hub.run())
        running = asyncio.ensure_future(desk.run())
        stage = Stage(desk, feed, hub, venue, alerts)
        gate = server.gate
        first = {"control": server.url_for(gate.control), "look": server.url_for(gate.look)}
        print(json.dumps(first), flush=True)
        loop = asyncio.get_running_loop()
        try:
            while line := await loop.run_in_executor(None, sys.stdin.readline):
                print(json.dumps(await stage.answer(json.loads(line))), flush=True)
        finally:
            looking.cancel()
            running.cancel()
            await asyncio.gather(looking, running, return_exceptions=True)
            await server.close()
            await desk.stop()


class OneOfTwo:
    """A desk, its venue and its window, which may go for good."""

    def __init__(self, name: str, venue: SimulatedVenue, desk: Desk, kept: AsyncExitStack) -> None:
        self.name, self.venue, self.desk, self._kept = name, venue, desk, kept
        self._running = asyncio.ensure_future(desk.run())

    @classmethod
    async def open(cls, name: str, folder: Path, seed: int) -> OneOfTwo:
        """Serve a venue, open a desk that trades there, and a window to it."""
        kept, tail = AsyncExitStack(), Tail()
        venue = await kept.enter_async_context(simulated_venue(["BTC-USDT"], seed=seed))
        desk = await open_desk(
            parse_config(CONFIG.replace(', "ETH-USDT"', "")),
            endpoints=venue.endpoints,
            credentials=venue.credentials,
            journals=[tail],
            state=folder / name,
        )
        await kept.enter_async_context(watched(desk, tail))
        return cls(name, venue, desk, kept)

    async def end(self) -> None:
        """Close the window, stop the desk, take the venue away."""
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self.desk.stop()
        await self._kept.aclose()

    def truth(self) -> dict[str, Any]:
        """What the desk says of itself."""
        state, screen = self.desk.engine.state, self.desk.engine.screen
        return {
            "last": state.last("BTC-USDT"),
            "stale": state.stale_reason("BTC-USDT"),
            "halted": screen.halted,
            "open": [order.id for order in state.ledger.open_of("")],
            "position": str(state.portfolio.position("BTC-USDT")),
        }


async def play_two(folder: Path) -> None:
    desks = [await OneOfTwo.open(name, folder, seed) for seed, name in enumerate(("left", "right"))]
    accounts = [Account(folder / one.name) for one in desks]
    loop = asyncio.get_running_loop()
    async with attach_board(accounts, SystemClock()) as board:
        print(json.dumps({"control": board.control_url, "look": board.look_url}), flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            told = json.loads(line)
            for one in [one for one in desks if one.name == told.get("desk")]:
                if told["do"] == "kill the venue":
                    await one.venue.served.stop()
                elif told["do"] == "end":
                    await one.end()
                    desks.remove(one)
            print(json.dumps({one.name: one.truth() for one in desks}), flush=True)
    for one in desks:
        await one.end()


if __name__ == "__main__":
    # A browser may be given no time for seconds; that its page then begins anew is tried elsewhere.
    hub_module.BEHIND = 1 << 30
    with TemporaryDirectory(prefix="pitwire-stage-") as name:
        if sys.argv[1] == "two":
            asyncio.run(play_two(Path(name)))
        else:
            asyncio.run(play(int(sys.argv[1]), Path(name)))
