from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.model import events as ev
from pitwire.model.orders import OrderType, Side, UpdateKind
from pitwire.trading.ready import Distance, TrailingStop
from tests.trading.making import BTC, Desk, at, fill, quote, trade, update

PERCENT = Distance(percent=Decimal(1))


def holding(stop: TrailingStop, size: Any = 2, side: Side = Side.BUY) -> Desk:
    desk = Desk(stop)
    desk.burst(quote(99.99, 100.01), fill("seed", size, 100, trade_id="seed", side=side))
    desk.burst(update("seed", UpdateKind.FILLED, filled=size, size=size))
    return desk


def test_a_distance_is_in_percent_or_ticks() -> None:
    state = Desk().state
    assert PERCENT.from_price(200.0, state, BTC) == 2
    assert Distance(ticks=50).from_price(200.0, state, BTC) == 0.5
    assert Distance(ticks=50).from_price(200.0, state, "X-Y") == 0


def test_it_follows_the_price_and_closes_when_it_turns() -> None:
    stop = TrailingStop("trail", BTC, PERCENT)
    desk = holding(stop)
    path = [100, 104, 103, 106, 105, 104.95, 104.94]
    commands = [desk.burst(quote(p, p), trade(p, second)) for second, p in enumerate(path)]
    assert commands[:-1] == [[]] * 6
    [order] = commands[-1]
    assert (order.side, order.type, order.size, order.reduce_only, order.tag) == (
        Side.SELL, OrderType.MARKET, 2, True, "trail",
    )  # fmt: skip
    assert stop.best == 106


def test_it_follows_a_short_position_down() -> None:
    stop = TrailingStop("trail", BTC, Distance(ticks=100))
    desk = holding(stop, side=Side.SELL)
    assert desk.each(trade(100), trade(97, 1), trade(97.99, 2)) == []
    [order] = desk.each(quote(98, 98, 3), trade(98, 3))
    assert (order.side, order.size) == (Side.BUY, 2)
    assert stop.stop_price(desk.state) == 98


def test_without_a_position_it_follows_nothing() -> None:
    stop = TrailingStop("trail", BTC, PERCENT)
    assert Desk(stop).each(trade(100), trade(50, 1)) == []
    assert not stop.watching
    assert stop.stop_price(Desk().state) is None


def test_it_begins_where_it_was_told_to() -> None:
    stop = TrailingStop("trail", BTC, PERCENT, activate_at=110)
    desk = holding(stop)
    assert desk.each(trade(100), trade(90, 1), trade(109, 2)) == []
    assert not stop.watching
    desk.each(quote(110, 110, 3), trade(110, 3))
    assert stop.watching
    assert len(desk.each(quote(108, 108, 4), trade(108, 4))) == 1


def test_a_new_position_is_followed_from_its_own_start() -> None:
    stop = TrailingStop("trail", BTC, PERCENT)
    desk = holding(stop)
    desk.each(quote(120, 120, 1), trade(120, 1))
    desk.burst(fill("x", 3, 120, 2, side=Side.SELL, trade_id="x"))
    desk.each(trade(119, 3))
    assert stop.best == 119


def test_an_exit_that_was_refused_is_wished_again_after_a_second() -> None:
    desk = holding(TrailingStop("trail", BTC, PERCENT))
    desk.each(trade(100), ev.FeedStale("test", BTC, 0, at(1), "ticker", 5.0))
    falling = [trade(90, 2), trade(90, 2.5), trade(90, 3)]
    assert desk.each(*falling) == []
    assert desk.refusals == ["stale input"] * 2
    desk.burst(ev.FeedFresh("test", BTC, 0, at(3.5), "ticker"), quote(90, 90, 3.5))
    assert len(desk.each(trade(90, 4))) == 1


def test_it_does_not_close_twice_while_its_exit_is_open() -> None:
    desk = holding(TrailingStop("trail", BTC, PERCENT))
    desk.each(trade(100), quote(98, 98, 1))
    [order] = desk.each(*(trade(98, second) for second in range(1, 8)))
    desk.burst(fill(order.id, 2, 98, 9, side=Side.SELL, trade_id="out"))
    assert desk.each(quote(97, 97, 10), trade(97, 10)) == []


def test_an_exit_that_was_rejected_is_wished_again() -> None:
    desk = holding(TrailingStop("trail", BTC, PERCENT))
    desk.each(trade(100), quote(98, 98, 1))
    [order] = desk.each(trade(98, 1))
    desk.burst(update(order.id, UpdateKind.REJECTED, 2))
    assert len(desk.each(trade(98, 3))) == 1


@pytest.mark.parametrize("of", ["bid", "ask", "mid"])
def test_it_may_follow_another_price(of: Any) -> None:
    desk = holding(TrailingStop("trail", BTC, PERCENT, of=of))
    assert desk.each(quote(100, 100, 1), trade(50, 1)) == []
    assert len(desk.each(quote(98, 98, 2))) == 1
