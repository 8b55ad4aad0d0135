"""A script on real sockets: the venue served on a local port, our own proxy before its streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from pitwire.model.clock import SECOND, Clock, SystemClock
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.kit import Script
from pitwire.sim.proxy import Proxy
from pitwire.sim.serve import serve
from pitwire.sim.truth import Truth
from pitwire.sim.world import World
from pitwire.torture.outcome import BROKEN, Outcome, broken
from pitwire.torture.trial import Stand, attempt
from pitwire.torture.virtual import aged, listings, paced
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Endpoints, Venue

SECONDS = 3.0
"""How long a trial goes on when everything is well again: sockets take real time."""
_BUSY = BinanceOptions(connections_per_5_minutes=1000)


def served_world(script: Script, seed: int, clock: Clock | None = None) -> World:
    """A venue on the real clock, with the script's market."""
    return World(
        seed=seed,
        listings=listings(script.trial),
        crowded=script.trial.symbols,
        scenario=paced(script.trial.scenario, script.trial.bustle),
        clock=clock or SystemClock(),
        options=_BUSY,
    )


async def try_on_sockets(
    script: Script,
    seed: int,
    *,
    hasten: Callable[[Venue], Venue] = lambda venue: venue,
    seconds: float = SECONDS,
    clock: Clock | None = None,
) -> Outcome:
    """Try a script's `proxy` faults; `hasten` may shorten the client's own deadlines.

    `clock` tells the running loop's time, where that is not the machine's.
    """
    script = msgspec.structs.replace(
        script, trial=msgspec.structs.replace(script.trial, seconds=seconds)
    )
    world = served_world(script, seed, clock)
    clock = world.clock
    async with serve(world) as venue:
        proxy = Proxy("127.0.0.1", venue.port, script.proxy, seed=seed)
        await proxy.start(begins=False)
        begun: list[int] = []

        def begin() -> int:
            proxy.begin()
            begun.append(clock.now())
            return begun[0]

        def after(seconds: float) -> int:
            return (begun[0] if begun else clock.now()) + round(seconds * SECOND)

        stand = Stand(
            way="sockets",
            venue=hasten(aged(find_venue("binance"), script.trial)),
            truth=Truth(world),
            endpoints=Endpoints(
                market=f"ws://127.0.0.1:{proxy.port}",
                orders=venue.orders_url,
                http=venue.http_url,
            ),
            clock=clock,
            now=clock.now,
            break_it=begin,
            broke=lambda: after(proxy.happened[0][0]) if proxy.happened else None,
            over=lambda: after(max(script.proxy_over, *_begun_at(proxy))),
            happened=lambda: len(proxy.happened),
        )
        try:
            return await attempt(script, stand, seed=seed)
        finally:
            await proxy.stop()


def _begun_at(proxy: Proxy) -> list[float]:
    """When the last one really began, on a busy machine: none of it is over before."""
    return [0.0, *(at for at, _ in proxy.happened[-1:])]


async def try_many(
    scripts: list[Script], seed: int, *, at_once: int, told: Callable[[Outcome], None]
) -> None:
    """Try several at the same time: most of each trial is waiting."""
    gate = asyncio.Semaphore(at_once)

    async def one(script: Script) -> None:
        async with gate:
            try:
                told(await try_on_sockets(script, seed))
            except BROKEN as error:
                told(broken(script, "sockets", seed, error))

    await asyncio.gather(*(one(script) for script in scripts))
