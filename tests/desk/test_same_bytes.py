"""B15: the same life gives the same journal, and a journal the same state, byte for byte.

Other hash seeds and another version of Python (`make test` prepares one) change nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sys import executable

import pytest

from bench import native
from pitwire.torture.lives import SECONDS

OTHER = ".venv-other/bin/python"
PREPARED = ".venv-other/.run"


def environment(repository: Path, hash_seed: int) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(repository / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": str(hash_seed),
    }


def lived(python: str, repository: Path, folder: Path, hash_seed: int, seconds: float) -> str:
    done = subprocess.run(
        [python, "-m", "pitwire.torture.lives", str(folder), "5", str(seconds)],
        env=environment(repository, hash_seed),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sys.stderr.write(done.stderr)  # whether one was lived again
    return done.stdout


def replayed(python: str, repository: Path, folder: Path, hash_seed: int) -> str:
    program = "from pitwire.cli.main import main; raise SystemExit(main())"
    done = subprocess.run(
        [python, "-c", program, "replay", "--journal", str(folder)],
        env=environment(repository, hash_seed),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder where a sync takes no time: whether a disk is slow is told in the journal."""
    root = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=root, prefix="pitwire-") as name:
        yield Path(name)


@pytest.fixture
def other(repository: Path) -> str:
    python = repository / OTHER
    if not python.exists():
        pytest.skip(f"only one Python here: `make {PREPARED}` prepares another")
    tried = subprocess.run(
        [python, "-c", "import pitwire.torture.lives"],
        # What it compiles is kept, and not compiled again by each life.
        env=environment(repository, 0) | {"PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    lacking = re.search(r"ModuleNotFoundError: No module named '(?!pitwire)(\w+)", tried.stderr)
    if lacking:
        pytest.skip(f"the other Python lacks {lacking[1]}: `make {PREPARED}` brings it")
    return str(python)


def check(python: str, seeds: range, memory: Path, repository: Path, seconds: float) -> None:
    first = lived(executable, repository, memory / "first", 0, seconds)
    _, state, records, contradicted = first.split()
    assert int(records) > 50
    assert contradicted == "0"

    again = replayed(python, repository, memory / "first", seeds[-1])
    assert f"\nstate {state}\n" in again
    assert "\ncontradictions 0\n" in again
    with ThreadPoolExecutor(2) as pool:
        lives = [
            pool.submit(lived, python, repository, memory / f"{seed}", seed, seconds)
            for seed in seeds
        ]
    assert {life.result() for life in lives} == {first}


def test_compiled_parts(memory: Path, repository: Path) -> None:
    """ADR 23: either twin, the same journal to the byte."""
    if native.folder() is None:
        pytest.skip("no C compiler")
    program = """
import sys
import bench  # uses the parts that it was told to
import runpy
sys.argv[0] = ""
runpy.run_module("pitwire.torture.lives", run_name="__main__", alter_sys=True)
print(bench.native.installed())
"""
    said = {}
    for parts in (native.PLAIN, native.COMPILED):
        with native.chosen(parts):
            done = subprocess.run(
                [executable, "-c", program, str(memory / parts), "5", "4"],
                env=environment(repository, 0)
                | {"PYTHONPATH": f"{repository / 'src'}:{repository}"},
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        *said[parts], used = done.stdout.split()
        assert used == parts
    assert said[native.PLAIN] == said[native.COMPILED]
    assert int(said[native.PLAIN][2]) > 50, "records"


def test_other_hash_seeds(memory: Path, repository: Path) -> None:
    check(executable, range(1, 3), memory, repository, 4)


def test_another_python(memory: Path, repository: Path, other: str) -> None:
    check(other, range(1, 3), memory, repository, 4)


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_a_hundred_of_a_hundred(memory: Path, repository: Path, other: str) -> None:
    check(executable, range(50), memory, repository, SECONDS)
    for folder in memory.iterdir():
        folder.rename(folder.with_name(f"{folder.name}-mine"))
    check(other, range(50, 100), memory, repository, SECONDS)
