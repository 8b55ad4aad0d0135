"""Tables on disk: Parquet files by venue, kind and day, each whole or not there at all.

    FOLDER/venue=binance/kind=Trade/day=2024-08-08/000001.parquet

House rules: a file is written under another name, synced, and renamed; nothing that has a name is
ever changed. A file `000001-000007.parquet` is what compaction made of those seven and stands in
their place from the moment it has its name; whoever reads passes them over. Any number of processes
may write, each a run of its own, and one make fewer files meanwhile: `claims` keeps them apart.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pitwire.market.book import NOTHING, OrderBook
from pitwire.model.clock import SECOND
from pitwire.model.disk import sync_folder
from pitwire.model.errors import ConfigError
from pitwire.model.events import BookDelta, BookSnapshot, BookStale, Event
from pitwire.store.claims import RunNotes, aside_of, claims, numbered, numbers_held, unfinished
from pitwire.store.locking import take
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
_LEVEL = 3
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
        self._told: dict[tuple[str, str], int] = {}
        self.written = 0
        """Rows in files."""
        self.passed_over = 0
        try:
            self._notes = RunNotes(folder, run)
        except OSError as error:
            found = f"{folder} ({error.strerror or type(error).__name__})"
            expected = "a folder that tables can be written to"
            raise ConfigError(where="tables", found=found, expected=expected) from None

    def write(self, events: Iterable[Event]) -> None:
        """Take these events."""
        for event in events:
            name = type(event).__name__
            if name not in KINDS:
                self.passed_over += 1
                continue
            if isinstance(event, _BOOK):
                event = self._in_order(event)
                self._add(name, event)
                self._keep(event)
            else:
                self._add(name, event)

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
        self._notes.done()

    def abandon(self) -> None:
        """Leave nothing of this run, where it was not closed."""
        self._waiting.clear()
        self._notes.abandon()

    # ── within ──

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

    def _in_order(self, event: Event) -> Event:
        """A change that waited for its snapshot was told after it: then it counts as received."""
        key = (event.venue, event.symbol)
        told = self._told.get(key, 0)
        if event.received < told:
            return msgspec.structs.replace(event, received=told)
        self._told[key] = event.received
        return event

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
        write_table(table, self._notes.claim(place.within(self.folder)))
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
    aside = aside_of(path)
    try:
        pq.write_table(table, aside, **_layout(table))
        handle = os.open(aside, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(aside, path)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):  # rows that are kept for another try must not stand here, too
            os.replace(path, aside)
        with suppress(OSError):  # the name stays claimed, if it was; the room is given back
            os.truncate(aside, 0)
        raise


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
        "write_page_checksum": True,  # else most flipped bits are read as other numbers
    }


def files_of(folder: Path) -> list[Path]:
    """The files of a partition that count, in order: none that another stands for."""
    return _counting(numbered(folder))


def _counting(found: Sequence[tuple[int, int, Path]]) -> list[Path]:
    spans = [(first, last) for first, last, _ in found if last > first]
    return [
        path
        for first, last, path in found
        if not any(
            one <= first and last <= other and (one, other) != (first, last) for one, other in spans
        )
    ]


def partitions(folder: Path) -> Iterator[tuple[Place, Path]]:
    """Every partition of a folder of tables."""
    for path in sorted(folder.glob("venue=*/kind=*/day=*")):
        venue, kind, day = (part.partition("=")[2] for part in path.parts[-3:])
        yield Place(venue, kind, day), path


def compact(folder: Path, progress: Callable[[Path], None] = lambda _: None) -> int:
    """Make few files of the many of each partition; how many files there are fewer.

    What a process is writing just then is left as it is. Cut at any moment, the tables hold every
    row exactly once. Raises `ConfigError` where a run was cut, or somebody does the same.
    """
    if not (folder / ".runs").is_dir():
        return 0
    with (folder / ".runs" / "compaction").open("ab") as lock:
        try:
            take(lock)
        except OSError:
            found, expected = "another process that makes fewer files", "one at a time"
            raise ConfigError(where=str(folder), found=found, expected=expected) from None
        with numbers_held(folder):
            for run, is_alive, _ in unfinished(folder):
                if not is_alive:
                    expected = "one that was written to its end; write it again"
                    raise ConfigError(where=str(folder), found=f"run {run}", expected=expected)
        fewer = 0
        for _, path in partitions(folder):
            fewer += _compact(folder, path)
            progress(path)
        return fewer


def _compact(folder: Path, path: Path) -> int:
    fewer = 0
    for files in _lots(folder, path):
        if len(files) > 1:
            tables = [_whole(file) for file in files]
            first, last = _span(files[0])[0], _span(files[-1])[1]
            write_table(pa.concat_tables(tables), path / f"{first:06d}-{last:06d}.parquet")
            fewer += len(files) - 1
    with numbers_held(folder):  # whoever looks for a number sees the old ones or the new one
        found = numbered(path)  # once: what somebody writes meanwhile is in neither list
        counted = set(_counting(found))
        for _, _, old in found:
            if old not in counted:
                old.unlink()
    return fewer


def verify(
    folder: Path, progress: Callable[[Path], None] = lambda _: None
) -> Iterator[ConfigError]:
    """Read all of a folder of tables; what is to be said of each file that is not what was written.

    Whoever asks questions finds few of the bits that flipped: the others change the answers. Files
    of releases before pages had a checksum are found where they cannot be read.
    """
    for _, path in partitions(folder):
        for file in files_of(path):
            try:
                check_version(file)
                _whole(file)
            except ConfigError as error:
                yield error
        progress(path)


def _whole(path: Path) -> pa.Table:
    """A file's rows; raises `ConfigError` where they are not what was written."""
    try:
        return pq.read_table(path, partitioning=None, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None


def _lots(folder: Path, path: Path) -> list[list[Path]]:
    """Files that may become one: none that is being written, or will be, has a number among them.

    Numbers that somebody claimed and nobody writes are given up.
    """
    with numbers_held(folder):
        names = [name for _, _, names in unfinished(folder) for name in names]
        theirs = {_span(folder / name)[0] for name in names if (folder / name).parent == path}
        for number in claims(path) - theirs:
            aside_of(path / f"{number:06d}.parquet").unlink()
        files = files_of(path)
    lots: list[list[Path]] = [[]]
    before = 0
    for file in files:
        first, last = _span(file)
        if any(before < number <= first for number in theirs):
            lots.append([])
        if first not in theirs or last > first:
            lots[-1].append(file)
        before = last
    return lots


def _span(path: Path) -> tuple[int, int]:
    first, _, last = path.stem.partition("-")
    return int(first), int(last or first)


def check_version(path: Path) -> None:
    """Raise `ConfigError` when a file is damaged, or of a schema that this program cannot read."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None
    version = metadata.get(VERSION_KEY, b"0")
    if not version.isdigit() or not 1 <= int(version) <= VERSION:
        raise ConfigError(
            where=str(path),
            found=f"schema {version.decode('utf-8', 'replace')}",
            expected=f"schema 1 to {VERSION}: a newer program wrote this, use one to read it",
        )


def _damaged(path: Path, error: Exception) -> ConfigError:
    found = str(error).splitlines()[0][:120]
    expected = "a whole Parquet file; move it away to read the others"
    return ConfigError(where=str(path), found=found, expected=expected)
