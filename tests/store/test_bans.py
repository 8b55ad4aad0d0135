"""Bans on the disk: whole, or said not to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.model.errors import Unsound
from pitwire.session.bans import Ban
from pitwire.store.bans import NAME, read_bans, write_bans
from pitwire.store.safely import sealed

BANS = (Ban("a.com", "dials", 5), Ban("a.com:1", "weight", 7))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_bans(tmp_path) == ()
    write_bans(tmp_path, BANS)
    assert read_bans(tmp_path) == BANS
    write_bans(tmp_path, BANS[:1])
    assert read_bans(tmp_path) == BANS[:1]


@pytest.mark.parametrize("text", [b"", b"[]", sealed(b"[]").replace(b"[", b"("), sealed(b"[1]")])
def test_what_is_not_as_it_was_written_is_told(tmp_path: Path, text: bytes) -> None:
    (tmp_path / NAME).write_bytes(text)
    with pytest.raises(Unsound):
        read_bans(tmp_path)
