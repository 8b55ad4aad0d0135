"""A ban that one session is told of: every session that was given the same `Bans` keeps silent."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.session.bans import Ban, Bans, addresses_of
from pitwire.session.connect import connect_to_websocket
from pitwire.session.pacing import Pacing
from pitwire.session.session import Session
from pitwire.sim.world import World
from pitwire.venues.venue import Endpoints, Limit
from tests.session.test_ban import BAN_SECONDS, MEMORY, Door

NOW = 1_700_000_000 * SECOND
SPOT = Endpoints("wss://stream.x.com:9443", "wss://api.x.com/ws", "https://rest.x.com")
SAME_REST = Endpoints("wss://other.x.com", "", "https://rest.x.com")
ELSEWHERE = Endpoints("wss://stream.y.com", "", "https://rest.y.com")


def joined(bans: Bans, endpoints: Endpoints) -> Pacing:
    pacing = Pacing((Limit("dials", 5, 1), Limit("weight", 5, 1), Limit("orders", 5, 1)))
    bans.join(pacing, endpoints)
    return pacing


def test_a_session_is_known_by_its_hosts() -> None:
    assert addresses_of(SPOT) == {"stream.x.com:9443", "api.x.com", "rest.x.com"}
    assert addresses_of(Endpoints("memory://a", "b", "")) == {"a", "b"}


def test_what_one_is_told_all_who_share_an_address_obey() -> None:
    bans = Bans()
    first, second, other = (joined(bans, one) for one in (SPOT, SAME_REST, ELSEWHERE))
    for scope in ("dials", "weight", "orders"):
        first.block(scope, NOW)
    assert (second.blocked_until("dials"), second.blocked_until("weight")) == (NOW, NOW)
    assert second.blocked_until("orders") == 0, "an account's own limit"
    assert other.blocked_until("dials") == 0
    assert bans.until(SPOT) == bans.until(SAME_REST) == NOW
    assert bans.until(ELSEWHERE) == 0


def test_a_session_that_comes_later_knows_of_it_and_a_shorter_one_changes_nothing() -> None:
    told: list[tuple[Ban, ...]] = []
    bans = Bans((Ban("rest.x.com", "weight", NOW),), told.append)
    late = joined(bans, SAME_REST)
    assert late.blocked_until("weight") == NOW
    late.block("weight", NOW - SECOND)
    assert told == []
    late.block("weight", NOW + SECOND)
    assert told[-1] == bans.known
    assert Ban("rest.x.com", "weight", NOW + SECOND) in bans.known


def test_a_session_that_is_gone_is_forgotten() -> None:
    bans = Bans()
    pacing = joined(bans, SPOT)
    del pacing
    assert len(bans._sessions) == 0


@pytest.mark.parametrize("shared", [True, False])
def test_another_session_of_the_process_neither_dials_nor_asks_during_a_ban(shared: bool) -> None:
    world = World(seed=5, scenario="quiet", crowded=("BTC-USDT",))
    doors, bans, now = (Door(world), Door(world)), Bans(), world.clock.now

    async def story() -> tuple[int, int]:
        async with AsyncExitStack() as stack:
            sessions: list[Session] = []
            for number, door in enumerate(doors):
                connecting = connect_to_websocket(
                    "binance",
                    endpoints=MEMORY,
                    dial=door.dial,
                    fetch=door.fetch,
                    clock=world.clock,
                    entropy=Entropy(number),
                    bans=bans if shared else None,
                )
                sessions.append(await stack.enter_async_context(connecting))
                await sessions[-1].subscribe("book", "BTC-USDT")
            await asyncio.sleep(5)
            ends = now() + round(BAN_SECONDS * SECOND)
            world.facade.ban(ends)
            sessions[0].resync_book("BTC-USDT")  # its snapshot is refused, with 418
            await asyncio.sleep(1)
            knew = now()
            for link in list(world.stage.links()):
                world.stage.cut(link, now())
            await asyncio.sleep(BAN_SECONDS + 40)
            assert all(session.book("BTC-USDT").ready for session in sessions)
            return knew, ends

    knew, ends = world.run(story())
    during = [[at for at in door.dials + door.asks if knew <= at < ends] for door in doors]
    assert during[0] == []
    assert (during[1] == []) is shared, "who was told nothing learns it by being refused"
