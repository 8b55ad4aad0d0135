"""Questions to the tables: DuckDB views named like the events, and the common ones ready-made.

House rules: nothing here writes; an answer is a `Rows`, which becomes pandas, polars or Arrow when
it is asked to; what a book was at some moment is rebuilt exactly, or is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import pyarrow as pa

from pitwire.market.book import NOTHING, OrderBook
from pitwire.model.errors import ConfigError
from pitwire.model.events import BookDelta, BookSnapshot
from pitwire.store.parquet import check_version, files_of, partitions
from pitwire.store.schema import KINDS, schema_of

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_INTERVAL = re.compile(r"([1-9]\d*)(ms|s|m|h|d)\Z")
_NS = {
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONCE = {
    "Fill": "QUALIFY row_number() OVER "
    "(PARTITION BY venue, symbol, order_id, trade_id ORDER BY received, seq) = 1"
}
"""Kinds that a venue tells again (in its answer, on its stream, when asked): the first counts."""
_BEHIND = 2 * _NS["s"]
"""So much one run may be behind another that records the same book."""


When: TypeAlias = int | datetime
"""A time: ns since 1970 UTC, or a `datetime` with its zone, of pandas or not."""


class Rows:
    """The answer to a question, not yet fetched."""

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self.relation = relation

    def batches(self, rows: int) -> Iterator[list[tuple[Any, ...]]]:
        """As tuples, so many at a time."""
        for batch in self.to_arrow().to_batches(rows):
            columns = [column.to_pylist() for column in batch.columns]
            yield list(zip(*columns, strict=True))

    def to_arrow(self) -> pa.Table:
        """As an Arrow table."""
        return self.relation.to_arrow_table()

    def to_pandas(self) -> pd.DataFrame:
        """As a pandas frame; prices of ours are Decimals, `time` is in UTC."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        if "time" in frame:
            frame["time"] = frame["time"].dt.tz_localize("UTC")
        return frame

    def to_polars(self) -> pl.DataFrame:
        """As a polars frame; `time` is in UTC."""
        import polars as pl

        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)
        if "time" in frame.columns:
            frame = frame.with_columns(pl.col("time").dt.replace_time_zone("UTC"))
        return frame

    def bars(self, interval: str) -> Rows:
        """Trades as bars of this length, `250ms` to `1d`; times without a trade have none."""
        found = _INTERVAL.match(interval)
        if found is None:
            expected = "a number and one of ms, s, m, h, d, as 1m"
            raise ConfigError(where="interval", found=interval, expected=expected)
        length = int(found[1]) * _NS[found[2]]
        return _answered(
            self.relation.query(
                "trades",
                f"""
                SELECT symbol, received // {length} * {length} AS open_time,
                    make_timestamp_ns(received // {length} * {length}) AS time,
                    arg_min(price, (received, seq)) AS open, max(price) AS high,
                    min(price) AS low, arg_max(price, (received, seq)) AS close,
                    sum(size) AS volume, sum(price * size) AS quote_volume, count(*) AS trades
                FROM trades GROUP BY symbol, received // {length} ORDER BY symbol, open_time
                """,
            )
        )

    def __len__(self) -> int:
        return int(self.relation.shape[0])


class Store:
    """Tables of a folder, as they were when it was opened; `refresh` looks again.

    `sql` takes any question; views are named like the events (`Trade`, `Quote`, `BookDelta`, …),
    with their columns of docs/tables.md and `time`, the moment of `received`. A time may be given
    as ns, or as a `datetime` with its zone, such as those in `time`.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            found = "a file" if folder.exists() else "nothing"
            raise ConfigError(where=str(folder), found=found, expected="a folder of tables")
        if (
            not (folder / ".runs").is_dir()
            and not any(partitions(folder))
            and any(folder.iterdir())
        ):
            expected = "a folder of tables, which `pitwire tables` makes of tapes"
            raise ConfigError(where=str(folder), found="other things", expected=expected)
        self.folder = folder
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")
        self.refresh()

    def refresh(self) -> None:
        """See what has been written meanwhile."""
        files: dict[str, list[str]] = {kind: [] for kind in KINDS}
        for place, path in partitions(self.folder):
            files.setdefault(place.kind, []).extend(map(str, _readable(path)))
        for kind, paths in files.items():
            if kind not in KINDS:
                continue
            if paths:
                listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
                source = f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"
            else:
                self._connection.register(f"empty_{kind}", schema_of(KINDS[kind]).empty_table())
                source = f'"empty_{kind}"'
            self._connection.execute(
                f'CREATE OR REPLACE VIEW "{kind}" AS '
                f"SELECT *, make_timestamp_ns(received) AS time FROM {source} {_ONCE.get(kind, '')}"
            )

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # ── asking ────────────────────────────────────────────────────────────────────────────────

    def sql(self, question: str, parameters: list[Any] | None = None) -> Rows:
        """Any question; `?` stands for a parameter."""
        return _answered(self._connection.sql(question, params=parameters))

    def trades(self, symbol: str = "", *, since: When = 0, until: When = 2**62) -> Rows:
        """Trades in their order, of `since` ≤ `received` < `until`."""
        return self._of("Trade", symbol, since, until)

    def quotes(self, symbol: str = "", *, since: When = 0, until: When = 2**62) -> Rows:
        """Best bids and asks in their order."""
        return self._of("Quote", symbol, since, until)

    def fills(self, symbol: str = "", *, since: When = 0, until: When = 2**62) -> Rows:
        """What of our orders traded."""
        return self._of("Fill", symbol, since, until)

    def bars(self, symbol: str, interval: str = "1m") -> Rows:
        """Bars made of trades."""
        return self.trades(symbol).bars(interval)

    def quotes_asof(self, trades: Rows) -> Rows:
        """Each trade with the quote that stood when it came, its mid, and where it traded."""
        asof = trades.to_arrow()
        self._connection.register("asof_trades", asof)
        return self.sql(
            """
            SELECT t.*, q.bid, q.bid_size, q.ask, q.ask_size, (q.bid + q.ask) / 2 AS mid,
                t.received - q.received AS quote_age
            FROM asof_trades t ASOF LEFT JOIN Quote q
            ON t.symbol = q.symbol AND t.venue = q.venue AND t.received >= q.received
            ORDER BY t.received, t.seq
            """
        )

    def orders(self, symbol: str = "") -> Rows:
        """Each order of ours: when, by which rule, what was filled of it, at what average."""
        return self.sql(
            """
            SELECT d.received AS decided, make_timestamp_ns(d.received) AS time, d.order_id,
                d.symbol, d.side, d.type, d.price, d.size, d.rule, d.tag, d.bid, d.ask,
                coalesce(f.filled, 0) AS filled, f.average, f.first_fill, f.last_fill,
                coalesce(f.fills, 0) AS fills
            FROM Decision d LEFT JOIN (
                SELECT order_id, sum(size) AS filled,
                    sum(price::DOUBLE * size::DOUBLE) / sum(size::DOUBLE) AS average,
                    min(received) AS first_fill, max(received) AS last_fill, count(*) AS fills
                FROM Fill GROUP BY order_id
            ) f USING (order_id)
            WHERE ? = '' OR d.symbol = ? ORDER BY d.received, d.seq
            """,
            [symbol, symbol],
        )

    def slippage(self, symbol: str = "") -> Rows:
        """Each fill against the touch when its order was decided: what it cost, in basis points.

        `from_touch` is against the side that had to be taken (the ask of a buy), `from_mid`
        against the middle; above zero is worse for us. `after` is how long it took, ns.
        """
        return self.sql(
            """
            SELECT f.received, f.time, f.order_id, f.symbol, f.side, f.price, f.size, f.maker,
                d.bid, d.ask, f.received - d.received AS after,
                CASE f.side WHEN 'buy' THEN 1 ELSE -1 END AS sign,
                sign * (f.price::DOUBLE / CASE f.side WHEN 'buy' THEN d.ask ELSE d.bid END - 1)
                    * 1e4 AS from_touch,
                sign * (f.price::DOUBLE / ((d.bid + d.ask) / 2) - 1) * 1e4 AS from_mid
            FROM Fill f JOIN Decision d USING (order_id)
            WHERE (? = '' OR f.symbol = ?) AND d.bid > 0 AND d.ask > 0
            ORDER BY f.received, f.seq
            """,
            [symbol, symbol],
        )

    def book_at(self, at: When, symbol: str, *, venue: str = "") -> OrderBook | None:
        """The book as it was at a time: exact, or None when it was not known then."""
        at = _ns(at)
        start = self._start_of(at, symbol, venue)
        if start is None:
            return None
        received, found, last_id, bids, asks, depth, bid_edge, ask_edge = start
        book = OrderBook(found, symbol)
        edged = bid_edge is not None or ask_edge is not None
        depth = 1 if edged else depth  # cut somewhere; where, is put right below
        book.apply_snapshot(
            BookSnapshot(found, symbol, 0, received, last_id, _pairs(bids), _pairs(asks), depth)
        )
        if edged:
            book.bids.edge = NOTHING if bid_edge is None else bid_edge
            book.asks.edge = NOTHING if ask_edge is None else ask_edge
        deltas = self._connection.execute(
            """
            SELECT received, first_id, last_id, bids, asks FROM BookDelta
            WHERE symbol = $1 AND venue = $2 AND last_id > $3 AND received BETWEEN $4 AND $5
            ORDER BY last_id, received
            """,
            [symbol, found, last_id, self._since(received, symbol, found), at],
        ).fetchall()
        for received, first, last, bids, asks in deltas:
            if last > book.last_id:  # else another run brought it as well
                book.apply(
                    BookDelta(found, symbol, 0, received, first, last, _pairs(bids), _pairs(asks))
                )
        return book

    def _start_of(self, at: int, symbol: str, venue: str) -> tuple[Any, ...] | None:
        """The last whole book at a time; None when there is none, or it had gone stale since.

        Which one it is, is found by stamps alone; levels are read of that one only.
        """
        newest = self._first(
            """
            SELECT received, seq, what FROM (
                SELECT received, seq, venue, 'BookSnapshot' AS what FROM BookSnapshot
                WHERE symbol = $1 AND received <= $2
                UNION ALL SELECT received, seq, venue, 'Checkpoint' FROM Checkpoint
                WHERE symbol = $1 AND received <= $2
                UNION ALL SELECT received, seq, venue, 'BookStale' FROM BookStale
                WHERE symbol = $1 AND received <= $2
            ) WHERE $3 = '' OR venue = $3 ORDER BY received DESC, seq DESC LIMIT 1
            """,
            [symbol, at, venue],
        )
        if newest is None or newest[2] == "BookStale":
            return None
        received, seq, what = newest
        edges = "0, bid_edge, ask_edge" if what == "Checkpoint" else "depth, NULL, NULL"
        return self._first(
            f"SELECT received, venue, last_id, bids, asks, {edges} "
            f'FROM "{what}" WHERE received = ? AND seq = ? AND symbol = ?',
            [received, seq, symbol],
        )

    def _first(self, question: str, parameters: list[Any]) -> tuple[Any, ...] | None:
        """The first row; the others are fetched, too, else nothing more can be asked."""
        rows: list[tuple[Any, ...]] = self._connection.execute(question, parameters).fetchall()
        return rows[0] if rows else None

    def _since(self, start: int, symbol: str, venue: str) -> int:
        """From when on deltas may follow on a whole book that came at `start`.

        Another run may have been told of them sooner. Before the last break ids may have counted
        otherwise.
        """
        [broken] = self._connection.execute(
            "SELECT max(received) FROM BookStale "
            "WHERE symbol = $1 AND venue = $2 AND received BETWEEN $3 AND $4",
            [symbol, venue, start - _BEHIND, start],
        ).fetchall()[0]
        return start - _BEHIND if broken is None else int(broken)

    def _of(self, kind: str, symbol: str, since: When, until: When) -> Rows:
        return self.sql(
            f"SELECT * FROM \"{kind}\" WHERE (? = '' OR symbol = ?) "
            "AND received >= ? AND received < ? ORDER BY received, seq",
            [symbol, symbol, _ns(since), _ns(until)],
        )


def _readable(partition: Path) -> list[Path]:
    """The files that count; looked for again when compaction has taken one away meanwhile."""
    while True:
        files = files_of(partition)
        try:
            for file in files:
                check_version(file)
        except ConfigError:
            if all(file.exists() for file in files):
                raise
        else:
            return files


def _answered(relation: duckdb.DuckDBPyRelation | None) -> Rows:
    if relation is None:
        raise ConfigError(where="sql", found="no question", expected="one that has rows to answer")
    return Rows(relation)


def _ns(at: When) -> int:
    """A time as ns; raises `ConfigError` for what is none."""
    if isinstance(at, datetime):
        if at.tzinfo is None:
            found, expected = f"{at}, of no zone", "one with its zone, as tzinfo=UTC"
            raise ConfigError(where="time", found=found, expected=expected)
        nanoseconds = getattr(at, "nanosecond", 0)  # pandas' own go that far
        return (at - _EPOCH) // timedelta(microseconds=1) * 1000 + nanoseconds
    try:
        return index(at)
    except TypeError:
        expected = "ns since 1970 as a whole number, or a datetime with its zone"
        raise ConfigError(where="time", found=repr(at), expected=expected) from None


def _pairs(levels: list[dict[str, float]]) -> tuple[tuple[float, float], ...]:
    return tuple((level["price"], level["size"]) for level in levels)


def open_store(path: str | Path) -> Store:
    """Open a folder of tables; raises `ConfigError` when it is none, or of a newer schema."""
    return Store(Path(path).expanduser())
