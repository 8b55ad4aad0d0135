"""Worlds drawn from their seeds in which a desk trades and everything about its orders goes wrong.

    python -m pitwire.torture.order_worlds --seed 17

tries one again and prints what happened; it ends with 1 when something does not hold. Bars that are
about many worlds, such as *no order twice*, are judged over a row of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import msgspec

from pitwire.model.entropy import Entropy
from pitwire.sim.faults import Fault, ending
from pitwire.sim.kit import Demand, Script, Trial, kit
from pitwire.sim.scripts import SCRIPTS
from pitwire.torture.order_trial import try_orders
from pitwire.torture.outcome import Outcome
from pitwire.torture.trader import Chance

KNOWN_SECONDS = 30.0
"""By then after the last fault every order must be known."""
LONGEST_SECONDS = 8.0
"""A fault lasts so long at most, but for answers that are half a minute late."""
_NETWORK = (
    "cut", "cuts", "refuse", "unreachable", "late", "duplicate", "throttle", "lost-ack",
    "lost-cancel-ack", "late-ack", "fill-before-ack", "overloaded", "shutdown",
)  # fmt: skip
_ALONE = ("V14", "V16", "V22", "V23")
"""Scripts in which the venue wants silence, or ends it all; others would be blamed for it."""
_LATENCIES = ("none", "same-city", "overseas", "mobile")
_SCENES = ("calm", "trend", "dip")


def drawn_orders(seed: int) -> Script:
    """The world of this seed."""
    chance = Entropy(seed).stream("drawn orders")
    named = [(name, script.sim) for name, script in kit().items()
             if script.trial.orders and script.sim and script.trial.venue == Trial().venue
             and name not in _ALONE]  # fmt: skip
    named += [(name, SCRIPTS[name]) for name in _NETWORK]
    chosen = [chance.choice(named) for _ in range(chance.choice((1, 1, 2, 3)))]
    faults = [fault for _, script in chosen for fault in _moved(script, chance)]
    both = chance.choice((False, False, True))
    return Script(
        id=f"O{seed}",
        title=" + ".join(name for name, _ in chosen),
        does="what chance has drawn",
        expected="every command is ok, fail, or unknown and then one of them; all by the truth",
        sim=tuple(sorted(faults, key=lambda fault: fault.at_seconds)),
        trial=Trial(
            orders=True,
            symbols=("BTC-USDT", "ETH-USDT") if both else ("BTC-USDT",),
            seconds=1.5,
            most_seconds=600.0,
            scenario=chance.choice(_SCENES),
            latency=chance.choice(_LATENCIES),
            bustle=0.2,
        ),
        demand=Demand(
            back_within_seconds=KNOWN_SECONDS,
            found_within_seconds=2 * Demand().found_within_seconds,
            certain=False,
        ),
    )


def _moved(script: Sequence[Fault], chance: Chance) -> Iterator[Fault]:
    """A script from a time of its own on, none of its faults longer than the longest."""
    first = min(fault.at_seconds for fault in script)
    begin = round(chance.uniform(1.5, 4.0), 3)
    for fault in script:
        gap = min(fault.at_seconds - first, LONGEST_SECONDS)
        lasts = getattr(fault, "for_seconds", 0.0)
        shorter = {"for_seconds": LONGEST_SECONDS} if lasts > LONGEST_SECONDS else {}
        yield msgspec.structs.replace(fault, at_seconds=begin + gap, **shorter)


def line(seed: int) -> str:
    """The command that tries a world again."""
    return f"python -m pitwire.torture.order_worlds --seed {seed}"


def try_worlds(script: Script, seed: int) -> Outcome:
    """Try so many worlds as the script wants, and add up what came of them."""
    first = 1_000_000 * seed + 1_000 * sum(script.id.encode())  # each bar has worlds of its own
    seeds = range(first, first + script.trial.worlds)
    outcomes = [try_orders(drawn_orders(each), each) for each in seeds]
    complaints = [
        f"{line(each)}: {complaint}"
        for each, outcome in zip(seeds, outcomes, strict=True)
        for complaint in outcome.complaints
    ]
    found = tuple(sorted(time for one in outcomes for time in one.found))
    late = percentile(found, 0.99)
    if late is not None and late > script.demand.found_within_seconds:
        complaints.append(f"found alive after {late:.2f} s at the 99th percentile")
    known = [one.back_after for one in outcomes if one.back_after is not None]
    return Outcome(
        fault=script.id,
        title=script.title,
        way="virtual",
        source=script.source,
        seed=seed,
        back_after=max(known, default=None),
        lost=sum(one.lost for one in outcomes),
        doubled=sum(one.doubled for one in outcomes),
        wrong=sum(one.wrong for one in outcomes),
        dials=sum(one.dials for one in outcomes),
        happened=sum(one.happened for one in outcomes),
        seconds=sum(one.seconds for one in outcomes),
        orders=sum(one.orders or 0 for one in outcomes),
        fills=sum(one.fills for one in outcomes),
        unknown=sum(one.unknown for one in outcomes),
        found=found,
        buried=tuple(sorted(time for one in outcomes for time in one.buried)),
        differences=sum(one.differences for one in outcomes),
        complaints=tuple(complaints),
    )


def percentile(times: Sequence[float], share: float) -> float | None:
    """The time that `share` of them stay within; None of none. `times` ascend."""
    if not times:
        return None
    return times[min(len(times) - 1, int(share * len(times)))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Try one world from the command line."""
    parser = argparse.ArgumentParser(prog="python -m pitwire.torture.order_worlds")
    parser.add_argument("--seed", type=int, required=True)
    seed = parser.parse_args(arguments).seed
    script = drawn_orders(seed)
    print(line(seed), script.title, script.trial, sep="\n")
    for fault in script.sim:
        print(f"    until {ending(fault):.1f} s: {fault}")
    outcome = try_orders(script, seed)
    print(outcome)
    for complaint in outcome.complaints:
        print(complaint)
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
