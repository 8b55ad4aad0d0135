"""Reading a journal from its folder: segments in order, checked, up to the first thing wrong.

House rules: nothing is repaired or written here; a torn tail is cut and counted, as every crash may
leave one; at damage or a hole reading stops, and the flaw says where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pitwire.store.segment import NOTHING, Flaw, Header, Ill, Segment, read_segment
from pitwire.trading.journal import Record, decode

_NAME = re.compile(r"(\d{8})\.journal\Z")


class Position(msgspec.Struct, frozen=True, order=True):
    """A place between two records: so many of this segment lie before it."""

    segment: int = 0
    records: int = 0


START = Position()


def segment_path(folder: Path, number: int) -> Path:
    """Where a segment stands."""
    return folder / f"{number:08d}.journal"


def segment_numbers(folder: Path) -> list[int]:
    """The segments that are there, in order."""
    names = (_NAME.match(path.name) for path in folder.iterdir())
    return sorted(int(name.group(1)) for name in names if name)


class History:
    """The records of a journal after `since`, once; what was found on the way is kept here.

    `expected` is the last segment that is known to have existed.
    """

    def __init__(
        self, folder: Path, since: Position = START, *, chain: bytes = NOTHING, expected: int = 0
    ) -> None:
        self.folder = folder
        self.flaws: list[Flaw] = []
        self.end = since
        """Behind the last record that was read."""
        self.chain = chain
        """The chain there; `chain` is what it must have been at `since`."""
        self.headers: list[Header] = []
        self.numbers = segment_numbers(folder)
        self._since, self._expected = since, expected

    @property
    def worst(self) -> Flaw | None:
        """The flaw that reading stopped at."""
        return next((flaw for flaw in self.flaws if not flaw.is_harmless), None)

    def payloads(self) -> Iterator[bytes]:
        """Every record as it stands in its segment."""
        for number in self._needed():
            path = segment_path(self.folder, number)
            if not path.exists():
                self.flaws.append(Flaw(ill=Ill.MISSING, segment=number))
                return
            segment = read_segment(path.read_bytes(), number)
            if segment.flaw is not None:
                self.flaws.append(segment.flaw)
            skip = self._follow(segment, number)
            if skip is None:
                return
            for payload in segment.payloads[skip:]:
                self.end = Position(number, self.end.records + 1)
                yield payload
            if segment.chains:
                self.chain = segment.chains[-1]
            if self.worst is not None:
                return

    def records(self) -> Iterator[tuple[Record, bytes]]:
        """Every record, and as it stands in its segment."""
        for payload in self.payloads():
            try:
                yield decode(payload), payload
            except msgspec.MsgspecError as error:
                segment, number = self.end.segment, self.end.records
                self.flaws.append(
                    Flaw(ill=Ill.STRANGE, segment=segment, record=number, text=str(error))
                )
                self.end = Position(segment, number - 1)
                return

    def _needed(self) -> range:
        first = self._since.segment or 1
        if self._since.segment and first not in self.numbers:
            first += 1  # all of it lies before the checkpoint, and it may have been cleared away
        return range(first, max([*self.numbers, self._expected, first - 1]) + 1)

    def _follow(self, segment: Segment, number: int) -> int | None:
        """How many of its records lie before `since`; None when it does not follow."""
        if segment.header is None:
            # One that died before its header was whole holds nothing and breaks nothing.
            return None if self.worst is not None else 0
        self.headers.append(segment.header)
        since = self._since
        if number == since.segment:
            if segment.chains[since.records : since.records + 1] != [self.chain]:
                self._broken(number, "is not what the checkpoint was made of")
                return None
            return since.records
        if segment.header.previous != self.chain.hex():
            self._broken(number, "does not follow the segment before it")
            return None
        self.end = Position(number, 0)
        return 0

    def _broken(self, number: int, text: str) -> None:
        self.flaws.append(Flaw(ill=Ill.DAMAGED, segment=number, text=text))
