"""Interactive Brokers' gateway as it comes to its examination."""

from __future__ import annotations

from typing import cast

from pitwire.conformance.candidate import Candidate, Staging, golden_folder
from pitwire.model.entropy import Entropy
from pitwire.sim.facades.facade import Judge, Market
from pitwire.sim.facades.ibkr import IbkrFacade
from pitwire.sim.latency import LATENCIES
from pitwire.sim.shares import SHARE_STAKES, SHARES
from pitwire.sim.stage import OperatedFacade
from pitwire.sim.world import HTTP_URL, MARKET_URL, World
from pitwire.venues.ibkr import IBKR
from pitwire.venues.venue import Endpoints

ACCOUNTS = ("main", "rival")


def world(staging: Staging) -> World:
    """The simulated gateway, with us and a rival."""

    def facade(market: Market, judge: Judge) -> OperatedFacade:
        made = IbkrFacade(market, entropy=Entropy(staging.seed), accounts=ACCOUNTS, judge=judge)
        return cast(OperatedFacade, made)

    return World(
        seed=staging.seed,
        listings=[one for one in SHARES if one.symbol in staging.symbols],
        scenario=staging.scenario,
        faults=staging.faults,
        latency=LATENCIES[staging.latency],
        accounts=dict.fromkeys(ACCOUNTS, SHARE_STAKES),
        facade=facade,
    )


CANDIDATE = Candidate(
    venue=IBKR,
    world=world,
    golden=golden_folder("ibkr"),
    symbols=("AAPL-USD", "IBM-USD"),
    endpoints=Endpoints(market=MARKET_URL, orders=MARKET_URL, http=HTTP_URL),
)
