"""Tables on disk: Parquet files by venue, kind and day, each whole or not there at all.

    FOLDER/venue=binance/kind=Trade/day=2024-08-08/000001.parquet

House rules: a file is written under another name, synced, and renamed; nothing that has a name is
ever changed. A file `000001-000007.parquet` is what compaction made of those seven and stands in
their place from the moment it has its name; whoever reads passes them over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pitwire.market.book import NOTHING, OrderBook
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.model.events import BookDelta, BookSnapshot, BookStale, Event
from pitwire.store.safely import sync_folder
from pitwire.store.schema import (
    KIND_KEY,
    KINDS,
    VERSION,
    VERSION_KEY,
    Checkpoint,
    decision_of,
    table_of,
)
from pitwire.trading.journal import Decided

ROWS = 100_000
"""Rows of a kind that wait in memory."""
LEVELS = 1_000_000
"""Levels of books that wait in memory, all in all."""
CHECKPOINT = 10 * SECOND
_CHECKPOINT_DELTAS = 2000
_NAME = re.compile(r"(\d{6,})(?:-(\d{6,}))?\.parquet\Z")
_LEVEL = 3
_DONE = "done"
_GROUPS = {"Checkpoint": 4, "BookSnapshot": 4, "BookDelta": 4096}
"""Rows that are read together: to find one book, few others are unpacked."""
_BOOK = (BookSnapshot, BookDelta, BookStale)


class Place(NamedTuple):
    """A partition."""

    venue: str
    kind: str
    day: str

    def within(self, folder: Path) -> Path:
        """Where it is."""
        return folder / f"venue={self.venue}" / f"kind={self.kind}" / f"day={self.day}"


class TableWriter:
    """Writes events into a folder of tables. Rows wait in memory until there are enough of them.

    `write` takes events in their order; kinds that have no table are passed over and counted. `run`
    names what is written; a run is in the tables when it was closed, and only once.
    Raises `OSError` when the disk does not take it: what waits then is kept for another `flush`.
    """

    def __init__(
        self, folder: Path, run: str, *, rows: int = ROWS, checkpoint: int = CHECKPOINT
    ) -> None:
        self.folder, self.run = folder, run
        self._rows, self._checkpoint = rows, checkpoint
        self._waiting: dict[Place, tuple[list[Event], list[int]]] = {}
        self._levels = 0
        self._seq = 0
        self._books: dict[tuple[str, str], _Kept] = {}
        self.written = 0
        """Rows in files."""
        self.passed_over = 0
        self._notes = folder / ".runs" / f"{run}.txt"
        try:
            self._notes.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            found = f"{folder} ({error.strerror or type(error).__name__})"
            expected = "a folder that tables can be written to"
            raise ConfigError(where="tables", found=found, expected=expected) from None
        self._begin_again()
        self._promised = self._promises()

    def write(self, events: Iterable[Event]) -> None:
        """Take these events."""
        for event in events:
            name = type(event).__name__
            if name not in KINDS:
                self.passed_over += 1
                continue
            self._add(name, event)
            if isinstance(event, _BOOK):
                self._keep(event)

    def decided(self, record: Decided, venue: str) -> None:
        """Take an order that was decided."""
        decision = decision_of(record, venue)
        if decision is not None:
            self.write([decision])

    def flush(self) -> None:
        """Write what waits into files."""
        for place in list(self._waiting):
            self._write(place)

    def close(self) -> None:
        """The same, for the last time: this run is in the tables."""
        self.flush()
        self._note(_DONE)

    # ── within ──

    def _begin_again(self) -> None:
        """A run that was cut is taken out again, so that no row is there twice."""
        if not self._notes.exists():
            return
        names = self._notes.read_text().splitlines()
        if names[-1:] == [_DONE]:
            expected = "one that is not in these tables yet"
            raise ConfigError(where=str(self.folder), found=f"run {self.run}", expected=expected)
        for name in names:
            (self.folder / name).unlink(missing_ok=True)
        self._notes.unlink()

    def _promises(self) -> dict[str, int]:
        """Partition → the highest number that a run which was cut has noted for a file.

        Whoever writes such a run again takes those files out, so nobody else may have their names.
        """
        promised: dict[str, int] = {}
        for notes in self._notes.parent.glob("*.txt"):
            names = notes.read_text().splitlines()
            for folder, name in (os.path.split(name) for name in names if names[-1] != _DONE):
                found = _NAME.match(name)
                if found:
                    promised[folder] = max(int(found[1]), promised.get(folder, 0))
        return promised

    def _note(self, line: str) -> None:
        with self._notes.open("a") as notes:
            notes.write(f"{line}\n")
            notes.flush()
            os.fsync(notes.fileno())

    def _add(self, name: str, event: Event) -> None:
        self._seq += 1
        place = Place(event.venue, name, day_of(event.received))
        rows, numbers = self._waiting.setdefault(place, ([], []))
        rows.append(event)
        numbers.append(self._seq)
        levels = getattr(event, "bids", ()), getattr(event, "asks", ())
        self._levels += len(levels[0]) + len(levels[1])
        if len(rows) >= self._rows:
            self._write(place)
        elif self._levels >= LEVELS:
            self.flush()

    def _keep(self, event: Event) -> None:
        """Books are rebuilt here, so that a whole one stands in the tables now and then."""
        key = (event.venue, event.symbol)
        kept = self._books.get(key)
        match event:
            case BookSnapshot():
                book = OrderBook(event.venue, event.symbol)
                book.apply_snapshot(event)
                self._books[key] = _Kept(book, event.received)
            case BookDelta() if kept is not None:
                kept.book.apply(event)
                kept.deltas += 1
                late = event.received - kept.since >= self._checkpoint
                if late or kept.deltas >= _CHECKPOINT_DELTAS:
                    self._add("Checkpoint", _checkpoint(kept.book, event))
                    kept.since, kept.deltas = event.received, 0
            case BookStale():
                self._books.pop(key, None)

    def _write(self, place: Place) -> None:
        rows, numbers = self._waiting[place]
        table = table_of(KINDS[place.kind], rows, numbers)
        folder = place.within(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        promised = self._promised.get(str(folder.relative_to(self.folder)), 0)
        number = max([promised, *(last for _, last, _ in _numbered(folder))]) + 1
        path = folder / f"{number:06d}.parquet"
        self._note(str(path.relative_to(self.folder)))
        write_table(table, path)
        del self._waiting[place]
        self._levels = max(0, self._levels - _levels_of(rows))
        self.written += len(rows)


class _Kept:
    """A book on its way to the next checkpoint."""

    __slots__ = ("book", "deltas", "since")

    def __init__(self, book: OrderBook, since: int) -> None:
        self.book, self.since, self.deltas = book, since, 0


def _checkpoint(book: OrderBook, event: BookDelta) -> Checkpoint:
    edges = [None if side.edge == NOTHING else side.edge for side in (book.bids, book.asks)]
    return Checkpoint(
        event.venue,
        event.symbol,
        event.venue_time,
        event.received,
        event.last_id,
        tuple(book.bids),
        tuple(book.asks),
        *edges,
    )


def _levels_of(rows: Sequence[Event]) -> int:
    return sum(len(getattr(row, "bids", ())) + len(getattr(row, "asks", ())) for row in rows)


def day_of(at: int) -> str:
    """The day in UTC of a time in ns."""
    return f"{datetime.fromtimestamp(at // SECOND, UTC):%Y-%m-%d}"


def write_table(table: pa.Table, path: Path) -> None:
    """A file that has its name when it is whole and on the disk."""
    aside = path.with_name(f".{path.name}.new")
    try:
        pq.write_table(table, aside, **_layout(table))
        handle = os.open(aside, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except BaseException:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
    os.replace(aside, path)
    sync_folder(path.parent)


def _layout(table: pa.Table) -> dict[str, Any]:
    """Numbers that grow as differences, words by dictionary; books in small groups, to be found."""
    ints = [field.name for field in table.schema if field.type == pa.int64()]
    others = [field.name for field in table.schema if field.type != pa.int64()]
    nested = [
        f"{field.name}.list.element.{part}"
        for field in table.schema
        if pa.types.is_list(field.type)
        for part in ("price", "size")
    ]
    kind = (table.schema.metadata or {}).get(KIND_KEY, b"").decode()
    return {
        "compression": "zstd",
        "compression_level": _LEVEL,
        "column_encoding": dict.fromkeys(ints, "DELTA_BINARY_PACKED"),
        "use_dictionary": [*others, *nested],
        "row_group_size": _GROUPS.get(kind, ROWS),
    }


def files_of(folder: Path) -> list[Path]:
    """The files of a partition that count, in order: none that another stands for."""
    found = _numbered(folder)
    spans = [(first, last) for first, last, _ in found if last > first]
    return [
        path
        for first, last, path in found
        if not any(
            one <= first and last <= other and (one, other) != (first, last) for one, other in spans
        )
    ]


def _numbered(folder: Path) -> list[tuple[int, int, Path]]:
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        name = _NAME.match(path.name)
        if name:
            found.append((int(name[1]), int(name[2] or name[1]), path))
    return sorted(found)


def partitions(folder: Path) -> Iterator[tuple[Place, Path]]:
    """Every partition of a folder of tables."""
    for path in sorted(folder.glob("venue=*/kind=*/day=*")):
        venue, kind, day = (part.partition("=")[2] for part in path.parts[-3:])
        yield Place(venue, kind, day), path


def compact(folder: Path, progress: Callable[[Path], None] = lambda _: None) -> int:
    """Make one file of the many of each partition; how many files there are fewer.

    Cut at any moment, the tables hold every row exactly once.
    """
    for notes in sorted((folder / ".runs").glob("*.txt")):
        if notes.read_text().splitlines()[-1:] != [_DONE]:
            expected = "one that was written to its end; write it again"
            raise ConfigError(where=str(folder), found=f"run {notes.stem}", expected=expected)
    fewer = 0
    for _, path in partitions(folder):
        files = files_of(path)
        if len(files) > 1:
            tables = [pq.read_table(file, partitioning=None) for file in files]
            first, last = _span(files[0])[0], _span(files[-1])[1]
            write_table(pa.concat_tables(tables), path / f"{first:06d}-{last:06d}.parquet")
            fewer += len(files) - 1
        counted = set(files_of(path))
        for _, _, old in _numbered(path):
            if old not in counted:
                old.unlink()
        progress(path)
    return fewer


def _span(path: Path) -> tuple[int, int]:
    name = _NAME.match(path.name)
    assert name is not None, "only numbered files are listed"
    return int(name[1]), int(name[2] or name[1])


def check_version(path: Path) -> None:
    """Raise `ConfigError` when a file is damaged, or of a schema that this program cannot read."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowInvalid, OSError) as error:
        found = str(error).splitlines()[0][:120]
        expected = "a whole Parquet file; move it away to read the others"
        raise ConfigError(where=str(path), found=found, expected=expected) from None
    version = metadata.get(VERSION_KEY, b"0")
    if not version.isdigit() or not 1 <= int(version) <= VERSION:
        raise ConfigError(
            where=str(path),
            found=f"schema {version.decode('utf-8', 'replace')}",
            expected=f"schema 1 to {VERSION}: a newer program wrote this, use one to read it",
        )
