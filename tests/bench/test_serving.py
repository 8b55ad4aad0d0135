"""The figures of serving count what they say: every message to every client, every round trip."""

from __future__ import annotations

import asyncio
import time

import pytest

from bench import serving
from pitwire.sim.exchange import Exchange
from pitwire.sim.facts import NewOrder, SimOrder
from pitwire.sim.world import SPOT, USDM

HELD_SECONDS = 0.005
"""So much longer the venue is at an order."""


@pytest.mark.parametrize("venue", [SPOT, USDM])
def test_each_change_reaches_each_client(venue: str) -> None:
    found = asyncio.run(serving.measure(venue, clients=2, changes=400))
    assert (found.clients, found.messages) == (2, 800)
    assert found.per_second > 0


@pytest.mark.parametrize("venue", [SPOT, USDM])
def test_an_order_takes_what_the_venue_does_with_it_and_an_echo_is_nothing_to_the_venue(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed: list[NewOrder] = []
    place = Exchange.place

    def slowly(exchange: Exchange, request: NewOrder, now: int) -> SimOrder:
        placed.append(request)
        time.sleep(HELD_SECONDS)
        return place(exchange, request, now)

    world = serving.world_of(venue)
    monkeypatch.setattr(serving, "world_of", lambda _: world)
    monkeypatch.setattr(Exchange, "place", slowly)
    found = asyncio.run(serving.trips(venue, rounds=20))
    assert len(placed) == 2 * 20, "one by each way in each round"
    assert all(trip.middle >= trip.least > 0 for trip in found.values())
    for way in ("order over the WS-API", "order over REST"):
        assert found[way].least >= HELD_SECONDS * 1e6


def test_frames_are_counted_whole() -> None:
    short, long = b"\x81\x02hi", b"\x81\x7e\x00\x80" + b"x" * 128
    assert serving._frames(short + long + short[:3]) == (2, short[:3])
    assert serving._frames(b"\x89\x02hi" + short) == (1, b"")  # a ping is no message
