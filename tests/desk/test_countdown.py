"""The venue's own timer: wound in time, only where all that is open is ours, stopped in the end."""

from __future__ import annotations

import pytest

from pitwire.desk.config import parse_config
from pitwire.desk.countdown import Winder, winder_for
from pitwire.model.orders import UpdateKind
from pitwire.trading.ledger import OrderLedger
from pitwire.venues.venue import Countdown
from tests.trading.making import BTC, ETH, at, order, update

ROW = Countdown(seconds=120, renew_every_seconds=30)
PROTECTIVE = "ours-p"


class Timer:
    def __init__(self) -> None:
        self.wound: list[tuple[str, float]] = []
        self.room = 1_000_000

    def has_room(self, weight: int, now: int) -> bool:
        return weight <= self.room

    def arm_countdown(self, symbol: str, seconds: float, now: int) -> None:
        self.wound.append((symbol, seconds))


def office(monkeypatch: pytest.MonkeyPatch) -> tuple[Winder, Timer, OrderLedger]:
    monkeypatch.setattr("pitwire.desk.countdown.is_protective", lambda one: one == PROTECTIVE)
    ledger, timer = OrderLedger(is_ours=lambda one: one.startswith("ours")), Timer()
    return Winder(timer, ROW, ledger, keep_protective=True), timer, ledger


def test_it_is_wound_while_an_order_is_open_and_again_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    winder, timer, ledger = office(monkeypatch)
    winder.tend(at(0))
    assert timer.wound == []
    ledger.made(order("ours"), at(1))
    for second in range(1, 92):
        winder.tend(at(second))
    assert timer.wound == [(BTC, 120)] * 4  # at 1, 31, 61 and 91
    ledger.apply(update("ours", UpdateKind.CANCELED), at(92))
    winder.tend(at(92))
    assert timer.wound[4:] == [], "it can cancel nothing, and may be wanted again"
    winder.tend(at(121))
    winder.tend(at(122))
    assert timer.wound[4:] == [(BTC, 0)]


def test_orders_that_come_and_go_wind_it_no_more_often_than_one_that_rests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wound and stopped with each quote, two symbols were a minute's weight at Binance."""
    winder, timer, ledger = office(monkeypatch)
    for second in range(61):
        ledger.made(order(f"ours{second}"), at(second))
        winder.tend(at(second))
        ledger.apply(update(f"ours{second}", UpdateKind.CANCELED), at(second + 0.5))
        winder.tend(at(second + 0.5))
    assert timer.wound == [(BTC, 120)] * 3  # at 0, 30 and 60
    ledger.apply(update("stranger", UpdateKind.ACCEPTED, venue_id="9"), at(61))
    winder.tend(at(61))
    assert timer.wound[3:] == [(BTC, 0)], "it would cancel what is not ours"


def test_what_is_to_stay_is_kept_from_the_timer_though_the_venue_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped only when there was room, it ran out and cancelled a protective order."""
    winder, timer, ledger = office(monkeypatch)
    ledger.made(order("ours"), at(1))
    winder.tend(at(1))
    timer.room = 0
    ledger.made(order(PROTECTIVE), at(2))
    winder.tend(at(2))
    assert timer.wound == [(BTC, 120), (BTC, 0)]


def test_one_that_is_stopped_as_there_is_room_is_stopped_by_then_or_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    winder, timer, ledger = office(monkeypatch)
    for name in (BTC, ETH):
        ledger.made(order(f"ours in {name}", symbol=name), at(1))
    winder.tend(at(1))
    timer.room = 0
    for name in (BTC, ETH):
        ledger.apply(update(f"ours in {name}", UpdateKind.CANCELED), at(2))
    winder.tend(at(40))
    assert timer.wound[2:] == []
    ledger.made(order(PROTECTIVE), at(41))  # it would cancel this one
    winder.tend(at(41))
    assert timer.wound[2:] == [(BTC, 0)]
    winder.stop(at(42))
    assert timer.wound[3:] == [(ETH, 0)]


def test_what_runs_out_while_there_is_no_room_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    winder, timer, ledger = office(monkeypatch)
    ledger.made(order("ours"), at(1))
    winder.tend(at(1))
    timer.room = 0
    ledger.apply(update("ours", UpdateKind.CANCELED), at(2))
    winder.tend(at(121))
    assert (winder.wound, timer.wound) == ({}, [(BTC, 120)])


def test_what_may_not_go_and_comes_and_goes_winds_it_no_more_often_than_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    winder, timer, ledger = office(monkeypatch)
    ledger.made(order("ours"), at(0))
    timer.room = 0
    for second in range(61):
        ledger.apply(update(f"s{second}", UpdateKind.ACCEPTED, venue_id=f"{second}"), at(second))
        winder.tend(at(second))
        ledger.apply(update(f"s{second}", UpdateKind.CANCELED), at(second + 0.5))
        winder.tend(at(second + 0.5))
    assert timer.wound == [(BTC, 120), (BTC, 0), (BTC, 120), (BTC, 0)]  # at 0.5, 1, 31 and 32
    timer.room = 10
    winder.tend(at(61))
    assert timer.wound[4:] == [(BTC, 120)]


def test_it_is_wound_in_no_more_symbols_than_half_the_weight_suffices_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pitwire.desk.countdown.is_protective", lambda one: one == PROTECTIVE)
    ledger, timer = OrderLedger(is_ours=lambda one: one.startswith("ours")), Timer()
    row = Countdown(seconds=120, renew_every_seconds=30, weight=10)
    winder = Winder(timer, row, ledger, keep_protective=True, limit_a_minute=40)
    for name in (BTC, ETH):
        ledger.made(order(f"ours in {name}", symbol=name), at(1))
    told = [winder.tend(at(second)) for second in range(1, 100)]
    assert timer.wound == [(BTC, 120)] * 4
    assert f"not wound in {ETH}" in told[0]
    assert not any(told[1:])
    ledger.apply(update(f"ours in {BTC}", UpdateKind.CANCELED), at(100))
    for second in range(100, 150):
        winder.tend(at(second))
    assert timer.wound[4:6] == [(BTC, 0), (ETH, 120)]


def test_those_of_a_run_before_are_stopped_as_the_venue_has_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, timer, ledger = office(monkeypatch)
    winder = Winder(timer, ROW, ledger, keep_protective=True, symbols=(BTC, ETH))
    timer.room = 0
    winder.tend(at(1))
    assert timer.wound == []
    timer.room = 1
    winder.tend(at(2))
    assert timer.wound == [(BTC, 0), (ETH, 0)]


@pytest.mark.parametrize("other", ["a stranger's", PROTECTIVE])
def test_where_something_may_not_go_it_is_not_wound(
    monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    winder, timer, ledger = office(monkeypatch)
    ledger.made(order("ours"), at(1))
    winder.tend(at(1))
    if other == PROTECTIVE:
        ledger.made(order(PROTECTIVE), at(2))
    else:
        ledger.apply(update("stranger", UpdateKind.ACCEPTED, venue_id="9"), at(2))
    winder.tend(at(2))
    assert timer.wound == [(BTC, 120), (BTC, 0)]
    ledger.made(order("ours too", symbol=ETH), at(3))
    winder.tend(at(3))
    assert timer.wound[2:] == [(ETH, 120)]


def test_a_stop_that_may_be_lost_is_said_until_it_must_be_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    winder, timer, ledger = office(monkeypatch)
    ledger.made(order("ours"), at(1))
    winder.tend(at(1))
    ledger.apply(update("ours", UpdateKind.CANCELED), at(5))
    for second in range(5, 300):
        winder.tend(at(second))
    assert timer.wound == [(BTC, 120), *[(BTC, 0)] * 3]  # at 31, 61 and 91: it ends at 121


def test_one_of_a_run_before_is_stopped_where_it_is_not_wanted_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pitwire.desk.countdown.is_protective", lambda one: one == PROTECTIVE)
    ledger, timer = OrderLedger(is_ours=lambda one: one.startswith("ours")), Timer()
    ledger.made(order(PROTECTIVE), at(0))  # what an old timer would cancel
    ledger.made(order("ours too", symbol=ETH), at(0))
    winder = Winder(timer, ROW, ledger, keep_protective=True, symbols=(BTC, ETH))
    winder.tend(at(1))
    assert timer.wound == [(ETH, 120), (BTC, 0)]
    for second in range(2, 130):
        winder.tend(at(second))
    assert timer.wound.count((BTC, 0)) == 4  # until 121, when it must be over
    assert (BTC, 120) not in timer.wound


def test_a_refusal_is_news_once(monkeypatch: pytest.MonkeyPatch) -> None:
    winder, _, _ = office(monkeypatch)
    assert [winder.refused(one) for one in (BTC, BTC, ETH)] == [True, False, True]


def test_in_the_end_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    winder, timer, ledger = office(monkeypatch)
    ledger.made(order("ours"), at(1))
    winder.tend(at(1))
    winder.stop(at(2))
    winder.stop(at(3))
    assert timer.wound == [(BTC, 120), (BTC, 0)]
    assert winder.wound == {}


@pytest.mark.parametrize(
    ("section", "mode", "wanted"),
    [
        ("", "sim", False),
        ("[watchdog]\nenabled = true", "sim", True),
        ("[watchdog]\ncountdown = true", "sim", True),
        ("[watchdog]\nenabled = true\ncountdown = false", "sim", False),
        ("[watchdog]\ncountdown = true", "paper", False),
    ],
)
def test_who_wants_it(section: str, mode: str, wanted: bool) -> None:
    config = parse_config(f'mode = "{mode}"\n{section}')
    made = winder_for(config, Timer(), ROW, OrderLedger())
    assert (made is not None) == wanted
    assert winder_for(config, Timer(), None, OrderLedger()) is None
    assert winder_for(config, object(), ROW, OrderLedger()) is None
