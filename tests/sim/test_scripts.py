"""Named scripts and scripts by chance."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.entropy import Entropy
from pitwire.sim.faults import Fault
from pitwire.sim.plan import FaultPlan
from pitwire.sim.scripts import SCRIPTS, random_plan, script


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_survives_being_written_down(name: str):
    text = msgspec.json.encode(script(name))
    assert msgspec.json.decode(text, type=tuple[Fault, ...]) == script(name)


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "none"])
def test_every_script_makes_something_happen(name: str):
    plan = FaultPlan(script(name), entropy=Entropy(1), start=0)
    for tenth in range(400):
        now = tenth * 100_000_000
        plan.due(now)
        plan.frame_out("market#1", "btcusdt@depth@100ms", b"{}", now)
        for kind in ("snapshot", "place", "cancel"):
            plan.request(kind, now)
        plan.dial("market", now)
    assert plan.happened or plan.skew(40_000_000_000)


def test_an_unknown_name_is_told_the_known_ones():
    with pytest.raises(ValueError, match=r"found 'nap', expected one of none, cut"):
        script("nap")


@given(st.integers(0, 2**63), st.floats(1, 600))
def test_a_drawn_script_is_the_seeds_and_stays_within_its_time(seed: int, seconds: float):
    faults = random_plan(Entropy(seed), seconds)
    assert faults == random_plan(Entropy(seed), seconds)
    assert all(0 <= fault.at_seconds < seconds for fault in faults)
    assert list(faults) == sorted(faults, key=lambda fault: fault.at_seconds)


def test_drawn_scripts_differ():
    drawn = {random_plan(Entropy(seed), 60) for seed in range(40)}
    assert len(drawn) > 30
