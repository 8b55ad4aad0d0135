from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pitwire.model.errors import Unsound
from pitwire.store.checkpoint import (
    Checkpoint,
    checkpoints,
    newest_good,
    read_checkpoint,
    write_checkpoint,
)
from pitwire.store.history import Position
from pitwire.store.safely import sealed
from pitwire.trading.snapshot import Snapshot, encode

STATE = Snapshot(prefix="k3x9qa_main", epoch=3, made=7, halted="enough")


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, Position(3, 17), b"\x01" * 16, STATE)
    kept = read_checkpoint(path)
    assert (kept.position, kept.chain) == (Position(3, 17), "01" * 16)
    assert encode(kept.snapshot) == encode(STATE)


def test_two_are_kept(tmp_path: Path) -> None:
    for number in range(1, 12):
        write_checkpoint(tmp_path, Position(1, number), bytes(16), STATE)
    assert [path.name for path in checkpoints(tmp_path)] == [
        "00000001-0000000011.checkpoint",
        "00000001-0000000010.checkpoint",
    ]


def test_one_that_was_half_written_is_passed_over_at_every_size(tmp_path: Path) -> None:
    """S9: the one before it is used, and that is told."""
    write_checkpoint(tmp_path, Position(1, 1), bytes(16), STATE)
    newer = write_checkpoint(tmp_path, Position(1, 2), bytes(16), STATE)
    text = newer.read_bytes()
    for size in range(len(text)):
        newer.write_bytes(text[:size])
        found, wrong = newest_good(tmp_path)
        assert found is not None
        assert found.position == Position(1, 1)
        assert len(wrong) == 1
    newer.write_bytes(text)
    found, wrong = newest_good(tmp_path)
    assert found is not None
    assert (found.position, wrong) == (Position(1, 2), [])


def test_one_that_was_being_written_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "00000001-0000000002.checkpoint.new").write_bytes(b"{")
    assert newest_good(tmp_path) == (None, [])
    made = write_checkpoint(tmp_path, Position(1, 3), bytes(16), STATE)
    assert list(tmp_path.iterdir()) == [made], "a maker that was killed leaves nothing for ever"


@pytest.mark.parametrize("version", [1, 3])
def test_one_of_another_version_is_passed_over(tmp_path: Path, version: int) -> None:
    """What an older one has not noted of an order would be missed, and called a contradiction."""
    kept = Checkpoint(version=version, position=Position(1, 1), chain="", snapshot=STATE)
    path = tmp_path / "00000001-0000000001.checkpoint"
    path.write_bytes(sealed(msgspec.json.encode(kept)))
    with pytest.raises(Unsound, match=f"found version {version}, expected version 2"):
        read_checkpoint(path)
    assert newest_good(tmp_path)[0] is None


def test_what_is_sealed_and_no_checkpoint_is_unsound(tmp_path: Path) -> None:
    path = tmp_path / "00000001-0000000001.checkpoint"
    path.write_bytes(sealed(b"[]"))
    with pytest.raises(Unsound, match="expected a checkpoint"):
        read_checkpoint(path)
