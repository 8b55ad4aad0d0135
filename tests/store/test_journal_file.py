from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import pytest

from bench import native
from pitwire.model.errors import JournalFailed
from pitwire.store import journal_file
from pitwire.store.history import History, Position
from pitwire.store.journal_file import JournalFile
from pitwire.store.latch import HaltLatch
from pitwire.store.safely import write_all
from pitwire.store.segment import NOTHING, Header, Ill, read_segment
from pitwire.store.slate import Slate, known_by, read_slate, slate_path
from pitwire.trading.journal import Alerted, Decided, DurableJournal, Halted, Record, payload
from tests.trading.making import order

HEADER = Header(
    installation="k3x9qa", account="main", epoch=1, segment=1, started=1, previous=NOTHING.hex()
)
INTENT = Decided(at=1, command=order("a"))


def say(number: int) -> Alerted:
    return Alerted(at=number, text=f"word {number}")


class Disk:
    """Writes and syncs, and fails when told to."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.write_error = self.sync_error = 0
        self.slow = threading.Event()
        self.slow.set()

    def write(self, handle: int, data: bytes) -> None:
        self.calls.append("write")
        if self.write_error:
            write_all(handle, data[: len(data) // 2])
            raise OSError(self.write_error, os.strerror(self.write_error))
        write_all(handle, data)

    def sync(self, handle: int) -> None:
        self.slow.wait()
        self.calls.append("sync")
        if self.sync_error:
            raise OSError(self.sync_error, os.strerror(self.sync_error))


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture(params=["plain", "compiled"], autouse=True)
def part(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who puts intents on the slate."""
    pens = None
    if request.param == "compiled":
        found = native.twin(native.SLATE)
        if found is None:
            pytest.skip("no C compiler that can build it")
        pens = known_by(found)
    monkeypatch.setattr(journal_file, "Slate", partial(Slate, pens=pens))
    return str(request.param)


Make = Callable[..., JournalFile]


@pytest.fixture
def make(tmp_path: Path, disk: Disk) -> Iterator[Make]:
    made: list[JournalFile] = []

    def one(*, mapped: bool = False, **how: object) -> JournalFile:
        file = JournalFile(tmp_path, HEADER, mapped=mapped, write=disk.write, sync=disk.sync, **how)  # type: ignore[arg-type]
        disk.calls.clear()
        made.append(file)
        return file

    yield one
    disk.slow.set()
    for file in made:
        file.close()


def stored(folder: Path) -> list[Record]:
    history = History(folder)
    records = [record for record, _ in history.records()]
    assert history.worst is None
    return records


def until(test: Callable[[], bool]) -> None:
    """Another thread has its own pace; give it a generous while."""
    for _ in range(60_000):
        if test():
            return
        time.sleep(0.001)
    raise AssertionError("never came true")


def test_it_is_a_durable_journal(make: Make) -> None:
    journal: DurableJournal = make()
    assert journal.failed == ""


def test_an_intent_and_all_before_it_are_out_after_one_write(
    make: Make, disk: Disk, tmp_path: Path
) -> None:
    file = make()
    for number in range(3):
        file.write(say(number))
    file.write(INTENT)
    assert file.commit() == ""
    assert disk.calls.count("write") == 1
    assert stored(tmp_path) == [say(0), say(1), say(2), INTENT]
    assert file.position == Position(1, 4)


def test_what_is_no_intent_waits_for_the_end_of_the_burst(
    make: Make, disk: Disk, tmp_path: Path
) -> None:
    file = make()
    file.write(say(1))
    assert file.commit() == ""
    assert disk.calls == []
    file.settle()
    assert stored(tmp_path) == [say(1)]


def test_a_halt_counts_as_an_intent(make: Make, tmp_path: Path) -> None:
    file = make()
    file.write(Halted(at=1, reason="enough", by="person"))
    file.commit()
    assert len(stored(tmp_path)) == 1


def test_a_thread_syncs_behind(make: Make, disk: Disk) -> None:
    file = make()
    file.write(INTENT)
    file.commit()
    file.settle()
    until(lambda: "sync" in disk.calls)
    until(lambda: file.behind_seconds == 0)
    assert file.syncs == 1
    time.sleep(0.02)
    assert file.syncs == 1, "and sleeps when there is nothing to sync"


def test_durable_syncs_before_the_bytes_leave(make: Make, disk: Disk) -> None:
    file = make(durable=True)
    file.write(INTENT)
    assert file.commit() == ""
    assert disk.calls == ["write", "sync"]


def test_a_slow_disk_does_not_slow_the_order_path(make: Make, disk: Disk, tmp_path: Path) -> None:
    """S4: while a sync takes its time, intents go on reaching the kernel."""
    file = make()
    disk.slow.clear()
    for _ in range(3):
        file.write(INTENT)
        assert file.commit() == ""
        file.settle()
    assert len(stored(tmp_path)) == 3
    assert "sync" not in disk.calls
    assert file.behind_seconds > 0


def test_a_busy_machine_is_no_slow_disk_under_test(make: Make, disk: Disk) -> None:
    file = make()
    disk.slow.clear()
    file.write(INTENT)
    file.commit()
    file.settle()
    time.sleep(0.01)
    assert 0 < file.behind_seconds < 0.001


def test_a_disk_that_hangs_for_too_long_has_failed(
    make: Make, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pitwire.store.journal_file._BEHIND_SECONDS", 0)
    file = make()
    disk.slow.clear()
    file.write(INTENT)
    file.commit()
    file.tend(1)
    assert "nothing synced for 0 s" in file.failed


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EBADF])
def test_a_write_that_fails_ends_the_file_for_good(
    make: Make, disk: Disk, tmp_path: Path, error: int
) -> None:
    """S2, S8: half a record may stand there, so nothing is ever written behind it."""
    file = make()
    file.write(say(1))
    file.settle()
    disk.write_error = error
    file.write(INTENT)
    failed = file.commit()
    assert failed == (
        f"{tmp_path / '00000001.journal'}: found {os.strerror(error)}, "
        "expected a journal that can be written"
    )
    disk.write_error = 0
    disk.calls.clear()
    file.write(INTENT)
    assert file.commit() == failed
    file.settle()
    file.tend(2)
    assert "write" not in disk.calls
    assert file.lost == 2
    history = History(tmp_path)
    assert [record for record, _ in history.records()] == [say(1)]
    assert [flaw.ill for flaw in history.flaws] == [Ill.TORN]


@pytest.mark.parametrize("durable", [False, True])
def test_a_sync_that_fails_ends_the_file_and_is_never_tried_again(
    make: Make, disk: Disk, durable: bool
) -> None:
    """S3: the kernel may have dropped the pages, so a second sync that succeeds would lie."""
    file = make(durable=durable)
    disk.sync_error = errno.EIO
    file.write(INTENT)
    file.commit()
    file.settle()
    until(lambda: bool(file.failed))
    disk.sync_error = 0
    syncs = disk.calls.count("sync")
    assert syncs == 1
    file.write(INTENT)
    assert "Input/output error" in file.commit()
    file.settle()
    file.close()
    assert disk.calls.count("sync") == syncs


def test_text_that_utf8_cannot_say_is_spelt_out_and_breaks_no_chain(
    make: Make, tmp_path: Path
) -> None:
    """A rule's own text, or a file's name in what a rule raised, may hold half a surrogate pair."""
    file = make()
    file.write(say(1))
    file.write(Alerted(at=2, text="odd \ud800"))
    file.write(INTENT)
    assert file.commit() == ""
    file.write(say(4))
    file.settle()
    odd = Alerted(at=2, text="odd \\ud800")
    assert stored(tmp_path) == [say(1), odd, INTENT, say(4)]


def test_a_record_that_no_reader_would_take_is_a_failure(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pitwire.store.journal_file.LONGEST", 200)
    file = make()
    for number in range(5):
        file.write(say(number))  # together longer than one may be
    file.settle()
    file.write(Alerted(at=9, text="x" * 200))
    file.settle()
    assert "found a record of more than 200 bytes" in file.failed
    assert stored(tmp_path) == [say(number) for number in range(5)]


def test_a_journal_that_cannot_be_begun(tmp_path: Path) -> None:
    with pytest.raises(JournalFailed, match="No such file"):
        JournalFile(tmp_path / "nowhere", HEADER)
    (tmp_path / "00000001.journal").write_bytes(b"somebody's")
    with pytest.raises(JournalFailed, match="File exists"):
        JournalFile(tmp_path, HEADER)
    assert (tmp_path / "00000001.journal").read_bytes() == b"somebody's"


def test_a_full_segment_is_followed_by_the_next(make: Make, tmp_path: Path) -> None:
    file = make(segment_bytes=1_000)
    for number in range(40):
        file.write(say(number))
        file.settle()
        file.tend(number)
    assert file.position.segment > 3
    file.close()
    history = History(tmp_path)
    assert [record for record, _ in history.records()] == [say(number) for number in range(40)]
    assert history.flaws == []
    assert [one.segment for one in history.headers] == list(range(1, len(history.headers) + 1))
    assert history.end == file.position
    assert history.chain == file.chain


def test_while_the_disk_is_slow_no_segment_is_begun_until_it_must(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S4: to begin one takes three syncs, which the desk waits for."""
    file = make(segment_bytes=1_000)

    def grow(size: int) -> None:
        while file._size < size:
            file.write(say(1))
            file.settle()

    monkeypatch.setattr("pitwire.store.journal_file._QUICK", -(1 << 62))  # no disk is so quick
    file.sync()
    grow(3_900)
    file.tend(1)
    assert file.position.segment == 1
    grow(4_000)
    file.tend(2)
    assert file.position.segment == 2, "a segment has an end all the same"
    grow(1_000)
    monkeypatch.undo()
    file.sync()
    file.tend(3)
    assert file.position.segment == 3


def test_a_next_segment_that_cannot_be_begun_is_a_failure(
    make: Make, disk: Disk, tmp_path: Path
) -> None:
    file = make(segment_bytes=1)
    file.write(say(1))
    file.settle()
    (tmp_path / "00000002.journal").write_bytes(b"")
    file.tend(5)
    assert "00000002.journal: found File exists" in file.failed
    assert file.position == Position(1, 1), "the old one is what there is"


@pytest.mark.parametrize("again", [False, True])
def test_a_file_that_is_no_longer_at_its_path_has_failed(
    make: Make, tmp_path: Path, again: bool
) -> None:
    """Somebody has taken the folder away, or another desk has begun in its place."""
    file = make()
    os.rename(tmp_path / "00000001.journal", tmp_path / "elsewhere")
    if again:
        (tmp_path / "00000001.journal").touch()
    assert not file.failed
    file.write(say(1))
    file.settle()
    until(lambda: bool(file.failed))
    assert "00000001.journal" in file.failed
    assert file.commit() == file.failed


@pytest.mark.parametrize("what", ["removed", "replaced", "cut"])
def test_a_slate_that_is_no_longer_at_its_path_has_failed(
    make: Make, tmp_path: Path, what: str
) -> None:
    """No start would see what is put down; and where it was cut, putting it down would kill."""
    file = make(mapped=True)
    slate = slate_path(tmp_path)
    if what == "cut":
        os.truncate(slate, 0)
    else:
        os.rename(slate, tmp_path / "elsewhere")
    if what == "replaced":
        slate.write_bytes(bytes(1 << 16))
    file.write(say(1))
    file.settle()
    until(lambda: bool(file.failed))
    found = "No such file" if what == "removed" else "the slate beside it is not the one"
    assert found in file.failed
    file.write(INTENT)
    assert file.commit() == file.failed
    file.settle()
    file.close()


def test_closing_writes_and_syncs_the_rest(make: Make, disk: Disk, tmp_path: Path) -> None:
    file = make()
    file.write(say(1))
    file.close()
    file.close()
    assert disk.calls[-1] == "sync"
    assert stored(tmp_path) == [say(1)]
    assert not [one for one in threading.enumerate() if one.name == "journal-sync"]


def test_a_failure_while_closing_is_told(make: Make, disk: Disk) -> None:
    file = make()
    disk.sync_error = errno.EIO
    file.write(say(1))
    file.close()
    assert "Input/output error" in file.failed


# ── with a slate ──────────────────────────────────────────────────────────────────────────────


def in_segment(folder: Path) -> int:
    """Records that are in the first segment, by its bytes alone."""
    return len(read_segment((folder / "00000001.journal").read_bytes(), 1).payloads)


def test_an_intent_alone_is_on_the_slate_until_the_burst_is_over(
    make: Make, disk: Disk, tmp_path: Path
) -> None:
    file = make(mapped=True)
    for _ in range(2):
        file.write(INTENT)
        assert file.commit() == ""
    assert "write" not in disk.calls
    assert file.position == Position(1, 0)
    assert stored(tmp_path) == [INTENT, INTENT]
    file.write(say(1))
    file.settle()
    assert disk.calls.count("write") == 1
    assert file.position == Position(1, 3)
    assert read_slate(tmp_path) == []
    assert stored(tmp_path) == [INTENT, INTENT, say(1)]
    until(lambda: file.behind_seconds == 0)
    assert in_segment(tmp_path) == 3


def test_what_came_before_an_intent_is_never_behind_it(make: Make, tmp_path: Path) -> None:
    """A fill, and the order that a rule makes of it: both are out before the order leaves."""
    file = make(mapped=True)
    file.write(INTENT)
    file.commit()
    file.write(say(1))
    file.write(Decided(at=2, command=order("b")))
    file.commit()
    assert in_segment(tmp_path) == 3
    assert read_slate(tmp_path) == []


def test_what_comes_after_an_intent_costs_it_no_write(
    make: Make, disk: Disk, tmp_path: Path
) -> None:
    file = make(mapped=True)
    file.write(INTENT)
    file.write(say(2))
    assert file.commit() == ""
    assert disk.calls == []
    assert len(read_slate(tmp_path)) == 1
    file.settle()
    assert stored(tmp_path) == [INTENT, say(2)]
    assert read_slate(tmp_path) == []


def test_a_pen_is_shut_while_anything_waits_or_has_failed(
    make: Make, disk: Disk, tmp_path: Path, part: str
) -> None:
    file = make(mapped=True)
    slate = file._slate
    assert slate is not None
    if part == "plain":
        assert slate.pen is None
        return
    pen = slate.pen
    assert pen is not None
    assert (file.write, file.commit) == (pen.write, pen.commit), "an order waits for nothing else"
    assert pen.is_open
    file.write(say(1))
    assert not pen.is_open, "an intent must not overtake what waits"
    file.settle()
    assert pen.is_open
    file._reserved = 0
    file.write(say(2))
    file.settle()
    assert not pen.is_open, "on a disk without room an intent is written at once"
    file._take_room()
    file.write(say(3))
    file.settle()
    assert pen.is_open
    disk.sync_error = errno.EIO
    file.sync()
    assert not pen.is_open
    file.write(INTENT)
    assert file.commit() == file.failed != ""
    assert read_slate(tmp_path) == []


def test_more_intents_than_the_slate_has_room_for(make: Make, tmp_path: Path) -> None:
    file = make(mapped=True)
    file.write(INTENT)
    file.commit()
    many = [Decided(at=number, command=order(str(number))) for number in range(300)]
    for intent in many:
        file.write(intent)
    file.commit()
    assert in_segment(tmp_path) == 301
    assert stored(tmp_path) == [INTENT, *many]


def test_an_intent_with_text_that_utf8_cannot_say_is_written_at_once(
    make: Make, tmp_path: Path
) -> None:
    file = make(mapped=True)
    file.write(INTENT)
    file.write(Decided(at=2, command=order("b", rule="odd \ud800")))
    assert file.commit() == ""
    assert stored(tmp_path) == [INTENT, Decided(at=2, command=order("b", rule="odd \\ud800"))]
    assert in_segment(tmp_path) == 2


@pytest.mark.parametrize(
    "error",
    [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EBADF],
    ids=errno.errorcode.get,
)
@pytest.mark.parametrize("orders", [1, 3])
def test_a_segment_that_takes_nothing_leaves_what_left_on_the_slate(
    make: Make, disk: Disk, tmp_path: Path, error: int, orders: int
) -> None:
    """S2: the orders that were under way are on record, and none leaves behind them."""
    file = make(mapped=True)
    intents = [Decided(at=number, command=order(str(number))) for number in range(orders)]
    for intent in intents:
        file.write(intent)
        assert file.commit() == ""
    file.write(say(1))
    disk.write_error = error
    file.settle()
    assert os.strerror(error) in file.failed
    disk.write_error = 0
    file.write(Decided(at=9, command=order("b")))
    assert file.commit() == file.failed
    file.settle()
    file.close()
    history = History(tmp_path)
    assert [one for one, _ in history.records() if isinstance(one, Decided)] == intents
    assert [flaw.ill for flaw in history.flaws] == [Ill.TORN]


def test_a_handle_that_somebody_closed_leaves_what_left_on_the_slate(
    make: Make, tmp_path: Path
) -> None:
    """Its number is nobody's: the system refuses the write itself."""
    file = make(mapped=True)
    file.write(INTENT)
    assert file.commit() == ""
    os.close(file._handle)
    file.settle()
    assert os.strerror(errno.EBADF) in file.failed
    file.write(Decided(at=2, command=order("b")))
    assert file.commit() == file.failed
    assert stored(tmp_path) == [INTENT]
    file._handle = os.open(tmp_path, os.O_RDONLY)  # for whoever closes it


def test_a_handle_that_is_another_files_by_now_is_noticed_by_the_next_sync(
    make: Make, tmp_path: Path
) -> None:
    """Somebody closed it, and its number was given away: what is written goes elsewhere."""
    file = make()
    file.write(say(1))
    file.settle()
    until(lambda: file.behind_seconds == 0)
    with (tmp_path / "elsewhere").open("wb") as another:
        os.dup2(another.fileno(), file._handle)
    file.write(INTENT)
    file.commit()
    file.settle()
    until(lambda: bool(file.failed))
    assert "another file stands at its path" in file.failed
    assert file.commit() == file.failed
    assert stored(tmp_path) == [say(1)]


class Full:
    """A disk of so many bytes, which others fill, too: `room` is what they have left."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.kept = 0
        """Up to where room is kept for us."""
        self.size = 0

    def write(self, handle: int, data: bytes) -> None:
        free = max(0, self.kept - self.size) + self.room
        part = data[:free]
        write_all(handle, part)
        self.size += len(part)
        self.room -= max(0, self.size - self.kept)
        self.kept = max(self.kept, self.size)
        if len(part) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def reserve(self, handle: int, offset: int, length: int) -> None:
        more = max(0, offset + length - self.kept)
        if more > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= more
        self.kept += more


def until_refused(file: JournalFile, fill: Callable[[int], None]) -> list[Record]:
    """Burst after burst, two orders each and what came of them; every order that may leave."""
    left: list[Record] = []
    for number in range(100_000):
        intents = [Decided(at=number, command=order(f"{number}-{each}")) for each in (1, 2)]
        for intent in intents:
            file.write(intent)
            if file.commit():
                return left
            left.append(intent)
        for at in range(3):
            file.write(say(at))
        file.settle()
        assert not file.failed, "a full disk was met when the orders had left"
        fill(number)
    raise AssertionError("it was never full")


def test_a_full_disk_refuses_an_order_before_its_bytes_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S2: wherever others take the last room, now and in the middle of a run."""
    for name, size in (("_ROOM", 16_384), ("_ROOM_LOW", 12_288), ("_ROOM_NEEDED", 4_096)):
        monkeypatch.setattr(f"pitwire.store.journal_file.{name}", size)
    slated = 0
    for begin in range(0, 40_000, 1_777):
        folder = tmp_path / str(begin)
        folder.mkdir()
        full = Full(200_000)
        file = JournalFile(folder, HEADER, mapped=True, write=full.write, reserve=full.reserve)
        full.room = begin

        def fill(number: int, full: Full = full) -> None:
            full.room = 0 if number == 4 else full.room

        left = until_refused(file, fill)
        slated += len(left)
        file.close()
        history = History(folder)
        kept = [record for record, _ in history.records() if isinstance(record, Decided)]
        assert kept[: len(left)] == left
        assert history.worst is None
    assert slated > 100


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    folder = small_disk / "main"
    folder.mkdir()
    HaltLatch(folder).keep_room()
    file = JournalFile(folder, HEADER)
    assert slate_path(folder).exists(), "tmpfs is fit for one"
    with (small_disk / "others").open("wb", buffering=0) as others:

        def fill(number: int) -> None:
            if number == 100:
                with suppress(OSError):
                    while others.write(bytes(4_096)):
                        pass

        left = until_refused(file, fill)
    assert len(left) > 1_000, "what was kept for it was used"
    HaltLatch(folder).throw(file.failed, "desk", 1)
    assert HaltLatch(folder).read() is not None
    file.close()
    history = History(folder)
    kept = [record for record, _ in history.records() if isinstance(record, Decided)]
    assert kept[: len(left)] == left
    assert history.worst is None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount here")
    if done.returncode:
        pytest.skip(f"may not mount a small disk here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_where_no_room_can_be_kept_an_intent_is_written_at_once(tmp_path: Path) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    file = JournalFile(tmp_path, HEADER, mapped=True, reserve=refuse)
    file.write(INTENT)
    assert file.commit() == ""
    assert in_segment(tmp_path) == 1
    file.close()


def test_room_is_kept_behind_every_segment_and_given_back(make: Make, tmp_path: Path) -> None:
    file = make(mapped=True, segment_bytes=1)
    path = tmp_path / "00000001.journal"
    kept = path.stat().st_blocks
    if kept < 2_048:
        pytest.skip("this file system keeps no room")
    assert path.stat().st_size < 4_096
    file.write(INTENT)
    file.settle()
    file.tend(1)
    assert path.stat().st_blocks < 16
    second = tmp_path / "00000002.journal"
    assert second.stat().st_blocks >= 2_048
    file.close()
    assert second.stat().st_blocks < 16


def test_wherever_a_segment_takes_no_more_each_intent_stands_once(tmp_path: Path) -> None:
    """Two orders have left: the disk, or a kill amid write(2), takes any part of the burst."""
    room = 0

    def write(handle: int, data: bytes) -> None:
        write_all(handle, data[:room])
        if len(data) > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    intents = [Decided(at=at, command=order(str(at))) for at in (1, 2)]
    burst, taken = [*intents, say(3)], 0
    for room in range(0, 2000, 7):
        folder = tmp_path / str(room)
        folder.mkdir()
        room, part = 1 << 20, room
        file = JournalFile(folder, HEADER, mapped=True, write=write)
        for intent in intents:
            file.write(intent)
        assert file.commit() == ""
        file.write(say(3))
        room = part
        file.settle()
        found = stored(folder)
        assert found in (intents, burst)
        taken += found == burst
        file.close()
        if not file.failed:
            break
    assert taken == 1, "none but the whole of it was taken, and that was tried"


def test_a_durable_journal_has_no_slate(make: Make, disk: Disk, tmp_path: Path) -> None:
    file = make(mapped=True, durable=True)
    file.write(INTENT)
    file.commit()
    assert disk.calls == ["write", "sync"]
    assert not slate_path(tmp_path).exists()


def test_where_there_can_be_no_slate_an_intent_is_written_at_once(
    make: Make, tmp_path: Path
) -> None:
    slate_path(tmp_path).mkdir()
    file = make(mapped=True)
    file.write(INTENT)
    assert file.commit() == ""
    assert in_segment(tmp_path) == 1


@pytest.mark.parametrize("mapped", [True, False])
def test_an_order_after_the_end_is_refused_and_written_nowhere(
    make: Make, tmp_path: Path, mapped: bool
) -> None:
    """Also not into the file that has the number of its handle by then."""
    file = make(mapped=mapped)
    file.close()
    with (tmp_path / "another").open("wb", buffering=0):
        file.write(INTENT)
        assert "Bad file descriptor" in file.commit()
    assert (tmp_path / "another").read_bytes() == b""
    assert stored(tmp_path) == []


def test_the_slate_goes_on_with_the_next_segment(make: Make, tmp_path: Path) -> None:
    file = make(mapped=True, segment_bytes=1)
    file.write(INTENT)
    file.commit()
    file.tend(1)
    assert file.position == Position(2, 0)
    later = Decided(at=2, command=order("b"))
    file.write(later)
    file.commit()
    assert stored(tmp_path) == [INTENT, later]
    assert file.position == Position(2, 0)


def test_a_run_begins_with_what_the_one_before_had_on_its_slate(tmp_path: Path) -> None:
    first = JournalFile(tmp_path, HEADER, mapped=True)
    first.write(say(1))
    first.settle()
    first.write(INTENT)
    first.commit()
    history = History(tmp_path)
    assert [record for record, _ in history.records()] == [say(1), INTENT]
    assert history.end == Position(1, 1), "it is in no segment yet"
    header = msgspec.structs.replace(HEADER, segment=2, previous=history.chain.hex())
    second = JournalFile(tmp_path, header, mapped=True, slated=history.slated)
    assert second.position == Position(2, 1)
    assert stored(tmp_path) == [say(1), INTENT]
    second.write(say(2))
    second.close()
    assert stored(tmp_path) == [say(1), INTENT, say(2)]
    first.close()


def test_a_process_that_is_killed_leaves_every_intent_behind(tmp_path: Path) -> None:
    """Each is told of the moment that `commit` has returned, and none is settled."""
    program = (
        "import sys; from pathlib import Path; from tests.store.test_journal_file import *;"
        "file = JournalFile(Path(sys.argv[1]), HEADER, mapped=True)\n"
        "for number in range(10**9):\n"
        "    file.write(Decided(at=number, command=order(str(number))))\n"
        "    file.commit()\n"
        "    print(number, flush=True)\n"
        "    if number % 7 == 0: file.settle()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(25):
            process.stdout.readline()
        process.kill()
        told = 25 + len(process.stdout.readlines())
    found = [one.at for one in stored(tmp_path)]
    assert found[:told] == list(range(told))
    assert len(found) <= told + 1


def test_a_segment_and_its_name_are_on_the_disk_before_anything_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was taken over from a slate, too: that is wiped next."""
    disk = Disk()
    monkeypatch.setattr(journal_file, "sync_folder", lambda _: disk.calls.append("name"))
    file = JournalFile(
        tmp_path, HEADER, slated=[payload(INTENT)], mapped=False, write=disk.write, sync=disk.sync
    )
    assert disk.calls == ["write", "sync", "name"]
    file.close()
