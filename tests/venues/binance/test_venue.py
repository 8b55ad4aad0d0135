"""The table of the venue."""

from __future__ import annotations

import pytest

from pitwire.model.errors import ConfigError
from pitwire.venues import registry
from pitwire.venues.binance import BINANCE, BINANCE_SBE
from pitwire.venues.venue import Endpoints


@pytest.mark.parametrize(
    ("endpoints", "unit", "market", "orders"),
    [
        (
            BINANCE.endpoints,
            "ms",
            "wss://stream.binance.com:9443/stream",
            "wss://ws-api.binance.com:443/ws-api/v3",
        ),
        (
            BINANCE.testnet,
            "us",
            "wss://stream.testnet.binance.vision/stream?timeUnit=MICROSECOND",
            "wss://ws-api.testnet.binance.vision/ws-api/v3?timeUnit=MICROSECOND",
        ),
        (
            Endpoints("ws://127.0.0.1:7001/ws", "ws://127.0.0.1:7002/ws-api/v3/", "http://x"),
            "ms",
            "ws://127.0.0.1:7001/stream",
            "ws://127.0.0.1:7002/ws-api/v3",
        ),
    ],
)
def test_where_to_dial(endpoints: Endpoints, unit: str, market: str, orders: str) -> None:
    assert BINANCE.stream_path(endpoints, unit) == market
    assert BINANCE.orders_path(endpoints, unit) == orders


@pytest.mark.parametrize(("unit", "more"), [("ms", ""), ("us", "timeUnit=MICROSECOND&")])
def test_answers_in_sbe_are_asked_for_in_the_address(unit: str, more: str) -> None:
    wanted = "responseFormat=sbe&sbeSchemaId=3&sbeSchemaVersion=5"
    for orders in ("wss://ws-api.binance.com:443", BINANCE.endpoints.orders):
        endpoints = Endpoints("", f"{orders}?{wanted}", "")
        assert BINANCE_SBE.orders_path(endpoints, unit) == (
            f"wss://ws-api.binance.com:443/ws-api/v3?{more}{wanted}"
        )
    asked = BINANCE_SBE.orders_path(BINANCE.endpoints, unit)
    assert asked == BINANCE.orders_path(BINANCE.endpoints, unit)


def test_limits_are_those_of_the_documents() -> None:
    limits = {(limit.scope, limit.per_seconds): limit.count for limit in BINANCE.limits}
    assert limits == {
        ("messages", 1): 3,
        ("streams", 0): 1024,
        ("dials", 300): 300,
        ("weight", 60): 6000,
        ("orders", 10): 100,
        ("orders", 86400): 200_000,
    }
    assert BINANCE.heartbeat.venue_pings_every_seconds == 20
    assert BINANCE.heartbeat.ping_every_seconds < BINANCE.heartbeat.venue_pings_every_seconds
    assert BINANCE.heartbeat.max_life_seconds == 24 * 3600
    assert BINANCE.close_codes[1008] == "policy"
    assert set(BINANCE.close_codes.values()) <= {"reconnect", "policy", "halt"}


def test_the_registry_knows_it() -> None:
    assert registry.find_venue("binance") is BINANCE
    assert "binance" in registry.known_venues()


def test_an_unknown_venue_is_answered_with_those_known() -> None:
    with pytest.raises(ConfigError, match="binance") as caught:
        registry.find_venue("binanse")
    assert caught.value.found == "binanse"
