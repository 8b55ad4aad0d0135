"""What every test may ask for."""

from __future__ import annotations

import gc
import logging
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

from bench import native
from pitwire.model import entropy
from pitwire.store import journal_file
from tests.unhurried import TickingClock

pytest_plugins = ["tests.second_look"]

REPOSITORY = Path(__file__).resolve().parent.parent
WORLD = "world"
"""The name under which a test notes the counts of a simulated world it has run."""
SALT = "PITWIRE_TEST_SALT"
"""The variable that gives every test another luck."""


# How long an example takes says how busy the machine is, and nothing about what is tried.
settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Parts that are compiled for tests are compiled once a run, whichever worker needs them."""
    if native.SHARED not in os.environ and os.name != "nt":
        held = tempfile.TemporaryDirectory(prefix="pitwire-parts-")
        os.environ[native.SHARED] = held.name
        config.add_cleanup(held.cleanup)
        config.add_cleanup(lambda: os.environ.pop(native.SHARED))


def pytest_collection_finish() -> None:
    """Whatever is imported by now stays: no collection of garbage walks through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names of folders that nobody has used yet."""
    root = tmp_path_factory.mktemp("homes")
    return (root / str(number) for number in count())


@pytest.fixture(autouse=True)
def state_home(homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a live desk keeps its state: made only by those who use it, and by nobody else."""
    home = next(homes)
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def system_luck(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> random.Random:
    """What draws for those who name no seed: in a test the same luck each time; here the real one.

    Another luck is had by setting `PITWIRE_TEST_SALT` to anything.
    """
    drawn = f"{os.environ.get(SALT, '')} {request.node.nodeid}"
    real = entropy.SYSTEM
    monkeypatch.setattr(entropy, "SYSTEM", random.Random(drawn))
    return real


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Iterator[None]:
    """What is made for several tests is made before any of them has its luck: it has its own."""
    real = entropy.SYSTEM
    if fixturedef.scope != "function":
        name = f"{fixturedef.baseid}::{fixturedef.argname}"
        entropy.SYSTEM = random.Random(f"{os.environ.get(SALT, '')} {name}")
    try:
        return (yield)
    finally:
        if fixturedef.scope != "function":
            entropy.SYSTEM = real


@pytest.fixture(autouse=True)
def unhurried_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A desk tells of a disk that is slow by the clock on the wall, in virtual time, too: on a busy
    machine it did so in any test."""
    monkeypatch.setattr(journal_file, "SystemClock", TickingClock)


@pytest.fixture(autouse=True)
def quiet_console() -> Iterator[None]:
    """A command that ran in here has set up the loggers; the next test knows nothing of it."""
    root = logging.getLogger("pitwire")
    handlers, level, propagates = root.handlers[:], root.level, root.propagate
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    root.propagate = propagates


@pytest.fixture(scope="session")
def captures() -> Path:
    """Recorded venue data, kept beside the checkout because it is not ours to publish."""
    path = REPOSITORY.parent / "shared" / "captures"
    if not path.is_dir():
        pytest.skip("no recorded venue data beside the checkout (../shared/captures)")
    return path


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line over all simulated worlds, whichever process ran them."""
    total: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, counts in getattr(report, "user_properties", ()):
                if name == WORLD and report.when == "call":
                    total.update(counts)
    if total:
        told = ", ".join(f"{count} {what}" for what, count in total.items())
        terminalreporter.write_line(f"worlds: {told}")
