"""alpaca-py, unmodified, listens to and trades with the simulated Alpaca."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from pitwire.model.clock import SystemClock
from pitwire.model.orders import Side
from pitwire.sim.clocks import SteerableClock
from pitwire.sim.serve import serve
from pitwire.sim.world import ALPACA, World
from tests.strangers.place import MISSING, PATIENCE, Place, aside, until

pytest.importorskip("alpaca", reason=MISSING)
from alpaca.common.exceptions import APIError
from alpaca.data.requests import (
    CryptoBarsRequest,
    CryptoLatestOrderbookRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame
from alpaca.trading import enums as to
from alpaca.trading.requests import (
    GetAssetsRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
)

MONEY = {"USD": Decimal(1_000_000), "BTC": Decimal(10), "AAPL": Decimal(100)}
Ear = asyncio.Queue[Any]
BUY = {"side": to.OrderSide.BUY, "time_in_force": to.TimeInForce.GTC}


@asynccontextmanager
async def served(scenario: str | None) -> AsyncIterator[Place]:
    world = World(
        seed=22,
        venue=ALPACA,
        scenario=scenario,
        clock=SteerableClock(SystemClock()),
        accounts={"stranger": MONEY, "rival": MONEY},
    )
    async with serve(world) as venue:
        yield Place(world, venue, "BTC-USD")


@pytest.fixture
async def lively() -> AsyncIterator[Place]:
    async with served("calm") as place:
        yield place


@pytest.fixture
async def empty() -> AsyncIterator[Place]:
    async with served(None) as place:
        yield place


@pytest.fixture
def meet(documented: dict[str, Any]) -> Callable[[Place], dict[str, Any]]:
    """All its clients, pointed here as documented."""
    return lambda place: documented["alpaca_py"](*place.where, *place.key())


def ear_of(loop: asyncio.AbstractEventLoop) -> tuple[Ear, Callable[[Any], Awaitable[None]]]:
    """What a stream in a thread of its own has called back with, in this loop."""
    heard: Ear = asyncio.Queue()

    async def hear(message: Any) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, message)

    return heard, hear


@asynccontextmanager
async def running(stream: Any) -> AsyncIterator[None]:
    """A stream runs in its own way, and is stopped as its authors mean it to be."""
    task = asyncio.create_task(aside(stream.run))
    try:
        yield
    finally:
        await aside(stream.stop)
        async with asyncio.timeout(PATIENCE):
            await task


Levels = tuple[dict[float, float], dict[float, float]]


def book_of(messages: list[Any]) -> Levels:
    """Bids and asks that these have told of, one after the other."""
    book: Levels = ({}, {})
    for message in messages:
        if type(message).__name__ == "Orderbook":
            book = ({}, {}) if message.reset else book
            for known, levels in zip(book, (message.bids, message.asks), strict=True):
                known.update({level.price: level.size for level in levels})
    bids, asks = ({price: size for price, size in side.items() if size} for side in book)
    return bids, asks


def touch_of(messages: list[Any]) -> tuple[float, float]:
    """The last quote among them."""
    quotes = [message for message in messages if type(message).__name__ == "Quote"]
    return quotes[-1].bid_price, quotes[-1].ask_price


async def test_it_follows_trades_quotes_and_the_whole_book(lively: Place, meet: Any) -> None:
    stream = meet(lively)["crypto"]
    heard, hear = ear_of(asyncio.get_running_loop())
    for subscribe in (
        stream.subscribe_trades,
        stream.subscribe_quotes,
        stream.subscribe_orderbooks,
    ):
        subscribe(hear, "BTC/USD")
    async with running(stream):
        kinds: dict[str, int] = {}

        def enough(message: Any) -> bool:
            name = type(message).__name__
            kinds[name] = kinds.get(name, 0) + 1
            return len(kinds) == 3 and all(count > 10 for count in kinds.values())

        seen = await until(heard.get, enough)
        with lively.halted():
            bids, asks = lively.book()
            async with asyncio.timeout(PATIENCE):
                while book_of(seen) != (bids, asks) or touch_of(seen) != (max(bids), min(asks)):
                    seen.append(await heard.get())
    trades = [message.id for message in seen if type(message).__name__ == "Trade"]
    assert trades == list(range(trades[0], trades[0] + len(trades)))


async def test_bars_come_when_their_minute_is_over(lively: Place, meet: Any) -> None:
    stream, venue = meet(lively)["crypto"], lively.world.facade
    heard, hear = ear_of(asyncio.get_running_loop())
    stream.subscribe_bars(hear, "BTC/USD")
    async with running(stream), asyncio.timeout(PATIENCE):
        while heard.empty():
            while venue.office.hub.next_deadline() is None:
                await asyncio.sleep(0.01)  # nobody waits for the end of a minute yet
            # A minute in which nothing traded has no bar.
            lively.world.skip(60)
            lively.venue.act()
            await asyncio.sleep(1)
        bar = await heard.get()
    assert bar.low <= bar.vwap <= bar.high
    assert (bar.symbol, bar.timestamp.second) == ("BTC/USD", 0)


async def test_the_test_stream_is_always_on(lively: Place, meet: Any) -> None:
    stream = meet(lively)["test"]
    heard, hear = ear_of(asyncio.get_running_loop())
    stream.subscribe_quotes(hear, "FAKEPACA")
    stream.subscribe_trades(hear, "FAKEPACA")
    async with running(stream):
        seen = await until(heard.get, lambda message: type(message).__name__ == "Trade")
        seen += await until(heard.get, lambda message: type(message).__name__ == "Quote")
    assert {message.symbol for message in seen} == {"FAKEPACA"}
    assert isinstance(seen[-1].bid_size, float)
    assert seen[-1].tape == "A"


async def test_it_comes_back_and_subscribes_anew(lively: Place, meet: Any) -> None:
    stream = meet(lively)["crypto"]
    heard, hear = ear_of(asyncio.get_running_loop())
    stream.subscribe_trades(hear, "BTC/USD")
    async with running(stream):
        await heard.get()
        (before,) = lively.world.stage.links()
        lively.hang_up("market")
        async with asyncio.timeout(PATIENCE):
            while lively.world.facade.links() in ([], [before]):
                await asyncio.sleep(0.05)
            while not heard.empty():
                heard.get_nowait()
            await heard.get()


async def test_a_second_stream_of_one_account_is_refused_and_the_first_goes_on(
    lively: Place, meet: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    first, second = meet(lively)["crypto"], meet(lively)["crypto"]
    heard, hear = ear_of(asyncio.get_running_loop())
    for stream in (first, second):
        stream.subscribe_trades(hear, "BTC/USD")
    async with running(first):
        await heard.get()
        async with running(second), asyncio.timeout(PATIENCE):
            while "connection limit exceeded" not in caplog.text:
                await asyncio.sleep(0.1)
        while not heard.empty():
            heard.get_nowait()
        await heard.get()


async def test_an_order_from_its_beginning_to_its_end(empty: Place, meet: Any) -> None:
    clients = meet(empty)
    client, stream = clients["trading"], clients["updates"]
    heard, hear = ear_of(asyncio.get_running_loop())
    stream.subscribe_trade_updates(hear)
    async with running(stream):
        async with asyncio.timeout(PATIENCE):
            while not empty.world.facade.office.traders.listening("stranger"):  # type: ignore[attr-defined]
                await asyncio.sleep(0.01)
        wanted = LimitOrderRequest(
            symbol="BTC/USD", qty=0.5, limit_price=59_000, client_order_id="first", **BUY
        )
        order = await aside(client.submit_order, wanted)
        assert (order.status, order.filled_qty) == (to.OrderStatus.PENDING_NEW, "0")
        assert (await heard.get()).event == "new"
        empty.rival(Side.SELL, lots=20_000, price=5_900_000)
        part = await heard.get()
        assert (part.event, part.qty, part.price, part.position_qty) == (
            "partial_fill", 0.2, 59_000.0, 10.2,
        )  # fmt: skip
        change = ReplaceOrderRequest(limit_price=58_000, client_order_id="second")
        new = await aside(client.replace_order_by_id, order.id, change)
        assert new.replaces == order.id
        replaced, begun = await heard.get(), await heard.get()
        assert (replaced.event, replaced.order.replaced_by) == ("replaced", new.id)
        assert (begun.event, begun.order.id) == ("new", new.id)
        found = await aside(client.get_order_by_client_id, "second")
        assert (found.id, found.limit_price, found.filled_qty) == (new.id, "58000", "0.2")
        await aside(client.cancel_order_by_id, new.id)
        ended = await heard.get()
        assert (ended.event, ended.order.status) == ("canceled", to.OrderStatus.CANCELED)
        assert await aside(client.get_orders) == []
        every = GetOrdersRequest(status=to.QueryOrderStatus.CLOSED)
        assert {one.id for one in await aside(client.get_orders, every)} == {order.id, new.id}
    assert heard.empty()


async def test_account_positions_and_what_there_is(empty: Place, meet: Any) -> None:
    client = meet(empty)["trading"]
    account = await aside(client.get_account)
    assert (account.status, account.buying_power) == (to.AccountStatus.ACTIVE, "1000000")
    empty.rival(Side.SELL, lots=100_000, price=6_000_000)
    market = MarketOrderRequest(symbol="BTC/USD", qty=1, **BUY)
    order = await aside(client.submit_order, market)
    assert (await aside(client.get_order_by_id, order.id)).filled_avg_price == "60000"
    held = {one.symbol: one for one in await aside(client.get_all_positions)}
    assert (held["BTC/USD"].qty, held["BTC/USD"].side) == ("11", to.PositionSide.LONG)
    assert (await aside(client.get_open_position, "AAPL")).qty_available == "100"
    for _ in range(3):
        limit = LimitOrderRequest(symbol="BTC/USD", qty=0.1, limit_price=50_000, **BUY)
        await aside(client.submit_order, limit)
    assert [one.status for one in await aside(client.cancel_orders)] == [200] * 3
    crypto = GetAssetsRequest(asset_class=to.AssetClass.CRYPTO)
    assert {one.symbol for one in await aside(client.get_all_assets, crypto)} == {
        "BTC/USD", "ETH/USD",
    }  # fmt: skip
    assert (await aside(client.get_clock)).is_open
    assert (await aside(client.get_calendar))[0].open.hour == 9


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"qty": 100}, 40_310_000, "insufficient buying power"),
        ({"limit_price": 1.001}, 42_210_000, "sub-penny increment"),
        ({"client_order_id": "taken"}, 40_010_001, "client_order_id must be unique"),
    ],
)
async def test_refusals_have_its_codes(
    empty: Place, meet: Any, change: dict[str, Any], code: int, message: str
) -> None:
    client = meet(empty)["trading"]
    usual = {"symbol": "BTC/USD", "qty": 1, "limit_price": 59_000} | BUY
    taken = LimitOrderRequest(**usual, client_order_id="taken")
    await aside(client.submit_order, taken)
    with pytest.raises(APIError) as refused:
        await aside(client.submit_order, LimitOrderRequest(**usual | change))
    assert refused.value.code == code
    assert message in refused.value.message


async def test_what_was_and_what_is_over_rest(lively: Place, meet: Any) -> None:
    clients = meet(lively)
    crypto, stocks = clients["crypto_history"], clients["stock_history"]
    with lively.halted():
        wanted = CryptoLatestOrderbookRequest(symbol_or_symbols="BTC/USD")
        book = (await aside(crypto.get_crypto_latest_orderbook, wanted))["BTC/USD"]
        bids, asks = lively.book()
        assert {level.price: level.size for level in book.bids} == bids
        assert {level.price: level.size for level in book.asks} == asks
    minutes = CryptoBarsRequest(symbol_or_symbols="BTC/USD", timeframe=TimeFrame.Minute)
    for _ in range(300):
        bars = await aside(crypto.get_crypto_bars, minutes)
        if bars.data:
            break
        await asyncio.sleep(0.1)
    assert bars["BTC/USD"][0].volume > 0
    snapshot = (
        await aside(stocks.get_stock_snapshot, StockSnapshotRequest(symbol_or_symbols="AAPL"))
    )["AAPL"]
    trades = (await aside(stocks.get_stock_trades, StockTradesRequest(symbol_or_symbols="AAPL")))[
        "AAPL"
    ]
    assert snapshot.latest_trade.id in {trade.id for trade in trades}
    assert snapshot.latest_quote.bid_price < snapshot.latest_quote.ask_price
