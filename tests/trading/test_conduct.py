"""Rates, ratios, turnover and silence: what is held against any new order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from pitwire.model import events as ev
from pitwire.model.orders import Order, Side, UpdateKind
from pitwire.trading import wishes
from pitwire.trading.conduct import Conduct
from pitwire.trading.journal import Alerted, Halted, Refusal, Restricted
from pitwire.trading.limits import Limits
from pitwire.trading.risk import MISSED
from pitwire.trading.wishes import buy, cancel, sell
from tests.trading.making import (
    BTC,
    ETH,
    Desk,
    at,
    fill,
    order,
    quote,
    unanswered,
    update,
)

D, K = Decimal, UpdateKind
SILENT = Limits(duplicate_seconds=0.0, max_orders_per_second=1000, max_orders_per_ten_seconds=1000)


def limits(**changes: Any) -> Limits:
    facts: dict[str, Any] = {
        "duplicate_seconds": 0.0,
        "max_orders_per_second": 1000,
        "max_orders_per_ten_seconds": 1000,
        "max_open_orders_per_symbol": 1000,
        "max_open_orders": 1000,
        "max_unanswered_orders": 1000,
    }
    return Limits(**(facts | changes))


def desk(**changes: Any) -> Desk:
    made = Desk(limits=limits(**changes))
    made.burst(quote(99.99, 100.01), quote(9.99, 10.01, symbol=ETH))
    return made


def admit(made: Desk, *wishes: Any, seconds: float = 0) -> list[Any]:
    made.engine.apply(quote(99.99, 100.01, seconds))
    made.engine.apply(quote(9.99, 10.01, seconds, symbol=ETH))
    commands = made.screen.admit(wishes, made.state, at(seconds))
    for command in commands:
        made.engine.sent(command, at(seconds))
    return commands


def open_one(made: Desk, placed: Order, seconds: float = 0) -> None:
    made.engine.apply(update(placed.id, K.ACCEPTED, seconds, symbol=placed.symbol))


def breached(made: Desk) -> tuple[str, str, str]:
    refusal: Refusal = made.of(Refusal)[-1]
    return refusal.limit, refusal.value, refusal.allowed


# ── blind ─────────────────────────────────────────────────────────────────────────────────────


def private(kind: type, seconds: float, *facts: Any) -> ev.Event:
    event: ev.Event = kind("test", "", 0, at(seconds), *facts)
    return event


@pytest.mark.parametrize(
    ("gone", "why"),
    [
        (private(ev.Lost, 2, "orders", "cut", 0.5, False), "connection was lost"),
        (private(ev.Rejected, 2, "orders", "orders", 0, "terminated"), "terminated"),
        (private(ev.Rejected, 2, "orders", "watch_orders", -2015, "no permission"), "permission"),
    ],
)
def test_whoever_does_not_hear_of_its_orders_sends_none_but_cancels(
    gone: ev.Event, why: str
) -> None:
    made = desk()
    made.engine.apply(private(ev.Subscribed, 1, "orders", "orders"))
    [placed] = admit(made, buy(BTC, 1, price=90), seconds=1)
    open_one(made, placed, 1)
    made.engine.apply(gone)
    assert admit(made, buy(BTC, 1, price=90), seconds=3) == []
    assert breached(made)[0] == "order updates"
    assert why in breached(made)[1]
    assert len(admit(made, cancel(), seconds=3)) == 1
    made.engine.apply(private(ev.Subscribed, 4, "orders", "orders"))
    if isinstance(gone, ev.Lost):
        assert admit(made, buy(BTC, 1, price=89), seconds=4) == []
        assert breached(made)[:2] == ("order updates", MISSED)
        made.engine.state.missed.clear()  # as a round does that was answered
    assert len(admit(made, buy(BTC, 1, price=89), seconds=4)) == 1


def test_a_second_connection_that_still_hears_is_enough() -> None:
    made = desk()
    made.engine.apply(private(ev.Subscribed, 1, "orders", "orders"))
    made.engine.apply(private(ev.Subscribed, 1, "orders-2", "orders"))
    made.engine.apply(private(ev.Lost, 2, "orders", "rolled", 0.0, True))
    assert made.engine.state.missed == {}
    assert len(admit(made, buy(BTC, 1, price=90), seconds=3)) == 1


# ── unknown and unanswered ────────────────────────────────────────────────────────────────────


def test_an_order_is_not_unknown_for_too_long_while_nobody_could_be_asked() -> None:
    made = desk(max_unknown_seconds=30.0)
    admit(made, buy(BTC, 1, price=90))
    lost = ev.Lost("test", "", 0, at(1), "orders", "gone", 0.0)
    made.engine.apply(lost)
    made.engine.lost(at(1))
    made.engine.tend(at(600))
    assert not made.of(Alerted)
    made.engine.apply(ev.Authenticated("test", "", 0, at(600), "orders", "main"))
    made.engine.tend(at(629))
    assert not made.of(Alerted)
    made.engine.tend(at(631))
    assert len(made.of(Alerted)) == 1


def test_an_order_unknown_for_too_long_pauses_the_account_and_tells_a_person_once() -> None:
    made = desk(max_unknown_seconds=30.0)
    [placed] = admit(made, buy(BTC, 1, price=90))
    made.engine.apply(unanswered(placed.id, seconds=1))
    assert len(admit(made, buy(ETH, 1, price=9), seconds=31)) == 1, "for 30 s and not longer"
    made.engine.tend(at(31))
    assert made.of(Alerted) == []
    assert admit(made, buy(ETH, 1, price=8.9), seconds=31.5) == []
    assert breached(made) == ("max_unknown_seconds", f"{placed.id} for 30.5 s", "30 s")
    for seconds in (31.5, 32, 100):
        made.engine.tend(at(seconds))
    [told] = made.of(Alerted)
    assert told.level == "error"
    assert placed.id in told.text


@pytest.mark.parametrize("ended", [False, True])
def test_one_in_doubt_is_told_as_it_is_counted(ended: bool) -> None:
    made = desk(max_unknown_seconds=30.0)
    [placed] = admit(made, buy(BTC, 1, price=90))
    made.engine.apply(update(placed.id, K.ACCEPTED, 1))
    if ended:
        made.engine.apply(update(placed.id, K.CANCELED, 2))
    names = (placed.id,) if ended else ()
    made.engine.apply(ev.OpenOrders("test", BTC, 0, at(5), names))
    for seconds in (34, 36, 40):
        made.engine.tend(at(seconds))
    [told] = made.of(Alerted)
    counts = "taken for canceled" if ended else "counted in full"
    assert f"is in doubt for more than 30 s, and {counts}: " in told.text
    assert made.state.ledger.exposure(BTC, None).buys == (0 if ended else 1)


def test_an_answer_that_proves_nothing_makes_no_unknown_order_younger() -> None:
    made = desk(max_unknown_seconds=30.0)
    [placed] = admit(made, buy(BTC, 1, price=90))
    made.engine.apply(unanswered(placed.id, seconds=1))
    for seconds in range(2, 31, 2):
        made.engine.apply(update(placed.id, K.MISSING, seconds, asked=at(seconds - 0.1)))
    assert admit(made, buy(ETH, 1, price=8.9), seconds=31.5) == []
    assert breached(made) == ("max_unknown_seconds", f"{placed.id} for 30.5 s", "30 s")
    open_one(made, placed, 101)
    assert len(admit(made, buy(ETH, 1, price=8.8), seconds=102)) == 1


def test_orders_that_nobody_answers_stop_new_ones_and_then_everything() -> None:
    made = desk(max_unanswered_orders=3)
    sent = [admit(made, buy(BTC, 1, price=90 + step))[0] for step in range(3)]
    assert admit(made, buy(BTC, 1, price=80)) == []
    assert breached(made) == ("max_unanswered_orders", "4", "3")
    open_one(made, sent[0], 1)
    assert len(admit(made, buy(BTC, 1, price=80), seconds=1)) == 1
    assert made.engine.tend(at(4)) == []
    cancels = made.engine.tend(at(7))
    assert made.of(Halted)[-1].reason == "3 orders were sent and not answered, allowed 3"
    assert len(cancels) == 4, "all four that are open"
    assert made.engine.tend(at(8)) == [], "once is enough; the desk goes on cancelling"


# ── rates and ratios ──────────────────────────────────────────────────────────────────────────


def test_one_rule_has_its_own_rate_and_no_other_pays_for_it() -> None:
    made = desk(max_rule_orders_per_ten_seconds=2)

    def by(name: str, seconds: float) -> int:
        wish = msgspec.structs.replace(buy(BTC, 1, price=90 + seconds), rule=name)
        return len(made.screen.admit([wish], made.state, at(seconds)))

    assert [by("busy", 0), by("busy", 1), by("busy", 2)] == [1, 1, 0]
    assert breached(made) == ("max_rule_orders_per_ten_seconds", "3", "2")
    assert by("calm", 2) == 1
    assert by("busy", 10) == 1


@pytest.mark.parametrize("cancels", [10, 11])
def test_more_cancels_than_the_ratio_allows_stop_new_orders_for_a_while(cancels: int) -> None:
    made = desk(max_cancel_ratio=D("0.5"))
    for step in range(20):
        [placed] = admit(made, buy(BTC, 1, price=50 + step), seconds=step / 10)
        open_one(made, placed, step / 10)
        if step < cancels:
            admit(made, cancel(order_id=placed.id), seconds=step / 10)
            made.engine.apply(update(placed.id, K.CANCELED, step / 10))
    if cancels == 10:  # just as many as are allowed
        assert len(admit(made, buy(BTC, 1, price=90), seconds=3)) == 1
        return
    assert admit(made, buy(BTC, 1, price=90), seconds=3) == []
    assert breached(made) == ("max_cancel_ratio", "11 cancels of 20 orders", "0.5")
    assert len(admit(made, cancel(), seconds=3)) == 9, "cancels always pass"
    assert len(admit(made, buy(BTC, 1, price=90), seconds=63)) == 1


def test_cancels_without_end_leave_the_way_out_free() -> None:
    """A stop that waits for a minute because quotes were moved too often protects nobody."""
    made = desk(max_cancel_ratio=D("0.5"))
    [bought] = admit(made, buy(BTC, 2, price=100))
    made.engine.apply(fill(bought.id, 2, 100))
    for step in range(19):
        [placed] = admit(made, buy(BTC, 1, price=50 + step), seconds=1 + step / 10)
        open_one(made, placed, 1 + step / 10)
        admit(made, cancel(order_id=placed.id), seconds=1 + step / 10)
        made.engine.apply(update(placed.id, K.CANCELED, 1 + step / 10))
    assert admit(made, buy(BTC, 1, price=90), seconds=4) == []
    assert admit(made, sell(BTC, 3, price=100), seconds=4) == [], "more than is held"
    assert breached(made)[0] == "max_cancel_ratio"
    assert not made.screen.would_admit(buy(BTC, 1, price=90), made.state, at(4))
    away = wishes.order(BTC, Side.SELL, size=1, price=94, stop_price=95)
    [stop] = admit(made, away, seconds=4)
    open_one(made, stop, 4)
    assert len(admit(made, sell(BTC, 2, price=100), seconds=4)) == 1


# ── the day ───────────────────────────────────────────────────────────────────────────────────


def test_orders_of_a_day_are_counted_and_the_next_day_begins_anew() -> None:
    made = desk(max_day_orders=2)
    to_midnight = 86_400 - at(0) // 1_000_000_000 % 86_400
    assert [len(admit(made, buy(BTC, 1, price=90 + step))) for step in range(3)] == [1, 1, 0]
    assert breached(made) == ("max_day_orders", "3", "2")
    assert len(admit(made, buy(BTC, 1, price=80), seconds=to_midnight)) == 1


def test_the_last_order_of_a_day_may_be_a_buy_and_the_way_out_is_free() -> None:
    made = desk(max_day_orders=1)
    [placed] = admit(made, buy(BTC, 2, price=100))
    made.engine.apply(fill(placed.id, 2, 100))
    made.engine.apply(update(placed.id, K.FILLED, filled=2))
    assert admit(made, buy(BTC, 1, price=90), seconds=1) == []
    assert admit(made, sell(BTC, 3), seconds=1) == [], "more than is held is no way out"
    assert breached(made) == ("max_day_orders", "2", "1")
    [part] = admit(made, sell(BTC, "0.5"), seconds=1)
    assert admit(made, sell(BTC, 2), seconds=2) == [], "a part of it is on its way already"
    assert breached(made) == ("max_day_orders", "3", "1"), "the way out counts"
    made.engine.apply(fill(part.id, "0.5", 100, side=Side.SELL, trade_id="2"))
    made.engine.apply(update(part.id, K.FILLED, filled=D("0.5")))
    [rest] = admit(made, sell(BTC, "1.5", price=101), seconds=3)
    made.engine.apply(fill(rest.id, "1.5", 101, side=Side.SELL, trade_id="3"))
    made.engine.apply(update(rest.id, K.FILLED, filled=D("1.5")))
    assert admit(made, sell(BTC, 1, price=101), seconds=4) == [], "nothing is held any more"


def test_turnover_of_a_day_is_bounded_but_the_way_out_is_free() -> None:
    made = desk(max_day_notional=D(250))
    [placed] = admit(made, buy(BTC, 2, price=100))
    made.engine.apply(fill(placed.id, 2, 100))
    made.engine.apply(update(placed.id, K.FILLED, filled=2))
    assert admit(made, buy(BTC, 1, price=90), seconds=1) == []
    assert breached(made) == ("max_day_notional", "290", "250")
    assert len(admit(made, sell(BTC, 2), seconds=1)) == 1


@pytest.mark.parametrize("told", ["0", "0.5"])
def test_what_has_traded_and_is_not_told_is_not_reduced_again(told: str) -> None:
    made = desk(max_day_notional=D(0))
    made.engine.apply(fill("earlier", 2, 100))
    [placed] = admit(made, sell(BTC, 2))
    made.engine.sent(placed, at(0))
    if D(told):
        made.engine.apply(fill(placed.id, told, 100, side=Side.SELL, trade_id="2"))
    made.engine.apply(update(placed.id, K.FILLED, filled=2, size=2))
    assert placed.id not in made.state.ledger.open
    left = made.state.portfolio.position(BTC)
    assert left == 2 - D(told), "the venue has sold all of it"
    assert admit(made, sell(BTC, left), seconds=1) == []
    assert breached(made)[0] == "max_day_notional"


def test_a_fall_from_the_days_best_lets_only_the_way_out_pass_until_a_person_resumes() -> None:
    made = desk(max_drawdown=D(10), collar_percent=None)
    [placed] = admit(made, buy(BTC, 2, price=100))
    made.engine.apply(fill(placed.id, 2, 100))
    made.engine.apply(update(placed.id, K.FILLED, filled=2))
    for seconds, middle in ((1, 110), (2, 106), (3, 105)):
        made.engine.apply(quote(middle - 0.01, middle + 0.01, seconds))
        made.engine.tend(at(seconds))
    [restricted] = made.of(Restricted)
    assert restricted.at == at(3)
    assert "10.0 USDT below the day's best" in restricted.reason
    assert made.screen.admit([buy(BTC, 1, price=100)], made.state, at(3)) == []
    assert breached(made)[0] == "reducing"
    assert len(made.screen.admit([sell(BTC, 2, price=105)], made.state, at(3))) == 1
    made.screen.resume("me", at(4))
    assert len(made.screen.admit([buy(BTC, 1, price=100)], made.state, at(4))) == 1


def test_a_clock_set_back_over_midnight_forgets_no_best_of_the_day() -> None:
    made = desk(max_drawdown=D(10), collar_percent=None)
    made.state.portfolio.start_day(20_000, {})
    [placed] = admit(made, buy(BTC, 2, price=100))
    made.engine.apply(fill(placed.id, 2, 100))
    made.engine.apply(quote(109.99, 110.01, 1))
    made.engine.tend(at(1))
    before = 1 - 86_400
    made.engine.apply(quote(105.99, 106.01, before))
    made.state.portfolio.start_day(19_999, {})
    made.engine.tend(at(before))
    assert not made.of(Restricted), "8 below it"
    made.engine.apply(quote(104.99, 105.01, before + 1))
    made.engine.tend(at(before + 1))
    assert len(made.of(Restricted)) == 1


# ── exposure and short ────────────────────────────────────────────────────────────────────────


def test_exposure_counts_every_symbol_of_the_same_asset_with_open_orders_at_their_worst() -> None:
    made = desk(max_exposure=D(300))
    [placed] = admit(made, buy(BTC, 2, price=100))
    made.engine.apply(fill(placed.id, 2, 100))
    made.engine.apply(update(placed.id, K.FILLED, filled=2))
    [other] = admit(made, buy(ETH, 5, price=10))
    open_one(made, other)
    assert admit(made, buy(ETH, 6, price=10)) == []
    limit, value, allowed = breached(made)
    assert (limit, allowed) == ("max_exposure", "300")
    assert D(value) == 2 * 100 + 5 * 10 + 6 * 10
    assert len(admit(made, buy(ETH, 5, price=10))) == 1
    assert len(admit(made, sell(BTC, 1))) == 1, "what reduces passes"


def test_exposure_that_has_no_price_is_refused() -> None:
    made = desk(max_exposure=D(1000))
    made.state.ledger.made(order("x", symbol=ETH), at(0))
    made.state.quotes.pop(ETH)
    assert made.screen.admit([buy(BTC, 1, price=100)], made.state, at(0)) == []
    assert breached(made) == ("max_exposure", f"{ETH} without a price", "1000")


def test_below_zero_only_where_it_is_allowed() -> None:
    made = desk(allow_short=False)
    assert admit(made, sell(BTC, 1, price=100.5)) == []
    assert breached(made) == ("allow_short", "-1", "0 or more")
    [placed] = admit(made, buy(BTC, 2, price=100))
    made.engine.apply(fill(placed.id, 2, 100))
    made.engine.apply(update(placed.id, K.FILLED, filled=2))
    [first] = admit(made, sell(BTC, 1.5, price=101))
    open_one(made, first)
    assert admit(made, sell(BTC, 1, price=101)) == []
    assert breached(made) == ("allow_short", "-0.5", "0 or more")
    assert len(admit(made, sell(BTC, 0.5, price=102))) == 1
    assert len(admit(desk(), sell(BTC, 1, price=100.5))) == 1


# ── what may leave ────────────────────────────────────────────────────────────────────────────


def test_what_may_leave_was_decided_and_leaves_once() -> None:
    conduct = Conduct(SILENT)
    one = order("one")
    assert "was not decided" in conduct.leaving(one)
    conduct.decided(one, None, "USDT", at(0))
    assert conduct.leaving(one) == ""
    assert "has left before" in conduct.leaving(one)
    two = order("two", side=Side.SELL)
    conduct.decided(two, None, "USDT", at(0))
    conduct.dropped(two)
    assert "was not decided" in conduct.leaving(two)
