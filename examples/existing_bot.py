"""A bot that was there before: it polls for a price and sends an order now and then.

    python examples/existing_bot.py

`Bot` is the old code and is not changed by a letter. It asks an `exchange` for two things,
`fetch_ticker` and `create_order`. Before, that exchange asks over HTTP each time. After, it answers
from what the socket has already brought, and its orders pass through risk and leave on a connection
that is open and logged in.
"""

from __future__ import annotations

import asyncio
import json
import time
from decimal import Decimal
from typing import Protocol

from pitwire import Desk, DeskConfig, Side, open_desk
from pitwire.cli.simulated import SimulatedVenue, simulated_venue
from pitwire.desk.config import VenueSection
from pitwire.trading.limits import Limits
from pitwire.trading.wishes import order
from pitwire.wire.http import HttpClient

SYMBOL = "BTC-USDT"
PAUSE = 0.02
"""Seconds between two looks."""
LAPS = 100
"""How often it looks that many times, at the most, until it has traded: a market may stay on one
side of its average for a while."""


class Exchange(Protocol):
    """What the bot needs from the world."""

    async def fetch_ticker(self, symbol: str) -> dict[str, float]: ...

    async def create_order(self, symbol: str, side: str, amount: float) -> str: ...


# ── the old bot ───────────────────────────────────────────────────────────────────────────────


class Bot:
    """Sells when the price is above its moving average, buys when it is below."""

    def __init__(self, exchange: Exchange, symbol: str, amount: float) -> None:
        self.exchange, self.symbol, self.amount = exchange, symbol, amount
        self.average = 0.0
        self.last_side = ""
        self.orders: list[str] = []
        self.looked: list[float] = []

    async def step(self) -> None:
        started = time.perf_counter()
        ticker = await self.exchange.fetch_ticker(self.symbol)
        self.looked.append(time.perf_counter() - started)
        price = (ticker["bid"] + ticker["ask"]) / 2
        self.average = price if not self.average else 0.9 * self.average + 0.1 * price
        side = "sell" if price > self.average else "buy"
        if self.last_side and side != self.last_side:
            self.orders.append(await self.exchange.create_order(self.symbol, side, self.amount))
        self.last_side = side

    async def run(self, steps: int, pause: float) -> None:
        for _ in range(steps):
            await self.step()
            await asyncio.sleep(pause)


# ── before: one request for each look ─────────────────────────────────────────────────────────


class PollingExchange:
    """Asks the venue each time (its orders are left out here: see `PitwireExchange`)."""

    def __init__(self, address: str) -> None:
        self.address, self.http = address, HttpClient()

    async def fetch_ticker(self, symbol: str) -> dict[str, float]:
        native = symbol.replace("-", "")
        url = f"{self.address}/api/v3/ticker/bookTicker?symbol={native}"
        _, _, body = await self.http.fetch("GET", url, {}, b"")
        answer = json.loads(body)
        return {"bid": float(answer["bidPrice"]), "ask": float(answer["askPrice"])}

    async def create_order(self, symbol: str, side: str, amount: float) -> str:
        return "not sent"


# ── after: the socket has brought it already ──────────────────────────────────────────────────


class PitwireExchange:
    """The same two methods over a running desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def fetch_ticker(self, symbol: str) -> dict[str, float]:
        quote = self.desk.engine.state.quotes[symbol]
        return {"bid": quote.bid, "ask": quote.ask}

    async def create_order(self, symbol: str, side: str, amount: float) -> str:
        now, engine = self.desk.clock.now(), self.desk.engine
        wish = order(symbol, Side(side), size=amount, tag="bot")
        sent = engine.screen.admit([wish], engine.state, now)  # none when risk says no
        for command in sent:
            self.desk.gateway.send(command, now)
        return ", ".join(getattr(command, "id", "") for command in sent) or "refused"


async def before(venue: SimulatedVenue, steps: int) -> Bot:
    exchange = PollingExchange(venue.endpoints.http)
    bot = Bot(exchange, SYMBOL, 0.01)
    try:
        await bot.run(steps, PAUSE)
    finally:
        await exchange.http.close()
    return bot


async def after(venue: SimulatedVenue, steps: int) -> tuple[Bot, Desk]:
    # This bot says the same thing twice on purpose; by default risk takes that for a mistake.
    config = DeskConfig(
        venue=VenueSection(symbols=(SYMBOL,), channels=("ticker",)),
        risk=Limits(max_order_notional=Decimal(2_000), duplicate_seconds=0),
        seed=7,
    )
    desk = await open_desk(config, endpoints=venue.endpoints, credentials=venue.credentials)
    try:
        while SYMBOL not in desk.engine.state.quotes:
            await asyncio.sleep(0.01)
        bot = Bot(PitwireExchange(desk), SYMBOL, 0.01)
        for _ in range(LAPS):
            await bot.run(steps, PAUSE)
            if len(desk.frames.fills()):
                break
        while desk.engine.state.ledger.open:
            await asyncio.sleep(0.01)
    finally:
        await desk.stop()
    return bot, desk


async def main(steps: int = 100) -> tuple[Bot, Bot, Desk]:
    async with simulated_venue([SYMBOL], seed=7, scenario="volatile") as venue:
        old = await before(venue, steps)
        new, desk = await after(venue, steps)
    for name, bot in (("before", old), ("after", new)):
        looks = sorted(bot.looked)
        print(f"{name}: a look at the price takes {looks[len(looks) // 2] * 1e6:,.1f} µs")
    print(f"{len(new.orders)} orders, {len(desk.frames.fills())} fills")
    return old, new, desk


if __name__ == "__main__":
    asyncio.run(main())
