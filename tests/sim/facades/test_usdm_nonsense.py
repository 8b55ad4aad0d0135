"""Whatever a client sends, the futures answer and go on."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.sim.facades.usdm_api import METHODS, ON_SOCKET, ROUTES
from pitwire.sim.facades.usdm_options import UsdmOptions
from tests.sim.futures_client import FuturesApi, FuturesClient, StreamClient, futures_world

NAMES = """
symbol side type timeInForce price quantity positionSide reduceOnly closePosition newClientOrderId
orderId origClientOrderId newOrderRespType priceMatch selfTradePreventionMode goodTillDate
algoType triggerPrice activatePrice callbackRate workingType clientAlgoId algoId leverage marginType
dualSidePosition countdownTime batchOrders orderIdList limit interval pair contractType fromId
startTime endTime incomeType timestamp recvWindow apiKey signature returnRateLimits listenKey
modifyId
"""
WORDS = """
BTCUSDT NOSUCH BUY SELL LIMIT MARKET STOP STOP_MARKET TRAILING_STOP_MARKET GTC IOC FOK GTX GTD 1m 1M
0.01 60000 1 -1 1e5 0.000000001 99999999999999999999 ACK RESULT BOTH LONG SHORT CONDITIONAL ISOLATED
CROSSED OPPONENT QUEUE_5 1700000000000 2000000000000 true [] [1] {} null NaN 5 500
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
plausible = st.fixed_dictionaries(
    {"symbol": st.just("BTCUSDT"), "side": st.sampled_from(["BUY", "SELL"])},
    optional={
        "type": st.sampled_from(["LIMIT", "MARKET", "STOP", "TRAILING_STOP_MARKET"]),
        "algoType": st.just("CONDITIONAL"),
        "timeInForce": st.sampled_from(["GTC", "IOC", "FOK", "GTX", "GTD"]),
        "price": st.sampled_from(["60000", "59000", "61000", "0.1", "1000000"]),
        "triggerPrice": st.sampled_from(["60000", "59000", "61000"]),
        "quantity": st.sampled_from(["0.01", "1", "0", "1000", "20"]),
        "callbackRate": st.sampled_from(["1", "0.01"]),
        "closePosition": st.sampled_from(["true", "false"]),
        "reduceOnly": st.sampled_from(["true", "false"]),
        "positionSide": st.sampled_from(["BOTH", "LONG", "SHORT"]),
        "leverage": st.sampled_from([1, 20, 125, 126]),
        "marginType": st.sampled_from(["ISOLATED", "CROSSED"]),
        "dualSidePosition": st.sampled_from(["true", "false"]),
        "orderId": st.integers(0, 5),
        "algoId": st.integers(0, 5),
        "countdownTime": st.sampled_from([0, 1, 1000]),
    },
)
"""What may well be done, and then meets what the next request wants."""
asked = st.one_of(params, plausible)
plenty = UsdmOptions(
    weight_per_minute=10**9,
    messages_per_second=10**9,
    orders_per_10_seconds=10**9,
    orders_per_minute=10**9,
)


@given(st.lists(st.tuples(st.sampled_from(sorted(ON_SOCKET)), asked, st.booleans()), max_size=15))
@settings(max_examples=50, deadline=None)
def test_the_ws_api_answers_everything(requests: list[tuple[str, Any, bool]]) -> None:
    client = FuturesApi(futures_world(options=plenty))
    for method, sent, signed in requests:
        given_params = client.signed(**sent) if signed else sent
        answer = client.send(method, given_params)
        assert ("result" in answer) != ("error" in answer)
        assert (answer["status"] == 200) == ("result" in answer)
    assert client.send("ping", {})["status"] == 200


@given(st.lists(st.tuples(st.sampled_from(sorted(ROUTES)), asked), max_size=25))
@settings(max_examples=150, deadline=None)
def test_rest_answers_everything_and_the_market_goes_on(
    requests: list[tuple[tuple[str, str], Any]],
) -> None:
    world = futures_world(options=plenty)
    client, other = FuturesClient(world), FuturesClient(world, account="other")
    client.listen()
    other.limit("SELL", "60001.00", "0.020")
    other.limit("BUY", "59999.00", "0.020")
    for (verb, path), sent in requests:
        text = {name: str(item) for name, item in sent.items()}
        status, _, body = client.raw(verb, path, urlencode(text))
        assert status in (200, 400, 401)
        text.pop("signature", None)
        text.pop("timestamp", None)
        status, _, body = client.signed(verb, path, **text)
        assert status in (200, 400, 401)
        assert status == 200 or {"code", "msg"} <= body.keys()
    world.advance(2)
    account = client.done("GET", "/v3/account")
    assert float(account["totalWalletBalance"]) > 0
    assert METHODS


@given(st.lists(st.one_of(value, params, st.binary(max_size=30)), max_size=20))
@settings(max_examples=50, deadline=None)
def test_a_stream_connection_answers_everything(requests: list[Any]) -> None:
    ear = StreamClient(futures_world(options=plenty), "/public/ws")
    for request in requests:
        raw = request if isinstance(request, bytes) else json.dumps(request).encode()
        (answer,) = ear.say(raw)
        assert "error" in answer or "result" in answer
    assert ear.ask("GET_PROPERTY", "combined")["id"] == 1


@given(st.binary(max_size=40))
@settings(max_examples=100, deadline=None)
def test_an_upgrade_survives_any_bytes(noise: bytes) -> None:
    world = futures_world(options=UsdmOptions(connections_per_5_minutes=10**6))
    text = noise.decode("utf-8", "surrogateescape")
    targets = (
        text,
        f"/{text}",
        f"/public/{text}",
        f"/private/ws/{text}",
        f"/private/ws?listenKey={text}&events={text}",
        f"/market/stream?streams={text}@markPrice",
    )
    for number, target in enumerate(targets):
        reply = world.facade.connect(number, target, world.clock.now())
        assert reply is None or reply.status in (400, 404)
