"""Builds the compiled parts of the package.

In a checkout make runs this file, which puts each beside its source: where there is a C compiler
that can, unless `PITWIRE_NATIVE=0` is set (`--if-possible`), or by all means (`make native`). A
wheel gets them when `PITWIRE_NATIVE=1` is set where it is built. Without them the package is plain
Python, and works alike.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
SOURCES = tuple(
    ROOT / "src" / "pitwire" / part
    for part in (
        "market/_ladder.c",
        "model/_packed.c",
        "session/_hearing.c",
        "sim/_quotes.c",
        "sim/_recorded.c",
        "store/_slate.c",
        "tape/_waiting.c",
        "trading/_gate.c",
        "venues/binance/_reading.c",
        "venues/binance/_sbe.c",
        "venues/binance/_writing.c",
    )
)
ASKED = "PITWIRE_NATIVE"
LIBRARIES = (".so", ".pyd")
"""How what is compiled ends, for whichever Python it is."""
_LOAD = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location(*sys.argv[1:])
spec.loader.exec_module(module_from_spec(spec))
"""


def stamp(source: bytes) -> str:
    """What a part says that it was built from; `pitwire.model.twins` looks for it."""
    return hashlib.sha256(source).hexdigest()


class CannotBuild(RuntimeError):
    """There is no compiler, or it refused."""


def build(source: Path, folder: Path) -> Path:
    """One part, compiled into this folder; raises `CannotBuild` in one line."""
    target = folder / f"{source.stem}{sysconfig.get_config_var('EXT_SUFFIX')}"
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    flags = (
        ["-dynamiclib", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]
    )
    include = sysconfig.get_paths()["include"]
    command = [
        *shlex.split(compiler), "-O2", "-Wall", "-Wextra", "-Wno-missing-field-initializers",
        "-Wno-cast-function-type",
        # A float is what Python would reckon, on every machine.
        "-ffp-contract=off", f'-DPITWIRE_SOURCE="{stamp(source.read_bytes())}"', "-fPIC",
        *flags, f"-I{include}", str(source), "-o", str(target),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise CannotBuild(f"no C compiler: {command[0]}: {error.strerror}") from None
    if done.returncode:
        first = next(iter(done.stderr.splitlines()), f"exit code {done.returncode}")
        raise CannotBuild(f"{command[0]} refused: {first}")
    return target


def put_beside(sources: Sequence[Path] = SOURCES) -> list[Path]:
    """All of them beside their sources, or none; raises `CannotBuild`.

    A part is put there when it has been loaded once, and in one step: a process that uses the one
    before goes on with that.
    """
    with tempfile.TemporaryDirectory(prefix=".parts-", dir=sources[0].parent) as held:
        made = [build(source, Path(held)) for source in sources]
        for path in made:
            _try_out(path)
        return [
            path.replace(source.with_name(path.name))
            for source, path in zip(sources, made, strict=True)
        ]


def _try_out(path: Path) -> None:
    name = path.name.partition(".")[0]
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, name, str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = next(iter(reversed(done.stderr.splitlines())), f"exit code {done.returncode}")
        raise CannotBuild(f"{path.name} was built and cannot be loaded: {last}")


def remove(sources: Sequence[Path] = SOURCES) -> None:
    """Nothing compiled is beside them any more."""
    for source in sources:
        for path in source.parent.glob(f"{source.stem}.*"):
            if path.suffix in LIBRARIES:
                path.unlink()


def main(arguments: Sequence[str], sources: Sequence[Path] = SOURCES) -> int:
    """The exit code; what became of it is told in one line, an error on stderr."""
    unless_not = "--if-possible" in arguments
    if unless_not and os.environ.get(ASKED) == "0":
        remove(sources)
        print(f"parts: plain Python, as {ASKED}=0 asks")
        return 0
    try:
        made = put_beside(sources)
    except (CannotBuild, OSError) as error:
        with suppress(OSError):
            remove(sources)  # those of before, too: all or none
        said = f"{error}; the package is plain Python, and works alike"
        print(f"parts: {said}" if unless_not else f"error: {said}", file=sys.stderr)
        return 0 if unless_not else 1
    print(f"parts: compiled ({', '.join(path.name for path in made)})")
    return 0


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """What the build backend calls before it packs a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the parts where they are asked for, and leave the checkout as it was."""
        if os.environ.get(ASKED) != "1" or self.target_name != "wheel" or version == "editable":
            return
        self._held = tempfile.TemporaryDirectory(prefix="pitwire-parts-")
        for source in SOURCES:
            found = build(source, Path(self._held.name))
            name = source.with_name(found.name).relative_to(ROOT / "src").as_posix()
            build_data["force_include"][str(found)] = name
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
