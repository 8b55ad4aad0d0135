"""What every client under test has around it: a process, a loop, a control pipe, a meter.

House rules: nothing here is on the measured path but `Meter.count`, which all clients call alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from pitwire.cli.collector import Collector
from pitwire.cli.loops import Factory, loop_factory
from pitwire.model.clock import SystemClock
from pitwire.model.events import BookDelta, Event, Trade

HMAC_KEY = "benchKeyForHmacOrdersAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
HMAC_SECRET = "benchSecretForHmacOrdersBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
LOGON_KEY = "benchKeyForSessionLogonCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"
LOGON_SEED = bytes(range(32))
"""Seed of an Ed25519 key that is used nowhere but here."""

COLLECT_SECONDS = 0.1
"""How often the collector's quiet moment comes, as in `pitwire.cli.desk`."""
PRIORITY = -10
"""Niceness of server and clients alike; without it a polling process is put behind all others."""


_COUNTED = frozenset((Trade, BookDelta))


@dataclass(frozen=True)
class Seat:
    """Where a process sits: on which core, and whether nothing ordinary may interrupt it."""

    core: int | None = None
    realtime: bool = False


@dataclass(frozen=True)
class Spec:
    """One client under test. `who` is `ours` or `naive`; `auth` is `hmac` or `logon`.

    `build` says which parts of ours it uses, `plain` or `compiled` (ADR 23).
    """

    who: str
    loop: str
    auth: str
    build: str = "plain"

    def __str__(self) -> str:
        name = f"{self.who}/{self.loop}/{self.auth}"
        return name if self.build == "plain" else f"{name}/{self.build}"


class Meter:
    """Counts market events and reads this process's CPU clock at the first and the last."""

    def __init__(self) -> None:
        self.seen = self._target = 0
        self._cpu = self._wall = 0
        self._done: Callable[[dict[str, int]], None] | None = None

    def arm(self, target: int, done: Callable[[dict[str, int]], None]) -> None:
        """Call `done` when `target` events have been counted from now."""
        self.seen, self._target, self._done = 0, target, done

    def count(self) -> None:
        """One market event was handled, book and rule included."""
        self.seen += 1
        if self.seen == 1:
            self._cpu, self._wall = time.process_time_ns(), time.monotonic_ns()
        elif self.seen == self._target and self._done is not None:
            cpu, wall = time.process_time_ns() - self._cpu, time.monotonic_ns() - self._wall
            self._done({"cpu_ns": cpu, "wall_ns": wall, "messages": self._target - 1})

    def count_all(self, events: Sequence[Event]) -> None:
        """The trades and the book changes among these; what else a session tells is no message."""
        for event in events:
            if event.__class__ in _COUNTED:
                seen = self.seen = self.seen + 1  # the plain script pays for one call, too
                if seen == 1 or seen == self._target:
                    self.seen -= 1
                    self.count()


Tops = dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]]]]
"""Best five levels a side of every symbol, ours spelt as the venue spells it."""


class Job(Protocol):
    """The work under test, as the control pipe sees it."""

    async def start(self) -> None:
        """Connect, log on, subscribe, fill the books."""
        ...

    def tops(self) -> Tops: ...

    def notes(self) -> dict[str, Any]:
        """What went wrong, if anything did."""
        ...

    async def stop(self) -> None: ...


def serve(
    spec: Spec,
    control: Connection,
    seat: Seat,
    make: Callable[[Meter], Job],
    *,
    collects: bool = False,
) -> None:
    """A client's whole process, on the loop it names: `asyncio`, `uvloop` or `polling`.

    With `collects` the garbage collector is held as the command `desk` holds it; without, it is
    Python's own, as whoever writes a script has it.
    """
    take(seat)
    meter = Meter()

    async def main() -> None:
        await attend(make(meter), meter, control, collects=collects)

    _run(loop_factory(spec.loop), main)


def _run(factory: Factory | None, main: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await main()

    with asyncio.Runner(loop_factory=factory) as running:
        running.run(whole())


async def attend(job: Job, meter: Meter, control: Connection, *, collects: bool = False) -> None:
    """Start the job, then answer the control pipe until told to stop."""
    await job.start()
    holding = asyncio.create_task(_hold_collector()) if collects else None
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def obey() -> None:
        try:
            command, argument = control.recv()
        except EOFError:  # the bench is gone
            loop.remove_reader(control.fileno())
            command, argument = "stop", None
        match command:
            case "arm":
                gc.collect()
                meter.arm(argument, control.send)
                control.send("armed")
            case "tops":
                control.send(job.tops())
            case "notes":
                control.send(job.notes())
            case "stop":
                ended.set_result(None)

    loop.add_reader(control.fileno(), obey)
    control.send("started")
    try:
        await ended
    finally:
        loop.remove_reader(control.fileno())
        if holding is not None:
            holding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await holding
        await job.stop()
    with contextlib.suppress(BrokenPipeError):
        control.send("stopped")


async def _hold_collector() -> None:
    """As `pitwire.cli.desk.run_desk` does beside a desk."""
    clock = SystemClock()
    with Collector(clock.now()) as collector:
        while True:
            await asyncio.sleep(COLLECT_SECONDS)
            collector.quiet(clock.now())


def take(seat: Seat, process: int = 0) -> None:
    """Put a process (0: this one) on its core and ahead of others, as far as the system lets us."""
    if seat.core is not None:
        os.sched_setaffinity(process, {seat.core})
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, process, PRIORITY)
        if seat.realtime:
            os.sched_setscheduler(process, os.SCHED_FIFO, os.sched_param(1))


@contextlib.contextmanager
def seated(seat: Seat) -> Iterator[None]:
    """This process on a seat for a while, and back among the others."""
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    mine, policy, rank = os.sched_getaffinity(0), os.sched_getscheduler(0), os.sched_getparam(0)
    priority = os.getpriority(os.PRIO_PROCESS, 0)
    take(seat)
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)
        os.sched_setscheduler(0, policy, rank)
        os.setpriority(os.PRIO_PROCESS, 0, priority)
