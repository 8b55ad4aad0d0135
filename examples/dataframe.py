"""Recent trades, quotes and bars as a DataFrame, while the market runs.

    python examples/dataframe.py

`Frames` is a bounded memory in columns: what is older than its capacity is gone.
"""

from __future__ import annotations

import asyncio

import pandas as pd

import pitwire
from pitwire.cli.simulated import simulated_venue

SYMBOL = "BTC-USDT"


async def main(seconds: float = 5.0) -> pd.DataFrame:
    frames = pitwire.Frames(capacity=100_000)
    async with (
        simulated_venue([SYMBOL], seed=7) as venue,
        pitwire.connect_to_websocket(endpoints=venue.endpoints, on_event=frames.record) as session,
    ):
        await session.subscribe_to_ticker(SYMBOL)
        await session.subscribe_to_trades(SYMBOL)
        await asyncio.sleep(seconds)
    trades = frames.trades(SYMBOL).to_pandas()
    print(trades[["price", "size", "side", "trade_id"]].tail())
    print(trades.dtypes)
    return trades


if __name__ == "__main__":
    trades = asyncio.run(main())
    print(trades["price"].resample("1s").ohlc())
