"""The figures of serving count what they say: every message to every client, every round trip."""

from __future__ import annotations

import asyncio

import pytest

from bench import serving
from pitwire.sim.world import SPOT, USDM


@pytest.mark.parametrize("venue", [SPOT, USDM])
def test_each_change_reaches_each_client(venue: str) -> None:
    found = asyncio.run(serving.measure(venue, clients=2, changes=400))
    assert (found.clients, found.messages) == (2, 800)
    assert found.per_second > 0


@pytest.mark.parametrize("venue", [SPOT, USDM])
def test_an_order_takes_longer_than_an_echo(venue: str) -> None:
    found = asyncio.run(serving.trips(venue, rounds=20))
    assert found["order over the WS-API"].least > found["echo over a socket"].least > 0
    assert found["order over REST"].middle >= found["order over REST"].least > 0


def test_frames_are_counted_whole() -> None:
    short, long = b"\x81\x02hi", b"\x81\x7e\x00\x80" + b"x" * 128
    assert serving._frames(short + long + short[:3]) == (2, short[:3])
    assert serving._frames(b"\x89\x02hi" + short) == (1, b"")  # a ping is no message
