"""Orders over HTTP have the times that are known of them: the write of their bytes, the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal

import pytest

from pitwire.cli.simulated import venue_beside
from pitwire.desk.config import parse_config
from pitwire.desk.opening import open_desk
from pitwire.model.orders import Place, Side
from pitwire.trading.journal import Left, MemoryJournal, Written
from pitwire.trading.receipts import receipts
from pitwire.trading.rules import watch
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish
from tests import unhurried

CONFIG = """
mode = "sim"
[venue]
name = "{venue}"
symbols = ["{symbol}"]
channels = ["ticker"]
[log]
file = ""
[risk]
max_order_notional = 100_000
"""


class Once:
    """Buys a little at the market."""

    name = "once"

    def __init__(self, symbol: str, size: str) -> None:
        self.watches = (watch("Quote", symbol),)
        self._symbol, self._size, self._done = symbol, Decimal(size), False

    def react(self, state: State, now: int) -> Iterable[Wish]:
        if not self._done:
            self._done = True
            yield Place(self._symbol, Side.BUY, size=self._size)


@pytest.mark.parametrize(
    ("name", "symbol", "size"), [("alpaca", "BTC-USD", "0.01"), ("ibkr", "AAPL-USD", "1")]
)
def test_it_is_known_when_it_was_written_and_when_it_was_answered(
    name: str, symbol: str, size: str
) -> None:
    config, journal = parse_config(CONFIG.format(venue=name, symbol=symbol)), MemoryJournal()

    async def story() -> None:
        async with venue_beside(
            name, [symbol], seed=3, scenario="quiet", faults=(), port=0
        ) as venue:
            desk = await open_desk(
                config,
                rules=[Once(symbol, size)],
                endpoints=venue.endpoints,
                credentials=venue.credentials,
                journals=[journal],
            )
            try:
                while not any(receipt.ended for receipt in receipts(journal.records)):
                    await asyncio.sleep(0.05)
            finally:
                await desk.stop()
            [timing] = desk.timings.orders.values()
            assert timing.received <= timing.decided < timing.sent < timing.answered
            assert desk.timings.report().tick_to_order.count == 1

    unhurried.run(story())
    [left] = [record for record in journal.records if isinstance(record, Left)]
    [written] = [record for record in journal.records if isinstance(record, Written)]
    [receipt] = receipts(journal.records)
    assert (left.sent, written.symbol) == (0, symbol)
    assert receipt.decided < receipt.sent == written.at < receipt.acknowledged
