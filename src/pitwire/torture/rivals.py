"""Other people's clients under the same faults, for contrast: what their user would have seen.

House rules: bounded; each at its default settings, with its version on the row; what a client does
not tell its user counts as not told.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import msgspec

from pitwire.model.clock import SECOND, SystemClock
from pitwire.sim.faults import Fault, Stall
from pitwire.sim.kit import Script, find_scripts
from pitwire.sim.proxy import Proxy
from pitwire.sim.proxy_faults import Fin, ProxyFault, Reset, Swallow
from pitwire.sim.serve import serve
from pitwire.sim.truth import Truth
from pitwire.sim.world import BTC_USDT, World
from pitwire.torture.drivers import SYMBOL, versions
from pitwire.torture.outcome import Outcome
from pitwire.torture.virtual import paced
from pitwire.torture.witness import GRACE_SECONDS

START_SECONDS = 20.0
"""How long a client may take until its first trade."""
WATCH_SECONDS = 20.0
"""How long it is watched after the fault began."""
_STREAMS = "*/ws*"
_MUTE_AT = START_SECONDS + 2.0


class Contest(msgspec.Struct, frozen=True):
    """A fault of the kit in the form that any client meets."""

    fault: str
    proxy: tuple[ProxyFault, ...] = ()
    sim: tuple[Fault, ...] = ()


CONTESTS = (
    Contest("N1", (Reset(path=_STREAMS),)),
    Contest("N2", (Fin(path=_STREAMS),)),
    Contest("N3", (Swallow(path=_STREAMS),)),
    Contest("N5", sim=(Stall(at_seconds=_MUTE_AT, for_seconds=600),)),
)


class Seen(msgspec.Struct):
    """What a client's user was given."""

    trades: list[tuple[int, int]]
    troubles: list[tuple[int, str]]

    def take(self, line: bytes) -> None:
        """A line of a driver."""
        kind, _, rest = line.decode("utf-8", "replace").partition(" ")
        at, _, what = rest.strip().partition(" ")
        if kind == "t" and at.isdigit():
            self.trades.append((int(at), int(what)))
        elif kind == "e" and at.isdigit():
            self.troubles.append((int(at), what))


async def try_rivals(seed: int, *, told: Callable[[Outcome], None]) -> None:
    """Every client that is installed under every fault, some at the same time."""
    gate = asyncio.Semaphore(4)

    async def one(name: str, version: str, contest: Contest) -> None:
        async with gate:
            told(await _meet(name, version, contest, seed))

    await asyncio.gather(
        *(one(name, version, contest)
          for name, version in versions().items() for contest in CONTESTS)
    )  # fmt: skip


async def _meet(name: str, version: str, contest: Contest, seed: int) -> Outcome:
    (script,) = find_scripts([contest.fault])
    world = World(
        seed=seed,
        listings=[BTC_USDT],
        scenario=paced("calm", 0.5),
        faults=contest.sim,
        clock=SystemClock(),
    )
    truth, now, begun = Truth(world), world.clock.now, world.clock.now()
    seen = Seen([], [])
    async with serve(world) as venue:
        proxy = Proxy("127.0.0.1", venue.port, contest.proxy, seed=seed)
        await proxy.start(begins=False)
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pitwire.torture.drivers", name,
            f"ws://127.0.0.1:{proxy.port}", venue.http_url,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        hearing = asyncio.ensure_future(_hear(client, seen))
        try:
            await _first(seen, begun, now)
            if contest.sim:
                broke = begun + round(_MUTE_AT * SECOND)
            else:
                await asyncio.sleep(2.0)
                proxy.begin()
                broke = now()
            await asyncio.sleep(max(0.0, (broke - now()) / SECOND) + WATCH_SECONDS)
            ended = now()
        finally:
            hearing.cancel()
            if client.returncode is None:
                client.kill()
            await client.wait()
            await proxy.stop()
    return _judged(script, seen, truth, (broke, ended), client=f"{name} {version}", seed=seed)


async def _hear(client: asyncio.subprocess.Process, seen: Seen) -> None:
    assert client.stdout is not None
    async for line in client.stdout:
        seen.take(line)


async def _first(seen: Seen, begun: int, now: Callable[[], int]) -> None:
    while not seen.trades and now() < begun + round(START_SECONDS * SECOND):
        await asyncio.sleep(0.1)


def _judged(
    script: Script, seen: Seen, truth: Truth, span: tuple[int, int], *, client: str, seed: int
) -> Outcome:
    broke, ended = span
    ids = [trade_id for _, trade_id in seen.trades]
    known, first = set(ids), min(ids, default=0)
    until = ended - round(GRACE_SECONDS * SECOND)
    lost = [
        trade_id for trade_id, at in truth.times[SYMBOL].items()
        if trade_id >= first and at < until and trade_id not in known
    ]  # fmt: skip
    trouble = next((each for each in seen.troubles if each[0] >= broke), None)
    back = _back(seen, truth, broke)
    return Outcome(
        fault=script.id,
        title=script.title,
        way="sockets",
        client=client,
        seed=seed,
        noticed_after=None if trouble is None else (trouble[0] - broke) / SECOND,
        noticed_by="" if trouble is None else trouble[1],
        back_after=back,
        lost=len(lost) if ids else 0,
        doubled=len(ids) - len(known),
        dials=sum(at >= broke for at in truth.dials),
        delivered=len(ids),
        happened=1,
        skipped="" if ids else "no trade came before the fault",
        seconds=(ended - broke) / SECOND,
    )


def _back(seen: Seen, truth: Truth, broke: int) -> float | None:
    """Seconds until the first trade on a connection that was made after the fault."""
    dialled = min((at for at in truth.dials if at >= broke), default=None)
    if dialled is None:
        return None
    first = next((at for at, _ in seen.trades if at >= dialled), None)
    return None if first is None else (first - broke) / SECOND
