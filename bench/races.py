"""The two races over sockets: what a message costs with books kept, and tick to order.

Every round measures every client once, in an order that turns, so that a busy minute of the
machine falls on all alike.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench import client, traffic
from bench.arena import DEADLINE_NS, Arena, Failed
from bench.client import Spec
from bench.floor import Watch

LOADS = (0.0, 5_000.0)


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    rounds: int
    feed_messages: int
    paced_messages: int
    trials: int
    deadline_ns: int = DEADLINE_NS
    """How long a trigger may wait for its order before it counts as missed."""


QUICK = Plan(rounds=3, feed_messages=20_000, paced_messages=2_500, trials=120)
FULL = Plan(rounds=7, feed_messages=40_000, paced_messages=4_000, trials=250)


@dataclass
class Results:
    """Everything measured, chunk by chunk."""

    feed: dict[Spec, list[float]] = field(default_factory=dict)
    """CPU µs a message, flat out, one figure a round."""
    rates: dict[Spec, list[float]] = field(default_factory=dict)
    """Messages a second, flat out."""
    paced: dict[Spec, list[float]] = field(default_factory=dict)
    """CPU µs a message at 5,000 messages a second, wake-ups included."""
    trials: dict[tuple[Spec, float], list[list[int]]] = field(default_factory=dict)
    """ns from tick to order, one list a round."""
    limits: dict[tuple[str, float], list[list[int]]] = field(default_factory=dict)
    """The same of programs that are no client of the bench, by name."""
    watched: list[Watch] = field(default_factory=list)
    """What a reader of the clock met on the clients' core, in every round."""
    notes: dict[str, Any] = field(default_factory=dict)


Chunk = Callable[[Arena, Plan, float, int], list[int]]
"""(arena, plan, load, turn) → ns from tick to order of one round."""


def run(
    arena: Arena,
    plan: Plan,
    tell: Callable[[str], None],
    *,
    limits: Mapping[str, Chunk] | None = None,
    look: Callable[[], Watch] | None = None,
) -> Results:
    """All rounds; raises `Failed` when a client does not do the job it is measured at.

    In each, `limits` are measured as the clients are, and `look` looks at the machine itself.
    """
    results = Results()
    specs = list(arena.clients)
    _warm_up(arena, specs, plan)
    for turn in range(plan.rounds):
        order = specs[turn % len(specs) :] + specs[: turn % len(specs)]
        tell(f"round {turn + 1} of {plan.rounds}: feed")
        for spec in (s for s in order if s.auth == "hmac"):
            _feed(arena, spec, plan, results)
        tell(f"round {turn + 1} of {plan.rounds}: tick to order")
        for load in LOADS:
            for spec in order:
                taken = arena.trials(
                    spec, count=plan.trials, rate=load, seed=turn, deadline_ns=plan.deadline_ns
                )
                results.trials.setdefault((spec, load), []).append(taken)
            for name, chunk in (limits or {}).items():
                taken = chunk(arena, plan, load, turn)
                results.limits.setdefault((name, load), []).append(taken)
            if look is not None:
                results.watched.append(look())
    for spec in specs:
        results.notes[str(spec)] = _examine(arena, spec)
    return results


def _warm_up(arena: Arena, specs: Sequence[Spec], plan: Plan) -> None:
    tops = []
    for spec in specs:
        arena.feed(spec, plan.feed_messages)
        tops.append(arena.question(spec, "tops"))
        arena.trials(spec, count=20, rate=0.0, seed=0, deadline_ns=plan.deadline_ns)
    for spec, found in zip(specs, tops, strict=True):
        for symbol, sides in found.items():
            if sides != tops[0][symbol]:
                raise Failed(f"{spec}: book of {symbol} found {sides}, expected {tops[0][symbol]}")


def _feed(arena: Arena, spec: Spec, plan: Plan, results: Results) -> None:
    taken = arena.feed(spec, plan.feed_messages)
    results.feed.setdefault(spec, []).append(taken["cpu_ns"] / 1e3 / taken["messages"])
    results.rates.setdefault(spec, []).append(taken["messages"] / taken["wall_ns"] * 1e9)
    # A polling loop burns its core by intent: its CPU at a pace says nothing.
    if spec.loop != "polling":
        taken = arena.feed(spec, plan.paced_messages, 5_000.0)
        results.paced.setdefault(spec, []).append(taken["cpu_ns"] / 1e3 / taken["messages"])


def _examine(arena: Arena, spec: Spec) -> dict[str, Any]:
    """What the client says of itself; raises when its orders were not what they should be."""
    notes: dict[str, Any] = arena.question(spec, "notes")
    described = arena.describe(spec)
    if notes["dead"] or notes["placed"] != described["orders"]:
        raise Failed(f"{spec}: found {notes}, expected {described['orders']} orders placed")
    check_order(described["last_order"], spec.auth)
    return notes | {"combined": described["combined"], "unknown": described["unknown"]}


def check_order(frame: bytes, auth: str) -> None:
    """Raise unless this is the order the job asks for, signed the way the job asks."""
    params = json.loads(frame)["params"]
    wanted = {
        "symbol": traffic.TRIGGER_SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "IOC",
    }
    for name, value in wanted.items():
        if params.get(name) != value:
            raise Failed(f"order: {name} found {params.get(name)!r}, expected {value!r}")
    for name, text in (("price", traffic.ORDER_PRICE), ("quantity", traffic.ORDER_SIZE)):
        if float(params[name]) != float(text):
            raise Failed(f"order: {name} found {params[name]!r}, expected {text!r}")
    signature = params.pop("signature", None)
    if auth == "logon":
        if signature is not None:
            raise Failed("order: found a signature, expected none after session.logon")
        return
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    expected = hmac.new(client.HMAC_SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
    if signature != expected:
        raise Failed(f"order: signature found {signature!r}, expected {expected!r}")
