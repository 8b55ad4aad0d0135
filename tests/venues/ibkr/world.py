"""The simulated gateway, and a session with it in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.events import Event
from pitwire.session.connect import connect_to_websocket
from pitwire.session.session import Session
from pitwire.sim.facades.ibkr import IbkrFacade
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.faults import Fault
from pitwire.sim.latency import LATENCIES
from pitwire.sim.shares import SHARE_STAKES, SHARES
from pitwire.sim.world import HTTP_URL, MARKET_URL, World
from pitwire.venues.ibkr.venue import IBKR, configured
from pitwire.venues.venue import Endpoints

ENDPOINTS = Endpoints(market=MARKET_URL, orders=MARKET_URL, http=HTTP_URL)
AAPL, IBM = "AAPL-USD", "IBM-USD"
ACCOUNTS = ("main", "rival")


def gateway(
    *,
    faults: Sequence[Fault] = (),
    scenario: str | None = "calm",
    options: IbkrOptions | None = None,
    seed: int = 1,
) -> World:
    return World(
        seed=seed,
        listings=SHARES,
        scenario=scenario,
        faults=faults,
        latency=LATENCIES["same-city"],
        accounts=dict.fromkeys(ACCOUNTS, SHARE_STAKES),
        facade=lambda market, judge: cast(
            Any,
            IbkrFacade(
                market, entropy=Entropy(seed), accounts=ACCOUNTS, options=options, judge=judge
            ),
        ),
    )


class Seen(list[Event]):
    """What a session told, with the seconds since the world began."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.begun = world.clock.now()

    def of(self, *kinds: type[Event]) -> list[Any]:
        """All of these kinds, but for our own goodbye."""
        return [one for one in self if isinstance(one, kinds) and not getattr(one, "by_us", False)]

    def at(self, event: Event) -> float:
        return (event.received - self.begun) / SECOND


Main = Callable[[Session, Seen], Awaitable[None]]


def live(
    world: World, main: Main, options: Mapping[str, object] | None = None, hours: float = 2
) -> Seen:
    """Connect, do this, and close."""
    seen = Seen(world)

    async def run() -> None:
        async with connect_to_websocket(
            configured(options) if options else IBKR,
            endpoints=ENDPOINTS,
            dial=world.dialer,
            fetch=world.fetch,
            clock=world.client_clock,
            entropy=Entropy(7),
            on_event=seen.append,
        ) as session:
            await main(session, seen)

    world.run(run(), within_seconds=hours * 3600)
    return seen


def gate(world: World) -> Any:
    """The operator's side of the simulated gateway: its session and its line to the broker."""
    return world.facade


async def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until this holds; raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)
