"""Captured text becomes ticks and lots, or an error that says which text did not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench import native
from pitwire.model.errors import ConfigError
from pitwire.model.orders import Side
from pitwire.sim.capture import (
    CaptureRecord,
    Diff,
    Grid,
    News,
    Print,
    Reader,
    Snapshot,
    load_capture,
    open_frame,
    stream_of,
)

READER = Reader(tick=Decimal("0.01"), lot=Decimal("0.001"), name="AAABBB")
LINES = b"""{"t":"header","conn":"c","ts_ns":0,"data":"{}"}
{"t":"recv","conn":"c","ts_ns":5,"data":"{\\"stream\\":\\"x\\", \\"data\\":{ \\"a\\":1}}"}
"""


@pytest.mark.parametrize("zipped", [True, False])
def test_a_capture_is_read_in_order(tmp_path: Path, zipped: bool):
    path = tmp_path / ("a.jsonl.gz" if zipped else "a.jsonl")
    path.write_bytes(gzip.compress(LINES) if zipped else LINES)
    header, frame = load_capture(path)
    assert (header.t, header.conn, header.ts_ns) == ("header", "c", 0)
    assert frame.data == '{"stream":"x", "data":{ "a":1}}'


def test_a_line_that_is_no_record_is_named(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES + b"<html>\n")
    with pytest.raises(ConfigError, match=r"a\.jsonl line 3: found '<html>', expected a capture"):
        load_capture(path)


@pytest.mark.parametrize(
    ("text", "stream", "payload"),
    [
        ('{"stream":"x@y", "data":{ "a" : 1 }}', "x@y", b'{ "a" : 1 }'),
        ('{"a":1}', "", b'{"a":1}'),
        ('{"stream":"x"}', "", b'{"stream":"x"}'),
        ("<html>", "", b"<html>"),
        ("[1]", "", b"[1]"),
    ],
)
def test_a_payload_leaves_its_envelope_unchanged(text: str, stream: str, payload: bytes):
    assert open_frame(text.encode()) == (stream, payload)


@given(st.integers(0, 10**12), st.sampled_from(["0.01", "0.001", "1", "0.5", "0.00000001"]))
def test_a_count_times_the_step_is_the_text(count: int, step: str):
    grid = Grid("price", Decimal(step))
    value = count * Decimal(step)
    assert grid.count(f"{value:.8f}") == count
    assert grid.count(str(value)) == count
    assert grid.floor(f"{value:.8f}") == count


def test_a_price_off_the_grid_is_an_error_and_a_size_is_rounded_down():
    with pytest.raises(ValueError, match=r"price: found 1\.00500000, expected a multiple of 0\.01"):
        Grid("price", Decimal("0.01")).count("1.00500000")
    sizes = Grid("size", Decimal("0.01"))
    assert (sizes.floor("1.00500000"), sizes.floor("0.00500000"), sizes.floor("0.000")) == (
        100,
        1,
        0,
    )
    for text in ("", "x.00000000", "nil"):
        with pytest.raises(ValueError, match="size: found"):
            sizes.count(text)


def test_a_diff_a_trade_and_a_snapshot_are_read():
    diff = (
        b'{"e":"depthUpdate","E":1,"s":"AAABBB","U":5,"u":7,'
        b'"b":[["1.00","0.002"]],"a":[["1.01","0.000"]]}'
    )
    assert READER.read(diff) == Diff(5, 7, ((100, 2),), ((101, 0),))
    trade = b'{"e":"trade","E":1,"s":"AAABBB","t":9,"p":"1.01","q":"0.004","T":3,"m":%s,"M":true}'
    assert READER.read(trade % b"true") == Print(9, 101, 4, Side.SELL, 3_000_000)
    assert READER.read(trade % b"false") == Print(9, 101, 4, Side.BUY, 3_000_000)
    book = '{"lastUpdateId":7,"bids":[["1.00","0.002"]],"asks":[]}'
    for url in ("", "https://x/depth?symbol=AAABBB&limit=1000"):
        record = CaptureRecord(t="http", url=url, data=book)
        assert READER.read_snapshot(record) == Snapshot(7, ((100, 2),), ())


def test_anything_else_is_passed_over():
    for payload in (
        b'{"u":7,"s":"AAABBB","b":"1.00","B":"2.0","a":"1.01","A":"1.0"}',
        b'{"e":"kline","s":"AAABBB"}',
        b'{"e":"depthUpdate","s":"ZZZ","U":1,"u":1,"b":[],"a":[]}',
        b"<html>",
    ):
        assert READER.read(payload) is None
    for record in (
        CaptureRecord(t="recv", data='{"lastUpdateId":7,"bids":[],"asks":[]}'),
        CaptureRecord(t="http", url="x?symbol=ZZZ", data='{"lastUpdateId":7}'),
        CaptureRecord(t="http", data="{}"),
        CaptureRecord(t="http", data="<html>"),
    ):
        assert READER.read_snapshot(record) is None


def test_every_binance_capture_loads(captures: Path):
    paths = sorted((captures / "binance").glob("spot_*.jsonl.gz"))
    assert paths
    for path in paths:
        assert any(record.t == "recv" for record in load_capture(path))


@pytest.mark.parametrize(
    ("payload", "stream"),
    [
        (b'{"e":"trade","s":"BTCUSDT","t":1}', "btcusdt@trade"),
        (b'{"e":"aggTrade","s":"BTCUSDT","a":1}', "btcusdt@aggTrade"),
        (b'{"u":7,"s":"BTCUSDT","b":"1","B":"2","a":"3","A":"4"}', "btcusdt@bookTicker"),
        (b'{"e":"depthUpdate","s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}', "btcusdt@depth@100ms"),
        (b'{"e":"kline","s":"BTCUSDT","k":{"t":1,"i":"1M"}}', "btcusdt@kline_1M"),
        (b'{"e":"24hrMiniTicker","s":"BTCUSDT","c":"1"}', "btcusdt@miniTicker"),
        (b'{"e":"24hrTicker","s":"BTCUSDT","c":"1"}', "btcusdt@ticker"),
        (b'{"lastUpdateId":7,"bids":[],"asks":[]}', ""),
        (b'{"s":"BTCUSDT"}', ""),
        (b'{"e":"somethingNew","s":"BTCUSDT"}', ""),
        (b'[{"e":"trade","s":"BTCUSDT"}]', ""),
        (b"no json", ""),
    ],
)
def test_a_bare_payload_tells_its_stream_where_it_can(payload: bytes, stream: str) -> None:
    assert stream_of(payload) == stream


# ── the compiled twin ─────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def part() -> Any:
    """What reads the commonest frames, built anew from its source."""
    found = native.twin(native.RECORDED)
    if found is None:
        pytest.skip("no C compiler that can build it")
    return found


def decimals(most: int) -> st.SearchStrategy[str]:
    return st.integers(0, most).map(lambda units: f"{units // 10**8}.{units % 10**8:08}")


prices = st.one_of(st.integers(1, 10**8).map(lambda ticks: f"{ticks / 100:.8f}"), decimals(10**17))
sizes = st.one_of(st.just("0.00000000"), decimals(10**12), decimals(10**17))
levels = st.lists(st.tuples(prices, sizes).map(list), max_size=6)
numbers = st.integers(0, 10**18)
diffs = st.fixed_dictionaries(
    {"e": st.just("depthUpdate"), "E": numbers, "s": st.sampled_from(["AAABBB", "AAABB"]),
     "U": numbers, "u": numbers, "b": levels, "a": levels}
)  # fmt: skip
trades = st.fixed_dictionaries(
    {"e": st.just("trade"), "E": numbers, "s": st.sampled_from(["AAABBB", "AAABBBC"]),
     "t": numbers, "p": prices, "q": sizes, "T": numbers, "m": st.booleans(), "M": st.just(True)}
)  # fmt: skip
others = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)
spelt = st.one_of(diffs, trades, others).map(
    lambda data: json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
)


@st.composite
def spoilt(draw: st.DrawFn, texts: st.SearchStrategy[bytes]) -> bytes:
    """A text, and now and then one of which a byte was changed, left out or put in."""
    text = bytearray(draw(texts))
    if text and draw(st.booleans()):
        place = draw(st.integers(0, len(text) - 1))
        change = draw(st.integers(0, 2))
        other = draw(st.sampled_from(b'0159.-{}[]":, \\xe\x80\x00'))
        if change == 0:
            text[place] = other
        elif change == 1:
            del text[place]
        else:
            text.insert(place, other)
    return bytes(text)


framed = st.one_of(
    spelt.map(lambda payload: b'{"stream":"aaabbb@trade","data":%b}' % payload),
    spelt.map(lambda payload: b'{"stream":"","data":%b}' % payload),
    spelt,
)


@given(spoilt(framed))
@example(b'{"stream":"a","data":[01]}')
@example(b'{"stream":"a","data":{"a":1,}}')
@example(b'{"stream":"a","data":-}')
@example(b'{"stream":"a","data":1.}')
@example(b'{"stream":"a","data":{}}}')
@example(b'{"stream":"a","data":' + b"[" * 40 + b"]" * 40 + b"}")
def test_the_twin_opens_a_frame_as_the_plain_one_does(part: Any, raw: bytes) -> None:
    assert open_frame(raw, part) == open_frame(raw, None)


def taken(reader: Reader, payload: bytes, after: int) -> object:
    """What is said in a payload, with the levels in lots and in the order in which they were put
    down, or the error that it is."""
    bids: News = {5: 1, 4: "0.004"}
    asks: News = {}
    try:
        said = reader.take_in(payload, after, bids, asks)
        return said, [
            [(price, reader.lots(size) if isinstance(size, str) else size) for price, size in side]
            for side in (bids.items(), asks.items())
        ]
    except ValueError as error:
        return str(error)


def reader_with(part: Any, lot: str = "0.001", tick: str = "0.01") -> Reader:
    return Reader(tick=Decimal(tick), lot=Decimal(lot), name="AAABBB", part=part)


@given(spoilt(spelt), st.one_of(st.just(0), numbers), st.sampled_from(["0.001", "0.00000001", "3"]))
def test_the_twin_takes_in_what_the_plain_one_does(
    part: Any, payload: bytes, after: int, lot: str
) -> None:
    assert taken(reader_with(part, lot), payload, after) == taken(
        reader_with(None, lot), payload, after
    )


DIFF = (
    b'{"e":"depthUpdate","E":1,"s":"AAABBB","U":11,"u":12,"b":[["0.99000000","0.10050000"],'
    b'["0.98000000","0.00000000"]],"a":[["1.01000000","0.00010000"]]}'
)
TRADE = (
    b'{"e":"trade","E":1,"s":"AAABBB","t":7,"p":"1.01000000","q":"0.03000000","T":5,"m":true,'
    b'"M":true}'
)


def test_the_twin_knows_what_the_venue_writes(part: Any) -> None:
    """Or all the tests beside this one would hold the plain reading against itself."""
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    read: Callable[..., Any] = part.take_in
    rest = b"AAABBB", 10**6, 10**5
    assert read(DIFF, *rest, 12, bids, asks) == (11, 12)
    assert not bids, "it ends no later than what is known"
    assert read(DIFF, *rest, 11, bids, asks) == (11, 12)
    assert (bids, asks) == ({99: 100, 98: 0}, {101: 1})
    assert read(TRADE, *rest, 0, bids, asks) == (7, 101, 30, 5, 1)
    assert part.open_frame(b'{"stream":"a@trade","data":%b}' % TRADE) == ("a@trade", TRADE)


@pytest.mark.parametrize(
    "given",
    [
        (bytearray(DIFF), b"AAABBB", 10**6, 10**5, 0, {}, {}),
        (DIFF, "AAABBB", 10**6, 10**5, 0, {}, {}),
        (DIFF, b"AAABBB", 0, 10**5, 0, {}, {}),
        (DIFF, b"AAABBB", 10**6, -1, 0, {}, {}),
        (DIFF, b"AAABBB", 10**6, 10**5, -1, {}, {}),
        (DIFF, b"AAABBB", 10**6, 10**5, 1 << 80, {}, {}),
        (DIFF, b"AAABBB", 10**6, 10**5, True, {}, {}),
        (DIFF, b"AAABBB", 10**6, 10**5, 0, [], {}),
        (DIFF, b"AAABBB", 10**6, 10**5, 0, {}, None),
        (DIFF, b"AAABBB", 10**20, 10**5, 0, {}, {}),
    ],
)
def test_the_twin_passes_over_what_it_was_not_made_for(part: Any, given: tuple[Any, ...]) -> None:
    assert part.take_in(*given) is None
    assert part.open_frame(bytearray(b'{"stream":"a","data":1}')) is None
    with pytest.raises(TypeError, match="found 1 arguments, expected 7"):
        part.take_in(DIFF)


def test_a_long_diff_is_read_by_whoever_can(part: Any) -> None:
    side = [[f"{price}.00000000", "1.00000000"] for price in range(1, 1500)]
    data = {"e": "depthUpdate", "E": 1, "s": "AAABBB", "U": 1, "u": 2, "b": side, "a": side[:1024]}
    payload = json.dumps(data, separators=(",", ":")).encode()
    assert part.take_in(payload, b"AAABBB", 10**6, 10**5, 0, {}, {}) is None
    assert taken(reader_with(part), payload, 0) == taken(reader_with(None), payload, 0)
