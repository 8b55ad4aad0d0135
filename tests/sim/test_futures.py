"""A futures exchange: positions, margins, reduce-only, modification, conditional orders."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.facts import (
    Ended,
    Kind,
    NewOrder,
    PositionSide,
    Refusal,
    Refused,
    SimOrder,
    Status,
    Stp,
    Traded,
)
from pitwire.sim.futures import FuturesExchange
from pitwire.sim.futures_facts import (
    AlgoStatus,
    ConditionalChanged,
    ConfigChanged,
    Liquidated,
    MarginCalled,
    MarginChanged,
    Modified,
    NewConditional,
    Reason,
)
from pitwire.sim.futures_listings import BTC_USDT_PERP
from pitwire.sim.margin import MarginAccount
from pitwire.sim.marks import Marks

SYMBOL = "BTC-USDT"
START = 1_700_000_000 * SECOND
BUY, SELL = Side.BUY, Side.SELL
PRICE = 600_000
"""60,000.00 in ticks of 0.10."""


class Desk:
    """One exchange, three owners, and words for what they do."""

    def __init__(self, money: str = "10000") -> None:
        self.exchange = FuturesExchange([BTC_USDT_PERP], entropy=Entropy(1))
        for name in ("ann", "bob"):
            self.exchange.open_account(name, {"USDT": Decimal(money)})
        self.exchange.open_account("deep", {}, unlimited=True)
        self.now = START

    def order(self, who: str, side: Side, lots: int, price: int | None = PRICE, **more: Any
              ) -> SimOrder:  # fmt: skip
        self.now += 1
        kind = Kind.MARKET if price is None else Kind.LIMIT
        request = NewOrder(
            account=who, symbol=SYMBOL, side=side, lots=lots, price=price,
            **{"kind": kind, "stp": Stp.NONE if who == "deep" else None} | more,
        )  # fmt: skip
        return self.exchange.place(request, self.now)

    def trade(self, who: str, side: Side, lots: int, price: int = PRICE, **more: Any) -> SimOrder:
        """Against somebody with no limits."""
        rests = self.order("deep", side.opposite, lots, price)
        made = self.order(who, side, lots, price, **more)
        if rests.on_book:
            self.exchange.cancel("deep", SYMBOL, order_id=rests.order_id, now=self.now)
        return made

    def refused(self, *args: Any, **more: Any) -> Refusal:
        with pytest.raises(Refused) as error:
            self.order(*args, **more)
        return error.value.refusal

    def mark(self, price: str) -> None:
        self.exchange.margins.marks[SYMBOL] = Decimal(price)

    def position(self, who: str = "ann", side: PositionSide = PositionSide.BOTH) -> Any:
        owner = self.exchange.margins.owner(who)
        return self.exchange.margins.state_of(owner, SYMBOL, side)

    def state(self, who: str = "ann") -> Any:
        return self.exchange.margins.state(self.exchange.margins.owner(who), "USDT")

    def total(self) -> Decimal:
        """All money there is, positions at the mark price."""
        margins, mark = self.exchange.margins, self.exchange.margins.marks[SYMBOL]
        found = Decimal(0)
        for name in margins.names():
            account = margins.find(name)
            found += account.free.get("USDT", Decimal(0))
            for position in account.of(SYMBOL) if isinstance(account, MarginAccount) else ():
                found += position.lots * BTC_USDT_PERP.lot * mark - position.cost
            lots, units = account.net.get(SYMBOL, [0, 0])
            found += BTC_USDT_PERP.lot * (lots * mark + units * BTC_USDT_PERP.tick)
        return found


def test_a_position_costs_what_was_paid_and_realises_the_difference() -> None:
    desk = Desk()
    desk.trade("ann", BUY, 100, 600_000)
    desk.trade("ann", BUY, 100, 610_000)
    assert (desk.position().lots, desk.position().entry) == (200, Decimal("60500"))
    desk.exchange.take_facts()
    desk.trade("ann", SELL, 50, 620_000)
    traded = [each for each in desk.exchange.take_facts() if isinstance(each, Traded)]
    assert traded[-1].taker_result == Decimal("0.05") * 1500
    assert (desk.position().lots, desk.position().entry) == (150, Decimal("60500"))
    fees = (60_000 * Decimal("0.1") + 61_000 * Decimal("0.1") + 62_000 * Decimal("0.05")) * Decimal(
        "0.0005"
    )
    assert desk.state().wallet == 10_000 + 75 - fees


def test_an_order_through_zero_closes_and_opens() -> None:
    desk = Desk()
    desk.trade("ann", BUY, 100, 600_000)
    desk.trade("ann", SELL, 150, 590_000)
    assert (desk.position().lots, desk.position().entry) == (-50, Decimal(59_000))
    assert desk.position().realised == -100


def test_money_is_neither_made_nor_lost() -> None:
    chance, desk = Random(7), Desk("100000")
    begun = desk.total()
    for _ in range(300):
        who = chance.choice(("ann", "bob"))
        price = chance.randint(590_000, 610_000)
        with suppress(Refused):
            desk.order(who, chance.choice((BUY, SELL)), chance.randint(1, 30), price)
        desk.mark(str(chance.randint(59_000, 61_000)))
        assert desk.total() == begun
        at = desk.state(who)
        assert at.available == max(
            0, at.cross + at.cross_unrealised - at.position_margin - at.order_margin
        )
    assert desk.position("ann").lots == -desk.position("bob").lots != 0
    desk.trade("ann", BUY if desk.position().lots < 0 else SELL, abs(desk.position().lots))
    assert desk.total() == begun


def test_open_orders_are_released_with_their_fills_and_cancels() -> None:
    desk = Desk()
    order = desk.order("ann", BUY, 100)
    assert desk.position().bids == 6000
    desk.order("deep", SELL, 40)
    assert desk.position().bids == 3600
    desk.exchange.cancel("ann", SYMBOL, order_id=order.order_id, now=desk.now)
    assert (desk.position().bids, desk.position().asks) == (0, 0)


def test_margin_is_what_the_larger_side_may_need() -> None:
    desk = Desk("1000")  # twenty times that is 20,000 of value, a third of a coin
    desk.order("ann", BUY, 300)
    assert desk.state().order_margin == 900
    desk.order("ann", SELL, 300, PRICE + 10)  # the other side needs nothing more
    assert desk.state().order_margin == Decimal("900.015")
    assert desk.refused("ann", BUY, 100) is Refusal.INSUFFICIENT_MARGIN
    assert desk.state().available == Decimal("99.985")


def test_what_makes_a_position_smaller_needs_no_margin() -> None:
    desk = Desk("1000")
    desk.trade("ann", BUY, 300)
    assert desk.refused("ann", BUY, 100, PRICE - 100) is Refusal.INSUFFICIENT_MARGIN
    assert desk.order("ann", SELL, 300, PRICE + 100).on_book
    assert desk.refused("ann", SELL, 400, PRICE + 100) is Refusal.INSUFFICIENT_MARGIN


def test_a_market_order_needs_margin_for_what_it_would_get() -> None:
    desk = Desk("100")
    desk.order("deep", SELL, 500)
    assert desk.refused("ann", BUY, 500, None) is Refusal.INSUFFICIENT_MARGIN
    assert desk.order("ann", BUY, 20, None).status is Status.FILLED


def test_leverage_is_refused_where_it_would_leave_too_little() -> None:
    desk = Desk("1000")
    desk.trade("ann", BUY, 300)
    with pytest.raises(Refused) as error:
        desk.exchange.set_leverage("ann", SYMBOL, 10, desk.now)
    assert error.value.refusal is Refusal.INSUFFICIENT_MARGIN
    desk.exchange.set_leverage("ann", SYMBOL, 50, desk.now)
    assert desk.state().position_margin == 18_000 / Decimal(50)
    with pytest.raises(Refused) as error:
        desk.exchange.set_leverage("ann", SYMBOL, 126, desk.now)
    assert error.value.refusal is Refusal.LEVERAGE
    changed = [each for each in desk.exchange.take_facts() if isinstance(each, ConfigChanged)]
    assert [each.leverage for each in changed] == [50]


def test_reduce_only_is_cut_to_the_position_and_refused_without_one() -> None:
    desk = Desk()
    assert desk.refused("ann", SELL, 10, reduce_only=True) is Refusal.REDUCE_ONLY
    desk.trade("ann", BUY, 50)
    assert desk.refused("ann", BUY, 10, reduce_only=True) is Refusal.REDUCE_ONLY
    assert desk.order("ann", SELL, 80, PRICE + 10, reduce_only=True).lots == 50


def test_reduce_only_expires_when_its_position_is_gone() -> None:
    desk = Desk()
    desk.trade("ann", BUY, 50)
    order = desk.order("ann", SELL, 50, PRICE + 500, reduce_only=True)
    desk.exchange.take_facts()
    desk.trade("ann", SELL, 50)
    ended = [each for each in desk.exchange.take_facts() if isinstance(each, Ended)]
    assert [each.order.order_id for each in ended if each.order.account == "ann"] == [
        order.order_id
    ]
    assert order.status is Status.EXPIRED


def test_hedge_mode_holds_two_positions() -> None:
    desk = Desk()
    assert desk.refused("ann", BUY, 10, position_side=PositionSide.LONG) is Refusal.POSITION_SIDE
    desk.exchange.set_hedged("ann", True)
    assert desk.refused("ann", BUY, 10) is Refusal.POSITION_SIDE
    desk.trade("ann", BUY, 50, position_side=PositionSide.LONG)
    desk.trade("ann", SELL, 30, position_side=PositionSide.SHORT)
    assert desk.position(side=PositionSide.LONG).lots == 50
    assert desk.position(side=PositionSide.SHORT).lots == -30
    refusal = desk.refused("ann", SELL, 60, PRICE + 10, position_side=PositionSide.LONG)
    assert refusal is Refusal.REDUCE_ONLY
    with pytest.raises(Refused) as error:
        desk.exchange.set_hedged("ann", False)
    assert error.value.refusal is Refusal.OPEN_POSITION


def hedged_desk() -> Desk:
    """100 lots long and 40 short from 60,000, and orders that would make both larger."""
    desk = Desk()
    desk.exchange.set_hedged("ann", True)
    desk.trade("ann", BUY, 100, position_side=PositionSide.LONG)
    desk.trade("ann", SELL, 40, position_side=PositionSide.SHORT)
    desk.order("ann", BUY, 10, PRICE - 100_000, position_side=PositionSide.LONG)
    desk.order("ann", SELL, 20, PRICE + 100_000, position_side=PositionSide.SHORT)
    return desk


def test_the_margins_of_two_sides_add_up_to_the_account_s() -> None:
    desk = hedged_desk()
    long, short = (desk.position(side=side) for side in (PositionSide.LONG, PositionSide.SHORT))
    # 0.010 at 50,000 and 0.020 at 70,000, by the leverage of 20
    assert (long.order_margin, short.order_margin) == (Decimal(25), Decimal(70))
    state = desk.state()
    assert long.order_margin + short.order_margin == state.order_margin
    assert long.initial + short.initial == state.position_margin


@pytest.mark.parametrize(("long", "short"), [(100, 40), (40, 100), (50, 50), (250, 248)])
def test_two_sides_of_one_symbol_are_closed_by_force_at_one_price(long: int, short: int) -> None:
    desk = Desk("1000")
    desk.exchange.set_hedged("ann", True)
    desk.exchange.set_leverage("ann", SYMBOL, 100, desk.now)
    desk.trade("ann", BUY, long, position_side=PositionSide.LONG)
    desk.trade("ann", SELL, short, position_side=PositionSide.SHORT)
    prices = {desk.position(side=each).liquidation for each in
              (PositionSide.LONG, PositionSide.SHORT)}  # fmt: skip
    (price,) = prices
    if (long, short) == (250, 248):  # 2 lots move as 498 keep: there is no such price
        assert price == 0
        return
    desk.mark(str(price))
    state = desk.state()
    assert abs(state.wallet + state.unrealised - state.maintenance) < Decimal("0.0001")


def test_an_isolated_position_is_given_its_own_margin() -> None:
    desk = Desk()
    desk.exchange.set_isolated("ann", SYMBOL, True, desk.now)
    desk.trade("ann", BUY, 100)
    assert desk.position().wallet == 300
    assert desk.state().cross == desk.state().wallet - 300
    desk.trade("ann", SELL, 40, 590_000)
    assert desk.position().wallet == 180
    desk.trade("ann", SELL, 60, 590_000)
    assert desk.position().wallet == 0
    assert desk.state().cross == desk.state().wallet


def test_a_trade_tells_the_account_before_itself() -> None:
    desk = Desk()
    desk.exchange.take_facts()
    desk.trade("ann", BUY, 10)
    facts = [
        each for each in desk.exchange.take_facts() if isinstance(each, MarginChanged | Traded)
    ]
    assert [type(each).__name__ for each in facts] == ["MarginChanged", "Traded"]
    told = facts[0]
    assert isinstance(told, MarginChanged)
    assert (told.account, told.reason, told.change) == ("ann", Reason.ORDER, 0)
    assert [each.lots for each in told.positions] == [10]


def test_a_modified_order_goes_to_the_end_of_the_queue() -> None:
    desk = Desk()
    first, second = desk.order("ann", BUY, 10), desk.order("bob", BUY, 10)
    change = {"order_id": first.order_id, "client_id": "", "side": BUY}
    desk.exchange.modify("ann", SYMBOL, **change, price=PRICE, lots=12, now=desk.now)
    assert desk.position("ann").bids == 720
    desk.order("deep", SELL, 10)
    assert (first.filled_lots, second.filled_lots) == (0, 10)
    assert any(isinstance(each, Modified) for each in desk.exchange.take_facts())
    desk.order("deep", SELL, 5)
    desk.exchange.modify("ann", SYMBOL, **change, price=PRICE, lots=5, now=desk.now)
    assert (first.status, first.filled_lots) == (Status.CANCELED, 5)


def test_a_modification_without_margin_changes_nothing() -> None:
    desk = Desk("100")
    order = desk.order("ann", BUY, 30)
    change = {"order_id": order.order_id, "client_id": "", "side": BUY}
    with pytest.raises(Refused) as error:
        desk.exchange.modify("ann", SYMBOL, **change, price=PRICE, lots=300, now=desk.now)
    assert error.value.refusal is Refusal.INSUFFICIENT_MARGIN
    assert (order.lots, order.on_book, desk.position().bids) == (30, True, 1800)


def conditional(**more: Any) -> NewConditional:
    return NewConditional(
        **{"account": "ann", "symbol": SYMBOL, "side": SELL, "kind": "STOP_MARKET", "lots": 10,
           "trigger": 590_000} | more
    )  # fmt: skip


def steps(desk: Desk) -> list[AlgoStatus]:
    return [
        each.conditional.status
        for each in desk.exchange.take_facts()
        if isinstance(each, ConditionalChanged)
    ]


def test_a_stop_becomes_an_order_when_the_price_is_touched() -> None:
    desk = Desk()
    desk.order("deep", BUY, 100, 580_000)
    desk.trade("bob", SELL, 10, 600_000)
    made = desk.exchange.conditionals.place(conditional(), desk.now)
    assert steps(desk) == [AlgoStatus.NEW]
    desk.trade("bob", SELL, 1, 590_000)
    assert steps(desk) == [AlgoStatus.TRIGGERING, AlgoStatus.TRIGGERED, AlgoStatus.FINISHED]
    assert made.order is not None
    assert (made.order.status, made.order.price, made.order.filled_lots) == (Status.FILLED, 0, 10)
    assert desk.position().lots == -10


def test_a_conditional_order_is_finished_when_the_order_that_it_became_is() -> None:
    desk = Desk()
    desk.trade("bob", SELL, 10, 600_000)
    request = conditional(kind="STOP", price=590_000)
    made = desk.exchange.conditionals.place(request, desk.now)
    desk.trade("bob", SELL, 1, 590_000)
    assert steps(desk) == [AlgoStatus.NEW, AlgoStatus.TRIGGERING, AlgoStatus.TRIGGERED]
    desk.order("deep", BUY, 4, 590_000)
    assert steps(desk) == []
    assert made.order is not None
    desk.exchange.cancel("ann", SYMBOL, order_id=made.order.order_id, now=desk.now)
    (*_, ended, told) = desk.exchange.take_facts()
    assert isinstance(ended, Ended)
    assert isinstance(told, ConditionalChanged)
    assert told.conditional.status is AlgoStatus.FINISHED
    assert told.conditional.order is not None
    assert (told.conditional.order.status, told.conditional.order.filled_lots) == (
        Status.CANCELED,
        4,
    )
    desk.order("deep", SELL, 1, 595_000)
    assert steps(desk) == []


def test_the_mark_price_sets_off_what_waits_for_it_and_nothing_else() -> None:
    desk = Desk()
    desk.order("deep", BUY, 100, 580_000)
    desk.trade("bob", SELL, 10, 600_000)
    waits = [
        desk.exchange.conditionals.place(conditional(by_mark=by_mark), desk.now)
        for by_mark in (True, False)
    ]
    desk.trade("bob", BUY, 1, 600_000)
    desk.exchange.take_facts()
    desk.exchange.conditionals.touch(SYMBOL, Decimal("589999.9"), desk.now, by_mark=True)
    assert [each.status for each in waits] == [AlgoStatus.FINISHED, AlgoStatus.NEW]


@pytest.mark.parametrize(
    ("when", "status"),
    [
        (AlgoStatus.REJECTED, AlgoStatus.REJECTED),
        (AlgoStatus.EXPIRED, AlgoStatus.EXPIRED),
        (None, AlgoStatus.FINISHED),
    ],
)
def test_a_protected_order_does_not_fire_while_the_prices_are_apart(
    when: AlgoStatus | None, status: AlgoStatus
) -> None:
    desk = Desk()
    desk.exchange.conditionals.when_protected = when
    desk.order("deep", BUY, 100, 560_000)
    desk.order("deep", BUY, 10, 589_000)
    desk.trade("bob", SELL, 10, 600_000)
    made = [
        desk.exchange.conditionals.place(conditional(price_protect=each, trigger=at), desk.now)
        for each, at in ((True, 590_000), (True, 565_000), (False, 565_000))
    ]
    desk.trade("bob", SELL, 1, 590_000)  # 1.7 % from the mark: within 5 %
    desk.exchange.take_facts()
    assert [each.status.value for each in made] == ["FINISHED", "NEW", "NEW"]
    desk.order("deep", SELL, 1, 565_000)  # 5.8 %
    desk.order("deep", BUY, 1, 565_000)
    desk.exchange.take_facts()
    assert [each.status for each in made[1:]] == [status, AlgoStatus.FINISHED]


def test_a_stop_behind_the_price_is_refused() -> None:
    desk = Desk()
    desk.trade("bob", SELL, 10, 600_000)
    with pytest.raises(Refused) as error:
        desk.exchange.conditionals.place(conditional(trigger=600_000), desk.now)
    assert error.value.refusal is Refusal.WOULD_TRIGGER


def test_a_trailing_stop_follows_the_best_price() -> None:
    desk = Desk()
    desk.order("deep", BUY, 100, 500_000)
    desk.trade("bob", SELL, 1, 600_000)
    request = conditional(kind="TRAILING_STOP_MARKET", trigger=0, callback_bips=100)
    made = desk.exchange.conditionals.place(request, desk.now)
    for price, status in ((620_000, AlgoStatus.NEW), (613_900, AlgoStatus.NEW),
                          (613_800, AlgoStatus.FINISHED)):  # fmt: skip
        desk.trade("bob", SELL, 1, price)
        desk.exchange.take_facts()
        assert made.status is status, price


def test_closing_a_position_expires_what_would_close_it() -> None:
    desk = Desk()
    desk.trade("ann", BUY, 10)
    desk.exchange.take_facts()
    request = conditional(lots=0, close_position=True)
    made = desk.exchange.conditionals.place(request, desk.now)
    desk.trade("ann", SELL, 10)
    desk.exchange.take_facts()
    assert made.status is AlgoStatus.EXPIRED


def test_a_position_without_margin_is_closed_by_force() -> None:
    desk = Desk("1000")
    marks = Marks(desk.exchange, START)
    desk.trade("ann", BUY, 300)
    desk.order("ann", BUY, 1, 500_000)
    begun = desk.total()
    for price in (568_000, 567_000):
        desk.order("deep", BUY, 400, price)
        desk.order("deep", SELL, 1, price)  # the last price
    told: list[Any] = []
    while not told:
        desk.now = marks.next_deadline()
        marks.handle_deadline(desk.now)
        told = [each for each in desk.exchange.take_facts() if isinstance(each, Liquidated)]
        assert desk.now < START + 300 * SECOND
    assert (told[0].order.side, told[0].order.filled_lots) == (SELL, 300)
    assert told[0].order.client_id.startswith("autoclose-")
    assert desk.position().lots == 0
    assert desk.exchange.open_orders("ann") == []
    assert desk.state().wallet >= 0
    desk.mark("57000")
    assert desk.total() == begun


def test_an_account_is_warned_once_before() -> None:
    desk = Desk("1000")
    marks = Marks(desk.exchange, START)
    desk.trade("ann", BUY, 300)
    # 300 lots lose 0.3 a dollar; what must be kept is 0.4 % of the value
    desk.order("deep", BUY, 10, 569_300)
    desk.order("deep", SELL, 10, 569_500)
    desk.order("deep", SELL, 1, 569_300)
    calls = []
    for _ in range(90):
        desk.now = marks.next_deadline()
        marks.handle_deadline(desk.now)
        calls += [each for each in desk.exchange.take_facts() if isinstance(each, MarginCalled)]
    assert [each.account for each in calls] == ["ann"]
    assert desk.position().lots == 300


def test_funding_is_paid_at_eight_hours_by_the_long_to_the_short() -> None:
    desk = Desk()
    desk.order("ann", BUY, 100)
    desk.order("bob", SELL, 100)
    begun = desk.total()
    marks = Marks(desk.exchange, START)
    due = marks.funding_at(SYMBOL, START)
    assert due % (8 * 3600 * SECOND) == 0
    marks.handle_deadline(due - SECOND)
    before = {name: desk.state(name).wallet for name in ("ann", "bob")}
    desk.exchange.take_facts()
    marks.handle_deadline(due)
    rate = marks.marks[SYMBOL].rate
    assert rate == Decimal("0.0001")  # a still market: the interest rate alone
    paid = {name: desk.state(name).wallet - before[name] for name in before}
    assert paid == {"ann": Decimal("-0.6"), "bob": Decimal("0.6")}
    told = [each for each in desk.exchange.take_facts() if isinstance(each, MarginChanged)]
    assert {(each.account, each.reason, each.change) for each in told} == {
        ("ann", Reason.FUNDING_FEE, Decimal("-0.6")),
        ("bob", Reason.FUNDING_FEE, Decimal("0.6")),
    }
    assert desk.total() == begun


def test_the_price_filter_follows_the_mark_and_looks_one_way() -> None:
    desk = Desk("100000")
    desk.trade("ann", BUY, 1)
    Marks(desk.exchange, START).handle_deadline(START + SECOND)
    up, down = BTC_USDT_PERP.percent_up, BTC_USDT_PERP.percent_down
    assert desk.order("ann", SELL, 1, int(PRICE * up) + 5000).on_book
    assert desk.order("ann", BUY, 1, int(PRICE * down) - 5000).on_book
    assert desk.refused("ann", BUY, 1, int(PRICE * up) + 5000) is Refusal.FILTER
    assert desk.refused("ann", SELL, 1, int(PRICE * down) - 5000) is Refusal.FILTER


def test_money_that_is_spoken_for_cannot_be_taken_away() -> None:
    desk = Desk("1000")
    desk.trade("ann", BUY, 300)
    with pytest.raises(Refused) as error:
        desk.exchange.deposit("ann", "USDT", Decimal(-500), desk.now)
    assert error.value.refusal is Refusal.INSUFFICIENT_MARGIN
    desk.exchange.deposit("ann", "USDT", Decimal(500), desk.now)
    assert desk.state().wallet == 1500 - Decimal(9)


def test_a_spot_listing_is_refused() -> None:
    from pitwire.sim.world import BTC_USDT

    with pytest.raises(ValueError, match="BTC-USDT: found no contract"):
        FuturesExchange([BTC_USDT], entropy=Entropy(1))
