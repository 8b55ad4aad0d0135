"""Orders that reduce a position, several at once and from both sides."""

from __future__ import annotations

from pitwire.model.orders import Side
from pitwire.sim.facts import Ended, PositionSide, Status
from tests.sim.test_futures import PRICE, Desk

BUY, SELL = Side.BUY, Side.SELL


def test_several_that_reduce_do_not_turn_a_position_round_in_one_sweep() -> None:
    desk = Desk()
    desk.trade("ann", BUY, 50)
    first = desk.order("ann", SELL, 50, PRICE + 10, reduce_only=True)
    second = desk.order("ann", SELL, 50, PRICE + 10, reduce_only=True)
    further = desk.order("ann", SELL, 40, PRICE + 20, reduce_only=True)
    behind = desk.order("bob", SELL, 30, PRICE + 20)
    desk.exchange.take_facts()
    taker = desk.order("deep", BUY, 70, PRICE + 20)
    assert desk.position().lots == 0
    assert [each.status for each in (first, second, further)] == [
        Status.FILLED,
        Status.EXPIRED,
        Status.EXPIRED,
    ]
    # What stood behind them is met instead, and the book is what it says it is.
    assert (taker.filled_lots, behind.filled_lots) == (70, 20)
    assert desk.exchange.book("BTC-USDT").asks == [(PRICE + 20, 10)]
    ended = [fact for fact in desk.exchange.take_facts() if isinstance(fact, Ended)]
    assert [each.order.order_id for each in ended] == [second.order_id, further.order_id]


def test_one_that_reduces_trades_no_more_than_is_left_of_its_position() -> None:
    desk = Desk()
    desk.trade("ann", BUY, 50)
    first = desk.order("ann", SELL, 30, PRICE + 10, reduce_only=True)
    second = desk.order("ann", SELL, 50, PRICE + 10, reduce_only=True)
    desk.order("deep", BUY, 80, PRICE + 10)
    assert (first.filled_lots, second.filled_lots, second.status) == (30, 20, Status.EXPIRED)
    assert desk.position().lots == 0


def test_the_two_sides_of_a_symbol_reduce_each_its_own() -> None:
    desk = Desk()
    desk.exchange.set_hedged("ann", True)
    long, short = PositionSide.LONG, PositionSide.SHORT
    desk.trade("ann", BUY, 50, position_side=long)
    desk.trade("ann", SELL, 30, position_side=short)
    closing = desk.order("ann", SELL, 50, PRICE + 10, position_side=long)
    opening = desk.order("ann", SELL, 20, PRICE + 10, position_side=short)
    desk.order("deep", BUY, 70, PRICE + 10)
    assert (closing.status, opening.status) == (Status.FILLED, Status.FILLED)
    assert desk.position(side=long).lots == 0
    assert desk.position(side=short).lots == -50
