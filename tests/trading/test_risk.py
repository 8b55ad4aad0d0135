from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model import events as ev
from pitwire.model.orders import (
    AmendOrder,
    Cancel,
    CancelOrder,
    Cause,
    HaltTrading,
    Order,
    OrderState,
    OrderType,
    Place,
    ReplaceOrder,
    Side,
    TimeInForce,
    UpdateKind,
)
from pitwire.trading.ids import is_protective
from pitwire.trading.journal import Alerted, Decided, Halted, Refusal, Resumed
from pitwire.trading.limits import Limits, SymbolLimits
from pitwire.trading.risk import Screen
from pitwire.trading.tracked import Origin, Tracked
from pitwire.trading.wishes import alert, amend, buy, cancel, halt, replace, sell
from tests.trading.making import (
    BTC,
    ETH,
    SECOND,
    T0,
    Desk,
    at,
    balance,
    fill,
    instrument,
    quote,
    snapshot,
    unanswered,
    update,
)

D, K = Decimal, UpdateKind


def desk(limits: Limits | None = None, **changes: Any) -> Desk:
    """A desk with a fresh quote on both symbols."""
    made = Desk(limits=limits, **changes)
    made.burst(quote(99.99, 100.01), quote(9.99, 10.01, symbol=ETH))
    return made


def admit(made: Desk, *wishes: Any, seconds: float = 0) -> list[Any]:
    commands = made.screen.admit(wishes, made.state, at(seconds))
    for command in commands:
        made.engine.sent(command, at(seconds))
    return commands


# ── what passes ───────────────────────────────────────────────────────────────────────────────


def test_a_good_order_passes_and_counts_at_once() -> None:
    made = desk()
    [order] = made.screen.admit([buy(BTC, 0.5, price=99.5, tag="x")], made.state, at(1))
    assert isinstance(order, Order)
    assert (order.id, order.symbol, order.side, order.type) == (
        "t-1-1", BTC, Side.BUY, OrderType.LIMIT,
    )  # fmt: skip
    assert (order.size, order.price, order.tag, order.decided) == (D("0.5"), D("99.5"), "x", at(1))
    tracked = made.state.ledger.find(order.id)
    assert tracked is not None
    assert tracked.state is OrderState.NEW
    assert made.state.ledger.exposure(BTC, None).buys == D("0.5")
    assert [record.command for record in made.of(Decided)] == [order]


def test_a_draft_is_put_on_the_grid() -> None:
    made = desk()
    [order] = admit(made, buy(BTC, 0.12345, price="99.504"))
    assert (order.size, order.price) == (D("0.123"), D("99.50"))


# ── every limit refuses, and its neighbour passes ─────────────────────────────────────────────

Case = tuple[str, Callable[[], Desk], Any, Any]


def with_position(size: Any, limits: Limits | None = None) -> Desk:
    made = desk(limits)
    made.burst(fill("seed", size, 100, trade_id="seed"), update("seed", K.FILLED, size=size))
    return made


def with_stale_feed() -> Desk:
    made = desk()
    made.burst(ev.FeedStale("test", BTC, 0, at(0), "trades", 5.0))
    return made


def with_unknown_order() -> Desk:
    made = desk()
    [order] = admit(made, buy(BTC, 1, price=90))
    made.burst(unanswered(order.id))
    return made


def with_open_orders(count: int, **limits: Any) -> Desk:
    made = desk(Limits(**limits))
    for number in range(count):
        admit(made, buy(BTC, 1, price=90 - number))
    return made


def with_few_allowed() -> Desk:
    made = desk(instruments=[instrument(BTC, max_open_orders=1), instrument(ETH)])
    admit(made, buy(BTC, 1, price=91))
    return made


def halted() -> Desk:
    made = desk()
    made.engine.halt("enough", "person", at(0))
    return made


def losing(loss: Any) -> Desk:
    made = with_position(1, Limits(max_daily_loss=D(10)))
    made.burst(quote(99.99 - loss, 100.01 - loss))
    return made


def judged(error: int) -> Desk:
    """A desk that knows the venue's time to so many nanoseconds."""
    made = desk()
    made.burst(ev.ClockOffset("test", "", 0, at(0), 0, error))
    return made


def status(text: str) -> Desk:
    made = desk()
    made.burst(ev.MarketStatus("test", BTC, 0, at(0), text))
    return made


def funded(**free: Any) -> Desk:
    made = desk()
    made.burst(*(balance(asset, amount) for asset, amount in free.items()))
    return made


def listed(**facts: Any) -> Callable[[], Desk]:
    return lambda: desk(instruments=[instrument(BTC, **facts), instrument(ETH)])


def limited(**limits: Any) -> Callable[[], Desk]:
    return lambda: desk(Limits(**limits))


def placed(**facts: Any) -> Place:
    return Place(**({"symbol": BTC, "side": Side.BUY, "size": D(1)} | facts))


LIMIT = {"type": OrderType.LIMIT}
CASES: list[Case] = [
    # limit, a desk, a wish it refuses, one that it admits
    ("stale input", with_stale_feed, buy(BTC, 1), buy(ETH, 1)),
    ("quote", lambda: Desk(), buy(BTC, 1), None),
    ("market status", lambda: status("HALT"), buy(BTC, 1), buy(ETH, 1)),
    ("digits", listed(max_size=D(10) ** 15), buy(BTC, 1), buy(ETH, 1)),
    ("instrument", desk, buy("DOGE-USDT", 1), buy(BTC, 1)),
    ("size", desk, placed(size=None), placed()),
    ("size", desk, placed(quote_size=D(50)), placed(size=None, quote_size=D(50))),
    ("price", desk, placed(**LIMIT), placed(**LIMIT, price=D(99))),
    ("price", desk, placed(price=D(99)), placed()),
    ("stop price", desk, placed(type=OrderType.STOP),
     placed(type=OrderType.STOP, stop_price=D(110))),
    ("stop price", desk, placed(stop_price=D(110)), placed()),
    ("trailing bips", desk, placed(type=OrderType.STOP, trailing_bips=-5),
     placed(type=OrderType.STOP, trailing_bips=5)),
    ("quote size", desk, placed(**LIMIT, size=None, quote_size=D(50), price=D(99)), None),
    ("order type", listed(order_types=(OrderType.LIMIT,)), buy(BTC, 1), buy(BTC, 1, price=99)),
    ("grid price", desk, placed(**LIMIT, price=D("99.001")), placed(**LIMIT, price=D("99.01"))),
    ("grid stop price", desk, placed(type=OrderType.STOP, stop_price=D("110.001")), None),
    ("grid size", desk, placed(size=D("0.0001")), placed(size=D("0.1"))),
    ("grid size", desk, buy(BTC, 0.0001), buy(BTC, 0.1)),
    ("grid price", listed(max_price=D(1000)), buy(BTC, 1, price=1001), buy(BTC, 1, price=99)),
    ("grid size", listed(market_max_size=D(2)), buy(BTC, 3), buy(BTC, 3, price=99)),
    ("grid quote size", desk, buy(BTC, quote_size=-5), buy(BTC, quote_size=5)),
    ("grid quote size", listed(notional_applies_to_market=False),
     placed(size=None, quote_size=D(-100)), placed(size=None, quote_size=D(100))),
    ("grid size", desk, buy(BTC, "1e999999"), None),
    ("grid price", desk, buy(BTC, 1, price="1e999999"), buy(BTC, quote_size=99, price=99)),
    ("grid notional", desk, buy(BTC, 0.04), buy(BTC, 0.05)),
    ("grid notional", listed(max_notional=D(1000)), buy(BTC, 11), buy(BTC, 9)),
    ("grid notional", listed(max_notional=D(1000)), buy(BTC, "10.001", price=100),
     buy(BTC, 10, price=100)),
    ("grid notional", desk, buy(BTC, "0.05", price="99.99"), buy(BTC, "0.05", price=100)),
    ("grid size", listed(market_max_size=D(2)), buy(BTC, "2.001"), buy(BTC, 2)),
    ("unknown order", with_unknown_order, sell(BTC, 1), sell(ETH, 1)),
    ("max_order_size", limited(max_order_size=D(2)), buy(BTC, 2.001), buy(BTC, 2)),
    ("max_order_size", limited(max_order_size=D(2)), buy(BTC, quote_size=201),
     buy(BTC, quote_size=200)),
    ("max_order_notional", limited(max_order_notional=D(200)), buy(BTC, 2, price=100.01),
     buy(BTC, 2, price=100)),
    ("collar_percent", desk, buy(BTC, 1, price=105.02), buy(BTC, 1, price=105.01)),
    ("collar_percent", desk, sell(BTC, 1, price=94.99), sell(BTC, 1, price=95)),
    ("collar_percent", desk, buy(BTC, 1, stop_price=110, price=116),
     buy(BTC, 1, stop_price=110, price=115)),
    ("collar_percent", desk, buy(BTC, 1, stop_price=110, price="115.51"),
     buy(BTC, 1, stop_price=110, price="115.50")),
    ("collar_percent", desk, sell(BTC, 1, stop_price=90, price="85.49"),
     sell(BTC, 1, stop_price=90, price="85.50")),
    ("max_open_orders_per_symbol", lambda: with_open_orders(2, max_open_orders_per_symbol=2),
     buy(BTC, 1, price=80), buy(ETH, 1, price=9)),
    ("max_open_orders_per_symbol", listed(max_open_orders=0), None, buy(BTC, 1)),
    ("max_open_orders_per_symbol", lambda: with_few_allowed(), buy(BTC, 1, price=90),
     buy(ETH, 1, price=9)),
    ("max_open_orders", lambda: with_open_orders(2, max_open_orders=2), buy(ETH, 1, price=9), None),
    ("max_orders_per_second", lambda: with_open_orders(3, max_orders_per_second=3),
     buy(ETH, 1, price=9), None),
    ("max_orders_per_ten_seconds", lambda: with_open_orders(3, max_orders_per_ten_seconds=3),
     buy(ETH, 1, price=9), None),
    ("max_position", lambda: with_position(4, Limits(max_position=D(5))), buy(BTC, 1.001),
     buy(BTC, 1)),
    ("max_position", lambda: with_position(4, Limits(max_position=D(5))), sell(BTC, 9.001),
     sell(BTC, 9)),
    ("max_position", lambda: with_open_orders(3, max_position=D(5)), buy(BTC, 2.001), buy(BTC, 2)),
    ("max_daily_loss", lambda: losing(10), buy(BTC, 1), sell(BTC, 1)),
    ("max_daily_loss", lambda: losing(10), sell(BTC, 1.001), sell(BTC, 0.5)),
    ("max_daily_loss", lambda: losing(9), None, buy(BTC, 1)),
    ("funds", lambda: funded(USDT=100), buy(BTC, 1), buy(BTC, 0.9)),
    ("funds", lambda: funded(USDT=100), buy(BTC, 1, price="100.01"), buy(BTC, 1, price=100)),
    ("allow_short", lambda: with_position(1, Limits(allow_short=False)), sell(BTC, "1.001"),
     sell(BTC, 1)),
    ("max_exposure", limited(max_exposure=D(300)), buy(BTC, 3, price="100.01"),
     buy(BTC, 3, price=100)),
    ("max_day_notional", limited(max_day_notional=D(300)), buy(BTC, 3, price="100.01"),
     buy(BTC, 3, price=100)),
    ("max_day_orders", limited(max_day_orders=0), buy(BTC, 1), None),
    ("max_day_orders", limited(max_day_orders=1), None, buy(BTC, 1)),
    ("clock error", lambda: judged(500_000_001), buy(BTC, 1), None),
    ("clock error", lambda: judged(500_000_000), None, buy(BTC, 1)),
    ("funds", lambda: funded(BTC=1), sell(BTC, 1.001), sell(BTC, 1)),
    ("reduce only", lambda: with_position(2), sell(BTC, 3, reduce_only=True),
     sell(BTC, 2, reduce_only=True)),
    ("reduce only", lambda: with_position(2), buy(BTC, 1, reduce_only=True), None),
    ("halt", halted, buy(BTC, 1), None),
    ("armed", lambda: desk(armed=False), buy(BTC, 1), None),
]  # fmt: skip


@pytest.mark.parametrize("quick", [True, False], ids=["quick", "each check"])
@pytest.mark.parametrize(
    ("limit", "make", "bad", "good"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)]
)
def test_each_limit_refuses_and_admits(
    limit: str,
    make: Callable[[], Desk],
    bad: Any,
    good: Any,
    quick: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def begun() -> Desk:
        made = make()
        if not quick:  # else what the short way admits is never held against the checks
            made.screen.compiled = None
            monkeypatch.setattr(Screen, "_passes", lambda *_, **__: False)
        return made

    if bad is not None:
        made = begun()
        assert admit(made, bad) == []
        assert made.refusals == [limit]
    if good is not None:
        made = begun()
        assert len(admit(made, good)) == 1, made.of(Refusal)
        assert made.refusals == []


def test_a_quote_may_be_only_so_old() -> None:
    made = desk(Limits(max_quote_age_seconds=5))
    assert len(admit(made, buy(BTC, 1), seconds=5)) == 1
    assert admit(made, buy(BTC, 1), seconds=5.5) == []
    assert made.refusals == ["quote age"]


def test_no_order_while_the_venues_time_is_known_too_badly() -> None:
    made = desk(Limits(max_quote_age_seconds=5000))
    assert len(admit(made, buy(BTC, 1))) == 1, "where nothing is known, nothing is judged"
    made.burst(ev.ClockOffset("test", "", 0, at(0), 3 * SECOND, 300_000_000))
    assert len(admit(made, buy(BTC, 2), seconds=990)) == 1, "200 millionths of drift"
    assert admit(made, buy(BTC, 3), seconds=1010) == []
    [refusal] = made.of(Refusal)
    assert (refusal.limit, refusal.value, refusal.allowed) == ("clock error", "0.502 s", "0.5 s")


def test_a_market_order_that_would_walk_through_the_book_is_held_by_the_collar() -> None:
    made = desk()
    made.burst(snapshot([(99, 5)], [(100, 1), (110, 9)], 1))
    assert admit(made, buy(BTC, 2), seconds=1) == []
    assert made.refusals == ["collar_percent"]
    assert len(admit(made, buy(BTC, 1), seconds=1)) == 1


def test_a_market_order_beyond_the_book_we_know_is_held_by_the_collar() -> None:
    made = desk()
    made.burst(snapshot([(99, 5)], [(100, 1), (101, 1)], 1))
    assert admit(made, buy(BTC, 2.001), seconds=1) == []
    [refusal] = made.of(Refusal)
    assert (refusal.limit, refusal.value) == ("collar_percent", "the price of 2.001")
    assert refusal.allowed == "2 known in the book"
    assert len(admit(made, buy(BTC, 2), seconds=1)) == 1


def test_orders_on_their_way_need_funds_too() -> None:
    made = funded(USDT=150)
    assert len(admit(made, buy(BTC, 1, price=90), buy(BTC, 1, price=89))) == 1
    assert made.refusals == ["funds"]


def test_orders_of_another_symbol_spend_the_same_asset() -> None:
    made = desk()
    made.burst(balance("USDT", 100))
    assert len(admit(made, buy(BTC, 0.9, price=100), buy(ETH, 2, price=10))) == 1
    assert made.refusals == ["funds"]
    assert len(admit(made, buy(ETH, 1, price=10))) == 1


def test_two_exits_in_one_burst_close_a_position_once() -> None:
    made = desk()
    made.burst(fill("x", 1))
    exits = [sell(BTC, 1, reduce_only=True, tag=tag) for tag in ("stop", "clock")]
    [first] = admit(made, *exits)
    assert (first.tag, made.refusals) == ("stop", ["reduce only"])
    made.burst(fill(first.id, 1, side=Side.SELL, trade_id="2"))
    assert made.state.portfolio.position(BTC) == 0


def test_a_resting_take_profit_does_not_forbid_the_exit_beside_it() -> None:
    made = desk()
    made.burst(fill("x", 1))
    [profit] = admit(made, sell(BTC, 1, price=104))
    made.burst(update(profit.id, K.ACCEPTED, venue_id="9"))
    assert len(admit(made, sell(BTC, 1, reduce_only=True))) == 1


def test_orders_that_rest_do_not_reduce_one_position_twice() -> None:
    """All of them may trade: three that close a position each would turn it around."""
    made = desk()
    made.burst(fill("x", 1))
    made.screen.restrict("enough", "a person", at(0))

    def rests(wish: Any) -> list[Any]:
        placed = admit(made, wish)
        for one in placed:
            made.burst(update(one.id, K.ACCEPTED, venue_id=f"venue-{one.id}"))
        return placed

    [profit] = rests(sell(BTC, "0.6", price=104))
    assert rests(sell(BTC, "0.6", price=103)) == []
    assert made.refusals == ["reducing"]
    assert len(rests(sell(BTC, "0.4", price=103))) == 1
    assert len(rests(sell(BTC, 1, stop_price=98))) == 1, "a stop beside them"
    assert rests(sell(BTC, "0.1", stop_price=97)) == [], "and one is enough"
    assert len(admit(made, replace(profit.id, sell(BTC, "0.6", price=102)))) == 1
    assert len(admit(made, sell(BTC, "0.4"))) == 1, "the way out at once is free of what rests"


def test_after_the_days_loss_two_orders_do_not_reduce_one_position_twice() -> None:
    made = desk(Limits(max_daily_loss=D(10)))
    made.burst(fill("x", 1, 120))
    assert len(admit(made, sell(BTC, 1), sell(BTC, 1, tag="again"))) == 1
    assert made.refusals == ["max_daily_loss"]


def test_where_nothing_may_be_sold_short_an_order_to_sell_all_can_be_moved() -> None:
    """Untouched, it does not count beside its replacement; once it has begun to trade it does."""
    desk = Desk(limits=Limits(allow_short=False))
    desk.burst(quote(99, 101))
    [bought] = desk.screen.admit([buy(BTC, 2, price=99)], desk.state, at(1))
    desk.engine.apply(fill(bought.id, 2, 99))
    [exit_] = desk.screen.admit([sell(BTC, 2, price=101)], desk.state, at(2))
    desk.engine.apply(update(exit_.id, K.ACCEPTED, 2))
    [moved] = desk.screen.admit([replace(exit_.id, sell(BTC, 2, price=102))], desk.state, at(3))
    desk.engine.sent(moved, at(3))
    desk.engine.apply(update(exit_.id, K.CANCELED, 3))
    desk.engine.apply(fill(moved.order.id, 1, 102, side=Side.SELL, trade_id="2"))
    again = replace(moved.order.id, sell(BTC, 2, price=103))
    assert desk.screen.admit([again], desk.state, at(4)) == []
    assert desk.refusals == ["allow_short"]


def test_nothing_is_amended_in_a_halt_nor_by_a_desk_that_only_watches() -> None:
    desk = Desk()
    desk.burst(quote(99, 101))
    [placed] = desk.screen.admit([buy(BTC, 2, price=99)], desk.state, at(1))
    desk.engine.apply(update(placed.id, K.ACCEPTED, 1))
    desk.screen.armed = False
    assert desk.screen.admit([amend(placed.id, Decimal(1))], desk.state, at(2)) == []
    desk.screen.armed = True
    desk.screen.throw("enough", "Ada", at(3))
    assert desk.screen.admit([amend(placed.id, Decimal(1))], desk.state, at(3)) == []
    assert [one.limit for one in desk.of(Refusal)] == ["armed", "halt"]
    desk.screen.resume("Ada", at(4))
    assert len(desk.screen.admit([amend(placed.id, Decimal(1))], desk.state, at(4))) == 1


def test_the_same_order_again_in_a_breath_is_a_mistake() -> None:
    made = desk()
    assert len(admit(made, buy(BTC, 1, price=99), buy(BTC, 1, price=99))) == 1
    assert made.refusals == ["duplicate"]
    assert len(admit(made, buy(BTC, 1, price=99), seconds=0.25)) == 1
    assert len(admit(made, buy(BTC, 1, price=98), seconds=0.25)) == 1


def test_the_rate_is_free_again_after_its_window() -> None:
    made = desk(Limits(max_orders_per_second=2, max_orders_per_ten_seconds=3))
    prices = iter(range(90, 50, -1))
    passed = [
        len(admit(made, buy(BTC, 1, price=next(prices)), seconds=second))
        for second in (0, 0.5, 0.9, 1.0, 1.6, 10.0)
    ]
    assert passed == [1, 1, 0, 1, 0, 1]
    assert made.refusals == ["max_orders_per_second", "max_orders_per_ten_seconds"]


def test_a_symbols_own_limit_goes_before_the_general_one() -> None:
    limits = Limits(max_order_size=D(1), symbols={ETH: SymbolLimits(max_order_size=D(50))})
    made = desk(limits)
    assert len(admit(made, buy(ETH, 50))) == 1
    assert admit(made, buy(BTC, 2)) == []
    assert limits.of(ETH).collar_percent == 5


def test_what_a_live_desk_must_name() -> None:
    assert Limits().missing_for_live() == ["max_order_notional", "max_position", "max_daily_loss"]
    full = Limits(max_order_notional=D(1), max_position=D(1), max_daily_loss=D(1))
    assert full.missing_for_live() == []


def test_a_refusal_names_the_rule_the_value_and_what_is_allowed() -> None:
    made = desk(Limits(max_order_size=D(2)))
    admit(made, buy(BTC, 3))
    [refusal] = made.of(Refusal)
    assert (refusal.symbol, refusal.limit, refusal.value, refusal.allowed) == (
        BTC, "max_order_size", "3", "2",
    )  # fmt: skip
    assert made.screen.refused == 1


# ── cancels ───────────────────────────────────────────────────────────────────────────────────


def resting() -> Desk:
    made = desk()
    orders = admit(
        made,
        buy(BTC, 1, price=90, tag="bid"),
        sell(BTC, 1, price=110, tag="ask"),
        buy(ETH, 1, price=9, tag="bid"),
    )
    made.burst(*(update(o.id, K.ACCEPTED, symbol=o.symbol, venue_id=f"v{o.id}") for o in orders))
    made.burst(update("web_1", K.ACCEPTED, side=Side.BUY, size=1))
    return made


@pytest.mark.parametrize(
    ("wish", "ids"),
    [
        (cancel(), ["t-1-1", "t-1-2", "t-1-3"]),
        (cancel(BTC), ["t-1-1", "t-1-2"]),
        (cancel(tag="bid"), ["t-1-1", "t-1-3"]),
        (cancel(BTC, side="buy"), ["t-1-1"]),
        (cancel(BTC, side="sell", tag="bid"), []),
        (cancel(order_id="t-1-2"), ["t-1-2"]),
    ],
)
def test_a_cancel_takes_ours_that_match_and_nothing_else(wish: Cancel, ids: list[str]) -> None:
    commands = admit(resting(), wish)
    assert [command.order_id for command in commands] == ids
    assert all(isinstance(c, CancelOrder) and c.venue_id == f"v{c.order_id}" for c in commands)


@pytest.mark.parametrize("order_id", ["web_1", "nobody"])
def test_what_is_not_ours_is_never_cancelled(order_id: str) -> None:
    made = resting()
    assert admit(made, cancel(order_id=order_id)) == []
    assert made.refusals == ["order"]


def test_cancels_pass_when_nothing_else_does() -> None:
    made = resting()
    made.burst(ev.FeedStale("test", BTC, 0, at(0), "trades", 5.0), unanswered("t-1-1", "cancel"))
    made.screen.armed = False
    made.engine.halt("enough", "person", at(9))
    assert len(admit(made, cancel(), seconds=20)) == 3


def test_a_pending_cancel_is_not_said_twice_at_once() -> None:
    made = resting()
    assert len(admit(made, cancel(BTC))) == 2
    assert admit(made, cancel(BTC), seconds=1) == []
    assert len(admit(made, cancel(BTC), seconds=2)) == 2


def test_a_market_order_cannot_be_called_back() -> None:
    made = desk()
    assert len(admit(made, buy(BTC, 1))) == 1
    assert admit(made, cancel()) == []


# ── replace and amend ─────────────────────────────────────────────────────────────────────────


def test_a_replacement_is_one_command_with_a_new_id() -> None:
    made = resting()
    [command] = admit(made, replace("t-1-1", buy(BTC, 1, price=91)))
    assert isinstance(command, ReplaceOrder)
    assert (command.order_id, command.venue_id, command.order.id) == ("t-1-1", "vt-1-1", "t-1-4")
    assert command.order.price == 91
    assert admit(made, replace("t-1-1", buy(BTC, 1, price=92))) == []
    assert made.refusals == ["cancel pending"]


def test_a_replacement_is_held_to_the_limits_without_the_order_it_replaces() -> None:
    made = desk(Limits(max_position=D(1), max_open_orders=1))
    [first] = admit(made, buy(BTC, 1, price=90))
    assert admit(made, buy(BTC, 0.1, price=91)) == []
    assert admit(made, replace(first.id, buy(BTC, 1.1, price=91))) == []
    assert len(admit(made, replace(first.id, buy(BTC, 1, price=91)))) == 1
    assert made.refusals == ["max_open_orders", "max_position"]


def test_an_order_that_has_begun_to_trade_counts_beside_its_replacement() -> None:
    made = desk(Limits(max_position=D(10)))
    [old] = admit(made, buy(BTC, 10, price=99))
    made.burst(update(old.id, K.ACCEPTED, venue_id="9"))
    [first] = admit(made, replace(old.id, buy(BTC, 10, price=98.5)))
    assert first.untouched
    made.burst(
        update(old.id, K.CANCEL_REJECTED),
        update(first.order.id, K.REJECTED),
        fill(old.id, 4, 99, venue_id="9"),
    )
    assert admit(made, replace(old.id, buy(BTC, 6, price=98))) == []
    assert made.refusals == ["max_position"]


def test_a_replacement_by_the_other_side_frees_nothing() -> None:
    made = desk(Limits(max_position=D(5)))
    ours = admit(made, sell(BTC, 3, price=110), buy(BTC, 3, price=90))
    swap = replace(ours[0].id, buy(BTC, 3, price=91))
    assert admit(made, swap) == []
    assert made.refusals == ["max_position"]
    assert len(admit(made, replace(ours[0].id, buy(BTC, 2, price=91)))) == 1


def test_what_is_known_of_an_instrument_changes_with_it() -> None:
    made = desk()
    assert len(admit(made, buy(BTC, 1))) == 1
    made.state.instruments[BTC] = instrument(BTC, max_size=D(10) ** 15)
    assert admit(made, buy(BTC, 2)) == []
    assert made.refusals == ["digits"]


@pytest.mark.parametrize("order_id", ["web_1", "nobody", "t-1-3"])
def test_only_an_open_order_of_ours_in_that_symbol_is_replaced(order_id: str) -> None:
    made = resting()
    assert admit(made, replace(order_id, buy(BTC, 1, price=91))) == []
    assert made.refusals == ["order"]


@pytest.mark.parametrize(
    ("order_id", "size", "limit"),
    [
        ("t-1-1", "0.5", None),
        ("t-1-1", "1", "amend"),
        ("t-1-1", "2", "amend"),
        ("t-1-1", "0", "amend"),
        ("t-1-1", "0.0005", "grid size"),
        ("web_1", "0.5", "order"),
    ],
)
def test_an_amendment_only_makes_smaller(order_id: str, size: str, limit: str | None) -> None:
    made = resting()
    commands = admit(made, amend(order_id, D(size)))
    assert made.refusals == ([] if limit is None else [limit])
    if limit is None:
        [command] = commands
        assert isinstance(command, AmendOrder)
        assert (command.order_id, command.size) == (order_id, D(size))


# ── the kill switch, and words to people ──────────────────────────────────────────────────────


def test_a_halt_cancels_what_is_ours_and_stays_until_a_person_resumes() -> None:
    made = resting()
    commands = admit(made, halt("too fast"))
    assert [command.order_id for command in commands] == ["t-1-1", "t-1-2", "t-1-3"]
    assert admit(made, HaltTrading(reason="again"), buy(BTC, 1)) == []
    assert [(record.reason, record.by) for record in made.of(Halted)] == [("too fast", "rule")]
    assert made.refusals == ["halt"]
    made.screen.resume("me", at(3))
    assert [record.by for record in made.of(Resumed)] == ["me"]
    assert len(admit(made, buy(BTC, 1), seconds=3)) == 1


def test_a_halt_goes_before_everything_wished_in_the_same_burst() -> None:
    made = resting()
    wishes = [buy(BTC, 1), replace("t-1-1", buy(BTC, 1, price=91)), halt("stop")]
    commands = admit(made, *wishes)
    assert all(isinstance(command, CancelOrder) for command in commands)
    assert [command.order_id for command in commands] == ["t-1-1", "t-1-2", "t-1-3"]
    assert made.refusals == ["halt", "cancel pending"]


def test_one_burst_cancels_and_replaces_an_order_once() -> None:
    made = resting()
    wishes = [cancel(BTC), cancel(), replace("t-1-1", buy(BTC, 1, price=91))]
    commands = admit(made, *wishes)
    assert [command.order_id for command in commands] == ["t-1-1", "t-1-2", "t-1-3"]
    assert made.refusals == ["cancel pending"]
    made = resting()
    twice = [replace("t-1-1", buy(BTC, 1, price=91)), replace("t-1-1", buy(BTC, 1, price=92))]
    assert len(admit(made, *twice)) == 1
    assert made.refusals == ["cancel pending"]


def test_an_alert_is_written_down() -> None:
    made = desk(armed=False)
    assert admit(made, alert("look", level="warning", symbol=BTC)) == []
    [record] = made.of(Alerted)
    assert (record.text, record.level, record.symbol) == ("look", "warning", BTC)


# ── no limit is ever broken ───────────────────────────────────────────────────────────────────

wishes = st.tuples(
    st.sampled_from([Side.BUY, Side.SELL]),
    st.floats(0.001, 8),
    st.one_of(st.none(), st.floats(50, 150)),
    st.sampled_from(["sent", "accepted", "filled", "unanswered", "canceled"]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(wishes, max_size=40))
def test_whatever_is_wished_no_limit_is_broken(wanted: list[Any]) -> None:
    limits = Limits(
        max_position=D(5), max_order_size=D(4), max_order_notional=D(300),
        max_open_orders_per_symbol=3, max_orders_per_second=4,
    )  # fmt: skip
    made = desk(limits)
    sent: list[int] = []
    for number, (side, size, price, fate) in enumerate(wanted):
        now = T0 + number * SECOND // 5
        wish = (buy if side is Side.BUY else sell)(BTC, size, price=price)
        for order in made.screen.admit([wish], made.state, now):
            assert isinstance(order, Order)
            made.engine.sent(order, now)
            sent.append(now)
            assert order.size is not None
            assert order.size <= 4
            best = D("100.01") if side is Side.BUY else D("99.99")
            assert order.size * (order.price or best) <= 300
            meet(made, order, fate, number)
        held = made.state.portfolio.position(BTC)
        worst = made.state.ledger.exposure(BTC, None)
        assert held + worst.buys <= 5
        assert held - worst.sells >= -5
        assert len(made.state.ledger.open_by_symbol.get(BTC, ())) <= 3
        assert sum(1 for moment in sent if moment > now - SECOND) <= 4


def meet(made: Desk, order: Order, fate: str, number: int) -> None:
    match fate:
        case "accepted":
            made.engine.apply(update(order.id, K.ACCEPTED))
        case "filled":
            made.engine.apply(
                fill(order.id, order.size, 100, trade_id=str(number), side=order.side)
            )
        case "unanswered":
            made.engine.apply(unanswered(order.id))
        case "canceled":
            made.engine.apply(update(order.id, K.CANCELED))


def test_an_order_and_its_entry_in_the_ledger_have_each_field_in_its_own() -> None:
    """Both are written by position: whoever moves a field is told here."""
    made = Desk(limits=Limits(collar_percent=None))
    made.engine.apply(quote(99, 101))
    made.engine.apply(fill("x", 5, side=Side.BUY))
    place = Place(
        symbol=BTC, side=Side.SELL, type=OrderType.STOP_LIMIT, size=D(1), price=D(98),
        stop_price=D(99), trailing_bips=7, time_in_force=TimeInForce.FOK, reduce_only=True,
        protective=True, tag="a tag", rule="a rule", cause=Cause("Trade", BTC, 1, 2, "a detail"),
    )  # fmt: skip
    [order] = made.screen.admit([place], made.state, at(1))
    assert isinstance(order, Order)
    assert is_protective(order.id)
    assert order.decided == at(1)
    for name in set(Order.__struct_fields__) & set(Place.__struct_fields__):
        assert getattr(order, name) == getattr(place, name), name
    assert set(Order.__struct_fields__) - set(Place.__struct_fields__) == {"id", "decided"}
    tracked = made.state.ledger.find(order.id)
    assert tracked is not None
    for name in set(Order.__struct_fields__) & set(Tracked.__struct_fields__):
        assert getattr(tracked, name) == getattr(order, name), name
    assert tracked.order is order
    assert (tracked.origin, tracked.state) == (Origin.OURS, OrderState.NEW)
    assert (tracked.counted, tracked.made_at, tracked.changed_at) == (True, at(1), at(1))
    decided = made.of(Decided)[-1]
    assert (decided.at, decided.command, decided.bid, decided.ask) == (at(1), order, 99, 101)
