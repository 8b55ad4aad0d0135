"""The session against the simulated Binance: in virtual time, and over real sockets."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from pitwire.market.book import OrderBook
from pitwire.model import events
from pitwire.model.clock import SystemClock
from pitwire.model.credentials import Credentials
from pitwire.model.errors import OrderRejected, Stalled, StateError
from pitwire.model.events import Event
from pitwire.model.orders import CancelOrder, Order, OrderType, Side, TimeInForce, UpdateKind
from pitwire.session.connect import connect_to_websocket
from pitwire.session.session import Session
from pitwire.sim.serve import serve
from pitwire.sim.world import BTC_USDT, ETH_USDT, HTTP_URL, MARKET_URL, ORDERS_URL, World
from pitwire.venues.venue import Endpoints

MEMORY = Endpoints(market=MARKET_URL, orders=ORDERS_URL, http=HTTP_URL)


def credentials(world: World, kind: str) -> Credentials:
    key, secret = world.keys[kind]
    return Credentials(key, secret)


def limit(order_id: str, price: str) -> Order:
    return Order(
        id=order_id,
        symbol="BTC-USDT",
        side=Side.BUY,
        type=OrderType.LIMIT,
        size=Decimal("0.01"),
        price=Decimal(price),
        time_in_force=TimeInForce.GTC,
    )


def compared(book: OrderBook, world: World) -> bool:
    """Compare a book with the venue's truth, if both are at the same id; False if they are not."""
    update_id, *truth = world.truth_book("BTC-USDT")
    if book.last_id != update_id:
        return False
    for ours, theirs in zip((book.bids, book.asks), truth, strict=True):
        assert [*ours][:20] == [(float(price), float(size)) for price, size in theirs[:20]]
    return True


def told(seen: list[Event], kind: type[Any]) -> list[Any]:
    return [event for event in seen if isinstance(event, kind)]


async def trade(session: Session, seen: list[Event], now: Any) -> None:
    """Place, cancel, and buy at the market."""
    session.place(limit("rests", "50000.00"), now())
    await asyncio.sleep(1)
    session.cancel(CancelOrder(order_id="rests", symbol="BTC-USDT"), now())
    buy = Order(
        id="buys",
        symbol="BTC-USDT",
        side=Side.BUY,
        type=OrderType.MARKET,
        size=Decimal("0.01"),
    )
    session.place(buy, now())
    session.ask_open_orders("", now())
    await asyncio.sleep(1)
    kinds = {(e.order_id, e.update) for e in told(seen, events.Update)}
    assert {
        ("rests", UpdateKind.ACCEPTED),
        ("rests", UpdateKind.CANCELED),
        ("buys", UpdateKind.FILLED),
    } <= kinds
    assert sum(
        f.size for f in {f.trade_id: f for f in told(seen, events.Fill)}.values()
    ) == Decimal("0.01")
    assert told(seen, events.OpenOrders)[-1].order_ids == ()


@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
def test_every_stream_and_an_order_in_virtual_time(kind: str) -> None:
    world = World(seed=3, listings=[BTC_USDT, ETH_USDT])
    seen: list[Event] = []

    async def story() -> None:
        async with connect_to_websocket(
            "binance",
            endpoints=MEMORY,
            dial=world.dial,
            fetch=world.fetch,
            clock=world.clock,
            credentials=credentials(world, kind),
            on_event=seen.append,
        ) as session:
            await session.load_instruments(["BTC-USDT"])
            await session.subscribe_to_order_updates()
            await session.subscribe_to_ticker("BTC-USDT", "ETH-USDT")
            await session.subscribe_to_trades("BTC-USDT")
            await session.subscribe_to_book("BTC-USDT")
            await session.subscribe_to_bars("BTC-USDT")
            await session.subscribe_to_partial_book("BTC-USDT")
            await session.subscribe_to_stats("BTC-USDT")
            await asyncio.sleep(20)
            await trade(session, seen, world.clock.now)
            book = session.book("BTC-USDT")
            equal = 0
            for _ in range(200):
                await asyncio.sleep(0.05)
                equal += compared(book, world)
            assert equal >= 10

    world.run(story())
    names = {type(event).__name__ for event in seen}
    assert {"Quote", "Trade", "BookSnapshot", "BookDelta", "Bar", "PartialBook", "Ticker"} <= names
    assert not {"Malformed", "Unhandled", "Unanswered", "FeedStale", "Rejected"} & names
    assert [lost.by_us for lost in told(seen, events.Lost)] == [True, True]
    assert len(told(seen, events.BookStale)) == 1, "when we close, and not before"
    assert abs(told(seen, events.ClockOffset)[0].offset) <= told(seen, events.ClockOffset)[0].error


@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
def test_an_order_is_checked_by_the_venue_and_not_placed(kind: str) -> None:
    world = World(seed=3)
    seen: list[Event] = []

    async def story() -> None:
        async with connect_to_websocket(
            "binance",
            endpoints=MEMORY,
            dial=world.dial,
            fetch=world.fetch,
            clock=world.clock,
            credentials=credentials(world, kind),
            on_event=seen.append,
        ) as session:
            await session.load_instruments(["BTC-USDT"])
            with pytest.raises(StateError):
                await session.test_order(limit("early", "50000.00"))
            await session.subscribe_to_order_updates()
            await session.test_order(limit("fine", "50000.00"))
            with pytest.raises(OrderRejected) as refused:
                await session.test_order(limit("off", "50000.001"))
            assert (refused.value.reason, refused.value.order_id) == ("price_rule", "off")
            with pytest.raises(OrderRejected) as unlisted:
                await session.test_order(msgspec.structs.replace(limit("x", "1"), symbol="DOGE-X"))
            assert unlisted.value.reason == "unknown_symbol"
            for link in list(world.stage.links()):
                world.stage.cut(link, world.clock.now())
            with pytest.raises(Stalled):
                await session.test_order(limit("cut", "50000.00"))

    world.run(story())
    assert not told(seen, events.Update) + told(seen, events.Unanswered)


@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
async def test_a_moment_over_real_sockets(kind: str) -> None:
    clock = SystemClock()
    world = World(seed=3, clock=clock)
    seen: list[Event] = []
    async with (
        serve(world) as venue,
        connect_to_websocket(
            "binance",
            endpoints=Endpoints(
                market=venue.market_url, orders=venue.orders_url, http=venue.http_url
            ),
            credentials=credentials(world, kind),
            on_event=seen.append,
        ) as session,
    ):
        await session.subscribe_to_order_updates()
        await session.subscribe_to_book("BTC-USDT")
        book = session.book("BTC-USDT")
        while not book.ready:
            await asyncio.sleep(0.01)
        session.place(limit("rests", "50000.00"), clock.now())
        while not told(seen, events.Update):
            await asyncio.sleep(0.01)
        session.cancel(CancelOrder(order_id="rests", symbol="BTC-USDT"), clock.now())
        while UpdateKind.CANCELED not in {e.update for e in told(seen, events.Update)}:
            await asyncio.sleep(0.01)
        for link in list(world.stage.links()):
            world.stage.cut(link, clock.now())
        venue.act()
        while len(told(seen, events.Lost)) < 2:
            await asyncio.sleep(0.01)
        while not (session.may_trade and book.ready):
            await asyncio.sleep(0.01)
    assert not told(seen, events.Malformed) + told(seen, events.Unhandled)


SCRIPTS = ("cuts", "close", "unreachable", "gap", "mute", "malformed", "stale-snapshot", "skew")


@pytest.mark.parametrize("script", SCRIPTS)
def test_whatever_happens_the_book_is_right_or_says_so(script: str) -> None:
    world = World(seed=5, faults=script, listings=[BTC_USDT])
    seen: list[Event] = []

    async def story() -> None:
        async with connect_to_websocket(
            "binance",
            endpoints=MEMORY,
            dial=world.dial,
            fetch=world.fetch,
            clock=world.clock,
            credentials=credentials(world, "ed25519"),
            on_event=seen.append,
        ) as session:
            await session.subscribe_to_order_updates()
            await session.subscribe_to_ticker("BTC-USDT")
            await session.subscribe_to_book("BTC-USDT")
            book = session.book("BTC-USDT")
            equal = 0
            for _ in range(900):
                await asyncio.sleep(0.05)
                if book.ready:
                    equal += compared(book, world)
            assert equal >= 10
            # In the end all is well again: open, logged in, live.
            assert session.may_trade
            assert book.ready
            assert world.clock.now() - told(seen, events.Quote)[-1].received < 5_000_000_000

    world.run(story())
    assert not told(seen, events.Unhandled)
