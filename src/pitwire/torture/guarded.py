"""A desk dies with orders at the venue, in five ways; the venue says when they are gone.

`python -m pitwire.torture.guarded FOLDER SEED` serves a simulated venue in one process and lets
desks in others die: killed while orders rest, killed as one leaves, stopped as a frozen desk is,
held up by code of its own that never ends, and killed with no watchdog to see it, whereupon a
person kills the account. Prints JSON. House
rules: loopback only; every wait ends; the venue's list of open orders is the judge.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from pitwire.desk import leash as leashes
from pitwire.desk.config import parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.desk.switch import kill
from pitwire.model.credentials import Credentials
from pitwire.model.orders import OrderState
from pitwire.sim.kit import Script
from pitwire.torture.deaths import Place, Word, listener
from pitwire.torture.lives import SYMBOL
from pitwire.torture.outcome import Outcome
from pitwire.torture.struck import fork
from pitwire.trading.ids import is_protective
from pitwire.trading.wishes import Draft, buy

Way: TypeAlias = Literal["killed", "killed as an order leaves", "frozen", "blocked", "unwatched"]
WAYS: tuple[Way, ...] = ("killed", "killed as an order leaves", "frozen", "blocked", "unwatched")
_BLOWS = {"frozen": signal.SIGSTOP, "blocked": signal.SIGUSR1}
"""What is sent to it; any other is killed."""
WITHIN_SECONDS = 5.0
"""From the death, or from when a person kills the account, until what must go is gone."""
_PATIENCE_SECONDS = 40.0
_START_SECONDS = 60.0
"""So long a desk may take until its orders rest and its watchdog has logged in."""
_LOOK_SECONDS = 0.02
_QUIET_SECONDS = 2.0
"""So long nothing may come back once it is gone."""
_CONFIG = """
mode = "sim"
seed = 1
[venue]
symbols = ["BTC-USDT"]
channels = ["ticker"]
endpoints = {{ market = "{place.market}", orders = "{place.orders}", http = "{place.http}" }}
[desk]
state = "{folder}"
[watchdog]
enabled = {watched}
[log]
file = ""
[risk]
collar_percent = 50
"""


class Death(msgspec.Struct, frozen=True, kw_only=True):
    """One death, and what the venue says of it."""

    way: Way
    orders: int
    """Orders that must go and were asked of the venue."""
    seconds: float
    """Until they were gone; all of the patience where they never were."""
    left: tuple[str, ...] = ()
    """Such as were open at the end."""
    lost: int = 0
    """Protective orders that had to stay and did not."""
    told: tuple[str, ...] = ()
    """What a person was told who killed the account and was not told that all is clear."""


# ── the desk ──────────────────────────────────────────────────────────────────────────────────


async def _live(folder: Path, place: Place, tell: int, way: Way) -> None:
    """Two orders and a protective one rest; then it waits for its death, or dies as it sends."""
    config = (folder.parent / f"{folder.name}.toml").read_text()
    # In this process alone: what is judged is its death, not how soon a busy machine lets it start.
    leashes.LOGIN_SECONDS = _START_SECONDS
    desk = await open_desk(parse_config(config), credentials=_keys(place))
    running = asyncio.ensure_future(desk.run())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(_BLOWS["blocked"], time.sleep, 2 * _PATIENCE_SECONDS)
    while (touch := desk.engine.state.touch(SYMBOL)) is None:
        await asyncio.sleep(_LOOK_SECONDS)
    low = round(touch[0] * 0.8)
    for step in range(3):
        _place(desk, buy(SYMBOL, 0.001, price=low - step, protective=step == 2))
    while not all(one.state is OrderState.OPEN for one in desk.engine.state.ledger.open_of("")):
        await asyncio.sleep(_LOOK_SECONDS)
    leash = desk._leash
    os.write(tell, b"%d\n" % (0 if leash is None else leash.pid))
    if way == "killed as an order leaves":
        _place(desk, buy(SYMBOL, 0.001, price=low - 5))
        os.kill(os.getpid(), signal.SIGKILL)
    await running


def _place(desk: Desk, wish: Draft) -> None:
    now, engine = desk.clock.now(), desk.engine
    for command in engine.screen.admit((wish,), engine.state, now):
        desk.gateway.send(command, now)


def _keys(place: Place) -> Credentials:
    return Credentials(place.key, place.secret)


# ── its death ─────────────────────────────────────────────────────────────────────────────────


def die(
    folder: Path, place: Place, word: Callable[[], Word], way: Way, watchdogs: list[int]
) -> Death:
    """One life, its death, and the venue's word; its watchdog, that lives on, goes on the list."""
    file = folder.parent / f"{folder.name}.toml"
    watched = "false" if way == "unwatched" else "true"
    file.write_text(_CONFIG.format(place=place, folder=folder, watched=watched))
    before = word()
    ours, theirs = os.pipe()
    child = fork(lambda: asyncio.run(_live(folder, place, theirs, way)))
    os.close(theirs)
    try:
        ready, _, _ = select.select([ours], [], [], _START_SECONDS)
        said = os.read(ours, 32) if ready else b""
        if not said:
            raise TimeoutError(f"{way}: the desk was not ready within {_START_SECONDS:g} s")
        watchdogs += [pid for pid in [int(said)] if pid]
        return _judge(file, place, word, way, before, child)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ours)


def _judge(
    file: Path, place: Place, word: Callable[[], Word], way: Way, before: Word, child: int
) -> Death:
    began, told = time.perf_counter(), tuple[str, ...]()
    if way != "killed as an order leaves":
        os.kill(child, _BLOWS.get(way, signal.SIGKILL))
    if way == "unwatched":
        time.sleep(1.0)  # nobody does anything about it
        rested = len(word().open)
        began = time.perf_counter()
        done = asyncio.run(kill(file, by="torture", credentials=_keys(place)))
        told = () if done.cleared and done.latched and rested else (*done.notes, f"{rested} rested")
    found, seconds = _wait(word, way, began)
    asked = found.asked.keys() - before.asked.keys()
    protective = {name for name in asked if is_protective(name)}
    kept = protective & set(found.open)
    return Death(
        way=way,
        orders=len(asked) if way == "unwatched" else len(asked - protective),
        seconds=seconds,
        left=tuple(name for name in found.open if _must_go(name, way)),
        lost=0 if way == "unwatched" else len(protective - kept),
        told=told,
    )


def _wait(word: Callable[[], Word], way: Way, began: float) -> tuple[Word, float]:
    """The venue's word once what must go is gone and stays away, and how long that took."""
    gone_at: float | None = None
    while True:
        now, found = time.perf_counter(), word()
        if any(_must_go(name, way) for name in found.open):
            gone_at = None
        elif gone_at is None:
            gone_at = now
        if gone_at is not None and now >= gone_at + _QUIET_SECONDS:
            return found, gone_at - began
        if now - began > _PATIENCE_SECONDS:
            return found, _PATIENCE_SECONDS
        time.sleep(_LOOK_SECONDS)


def _must_go(name: str, way: Way) -> bool:
    return way == "unwatched" or not is_protective(name)


def die_often(folder: Path, seed: int) -> list[Death]:
    """Each of the ways to die once, on one account."""
    watchdogs: list[int] = []
    with listener(seed) as (place, word):
        try:
            return [die(folder, place, word, way, watchdogs) for way in WAYS]
        finally:
            stop_all(watchdogs)


def stop_all(watchdogs: list[int]) -> None:
    """End them: without a venue they would go on trying for their dead desks."""
    for pid in watchdogs:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def complaints_of(death: Death) -> list[str]:
    """What did not go as it must."""
    found = []
    if death.seconds > WITHIN_SECONDS:
        limit = f"expected within {WITHIN_SECONDS:g} s"
        found.append(f"{death.way}: its orders were gone after {death.seconds:.1f} s, {limit}")
    if death.left:
        found.append(f"{death.way}: open at the end: {', '.join(death.left)}")
    if death.lost:
        found.append(f"{death.way}: {death.lost} protective orders are gone")
    if not death.orders:
        found.append(f"{death.way}: no order was asked of the venue")
    if death.told:
        found.append(f"{death.way}: a person was told: {'; '.join(death.told)}")
    return found


def try_guarded(script: Script, seed: int) -> Outcome:
    """Let real desks die, and judge by what the venue has open then."""
    found = Outcome(fault=script.id, title=script.title, way="process", seed=seed, orders=0)
    if not hasattr(os, "fork"):
        return msgspec.structs.replace(found, skipped="there is no fork and no signal 9 here")
    with tempfile.TemporaryDirectory(prefix="pitwire-dies-") as place:
        line = [sys.executable, "-m", __name__, f"{place}/main", str(seed)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return msgspec.structs.replace(found, complaints=(f"it ended by itself: {last}",))
    deaths = msgspec.json.decode(done.stdout, type=list[Death])
    return msgspec.structs.replace(
        found,
        happened=len(deaths),
        orders=sum(death.orders for death in deaths),
        back_after=max(death.seconds for death in deaths),
        lost=sum(death.lost for death in deaths),
        wrong=sum(len(death.left) for death in deaths),
        complaints=tuple(text for death in deaths for text in complaints_of(death)),
    )


if __name__ == "__main__":
    print(msgspec.json.encode(die_often(Path(sys.argv[1]), int(sys.argv[2]))).decode())
