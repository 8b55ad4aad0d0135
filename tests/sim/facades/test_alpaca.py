"""Connections of the simulated Alpaca: life, slow clients, the operator (alpaca §2.4, §2.6)."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.model.errors import ConfigError, DialFailed
from pitwire.sim.facades.alpaca_options import CRYPTO, IEX, AlpacaOptions
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.faults import BlackHole, CloseWith, RefuseDial, RevokeKeys, Throttle
from pitwire.sim.kit import kit
from pitwire.sim.loop import START
from pitwire.sim.world import MARKET_URL, World
from tests.sim.alpaca_client import CONNECTED, RICH, FeedClient, error, member, place, quiet_world
from tests.sim.binance_client import Ear

SLOW = error(407, "slow client")


def test_pings_are_answered_and_sent() -> None:
    client = member(quiet_world(ping_every_seconds=5, pong_within_seconds=5))
    client.link.ping(b"here")
    client.after(60)
    assert (client.pongs, len(client.pings), client.lost) == ([b"here"], 12, None)


def test_a_connection_that_vanished_makes_room_after_a_while() -> None:
    swallowed = BlackHole(at_seconds=1, link="market-1")
    world = World(venue="alpaca", scenario=None, faults=[swallowed])
    vanished = member(world)
    world.advance(5)
    second = FeedClient(world)
    second.take()
    assert second.log_in() == error(406, "connection limit exceeded"), "it stands, for the venue"
    world.advance(20)
    third = FeedClient(world)
    third.take()
    assert third.log_in()[0]["T"] == "success"
    assert vanished.lost is None, "nobody can tell it"


def test_a_client_that_takes_nothing_in_is_told_and_closed() -> None:
    world = quiet_world(scenario="calm", slow_after_seconds=2)
    slow, quick = member(world), member(world, IEX)
    for client in (slow, quick):
        client.ask("subscribe", quotes=["*"])
    slow.link.pause_reading()
    world.advance(1)
    slow.link.resume_reading()
    world.advance()
    assert (slow.lost, slow.take()[-1]["T"]) == (None, "q")
    slow.link.pause_reading()
    world.advance(10)
    slow.link.resume_reading()
    world.advance()
    assert slow.lost is not None
    heard = slow.take()
    assert heard[-1:] == SLOW
    assert [message["T"] for message in heard[:-1]] == ["q"] * (len(heard) - 1)
    assert (quick.lost, len(quick.take()) > 10) == (None, True)


def test_a_line_that_is_too_narrow_makes_a_slow_client() -> None:
    narrow = Throttle(frames_per_second=1, count=0, for_seconds=60)
    world = World(venue="alpaca", scenario="calm", faults=[narrow])
    client = member(world)
    client.ask("subscribe", quotes=["*"])
    client.after(30)
    assert client.lost is not None
    assert client.lost.code == 1008


def test_the_kit_has_both() -> None:
    """V20: refused while the old connection stands, let in when it is gone, cut when it is slow."""
    world = World(venue="alpaca", scenario="calm", faults=kit()["V20"].sim)
    first = member(world)
    first.ask("subscribe", quotes=["*"])
    refused = 0
    world.advance(8)
    for _ in range(20):
        client = FeedClient(world)
        if client.log_in()[-1]["T"] == "success":
            break
        refused += 1
        world.advance(4)
    assert 2 <= refused < 8
    client.ask("subscribe", quotes=["*"])
    world.advance(90 - (world.clock.now() - START) / 1e9)
    assert client.lost is None
    world.advance(20)
    assert client.lost is not None
    assert client.take()[-1:] == SLOW


def test_the_venue_refuses_closes_and_bans() -> None:
    faults = [RefuseDial(count=1, status=503), CloseWith(at_seconds=5, code=1012)]
    world = World(venue="alpaca", scenario=None, faults=faults)
    with pytest.raises(DialFailed, match="503"):
        world.open(MARKET_URL + CRYPTO, Ear())
    client = member(world)
    client.after(6)
    assert client.lost is not None
    assert client.lost.code == 1012
    world.facade.ban(world.clock.now() + 10_000_000_000)
    with pytest.raises(DialFailed, match="429"):
        world.open(MARKET_URL + CRYPTO, Ear())
    world.advance(11)
    assert FeedClient(world).take() == [CONNECTED]


def test_who_stands_on_a_revoked_key_is_cut_off() -> None:
    accounts = {"main": RICH, "other": RICH}
    world = World(venue="alpaca", scenario=None, accounts=accounts,
                  faults=[RevokeKeys(at_seconds=1)])  # fmt: skip
    ours, theirs = member(world), FeedClient(world, IEX)
    theirs.log_in("other")
    world.advance(2)
    assert (ours.lost is not None, theirs.lost) == (True, None)
    again = FeedClient(world)
    again.take()
    assert again.log_in() == error(402, "auth failed")


def test_a_client_that_left_hears_nothing_and_hinders_nobody() -> None:
    world = quiet_world()
    client, other = member(world), FeedClient(world)
    other.log_in("other")
    for each in (client, other):
        each.ask("subscribe", bars=["*"], orderbooks=["*"])
    client.link.abort()
    world.advance()
    place(world, "buy", "100", "1")
    assert client.take() == []
    assert [message["T"] for message in other.take()] == ["o"]
    other.link.close()
    world.advance(120)
    assert world.facade.next_deadline() is None or world.facade.links() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"venue": "alpaca", "options": BinanceOptions()},
        {"venue": "binance", "options": AlpacaOptions()},
        {"venue": "binance-usdm", "options": AlpacaOptions()},
    ],
)
def test_options_are_the_venue_s_own(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="options"):
        World(**wrong)
