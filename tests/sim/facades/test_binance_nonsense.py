"""Whatever a client sends, the venue answers and goes on."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.sim.facades.binance_api import METHODS, ROUTES
from pitwire.sim.facades.binance_options import BinanceOptions
from tests.sim.binance_client import ApiClient, RestClient, StreamClient, quiet_world

NAMES = """
symbol symbols side type timeInForce price quantity quoteOrderQty stopPrice trailingDelta
icebergQty newClientOrderId orderId origClientOrderId cancelOrderId cancelReplaceMode newQty
limit interval fromId startTime endTime windowSize timestamp recvWindow apiKey signature
subscriptionId returnRateLimits selfTradePreventionMode newOrderRespType listenKey
"""
WORDS = """
BTCUSDT NOSUCH BUY SELL LIMIT MARKET STOP_LOSS LIMIT_MAKER GTC IOC FOK 1m 1M 0.01 60000 1 -1
1e5 0.000000001 99999999999999999999 ACK FULL STOP_ON_FAILURE ALLOW_FAILURE 1700000000000
true [] ["BTCUSDT"] {} null NaN 7d
"""
leaf = st.one_of(
    st.sampled_from(WORDS.split()),
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)
value = st.one_of(leaf, st.lists(leaf, max_size=3))
params = st.dictionaries(st.sampled_from(NAMES.split()), value, max_size=8)
generous = BinanceOptions(
    weight_per_minute=10**9, messages_per_second=10**9, orders_per_10_seconds=10**9
)


@given(st.lists(st.tuples(st.sampled_from(sorted(METHODS)), params, st.booleans()), max_size=15))
@settings(max_examples=50, deadline=None)
def test_the_ws_api_answers_everything(requests: list[tuple[str, Any, bool]]) -> None:
    client = ApiClient(quiet_world(options=generous))
    for method, sent, signed in requests:
        given_params = client.signed(**sent) if signed else sent
        answer = client.send(method, given_params)
        assert ("result" in answer) != ("error" in answer)
        assert (answer["status"] == 200) == ("result" in answer)
    assert client.send("ping", {})["status"] == 200


@given(st.lists(st.tuples(st.sampled_from(sorted(ROUTES)), params), max_size=15))
@settings(max_examples=50, deadline=None)
def test_rest_answers_everything(requests: list[tuple[tuple[str, str], Any]]) -> None:
    client = RestClient(quiet_world(options=generous))
    for (verb, path), sent in requests:
        text = {name: str(item) for name, item in sent.items()}
        query = urlencode(text)
        unsigned = client.raw(verb, f"/api/v3{path}?{query}")
        text.pop("signature", None)
        text.pop("timestamp", None)
        status, _, body = client.signed(verb, path, **text)
        for code, found in ((unsigned[0], json.loads(unsigned[2])), (status, body)):
            assert code in (200, 400, 401, 409)
            assert (code == 200) or {"code", "msg"} <= found.keys()


@given(st.lists(st.one_of(value, params, st.binary(max_size=30)), max_size=20))
@settings(max_examples=50, deadline=None)
def test_a_stream_connection_answers_everything(requests: list[Any]) -> None:
    ear = StreamClient(quiet_world(options=generous))
    for request in requests:
        raw = request if isinstance(request, bytes) else json.dumps(request).encode()
        (answer,) = ear.say(raw)
        assert "error" in answer or "result" in answer
    for method in ("SUBSCRIBE", "UNSUBSCRIBE", "SET_PROPERTY", "GET_PROPERTY"):
        for request in requests:
            if not isinstance(request, bytes):
                (answer,) = ear.say(json.dumps({"method": method, "params": request, "id": 1}))
                assert answer["id"] == 1
    assert ear.ask("GET_PROPERTY", "combined")["id"] == 1


@given(
    st.binary(max_size=40), st.sampled_from(["", "/depth", "/order", "/account", "/userDataStream"])
)
@settings(max_examples=100, deadline=None)
def test_rest_survives_any_bytes(noise: bytes, path: str) -> None:
    client = RestClient(quiet_world(options=generous))
    text = noise.decode("utf-8", "surrogateescape")
    headers = {"x-mbx-apikey": text, "accept": text}
    for verb in ("GET", "POST"):
        for target in (f"/api/v3{path}?{text}", f"/api/v3{path}{text}", text):
            status, _, _ = client.raw(verb, target, headers=headers, body=noise)
            assert status in (200, 400, 401, 404, 410)


@given(st.binary(max_size=40))
@settings(max_examples=100, deadline=None)
def test_an_upgrade_survives_any_bytes(noise: bytes) -> None:
    world = quiet_world(options=BinanceOptions(connections_per_5_minutes=10**6))
    text = noise.decode("utf-8", "surrogateescape")
    for number, target in enumerate((text, f"/ws/{text}", f"/stream?streams={text}@trade")):
        reply = world.facade.connect(number, target, world.clock.now())
        assert reply is None or reply.status in (400, 404)
