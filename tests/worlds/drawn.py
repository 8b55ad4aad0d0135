"""A world drawn from its seed: a session, a market, and faults of the kit at times of their own.

    python -m tests.worlds.drawn --seed 17

tries one again and prints what happened; it ends with 1 when an oracle complains. The oracles are
those of `pitwire torture`: every book equals the venue's or says stale, at every step; delivered
and named together are what was emitted; nothing twice, order per symbol; everything wanted is asked
for once on a connection, and flows or is stale; no limit of the venue is broken; and once the
faults have ended, all is live within thirty seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from random import Random

import msgspec

from pitwire.model.entropy import Entropy
from pitwire.sim.faults import BaseFault, BlackHole, Malformed, ending
from pitwire.sim.kit import Demand, Script, Trial, kit
from pitwire.sim.scripts import SCRIPTS
from pitwire.torture.outcome import Outcome
from pitwire.torture.virtual import try_virtually
from pitwire.venues.registry import find_venue

LIVE_SECONDS = 30.0
LONGEST_SECONDS = 12.0
"""A fault lasts so long at most: a sweep is short of time."""
_TOO_LONG = ("N14", "N15", "P8", "P13", "P16", "C3", "V1")
"""Scripts that are tried as they stand, by `tests/torture`."""
_MARKET = (
    "cuts", "refuse", "gap", "lossy", "late", "duplicate", "reorder", "malformed", "late-snapshot",
    "stale-snapshot", "skew",
)  # fmt: skip
_SCENES = ("calm", "trend", "dip", "quiet")
_LATENCIES = ("none", "same-city", "overseas", "mobile")


def drawn(seed: int) -> Script:
    """The world of this seed."""
    chance = Entropy(seed).stream("drawn")
    named = [(name, script.sim) for name, script in kit().items()
             if script.sim and script.trial.venue == Trial().venue
             and name not in _TOO_LONG and not script.trial.orders]  # fmt: skip
    named += [(name, SCRIPTS[name]) for name in _MARKET]
    chosen = [chance.choice(named) for _ in range(chance.choice((1, 1, 2, 3)))]
    faults = [fault for _, script in chosen for fault in _moved(script, chance)]
    # An answer that is lost or late is asked for once more, and so is one that cannot be read.
    again = any(
        type(fault).__name__ in ("PartAck", "LoseAck", "DelayAck")
        or (isinstance(fault, BlackHole) and fault.way == "up")
        or (isinstance(fault, Malformed) and fault.stream == "*")
        for fault in faults
    )
    endless = any(isinstance(fault, BlackHole) and not fault.for_seconds for fault in faults)
    patience = LIVE_SECONDS + (_found_dead() if endless else 0.0)
    return Script(
        id=f"W{seed}",
        title=" + ".join(name for name, _ in chosen),
        does="what chance has drawn",
        expected="every oracle is content",
        sim=tuple(sorted(faults, key=lambda fault: fault.at_seconds)),
        trial=Trial(
            seconds=1.5,
            most_seconds=160.0,
            redundancy=chance.choice((1, 1, 2)),
            scenario=chance.choice(_SCENES),
            latency=chance.choice(_LATENCIES),
            bustle=0.2,
        ),
        demand=Demand(
            back_within_seconds=patience,
            certain=False,
            sole=not again,
        ),
    )


def _found_dead() -> float:
    """How long a half-open connection may pass for alive: what never ends is over when found."""
    beat = find_venue("binance").heartbeat
    return beat.ping_every_seconds + beat.answer_within_seconds


def _moved(script: Sequence[BaseFault], chance: Random) -> Iterator[BaseFault]:
    """A script from a time of its own on, none of its faults longer than the longest."""
    first = min(fault.at_seconds for fault in script)
    begin = round(chance.uniform(2.0, 9.0), 3)
    for fault in script:
        gap = min(fault.at_seconds - first, LONGEST_SECONDS)
        shorter = {
            name: LONGEST_SECONDS
            for name in ("for_seconds", "retry_after_seconds", "lead_seconds", "seconds")
            if (getattr(fault, name, None) or 0.0) > LONGEST_SECONDS
        }
        yield msgspec.structs.replace(fault, at_seconds=begin + gap, **shorter)


def line(seed: int) -> str:
    """The command that tries a world again."""
    return f"python -m tests.worlds.drawn --seed {seed}"


def run(seed: int) -> Outcome:
    """Try one world."""
    return try_virtually(drawn(seed), seed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try one world from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.worlds.drawn", description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    seed = parser.parse_args(arguments).seed
    script = drawn(seed)
    print(line(seed), script.title, script.trial, sep="\n")
    for fault in script.sim:
        print(f"    until {ending(fault):.1f} s: {fault}")
    outcome = run(seed)
    print(outcome)
    for complaint in outcome.complaints:
        print(complaint)
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
