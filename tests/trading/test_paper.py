from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model import events as ev
from pitwire.model.orders import (
    AmendOrder,
    CancelOrder,
    Order,
    OrderState,
    OrderType,
    RejectReason,
    ReplaceOrder,
    Side,
    TimeInForce,
    UpdateKind,
)
from pitwire.trading.paper import PaperVenue
from tests.trading.making import BTC, ETH, Desk, at, order, quote, snapshot, trade

D, K, T = Decimal, UpdateKind, OrderType
BIDS, ASKS = [(99, 1), (98, 2)], [(101, 1), (102, 2)]


class Trial:
    """A desk whose commands go to a paper venue, with every answer applied."""

    def __init__(self, *, book: bool = True, free: Any = None, **options: Any) -> None:
        self.desk = Desk()
        balances = {"BTC": D(10), "USDT": D(10_000)} if free is None else free
        self.paper = PaperVenue(self.desk.state, balances, **options)
        self.answers: list[Any] = []
        if book:
            self.show(snapshot(BIDS, ASKS))
        self.hear(self.paper.balances())

    def hear(self, events: list[ev.Event]) -> list[Any]:
        for event in events:
            self.desk.engine.apply(event)
        self.answers += events
        return events

    def show(self, *events: ev.Event) -> list[Any]:
        told: list[Any] = []
        for event in events:
            self.desk.engine.apply(event)
            told += self.hear(self.paper.apply(event))
        return told

    def send(self, command: Any, seconds: float = 1) -> list[Any]:
        self.desk.engine.sent(command, at(seconds))
        return self.hear(self.paper.take(command, at(seconds)))

    def state(self, order_id: str = "a") -> Any:
        found = self.desk.state.ledger.find(order_id)
        assert found is not None
        return found

    def money(self) -> dict[str, tuple[Decimal, Decimal]]:
        purse = self.paper.purse
        assets = ("BTC", "USDT")
        return {asset: (purse.free[asset], purse.locked.get(asset, D(0))) for asset in assets}


def kinds(events: list[Any]) -> list[Any]:
    return [event.update for event in events if isinstance(event, ev.Update)]


def fills(events: list[Any]) -> list[tuple[Decimal, Decimal, bool]]:
    return [(e.price, e.size, e.maker) for e in events if isinstance(e, ev.Fill)]


def aggregate(
    price: float, seconds: float, *, size: float = 1.0, side: Side = Side.BUY
) -> ev.AggregateTrade:
    return ev.AggregateTrade("test", BTC, at(seconds), at(seconds), price, size, side, 1, 1, 1)


def make(order_id: str = "a", size: Any = 1, **facts: Any) -> Order:
    price = facts.pop("price", None)
    kind = facts.pop("type", T.MARKET if price is None else T.LIMIT)
    made = order(order_id, size, price=price, type=kind, side=facts.pop("side", Side.BUY))
    fields = {name: getattr(made, name) for name in made.__struct_fields__}
    if "quote_size" in facts:
        fields["size"] = None
    return Order(**(fields | facts))


# ── taking ────────────────────────────────────────────────────────────────────────────────────


def test_a_market_order_walks_the_book() -> None:
    trial = Trial()
    told = trial.send(make(size=2))
    assert kinds(told) == [K.ACCEPTED, K.FILLED, K.FILLED]
    assert fills(told) == [(101, 1, False), (102, 1, False)]
    assert trial.state().state is OrderState.FILLED
    assert trial.money() == {
        "BTC": (D("11.998"), D(0)),
        "USDT": (D(10_000) - 203, D(0)),
    }
    assert trial.desk.state.portfolio.differences() == []


def test_what_the_book_cannot_fill_expires() -> None:
    trial = Trial()
    told = trial.send(make(size=5, side=Side.SELL))
    assert kinds(told) == [K.ACCEPTED, K.FILLED, K.FILLED, K.EXPIRED]
    assert fills(told) == [(99, 1, False), (98, 2, False)]
    assert trial.state().state is OrderState.EXPIRED
    assert trial.state().filled == 3


def test_an_amount_in_quote_units_is_spent_and_cut_to_the_lot() -> None:
    trial = Trial()
    told = trial.send(make(quote_size=D(150), type=T.MARKET))
    assert fills(told) == [(101, 1, False), (102, D("0.480"), False)]
    assert trial.state().state is OrderState.FILLED


def test_without_a_book_the_best_quote_is_all_there_is() -> None:
    trial = Trial(book=False)
    trial.show(quote(99, 101, ask_size=0.5))
    assert fills(trial.send(make(size=2))) == [(101, D("0.5"), False)]


def test_a_limit_order_takes_up_to_its_price_and_rests() -> None:
    trial = Trial()
    told = trial.send(make(size=2, price=101))
    assert fills(told) == [(101, 1, False)]
    assert trial.state().state is OrderState.PARTLY_FILLED
    assert trial.money()["USDT"] == (D(10_000) - 202, D(101))


@pytest.mark.parametrize(
    ("tif", "size", "expected", "end"),
    [
        (TimeInForce.IOC, 2, [(101, 1, False)], K.EXPIRED),
        (TimeInForce.FOK, 2, [], K.EXPIRED),
        (TimeInForce.FOK, 1, [(101, 1, False)], K.FILLED),
    ],
)
def test_at_once_or_not_at_all(tif: TimeInForce, size: int, expected: Any, end: Any) -> None:
    trial = Trial()
    told = trial.send(make(size=size, price=101, time_in_force=tif))
    assert fills(told) == expected
    assert kinds(told)[-1] is end
    assert trial.money()["USDT"][1] == 0


# ── resting ───────────────────────────────────────────────────────────────────────────────────


def sold(price: float, size: float, seconds: float = 2) -> ev.Trade:
    return trade(price, seconds, size=size, side=Side.SELL)


def test_a_resting_order_waits_behind_the_size_that_was_there() -> None:
    trial = Trial()
    trial.send(make(size=2, price=99))
    assert trial.show(sold(99, 0.6)) == []
    assert fills(trial.show(sold(99, 0.9))) == [(99, D("0.5"), True)]
    assert trial.show(trade(99, 3, size=5, side=Side.BUY)) == []
    assert fills(trial.show(sold(99, 9))) == [(99, D("1.5"), True)]
    assert trial.state().state is OrderState.FILLED
    assert trial.money() == {"BTC": (D("11.998"), D(0)), "USDT": (D(10_000) - 198, D(0))}


def test_the_queue_gets_shorter_when_the_visible_size_does() -> None:
    trial = Trial()
    trial.send(make(size=1, price=99))
    trial.show(snapshot([(99, 0.25)], ASKS, 2), snapshot([(99, 5)], ASKS, 3))
    assert fills(trial.show(sold(99, 0.75))) == [(99, D("0.5"), True)]


def test_inside_the_spread_there_is_no_queue() -> None:
    trial = Trial()
    trial.send(make(size=1, price=100))
    assert fills(trial.show(sold(100, 0.5))) == [(100, D("0.5"), True)]


def test_a_trade_beyond_the_price_fills_it_at_its_own_price() -> None:
    trial = Trial()
    trial.send(make(size=2, price=98))
    assert fills(trial.show(sold(97.5, 0.001))) == [(98, 2, True)]


def test_a_best_price_beyond_ours_fills_it_too() -> None:
    trial = Trial()
    trial.send(make(size=2, price=105, side=Side.SELL))
    assert trial.show(snapshot([(105, 1)], [(106, 1)], 2)) == []
    assert fills(trial.show(snapshot([(106, 1)], [(107, 1)], 3))) == [(105, 2, True)]


def test_a_queue_that_is_not_known_is_waited_out() -> None:
    trial = Trial(book=False)
    trial.show(quote(99, 101, bid_size=3))
    trial.send(make("a", size=1, price=98))
    trial.send(make("b", size=1, price=99))
    trial.send(make("c", size=1, price=100))
    assert trial.show(sold(98, 100, 2))[0].order_id in ("b", "c")
    assert trial.state("a").state is OrderState.OPEN
    trial.show(quote(98, 99.5, 3, bid_size=2))
    assert fills(trial.show(sold(98, 2.5, 4))) == [(98, D("0.5"), True)]


def test_the_quote_shows_the_queue_at_the_best_price_and_none_before_it() -> None:
    trial = Trial(book=False)
    trial.show(quote(99, 101, bid_size=3))
    trial.send(make("b", size=1, price=99))
    trial.send(make("c", size=1, price=100))
    assert [e.order_id for e in trial.show(sold(100, 1, 2)) if isinstance(e, ev.Fill)] == ["c"]
    assert trial.show(sold(99, 3, 3)) == []
    assert len(fills(trial.show(sold(99, 1, 4)))) == 1


def test_another_symbol_fills_nothing() -> None:
    trial = Trial()
    trial.send(make(size=1, price=99))
    assert trial.show(trade(1, 2, symbol=ETH), quote(1, 2, 2, symbol=ETH)) == []


# ── sleeping ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "side", "stop", "calm", "wakes"),
    [
        (T.STOP, Side.SELL, 95, 95.01, 95),
        (T.STOP, Side.BUY, 105, 104.99, 105),
        (T.TAKE_PROFIT, Side.SELL, 105, 104.99, 105),
        (T.TAKE_PROFIT, Side.BUY, 95, 95.01, 95),
    ],
)
def test_a_stop_wakes_by_a_trade_on_its_side(
    kind: OrderType, side: Side, stop: int, calm: float, wakes: float
) -> None:
    trial = Trial()
    trial.show(trade(100))
    trial.send(make(type=kind, side=side, stop_price=D(stop)))
    assert trial.show(trade(calm, 2)) == []
    told = trial.show(trade(wakes, 3))
    assert kinds(told) == [K.TRIGGERED, K.FILLED]
    assert [maker for _, _, maker in fills(told)] == [False]
    assert all(locked == 0 for _, locked in trial.money().values())


def test_a_stop_with_a_limit_rests_when_it_wakes() -> None:
    trial = Trial()
    trial.send(make(type=T.STOP_LIMIT, price=97, side=Side.SELL, stop_price=D(98), size=4))
    told = trial.show(trade(98, 2))
    assert kinds(told) == [K.TRIGGERED, K.FILLED, K.FILLED]
    assert trial.state().remaining == 1


def test_a_stop_that_would_wake_at_once_is_refused() -> None:
    trial = Trial()
    trial.show(trade(100))
    told = trial.send(make(type=T.STOP, side=Side.SELL, stop_price=D(101)))
    assert [(e.update, e.reason) for e in told] == [(K.REJECTED, RejectReason.WOULD_TRIGGER)]


def test_a_stop_that_can_no_longer_be_paid_expires() -> None:
    trial = Trial(free={"USDT": D(110), "BTC": D(0)})
    trial.send(make(type=T.STOP, stop_price=D(105), size=1))
    trial.show(snapshot([(199, 1)], [(200, 1)], 2))
    assert kinds(trial.show(trade(200, 3))) == [K.TRIGGERED, K.EXPIRED]
    assert trial.money()["USDT"] == (110, 0)


# ── refusals, cancels, changes ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (make(type=T.POST_ONLY, price=101), RejectReason.WOULD_TAKE),
        (make(size=100), RejectReason.INSUFFICIENT_FUNDS),
        (make(size=5, price=99, side=Side.SELL), RejectReason.INSUFFICIENT_FUNDS),
        (make(size=2, side=Side.SELL), RejectReason.INSUFFICIENT_FUNDS),
        (make(price=99, trailing_bips=10), RejectReason.NOT_SUPPORTED),
        (make(quote_size=D("0.01"), type=T.MARKET), RejectReason.NO_LIQUIDITY),
    ],
)
def test_what_it_refuses(wanted: Order, reason: RejectReason) -> None:
    trial = Trial(free={"USDT": D(300), "BTC": D(1)})
    told = trial.send(wanted)
    assert [(e.update, e.reason) for e in told] == [(K.REJECTED, reason)]
    assert trial.money() == {"USDT": (300, 0), "BTC": (1, 0)}


def test_an_empty_market_has_no_liquidity() -> None:
    told = Trial(book=False).send(make())
    assert [e.reason for e in told] == [RejectReason.NO_LIQUIDITY]


def test_an_id_is_used_once() -> None:
    trial = Trial()
    trial.send(make(price=99))
    told = trial.paper.take(make(price=98), at(2))
    assert [e.reason for e in told if isinstance(e, ev.Update)] == [RejectReason.DUPLICATE_ID]


def test_a_cancel_frees_what_was_locked() -> None:
    trial = Trial()
    trial.send(make(size=2, price=90))
    assert trial.money()["USDT"] == (9_820, 180)
    assert kinds(trial.send(CancelOrder(order_id="a", symbol=BTC), 2)) == [K.CANCELED]
    assert trial.money()["USDT"] == (10_000, 0)
    told = trial.paper.take(CancelOrder(order_id="a", symbol=BTC), at(3))
    assert [(e.update, e.reason) for e in told if isinstance(e, ev.Update)] == [
        (K.CANCEL_REJECTED, RejectReason.UNKNOWN_ORDER)
    ]


def test_a_replacement_is_both_or_neither() -> None:
    trial = Trial()
    trial.send(make("a", price=90))
    told = trial.send(ReplaceOrder(order_id="a", order=make("b", price=91)), 2)
    assert [(e.order_id, e.update) for e in told if isinstance(e, ev.Update)] == [
        ("a", K.CANCELED), ("b", K.ACCEPTED),
    ]  # fmt: skip
    told = trial.send(ReplaceOrder(order_id="a", order=make("c", price=92)), 3)
    assert [(e.order_id, e.update) for e in told if isinstance(e, ev.Update)] == [
        ("a", K.CANCEL_REJECTED), ("c", K.REJECTED),
    ]  # fmt: skip


def test_a_replacement_of_an_untouched_order_is_none_once_it_has_traded() -> None:
    trial = Trial()
    trial.send(make("a", size=2, price=100))
    trial.show(trade(100, 2, size=0.5, side=Side.SELL))
    told = trial.send(
        ReplaceOrder(order_id="a", order=make("b", size=2, price=99), untouched=True), 3
    )
    assert [(e.order_id, e.update) for e in told if isinstance(e, ev.Update)] == [
        ("a", K.CANCEL_REJECTED), ("b", K.REJECTED),
    ]  # fmt: skip
    assert trial.state("a").is_open


def test_an_amendment_frees_a_part() -> None:
    trial = Trial()
    trial.send(make("a", size=2, price=90))
    told = trial.send(AmendOrder(order_id="a", symbol=BTC, size=D(1)), 2)
    assert kinds(told) == [K.AMENDED]
    assert trial.state().size == 1
    assert trial.money()["USDT"] == (9_910, 90)
    for bad in (D(1), D(3)):
        told = trial.send(AmendOrder(order_id="a", symbol=BTC, size=bad), 3)
        assert [e.reason for e in told] == [RejectReason.SIZE_RULE]
    told = trial.paper.take(AmendOrder(order_id="x", symbol=BTC, size=D(1)), at(3))
    assert [e.reason for e in told if isinstance(e, ev.Update)] == [RejectReason.UNKNOWN_ORDER]


def test_a_command_arrives_after_its_latency() -> None:
    trial = Trial(latency_seconds=0.5)
    assert trial.send(make(size=1), 1) == []
    assert trial.paper.next_deadline() == at(1.5)
    told = trial.show(snapshot(BIDS, [(103, 5)], 1.4))
    assert told == []
    assert fills(trial.show(trade(100, 2))) == [(103, 1, False)]
    assert trial.paper.next_deadline() is None


# ── money is conserved ────────────────────────────────────────────────────────────────────────

steps = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "cancel", "trade", "book", "stop"]),
        st.integers(95, 105),
        st.integers(1, 4),
    ),
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(steps)
def test_whatever_happens_the_ledger_and_the_purse_agree(path: list[Any]) -> None:
    trial = Trial(free={"BTC": D(10), "USDT": D(1_000)})
    for number, (what, price, size) in enumerate(path):
        now, name = number + 2.0, f"o{number}"
        match what:
            case "buy" | "sell":
                trial.send(make(name, size, price=price, side=Side(what)), now)
            case "stop":
                trial.send(make(name, size, type=T.STOP, side=Side.SELL, stop_price=D(price)), now)
            case "cancel":
                for live in list(trial.desk.state.ledger.open)[:1]:
                    trial.send(CancelOrder(order_id=live, symbol=BTC), now)
            case "trade":
                trial.show(trade(price, now, size=size, side=Side.SELL))
            case "book":
                trial.show(snapshot([(price - 1, size)], [(price + 1, size)], now))
    assert trial.desk.state.portfolio.differences() == []
    assert all(free >= 0 and locked >= 0 for free, locked in trial.money().values())
    open_orders = trial.desk.state.ledger.open
    assert set(open_orders) == set(trial.paper._live)
    if not open_orders:
        assert all(locked == 0 for _, locked in trial.money().values())
    assert {told.what for told in trial.desk.state.ledger.take_disagreements()} == set()


# ── when it sees what ─────────────────────────────────────────────────────────────────────────


def test_what_came_before_an_order_does_not_fill_it() -> None:
    """A burst is applied, decided on, and only then shown to paper."""
    trial = Trial()
    burst = [trade(99, 5), quote(99.8, 101, 5)]
    for event in burst:
        trial.desk.engine.apply(event)
    trial.send(make(price=99.5), 5)
    assert [told for event in burst for told in trial.paper.apply(event)] == []
    trial.show(trade(99, 6))
    assert trial.state().state is OrderState.FILLED


def test_aggregates_wake_stops_where_no_single_trades_come() -> None:
    trial = Trial()
    trial.send(make(side=Side.SELL, type=T.STOP, stop_price=D(98)))
    trial.show(aggregate(97.5, 2))
    assert trial.state().state is OrderState.FILLED


def test_a_trade_told_twice_as_single_and_aggregate_eats_the_queue_once() -> None:
    trial = Trial()
    trial.show(trade(100, 0.5))
    trial.send(make(price=99))
    trial.show(trade(99, 2, size=0.6, side=Side.SELL), aggregate(99, 2, size=0.6, side=Side.SELL))
    assert trial.state().filled == 0
