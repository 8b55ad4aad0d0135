"""A demo market and the desk that trades in it, in one process, as `pitwire demo` has them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from multiprocessing.connection import Connection

from pitwire.cli.loops import loop_factory
from pitwire.cli.simulated import simulated_venue
from pitwire.desk.config import DeskConfig, VenueSection
from pitwire.desk.opening import open_desk
from pitwire.sim.world import LISTINGS
from pitwire.trading import rules, wishes
from pitwire.trading.state import State

SYMBOL = "BTC-USDT"
SIZE = "0.001"
EVERY_SECONDS = 0.5


def _keep_trading(state: State, _now: int) -> Iterator[wishes.Wish]:
    """Buy a little, sell it again, for ever."""
    if state.portfolio.position(SYMBOL) > 0:
        yield wishes.sell(SYMBOL, SIZE)
    else:
        yield wishes.buy(SYMBOL, SIZE)


def live(control: Connection) -> None:
    """The process: says `started`, and on `stop` how many messages and orders there were."""
    with asyncio.Runner(loop_factory=loop_factory("auto")) as runner:
        runner.run(_live(control))


async def _live(control: Connection) -> None:
    rule = rules.every(EVERY_SECONDS, rules.rule(rules.trades(SYMBOL), name="trade")(_keep_trading))
    async with simulated_venue() as venue:
        config = DeskConfig(venue=VenueSection(symbols=tuple(one.symbol for one in LISTINGS)))
        desk = await open_desk(
            config, rules=[rule], endpoints=venue.endpoints, credentials=venue.hmac
        )
        control.send("started")
        await _told(control)
        orders = desk.timings.report().tick_to_order.count
        messages = desk.health.snapshot(desk.clock.now()).events
        await desk.stop()
        control.send((messages, orders))


async def _told(control: Connection) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_reader(control.fileno(), told.set)
    await told.wait()
    loop.remove_reader(control.fileno())
    control.recv()
