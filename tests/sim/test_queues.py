"""Recorded liquidity resizes without a trace; only ours trade, never for more than was there."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import Kind, Listing, NewOrder, SimOrder, Stp, Traded
from pitwire.sim.queues import RECORDED, Cancels, Queues

SYMBOL = "A-B"
LISTING = Listing(
    symbol=SYMBOL,
    base="A",
    quote="B",
    tick=Decimal("0.01"),
    lot=Decimal("0.001"),
    max_orders=0,
    start_price=10,
)
OPENING = {"A": Decimal(100), "B": Decimal(100)}


class Pool:
    """A recorded book of bids 1 to 9 and asks 11 to 19, and two who trade in it."""

    def __init__(self, cancels: Cancels = Cancels.PROPORTIONAL) -> None:
        self.exchange = Exchange([LISTING], entropy=Entropy(1))
        for name in ("ann", "bob"):
            self.exchange.open_account(name, OPENING)
        self.queues = Queues(self.exchange, SYMBOL, cancels)
        self.recorded: dict[tuple[Side, int], int] = {}
        for price in range(1, 20):
            if price != 10:
                self.level(Side.BUY if price < 10 else Side.SELL, price, 20)

    def level(self, side: Side, price: int, lots: int) -> None:
        self.recorded[side, price] = lots
        self.queues.set_level(side, price, lots, 0)

    def place(self, name: str, side: Side, price: int, lots: int, iceberg: int = 0) -> SimOrder:
        request = NewOrder(
            account=name,
            symbol=SYMBOL,
            side=side,
            kind=Kind.LIMIT,
            price=price,
            lots=lots,
            iceberg_lots=iceberg if iceberg < lots else 0,
            stp=Stp.NONE,
        )
        return self.exchange.place(request, 0)

    def queue(self, side: Side, price: int) -> list[tuple[str, int]]:
        """Who stands at a price, in order."""
        level = self.exchange.pit(SYMBOL).book.ladder(side).levels.get(price)
        return [(order.account, order.left) for order in level.orders.values()] if level else []


def test_cancels_take_evenly_with_the_odd_lots_from_behind():
    pool = Pool()
    pool.place("ann", Side.BUY, 5, 7)
    pool.level(Side.BUY, 5, 30)
    assert pool.queue(Side.BUY, 5) == [(RECORDED, 20), ("ann", 7), (RECORDED, 10)]
    pool.level(Side.BUY, 5, 25)
    assert pool.queue(Side.BUY, 5) == [(RECORDED, 17), ("ann", 7), (RECORDED, 8)]
    pool.level(Side.BUY, 5, 0)
    assert pool.queue(Side.BUY, 5) == [("ann", 7)]
    pool.level(Side.BUY, 5, 4)
    assert pool.queue(Side.BUY, 5) == [("ann", 7), (RECORDED, 4)]


def test_what_is_recorded_is_resized_without_a_fact():
    pool = Pool()
    pool.exchange.take_facts()
    pool.level(Side.BUY, 5, 99)
    pool.level(Side.BUY, 6, 0)
    pool.queues.trade(Side.SELL, 9, 5, 1)
    pool.queues.uncross(1)
    assert pool.exchange.take_facts() == []
    assert pool.queue(Side.BUY, 9) == [(RECORDED, 15)]


def test_a_trade_at_a_worse_price_leaves_what_is_recorded_at_better_ones():
    # The diff that will take it away has not come yet; the trade itself was at its own price.
    pool = Pool()
    order = pool.place("ann", Side.BUY, 9, 3)
    pool.queues.trade(Side.SELL, 8, 5, 1)
    assert order.left == 0
    assert pool.queue(Side.BUY, 9) == [(RECORDED, 20)]
    assert pool.queue(Side.BUY, 8) == [(RECORDED, 18)]


def test_a_trade_reaches_what_an_iceberg_hides_only_in_its_turn():
    pool = Pool()
    order = pool.place("ann", Side.BUY, 10, 9, iceberg=2)
    pool.place("bob", Side.BUY, 10, 3)
    pool.queues.trade(Side.SELL, 10, 4, 1)
    assert order.filled_lots == 2
    assert pool.queue(Side.BUY, 10) == [("bob", 1), ("ann", 7)]
    pool.queues.trade(Side.SELL, 9, 8, 1)
    assert pool.queue(Side.BUY, 10) == []


sides = st.sampled_from(Side)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("level"), sides, st.integers(1, 9), st.integers(0, 40)),
        st.tuples(st.just("trade"), sides, st.integers(1, 19), st.integers(1, 50)),
        st.tuples(
            st.just("place"),
            st.sampled_from(("ann", "bob")),
            sides,
            st.integers(1, 19),
            st.integers(1, 50),
            st.integers(0, 3),
        ),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
    ),
    min_size=10,
    max_size=40,
)


def act(pool: Pool, step: tuple) -> int:
    """Do one step; returns the lots of a recorded trade."""
    match step:
        case ("level", side, away, lots):
            pool.level(side, 10 - away if side is Side.BUY else 10 + away, lots)
            pool.queues.uncross(1)
        case ("trade", side, price, lots):
            pool.queues.trade(side, price, lots, 1)
            return lots
        case ("place", name, side, price, lots, iceberg):
            pool.place(name, side, price, lots, iceberg)
        case ("cancel", index):
            orders = pool.exchange.open_orders("ann", SYMBOL)
            if index < len(orders):
                pool.exchange.cancel("ann", SYMBOL, order_id=orders[index].order_id, now=1)
    return 0


def check(pool: Pool) -> None:
    totals = {"A": Decimal(0), "B": Decimal(0)}
    for name in pool.exchange.accounts.names():
        for asset, (free, locked) in pool.exchange.balances(name).items():
            totals[asset] += free + locked
            assert name not in ("ann", "bob") or min(free, locked) >= 0
    assert totals == {"A": Decimal(200), "B": Decimal(200)}
    pit = pool.exchange.pit(SYMBOL)
    depth = pool.exchange.book(SYMBOL)
    assert not (depth.bids and depth.asks) or depth.bids[0][0] < depth.asks[0][0]
    for ladder in (pit.book.bids, pit.book.asks):
        for level in ladder.levels.values():
            assert level.orders
            assert level.shown == sum(pit.book.shown(order) for order in level.orders.values())
            for order in level.orders.values():
                assert order.left > 0
                assert order in pool.exchange.open_orders(order.account)


@settings(max_examples=80, deadline=None)
@given(steps, st.sampled_from(Cancels))
def test_whatever_happens(asked: list[tuple], cancels: Cancels):
    pool = Pool(cancels)
    for step in asked:
        pool.exchange.take_facts()
        traded = act(pool, step)
        check(pool)
        facts = pool.exchange.take_facts()
        if step[0] == "trade":
            ours = sum(fact.lots for fact in facts if isinstance(fact, Traded))
            assert ours <= traded
    for (side, price), lots in list(pool.recorded.items()):
        pool.level(side, price, lots)
        left = sum(left for name, left in pool.queue(side, price) if name == RECORDED)
        assert left == lots
