"""Whatever a client sends, the gateway answers and goes on."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.orders import Side
from tests.sim.ibkr_client import ACCOUNT, Gateway, quiet_gateway

NAMES = """
conid conidex conids fields symbol symbols secType name period bar acctId orders orderType side
quantity price auxPrice tif cOID outsideRTH confirmed messageIds publish compete filters force
accountId days reqId text parentId allOrNone cashQty keys args isBuy
"""
WORDS = f"""
265598 8314 265598@NYSE 1 -1 0 1e400 99999999999999999999999 AAPL LMT MKT STP STOP_LIMIT TRAIL BUY
0min 0d 9999y SELL DAY GTC IOC
189 189.005 true false null {ACCOUNT} U1 2h 1min 1d 31,84 submitted o163 my-1 ²
"""
PATHS = f"""
tickle iserver/auth/status iserver/auth/ssodh/init iserver/reauthenticate iserver/accounts
iserver/account iserver/secdef/search iserver/secdef/info iserver/secdef/strikes
iserver/contract/265598/info iserver/contract/²/info-and-rules iserver/contract/rules
trsrv/stocks trsrv/secdef trsrv/futures iserver/marketdata/snapshot iserver/marketdata/history
iserver/marketdata/unsubscribe iserver/marketdata/unsubscribeall portfolio/accounts
portfolio/{ACCOUNT}/positions/0 portfolio/{ACCOUNT}/positions/² portfolio/U1/ledger
portfolio/{ACCOUNT}/position/x portfolio/{ACCOUNT}/summary iserver/account/pnl/partitioned
iserver/account/{ACCOUNT}/orders iserver/account/{ACCOUNT}/orders/whatif iserver/reply/1
iserver/notification iserver/questions/suppress iserver/questions/suppress/reset
iserver/account/{ACCOUNT}/order/1370093239 iserver/account/{ACCOUNT}/order/-1
iserver/account/{ACCOUNT}/order/² iserver/account/orders iserver/account/order/status/1370093239
iserver/account/order/status/² iserver/account/trades iserver//x portfolio sso/validate
"""
TOPICS = """
smd umd sbd ubd smh umh sor uor str utr spl upl ssd usd sld uld tic ech x
"""
leaf = st.one_of(
    st.sampled_from(WORDS.split()),
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)
value = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=6),
    ),
    max_leaves=12,
)
fields = st.dictionaries(st.sampled_from(NAMES.split()), value, max_size=8)
ticket = st.fixed_dictionaries(
    {
        "conid": st.just(265598),
        "orderType": st.sampled_from(["LMT", "MKT", "STP", "STOP_LIMIT"]),
        "side": st.sampled_from(["BUY", "SELL"]),
        "quantity": st.one_of(st.integers(1, 20), leaf),
        "price": st.one_of(st.just(189.5), leaf),
    },
    optional={"tif": leaf, "auxPrice": leaf, "cOID": st.text(max_size=3)},
)
commands_of = st.tuples(st.sampled_from(TOPICS.split()), st.lists(leaf, max_size=3), value)
asks = st.tuples(
    st.sampled_from(["GET", "POST", "DELETE"]), st.sampled_from(PATHS.split()), fields, fields
)


@given(st.lists(asks, max_size=15))
@settings(max_examples=80, deadline=None)
def test_rest_answers_everything(requests: list[tuple[str, str, Any, Any]]) -> None:
    venue = Gateway(quiet_gateway()).ready()
    venue.rival(Side.SELL, lots=100, price=19_000)
    for verb, path, query, body in requests:
        text = urlencode({name: str(item) for name, item in query.items()})
        reply = venue.http(verb, f"/{path}?{text}", body or None)
        assert reply.status in (200, 400, 404, 500, 503), reply
        json.loads(reply.body)
    assert venue.post("/tickle")["session"]


@given(st.lists(ticket, max_size=12))
@settings(max_examples=80, deadline=None)
def test_orders_are_taken_or_refused(tickets: list[dict[str, Any]]) -> None:
    venue = Gateway(quiet_gateway()).ready()
    venue.rival(Side.SELL, lots=100, price=19_000)
    phone = venue.socket()
    phone.say("sor+{}")
    for each in tickets:
        reply = venue.http("POST", f"/iserver/account/{ACCOUNT}/orders", {"orders": [each]})
        found = json.loads(reply.body)
        while isinstance(found, list) and "id" in found[0]:
            answer = venue.http("POST", f"/iserver/reply/{found[0]['id']}", {"confirmed": True})
            found = json.loads(answer.body)
        assert "error" in found or "order_id" in found[0]
    listed = {row["orderId"] for row in venue.orders()}
    venue.world.advance(1)
    heard = {row["orderId"] for each in phone.take() if each.get("topic") == "sor"
             for row in each["args"]}  # fmt: skip
    assert heard == listed


@given(
    st.lists(
        st.tuples(st.sampled_from(TOPICS.split()), st.lists(leaf, max_size=3), value), max_size=15
    )
)
@settings(max_examples=80, deadline=None)
def test_the_socket_goes_on(commands: list[tuple[str, list[Any], Any]]) -> None:
    venue = Gateway(quiet_gateway())
    phone = venue.socket()
    for topic, targets, args in commands:
        phone.say("+".join([topic, *map(str, targets), json.dumps(args)]))
    assert phone.say("tic")[-1]["alive"] is True
    assert phone.lost is None


@given(st.binary(max_size=40))
@settings(max_examples=80, deadline=None)
def test_bytes_are_no_harm(sent: bytes) -> None:
    venue = Gateway(quiet_gateway())
    phone = venue.socket()
    phone.link.send(sent)
    reply = venue.world.stage.http(
        "POST", "/v1/api/iserver/account", headers={}, body=sent, now=venue.world.clock.now()
    )
    assert reply.status in (200, 400, 500)
    assert phone.say("tic")[-1]["alive"] is True
