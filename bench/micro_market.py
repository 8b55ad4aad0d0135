"""What a level costs the book and a delta costs the sync, as ratios to the calibration loop.

The market is invented from a fixed seed: 600 levels a side, 40 changes a delta of which three in
ten remove, nearer prices more often; best prices are read after each delta. `busy` changes mostly
prices that were there before, `spread out` mostly new ones (as spot does).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from bench.calibration import calibrate, least
from pitwire.market.book import OrderBook
from pitwire.market.sequence import ByPrevious, ByRange, Continuity
from pitwire.market.sync import BookSync
from pitwire.model.events import BookDelta, BookSnapshot, Level

MIDDLE = 100_000
DEPTH = 600
CHANGES = 20
DELTAS = 300
RUNS = 25

Row = tuple[str, float, str]


def rows() -> list[Row]:
    """(name, ratio to one calibration unit, note) of each measurement."""
    unit = calibrate()
    measured: list[tuple[str, float, str]] = [
        ("book: one level, busy", _least(lambda: _apply(60, 1)), "best prices read per delta"),
        ("book: one level, spread out", _least(lambda: _apply(60, 50)), "mostly new prices"),
        ("sync: one delta, by range", _least(lambda: _accept(ByRange())), "live and in order"),
        ("sync: one delta, by chain", _least(lambda: _accept(ByPrevious())), "live and in order"),
    ]
    return [
        (name, seconds / unit, f"{seconds * 1e9:.0f} ns; {note}")
        for name, seconds, note in measured
    ]


def _least(once: Callable[[], float]) -> float:
    return least(once, RUNS)


def _apply(scale: float, grain: int) -> float:
    """Seconds for one level. Prices lie on a grid `grain` times as fine as the snapshot's."""
    deltas = _deltas(scale, grain)
    book = OrderBook("bench", "A-B")
    book.apply_snapshot(_snapshot())
    begun = time.process_time()
    for delta in deltas:
        book.apply(delta)
        _ = book.best_bid, book.best_ask
    return (time.process_time() - begun) / (len(deltas) * 2 * CHANGES)


def _accept(continuity: Continuity) -> float:
    """Seconds for one delta that follows."""
    deltas = [_delta(number, (), ()) for number in range(1, 20_000)]
    sync = BookSync("bench", "A-B", continuity)
    sync.accept_snapshot(_snapshot(), 0)
    sync.accept(deltas[0])
    begun = time.process_time()
    for delta in deltas[1:]:
        sync.accept(delta)
    spent = time.process_time() - begun
    if sync.last_id != deltas[-1].last_id:
        raise RuntimeError(f"sync: stands at {sync.last_id}, expected {deltas[-1].last_id}")
    return spent / (len(deltas) - 1)


def _snapshot() -> BookSnapshot:
    return BookSnapshot(
        venue="bench",
        symbol="A-B",
        venue_time=0,
        received=0,
        last_id=0,
        bids=tuple(((MIDDLE - 1 - step) / 100, 1.0) for step in range(DEPTH)),
        asks=tuple(((MIDDLE + step) / 100, 1.0) for step in range(DEPTH)),
        depth=DEPTH,
    )


def _deltas(scale: float, grain: int) -> list[BookDelta]:
    chance = random.Random(7)

    def side(sign: int) -> tuple[Level, ...]:
        middle = MIDDLE * grain - (sign < 0)
        steps = (
            min(int(chance.expovariate(1 / (scale * grain))), (DEPTH - 1) * grain)
            for _ in range(CHANGES)
        )
        return tuple(
            (
                (middle + sign * step) / (100 * grain),
                0.0 if chance.random() < 0.3 else chance.randrange(1, 1000) / 1000,
            )
            for step in steps
        )

    return [_delta(number, side(-1), side(1)) for number in range(1, DELTAS + 1)]


def _delta(number: int, bids: tuple[Level, ...], asks: tuple[Level, ...]) -> BookDelta:
    return BookDelta(
        venue="bench",
        symbol="A-B",
        venue_time=0,
        received=0,
        first_id=number,
        last_id=number,
        bids=bids,
        asks=asks,
        previous_id=number - 1,
    )
