"""Which ladder a client's books stand on, whatever is installed: the plain one, or its twin.

The twin is built from its source into a folder of the bench's own. A child is told by its
environment, and obeys when this package is imported, before anything of pitwire is.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

NAME = "pitwire.market._ladder"
VARIABLE = "PITWIRE_BENCH_LADDER"
"""Where the twin is that a child is to use; "" for the plain ladder."""
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
"""Held until the process ends, and removed then."""
_BUILDER = Path(__file__).resolve().parent.parent / "hatch_build.py"


@cache
def twin() -> Path | None:
    """The compiled twin; None where it cannot be built."""
    building = _load("hatch_build", _BUILDER)
    folder = tempfile.TemporaryDirectory(prefix="pitwire-ladder-")
    _FOLDERS.append(folder)
    try:
        found: Path = building.build(Path(folder.name))
    except building.CannotBuild:
        return None
    return found


def installed() -> str:
    """Which of them this process uses."""
    ladder = importlib.import_module("pitwire.market.ladder")
    return "plain" if ladder.Fastest is ladder.Ladder else "compiled"


@contextmanager
def chosen(ladder: str) -> Iterator[None]:
    """Children that are started meanwhile use this ladder, `plain` or `compiled`."""
    path = "" if ladder == "plain" else twin()
    if path is None:
        raise RuntimeError("ladder: found no C compiler, expected one for a compiled ladder")
    os.environ[VARIABLE] = str(path)
    try:
        yield
    finally:
        del os.environ[VARIABLE]


def obey() -> None:
    """Use the ladder that this process was told to; nothing where it was told nothing."""
    path = os.environ.get(VARIABLE)
    if path is None:
        return
    if "pitwire.market.ladder" in sys.modules:
        raise RuntimeError("ladder: found pitwire imported, expected to be asked before it is")
    # None is what makes an import fail.
    sys.modules[NAME] = _load(NAME, Path(path)) if path else None  # type: ignore[assignment]


def _load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{name}: found nothing to load at {path}")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
