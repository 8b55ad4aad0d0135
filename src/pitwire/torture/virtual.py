"""A script in virtual time: the whole venue in memory, minutes in a moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError
from pitwire.sim.alpaca_listings import alpaca_listing
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facts import Listing
from pitwire.sim.faults import DelayAck, Fault, HangDial
from pitwire.sim.futures_listings import BTC_USDT_PERP, FUTURES
from pitwire.sim.kit import Script, Trial
from pitwire.sim.latency import LATENCIES
from pitwire.sim.loop import START
from pitwire.sim.scenarios import SCENARIOS, Scenario, scenario
from pitwire.sim.truth import Truth
from pitwire.sim.world import (
    ALPACA,
    BTC_USDT,
    ETH_BTC,
    ETH_USDT,
    FUTURES_ORDERS_URL,
    HTTP_URL,
    MARKET_URL,
    ORDERS_URL,
    SPOT,
    USDM,
    World,
)
from pitwire.torture.outcome import Outcome
from pitwire.torture.trial import Stand, attempt
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Endpoints, Venue

_LISTED = {SPOT: (BTC_USDT, ETH_USDT, ETH_BTC), USDM: FUTURES}
_ORDERS = {SPOT: ORDERS_URL, USDM: FUTURES_ORDERS_URL, ALPACA: MARKET_URL}


def try_virtually(script: Script, seed: int) -> Outcome:
    """Try a script in virtual time."""
    trial = script.trial
    is_spot = known("trial.venue", trial.venue, _ORDERS) == SPOT
    world = World(
        seed=seed,
        venue=trial.venue,
        listings=listings(trial),
        crowded=trial.symbols,
        scenario=paced(known("trial.scenario", trial.scenario, SCENARIOS), trial.bustle),
        faults=script.sim,
        latency=LATENCIES[known("trial.latency", trial.latency, LATENCIES)],
        start=_start(script),
        options=BinanceOptions(lifetime_seconds=trial.lifetime_seconds) if is_spot else None,
    )
    venue = find_venue(trial.venue)
    stand = stand_in(
        world,
        script,
        venue=aged(venue, trial) if is_spot else venue,
        endpoints=Endpoints(market=MARKET_URL, orders=_ORDERS[trial.venue], http=HTTP_URL),
    )
    return world.run(attempt(script, stand, seed=seed), within_seconds=200_000)


def stand_in(world: World, script: Script, *, venue: Venue, endpoints: Endpoints) -> Stand:
    """A world as a trial of this script wants it, with any venue that it simulates."""
    trial, begun, plan = script.trial, world.clock.now(), world.plan
    aging = trial.lifetime_seconds < 86_400
    over = begun + round(script.is_over * SECOND)
    if aging:
        over = max(over, begun + round(1.5 * trial.lifetime_seconds * SECOND))

    def ended() -> int:
        """When the last fault was over: one that comes by count may take its time."""
        # A late answer about the clock breaks nothing that would have to come back.
        breaks = (
            at + _outlasts(fault)
            for at, fault in reversed(plan.happened)
            if not _is_clock_answer(fault)
        )
        return max(over, next(breaks, over))

    def broke() -> int | None:
        first = min((fault.at_seconds for fault in script.sim), default=0.0)
        return begun + round(first * SECOND)

    return Stand(
        way="virtual",
        venue=venue,
        truth=Truth(world),
        endpoints=endpoints,
        clock=world.client_clock,
        now=world.clock.now,
        dial=world.dial,
        fetch=world.fetch,
        credentials=Credentials(*world.keys["hmac"]) if venue.market_login else None,
        break_it=world.clock.now,
        broke=broke,
        over=ended,
        happened=lambda: len(plan.happened) + sum(map(_is_clock, script.sim)) + aging,
    )


def listings(trial: Trial) -> list[Listing]:
    """The symbols of a trial; raises `ConfigError` for one that the simulator does not list."""
    if trial.venue == ALPACA:
        return [alpaca_listing(symbol) for symbol in trial.symbols]
    listed = {one.symbol: one for one in _LISTED.get(trial.venue, _LISTED[SPOT])}
    for symbol in trial.symbols:
        if symbol not in listed:
            expected = f"some of {', '.join(listed)}"
            raise ConfigError(where="trial.symbols", found=symbol, expected=expected)
    found = [listed[symbol] for symbol in trial.symbols]
    quiet = [
        Listing(
            symbol=f"Q{number}-USDT",
            base=f"Q{number}",
            quote="USDT",
            tick=Decimal("0.01"),
            lot=Decimal("0.0001"),
            max_price=100_000_000,
            max_lots=90_000_000,
            min_notional=Decimal(5),
            start_price=10_000,
            contract=BTC_USDT_PERP.contract if trial.venue == USDM else None,
        )
        for number in range(1, trial.more_symbols + 1)
    ]
    return [*found, *quiet]


def known(where: str, name: str, table: Iterable[str]) -> str:
    """The name, if the table has it; raises `ConfigError` with the names there are."""
    if name not in (names := list(table)):
        raise ConfigError(where=where, found=name, expected=f"one of {', '.join(names)}")
    return name


def paced(name: str, bustle: float) -> Scenario:
    """A scenario with fewer acts a second; its prices move as they did."""
    scene = scenario(name)
    return msgspec.structs.replace(
        scene,
        makers_per_second=scene.makers_per_second * bustle,
        takers_per_second=scene.takers_per_second * bustle,
        followers_per_second=scene.followers_per_second * bustle,
    )


def aged(venue: Venue, trial: Trial) -> Venue:
    """The venue's table with a connection's life as the trial has it."""
    heartbeat = msgspec.structs.replace(venue.heartbeat, max_life_seconds=trial.lifetime_seconds)
    return msgspec.structs.replace(venue, heartbeat=heartbeat)


def _outlasts(fault: Fault) -> int:
    """How long a fault goes on after it happened, in ns."""
    return round(fault.seconds * SECOND) if isinstance(fault, HangDial) else 0


def _is_clock_answer(fault: Fault) -> bool:
    return isinstance(fault, DelayAck) and fault.kind == "time"


def _is_clock(fault: object) -> bool:
    return type(fault).__name__ in ("ClockStep", "ClockDrift", "ClockSkew", "Pause")


def _start(script: Script) -> int:
    text = script.trial.starts
    if not text:
        return START
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            where="trial.starts", found=text, expected="a time, as 2028-02-28T23:59:50Z"
        ) from None
    return round(when.timestamp()) * SECOND
