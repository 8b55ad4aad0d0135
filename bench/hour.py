"""What an hour of virtual market costs: ten symbols in the default market, in CPU seconds.

`python -m bench.hour [--whole]`. With the parts that are installed and, where those are compiled,
with the plain ones beside. Each virtual second is timed by itself; the hour that is told is
3,600 times the smallest (other work on the machine can only make one longer) and, beside it, the
mean. Once with nobody connected, once with a client that hears trades, quotes and diffs of all ten.
`--whole` lives the hour through, without the client and with it, and tells every ten minutes how
much memory there is and what it has taken so far: on a busy machine more than the quickest second
says, since who shares a cache is slower.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import time
from typing import NamedTuple

import msgspec

from bench import native
from pitwire.model.errors import ConnectionLost
from pitwire.sim.facts import Listing
from pitwire.sim.world import BTC_USDT, World

BAR_SECONDS = 60.0
"""An hour takes no more than this, with nobody connected."""
BASES = ("BTC", "ETH", "SOL", "BNB", "XRP", "ADA", "DOGE", "LTC", "DOT", "LINK")
STREAMS = ("trade", "bookTicker", "depth@100ms")
_HOUR = 3600
_WARM_SECONDS = 2


class Hour(NamedTuple):
    """CPU seconds for an hour: by the quickest second, by the mean; frames a virtual second."""

    least: float
    mean: float
    frames: float


class Deaf:
    """A client that counts what it hears."""

    def __init__(self) -> None:
        self.frames = 0

    def on_frame(self, frame: bytes, drained: bool) -> None:
        self.frames += 1

    def on_ping(self, payload: bytes) -> None:
        pass

    def on_pong(self, payload: bytes) -> None:
        pass

    def on_lost(self, error: ConnectionLost) -> None:
        raise error


def listings() -> list[Listing]:
    """Ten symbols with the rules of the first."""
    return [msgspec.structs.replace(BTC_USDT, symbol=f"{base}-USDT", base=base) for base in BASES]


def begin(client: Deaf | None) -> World:
    """The market, just opened."""
    world = World(seed=1, listings=listings())
    if client is not None:
        names = [f"{base.lower()}usdt@{stream}" for base in BASES for stream in STREAMS]
        world.open("ws://venue.test/stream?streams=" + "/".join(names), client)
    world.advance(_WARM_SECONDS)
    return world


def measure(seconds: int, client: Deaf | None = None) -> Hour:
    """So many virtual seconds, each timed."""
    world = begin(client)
    before = client.frames if client is not None else 0
    took = []
    for _ in range(seconds):
        begun = time.process_time()
        world.advance(1)
        took.append(time.process_time() - begun)
    heard = client.frames - before if client is not None else 0
    return Hour(_HOUR * min(took), _HOUR * sum(took) / seconds, heard / seconds)


def live_through(client: Deaf | None = None) -> None:
    """The whole hour, and the memory on the way."""
    print("  an hour with a client" if client else "  an hour with nobody connected", flush=True)
    world, begun = begin(client), time.process_time()
    for tenth in range(7):
        gc.collect()
        print(
            f"  after {10 * tenth:2} minutes: {_resident():6.1f} MB, "
            f"{sys.getallocatedblocks():9,} blocks, {client.frames if client else 0:11,} frames, "
            f"{time.process_time() - begun:6.1f} CPU seconds",
            flush=True,
        )
        if tenth < 6:
            world.advance(_HOUR / 6)


def _resident() -> float:
    """MB of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(seconds: int) -> None:
    """Print a line a figure, with its bar."""
    parts = native.installed()
    print(f"load {os.getloadavg()[0]:.1f}, {len(BASES)} symbols, {parts} parts", flush=True)
    alone = measure(seconds)
    kept = "kept" if alone.least <= BAR_SECONDS else "missed"
    print(
        f"  nobody connected: {alone.least:.0f} CPU seconds an hour by the quickest second, "
        f"{alone.mean:.0f} by the mean; bar {BAR_SECONDS:.0f} {kept}"
    )
    heard = measure(seconds, Deaf())
    print(
        f"  one client: {heard.least:.0f} by the quickest second, {heard.mean:.0f} by the mean; "
        f"{heard.frames:,.0f} frames a virtual second",
        flush=True,
    )
    if parts != native.PLAIN:
        with native.chosen(native.PLAIN):
            command = [sys.executable, "-m", "bench.hour", "--seconds", str(seconds)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="virtual seconds to time")
    parser.add_argument("--whole", action="store_true", help="live the hour through")
    asked = parser.parse_args()
    main(asked.seconds)
    if asked.whole:
        live_through()
        live_through(Deaf())
