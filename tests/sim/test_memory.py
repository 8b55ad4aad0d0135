"""What a venue remembers is bounded: minutes more of the same market add nothing to it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

import pytest

from pitwire.sim import past, pit, plan
from pitwire.sim.facades import (
    binance,
    binance_candles,
    binance_streams,
    binance_text,
)
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.faults import Delay, Drop
from pitwire.sim.loop import START
from pitwire.sim.world import BTC_USDT, World
from tests.sim.binance_client import ApiClient, Ear, StreamClient, quiet_world

STREAMS = (
    "trade aggTrade bookTicker depth@100ms depth10 kline_1s kline_1m miniTicker ticker "
    "ticker_1h avgPrice"
)
WARM_MINUTES, MINUTES = 2, 3
PER_SECOND = 4
"""How often the account buys or sells, and places and cancels."""
PATIENT = BinanceOptions(
    connections_per_5_minutes=100_000, orders_per_10_seconds=100_000, weight_per_minute=1_000_000
)
NOISE = 1_500
"""Blocks that come and go with the shape of the book. A leak of one block an order is more."""


class Deaf(Ear):
    """Hears everything and keeps nothing."""

    def on_frame(self, frame: bytes, drained: bool) -> None:
        pass

    def on_ping(self, payload: bytes) -> None:
        pass


class DeafStream(Deaf, StreamClient):
    pass


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is bounded is full after the warm-up."""
    monkeypatch.setattr(pit, "KEPT_TRADES", 300)
    monkeypatch.setattr(pit, "KEPT_ORDERS", 100)
    monkeypatch.setattr(pit, "KEPT_OWN_TRADES", 100)
    monkeypatch.setattr(pit, "AVERAGE_MINUTES", 1)
    monkeypatch.setattr(past, "KEPT_CHANGES", 300)
    monkeypatch.setattr(binance_candles, "_AGGREGATES_KEPT", 300)
    monkeypatch.setattr(binance_candles, "_BARS_KEPT", 60)
    monkeypatch.setattr(binance_candles, "_UNFOLDED", 16)
    monkeypatch.setattr(binance_text, "_KEPT_TEXTS", 50)
    monkeypatch.setattr(plan, "KEPT_HAPPENED", 50)
    monkeypatch.setattr(binance, "_TIMERS_SWEPT", 16)
    monkeypatch.setattr(binance_streams, "_BEATS_SWEPT", 16)


def blocks() -> int:
    """What the interpreter has given out; an object has at least one."""
    gc.collect()
    return sys.getallocatedblocks()


def growth(live: Callable[[], None]) -> list[int]:
    """Blocks more than after the warm-up, at the end of each minute."""
    for _ in range(WARM_MINUTES):
        live()
    before = blocks()
    found = []
    for _ in range(MINUTES):
        live()
        found.append(blocks() - before)
    return found


def test_a_market_with_a_listener_and_a_trader_holds_no_more_later(small: None) -> None:
    world = World(listings=(BTC_USDT,), options=PATIENT)
    DeafStream(world, "/stream?streams=" + "/".join(f"btcusdt@{one}" for one in STREAMS.split()))
    trader = ApiClient(world)
    trader.subscribe()

    def trade() -> None:
        trader.market("BUY", quantity="0.001")
        trader.market("SELL", quantity="0.001")
        resting = trader.limit("BUY", "50000.00", "0.001")
        trader.done("order.cancel", symbol="BTCUSDT", orderId=resting["orderId"])
        assert len(trader.take_events()) > 8
        trader.pings.clear()

    def minute() -> None:
        for _ in range(60 * PER_SECOND):
            trade()
            world.advance(1 / PER_SECOND)

    assert max(growth(minute)) < NOISE
    traded = world.exchange.pit("BTC-USDT")
    assert traded.trade_id > 10 * len(traded.trades)
    assert len(world.exchange.all_orders("main", "BTC-USDT")) == pit.KEPT_ORDERS


def test_clients_that_come_and_go_leave_nothing_behind(small: None) -> None:
    world = quiet_world(options=PATIENT, faults=(Delay(seconds=0.001, stream="control", count=0),))

    def minute() -> None:
        for number in range(240):
            listener = DeafStream(world, "/ws/btcusdt@kline_1M/btcusdt@depth")
            listener.link.send(b'{"method":"SUBSCRIBE","params":["ethusdt@kline_1w"],"id":1}')
            trader = ApiClient(world)
            trader.subscribe()
            world.advance(0.25)
            links = (listener.link.number, trader.link.number)
            if number % 3 == 0:
                listener.link.close()
                trader.link.abort()
            elif number % 3 == 1:
                for link in links:
                    world.facade.close(link, 1008, "enough")
            else:
                for link in links:
                    world.stage.cut(link, world.clock.now())
            world.act()
            world.advance(0.01)

    assert max(growth(minute)) < NOISE
    assert world.stage.links() == {}
    assert world.facade.links() == []


def test_prevented_orders_are_not_waited_for(small: None) -> None:
    world = quiet_world(options=PATIENT)
    trader = ApiClient(world)
    for _ in range(5):
        trader.limit("SELL", "60000.00", "0.001")
        trader.limit("BUY", "60000.00", "0.001", selfTradePreventionMode="EXPIRE_BOTH")
    assert not world.facade.office._unfilled


def test_the_last_decisions_of_a_plan_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binance_text, "_KEPT_TEXTS", 50)
    monkeypatch.setattr(plan, "KEPT_HAPPENED", 10)
    world = quiet_world(faults=(Drop(count=0),))
    for number in range(1, 1_000):
        assert world.plan.frame_out("market-1", "s", b"x", START + number) == []
        assert len(world.plan.happened) == min(number, 10 + number % 10)
    assert [at - START for at, _ in world.plan.happened][-3:] == [997, 998, 999]
