"""A venue on real ports for a stranger to meet, and patience with limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from threading import Thread
from typing import Any, TypeVar

from pitwire.model.orders import Side
from pitwire.sim.facts import Kind, NewOrder, SimOrder, Tif
from pitwire.sim.serve import Venue
from pitwire.sim.world import World

Answer = TypeVar("Answer")

SYMBOL = "BTC-USDT"
MONEY = {"BTC": Decimal(10), "ETH": Decimal(100), "USDT": Decimal(1_000_000)}
ACCOUNTS = {"stranger": MONEY, "rival": MONEY}
MISSING = "the extra `strangers` is not installed: pip install pitwire[strangers]"
SECONDS = 45.0
"""The most that any one wait for a stranger may take."""
PATIENCE = 4 * SECONDS
"""The most that all waits may take together of what a stranger does in one go."""
ASIDE = "aside"


class Place:
    """A venue on ports, with somebody in it who does what a test says."""

    def __init__(self, world: World, venue: Venue, symbol: str = SYMBOL) -> None:
        self.symbol = symbol
        self.world = world
        self.venue = venue
        self.where = (venue.market_url, venue.orders_url, venue.http_url)

    def key(self, kind: str = "hmac") -> tuple[str, str]:
        """(API key, secret) of the stranger."""
        return self.world.keys_of("stranger")[kind]

    def rival(self, side: Side, *, lots: int, price: int, tif: Tif = Tif.GTC) -> SimOrder:
        """The other account places an order; `price` in ticks of 0.01, `lots` of 0.00001."""
        request = NewOrder(
            account="rival",
            symbol=self.symbol,
            side=side,
            kind=Kind.LIMIT,
            tif=tif,
            lots=lots,
            price=price,
        )
        order = self.world.exchange.place(request, self.world.clock.now())
        self.venue.act()
        return order

    @contextmanager
    def halted(self) -> Iterator[None]:
        """Nothing moves meanwhile, the crowd included."""
        self.halt()
        yield
        self.resume()

    def halt(self) -> None:
        """From now on nothing moves."""
        self._set_status("HALT")

    def resume(self) -> None:
        """From now on everything moves again."""
        self._set_status("TRADING")

    def book(self) -> tuple[dict[float, float], dict[float, float]]:
        """Bids and asks as the exchange holds them."""
        _, bids, asks = self.world.truth_book(self.symbol)
        return as_levels(bids), as_levels(asks)

    def hang_up(self, role: str) -> None:
        """Close every link of a kind, as a venue does that is being upgraded."""
        for link, label in self.world.stage.links().items():
            if label.startswith(role):
                self.world.facade.close(link, 1001, "Going away")
        self.venue.act()

    def _set_status(self, status: str) -> None:
        self.world.exchange.set_status(self.symbol, status, self.world.clock.now())
        self.venue.act()


def as_levels(levels: Any) -> dict[float, float]:
    """Price → size, as numbers."""
    return {float(price): float(size) for price, size, *_ in levels}


async def aside(work: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
    """What a stranger does that blocks, in a thread that is left behind when it never ends.

    `asyncio.to_thread` would be waited for by its loop, and by Python's own end, for ever.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Answer] = loop.create_future()

    def tell(settle: Callable[[Any], None], found: object) -> None:
        if not done.done():
            settle(found)

    def run() -> None:
        outcome: tuple[Callable[[Any], None], object]
        try:
            outcome = done.set_result, work(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            outcome = done.set_exception, error
        with suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(tell, *outcome)

    Thread(target=run, name=ASIDE, daemon=True).start()
    async with asyncio.timeout(PATIENCE):
        return await done


async def until(
    get: Callable[[], Awaitable[Answer]], satisfied: Callable[[Answer], object]
) -> list[Answer]:
    """Everything that came up to and including the first that satisfies."""
    seen: list[Answer] = []
    async with asyncio.timeout(SECONDS):
        while not seen or not satisfied(seen[-1]):
            seen.append(await get())
    return seen
