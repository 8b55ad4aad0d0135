"""A market connection that says who it is before it asks for anything."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from pitwire.model import errors
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.events import Authenticated, Lost, Rejected, Subscribed
from pitwire.venues.venue import Can, HttpRequest
from tests.session.test_conversation import START, conversation
from tests.session.test_conversation import said as sent
from tests.session.toy import REFUSALS, TOY, ToyCodec
from tests.session.world import KEY, World, live

NAMED = replace(TOY, market_login=True, can=Can(anonymous_time=False))
OTHER = Credentials("other", "secret")


def verbs(world: World) -> list[str]:
    return [do for _, do in world.server.log]


def test_streams_wait_for_the_login_and_no_account_is_told_of_it() -> None:
    async def story(world: World) -> None:
        held = asyncio.Event()
        world.server.refuse["login"] = lambda said: None
        async with world.connect(venue=NAMED, credentials=KEY) as session:
            asking = asyncio.create_task(session.subscribe_to_ticker("BTC-USDT"))
            await asyncio.sleep(1)
            assert verbs(world) == ["login"], "nothing is asked for before the answer"
            [connection] = world.server.connections
            connection.tell(id=connection.said[0]["id"])
            await asking
            held.set()
        assert held.is_set()

    world = live(story)
    assert verbs(world) == ["login", "subscribe"]
    assert len(world.of(Subscribed)) == 1
    assert world.of(Authenticated) == [], "that is the orders connection's"


def test_after_a_loss_the_login_comes_first_again() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=NAMED, credentials=lambda: KEY) as session:
            await session.subscribe_to_ticker("BTC-USDT")
            world.server.connections[0].link.abort()
            await asyncio.sleep(5)
            assert len(world.of(Subscribed)) == 2

    assert verbs(live(story)) == ["login", "subscribe"] * 2


@pytest.mark.parametrize("known", [None, lambda: None])
def test_without_a_key_nothing_is_dialled(known: Any) -> None:
    async def story(world: World) -> None:
        with pytest.raises(errors.ConfigError, match=r"credentials: found None, expected an API"):
            await world.connect(venue=NAMED, credentials=known)

    assert live(story).server.dials == 0


def test_a_key_that_is_refused_ends_the_session_and_says_why() -> None:
    async def story(world: World) -> None:
        world.server.refuse["login"] = lambda said: {"error": "auth", "text": "no such key"}
        session = await world.connect(venue=NAMED, credentials=KEY)
        closed = await session.process_incoming_data()
        assert "no such key" in closed.reason
        assert isinstance(closed.error, errors.AuthenticationFailed)
        with pytest.raises(errors.StateError):
            await session.subscribe_to_ticker("BTC-USDT")
        await session.close()

    world = live(story)
    assert world.server.dials == 1
    assert [one.what for one in world.of(Rejected)] == ["login"]


def test_a_login_that_only_time_heals_is_tried_on_another_connection_ever_more_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a venue says that still holds on to our last connection."""
    monkeypatch.setitem(
        REFUSALS, "busy", lambda text: errors.VenueUnavailable(venue="toy", code=406, text=text)
    )
    dialled: list[int] = []

    async def story(world: World) -> None:
        def busy(said: dict[str, Any]) -> dict[str, Any] | None:
            dialled.append(world.loop.now())
            return {"error": "busy", "text": "one is enough"} if len(dialled) < 9 else {}

        world.server.refuse["login"] = busy
        async with world.connect(venue=NAMED, credentials=KEY) as session:
            await session.subscribe_to_ticker("BTC-USDT")

    world = live(story)
    assert len(dialled) == 9
    spells = [later - sooner for sooner, later in pairwise(dialled)]
    assert max(spells) <= 28 * SECOND
    assert sum(spells[4:]) > 10 * sum(spells[:4]) / 4, "no storm"
    assert all(one.lost is not None for one in world.server.connections), "each is let go"
    assert {one.code for one in world.of(Rejected)} == {406}
    assert len(world.of(Lost)) == 9


def test_another_login_of_the_account_is_that_of_the_next_market_connection() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=NAMED, credentials=KEY) as session:
            await session.subscribe_to_ticker("BTC-USDT")
            await session.authenticate_websocket(OTHER)
            assert world.server.connections[0].lost is None
            world.server.connections[0].link.abort()
            await asyncio.sleep(5)

    world = live(story)
    keys = [
        one["key"]
        for connection in world.server.connections
        for one in connection.said
        if one["do"] == "login"
    ]
    assert keys == ["key", "other", "other"], "market, orders, market again"


def test_a_clock_that_is_told_to_nobody_unnamed_is_asked_for_after_the_login() -> None:
    class Anywhere(ToyCodec):
        def ask_time(self) -> HttpRequest:
            return HttpRequest("time", "GET", "/clock")

    ours = conversation(asks_time=True, venue=replace(NAMED, codec=Anywhere))
    ours.opened(START)
    assert ours.outbox.take_requests() == []
    due = ours.next_deadline(START)
    assert due is not None
    assert due > START, "nor is anybody woken for it"
    ours.authenticate(KEY, START)
    [login] = sent(ours)
    assert ours.outbox.take_requests() == []
    ours.receive_data(b'{"id": %d}' % login["id"], START)
    assert [one.path for one in ours.outbox.take_requests()] == ["/clock"]
