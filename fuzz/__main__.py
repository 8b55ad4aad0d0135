"""Run every harness for a bounded time: `python -m fuzz [seconds each] [seed]`.

A fault ends the run with its traceback, the frame in a note, and the seed that finds it again.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from pitwire.model.entropy import system_seed

SECONDS = 20.0
NO_HARNESS = frozenset({"__main__", "doors", "mutations"})


def harnesses() -> list[str]:
    """Modules of this folder that have a `run(seconds, seed)`."""
    here = str(Path(__file__).parent)
    return sorted(found.name for found in iter_modules([here]) if found.name not in NO_HARNESS)


def main(arguments: list[str]) -> int:
    """The command; returns the exit code."""
    try:
        seconds = float(arguments[0]) if arguments else SECONDS
        seed = int(arguments[1]) if len(arguments) > 1 else system_seed()
    except ValueError:
        print(f"found {arguments}, expected seconds for each harness and a seed", file=sys.stderr)
        return 2
    for name in harnesses():
        print(f"{name}: {seconds:g} s with seed {seed}", flush=True)
        count = import_module(f"fuzz.{name}").run(seconds, seed)
        print(f"{name}: {count} frames, no fault", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
