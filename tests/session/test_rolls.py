"""Connections that give way to others, and several that carry the same."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from pitwire.model import events
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.session.connect import connect_to_websocket
from pitwire.session.rolls import CALM_SECONDS, PROOF_SECONDS
from tests.session.toy import TOY, ToyConnection, order
from tests.session.world import KEY, World, live, settle

BTC = "BTC-USDT"
ROWS = {**TOY.channels, "trades": msgspec.structs.replace(TOY.channels["trades"], dense=True)}
DENSE = msgspec.structs.replace(TOY, channels=ROWS)
SHORT = msgspec.structs.replace(
    DENSE, heartbeat=msgspec.structs.replace(TOY.heartbeat, max_life_seconds=480.0)
)


def markets(world: World) -> list[ToyConnection]:
    """The market connections that stand, oldest first."""
    return [c for c in world.server.connections if c.url == "toy://market" and c.lost is None]


def everywhere(world: World, **said: Any) -> None:
    """The venue sends something to whoever is subscribed."""
    for connection in markets(world):
        if connection.asks:
            connection.tell(**said)


async def traded(world: World, first: int, last: int, *, every: float = 0.01) -> None:
    for number in range(first, last + 1):
        everywhere(world, e="trade", s=BTC, p=1.0, t=number)
        everywhere(world, e="delta", s=BTC, U=number, u=number, b=[], a=[])
        await asyncio.sleep(every)


def numbers(world: World) -> list[int]:
    return [trade.trade_id for trade in world.of(events.Trade)]


def whole(world: World, last: int) -> None:
    """Everything came once and in order, and nothing went stale."""
    assert numbers(world) == list(range(1, last + 1))
    assert [delta.last_id for delta in world.of(events.BookDelta)] == list(range(1, last + 1))
    # When the session ends, so does the book.
    assert [one for one in world.of(events.BookStale) if one.received < world.loop.now()] == []
    assert world.of(events.TradeGap) == []
    assert len(world.of(events.BookSnapshot)) == 1


async def begin(world: World, session: Any) -> None:
    world.server.books[BTC] = {"id_": 0, "b": [], "a": []}
    await session.subscribe_to_trades(BTC)
    await session.subscribe_to_book(BTC)


# --- two copies


def test_a_second_copy_is_dialled_a_little_later_and_asks_for_the_same() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=DENSE, redundancy=2) as session:
            await begin(world, session)
            assert len(markets(world)) == 1
            await asyncio.sleep(2)
            first, second = markets(world)
            assert (
                sorted(first.asks)
                == sorted(second.asks)
                == [("book", BTC, ""), ("trades", BTC, "")]
            )
            await traded(world, 1, 50)
            lines = session.lines
            assert [(line.name, line.stands, line.streams) for line in lines] == [
                ("market-1", True, 2),
                ("market-1b", True, 2),
            ]
            assert sum(line.wins for line in lines) == 100
            await session.unsubscribe("trades", BTC)
            await settle()
            assert [c.said[-1]["do"] for c in markets(world)] == ["unsubscribe"] * 2

    world = live(story)
    whole(world, 50)


def test_either_copy_may_be_lost_and_nothing_is() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=DENSE, redundancy=2) as session:
            await begin(world, session)
            await asyncio.sleep(2)
            for turn in range(6):
                trading = asyncio.create_task(traded(world, 1 + turn * 100, 100 + turn * 100))
                await asyncio.sleep(0.3)
                markets(world)[0].link.abort()  # the older one: they take turns
                await trading

    world = live(story)
    whole(world, 600)
    lost = [one for one in world.of(events.Lost) if not one.by_us]
    assert len(lost) == 6
    assert all(one.covered for one in lost)
    assert lost[0].link != lost[1].link


def test_when_both_are_lost_it_is_told() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=DENSE, redundancy=2) as session:
            await begin(world, session)
            await asyncio.sleep(2)
            for connection in markets(world):
                connection.link.abort()
            await asyncio.sleep(5)
            assert session.book(BTC).ready

    world = live(story)
    assert [one.covered for one in world.of(events.Lost)][:2] == [True, False]
    assert len(world.of(events.BookStale)) >= 1


def test_what_one_copy_does_not_bring_is_stale_as_soon_as_the_other_is_lost() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=TOY, redundancy=2) as session:
            await session.subscribe_to_ticker(BTC)
            await asyncio.sleep(2)
            first, second = markets(world)
            for number in range(300):
                first.tell(e="quote", s=BTC, bid=1.0, u=number)
                if number < 150:
                    second.tell(e="quote", s=BTC, bid=1.0, u=number)
                await asyncio.sleep(0.2)
            assert world.of(events.FeedStale) == [], "the other one brings it"
            world.server.down = True
            first.link.abort()
            fell = world.loop.now()
            await asyncio.sleep(0.6)  # at the next look, twice a second
            [stale] = world.of(events.FeedStale)
            assert (stale.symbol, stale.channel) == (BTC, "ticker")
            assert stale.received - fell <= SECOND // 2

    live(story)


@pytest.mark.parametrize("found", [0, -1, 5, 1.5, True, "2"])
def test_a_redundancy_that_is_none_is_named(found: Any) -> None:
    with pytest.raises(ConfigError, match=r"redundancy.*1 to 4"):
        connect_to_websocket(TOY, redundancy=found)


def test_a_roll_time_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match=r"roll_at.*'25:00'.*a time of day in UTC"):
        connect_to_websocket(TOY, roll_at="25:00")


# --- rolls of market lines


def test_a_line_gives_way_without_a_break() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=DENSE) as session:
            await begin(world, session)
            trading = asyncio.create_task(traded(world, 1, 300))
            await asyncio.sleep(1)
            await session.roll()
            assert len(world.server.connections) == 2
            assert len(markets(world)) == 1
            await trading

    world = live(story)
    whole(world, 300)
    kinds = [kind for kind in world.kinds() if kind in ("Opened", "Rolled", "Lost")]
    assert kinds == ["Opened", "Opened", "Rolled", "Lost", "Lost"]
    [rolled] = world.of(events.Rolled)
    assert (rolled.link, rolled.successor, rolled.reason) == ("market-1", "market-1/2", "asked for")
    first = world.of(events.Lost)[0]
    assert (first.link, first.by_us, first.covered) == ("market-1", True, True)


def test_the_old_line_stays_until_the_new_one_has_spoken_or_long_enough_was_waited() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=DENSE) as session:
            await begin(world, session)
            await traded(world, 1, 3)
            began = world.loop.now()
            await session.roll()  # nothing moves any more
            assert (world.loop.now() - began) / SECOND == pytest.approx(PROOF_SECONDS, abs=0.5)
            await traded(world, 4, 6)

    whole(live(story), 6)


def test_a_new_line_that_cannot_be_opened_costs_nothing() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=DENSE) as session:
            await begin(world, session)
            world.server.down = True
            rolling = asyncio.create_task(session.roll())
            await traded(world, 1, 600, every=0.1)
            assert world.server.dials <= 30, "no storm"
            assert len(markets(world)) == 1
            world.server.down = False
            await traded(world, 601, 1000, every=0.1)
            await rolling
            assert len(world.server.connections) == 2

    world = live(story)
    whole(world, 1000)
    assert len(world.of(events.Rolled)) == 1


def test_an_old_line_that_falls_meanwhile_is_an_ordinary_loss() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=DENSE) as session:
            await begin(world, session)
            world.server.down = True
            rolling = asyncio.create_task(session.roll())
            await asyncio.sleep(1)
            markets(world)[0].link.abort()
            await asyncio.sleep(40)
            world.server.down = False
            await asyncio.sleep(40)
            await rolling
            assert len(markets(world)) == 1
            assert session.book(BTC).ready

    world = live(story)
    assert world.of(events.Rolled) == []
    assert [one.covered for one in world.of(events.Lost) if not one.by_us] == [False]


@pytest.mark.parametrize("first", ["old", "new"])
def test_of_an_old_and_a_new_line_that_fall_together_the_second_is_covered_by_none(
    first: str,
) -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=DENSE) as session:
            await begin(world, session)
            await traded(world, 1, 3)
            rolling = asyncio.create_task(session.roll())
            await asyncio.sleep(1)  # both stand, and the new one has not spoken yet
            old, new = markets(world)
            world.server.down = True
            for line in (old, new) if first == "old" else (new, old):
                line.link.abort()
            await asyncio.sleep(40)
            world.server.down = False
            await asyncio.sleep(40)
            await rolling
            assert session.book(BTC).ready

    world = live(story)
    assert [one.covered for one in world.of(events.Lost) if not one.by_us] == [True, False]


def test_lines_roll_before_the_venues_limit_again_and_again() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=SHORT) as session:
            await begin(world, session)
            await traded(world, 1, 20_000, every=0.1)

    world = live(story)
    whole(world, 20_000)
    opened = [event.received for event in world.of(events.Opened)]
    assert len(opened) == 5
    assert all(455 * SECOND < b - a < 480 * SECOND for a, b in pairwise(opened))


def test_copies_never_roll_together() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=SHORT, redundancy=2) as session:
            await begin(world, session)
            await asyncio.sleep(2)
            await traded(world, 1, 20_000, every=0.1)

    world = live(story)
    whole(world, 20_000)
    rolled = [event.received for event in world.of(events.Rolled)]
    assert len(rolled) == 8
    assert all(b - a > SECOND for a, b in pairwise(rolled))


def test_a_roll_at_a_time_of_day() -> None:
    async def story(world: World) -> None:
        # The loop begins at 22:13:20 UTC.
        async with world.connect(venue=DENSE, roll_at="22:20") as session:
            await begin(world, session)
            await traded(world, 1, 1000, every=1.0)

    world = live(story)
    whole(world, 1000)
    [rolled] = world.of(events.Rolled)
    assert 0 <= (rolled.received // SECOND) % 86_400 - (22 * 3600 + 20 * 60) <= 25


def test_an_announced_shutdown_is_answered_by_another_line_at_once() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=DENSE) as session:
            await begin(world, session)
            trading = asyncio.create_task(traded(world, 1, 200))
            await asyncio.sleep(0.5)
            old = markets(world)[0]
            old.tell(e="shutdown")
            await asyncio.sleep(0.5)
            assert old.lost is not None, "long before the venue hangs up"
            await trading

    world = live(story)
    whole(world, 200)
    assert "shutdown" in world.of(events.Rolled)[0].reason


def test_a_venue_that_announces_it_on_and_on_is_not_stormed() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=DENSE) as session:
            await begin(world, session)
            for number in range(1, 301):
                everywhere(world, e="shutdown")
                await traded(world, number, number, every=0.1)

    world = live(story)
    whole(world, 300)
    assert 2 <= len(world.server.connections) <= 2 + 30 / CALM_SECONDS


def test_a_new_line_that_falls_while_it_proves_itself_takes_nothing_over() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=DENSE) as session:
            await begin(world, session)
            await traded(world, 1, 3)
            rolling = asyncio.create_task(session.roll())
            await asyncio.sleep(1)
            old, new = markets(world)
            world.server.down = True
            new.link.abort()
            await asyncio.sleep(2 * PROOF_SECONDS)
            assert old.lost is None, "it is all there is"
            await traded(world, 4, 6)
            world.server.down = False
            await asyncio.sleep(40)
            await rolling
            assert len(markets(world)) == 1

    world = live(story)
    whole(world, 6)
    assert len(world.of(events.Rolled)) == 1


def test_a_shutdown_announced_to_a_line_that_has_yet_to_take_over_is_answered_after_that() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=DENSE) as session:
            await begin(world, session)
            await traded(world, 1, 3)
            markets(world)[0].tell(e="shutdown")
            await asyncio.sleep(1)
            _, new = markets(world)
            new.tell(e="shutdown")
            await asyncio.sleep(3 * PROOF_SECONDS)
            assert len(markets(world)) == 1
            await traded(world, 4, 6)

    world = live(story)
    whole(world, 6)
    rolled = [(one.link, one.successor) for one in world.of(events.Rolled)]
    assert rolled == [("market-1", "market-1/2"), ("market-1/2", "market-1/3")]


def test_a_line_that_waits_for_its_turn_does_so_no_more_once_the_venue_will_drop_it() -> None:
    async def story(world: World) -> None:
        # The loop begins at 22:13:20 UTC; nothing is said meanwhile, so that each roll takes long.
        async with world.connect(
            venue=DENSE, redundancy=2, roll_at="22:15", audit_books=False
        ) as session:
            await begin(world, session)
            await asyncio.sleep(2)
            await traded(world, 1, 3)
            world.server.down = True
            await asyncio.sleep(140)  # both are due, and the first cannot be replaced
            world.server.down = False
            while len(markets(world)) < 3:
                await asyncio.sleep(0.1)
            _, second = [one for one in markets(world) if one.asks][:2]
            second.tell(e="shutdown")
            await asyncio.sleep(1)
            assert len(markets(world)) == 4, "beside the other one"
            await asyncio.sleep(3 * PROOF_SECONDS)
            await traded(world, 4, 6)

    world = live(story)
    whole(world, 6)
    reasons = [one.reason for one in world.of(events.Rolled)]
    assert reasons == ["its time had come", "the venue announced a shutdown"]


def test_a_new_line_is_not_read_either_while_a_reader_holds_the_old_one() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=DENSE) as session:
            await begin(world, session)
            stream = session.stream(events.Trade, capacity=2)
            await traded(world, 1, 3)
            rolling = asyncio.create_task(session.roll())
            await asyncio.sleep(1)
            await traded(world, 4, 6)
            assert len(stream) == 2, "what comes waits at the venue"
            assert len(world.of(events.Trade)) == 2
            assert [line._paused for line in session._lines.market] == [True, True]
            got = [(await anext(stream)).trade_id for _ in range(6)]
            assert got == [1, 2, 3, 4, 5, 6]
            rolling.cancel()

    live(story)


def test_a_session_that_ends_gives_up_its_rolls() -> None:
    async def story(world: World) -> None:
        async with world.connect(venue=DENSE) as session:
            await begin(world, session)
            await traded(world, 1, 3)
            rolling = asyncio.create_task(session.roll())
            await asyncio.sleep(1)
            assert len(markets(world)) == 2
        await asyncio.gather(rolling, return_exceptions=True)
        assert markets(world) == []

    live(story)


# --- rolls of the orders line


def test_the_orders_line_gives_way_with_nothing_lost_and_nothing_told_twice() -> None:
    async def story(world: World) -> None:
        async with world.connect(credentials=KEY) as session:
            await session.subscribe_to_order_updates()
            old = world.server.orders
            world.server.refuse["place"] = lambda said: None  # no answer yet
            session.place(order("one"), world.loop.now())
            rolling = asyncio.create_task(session.roll())
            await asyncio.sleep(1)
            new = world.server.orders
            assert new is not old
            assert [said["do"] for said in new.said if said["do"] != "time"] == ["login", "watch"]
            session.place(order("two"), world.loop.now())
            await settle()
            assert new.said[-1]["order"] == "two", "new commands take the new line"
            assert old.lost is None, "an answer may still come on it"
            for line in (new, old):
                line.tell(e="update", s=BTC, order="one", kind="accepted")
            [request] = [said["id"] for said in old.said if said["do"] == "place"]
            old.tell(id=request, events=[])
            await asyncio.sleep(1)
            assert old.lost is not None
            await rolling
            assert session.may_trade

    world = live(story)
    updates = [update.order_id for update in world.of(events.Update)]
    assert updates == ["one"]
    assert [one.order_id for one in world.of(events.Unanswered)] == ["two"], "by our goodbye"
    assert [one.covered for one in world.of(events.Lost) if one.link == "orders"] == [True]


def test_an_answer_that_does_not_come_on_the_old_line_is_not_waited_for_for_ever() -> None:
    async def story(world: World) -> None:
        async with world.connect(credentials=KEY, patience_seconds=3.0) as session:
            await session.subscribe_to_order_updates()
            world.server.refuse["place"] = lambda said: None
            session.place(order("one"), world.loop.now())
            await session.roll()

    world = live(story)
    [unanswered] = world.of(events.Unanswered)
    assert unanswered.order_id == "one"


def test_a_key_that_the_new_line_is_refused_with_keeps_the_old_one() -> None:
    async def story(world: World) -> None:
        async with world.connect(credentials=KEY) as session:
            await session.subscribe_to_order_updates()
            old = world.server.orders
            world.server.refuse["login"] = lambda said: {"error": "auth"}
            await session.roll()
            assert old.lost is None
            assert session.may_trade
            assert [
                c for c in world.server.connections if c.url == "toy://orders" and not c.lost
            ] == [old]

    assert live(story).of(events.Rolled)[0].link == "market-1"
