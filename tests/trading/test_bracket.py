from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import Any

from pitwire.model.orders import (
    AmendOrder,
    CancelOrder,
    Order,
    OrderType,
    Side,
    UpdateKind,
)
from pitwire.trading.bracket import Bracket, Stage
from pitwire.trading.declared import build_rule
from pitwire.trading.journal import Alerted
from pitwire.trading.limits import Limits
from tests.trading.making import BTC, Desk, at, fill, quote, trade, update

D, K = Decimal, UpdateKind
SHAPE = """
bracket.entry = { market = "buy", size = 2, symbol = "BTC-USDT" }
bracket.take_profit = { percent = 2 }
bracket.stop = { percent = 1 }
"""
WHEN = 'when = { price = "BTC-USDT", crosses_below = 100 }\n'


class Trial:
    """A desk with one bracket, and short ways to let the venue speak."""

    def __init__(self, text: str = SHAPE, more: str = "", limits: Limits | None = None) -> None:
        made = build_rule(tomllib.loads(more + text), name="b")
        assert isinstance(made, Bracket)
        self.bracket = made
        self.desk = Desk(made, limits=limits)
        self.trades = 0
        self.clock = 0.0

    def price(self, price: float, seconds: float = 1) -> list[Any]:
        self.clock += seconds
        return self.desk.burst(quote(price, price, self.clock), trade(price, self.clock))

    def fills(self, order: Order, size: Any = None, price: Any = 100, **facts: Any) -> list[Any]:
        self.trades += 1
        self.clock += 0.1
        return self.desk.burst(
            fill(order.id, order.size if size is None else size, price, self.clock,
                 side=order.side, trade_id=str(self.trades), **facts)
        )  # fmt: skip

    def says(self, order: Order | str, kind: UpdateKind, **facts: Any) -> list[Any]:
        self.clock += 0.1
        order_id = order if isinstance(order, str) else order.id
        return self.desk.burst(update(order_id, kind, self.clock, **facts))

    def entered(self) -> Order:
        """Fill the entry; the take profit that follows."""
        [entry] = self.price(100)
        assert entry.tag == "b/entry"
        [profit] = self.fills(entry)
        self.says(profit, K.ACCEPTED)
        assert self.bracket.stage is Stage.HOLDING
        return profit


def test_the_take_profit_rests_and_ends_it() -> None:
    trial = Trial()
    profit = trial.entered()
    assert (profit.side, profit.type, profit.size, profit.price, profit.tag) == (
        Side.SELL, OrderType.LIMIT, 2, 102, "b/profit",
    )  # fmt: skip
    assert trial.price(101) == []
    assert trial.fills(profit, price=102) == []
    assert trial.bracket.stage is Stage.DONE
    assert trial.price(90) == []


def test_the_watched_stop_cancels_the_take_profit_and_closes_at_market() -> None:
    trial = Trial()
    profit = trial.entered()
    assert trial.price(99.01) == []
    [command] = trial.price(99)
    assert isinstance(command, CancelOrder)
    assert command.order_id == profit.id
    assert trial.price(99.5) == []
    [out] = trial.says(profit, K.CANCELED)
    assert (out.side, out.type, out.size, out.tag) == (Side.SELL, OrderType.MARKET, 2, "b/stop")
    trial.fills(out, price=99)
    assert trial.bracket.stage is Stage.DONE
    assert trial.desk.state.portfolio.position(BTC) == 0


def test_a_take_profit_that_filled_in_part_leaves_the_rest_to_the_stop() -> None:
    trial = Trial()
    profit = trial.entered()
    trial.fills(profit, "0.5", 102)
    trial.price(98)
    [out] = trial.says(profit, K.CANCELED, filled="0.5")
    assert out.size == D("1.5")


def test_a_take_profit_that_fills_while_it_is_cancelled_ends_it() -> None:
    trial = Trial()
    profit = trial.entered()
    trial.price(98)
    assert trial.fills(profit, price=102) == []
    trial.says(profit, K.CANCEL_REJECTED)
    assert trial.bracket.stage is Stage.DONE
    assert trial.desk.state.portfolio.position(BTC) == 0


def test_fees_in_the_asset_itself_are_not_sold_again() -> None:
    trial = Trial()
    [entry] = trial.price(100)
    [profit] = trial.fills(entry, fee="0.002", fee_asset="BTC")
    assert profit.size == D("1.998")


def test_a_leg_that_was_rejected_is_wished_again() -> None:
    trial = Trial()
    [entry] = trial.price(100)
    [profit] = trial.fills(entry)
    assert trial.says(profit, K.REJECTED) == []
    [again] = trial.price(100, 1)
    assert (again.tag, again.size) == ("b/profit", 2)
    assert trial.price(100, 1) == []


def test_a_leg_is_wished_again_a_second_later_and_not_before() -> None:
    trial = Trial()
    [entry] = trial.price(100)
    [profit] = trial.fills(entry)  # at 1.1 s
    assert trial.says(profit, K.REJECTED) == []
    assert trial.price(100, 0.89) == []
    [again] = trial.price(100, 0.01)
    assert again.tag == "b/profit"


def test_a_single_lot_is_protected_and_less_than_one_is_not() -> None:
    trial = Trial()
    [entry] = trial.price(10_000)
    [profit] = trial.fills(entry, price=10_000)
    trial.says(profit, K.ACCEPTED)
    trial.fills(profit, "1.999", 10_200)
    trial.says(profit, K.CANCELED)
    [last] = trial.price(10_000, 1)
    assert (last.tag, last.size) == ("b/profit", D("0.001"))

    trial = Trial(SHAPE.replace("size = 2", "size = 0.1"))
    [entry] = trial.price(100)
    assert trial.fills(entry, "0.1", fee="0.0995", fee_asset="BTC") == []
    assert trial.bracket.stage is Stage.DONE


def test_both_legs_rest_and_one_takes_the_other_away() -> None:
    trial = Trial(more="bracket.resting_stop = true\n")
    [entry] = trial.price(100)
    stop, profit = trial.fills(entry)
    assert (stop.type, stop.stop_price, stop.size) == (OrderType.STOP, 99, 2)
    assert (profit.type, profit.price, profit.size) == (OrderType.LIMIT, 102, 2)
    trial.says(stop, K.ACCEPTED)
    trial.says(profit, K.ACCEPTED)
    [smaller] = trial.fills(profit, "0.5", 102)
    assert isinstance(smaller, AmendOrder)
    assert (smaller.order_id, smaller.size) == (stop.id, D("1.5"))
    assert trial.says(stop, K.AMENDED, size="1.5") == []
    [gone] = trial.fills(profit, "1.5", 102)
    assert isinstance(gone, CancelOrder)
    assert gone.order_id == stop.id
    assert trial.bracket.stage is Stage.HOLDING
    trial.says(stop, K.CANCELED)
    assert trial.bracket.stage is Stage.DONE


def test_both_legs_trading_at_once_is_said_loudly() -> None:
    trial = Trial(more="bracket.resting_stop = true\n")
    [entry] = trial.price(100)
    stop, profit = trial.fills(entry)
    trial.desk.engine.apply(fill(stop.id, 2, 99, 3, side=Side.SELL, trade_id="s"))
    trial.desk.burst(fill(profit.id, 2, 102, 3, side=Side.SELL, trade_id="p"))
    assert [record.level for record in trial.desk.of(Alerted)] == ["error"]
    assert "2 too much" in trial.desk.of(Alerted)[0].text
    assert trial.bracket.stage is Stage.DONE


def test_a_short_bracket_is_the_mirror() -> None:
    trial = Trial(SHAPE.replace('"buy"', '"sell"'))
    [entry] = trial.price(100)
    [profit] = trial.fills(entry)
    assert (profit.side, profit.price) == (Side.BUY, 98)
    trial.says(profit, K.ACCEPTED)
    assert trial.price(100.99) == []
    [gone] = trial.price(101)
    assert isinstance(gone, CancelOrder)


def test_it_waits_for_its_condition_and_repeats_when_told_to() -> None:
    trial = Trial(more=WHEN + "bracket.repeat = true\n")
    assert trial.price(101) == []
    [entry] = trial.price(99)
    [profit] = trial.fills(entry, price=99)
    trial.fills(profit, price=101)
    assert trial.bracket.stage is Stage.WAITING
    assert trial.price(101) == []
    [entry] = trial.price(99)
    [profit] = trial.fills(entry, price=99)
    assert profit.size == 2


def test_an_entry_that_was_refused_waits_for_the_condition_again() -> None:
    trial = Trial(more=WHEN, limits=Limits(max_order_size=D(1)))
    trial.price(101)
    assert trial.price(99) == []
    assert trial.desk.refusals == ["max_order_size"]
    trial.price(101, 2)
    assert trial.bracket.stage is Stage.WAITING
    assert trial.price(99, 2) == []
    assert trial.desk.refusals == ["max_order_size"] * 2


def test_an_entry_without_a_condition_is_tried_a_few_times() -> None:
    trial = Trial(limits=Limits(max_order_size=D(1)))
    for _ in range(60):
        trial.price(100)
    assert trial.desk.refusals == ["max_order_size"] * 3
    assert trial.bracket.stage is Stage.DONE
    assert [record.level for record in trial.desk.of(Alerted)] == ["error"]


def test_it_enters_by_the_clock_when_there_is_no_condition() -> None:
    trial = Trial()
    trial.desk.engine.apply(quote(100, 100))
    assert trial.desk.engine.next_wake() == 0
    [entry] = trial.desk.engine.decide(at(0))
    assert isinstance(entry, Order)


def test_patience_with_a_resting_entry_ends() -> None:
    text = SHAPE.replace('market = "buy"', 'limit = "buy", price = { from = "bid", ticks = -10 }')
    trial = Trial(text, more="bracket.entry_seconds = 5\n")
    [entry] = trial.price(100)
    assert (entry.type, entry.price) == (OrderType.LIMIT, D("99.90"))
    trial.says(entry, K.ACCEPTED)
    assert trial.fills(entry, "0.5", 99.9) == []
    assert trial.desk.engine.next_wake() == at(6)
    [gone] = trial.desk.engine.decide(at(6))
    assert isinstance(gone, CancelOrder)
    assert trial.desk.engine.next_wake() == at(7)
    trial.clock = 6
    [profit] = trial.says(entry, K.CANCELED, filled="0.5")
    assert profit.size == D("0.5")


def test_legs_wait_for_fills_that_the_venue_reported_and_did_not_send() -> None:
    trial = Trial()
    [entry] = trial.price(100)
    assert trial.says(entry, K.FILLED, filled=2, size=2) == []
    assert trial.bracket.stage is Stage.ENTERING
    [profit] = trial.fills(entry)
    assert profit.size == 2


def test_an_entry_that_ended_with_nothing_is_not_protected() -> None:
    trial = Trial(more=WHEN)
    trial.price(101)
    [entry] = trial.price(99)
    assert trial.says(entry, K.EXPIRED) == []
    assert trial.bracket.stage is Stage.WAITING


def test_a_price_that_is_not_known_is_said_and_tried_again() -> None:
    text = SHAPE.replace('market = "buy"', 'limit = "buy", price = { from = "bid" }')
    trial = Trial(text)
    trial.desk.engine.decide(at(0))
    assert [record.level for record in trial.desk.of(Alerted)] == ["warning"]
    assert trial.desk.engine.next_wake() == at(1)
    [entry] = trial.price(100)
    assert entry.price == 100
