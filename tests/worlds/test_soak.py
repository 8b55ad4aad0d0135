"""Many seeds, many faults: no oracle may complain, and the same world must be the same twice.

A few worlds run with every test run; `make soak SEEDS=200` runs the many. A failure's first line is
the command that runs that world again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pitwire.sim.scenarios import SCENARIOS
from pitwire.sim.scripts import SCRIPTS
from tests.worlds.room import Outcome, Plan, run

SEEDS = int(os.environ.get("SEEDS", "200"))
SCRIPTS_PER_SEED = 5
"""Named scripts that a seed goes through; neighbours take the next ones, so all get their turn."""
FEW = 8

NAMES = tuple(SCRIPTS)
SCENES = tuple(name for name in SCENARIOS if name not in ("flood", "burst"))
"""Scenes for sweeping; the two busiest take most of a sweep's time and find nothing more."""
LATENCIES = ("none", "overseas", "same-city", "mobile", "colocated")

Note = Callable[[str, object], None]


def plan(seed: int, faults: str, *, seconds: float = 15.0) -> Plan:
    """A world whose market, keys and distance follow from its seed."""
    return Plan(
        seed=seed,
        scenario=SCENES[seed % len(SCENES)],
        faults=faults,
        seconds=seconds,
        keys="hmac" if seed // 3 % 2 else "ed25519",
        latency=LATENCIES[seed % len(LATENCIES)],
    )


def examined(world: Plan, note: Note) -> Outcome:
    """Run a world, note what it came to, and fail with the line that runs it again."""
    try:
        outcome = run(world)
    except Exception as error:
        error.add_note(world.line())
        raise
    counts = {
        "run": 1,
        "orders": outcome.orders,
        "fills": outcome.fills,
        "faults": outcome.faults,
        "losses": outcome.losses,
        "gaps in books": outcome.gaps,
        "unknowns resolved": outcome.unknowns,
        "orders whose fills were not told one by one": outcome.missing,
    }
    note("world", counts)
    if outcome.complaints:
        pytest.fail("\n".join((world.line(), *outcome.complaints)), pytrace=False)
    return outcome


@pytest.mark.parametrize("seed", range(1, FEW + 1))
def test_a_few_worlds(seed: int, record_property: Note) -> None:
    examined(plan(seed, NAMES[2 * seed % len(NAMES)], seconds=10), record_property)
    examined(plan(seed, "random", seconds=10), record_property)


def test_the_same_world_is_the_same_twice(record_property: Note) -> None:
    world = plan(4, "cuts+malformed+late-ack", seconds=10)
    first, second = (examined(world, record_property) for _ in range(2))
    assert first.journal == second.journal
    assert first.digest == second.digest


def test_the_same_world_is_the_same_in_another_process(repository: Path) -> None:
    told = []
    for hashing in ("1", "2"):
        line = [*plan(5, "cut+late-ack", seconds=8).line().split()[1:]]
        answer = subprocess.run(
            [sys.executable, *line],
            cwd=repository,
            env={**os.environ, "PYTHONHASHSEED": hashing},
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(answer.stdout)
    assert told[0] == told[1]
    assert "digest" in told[0]


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(SEEDS))
def test_many_worlds(seed: int, record_property: Note) -> None:
    first = SCRIPTS_PER_SEED * seed
    names = [NAMES[(first + step) % len(NAMES)] for step in range(SCRIPTS_PER_SEED)]
    outcomes = [examined(plan(seed, name), record_property) for name in (*names, "random")]
    again = outcomes[seed % len(outcomes)]
    assert examined(again.plan, record_property).digest == again.digest, again.plan.line()
