"""Asks and the venue's names for them, both ways, and who carries each (binance §11.1, §11.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from pitwire.model import events as ev
from pitwire.model.errors import ConfigError
from pitwire.model.orders import Side
from pitwire.venues.binance_futures import BINANCE_COINM, BINANCE_USDM
from pitwire.venues.venue import Ask, CodecOptions, Role

BTC = "BTC-USDT"
NAMES = {
    Ask("trades", BTC): "btcusdt@trade",
    Ask("aggregate_trades", BTC): "btcusdt@aggTrade",
    Ask("ticker", BTC): "btcusdt@bookTicker",
    Ask("ticker"): "!bookTicker",
    Ask("book", BTC): "btcusdt@depth@100ms",
    Ask("book", BTC, "250ms"): "btcusdt@depth",
    Ask("book", BTC, "500ms"): "btcusdt@depth@500ms",
    Ask("book", BTC, "0ms"): "btcusdt@depth@0ms",
    Ask("partial_book", BTC): "btcusdt@depth20@100ms",
    Ask("partial_book", BTC, "5@250ms"): "btcusdt@depth5",
    Ask("partial_book", BTC, "10@500ms"): "btcusdt@depth10@500ms",
    Ask("bars", BTC, "1M"): "btcusdt@kline_1M",
    Ask("mini_stats", BTC): "btcusdt@miniTicker",
    Ask("mini_stats"): "!miniTicker@arr",
    Ask("stats", BTC): "btcusdt@ticker",
    Ask("stats"): "!ticker@arr",
    Ask("mark_price", BTC): "btcusdt@markPrice@1s",
    Ask("mark_price", BTC, "3s"): "btcusdt@markPrice",
    Ask("mark_price"): "!markPrice@arr@1s",
    Ask("mark_price", "", "3s"): "!markPrice@arr",
    Ask("liquidations", BTC): "btcusdt@forceOrder",
    Ask("liquidations"): "!forceOrder@arr",
    Ask("ticker", "BTCUSDT-261225"): "btcusdt_261225@bookTicker",
}
PUBLIC = {"trades", "ticker", "book", "partial_book"}


def codec() -> Any:
    return BINANCE_USDM.codec(CodecOptions(role=Role.MARKET))


@pytest.mark.parametrize("ask", NAMES)
def test_an_ask_has_the_venues_name(ask: Ask) -> None:
    frame = json.loads(codec().subscribe([ask], 7))
    assert frame == {"method": "SUBSCRIBE", "params": [NAMES[ask]], "id": 7}
    assert json.loads(codec().unsubscribe([ask], 8))["params"] == [NAMES[ask]]


def test_each_channel_has_the_address_that_carries_it() -> None:
    for name, channel in BINANCE_USDM.channels.items():
        assert channel.route == ("" if name in PUBLIC else "market"), name
    assert {channel.route for channel in BINANCE_COINM.channels.values()} == {""}


def test_coin_margined_perpetuals_have_a_suffix() -> None:
    other = BINANCE_COINM.codec(CodecOptions(role=Role.MARKET))
    asks = [Ask("ticker", "ETH-USD"), Ask("ticker", "ETHUSD-261225")]
    names = json.loads(other.subscribe(asks, 1))["params"]
    assert names == ["ethusd_perp@bookTicker", "ethusd_261225@bookTicker"]


@pytest.mark.parametrize(
    ("ask", "where"),
    [
        (Ask("candles", BTC), "channel"),
        (Ask("average_price", BTC), "channel"),
        (Ask("book", BTC, "20ms"), "option of book"),
        (Ask("book"), "symbol of book"),
        (Ask("bars", BTC, "1s"), "option of bars"),
        (Ask("ticker", "BTC"), "symbol"),
        (Ask("ticker", "btcusdt"), "symbol"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(ask: Ask, where: str) -> None:
    with pytest.raises(ConfigError) as refused:
        codec().check(ask)
    assert refused.value.where == where


EVENTS: dict[str, ev.Event] = {
    "trades": ev.Trade("v", BTC, 1, 1, 1.0, 1.0, Side.BUY, 1),
    "aggregate_trades": ev.AggregateTrade("v", BTC, 1, 1, 1.0, 1.0, Side.BUY, 1, 1, 1),
    "ticker": ev.Quote("v", BTC, 1, 1, 1.0, 1.0, 2.0, 1.0, 1),
    "book": ev.BookDelta("v", BTC, 1, 1, 1, 1, (), ()),
    "partial_book": ev.PartialBook("v", BTC, 1, 1, 1, (), (), 20),
    "bars": ev.Bar("v", BTC, 1, 1, "1m", 0, 1, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1, True),
    "stats": ev.Ticker("v", BTC, 1, 1, "24h", 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, trades=4),
    "mini_stats": ev.Ticker("v", BTC, 1, 1, "24h", 1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
    "mark_price": ev.MarkPrice("v", BTC, 1, 1, 1.0),
    "liquidations": ev.Liquidation("v", BTC, 1, 1, Side.BUY, 1.0, 1.0, 1.0, 1.0, "FILLED"),
}


@pytest.mark.parametrize("channel", EVENTS)
def test_an_event_finds_the_ask_as_it_was_given(channel: str) -> None:
    ours = codec()
    plain = Ask(channel, BTC)
    assert ours.ask_of(EVENTS[channel]).channel == channel
    ours.subscribe([plain], 1)
    assert ours.ask_of(EVENTS[channel]) == plain
    ours.unsubscribe([plain], 2)
    if channel in ("ticker", "stats", "mini_stats", "mark_price", "liquidations"):
        ours.subscribe([Ask(channel)], 3)
        assert ours.ask_of(EVENTS[channel]) == Ask(channel)


def test_statistics_of_a_day_without_a_trade_are_no_mini_ones() -> None:
    ours = codec()
    ours.subscribe([Ask("mini_stats", BTC), Ask("stats", BTC)], 1)
    silent = replace(EVENTS["stats"], change=0.0, trades=0)
    assert ours.ask_of(silent) == Ask("stats", BTC)
    assert ours.ask_of(EVENTS["mini_stats"]) == Ask("mini_stats", BTC)


def test_what_answers_no_ask_says_so() -> None:
    assert codec().ask_of(ev.Funding("v", BTC, 1, 1, 0.1, 2)) is None
