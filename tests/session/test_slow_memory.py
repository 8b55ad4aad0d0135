"""A minute at 5,000 messages a second, and a reader that is stopped or ten times too slow.

The venue speaks Binance's dialect in memory, and time is virtual: measured is what is held.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pitwire.model.entropy import Entropy
from pitwire.model.events import Event, Lost, StreamDropped, Trade
from pitwire.session.connect import connect_to_websocket
from pitwire.session.session import Session
from pitwire.session.stream import EventStream
from pitwire.sim.loop import SimLoop
from pitwire.wire.link import Link, Receiver
from tests.held import Peak

SECONDS, RATE = 60, 5_000
TURN = 0.02
ALLOWED_BYTES = 64 << 20
TRADE = (
    '{"stream":"btcusdt@trade","data":{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,'
    '"p":"64123.45000000","q":"0.01230000","T":%d,"m":true,"M":true}}'
)


class Pipe:
    """A venue that says yes, answers pings, and tells trades; the link is its own client's."""

    def __init__(self) -> None:
        self.receiver: Receiver
        self.paused = False
        self.said = self.dials = 0

    async def dial(self, url: str, receiver: Receiver) -> Link:
        self.receiver = receiver
        self.dials += 1
        return self

    def send(self, frame: bytes) -> None:
        answer = json.dumps({"result": None, "id": json.loads(frame)["id"]}).encode()
        asyncio.get_running_loop().call_soon(self.receiver.on_frame, answer, True)

    def ping(self, payload: bytes = b"") -> None:
        asyncio.get_running_loop().call_soon(self.receiver.on_pong, payload)

    def close(self, code: int = 1000, reason: str = "") -> None: ...

    def abort(self) -> None: ...

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def tell(self, count: int, now: int) -> None:
        """Tell trades, until the reader holds still; the rest waits at the venue's."""
        stamp = now // 1_000_000
        for _ in range(count):
            if self.paused:
                return
            self.said += 1
            self.receiver.on_frame(
                (TRADE % (stamp, self.said, stamp)).encode(), self.said % 10 == 0
            )


class Minute:
    """What a reader saw of it, and what was held at the most."""

    def __init__(self, reads_each_turn: int, **policy: Any) -> None:
        self.reads, self.policy = reads_each_turn, policy
        self.pipe, self.told = Pipe(), list[Lost]()
        self.grown = 0
        self.ids: list[int] = []
        self.holes = 0

    def run(self) -> EventStream:
        loop = SimLoop()
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(self._live(loop))

    async def _live(self, loop: SimLoop) -> EventStream:
        async with connect_to_websocket(
            "binance",
            dial=self.pipe.dial,
            clock=loop,
            entropy=Entropy(7),
            on_event=self._hear,
            keep_books=False,
        ) as session:
            await session.subscribe_to_trades("BTC-USDT")
            stream = session.stream(Trade, **self.policy)
            await self._pass(session, stream, loop)
            await self._catch_up(stream, loop)
        return stream

    def _hear(self, event: Event) -> None:
        if isinstance(event, Lost):
            self.told.append(event)

    async def _pass(self, session: Session, stream: EventStream, loop: SimLoop) -> None:
        with Peak() as peak:
            for _ in range(round(SECONDS / TURN)):
                self.pipe.tell(round(RATE * TURN), loop.now())
                await asyncio.sleep(TURN)
                peak.look()
                for _ in range(self.reads):
                    if len(stream):
                        self._read(await anext(stream))
        self.grown = peak.grown
        assert session.stream_counts() == (stream.counts,)

    async def _catch_up(self, stream: EventStream, loop: SimLoop) -> None:
        while len(stream) or self.pipe.said < SECONDS * RATE:
            if self.pipe.said < SECONDS * RATE:
                self.pipe.tell(round(RATE * TURN), loop.now())
                await asyncio.sleep(TURN)
            while len(stream):
                self._read(await anext(stream))

    def _read(self, event: Event) -> None:
        if isinstance(event, StreamDropped):
            self.holes += event.count
        else:
            assert isinstance(event, Trade)
            self.ids.append(event.trade_id)


STOPPED, TEN_TIMES_TOO_SLOW = 0, round(RATE * TURN / 10)


@pytest.mark.parametrize(
    "reads",
    [
        pytest.param(STOPPED, id="stopped"),
        pytest.param(TEN_TIMES_TOO_SLOW, id="ten times too slow", marks=pytest.mark.soak),
    ],
)
@pytest.mark.parametrize("policy", ["wait", "conflate", "drop", "spill"])
def test_a_slow_reader_costs_no_more_than_allowed(policy: str, reads: int, tmp_path: Path) -> None:
    minute = Minute(reads, policy=policy, **({"spill_dir": tmp_path} if policy == "spill" else {}))
    counts = minute.run().counts
    print(f"{policy}, {reads}: {minute.grown / 1e6:.1f} MB {counts}")
    assert minute.grown < ALLOWED_BYTES
    assert minute.pipe.dials == 1
    assert minute.told == [], "the connection was kept"
    assert minute.ids == sorted(minute.ids)
    assert len(minute.ids) + minute.holes + counts.conflated == SECONDS * RATE
    if policy in ("wait", "spill"):
        assert minute.ids == [*range(1, SECONDS * RATE + 1)], "everything, in order"
