"""The gateway's WebSocket: three ways in, the burst, heartbeats, `tic`, and nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pitwire.model.errors import DialFailed
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.facades.ibkr_socket import CommandError, read_command
from tests.sim.binance_client import Ear
from tests.sim.ibkr_client import SHEET, Gateway, quiet_gateway, shape


def meet(**options: Any) -> Gateway:
    return Gateway(quiet_gateway(IbkrOptions(**{"is_paced": False} | options)))


def demand_burst(frames: list[Any], venue: Gateway) -> None:
    """ibkr §8.1: system, act, sts."""
    system, act, sts = frames
    assert system == SHEET["system"]
    assert act == {"topic": "act", "args": venue.get("/iserver/accounts")}
    assert shape(sts) == shape(SHEET["sts"])


@pytest.mark.parametrize("cookie", ["api={0}", 'api={{"session":"{0}"}}', "a=b; api={0}"])
def test_a_cookie_shows_the_session(cookie: str) -> None:
    venue = meet()
    demand_burst(venue.socket(cookie.format(venue.session)).take(), venue)


def test_the_gateways_own_cookie_shows_it_too() -> None:
    venue = meet()
    cookie = venue.http("POST", "/tickle").headers["set-cookie"].partition(";")[0]
    demand_burst(venue.socket(cookie).take(), venue)


@pytest.mark.parametrize("cookie", ["", "api=0123", "other=1", "x-sess-uuid=0.1"])
def test_without_it_the_gateway_waits_for_the_session(cookie: str) -> None:
    venue = meet()
    phone = venue.socket(cookie)
    assert phone.take() == [{"message": "waiting for session"}]
    assert phone.say("tic") == [{"message": "waiting for session"}]
    assert phone.say('{"session":"wrong"}') == [{"message": "waiting for session"}]
    demand_burst(phone.say(json.dumps({"session": venue.session})), venue)


def test_a_socket_that_waits_hears_of_nothing() -> None:
    phone = meet().socket("")
    phone.take()
    assert phone.hear(30) == []


def test_elsewhere_there_is_no_socket() -> None:
    world = quiet_gateway()
    with pytest.raises(DialFailed) as refused:
        world.open("ws://venue.test/v1/api/other", Ear())
    assert refused.value.status == 404


def test_it_beats_every_ten_seconds() -> None:
    phone = meet().socket()
    phone.take()
    beats = phone.hear(35, "system")
    assert len(beats) == 3
    assert shape(beats[0]) == shape(SHEET["heartbeat"])
    assert beats[1]["hb"] - beats[0]["hb"] == 10_000


def test_tic_is_answered_and_keeps_the_session() -> None:
    venue = meet()
    phone = venue.socket()
    phone.take()
    answers = phone.say("tic")
    assert len(answers) == 4
    assert [shape(each) for each in answers] == [shape(SHEET["tic"])] * 4
    assert answers[0]["id"] == venue.session
    for _ in range(10):
        venue.world.advance(60)
        later = phone.say("tic")[-1]
    assert later["lastAccessed"] - answers[0]["lastAccessed"] == 600_000
    assert venue.facade.session.authenticated(venue.world.clock.now())


def test_a_client_that_says_nothing_is_cut_off_and_a_ping_is_something() -> None:
    phone = meet(silent_seconds=60).socket()
    for _ in range(5):
        phone.world.advance(50)
        phone.link.ping(b"x")
    assert phone.lost is None
    phone.world.advance(60)
    assert phone.lost is not None


def test_sockets_may_be_counted() -> None:
    venue = meet(sockets_per_session=1)
    venue.socket()
    with pytest.raises(DialFailed):
        venue.socket()


@pytest.mark.parametrize("text", ["nonsense", "smd", "smd+1+{}", "smd+265598+{broken", "sbd+DU1"])
def test_what_is_not_understood_is_an_error(text: str) -> None:
    phone = meet().socket()
    phone.take()
    (told,) = phone.say(text)
    assert told["topic"] == "error"
    assert told["error"]


def test_commands_are_taken_apart() -> None:
    command = read_command(b'sbd+DU1+265598+NASDAQ+{"a":"b+c"}')
    assert (command.topic, command.targets) == ("sbd", ("DU1", "265598", "NASDAQ"))
    assert command.args == {"a": "b+c"}
    assert read_command(b"spl") == read_command(b"spl+{}")
    with pytest.raises(CommandError):
        read_command(b"\xff")
