"""What the machine itself adds to any program: how often and for how long one that does nothing but
read the clock, on the clients' core and with their priority, is held up.

From that follows what the worst hundredth would be of somebody who takes so and so long and is
never slower by his own fault: the machine's floor, which the tables show beside each p99.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bench import arena, client, figures

GAP_NS = 3_000
"""Two readings of the clock this far apart are a hold-up; the loop itself takes a fiftieth."""
WATCH_NS = 100_000_000
STARTS = 5_000
"""So many moments are drawn at which somebody begins."""


@dataclass(frozen=True)
class Watch:
    """One look: how long it was, and when after its beginning what hold-ups began; all ns."""

    span: int
    gaps: Sequence[tuple[int, int]]


def delayed(watches: Sequence[Watch], work_ns: int, share: float = 0.99) -> float:
    """So many of those who have `work_ns` to do and begin at any time are done within this, µs."""
    chance = random.Random(1)
    whole = sum(watch.span for watch in watches)
    if whole <= 0:
        raise ValueError("floor: found nothing watched, expected at least one look")
    drawn = [round(STARTS * watch.span / whole) for watch in watches]
    taken = [
        _done(watch.gaps, chance.randrange(watch.span), work_ns)
        for watch, count in zip(watches, drawn, strict=True)
        for _ in range(count)
    ]
    return figures.percentile(sorted(taken), share) / 1e3


def _done(gaps: Sequence[tuple[int, int]], start: int, work_ns: int) -> int:
    """How long somebody takes who begins at `start` with so much to do."""
    at, left = start, work_ns
    for begins, held in gaps:
        if begins + held <= at:
            continue
        free = max(0, begins - at)
        if left <= free:
            break
        left -= free
        at = begins + held
    return at + left - start


@contextlib.contextmanager
def watching(seat: client.Seat) -> Iterator[Callable[[], Watch]]:
    """A process on this seat that looks when it is asked."""
    child = arena.start("clock reader", serve, seat)

    def look() -> Watch:
        child.tell(WATCH_NS)
        watch: Watch = child.hear()
        return watch

    try:
        yield look
    finally:
        if child.process.is_alive():
            child.tell(0)
        child.end()


def serve(control: Connection, seat: client.Seat) -> None:
    """The process: watch as long as is asked, until asked for nothing."""
    client.take(seat)
    while True:
        (span,) = control.recv()
        if not span:
            return
        control.send(watch(span))


def watch(span: int) -> Watch:
    """Read the clock for so many ns."""
    now, gaps = time.monotonic_ns, list[tuple[int, int]]()
    began = last = now()
    ends = began + span
    while last < ends:
        this = now()
        if this - last >= GAP_NS:
            gaps.append((last - began, this - last))
        last = this
    return Watch(last - began, gaps)
