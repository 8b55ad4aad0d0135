"""Venues to meet, and the documented lines that lead there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pitwire.model.clock import SystemClock
from pitwire.sim.serve import serve
from pitwire.sim.world import World
from tests.strangers.place import ACCOUNTS, Place


@pytest.fixture
async def lively() -> AsyncIterator[Place]:
    """A market with a crowd in it."""
    world = World(seed=20, scenario="calm", clock=SystemClock(), accounts=ACCOUNTS)
    async with serve(world) as venue:
        yield Place(world, venue)


@pytest.fixture
async def empty() -> AsyncIterator[Place]:
    """A market where only the test trades."""
    world = World(seed=21, scenario=None, clock=SystemClock(), accounts=ACCOUNTS)
    async with serve(world) as venue:
        yield Place(world, venue)


@pytest.fixture(scope="session")
def documented(repository: Path) -> dict[str, Any]:
    """What the code blocks of docs/strangers.md define."""
    text = (repository / "docs" / "strangers.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        with suppress(ImportError):  # that stranger's own tests say so, loudly
            exec(compile(block, "docs/strangers.md", "exec"), names)
    return names
