"""Bad, odd and hostile frames: each is an event, never an exception, never a wrong number."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.mutations import golden_frames
from pitwire.conformance.corpora import check
from pitwire.model.events import Event, Malformed, PartialBook, Quote, Ticker, Trade, Unhandled
from pitwire.venues.binance.codec import BinanceCodec
from pitwire.venues.venue import Ask, CodecOptions, Reply, Role

NOW = 1_700_000_000_000_000_000
TRADE = (
    b'{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100",'
    b'"T":1672515782136,"m":true,"M":true}'
)
QUOTE = b'{"u":400900217,"s":"BNBUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}'
DELTA = (
    b'{"e":"depthUpdate","E":1672515782136,"s":"BNBBTC","U":157,"u":160,'
    b'"b":[["0.0024","10"],["0.0023","0"]],"a":[["0.0026","100"]]}'
)


def codec(role: Role = Role.MARKET) -> BinanceCodec:
    return BinanceCodec(CodecOptions(role=role))


def wrapped(stream: str, data: bytes) -> bytes:
    return b'{"stream":"%s","data":%s}' % (stream.encode(), data)


def test_what_is_recited_is_read_as_a_trade_and_leaves_no_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, read = codec(), list[Event]()
    decode = BinanceCodec.decode

    def noted(self: BinanceCodec, frame: bytes, now: int) -> object:
        events = decode(self, frame, now)
        read.extend(one for one in events if isinstance(one, Event))
        return events

    monkeypatch.setattr(BinanceCodec, "decode", noted)
    reader.recite(NOW)
    assert read == [], "no symbol is known yet"
    reader.decode(wrapped("bnbbtc@trade", TRADE), NOW)
    known = dict(reader._symbols)
    reader.recite(NOW)
    assert [type(one) for one in read] == [Trade, Trade]
    assert read[1].symbol == read[0].symbol == "BNB-BTC"
    assert dict(reader._symbols) == known


@pytest.mark.parametrize("around", [bytes, lambda data: wrapped("bnbusdt@bookTicker", data)])
def test_a_side_where_nobody_quotes_is_told_and_a_size_without_a_price_is_not(around: Any) -> None:
    sides = {b"bid": b'"b":"25.35","B":"31.21"', b"ask": b'"a":"25.36","A":"40.66"'}
    for name, said in sides.items():
        side = said[1:2]
        nobody = b'"%s":"0.00","%s":"0.00"' % (side, side.upper())
        [quote] = codec().decode(around(QUOTE.replace(said, nobody)), NOW)
        assert isinstance(quote, Quote), name
        assert not quote.is_whole
        assert (quote.bid == 0, quote.ask == 0) == (name == b"bid", name == b"ask")
        [odd] = codec().decode(around(QUOTE.replace(said[:12], nobody[:10])), NOW)
        assert isinstance(odd, Malformed), name


@pytest.mark.parametrize("window", ["1h", "4h", "1d"])
def test_a_rolling_window_is_called_by_its_length(window: str) -> None:
    rolling = (
        b'{"e":"%sTicker","E":1672515782136,"s":"BNBBTC","p":"0.0015","P":"250.00","o":"0.0010",'
        b'"h":"0.0025","l":"0.0010","c":"0.0025","w":"0.0018","v":"10000","q":"18","O":0,'
        b'"C":1675216573749,"F":0,"L":18150,"n":18151}' % window.encode()
    )
    [told] = codec().decode(rolling, NOW)
    assert isinstance(told, Ticker)
    assert told.window == window


BROKEN = {
    "nothing": (b"", ""),
    "html": (b"<html><body>502 Bad Gateway</body></html>", ""),
    "truncated": (TRADE[:60], ""),
    "truncated in the wrapper": (wrapped("bnbbtc@trade", TRADE)[:50], ""),
    "no opening": (wrapped("bnbbtc@trade", TRADE)[1:], ""),
    "trailing bytes": (TRADE + b"}", ""),
    "two frames": (TRADE + TRADE, ""),
    "binary": (bytes(range(256)), ""),
    "bad utf-8": (TRADE.replace(b"BNBBTC", b"B\xff\xfe"), ""),
    "a number": (b"17", "$"),
    "null": (b"null", "$"),
    "a string": (b'"trade"', "$"),
    "price as text": (TRADE.replace(b'"0.001"', b'"cheap"'), "$.p"),
    "price as null": (TRADE.replace(b'"0.001"', b"null"), "$.p"),
    "price nan": (TRADE.replace(b'"0.001"', b'"NaN"'), "$.p"),
    "price infinite": (TRADE.replace(b'"0.001"', b'"Infinity"'), "$.p"),
    "price zero": (TRADE.replace(b'"0.001"', b'"0.00000000"'), "$.p"),
    "price negative": (TRADE.replace(b'"0.001"', b'"-0.001"'), "$.p"),
    "price out of range": (TRADE.replace(b'"0.001"', b'"1e999"'), "$.p"),
    "size negative": (TRADE.replace(b'"100"', b'"-100"'), "$.q"),
    "id as text": (TRADE.replace(b"12345", b'"x"'), "$.t"),
    "id huge": (TRADE.replace(b"12345", b"9" * 40), "$.t"),
    "id of many digits": (TRADE.replace(b"12345", b"9" * 6000), ""),
    "time huge": (TRADE.replace(b'"T":1672515782136', b'"T":99999999999999999'), "$.T"),
    "no symbol": (TRADE.replace(b'"BNBBTC"', b'""'), "$.s"),
    "symbol as number": (TRADE.replace(b'"BNBBTC"', b"7"), "$.s"),
    "key missing": (TRADE.replace(b'"p":"0.001",', b""), ""),
    "key twice": (TRADE.replace(b'"q":"100"', b'"p":"9999"'), ""),
    "key twice in the wrapper": (wrapped("x@trade", TRADE)[:-1] + b',"data":1}', ""),
    "quote without a bid": (QUOTE.replace(b'"25.35"', b'"0.00000000"'), "$.b"),
    "level of one": (DELTA.replace(b'["0.0024","10"]', b'["0.0024"]'), "$.b[0]"),
    "level of three": (DELTA.replace(b'"0.0024","10"', b'"0.0024","10","1"'), "$.b[0]"),
    "level nan": (DELTA.replace(b'"10"', b'"NaN"'), "$.b[0][1]"),
    "level negative": (DELTA.replace(b'"10"', b'"-10"'), "$.b[0][1]"),
    "levels as object": (DELTA.replace(b'[["0.0026","100"]]', b"{}"), "$.a"),
    "nested deeply": (b"[" * 100_000, ""),
    "nested deeply in an unknown field": (
        TRADE.replace(b'"M":true', b'"M":' + b"[" * 50_000 + b"]" * 50_000),
        "nested too deeply",
    ),
    "event type a number": (TRADE.replace(b'"e":"trade"', b'"e":5'), ""),
}


@pytest.mark.parametrize(("frame", "path"), BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("role", Role)
def test_a_broken_frame_is_malformed(frame: bytes, path: str, role: Role) -> None:
    [event] = codec(role).decode(frame, NOW)
    assert isinstance(event, Malformed)
    assert event.received == NOW
    assert path in event.path
    assert len(event.excerpt) <= 80
    assert event.path or not frame


TWICE = {
    "p": (TRADE.replace(b'"q":"100"', b'"q":"100","p":"9"'), ("price", 9.0)),
    "b": (QUOTE.replace(b"}", b',"b":"24"}'), ("bid", 24.0)),
}


@pytest.mark.parametrize("key", TWICE)
def test_of_a_key_written_twice_the_last_counts_in_the_stream_and_neither_elsewhere(
    key: str,
) -> None:
    frame, (name, value) = TWICE[key]
    for sent in (frame, wrapped("x@y", frame)):
        [event] = codec().decode(sent, NOW)
        assert getattr(event, name) == value
    [event] = codec(Role.ORDERS).decode(frame, NOW)
    assert isinstance(event, Malformed)
    assert event.path == key


def test_the_channel_and_the_path_are_named() -> None:
    frame = wrapped("bnbbtc@trade", TRADE.replace(b'"0.001"', b'"NaN"'))
    [event] = codec().decode(frame, NOW)
    assert isinstance(event, Malformed)
    assert (event.channel, event.path) == ("bnbbtc@trade", "$.p")
    assert event.excerpt.startswith('{"stream":"bnbbtc@trade"')


@pytest.mark.parametrize(
    "frame",
    [
        b'{"e":"somethingNew","E":1,"s":"BNBBTC"}',
        wrapped("bnbbtc@somethingNew", b'{"e":"somethingNew","E":1}'),
        wrapped("bnbbtc@somethingNew", b'{"x":1}'),
        b'{"x":{}}',
        b"{}",
    ],
)
def test_what_is_unknown_is_unhandled(frame: bytes) -> None:
    [event] = codec().decode(frame, NOW)
    assert isinstance(event, Unhandled)
    assert event.excerpt == frame.decode()[:80]


def test_unknown_fields_are_ignored() -> None:
    frame = TRADE.replace(b'"M":true', b'"M":true,"new":{"a":[1,2]},"more":"x:y"')
    assert codec().decode(frame, NOW) == codec().decode(TRADE, NOW)


def test_a_quote_has_no_venue_time() -> None:
    [event] = codec().decode(QUOTE, NOW)
    assert event == Quote("binance", "BNB-USDT", 0, NOW, 25.35, 31.21, 25.36, 40.66, 400900217)


def test_a_side_where_nobody_quotes_is_zero_for_zero() -> None:
    frame = QUOTE.replace(b'"b":"25.35","B":"31.21"', b'"b":"0.00000000","B":"0.00000000"')
    (quote,) = codec().decode(frame, NOW)
    assert isinstance(quote, Quote)
    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (0.0, 0.0, 25.36, 40.66)
    (nonsense,) = codec().decode(frame.replace(b'"B":"0.00000000"', b'"B":"1"'), NOW)
    assert isinstance(nonsense, Malformed)
    assert nonsense.path == "$.b"


def test_arrays_of_statistics() -> None:
    row = (
        b'{"e":"24hrMiniTicker","E":1672515782136,"s":"BNBBTC","c":"0.0025","o":"0.0010",'
        b'"h":"0.0025","l":"0.0010","v":"10000","q":"18"}'
    )
    data = b"[%s,%s]" % (row, row.replace(b"BNBBTC", b"ETHBTC"))
    for frame in (data, wrapped("!miniTicker@arr", data)):
        events = codec().decode(frame, NOW)
        assert [e.symbol for e in events if isinstance(e, Ticker)] == ["BNB-BTC", "ETH-BTC"]
    assert codec().decode(b"[]", NOW) == []


def test_statistics_of_a_silent_symbol_have_no_prices() -> None:
    frame = (
        b'{"e":"24hrMiniTicker","E":1672515782136,"s":"BNBBTC","c":"0.00000000","o":"0.00000000",'
        b'"h":"0.00000000","l":"0.00000000","v":"0.00000000","q":"0.00000000"}'
    )
    [event] = codec().decode(frame, NOW)
    assert isinstance(event, Ticker)
    assert math.isnan(event.last)
    assert event.volume == 0


PARTIAL = b'{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}'


def test_a_partial_book_is_attributed_by_its_stream() -> None:
    for stream, symbol, depth in (
        ("bnbbtc@depth5", "BNB-BTC", 5),
        ("bnbbtc@depth10@100ms", "BNB-BTC", 10),
        ("ethusdt@depth20@100ms", "ETH-USDT", 20),
    ):
        [event] = codec().decode(wrapped(stream, PARTIAL), NOW)
        assert isinstance(event, PartialBook)
        assert (event.symbol, event.depth) == (symbol, depth)


def test_a_bare_partial_book_is_attributed_only_where_one_was_asked_for() -> None:
    one = codec()
    assert isinstance(one.decode(PARTIAL, NOW)[0], Malformed)
    one.subscribe([Ask("partial_book", "BNB-BTC", "5"), Ask("trades", "ETH-BTC")], 1)
    [event] = one.decode(PARTIAL, NOW)
    assert isinstance(event, PartialBook)
    assert (event.symbol, event.depth) == ("BNB-BTC", 5)
    one.subscribe([Ask("partial_book", "ETH-BTC", "5")], 2)
    assert isinstance(one.decode(PARTIAL, NOW)[0], Malformed)
    one.unsubscribe([Ask("partial_book", "BNB-BTC", "5")], 3)
    [event] = one.decode(PARTIAL, NOW)
    assert event.symbol == "ETH-BTC"  # type: ignore[union-attr]


@pytest.mark.parametrize("stream", ["bnbbtc@depth7", "@depth5", "bnbbtc", "bnbbtc@trade"])
def test_a_partial_book_under_a_strange_name_is_malformed(stream: str) -> None:
    assert isinstance(codec().decode(wrapped(stream, PARTIAL), NOW)[0], Malformed)


def test_a_frame_is_only_a_view() -> None:
    buffer = bytearray(TRADE)
    [event] = codec().decode(memoryview(buffer), NOW)
    buffer[:] = b"\0" * len(buffer)
    assert isinstance(event, Trade)
    assert (event.symbol, event.price) == ("BNB-BTC", 0.001)


# ── mutation ──────────────────────────────────────────────────────────────────────────────────


SEEDS = golden_frames("binance")
VALUES = [
    b"null", b"true", b"-1", b"0", b"1e400", b'"NaN"', b'"-Infinity"', b'""', b"[]", b"{}",
    b'"-5"', b'"1E+999999"', b"9" * 30, b'"\xf0\x9f"', b'"0.00000000"', b"[[[[",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    frame = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(frame) - 1)))
        match draw(st.integers(0, 4)):
            case 0:
                frame[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                del frame[at:]
            case 2:
                del frame[at : at + draw(st.integers(1, 20))]
            case 3:
                frame[at:at] = draw(st.sampled_from(VALUES))
            case _:
                _swap_value(frame, draw(st.integers(0, 40)), draw(st.sampled_from(VALUES)))
    return bytes(frame)


def _swap_value(frame: bytearray, nth: int, value: bytes) -> None:
    """Replace the value after the nth colon."""
    at = -1
    for _ in range(nth + 1):
        found = frame.find(b":", at + 1)
        if found < 0:
            break
        at = found
    ends = [end for end in (frame.find(b",", at), frame.find(b"}", at)) if end > 0]
    if at >= 0 and ends:
        frame[at + 1 : min(ends)] = value


@settings(max_examples=400)
@given(mutated(), st.sampled_from(Role))
def test_a_mutated_frame_is_events_with_sane_numbers(frame: bytes, role: Role) -> None:
    check(codec(role).decode(frame, NOW))


@settings(max_examples=150)
@given(st.binary(max_size=60))
def test_any_bytes_are_events(frame: bytes) -> None:
    for role in Role:
        for item in codec(role).decode(frame, NOW):
            assert isinstance(item, Event | Reply)
