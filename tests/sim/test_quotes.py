"""Quotes, the plain ones and their compiled twin, beside each other: orders, facts and draws."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any, ClassVar, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import native
from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.crowd import Crowd
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import Kind, NewOrder, Refused, SimOrder, Tif, Traded
from pitwire.sim.futures import FuturesExchange
from pitwire.sim.futures_listings import FUTURES
from pitwire.sim.matching import Level
from pitwire.sim.pit import Pit
from pitwire.sim.quiet import Hand
from pitwire.sim.quotes import MakeQuotes, Quotes, compiled_by, plain, worth_about
from pitwire.sim.scenarios import scenario
from pitwire.sim.world import BTC_USDT

SYMBOL, MIDDLE = "BTC-USDT", BTC_USDT.start_price
LEAST, REACH = 400, 30
"""Fewest lots of an order; how many ticks the prices are within."""
PER_LOT = 0.006
"""What a lot is worth, at a price near the middle of nothing in particular."""


@pytest.fixture(scope="module")
def twin() -> MakeQuotes:
    """The compiled quotes, built anew from their source."""
    found = native.twin(native.QUOTES)
    if found is None:
        pytest.skip("no C compiler that can build them")
    return compiled_by(found)


@pytest.fixture(params=["plain", "compiled"])
def make(request: pytest.FixtureRequest) -> MakeQuotes:
    return plain if request.param == "plain" else request.getfixturevalue("twin")


def level_state(level: Level) -> tuple[object, ...]:
    return level.price, level.shown, [*level.orders.values()]


class Stall:
    """A book whose makers quote it, somebody who takes, and an account with limits."""

    def __init__(self, make: MakeQuotes, side: Side, exchange: Exchange | None = None) -> None:
        self.exchange = exchange or Exchange([BTC_USDT], entropy=Entropy(1))
        for name in ("makers", "takers"):
            self.exchange.open_account(name, {}, unlimited=True)
        self.exchange.open_account("ann", {"USDT": Decimal(10**9), "BTC": Decimal(10**4)})
        self.chance = Random(7)
        self.side, self.now = side, 0
        bounds = (LEAST, MIDDLE - REACH, MIDDLE + REACH)
        self.hands = {
            (name, one): make(Hand(self.exchange, SYMBOL, name, one), self.chance.random, *bounds)
            for name in ("makers", "takers")
            for one in Side
        }
        self.quotes, self.taker = self.hands["makers", side], self.hands["takers", side.opposite]
        self.bids = self.hands["makers", Side.BUY]
        self.others = (
            self.hands["makers", Side.SELL],
            self.hands["takers", Side.BUY],
            self.hands["takers", Side.SELL],
        )
        self.ladder = self.exchange.pit(SYMBOL).book.ladder(side)

    def do(self, what: str, *words: Any) -> object:
        """What came of it, a refusal too."""
        self.now += 1
        try:
            return getattr(self, f"_{what}")(*words)
        except Refused as refused:
            return refused.refusal

    def _add(self, price: int, lots: int) -> None:
        if not self.quotes.has(price):
            self.quotes.add(price, lots, self.now)

    def _has(self, price: int) -> bool:
        return self.quotes.has(price)

    def _withdraw(self, index: int) -> None:
        if self.quotes.keys:
            self.quotes.withdraw(index % len(self.quotes.keys), self.now)

    def _beyond(self, price: int) -> int:
        return self.quotes.beyond(price)

    def _fill(self, best: int, most: int, levels: int) -> None:
        self.quotes.fill(best, most, levels, REACH * 0.9, 100.0, PER_LOT, self.now)

    def _churn(self, levels: int) -> None:
        self.quotes.churn(0.7, levels, self.now)

    def _take(self, lots: int) -> None:
        self.taker.take(lots, self.now)

    def _sweep(self, price: int) -> None:
        self.taker.sweep(price, self.now)

    def _withdraw_beyond(self, price: int) -> None:
        self.quotes.withdraw_beyond(price, self.now)

    def _chase(self, bid: int, gap: int) -> None:
        self.bids.chase(self.others, bid, bid + gap + 1, 0.5, self.now)

    def _refresh(self, bid: int, gap: int, levels: int) -> None:
        manners = (0.5, 0.7, levels, 100.0, 4)
        self.bids.refresh(self.others, manners, bid, bid + gap + 1, levels, REACH * 0.9, PER_LOT,
                          self.now)  # fmt: skip

    def _join(self, side: Side, price: int, lots: int, part: int) -> None:
        request = NewOrder(account="ann", symbol=SYMBOL, side=side, kind=Kind.LIMIT, tif=Tif.GTC,
                           lots=lots, price=price, iceberg_lots=part)  # fmt: skip
        self.exchange.place(request, self.now)

    def _stop(self, side: Side, price: int, lots: int) -> None:
        request = NewOrder(account="ann", symbol=SYMBOL, side=side, kind=Kind.STOP_LOSS, lots=lots,
                           stop_price=price)  # fmt: skip
        self.exchange.place(request, self.now)

    def _status(self, status: str) -> None:
        self.exchange.set_status(SYMBOL, status, self.now)

    def _hush(self, is_hushed: bool) -> None:
        self.exchange.hush(is_hushed)

    def hold(self, name: str, net: object) -> None:
        """Let something else be what an account has gained."""
        self.exchange.accounts.find(name).net[SYMBOL] = cast("list[int]", net)

    def state(self) -> tuple[object, ...]:
        """Everything that there is to know."""
        pit = self.exchange.pit(SYMBOL)
        accounts, ladders = self.exchange.accounts, (pit.book.bids, pit.book.asks)
        return (
            (pit.order_id, pit.execution, pit.trade_id, pit.update_id, pit.last, [*pit.trades]),
            (pit.past.rows, pit.past.since, [*pit.past.back_from(pit.update_id)]),
            [[*map(level_state, ladder.levels.values())] for ladder in ladders],
            [ladder.keys for ladder in ladders],
            [pit.open_of(name) for name in ("makers", "takers", "ann")],
            {name: accounts.amounts(name) for name in accounts.names()},
            [(each.keys, each.orders) for each in self.hands.values()],
            (self.chance.getstate(), pit.average.ratio(self.now), pit.stops.waiting),
        )  # fmt: skip


sides = st.sampled_from(Side)
near = st.integers(MIDDLE - REACH - 2, MIDDLE + REACH + 2)
lots = st.integers(LEAST, 4 * LEAST)
few = st.integers(0, 12)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("add"), near, lots),
        st.tuples(st.just("has"), near),
        st.tuples(st.just("withdraw"), st.integers(0, 40)),
        st.tuples(st.just("beyond"), near),
        st.tuples(st.just("fill"), near, few, few),
        st.tuples(st.just("churn"), few),
        st.tuples(st.just("take"), lots),
        st.tuples(st.just("sweep"), near),
        st.tuples(st.just("withdraw_beyond"), near),
        st.tuples(st.just("chase"), near, few),
        st.tuples(st.just("refresh"), near, few, few),
        st.tuples(st.just("join"), sides, near, lots, st.sampled_from([0, 0, LEAST])),
        st.tuples(st.just("stop"), sides, near, lots),
        st.tuples(st.just("status"), st.sampled_from(["HALT", "TRADING"])),
        st.tuples(st.just("hush"), st.booleans()),
    ),
    max_size=30,
)


@settings(max_examples=250, deadline=None)
@given(side=sides, acts=acts, future=st.booleans())
def test_the_twins_do_the_same(
    twin: MakeQuotes, side: Side, acts: list[tuple[Any, ...]], future: bool
) -> None:
    stalls = []
    for make in (plain, twin):
        exchange = FuturesExchange(FUTURES, entropy=Entropy(1)) if future else None
        stalls.append(Stall(make, side, exchange))
    for act in acts:
        ours, theirs = (stall.do(*act) for stall in stalls)
        assert ours == theirs, act
        told = [stall.exchange.take_facts() for stall in stalls]
        assert told[0] == told[1], act
    states = [stall.state() for stall in stalls]
    assert states[0] == states[1]


@pytest.mark.parametrize(
    ("name", "seconds"), [("volatile", 4.0), ("dip", 7.0), ("opening", 13.0), ("halt", 14.0)]
)
def test_a_crowd_with_either_makes_the_same_market(
    twin: MakeQuotes, name: str, seconds: float
) -> None:
    said = []
    for make in (plain, twin):
        exchange = Exchange([BTC_USDT], entropy=Entropy(5))
        crowd = Crowd(exchange, SYMBOL, scenario(name), Entropy(5), quotes=make)
        while crowd.next_deadline() <= seconds * SECOND:
            exchange.handle_deadline(crowd.next_deadline())
            crowd.handle_deadline(crowd.next_deadline())
        facts = exchange.take_facts()
        assert any(isinstance(fact, Traded) for fact in facts)
        said.append((facts, exchange.book(SYMBOL), crowd.fair))
    assert said[0] == said[1]


@pytest.mark.parametrize("side", Side)
def test_the_best_is_first_and_what_was_filled_is_forgotten(make: MakeQuotes, side: Side) -> None:
    stall = Stall(make, side)
    quotes, away = stall.quotes, -1 if side is Side.BUY else 1
    for step in (3, 1, 2):
        quotes.add(MIDDLE + away * step, 500 + step, 1)
    assert [abs(key) for key in quotes.keys] == [MIDDLE + away * step for step in (1, 2, 3)]
    assert [quotes.beyond(MIDDLE + away * step) for step in (0, 1, 3, 9)] == [0, 0, 2, 3]
    stall.taker.take(501, 2)
    assert len(quotes.keys) == 3
    assert not quotes.has(MIDDLE + away)
    assert quotes.has(MIDDLE + 2 * away)
    quotes.withdraw(-1, 3)
    assert list(quotes.orders) == [MIDDLE + 2 * away]
    assert stall.exchange.pit(SYMBOL).book.ladder(side).keys == [-away * (MIDDLE + 2 * away)]


def test_nothing_is_quoted_beyond_the_bounds_or_smaller_than_the_least(make: MakeQuotes) -> None:
    stall = Stall(make, Side.SELL)
    for best in (MIDDLE - REACH - 1, MIDDLE + REACH + 1):
        stall.quotes.fill(best, 0, 0, 1.0, 100.0, PER_LOT, 1)
        assert stall.quotes.keys == []
    stall.quotes.fill(MIDDLE, 20, 20, REACH * 1.0, 0.001, PER_LOT, 1)
    assert len(stall.quotes.keys) > 5
    assert {order.lots for order in stall.quotes.orders.values()} == {LEAST}


def test_numbers_may_be_larger_than_a_machine_s(make: MakeQuotes) -> None:
    stall, large = Stall(make, Side.BUY), 1 << 70
    for price, lots in ((large, large), (large + 1, 3 * large), (5, 7)):
        stall.quotes.add(price, lots, large)
    book = stall.exchange.pit(SYMBOL).book.bids
    assert book.depth() == [(large + 1, 3 * large), (large, large), (5, 7)]
    stall.taker.take(large, large + 1)
    assert book.depth()[0] == (large + 1, 2 * large)
    assert stall.quotes.beyond(6) == 2
    stall.quotes.withdraw(0, large + 2)
    assert book.depth() == [(large, large), (5, 7)]
    stall.quotes.fill(MIDDLE, 0, 0, 1.0, 1e300, PER_LOT, 1)
    assert stall.quotes.orders[MIDDLE].lots > 1 << 900


def test_what_is_no_number_is_refused(twin: MakeQuotes) -> None:
    stall = Stall(twin, Side.BUY)
    quotes: Any = stall.quotes
    for wrong in (
        lambda: quotes.add(1.5, 1, 1),
        lambda: quotes.add(1, "2", 1),
        lambda: quotes.add(1, 2),
        lambda: quotes.beyond(None),
        lambda: quotes.fill(MIDDLE, 1, 1, 1.0, "1", 1.0, 1),
        lambda: twin("no hand", stall.chance.random, 1, 1, 1),  # type: ignore[arg-type]
        lambda: twin(stall.taker, stall.chance.random, 1.5, 1, 1),  # type: ignore[arg-type]
    ):
        with pytest.raises((TypeError, AttributeError)):
            wrong()
    with pytest.raises(IndexError):
        quotes.withdraw(0, 1)
    quotes.orders[MIDDLE] = "no order"
    with pytest.raises(TypeError, match="something else than an order"):
        quotes.has(MIDDLE)


class _Number(int):
    """A number that would empty the list in which it is compared."""

    held: ClassVar[list[int]] = []

    def __lt__(self, other: object) -> bool:
        self.held.clear()
        return True

    __eq__ = __lt__  # type: ignore[assignment]
    __hash__ = int.__hash__

    def __index__(self) -> int:
        raise LookupError

    __neg__ = __index__


def _spoil_a_level(stall: Stall) -> None:
    stall.ladder.levels[MIDDLE] = cast("Level", "no level")


def _spoil_a_level_to_be_used_again(stall: Stall) -> None:
    stall.ladder._spare.append(cast("Level", "no level"))


def _spoil_the_keys(stall: Stall) -> None:
    stall.ladder.keys = cast("list[int]", tuple(stall.ladder.keys))


def _spoil_a_number(stall: Stall) -> None:
    _Number.held = stall.quotes.keys
    stall.quotes.keys[:] = [_Number(1 << 70)] * 9


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_spoil_a_level, "something else than a level"),
        (_spoil_a_level_to_be_used_again, "something else than a level"),
        (_spoil_the_keys, "Ladder: found tuple, expected a list"),
        (_spoil_a_number, "found _Number, expected a whole number"),
    ],
)
def test_what_another_put_into_a_book_is_looked_at(
    twin: MakeQuotes, spoil: Callable[[Stall], None], why: str
) -> None:
    stall = Stall(twin, Side.BUY)
    stall.quotes.add(MIDDLE - 1, LEAST, 1)
    spoil(stall)
    with pytest.raises(TypeError, match=why):
        stall.quotes.add(MIDDLE, LEAST, 2)


def test_what_is_withdrawn_is_looked_at(twin: MakeQuotes) -> None:
    stall = Stall(twin, Side.BUY)
    stall.quotes.add(MIDDLE, LEAST, 1)
    stall.ladder.levels[MIDDLE] = cast("Level", "no level")
    with pytest.raises(TypeError, match="something else than a level"):
        stall.quotes.withdraw(0, 2)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_spoil_a_level, "something else than a level"),
        (lambda stall: setattr(stall.ladder.levels[MIDDLE], "orders", []), "found no orders"),
        (lambda stall: stall.ladder.levels[MIDDLE].orders.update({2: "x"}), "than an order"),
        (lambda stall: stall.ladder.keys.__setitem__(-1, "x"), "expected a whole number|'x'"),
        (lambda stall: stall.hold("makers", net=[1]), "expected two numbers"),
        (lambda stall: stall.hold("takers", net={}), "expected two numbers"),
    ],
)
@pytest.mark.parametrize("way", ["take", "sweep"])
def test_what_is_met_is_looked_at(
    twin: MakeQuotes, spoil: Callable[[Stall], None], why: str, way: str
) -> None:
    stall = Stall(twin, Side.BUY)
    stall.do("take", LEAST)  # in full: from here on it is known that the symbol is open
    stall.quotes.add(MIDDLE, LEAST, 1)
    spoil(stall)
    with pytest.raises((TypeError, KeyError), match=why):
        stall.do(way, LEAST if way == "take" else MIDDLE)


def test_the_others_are_quotes_too(twin: MakeQuotes) -> None:
    stall, strange = Stall(twin, Side.BUY), Stall(plain, Side.BUY)
    for others in (None, (), strange.others, (*stall.others[:2], None)):
        with pytest.raises(TypeError, match="all quotes"):
            stall.bids.chase(cast("Any", others), MIDDLE, MIDDLE + 1, 0.5, 1)
    with pytest.raises(TypeError):
        stall.bids.refresh(stall.others, cast("Any", (1.0,)), MIDDLE, MIDDLE, 1, 1.0, 1.0, 1)


def test_a_hand_is_taken_for_what_it_is(twin: MakeQuotes) -> None:
    """And not for what it says of itself: its slots are read in their places."""
    stall = Stall(twin, Side.BUY)

    class Liar:
        __class__ = Pit  # type: ignore[assignment]

    hand = Hand(stall.exchange, SYMBOL, "makers", Side.BUY)
    assert isinstance(Liar(), Pit)
    made = [hand._quote, hand._quote, lambda: cast("SimOrder", Liar())][::-1]
    hand._quote = lambda: made.pop()()
    quotes = twin(hand, stall.chance.random, 1, 1, 1)
    quotes.add(MIDDLE - 1, LEAST, 1)
    with pytest.raises(TypeError, match="something else than an order"):
        quotes.add(MIDDLE, LEAST, 2)
    hand._pit = cast("Pit", Liar())
    with pytest.raises(TypeError, match="found Liar, expected Pit"):
        twin(hand, stall.chance.random, 1, 1, 1)


def test_a_draw_that_fails_ends_it(make: MakeQuotes) -> None:
    stall = Stall(make, Side.BUY)

    def draw() -> float:
        raise LookupError

    hand = Hand(stall.exchange, SYMBOL, "makers", Side.BUY)
    quotes = make(hand, draw, LEAST, 1, 1 << 40)
    with pytest.raises(LookupError):
        quotes.fill(MIDDLE, 1, 1, 1.0, 1.0, 1.0, 1)
    assert quotes.keys == []


def test_the_collector_may_take_them_and_nothing_stays_behind(twin: MakeQuotes) -> None:
    def live() -> None:
        stall = Stall(twin, Side.BUY)
        for turn in range(40):
            stall.quotes.fill(MIDDLE, 6, 30, 20.0, 100.0, PER_LOT, turn)
            stall.quotes.churn(0.9, 20, turn)
            stall.taker.take(LEAST, turn)

    def held() -> int:
        gc.collect()
        return sys.getallocatedblocks()

    live()
    before = held()
    for _ in range(10):
        live()
    assert held() - before < 200


def test_a_set_of_quotes_leaves_no_word_in_a_cache_of_the_interpreter(twin: MakeQuotes) -> None:
    def live(sets: int) -> int:
        for _ in range(sets):
            Stall(twin, Side.BUY).quotes.fill(MIDDLE, 6, 30, 20.0, 100.0, PER_LOT, 1)
        gc.collect()
        return sys.getallocatedblocks()

    before = live(10)
    assert live(40) - before < 20


def test_a_size_is_drawn_as_the_library_would() -> None:
    ours, theirs = Random(3), Random(3)
    for _ in range(200):
        wanted = round(8000.0 * theirs.lognormvariate(-0.5, 1.0) / PER_LOT)
        assert abs(worth_about(ours.random, 8000.0, PER_LOT) - wanted) <= 1
    assert ours.getstate() == theirs.getstate()


def test_quotes_of_the_class_are_the_plain_ones() -> None:
    stall = Stall(plain, Side.BUY)
    assert type(stall.quotes) is Quotes
