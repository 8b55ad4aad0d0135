"""The wheel builds, and says about itself what is true."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import pitwire
from bench import native


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    path = _built(repository, tmp_path_factory.mktemp("dist"))
    assert path.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def _built(repository: Path, target: Path, **environment: str) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=repository,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    [path] = target.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def about(wheel: zipfile.ZipFile) -> str:
    return f"pitwire-{pitwire.__version__}.dist-info"


def test_metadata(wheel: zipfile.ZipFile, about: str) -> None:
    metadata = email.message_from_bytes(wheel.read(f"{about}/METADATA"))
    assert metadata["Name"] == "pitwire"
    assert metadata["Version"] == pitwire.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"


def test_the_command_is_there(wheel: zipfile.ZipFile, about: str) -> None:
    entry_points = wheel.read(f"{about}/entry_points.txt").decode()
    assert "pitwire = pitwire_command:main" in entry_points
    assert "pitwire_command.py" in wheel.namelist()


def test_the_package_is_typed_and_nothing_but_itself(wheel: zipfile.ZipFile, about: str) -> None:
    names = wheel.namelist()
    assert "pitwire/py.typed" in names
    assert f"{about}/licenses/LICENSE" in names
    assert {name.split("/")[0] for name in names} == {"pitwire", "pitwire_command.py", about}


def test_golden_frames_come_with_it(wheel: zipfile.ZipFile, repository: Path) -> None:
    """`pitwire examine` needs them where there is no source tree."""
    golden = repository / "tests" / "golden" / "binance"
    wanted = {f"pitwire/conformance/golden/binance/{path.name}" for path in golden.iterdir()}
    assert wanted <= set(wheel.namelist())


def test_compiled_parts_are_in_a_wheel_that_is_asked_for_them(
    repository: Path, tmp_path: Path
) -> None:
    if native.folder() is None:
        pytest.skip("no C compiler")
    before = set(repository.rglob("src/**/_*.so"))
    path = _built(repository, tmp_path, PITWIRE_NATIVE="1")
    assert not path.name.endswith("-none-any.whl")
    with zipfile.ZipFile(path) as opened:
        names = opened.namelist()
        opened.extractall(tmp_path / "installed")
    for part in ("market/_ladder.", "model/_packed.", "session/_hearing.", "sim/_quotes.",
                 "sim/_recorded.", "store/_slate.", "tape/_waiting.", "trading/_gate.",
                 "venues/binance/_reading.", "venues/binance/_sbe.",
                 "venues/binance/_writing."):  # fmt: skip
        built = [
            name for name in names if name.startswith(f"pitwire/{part}") and not name.endswith(".c")
        ]
        assert len(built) == 1, part
    assert set(repository.rglob("src/**/_*.so")) == before, "the checkout stays as it was"
    done = subprocess.run(
        [sys.executable, "-c", "from bench import native; print(native.installed())"],
        env=os.environ | {"PYTHONPATH": f"{tmp_path / 'installed'}:{repository}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "compiled\n", "and they are used where it is installed"


def test_a_wheel_that_cannot_have_them_is_not_built(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no C compiler: no-such-compiler-here"):
        _built(repository, tmp_path, PITWIRE_NATIVE="1", CC="no-such-compiler-here")
