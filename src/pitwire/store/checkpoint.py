"""Checkpoints: the state at a place of the journal, so that a restart need not read all of it.

Written aside, synced, renamed; two are kept. One that is not what was written is passed over: the
one before it, or the whole journal, gives the same state and costs time only.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from pitwire.model.errors import Unsound
from pitwire.store.history import Position
from pitwire.store.safely import remove_safely, sealed, unsealed, write_safely
from pitwire.trading.snapshot import Snapshot, encode

VERSION = 2
"""2: an order says which cancel of it may have to follow it (`Tracked.pursued`)."""
KEPT = 2
_NAME = re.compile(r"(\d{8})-(\d{10})\.checkpoint\Z")
_HALF = "*.checkpoint.new"
"""What is left of one whose maker was killed."""


class Checkpoint(msgspec.Struct, kw_only=True):
    """The state made by every record before `position`."""

    version: int = VERSION
    position: Position
    chain: str
    """The chain of the journal there, in hexadecimal."""
    snapshot: Snapshot


class _Raw(msgspec.Struct, kw_only=True):
    version: int
    position: Position
    chain: str
    snapshot: msgspec.Raw


def write_checkpoint(folder: Path, position: Position, chain: bytes, state: Snapshot) -> Path:
    """Keep this state; all but the newest two go. Raises `OSError` when the disk refuses."""
    raw = _Raw(
        version=VERSION,
        position=position,
        chain=chain.hex(),
        snapshot=msgspec.Raw(encode(state)),
    )
    path = folder / f"{position.segment:08d}-{position.records:010d}.checkpoint"
    write_safely(path, sealed(msgspec.json.encode(raw)))
    for old in (*checkpoints(folder)[KEPT:], *folder.glob(_HALF)):
        remove_safely(old)
    return path


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints that are there, newest first."""
    found = [path for path in folder.iterdir() if _NAME.match(path.name)]
    return sorted(found, key=lambda path: path.name, reverse=True)


def read_checkpoint(path: Path) -> Checkpoint:
    """Raises `Unsound` when it is not what was written, or of another version."""
    text = unsealed(path.read_bytes(), path)
    try:
        version = msgspec.json.decode(text, type=_Raw).version
        if version == VERSION:
            return msgspec.json.decode(text, type=Checkpoint)
    except msgspec.MsgspecError as error:
        raise Unsound(where=str(path), found=str(error), expected="a checkpoint") from None
    raise Unsound(where=str(path), found=f"version {version}", expected=f"version {VERSION}")


def newest_good(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is sound, and what is wrong with newer ones."""
    wrong: list[str] = []
    for path in checkpoints(folder):
        try:
            return read_checkpoint(path), wrong
        except Unsound as error:
            wrong.append(str(error))
        except FileNotFoundError:  # one that was kept for a run before has just taken its place
            continue
    return None, wrong
