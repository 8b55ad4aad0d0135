"""REST requests as facts, and every kind of answer (binance §8, §9)."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.clock import SECOND
from pitwire.model.errors import (
    AuthenticationFailed,
    ConfigError,
    MalformedFrame,
    RateLimited,
    RemoteError,
    RequestRejected,
    VenueUnavailable,
)
from pitwire.model.events import AggregateTrade, BookSnapshot, Malformed, Trade
from pitwire.model.orders import Side
from pitwire.venues.binance.codec import BinanceCodec
from pitwire.venues.venue import CodecOptions, HttpRequest, Reply, Role

NOW = 1_700_000_000_000_000_000


@pytest.fixture
def codec() -> BinanceCodec:
    return BinanceCodec(CodecOptions(role=Role.MARKET))


def test_requests(codec: BinanceCodec) -> None:
    assert codec.ask_time() == HttpRequest("time", "GET", "/api/v3/time")
    assert codec.ask_trades("BNB-BTC", 17, 5000) == HttpRequest(
        "trades", "GET", "/api/v3/historicalTrades", "symbol=BNBBTC&fromId=17&limit=1000",
        weight=25, symbol="BNB-BTC",
    )  # fmt: skip
    assert codec.ask_aggregates("BNB-BTC", 17, 5) == HttpRequest(
        "aggregate_trades", "GET", "/api/v3/aggTrades", "symbol=BNBBTC&fromId=17&limit=5",
        weight=4, symbol="BNB-BTC",
    )  # fmt: skip
    assert codec.ask_aggregates_since("BNB-BTC", NOW + 999_999, 1) == HttpRequest(
        "aggregate_trades", "GET", "/api/v3/aggTrades",
        "symbol=BNBBTC&startTime=1700000000000&limit=1", weight=4, symbol="BNB-BTC",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("depth", "weight"),
    [(1, 5), (100, 5), (101, 25), (500, 25), (501, 50), (1000, 50), (1001, 250), (5000, 250)],
)
def test_a_snapshot_costs_by_its_depth(codec: BinanceCodec, depth: int, weight: int) -> None:
    request = codec.ask_snapshot("BNB-BTC", depth)
    assert request.weight == weight
    assert parse_qs(request.query) == {"symbol": ["BNBBTC"], "limit": [str(depth)]}
    assert (request.purpose, request.symbol) == ("snapshot", "BNB-BTC")


def test_what_cannot_be_asked(codec: BinanceCodec) -> None:
    for depth in (0, -1, 5001):
        with pytest.raises(ConfigError, match="depth"):
            codec.ask_snapshot("BNB-BTC", depth)
    for from_id, count in ((-1, 5), (5, 0)):
        with pytest.raises(ConfigError, match="trades"):
            codec.ask_trades("BNB-BTC", from_id, count)
    with pytest.raises(ConfigError, match="symbol"):
        codec.ask_instruments(["BNB"])


def test_instruments_by_name(codec: BinanceCodec) -> None:
    assert codec.ask_instruments(["BTC-USDT"]).query == "symbol=BTCUSDT"
    several = codec.ask_instruments(["BTC-USDT", "BNB-BTC"])
    assert several.query == "symbols=%5B%22BTCUSDT%22,%22BNBBTC%22%5D"  # §9, as printed there
    assert codec.ask_instruments([]).query == ""
    assert codec.ask_instruments([f"A{n}-USDT" for n in range(500)]).query == ""
    assert several.weight == 20


def test_a_snapshot(codec: BinanceCodec) -> None:
    request = codec.ask_snapshot("BNB-BTC", 5)
    body = (
        b'{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],'
        b'"asks":[["4.00000200","12.00000000"]]}'
    )
    headers = {"x-mbx-used-weight-1m": "27"}
    assert codec.decode_response(request, 200, headers, body, NOW) == (
        BookSnapshot(
            "binance", "BNB-BTC", 0, NOW, 1027024, ((4.0, 431.0),), ((4.000002, 12.0),), 5
        ),
        Reply(0, used_weight=27),
    )


def test_time_and_trades(codec: BinanceCodec) -> None:
    [reply] = codec.decode_response(codec.ask_time(), 200, {}, b'{"serverTime":1499827319559}', 1)
    assert reply == Reply(0, server_time=1499827319559000000)
    body = (
        b'[{"id":194686783,"price":"0.01361000","qty":"0.01400000","quoteQty":"0.00019054",'
        b'"time":1660009530807,"isBuyerMaker":true,"isBestMatch":true}]'
    )
    request = codec.ask_trades("BNB-BTC", 194686783, 1)
    assert codec.decode_response(request, 200, {}, body, NOW) == (
        Trade(
            "binance",
            "BNB-BTC",
            1660009530807000000,
            NOW,
            0.01361,
            0.014,
            Side.SELL,
            194686783,
            backfilled=True,
        ),
        Reply(0),
    )
    body = b'[{"a":26129,"p":"0.01","q":"4.7","f":27781,"l":27781,"T":1498793709153,"m":false}]'
    [trade, reply] = codec.decode_response(
        codec.ask_aggregates("BNB-BTC", 26129, 1), 200, {}, body, NOW
    )
    assert trade == AggregateTrade(
        "binance",
        "BNB-BTC",
        1498793709153000000,
        NOW,
        0.01,
        4.7,
        Side.BUY,
        26129,
        27781,
        27781,
        backfilled=True,
    )


HTML = b"<html><head><title>410 Gone</title></head><body>nginx</body></html>"
FAILURES = {
    "bad request": (400, {}, b'{"code":-1121,"msg":"Invalid symbol."}', RequestRejected),
    "bad key": (401, {}, b'{"code":-2015,"msg":"Invalid API-key"}', AuthenticationFailed),
    "unauthorised page": (401, {}, HTML, AuthenticationFailed),
    "firewall": (403, {}, HTML, RateLimited),
    "not found": (404, {}, HTML, RequestRejected),
    "gone": (410, {}, HTML, RequestRejected),
    "limited": (429, {"retry-after": "17"}, b'{"code":-1003,"msg":"Too much"}', RateLimited),
    "banned": (418, {"retry-after": "120"}, b'{"code":-1003,"msg":"Way too much"}', RateLimited),
    "limited without a body": (429, {"retry-after": "17"}, b"", RateLimited),
    "forbidden country": (451, {}, b"", AuthenticationFailed),
    "server error": (500, {}, b"", VenueUnavailable),
    "bad gateway": (502, {}, HTML, VenueUnavailable),
    "maintenance": (503, {"retry-after": "60"}, HTML, VenueUnavailable),
    "timeout": (504, {}, b'{"code":-1007,"msg":"Timeout"}', VenueUnavailable),
    "no content": (204, {}, b"", RequestRejected),
}


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind"), FAILURES.values(), ids=FAILURES.keys()
)
def test_failures(
    codec: BinanceCodec,
    status: int,
    headers: dict[str, str],
    body: bytes,
    kind: type[RemoteError],
) -> None:
    request = codec.ask_snapshot("BNB-BTC", 100)
    [reply] = codec.decode_response(request, status, headers, body, NOW)
    assert isinstance(reply, Reply)
    assert reply.request_id == 0
    assert isinstance(reply.error, kind)
    assert reply.error.text
    if "retry-after" in headers:
        # §8: seconds here, an instant on the WebSocket API.
        assert isinstance(reply.error, RateLimited | VenueUnavailable)
        assert reply.error.until == NOW + int(headers["retry-after"]) * SECOND
    if isinstance(reply.error, RateLimited):
        assert reply.error.banned == (status == 418)
        assert reply.error.until > NOW


@pytest.mark.parametrize("header", ["", "soon", "-5", "1e9", "²", "9" * 400])
def test_a_strange_retry_after_still_waits(codec: BinanceCodec, header: str) -> None:
    headers = {"retry-after": header, "x-mbx-used-weight-1m": header}
    [reply] = codec.decode_response(codec.ask_time(), 429, headers, b"", NOW)
    assert isinstance(reply, Reply)
    assert isinstance(reply.error, RateLimited)
    assert NOW < reply.error.until <= NOW + 60 * SECOND
    assert reply.used_weight == -1


@pytest.mark.parametrize("purpose", ["snapshot", "trades", "aggregate_trades", "time"])
@pytest.mark.parametrize("body", [b"", HTML, b"null", b"{}", b'{"lastUpdateId":1}', b"[[]]"])
def test_a_body_that_cannot_be_read(codec: BinanceCodec, purpose: str, body: bytes) -> None:
    request = HttpRequest(purpose, "GET", "/api/v3/x", symbol="BNB-BTC")
    broken, reply = codec.decode_response(request, 200, {}, body, NOW)
    assert isinstance(broken, Malformed)
    assert broken.channel == purpose
    assert isinstance(reply, Reply)
    assert isinstance(reply.error, MalformedFrame)
    assert reply.error.channel == purpose


@settings(max_examples=100)
@given(
    st.sampled_from(["snapshot", "trades", "aggregate_trades", "time", "instruments", "other"]),
    st.integers(0, 999),
    st.one_of(st.binary(max_size=40), st.builds(lambda v: json.dumps(v).encode(),
              st.recursive(st.none() | st.integers() | st.text(max_size=3), st.lists))),
)  # fmt: skip
def test_every_answer_has_exactly_one_reply(purpose: str, status: int, body: bytes) -> None:
    codec = BinanceCodec(CodecOptions(role=Role.MARKET))
    found = codec.decode_response(HttpRequest(purpose, "GET", "/"), status, {}, body, NOW)
    assert [type(item) for item in found].count(Reply) == 1
    assert isinstance(found[-1], Reply)


@pytest.mark.parametrize(
    "body", [b"", HTML, b"{}", b'{"symbols":[{}]}', b'{"symbols":null}', b"[" * 99999]
)
def test_what_is_no_exchange_info(codec: BinanceCodec, body: bytes) -> None:
    with pytest.raises(MalformedFrame) as caught:
        codec.decode_instruments(body)
    assert caught.value.channel == "instruments"
    assert caught.value.path or not body
