"""Which names are streams (binance §1.2, §3)."""

from __future__ import annotations

import pytest

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.sim.facades.binance_candles import HOUR, INTERVALS
from pitwire.sim.facades.binance_names import parse_stream


@pytest.mark.parametrize(
    ("text", "kind", "every"),
    [
        ("btcusdt@trade", "trade", 0),
        ("btcusdt@aggTrade", "aggTrade", 0),
        ("btcusdt@bookTicker", "bookTicker", 0),
        ("btcusdt@blockTrade", "blockTrade", 0),
        ("btcusdt@depth", "depth", SECOND),
        ("btcusdt@depth@1000ms", "depth", SECOND),
        ("btcusdt@depth@100ms", "depth", 100 * MILLISECOND),
        ("btcusdt@depth20@100ms", "partial", 100 * MILLISECOND),
        ("btcusdt@depth5", "partial", SECOND),
        ("btcusdt@kline_1s", "kline", SECOND),
        ("btcusdt@kline_1M", "kline", 2 * SECOND),
        ("btcusdt@miniTicker", "miniTicker", SECOND),
        ("btcusdt@ticker", "ticker", SECOND),
        ("btcusdt@ticker_4h", "rolling", SECOND),
        ("btcusdt@avgPrice", "avgPrice", SECOND),
        ("!miniTicker@arr", "miniTicker@arr", SECOND),
        ("!ticker_1h@arr", "ticker@arr", SECOND),
        ("nosuchcoin@trade", "trade", 0),
        ("币安人生usdt@trade", "trade", 0),
        ("A" * 64, "user", 0),
    ],
)
def test_well_formed(text: str, kind: str, every: int) -> None:
    name = parse_stream(text)
    assert name is not None
    assert (name.text, name.kind, name.every) == (text, kind, every)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "btcusdt",
        "@trade",
        "btcusdt@",
        "btcusdt@Trade",
        "btcusdt@aggtrade",
        "btcusdt@bookticker",
        "btcusdt@kline_2m",
        "btcusdt@kline_1m@+09:00",
        "btcusdt@depth7",
        "btcusdt@depth@250ms",
        "btcusdt@ticker_2h",
        "!bookTicker",
        "!miniTicker",
        "!nothing@arr",
    ],
)
def test_malformed(text: str) -> None:
    assert parse_stream(text) is None


@pytest.mark.parametrize("interval", sorted(INTERVALS))
def test_every_interval_has_a_stream_with_and_without_offset(interval: str) -> None:
    plain = parse_stream(f"btcusdt@kline_{interval}")
    east = parse_stream(f"btcusdt@kline_{interval}@+08:00")
    assert plain is not None
    assert east is not None
    assert (plain.interval, plain.offset) == (interval, 0)
    assert (east.interval, east.offset) == (interval, 8 * HOUR)
