"""nautilus_trader's Binance adapter, unmodified and in its own environment, at the simulated venue.

`make .venv-nautilus/.run` prepares the environment; without it these tests say so and are skipped.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pitwire.model.clock import SystemClock
from pitwire.model.orders import Side
from pitwire.sim.facades.usdm_options import UsdmOptions
from pitwire.sim.facts import Tif
from pitwire.sim.serve import serve
from pitwire.sim.world import USDM, World
from tests.strangers.place import ACCOUNTS, MONEY, Place

SPOT = ("nautilus_config", "BTCUSDT.BINANCE")
FUTURES = ("nautilus_usdm_config", "BTCUSDT-PERP.BINANCE")
SECONDS = 90.0
"""A node takes its time to start."""
Said = dict[str, Any]


class Node:
    """A trading node next door: what it is told, and what it tells."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.rest: list[str] = []
        """Lines that are not for us: its own log."""

    def tell(self, verb: str, **facts: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"verb": verb, **facts}).encode() + b"\n")

    async def until(self, wanted: Callable[[Said], object]) -> list[Said]:
        """Everything it tells up to and including the first that is wanted."""
        seen: list[Said] = []
        async with asyncio.timeout(SECONDS):
            while not seen or not wanted(seen[-1]):
                seen.append(await self._next())
        return seen

    async def order(self, kind: str) -> Said:
        """The next event of this kind about an order."""
        seen = await self.until(lambda one: one.get("kind") in (kind, "OrderDenied"))
        assert seen[-1]["kind"] == kind, seen[-1]["reason"]
        return seen[-1]

    async def book(self) -> tuple[dict[float, float], dict[float, float]]:
        """Its book, all levels."""
        self.tell("book")
        found = (await self.until(lambda one: one["said"] == "book"))[-1]
        bids, asks = ({float(p): float(s) for p, s in found[side]} for side in ("bids", "asks"))
        return bids, asks

    async def stop(self) -> None:
        self.tell("stop")
        try:
            async with asyncio.timeout(SECONDS):
                while await self._line():
                    pass
                await self._process.wait()
        finally:
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()

    async def _next(self) -> Said:
        while True:
            line = await self._line()
            assert line, f"the node ended: {self.rest[-10:]}"
            try:
                said: Said = json.loads(line)
            except ValueError:
                self.rest.append(line)
            else:
                return said

    async def _line(self) -> str:
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode("utf-8", "replace")


Meet = Callable[..., Any]


@pytest.fixture
def python(repository: Path) -> Path:
    found = repository / ".venv-nautilus" / "bin" / "python"
    if not found.exists():
        pytest.skip("nautilus_trader is not installed: `make .venv-nautilus/.run` prepares it")
    return found


@pytest.fixture
def meet(python: Path, repository: Path) -> Meet:
    @asynccontextmanager
    async def connect(
        scenario: str | None, *, quiet: bool = False, futures: bool = False
    ) -> AsyncIterator[tuple[Place, Node]]:
        """A venue, halted where `quiet`, and a node that has just been started there."""
        usdm = {"venue": USDM, "options": UsdmOptions(unrouted="all")}
        options = usdm if futures else {"listen_keys": True}
        accounts = {name: {"USDT": MONEY["USDT"]} for name in ACCOUNTS} if futures else ACCOUNTS
        world = World(seed=22, scenario=scenario, clock=SystemClock(), accounts=accounts, **options)
        async with serve(world) as venue:
            place = Place(world, venue)
            if quiet:
                place.halt()
            process = await asyncio.create_subprocess_exec(
                str(python),
                str(repository / "tests" / "strangers" / "nautilus_client.py"),
                str(repository / "docs" / "strangers.md"),
                *(FUTURES if futures else SPOT),
                venue.market_url,
                venue.http_url,
                *place.key(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=1 << 24,
            )
            node = Node(process)
            try:
                await node.until(lambda one: one["said"] == "started")
                yield place, node
            finally:
                await node.stop()

    return connect


@pytest.mark.timeout(600)
async def test_streams_and_the_book_of_a_lively_market(meet: Meet) -> None:
    """Every kind it subscribes to, all levels of the book, and again after a close."""
    # It does not check that its first deltas meet its snapshot: it subscribes while nothing moves.
    async with meet("calm", quiet=True) as (place, node):
        await node.until(lambda one: one["said"] == "deltas")
        async with asyncio.timeout(SECONDS):
            while await node.book() != place.book():
                await asyncio.sleep(0.2)
        place.resume()
        kinds: set[str] = set()
        flows = {"trade", "quote", "bar", "deltas"}
        await node.until(lambda one: kinds.add(one["said"]) or kinds >= flows)
        with place.halted():
            async with asyncio.timeout(SECONDS):
                while await node.book() != place.book():
                    await asyncio.sleep(0.2)
        place.hang_up("market")
        await asyncio.sleep(1)
        kinds.clear()
        await node.until(lambda one: kinds.add(one["said"]) or kinds >= {"trade", "quote"})


async def keep_bidding(place: Place) -> None:
    """One bid more every half second, each of which is told to whoever has subscribed by then."""
    while True:
        place.rival(Side.BUY, lots=1_000, price=5_900_000)
        await asyncio.sleep(0.5)


async def keep_buying(place: Place, *, lots: int, price: int, most: int) -> None:
    """A little every half second, which is told to whoever has subscribed by then."""
    for _ in range(most):
        place.rival(Side.BUY, lots=lots, price=price, tif=Tif.IOC)
        await asyncio.sleep(0.5)


@pytest.mark.timeout(600)
async def test_orders_fills_and_refusals(meet: Meet) -> None:
    async with meet(None) as (place, node):
        node.tell("place", side="SELL", size="0.005", price="60000")
        accepted = await node.order("OrderAccepted")
        place.rival(Side.BUY, lots=200, price=6_000_000, tif=Tif.IOC)
        part = await node.order("OrderFilled")
        assert (part["status"], Decimal(part["filled"])) == ("PARTIALLY_FILLED", Decimal("0.002"))
        node.tell("cancel", id=accepted["id"])
        gone = await node.order("OrderCanceled")
        assert (gone["id"], gone["status"]) == (accepted["id"], "CANCELED")

        place.rival(Side.SELL, lots=1_000, price=6_000_100)
        # Its own risk wants a price first, and it may not have subscribed to any yet.
        bidding = asyncio.create_task(keep_bidding(place))
        await node.until(lambda one: one["said"] == "quote" and float(one["bid"]) == 59_000)
        bidding.cancel()
        node.tell("place", side="BUY", size="0.003")
        filled = await node.order("OrderFilled")
        assert (filled["status"], Decimal(filled["filled"])) == ("FILLED", Decimal("0.003"))
        assert [int(filled["venue_id"])] == [
            order.order_id
            for order in place.world.exchange.all_orders("stranger", "BTC-USDT")
            if order.filled_lots == 300
        ]

        node.tell("place", side="BUY", size="0.001", price="60002", post=True)
        refused = await node.order("OrderRejected")
        assert "-2010" in refused["reason"] or "immediately match" in refused["reason"]


@pytest.mark.timeout(600)
async def test_the_user_stream_comes_back_after_a_close(meet: Meet) -> None:
    async with meet(None) as (place, node):
        node.tell("place", side="SELL", size="0.05", price="60000")
        await node.order("OrderAccepted")
        before = len(place.world.stage.links())
        place.hang_up("market")
        async with asyncio.timeout(SECONDS):
            while len(place.world.stage.links()) < before:
                await asyncio.sleep(0.2)
        # It subscribes anew after it has connected.
        buying = asyncio.create_task(keep_buying(place, lots=10, price=6_000_000, most=200))
        assert (await node.order("OrderFilled"))["status"] in ("PARTIALLY_FILLED", "FILLED")
        buying.cancel()


@pytest.mark.timeout(600)
async def test_the_futures_of_a_stranger_who_knows_the_old_paths(meet: Meet) -> None:
    """Its book, an order in parts, a cancel, a refusal, and all again after a close."""
    async with meet(None, futures=True) as (place, node):
        node.tell("place", side="SELL", size="0.500", price="61000")
        accepted = await node.order("OrderAccepted")
        place.rival(Side.BUY, lots=20, price=610_000, tif=Tif.IOC)
        part = await node.order("OrderFilled")
        assert (part["status"], Decimal(part["filled"])) == ("PARTIALLY_FILLED", Decimal("0.02"))
        before = len(place.world.stage.links())
        place.hang_up("market")
        async with asyncio.timeout(SECONDS):
            while len(place.world.stage.links()) < before:
                await asyncio.sleep(0.2)
        # It subscribes anew after it has connected.
        buying = asyncio.create_task(keep_buying(place, lots=1, price=610_000, most=200))
        await node.order("OrderFilled")
        buying.cancel()
        node.tell("cancel", id=accepted["id"])
        assert (await node.order("OrderCanceled"))["id"] == accepted["id"]
        for lots, price in ((30, 610_500), (40, 611_000)):
            place.rival(Side.SELL, lots=lots, price=price)
        place.rival(Side.BUY, lots=50, price=609_000)
        async with asyncio.timeout(SECONDS):
            while await node.book() != place.book():
                await asyncio.sleep(0.2)
        node.tell("place", side="BUY", size="0.010", price="61060", post=True)
        refused = await node.order("OrderRejected")
        assert "-5022" in refused["reason"] or "Maker" in refused["reason"], refused["reason"]
        [held] = place.world.exchange.positions("stranger", "BTC-USDT")
        [sold] = [
            order.filled_lots
            for order in place.world.exchange.all_orders("stranger", "BTC-USDT")
            if order.filled_lots
        ]
        assert sold > 20
        assert held.lots == -sold
