"""Builds the compiled parts of the package, where they are asked for.

`make native` runs this file, which puts each beside its source; a wheel gets them when
`PITWIRE_NATIVE=1` is set where it is built. Without either the package is plain Python, and works
alike.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
SOURCES = tuple(
    ROOT / "src" / "pitwire" / part for part in ("market/_ladder.c", "venues/binance/_reading.c")
)
ASKED = "PITWIRE_NATIVE"


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
        "-Wno-cast-function-type", f'-DPITWIRE_SOURCE="{stamp(source.read_bytes())}"', "-fPIC",
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
    try:
        for one in SOURCES:
            print(build(one, one.parent).relative_to(ROOT))
    except CannotBuild as error:
        sys.exit(f"error: {error}; the package stays plain Python, and works alike")
