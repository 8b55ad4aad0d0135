"""Captured text becomes ticks and lots, or an error that says which text did not."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.errors import ConfigError
from pitwire.model.orders import Side
from pitwire.sim.capture import (
    CaptureRecord,
    Diff,
    Grid,
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
