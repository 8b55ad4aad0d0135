"""A network that breaks, on this machine alone: what our session tells while it does.

    python examples/broken_network.py

A venue is served on a local port and a proxy stands before its streams. The proxy swallows
everything for two seconds, then resets the connection; the session notices, comes back, and asks
for the trades that it missed.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from pitwire import Endpoints, connect_to_websocket
from pitwire.model.clock import SystemClock
from pitwire.model.events import Event, Lost, Opened, Subscribed, Trade, TradeGap
from pitwire.sim.proxy import Proxy
from pitwire.sim.proxy_faults import Reset, Swallow
from pitwire.sim.serve import serve
from pitwire.sim.world import World

SECONDS = 8.0
STREAMS = "*stream*"
SCRIPT = (
    Swallow(at_seconds=2, for_seconds=2, path=STREAMS),
    Reset(at_seconds=5, path=STREAMS),
)


async def main(seconds: float = SECONDS) -> Counter[str]:
    """Run it and return how many events of each kind there were."""
    seen: Counter[str] = Counter()
    trades: list[Trade] = []

    def on_event(event: Event) -> None:
        seen[type(event).__name__] += 1
        match event:
            case Trade():
                trades.append(event)
            case Lost(link=link, reason=reason):
                print(f"{link} lost: {reason}")
            case Opened(link=link, attempt=attempt):
                print(f"{link} stands, after {attempt} dials")
            case TradeGap(since=since) if since:
                print("trades are gone that nobody can name")
            case TradeGap(first_missing=first, last_missing=last):
                print(f"trades {first} to {last} are gone")
            case Subscribed() | _:
                pass

    async with (
        serve(World(seed=1, clock=SystemClock())) as venue,
        Proxy("127.0.0.1", venue.port, SCRIPT) as proxy,
        connect_to_websocket(
            endpoints=Endpoints(
                market=f"ws://127.0.0.1:{proxy.port}",
                orders=venue.orders_url,
                http=venue.http_url,
            ),
            on_event=on_event,
        ) as session,
    ):
        await session.subscribe_to_trades("BTC-USDT")
        await asyncio.sleep(seconds)

    ids = [trade.trade_id for trade in trades]
    missing = set(range(ids[0], ids[-1] + 1)) - set(ids)
    asked = sum(trade.backfilled for trade in trades)
    print(f"{len(ids)} trades, {asked} of them asked for afterwards, {len(missing)} missing")
    return seen


if __name__ == "__main__":
    asyncio.run(main())
