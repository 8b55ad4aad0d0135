from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pitwire.store.segment import Ill
from pitwire.store.slate import (
    ON_SLATE,
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
ONE, TWO = (Decided(at=at, command=order(name)) for at, name in ((1, "a"), (2, "b")))


@pytest.fixture
def slate(tmp_path: Path) -> Iterator[Slate]:
    made = Slate(tmp_path, PLACE, CHAIN)
    yield made
    made.close()


def found(folder: Path, *behind: bytes) -> list[bytes]:
    return left_over(read_slate(folder), CHAIN, behind)[0]


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


def test_without_a_folder_it_is_memory() -> None:
    slate = Slate(None, PLACE, CHAIN)
    assert slate.note(ONE)
    assert slate.payloads() == [payload(ONE)]
    slate.wipe(PLACE, CHAIN)
    assert slate.payloads() == []
    slate.close()


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
        payloads, flaw = left_over(entries, CHAIN, ())
        assert payloads == [payload(ONE)] * (cut >= first)
        if (cut - 16) % (first - 16) >= 24:  # the head is whole, the payload is not
            assert flaw is not None
            assert flaw.ill is Ill.TORN


def test_no_flipped_bit_makes_another_intent(slate: Slate, tmp_path: Path) -> None:
    slate.note(ONE)
    whole = slate_path(tmp_path).read_bytes()[: slate.end + 24]
    for place in range(16, slate.end):
        for bit in range(8):
            data = bytearray(whole)
            data[place] ^= 1 << bit
            entries = entries_of(bytes(data))
            chain = CHAIN if entries[0].place == PLACE else bytes(16)  # elsewhere stands another
            payloads, flaw = left_over(entries, chain, ())
            assert payloads == []
            assert flaw is not None


def test_what_follows_another_chain_or_stands_at_another_place_is_told() -> None:
    text = payload(ONE)
    one, two = (Entry(PLACE, CHAIN[:8], payload(each), is_whole=True) for each in (ONE, TWO))
    assert left_over([one], CHAIN, ()) == ([text], None)
    for slate, chain in (([one], bytes(16)), ([one, two._replace(place=(3, 6))], CHAIN)):
        payloads, flaw = left_over(slate, chain, ())
        assert payloads == [text] * (len(slate) - 1)
        assert flaw is not None
        assert (flaw.ill, flaw.record, flaw.text) == (Ill.TORN, 8, ON_SLATE)


def test_what_stands_behind_its_place_is_not_taken_again(slate: Slate, tmp_path: Path) -> None:
    """As much of it as a disk took, or a start that died; and all of one that was not wiped."""
    slate.note(ONE)
    slate.note(TWO)
    one, two = payload(ONE), payload(TWO)
    assert found(tmp_path) == [one, two]
    assert found(tmp_path, one) == [two]
    assert found(tmp_path, one, two) == found(tmp_path, one, two, b"{}") == []


def test_what_another_version_has_written_there_has_the_last_word(
    slate: Slate, tmp_path: Path
) -> None:
    slate.note(ONE)
    slate.note(TWO)
    assert left_over(read_slate(tmp_path), CHAIN, [b"{}"]) == ([], None)
    assert found(tmp_path, payload(ONE), b"{}") == []


def test_a_slate_with_holes_is_filled(slate: Slate, tmp_path: Path) -> None:
    """A copy may have been made without the zeros: a store into a hole needs room."""
    slate.close()
    os.truncate(slate_path(tmp_path), 0)
    os.truncate(slate_path(tmp_path), SIZE)
    Slate(tmp_path, PLACE, CHAIN).close()
    with slate_path(tmp_path).open("rb") as file:
        assert os.lseek(file.fileno(), 0, os.SEEK_HOLE) == SIZE


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
