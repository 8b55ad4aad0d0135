"""Requests on a market-data connection (alpaca §2.2–2.5)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from pitwire.model.errors import DialFailed
from pitwire.sim.facades.alpaca_options import CRYPTO, IEX, INDICATIVE, NEWS, SIP, TEST
from pitwire.sim.faults import LoseAck, Misreport, PartAck
from pitwire.sim.world import MARKET_URL, World
from tests.sim.alpaca_client import (
    AUTHENTICATED,
    CONNECTED,
    PACKED,
    FeedClient,
    error,
    member,
    place,
    quiet_world,
)
from tests.sim.binance_client import Ear

SUBSCRIBED = {
    "T": "subscription", "trades": ["AAPL"], "quotes": ["AMD", "CLDR"], "bars": ["*"],
    "updatedBars": [], "dailyBars": [], "statuses": [], "lulds": [], "corrections": ["AAPL"],
    "cancelErrors": ["AAPL"],
}  # fmt: skip
"""The papers' own example (§2.2), key by key."""


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}, PACKED])
def test_the_papers_sequence(headers: dict[str, str]) -> None:
    client = FeedClient(quiet_world(), IEX, headers)
    assert client.take() == [CONNECTED]
    assert client.log_in() == [AUTHENTICATED]
    (answer,) = client.ask("subscribe", trades=["AAPL"], quotes=["AMD", "CLDR"], bars=["*"])
    assert list(answer.items()) == list(SUBSCRIBED.items())


def test_each_feed_answers_with_its_own_channels() -> None:
    world = quiet_world()
    keys = {path: list(member(world, path).ask("subscribe")[0]) for path in (CRYPTO, TEST, NEWS)}
    assert keys[CRYPTO][1:] == [
        "trades",
        "quotes",
        "orderbooks",
        "bars",
        "updatedBars",
        "dailyBars",
    ]
    assert keys[TEST][1:] == ["trades", "quotes", "bars"]
    assert keys[NEWS][1:] == ["news"]
    client = member(world, SIP)
    assert "imbalances" not in client.ask("subscribe", trades=["A"])[0]
    assert client.ask("subscribe", imbalances=["A"])[0]["imbalances"] == ["A"]


def test_requests_add_up_and_the_answer_is_the_whole_state() -> None:
    client = member(quiet_world())
    client.ask("subscribe", trades=["BTC/USD"])
    (answer,) = client.ask("subscribe", trades=["BTC/USD", "ETH/USD"], orderbooks=None)
    assert answer["trades"] == ["BTC/USD", "ETH/USD"]
    (answer,) = client.ask("unsubscribe", trades=["BTC/USD", "never asked"[:5]])
    assert answer["trades"] == ["ETH/USD"]


def test_an_account_logs_in_by_its_headers() -> None:
    world = quiet_world(tokens={"a-token": "other"})
    key, secret = world.keys["hmac"]
    ours = {"apca-api-key-id": key, "apca-api-secret-key": secret}
    client = FeedClient(world, headers=ours)
    assert client.take() == [CONNECTED, AUTHENTICATED]
    assert client.log_in() == error(403, "already authenticated")
    basic = base64.b64encode(f"{key}:{secret}".encode()).decode()
    for path, text in ((IEX, f"Basic {basic}"), (CRYPTO, "Bearer a-token")):
        assert FeedClient(world, path, {"authorization": text}).take()[-1] == AUTHENTICATED
    for wrong in (ours | {"apca-api-secret-key": "x"}, {"authorization": "Basic %"},
                  {"authorization": "Bearer x"}):  # fmt: skip
        with pytest.raises(DialFailed, match="401"):
            FeedClient(world, TEST, wrong)


def test_header_authentication_may_be_silent_and_a_wrong_key_told_by_message() -> None:
    world = quiet_world(header_auth_tells=False, bad_header_status=0)
    key, secret = world.keys["hmac"]
    right = {"apca-api-key-id": key, "apca-api-secret-key": secret}
    client = FeedClient(world, headers=right)
    assert client.take() == []
    assert client.ask("subscribe")[0]["T"] == "subscription"
    wrong = FeedClient(world, IEX, right | {"apca-api-secret-key": "x"})
    assert wrong.take() == [CONNECTED, *error(402, "auth failed")]


def test_tokens_are_told_in_place_of_a_secret() -> None:
    world = quiet_world(tokens={"a-token": "main"})
    for path, name in ((CRYPTO, "oauth"), (IEX, "access_token")):
        client = FeedClient(world, path)
        client.take()
        assert client.ask("auth", key=name, secret="a-token") == [AUTHENTICATED]


def test_who_does_not_log_in_is_told_and_closed() -> None:
    client = FeedClient(quiet_world())
    assert client.after(9.9) == [CONNECTED]
    assert client.after(0.2) == error(404, "auth timeout")
    assert client.lost is not None
    patient = FeedClient(quiet_world(auth_within_seconds=60))
    assert patient.after(59) == [CONNECTED]
    assert patient.lost is None
    assert patient.log_in() == [AUTHENTICATED]
    patient.after(60)
    assert patient.lost is None


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("no json", error(400, "invalid syntax")),
        ("[]", error(400, "invalid syntax")),
        ({"action": "dance"}, error(400, "invalid syntax")),
        ({"action": ["auth"]}, error(400, "invalid syntax")),
        ({"action": "subscribe", "trades": "BTC/USD"}, error(400, "invalid syntax")),
        ({"action": "subscribe", "trades": [1]}, error(400, "invalid syntax")),
        ({"action": "subscribe", "trades": ["B TC"]}, error(400, "invalid syntax")),
        ({"action": "subscribe", "songs": ["BTC/USD"]}, error(400, "invalid syntax")),
        (
            {"action": "subscribe", "statuses": ["*"]},
            error(410, "invalid subscribe action for this feed"),
        ),
        ({"action": "auth", "key": "x", "secret": "y"}, error(403, "already authenticated")),
    ],
)
def test_what_is_refused_leaves_everything_as_it_was(said: Any, answer: object) -> None:
    client = member(quiet_world())
    client.ask("subscribe", trades=["BTC/USD"])
    assert client.say(said) == answer
    assert client.ask("subscribe")[0]["trades"] == ["BTC/USD"]
    assert client.lost is None


def test_nothing_before_the_login_and_no_wrong_secret() -> None:
    world = quiet_world()
    client = FeedClient(world)
    client.take()
    assert client.ask("subscribe", trades=["BTC/USD"]) == error(401, "not authenticated")
    key, _ = world.keys["hmac"]
    for secret in ("wrong", None, 7):
        assert client.ask("auth", key=key, secret=secret) == error(402, "auth failed")
    assert client.log_in() == [AUTHENTICATED]


def test_the_plan_has_limits_and_what_exceeds_them_changes_nothing() -> None:
    client = member(quiet_world(crypto_symbols=2, crypto_books=1))
    first = client.ask("subscribe", trades=["BTC/USD"], quotes=["ETH/USD"], bars=["*"])
    for more in ({"trades": ["ETH/USD"]}, {"orderbooks": ["*"]}, {"quotes": ["*"]}):
        assert client.ask("subscribe", **more) == error(405, "symbol limit exceeded")
    assert client.ask("subscribe") == first
    stocks = member(quiet_world(stock_symbols=1), IEX)
    assert stocks.ask("subscribe", quotes=["A", "B"]) == error(405, "symbol limit exceeded")
    assert stocks.ask("subscribe", bars=["A", "B"])[0]["bars"] == ["A", "B"]
    free = member(quiet_world(crypto_symbols=0, crypto_books=0))
    names = [f"C{number}/USD" for number in range(50)]
    assert len(free.ask("subscribe", trades=names, orderbooks=names)[0]["orderbooks"]) == 50


def test_a_second_connection_of_an_account_waits_for_the_first() -> None:
    world = quiet_world()
    first = member(world)
    second = FeedClient(world)
    second.take()
    assert second.log_in() == error(406, "connection limit exceeded")
    assert (second.lost is not None, first.lost) == (True, None)
    assert member(world, IEX).ask("subscribe")[0]["T"] == "subscription", "another endpoint"
    other = FeedClient(world)
    other.take()
    assert other.log_in("other") == [AUTHENTICATED]
    first.link.close()
    world.advance()
    third = FeedClient(world)
    third.take()
    assert third.log_in() == [AUTHENTICATED]


def test_a_feed_outside_the_plan_and_one_that_is_none() -> None:
    world = quiet_world(feeds=(CRYPTO,))
    client = FeedClient(world, SIP)
    client.take()
    assert client.log_in() == error(409, "insufficient subscription")
    assert client.lost is not None
    with pytest.raises(DialFailed, match="404"):
        FeedClient(world, "/v2/nothing")


def test_options_are_in_msgpack_only_and_have_no_star() -> None:
    world = quiet_world()
    plain = FeedClient(world, INDICATIVE)
    assert plain.take() == error(412, "option messages are only available in MsgPack format")
    assert plain.lost is not None
    client = member(world, INDICATIVE, PACKED)
    star = error(413, "star subscription is not allowed for option quotes")
    assert client.ask("subscribe", quotes=["*"]) == star
    assert client.ask("subscribe", trades=["*"])[0]["trades"] == ["*"]


def test_faults_of_a_script_reach_requests() -> None:
    refused = Misreport(kind="logon", code=406, text="connection limit exceeded", done=False)
    world = World(venue="alpaca", scenario=None, faults=[refused, PartAck(share=0.5)])
    client = FeedClient(world)
    client.take()
    assert client.log_in() == error(406, "connection limit exceeded")
    assert client.lost is not None
    client = member(world)
    names = ["BTC/USD", "ETH/USD"]
    (answer,) = client.ask("subscribe", trades=names)
    assert answer["trades"] == names, "acknowledged whole"
    for symbol, price in (("BTC-USD", "60000"), ("ETH-USD", "3000")):
        place(world, "sell", price, "1", account="main", symbol=symbol)
        place(world, "buy", price, "1", account="main", symbol=symbol)
    assert [message["S"] for message in client.take()] == ["BTC/USD"], "half of it is done"
    client.ask("unsubscribe", trades=names)
    client.ask("subscribe", trades=names)
    place(world, "sell", "3000", "1", account="main", symbol="ETH-USD")
    place(world, "buy", "3000", "1", account="main", symbol="ETH-USD")
    assert [message["S"] for message in client.take()] == ["ETH/USD"], "asked anew, it comes"


def test_an_answer_may_never_come() -> None:
    world = World(venue="alpaca", scenario=None, faults=[LoseAck(kind="subscribe")])
    client = member(world)
    assert client.ask("subscribe", bars=["*"]) == []
    assert client.ask("subscribe")[0]["bars"] == ["*"]


def test_upgrades_in_quick_succession_are_refused_where_the_plan_says_so() -> None:
    world = quiet_world(dials_per_minute=2)
    for path in (CRYPTO, IEX):
        FeedClient(world, path)
    with pytest.raises(DialFailed, match="429"):
        world.open(MARKET_URL + TEST, Ear())
    world.advance(61)
    FeedClient(world, TEST)
