"""A real browser, where there is one, and a stage to look at with it."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

REPOSITORY_START = "from tests.board import stage"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 120.0


class RunningStage:
    """A stage in its own process."""

    def __init__(self, port: int = 0, tokens: str = "", what: str = "") -> None:
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        search = [root, os.path.join(root, "src"), os.environ.get("PYTHONPATH", "")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.board.stage", what or str(port)],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(search), "STAGE_TOKENS": tokens},
        )
        first = self._line()
        self.control, self.look = first["control"], first["look"]
        self.port = int(self.control.split(":")[2].split("/")[0])
        self.tokens = f"{self.look.split('#')[1]} {self.control.split('#')[1]}"

    def _line(self) -> Any:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        assert ready, "the stage says nothing"
        return json.loads(self.process.stdout.readline())

    def do(self, what: str, **more: Any) -> Any:
        """Ask for something; the truth after it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self.process.stdin.flush()
        return self._line()

    def until(self, holds: Any) -> Any:
        """Ask for the truth until this holds of it."""
        deadline = time.monotonic() + PATIENCE
        while not holds(truth := self.do("truth")):
            assert time.monotonic() < deadline, truth
            time.sleep(0.05)
        return truth

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def stage() -> Iterator[RunningStage]:
    running = RunningStage()
    try:
        yield running
    finally:
        running.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"NO BROWSER HERE, the board's page is not tried: none of {BROWSERS}")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as tools:
        started = tools.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()
