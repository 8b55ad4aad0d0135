"""The fact sheet's own frames give exactly these events (binance §11.3), broken ones none."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from msgspec.structs import replace

from pitwire.model import events as ev
from pitwire.model.orders import Side
from pitwire.venues.binance_futures import BINANCE_COINM, BINANCE_USDM
from pitwire.venues.venue import CodecOptions, Role, Venue

NOW = 5
MS = 1_000_000
USDM, BNB = "binance-usdm", "BNB-USDT"

FRAMES: dict[str, tuple[str, ev.Event]] = {
    "bnbusdt@aggTrade": (
        '{"e":"aggTrade","E":123456789,"s":"BNBUSDT","a":5933014,"p":"0.001","q":"100","nq":"100",'
        '"f":100,"l":105,"T":123456785,"m":true,"st":1}',
        ev.AggregateTrade(
            USDM, BNB, 123456785 * MS, NOW, 0.001, 100.0, Side.SELL, 5933014, 100, 105
        ),
    ),
    "bnbusdt@trade": (
        '{"e":"trade","E":9,"T":8,"s":"BNBUSDT","t":1,"p":"2.5","q":"3","X":"MARKET","m":false}',
        ev.Trade(USDM, BNB, 8 * MS, NOW, 2.5, 3.0, Side.BUY, 1),
    ),
    "bnbusdt@bookTicker": (
        '{"e":"bookTicker","u":400900217,"E":1568014460893,"T":1568014460891,"s":"BNBUSDT",'
        '"ps":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000",'
        '"st":1}',
        ev.Quote(USDM, BNB, 1568014460893 * MS, NOW, 25.3519, 31.21, 25.3652, 40.66, 400900217),
    ),
    "bnbusdt@depth@100ms": (
        '{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BNBUSDT","U":157,"u":160,"pu":149,'
        '"b":[["0.0024","10"]],"a":[["0.0026","100"]],"ps":"BNBUSDT","st":1}',
        ev.BookDelta(
            USDM, BNB, 123456789 * MS, NOW, 157, 160, ((0.0024, 10.0),), ((0.0026, 100.0),), 149
        ),
    ),
    "bnbusdt@depth20@100ms": (
        '{"e":"depthUpdate","E":123456789,"T":123456788,"s":"BNBUSDT","U":157,"u":160,"pu":149,'
        '"b":[["0.0024","10"]],"a":[["0.0026","100"]],"ps":"BNBUSDT","st":1}',
        ev.PartialBook(
            USDM, BNB, 123456789 * MS, NOW, 160, ((0.0024, 10.0),), ((0.0026, 100.0),), 20
        ),
    ),
    "btcusdt@forceOrder": (
        '{"e":"forceOrder","E":1568014460893,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC",'
        '"q":"0.014","p":"9910","ap":"9910","X":"FILLED","l":"0.014","z":"0.014",'
        '"T":1568014460893}}',
        ev.Liquidation(
            USDM, "BTC-USDT", 1568014460893 * MS, NOW, Side.SELL, 9910.0, 9910.0, 0.014, 0.014,
            "FILLED",
        ),
    ),
}  # fmt: skip


def codec(venue: Venue = BINANCE_USDM) -> Any:
    return venue.codec(CodecOptions(role=Role.MARKET))


def wrapped(stream: str, data: str) -> bytes:
    return f'{{"stream":"{stream}","data":{data}}}'.encode()


@pytest.mark.parametrize("stream", FRAMES)
def test_a_frame_of_the_papers(stream: str) -> None:
    data, event = FRAMES[stream]
    assert list(codec().decode(wrapped(stream, data), NOW)) == [event]


@pytest.mark.parametrize("stream", [one for one in FRAMES if "depth20" not in one])
def test_a_bare_frame_means_the_same(stream: str) -> None:
    data, event = FRAMES[stream]
    assert list(codec().decode(data.encode(), NOW)) == [event]


@pytest.mark.parametrize("stream", FRAMES)
def test_the_order_of_fields_is_nobodys_business(stream: str) -> None:
    data, event = FRAMES[stream]
    turned = json.dumps(dict(reversed(json.loads(data).items())))
    assert list(codec().decode(wrapped(stream, turned), NOW)) == [event]
    envelope = f'{{"data":{data},"stream":"{stream}"}}'.encode()
    assert list(codec().decode(envelope, NOW)) == [event]


def test_a_mark_price_brings_its_funding() -> None:
    data = (
        '{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000",'
        '"i":"11784.62659091","P":"11784.25641265","r":"0.00038167","ap":"11794.15000000",'
        '"T":1562306400000,"st":1}'
    )
    at = 1562305380000 * MS
    assert list(codec().decode(wrapped("btcusdt@markPrice@1s", data), NOW)) == [
        ev.MarkPrice(USDM, "BTC-USDT", at, NOW, 11794.15, 11784.62659091, 11784.25641265, 11794.15),
        ev.Funding(USDM, "BTC-USDT", at, NOW, 0.00038167, 1562306400000 * MS),
    ]


@pytest.mark.parametrize("rate", ['"r":"","T":0', '"r":"0.00000000","T":0'])
def test_a_dated_contract_has_no_funding(rate: str) -> None:
    data = f'{{"e":"markPriceUpdate","E":1,"s":"BTCUSDT_210129","p":"3","P":"2","i":"",{rate}}}'
    [mark] = codec().decode(wrapped("btcusdt_210129@markPrice", data), NOW)
    assert (mark.symbol, mark.price, mark.settle) == ("BTCUSDT-210129", 3.0, 2.0)
    assert math.isnan(mark.index)


def test_a_negative_rate_is_paid_by_the_short() -> None:
    data = '{"e":"markPriceUpdate","E":1,"s":"BTCUSDT","p":"3","r":"-0.00012","T":5}'
    _, funding = codec().decode(wrapped("btcusdt@markPrice", data), NOW)
    assert funding.rate == -0.00012


def test_a_day_ticker_has_no_quote_in_it() -> None:
    data = (
        '{"e":"24hrTicker","E":7,"s":"BTCUSDT","p":"-88.17","P":"-0.855","w":"10223.98",'
        '"c":"10223.74","Q":"2.097","o":"10311.91","h":"10329.38","l":"10080.70","v":"20248.9",'
        '"q":"207024349.13","O":1,"C":2,"F":148927,"L":181349,"n":32423}'
    )
    [ticker] = codec().decode(wrapped("btcusdt@ticker", data), NOW)
    assert (ticker.open, ticker.last, ticker.change, ticker.trades) == (
        10311.91, 10223.74, -88.17, 32423,
    )  # fmt: skip
    assert math.isnan(ticker.bid)
    assert math.isnan(ticker.ask)


def test_a_list_of_both_universes_is_told_for_ours_alone() -> None:
    def row(symbol: str, universe: int) -> str:
        return (
            f'{{"e":"24hrMiniTicker","E":7,"s":"{symbol}","c":"1","o":"2","h":"3","l":"0.5",'
            f'"v":"9","q":"9","ps":"X","st":{universe}}}'
        )

    frame = wrapped("!miniTicker@arr", f"[{row('BTCUSDT', 1)},{row('BTCUSD_PERP', 2)}]")
    assert [one.symbol for one in codec().decode(frame, NOW)] == ["BTC-USDT"]
    assert [one.symbol for one in codec(BINANCE_COINM).decode(frame, NOW)] == ["BTC-USD"]


@pytest.mark.parametrize("by", ["INSURANCE_FUND", "ADL"])
def test_what_no_taker_traded_is_no_trade(by: str) -> None:
    data = f'{{"e":"trade","E":9,"T":8,"s":"BNBUSDT","t":1,"p":"2","q":"3","X":"{by}","m":true}}'
    assert list(codec().decode(wrapped("bnbusdt@trade", data), NOW)) == []


def test_an_answer_on_a_market_connection() -> None:
    [reply] = codec().decode(b'{"result":null,"id":3}', NOW)
    assert (reply.request_id, reply.error) == (3, None)
    [refused] = codec().decode(b'{"error":{"code":2,"msg":"Invalid request"},"id":4}', NOW)
    assert (refused.request_id, type(refused.error).__name__) == (4, "SubscriptionRejected")


@pytest.mark.parametrize(
    "data",
    [
        '{"e":"contractInfo","E":1,"s":"BTCUSDT"}',
        '{"e":"compositeIndex","E":1,"s":"DEFIUSDT"}',
        '{"e":"continuous_kline","E":1,"ps":"BTCUSDT","ct":"PERPETUAL","k":{}}',
    ],
)
def test_an_unknown_kind_is_unhandled(data: str) -> None:
    [told] = codec().decode(wrapped("x", data), NOW)
    assert isinstance(told, ev.Unhandled)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (('"p":"0.001"', '"p":"-1"'), "p"),
        (('"p":"0.001"', '"p":"NaN"'), "p"),
        (('"q":"100"', '"q":"1e400"'), "q"),
        (('"a":5933014', '"a":-5'), "a"),
        (('"T":123456785', '"T":99999999999999999999'), "T"),
        (('"m":true', '"m":"perhaps"'), "m"),
        (('"s":"BNBUSDT",', ""), "s"),
    ],
)
def test_a_broken_frame_is_malformed_and_says_where(change: tuple[str, str], path: str) -> None:
    data = FRAMES["bnbusdt@aggTrade"][0].replace(*change)
    [told] = codec().decode(wrapped("bnbusdt@aggTrade", data), NOW)
    assert isinstance(told, ev.Malformed)
    assert path in told.path
    assert told.channel == "bnbusdt@aggTrade"


@pytest.mark.parametrize("stream", ["btcusdt@depth7", "btcusdt@depthX@100ms"])
def test_a_book_of_an_unknown_depth_is_malformed(stream: str) -> None:
    [told] = codec().decode(wrapped(stream, FRAMES["bnbusdt@depth20@100ms"][0]), NOW)
    assert isinstance(told, ev.Malformed)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"[]]",
        b"null",
        b"\xff\xfe",
        b'{"e":5}',
        b"[1]",
        b'{"e":{}}',
        b'{"stream":"x","data":{"e":[]}}',
    ],
)
def test_no_bytes_raise(frame: bytes) -> None:
    assert all(isinstance(one, ev.Malformed | ev.Unhandled) for one in codec().decode(frame, NOW))


def test_one_side_of_a_quote_may_be_empty() -> None:
    data, event = FRAMES["bnbusdt@bookTicker"]
    empty = data.replace('"25.35190000"', '"0"').replace('"31.21000000"', '"0"')
    assert list(codec().decode(wrapped("x", empty), NOW)) == [replace(event, bid=0.0, bid_size=0.0)]
    [broken] = codec().decode(wrapped("x", data.replace('"25.35190000"', '"0"')), NOW)
    assert isinstance(broken, ev.Malformed)
