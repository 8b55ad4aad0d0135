"""`pitwire sim`: the simulated venue on a local port, until stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import typer

from pitwire.cli import loops
from pitwire.cli.simulated import SimulatedVenue, recorded_venue, simulated_venue
from pitwire.model.entropy import system_seed

_LOOK_SECONDS = 0.05
_SETTLE_SECONDS = 1.0


def run(
    symbols: Sequence[str] | None = None,
    *,
    port: int = 0,
    seed: int | None = None,
    scenario: str = "calm",
    faults: Sequence[str] = (),
    tape: Path | None = None,
    speed: float = 1.0,
    seconds: float | None = None,
    loop: str = "auto",
) -> None:
    """Serve until interrupted, or for `seconds`; a tape until it is over."""
    chosen = system_seed() if seed is None else seed
    if tape is not None:
        symbol = symbols[0] if symbols else ""
        place = recorded_venue(tape, symbol, seed=chosen, speed=speed, port=port)
        scenario = f"tape {tape}, which begins when a client connects"
    else:
        place = simulated_venue(
            symbols or (), seed=chosen, scenario=scenario, faults=faults, port=port
        )

    async def serve() -> None:
        async with place as venue:
            typer.echo(told(venue, seed=chosen, scenario=scenario, faults=faults))
            try:
                async with asyncio.timeout(seconds):
                    await (asyncio.Event().wait() if tape is None else _play(venue))
            except TimeoutError:
                return
            typer.echo("# the tape is over")

    loops.run(serve(), loop)


async def _play(venue: SimulatedVenue) -> None:
    """Begin a moment after somebody has connected, so that nothing is missed; end with the tape."""
    while not venue.world.stage.links():
        await asyncio.sleep(_LOOK_SECONDS)
    await asyncio.sleep(_SETTLE_SECONDS)
    venue.begin()
    while not venue.is_over:
        await asyncio.sleep(_LOOK_SECONDS)
    await asyncio.sleep(_SETTLE_SECONDS)


def told(venue: SimulatedVenue, *, seed: int, scenario: str, faults: Sequence[str] = ()) -> str:
    """What a client needs: addresses, and two key pairs as lines for a `.env` file."""
    listed = ", ".join(venue.world.exchange.listings)
    broken = f", faults {' '.join(faults)}" if faults else ""
    return "\n".join(
        (
            f"# simulated Binance spot: {listed}; seed {seed}, scenario {scenario}{broken}",
            f"# streams  {venue.endpoints.market}",
            f"# ws-api   {venue.endpoints.orders}",
            f"# rest     {venue.endpoints.http}",
            "# an Ed25519 key, which logs on once:",
            f"BINANCE_API_KEY={venue.credentials.key}",
            f'BINANCE_PRIVATE_KEY="{venue.credentials.secret.reveal().strip()}"',
            "# or an HMAC key of the same account, which signs each request:",
            f"# BINANCE_API_KEY={venue.hmac.key}",
            f"# BINANCE_API_SECRET={venue.hmac.secret.reveal()}",
            "# where a desk's file says so, under [venue]:",
            f'# endpoints = {{ market = "{venue.endpoints.market}", '
            f'orders = "{venue.endpoints.orders}", http = "{venue.endpoints.http}" }}',
            "# Ctrl-C ends it",
        )
    )
