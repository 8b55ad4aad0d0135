"""Payloads have the keys of the papers, in their order (binance §3)."""

from __future__ import annotations

import json
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.orders import Side
from pitwire.sim.facades import binance_payloads as payloads
from pitwire.sim.facades.binance_candles import Aggregate, Bar
from pitwire.sim.facades.binance_text import Scale
from pitwire.sim.world import BTC_USDT

SCALE = Scale(BTC_USDT)
NOW = 1_672_515_782_136 * MILLISECOND
BAR = Bar(
    opened=1_672_515_780 * SECOND,
    first=100,
    high=250,
    low=90,
    last=200,
    lots=1000,
    volume=150_000,
    trades=100,
    taker_lots=500,
    taker_volume=70_000,
    first_id=100,
    last_id=200,
)
TOP = ((150, 10), (160, 100))
SAMPLES = {
    "aggTrade": """{"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":12345,"p":"0.001","q":"100",
        "f":100,"l":105,"T":1672515782136,"m":true,"M":true}""",
    "bookTicker": """{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000",
        "a":"25.36520000","A":"40.66000000"}""",
    "depth": """{"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,
        "b":[["0.0024","10"]],"a":[["0.0026","100"]]}""",
    "partial": """{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}""",
    "kline": """{"e":"kline","E":1672515782136,"s":"BNBBTC","k":{"t":1672515780000,
        "T":1672515839999,"s":"BNBBTC","i":"1m","f":100,"L":200,"o":"0.0010","c":"0.0020",
        "h":"0.0025","l":"0.0015","v":"1000","n":100,"x":false,"q":"1.0000","V":"500","Q":"0.500",
        "B":"123456"}}""",
    "mini": """{"e":"24hrMiniTicker","E":1672515782136,"s":"BNBBTC","c":"0.0025","o":"0.0010",
        "h":"0.0025","l":"0.0010","v":"10000","q":"18"}""",
    "ticker": """{"e":"24hrTicker","E":1672515782136,"s":"BNBBTC","p":"0.0015","P":"250.00",
        "w":"0.0018","x":"0.0009","c":"0.0025","Q":"10","b":"0.0024","B":"10","a":"0.0026",
        "A":"100","o":"0.0010","h":"0.0025","l":"0.0010","v":"10000","q":"18","O":0,"C":86400000,
        "F":0,"L":18150,"n":18151}""",
    "rolling": """{"e":"1hTicker","E":1672515782136,"s":"BNBBTC","p":"0.0015","P":"250.00",
        "o":"0.0010","h":"0.0025","l":"0.0010","c":"0.0025","w":"0.0018","v":"10000","q":"18",
        "O":0,"C":1675216573749,"F":0,"L":18150,"n":18151}""",
    "average": """{"e":"avgPrice","E":1693907033000,"s":"BTCUSDT","i":"5m","w":"25776.86000000",
        "T":1693907032213}""",
}


def ours() -> dict[str, Any]:
    aggregate = Aggregate(1, 100, 5, 100, 105, NOW, Side.SELL, 9)
    when = {"now": NOW, "unit": MILLISECOND}
    return {
        "aggTrade": payloads.aggregate(SCALE, aggregate, **when),
        "bookTicker": payloads.book_ticker(SCALE, 400_900_217, *TOP),
        "depth": payloads.depth_update(SCALE, 157, 160, ([TOP[0]], [TOP[1]]), 1),
        "partial": payloads.partial_depth(SCALE, 160, [TOP[0]], [TOP[1]]),
        "kline": payloads.kline(SCALE, BAR, "1m", offset=0, **when),
        "mini": payloads.mini_ticker(SCALE, BAR, **when),
        "ticker": payloads.ticker(SCALE, BAR, before=90, last_lots=10, top=TOP, **when),
        "rolling": payloads.rolling_ticker(SCALE, BAR, "1h", opened=0, **when),
        "average": payloads.average(SCALE, Decimal("25776.86"), last_trade=NOW, **when),
    }


def skeleton(value: Any) -> Any:
    """Names in order and the kinds of the values."""
    if isinstance(value, dict):
        return [(name, skeleton(inner)) for name, inner in value.items()]
    if isinstance(value, list | tuple):
        return [skeleton(inner) for inner in value]
    return type(value).__name__


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_the_sample_of_the_papers(kind: str) -> None:
    assert skeleton(ours()[kind]) == skeleton(json.loads(SAMPLES[kind]))


def test_a_kline_is_closed_from_its_end_on() -> None:
    end = BAR.opened + 60 * SECOND
    for now, closed in ((end - 1, False), (end, True)):
        made: Any = payloads.kline(SCALE, BAR, "1m", now=now, unit=MILLISECOND, offset=0)
        assert made["k"]["x"] is closed
        assert made["k"]["T"] == 1_672_515_839_999


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_percent_is_rounded_to_three_decimals(first: int, last: int) -> None:
    bar = Bar(0, first, 0, 0, last)
    exact = Decimal(last - first) * 100 / first
    text = payloads.percent(bar)
    assert len(text.partition(".")[2]) == 3
    assert abs(Decimal(text) - exact) <= Decimal("0.0005")
    rounding = ROUND_HALF_UP if last >= first else ROUND_FLOOR
    assert abs(Decimal(text) - exact.quantize(Decimal("0.001"), rounding)) <= Decimal("0.001")


@pytest.mark.parametrize(
    ("first", "last", "text"), [(1000, 993, "-0.700"), (1000, 1000, "0.000"), (0, 5, "0.000")]
)
def test_percent_in_words(first: int, last: int, text: str) -> None:
    assert payloads.percent(Bar(0, first, 0, 0, last)) == text
