"""`pitwire tables`: tapes and CSV files as tables, fewer files of many, and exports."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from rich.progress import Progress

from pitwire.cli.bars import bars
from pitwire.cli.blame import naming
from pitwire.cli.exits import Code, gravest, tell_damage
from pitwire.cli.taped import is_tape
from pitwire.desk.playing import play
from pitwire.model.errors import ConfigError
from pitwire.model.events import Event
from pitwire.store.exports import export_hftbacktest, export_nautilus
from pitwire.store.parquet import TableWriter, partitions
from pitwire.store.parquet import compact as make_fewer
from pitwire.store.parquet import verify as all_of
from pitwire.store.query import open_store
from pitwire.store.tardis import Cut, read_tardis
from pitwire.tape.format import Record as Taped
from pitwire.tape.reader import Tape
from pitwire.trading.journal import Decided, Record
from pitwire.venues.registry import find_venue

_DRAW_EVERY = 2000
_NAMED_BY = 1 << 20
"""Bytes of a file that, with its size, tell it from another of the same name."""


class Writer(Protocol):
    """Where events go: a folder of tables, or a server."""

    written: int
    passed_over: int

    def write(self, events: Iterable[Event]) -> None: ...
    def decided(self, record: Decided, venue: str) -> None: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...


def run(
    sources: Sequence[Path],
    out: Path,
    *,
    compact: bool,
    venue: str,
    to: str | None = None,
    verify: bool = False,
) -> int:
    """Write each source into the tables of a folder, then make few files of many if asked to, and
    read all that is there.

    With `to`, a server's address, they go there instead.
    """
    if to is not None and not to.startswith(("postgresql://", "postgres://")):
        found = to.partition(":")[0][:20]
        raise ConfigError(where="--to", found=found, expected="postgresql://USER@HOST/DATABASE")
    if to is not None and (compact or verify):
        where = "--compact" if compact else "--verify"
        raise ConfigError(where=where, found="with --to", expected="a folder of tables")
    if not (sources or compact or verify):
        expected = "a tape, or a CSV file; or --compact, or --verify"
        raise ConfigError(where="sources", found="none", expected=expected)
    if not sources and not out.is_dir():
        raise ConfigError(where=str(out), found="nothing", expected="a folder of tables")
    with naming(out):
        code = gravest([Code.DONE, *(_write(source, out, to, venue) for source in sources)])
        if compact:
            sys.stdout.write(f"{out}: {_made_fewer(out)} files fewer\n")
        if verify:
            code = gravest([code, _verified(out)])
    return code


def _verified(out: Path) -> Code:
    total = sum(1 for _ in partitions(out))
    with bars() as bar:
        task = bar.add_task("verify", total=total)
        found = list(all_of(out, lambda _: bar.advance(task)))
    for error in found:
        sys.stderr.write(f"pitwire: {error}\n")
    sys.stdout.write(f"{out}: {len(found)} files are not what was written\n")
    return Code.JOURNAL if found else Code.DONE


def _made_fewer(out: Path) -> int:
    total = sum(1 for _ in partitions(out))
    with bars() as bar:
        task = bar.add_task("compact", total=total)
        return make_fewer(out, lambda _: bar.advance(task))


def _write(source: Path, out: Path, to: str | None, venue: str) -> Code:
    tape = Tape(source) if is_tape(source) else None
    if tape is not None and tape.is_being_written:
        expected = (
            "one that has come to its end: a run is taken once, and the rest would be left out"
        )
        raise ConfigError(
            where=str(source), found="a tape that is being recorded", expected=expected
        )
    name = _run_of(source, tape) if tape is not None else _named(source)
    writer: Writer = TableWriter(out, name) if to is None else _server(to, name)
    cut = None
    try:
        with bars() as bar:
            if tape is not None:
                _play(tape, writer, bar)
            else:
                cut = _read(source, writer, bar, venue)
    except ConfigError:  # once that is mended, it is another file
        writer.abandon()
        raise
    writer.close()
    over = writer.passed_over
    told = f", {over} events of kinds without a table" if over else ""
    sys.stdout.write(f"{source}: {writer.written} rows{told}\n")
    if cut is not None:
        sys.stderr.write(f"pitwire: {cut}; what stands before is in the tables\n")
        return Code.JOURNAL
    return Code.DONE if tape is None else tell_damage(tape.flaws)


def _server(to: str, name: str) -> Writer:
    from pitwire.store.postgres import PostgresWriter

    return PostgresWriter(to, name)


def _run_of(source: Path, tape: Tape) -> str:
    """The name of a tape's run; of one file of several, that and the file's own."""
    run, number = tape.files[0].parent, source.stem
    is_later = number.isdecimal() and int(number) > 1  # those before it may be gone meanwhile
    if source.is_file() and (is_later or len(list(run.glob("*.tape"))) > 1):
        return f"{run.name}.{number}"
    return run.name


def _named(source: Path) -> str:
    """The name of a file's run: two files of one name are two runs, one copied elsewhere is one."""
    if not source.is_file():
        return source.name
    with source.open("rb") as file:
        digest = blake2b(file.read(_NAMED_BY), digest_size=4)
    digest.update(str(source.stat().st_size).encode())
    return f"{source.name}-{digest.hexdigest()}"


def _play(tape: Tape, writer: Writer, bar: Progress) -> None:
    first, last = tape.span()
    task = bar.add_task("tables", total=max(1, last - first))
    seen = 0

    def look(record: Taped) -> bool:
        nonlocal seen
        seen += 1
        if seen % _DRAW_EVERY == 0:
            bar.update(task, completed=record.at - first)
        return True

    def take(events: Sequence[Event], _now: int, _drained: bool) -> None:
        writer.write(events)

    def decided(record: Record, _line: bytes) -> None:
        if isinstance(record, Decided):
            writer.decided(record, tape.meta.venue)

    play(tape, events=take, journal=decided, watch=look)


def _read(source: Path, writer: Writer, bar: Progress, venue: str) -> Cut | None:
    """Write what a file holds; why it ends too early, if it does."""
    if ".csv" not in source.suffixes:
        found = "something else" if source.exists() else "nothing"
        expected = "a tape, or a CSV file in tardis.dev's columns"
        raise ConfigError(where=str(source), found=found, expected=expected)
    task = bar.add_task("tables", total=None)
    batch: list[Event] = []
    cut = None
    try:
        for event in read_tardis(source, find_venue(venue).symbol_of):
            batch.append(event)
            if len(batch) >= _DRAW_EVERY:
                writer.write(batch)
                bar.advance(task, len(batch))
                batch.clear()
    except Cut as error:
        cut = error
    writer.write(batch)
    return cut


def export(folder: Path, symbol: str, *, form: str, out: Path) -> int:
    """Write what another program reads."""
    with open_store(folder) as store, naming(out):
        if form == "hftbacktest":
            if out.suffix != ".npz":  # it is read by that name alone
                out = out.with_name(f"{out.name}.npz")
            count = export_hftbacktest(store, symbol, out)
            sys.stdout.write(f"{out}: {count} events\n")
        elif form == "nautilus":
            _tell(export_nautilus(store, symbol, out))
        else:
            raise ConfigError(where="--to", found=form, expected="hftbacktest or nautilus")
    return 0


def _tell(paths: Iterable[Path]) -> None:
    for path in paths:
        sys.stdout.write(f"{path}\n")
