"""Compiled twins of parts that are plain Python, too: used where built from this very source.

House rules: nothing needs a twin; one that was built from another source than lies beside it may
mean something else by the same words, and is not used. Asked at import, by nobody later.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["plain", "compiled", "outdated", "unloadable"]
"""Which of the two is used. The plain one also where a compiled one is there that is `outdated`, of
another source, or `unloadable`, refused by the machine or the interpreter."""

KINDS: dict[str, Kind] = {}
"""Module of a twin → what became of it in this process."""
_ROOT = Path(__file__).resolve().parent.parent


def twin(name: str) -> Any:
    """The compiled twin of this module name, such as `pitwire.market._ladder`; None where there is
    none, or none of the source `_ladder.c` that lies in its package."""
    try:
        found = import_module(name)
    except ImportError as error:
        KINDS[name] = "plain" if isinstance(error, ModuleNotFoundError) else "unloadable"
        return None
    KINDS[name] = "compiled" if was_built_from(found, _source(name)) else "outdated"
    return found if KINDS[name] == "compiled" else None


def was_built_from(module: Any, source: Path) -> bool:
    """Whether a compiled module was built from this file as it is now; False where it is gone."""
    try:
        wanted = hashlib.sha256(source.read_bytes()).hexdigest()
    except OSError:
        return False
    return bool(getattr(module, "source", "") == wanted)


def _source(name: str) -> Path:
    _, *folders, file = name.split(".")
    return _ROOT.joinpath(*folders, f"{file}.c")
