"""`pitwire sim`: the simulated venue on a local port, until stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import typer

from pitwire.cli import loops
from pitwire.cli.howto import HOWTOS_OF, Where
from pitwire.cli.howto import howto as lines_for
from pitwire.cli.simulated import SIDES, SimulatedVenue, beside, recorded_venue, simulated_venue
from pitwire.desk.addresses import address_names
from pitwire.model.clock import SystemClock
from pitwire.model.entropy import secret_token, system_seed
from pitwire.model.errors import ConfigError
from pitwire.sim.admin import Admin
from pitwire.sim.certificates import LocalAuthority, local_authority
from pitwire.sim.facades.alpaca_options import CRYPTO, IEX, SIP, TEST
from pitwire.sim.facades.ibkr import IbkrFacade
from pitwire.sim.facades.ibkr_rest import PREFIX
from pitwire.sim.world import ALPACA, IBKR, SPOT, USDM, VENUES

_LOOK_SECONDS = 0.05
_SETTLE_SECONDS = 1.0


def run(
    symbols: Sequence[str] | None = None,
    *,
    port: int = 0,
    seed: int | None = None,
    scenario: str = "calm",
    faults: Sequence[str] = (),
    tapes: Sequence[Path] = (),
    speed: float = 1.0,
    tls: Path | None = None,
    admin: bool = False,
    howto: str | None = None,
    venues: Sequence[str] = (SPOT,),
    listen_keys: bool = False,
    seconds: float | None = None,
    loop: str = "auto",
) -> None:
    """Serve until interrupted, or for `seconds`; a tape until it is over."""
    _demand(venues, tapes=tapes, speed=speed, howto=howto)
    chosen = system_seed() if seed is None else seed
    authority = None if tls is None else _written(tls)
    if tapes:
        places = [
            recorded_venue(
                tapes, symbols or (), seed=chosen, speed=speed, port=port, tls=authority,
                listen_keys=listen_keys,
            )
        ]  # fmt: skip
        scenario = f"tape {' '.join(map(str, tapes))}, which begins when a client connects"
    else:
        places = [
            simulated_venue(
                symbols or (),
                seed=chosen,
                scenario=scenario,
                faults=faults,
                port=port and port + number,
                tls=authority,
                venue=venue,
                listen_keys=listen_keys,
            )
            for number, venue in enumerate(venues)
        ]

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            for venue, place in zip(venues, places, strict=True):
                served = await stack.enter_async_context(place)
                typer.echo(told(served, seed=chosen, scenario=scenario, faults=faults, tls=tls))
                if admin:
                    door = await stack.enter_async_context(Admin(served.served, secret_token()))
                    typer.echo(f"# operator's door: curl -H 'Authorization: Bearer {door.token}' "
                               f"{door.url}/symbols")  # fmt: skip
                if howto is not None and howto in HOWTOS_OF[venue]:
                    where = _where(served, howto, tls, listen_keys=listen_keys)
                    typer.echo(f"# {howto}:\n{lines_for(howto, where, venue)}")
            typer.echo("# Ctrl-C ends it")
            try:
                async with asyncio.timeout(seconds):
                    await (_play(served) if tapes else asyncio.Event().wait())
            except TimeoutError:
                return
            typer.echo("# the tape is over")

    loops.run(serve(), loop)


def _demand(
    venues: Sequence[str], *, tapes: Sequence[Path], speed: float, howto: str | None
) -> None:
    """Raise `ConfigError` for the first option that does not go with the others."""
    for venue in venues:
        if venue not in VENUES:
            known = ", ".join(VENUES)
            raise ConfigError(where="sim.venue", found=venue, expected=f"one of {known}")
    if len(set(venues)) < len(venues):
        raise ConfigError(where="sim.venue", found=" ".join(venues), expected="each only once")
    if howto is not None and not any(howto in HOWTOS_OF[venue] for venue in venues):
        known = ", ".join(dict.fromkeys(name for venue in venues for name in HOWTOS_OF[venue]))
        raise ConfigError(where="sim.howto", found=howto, expected=f"one of {known}")
    if tapes and tuple(venues) != (SPOT,):
        raise ConfigError(where="sim.venue", found=" ".join(venues), expected=f"{SPOT} for a tape")
    if speed != 1 and not tapes:
        raise ConfigError(where="sim.speed", found=speed, expected="1, or a tape to go with it")


async def _play(venue: SimulatedVenue) -> None:
    """Begin a moment after somebody has connected, so that nothing is missed; end with the tape."""
    while not venue.world.stage.links():
        await asyncio.sleep(_LOOK_SECONDS)
    await asyncio.sleep(_SETTLE_SECONDS)
    venue.begin()
    while not venue.is_over:
        await asyncio.sleep(_LOOK_SECONDS)
    await asyncio.sleep(_SETTLE_SECONDS)


def told(
    venue: SimulatedVenue,
    *,
    seed: int,
    scenario: str,
    faults: Sequence[str] = (),
    tls: Path | None = None,
) -> str:
    """What a client needs: addresses, and a key or two, as lines for a `.env` file."""
    if venue.world.venue == ALPACA:
        return _told_of_alpaca(venue, seed=seed, scenario=scenario, faults=faults, tls=tls)
    if venue.world.venue == IBKR:
        return _told_of_ibkr(venue, seed=seed, scenario=scenario, faults=faults, tls=tls)
    listed = ", ".join(venue.world.exchange.listings)
    is_spot = venue.world.venue != USDM
    kind = "spot" if is_spot else "USDⓈ-M futures"
    binary = f"{venue.endpoints.market}{SIDES['binance-sbe'].suffix}"
    broken = f", faults {' '.join(faults)}" if faults else ""
    return "\n".join(
        (
            f"# simulated Binance {kind}: {listed}; seed {seed}, scenario {scenario}{broken}",
            f"# streams  {venue.endpoints.market}",
            *(
                (f"# in SBE   {binary}  (venue binance-sbe; the Ed25519 key alone)",)
                if is_spot
                else ()
            ),
            f"# ws-api   {venue.endpoints.orders}",
            f"# rest     {venue.endpoints.http}",
            *_secured(venue, tls),
            "# an Ed25519 key, which logs on once:",
            f"BINANCE_API_KEY={venue.credentials.key}",
            f'BINANCE_PRIVATE_KEY="{venue.credentials.secret.reveal().strip()}"',
            "# or an HMAC key of the same account, which signs each request:",
            f"# BINANCE_API_KEY={venue.hmac.key}",
            f"# BINANCE_API_SECRET={venue.hmac.secret.reveal()}",
            *_addressed(venue),
        )
    )


def _told_of_alpaca(
    venue: SimulatedVenue, *, seed: int, scenario: str, faults: Sequence[str], tls: Path | None
) -> str:
    listed = ", ".join(venue.world.exchange.listings)
    broken = f", faults {' '.join(faults)}" if faults else ""
    streams, endpoints = venue.served.market_url, venue.endpoints
    return "\n".join(
        (
            f"# simulated Alpaca: {listed}; seed {seed}, scenario {scenario}{broken}",
            f"# crypto   {streams}{CRYPTO}",
            f"# stocks   {streams}{IEX}  (and {SIP}; FAKEPACA is at {TEST})",
            f"# trading  {endpoints.orders}",
            f"# rest     {endpoints.http}",
            *_secured(venue, tls),
            "# a key and its secret, as other clients say APCA_API_KEY_ID and APCA_API_SECRET_KEY:",
            f"ALPACA_API_KEY={venue.hmac.key}",
            f"ALPACA_API_SECRET={venue.hmac.secret.reveal()}",
            *_addressed(venue),
        )
    )


def _told_of_ibkr(
    venue: SimulatedVenue, *, seed: int, scenario: str, faults: Sequence[str], tls: Path | None
) -> str:
    listed = ", ".join(venue.world.exchange.listings)
    broken = f", faults {' '.join(faults)}" if faults else ""
    endpoints = venue.endpoints
    facade: object = venue.world.facade
    assert isinstance(facade, IbkrFacade), facade
    return "\n".join(
        (
            f"# simulated IBKR gateway: {listed}; seed {seed}, scenario {scenario}{broken}",
            f"# socket   {endpoints.orders}",
            f"# rest     {endpoints.http}{PREFIX}",
            f"# accounts {' '.join(facade.office.accounts)}; no key is needed",
            f"# logged in; once that is over, {endpoints.http}/ is the page of a human's login",
            *_secured(venue, tls),
            *_addressed(venue),
        )
    )


def _addressed(venue: SimulatedVenue) -> Iterator[str]:
    """The addresses for a desk's file, and as variables for a script that names none."""
    places = {
        name: beside(venue.endpoints, side)
        for name, side in SIDES.items()
        if side.world == venue.world.venue
    }
    first = next(iter(places.values()))
    yield "# where a desk's file says so, under [venue]:"
    yield (
        f'# endpoints = {{ market = "{first.market}", orders = "{first.orders}", '
        f'http = "{first.http}" }}'
    )
    yield "# where a script goes that names no address; without these lines, to the real venue:"
    for name, place in places.items():
        for field, variable in address_names(name).items():
            yield f"{variable}={getattr(place, field)}"


def _secured(venue: SimulatedVenue, tls: Path | None) -> tuple[str, ...]:
    """What is to be trusted, and where there is no TLS."""
    if tls is None:
        return ()
    return (
        f"# trust {tls.resolve()}, as SSL_CERT_FILE or REQUESTS_CA_BUNDLE; without TLS:",
        f"# {' '.join(venue.served.plain_urls)}",
    )


def _written(path: Path) -> LocalAuthority:
    """A fresh certificate authority; what is to be trusted is in the file."""
    authority = local_authority(SystemClock().now())
    try:
        path.write_bytes(authority.pem)
    except OSError as error:
        raise ConfigError(
            where="sim.tls", found=str(path), expected=f"a file to write ({error.strerror})"
        ) from None
    return authority


def _where(venue: SimulatedVenue, howto: str, tls: Path | None, *, listen_keys: bool) -> Where:
    """What a client is told; cryptofeed's REST side goes the plain way."""
    http = venue.served.plain_urls[2] if howto == "cryptofeed" else venue.endpoints.http
    return Where(
        venue.endpoints.market,
        venue.endpoints.orders,
        http,
        venue.hmac.key,
        venue.hmac.secret.reveal(),
        "" if tls is None else str(tls.resolve()),
        listen_keys,
    )
