"""`pitwire promises`: what was promised of journals, ids and secrets, tried on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from pitwire.cli.exits import Code
from pitwire.model.errors import ConfigError
from pitwire.torture.promises import PROMISES, Kept, Size, attempt


def run(only: Sequence[str], size: Size, *, as_json: bool = False) -> int:
    """Try them one by one, telling each as it ends; 0 when all that was tried was kept."""
    if os.name == "nt":
        raise ConfigError(where="promises", found="Windows", expected="a system with fork")
    found = []
    for name in _chosen(only):
        found.append(attempt(name, size))
        if not as_json:
            print("\n".join(_lines(found[-1])), flush=True)
    if as_json:
        rows = [msgspec.structs.asdict(one) | {"passed": one.passed} for one in found]
        print(msgspec.json.format(msgspec.json.encode(rows), indent=1).decode())
    return Code.DONE if all(one.passed for one in found) else Code.OTHER


def _chosen(only: Sequence[str]) -> list[str]:
    names = [name.strip().upper() for each in only for name in each.split(",") if name.strip()]
    for name in names:
        if name not in PROMISES:
            expected = f"one of {', '.join(PROMISES)}"
            raise ConfigError(where="--only", found=name, expected=expected)
    return names or list(PROMISES)


def _lines(kept: Kept) -> list[str]:
    state = "skip" if kept.skipped else "pass" if kept.passed else "FAIL"
    told = kept.skipped or ", ".join(f"{name} {value:g}" for name, value in kept.figures.items())
    lines = [f"{kept.promise:4} {state} {kept.title}", f"     {told}"]
    return [*lines, *(f"     {complaint}" for complaint in kept.complaints)]
