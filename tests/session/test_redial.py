"""Dead venues, bans and limits: who dials when, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pitwire.model import errors, events
from pitwire.model.clock import SECOND
from pitwire.session.obedience import obey
from pitwire.session.scout import Scouts
from pitwire.venues.venue import Limit, Reply
from pitwire.wire.link import Link, Receiver
from pitwire.wire.memory import dial_into
from tests.session.toy import TOY
from tests.session.world import KEY, World, live, settle

MINUTE = 60.0
NEAR = msgspec.structs.replace(
    TOY,
    stream_path=lambda endpoints, _: "toy://venue/stream",
    orders_path=lambda endpoints, _: "toy://venue/orders",
)
"""A venue with one address for everything."""


class Gate:
    """A `Dial` that counts, and fails as it is told."""

    def __init__(self, world: World, cause: Callable[[], errors.DialFailed | None]) -> None:
        self.world, self.cause = world, cause
        self.dials: list[float] = []
        self._through = dial_into(world.server.welcome)

    async def __call__(self, url: str, receiver: Receiver) -> Link:
        self.dials.append(self.world.loop.time())
        error = self.cause()
        if error is not None:
            raise error
        return await self._through(url, receiver)

    def since(self, begin: float) -> list[float]:
        return [at for at in self.dials if at >= begin]

    def most_within(self, seconds: float, begin: float) -> int:
        dials = self.since(begin)
        return max((sum(at <= one < at + seconds for one in dials) for at in dials), default=0)


def refused(status: int = 0, after: float | None = None) -> errors.DialFailed:
    return errors.DialFailed(
        address="toy://venue", cause="no", status=status, retry_after_seconds=after
    )


def cut(world: World) -> None:
    for connection in world.server.connections:
        connection.link.abort()


@pytest.mark.parametrize("seed", range(5))
def test_a_dead_venue_sees_thirty_dials_in_ten_minutes_from_all_lines_together(seed: int) -> None:
    counts: list[int] = []

    async def story(world: World) -> None:
        down = False
        gate = Gate(world, lambda: refused() if down else None)
        options = {"venue": NEAR, "dial": gate, "redundancy": 3, "credentials": KEY}
        async with world.connect(**options) as session:
            await session.subscribe_to_order_updates()
            await session.subscribe_to_ticker("A", "B")
            await asyncio.sleep(5)
            assert len(gate.dials) == 4
            down, began = True, world.loop.time()
            cut(world)
            await asyncio.sleep(40 * MINUTE)
            counts.append(gate.most_within(10 * MINUTE, began))
            assert len(gate.since(began)) > 60, "it must go on trying"
            down = False
            back = world.loop.time()
            await asyncio.sleep(30)
            assert len([line for line in session.lines if line.stands]) == 4
            waited = [at - back for at in gate.since(back)]
            assert len(waited) == 4
            assert waited[-1] - waited[0] < 0.1, "the first that stands calls the others"

    live(story, seed=seed)
    assert counts[0] <= 30


def test_lines_to_another_address_do_not_wait_for_a_dead_one() -> None:
    async def story(world: World) -> None:
        dead = True

        class Split(Gate):
            async def __call__(self, url: str, receiver: Receiver) -> Link:
                failing = dead and "orders" in url
                self.cause = lambda: refused() if failing else None
                return await super().__call__(url, receiver)

        gate = Split(world, lambda: None)
        dead = False
        async with world.connect(dial=gate, credentials=KEY) as session:
            await session.subscribe_to_order_updates()
            dead = True
            cut(world)
            await asyncio.sleep(2)
            assert [line.stands for line in session.lines] == [True, False]
            dead = False
            await asyncio.sleep(10)
            assert all(line.stands for line in session.lines)

    live(story)


@pytest.mark.parametrize(("status", "after", "least"), [(418, 200.0, 200), (418, None, 120)])
def test_nobody_dials_or_asks_during_a_ban_told_by_a_refused_upgrade(
    status: int, after: float | None, least: float
) -> None:
    async def story(world: World) -> None:
        banned = False
        gate = Gate(world, lambda: refused(status, after) if banned else None)
        options = {"venue": NEAR, "dial": gate, "redundancy": 2, "credentials": KEY}
        async with world.connect(**options, asks_time=True) as session:
            await session.subscribe_to_order_updates()
            world.server.books["A"] = {"id_": 10, "b": [[100.0, 1.0]], "a": [[101.0, 1.0]]}
            await session.subscribe_to_book("A")
            await asyncio.sleep(5)
            banned = True
            cut(world)
            await asyncio.sleep(1)
            last, asked = gate.dials[-1], len(world.server.fetched)
            banned = False
            await asyncio.sleep(least - 2)
            assert gate.dials[-1] == last
            assert len(world.server.fetched) == asked
            await asyncio.sleep(40)
            assert all(line.stands for line in session.lines)
            assert least <= gate.since(last + 1)[0] - last < least + 31
            assert len(world.server.fetched) > asked, "the book is fetched again"

    live(story)


def test_a_ban_told_by_an_answer_over_http_holds_the_dials_back_too() -> None:
    async def story(world: World) -> None:
        gate = Gate(world, lambda: None)
        async with world.connect(dial=gate) as session:
            await session.subscribe_to_ticker("A")
            await asyncio.sleep(1)
            now = world.loop.now()
            until = now + 90 * SECOND
            ban = errors.RateLimited(venue="toy", code=-1003, until=until, banned=True)
            obey(Reply(0, ban), session._lines.pacing, now)
            began = world.loop.time()
            cut(world)
            await asyncio.sleep(89)
            assert gate.since(began) == []
            await asyncio.sleep(2)
            assert len(gate.since(began)) == 1

    lost = live(story).of(events.Lost)[0]
    assert lost.retry_after_seconds == pytest.approx(90.0, abs=0.1)


def test_too_many_dials_hold_dials_back_and_not_requests() -> None:
    async def story(world: World) -> None:
        tired = False
        gate = Gate(world, lambda: refused(429, 50.0) if tired else None)
        async with world.connect(dial=gate) as session:
            await session.subscribe_to_ticker("A")
            await asyncio.sleep(1)
            tired = True
            began = world.loop.time()
            cut(world)
            await asyncio.sleep(1)
            assert session._lines.pacing.allows("weight", world.loop.now())
            tired = False
            await asyncio.sleep(48)
            assert len(gate.since(began)) == 1
            await asyncio.sleep(5)
            assert len(gate.since(began)) == 2

    live(story)


def test_the_venues_own_limit_on_dials_is_kept_while_a_line_flaps() -> None:
    tight = msgspec.structs.replace(
        TOY,
        limits=(*(one for one in TOY.limits if one.scope != "dials"), Limit("dials", 5, 300.0)),
    )

    async def story(world: World) -> None:
        gate = Gate(world, lambda: None)
        async with world.connect(venue=tight, dial=gate) as session:
            await session.subscribe_to_ticker("A")
            for _ in range(1000):
                await asyncio.sleep(1)
                cut(world)
        assert 5 < len(gate.dials) <= 20
        assert gate.most_within(300.0, 0.0) <= 5

    live(story)


def test_a_certificate_that_is_refused_is_tried_slowly() -> None:
    async def story(world: World) -> None:
        bad = False

        def cause() -> errors.DialFailed | None:
            if not bad:
                return None
            return errors.DialFailed(address="toy://venue", cause="expired", kind="certificate")

        gate = Gate(world, cause)
        async with world.connect(dial=gate) as session:
            await session.subscribe_to_ticker("A")
            await asyncio.sleep(1)
            bad = True
            began = world.loop.time()
            cut(world)
            await asyncio.sleep(100)
            assert 3 <= len(gate.since(began)) <= 4
            bad = False
            await asyncio.sleep(31)
            assert session.lines[0].stands

    live(story)


@pytest.mark.parametrize("status", [401, 407, 451])
def test_what_only_a_person_can_mend_ends_the_session(status: int) -> None:
    async def story(world: World) -> None:
        gate: Any = Gate(world, lambda: None)
        session = await world.connect(dial=gate, redundancy=2)
        await session.subscribe_to_ticker("A")
        await asyncio.sleep(3)
        gate.cause = lambda: refused(status)
        began = world.loop.time()
        cut(world)
        closed = await session.process_incoming_data()
        assert f"status {status}" in closed.reason
        await asyncio.sleep(MINUTE)
        assert len(gate.since(began)) <= 2
        await session.close()

    live(story)


async def test_a_scout_that_leaves_lets_another_try() -> None:
    scouts, one, two = Scouts(), object(), object()
    scouts.failed("a", one)
    scouts.failed("a", two)
    waiting = asyncio.ensure_future(scouts.await_turn("a", two))
    await scouts.await_turn("a", one)
    await scouts.await_turn("b", two)
    await settle()
    assert not waiting.done()
    scouts.leave(one)
    await waiting
    assert scouts.failures("a") is scouts.failures("a")
    assert scouts.failures("a") is not scouts.failures("b")


def said(world: World, what: str) -> list[list[str]]:
    """The symbols of each request of this sort, over all connections."""
    found = [one for connection in world.server.connections for one in connection.said]
    return [[ask[1] for ask in one["asks"]] for one in found if one["do"] == what]


def test_a_subscribe_answer_that_is_lost_is_asked_for_once_more() -> None:
    async def story(world: World) -> None:
        lost = 1

        def lose(said: dict[str, Any]) -> dict[str, Any] | None:
            nonlocal lost
            lost -= 1
            return None if lost >= 0 else {}

        world.server.refuse["subscribe"] = lose
        async with world.connect() as session:
            await session.subscribe("ticker", "A", "B")
            await session.subscribe("ticker", "C")
            await asyncio.sleep(30)
            assert said(world, "subscribe") == [["A", "B"], ["A", "B"], ["C"]]
            assert len(world.server.connections) == 1
        assert [event.symbol for event in world.of(events.Subscribed)] == ["A", "B", "C"]

    live(story)


def test_an_answer_that_never_comes_costs_the_connection_and_not_a_flood() -> None:
    async def story(world: World) -> None:
        world.server.refuse["subscribe"] = lambda said: None
        async with world.connect() as session:
            asking = asyncio.ensure_future(session.subscribe("ticker", "A", "B"))
            await asyncio.sleep(14)
            first = world.server.connections[0]
            assert [one["do"] for one in first.said] == ["subscribe", "subscribe"]
            assert len(world.server.connections) == 2
            assert "answer to subscribe" in world.of(events.Lost)[0].reason
            del world.server.refuse["subscribe"]
            await asking
            assert session._lines.market[0].stands

    live(story)


def test_an_answer_that_comes_late_confirms_and_the_second_one_changes_nothing() -> None:
    async def story(world: World) -> None:
        ids: list[int] = []

        def late(said: dict[str, Any]) -> dict[str, Any] | None:
            ids.append(said["id"])
            return None

        world.server.refuse["subscribe"] = late
        async with world.connect() as session:
            asking = asyncio.ensure_future(session.subscribe("ticker", "A"))
            await asyncio.sleep(6)
            for request_id in ids:
                world.server.market.tell(id=request_id)
            await asking
            await asyncio.sleep(20)
            assert (len(ids), len(world.server.connections)) == (2, 1)
            assert len(world.of(events.Subscribed)) == 1

    live(story)


def test_after_a_loss_login_comes_first_and_everything_within_the_message_budget() -> None:
    async def story(world: World) -> None:
        symbols = [f"S{number}" for number in range(12)]
        async with world.connect(credentials=KEY) as session:
            await session.authenticate_websocket()
            await session.subscribe_to_order_updates()
            await session.subscribe("ticker", *symbols)
            await asyncio.sleep(20)
            before = len(world.server.connections)
            cut(world)
            await asyncio.sleep(20)
            again = world.server.connections[before:]
            orders = [one for one in again if "orders" in one.url]
            assert [one["do"] for one in orders[0].said if one["do"] != "time"] == [
                "login",
                "watch",
            ]
            market = [one for one in again if "market" in one.url]
            asked = [ask[1] for one in market for said in one.said for ask in said["asks"]]
            assert sorted(asked) == sorted(symbols)

    live(story)


def test_what_was_said_on_a_lost_connection_is_not_held_against_the_next() -> None:
    async def story(world: World) -> None:
        async with world.connect() as session:
            await asyncio.sleep(5)
            for symbol in ("A", "B", "C"):  # all that a second allows
                await session.subscribe("ticker", symbol)
            before, began = len(world.of(events.Subscribed)), world.loop.time()
            cut(world)
            while len(world.of(events.Subscribed)) < before + 3:
                await asyncio.sleep(0.01)
            assert world.loop.time() - began < 0.3

    live(story)


@pytest.mark.parametrize(("code", "ends"), [(3000, True), (3003, True), (3001, False)])
def test_a_close_that_the_venue_has_no_word_for_is_judged_by_the_common_table(
    code: int, ends: bool
) -> None:
    async def story(world: World) -> None:
        session = await world.connect()
        await session.subscribe_to_ticker("A")
        world.server.market.link.close(code, "no")
        await asyncio.sleep(5)
        assert session._lines.ended.done() is ends
        assert len(world.server.connections) == (1 if ends else 2)
        await session.close()

    live(story)
