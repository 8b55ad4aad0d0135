"""A nautilus_trader node as a stranger: told what to do on stdin, telling what it sees on stdout.

Runs in the stranger's own environment and imports nothing of ours. A line in is a JSON object with
a verb (`place`, `cancel`, `book`, `stop`), a line out one with `said`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from nautilus_trader.adapters.binance import (
    BinanceLiveDataClientFactory,
    BinanceLiveExecClientFactory,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import BookType, OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.trading.strategy import Strategy

PAGE, CONFIG, NAME, *WHERE = sys.argv[1:]
"""Whose lines lead where: a page, the function in it, what is traded, what the function takes."""
BTC = InstrumentId.from_str(NAME)
BARS = "1-MINUTE" if "PERP" in NAME else "1-SECOND"


def tell(said: str, **facts: Any) -> None:
    print(json.dumps({"said": said, **facts}), flush=True)


class Puppet(Strategy):
    """Subscribes to all there is, and does as it is told."""

    def on_start(self) -> None:
        self.subscribe_trade_ticks(BTC)
        self.subscribe_quote_ticks(BTC)
        self.subscribe_bars(BarType.from_str(f"{NAME}-{BARS}-LAST-EXTERNAL"))
        self.subscribe_order_book_deltas(BTC, book_type=BookType.L2_MBP)
        tell("started", instrument=str(self.cache.instrument(BTC)))

    def on_trade_tick(self, tick: Any) -> None:
        tell("trade", id=str(tick.trade_id), price=str(tick.price), size=str(tick.size))

    def on_quote_tick(self, tick: Any) -> None:
        tell("quote", bid=str(tick.bid_price), ask=str(tick.ask_price))

    def on_order_book_deltas(self, deltas: Any) -> None:
        tell("deltas", count=len(deltas.deltas))

    def on_bar(self, bar: Any) -> None:
        tell("bar", close=str(bar.close))

    def on_order_event(self, event: Any) -> None:
        order = self.cache.order(event.client_order_id)
        tell(
            "order",
            kind=type(event).__name__,
            id=str(event.client_order_id),
            status=order.status.name if order else "",
            filled=str(order.filled_qty) if order else "",
            venue_id=str(getattr(event, "venue_order_id", "")),
            trade_id=str(getattr(event, "trade_id", "")),
            reason=str(getattr(event, "reason", "")),
        )

    # ── told ──────────────────────────────────────────────────────────────────────────────────

    def place(self, side: str, size: str, price: str | None = None, post: bool = False) -> None:
        instrument = self.cache.instrument(BTC)
        quantity = instrument.make_qty(Decimal(size))
        if price is None:
            order = self.order_factory.market(BTC, OrderSide[side], quantity)
        else:
            order = self.order_factory.limit(
                BTC,
                OrderSide[side],
                quantity,
                instrument.make_price(Decimal(price)),
                time_in_force=TimeInForce.GTC,
                post_only=post,
            )
        self.submit_order(order)

    def cancel(self, id: str) -> None:
        for order in self.cache.orders():
            if str(order.client_order_id) == id:
                self.cancel_order(order)

    def book(self) -> None:
        book = self.cache.order_book(BTC)
        sides = {
            name: [[str(level.price), str(level.size())] for level in levels]
            for name, levels in (("bids", book.bids()), ("asks", book.asks()))
        }
        tell("book", **sides)

    def account(self) -> None:
        found = self.portfolio.account(BTC.venue)
        tell("account", **{str(one): str(found.balance_total(one)) for one in found.currencies()})


def documented(page: Path, name: str) -> Any:
    """The lines of the page that lead to the simulated venue."""
    text = page.read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if "def nautilus_" in block:
            exec(compile(block, page.name, "exec"), names)
    return names[name]


async def main() -> None:
    node = TradingNode(config=documented(Path(PAGE), CONFIG)(*WHERE))
    puppet = Puppet()
    node.trader.add_strategy(puppet)
    node.add_data_client_factory("BINANCE", BinanceLiveDataClientFactory)
    node.add_exec_client_factory("BINANCE", BinanceLiveExecClientFactory)
    node.build()
    running = asyncio.ensure_future(node.run_async())
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        told = json.loads(line)
        verb = told.pop("verb")
        if verb == "stop":
            break
        getattr(puppet, verb)(**told)
    await node.stop_async()
    await asyncio.wait([running], timeout=60)
    tell("stopped")
    os._exit(0)  # a node's own end stops the loop under whoever runs it


if __name__ == "__main__":
    asyncio.run(main())
