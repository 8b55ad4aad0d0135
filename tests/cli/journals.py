"""One journal of a desk that traded, lived once for all tests that look at it."""

from __future__ import annotations

import shutil
from pathlib import Path
from zlib import crc32

import pytest

from pitwire.store.history import segment_path
from pitwire.store.segment import MAGIC, VERSION
from pitwire.torture.lives import live


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    folder = tmp_path_factory.mktemp("lived") / "main"
    live(folder, 5, seconds=6)
    return folder


@pytest.fixture
def journal(lived: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    return Path(shutil.copytree(lived, tmp_path / "journal"))


def flip(path: Path, offset: int) -> None:
    """One bit of a file."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def of_a_newer_version(folder: Path, number: int = 2) -> None:
    """Add a segment that only a later program can read."""
    preamble = MAGIC + (VERSION + 1).to_bytes(4, "little")
    text = preamble + crc32(preamble).to_bytes(4, "little") + b"what nobody knows"
    segment_path(folder, number).write_bytes(text)
