"""How far from the limit we are: a C program that does the least, built and raced on the spot."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import client, figures, traffic
from bench.arena import Arena, Failed
from bench.races import LOADS, Chunk, Plan

SOURCE = Path(__file__).with_name("limit.c")
KINDS = ("poll", "epoll")
WITHIN_SECONDS = 5.0

Limits = dict[tuple[str, float], figures.Figure]


def compiler() -> str | None:
    """A C compiler of this machine, if it has one."""
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def measure(arena: Arena, plan: Plan) -> Limits:
    """Tick to order of the C program, polling and sleeping, at both loads; Linux only."""
    with built() as kinds:
        return {
            (kind, load): figures.figure(
                [chunk(arena, plan, load, turn) for turn in range(plan.rounds)]
            )
            for kind, chunk in kinds.items()
            for load in LOADS
        }


@contextmanager
def built() -> Iterator[dict[str, Chunk]]:
    """How one round of the C program is measured, by its kind."""
    found = compiler()
    if found is None:
        raise Failed("limit: found no C compiler, so the limit is not measured")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "limit"
        built = subprocess.run(
            [found, "-O2", "-o", str(program), str(SOURCE)], capture_output=True, text=True
        )
        if built.returncode:
            raise Failed(f"limit: {found} refused {SOURCE.name}: {built.stderr.strip()[:200]}")
        yield {kind: partial(_chunk, program, kind) for kind in KINDS}


def _chunk(program: Path, kind: str, arena: Arena, plan: Plan, load: float, turn: int) -> list[int]:
    """It runs for this round alone: while it polls, nobody else has the core."""
    with _running(arena, program, kind) as port:
        taken: list[int] = arena.ask(
            "trials", port, plan.trials, 2_000_000, load, turn, plan.deadline_ns
        )
    return taken


@contextmanager
def _running(arena: Arena, program: Path, kind: str) -> Iterator[int]:
    port: int = arena.ask("listen")
    names = [f"{s.lower()}@{kind}" for s in traffic.SYMBOLS for kind in ("trade", "depth@100ms")]
    subscribe = json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1})
    arguments = [subscribe, _order(), traffic.TRIGGER_SYMBOL, str(traffic.TRIGGER_PRICE)]
    process = subprocess.Popen([str(program), str(port), kind, *arguments])
    client.take(arena.seat, process.pid)
    try:
        _await_subscribed(arena, port)
        yield port
    finally:
        process.kill()
        process.wait()


def _await_subscribed(arena: Arena, port: int) -> None:
    ends = time.monotonic() + WITHIN_SECONDS
    while arena.ask("describe", port)["streams"] < 2 * len(traffic.SYMBOLS):
        if time.monotonic() > ends:
            raise Failed(f"limit: found no subscription within {WITHIN_SECONDS:.0f} s")
        time.sleep(0.01)


def _order() -> str:
    params = {
        "symbol": traffic.TRIGGER_SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "IOC",
        "quantity": traffic.ORDER_SIZE,
        "price": traffic.ORDER_PRICE,
        "newClientOrderId": "limit-1",
        "timestamp": 1_700_000_000_000,
    }
    return json.dumps({"id": 1, "method": "order.place", "params": params}, separators=(",", ":"))
