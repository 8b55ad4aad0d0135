"""Ten minutes of the demonstration's market, and the desk holds no more than after three."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import pytest

from pitwire.cli.demo import default_config
from pitwire.desk import opening
from pitwire.desk.config import parse_config
from pitwire.desk.opening import open_desk
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.sim.scenarios import scenario
from pitwire.sim.world import World
from pitwire.trading.journal import MemoryJournal
from tests.worlds.players import Quoter
from tests.worlds.room import ENDPOINTS, LISTINGS, paced

MINUTES = 10
WARM_MINUTES = 3
ALLOWED_BYTES = 1_000_000
"""For what is kept on purpose and not full yet: finished orders, trades seen, histograms."""
ROWS = 2_000
"""Kept in each table, so that every table is full long before the measuring begins."""
OURS = (
    tracemalloc.Filter(True, "*/pitwire/*"),
    tracemalloc.Filter(False, "*/pitwire/sim/*"),
)
"""What the desk's code holds, and not the venue's."""


def held() -> int:
    """Bytes that our code holds."""
    gc.collect()
    snapshot = tracemalloc.take_snapshot()
    client = snapshot.filter_traces([OURS[0]]).filter_traces([OURS[1]])
    return sum(trace.size for trace in client.traces)


@pytest.mark.soak
def test_a_desk_holds_no_more_after_ten_minutes_than_after_three(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "_FRAMES", ROWS)
    config = parse_config(default_config())
    scene = paced(scenario("dip"), 0.5)
    world = World(seed=7, listings=LISTINGS, scenario=scene, faults="cuts")
    key, secret = world.keys["ed25519"]
    samples: list[int] = []

    async def live() -> None:
        desk = await open_desk(
            config,
            rules=[Quoter("ETH-USDT", "0.02", Entropy(7).stream("quoter"), every_seconds=2.0)],
            endpoints=ENDPOINTS,
            credentials=Credentials(key, secret),
            dial=world.dial,
            fetch=world.fetch,
            clock=world.clock,
            journals=[MemoryJournal(1_000)],
        )
        for _ in range(MINUTES):
            await asyncio.sleep(60)
            samples.append(held())
        await desk.stop()

    tracemalloc.start()
    try:
        world.run(live())
    finally:
        tracemalloc.stop()
    warm = samples[WARM_MINUTES - 1 :]
    assert max(warm) - warm[0] < ALLOWED_BYTES, [f"{each / 1e6:.2f} MB" for each in samples]
