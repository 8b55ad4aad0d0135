from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pitwire.store import latch as latch_module
from pitwire.store.latch import HaltLatch
from pitwire.store.safely import sealed, write_safely


def test_a_halt_survives_until_a_person_lifts_it(tmp_path: Path) -> None:
    latch = HaltLatch(tmp_path)
    assert latch.read() is None
    assert latch.last() is None
    thrown = latch.throw("enough", "person", 5)
    assert (thrown.reason, thrown.by, thrown.at) == ("enough", "person", 5)
    assert HaltLatch(tmp_path).read() == thrown
    assert latch.lift("Ada", 9) == thrown
    assert HaltLatch(tmp_path).read() is None
    last = latch.last()
    assert last is not None
    assert (last.lifted_by, last.lifted_at) == ("Ada", 9)


def test_the_first_reason_stays(tmp_path: Path) -> None:
    latch = HaltLatch(tmp_path)
    latch.throw("first", "desk", 1)
    latch.throw("second", "desk", 2)
    thrown = latch.read()
    assert thrown is not None
    assert thrown.reason == "first"


def test_it_may_be_thrown_again(tmp_path: Path) -> None:
    latch = HaltLatch(tmp_path)
    latch.throw("first", "desk", 1)
    latch.lift("Ada", 2)
    latch.throw("second", "desk", 3)
    thrown = latch.read()
    assert thrown is not None
    assert thrown.reason == "second"


def test_lifting_what_is_not_thrown_changes_nothing(tmp_path: Path) -> None:
    assert HaltLatch(tmp_path).lift("Ada", 1) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_understood_is_a_halt_at_every_flipped_bit(tmp_path: Path) -> None:
    latch = HaltLatch(tmp_path)
    latch.throw("enough", "person", 5)
    text = latch.path.read_bytes()
    for bit in range(len(text) * 8):
        flipped = bytearray(text)
        flipped[bit // 8] ^= 1 << bit % 8
        latch.path.write_bytes(flipped)
        thrown = latch.read()
        assert thrown is not None
        assert "cannot be read, so it holds" in thrown.reason
    latch.lift("Ada", 9)
    assert latch.read() is None


def test_a_file_that_cannot_be_opened_is_a_halt(tmp_path: Path) -> None:
    (tmp_path / "halted").mkdir()
    thrown = HaltLatch(tmp_path).read()
    assert thrown is not None
    assert "cannot be read" in thrown.reason


def test_a_halt_that_comes_while_somebody_lifts_an_earlier_one_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading and the writing of a lift another process throws the switch."""
    latch = HaltLatch(tmp_path)
    latch.throw("a limit", "desk", 1)

    def late(path: Path, data: bytes, *, aside: str) -> None:
        monkeypatch.undo()
        HaltLatch(tmp_path).throw("enough", "Eve", 2)
        write_safely(path, data, aside=aside)

    monkeypatch.setattr(latch_module, "write_safely", late)
    latch.lift("Ada", 3)
    thrown = HaltLatch(tmp_path).read()
    assert thrown is not None
    assert (thrown.reason, thrown.by) == ("a limit", "desk"), "the first reason stays"
    assert latch.lift("Ada", 4) == thrown
    assert HaltLatch(tmp_path).read() is None


def test_a_lift_is_of_the_halt_that_one_knew_of(tmp_path: Path) -> None:
    latch = HaltLatch(tmp_path)
    first = latch.throw("first", "desk", 1)
    second = latch.throw("first", "desk", 1)
    assert first.mark != second.mark, "the same words, and another halt"
    latch.lift("Ada", 2, mark=first.mark)
    assert latch.read() == second
    latch.lift("Ada", 2, mark=second.mark)
    assert latch.read() is None


def test_a_lift_that_is_not_as_it_was_written_lifts_nothing(tmp_path: Path) -> None:
    latch = HaltLatch(tmp_path)
    thrown = latch.throw("enough", "person", 5)
    latch.lift("Ada", 9)
    lifted = tmp_path / "halted.lifted"
    text = lifted.read_bytes()
    for bit in range(len(text) * 8):
        flipped = bytearray(text)
        flipped[bit // 8] ^= 1 << bit % 8
        lifted.write_bytes(flipped)
        assert latch.read() == thrown
    lifted.unlink()
    assert latch.read() == thrown


def test_a_file_that_an_earlier_version_wrote_is_read(tmp_path: Path) -> None:
    held = {"reason": "enough", "by": "Ada", "at": 7, "lifted_by": "", "lifted_at": 0}
    lifted = held | {"lifted_by": "Eve", "lifted_at": 9}
    latch = HaltLatch(tmp_path)
    latch.path.write_bytes(sealed(msgspec.json.encode(held)))
    thrown = latch.read()
    assert thrown is not None
    assert (thrown.reason, thrown.by) == ("enough", "Ada")
    latch.throw("again", "Bob", 8)
    thrown = latch.read()
    assert thrown is not None
    assert thrown.reason == "enough"
    latch.path.write_bytes(sealed(msgspec.json.encode(lifted)))
    assert latch.read() is None
    last = latch.last()
    assert last is not None
    assert (last.lifted_by, last.lifted_at) == ("Eve", 9)


def test_on_a_full_disk_the_room_that_was_kept_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latch = HaltLatch(tmp_path)
    latch.keep_room()
    latch.keep_room()
    room = tmp_path / "halted.room"
    assert room.stat().st_size == 8_192

    def full(path: Path, data: bytes, **how: Any) -> None:
        if room.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_safely(path, data, **how)

    monkeypatch.setattr("pitwire.store.latch.write_safely", full)
    latch.throw("the disk is full", "desk", 7)
    assert not room.exists()
    thrown = HaltLatch(tmp_path).read()
    assert thrown is not None
    assert (thrown.reason, thrown.by) == ("the disk is full", "desk")

    monkeypatch.undo()
    assert latch.lift("me", 8) == thrown
    assert room.exists(), "for the next halt"


def test_a_halt_without_a_reason_is_one(tmp_path: Path) -> None:
    HaltLatch(tmp_path).throw("", "desk", 7)
    thrown = HaltLatch(tmp_path).read()
    assert thrown is not None
    assert thrown.reason


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_all_the_same_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    latch = HaltLatch(tmp_path)
    latch.keep_room()

    def refuse(*_: object, **how: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("pitwire.store.latch.write_safely", refuse)
    with pytest.raises(OSError, match=os.strerror(error)):
        latch.throw("enough", "desk", 7)
    assert latch.read() is None
    HaltLatch(tmp_path / "nowhere").keep_room()
