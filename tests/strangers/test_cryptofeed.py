"""cryptofeed, unmodified, reads and trades on the simulated Binance, over TLS."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import aiohttp
import pytest

from pitwire.desk.playing import play
from pitwire.market.book import OrderBook
from pitwire.model.clock import SystemClock
from pitwire.model.events import BookDelta, BookSnapshot, Event
from pitwire.model.orders import Side
from pitwire.sim.certificates import LocalAuthority, local_authority
from pitwire.sim.facts import Tif
from pitwire.sim.serve import serve
from pitwire.sim.world import World
from pitwire.tape.format import Kind
from pitwire.tape.imports import import_tape
from pitwire.tape.reader import Tape
from tests.strangers.place import ACCOUNTS, MISSING, SECONDS, Place, as_levels, aside, until

pytest.importorskip("cryptofeed", reason=MISSING)
from cryptofeed.connection import Connection
from cryptofeed.defines import (
    BALANCES,
    BUY,
    CANDLES,
    GOOD_TIL_CANCELED,
    L2_BOOK,
    LIMIT,
    ORDER_INFO,
    SELL,
    TICKER,
    TRADES,
)
from cryptofeed.raw_data_collection import AsyncFileCallback

SYMBOL = "BTC-USDT"
Meet = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture(scope="module")
def authority() -> LocalAuthority:
    return local_authority(SystemClock().now())


@pytest.fixture
async def lively(authority: LocalAuthority) -> AsyncIterator[Place]:
    """A market with a crowd in it, with and without TLS."""
    world = World(seed=20, scenario="calm", clock=SystemClock(), accounts=ACCOUNTS)
    async with serve(world, ssl=authority.server, plain=True) as venue:
        yield Place(world, venue)


@pytest.fixture
async def empty(authority: LocalAuthority) -> AsyncIterator[Place]:
    """A market where only the test trades; it still hands out listen keys."""
    world = World(seed=21, scenario=None, clock=SystemClock(), accounts=ACCOUNTS, listen_keys=True)
    async with serve(world, ssl=authority.server, plain=True) as venue:
        yield Place(world, venue)


class Feed:
    """A feed in a loop of its own, since it sometimes waits for HTTP without asyncio."""

    def __init__(self, channels: tuple[str, ...]) -> None:
        self.heard: dict[str, asyncio.Queue[Any]] = {name: asyncio.Queue() for name in channels}
        self.feed: Any = None
        self._home = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    async def hear(self, channel: str, told: Any, _received: float) -> None:
        """Hand on what it tells, a book as a copy of its sides."""
        if channel == L2_BOOK:
            told = tuple(_numbers(side.to_dict()) for side in (told.book.bids, told.book.asks))
        self._home.call_soon_threadsafe(self.heard[channel].put_nowait, told)

    async def start(self, build: Callable[[], Any]) -> None:
        """Make the feed and, if it has channels, let it connect."""

        async def make() -> None:
            self.feed = build()
            if self.heard:
                self.feed.start(self._loop)

        await self.ask(make())

    async def ask(self, question: Coroutine[Any, Any, Any]) -> Any:
        """Do something in the feed's loop."""
        async with asyncio.timeout(SECONDS):
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(question, self._loop))

    async def stop(self) -> None:
        """Shut it down, and leave nothing behind."""

        async def leave() -> None:
            if self.feed is not None:
                self.feed.stop()
                await self.feed.shutdown()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        try:
            await self.ask(leave())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            await aside(self._thread.join, SECONDS)
        self._loop.close()


def _numbers(side: dict[Decimal, Decimal]) -> dict[float, float]:
    return {float(price): float(size) for price, size in side.items()}


@pytest.fixture
def meet(documented: dict[str, Any], authority: LocalAuthority) -> Meet:
    """Connect a feed as documented, and shut it down."""

    @asynccontextmanager
    async def connect(place: Place, *channels: str, **options: Any) -> AsyncIterator[Feed]:
        *_, http = place.venue.plain_urls
        make = documented["cryptofeed_binance"](place.venue.market_url, http, authority.client())
        key, secret = place.key()
        feed = Feed(channels)
        build = partial(
            make,
            symbols=[SYMBOL],
            channels=list(channels),
            callbacks={channel: partial(feed.hear, channel) for channel in channels},
            config={"log": {"disabled": True}, "binance": {"key_id": key, "key_secret": secret}},
            **options,
        )
        try:
            await feed.start(build)
            yield feed
        finally:
            await feed.stop()

    return connect


async def test_it_hears_trades_quotes_and_bars(lively: Place, meet: Meet) -> None:
    async with meet(lively, TRADES, TICKER, CANDLES, candle_closed_only=False) as feed:
        heard = feed.heard
        trades = await until(heard[TRADES].get, lambda _: heard[TRADES].qsize() == 0)
        (quote,) = await until(heard[TICKER].get, lambda _: True)
        (bar,) = await until(heard[CANDLES].get, lambda _: True)
    assert {trade.symbol for trade in trades} == {SYMBOL}
    assert {trade.side for trade in trades} <= {BUY, SELL}
    assert quote.bid < quote.ask
    assert bar.low <= bar.close <= bar.high


async def test_its_book_is_our_book(lively: Place, meet: Meet) -> None:
    """All levels, once the market stands still."""
    async with meet(lively, L2_BOOK) as feed:
        books = feed.heard[L2_BOOK]
        for _ in range(5):
            (book,) = await until(books.get, lambda _: True)
        with lively.halted():
            async with asyncio.timeout(SECONDS):
                while book != lively.book():
                    book = await books.get()


async def test_it_trades_over_rest_and_hears_its_orders(empty: Place, meet: Meet) -> None:
    """Over a listen key, which the venue no longer hands out, unless it is told to."""
    async with meet(empty, ORDER_INFO, BALANCES) as feed:
        orders, balances = feed.heard[ORDER_INFO], feed.heard[BALANCES]
        async with asyncio.timeout(SECONDS):
            while not empty.world.stage.links():
                await asyncio.sleep(0.01)
        rest = feed.feed
        placed = await feed.ask(
            rest.place_order(
                SYMBOL, SELL, LIMIT, Decimal("0.005"), Decimal(60_000), GOOD_TIL_CANCELED
            )
        )
        number = str(placed["orderId"])
        empty.rival(Side.BUY, lots=200, price=6_000_000, tif=Tif.IOC)
        told = await until(orders.get, lambda order: order.status == "TRADE")
        assert [(order.id, order.status) for order in told] == [(number, "NEW"), (number, "TRADE")]
        assert (told[-1].remaining, told[-1].price) == (Decimal("0.003"), 60_000)
        (found,) = await feed.ask(rest.orders(SYMBOL))
        assert (found["orderId"], found["executedQty"]) == (placed["orderId"], "0.00200000")
        gone = await feed.ask(rest.cancel_order(number, SYMBOL))
        assert gone["status"] == "CANCELED"
        await until(orders.get, lambda order: order.status == "CANCELED")
        paid = await until(balances.get, lambda one: one.currency == "BTC" and not one.reserved)
        assert paid[-1].balance == Decimal("9.998")


async def test_a_refusal_is_an_error_of_http(empty: Place, meet: Meet) -> None:
    async with meet(empty) as feed:
        with pytest.raises(aiohttp.ClientResponseError) as refused:
            await feed.ask(
                feed.feed.place_order(
                    SYMBOL, BUY, LIMIT, Decimal(100), Decimal(60_000), GOOD_TIL_CANCELED
                )
            )
        assert refused.value.status == 400


async def test_it_comes_back_after_a_close(lively: Place, meet: Meet) -> None:
    async with meet(lively, TRADES) as feed:
        trades = feed.heard[TRADES]
        await until(trades.get, lambda _: True)
        (gone,) = lively.world.stage.links()
        lively.hang_up("market")
        async with asyncio.timeout(SECONDS):
            while not set(lively.world.stage.links()) - {gone}:
                await asyncio.sleep(0.01)
        while not trades.empty():
            trades.get_nowait()
        (trade,) = await until(trades.get, lambda _: True)
    assert trade.symbol == SYMBOL


async def test_its_raw_files_become_a_tape(lively: Place, meet: Meet, tmp_path: Path) -> None:
    """As its own collector writes them: the listing, the book and its changes in a file each."""
    raw = tmp_path / "raw"
    raw.mkdir()
    files = AsyncFileCallback(str(raw), length=50)
    Connection.raw_data_callback = files  # as its handler of feeds has it
    try:
        async with meet(lively, L2_BOOK, TRADES, TICKER) as feed:
            files.write_header(feed.feed.id, json.dumps(feed.feed._feed_config))
            books = feed.heard[L2_BOOK]
            for _ in range(20):
                (book,) = await until(books.get, lambda _: True)
            with lively.halted():
                truth = lively.book()
                async with asyncio.timeout(SECONDS):
                    while book != truth:
                        book = await books.get()
            feed.feed.stop()
    finally:
        Connection.raw_data_callback = None
        files.stop()
    named = sorted(re.sub(r"\d+", "N", path.name) for path in raw.iterdir())
    assert named == ["BINANCE.N", "BINANCE.http.N.N", "BINANCE.ws.N.N"]
    done = import_tape(raw, tmp_path / "tapes")
    assert (done.venue, done.symbols, done.unread) == ("binance", (SYMBOL,), 0)
    assert set(done.channels) == {"ticker", "aggregate_trades", "book"}
    [changes] = raw.glob("BINANCE.ws.*")
    lines = changes.read_bytes().splitlines()
    heard = [line.partition(b": ")[2] for line in lines if line[:1].isdigit()]
    tape = Tape(done.run)
    assert [one.payload for one in tape.records() if one.kind is Kind.IN] == heard
    seen: list[Event] = []
    listen = partial(play, tape, events=lambda events, _now, _drained: seen.extend(events))
    played = await aside(listen)  # a tape has a loop of its own
    assert played.unheard == 0
    ours, reached = OrderBook("binance", SYMBOL), False
    for event in seen:
        match event:
            case BookSnapshot():
                ours.apply_snapshot(event)
            case BookDelta():
                ours.apply(event)
                reached = reached or (as_levels(ours.bids), as_levels(ours.asks)) == truth
    assert ours.ready
    assert reached, "its book when the market stood still"
