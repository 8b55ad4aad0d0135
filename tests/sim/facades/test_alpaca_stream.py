"""The trading stream (alpaca §4)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pitwire.sim.facades.alpaca_text import moment
from pitwire.sim.faults import Drop, Duplicate, LoseAck, Misreport
from pitwire.sim.world import World
from tests.sim.alpaca_client import PACKED, RICH, RestClient, Trader, place, quiet_world

AUTHORIZED = {
    "stream": "authorization",
    "data": {"status": "authorized", "action": "authenticate"},
}
FILL = json.loads(
    """{"stream":"trade_updates","data":{"event":"fill",
 "execution_id":"2f63ea93-423d-4169-b3f6-3fdafc10c418",
 "order":{"asset_class":"crypto","asset_id":"1cf35270-99ee-44e2-a77f-6fab902c7f80",
  "cancel_requested_at":null,"canceled_at":null,
  "client_order_id":"4642fd68-d59a-47d7-a9ac-e22f536828d1",
  "created_at":"2022-04-19T13:45:04.981350886-04:00","expired_at":null,"extended_hours":false,
  "failed_at":null,"filled_at":"2022-04-19T17:45:05.024916716Z","filled_avg_price":"105.8988475",
  "filled_qty":"1790.86","hwm":null,"id":"a5be8f5e-fdfa-41f5-a644-7a74fe947a8f","legs":null,
  "limit_price":null,"notional":null,"order_class":"","order_type":"market","qty":"1790.86",
  "replaced_at":null,"replaced_by":null,"replaces":null,"side":"sell","status":"filled",
  "stop_price":null,"submitted_at":"2022-04-19T13:45:04.980944666-04:00","symbol":"SOLUSD",
  "time_in_force":"gtc","trail_percent":null,"trail_price":null,"type":"market",
  "updated_at":"2022-04-19T13:45:05.027690731-04:00"},
 "position_qty":"0","price":"105.8988475","qty":"1790.86",
 "timestamp":"2022-04-19T17:45:05.024916716Z"}}"""
)
"""The papers' own example (§4.3)."""


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return type(value).__name__


def test_a_fill_is_told_as_in_the_papers() -> None:
    world = quiet_world()
    trader, client = Trader(world), RestClient(world)
    place(world, "buy", "60000", "2")
    client.placed(side="sell", type="market", limit_price=None, qty=0.5)
    new, fill = trader.take()
    assert shape(fill) == shape(FILL)
    assert list(fill["data"]["order"]) == list(FILL["data"]["order"])
    data = fill["data"]
    told = (data["event"], data["price"], data["qty"], data["position_qty"])
    assert told == ("fill", "60000", "0.5", "9.5")
    order = data["order"]
    assert (order["filled_qty"], order["filled_avg_price"]) == ("0.5", "60000")
    assert moment(data["timestamp"]) == world.clock.now()
    assert new["data"].keys() == {"event", "execution_id", "order", "timestamp"}


def test_both_ways_to_log_in_and_only_then_a_word() -> None:
    world = quiet_world(tokens={"a-token": "main"})
    key, secret = world.keys["hmac"]
    trader = Trader(world, listens=False)
    assert (trader.take(), trader.after(60), trader.lost) == ([], [], None), "it is silent"
    for said in (
        {"action": "authenticate", "data": {"key_id": key, "secret_key": secret}},
        {"action": "auth", "key": key, "secret": secret},
        {"action": "authenticate", "data": {"key_id": "oauth", "secret_key": "a-token"}},
    ):
        assert Trader(world, listens=False).say(said) == [AUTHORIZED]
    refused = {"status": "unauthorized", "action": "authenticate"}
    (answer,) = trader.say({"action": "auth", "key": key, "secret": "wrong"})
    assert answer == {"stream": "authorization", "data": refused}
    (answer,) = trader.say({"action": "listen", "data": {"streams": ["trade_updates"]}})
    assert answer["data"] == {"status": "unauthorized", "action": "listen"}
    for nonsense in ("no json", "[]", {"action": "dance"}, {"action": "listen"}):
        assert trader.say(nonsense) == []
    assert trader.say({"action": "auth", "key": key, "secret": secret}) == [AUTHORIZED]


def test_each_list_replaces_the_one_before() -> None:
    world = quiet_world()
    trader, client = Trader(world), RestClient(world)

    def listen(*streams: str) -> Any:
        (answer,) = trader.say({"action": "listen", "data": {"streams": list(streams)}})
        return answer

    assert listen("trade_updates", "weather") == {
        "stream": "listening", "data": {"streams": ["trade_updates"]},
    }  # fmt: skip
    client.placed()
    assert trader.events() == [("new", "new")]
    assert listen() == {"stream": "listening", "data": {"streams": []}}
    client.placed()
    assert trader.events() == []


@pytest.mark.parametrize(("paper", "headers"), [(True, {}), (False, {}), (True, PACKED)])
async def test_paper_sends_binary_frames(paper: bool, headers: dict[str, str]) -> None:
    world = quiet_world(paper=paper)
    sent = []
    taken = world.stage.take_sendings
    world.stage.take_sendings = lambda: [sent.append(one) or one for one in taken()]  # type: ignore[method-assign, func-returns-value]
    trader = Trader(world, headers)
    RestClient(world).placed()
    assert trader.events() == [("new", "new")]
    assert {one.action.binary for one in sent if hasattr(one.action, "binary")} == {paper}


def test_only_the_account_s_own_orders_are_told_whoever_placed_them() -> None:
    world = quiet_world()
    trader = Trader(world)
    place(world, "sell", "60000", "1", account="other")
    assert trader.take() == []
    by_hand = place(world, "buy", "60000", "0.25", account="main")
    new, fill = trader.take()
    assert new["data"]["order"]["client_order_id"] == by_hand.client_id
    assert (fill["data"]["order"]["status"], fill["data"]["position_qty"]) == ("filled", "10.25")


def test_every_event_that_an_order_goes_through() -> None:
    world = quiet_world(pending_events=True)
    trader, client = Trader(world), RestClient(world)
    order = client.placed()
    assert trader.events() == [("pending_new", "pending_new"), ("new", "new")]
    place(world, "sell", "59000", "0.2")
    assert trader.events() == [("partial_fill", "partially_filled")]
    replaced = client.ask("PATCH", f"/v2/orders/{order['id']}", {"limit_price": "58000"})[1]
    assert trader.events() == [
        ("pending_replace", "pending_replace"), ("replaced", "replaced"),
        ("pending_new", "pending_new"), ("new", "new"),
    ]  # fmt: skip
    client.ask("DELETE", f"/v2/orders/{replaced['id']}")
    assert trader.events() == [("pending_cancel", "pending_cancel"), ("canceled", "canceled")]
    client.placed(type="market", limit_price=None, qty=None, notional=100)
    assert trader.events() == [("pending_new", "pending_new"), ("rejected", "rejected")], (
        "nobody sells"
    )
    client.placed(type="market", limit_price=None)
    assert trader.events()[-1] == ("canceled", "canceled")
    client.placed(time_in_force="ioc")
    assert trader.events()[-1] == ("canceled", "canceled")
    client.placed()
    trader.take()
    (open_order,) = world.exchange.open_orders("main")
    world.exchange.expire(open_order, world.clock.now())  # type: ignore[union-attr]
    world.act()
    assert trader.events() == [("expired", "expired")]


def test_an_order_may_be_filled_while_its_end_is_under_way() -> None:
    world = quiet_world(lag_seconds=1)
    trader, client = Trader(world), RestClient(world)
    first, second = client.placed(), client.placed(limit_price="58000")
    trader.take()
    assert client.ask("DELETE", f"/v2/orders/{first['id']}") == (204, None)
    status, new = client.ask("PATCH", f"/v2/orders/{second['id']}", {"qty": "1"})
    assert (status, new["replaces"], new["status"]) == (200, second["id"], "pending_new")
    states = [client.get(f"/v2/orders/{one['id']}")["status"] for one in (first, second)]
    assert states == ["pending_cancel", "pending_replace"]
    for state in (first, second):
        refused = client.ask("PATCH", f"/v2/orders/{state['id']}", {"qty": "1"})
        assert refused[1]["message"] == "unable to replace order in current state"
    place(world, "sell", "58000", "1")
    assert trader.events() == [("fill", "filled"), ("fill", "filled")]
    world.advance(2)
    assert trader.events() == [
        ("order_cancel_rejected", "filled"), ("order_replace_rejected", "filled"),
    ]  # fmt: skip
    assert client.get(f"/v2/orders/{new['id']}")["status"] == "rejected"
    third = client.placed()
    trader.take()
    client.ask("DELETE", f"/v2/orders/{third['id']}")
    world.advance(2)
    assert trader.events() == [("canceled", "canceled")]


def test_faults_reach_the_stream() -> None:
    faults = [
        Misreport(kind="logon", code=401, text="code=401, message=Unauthorized", done=False),
        LoseAck(kind="subscribe"),
        Duplicate(stream="userData", after_frames=1),
        Drop(stream="userData", after_frames=2),
    ]
    world = World(venue="alpaca", scenario=None, faults=faults, accounts={"main": RICH})
    key, secret = world.keys["hmac"]
    trader = Trader(world, listens=False)
    ask = {"action": "auth", "key": key, "secret": secret}
    (refused,) = trader.say(ask)
    assert refused["data"]["message"] == "code=401, message=Unauthorized"
    assert trader.say(ask) == [AUTHORIZED]
    assert trader.say({"action": "listen", "data": {"streams": ["trade_updates"]}}) == []
    client = RestClient(world)
    for _ in range(4):
        client.placed()
    heard = [message["data"]["order"]["id"] for message in trader.take()]
    orders = [order["id"] for order in client.get("/v2/orders?direction=asc")]
    assert heard == [orders[0], orders[1], orders[1], orders[3]]
