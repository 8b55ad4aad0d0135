"""A client of ours in a process of its own: it prints what it is told, one event a line.

    python -m pitwire.torture.remote ws://127.0.0.1:1 http://127.0.0.1:2 BTC-USDT ETH-USDT

House rules: it decides nothing and judges nothing; whoever started it does.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import msgspec

from pitwire.market.book import OrderBook
from pitwire.model import events as ev
from pitwire.model.entropy import Entropy
from pitwire.model.packed import unpacked
from pitwire.session.connect import connect_to_websocket
from pitwire.venues.venue import Endpoints

CHANNELS = ("ticker", "trades", "book")
_encode = msgspec.json.Encoder(decimal_format="string", enc_hook=unpacked).encode


class Replica:
    """The books of a client that is elsewhere, from the events that it was told."""

    def __init__(self) -> None:
        self._books: dict[str, OrderBook] = {}

    def book(self, symbol: str) -> OrderBook:
        """Its book of a symbol."""
        found = self._books.get(symbol)
        if found is None:
            found = self._books[symbol] = OrderBook("binance", symbol)
        return found

    def take(self, event: ev.Event) -> None:
        """What it was told."""
        match event:
            case ev.BookSnapshot():
                self.book(event.symbol).apply_snapshot(event)
            case ev.BookDelta():
                self.book(event.symbol).apply(event)
            case ev.BookStale():
                self.book(event.symbol).clear()
            case _:
                pass


async def run(market: str, http: str, symbols: Sequence[str]) -> None:
    """Watch until told to end."""

    def told(events: Sequence[ev.Event], _now: int, _drained: bool) -> None:
        lines = b"".join(_encode(event) + b"\n" for event in events)
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()

    connecting = connect_to_websocket(
        "binance",
        endpoints=Endpoints(market=market, orders=f"{market}/ws-api/v3", http=http),
        entropy=Entropy(1),
        on_events=told,
        connect_attempts=10,
        plain_text=True,  # its own namespace; nothing leaves this machine
    )
    async with connecting as session:
        for channel in CHANNELS:
            await session.subscribe(channel, *symbols)
        await session.process_incoming_data()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], sys.argv[3:]))
