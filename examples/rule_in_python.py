"""A rule of your own: buy what fell by more than 1 % from its high, and protect it with a stop.

    python examples/rule_in_python.py

A rule says what it watches and is shown every such event, in order. It reads the state and yields
wishes; risk decides which of them become orders.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from pitwire import Desk, Fill, State, Trade, buy, fills, open_desk, sell, trades
from pitwire.cli.simulated import simulated_venue
from pitwire.desk.config import DeskConfig, SimSection, VenueSection
from pitwire.model.numbers import plain
from pitwire.trading.wishes import Wish

SYMBOL = "BTC-USDT"


class BuyTheFall:
    """Once the price is `percent` below its high, buy, and leave a stop behind each fill."""

    name = "buy the fall"
    watches = (trades(SYMBOL), fills(SYMBOL))

    def __init__(self, percent: float) -> None:
        self.percent = percent
        self.high = 0.0
        self.bought = False

    def react(self, state: State, now: int) -> Iterator[Wish]:
        match state.event:
            case Trade(price=price):
                self.high = max(self.high, price)
                if not self.bought and price < self.high * (1 - self.percent / 100):
                    self.bought = True
                    yield buy(SYMBOL, 0.02, tag="fall")
            case Fill(side="buy", price=paid, size=size):
                stop = float(paid) * 0.99
                yield sell(SYMBOL, size, stop_price=stop, price=stop * 0.999, tag="stop")


async def main(seconds: float = 12.0) -> Desk:
    config = DeskConfig(
        venue=VenueSection(symbols=(SYMBOL,)), sim=SimSection(scenario="dip", seed=7), seed=7
    )
    market = simulated_venue([SYMBOL], seed=config.sim.seed, scenario=config.sim.scenario)
    async with market as venue:
        desk = await open_desk(
            config,
            rules=[BuyTheFall(percent=1.0)],
            endpoints=venue.endpoints,
            credentials=venue.credentials,
        )
        try:
            async with asyncio.timeout(seconds):
                await desk.run()
        except TimeoutError:
            pass
        finally:
            await desk.stop()
    return desk


if __name__ == "__main__":
    traded = asyncio.run(main())
    told = traded.frames.orders().to_pandas()
    print(told[["update", "side", "type", "price", "size", "filled"]].to_string())
    print("we hold", plain(traded.engine.state.portfolio.position(SYMBOL)), "BTC")
