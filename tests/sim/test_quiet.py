"""A quiet account's short way leaves behind what the exchange's own commands would."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import Fact, Kind, NewOrder, Refused, SimOrder, Stp, Tif, Traded
from pitwire.sim.futures import FuturesExchange
from pitwire.sim.futures_listings import FUTURES
from pitwire.sim.quiet import Hand
from pitwire.sim.world import BTC_USDT

CROWD, ANN = "crowd", "ann"
MIDDLE = BTC_USDT.start_price

sides = st.sampled_from(Side)
near = st.integers(MIDDLE - 6, MIDDLE + 6)
lots = st.integers(100, 400)
"""Enough that no filter of the account with limits refuses it."""
acts = st.lists(
    st.one_of(
        st.tuples(st.just("quote"), sides, near, lots),
        st.tuples(st.just("take"), sides, st.none() | near, lots),
        st.tuples(st.just("withdraw"), st.integers(0, 20)),
        st.tuples(st.just("limit"), sides, near, lots),
        st.tuples(st.just("iceberg"), sides, near, lots),
        st.tuples(st.just("stop"), sides, near, lots),
        st.tuples(st.just("hush"), st.booleans()),
    ),
    max_size=30,
)


def spot() -> Exchange:
    return Exchange([BTC_USDT], entropy=Entropy(1))


def futures() -> Exchange:
    return FuturesExchange(FUTURES, entropy=Entropy(1))


class Town:
    """An exchange, a crowd of one, and somebody with limits."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.symbol = "BTC-USDT"
        exchange.open_account(CROWD, {}, unlimited=True)
        exchange.open_account(ANN, {"USDT": Decimal(10**7), "BTC": Decimal(100)})
        self.orders: list[SimOrder] = []
        self.now = 0

    def act(self, act: tuple) -> str:
        self.now += 1
        what, *parts = act
        try:
            self.do(what, *parts)
        except Refused as refused:
            return refused.refusal.value
        return ""

    def do(self, what: str, *parts) -> None:
        if what == "withdraw":
            mine = [order for order in self.orders if order.on_book]
            if mine:
                self.withdraw(mine[parts[0] % len(mine)])
        elif what == "quote":
            self.orders.append(self.quote(*parts))
        elif what == "take":
            self.orders.append(self.take(*parts))
        elif what == "hush":
            self.exchange.hush(*parts)
        else:
            self.join(what, *parts)

    def join(self, what: str, side: Side, price: int, size: int) -> None:
        """The account with limits."""
        rest = {"kind": Kind.LIMIT, "price": price}
        if what == "iceberg":
            rest["iceberg_lots"] = size // 3
        elif what == "stop":
            rest = {"kind": Kind.STOP_LOSS, "stop_price": price}
        self.exchange.place(
            NewOrder(account=ANN, symbol=self.symbol, side=side, lots=size, **rest), self.now
        )


class Long(Town):
    """The crowd goes the way of everybody."""

    def quote(self, side: Side, price: int, size: int) -> SimOrder:
        return self.place(side, Kind.LIMIT, size, price, Tif.GTC)

    def take(self, side: Side, limit: int | None, size: int) -> SimOrder:
        if limit is None:
            return self.place(side, Kind.MARKET, size, None, Tif.GTC)
        return self.place(side, Kind.LIMIT, size, limit, Tif.IOC)

    def withdraw(self, order: SimOrder) -> None:
        self.exchange.cancel(CROWD, self.symbol, order_id=order.order_id, now=self.now)

    def place(self, side: Side, kind: Kind, size: int, price: int | None, tif: Tif) -> SimOrder:
        request = NewOrder(
            account=CROWD, symbol=self.symbol, side=side, kind=kind, tif=tif, lots=size,
            price=price, stp=Stp.NONE,
        )  # fmt: skip
        return self.exchange.place(request, self.now)


class Short(Town):
    """The crowd has hands."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self.hands = {side: Hand(exchange, self.symbol, CROWD, side) for side in Side}

    def quote(self, side: Side, price: int, size: int) -> SimOrder:
        return self.hands[side].quote(price, size, self.now)

    def take(self, side: Side, limit: int | None, size: int) -> SimOrder:
        return self.hands[side].take(size, self.now, limit=limit)

    def withdraw(self, order: SimOrder) -> None:
        self.hands[order.side].withdraw(order, self.now)


def plain(order: SimOrder) -> SimOrder:
    """Without what a hand does not give its orders."""
    if order.account != CROWD:
        return order
    return msgspec.structs.replace(order, client_id="", reserve_price=0)


def told(facts: list[Fact]) -> list[Fact]:
    return [
        msgspec.structs.replace(fact, taker=plain(fact.taker), maker=plain(fact.maker))
        if isinstance(fact, Traded)
        else fact
        for fact in facts
    ]


def remembered(town: Town) -> tuple:
    """Everything that a pit and its accounts know."""
    pit = town.exchange.pit(town.symbol)
    accounts = town.exchange.accounts
    return (
        (pit.order_id, pit.execution, pit.trade_id, pit.update_id, pit.last, list(pit.trades)),
        list(pit.past.back_from(pit.update_id)),
        [
            [[plain(order) for order in level.orders.values()] for level in ladder.levels.values()]
            for ladder in (pit.book.bids, pit.book.asks)
        ],
        town.exchange.book(town.symbol),
        [[plain(order) for order in pit.open_of(name).values()] for name in (CROWD, ANN)],
        {name: accounts.amounts(name) for name in accounts.names()},
        pit.average.ratio(town.now),
        [plain(order) for order in town.orders],
    )


@pytest.mark.parametrize("make", [spot, futures])
@given(acts)
def test_the_short_way_comes_to_the_same(make, acts: list[tuple]) -> None:
    long, short = Long(make()), Short(make())
    for act in acts:
        assert short.act(act) == long.act(act)
        assert told(short.exchange.take_facts()) == told(long.exchange.take_facts())
    assert remembered(short) == remembered(long)


def test_an_order_of_a_hand_is_found_and_can_be_cancelled_by_its_number() -> None:
    town = Short(spot())
    order = town.quote(Side.BUY, MIDDLE, 5)
    exchange = town.exchange
    assert exchange.order(CROWD, town.symbol, order_id=order.order_id) is order
    exchange.cancel(CROWD, town.symbol, order_id=order.order_id, now=2)
    assert exchange.book(town.symbol).bids == []
    with pytest.raises(Refused, match="unknown order"):
        exchange.order(CROWD, town.symbol, order_id=order.order_id)


def test_a_hand_keeps_to_the_hours_and_the_kinds_of_its_symbol() -> None:
    town = Short(Exchange([msgspec.structs.replace(BTC_USDT, kinds=(Kind.LIMIT,))],
                          entropy=Entropy(1)))  # fmt: skip
    with pytest.raises(Refused, match="order type not supported"):
        town.take(Side.BUY, None, 5)
    town.exchange.set_status(town.symbol, "HALT", 1)
    with pytest.raises(Refused, match="market closed"):
        town.quote(Side.BUY, MIDDLE, 5)
    assert town.exchange.pit(town.symbol).order_id == 0


def test_a_hand_is_for_those_without_limits() -> None:
    with pytest.raises(ValueError, match="found 'ann', expected an unlimited one"):
        Hand(Short(spot()).exchange, "BTC-USDT", ANN, Side.BUY)
