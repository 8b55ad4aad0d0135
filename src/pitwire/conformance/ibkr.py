"""Interactive Brokers' gateway as it comes to its examination."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pitwire.conformance.candidate import Candidate, Staging, golden_folder
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.latency import LATENCIES
from pitwire.sim.shares import SHARES
from pitwire.sim.world import HTTP_URL, IBKR, MARKET_URL, World
from pitwire.venues.ibkr.venue import configured
from pitwire.venues.venue import Endpoints

MONEY = {"USD": Decimal(1_000_000), "AAPL": Decimal(10_000), "IBM": Decimal(10_000)}


def world(staging: Staging) -> World:
    """The simulated gateway, with us and a rival."""
    return World(
        venue=IBKR,
        seed=staging.seed,
        listings=[one for one in SHARES if one.symbol in staging.symbols],
        scenario=staging.scenario,
        faults=staging.faults,
        latency=LATENCIES[staging.latency],
        accounts={"main": MONEY, "rival": MONEY},
        # A fill is told with its commission, for which the cards do not wait.
        options=IbkrOptions(commission_seconds=0.0),
    )


def known_as(world: World, symbol: str, order_id: str) -> str:
    """The gateway keeps our id for itself, and names the order at the exchange as it likes."""
    blotter: Any = world.facade.blotter  # type: ignore[attr-defined]
    legs = {one.leg for one in blotter.orders.values() if one.ticket.ref == order_id}
    orders = world.exchange.all_orders("main", symbol)
    return next((one.client_id for one in orders if one.order_id in legs), "")


CANDIDATE = Candidate(
    # The cards place orders far from the market, of which the gateway asks.
    venue=configured({"answers": ["price-percentage"]}),
    world=world,
    golden=golden_folder(IBKR),
    symbols=("AAPL-USD", "IBM-USD"),
    known_as=known_as,
    endpoints=Endpoints(market=MARKET_URL, orders=MARKET_URL, http=HTTP_URL),
)
