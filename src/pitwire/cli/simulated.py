"""A simulated venue on this machine, with addresses and credentials in the client's words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from pitwire.cli.exits import tell_damage
from pitwire.cli.recordings import Recording, demand_overlap, fitting, in_order, recordings_of
from pitwire.model.clock import SystemClock
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError
from pitwire.sim.alpaca_listings import ALPACA_STAKES, alpaca_listing
from pitwire.sim.certificates import LocalAuthority
from pitwire.sim.clocks import SteerableClock
from pitwire.sim.facades.alpaca_options import CRYPTO
from pitwire.sim.facades.ibkr import SOCKET
from pitwire.sim.facts import Listing
from pitwire.sim.faults import Fault
from pitwire.sim.history import RecordedMarket
from pitwire.sim.kit import is_path, kit, load_script
from pitwire.sim.proxy import Proxy
from pitwire.sim.proxy_faults import ProxyFault
from pitwire.sim.scenario_files import (
    STAKE,
    Market,
    assets_of,
    contracts_of,
    load_market,
    plain_listing,
    shares_of,
)
from pitwire.sim.scenarios import SCENARIOS
from pitwire.sim.scripts import SCRIPTS
from pitwire.sim.serve import Venue, serve
from pitwire.sim.shares import SHARE_STAKES
from pitwire.sim.world import ALPACA, BALANCES, IBKR, LISTINGS, SPOT, USDM, World
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Ask, CodecOptions, Endpoints, Role

ACCOUNT = "main"


class SimulatedVenue(NamedTuple):
    """Where it is, who may trade there, and the world behind it, for whoever checks."""

    endpoints: Endpoints
    credentials: Credentials
    """An Ed25519 key: the connection logs on once."""
    hmac: Credentials
    """Another key of the same account: each request is signed."""
    world: World
    served: Venue

    @property
    def what(self) -> str:
        """What it is, in a reader's words."""
        return _NAMES[self.world.venue]

    def begin(self) -> None:
        """Let a recorded market begin to speak; an invented one has long begun."""
        if self.world.recording is not None:
            self.world.recording.release()
            self.served.act()

    @property
    def is_over(self) -> bool:
        """Whether a recorded market has come to its end; an invented one has none."""
        return self.world.recording is not None and self.world.recording.finished


class SimulatedSide(NamedTuple):
    """What stands in for a venue: a world's name, and what follows the market address."""

    world: str
    suffix: str = ""


SIDES: Mapping[str, SimulatedSide] = {
    "binance": SimulatedSide(SPOT),
    "binance-sbe": SimulatedSide(SPOT, "/sbe"),
    "binance-usdm": SimulatedSide(USDM),
    "alpaca": SimulatedSide(ALPACA, CRYPTO),
    "ibkr": SimulatedSide(IBKR, SOCKET),
}
"""Venue → what is served for it."""
_NAMES = {
    SPOT: "a simulated Binance",
    USDM: "a simulated Binance",
    ALPACA: "a simulated Alpaca",
    IBKR: "a simulated gateway of IBKR",
}
"""World → what a person calls it."""
_FITTED = {USDM: contracts_of, ALPACA: assets_of, IBKR: shares_of}
"""World → what makes a market one of its own."""
_STAKES: Mapping[str, Mapping[str, Decimal]] = {ALPACA: ALPACA_STAKES, IBKR: SHARE_STAKES}
"""World → what an account owns there of what is known."""


@asynccontextmanager
async def venue_beside(
    name: str,
    symbols: Iterable[str],
    *,
    seed: int,
    scenario: str,
    faults: Sequence[str],
    port: int,
) -> AsyncIterator[SimulatedVenue]:
    """Serve what stands in for a venue of the configuration; `ConfigError` where nothing does."""
    side = SIDES.get(name)
    if side is None:
        known = ", ".join(SIDES)
        expected = f"one that is simulated here: {known}; or endpoints, or another mode"
        raise ConfigError(where="venue.name", found=name, expected=expected)
    async with simulated_venue(
        symbols, seed=seed, scenario=scenario, faults=faults, port=port, venue=side.world
    ) as venue:
        yield venue._replace(endpoints=beside(venue.endpoints, side))


def beside(endpoints: Endpoints, side: SimulatedSide) -> Endpoints:
    """Where a client goes that takes what is served for this side of the venue."""
    return msgspec.structs.replace(endpoints, market=f"{endpoints.market}{side.suffix}")


@asynccontextmanager
async def simulated_venue(
    symbols: Iterable[str] = (),
    *,
    seed: int = 1,
    scenario: str = "calm",
    faults: Sequence[str] = (),
    port: int = 0,
    tls: LocalAuthority | None = None,
    venue: str = SPOT,
    listen_keys: bool = False,
) -> AsyncIterator[SimulatedVenue]:
    """Serve a market in these symbols (none: ours) on one local port; 0 takes a free one.

    A scenario is a name or the path of a file, which brings symbols, fees and accounts of its own.
    With `tls` everything is on that port with it, and on a second one without. A fault is the name
    of a script, an id of the kit, or the path of a script of one's own; where it has faults for a
    proxy, one stands before the streams.
    """
    rules = alpaca_listing if venue == ALPACA else plain_listing
    symbols = _askable(symbols, venue)
    market = _market(scenario, [rules(symbol) for symbol in symbols], venue)
    if venue in _FITTED:
        market = _FITTED[venue](market)
    _askable((listing.symbol for listing in market.listings), venue)
    world = World(
        seed=seed,
        venue=venue,
        listings=market.listings,
        scenario=market.scenario,
        crowded=market.crowded,
        faults=[fault for name in faults for fault in _faults(name).sim],
        clock=SteerableClock(SystemClock()),
        accounts=market.accounts,
        ceilings=market.limits,
        listen_keys=listen_keys,
    )
    broken = [fault for name in faults for fault in _faults(name).proxy]
    if broken and tls:
        raise ConfigError(where="sim.tls", found="faults of a proxy", expected="one or the other")
    async with serve(world, port=port, ssl=tls and tls.server, plain=tls is not None) as served:
        found = _described(world, served)
        if not broken:
            yield found
            return
        async with Proxy("127.0.0.1", served.port, broken, seed=seed) as proxy:
            address = f"ws://127.0.0.1:{proxy.port}"
            orders = f"{address}{world.facade.ws_api}"
            yield found._replace(
                endpoints=Endpoints(market=address, orders=orders, http=served.http_url)
            )


@asynccontextmanager
async def recorded_venue(
    paths: Path | Sequence[Path],
    symbols: Sequence[str] = (),
    *,
    seed: int = 1,
    speed: float = 1.0,
    port: int = 0,
    tls: LocalAuthority | None = None,
    listen_keys: bool = False,
) -> AsyncIterator[SimulatedVenue]:
    """Serve a recorded market in these symbols (none: all of a tape's): a capture, a tape, or
    several tapes of different symbols.

    It stands still until `begin` is called.
    """
    paths = [paths] if isinstance(paths, Path) else paths
    rules, recordings = recordings_of(paths, symbols)
    with ExitStack() as kept:
        for recording in recordings:
            kept.callback(recording.close)
            kept.callback(_tell_damage_of, recording)  # what was met on the way
        demand_overlap(recordings)
        assets = [asset for each in rules for asset in (each.base, each.quote)]
        recorded = fitting(
            paths[0],
            lambda: RecordedMarket(
                rules,
                [snapshot for recording in recordings for snapshot in recording.snapshots],
                Entropy(seed).child("recording"),
                frames=in_order([recording.frames() for recording in recordings]),
                speed=speed,
                held=True,
            ),
        )
        world = World(
            seed=seed,
            clock=SystemClock(),
            recording=recorded,
            listen_keys=listen_keys,
            accounts={ACCOUNT: {each: BALANCES.get(each, STAKE) for each in assets}},
        )
        async with serve(world, port=port, ssl=tls and tls.server, plain=tls is not None) as venue:
            yield _described(world, venue)


def _tell_damage_of(recording: Recording) -> None:
    tell_damage(recording.flaws)


def _market(scenario: str, chosen: list[Listing], venue: str) -> Market:
    """What a name or a file says; symbols of the command line go before those of a file."""
    if is_path(scenario) and scenario not in SCENARIOS:
        found = load_market(Path(scenario))
        if not chosen:
            return found
        listings, crowded = chosen, [each.symbol for each in chosen]
        return found._replace(listings=listings, crowded=crowded)
    listings = chosen or list(LISTINGS)
    assets = [asset for each in listings for asset in (each.base, each.quote)]
    balances = _STAKES.get(venue, BALANCES)
    return Market(
        SCENARIOS[_known("sim.scenario", scenario, SCENARIOS)],
        listings,
        [each.symbol for each in listings],
        {ACCOUNT: {asset: balances.get(asset, STAKE) for asset in assets}},
    )


def _askable(symbols: Iterable[str], venue: str) -> list[str]:
    """The same symbols; raises `ConfigError` for one that no client could ask this venue for."""
    client = next(name for name, side in SIDES.items() if side.world == venue)
    codec = find_venue(client).codec(CodecOptions(Role.MARKET))
    asked = list(symbols)
    for symbol in asked:
        try:
            codec.check(Ask("ticker", symbol))
        except ConfigError as error:
            raise ConfigError(where="symbol", found=symbol, expected=error.expected) from None
        base, _, quote = symbol.partition("-")
        if base == quote:
            raise ConfigError(where="symbol", found=symbol, expected="a pair of two assets")
    return asked


def _described(world: World, venue: Venue) -> SimulatedVenue:
    first = "hmac" if world.venue in (ALPACA, IBKR) else "ed25519"  # where keys sign nothing
    return SimulatedVenue(
        Endpoints(market=venue.market_url, orders=venue.orders_url, http=venue.http_url),
        Credentials(*world.keys[first], account=next(iter(world.pairs))),
        Credentials(*world.keys["hmac"], account=next(iter(world.pairs))),
        world,
        venue,
    )


class _Faults(NamedTuple):
    """What a name on the command line stands for."""

    sim: tuple[Fault, ...]
    proxy: tuple[ProxyFault, ...] = ()


def _faults(name: str) -> _Faults:
    if name.upper() in kit() or is_path(name):
        script = load_script(Path(name)) if is_path(name) else kit()[name.upper()]
        return _Faults(script.sim, script.proxy)
    return _Faults(SCRIPTS[_known("sim.faults", name, SCRIPTS)])


def _known(where: str, name: str, table: Iterable[str]) -> str:
    if name not in (names := list(table)):
        raise ConfigError(where=where, found=name, expected=f"one of {', '.join(names)}")
    return name
