from __future__ import annotations

import msgspec
import pytest

from pitwire.desk.key_lock import account_lock, key_lock
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Endpoints

SPOT = find_venue("binance")


def _lock(orders: str, name: str = "binance", key: str = "key") -> object:
    endpoints = msgspec.structs.replace(SPOT.endpoints, orders=orders)
    return key_lock(find_venue(name), endpoints, key)


@pytest.mark.parametrize(
    "orders",
    [
        "wss://ws-api.binance.com",
        "wss://ws-api.binance.com/",
        "wss://WS-API.binance.com:9443",
        "wss://ws-api.binance.com:443/ws-api/v3",
    ],
)
def test_one_account_has_one_lock_however_its_address_is_written(orders: str) -> None:
    assert _lock(orders) == _lock(SPOT.endpoints.orders)


def test_both_encodings_of_a_venue_have_one_lock() -> None:
    orders = f"{SPOT.endpoints.orders}?responseFormat=sbe&sbeSchemaId=3&sbeSchemaVersion=1"
    assert _lock(orders, "binance-sbe") == _lock(SPOT.endpoints.orders)


def test_other_accounts_have_locks_of_their_own() -> None:
    futures, testnet = find_venue("binance-usdm"), SPOT.testnet
    assert isinstance(testnet, Endpoints)
    locks = {
        _lock(SPOT.endpoints.orders),
        _lock(SPOT.endpoints.orders, key="another"),
        _lock(testnet.orders),
        _lock("ws://127.0.0.1:1000"),
        _lock("ws://127.0.0.1:2000"),
        _lock("ws://localhost:1000"),
        _lock("ws://localhost:2000"),
        key_lock(futures, futures.endpoints, "key"),
    }
    assert len(locks) == 8


def test_an_account_has_a_lock_beside_that_of_its_key() -> None:
    sbe = find_venue("binance-sbe")
    ours = account_lock(SPOT, SPOT.endpoints, "354937868")
    assert ours == account_lock(sbe, sbe.endpoints, "354937868")
    assert isinstance(SPOT.testnet, Endpoints)
    locks = {
        ours,
        account_lock(SPOT, SPOT.endpoints, "354937869"),
        account_lock(SPOT, SPOT.testnet, "354937868"),
        _lock(SPOT.endpoints.orders, key="354937868"),
    }
    assert len(locks) == 4
