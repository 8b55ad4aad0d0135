"""Recordings as a market: which symbol is in which, and all frames of them in order of time.

Tapes are read as they are played, so that a long one needs no more memory than a short one.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from pitwire.cli.taped import frames_on, is_tape, listing_on, snapshots_on, symbol_of
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.model.events import Event
from pitwire.sim.capture import CaptureRecord, load_capture
from pitwire.sim.facts import Listing
from pitwire.sim.history import Framed, frames_of
from pitwire.sim.scenario_files import plain_listing
from pitwire.tape.imports import whose_capture
from pitwire.tape.reader import Flaw, Tape
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import CodecOptions, Role

Made = TypeVar("Made")
_SERVED = "binance"
"""Whose recordings can be a market: the simulated side of no other plays one."""
_LOOKED_AT = 5000
"""Frames that tell how far the recorder's clock was off."""


class Recording(Protocol):
    """A tape or a capture."""

    @property
    def path(self) -> Path: ...

    @property
    def snapshots(self) -> Sequence[CaptureRecord]:
        """Records of whole books, which a market begins with."""
        ...

    def frames(self, later: int = 0) -> Iterator[Framed]:
        """What the market said, from the beginning, stamped so much later, ns."""
        ...

    def last(self) -> int:
        """The stamp of its last record, ns."""
        ...

    @property
    def flaws(self) -> tuple[Flaw, ...]:
        """What the last reading could not use."""
        ...

    def close(self) -> None:
        """Let go of its files; its frames are not read any further."""
        ...


class _Taped:
    """A tape as a recording."""

    def __init__(self, path: Path, symbols: Sequence[str]) -> None:
        self.path, self._tape = path, Tape(path)
        names = [symbol_of(self._tape, each) for each in symbols]
        names = names or list(self._tape.meta.symbols) or [symbol_of(self._tape)]
        _demand_spot(path, self._tape.meta.venue)
        self.listings = [listing_on(self._tape, each) or plain_listing(each) for each in names]
        self.snapshots = snapshots_on(self._tape, [f"{x.base}{x.quote}" for x in self.listings])

    def frames(self, later: int = 0) -> Iterator[Framed]:
        return frames_on(self._tape, later)

    def last(self) -> int:
        return self._tape.span()[1]

    @property
    def flaws(self) -> tuple[Flaw, ...]:
        return self._tape.flaws

    def close(self) -> None:
        self._tape.close()


class _Captured:
    """A capture as a recording."""

    def __init__(self, path: Path, symbols: Sequence[str]) -> None:
        self.path = path
        _demand_spot(path, _venue_of(path))
        self.listings = [plain_listing(each) for each in symbols]
        self.snapshots = self._records = _records(path, self.listings)
        self.flaws: tuple[Flaw, ...] = ()

    def frames(self, later: int = 0) -> Iterator[Framed]:
        return frames_of(self._records, later)

    def last(self) -> int:
        return max((stamp for stamp, _ in self.frames()), default=0)

    def close(self) -> None:
        """It has been read as a whole."""


def recordings_of(
    paths: Sequence[Path], symbols: Sequence[str]
) -> tuple[list[Listing], list[Recording]]:
    """What of these symbols (none: all of a tape's) is recorded, in their order, and where.

    A single recording serves those of the symbols that it has; of several, each has its own. Raises
    `ConfigError` when none is recorded, or one twice.
    """
    found: dict[str, Listing] = {}
    recordings: list[Recording] = []
    for path in paths:
        recording = _opened(path, symbols, alone=len(paths) == 1)
        for listing in recording.listings:
            if listing.symbol in found:
                raise ConfigError(
                    where=str(path),
                    found=f"{listing.symbol}, which another recording has, too",
                    expected="each symbol in one recording",
                )
            found[listing.symbol] = listing
        recordings.append(recording)
    return [found[symbol] for symbol in symbols or found if symbol in found], recordings


def _opened(path: Path, symbols: Sequence[str], *, alone: bool) -> _Taped | _Captured:
    """A recording, asked for those of the symbols that it is to serve."""
    if is_tape(path):
        there = Tape(path).meta.symbols
        return _Taped(path, [each for each in symbols if each in there] or list(symbols[:1]))
    if alone:
        if path.exists() and not symbols:
            raise ConfigError(
                where=str(path),
                found="a capture, and no symbols",
                expected="the symbols to serve, since a capture does not say which it holds",
            )
        return _Captured(path, symbols)
    raise ConfigError(
        where=str(path),
        found="a capture beside other recordings",
        expected="tapes, which say what they hold; `pitwire import` makes one of it",
    )


def _venue_of(capture: Path) -> str:
    with suppress(ConfigError):  # what is none is told by whoever reads all of it
        return whose_capture(capture).name
    return _SERVED


def _demand_spot(path: Path, venue: str) -> None:
    """Others' frames look alike, and would be played as spot's with half of them not understood."""
    if venue != _SERVED:
        expected = (
            f"one of {_SERVED}: other venues' cannot be served or lived through, but replayed"
        )
        raise ConfigError(where=str(path), found=f"a recording of {venue}", expected=expected)


def fitting(where: Path, work: Callable[[], Made]) -> Made:
    """What that makes of a recording; a price off the listing's grid is told as such."""
    try:
        return work()
    except ValueError as error:
        raise ConfigError(
            where=str(where),
            found=f"{error}",
            expected="a tape with its venue's listing; an import gets one by --instruments",
        ) from None


def in_order(recordings: Sequence[Iterator[Framed]]) -> Iterator[Framed]:
    """All frames by their stamps; of the same moment, those of an earlier recording first.

    A stamp that is before the one of the frame before it leaves that frame where it is.
    """
    if len(recordings) == 1:
        return recordings[0]
    return map(_framed, merge(*map(_stamped, recordings), key=_stamp))


def demand_overlap(recordings: Sequence[Recording]) -> None:
    """Raises `ConfigError` when several have no moment in common: the books of the later would be
    known in the time of the earlier."""
    firsts = [next(recording.frames(), (0, b""))[0] for recording in recordings]
    lasts = [recording.last() for recording in recordings]
    spoken = [(first, last) for first, last in zip(firsts, lasts, strict=True) if first]
    apart = max((first for first, _ in spoken), default=0)
    apart -= min((last for _, last in spoken), default=apart)
    if apart > 0:
        raise ConfigError(
            where="the recordings",
            found=f"one that begins {apart / SECOND:.1f} s after another has ended",
            expected="recordings of the same time",
        )


def venue_ahead(frames: Iterator[Framed]) -> int:
    """How far the venue's stamps are ahead of ours at most, which they cannot really be."""
    codec = find_venue("binance").codec(CodecOptions(Role.MARKET))
    ahead = 0
    for at, frame in islice(frames, _LOOKED_AT):
        for event in codec.decode(frame, at):
            if isinstance(event, Event) and event.venue_time:
                ahead = max(ahead, event.venue_time - at)
    return ahead


def _stamped(frames: Iterable[Framed]) -> Iterator[tuple[int, Framed]]:
    at = 0
    for framed in frames:
        at = max(at, framed[0])
        yield at, framed


def _framed(stamped: tuple[int, Framed]) -> Framed:
    return stamped[1]


def _stamp(stamped: tuple[int, Framed]) -> int:
    return stamped[0]


def _records(path: Path, rules: Sequence[Listing]) -> list[CaptureRecord]:
    try:
        records = load_capture(path)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise ConfigError(
            where=str(path), found="a damaged gzip file", expected="a capture to read"
        ) from None
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise ConfigError(where=str(path), found=found, expected="a capture to read") from None
    for each in rules:
        name = f'"{each.base}{each.quote}"'
        if not any(record.t == "recv" and name in record.data for record in records):
            raise ConfigError(
                where=str(path),
                found=f"{len(records)} records, none of {each.symbol}",
                expected=f"a capture of {each.symbol}",
            )
    return records
