"""The C program answers every trigger, polling and sleeping."""

from __future__ import annotations

import pytest

from bench import limit, races
from bench.arena import arena

PLAN = races.Plan(rounds=1, feed_messages=0, paced_messages=0, trials=5, deadline_ns=40_000_000_000)


@pytest.mark.skipif(limit.compiler() is None, reason="no C compiler on this machine")
def test_every_trigger_is_answered() -> None:
    with arena([], block_size=200) as opened:
        found = limit.measure(opened, PLAN)
    assert set(found) == {(kind, load) for kind in limit.KINDS for load in races.LOADS}
    assert all(figure.samples == 5 and figure.missed == 0 for figure in found.values())
