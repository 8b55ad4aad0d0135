"""Tables → what other programs read: hftbacktest's events, frames for nautilus' wranglers.

The layouts are theirs: hftbacktest's `types.py` (event_dtype and its flags), nautilus' wranglers of
trades and quotes (a `timestamp`, and columns of these names).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

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


def export_hftbacktest(store: Store, symbol: str, path: Path) -> int:
    """Trades and book of a symbol as `data` of an npz file; how many events. Times are ns.

    The file has its name when it is whole; what had that name before is there until then.

    Both stamps are kept; where the venue wrote none, ours stands for it. Events are in the order of
    their coming, so a reader that demands order by the venue's time as well must correct it.
    """
    rows: list[tuple[int, int, int, float, float]] = []
    trades, _ = _trades_of(store, symbol)
    question = f"""
        SELECT received, seq, venue_time, 'trade' AS what, side, price, size,
            NULL AS bids, NULL AS asks FROM "{trades}" WHERE symbol = ?
        UNION ALL SELECT received, seq, venue_time, 'delta', '', 0, 0, bids, asks
        FROM BookDelta WHERE symbol = ?
        UNION ALL SELECT received, seq, venue_time, 'snapshot', '', 0, 0, bids, asks
        FROM BookSnapshot WHERE symbol = ?
        ORDER BY received, seq
    """
    both = EXCH | LOCAL
    answer = store.sql(question, [symbol] * 3)
    for batch in answer.batches(10_000):
        for received, _, venue_time, what, side, price, size, bids, asks in batch:
            at = venue_time or received
            if what == "trade":
                flag = BUY if side == "buy" else SELL
                rows.append((both | TRADE | flag, at, received, price, size))
                continue
            kind = DEPTH if what == "delta" else SNAPSHOT
            for flag, levels in ((BUY, bids), (SELL, asks)):
                if kind == SNAPSHOT and levels:
                    rows.append((both | CLEAR | flag, at, received, levels[-1]["price"], 0.0))
                rows += [
                    (both | kind | flag, at, received, level["price"], level["size"])
                    for level in levels
                ]
    if not rows:
        expected = "a symbol with trades or a book in these tables"
        raise ConfigError(where="symbol", found=symbol, expected=expected)
    data = np.zeros(len(rows), EVENT)
    names = ("ev", "exch_ts", "local_ts", "px", "qty")
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        data[name] = column
    with _aside(path) as (beside,), beside.open("wb") as file:
        np.savez_compressed(file, data=data)
    return len(rows)


def export_nautilus(store: Store, symbol: str, folder: Path) -> list[Path]:
    """`trades.parquet` and `quotes.parquet` of a symbol; the files that there was something for."""
    stamp = pa.timestamp("ns", tz="UTC")
    tables: dict[Path, pa.Table] = {}
    kind, name = _trades_of(store, symbol)
    question = f'SELECT *, {name} AS id FROM "{kind}" WHERE symbol = ? ORDER BY received, seq'
    trades = store.sql(question, [symbol]).to_arrow()
    if len(trades):
        tables[folder / "trades.parquet"] = pa.table(
            {
                "timestamp": trades["received"].cast(stamp),
                "price": trades["price"],
                "quantity": trades["size"],
                "buyer_maker": pc.equal(trades["side"], "sell"),
                "trade_id": trades["id"].cast(pa.string()),
            }
        )
    quotes = store.quotes(symbol).to_arrow()
    if len(quotes):
        columns = {
            "bid_price": quotes["bid"],
            "ask_price": quotes["ask"],
            "bid_size": quotes["bid_size"],
            "ask_size": quotes["ask_size"],
        }
        whens = {"timestamp": quotes["received"].cast(stamp)}
        tables[folder / "quotes.parquet"] = pa.table(whens | columns)
    if not tables:
        expected = "a symbol with trades or quotes in these tables"
        raise ConfigError(where="symbol", found=symbol, expected=expected)
    folder.mkdir(parents=True, exist_ok=True)
    with _aside(*tables) as besides:
        for table, beside in zip(tables.values(), besides, strict=True):
            pq.write_table(table, beside, compression="zstd")
    return list(tables)


def _trades_of(store: Store, symbol: str) -> tuple[str, str]:
    """The table of a symbol's trades, and how it names them: as the venue merged them, where there
    are no others."""
    found = store.sql('SELECT 1 FROM "Trade" WHERE symbol = ? LIMIT 1', [symbol])
    return ("Trade", "trade_id") if len(found) else ("AggregateTrade", "aggregate_id")


@contextmanager
def _aside(*paths: Path) -> Iterator[list[Path]]:
    """Where these files are written, until all of them are whole and get their names."""
    besides = [path.with_name(f".{path.name}.{os.getpid()}") for path in paths]
    try:
        yield besides
        for beside, path in zip(besides, paths, strict=True):
            os.replace(beside, path)
    except OSError as error:
        if error.filename in map(str, besides):  # nobody asked for that one
            error.filename = str(paths[0])
        raise
    finally:
        for beside in besides:
            beside.unlink(missing_ok=True)
