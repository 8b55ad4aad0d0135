"""ccxt, unmodified, trades with the simulated Binance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import deepcopy
from typing import Any

import pytest

from pitwire.model.orders import Side
from pitwire.sim.facts import Tif
from tests.strangers.place import MISSING, SECONDS, Place, as_levels, aside, until

pytest.importorskip("ccxt", reason=MISSING)
import ccxt
import ccxt.async_support
import ccxt.pro

SYMBOL = "BTC/USDT"
Meet = Callable[..., AbstractAsyncContextManager[ccxt.pro.binance]]
Told = asyncio.Queue[dict[str, Any]]


@pytest.fixture
def meet(documented: dict[str, Any]) -> Meet:
    """Connect the client as documented, and close it."""

    @asynccontextmanager
    async def connect(place: Place, kind: str = "hmac") -> AsyncIterator[ccxt.pro.binance]:
        key, secret = place.key(kind)
        exchange = documented["ccxt_pro"](*place.where, key=key, secret=secret)
        try:
            yield exchange
        finally:
            await exchange.close()

    return connect


@asynccontextmanager
async def watching(exchange: ccxt.pro.binance) -> AsyncIterator[tuple[Told, Told]]:
    """Everything that its user stream tells meanwhile: orders, balances."""
    orders, balances = Told(), Told()

    async def watch_orders() -> None:
        while True:
            for order in await exchange.watch_orders(SYMBOL):
                orders.put_nowait(deepcopy(order))  # it changes its own in place

    async def watch_balances() -> None:
        while True:
            balances.put_nowait(deepcopy(await exchange.watch_balance()))

    await exchange.load_markets()
    await exchange.authenticate()
    tasks = [asyncio.create_task(watch()) for watch in (watch_orders, watch_balances)]
    await exchange.fetch_time()  # whoever was to begin waiting, has
    try:
        yield orders, balances
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_it_reads_our_rule_book(empty: Place, meet: Meet) -> None:
    async with meet(empty) as exchange:
        markets = await exchange.load_markets()
    assert sorted(markets) == ["BTC/USDT", "ETH/BTC", "ETH/USDT"]
    bitcoin = markets[SYMBOL]
    assert (bitcoin["spot"], bitcoin["active"]) == (True, True)
    assert (bitcoin["precision"]["price"], bitcoin["precision"]["amount"]) == (0.01, 0.00001)
    assert bitcoin["limits"]["cost"]["min"] == 5


async def test_it_watches_trades_tickers_and_bars(lively: Place, meet: Meet) -> None:
    async with meet(lively) as exchange, asyncio.timeout(SECONDS):
        trades, ticker, quotes, bars = await asyncio.gather(
            exchange.watch_trades(SYMBOL),
            exchange.watch_ticker(SYMBOL),
            exchange.watch_bids_asks(["ETH/USDT"]),
            exchange.watch_ohlcv(SYMBOL, "1m"),
        )
    assert trades[0]["symbol"] == SYMBOL
    assert trades[0]["side"] in ("buy", "sell")
    assert ticker["bid"] < ticker["ask"]
    assert ticker["last"] > 0
    assert quotes["ETH/USDT"]["bid"] < quotes["ETH/USDT"]["ask"]
    assert len(bars[-1]) == 6


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


async def test_orders_over_rest_are_watched(empty: Place, meet: Meet) -> None:
    async with meet(empty) as exchange, watching(exchange) as (orders, balances):
        placed = await exchange.create_order(SYMBOL, "limit", "sell", 0.005, 60_000)
        assert (placed["status"], placed["filled"]) == ("open", 0)
        await until(orders.get, lambda order: (order["status"], order["filled"]) == ("open", 0))
        empty.rival(Side.BUY, lots=200, price=6_000_000, tif=Tif.IOC)
        await until(orders.get, lambda order: order["filled"] == 0.002)
        found = await exchange.fetch_order(placed["id"], SYMBOL)
        assert (found["status"], found["filled"], found["remaining"]) == ("open", 0.002, 0.003)
        empty.rival(Side.BUY, lots=300, price=6_000_000, tif=Tif.IOC)
        told = await until(orders.get, lambda order: order["status"] == "closed")
        assert (told[-1]["id"], told[-1]["filled"]) == (placed["id"], 0.005)
        paid = await until(balances.get, lambda balance: balance["BTC"]["used"] == 0)
        assert paid[-1]["BTC"] == {"free": 9.995, "used": 0, "total": 9.995}
        trades = await exchange.fetch_my_trades(SYMBOL)
        assert [trade["amount"] for trade in trades] == [0.002, 0.003]
        assert {trade["takerOrMaker"] for trade in trades} == {"maker"}
        assert (await exchange.fetch_balance())["USDT"]["total"] == 1_000_299.7


async def test_a_cancelled_order_is_watched(empty: Place, meet: Meet) -> None:
    async with meet(empty) as exchange, watching(exchange) as (orders, _):
        placed = await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 50_000)
        await until(orders.get, lambda order: order["status"] == "open")
        assert [order["id"] for order in await exchange.fetch_open_orders(SYMBOL)] == [placed["id"]]
        gone = await exchange.cancel_order(placed["id"], SYMBOL)
        assert gone["status"] == "canceled"
        told = await until(orders.get, lambda order: order["status"] == "canceled")
        assert told[-1]["id"] == placed["id"]


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
async def test_orders_over_the_websocket_api(empty: Place, meet: Meet, kind: str) -> None:
    empty.rival(Side.SELL, lots=1_000, price=6_000_100)
    async with meet(empty, kind) as exchange, asyncio.timeout(SECONDS):
        bought = await exchange.create_order_ws(SYMBOL, "market", "buy", 0.002)
        assert (bought["status"], bought["average"]) == ("closed", 60_001)
        resting = await exchange.create_order_ws(SYMBOL, "limit", "buy", 0.01, 50_000)
        assert resting["status"] == "open"
        found = await exchange.fetch_order_ws(resting["id"], SYMBOL)
        assert (found["id"], found["price"]) == (resting["id"], 50_000)
        balances = (await exchange.fetch_balance_ws())["info"]["balances"]
        assert {row["asset"]: row["locked"] for row in balances}["USDT"] == "500.00000000"
        gone = await exchange.cancel_order_ws(resting["id"], SYMBOL)
        assert gone["status"] == "canceled"
        assert await exchange.fetch_open_orders_ws(SYMBOL) == []


async def test_refusals_become_its_own_errors(empty: Place, meet: Meet) -> None:
    async with meet(empty) as exchange, asyncio.timeout(SECONDS):
        for create in (exchange.create_order, exchange.create_order_ws):
            with pytest.raises(ccxt.InsufficientFunds):
                await create(SYMBOL, "limit", "buy", 100, 60_000)
            with pytest.raises(ccxt.ExchangeError, match="Filter failure: NOTIONAL"):
                await create(SYMBOL, "limit", "buy", 0.00001, 60_000)
        with pytest.raises(ccxt.OrderNotFound):
            await exchange.fetch_order("12345", SYMBOL)
        exchange.secret = "not the secret"
        with pytest.raises(ccxt.AuthenticationError):
            await exchange.fetch_balance()


async def test_it_watches_again_after_a_close(lively: Place, meet: Meet) -> None:
    async with meet(lively) as exchange, asyncio.timeout(SECONDS):
        await exchange.watch_trades(SYMBOL)
        lively.hang_up("market")
        with pytest.raises(ccxt.NetworkError):
            await until(lambda: exchange.watch_trades(SYMBOL), lambda _: False)
        assert await exchange.watch_trades(SYMBOL)


async def test_the_client_with_asyncio_and_no_sockets(
    empty: Place, documented: dict[str, Any]
) -> None:
    """`ccxt.async_support`: REST alone."""
    key, secret = empty.key()
    config = documented["ccxt_config"](*empty.where, key, secret)
    async with ccxt.async_support.binance(config) as exchange, asyncio.timeout(2 * SECONDS):
        placed = await exchange.create_order(SYMBOL, "limit", "sell", 0.005, 60_000)
        empty.rival(Side.BUY, lots=200, price=6_000_000, tif=Tif.IOC)
        found = await exchange.fetch_order(placed["id"], SYMBOL)
        assert (found["status"], found["filled"], found["remaining"]) == ("open", 0.002, 0.003)
        book = await exchange.fetch_order_book(SYMBOL)
        assert (as_levels(book["bids"]), as_levels(book["asks"])) == empty.book()
        assert (await exchange.cancel_order(placed["id"], SYMBOL))["status"] == "canceled"
        with pytest.raises(ccxt.OrderNotFound):
            await exchange.cancel_order(placed["id"], SYMBOL)


async def test_the_user_stream_is_watched_again_after_a_close(empty: Place, meet: Meet) -> None:
    async with meet(empty) as exchange, asyncio.timeout(2 * SECONDS):
        await exchange.load_markets()
        watching = asyncio.create_task(exchange.watch_orders(SYMBOL))
        while "stranger" not in empty.world.facade.office.users.watchers():
            await asyncio.sleep(0.01)
        empty.hang_up("orders")
        with pytest.raises(ccxt.NetworkError):
            await watching
        watching = asyncio.create_task(exchange.watch_orders(SYMBOL))
        while "stranger" not in empty.world.facade.office.users.watchers():
            await asyncio.sleep(0.01)
        placed = await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 50_000)
        (told,) = await watching
        assert (told["id"], told["status"]) == (placed["id"], "open")


async def test_the_client_without_asyncio(empty: Place, documented: dict[str, Any]) -> None:
    empty.rival(Side.SELL, lots=1_000, price=6_000_100)
    key, secret = empty.key()

    def ask() -> tuple[Any, ...]:
        exchange = documented["ccxt_plain"](*empty.where, key=key, secret=secret)
        try:
            bought = exchange.create_order(SYMBOL, "market", "buy", 0.002)
            resting = exchange.create_order(SYMBOL, "limit", "buy", 0.01, 50_000)
            found = exchange.fetch_order(resting["id"], SYMBOL)
            gone = exchange.cancel_order(resting["id"], SYMBOL)
            book, trades = exchange.fetch_order_book(SYMBOL), exchange.fetch_trades(SYMBOL)
            return bought, found, gone, book, trades, exchange.fetch_balance()
        finally:
            exchange.close()

    bought, found, gone, book, trades, balance = await aside(ask)
    assert (bought["status"], bought["cost"]) == ("closed", 120.002)
    assert (found["status"], gone["status"]) == ("open", "canceled")
    assert book["asks"] == [[60_001, 0.008]]
    assert trades[-1]["amount"] == 0.002
    assert balance["BTC"]["total"] == pytest.approx(10.001998)
