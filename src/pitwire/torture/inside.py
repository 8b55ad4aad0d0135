"""Within a namespace of our own: the venue and the judge; the client is in the other one.

    ip netns exec NAMEv python -m pitwire.torture.inside NAME N3 1

It prints the outcome as JSON. `pitwire.torture.root` makes the namespaces and calls it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from functools import reduce
from operator import or_
from pathlib import Path

import msgspec

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.sim.kit import Script, find_scripts, is_path, load_script
from pitwire.sim.root_faults import RootFault, Starve
from pitwire.sim.serve import Venue, serve
from pitwire.sim.truth import Truth
from pitwire.torture import root
from pitwire.torture.judging import Period, judge
from pitwire.torture.outcome import Outcome
from pitwire.torture.remote import CHANNELS, Replica
from pitwire.torture.sockets import SECONDS, served_world
from pitwire.torture.trial import Stand, settle, watch
from pitwire.torture.witness import Witness
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Endpoints

_EVENTS: msgspec.json.Decoder[ev.Event] = msgspec.json.Decoder(reduce(or_, ev.EVENTS))


async def attempt(script: Script, net: root.Net, seed: int) -> Outcome:
    """Serve, start the client next door, let it go wrong, judge."""
    script = msgspec.structs.replace(
        script, trial=msgspec.structs.replace(script.trial, seconds=SECONDS)
    )
    world = served_world(script, seed)
    truth, now = Truth(world), world.clock.now
    wanted = [(channel, symbol) for channel in CHANNELS for symbol in script.trial.symbols]
    witness, replica = Witness(truth, wanted, now=now), Replica()
    witness.book = replica.book
    begun, course = now(), _Course(now)
    async with serve(world, host=root.VENUE) as venue:
        client = await _client(net, venue, script)
        hearing = asyncio.ensure_future(_hear(client, witness, replica))
        stand = _stand(script, venue, truth, course)
        try:
            await settle(stand, witness)
            course.begun = now()
            breaking = asyncio.ensure_future(_break(script, net, client.pid, course))
            ended, _ = await watch(script, stand, witness)
            witness.rest()
            await breaking
        finally:
            hearing.cancel()
            client.kill()
            await client.wait()
    return judge(
        script,
        witness,
        truth,
        period=Period(begun, stand.broke() or begun, stand.over(), ended),
        way="root",
        seed=seed,
        happened=len(script.root),
        growth=None,
    )


class _Course:
    """When a script began here, and when its first fault really did."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.begun = 0
        self.broke: int | None = None


def _stand(script: Script, venue: Venue, truth: Truth, course: _Course) -> Stand:
    last = max(fault.at_seconds + fault.for_seconds for fault in script.root)
    now = venue.world.clock.now
    return Stand(
        way="root",
        venue=find_venue("binance"),
        truth=truth,
        endpoints=Endpoints(market="", orders="", http=""),
        clock=venue.world.clock,
        now=now,
        break_it=now,
        broke=lambda: course.broke,
        over=lambda: course.begun + round(last * SECOND),
        happened=lambda: len(script.root),
    )


async def _client(net: root.Net, venue: Venue, script: Script) -> asyncio.subprocess.Process:
    command = net.inside(
        net.client, sys.executable, "-m", "pitwire.torture.remote", venue.market_url,
        venue.http_url, *script.trial.symbols,
    )  # fmt: skip
    return await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, limit=1 << 24
    )


async def _hear(client: asyncio.subprocess.Process, witness: Witness, replica: Replica) -> None:
    assert client.stdout is not None
    async for line in client.stdout:
        event = _EVENTS.decode(line)
        replica.take(event)
        witness.take([event], 0, True)


async def _break(script: Script, net: root.Net, client: int, course: _Course) -> None:
    await asyncio.gather(*(_once(fault, net, client, course) for fault in script.root))


async def _once(fault: RootFault, net: root.Net, client: int, course: _Course) -> None:
    await asyncio.sleep(fault.at_seconds)
    root.begin(net, fault, client)
    if course.broke is None:
        course.broke = course.now()
    if isinstance(fault, Starve):
        await root.starve(fault, client)
    elif fault.for_seconds:
        await asyncio.sleep(fault.for_seconds)
        root.end(net, fault, client)


if __name__ == "__main__":
    _, _name, _which, _seed = sys.argv
    _script = load_script(Path(_which)) if is_path(_which) else find_scripts([_which])[0]
    _outcome = asyncio.run(attempt(_script, root.Net(_name), int(_seed)))
    sys.stdout.buffer.write(msgspec.json.encode(_outcome))
