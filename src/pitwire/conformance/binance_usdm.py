"""Binance's USDⓈ-M futures as they come to their examination."""

from __future__ import annotations

from decimal import Decimal

from pitwire.conformance.candidate import Candidate, Staging, golden_folder
from pitwire.sim.futures_listings import FUTURES
from pitwire.sim.latency import LATENCIES
from pitwire.sim.world import FUTURES_ORDERS_URL, HTTP_URL, MARKET_URL, USDM, World
from pitwire.venues.binance_futures import BINANCE_USDM
from pitwire.venues.venue import Endpoints

_MONEY = {"USDT": Decimal(1_000_000)}


def world(staging: Staging) -> World:
    """The simulated futures, with us and a rival."""
    return World(
        venue=USDM,
        seed=staging.seed,
        listings=[one for one in FUTURES if one.symbol in staging.symbols],
        scenario=staging.scenario,
        faults=staging.faults,
        latency=LATENCIES[staging.latency],
        accounts={"main": _MONEY, "rival": _MONEY},
    )


CANDIDATE = Candidate(
    venue=BINANCE_USDM,
    world=world,
    golden=golden_folder(USDM),
    endpoints=Endpoints(market=MARKET_URL, orders=FUTURES_ORDERS_URL, http=HTTP_URL),
    margin=True,
)
