"""The import contracts that keep a replay from a venue would notice whoever breaks them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LINT = Path(sys.executable).with_name("lint-imports")
PLANTED = {
    "src/pitwire/trading/replay.py": "from pitwire.desk.gateway import Gateway",
    "src/pitwire/cli/replay.py": "from pitwire.wire.websocket import WebSocketDialer",
}
CONTRACTS = ("A replay has no way out", "Whoever reads a journal has no way out")


def lint(root: Path) -> str:
    done = subprocess.run(
        [LINT, "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.skipif(not LINT.exists(), reason="import-linter is not installed")
def test_a_way_out_that_is_planted_is_found(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(
        repository / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(repository / "pyproject.toml", tmp_path)
    clean = lint(tmp_path)
    for contract in CONTRACTS:
        assert f"{contract} KEPT" in clean
    for name, line in PLANTED.items():
        path = tmp_path / name
        text = path.read_text().replace("\n\nfrom ", f"\n\n{line}\nfrom ", 1)
        assert line in text
        path.write_text(text)
    broken = lint(tmp_path)
    for contract in CONTRACTS:
        assert f"{contract} BROKEN" in broken
