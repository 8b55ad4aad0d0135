"""The bans an account's desk was told of, beside its journal: so that a restart keeps the silence.

House rules: one small sealed file, replaced whole; one that cannot be gone by says so.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from pitwire.model.errors import Unsound
from pitwire.session.bans import Ban
from pitwire.store.safely import sealed, unsealed, write_safely

NAME = "bans"


def read_bans(folder: Path) -> tuple[Ban, ...]:
    """What was written last; raises `Unsound` or `OSError` when it cannot be read."""
    file = folder / NAME
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return ()
    try:
        return msgspec.json.decode(unsealed(text, file), type=tuple[Ban, ...])
    except msgspec.MsgspecError as error:
        raise Unsound(where=str(file), found=str(error), expected="bans") from None


def write_bans(folder: Path, bans: tuple[Ban, ...]) -> None:
    """Replace what was written; raises `OSError` when the disk refuses."""
    write_safely(folder / NAME, sealed(msgspec.json.encode(bans)))
