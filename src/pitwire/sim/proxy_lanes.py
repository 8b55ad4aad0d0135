"""One connection through a proxy: two lanes of bytes, and what the script does to each.

House rules: a lane keeps order; at most a megabyte waits in it, then its source is not read.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from random import Random  # noqa: TID251 - only the type: chance is handed in
from typing import Literal, TypeVar

from pitwire.sim.faults import matches
from pitwire.sim.proxy_faults import (
    Damage,
    Lag,
    Narrow,
    ProxyFault,
    Recode,
    Split,
    Spoil,
    Swallow,
)
from pitwire.sim.proxy_frames import Frame, FrameCutter, recoded
from pitwire.sim.spoiling import spoiled

Kind = TypeVar("Kind", bound=ProxyFault)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
WaitingWay = Literal["down", "up"]

_READ = 64 * 1024
_MOST_WAITING = 1 << 20
_FOR_EVER = float("inf")


class Schedule:
    """Which faults hold now, and how often each has."""

    def __init__(self, faults: Sequence[ProxyFault], *, chance: Random) -> None:
        self.faults = list(faults)
        self.chance = chance
        self.happened: list[tuple[float, ProxyFault]] = []
        self._begun = 0.0
        self._starts: dict[int, float] = {}
        self._done: dict[int, int] = {}

    def begin(self, now: float) -> None:
        """Time zero of the script."""
        self._begun = now
        self._done.clear()
        self._starts = {index: now + fault.at_seconds for index, fault in enumerate(self.faults)}

    def add(self, fault: ProxyFault) -> None:
        """One more, which begins now."""
        self._starts[len(self.faults)] = asyncio.get_running_loop().time()
        self.faults.append(fault)

    def begins_in(self, fault: ProxyFault) -> float:
        """Seconds until a fault of the script begins."""
        return max(0.0, self._begun + fault.at_seconds - asyncio.get_running_loop().time())

    def note(self, fault: ProxyFault) -> None:
        """It has happened."""
        self.happened.append((asyncio.get_running_loop().time() - self._begun, fault))

    def takes(self, kind: type[Kind], path: str, way: str = "") -> Kind | None:
        """The fault of this kind that holds here and now; it is counted."""
        now = asyncio.get_running_loop().time()
        for index, fault in enumerate(self.faults):
            if not isinstance(fault, kind) or not matches(fault.path, path):
                continue
            if way and getattr(fault, "way", way) not in ("both", way):
                continue
            begin = self._starts.get(index, _FOR_EVER)
            length: float = getattr(fault, "for_seconds", 0.0)
            if now < begin or (length and now >= begin + length):
                continue
            limit: int = getattr(fault, "count", 0)
            done = self._done.get(index, 0)
            if limit and done >= limit:
                continue
            self._done[index] = done + 1
            if not done:
                self.note(fault)
            return fault
        return None


class Lane:
    """Bytes one way."""

    def __init__(
        self, way: WaitingWay, path: str, target: asyncio.StreamWriter, schedule: Schedule
    ) -> None:
        self._way, self._path = way, path
        self._target, self._schedule = target, schedule
        self._queue: deque[tuple[float, bytes]] = deque()
        self._waiting = 0
        self._ended = False
        self._stirred = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._open_again = 0.0

    def put(self, data: bytes) -> None:
        """Something is on its way."""
        now = asyncio.get_running_loop().time()
        lag = self._schedule.takes(Lag, self._path, self._way)
        if lag is not None:
            now += lag.seconds + self._schedule.chance.uniform(0, lag.jitter_seconds)
        self._queue.append((now, data))  # who is due sooner waits for those before it
        self._waiting += len(data)
        if self._waiting > _MOST_WAITING:
            self._room.clear()
        self._stirred.set()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._stirred.set()

    def close_until(self, until: float) -> None:
        """Let nothing pass until then."""
        self._open_again = max(self._open_again, until)

    async def room(self) -> None:
        """Wait until more may be put."""
        await self._room.wait()

    async def run(self) -> None:
        """Pass on what is put, until the end has come and gone through."""
        while self._queue or not self._ended:
            if not self._queue:
                self._stirred.clear()
                await self._stirred.wait()
                continue
            due, data = self._queue.popleft()
            await _until(due)
            await self._pass_holes()
            await self._write(data)
            self._waiting -= len(data)
            if self._waiting <= _MOST_WAITING:
                self._room.set()
        await self._pass_holes()

    async def _pass_holes(self) -> None:
        while (until := self._open_again) > asyncio.get_running_loop().time():
            await (_until(until) if until < _FOR_EVER else asyncio.Event().wait())

    async def _write(self, data: bytes) -> None:
        if self._schedule.takes(Damage, self._path, self._way) is not None:
            data = _flipped(data, self._schedule.chance)
        narrow = self._schedule.takes(Narrow, self._path, self._way)
        if narrow is not None:
            await asyncio.sleep(len(data) / narrow.bytes_per_second)
        split = self._schedule.takes(Split, self._path, self._way)
        for piece in _pieces(data, split.size) if split is not None else (data,):
            self._target.write(piece)
            await self._target.drain()
            if split is not None:
                await asyncio.sleep(0)


class Crossing:
    """A connection that stands, from the client's socket to the venue's."""

    def __init__(self, path: str, outer: Streams, inner: Streams, *, schedule: Schedule) -> None:
        self.path = path
        self._outer, self._inner, self._schedule = outer, inner, schedule
        self._down = Lane("down", path, outer[1], schedule)
        self._up = Lane("up", path, inner[1], schedule)
        for _, writer in (outer, inner):
            _without_delay(writer)

    def is_meant(self, fault: ProxyFault) -> bool:
        """Whether a fault concerns this connection."""
        return matches(fault.path, self.path)

    async def carry(self, head: bytes) -> None:
        """Carry both ways until either side has gone."""
        self._up.put(head)
        upgrades = b"upgrade: websocket" in head.lower()
        works = [
            self._pump(self._outer[0], self._up, cuts=False),
            self._pump(self._inner[0], self._down, cuts=upgrades),
            self._up.run(),
            self._down.run(),
        ]
        tasks = [asyncio.ensure_future(work) for work in works]
        try:
            # A lane that has run to its end has passed the end on: the connection is over.
            await asyncio.wait(tasks[2:], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            self._inner[1].close()  # at once: who stops us now may end this wait, too
            await asyncio.gather(*tasks, return_exceptions=True)

    def reset(self) -> None:
        """RST to the client, and the venue loses it too."""
        transport = self._outer[1].transport
        found = transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        self._inner[1].transport.abort()
        self._down.end()

    def finish(self) -> None:
        """FIN to the client, without a close frame."""
        self._outer[1].close()
        self._inner[1].transport.abort()
        self._down.end()

    def swallow(self, fault: Swallow) -> None:
        """Let nothing pass, one way or both."""
        now = asyncio.get_running_loop().time()
        until = now + fault.for_seconds if fault.for_seconds else _FOR_EVER
        if fault.way != "up":
            self._down.close_until(until)
        if fault.way != "down":
            self._up.close_until(until)

    def insert(self, frame: bytes) -> None:
        """Put a frame between two of the venue's."""
        self._down.put(frame)

    async def _pump(self, source: asyncio.StreamReader, lane: Lane, *, cuts: bool) -> None:
        cutter: FrameCutter | None = None
        head = bytearray()
        try:
            while data := await source.read(_READ):
                await lane.room()
                if not cuts:
                    lane.put(data)
                    continue
                if cutter is None:  # the answer to the upgrade is passed on as it is
                    head += data
                    end = head.find(b"\r\n\r\n")
                    if end < 0:
                        continue
                    lane.put(bytes(head[: end + 4]))
                    data, cutter = bytes(head[end + 4 :]), FrameCutter()
                for frame in cutter.feed(data):
                    for each in self._faulty(frame):
                        lane.put(each.encode())
        except OSError:
            pass
        finally:
            lane.end()

    def _faulty(self, frame: Frame) -> Iterator[Frame]:
        if not frame.is_text:
            yield frame
            return
        spoil = self._schedule.takes(Spoil, self.path)
        if spoil is not None:
            frame = Frame(frame.head, spoiled(frame.payload, spoil.how, self._schedule.chance))
        recode = self._schedule.takes(Recode, self.path)
        if recode is None:
            yield frame
        else:
            yield from recoded(frame, recode.how, recode.size)


async def _until(time: float) -> None:
    delay = time - asyncio.get_running_loop().time()
    if delay > 0:
        await asyncio.sleep(delay)


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def _flipped(data: bytes, chance: Random) -> bytes:
    if not data:
        return data
    found = bytearray(data)
    found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    return bytes(found)


def _without_delay(writer: asyncio.StreamWriter) -> None:
    found = writer.transport.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
