"""ccxt's futures, unmodified, trade with the simulated USDⓈ-M venue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import deepcopy
from typing import Any

import pytest

from pitwire.model.clock import SystemClock
from pitwire.model.orders import Side
from pitwire.sim.facts import Tif
from pitwire.sim.serve import serve
from pitwire.sim.world import USDM, World
from tests.strangers.place import MISSING, MONEY, SECONDS, Place, as_levels, until

pytest.importorskip("ccxt", reason=MISSING)
import ccxt
import ccxt.pro

SYMBOL = "BTC/USDT:USDT"
ACCOUNTS = {name: {"USDT": MONEY["USDT"]} for name in ("stranger", "rival")}
Meet = Callable[..., AbstractAsyncContextManager[ccxt.pro.binanceusdm]]


@asynccontextmanager
async def futures(scenario: str | None) -> AsyncIterator[Place]:
    world = World(seed=20, venue=USDM, scenario=scenario, clock=SystemClock(), accounts=ACCOUNTS)
    async with serve(world) as venue:
        yield Place(world, venue)


@pytest.fixture
async def lively() -> AsyncIterator[Place]:
    async with futures("calm") as place:
        yield place


@pytest.fixture
async def empty() -> AsyncIterator[Place]:
    async with futures(None) as place:
        yield place


@pytest.fixture
def meet(documented: dict[str, Any]) -> Meet:
    """Connect the client as documented, and close it."""

    @asynccontextmanager
    async def connect(place: Place, kind: str = "hmac") -> AsyncIterator[ccxt.pro.binanceusdm]:
        key, secret = place.key(kind)
        exchange = documented["ccxt_usdm"](*place.where, key=key, secret=secret)
        try:
            yield exchange
        finally:
            await exchange.close()

    return connect


async def test_it_reads_our_rule_book(empty: Place, meet: Meet) -> None:
    async with meet(empty) as exchange:
        markets = await exchange.load_markets()
    assert sorted(markets) == ["BTC/USDT:USDT", "ETH/USDT:USDT"]
    bitcoin = markets[SYMBOL]
    assert (bitcoin["swap"], bitcoin["linear"], bitcoin["active"]) == (True, True, True)
    assert (bitcoin["precision"]["price"], bitcoin["precision"]["amount"]) == (0.1, 0.001)
    assert bitcoin["limits"]["cost"]["min"] == 5


async def test_it_watches_every_category(lively: Place, meet: Meet) -> None:
    async with meet(lively) as exchange, asyncio.timeout(SECONDS):
        trades, ticker, quotes, bars, mark = await asyncio.gather(
            exchange.watch_trades(SYMBOL),
            exchange.watch_ticker(SYMBOL),
            exchange.watch_bids_asks(["ETH/USDT:USDT"]),
            exchange.watch_ohlcv(SYMBOL, "1m"),
            exchange.watch_mark_price(SYMBOL),
        )
    assert trades[0]["symbol"] == SYMBOL
    assert ticker["last"] > 0
    assert quotes["ETH/USDT:USDT"]["bid"] < quotes["ETH/USDT:USDT"]["ask"]
    assert len(bars[-1]) == 6
    assert abs(mark["markPrice"] / ticker["last"] - 1) < 0.01


async def test_its_book_is_our_book(lively: Place, meet: Meet) -> None:
    """All levels, not only the best, once the market stands still."""

    def levels(book: Any) -> tuple[dict[float, float], dict[float, float]]:
        return as_levels(book["bids"]), as_levels(book["asks"])

    async with meet(lively) as exchange, asyncio.timeout(2 * SECONDS):
        for _ in range(5):
            book = await exchange.watch_order_book(SYMBOL)
        with lively.halted():
            while levels(book) != lively.book():
                book = await exchange.watch_order_book(SYMBOL)


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
async def test_a_position_is_opened_watched_and_closed(empty: Place, meet: Meet, kind: str) -> None:
    """Prices in ticks of 0.10, sizes in lots of 0.001."""
    async with meet(empty, kind) as exchange, asyncio.timeout(2 * SECONDS):
        await exchange.load_markets()
        told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def watch() -> None:
            while True:
                for order in await exchange.watch_orders(SYMBOL):
                    told.put_nowait(deepcopy(order))

        task = asyncio.create_task(watch())
        try:
            while not any("market" in each for each in empty.world.stage.links().values()):
                await asyncio.sleep(0.02)
            await exchange.set_leverage(10, SYMBOL)
            placed = await exchange.create_order(SYMBOL, "limit", "buy", 0.005, 60_000)
            assert (placed["status"], placed["filled"]) == ("open", 0)
            await until(told.get, lambda order: order["status"] == "open")
            empty.rival(Side.SELL, lots=2, price=600_000, tif=Tif.IOC)
            await until(told.get, lambda order: order["filled"] == 0.002)
            empty.rival(Side.SELL, lots=3, price=600_000, tif=Tif.IOC)
            seen = await until(told.get, lambda order: order["status"] == "closed")
            assert (seen[-1]["id"], seen[-1]["filled"]) == (placed["id"], 0.005)
            (position,) = await exchange.fetch_positions([SYMBOL])
            assert (position["side"], position["contracts"], position["entryPrice"]) == (
                "long",
                0.005,
                60_000,
            )
            empty.rival(Side.BUY, lots=5, price=599_000)
            await exchange.create_order(
                SYMBOL, "market", "sell", 0.005, params={"reduceOnly": True}
            )
            assert await exchange.fetch_positions([SYMBOL]) == []
            trades = await exchange.fetch_my_trades(SYMBOL)
            assert [trade["side"] for trade in trades] == ["buy", "buy", "sell"]
            assert float(trades[-1]["info"]["realizedPnl"]) == -0.5
        finally:
            task.cancel()


async def test_orders_over_the_socket(empty: Place, meet: Meet) -> None:
    async with meet(empty) as exchange, asyncio.timeout(SECONDS):
        placed = await exchange.create_order_ws(SYMBOL, "limit", "buy", 0.005, 59_000)
        assert placed["status"] == "open"
        cancelled = await exchange.cancel_order_ws(placed["id"], SYMBOL)
        assert cancelled["status"] == "canceled"
        balance = await exchange.fetch_balance_ws()
        assert balance["USDT"]["total"] == 1_000_000


async def test_its_errors_are_ours(empty: Place, meet: Meet) -> None:
    """It looks most of its error classes up by the live host's name; the codes are what counts."""
    async with meet(empty) as exchange:
        await exchange.load_markets()
        empty.rival(Side.SELL, lots=5, price=600_000)
        with pytest.raises(ccxt.ExchangeError, match="-2019"):
            await exchange.create_order(SYMBOL, "limit", "buy", 900, 60_000)
        maker = {"postOnly": True}
        with pytest.raises(ccxt.InvalidOrder, match="-5022"):
            await exchange.create_order(SYMBOL, "limit", "buy", 0.005, 60_000, params=maker)
        with pytest.raises(ccxt.ExchangeError, match="-2011"):
            await exchange.cancel_order("99", SYMBOL)


async def test_a_stop_is_placed_the_new_way(empty: Place, meet: Meet) -> None:
    async with meet(empty) as exchange, asyncio.timeout(SECONDS):
        placed = await exchange.create_order(
            SYMBOL, "market", "sell", 0.005, params={"stopLossPrice": 50_000}
        )
        assert placed["id"]
        assert len(empty.world.exchange.conditionals.waiting) == 1  # type: ignore[union-attr]


async def test_it_watches_again_after_a_close(lively: Place, meet: Meet) -> None:
    async with meet(lively) as exchange, asyncio.timeout(2 * SECONDS):
        await exchange.watch_trades(SYMBOL)
        lively.hang_up("market")
        with pytest.raises(ccxt.NetworkError):
            await until(lambda: exchange.watch_trades(SYMBOL), lambda _: False)
        assert await exchange.watch_trades(SYMBOL)


async def test_two_positions_of_one_symbol(empty: Place, meet: Meet) -> None:
    """Hedge mode: filled in part, cancelled, refused, closed, and watched after a close too."""
    async with meet(empty) as exchange, asyncio.timeout(2 * SECONDS):
        await exchange.load_markets()
        await exchange.set_position_mode(True)
        assert (await exchange.fetch_position_mode())["hedged"] is True
        told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def watch() -> None:
            while True:
                try:
                    for order in await exchange.watch_orders(SYMBOL):
                        told.put_nowait(deepcopy(order))
                except ccxt.NetworkError:
                    await asyncio.sleep(0.01)

        async def listening(links: int = 1) -> None:
            while sum("market" in each for each in empty.world.stage.links().values()) < links:
                await asyncio.sleep(0.02)

        hedged = {"hedged": True}
        task = asyncio.create_task(watch())
        try:
            await listening()
            with pytest.raises(ccxt.ExchangeError, match="-4061"):
                await exchange.create_order(SYMBOL, "limit", "buy", 0.005, 60_000)
            placed = await exchange.create_order(
                SYMBOL, "limit", "buy", 0.005, 60_000, params=hedged
            )
            assert placed["info"]["positionSide"] == "LONG"
            empty.rival(Side.SELL, lots=2, price=600_000, tif=Tif.IOC)
            await until(told.get, lambda order: order["filled"] == 0.002)
            await exchange.cancel_order(placed["id"], SYMBOL)
            seen = await until(told.get, lambda order: order["status"] == "canceled")
            assert (seen[-1]["filled"], seen[-1]["info"]["ps"]) == (0.002, "LONG")

            empty.rival(Side.BUY, lots=3, price=600_000)
            sold = await exchange.create_order(SYMBOL, "market", "sell", 0.003, params=hedged)
            assert (sold["status"], sold["info"]["positionSide"]) == ("closed", "SHORT")
            found = await exchange.fetch_positions([SYMBOL])
            assert [(each["side"], each["contracts"], each["hedged"]) for each in found] == [
                ("long", 0.002, True),
                ("short", 0.003, True),
            ]
            closing = {"hedged": True, "reduceOnly": True}
            with pytest.raises(ccxt.ExchangeError, match="-2022"):
                await exchange.create_order(SYMBOL, "limit", "sell", 0.003, 61_000, params=closing)

            empty.hang_up("market")
            await listening()
            empty.rival(Side.BUY, lots=2, price=599_000)
            await exchange.create_order(SYMBOL, "market", "sell", 0.002, params=closing)
            seen = await until(told.get, lambda order: order["status"] == "closed"
                               and order["info"]["ps"] == "LONG")  # fmt: skip
            assert seen[-1]["side"] == "sell"
            (left,) = await exchange.fetch_positions([SYMBOL])
            assert (left["side"], left["contracts"]) == ("short", 0.003)
            with pytest.raises(ccxt.ExchangeError, match="-4068"):
                await exchange.set_position_mode(False)
        finally:
            task.cancel()
