"""The gateway's sessions: logged out, SSO only, ready, competing; what ends them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pitwire.model.clock import SECOND
from pitwire.model.errors import DialFailed
from pitwire.sim.facades.ibkr_options import IbkrOptions
from tests.sim.ibkr_client import SHEET, Gateway, quiet_gateway, shape


def meet(**options: Any) -> Gateway:
    return Gateway(quiet_gateway(IbkrOptions(**{"is_paced": False} | options)))


def test_answers_have_the_shapes_of_the_sheet() -> None:
    venue = meet()
    assert shape(venue.post("/tickle")) == shape(SHEET["tickle"])
    assert shape(venue.post("/iserver/auth/status")) == shape(SHEET["status"])
    assert shape(venue.get("/sso/validate")) == shape(SHEET["validate"])
    accounts = venue.get("/iserver/accounts")
    shown = SHEET["accounts"]
    mine = json.loads(json.dumps(accounts).replace("DU1234567", "U1234567"))
    assert shape(mine) == shape(shown)


def test_a_gateway_that_nobody_logged_in_to_says_401_until_a_human_does() -> None:
    venue = meet(starts="logged-out")
    assert venue.post("/tickle", status=401) == {"error": "Unauthorized", "statusCode": 401}
    venue.get("/trsrv/stocks?symbols=IBM", status=401)
    with pytest.raises(DialFailed) as refused:
        venue.socket("")
    assert refused.value.status == 401
    venue.world.stage.http("GET", "/", headers={}, body=b"", now=venue.world.clock.now())
    assert venue.post("/iserver/auth/status")["authenticated"]


@pytest.mark.parametrize(("body", "expected"), [("empty", b""), ("html", b"<!doctype")])
def test_the_body_of_a_401_is_adjustable(body: str, expected: bytes) -> None:
    reply = meet(starts="logged-out", logged_out_body=body).http("POST", "/tickle")
    assert reply.status == 401
    assert reply.body.startswith(expected)
    assert bool(reply.body) == bool(expected)


def test_a_login_alone_has_no_bridge_to_the_broker() -> None:
    venue = meet(starts="sso")
    status = venue.post("/iserver/auth/status")
    assert (status["authenticated"], status["competing"]) == (False, False)
    assert venue.get("/iserver/accounts", status=400) == {
        "error": "Bad Request: no bridge",
        "statusCode": 400,
    }
    venue.get("/trsrv/stocks?symbols=AAPL")


def test_ssodh_init_opens_the_brokerage_session_in_its_own_time() -> None:
    venue = meet(starts="sso", init_seconds=2, established_seconds=1)
    opened = venue.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    assert list(opened) == [name for name in SHEET["status"] if name != "fail"]
    assert not opened["authenticated"]
    venue.world.advance(2)
    status = venue.post("/iserver/auth/status")
    assert (status["authenticated"], status["established"]) == (True, False)
    venue.world.advance(1)
    assert venue.post("/iserver/auth/status")["established"]


def test_ssodh_init_demands_publish_and_reads_json_alone() -> None:
    venue = meet(starts="sso")
    venue.post("/iserver/auth/ssodh/init", {"publish": False, "compete": True}, status=500)
    venue.post("/iserver/auth/ssodh/init?publish=true&compete=true", status=500)
    assert not venue.post("/iserver/auth/status")["authenticated"]


def test_an_idle_session_ends_and_a_tickle_each_minute_keeps_it() -> None:
    venue = meet()
    for _ in range(10):
        venue.world.advance(60)
        venue.post("/tickle")
    assert venue.post("/iserver/auth/status")["authenticated"]
    venue.world.advance(359.9)
    assert venue.facade.session.authenticated(venue.world.clock.now())
    venue.world.advance(0.1)
    assert not venue.post("/iserver/auth/status")["authenticated"]


def test_an_idle_client_may_lose_its_login_too() -> None:
    venue = meet(idle_ends="login", idle_seconds=300)
    venue.world.advance(300)
    venue.post("/tickle", status=401)


def test_a_login_lives_a_day_and_a_human_comes_back() -> None:
    venue = meet(idle_seconds=1e6, human_seconds=120)
    first, phone = venue.session, venue.socket()
    venue.world.advance(86_399)
    assert venue.post("/tickle")["ssoExpires"] == 1000
    for _ in range(2):
        phone.say("tic")
        venue.world.advance(0.5)
    assert phone.lost is not None
    venue.post("/tickle", status=401)
    venue.world.advance(120)
    assert venue.session != first


def test_logging_out_ends_everything() -> None:
    venue = meet()
    phone = venue.socket()
    assert venue.post("/logout") == {"status": True}
    venue.world.advance()
    assert phone.lost is not None
    assert phone.take()[-1] == {
        "topic": "sts",
        "args": {"authenticated": False, "established": False},
    }
    venue.post("/tickle", status=401)


def test_another_login_takes_the_session_until_it_is_thrown_out() -> None:
    venue = meet()
    phone = venue.socket()
    phone.take()
    venue.facade.session.rival(venue.world.clock.now(), None)
    venue.world.act()
    assert phone.hear(0, "sts") == [
        {"topic": "sts", "args": {"authenticated": False, "established": False, "competing": True}}
    ]
    status = venue.post("/iserver/auth/status")
    assert (status["authenticated"], status["connected"], status["competing"]) == (
        False, True, True,
    )  # fmt: skip
    venue.post("/iserver/auth/ssodh/init", {"publish": True, "compete": False})
    assert venue.facade.session.takeovers == 0
    venue.get("/iserver/accounts", status=400)
    venue.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    assert venue.facade.session.takeovers == 1
    assert phone.hear(0, "sts")[-1]["args"] == {
        "authenticated": True, "established": True, "competing": False,
    }  # fmt: skip


def test_another_login_may_leave_by_itself() -> None:
    venue = meet()
    now = venue.world.clock.now()
    venue.facade.session.rival(now, now + 60 * SECOND)
    venue.world.advance(60)
    status = venue.post("/iserver/auth/status")
    assert (status["authenticated"], status["competing"]) == (False, False)


def test_a_daily_reset_bars_the_session_for_a_while() -> None:
    venue = meet(reset_at="05:00", reset_seconds=45, idle_seconds=1e6)
    now = venue.world.clock.now()
    left = (5 * 3600 - now // SECOND) % 86_400
    venue.world.advance(left - 1)
    assert venue.post("/iserver/auth/status")["authenticated"]
    venue.world.advance(1)
    ask = {"publish": True, "compete": True}
    assert not venue.post("/iserver/auth/ssodh/init", ask)["authenticated"]
    venue.world.advance(44)
    assert not venue.post("/iserver/auth/ssodh/init", ask)["authenticated"]
    venue.world.advance(1)
    assert venue.post("/iserver/auth/ssodh/init", ask)["authenticated"]


def test_the_accounts_come_first() -> None:
    venue = meet()
    refused = venue.get("/iserver/marketdata/snapshot?conids=8314&fields=31", status=400)
    assert refused == {"error": "Bad Request: Please query /accounts first", "statusCode": 400}
    venue.get("/iserver/accounts")
    venue.get("/iserver/marketdata/snapshot?conids=8314&fields=31")


def test_accounts_are_selected() -> None:
    venue = meet()
    assert venue.post("/iserver/account", {"acctId": "DU1234567"}) == {
        "success": "Account already set"
    }
    assert venue.post("/iserver/account", {"acctId": "U1"}, status=500) == {
        "error": "Invalid account ID"
    }
    venue.post("/iserver/account", status=400)


def test_cookies_are_set() -> None:
    cookie = meet().http("POST", "/tickle").headers["set-cookie"]
    assert cookie.startswith("x-sess-uuid=")
    assert "HttpOnly" in cookie
