"""Binance spot as it comes to its examination."""

from __future__ import annotations

from decimal import Decimal

from pitwire.conformance.candidate import Candidate, Staging, golden_folder
from pitwire.sim.latency import LATENCIES
from pitwire.sim.world import LISTINGS, World
from pitwire.venues.binance import BINANCE

_MONEY = {"BTC": Decimal(10), "ETH": Decimal(100), "USDT": Decimal(1_000_000)}


def world(staging: Staging) -> World:
    """The simulated Binance, with us and a rival."""
    return World(
        seed=staging.seed,
        listings=[one for one in LISTINGS if one.symbol in staging.symbols],
        scenario=staging.scenario,
        faults=staging.faults,
        latency=LATENCIES[staging.latency],
        accounts={"main": _MONEY, "rival": _MONEY},
    )


CANDIDATE = Candidate(venue=BINANCE, world=world, golden=golden_folder("binance"))
