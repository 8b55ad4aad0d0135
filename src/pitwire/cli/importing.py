"""`pitwire import`: other people's recordings onto tapes."""

from __future__ import annotations

import sys
from pathlib import Path

from pitwire.cli.bars import bars
from pitwire.cli.blame import naming
from pitwire.cli.exits import Code
from pitwire.model.errors import ConfigError
from pitwire.tape.imports import import_tape
from pitwire.tape.recordings import size_of
from pitwire.venues.registry import find_venue


def run(path: Path, folder: Path, *, source: str, venue: str, instruments: Path | None) -> int:
    """Import one recording and say what came of it."""
    listing = b""
    if instruments is not None:
        try:
            listing = instruments.read_bytes()
        except OSError as error:
            found = error.strerror or type(error).__name__
            expected = "the venue's answer about its instruments"
            raise ConfigError(where=str(instruments), found=found, expected=expected) from None
    size = size_of(path)
    with bars() as bar, naming(folder):
        task = bar.add_task(f"import {path.name}", total=2 * size)
        done = import_tape(
            path,
            folder,
            None if venue == "auto" else find_venue(venue),
            source=source,
            listing=listing,
            progress=lambda read: bar.update(task, completed=read),
        )
    lines = {
        "tape": done.run,
        "venue": done.venue,
        "frames": done.frames,
        "symbols": " ".join(done.symbols) or "none that this venue's decoder knows",
        "channels": " ".join(done.channels) or "none",
        "left out": f"{done.left_out} lines",
    }
    if done.unread:
        lines["unread"] = f"{done.unread} frames that {done.venue}'s decoder does not know"
    for name, value in lines.items():
        sys.stdout.write(f"{name} {value}\n")
    if done.damage:
        sys.stderr.write(f"pitwire: {done.damage}; what stands before is on the tape\n")
    return Code.JOURNAL if done.damage else Code.DONE
