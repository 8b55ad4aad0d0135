"""Several copies of a feed, and connections that give way to others, in worlds with all oracles.

While one copy stands nothing is lost, and at a planned change of connections nothing is either:
no book goes stale, no trade is missing, none comes twice, and no order is in doubt for it.
"""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.session.connect import connect_to_websocket
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.faults import Delay, ServerShutdown
from pitwire.sim.latency import LATENCIES
from pitwire.sim.scenarios import scenario
from pitwire.sim.world import World
from pitwire.venues.binance import BINANCE
from tests.worlds.room import ENDPOINTS, LISTINGS, SYMBOLS, Outcome, Plan, Room, Story, paced
from tests.worlds.test_stories import came
from tests.worlds.witness import Witness

BREAKS = (ev.BookStale, ev.TradeGap, ev.FeedStale)


def lived(plan: Plan, story: Story | None = None) -> tuple[Room, Outcome]:
    """A world with restless rules, and no complaint."""
    room = Room(plan)
    outcome = room.play(story)
    assert outcome.complaints == (), plan.line()
    return room, outcome


def unbroken(room: Room) -> None:
    """Nothing was said to be missing or stale, and nothing was fetched in its place."""
    assert [event for kind in BREAKS for event in came(room, kind)] == []
    streams = room.desk.health.snapshot(room.clock.now()).streams
    fetched = {one.symbol: one.count for one in streams if one.event == "BookSnapshot"}
    assert fetched == dict.fromkeys(SYMBOLS, 1)


# ── two copies ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(1, 7))
def test_one_copy_at_a_time_is_lost_and_nobody_notices(seed: int) -> None:
    latency = ("none", "same-city", "overseas")[seed % 3]

    async def story(room: Room) -> None:
        await room.live(4)
        for _ in range(8):
            links = [label for label in room.world.stage.links().values() if "market" in label]
            assert len(links) == 2
            room.cut(links[0])  # the older one: they take turns
            await room.live(0.5)
            await room.until(lambda: all(line.stands for line in room.desk.session.lines))
            await room.live(2)

    room, outcome = lived(Plan(seed=seed, latency=latency, redundancy=2), story)
    unbroken(room)
    lost = came(room, ev.Lost)
    assert len(lost) == outcome.losses - 3, "the last three are our goodbye"
    assert len(lost) == 8
    assert all(event.covered for event in lost)
    assert not [one for one in room.inspector.losses if not one.covered and not one.by_us]


@pytest.mark.parametrize("link", ["market-1", "market-3"])
def test_of_two_lines_one_is_late_by_five_seconds(link: str) -> None:
    async def story(room: Room) -> None:
        await room.reach(15)
        before = {line.name: line.wins for line in room.desk.session.lines}
        await room.reach(35)
        fast, slow = sorted(room.desk.session.lines[:2], key=lambda line: line.behind_seconds)
        assert fast.behind_seconds < 0.2
        assert 4 < slow.behind_seconds < 6
        assert slow.wins == before[slow.name]
        assert fast.wins > before[fast.name] + 100

    # Later by a second at a time: a line that says nothing for all five is mute, and dialled anew.
    late = tuple(
        Delay(at_seconds=5 + 2 * at, seconds=1 + at, for_seconds=lasting, link=link, stream="*@*")
        for at, lasting in enumerate((2, 2, 2, 2, 32))
    )
    room, _ = lived(Plan(seed=5, redundancy=2, script=late), story)
    unbroken(room)


def test_the_fast_line_is_lost_and_the_late_one_carries_on() -> None:
    async def story(room: Room) -> None:
        await room.reach(15)
        room.cut("market-1")
        await room.reach(40)

    late = Delay(at_seconds=5, seconds=5, for_seconds=40, link="market-3", stream="*@*")
    room, _ = lived(Plan(seed=6, redundancy=2, script=(late,)), story)
    unbroken(room)


# ── a venue that restarts ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("redundancy", [1, 2])
@pytest.mark.parametrize("lead", [0.0, 1.0, 600.0])
def test_an_announced_restart(lead: float, redundancy: int) -> None:
    restart = ServerShutdown(at_seconds=8, lead_seconds=lead)

    async def story(room: Room) -> None:
        await room.reach(20)

    bustle = 0.03 if lead > 60 else 0.25
    room, _ = lived(Plan(seed=7, redundancy=redundancy, script=(restart,), bustle=bustle), story)
    rolled = came(room, ev.Rolled)
    if lead:
        unbroken(room)
        assert {event.link for event in rolled} == {
            "orders",
            *("market-1", "market-1b")[:redundancy],
        }
        assert len(rolled) == 1 + redundancy
    else:
        assert {event.symbol for event in came(room, ev.BookStale)} == set(SYMBOLS)
        assert rolled == []


# ── rolls while the rules trade ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(1, 7))
def test_every_line_is_replaced_while_orders_fly(seed: int) -> None:
    latency = ("none", "same-city", "overseas")[seed % 3]

    async def story(room: Room) -> None:
        await room.live(4)
        for _ in range(3):
            rolling = asyncio.create_task(room.desk.session.roll())
            await room.live(6)
            await rolling

    plan = Plan(
        seed=seed,
        latency=latency,
        redundancy=1 + seed % 2,
        keys="hmac" if seed % 2 else "ed25519",
        bustle=0.5,
    )
    room, outcome = lived(plan, story)
    unbroken(room)
    assert outcome.orders > 20
    assert len(came(room, ev.Rolled)) == 3 * (1 + plan.redundancy)
    assert all(event.covered for event in came(room, ev.Lost))
    assert came(room, ev.Unanswered) == []
    seen = [(event.symbol, event.trade_id, event.order_id) for event in came(room, ev.Fill)]
    assert len(seen) <= 2 * len(set(seen)), "once by the answer, once by the private stream"


# ── days ──────────────────────────────────────────────────────────────────────────────────────


class Day:
    """A session alone in a quiet market, for hours of virtual time."""

    def __init__(
        self,
        *channels: str,
        hours: float,
        life: float,
        redundancy: int,
        pace: float,
        roll_at: str = "",
    ) -> None:
        scene = paced(scenario("quiet"), pace)
        self.world = World(
            seed=3,
            listings=LISTINGS,
            scenario=scene,
            options=BinanceOptions(lifetime_seconds=life),
            latency=LATENCIES["same-city"],
        )
        self.witness = Witness(self.world)
        self.told: list[ev.Event] = []
        heartbeat = msgspec.structs.replace(BINANCE.heartbeat, max_life_seconds=life)
        self._venue = msgspec.structs.replace(BINANCE, heartbeat=heartbeat)
        self._redundancy, self._roll_at = redundancy, roll_at
        self.over = 0
        self.world.run(self._live(hours, channels), within_seconds=hours * 3600 + 600)

    async def _live(self, hours: float, channels: tuple[str, ...]) -> None:
        key, secret = self.world.keys["ed25519"]
        async with connect_to_websocket(
            self._venue,
            endpoints=ENDPOINTS,
            dial=self.world.dial,
            fetch=self.world.fetch,
            clock=self.world.clock,
            entropy=Entropy(1),
            credentials=Credentials(key, secret),
            on_event=self.told.append,
            redundancy=self._redundancy,
            roll_at=self._roll_at,
        ) as session:
            for channel in channels:
                await session.subscribe(channel, *SYMBOLS)
            await session.subscribe_to_order_updates()
            await asyncio.sleep(hours * 3600)
            for symbol in SYMBOLS:
                assert session.book(symbol).ready
            self.over = self.world.clock.now()

    def of(self, *kinds: type[ev.Event]) -> list[ev.Event]:
        return [one for one in self.told if isinstance(one, kinds) and one.received < self.over]

    def unbroken(self) -> None:
        """Lost 0, double 0, stale 0, and nobody was cut off."""
        assert self.of(ev.BookStale, ev.TradeGap) == []
        assert [event for event in self.of(ev.Lost) if not event.by_us or not event.covered] == []
        for symbol in SYMBOLS:
            ids = [one.trade_id for one in self.of(ev.Trade) if one.symbol == symbol]
            true = [number for number in self.witness.trades[symbol] if number >= ids[0]]
            assert ids == true[: len(ids)]
            assert len(true) - len(ids) <= 1, "the last may be on its way"
            quotes = [one.update_id for one in self.of(ev.Quote) if one.symbol == symbol]
            assert quotes == sorted(set(quotes))
            bars = [gist(one) for one in self.of(ev.Bar) if one.symbol == symbol]
            assert len(bars) == len(set(bars))
        assert self.witness.refusals == []
        assert self.witness.asked_twice == []


def gist(event: ev.Event) -> tuple[object, ...]:
    fields = msgspec.structs.astuple(event)
    return (*fields[:3], *fields[4:])


@pytest.mark.parametrize("redundancy", [1, 2])
def test_two_hours_of_connections_that_live_twenty_minutes(redundancy: int) -> None:
    channels = ("trades", "ticker", "book", "bars", "stats")
    day = Day(*channels, hours=2, life=1200, redundancy=redundancy, pace=0.02)
    day.unbroken()
    rolled = day.of(ev.Rolled)
    assert len(rolled) >= 5 * (1 + redundancy)
    assert {event.reason for event in rolled} == {"its time had come"}


@pytest.mark.soak  # half a minute and more
def test_a_day_and_an_hour_with_a_roll_at_four_in_the_morning() -> None:
    channels = ("trades", "ticker", "book")
    day = Day(*channels, hours=25, life=86_400, redundancy=1, pace=0.002, roll_at="04:00")
    day.unbroken()
    at = [(event.received // SECOND) % 86_400 / 3600 for event in day.of(ev.Rolled)]
    assert len(at) >= 2
    assert all(3.3 <= hour <= 4.1 for hour in at)
