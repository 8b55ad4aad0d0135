"""The power goes again and again while runs are written into tables; whoever writes begins anew.

`python -m pitwire.torture.tabled FOLDER CUTS SEED` forks a process that writes one run after the
other over a lossy file system, and cuts the power a while after some of them, drawn by chance. The
next begins with the newest that is said to be there, which must be refused, and goes on with the
one after it.
Prints one JSON object; needs the extra `store`.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from pitwire.model.clock import MILLISECOND, SECOND, SystemClock
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError
from pitwire.model.events import Quote, Trade
from pitwire.model.orders import Side
from pitwire.store.parquet import TableWriter, files_of, partitions
from pitwire.torture.power import cut_once

FOLDER = "market/tables"
_CLOCK = SystemClock()
_TRADES, _ROWS = 120, 50
"""Trades of a run, and rows of a file."""
_DAY = 86_400 * SECOND
_DAYS = 5
"""After so many runs their days come again, with folders that are there."""
_WHOLE = 3
"""A life is cut behind so many runs at most; one in so many and one more within its first."""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What was said to be in the tables, against what is."""

    cuts: int
    idle: int
    """Lives that neither wrote a run to its end nor took one out, so that little was tried."""
    runs: int
    """Runs that were written to their end."""
    missing: int
    """Rows of these that are not there."""
    doubled: int
    """Rows that are there more than once."""
    taken_twice: int
    """Runs that were there and were not refused."""


def write(folder: Path, handle: int, done: int) -> None:
    """Write runs, each to its end, from behind those that are `done`; says what came of each."""
    number = max(1, done)
    os.write(handle, b"begun 0\n")
    while True:
        try:
            writer = TableWriter(folder, f"run-{number}", rows=_ROWS)
        except ConfigError as error:
            if error.where == "tables":  # the disk is gone
                return
            os.write(handle, f"there {number}\n".encode())
        else:
            if number <= done:
                os.write(handle, f"again {number}\n".encode())
            at = number % _DAYS * _DAY
            for row in range(_TRADES):
                at += MILLISECOND
                mark = number * _TRADES + row
                writer.write([Trade("test", "BTC-USDT", at, at, 1.0, 1.0, Side.BUY, mark)])
                writer.write([Quote("test", "BTC-USDT", at, at, 1.0, mark, 2.0, 1.0)])
            writer.close()
            os.write(handle, f"done {number}\n".encode())
        number += 1


def main(root: Path, cuts: int, seed: int) -> Tally:
    """So many cuts, one after another over the same disk."""
    root.mkdir(parents=True, exist_ok=True)
    chance = Entropy(seed).stream("cuts")
    done, idle, taken_twice = 0, 0, 0

    def run(handle: int) -> None:
        with suppress(OSError):  # which is the end of the disk
            write(root / "mount" / FOLDER, handle, done)

    for number in range(1, cuts + 1):
        enough = _after(number % (_WHOLE + 1), chance.uniform(0.0, 0.6))
        lines, _ = cut_once(root, run, enough)
        said = [(word, int(which)) for word, which in map(str.split, lines)]
        idle += len(said) < 2
        taken_twice += sum(word == "again" for word, _ in said)
        done = max([done, *(which for word, which in said if word != "again")])
    marks = _marks(root / "disk" / FOLDER)
    expected = range(_TRADES, (done + 1) * _TRADES)
    return Tally(
        cuts=cuts,
        idle=idle,
        runs=done,
        missing=sum(mark not in one for mark in expected for one in marks),
        doubled=sum(count - 1 for one in marks for count in one.values()),
        taken_twice=taken_twice,
    )


def _after(runs: int, seconds: float) -> Callable[[bytes], bool]:
    """Whether so long has passed since so many runs were done; for none, since the first word."""
    until = 0

    def enough(heard: bytes) -> bool:
        nonlocal until
        if not until and heard and heard.count(b"done") >= runs:
            until = _CLOCK.now() + int(seconds * SECOND)
        return bool(until) and _CLOCK.now() >= until

    return enough


def _marks(folder: Path) -> tuple[Counter[int], Counter[int]]:
    """How often each row is there, of both kinds."""
    marks: tuple[Counter[int], Counter[int]] = Counter(), Counter()
    for place, path in partitions(folder):
        column, one = ("trade_id", 0) if place.kind == "Trade" else ("bid_size", 1)
        for file in files_of(path):
            table = pq.read_table(file, columns=[column], use_threads=False)
            marks[one].update(map(int, table[column].to_pylist()))
    return marks


if __name__ == "__main__":
    print(msgspec.json.encode(main(Path(sys.argv[1]), *map(int, sys.argv[2:4]))).decode())
