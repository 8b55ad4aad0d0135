"""Which parts of pitwire a client uses, whatever is installed: plain ones or compiled twins.

The twins are built from their source into a folder of the bench's own. A child is told by its
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

LADDER, PACKED = "pitwire.market._ladder", "pitwire.model._packed"
READING, SBE = "pitwire.venues.binance._reading", "pitwire.venues.binance._sbe"
QUOTES, WRITING = "pitwire.sim._quotes", "pitwire.venues.binance._writing"
GATE, SLATE = "pitwire.trading._gate", "pitwire.store._slate"
HEARING, RECORDED = "pitwire.session._hearing", "pitwire.sim._recorded"
WAITING = "pitwire.tape._waiting"
PARTS = (LADDER, PACKED, READING, SBE, QUOTES, WRITING, GATE, SLATE, HEARING, RECORDED, WAITING)
USERS = (
    "pitwire.market.ladder", "pitwire.venues.binance.decode", "pitwire.venues.binance.sbe",
    "pitwire.sim.quotes", "pitwire.venues.binance.encode", "pitwire.trading.clearance",
    "pitwire.store.slate", "pitwire.session.hearing", "pitwire.sim.capture", "pitwire.tape.waiting",
)  # fmt: skip
PLAIN, COMPILED = "plain", "compiled"
VARIABLE = "PITWIRE_BENCH_PARTS"
"""The folder of the twins that a child is to use; "" for the plain parts."""
SHARED = "PITWIRE_BENCH_SHARED"
"""A folder of a run of several processes: what one of them has built there, all of them use."""
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
"""Held until the process ends, and removed then."""
_BUILDER = Path(__file__).resolve().parent.parent / "hatch_build.py"


def building() -> Any:
    """`hatch_build.py`."""
    return _load("hatch_build", _BUILDER)


@cache
def folder() -> Path | None:
    """Where the twins are, built once a process or once a run; None where they cannot be."""
    shared = os.environ.get(SHARED)
    if shared is not None:
        return _shared(Path(shared))
    held = tempfile.TemporaryDirectory(prefix="pitwire-parts-")
    _FOLDERS.append(held)
    return _built(Path(held.name))


def _shared(place: Path) -> Path | None:
    """Those of a run: the first that asks builds them while the others wait."""
    fcntl = importlib.import_module("fcntl")
    with (place / "lock").open("a+", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        said = lock.read()
        if not said:
            said = COMPILED if _built(place) is not None else PLAIN
            lock.write(said)
    return place if said == COMPILED else None


def _built(place: Path) -> Path | None:
    builder = building()
    try:
        for source in builder.SOURCES:
            builder.build(source, place)
    except builder.CannotBuild:
        return None
    return place


def twin(name: str) -> Any:
    """A module of `PARTS`, compiled, beside the one that is installed; None where there is none."""
    place = folder()
    return None if place is None else _load(name, _path(name, place))


def installed() -> str:
    """Which of them this process uses: `plain`, `compiled`, or each by its name if they differ."""
    for user in USERS:
        importlib.import_module(user)
    kinds = importlib.import_module("pitwire.model.twins").KINDS
    found = {name.rpartition("._")[2]: kinds[name] for name in PARTS}
    if len(set(found.values())) == 1:
        return str(kinds[LADDER])
    return ", ".join(f"{name} {kind}" for name, kind in found.items())


@contextmanager
def chosen(build: str) -> Iterator[None]:
    """Children that are started meanwhile use these parts, `plain` or `compiled`."""
    place = "" if build == PLAIN else folder()
    if place is None:
        raise RuntimeError("parts: found no C compiler, expected one for compiled parts")
    os.environ[VARIABLE] = str(place)
    try:
        yield
    finally:
        del os.environ[VARIABLE]


def obey() -> None:
    """Use the parts that this process was told to; nothing where it was told nothing."""
    place = os.environ.get(VARIABLE)
    if place is None:
        return
    if "pitwire.market.ladder" in sys.modules:
        raise RuntimeError("parts: found pitwire imported, expected to be asked before it is")
    for name in PARTS:
        # None is what makes an import fail.
        found = _load(name, _path(name, Path(place))) if place else None
        sys.modules[name] = found  # type: ignore[assignment]


def _path(name: str, place: Path) -> Path:
    return next(place.glob(f"{name.rpartition('.')[2]}.*"))


def _load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{name}: found nothing to load at {path}")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
