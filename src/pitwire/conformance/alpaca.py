"""Alpaca's crypto as it comes to its examination."""

from __future__ import annotations

from decimal import Decimal

from pitwire.conformance.candidate import Candidate, Staging, golden_folder
from pitwire.sim.alpaca_listings import alpaca_listing
from pitwire.sim.latency import LATENCIES
from pitwire.sim.world import ALPACA as NAME
from pitwire.sim.world import HTTP_URL, MARKET_URL, World
from pitwire.venues.alpaca import ALPACA
from pitwire.venues.venue import Endpoints

_MONEY = {"BTC": Decimal(10), "ETH": Decimal(100), "USD": Decimal(1_000_000)}


def world(staging: Staging) -> World:
    """The simulated Alpaca, with us and a rival."""
    return World(
        seed=staging.seed,
        venue=NAME,
        listings=[alpaca_listing(symbol) for symbol in staging.symbols],
        scenario=staging.scenario,
        faults=staging.faults,
        latency=LATENCIES[staging.latency],
        accounts={"main": _MONEY, "rival": _MONEY},
    )


CANDIDATE = Candidate(
    venue=ALPACA,
    world=world,
    golden=golden_folder("alpaca"),
    symbols=("BTC-USD", "ETH-USD"),
    keys="hmac",
    endpoints=Endpoints(market=MARKET_URL, orders=MARKET_URL, http=HTTP_URL),
)
