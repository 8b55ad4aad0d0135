"""Tables → what other programs read: hftbacktest's events, frames for nautilus' wranglers.

The layouts are theirs: hftbacktest's `types.py` (event_dtype and its flags), nautilus' wranglers of
trades and quotes (a `timestamp`, and columns of these names).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pitwire.market.sync import HOLD
from pitwire.model.errors import ConfigError
from pitwire.store.query import Store

DEPTH, TRADE, CLEAR, SNAPSHOT = 1, 2, 3, 4
EXCH, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
EVENT = np.dtype(
    [
        ("ev", "u8"), ("exch_ts", "i8"), ("local_ts", "i8"), ("px", "f8"), ("qty", "f8"),
        ("order_id", "u8"), ("ival", "i8"), ("fval", "f8"),
    ],
    align=True,
)  # fmt: skip
_BOTH = EXCH | LOCAL
_Row: TypeAlias = tuple[int, int, int, float, float]
_Levels: TypeAlias = Sequence[Mapping[str, float]]
_Delta: TypeAlias = tuple[int, int, _Levels, _Levels]
"""Its last id, the venue's time or ours, bids and asks."""


def export_hftbacktest(store: Store, symbol: str, path: Path) -> int:
    """Trades and book of a symbol as `data` of an npz file; how many events. Times are ns.

    Both stamps are kept; where the venue wrote none, ours stands for it. Events are in the order of
    their coming, so a reader that demands order by the venue's time as well must correct it.
    """
    question = """
        SELECT received, seq, venue_time, 'trade' AS what, side, price, size, 0 AS last_id,
            NULL AS bids, NULL AS asks FROM Trade WHERE symbol = ?
        UNION ALL SELECT received, seq, venue_time, 'delta', '', 0, 0, last_id, bids, asks
        FROM BookDelta WHERE symbol = ?
        UNION ALL SELECT received, seq, venue_time, 'snapshot', '', 0, 0, last_id, bids, asks
        FROM BookSnapshot WHERE symbol = ?
        UNION ALL SELECT received, seq, venue_time, 'stale', '', 0, 0, 0, NULL, NULL
        FROM BookStale WHERE symbol = ?
        ORDER BY received, seq
    """
    rows: list[_Row] = []
    is_live, late = False, deque[_Delta](maxlen=HOLD)
    for batch in store.sql(question, [symbol] * 4).batches(10_000):
        for received, _, venue_time, what, side, price, size, last_id, bids, asks in batch:
            at = venue_time or received
            if what == "trade":
                flag = BUY if side == "buy" else SELL
                rows.append((_BOTH | TRADE | flag, at, received, price, size))
            elif what == "stale":
                is_live = False
                late.clear()
            elif what == "snapshot":
                rows += _book_rows(SNAPSHOT, at, received, bids, asks)
                for number, was, *levels in late:  # received before it, and told after it
                    if number > last_id:
                        rows += _book_rows(DEPTH, was, received, *levels)
                is_live = True
            else:
                late.append((last_id, at, bids, asks))
                if is_live:
                    rows += _book_rows(DEPTH, at, received, bids, asks)
    if not rows:
        expected = "a symbol with trades or a book in these tables"
        raise ConfigError(where="symbol", found=symbol, expected=expected)
    data = np.zeros(len(rows), EVENT)
    names = ("ev", "exch_ts", "local_ts", "px", "qty")
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        data[name] = column
    np.savez_compressed(path, data=data)
    return len(rows)


def _book_rows(kind: int, at: int, received: int, bids: _Levels, asks: _Levels) -> list[_Row]:
    rows: list[_Row] = []
    for flag, levels in ((BUY, bids), (SELL, asks)):
        if kind == SNAPSHOT and levels:
            rows.append((_BOTH | CLEAR | flag, at, received, levels[-1]["price"], 0.0))
        rows += [
            (_BOTH | kind | flag, at, received, level["price"], level["size"]) for level in levels
        ]
    return rows


def export_nautilus(store: Store, symbol: str, folder: Path) -> list[Path]:
    """`trades.parquet` and `quotes.parquet` of a symbol; the files that there was something for."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = pa.timestamp("ns", tz="UTC")
    written = []
    trades = store.trades(symbol).to_arrow()
    if len(trades):
        table = pa.table(
            {
                "timestamp": trades["received"].cast(stamp),
                "price": trades["price"],
                "quantity": trades["size"],
                "buyer_maker": pc.equal(trades["side"], "sell"),
                "trade_id": trades["trade_id"].cast(pa.string()),
            }
        )
        written.append(_write(table, folder / "trades.parquet"))
    quotes = store.quotes(symbol).to_arrow()
    if len(quotes):
        columns = {
            "bid_price": quotes["bid"],
            "ask_price": quotes["ask"],
            "bid_size": quotes["bid_size"],
            "ask_size": quotes["ask_size"],
        }
        table = pa.table({"timestamp": quotes["received"].cast(stamp)} | columns)
        written.append(_write(table, folder / "quotes.parquet"))
    if not written:
        expected = "a symbol with trades or quotes in these tables"
        raise ConfigError(where="symbol", found=symbol, expected=expected)
    return written


def _write(table: pa.Table, path: Path) -> Path:
    pq.write_table(table, path, compression="zstd")
    return path
