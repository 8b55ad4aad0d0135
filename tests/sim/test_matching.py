"""Price–time priority, and what holds of an exchange whatever is asked of it."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import (
    Accepted,
    Amended,
    BalanceChanged,
    Ended,
    Kind,
    LevelChanged,
    Listing,
    NewOrder,
    Prevented,
    Refused,
    SimOrder,
    Status,
    Stp,
    Tif,
    Traded,
    Triggered,
)
from pitwire.sim.matching import Book, Ladder

NOW = 1_700_000_000_000_000_000
SYMBOL = "BTC-USDT"
D = Decimal


def resting(order_id: int, side: Side, price: int, lots: int, iceberg: int = 0) -> SimOrder:
    return SimOrder(
        order_id=order_id,
        account="ann",
        symbol=SYMBOL,
        side=side,
        kind=Kind.LIMIT,
        tif=Tif.GTC,
        lots=lots,
        price=price,
        iceberg_lots=iceberg,
        client_id="",
        stp=Stp.NONE,
    )


# ── the book by itself ────────────────────────────────────────────────────────────────────────


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12)), max_size=60))
def test_a_ladder_keeps_its_prices_in_order(steps: list[tuple[bool, int]]):
    for sign in (1, -1):
        ladder, expected = Ladder(sign), set()
        for adds, price in steps:
            if adds:
                ladder.level(price)
                expected.add(price)
            elif price in expected:
                ladder.drop(price)
                expected.remove(price)
            prices = sorted(expected, reverse=sign > 0)
            assert [price for price, _ in ladder.depth()] == prices
            best = ladder.best()
            assert (best.price if best else None) == (prices[0] if prices else None)


def test_within_stops_at_the_limit():
    book = Book()
    for price in (10, 11, 12):
        book.add(resting(price, Side.SELL, price, 1))
    assert [level.price for level in book.asks.within(11)] == [10, 11]
    assert [level.price for level in book.asks.within(None)] == [10, 11, 12]
    assert book.asks.best_within(9) is None
    assert book.bids.best_within(None) is None
    assert book.asks.depth(2) == [(10, 1), (11, 1)]


def test_buys_rounds_down_and_reckons_the_rest_at_the_last_price():
    book = Book()

    def buys(units: int, account: str = "bob", stp: Stp = Stp.EXPIRE_MAKER) -> int:
        return book.buys(Side.BUY, units, account=account, stp=stp)

    assert buys(100) == 0
    book.add(resting(1, Side.SELL, 10, 3))
    book.add(resting(2, Side.SELL, 20, 2))
    assert [buys(units) for units in (9, 39, 69, 110)] == [0, 3, 4, 3 + 2 + 2]
    assert buys(69, "ann", Stp.NONE) == buys(69, "ann", Stp.DECREMENT) == 4
    assert buys(69, "ann", Stp.EXPIRE_MAKER) == buys(69, "ann", Stp.EXPIRE_TAKER) == 0


# ── whatever is asked of it ───────────────────────────────────────────────────────────────────

LISTING = Listing(
    symbol=SYMBOL,
    base="BTC",
    quote="USDT",
    tick=D("0.05"),
    lot=D("0.001"),
    start_price=100,
    maker_fee=D("0.00075"),
    max_algo_orders=20,
)
OWNERS = {"ann": False, "bob": False, "crowd": True}
OPENING = {"BTC": D(1), "USDT": D(50)}

sides = st.sampled_from(Side)
owners = st.sampled_from(list(OWNERS))
prices = st.integers(90, 110)
sizes = st.integers(1, 40)
limits = st.fixed_dictionaries(
    {"kind": st.sampled_from((Kind.LIMIT, Kind.LIMIT, Kind.LIMIT_MAKER)), "price": prices},
    optional={"tif": st.sampled_from(Tif), "iceberg_lots": st.integers(1, 3)},
)
markets = st.just({"kind": Kind.MARKET})
stops = st.fixed_dictionaries(
    {
        "kind": st.sampled_from((Kind.STOP_LOSS, Kind.TAKE_PROFIT)),
        "stop_price": prices,
    },
    optional={"trailing_bips": st.integers(10, 500)},
)
stop_limits = st.fixed_dictionaries(
    {
        "kind": st.sampled_from((Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT_LIMIT)),
        "stop_price": prices,
        "price": prices,
    }
)
places = st.tuples(
    st.just("place"),
    st.one_of(limits, limits, limits, markets, stops, stop_limits),
    owners,
    sides,
    sizes,
    st.sampled_from(Stp),
)
amounts = st.tuples(st.just("amount"), owners, sides, st.integers(1, 1_000), st.sampled_from(Stp))
cancels = st.tuples(st.just("cancel"), st.integers(0, 50))
amends = st.tuples(st.just("amend"), st.integers(0, 50), sizes)
steps = st.lists(
    st.one_of(places, places, places, amounts, cancels, amends), min_size=25, max_size=70
)


class Story:
    """An exchange, all that was done to it and all that it said."""

    def __init__(self) -> None:
        self.exchange = Exchange([LISTING], entropy=Entropy(7))
        for name, unlimited in OWNERS.items():
            self.exchange.open_account(name, OPENING, unlimited=unlimited)
        self.facts: list = []
        self.levels: dict[tuple[Side, int], int] = {}
        self.now = NOW

    def step(self, step: tuple) -> None:
        self.now += 1_000
        try:
            self._do(step)
        except Refused:
            assert self.exchange.take_facts() == []
        self.hear()

    def _do(self, step: tuple) -> None:
        match step:
            case ("place", parts, owner, side, lots, stp):
                request = NewOrder(
                    account=owner, symbol=SYMBOL, side=side, lots=lots, stp=stp, **parts
                )
                self.exchange.place(request, self.now)
            case ("amount", owner, side, thousandths, stp):
                request = NewOrder(
                    account=owner,
                    symbol=SYMBOL,
                    side=side,
                    kind=Kind.MARKET,
                    quote=D(thousandths) / 1000,
                    stp=stp,
                )
                self.exchange.place(request, self.now)
            case ("cancel", order_id):
                owner = self.owner(order_id)
                self.exchange.cancel(owner, SYMBOL, order_id=order_id, now=self.now)
            case ("amend", order_id, lots):
                owner = self.owner(order_id)
                self.exchange.amend(
                    owner,
                    SYMBOL,
                    order_id=order_id,
                    client_id="",
                    lots=lots,
                    new_client_id="",
                    now=self.now,
                )

    def owner(self, order_id: int) -> str:
        for name in OWNERS:
            if any(order.order_id == order_id for order in self.exchange.open_orders(name)):
                return name
        return "ann"

    def hear(self) -> None:
        for fact in self.exchange.take_facts():
            self.facts.append(fact)
            if isinstance(fact, LevelChanged):
                self.levels[fact.side, fact.price] = fact.lots

    def orders(self) -> list[SimOrder]:
        return [order for name in OWNERS for order in self.exchange.all_orders(name, SYMBOL)]


def check_money(story: Story) -> None:
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for name in (*OWNERS, "fees"):
        for asset, (free, locked) in story.exchange.balances(name).items():
            totals[asset] += free + locked
            if not OWNERS.get(name):
                assert free >= 0, (name, asset)
                assert locked >= 0, (name, asset)
    assert totals == {asset: amount * len(OWNERS) for asset, amount in OPENING.items()}


def check_locks(story: Story) -> None:
    for name in ("ann", "bob"):
        base = quote = D(0)
        for order in story.exchange.open_orders(name):
            if order.side is Side.SELL:
                base += order.left * LISTING.lot
            else:
                quote += order.left * order.reserve_price * LISTING.tick * LISTING.lot
        balances = story.exchange.balances(name)
        assert (balances["BTC"][1], balances["USDT"][1]) == (base, quote)


def check_book(story: Story) -> None:
    depth = story.exchange.book(SYMBOL)
    assert depth.bids == sorted(depth.bids, reverse=True)
    assert depth.asks == sorted(depth.asks)
    if depth.bids and depth.asks:
        assert depth.bids[0][0] < depth.asks[0][0]
    rebuilt = {place: lots for place, lots in story.levels.items() if lots}
    shown = {(Side.BUY, price): lots for price, lots in depth.bids}
    shown |= {(Side.SELL, price): lots for price, lots in depth.asks}
    assert rebuilt == shown
    assert all(lots > 0 for lots in shown.values())


def check_orders(story: Story) -> None:
    over = (Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.EXPIRED_IN_MATCH)
    for order in story.orders():
        assert 0 <= order.filled_lots + order.prevented_lots <= max(order.lots, order.filled_lots)
        is_open = order in story.exchange.open_orders(order.account)
        assert is_open == (order.status not in over)
        if order.quote:
            assert order.filled_quote <= order.quote
        if order.status is Status.FILLED:
            assert order.left == 0
        if is_open:
            assert order.left > 0
            assert order.on_book != (order.working_since < 0)


def check_ids(story: Story) -> None:
    updates = [fact.update_id for fact in story.facts if isinstance(fact, LevelChanged)]
    assert updates == list(range(1, len(updates) + 1))
    trades = [fact.trade_id for fact in story.facts if isinstance(fact, Traded)]
    assert trades == list(range(1, len(trades) + 1))
    executions: list[int] = []
    for fact in story.facts:
        if isinstance(fact, Traded):
            executions += [fact.taker_execution, fact.maker_execution]
        elif isinstance(fact, Accepted | Ended | Amended | Triggered | Prevented):
            executions.append(fact.execution)
    assert executions == sorted(set(executions))


def check_balances_told(story: Story) -> None:
    told = {
        (fact.account, fact.asset): (fact.free, fact.locked)
        for fact in story.facts
        if isinstance(fact, BalanceChanged)
    }
    for name in ("ann", "bob"):
        for asset, amounts in story.exchange.balances(name).items():
            assert told.get((name, asset), (OPENING[asset], D(0))) == amounts


@settings(max_examples=120, deadline=None)
@given(steps)
def test_what_always_holds(asked: list[tuple]):
    story = Story()
    for step in asked:
        story.step(step)
        check_money(story)
        check_locks(story)
        check_book(story)
    check_orders(story)
    check_ids(story)
    check_balances_told(story)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_makers_at_one_price_are_met_in_the_order_they_came(asked: list[tuple]):
    story = Story()
    for step in asked:
        story.step(step)
    sizes = {order.order_id: order for order in story.orders()}
    met: dict[tuple[Side, int, int], int] = {}
    for fact in story.facts:
        if not isinstance(fact, Traded):
            continue
        maker = sizes.get(fact.maker.order_id, fact.maker)
        if maker.iceberg_lots or maker.working_since != maker.created:
            continue
        place = (maker.side, fact.price, fact.taker.order_id)
        assert met.get(place, 0) <= maker.order_id
        met[place] = maker.order_id


@settings(max_examples=40, deadline=None)
@given(steps)
def test_the_same_asks_give_the_same_facts(asked: list[tuple]):
    stories = []
    for _ in range(2):
        story = Story()
        for step in asked:
            story.step(step)
        stories.append(story.facts)
    assert stories[0] == stories[1]
