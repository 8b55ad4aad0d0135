"""What goes to the disk comes back as it was, in order, or is counted as lost."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitwire.model.events import EVENTS, BookDelta, Event, Trade
from pitwire.model.orders import Side
from pitwire.model.packed import SCALES, PackedLevels
from pitwire.session import spill as module
from pitwire.session.spill import Spill, SpillLost, SpillRefused
from tests.session.events import any_event, of_kind, trade

ROOM = 1 << 30
SOME = 1 << 16
"""So little that files are small, too."""


def drained(spill: Spill) -> list[Event]:
    """All that it gives."""
    taken: list[Event] = []
    while block := spill.take():
        taken += block
    return taken


def numbers(events: list[Event]) -> list[int]:
    return [event.trade_id for event in events if isinstance(event, Trade)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few trades, and files of a few blocks."""
    monkeypatch.setattr(module, "BLOCK", 500)
    monkeypatch.setattr(module, "SEGMENT", 2_000)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_kind_comes_back_with_the_same_values(kind: type[Event], tmp_path: Path) -> None:
    @settings(max_examples=30, deadline=None)
    @given(st.lists(of_kind(kind), min_size=1, max_size=4))
    def check(events: list[Event]) -> None:
        spill = Spill(tmp_path, ROOM)
        for event in events:
            spill.put(event)
        spill._write()
        assert spill.on_disk == len(events)
        back = drained(spill)
        # By their spelling: not a number is not equal to itself, and 1.10 is more than 1.1.
        assert [repr(event) for event in back] == [repr(event) for event in events]
        assert all(type(one) is kind for one in back)

    check()


def test_packed_levels_come_back_as_the_tuple_that_they_equal(tmp_path: Path) -> None:
    packed = PackedLevels(struct.pack("<4q", 7, 2, 6, 0), SCALES[0], SCALES[-1])
    event = BookDelta("toy", "A-B", 1, 2, 3, 4, packed, ())
    spill = Spill(tmp_path, ROOM)
    spill.put(event)
    spill._write()
    assert drained(spill) == [event]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.one_of(st.lists(any_event(), min_size=1, max_size=9), st.none()), max_size=30))
def test_first_in_first_out_whatever_the_steps(
    tmp_path: Path, small: None, steps: list[list[Event] | None]
) -> None:
    spill = Spill(tmp_path, SOME)
    put: list[Event] = []
    taken: list[Event] = []
    for step in steps:
        if step is None:
            taken += spill.take()
        else:
            for event in step:
                spill.put(event)
            put += step
        assert len(spill) == len(put) - len(taken)
    taken += drained(spill)
    assert [repr(event) for event in taken] == [repr(event) for event in put]
    assert (spill.on_disk, spill.disk_bytes) == (0, 0)


def test_its_files_have_no_names_and_shrink_while_they_are_read(
    tmp_path: Path, small: None
) -> None:
    spill = Spill(tmp_path, SOME)
    for number in range(200):
        spill.put(trade(number))
    assert not list(tmp_path.iterdir()), "nothing to leave behind"
    full = spill.disk_bytes
    taken = numbers(spill.take())
    while len(taken) < 100:
        taken += numbers(spill.take())
    assert 0 < spill.disk_bytes < full
    taken += numbers(drained(spill))
    assert taken == list(range(200))
    assert spill.disk_bytes == 0


def test_what_is_cleared_gives_the_disk_its_room_back(tmp_path: Path, small: None) -> None:
    spill = Spill(tmp_path, SOME)
    for number in range(100):
        spill.put(trade(number))
    spill.clear()
    assert (len(spill), spill.disk_bytes, spill.take()) == (0, 0, [])


def test_the_limit_is_kept_and_what_was_taken_stays(tmp_path: Path, small: None) -> None:
    spill = Spill(tmp_path, 3_000)
    taken = _until_refused(spill, "spill_limit of 3000 bytes is reached")
    assert spill.disk_bytes <= 3_000
    assert numbers(drained(spill)) == list(range(taken))
    spill.put(trade(0))
    assert numbers(drained(spill)) == [0], "there is room again"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
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


def test_a_full_disk_refuses_and_gives_back_what_it_took(tiny_disk: Path) -> None:
    spill = Spill(tiny_disk, ROOM)
    taken = _until_refused(spill, "No space left on device")
    assert taken > 5_000
    assert numbers(drained(spill)) == list(range(taken))


def test_a_read_only_disk_refuses(tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    with pytest.raises(SpillRefused, match="Read-only file system"):
        Spill(tiny_disk, ROOM).try_disk()


def test_a_write_that_is_cut_short_leaves_no_torn_block(tmp_path: Path) -> None:
    spill = Spill(tmp_path, ROOM)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # within the second block
    try:
        taken = _until_refused(spill, "File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.fstat(spill._segments[-1].file.fileno()).st_size == spill.disk_bytes, "given back"
    spill.put(trade(taken))
    assert numbers(drained(spill)) == list(range(taken + 1))


def test_a_file_that_does_not_even_take_one_block_is_given_up(tmp_path: Path) -> None:
    spill = Spill(tmp_path, ROOM)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        taken = _until_refused(spill, "File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (spill.on_disk, spill.disk_bytes) == (0, 0)
    assert numbers(drained(spill)) == list(range(taken)), "and what waited is still had"


def test_a_directory_that_is_gone_refuses(tmp_path: Path) -> None:
    place = tmp_path / "gone"
    with pytest.raises(SpillRefused, match="gone: No such file or directory"):
        Spill(place, ROOM).try_disk()


def test_what_cannot_be_written_is_not_taken(tmp_path: Path) -> None:
    class Strange(Event, frozen=True, gc=False, tag="Strange"):
        """A kind of a venue of somebody's own."""

    spill = Spill(tmp_path, ROOM)
    spill.put(trade(1))
    with pytest.raises(SpillRefused, match="no way to write a Strange"):
        spill.put(Strange("v", "A", 0, 0))
    huge = Trade("toy", "A", 0, 0, 1.0, 1.0, Side.BUY, 2**70)
    with pytest.raises(SpillRefused, match="no way to write this Trade"):
        spill.put(huge)
    spill.put(trade(2))
    assert numbers(drained(spill)) == [1, 2]


def test_what_cannot_be_read_back_is_counted(tmp_path: Path, small: None) -> None:
    spill = Spill(tmp_path, SOME)
    for number in range(200):
        spill.put(trade(number))
    first = numbers(spill.take())
    segment = spill._segments[0]
    segment.file.truncate(segment.read + 20)
    with pytest.raises(SpillLost) as caught:
        spill.take()
    rest = numbers(drained(spill))
    assert caught.value.count == segment.events > 0
    assert rest == list(range(len(first) + caught.value.count, 200))


def _until_refused(spill: Spill, why: str) -> int:
    """Put trades until one is refused; how many were taken."""
    said = "nothing"
    for number in range(100_000):
        try:
            spill.put(trade(number))
        except SpillRefused as refused:
            said = str(refused)
            break
    assert why in said
    return number
