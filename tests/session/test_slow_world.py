"""Readers that stop, before a venue that hangs up on whoever does not answer its pings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pitwire.model import events
from pitwire.model.events import Event
from pitwire.session.connect import connect_to_websocket
from pitwire.session.session import Session
from pitwire.session.stream import EventStream, Policy
from pitwire.sim.world import HTTP_URL, MARKET_URL, ORDERS_URL, World
from pitwire.venues.venue import Endpoints

MEMORY = Endpoints(market=MARKET_URL, orders=ORDERS_URL, http=HTTP_URL)
SYMBOL = "BTC-USDT"


def live(story: Callable[[Session, World], Awaitable[None]]) -> list[Event]:
    """A session's story in the simulated Binance; all that it was told."""
    world = World(seed=5)
    seen: list[Event] = []

    async def whole() -> None:
        async with connect_to_websocket(
            "binance",
            endpoints=MEMORY,
            dial=world.dial,
            fetch=world.fetch,
            clock=world.clock,
            on_event=seen.append,
        ) as session:
            await session.subscribe_to_trades(SYMBOL)
            await session.subscribe_to_ticker(SYMBOL)
            await story(session, world)

    world.run(whole())
    return seen


def lost(seen: list[Event]) -> list[str]:
    """Why connections broke, our own goodbyes left out."""
    return [e.reason for e in seen if isinstance(e, events.Lost) and not e.by_us]


async def read_all(stream: EventStream) -> list[int]:
    """The ids of all trades that wait, and of none that come later."""
    ids = []
    while len(stream):
        event = await anext(stream)
        if isinstance(event, events.Trade):
            ids.append(event.trade_id)
    return ids


@pytest.mark.parametrize("policy", ["wait", "conflate", "drop", "spill"])
def test_a_reader_that_stops_for_a_minute_costs_no_connection(policy: Policy) -> None:
    async def story(session: Session, world: World) -> None:
        stream = session.stream(events.Quote, policy=policy, capacity=5)
        for _ in range(2):
            await asyncio.sleep(60)
            await read_all(stream)
            await asyncio.sleep(1)
            await read_all(stream)
        await stream.aclose()
        await asyncio.sleep(70)

    assert lost(live(story)) == []


def test_held_for_longer_than_a_venue_waits_the_loss_is_told_and_nothing_is_missing() -> None:
    got: list[int] = []

    async def story(session: Session, world: World) -> None:
        async with session.stream(events.Trade, capacity=5) as stream:
            await asyncio.sleep(150)
            got.extend(await read_all(stream))
            for _ in range(200):
                await asyncio.sleep(0.1)
                got.extend(await read_all(stream))

    seen = live(story)
    assert any("Pong timeout" in reason for reason in lost(seen))
    late = [e.what for e in seen if isinstance(e, events.Lagging)]
    assert late[:3] == ["the reader of stream-1"] * 3, "told while there was time"
    gaps = [e for e in seen if isinstance(e, events.TradeGap)]
    named = {n for gap in gaps for n in range(gap.first_missing, gap.last_missing + 1)}
    assert sorted({*got} | named) == [*range(min(got), max(got) + 1)]
    assert len(got) == len({*got})


def test_a_reader_that_never_reads_does_not_keep_a_spilling_stream_from_living() -> None:
    async def story(session: Session, world: World) -> None:
        stream = session.stream(events.Trade, events.Quote, policy="spill", capacity=5)
        whole = session.stream(events.Trade, events.Quote, policy="drop", capacity=10**9)
        await asyncio.sleep(200)
        assert stream.counts.spilled == stream.counts.offered - 5
        await session.close()
        assert [event async for event in stream] == [event async for event in whole]

    assert lost(live(story)) == []
