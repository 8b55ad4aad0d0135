"""The wheel builds, and says about itself what is true."""

from __future__ import annotations

import email
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import pitwire


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    target = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=repository,
        check=True,
        capture_output=True,
    )
    [path] = target.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


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
    assert "pitwire = pitwire.cli.main:main" in entry_points


def test_the_package_is_typed_and_nothing_but_itself(wheel: zipfile.ZipFile, about: str) -> None:
    names = wheel.namelist()
    assert "pitwire/py.typed" in names
    assert f"{about}/licenses/LICENSE" in names
    assert {name.split("/")[0] for name in names} == {"pitwire", about}


def test_golden_frames_come_with_it(wheel: zipfile.ZipFile, repository: Path) -> None:
    """`pitwire examine` needs them where there is no source tree."""
    golden = repository / "tests" / "golden" / "binance"
    wanted = {f"pitwire/conformance/golden/binance/{path.name}" for path in golden.iterdir()}
    assert wanted <= set(wheel.namelist())
