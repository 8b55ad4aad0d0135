from __future__ import annotations

from pathlib import Path

from pitwire.store.latch import HaltLatch, Thrown


def test_a_halt_survives_until_a_person_lifts_it(tmp_path: Path) -> None:
    latch = HaltLatch(tmp_path)
    assert latch.read() is None
    assert latch.last() is None
    latch.throw("enough", "person", 5)
    assert HaltLatch(tmp_path).read() == Thrown(reason="enough", by="person", at=5)
    assert latch.lift("Ada", 9) == Thrown(reason="enough", by="person", at=5)
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
