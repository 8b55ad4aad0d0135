from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pitwire.store.segment import Ill
from pitwire.store.slate import (
    SIZE,
    Entry,
    Slate,
    can_be_mapped,
    entries_of,
    left_over,
    read_slate,
    slate_path,
)
from pitwire.trading.journal import Decided, payload
from tests.trading.making import order

PLACE, CHAIN = (3, 7), bytes(range(16))
END = (PLACE, CHAIN)
ONE, TWO = (Decided(at=at, command=order(name)) for at, name in ((1, "a"), (2, "b")))


@pytest.fixture
def slate(tmp_path: Path) -> Iterator[Slate]:
    made = Slate(tmp_path, PLACE, CHAIN)
    yield made
    made.close()


def found(folder: Path, standing: frozenset[bytes] = frozenset()) -> list[bytes]:
    return left_over(read_slate(folder), END, standing)[0]


def test_what_is_put_down_is_found_by_whoever_opens_the_file(slate: Slate, tmp_path: Path) -> None:
    assert read_slate(tmp_path) == []
    assert slate.note(ONE)
    assert slate.note(TWO)
    assert read_slate(tmp_path) == [
        Entry(PLACE, CHAIN[:8], payload(one), is_whole=True) for one in (ONE, TWO)
    ]
    assert slate.payloads() == found(tmp_path) == [payload(ONE), payload(TWO)]
    slate.wipe((3, 9), CHAIN)
    assert read_slate(tmp_path) == slate.payloads() == []
    assert not any(slate_path(tmp_path).read_bytes()[16:])


def test_what_does_not_fit_is_not_put_down(slate: Slate, tmp_path: Path) -> None:
    count = 0
    while slate.note(ONE):
        count += 1
    assert count == (SIZE - 40) // (24 + len(payload(ONE)))
    assert slate.payloads() == found(tmp_path) == [payload(ONE)] * count


def test_what_is_cut_off_is_gone(slate: Slate, tmp_path: Path) -> None:
    slate.note(ONE)
    end = slate.end
    slate.note(TWO)
    slate.cut(end)
    assert slate.payloads() == found(tmp_path) == [payload(ONE)]


def test_a_new_run_has_a_wiped_one(slate: Slate, tmp_path: Path) -> None:
    slate.note(ONE)
    slate.close()
    again = Slate(tmp_path, (4, 0), CHAIN)
    assert read_slate(tmp_path) == []
    again.close()


def test_a_folder_without_one_and_a_file_that_is_none(tmp_path: Path) -> None:
    assert read_slate(tmp_path) == []
    slate_path(tmp_path).write_bytes(b"somebody's" * 9)
    assert read_slate(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        Slate(tmp_path / "nowhere", PLACE, CHAIN)


def test_cut_at_every_byte_nothing_is_used_that_is_not_whole(slate: Slate, tmp_path: Path) -> None:
    """Whatever part of it a power cut leaves: the first whole entries, and nothing else."""
    slate.note(ONE)
    first = slate.end
    slate.note(TWO)
    whole = slate_path(tmp_path).read_bytes()[: slate.end]
    for cut in range(16, slate.end):
        entries = entries_of(whole[:cut] + bytes(slate.end + 24 - cut))
        payloads, flaw = left_over(entries, END, ())
        assert payloads == [payload(ONE)] * (cut >= first)
        if (cut - 16) % (first - 16) >= 24:  # the head is whole, the payload is not
            assert flaw is not None
            assert flaw.ill is Ill.TORN


def test_no_flipped_bit_makes_another_intent(slate: Slate, tmp_path: Path) -> None:
    slate.note(ONE)
    whole = slate_path(tmp_path).read_bytes()[: slate.end + 24]
    untold = 0
    for place in range(16, slate.end):
        for bit in range(8):
            data = bytearray(whole)
            data[place] ^= 1 << bit
            payloads, flaw = left_over(entries_of(bytes(data)), END, ())
            assert payloads == []
            untold += flaw is None
    # A place that is smaller now is one that a slate has which was not wiped in time.
    assert untold == sum(bin(number).count("1") for number in PLACE)


def test_of_an_earlier_place_it_is_old_and_of_a_later_one_it_is_told() -> None:
    text = payload(ONE)

    def left(place: tuple[int, int], chain: bytes = CHAIN) -> tuple[list[bytes], bool]:
        payloads, flaw = left_over([Entry(place, chain[:8], text, is_whole=True)], END, ())
        return payloads, flaw is None

    assert left(PLACE) == ([text], True)
    assert left((3, 6)) == left((2, 9)) == ([], True)
    assert left((3, 8)) == left((4, 0)) == ([], False)
    assert left(PLACE, bytes(16)) == ([], False)


def test_what_a_start_has_taken_over_is_not_taken_again(slate: Slate, tmp_path: Path) -> None:
    slate.note(ONE)
    slate.note(TWO)
    assert found(tmp_path, frozenset((payload(ONE),))) == [payload(TWO)]


@pytest.mark.parametrize(
    ("system", "fit"), [("ext4", True), ("tmpfs", True), ("btrfs", False), ("fuse.x", False)]
)
def test_only_where_a_store_needs_no_room(tmp_path: Path, system: str, fit: bool) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mounts"
    line = f"36 35 {os.major(device)}:{os.minor(device)} / /data rw,noatime shared:1 - "
    mounts.write_text(f"22 1 250:250 / /other rw - btrfs none rw\n{line}{system} /dev/x rw\n")
    assert can_be_mapped(tmp_path, mounts) is fit


def test_where_nobody_says_what_file_system_it_is(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    assert not can_be_mapped(tmp_path, mounts)
    mounts.write_text("nonsense\n")
    assert not can_be_mapped(tmp_path, mounts)
    assert not can_be_mapped(tmp_path / "nowhere")
