"""The six verbs, in the order in which a connection lives.

    python examples/six_verbs.py

The venue is a simulated one on this machine. Leave `endpoints` and `credentials` out, and the same
lines speak to the real one, with the keys of your environment or `.env` file.
"""

from __future__ import annotations

import asyncio

import pitwire
from pitwire.cli.simulated import simulated_venue


async def main(seconds: float = 3.0) -> int:
    quotes = 0

    def on_event(event: pitwire.Event) -> None:
        nonlocal quotes
        if isinstance(event, pitwire.Quote):
            quotes += 1
        else:
            print(type(event).__name__, event.symbol)

    def on_error(error: BaseException) -> pitwire.Recovery:
        print("trouble:", error)
        recovery = session.handle_websocket_error(error)
        print("what to do:", recovery)
        return recovery

    async with simulated_venue(["BTC-USDT"], faults=["cut"]) as venue:
        # One.
        session = await pitwire.connect_to_websocket(
            "binance",
            endpoints=venue.endpoints,
            credentials=venue.credentials,
            on_event=on_event,
            on_error=on_error,
        )
        async with session:
            await session.authenticate_websocket()  # two
            await session.subscribe_to_ticker("BTC-USDT")  # three
            await session.subscribe_to_order_updates()  # four
            try:
                async with asyncio.timeout(seconds):
                    print(await session.process_incoming_data())  # five
            except TimeoutError:
                print(f"{quotes} quotes in {seconds} s")
        # Six is `handle_websocket_error`: the market cuts us off after five seconds, and it says
        # what to do about that. By itself the session would do just the same.
    return quotes


if __name__ == "__main__":
    asyncio.run(main(8.0))
