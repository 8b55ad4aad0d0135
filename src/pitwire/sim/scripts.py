"""Fault scripts by name, and scripts drawn by chance.

House rules: a script is a tuple of frozen faults and nothing else; times are seconds after the
plan's start, late enough for a client to have settled.
"""

from __future__ import annotations

import msgspec

from pitwire.model.entropy import Entropy
from pitwire.sim.faults import (
    ClockSkew,
    CloseWith,
    Cut,
    Delay,
    DelayAck,
    Drop,
    Duplicate,
    Fault,
    FillBeforeAck,
    HttpError,
    LateSnapshot,
    LoseAck,
    Malformed,
    RefuseDial,
    Reorder,
    ServerShutdown,
    StaleSnapshot,
    Stall,
    Throttle,
)

SCRIPTS: dict[str, tuple[Fault, ...]] = {
    "none": (),
    "cut": (Cut(at_seconds=5),),
    "cuts": tuple(Cut(at_seconds=at) for at in (3, 6, 6.5, 12)),
    "close": (CloseWith(at_seconds=5, code=1008, reason="Pong timeout"),),
    "shutdown": (ServerShutdown(at_seconds=5),),
    "refuse": (Cut(at_seconds=5), RefuseDial(at_seconds=5, count=3)),
    "unreachable": (Cut(at_seconds=5), RefuseDial(at_seconds=5, count=0, for_seconds=8, status=0)),
    "gap": (Drop(at_seconds=5, stream="*depth*", count=2),),
    "lossy": tuple(
        Drop(at_seconds=at, stream="*depth*", after_frames=7) for at in (2, 4, 6, 8, 10)
    ),
    "mute": (Stall(at_seconds=5, for_seconds=30),),
    "late": (Delay(at_seconds=5, seconds=1.5, for_seconds=5),),
    "throttle": (Throttle(at_seconds=5, frames_per_second=5, for_seconds=10),),
    "duplicate": (Duplicate(at_seconds=3, count=20),),
    "reorder": (Reorder(at_seconds=3, stream="*depth*", count=3),),
    "malformed": (
        Malformed(at_seconds=3, how="truncated"),
        Malformed(at_seconds=5, how="html"),
        Malformed(at_seconds=7, how="garbage"),
        Malformed(at_seconds=9, how="empty"),
    ),
    "late-snapshot": (LateSnapshot(seconds=3),),
    "stale-snapshot": (StaleSnapshot(seconds=3, count=2),),
    "lost-ack": (LoseAck(kind="place"),),
    "lost-cancel-ack": (LoseAck(kind="cancel"),),
    "late-ack": (DelayAck(kind="*", seconds=2, count=5),),
    "fill-before-ack": (FillBeforeAck(count=0),),
    "overloaded": (HttpError(count=3),),
    "skew": (ClockSkew(at_seconds=3, seconds=-6),),
}


def script(name: str) -> tuple[Fault, ...]:
    """The script of this name; raises `ValueError` that lists the names there are."""
    if name not in SCRIPTS:
        raise ValueError(f"fault script: found {name!r}, expected one of {', '.join(SCRIPTS)}")
    return SCRIPTS[name]


def random_plan(entropy: Entropy, duration_seconds: float) -> tuple[Fault, ...]:
    """A script drawn by chance: some named scripts, each moved to a time of its own."""
    chance = entropy.stream("random plan")
    names = [name for name in SCRIPTS if name != "none"]
    faults: list[Fault] = []
    for _ in range(chance.randint(1, 4)):
        shift = round(chance.uniform(0, duration_seconds * 0.6), 3)
        for fault in SCRIPTS[chance.choice(names)]:
            faults.append(msgspec.structs.replace(fault, at_seconds=fault.at_seconds + shift))
    inside = [fault for fault in faults if fault.at_seconds < duration_seconds]
    return tuple(sorted(inside, key=lambda fault: fault.at_seconds))
