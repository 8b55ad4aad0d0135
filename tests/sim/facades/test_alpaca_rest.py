"""The REST door: keys, limits, faults (alpaca §5.1, §5.2)."""

from __future__ import annotations

import json

import pytest

from pitwire.sim.faults import (
    DelayAck,
    FillBeforeAck,
    HttpError,
    LoseAck,
    Misreport,
    RevokeKeys,
    Withhold,
)
from pitwire.sim.world import World
from tests.sim.alpaca_client import RICH, RestClient, Trader, place, quiet_world

ORDER_ID = "e6fe16f3-64a4-4921-8928-cadf02f92f98"


def test_two_hundred_a_minute_and_no_more() -> None:
    world = quiet_world()
    client, other = RestClient(world), RestClient(world, "other")
    for left in range(199, -1, -1):
        client.get("/v2/clock")
        assert client.told["x-ratelimit-remaining"] == str(left)
    assert client.told["x-ratelimit-limit"] == "200"
    until = int(client.told["x-ratelimit-reset"])
    assert 0 < until - world.clock.now() / 1e9 <= 60
    status, body = client.submit()
    assert (status, body) == (429, {"code": 42_910_000, "message": "rate limit exceeded"})
    assert client.told["x-ratelimit-remaining"] == "0"
    assert world.exchange.open_orders("main") == []
    other.get("/v2/clock")
    client.get("/v1beta3/crypto/us/latest/quotes?symbols=BTC/USD")
    assert client.told["x-ratelimit-remaining"] == "199", "market data have their own"
    world.advance(60)
    client.get("/v2/clock")


def test_who_has_no_key_is_told_so() -> None:
    client = RestClient(quiet_world())
    client.headers = {}
    unknown = (401, {"code": 40_110_000, "message": "request is not authorized"})
    assert client.ask("GET", "/v2/account") == unknown
    assert len(client.told["x-request-id"]) == 32
    older = RestClient(quiet_world(wrong_key_status=403))
    older.headers["apca-api-secret-key"] = "wrong"
    assert older.ask("GET", "/v2/account") == (403, {"message": "forbidden."})
    world = World(venue="alpaca", scenario=None, faults=[RevokeKeys(at_seconds=1)])
    client = RestClient(world)
    client.get("/v2/account")
    world.advance(2)
    assert client.ask("GET", "/v2/account") == unknown
    bearer = RestClient(quiet_world(tokens={"a-token": "main"}))
    bearer.headers = {"authorization": "Bearer a-token"}
    bearer.get("/v2/account")


@pytest.mark.parametrize(
    ("method", "target"), [("GET", "/v2/nothing"), ("PUT", "/v2/orders"), ("GET", "/"), ("GET", "")]
)
def test_what_is_not_there(method: str, target: str) -> None:
    assert RestClient(quiet_world()).ask(method, target)[0] == 404


def test_a_ban_answers_everything() -> None:
    client = RestClient(quiet_world())
    client.world.facade.ban(client.world.clock.now() + 5_000_000_000)
    assert client.ask("GET", "/v2/clock")[0] == 429
    client.world.advance(6)
    client.get("/v2/clock")


def test_faults_reach_each_request_by_its_kind() -> None:
    unknown = Misreport(kind="place", code=50_010_000, text="internal server error", status=500)
    faults = [
        unknown,
        HttpError(kind="cancel", status=504, body="gateway timeout"),
        LoseAck(kind="replace"),
        DelayAck(kind="status", seconds=2),
        Withhold(kind="open_orders", share=0.5),
        Misreport(kind="account", code=42_910_000, status=429, text="x", done=False,
                  retry_after_seconds=3),
        FillBeforeAck(kind="place", after_frames=1),
    ]  # fmt: skip
    world = World(venue="alpaca", scenario=None, faults=faults, accounts={"main": RICH, "o": RICH})
    client = RestClient(world)
    status, body = client.submit(client_order_id="a")
    assert (status, body["code"]) == (500, 50_010_000)
    found = client.ask("GET", "/v2/orders:by_client_order_id?client_order_id=a")[1]
    assert (found["status"], client.delay) == ("new", 2_000_000_000), "it was carried out"
    assert client.ask("GET", f"/v2/orders/{found['id']}")[1]["id"] == found["id"]
    assert client.delay == 0
    reply = world.stage.http("DELETE", f"/v2/orders/{found['id']}", headers=client.headers,
                             body=b"", now=world.clock.now())  # fmt: skip
    assert (reply.status, reply.body) == (504, b"gateway timeout")
    assert len(world.exchange.open_orders("main")) == 1
    status, new = client.ask("PATCH", f"/v2/orders/{found['id']}", {"qty": 1})
    assert (status, client.answered) == (200, False), "done, and never answered"
    client.placed()
    assert client.delay == 50_000_000, "the account's events come first"
    assert len(client.get("/v2/orders")) == 1, "one of two"
    assert len(client.get("/v2/orders")) == 2
    assert client.ask("GET", "/v2/account")[0] == 429
    assert client.told["retry-after"] == "3"
    client.get("/v2/account")
    assert client.get("/v2/orders?direction=asc")[0]["id"] == new["id"]


def test_an_answer_says_what_was_asked_and_the_stream_what_came_of_it() -> None:
    world = quiet_world()
    trader, client = Trader(world), RestClient(world)
    place(world, "sell", "59000", "0.25")
    order = client.placed()
    assert (order["status"], order["filled_qty"]) == ("pending_new", "0")
    assert trader.events() == [("new", "new"), ("partial_fill", "partially_filled")]
    assert json.dumps(client.get(f"/v2/orders/{order['id']}")).count('"0.25"') == 1
