"""Control requests on a stream connection (binance §1.3, §1.4)."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.sim.facades.binance_options import BinanceOptions
from tests.sim.binance_client import StreamClient, quiet_world

UUID = "56b69c51-eb6b-4fff-8310-ea03b19f68fa"
VARIANTS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"


def client(path: str = "/ws", **options: Any) -> StreamClient:
    generous = BinanceOptions(**{"messages_per_second": 100} | options)
    return StreamClient(quiet_world(options=generous), path)


def test_a_subscription_is_acknowledged_listed_and_ended() -> None:
    ear = client()
    names = ("btcusdt@aggTrade", "btcusdt@depth@100ms")
    assert ear.ask("SUBSCRIBE", *names) == {"result": None, "id": 1}
    assert ear.ask("LIST_SUBSCRIPTIONS", id=3) == {"result": list(names), "id": 3}
    assert ear.ask("UNSUBSCRIBE", names[0], id=312) == {"result": None, "id": 312}
    assert ear.ask("LIST_SUBSCRIPTIONS", id=4) == {"result": [names[1]], "id": 4}


def test_the_url_subscribes_too() -> None:
    for path in (
        "/ws/btcusdt@trade/ethusdt@trade",
        "/stream?streams=btcusdt@trade/ethusdt@trade",
        "/stream?streams=btcusdt%40trade%2Fethusdt%40trade",
    ):
        answer = client(path).ask("LIST_SUBSCRIPTIONS")
        assert answer["result"] == ["btcusdt@trade", "ethusdt@trade"]


def test_unknown_symbols_are_acknowledged_and_unknown_names_refused() -> None:
    ear = client()
    assert ear.ask("SUBSCRIBE", "nosuchcoin@trade")["result"] is None
    assert ear.ask("UNSUBSCRIBE", "ethusdt@trade")["result"] is None
    assert ear.ask("SUBSCRIBE", "btcusdt@nothing", id=2) == {
        "error": {"code": 2, "msg": "Invalid request: invalid stream"},
        "id": 2,
    }


def test_properties() -> None:
    ear = client()
    assert ear.ask("GET_PROPERTY", "combined", id=2) == {"result": False, "id": 2}
    assert ear.ask("SET_PROPERTY", "combined", True, id=5) == {"result": None, "id": 5}
    assert ear.ask("GET_PROPERTY", "combined", id=2) == {"result": True, "id": 2}
    assert client("/stream").ask("GET_PROPERTY", "combined")["result"] is True


@pytest.mark.parametrize("request_id", [1, -5, 2**63 - 1, "abc123", "x" * 36, UUID, None])
def test_ids_are_echoed(request_id: object) -> None:
    assert client().ask("LIST_SUBSCRIPTIONS", id=request_id)["id"] == request_id


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("{", 3, "Invalid JSON: expected value at line 1 column 1"),
        ("", 3, "Invalid JSON: expected value at line 1 column 1"),
        ("[" * 5_000, 3, "Invalid JSON: expected value at line 1 column 5000"),
        ('{"id":x}', 3, "Invalid JSON: expected value at line 1 column 7"),
        ('{"id":1,\n "method":oops}', 3, "Invalid JSON: expected value at line 2 column 11"),
        ("[1,2]", 2, "Invalid request: missing field `method` at line 1 column 5"),
        (
            '{"id":1,\n "method":"X"}',
            2,
            f"Invalid request: unknown variant X, expected one of {VARIANTS} at line 2 column 13",
        ),
        (
            '{"id":1}',
            2,
            "Invalid request: missing field `method` at line 1 column 8",
        ),
        (
            '{"method":"X","id":1}',
            2,
            f"Invalid request: unknown variant X, expected one of {VARIANTS} at line 1 column 13",
        ),
        (
            '{"method":"LIST_SUBSCRIPTIONS"}',
            2,
            "Invalid request: request ID must be an unsigned integer",
        ),
        (
            '{"method":"LIST_SUBSCRIPTIONS","id":1.5}',
            2,
            "Invalid request: request ID must be an unsigned integer",
        ),
        (
            '{"method":"LIST_SUBSCRIPTIONS","params":["a"],"id":1}',
            2,
            "Invalid request: too many parameters",
        ),
        ('{"method":"GET_PROPERTY","params":["x"],"id":1}', 0, "Unknown property"),
        (
            '{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}',
            1,
            "Invalid value type: expected Boolean",
        ),
        (
            '{"method":"SET_PROPERTY","params":[true],"id":1}',
            2,
            "Invalid request: property name must be a string",
        ),
        (
            '{"method":"GET_PROPERTY","params":["combined",1],"id":1}',
            2,
            "Invalid request: too many parameters",
        ),
    ],
)
def test_errors_are_nested(text: str, code: int, message: str) -> None:
    (answer,) = client().say(text)
    assert answer["error"] == {"code": code, "msg": message}


def test_an_unreadable_id_is_left_out_or_null() -> None:
    assert client().say("{")[0].keys() == {"error"}
    assert client(unreadable_id="null").say("{")[0]["id"] is None


def test_binary_rubbish_is_answered_too() -> None:
    (answer,) = client().say(b"\xff\xfe")
    assert answer["error"]["code"] == 3


def test_there_is_a_most_of_streams() -> None:
    ear = client(streams_per_connection=2)
    answer = ear.ask("SUBSCRIBE", "a@trade", "b@trade", "c@trade")
    assert answer["error"]["code"] == 2
    assert ear.ask("LIST_SUBSCRIPTIONS")["result"] == ["a@trade", "b@trade"]


def test_answers_are_never_wrapped() -> None:
    assert client("/stream").ask("SUBSCRIBE", "btcusdt@trade") == {"result": None, "id": 1}
