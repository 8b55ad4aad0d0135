"""`connect_to_websocket`: what it takes, and what it refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from pitwire.model import errors
from pitwire.session.connect import _dialer, connect_to_websocket
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Endpoints
from pitwire.wire.http import HttpClient
from pitwire.wire.memory import dial_into
from pitwire.wire.names import Names
from pitwire.wire.websocket import WebSocketDialer
from tests.session.toy import TOY
from tests.session.world import World, live


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"venue": "nowhere"}, "venue: found 'nowhere', expected one of"),
        ({"time_unit": "s"}, "time_unit: found 's', expected ms or us"),
        ({"connect_attempts": 0}, "connect_attempts: found 0"),
        ({"testnet": True}, "testnet: found True, expected False: toy has none"),
    ],
)
def test_a_wrong_argument_is_refused_at_once(options: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.ConfigError, match=words):
        connect_to_websocket(**{"venue": TOY, **options})


def test_the_addresses_are_the_venues_unless_others_are_given() -> None:
    testing = Endpoints(market="toy://test", orders="toy://test", http="toy://test")
    venue = msgspec.structs.replace(TOY, testnet=testing)
    mine = Endpoints(market="toy://mine", orders="toy://mine", http="toy://mine")

    async def story(world: World) -> None:
        for options in ({}, {"testnet": True}, {"testnet": True, "endpoints": mine}):
            async with world.connect(venue=venue, **options):
                pass
        urls = [connection.url for connection in world.server.connections]
        assert urls == ["toy://market", "toy://test", "toy://mine"]

    live(story)


def test_with_a_dial_of_our_own_and_no_fetch_nothing_goes_over_http() -> None:
    async def story(world: World) -> None:
        async with connect_to_websocket(
            TOY, dial=dial_into(world.server.welcome), clock=world.loop
        ) as session:
            await asyncio.sleep(120)  # nor is the time asked for
            with pytest.raises(errors.DialFailed, match=r"no GET.*but no fetch"):
                await session.load_instruments(["A-USDT"])

    live(story)


async def test_over_sockets_and_http_of_its_own_it_fails_with_a_plain_cause() -> None:
    here = Endpoints(market="ws://127.0.0.1:1", orders="", http="http://127.0.0.1:1")
    venue = msgspec.structs.replace(TOY, endpoints=here)
    with pytest.raises(errors.DialFailed, match="connection refused"):
        async with connect_to_websocket(venue):
            pass


async def test_an_order_over_http_has_as_long_to_leave_as_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Any] = []

    def client(**options: Any) -> HttpClient:
        made.append(options["leaves_within_seconds"])
        return HttpClient(**options)

    monkeypatch.setattr("pitwire.session.connect.HttpClient", client)
    endpoints = Endpoints(market="ws://127.0.0.1:1", orders="", http="http://127.0.0.1:1")
    with pytest.raises(errors.DialFailed):
        await connect_to_websocket(
            TOY, endpoints=endpoints, connect_attempts=1, order_deadline_seconds=0.5
        )
    assert made == [0.5]


def test_an_answer_that_is_no_instrument_list_raises() -> None:
    async def story(world: World) -> None:
        async def fetch(*asked: Any) -> Any:
            return 503, {}, b"<html>"

        async with world.connect(fetch=fetch) as session:
            with pytest.raises(errors.VenueUnavailable):
                await session.load_instruments()

    live(story)


def test_pings_are_answered_well_within_the_venues_limit_on_messages() -> None:
    binance = find_venue("binance")
    chosen = WebSocketDialer(pongs_apart_seconds=0.25)
    assert _dialer(chosen, binance, Names(), False) is chosen
    ours = _dialer(None, binance, Names(), False)
    assert isinstance(ours, WebSocketDialer)
    assert ours._pongs_apart == 3.0  # binance §2: pongs count towards five messages a second
    free = msgspec.structs.replace(binance, limits=())
    ours = _dialer(None, free, Names(), False)
    assert isinstance(ours, WebSocketDialer)
    assert ours._pongs_apart == 0.0
