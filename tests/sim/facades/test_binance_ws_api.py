"""The WS-API envelope (binance §5.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.faults import DelayAck, FillBeforeAck, HttpError, LoseAck, StaleSnapshot
from tests.sim.binance_client import ApiClient, RestClient, quiet_world

WEIGHT = {
    "rateLimitType": "REQUEST_WEIGHT",
    "interval": "MINUTE",
    "intervalNum": 1,
    "limit": 6000,
    "count": 3,
}
INVALID_KEY = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}


@pytest.fixture
def client() -> ApiClient:
    return ApiClient(quiet_world())


def test_an_answer_has_these_keys_in_this_order(client: ApiClient) -> None:
    answer = client.send("time", {})
    assert list(answer) == ["id", "status", "result", "rateLimits"]
    assert answer["result"] == {"serverTime": client.stamp()}
    assert answer["rateLimits"] == [WEIGHT]
    refused = client.send("depth", {})
    assert list(refused) == ["id", "status", "error", "rateLimits"]
    assert refused["error"]["code"] == -1102


@pytest.mark.parametrize("request_id", [7, "e2a85d9f", None])
def test_ids_come_back_as_they_came(client: ApiClient, request_id: object) -> None:
    answer = client.send_raw(json.dumps({"id": request_id, "method": "ping"}))
    assert answer["id"] == request_id
    assert answer["result"] == {}


def test_a_method_may_carry_the_version(client: ApiClient) -> None:
    assert client.send("v3/ping", {})["status"] == 200


def test_limits_can_be_left_out_per_request_and_per_connection(client: ApiClient) -> None:
    assert "rateLimits" not in client.send("ping", {"returnRateLimits": False})
    silent = ApiClient(client.world, query="?returnRateLimits=false")
    assert "rateLimits" not in silent.send("ping", {})
    assert "rateLimits" in silent.send("ping", {"returnRateLimits": True})


def test_only_placing_shows_the_order_windows(client: ApiClient) -> None:
    placed = client.ask(
        "order.place",
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="59000.00",
        quantity="0.01",
    )
    kinds = [(limit["rateLimitType"], limit["interval"]) for limit in placed["rateLimits"]]
    assert kinds == [("ORDERS", "SECOND"), ("ORDERS", "DAY"), ("REQUEST_WEIGHT", "MINUTE")]
    for method, params in (
        ("order.status", {"symbol": "BTCUSDT", "orderId": 1}),
        ("order.cancel", {"symbol": "BTCUSDT", "orderId": 1}),
        ("account.status", {}),
    ):
        limits = client.ask(method, **params)["rateLimits"]
        assert [limit["rateLimitType"] for limit in limits] == ["REQUEST_WEIGHT"]


@pytest.mark.parametrize(
    ("text", "message", "request_id"),
    [
        ("{", "Invalid JSON Request", None),
        ('{"id":5,"method":"ping","params":' + "[" * 5_000, "Invalid JSON Request", None),
        ("[]", "Invalid JSON Request", None),
        ('{"id":5}', "Invalid JSON Request", 5),
        ('{"method":"ping"}', "Invalid JSON Request", None),
        ('{"id":1.5,"method":"ping"}', "Invalid JSON Request", None),
        (
            '{"id":5,"method":"ping","params":[1]}',
            "Invalid 'params' in JSON request; expected an object.",
            5,
        ),
        *(
            (
                f'{{"id":5,"method":"ping","params":{nothing}}}',
                "Invalid 'params' in JSON request; expected an object.",
                5,
            )
            for nothing in ("[]", '""', "false", "0")
        ),
    ],
)
def test_malformed_requests(client: ApiClient, text: str, message: str, request_id: object) -> None:
    answer = client.send_raw(text)
    assert answer == {
        "id": request_id,
        "status": 400,
        "error": {"code": -1135, "msg": message},
    }


def test_an_unknown_method(client: ApiClient) -> None:
    answer = client.send("order.guess", {})
    assert (answer["status"], answer["error"]["code"]) == (400, -1020)


def test_unknown_parameters_are_counted(client: ApiClient) -> None:
    answer = client.send("ping", {"a": 1})
    assert answer["error"]["code"] == -1104


@pytest.mark.parametrize(
    ("change", "code", "status"),
    [
        ({"apiKey": "short"}, -2014, 401),
        ({"apiKey": "Q" * 64}, -2015, 401),
        ({"signature": "0" * 64}, -1022, 400),
        ({"signature": None}, -1102, 400),
        ({"apiKey": None}, -1102, 400),
        ({"timestamp": None}, -1102, 400),
    ],
)
def test_who_asks_must_be_proven(
    client: ApiClient, change: dict[str, Any], code: int, status: int
) -> None:
    params = {k: v for k, v in (client.signed() | change).items() if v is not None}
    answer = client.send("account.status", params)
    assert (answer["error"]["code"], answer["status"]) == (code, status)


def test_a_request_out_of_time(client: ApiClient) -> None:
    early = client.ask("account.status", timestamp=client.stamp() + 1000)
    assert early["error"] == {
        "code": -1021,
        "msg": "Timestamp for this request was 1000ms ahead of the server's time.",
    }
    late = client.ask("account.status", timestamp=client.stamp() - 5001)
    assert late["error"] == {
        "code": -1021,
        "msg": "Timestamp for this request is outside of the recvWindow.",
    }


def test_the_later_check_costs_an_order_count() -> None:
    client = ApiClient(quiet_world(options=BinanceOptions(backend_delay_seconds=0.2)))
    answer = client.ask(
        "order.place",
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="59000.00",
        quantity="0.01",
        recvWindow=100,
    )
    assert answer["error"]["code"] == -1021
    assert answer["rateLimits"][0]["count"] == 1
    assert client.done("openOrders.status", symbol="BTCUSDT") == []


def test_microseconds_on_a_connection() -> None:
    client = ApiClient(quiet_world(), query="?timeUnit=MICROSECOND")
    assert client.send("time", {})["result"]["serverTime"] == client.stamp() * 1000


# -- faults that the door itself carries out


def order(client: ApiClient) -> dict[str, Any]:
    return client.signed(
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="59000.00",
        quantity="0.01",
    )


def send_only(client: ApiClient, method: str, params: dict[str, Any]) -> list[Any]:
    client.link.send(json.dumps({"id": 1, "method": method, "params": params}).encode())
    client.world.advance()
    return client.take()


def test_a_lost_answer_is_an_order_all_the_same() -> None:
    client = ApiClient(quiet_world(faults=(LoseAck(kind="place"),)))
    assert send_only(client, "order.place", order(client)) == []
    assert len(client.done("openOrders.status", symbol="BTCUSDT")) == 1


def test_a_late_answer_comes_behind_the_events() -> None:
    client = ApiClient(quiet_world(faults=(DelayAck(kind="place", seconds=2),)))
    client.subscribe()
    assert all("event" in frame for frame in send_only(client, "order.place", order(client)))
    client.world.advance(1.9)
    assert client.take() == []
    client.world.advance(0.2)
    (answer,) = client.take()
    assert answer["result"]["status"] == "NEW"


def test_events_may_be_made_to_come_first() -> None:
    client = ApiClient(quiet_world(faults=(FillBeforeAck(kind="place"),)))
    client.subscribe()
    frames = send_only(client, "order.place", order(client))
    assert ["event" in frame for frame in frames] == [True, True, False]


def test_a_broken_backend_does_nothing_and_says_so() -> None:
    client = ApiClient(quiet_world(faults=(HttpError(kind="place", status=503, count=2),)))
    (answer,) = send_only(client, "order.place", order(client))
    assert (answer["status"], answer["error"]["code"]) == (503, -1001)
    status, headers, body = RestClient(client.world).raw("POST", "/api/v3/order")
    assert (status, headers["content-type"]) == (503, "text/html")
    assert body.startswith(b"<html>")
    assert client.done("openOrders.status", symbol="BTCUSDT") == []


def test_a_stale_snapshot_is_the_book_as_it_was() -> None:
    client = ApiClient(quiet_world(faults=(StaleSnapshot(seconds=2),)))
    client.limit("SELL", "60000.00", "0.01")
    before = client.world.truth_book("BTC-USDT")
    client.world.advance(1.5)
    client.limit("SELL", "60000.00", "0.02")
    client.limit("BUY", "59000.00", "0.02")
    client.world.advance(1)
    stale = RestClient(client.world).get("/depth", symbol="BTCUSDT")
    assert stale["lastUpdateId"] == before[0] == 1
    assert stale["asks"] == [["60000.00000000", "0.01000000"]]
    assert stale["bids"] == []
    fresh = RestClient(client.world).get("/depth", symbol="BTCUSDT")
    assert fresh["lastUpdateId"] == 3
