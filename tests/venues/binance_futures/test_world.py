"""The session trades futures at the simulated venue, which another hand wrote from the papers."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from pitwire.market.book import OrderBook
from pitwire.model import events as ev
from pitwire.model.clock import SystemClock
from pitwire.model.credentials import Credentials
from pitwire.model.orders import AmendOrder, CancelOrder, Order, OrderType, Side, UpdateKind
from pitwire.session.connect import connect_to_websocket
from pitwire.sim.serve import serve
from pitwire.sim.world import FUTURES_ORDERS_URL, HTTP_URL, MARKET_URL, World
from pitwire.venues.binance_futures import BINANCE_USDM
from pitwire.venues.venue import Endpoints, Venue

MEMORY = Endpoints(market=MARKET_URL, orders=FUTURES_ORDERS_URL, http=HTTP_URL)
BTC = "BTC-USDT"
CHANNELS = (
    "ticker", "trades", "aggregate_trades", "book", "partial_book", "bars", "stats", "mini_stats",
    "mark_price",
)  # fmt: skip
SICK = {"Malformed", "Unhandled", "Unanswered", "FeedStale", "Rejected", "TradeGap"}


class Story:
    """A session with the futures of a world, and what it told."""

    def __init__(self, kind: str = "ed25519", **more: Any) -> None:
        self.world = World(venue="binance-usdm", **{"seed": 3, **more})
        self.seen: list[ev.Event] = []
        key, secret = self.world.keys[kind]
        self.key = Credentials(key, secret, kind=kind)
        self.now = self.world.clock.now
        self.book: OrderBook | None = None
        self.same = self.different = 0
        """How often the book was the venue's when a delta came, and how often it was another."""

    def on_event(self, event: ev.Event) -> None:
        """Ids of the futures skip, so a book is held against the truth when its delta comes."""
        self.seen.append(event)
        if isinstance(event, ev.BookDelta) and self.book is not None and self.book.ready:
            _, *truth = self.world.truth_book(BTC)
            theirs = [[(float(price), float(size)) for price, size in one[:20]] for one in truth]
            is_same = [[*self.book.bids][:20], [*self.book.asks][:20]] == theirs
            self.same, self.different = self.same + is_same, self.different + (not is_same)

    def connect(
        self, endpoints: Endpoints = MEMORY, venue: Venue = BINANCE_USDM, **more: Any
    ) -> Any:
        ways = {
            "dial": self.world.dial,
            "fetch": self.world.fetch,
            "clock": self.world.clock,
            "on_event": self.on_event,
        }
        return connect_to_websocket(
            venue, endpoints=endpoints, credentials=self.key, **{**ways, **more}
        )

    def told(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.seen if isinstance(event, kind)]

    def price(self, offset: str) -> Decimal:
        """The best bid and so much, on the grid."""
        quote = self.told(ev.Quote)[-1]
        return Decimal(str(quote.bid)).quantize(Decimal("0.1")) + Decimal(offset)

    def states(self, order_id: str) -> list[UpdateKind]:
        return [one.update for one in self.told(ev.Update) if one.order_id == order_id]

    def sick(self) -> set[str]:
        return {type(event).__name__ for event in self.seen} & SICK


def order(order_id: str, kind: OrderType, size: str, **more: Any) -> Order:
    facts = {"side": Side.BUY, **more}
    return Order(id=order_id, symbol=BTC, type=kind, size=Decimal(size), **facts)


@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
def test_every_stream_comes_and_the_book_is_the_venues(kind: str) -> None:
    story = Story(kind)

    async def play() -> None:
        async with story.connect() as session:
            listed = await session.load_instruments()
            assert listed[BTC].margin == "USDT"
            for channel in CHANNELS:
                await session.subscribe(channel, BTC)
            story.book = session.book(BTC)
            await asyncio.sleep(15)

    story.world.run(play())
    names = {type(event).__name__ for event in story.seen}
    assert {
        "Quote", "Trade", "AggregateTrade", "BookSnapshot", "BookDelta", "PartialBook", "Bar",
        "Ticker", "MarkPrice", "Funding",
    } <= names  # fmt: skip
    assert story.sick() == set()
    assert story.same > 100
    assert story.different == 0
    assert [one.by_us for one in story.told(ev.Lost)] == [True, True]


@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
def test_an_order_lives_is_amended_and_dies(kind: str) -> None:
    story = Story(kind)

    async def play() -> None:
        async with story.connect() as session:
            await session.load_instruments()
            await session.subscribe_to_ticker(BTC)
            await session.subscribe_to_order_updates()
            await asyncio.sleep(2)
            price = story.price("-500")
            rests = order("rests", OrderType.POST_ONLY, "0.010", price=price)
            session.place(rests, story.now())
            await asyncio.sleep(1)
            amend = AmendOrder(
                order_id="rests", symbol=BTC, size=Decimal("0.006"), side=Side.BUY, price=price
            )
            session.amend(amend, story.now())
            await asyncio.sleep(1)
            session.ask_open_orders("", story.now())
            session.ask_status(BTC, "rests", story.now())
            await asyncio.sleep(1)
            assert story.told(ev.OpenOrders)[-1].order_ids == ("rests",)
            session.cancel(CancelOrder(order_id="rests", symbol=BTC), story.now())
            await asyncio.sleep(1)
            session.ask_open_orders("", story.now())
            await asyncio.sleep(1)
            assert story.told(ev.OpenOrders)[-1].order_ids == ()

    story.world.run(play())
    told = story.states("rests")
    assert told[0] is UpdateKind.ACCEPTED
    assert {UpdateKind.AMENDED, UpdateKind.STATUS_OPEN, UpdateKind.CANCELED} <= set(told)
    amended = [one for one in story.told(ev.Update) if one.update is UpdateKind.AMENDED]
    assert {one.size for one in amended} == {Decimal("0.006")}
    assert {one.type for one in amended} == {OrderType.POST_ONLY}
    assert story.sick() == set()


@pytest.mark.parametrize("kind", ["ed25519", "hmac"])
def test_a_position_is_opened_turned_and_closed_and_each_fill_told_once(kind: str) -> None:
    story = Story(kind)

    async def play() -> None:
        async with story.connect() as session:
            await session.load_instruments()
            await session.subscribe_to_ticker(BTC)
            await session.subscribe_to_order_updates()
            session.set_leverage(BTC, 5, story.now())
            session.ask_account(story.now())
            await asyncio.sleep(2)
            session.place(order("opens", OrderType.MARKET, "0.010"), story.now())
            await asyncio.sleep(1)
            turn = order("turns", OrderType.MARKET, "0.030", side=Side.SELL)
            session.place(turn, story.now())
            await asyncio.sleep(1)
            wrong = order("wrong", OrderType.MARKET, "0.010", side=Side.SELL, reduce_only=True)
            session.place(wrong, story.now())
            await asyncio.sleep(1)
            closes = order("closes", OrderType.MARKET, "0.020", reduce_only=True)
            session.place(closes, story.now())
            await asyncio.sleep(1)
            fills = story.told(ev.Fill)
            session.ask_fills_since(BTC, fills[0].trade_id, 0, story.now())
            session.ask_account(story.now())
            await asyncio.sleep(1)

    story.world.run(play())
    fills = story.told(ev.Fill)
    streamed = {one.trade_id: one for one in fills}
    size = {"opens": Decimal(0), "turns": Decimal(0), "closes": Decimal(0)}
    for one in streamed.values():
        size[_order_of(story, one)] += one.size
        assert one.fee > 0
        assert one.fee_asset == "USDT"
    assert size == {"opens": Decimal("0.01"), "turns": Decimal("0.03"), "closes": Decimal("0.02")}
    # Once from the stream and once because we asked; both say the same.
    assert len(fills) == 2 * len(streamed)
    positions = [one.size for one in story.told(ev.Position) if one.symbol == BTC]
    turned = [size for place, size in enumerate(positions) if [*positions, None][place + 1] != size]
    assert turned[-3:] == [Decimal("0.01"), Decimal("-0.02"), Decimal(0)]
    [refused] = [one for one in story.told(ev.Update) if one.order_id == "wrong"]
    assert (refused.update, refused.reason.value) == (UpdateKind.REJECTED, "reduce_only")
    assert {one.leverage for one in story.told(ev.Leverage)} == {5}
    assert story.sick() == set()


def _order_of(story: Story, fill: ev.Fill) -> str:
    """Fills that were asked for by time name the venue's id alone."""
    names = {one.venue_id: one.order_id for one in story.told(ev.Update) if one.venue_id}
    return names[fill.venue_id]


def test_the_venues_own_timer_cancels_what_nobody_renews() -> None:
    story = Story()

    async def play() -> None:
        async with story.connect() as session:
            await session.load_instruments()
            await session.subscribe_to_ticker(BTC)
            await session.subscribe_to_order_updates()
            await asyncio.sleep(2)
            price = story.price("-500")
            session.place(order("held", OrderType.LIMIT, "0.010", price=price), story.now())
            session.arm_countdown(BTC, 20.0, story.now())
            await asyncio.sleep(15)
            session.arm_countdown(BTC, 20.0, story.now())
            await asyncio.sleep(15)
            assert UpdateKind.CANCELED not in story.states("held")
            await asyncio.sleep(10)
            assert UpdateKind.CANCELED in story.states("held")
            session.place(order("safe", OrderType.LIMIT, "0.010", price=price), story.now())
            session.arm_countdown(BTC, 5.0, story.now())
            await asyncio.sleep(1)
            session.arm_countdown(BTC, 0, story.now())
            await asyncio.sleep(15)
            assert UpdateKind.CANCELED not in story.states("safe")
            session.cancel_all(BTC, story.now())
            await asyncio.sleep(1)
            assert UpdateKind.CANCELED in story.states("safe")

    story.world.run(play())
    assert story.sick() == set()


def test_refusals_are_told_in_our_words() -> None:
    story = Story()

    async def play() -> None:
        async with story.connect() as session:
            await session.load_instruments()
            await session.subscribe_to_ticker(BTC)
            await session.subscribe_to_order_updates()
            await asyncio.sleep(2)
            bid = story.price("0")
            limit, post = OrderType.LIMIT, OrderType.POST_ONLY
            for wrong in (
                order("takes", post, "0.010", price=bid + 500),
                order("offgrid", limit, "0.010", price=bid + Decimal("0.03")),
                order("offstep", limit, "0.0105", price=bid),
                order("tiny", limit, "0.001", price=Decimal("1000.0")),
                order("rich", limit, "900.000", price=bid),
                order("kills", limit, "0.010", price=bid - 500),
            ):
                session.place(wrong, story.now())
                await asyncio.sleep(0.5)
            again = order("kills", limit, "0.010", price=bid - 500)
            session.place(again, story.now())
            session.cancel(CancelOrder(order_id="nobody", symbol=BTC), story.now())
            session.ask_status(BTC, "nobody", story.now())
            await asyncio.sleep(1)

    story.world.run(play())
    reasons = {
        one.order_id: one.reason.value for one in story.told(ev.Update) if one.reason is not None
    }
    assert reasons["offgrid"] == "price_rule"
    assert reasons["offstep"] == "size_rule"
    assert reasons["rich"] == "insufficient_funds"
    assert reasons["kills"] == "duplicate_id"
    assert reasons["nobody"] == "unknown_order"
    assert reasons["tiny"] in ("notional_rule", "price_rule")
    missing = [one for one in story.told(ev.Update) if one.update is UpdateKind.MISSING]
    assert [one.order_id for one in missing] == ["nobody"]
    # A post-only order that would take is refused, or accepted and expired at once.
    assert reasons.get("takes") == "would_take" or UpdateKind.EXPIRED in story.states("takes")


def test_the_private_stream_comes_back_after_a_cut_and_says_what_it_was_not_told() -> None:
    story = Story()

    async def play() -> None:
        async with story.connect() as session:
            await session.load_instruments()
            await session.subscribe_to_ticker(BTC)
            await session.subscribe_to_order_updates()
            await asyncio.sleep(2)
            for link in list(story.world.stage.links()):
                story.world.stage.cut(link, story.now())
            await asyncio.sleep(20)
            session.place(order("after", OrderType.MARKET, "0.010"), story.now())
            await asyncio.sleep(1)

    story.world.run(play())
    assert sum(one.size for one in story.told(ev.Fill)) == Decimal("0.01")
    private = [one for one in story.told(ev.Subscribed) if one.channel == "orders"]
    assert [one.link for one in private] == ["private", "private"]


@pytest.mark.parametrize(("renewed", "dials"), [(True, 1), (False, 2)])
def test_the_private_stream_outlives_its_key(renewed: bool, dials: int) -> None:
    """For an hour and a quarter: a key lives for one, unless it is renewed (§11.6)."""
    story = Story(scenario=None)
    private = BINANCE_USDM.private
    assert private is not None
    never = replace(private, renew_every_seconds=1e9)
    venue = BINANCE_USDM if renewed else replace(BINANCE_USDM, private=never)

    async def play() -> None:
        async with story.connect(venue=venue) as session:
            await session.load_instruments()
            await session.subscribe_to_order_updates()
            await asyncio.sleep(4500)
            rests = order("rests", OrderType.LIMIT, "0.010", price=Decimal(50_000))
            session.place(rests, story.now())
            await asyncio.sleep(1)
            session.cancel(CancelOrder(order_id="rests", symbol=BTC), story.now())
            await asyncio.sleep(1)

    story.world.run(play(), within_seconds=20_000)
    stood = [one for one in story.told(ev.Opened) if one.link == "private"]
    assert len(stood) == dials
    ended = [one.text for one in story.told(ev.Rejected)]
    assert ended == ["listenKeyExpired"] * (dials - 1)
    streamed = [one for one in story.told(ev.Update) if not one.answers]
    assert [one.update for one in streamed] == [UpdateKind.ACCEPTED, UpdateKind.CANCELED]


@pytest.mark.parametrize("script", ["cuts", "gap", "mute", "stale-snapshot"])
def test_whatever_happens_the_book_is_right_or_says_so(script: str) -> None:
    story = Story(seed=5, faults=script)

    async def play() -> None:
        async with story.connect() as session:
            await session.subscribe_to_order_updates()
            await session.subscribe_to_ticker(BTC)
            await session.subscribe_to_book(BTC)
            await session.subscribe("mark_price", BTC)
            story.book = session.book(BTC)
            await asyncio.sleep(45)
            assert session.may_trade
            assert story.book.ready

    story.world.run(play())
    assert story.same > 100
    assert story.different == 0
    assert not story.told(ev.Unhandled)


async def test_a_moment_over_real_sockets() -> None:
    clock = SystemClock()
    story = Story(clock=clock)
    async with serve(story.world) as venue:
        where = Endpoints(market=venue.market_url, orders=venue.orders_url, http=venue.http_url)
        ways: dict[str, Any] = {"dial": None, "fetch": None, "clock": clock}
        async with story.connect(where, **ways) as session:
            await session.load_instruments()
            await session.subscribe_to_order_updates()
            await session.subscribe_to_book(BTC)
            await session.subscribe("mark_price", BTC)
            session.place(order("opens", OrderType.MARKET, "0.010"), clock.now())
            async with asyncio.timeout(60):
                while not all(map(story.told, (ev.Fill, ev.MarkPrice, ev.BookDelta))):
                    await asyncio.sleep(0.01)
            assert session.book(BTC).ready
    assert sum(one.size for one in story.told(ev.Fill)) == Decimal("0.01")
    assert story.told(ev.MarkPrice)
    assert story.told(ev.BookDelta)
    assert not story.told(ev.Malformed) + story.told(ev.Unhandled)
