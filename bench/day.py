"""A day of one symbol on tape: the simulated market, the same for a seed, heard by a client.

Trades, best quotes and book changes every tenth of a second, at the client's latency of none. A
recording like any that is imported: it holds what came, and no answers to asks.
"""

from __future__ import annotations

from pathlib import Path

from pitwire.model.clock import SECOND
from pitwire.model.errors import ConnectionLost
from pitwire.sim.scenarios import Scenario
from pitwire.sim.world import BTC_USDT, World
from pitwire.tape.format import Entry, Exchange, Kind, Meta, encode_exchange
from pitwire.tape.imports import LEAD
from pitwire.tape.writer import TapeWriter

DAY_SECONDS = 24 * 3600
STREAMS = ("trade", "bookTicker", "depth@100ms")
_LINK = "market-1"
_WARM_SECONDS = 2
_BATCH = 2000
_LIFE_SECONDS = 12 * 3600
"""A venue hangs up after a day."""
_START = 1_723_161_600 * SECOND
"""Midnight, UTC."""


class _Scribe:
    """Writes down what it hears, and when."""

    def __init__(self, world: World, writer: TapeWriter) -> None:
        self._now, self._writer = world.clock.now, writer
        self._batch: list[Entry] = []
        self.frames = 0
        self.hangs_up = False

    def on_frame(self, frame: bytes, drained: bool) -> None:
        self.put((_LINK, Kind.IN, self._now(), drained, frame))
        self.frames += 1

    def put(self, entry: Entry) -> None:
        self._batch.append(entry)
        if len(self._batch) >= _BATCH:
            self.write()

    def write(self) -> None:
        self._writer.put(self._batch)
        self._batch = []

    def on_ping(self, payload: bytes) -> None:
        pass

    def on_pong(self, payload: bytes) -> None:
        pass

    def on_lost(self, error: ConnectionLost) -> None:
        if not self.hangs_up:
            raise error


def record(folder: Path, seconds: int = DAY_SECONDS, *, scenario: str | Scenario = "calm") -> Path:
    """The run of so many virtual seconds."""
    world = World(seed=1, listings=[BTC_USDT], scenario=scenario, start=_START)
    world.advance(_WARM_SECONDS)
    meta = Meta(
        program="bench", venue="binance", started=world.clock.now() - LEAD, origin="capture",
        symbols=(BTC_USDT.symbol,), channels=("ticker", "trades", "book"), note=f"{seconds} s",
    )  # fmt: skip
    writer = TapeWriter(folder, meta)
    scribe = _Scribe(world, writer)
    names = "/".join(f"btcusdt@{stream}" for stream in STREAMS)
    link = world.open(f"ws://venue.test/stream?streams={names}", scribe)
    world.advance(1)
    for path in ("exchangeInfo?symbol=BTCUSDT", "depth?symbol=BTCUSDT&limit=5000"):
        scribe.put(_asked(world, f"/api/v3/{path}"))
    for second in range(1, seconds + 1):
        world.advance(1)
        if second % _LIFE_SECONDS == 0:  # at one moment, so that nothing is missed
            scribe.hangs_up = True
            link.abort()
            link = world.open(link.url, scribe)
            world.advance(0)
            scribe.hangs_up = False
    scribe.write()
    writer.close()
    return writer.run


def _asked(world: World, target: str) -> Entry:
    now = world.clock.now()
    reply = world.stage.http("GET", target, headers={}, body=b"", now=now)
    exchange = Exchange("GET", f"https://venue{target}", now, reply.status, {}, body=reply.body)
    return ("", Kind.HTTP, now, True, encode_exchange(exchange))
