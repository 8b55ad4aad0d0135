from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.model import events as ev
from pitwire.model.orders import Side, UpdateKind
from pitwire.trading.conditions import (
    All,
    Condition,
    Not,
    PositionIs,
    Stale,
    TimeOfDay,
    Truth,
    Unfilled,
    within,
)
from pitwire.trading.conditions import (
    Any as AnyOf,
)
from pitwire.trading.market_conditions import Crosses, PriceIs, TradeLarger
from pitwire.trading.state import State
from tests.trading.making import (
    BTC,
    ETH,
    SECOND,
    T0,
    at,
    fill,
    instrument,
    order,
    trade,
    unanswered,
    update,
)

K = UpdateKind
NO, YES, NOW = Truth.NO, Truth.YES, Truth.NOW


def looks(condition: Condition, *events: ev.Event) -> list[int]:
    state = State([instrument(BTC), instrument(ETH)])
    found = []
    for event in events:
        state.apply(event)
        found.append(condition.look(state, event.received))
    return found


def test_within_is_strict_and_unknown_is_never_within() -> None:
    assert within(2, 1, 3)
    assert within(2, None, None)
    assert not within(2, 2, None)
    assert not within(2, None, 2)
    assert not within(None, None, None)


# ── time ──────────────────────────────────────────────────────────────────────────────────────

MIDNIGHT = T0 // (86_400 * SECOND) * 86_400 * SECOND


@pytest.mark.parametrize(
    ("start", "end", "second", "holds", "wake"),
    [
        (3600, 7200, 3599, False, 3600),
        (3600, 7200, 3600, True, 7200),
        (3600, 7200, 7199, True, 7200),
        (3600, 7200, 7200, False, 86_400 + 3600),
        (82_800, 3600, 82_800, True, 86_400 + 3600),
        (82_800, 3600, 0, True, 3600),
        (82_800, 3600, 3600, False, 82_800),
    ],
)
def test_a_time_of_day(start: int, end: int, second: int, holds: bool, wake: int) -> None:
    condition = TimeOfDay(start, end)
    assert condition.next_wake() == 0
    found = condition.look(State(), MIDNIGHT + second * SECOND + 5)
    assert found is (YES if holds else NO)
    assert condition.next_wake() == MIDNIGHT + wake * SECOND


# ── feeds ─────────────────────────────────────────────────────────────────────────────────────


def test_a_stale_feed() -> None:
    events = [
        ev.FeedStale("test", BTC, 0, at(0), "trades", 5.0),
        ev.FeedStale("test", BTC, 0, at(1), "ticker", 5.0),
        ev.FeedFresh("test", BTC, 0, at(2), "trades"),
        ev.FeedFresh("test", BTC, 0, at(3), "ticker"),
    ]
    assert looks(Stale(BTC), *events) == [YES, YES, YES, NO]
    assert looks(Stale(BTC, "trades"), *events) == [YES, YES, NO, NO]
    assert looks(Stale(ETH), *events) == [NO, NO, NO, NO]


# ── our own ───────────────────────────────────────────────────────────────────────────────────


def test_an_order_that_is_not_filled_in_time_is_told_once() -> None:
    state = State([instrument(BTC)])
    state.ledger.sent(order("a", tag="x"), at(0))
    state.ledger.sent(order("b", tag="x"), at(5))
    state.ledger.sent(order("c", tag="y"), at(0))
    state.apply(update("web", K.ACCEPTED, side=Side.BUY, size=1))
    condition = Unfilled(10, symbol=BTC, tag="x")
    found = []
    for second in (9.9, 10, 11, 15, 16):
        found.append(condition.look(state, at(second)))
    assert found == [NO, NOW, NO, NOW, NO]
    assert Unfilled(10, side=Side.SELL).look(state, at(60)) is NO
    assert Unfilled(10).look(state, at(60)) is NOW


def test_an_order_that_is_filled_in_time_is_not_told() -> None:
    state = State([instrument(BTC)])
    condition = Unfilled(10)
    state.ledger.sent(order("a"), at(0))
    assert condition.look(state, at(1)) is NO
    assert condition.next_wake() == at(10)
    state.apply(fill("a", 2, seconds=5))
    assert condition.look(state, at(10)) is NO
    assert condition.next_wake() is None


@pytest.mark.parametrize(
    ("condition", "held", "holds"),
    [
        (PositionIs(BTC, beyond=Decimal(2)), 2, False),
        (PositionIs(BTC, beyond=Decimal(2)), 3, True),
        (PositionIs(BTC, beyond=Decimal(2)), -3, True),
        (PositionIs(BTC, above=Decimal(2)), 3, True),
        (PositionIs(BTC, above=Decimal(2)), -3, False),
        (PositionIs(BTC, below=Decimal(0)), -3, True),
        (PositionIs(BTC, below=Decimal(0)), 0, False),
        (PositionIs(ETH, beyond=Decimal(2)), 9, False),
    ],
)
def test_a_position(condition: PositionIs, held: int, holds: bool) -> None:
    side = Side.BUY if held > 0 else Side.SELL
    state = State([instrument(BTC)])
    if held:
        state.apply(fill("a", abs(held), side=side))
    assert condition.look(state, at(0)) is (YES if holds else NO)


# ── put together ──────────────────────────────────────────────────────────────────────────────


def level(above: float, symbol: str = BTC) -> PriceIs:
    return PriceIs(symbol, above=above)


def test_all_holds_while_all_hold() -> None:
    both = All([level(10), level(5, ETH)])
    events = [trade(11), trade(6, symbol=ETH), trade(9), trade(12)]
    assert looks(both, *events) == [NO, YES, NO, YES]
    assert both.symbol == ""
    assert All([level(10), level(20)]).symbol == BTC


def test_all_happens_when_one_happens_and_the_rest_hold() -> None:
    both = All([Crosses(BTC, 10, above=True), level(5, ETH)])
    events = [trade(9), trade(11), trade(6, symbol=ETH), trade(9), trade(11)]
    assert looks(both, *events) == [NO, NO, NO, NO, NOW]


def test_what_remembers_is_looked_at_while_the_rest_is_false() -> None:
    both = All([level(5, ETH), Crosses(BTC, 10, above=True)])
    # The crossing at 11 is seen though ETH is too low, so 12 is no crossing.
    events = [trade(9), trade(11), trade(6, symbol=ETH), trade(12)]
    assert looks(both, *events) == [NO, NO, NO, NO]


def test_any_is_what_any_of_them_is() -> None:
    either = AnyOf([level(10), TradeLarger(BTC, size=5)])
    events = [trade(9), trade(9, size=6), trade(11), trade(11, size=6)]
    assert looks(either, *events) == [NO, NOW, YES, YES | NOW]


def test_not_is_the_opposite() -> None:
    assert looks(Not(level(10)), trade(9), trade(11)) == [YES, NO]


def test_a_group_watches_and_wakes_for_all_of_its_parts() -> None:
    group: Any = All([TimeOfDay(0, 5), level(10), AnyOf([Unfilled(5)])])
    assert set(level(10).watches) <= set(group.watches)
    assert group.next_wake() == 0
    assert All([level(10)]).next_wake() is None
    state = State()
    state.ledger.sent(order("a"), at(0))
    state.apply(unanswered("a"))
    group.look(state, at(1))
    assert group.next_wake() == at(5)
