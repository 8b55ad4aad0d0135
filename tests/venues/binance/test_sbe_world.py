"""The session on binary streams, against the simulated venue that another hand wrote."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from pitwire.model import events as ev
from pitwire.model.clock import SystemClock
from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError, DialFailed
from pitwire.model.orders import CancelOrder, Order, OrderType, RejectReason, Side, UpdateKind
from pitwire.session.connect import connect_to_websocket
from pitwire.sim.serve import serve
from pitwire.sim.world import HTTP_URL, MARKET_URL, ORDERS_URL, World
from pitwire.venues.binance import sbe_account, sbe_codec
from pitwire.venues.venue import Endpoints

MEMORY = Endpoints(market=f"{MARKET_URL}/sbe", orders=ORDERS_URL, http=HTTP_URL)
BTC = "BTC-USDT"


def key_of(world: World, kind: str = "ed25519") -> Credentials:
    key, secret = world.keys[kind]
    return Credentials(key, secret, kind=kind)


def connect(world: World, seen: list[ev.Event], **more: Any) -> Any:
    ways = {"dial": world.dialer, "fetch": world.fetch, "clock": world.clock}
    facts = {"endpoints": MEMORY, "credentials": key_of(world), "on_event": seen.append, **ways}
    return connect_to_websocket("binance-sbe", **{**facts, **more})


def test_binary_streams_and_an_order_in_virtual_time() -> None:
    world, seen = World(seed=3), list[ev.Event]()

    async def story() -> None:
        async with connect(world, seen) as session:
            await session.load_instruments([BTC])
            await session.subscribe_to_order_updates()
            await session.subscribe_to_ticker(BTC)
            await session.subscribe_to_trades(BTC)
            await session.subscribe_to_book(BTC)
            await session.subscribe_to_partial_book(BTC)
            await asyncio.sleep(5)
            buys = Order(
                id="buys", symbol=BTC, side=Side.BUY, type=OrderType.MARKET, size=Decimal("0.01")
            )
            session.place(buys, world.clock.now())
            equal = 0
            for _ in range(200):
                await asyncio.sleep(0.05)
                update_id, *truth = world.truth_book(BTC)
                book = session.book(BTC)
                if book.last_id == update_id:
                    for ours, theirs in zip((book.bids, book.asks), truth, strict=True):
                        top = [(float(price), float(size)) for price, size in theirs[:20]]
                        assert [*ours][:20] == top
                    equal += 1
            assert equal >= 10

    world.run(story())
    names = {type(event).__name__ for event in seen}
    assert {"Quote", "Trade", "BookSnapshot", "BookDelta", "PartialBook", "Fill"} <= names
    assert not {"Malformed", "Unhandled", "Unanswered", "FeedStale", "TradeGap", "Rejected"} & names
    quotes = [one for one in seen if isinstance(one, ev.Quote)]
    assert all(quote.venue_time for quote in quotes)


def test_an_account_that_is_answered_in_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    world, seen, binary = World(seed=3), list[ev.Event](), list[bytes]()

    def spelled(frame: bytes) -> bytes | None:
        binary.append(frame)
        return sbe_account.spelled(frame)

    monkeypatch.setattr(sbe_codec, "spelled", spelled)
    asked = f"{ORDERS_URL}?responseFormat=sbe&sbeSchemaId=3&sbeSchemaVersion=5"
    endpoints = Endpoints(market=MEMORY.market, orders=asked, http=HTTP_URL)

    def order(order_id: str, kind: OrderType, price: Decimal | None = None) -> Order:
        return Order(
            id=order_id, symbol=BTC, side=Side.BUY, type=kind, size=Decimal("0.01"), price=price
        )

    async def story() -> None:
        ways: dict[str, Any] = {"dial": world.dialer, "fetch": world.fetch, "clock": world.clock}
        async with connect_to_websocket(
            "binance-sbe",
            endpoints=endpoints,
            credentials=key_of(world),
            on_event=seen.append,
            **ways,
        ) as session:
            now = world.clock.now
            await session.load_instruments([BTC])
            await session.subscribe_to_order_updates()
            session.place(order("rests", OrderType.LIMIT, Decimal(50_000)), now())
            session.place(order("buys", OrderType.MARKET), now())
            session.place(order("wrong", OrderType.LIMIT, Decimal("50000.001")), now())
            await asyncio.sleep(1)
            session.ask_open_orders("", now())
            session.ask_status(BTC, "rests", now())
            session.ask_account(now())
            session.ask_fills_since(BTC, "", 0, now())
            await asyncio.sleep(1)
            session.cancel(CancelOrder(order_id="rests", symbol=BTC), now())
            await asyncio.sleep(1)

    world.run(story())
    updates = [one for one in seen if isinstance(one, ev.Update)]
    told = {(one.order_id, one.update) for one in updates}
    assert {
        ("rests", UpdateKind.ACCEPTED),
        ("rests", UpdateKind.STATUS_OPEN),
        ("rests", UpdateKind.CANCELED),
        ("buys", UpdateKind.FILLED),
        ("wrong", UpdateKind.REJECTED),
    } <= told
    [wrong] = [one for one in updates if one.order_id == "wrong"]
    assert wrong.reason is RejectReason.PRICE_RULE
    fills = {one.trade_id: one for one in seen if isinstance(one, ev.Fill)}
    assert sum(one.size for one in fills.values()) == Decimal("0.01")
    assert [one.order_ids for one in seen if isinstance(one, ev.OpenOrders)] == [("rests",)]
    assert {"BTC", "USDT"} <= {one.asset for one in seen if isinstance(one, ev.Balance)}
    names = {type(event).__name__ for event in seen}
    assert not {"Malformed", "Unhandled", "Unanswered"} & names
    assert len(binary) > 10


async def test_a_moment_over_real_sockets() -> None:
    clock, seen = SystemClock(), list[ev.Event]()
    world = World(seed=3, clock=clock)
    async with serve(world) as venue:
        where = Endpoints(
            market=f"{venue.market_url}/sbe", orders=venue.orders_url, http=venue.http_url
        )
        ways: dict[str, Any] = {"dial": None, "fetch": None, "clock": clock, "endpoints": where}
        async with connect(world, seen, **ways) as session:
            await session.subscribe_to_ticker(BTC)
            await session.subscribe_to_book(BTC)
            async with asyncio.timeout(60):
                while not (
                    session.book(BTC).ready and any(isinstance(one, ev.Quote) for one in seen)
                ):
                    await asyncio.sleep(0.01)
    names = {type(event).__name__ for event in seen}
    assert {"Quote", "BookSnapshot"} <= names
    assert not {"Malformed", "Unhandled"} & names


def test_without_a_key_nothing_is_dialled() -> None:
    world = World(seed=3)

    async def story() -> None:
        with pytest.raises(ConfigError, match="streams nothing"):
            await connect(world, [], credentials=None)
        with pytest.raises(ConfigError, match="ed25519"):
            await connect(world, [], credentials=key_of(world, "hmac"))

    world.run(story())


def test_a_key_that_is_not_known_is_refused_at_the_door() -> None:
    world, real = World(seed=3), key_of(World(seed=3))

    async def story() -> None:
        wrong = Credentials("x" * 64, real.secret.reveal(), kind="ed25519")
        with pytest.raises(DialFailed):
            await connect(world, [], credentials=wrong)

    world.run(story())
