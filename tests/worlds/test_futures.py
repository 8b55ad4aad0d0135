"""Our client and the simulated futures, written apart, meet in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from pitwire.model import events as ev
from pitwire.model.credentials import Credentials
from pitwire.model.orders import (
    AmendOrder,
    CancelOrder,
    Order,
    OrderType,
    RejectReason,
    Side,
)
from pitwire.session.connect import connect_to_websocket
from pitwire.session.session import Session
from pitwire.sim.facts import Kind, NewOrder, Tif
from pitwire.sim.faults import Cut
from pitwire.sim.truth import Truth
from pitwire.sim.world import FUTURES_ORDERS_URL, HTTP_URL, MARKET_URL, USDM, World
from pitwire.venues.venue import Endpoints

BTC, ETH = "BTC-USDT", "ETH-USDT"
RICH = {name: {"USDT": Decimal(1_000_000)} for name in ("main", "rival")}
HERE = Endpoints(market=MARKET_URL, orders=FUTURES_ORDERS_URL, http=HTTP_URL)
COMPLAINTS = (ev.Malformed, ev.Unhandled, ev.Unanswered, ev.TradeGap)


class Meeting:
    """A world, a session in it, and all that the session told."""

    def __init__(self, *, keys: str = "ed25519", **options: Any) -> None:
        self.world = World(**{"venue": USDM, "seed": 12, "accounts": RICH} | options)
        self.events: list[ev.Event] = []
        self.credentials = Credentials(*self.world.keys_of("main")[keys], account="main")
        self.session: Session

    def play(self, story: Callable[[Meeting], Awaitable[None]], *, trading: bool = True) -> None:
        async def live() -> None:
            async with connect_to_websocket(
                USDM,
                endpoints=HERE,
                dial=self.world.dial,
                fetch=self.world.fetch,
                clock=self.world.clock,
                credentials=self.credentials,
                on_event=self.events.append,
            ) as self.session:
                if trading:
                    await self.session.authenticate_websocket()
                    await self.session.subscribe_to_order_updates()
                await story(self)

        self.world.run(live(), within_seconds=20_000)
        assert [each for each in self.events if isinstance(each, COMPLAINTS)] == []

    @property
    def now(self) -> int:
        return self.world.clock.now()

    def of(self, kind: type) -> list[Any]:
        return [each for each in self.events if isinstance(each, kind)]

    async def until(self, question: Callable[[], object], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not question():
                await asyncio.sleep(0.01)

    def place(
        self, name: str, side: Side, size: str, price: str | None = None, **more: Any
    ) -> None:
        order = Order(
            id=name,
            symbol=BTC,
            side=side,
            size=Decimal(size),
            price=None if price is None else Decimal(price),
            **{"type": OrderType.MARKET if price is None else OrderType.LIMIT} | more,
        )
        self.session.place(order, self.now)

    def rival(self, side: Side, lots: int, price: int, tif: Tif = Tif.GTC) -> None:
        """Somebody else, in lots of 0.001 and ticks of 0.10."""
        request = NewOrder(
            account="rival", symbol=BTC, side=side, kind=Kind.LIMIT, lots=lots, price=price, tif=tif
        )
        self.world.exchange.place(request, self.now)
        self.world.act()

    def states(self, name: str) -> list[ev.UpdateKind]:
        return [each.update for each in self.of(ev.Update) if each.order_id == name]


def test_books_of_every_cadence_are_the_venue_s() -> None:
    async def story(at: Meeting) -> None:
        session, world = at.session, at.world
        await session.subscribe_to_book(BTC, ETH)
        await asyncio.sleep(5)
        for symbol in (BTC, ETH):
            world.exchange.set_status(symbol, "HALT", at.now)
        world.act()
        await asyncio.sleep(1)
        for symbol in (BTC, ETH):
            book = session.book(symbol)
            _, bids, asks = world.truth_book(symbol)
            for mine, theirs in ((book.bids, bids), (book.asks, asks)):
                wanted = {float(price): float(size) for price, size in theirs}
                assert {level[0]: level[1] for level in mine} == wanted

    Meeting(scenario="calm").play(story, trading=False)


def test_every_market_channel_speaks() -> None:
    async def story(at: Meeting) -> None:
        session = at.session
        await session.subscribe_to_ticker(BTC)
        await session.subscribe_to_trades(BTC)
        await session.subscribe_to_bars(BTC)
        for channel in ("aggregate_trades", "mark_price", "stats", "mini_stats", "liquidations"):
            await session.subscribe(channel, BTC)
        await asyncio.sleep(8)

    meeting = Meeting(scenario="calm")
    meeting.play(story, trading=False)
    for kind in (
        ev.Quote,
        ev.Trade,
        ev.AggregateTrade,
        ev.Bar,
        ev.MarkPrice,
        ev.Funding,
        ev.Ticker,
    ):
        assert meeting.of(kind), kind
    ids = [each.trade_id for each in meeting.of(ev.Trade)]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


@pytest.mark.parametrize("keys", ["ed25519", "hmac"])
def test_an_order_lives_its_life(keys: str) -> None:
    async def story(at: Meeting) -> None:
        at.place("a", Side.BUY, "0.010", "60000")
        await at.until(lambda: ev.UpdateKind.ACCEPTED in at.states("a"))
        at.rival(Side.SELL, 4, 600_000, Tif.IOC)
        await at.until(lambda: len(at.of(ev.Fill)) == 1)
        at.session.amend(
            AmendOrder(order_id="a", symbol=BTC, size=Decimal("0.008"), side=Side.BUY,
                       price=Decimal(60000)), at.now,
        )  # fmt: skip
        await asyncio.sleep(1)
        at.rival(Side.SELL, 2, 600_000, Tif.IOC)
        await at.until(lambda: len(at.of(ev.Fill)) == 2)
        at.session.cancel(CancelOrder(order_id="a", symbol=BTC), at.now)
        await at.until(lambda: ev.UpdateKind.CANCELED in at.states("a"))

    meeting = Meeting(keys=keys, scenario=None)
    meeting.play(story)
    fills = meeting.of(ev.Fill)
    assert [(each.size, each.price) for each in fills] == [
        (Decimal("0.004"), Decimal(60000)),
        (Decimal("0.002"), Decimal(60000)),
    ]
    assert {each.fee_asset for each in fills} == {"USDT"}
    assert sum(each.fee for each in fills) == Decimal("0.072")  # a maker's 0.02 %
    assert meeting.of(ev.Position)[-1].size == Decimal("0.006")


def test_a_reduce_only_order_without_a_position_is_refused() -> None:
    async def story(at: Meeting) -> None:
        at.place("a", Side.SELL, "0.010", "61000", reduce_only=True)
        await at.until(lambda: at.states("a"))
        at.place("b", Side.BUY, "900", "60000")
        await at.until(lambda: at.states("b"))
        at.rival(Side.SELL, 4, 600_000)
        at.place("c", Side.BUY, "0.010", "60000", type=OrderType.POST_ONLY)
        await at.until(lambda: at.states("c"))

    meeting = Meeting(scenario=None)
    meeting.play(story)
    refused = {each.order_id: each.reason for each in meeting.of(ev.Update)}
    assert set(refused) == {"a", "b", "c"}
    assert {state for name in "abc" for state in meeting.states(name)} == {ev.UpdateKind.REJECTED}
    assert refused["b"] is RejectReason.INSUFFICIENT_FUNDS


def test_a_leverage_is_set_and_told() -> None:
    async def story(at: Meeting) -> None:
        at.session.set_leverage(BTC, 7, at.now)
        await at.until(lambda: at.of(ev.Leverage))

    meeting = Meeting(scenario=None)
    meeting.play(story)
    assert meeting.of(ev.Leverage)[-1].leverage == 7


def test_the_countdown_cancels_when_it_is_not_wound_again() -> None:
    async def story(at: Meeting) -> None:
        at.place("a", Side.BUY, "0.010", "59000")
        await at.until(lambda: at.states("a"))
        at.session.arm_countdown(BTC, 5, at.now)
        await asyncio.sleep(4)
        assert ev.UpdateKind.CANCELED not in at.states("a")
        await at.until(lambda: ev.UpdateKind.CANCELED in at.states("a"), 3)

    Meeting(scenario=None).play(story)


def test_the_private_stream_outlives_its_key_and_its_connections() -> None:
    """Three hours with a cut in the middle: a key lives for one."""

    async def story(at: Meeting) -> None:
        await asyncio.sleep(10_000)
        at.place("a", Side.BUY, "0.010", "60000")
        await at.until(lambda: ev.UpdateKind.ACCEPTED in at.states("a"))
        at.rival(Side.SELL, 10, 600_000)
        await at.until(lambda: at.of(ev.Fill))

    meeting = Meeting(scenario=None, faults=[Cut(at_seconds=5_000)])
    meeting.play(story)
    assert len(meeting.of(ev.Lost)) > 3
    assert meeting.of(ev.Position)[-1].size == Decimal("0.010")


@pytest.mark.parametrize("copies", [1, 2])
def test_trades_whose_ids_skip_come_once_and_what_a_loss_took_is_named(copies: int) -> None:
    """Nobody promises that the ids of the futures' trades count by one."""
    world = World(venue=USDM, seed=12, scenario="dip", faults=[Cut(link="market*", at_seconds=20)])
    truth, told = Truth(world), list[ev.Event]()

    async def story() -> None:
        async with connect_to_websocket(
            USDM,
            endpoints=HERE,
            dial=world.dial,
            fetch=world.fetch,
            clock=world.clock,
            on_event=told.append,
            redundancy=copies,
        ) as session:
            await session.subscribe_to_trades(BTC)
            await asyncio.sleep(40)

    world.run(story(), within_seconds=2_000)
    trades = [each for each in told if isinstance(each, ev.Trade)]
    ids = [each.trade_id for each in trades]
    assert ids == sorted(set(ids)), "none twice and none out of order"
    [gap] = [each for each in told if isinstance(each, ev.TradeGap)]
    happened = [one for one in truth.trades[BTC].values() if ids[0] < one.trade_id < ids[-1]]
    missing = [one for one in happened if one.trade_id not in ids]
    assert missing or copies == 2
    assert all(gap.since <= one.at <= gap.venue_time for one in missing)
