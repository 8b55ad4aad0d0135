"""Sessions and user-data subscriptions (binance §5.6, §6.1)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.binance_client import ApiClient, quiet_world

INVALID_KEY = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}


@pytest.fixture
def client() -> ApiClient:
    return ApiClient(quiet_world(), kind="ed25519")


def bare(client: ApiClient, method: str, **params: Any) -> Any:
    """A request that relies on the session."""
    return client.send(method, params)


def test_the_life_of_a_session(client: ApiClient) -> None:
    opened = client.stamp()
    client.world.advance(1)
    before = bare(client, "session.status")["result"]
    assert before == {
        "apiKey": None,
        "authorizedSince": None,
        "connectedSince": opened,
        "returnRateLimits": True,
        "serverTime": opened + 1000,
        "userDataStream": False,
    }
    logged_on = client.done("session.logon")
    assert logged_on == before | {"apiKey": client.key, "authorizedSince": opened + 1000}
    assert bare(client, "account.status", timestamp=client.stamp())["status"] == 200
    assert bare(client, "account.status")["error"]["code"] == -1102
    assert bare(client, "session.logout")["result"] == before
    answer = bare(client, "account.status", timestamp=client.stamp())
    assert answer["error"]["code"] == -1102  # the key is missing again


def test_only_ed25519_may_log_on(client: ApiClient) -> None:
    answer = ApiClient(client.world).ask("session.logon")
    assert answer["status"] == 400
    assert ApiClient(client.world).send("session.logon", {})["error"]["code"] == -1102


def test_a_request_may_carry_another_key_than_the_session(client: ApiClient) -> None:
    client.done("session.logon")
    other = ApiClient(client.world, account="other")
    signed = other.signed(
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        price="59000.00",
        quantity="0.01",
    )
    assert client.send("order.place", signed)["status"] == 200
    assert len(other.done("openOrders.status", symbol="BTCUSDT")) == 1
    mine = bare(client, "openOrders.status", symbol="BTCUSDT", timestamp=client.stamp())
    assert mine["result"] == []


def test_a_revoked_key_ends_the_session(client: ApiClient) -> None:
    client.done("session.logon")
    client.world.facade.revoke_key(client.key)
    gone = bare(client, "openOrders.status", symbol="BTCUSDT", timestamp=client.stamp())
    assert gone == {"id": None, "status": 401, "error": INVALID_KEY}
    assert bare(client, "session.status")["result"]["apiKey"] is None


def test_subscribing_by_session_takes_no_parameters(client: ApiClient) -> None:
    assert bare(client, "userDataStream.subscribe")["status"] == 401
    client.done("session.logon")
    stamped = bare(client, "userDataStream.subscribe", timestamp=client.stamp())
    assert stamped["error"]["code"] == -1104
    assert bare(client, "userDataStream.subscribe")["result"] == {"subscriptionId": 0}
    assert bare(client, "session.status")["result"]["userDataStream"] is True


def test_subscribing_by_signature_needs_no_session() -> None:
    client = ApiClient(quiet_world())
    assert client.subscribe() == 0
    again = client.ask("userDataStream.subscribe.signature")
    assert again["error"] == {"code": -2035, "msg": "User Data Stream subscription already active."}
    other = ApiClient(client.world, account="other")
    signed = other.signed()
    assert client.send("userDataStream.subscribe.signature", signed)["result"] == {
        "subscriptionId": 1
    }
    listed = client.send("session.subscriptions", {})["result"]
    assert listed == [{"subscriptionId": 0}, {"subscriptionId": 1}]


def test_two_accounts_on_one_socket_are_told_apart() -> None:
    client = ApiClient(quiet_world())
    other = ApiClient(client.world, account="other")
    client.subscribe()
    client.send("userDataStream.subscribe.signature", other.signed())
    other.limit("BUY", "59000.00", "0.01")
    client.limit("BUY", "59000.00", "0.02")
    client.world.advance()
    frames = client.events + client.take()
    assert [(f["subscriptionId"], f["event"].get("q")) for f in frames] == [
        (1, "0.01000000"),
        (1, None),
        (0, "0.02000000"),
        (0, None),
    ]


def test_unsubscribing(client: ApiClient) -> None:
    client.done("session.logon")
    bare(client, "userDataStream.subscribe")
    assert bare(client, "userDataStream.unsubscribe", subscriptionId=0)["result"] == {}
    assert client.events.pop() == {
        "subscriptionId": 0,
        "event": {"e": "eventStreamTerminated", "E": client.stamp()},
    }
    answer = bare(client, "userDataStream.unsubscribe", subscriptionId=0)
    assert answer["error"] == {"code": -2036, "msg": "User Data Stream subscription not active."}
    assert bare(client, "userDataStream.subscribe")["result"] == {"subscriptionId": 1}
    assert bare(client, "userDataStream.unsubscribe")["result"] == {}
    assert bare(client, "session.subscriptions")["result"] == []


def test_logout_closes_the_sessions_subscription_only(client: ApiClient) -> None:
    client.done("session.logon")
    bare(client, "userDataStream.subscribe")
    other = ApiClient(client.world, account="other")
    client.send("userDataStream.subscribe.signature", other.signed())
    bare(client, "session.logout")
    assert [(f["subscriptionId"], f["event"]["e"]) for f in client.events] == [
        (0, "eventStreamTerminated")
    ]
    assert bare(client, "session.subscriptions")["result"] == [{"subscriptionId": 1}]


def test_every_key_of_an_account_is_told_the_number_of_that_account(client: ApiClient) -> None:
    """binance §5.13."""
    told = [
        ApiClient(client.world, account=account, kind=kind).done("account.status")["uid"]
        for account in ("main", "other")
        for kind in ("hmac", "ed25519")
    ]
    assert told == [354_937_868, 354_937_868, 354_937_869, 354_937_869]
