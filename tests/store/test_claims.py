"""Several processes at one folder of tables: every row once, no number twice, nobody in the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pitwire.model.errors import ConfigError
from pitwire.store import claims as module
from pitwire.store.claims import RunNotes, aside_of, claims, numbered
from pitwire.store.parquet import TableWriter, compact, partitions
from pitwire.store.query import open_store
from tests.store.test_tables import START, trade

WRITES = """
import sys
from pathlib import Path
from pitwire.store.parquet import TableWriter
from tests.store.test_tables import START, trade
folder, run, first, files = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
writer = TableWriter(folder, run)
for number in range(first, first + files):
    writer.write([trade(START + number, number=number)])
    writer.flush()
    if number == first:  # both begin before either goes on
        print("ready", flush=True)
        sys.stdin.readline()
print("written", flush=True)
sys.stdin.readline()
writer.close()
"""


class Process:
    """A process that writes a run, file by file."""

    def __init__(self, repository: Path, folder: Path, run: str, first: int, files: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITES, str(folder), run, str(first), str(files)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=repository,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )

    def hear(self, word: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == f"{word}\n"

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> None:
        self.go_on()
        assert self._process.wait() == 0
        self._close()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._close()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


def ids(folder: Path) -> list[int]:
    with open_store(folder) as store:
        return sorted(store.trades().to_arrow()["trade_id"].to_pylist())


def test_two_processes_write_while_a_third_makes_fewer_files(
    tmp_path: Path, repository: Path
) -> None:
    count = 30
    for number in range(3):
        whole = TableWriter(tmp_path, f"before-{number}")
        whole.write([trade(START + number, number=number)])
        whole.close()
    both = [
        Process(repository, tmp_path, name, first, count)
        for name, first in (("one", 1000), ("other", 2000))
    ]
    for process in both:
        process.hear("ready")
    with pytest.raises(ConfigError, match="run one, which another process writes"):
        TableWriter(tmp_path, "one")
    for process in both:
        process.go_on()
    fewer = sum(compact(tmp_path) for _ in range(5))
    assert fewer == 2, "what was written before became one, and what is being written was left"
    for process in both:
        process.hear("written")
    there = [0, 1, 2, *range(1000, 1000 + count), *range(2000, 2000 + count)]
    assert ids(tmp_path) == there
    compact(tmp_path)
    assert ids(tmp_path) == there
    both[0].end()
    both[1].kill()
    with pytest.raises(ConfigError, match="run other"):
        compact(tmp_path)
    assert ids(tmp_path) == there
    again = TableWriter(tmp_path, "other")
    assert ids(tmp_path) == there[: 3 + count], (
        "a run that was cut is taken out to be written again"
    )
    again.write([trade(START, number=2000)])
    again.close()
    compact(tmp_path)
    [(_, partition)] = partitions(tmp_path)
    assert len(numbered(partition)) == 1
    assert ids(tmp_path) == [*there[: 3 + count], 2000]


def test_no_file_may_take_a_place_within_another(tmp_path: Path) -> None:
    slow = TableWriter(tmp_path, "slow")
    for number in (1, 2):
        writer = TableWriter(tmp_path, f"run-{number}")
        writer.write([trade(START + number, number=number)])
        writer.close()
        if number == 1:
            [(_, partition)] = partitions(tmp_path)
            claimed = slow._notes.claim(partition)  # and its file is still to come
    assert claimed.name == "000002.parquet"
    assert compact(tmp_path) == 0, "of 1 and 3 no file can be made that would hide 2"
    slow.write([trade(START + 9, number=9)])
    slow.close()
    assert ids(tmp_path) == [1, 2, 9]
    assert claims(partition) == {2}
    assert compact(tmp_path) == 2
    assert claims(partition) == set(), "what nobody writes any more is given up"
    assert ids(tmp_path) == [1, 2, 9]


def test_a_file_that_gets_its_name_while_another_looks_keeps_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partition = tmp_path / "venue=x" / "kind=Trade" / "day=2024-07-31"
    other, one = RunNotes(tmp_path, "other"), RunNotes(tmp_path, "one")
    path = one.claim(partition)

    def then_named(look: Callable[[Path], Any]) -> Callable[[Path], Any]:
        def looked(at: Path) -> Any:
            found = look(at)
            if aside_of(path).exists():
                aside_of(path).rename(path)
            return found

        return looked

    for look in (numbered, claims):
        monkeypatch.setattr(module, look.__name__, then_named(look))
    assert other.claim(partition).name == "000002.parquet"


def test_a_disk_that_takes_no_file_keeps_its_number_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = TableWriter(tmp_path, "full")
    writer.write([trade(START, number=1)])
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            writer.flush()
    [(_, partition)] = partitions(tmp_path)
    assert aside_of(partition / "000001.parquet").stat().st_size == 0
    other = TableWriter(tmp_path, "other")
    other.write([trade(START, number=2)])
    other.close()
    del writer  # it dies; and is written again, and takes out what it had noted
    again = TableWriter(tmp_path, "full")
    again.write([trade(START, number=1)])
    again.close()
    assert ids(tmp_path) == [1, 2]


def test_one_process_at_a_time_makes_fewer_files(tmp_path: Path) -> None:
    for number in (1, 2):
        writer = TableWriter(tmp_path, f"run-{number}")
        writer.write([trade(START + number, number=number)])
        writer.close()
    told: list[str] = []

    def meanwhile(_: Path) -> None:
        with pytest.raises(ConfigError, match="one at a time") as caught:
            compact(tmp_path)
        told.append(str(caught.value))

    assert compact(tmp_path, meanwhile) == 1
    assert len(told) == 1


def test_notes_are_held_until_they_are_done(tmp_path: Path) -> None:
    first = RunNotes(tmp_path, "run")
    with pytest.raises(ConfigError, match="one writer for each run"):
        RunNotes(tmp_path, "run")
    first.done()
    with pytest.raises(ConfigError, match="not in these tables yet"):
        RunNotes(tmp_path, "run")


@pytest.mark.parametrize(("first", "second"), [("run", "run.000001"), ("run.000001", "run")])
def test_a_whole_and_its_parts_are_not_both_there(tmp_path: Path, first: str, second: str) -> None:
    """Each row of a part would be there twice."""
    RunNotes(tmp_path, "run.000007").abandon()  # it was begun, and nothing is left of it
    RunNotes(tmp_path, first).done()
    with pytest.raises(ConfigError, match=f"run {first}, which holds rows of {second}"):
        RunNotes(tmp_path, second)
    for other in ("runs", "other.000001", "other.000002"):
        RunNotes(tmp_path, other).done()


@pytest.mark.parametrize(("first", "second"), [("run", "run.000001"), ("run.000001", "run")])
def test_one_that_is_begun_counts_before_its_first_file(
    tmp_path: Path, first: str, second: str
) -> None:
    """Two imports at the same time: neither has written a row when the other begins."""
    begun = RunNotes(tmp_path, first)
    with pytest.raises(ConfigError, match=f"run {first}, which holds rows of {second}"):
        RunNotes(tmp_path, second)
    begun.abandon()
    RunNotes(tmp_path, second).done()


def test_a_note_that_was_cut_names_nothing(tmp_path: Path) -> None:
    cut = TableWriter(tmp_path, "cut")
    cut.write([trade(START, number=1)])
    cut.flush()
    del cut
    notes = tmp_path / ".runs" / "cut.txt"
    whole = notes.read_bytes()
    for length in range(len(whole)):
        notes.write_bytes(whole[:length])
        RunNotes(tmp_path, "cut")
        notes.write_bytes(whole + whole[:length])
        RunNotes(tmp_path, "cut")
    assert notes.read_bytes() == b""
    assert ids(tmp_path) == []


def test_a_note_that_found_no_room_does_not_come_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = RunNotes(tmp_path, "run")
    partition = tmp_path / "venue=x" / "kind=Trade" / "day=2024-07-31"
    file = notes._file

    class Full:
        """Takes half of what it is given, as a disk that is nearly full."""

        def write(self, data: bytes) -> int:
            return file.write(data[: len(data) // 2])

        def __getattr__(self, name: str) -> object:
            return getattr(file, name)

    notes.claim(partition)
    with monkeypatch.context() as patch:
        patch.setattr(notes, "_file", Full())
        with pytest.raises(OSError, match="No space"):
            notes.claim(partition)
    assert notes.claim(partition).name == "000003.parquet", "another may have 2 by now"
    names = (tmp_path / ".runs" / "run.txt").read_text().splitlines()
    assert [Path(name).name for name in names] == ["000001.parquet", "000003.parquet"]


def test_rows_that_are_kept_for_another_try_are_not_there_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = TableWriter(tmp_path, "run")
    writer.write([trade(START, number=1)])
    with monkeypatch.context() as patch:

        def full(_: Path) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr("pitwire.store.parquet.sync_folder", full)
        with pytest.raises(OSError, match="No space"):
            writer.flush()
    assert ids(tmp_path) == []
    writer.close()
    assert ids(tmp_path) == [1]


def test_a_power_cut_leaves_what_says_whose_rows_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notes have their name before a file has its own, and lose no line of one that may come
    back; `torture/tabled.py` cuts the power."""
    synced: list[tuple[str, list[str], str]] = []

    def sync(folder: Path) -> None:
        notes = tmp_path / ".runs" / "run.txt"
        names = sorted(path.name for path in folder.iterdir())
        synced.append((folder.name, names, notes.read_text() if notes.exists() else ""))

    monkeypatch.setattr(module, "sync_folder", sync)
    writer = TableWriter(tmp_path, "run")
    assert [(folder, "run.txt" in names) for folder, names, _ in synced] == [(".runs", True)]
    writer.write([trade(START, number=1)])
    writer.flush()
    synced.clear()
    writer.abandon()
    [(folder, names, notes)] = synced
    assert folder.startswith("day=")
    assert names == [], "they are gone by then"
    assert notes.count("\n") == 1, "and still noted"
