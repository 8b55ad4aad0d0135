"""Reading a journal from its folder: segments in order, checked, up to the first thing wrong.

House rules: nothing is repaired or written here; a torn tail is cut and counted, as every crash may
leave one; at damage or a hole reading stops, and the flaw says where; only who shows what is left,
and draws no state from it, reads on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec

from pitwire.store.segment import NOTHING, Flaw, Header, Ill, Segment, read_segment
from pitwire.store.slate import Place, left_over, read_slate
from pitwire.trading.journal import Record, decode

_NAME = re.compile(r"(\d{8})\.journal\Z")


class Position(msgspec.Struct, frozen=True, order=True):
    """A place between two records: so many of this segment lie before it."""

    segment: int = 0
    records: int = 0


START = Position()
Known: TypeAlias = Callable[[bytes], bool]


def segment_path(folder: Path, number: int) -> Path:
    """Where a segment stands."""
    return folder / f"{number:08d}.journal"


def segment_numbers(folder: Path) -> list[int]:
    """The segments that are there, in order."""
    names = map(_NAME.match, os.listdir(folder))
    return sorted(int(name.group(1)) for name in names if name)


def _unknown(_payload: bytes) -> bool:
    return False


class History:
    """The records of a journal after `since`, once; what was found on the way is kept here.

    `expected` is the last segment that is known to have existed; behind `until` nothing is read.
    With `reads_on` harm does not end it: every segment is read as far as it is sound.
    """

    def __init__(
        self,
        folder: Path,
        since: Position = START,
        *,
        chain: bytes = NOTHING,
        expected: int = 0,
        until: Position | None = None,
        reads_on: bool = False,
    ) -> None:
        self.folder = folder
        self.flaws: list[Flaw] = []
        self._number, self._count = since.segment, since.records
        self.chain = chain
        """The chain there; `chain` is what it must have been at `since`."""
        self.headers: list[Header] = []
        self.slated: list[bytes] = []
        """Intents behind it that a dead process left on the slate; they come last."""
        self._entries = read_slate(folder) if until is None else []
        """First of all: what is wiped from it meanwhile stands in a segment by then."""
        self.numbers = segment_numbers(folder)
        self._since, self._expected, self._reads_on = since, expected, reads_on
        self._until = until
        self._slate_chain = NOTHING
        """The chain at the place that the slate is of."""
        self._behind: list[bytes] = []
        """The first of the records behind that place."""
        self._read: list[tuple[Position, int]] = []
        """Of each segment: from where on it was read, and how many records."""

    @property
    def worst(self) -> Flaw | None:
        """The flaw that reading stopped at."""
        return next((flaw for flaw in self.flaws if not flaw.is_harmless), None)

    @property
    def end(self) -> Position:
        """Behind the last record that was read."""
        return Position(self._number, self._count)

    def number_of(self, place: Position) -> int:
        """How many of the records that were read lie before this place; -1 for one before `since`,
        of which nobody knows that here."""
        if place < self._since:
            return -1
        found = 0
        for begin, count in self._read:
            if begin.segment == place.segment:
                found += min(place.records - begin.records, count)
            elif begin.segment < place.segment:
                found += count
        return found

    def payloads(self) -> Iterator[bytes]:
        """Every record as it stands in its segment, and then the intents that are in none."""
        for payloads in self._segments():
            for payload in payloads:
                self._count += 1
                yield payload
        if self._is_slate_wanted():
            self.slated, flaw = left_over(self._entries, self._slate_chain, self._behind)
            self.flaws += [] if flaw is None else [flaw]
            yield from self.slated

    def _segments(self) -> Iterator[list[bytes]]:
        """The records that are wanted of each; whoever takes them counts them."""
        for number in self._needed():
            path = segment_path(self.folder, number)
            if not path.exists():
                if number == self._since.segment and self._is_joined_by(number + 1):
                    continue
                self.flaws.append(Flaw(ill=Ill.MISSING, segment=number))
                if self._reads_on:
                    continue
                return
            segment = read_segment(path.read_bytes(), number)
            if segment.flaw is not None:
                self.flaws.append(segment.flaw)
            skip = self._follow(segment, number)
            if skip is None:
                if not self._reads_on:
                    return
                self._number, self._count = number, 0
            last = len(segment.payloads)
            if self._until is not None and number == self._until.segment:
                last = min(last, self._until.records)
            if self._entries:
                self._look_behind(segment, number, self._entries[0].place)
            wanted = segment.payloads[skip or 0 : last]
            self._read.append((Position(number, skip or 0), len(wanted)))
            yield wanted
            if segment.chains:
                self.chain = segment.chains[last]
            if self.worst is not None and not self._reads_on:
                return

    def _is_slate_wanted(self) -> bool:
        """Not when it is of a place before the checkpoint: those were written, or asked about."""
        if not self._entries or Position(*self._entries[0].place) < self._since:
            return False
        return self.worst is None or self._reads_on

    def _look_behind(self, segment: Segment, number: int, place: Place) -> None:
        """Remember what of this segment stands behind the place that the slate is of."""
        at, before = place
        if number == at and before < len(segment.chains):
            self._slate_chain = segment.chains[before]
        if number >= at:
            behind = segment.payloads[before if number == at else 0 :]
            self._behind += behind[: len(self._entries)]

    def records(self, known: Known = _unknown) -> Iterator[tuple[Record, bytes]]:
        """Every record, and as it stands in its segment. One that is `known` by that is left out,
        and not even decoded."""
        for payload in self.payloads():
            if known(payload):
                continue
            try:
                yield decode(payload), payload
            except msgspec.MsgspecError as error:
                segment, number = self._number, self._count
                self.flaws.append(
                    Flaw(ill=Ill.STRANGE, segment=segment, record=number, text=str(error))
                )
                if not self._reads_on:
                    self._count = number - 1
                    return

    def _needed(self) -> range:
        first = self._since.segment or 1
        last = max([*self.numbers, self._expected, first if self._since.segment else 0])
        if self._until is not None:
            last = min(last, self._until.segment)
        return range(first, last + 1)

    def _is_joined_by(self, number: int) -> bool:
        """Whether this segment begins where the checkpoint stands, so that none before is needed.

        Otherwise records may have come behind the checkpoint, and they are gone.
        """
        path = segment_path(self.folder, number)
        if not path.exists():
            return False
        header = read_segment(path.read_bytes(), number).header
        return header is not None and header.previous == self.chain.hex()

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
        self._number, self._count = number, 0
        return 0

    def _broken(self, number: int, text: str) -> None:
        if self.worst is None:  # behind harm nothing can follow
            self.flaws.append(Flaw(ill=Ill.DAMAGED, segment=number, text=text))
