"""An account's folder held against what was written: what is wrong, where, and what to do.

Reading for a start stops at the first harm; this goes on, so that all of it is told at once. House
rules: nothing is changed here; a finding names a file and, within it, a byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from pitwire.model.errors import ConfigError, Unsound
from pitwire.store.checkpoint import Checkpoint, checkpoints, read_checkpoint
from pitwire.store.folder import read_identity
from pitwire.store.history import START, History, Position, segment_numbers, segment_path
from pitwire.store.latch import HaltLatch
from pitwire.store.segment import NOTHING, Flaw, Header, Ill, read_segment
from pitwire.store.slate import ON_SLATE, Entry, asides, read_entries, read_slate, slate_path
from pitwire.trading.journal import Decided, Record, decode, placed
from pitwire.trading.replay import Replay
from pitwire.trading.snapshot import same_state

ADVICE = {
    Ill.TORN: "nothing: a process or machine died while writing it, and a start cuts it off",
    Ill.DAMAGED: "restore the file from a copy; without one keep it as it is: a start goes by what "
    "stands before, asks the venue for the rest, and is halted until a person resumes",
    Ill.MISSING: "put the file back; without it a start goes by what stands before, asks the venue "
    "for the rest, and is halted until a person resumes",
    Ill.NEWER: "use the version of pitwire that wrote it, or a newer one",
    Ill.STRANGE: "use the version of pitwire that wrote it, or a newer one",
}
_AFTER_CHECKPOINT = (
    "nothing for a start, which begins at the checkpoint; receipts from there are gone"
)
_NO_CHECKPOINT = "delete it: the one before it, or the journal, gives the same state"
_NO_IDENTITY = "delete it: the segments say the same, and the next start writes it anew"
_ON_SLATE = "nothing: the desk died with its orders on their way, and a start takes them over"
_SLATE_ASIDE = "nothing for a start: they may have left, and the venue was asked of every order"
_UNREADABLE_LATCH = "find out who halted trading and why; a person who resumes writes it anew"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was written."""

    file: str
    offset: int | None = None
    """Byte in that file where it begins; None where it is about the whole."""
    found: str
    advice: str
    is_harmless: bool = False
    """Whether every crash may leave it, or nobody needs what is lost."""

    def __str__(self) -> str:
        place = self.file if self.offset is None else f"{self.file}, byte {self.offset}"
        return f"{place}: {self.found}; {self.advice}"


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """One file that is there."""

    file: str
    size: int
    records: int = 0
    """Those that are sound."""
    header: Header | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """All of a folder."""

    segments: tuple[Sealed, ...]
    checkpoints: tuple[Sealed, ...]
    findings: tuple[Finding, ...]
    contradictions: tuple[str, ...]
    """What the records say against one another, up to the first harm."""

    @property
    def is_sound(self) -> bool:
        """Whether a start could go by it, without asking anybody."""
        return all(one.is_harmless for one in self.findings) and not self.contradictions


def verify(folder: Path) -> Verdict:
    """Read all of it. Raises `OSError` when the folder or a file cannot be read."""
    return _Verifier(folder).verdict()


class _Verifier:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._findings: list[Finding] = []
        self._sealed: list[Sealed] = []
        self._replay = Replay()
        self._checkpoints: dict[Position, tuple[str, Checkpoint]] = {}
        self._compared: set[Position] = set()
        self._whole = True
        """Whether every record so far follows the one before it."""

    def verdict(self) -> Verdict:
        kept = list(self._read_checkpoints())
        expected = self._read_identity()
        self._read_latch()
        self._read_segments(expected)
        self._read_slate()
        return Verdict(
            segments=tuple(self._sealed),
            checkpoints=tuple(kept),
            findings=tuple(self._findings),
            contradictions=tuple(map(str, self._replay.contradictions)),
        )

    def _find(
        self, file: Path, found: str, advice: str, *, at: int | None = None, harmless: bool = False
    ) -> None:
        self._findings.append(
            Finding(file=file.name, offset=at, found=found, advice=advice, is_harmless=harmless)
        )

    # ── beside the segments ───────────────────────────────────────────────────────────────────

    def _read_checkpoints(self) -> Iterator[Sealed]:
        for path in reversed(checkpoints(self._folder)):
            try:
                checkpoint = read_checkpoint(path)
            except Unsound as error:
                told = f"found {error.found}, expected {error.expected}"
                self._find(path, told, _NO_CHECKPOINT, harmless=True)
                continue
            self._checkpoints[checkpoint.position] = (path.name, checkpoint)
            yield Sealed(file=path.name, size=path.stat().st_size)

    def _read_identity(self) -> int:
        path = self._folder / "identity"
        try:
            return read_identity(path).segment
        except FileNotFoundError:
            return 0
        except ConfigError as error:
            told = f"found {error.found}, expected {error.expected}"
            self._find(path, told, _NO_IDENTITY)
            return 0

    def _read_latch(self) -> None:
        latch = HaltLatch(self._folder)
        last = latch.last()
        if last is not None and not last.at:
            self._find(latch.path, last.reason, _UNREADABLE_LATCH)

    def _read_slate(self) -> None:
        for aside in asides(self._folder):
            names = ", ".join(map(_order_of, read_entries(aside))) or "nothing to be read"
            told = f"set aside, as the journal was harmed: {names}"
            self._find(aside, told, _SLATE_ASIDE, harmless=True)
        path = slate_path(self._folder)
        if not read_slate(self._folder):
            return
        history = History(self._folder, reads_on=True)
        for _ in history.payloads():
            pass
        if history.slated:
            told = f"{len(history.slated)} intents that are in no segment"
            self._find(path, told, _ON_SLATE, harmless=True)
        for flaw in history.flaws:
            if flaw.text == ON_SLATE:
                told = "an intent that is not whole, or does not follow the journal"
                self._find(path, told, ADVICE[Ill.TORN], harmless=True)

    # ── the segments ──────────────────────────────────────────────────────────────────────────

    def _read_segments(self, expected: int) -> None:
        numbers = segment_numbers(self._folder)
        known = [position.segment for position in self._checkpoints]
        chain = NOTHING
        newest = max(self._checkpoints, default=START)
        for number in range(1, max([*numbers, expected, *known, 0]) + 1):
            path = segment_path(self._folder, number)
            if number in numbers:
                chain = self._read_segment(path, number, chain)
                continue
            before = number < newest.segment or (
                number == newest.segment and self._is_joined(number + 1, newest)
            )
            advice = _AFTER_CHECKPOINT if before else ADVICE[Ill.MISSING]
            self._find(path, "missing", advice, harmless=before)
            self._whole = False
            self._compared.update(one for one in self._checkpoints if one.segment == number)
        for position in self._checkpoints.keys() - self._compared:
            name, _ = self._checkpoints[position]
            told = (
                f"made of {position.records} records of segment {position.segment}, not all there"
            )
            self._find(self._folder / name, told, ADVICE[Ill.DAMAGED])

    def _is_joined(self, number: int, newest: Position) -> bool:
        path = segment_path(self._folder, number)
        header = read_segment(path.read_bytes(), number).header if path.exists() else None
        return header is not None and header.previous == self._checkpoints[newest][1].chain

    def _read_segment(self, path: Path, number: int, before: bytes) -> bytes:
        """The chain at its end, or `before` where it holds nothing."""
        data = path.read_bytes()
        segment = read_segment(data, number)
        header = segment.header
        self._sealed.append(
            Sealed(file=path.name, size=len(data), records=len(segment.payloads), header=header)
        )
        if segment.flaw is not None:
            self._note_flaw(path, segment.flaw)
        if header is None:
            self._whole = self._whole and (segment.flaw is None or segment.flaw.is_harmless)
            return before
        if header.segment != number:
            told = f"segment {header.segment} by its header"
            self._find(path, told, ADVICE[Ill.DAMAGED], at=_HEADER_AT)
        if self._whole and header.previous != before.hex():
            told = "it does not follow the segment before it: one of the two was cut or replaced"
            self._find(path, told, ADVICE[Ill.DAMAGED], at=_HEADER_AT)
            self._whole = False
        self._take(path, number, segment.payloads, segment.chains)
        if segment.flaw is not None and not segment.flaw.is_harmless:
            self._whole = False
        return segment.chains[-1]

    def _note_flaw(self, path: Path, flaw: Flaw) -> None:
        told = f"record {flaw.record} {flaw.ill}"
        told += f", {flaw.text}" if flaw.text else ""
        self._find(
            path,
            f"{told}, {flaw.lost} bytes not used",
            ADVICE[flaw.ill],
            at=flaw.offset,
            harmless=flaw.is_harmless,
        )

    def _take(self, path: Path, number: int, payloads: list[bytes], chains: list[bytes]) -> None:
        offset = _HEADER_AT
        self._compare(path, Position(number, 0), chains[0])
        for count, payload in enumerate(payloads, start=1):
            try:
                record = decode(payload)
            except msgspec.MsgspecError as error:
                offset = path.read_bytes().find(payload, offset)
                told = f"record {count} strange, {error}"
                self._find(path, told, ADVICE[Ill.STRANGE], at=offset)
                self._whole = False
                return
            self._replayed(record, payload)
            self._compare(path, Position(number, count), chains[count])

    def _replayed(self, record: Record, payload: bytes) -> None:
        if self._whole:
            self._replay.take(record, payload)

    def _compare(self, path: Path, position: Position, chain: bytes) -> None:
        """A checkpoint made here must be what the records up to here make."""
        self._compared.add(position)
        name, checkpoint = self._checkpoints.get(position, ("", None))
        if checkpoint is None:
            return
        if checkpoint.chain != chain.hex():
            told = f"it was not made of {path.name} as that is now"
            self._find(self._folder / name, told, ADVICE[Ill.DAMAGED])
        elif self._whole and not same_state(checkpoint.snapshot, self._replay.snapshot()):
            told = f"not the state that the {position.records} records before it make"
            self._find(self._folder / name, told, _NO_CHECKPOINT)


def _order_of(entry: Entry) -> str:
    """Which order an intent is about."""
    try:
        record = decode(entry.payload)
    except msgspec.MsgspecError:
        return "an intent that is not whole"
    if not isinstance(record, Decided):
        return "no intent"
    command = record.command
    order = placed(command)
    if order is not None:
        return order.id
    return f"a change of {getattr(command, 'order_id', '')}"


_HEADER_AT = 16
"""Where the header begins, behind the preamble."""
