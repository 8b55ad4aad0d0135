"""A world in virtual time, a desk in it, and everything that either of them said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal
from fnmatch import fnmatch
from typing import Any

from pitwire.desk.config import DeskConfig, parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.model.credentials import Credentials
from pitwire.model.orders import Side
from pitwire.sim.facts import Kind, NewOrder, SimOrder, Status
from pitwire.sim.faults import Fault
from pitwire.sim.latency import LATENCIES
from pitwire.sim.links import MemoryLink
from pitwire.sim.loop import START
from pitwire.sim.world import BTC_USDT, HTTP_URL, MARKET_URL, ORDERS_URL, World
from pitwire.trading.journal import Came, MemoryJournal
from pitwire.trading.rules import Rule, Watch
from pitwire.trading.state import State
from pitwire.trading.tracked import Tracked
from pitwire.trading.wishes import Wish
from pitwire.venues.venue import Endpoints
from pitwire.wire.link import Receiver

BTC = "BTC-USDT"
ENDPOINTS = Endpoints(market=MARKET_URL, orders=ORDERS_URL, http=HTTP_URL)
PLAIN = """
mode = "sim"
[venue]
symbols = ["BTC-USDT"]
[log]
file = ""
"""
Story = Callable[["Setting", Desk], Awaitable[None]]


class TappedLink:
    """A link that also notes what is sent over it."""

    def __init__(self, link: MemoryLink, sent: list[dict[str, Any]]) -> None:
        self._link, self._sent = link, sent

    def send(self, frame: bytes) -> None:
        self._sent.append(json.loads(frame))
        self._link.send(frame)

    def ping(self, payload: bytes = b"") -> None:
        self._link.ping(payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._link.close(code, reason)

    def abort(self) -> None:
        self._link.abort()


class Setting:
    """One world. `run` opens a desk in it, lives a story, and stops the desk."""

    def __init__(
        self,
        *,
        seed: int = 3,
        scenario: str = "quiet",
        faults: str | Sequence[Fault] = (),
        keys: str = "ed25519",
        latency: str = "none",
        start: int = START,
    ) -> None:
        self.world = World(
            seed=seed,
            listings=[BTC_USDT],
            scenario=scenario,
            faults=faults,
            latency=LATENCIES[latency],
            start=start,
        )
        self.clock = self.world.clock
        self.looked_at = True
        """Whether somebody looks at the desk that is opened here."""
        self.journal = MemoryJournal()
        self.sent: list[dict[str, Any]] = []
        """Every frame that left, market and orders connections together."""
        key, secret = self.world.keys[keys]
        self.credentials = Credentials(key, secret)

    async def dial(self, url: str, receiver: Receiver) -> TappedLink:
        return TappedLink(await self.world.dial(url, receiver), self.sent)

    async def open(
        self, *rules: Rule, config: str | DeskConfig = PLAIN, credentials: bool = True
    ) -> Desk:
        """A desk that has begun and sees the market."""
        desk = await open_desk(
            config if isinstance(config, DeskConfig) else parse_config(config),
            rules=rules,
            endpoints=ENDPOINTS,
            credentials=self.credentials if credentials else None,
            dial=self.dial,
            fetch=self.world.fetch,
            clock=self.clock,
            journals=[self.journal],
            looked_at=self.looked_at,
        )
        state = desk.engine.state
        await until(lambda: state.touch(BTC) and state.book(BTC) and not state.stale)
        return desk

    def run(
        self,
        story: Story,
        *rules: Rule,
        config: str | DeskConfig = PLAIN,
        credentials: bool = True,
    ) -> Desk:
        """Open, live the story, stop; the desk as it was left."""

        async def life() -> Desk:
            desk = await self.open(*rules, config=config, credentials=credentials)
            try:
                await story(self, desk)
            finally:
                await desk.stop()
            return desk

        return self.world.run(life())

    # ── what was said ─────────────────────────────────────────────────────────────────────────

    def methods(self, prefix: str = "order.") -> list[str]:
        """The requests that left, by name."""
        names = [str(frame["method"]) for frame in self.sent]
        return [name for name in names if name.startswith(prefix)]

    def records(self, kind: type[Any]) -> list[Any]:
        """What the journal holds of one kind; of an event what came of it."""
        told = [one.event if type(one) is Came else one for one in self.journal.records]
        return [one for one in told if type(one) is kind]

    # ── the venue's truth ─────────────────────────────────────────────────────────────────────

    def orders(self) -> dict[str, SimOrder]:
        """Client id → order, as the exchange holds them; a cancel does not rename them."""
        orders = self.world.exchange.all_orders("main", BTC)
        return {order.original_client_id or order.client_id: order for order in orders}

    def place_as_stranger(self, price: str, lots: int = 1000, *, name: str = "stranger") -> str:
        """Somebody else trades on our account, or the venue takes up an order of this `name`."""
        order = self.world.exchange.place(
            NewOrder(
                account="main",
                symbol=BTC,
                side=Side.BUY,
                kind=Kind.LIMIT,
                lots=lots,
                price=int(Decimal(price) / BTC_USDT.tick),
                client_id=name,
            ),
            self.clock.now(),
        )
        self.world.act()
        return order.client_id

    def free(self, asset: str) -> Decimal:
        return self.world.exchange.balances("main")[asset][0]

    def cut(self, pattern: str = "*") -> None:
        """Break every connection whose label matches."""
        for link, label in list(self.world.stage.links().items()):
            if fnmatch(label, pattern):
                self.world.stage.cut(link, self.clock.now())
        self.world.act()


class Says:
    """A rule that wishes what it is told to, at the next event it sees."""

    name = "says"

    def __init__(self, *watches: Watch) -> None:
        self.watches = watches
        self.wishes: list[Wish] = []
        self.seen = 0

    def react(self, state: State, now: int) -> Iterable[Wish]:
        self.seen += 1
        wishes, self.wishes = self.wishes, []
        return wishes


def command(desk: Desk, *wishes: Wish) -> list[Tracked]:
    """Wish as a person would; the orders that came of it."""
    now, engine = desk.clock.now(), desk.engine
    ids = []
    for one in engine.screen.admit(wishes, engine.state, now):
        ids.append(getattr(one, "id", getattr(one, "order_id", "")))
        desk.gateway.send(one, now)
    found = [engine.state.ledger.find(order_id) for order_id in ids]
    return [order for order in found if order is not None]


async def until(
    test: Callable[[], object], *, within_seconds: float = 60.0, every_seconds: float = 0.05
) -> None:
    """Let virtual time pass until something is so."""
    async with asyncio.timeout(within_seconds):
        while not test():
            await asyncio.sleep(every_seconds)


def is_open(order: SimOrder) -> bool:
    return order.status in (Status.NEW, Status.PARTIALLY_FILLED)
