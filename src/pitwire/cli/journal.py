"""`pitwire journal`: is it what was written, and what does it say; and reading one for others.

Nothing is written here, and nothing that reaches a venue can be imported here.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from pitwire.cli.exits import Code
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.errors import ConfigError
from pitwire.store.history import History, segment_numbers
from pitwire.store.verifying import Sealed, verify
from pitwire.trading.journal import encode


def run_verify(folder: Path) -> int:
    """Print every file and all that is wrong; the exit code says whether a start could go by it."""
    check_folder(folder)
    found = verify(folder)
    for sealed in found.segments:
        print(_told(sealed))
    for sealed in found.checkpoints:
        print(f"{sealed.file} {sealed.size:,} bytes")
    for finding in found.findings:
        print(f"{'note' if finding.is_harmless else 'WRONG'} {finding}")
    for contradiction in found.contradictions:
        print(f"WRONG contradiction: {contradiction}; keep the journal and report it")
    records = sum(sealed.records for sealed in found.segments)
    wrong = sum(not one.is_harmless for one in found.findings) + len(found.contradictions)
    print(f"{len(found.segments)} segments, {records:,} records, {wrong} wrong")
    return Code.DONE if found.is_sound else Code.JOURNAL


def run_show(folder: Path) -> int:
    """Print every sound record as a line of JSON; the exit code says whether that is all of it."""
    history = open_history(folder, reads_on=True)
    for record, _ in history.records():
        sys.stdout.write(encode(record).decode())
    return tell_flaws(history)


def check_folder(folder: Path) -> None:
    """Raises `ConfigError` when there is no journal in this folder."""
    try:
        numbers = segment_numbers(folder)
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise ConfigError(where=str(folder), found=found, expected="an account's folder") from None
    if not numbers:
        raise ConfigError(where=str(folder), found="no journal", expected="an account's folder")


def open_history(folder: Path, *, reads_on: bool = False) -> History:
    """The journal of this folder; raises `ConfigError` when there is none."""
    check_folder(folder)
    return History(folder, reads_on=reads_on)


def tell_flaws(history: History) -> int:
    """One line a flaw, on stderr; the exit code is that of the worst."""
    for flaw in history.flaws:
        sys.stderr.write(f"pitwire: {history.folder}: {flaw}\n")
    if history.worst is None:
        return Code.DONE
    sys.stderr.write(f"pitwire: pitwire journal verify {history.folder} says what to do\n")
    return Code.JOURNAL


def spell_time(at: int) -> str:
    """Nanoseconds as UTC to the millisecond; "" for 0."""
    if not at:
        return ""
    seconds, rest = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{rest // MILLISECOND:03d}"


def _told(sealed: Sealed) -> str:
    header = sealed.header
    told = f"{sealed.file} {sealed.size:,} bytes, {sealed.records:,} records"
    if header is None:
        return told
    return f"{told}, account {header.account}, start {header.epoch} of {spell_time(header.started)}"
