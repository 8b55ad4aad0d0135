"""Several recordings as one market: which symbol is in which, and all of it in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from pathlib import Path

from pitwire.cli.simulated import markets_of
from pitwire.cli.taped import is_tape
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.sim.capture import CaptureRecord
from pitwire.sim.facts import Listing
from pitwire.tape.reader import Tape


def recordings_of(
    paths: Sequence[Path], symbols: Sequence[str]
) -> tuple[list[Listing], list[list[CaptureRecord]]]:
    """What of these symbols is recorded, in their order, and each recording's records.

    A single recording serves those of the symbols that it has; of several, each has its own. Raises
    `ConfigError` when none is recorded, or one twice.
    """
    found: dict[str, Listing] = {}
    recordings: list[list[CaptureRecord]] = []
    for path in paths:
        listings, records = markets_of(path, _served(path, symbols, alone=len(paths) == 1))
        for listing in listings:
            if listing.symbol in found:
                raise ConfigError(
                    where=str(path),
                    found=f"{listing.symbol}, which another recording has, too",
                    expected="each symbol in one recording",
                )
            found[listing.symbol] = listing
        recordings.append(records)
    return [found[symbol] for symbol in symbols if symbol in found], recordings


def _served(path: Path, symbols: Sequence[str], *, alone: bool) -> list[str]:
    """Which of the symbols this recording is asked for."""
    if is_tape(path):
        there = Tape(path).meta.symbols
        return [symbol for symbol in symbols if symbol in there] or list(symbols[:1])
    if alone:
        return list(symbols)
    raise ConfigError(
        where=str(path),
        found="a capture beside other recordings",
        expected="tapes, which say what they hold; `pitwire import` makes one of it",
    )


def in_order(recordings: Sequence[Sequence[CaptureRecord]]) -> list[CaptureRecord]:
    """All records by their stamps; of the same moment, those of an earlier recording first.

    What has no stamp stays behind what came before it. Raises `ConfigError` when they have no
    moment in common: the books of the later would be known in the time of the earlier.
    """
    if len(recordings) == 1:
        return list(recordings[0])
    _demand_overlap(recordings)
    return [record for _, record in merge(*map(_stamped, recordings), key=_stamp)]


def _demand_overlap(recordings: Sequence[Sequence[CaptureRecord]]) -> None:
    stamps = [[one.ts_ns for one in records if one.ts_ns] for records in recordings]
    spoken = [each for each in stamps if each]
    apart = max(map(min, spoken), default=0) - min(map(max, spoken), default=0)
    if apart > 0:
        raise ConfigError(
            where="the recordings",
            found=f"one that begins {apart / SECOND:.1f} s after another has ended",
            expected="recordings of the same time",
        )


def _stamped(records: Iterable[CaptureRecord]) -> Iterator[tuple[int, CaptureRecord]]:
    at = 0
    for record in records:
        at = max(at, record.ts_ns or 0)
        yield at, record


def _stamp(stamped: tuple[int, CaptureRecord]) -> int:
    return stamped[0]
