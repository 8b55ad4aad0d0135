"""Tables in a PostgreSQL server: the same kinds and columns as on disk, written with COPY.

Each kind is a table of the schema `pitwire`, named like the event (`pitwire."Trade"`), with its
columns in their order after `run` and `seq`; levels of books are `double precision[][]`, rows of
price and size. House rules: a run is one transaction, so that it is there whole or not at all, and
only once, whoever else writes it meanwhile; runs wait for no other run; floats and decimals come
back as they were; a password is told to nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from decimal import Decimal
from hashlib import blake2b
from types import TracebackType
from typing import Any, LiteralString, Self

import pyarrow as pa

from pitwire.model.errors import ConfigError
from pitwire.model.events import Event
from pitwire.model.packed import PackedLevels
from pitwire.store.claims import APART, overlap, whole_of
from pitwire.store.schema import KINDS, VERSION, Checkpoint, decision_of, schema_of
from pitwire.trading.journal import Decided

_WRITTEN = {name: kind for name, kind in KINDS.items() if kind is not Checkpoint}
"""Kinds that are written here."""
ROWS = 20_000
"""Rows of a kind that wait in memory."""
LEVELS = 200_000
"""Levels of books that wait in memory, all in all."""
_TYPES = {
    pa.int64(): "bigint",
    pa.float64(): "double precision",
    pa.string(): "text",
    pa.bool_(): "boolean",
}
_MAKING = "pitwire tables"
"""What is held while tables are made: a server lets one make them, and refuses the other."""
_TEMPLATES: tuple[LiteralString, ...] = (
    "CREATE SCHEMA IF NOT EXISTS pitwire",
    "CREATE TABLE IF NOT EXISTS pitwire.runs (run text PRIMARY KEY, version integer NOT NULL, "
    "rows bigint NOT NULL, written timestamptz NOT NULL DEFAULT now())",
)
_THERE: LiteralString = "SELECT tablename FROM pg_tables WHERE schemaname = 'pitwire'"


class PostgresWriter:
    """Writes one run of events into a server; the same verbs as `parquet.TableWriter`.

    `url` is a libpq address, as `postgresql://user@host/database`. Raises `ConfigError` when the
    driver is missing, the server does not let us in, a run of this name is there already, or the
    tables are of another schema's version.
    """

    def __init__(self, url: str, run: str) -> None:
        self.run = run
        self._driver = _driver()
        self._connection = self._connect(url)
        self._waiting: dict[str, list[tuple[Any, ...]]] = {}
        self._levels = 0
        self._seq = 0
        self.written = 0
        """Rows sent; they are there from `close` on."""
        self.passed_over = 0
        try:
            self._begin()
        except BaseException:
            self._connection.close()
            raise

    def write(self, events: Iterable[Event]) -> None:
        """Take these events."""
        for event in events:
            name = type(event).__name__
            if name not in _WRITTEN:
                self.passed_over += 1
                continue
            self._seq += 1
            values = [getattr(event, field) for field in event.__struct_fields__]
            rows = self._waiting.setdefault(name, [])
            rows.append((self.run, self._seq, *map(self._cell, values)))
            if len(rows) >= ROWS or self._levels >= LEVELS:
                self.flush()

    def decided(self, record: Decided, venue: str) -> None:
        """Take an order that was decided."""
        decision = decision_of(record, venue)
        if decision is not None:
            self.write([decision])

    def flush(self) -> None:
        """Send what waits."""
        try:
            for name, rows in self._waiting.items():
                self._send(name, rows)
        except self._driver.Error as error:
            raise _refused(error) from None
        self._waiting.clear()
        self._levels = 0

    def close(self) -> None:
        """The same, for the last time: from here on this run is in the tables."""
        try:
            self.flush()
            self._connection.execute(
                "INSERT INTO pitwire.runs (run, version, rows) VALUES (%s, %s, %s)",
                (self.run, VERSION, self.written),
            )
            self._connection.commit()
        except self._driver.Error as error:
            raise _refused(error) from None
        finally:
            self._connection.close()

    def abandon(self) -> None:
        """Leave nothing of this run; nothing after `close`."""
        with suppress(self._driver.Error):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abandon() if error is not None else self.close()

    # ── within ──

    def _connect(self, url: str) -> Any:
        try:
            return self._driver.connect(url, connect_timeout=10)
        except self._driver.Error as error:
            raise _refused(error) from None

    def _begin(self) -> None:
        try:
            # Else what was written before we held the locks might not be seen behind them.
            self._connection.isolation_level = self._driver.IsolationLevel.READ_COMMITTED
            self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (_key(_MAKING),))
            for template in _TEMPLATES:
                self._connection.execute(template)
            # Not even an index that is there is asked for: that waits for whoever writes just then.
            there = {name for (name,) in self._connection.execute(_THERE)}
            for name in _WRITTEN:
                if name not in there:
                    self._connection.execute(self._table(name))
            self._connection.commit()
            self._hold()
            found = self._connection.execute(
                "SELECT max(version), bool_or(run = %s) FROM pitwire.runs", (self.run,)
            ).fetchone()
            runs = [run for (run,) in self._connection.execute("SELECT run FROM pitwire.runs")]
        except self._driver.Error as error:
            raise _refused(error) from None
        version, is_there = found or (None, None)
        if is_there:
            expected = "one that is not in these tables yet"
            raise ConfigError(where="pitwire.runs", found=f"run {self.run}", expected=expected)
        if other := overlap(self.run, runs):
            found = f"run {other}, which holds rows of {self.run}"
            raise ConfigError(where="pitwire.runs", found=found, expected=APART)
        if version is not None and version != VERSION:
            expected = f"schema {VERSION}, or another database"
            raise ConfigError(where="pitwire.runs", found=f"schema {version}", expected=expected)

    def _hold(self) -> None:
        """Be the one who writes this run, until the transaction ends: its rows, whether they come
        by the whole or by its files, are written by nobody else meanwhile."""
        whole = whole_of(self.run)
        wanted = [("SELECT pg_try_advisory_xact_lock(%s)", self.run)]
        if whole:  # other files of it may be written beside this one
            wanted.append(("SELECT pg_try_advisory_xact_lock_shared(%s)", whole))
        for query, name in wanted:
            [is_ours] = self._connection.execute(query, (_key(name),)).fetchone()
            if not is_ours:
                found = f"run {name}, which another process writes, as a whole or by its files"
                expected = "one writer for each run"
                raise ConfigError(where="pitwire.runs", found=found, expected=expected)

    def _send(self, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        columns = ["run", *(field.name for field in schema_of(KINDS[name]))]
        sql = self._driver.sql
        told = sql.SQL("COPY pitwire.{} ({}) FROM STDIN").format(
            sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with self._connection.cursor() as cursor, cursor.copy(told) as copy:
            for row in rows:
                copy.write_row(row)
        self.written += len(rows)

    def _table(self, name: str) -> Any:
        sql = self._driver.sql
        columns = [
            sql.SQL("{} {}{}").format(
                sql.Identifier(field.name),
                sql.SQL(column_type(field.type)),
                sql.SQL("" if field.nullable else " NOT NULL"),
            )
            for field in schema_of(KINDS[name])
        ]
        table = sql.Identifier(name)
        return sql.SQL(
            "CREATE TABLE pitwire.{table} (run text NOT NULL, {columns}, "
            "PRIMARY KEY (run, seq)); "
            "CREATE INDEX {index} ON pitwire.{table} (symbol, received)"
        ).format(
            table=table,
            columns=sql.SQL(", ").join(columns),
            index=sql.Identifier(f"{name}_symbol_received"),
        )

    def _cell(self, value: Any) -> Any:
        if isinstance(value, tuple | PackedLevels):
            self._levels += len(value)
            levels = ",".join(f"{{{price!r},{size!r}}}" for price, size in value)
            return f"{{{levels}}}"
        if value is None or isinstance(value, int | float | Decimal):
            return value
        return str(value)


def column_type(arrow: pa.DataType) -> LiteralString:
    """What a column is called in PostgreSQL."""
    if pa.types.is_list(arrow):
        return "double precision[][]"
    if pa.types.is_decimal(arrow):
        return "numeric(38, 18)"
    found: LiteralString = _TYPES[arrow]
    return found


def _key(name: str) -> int:
    """What a server knows this name by where it keeps locks: a number of 64 bits."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


def _driver() -> Any:
    try:
        import psycopg
        import psycopg.sql
    except ImportError:
        expected = "the extra postgres: pip install 'pitwire[postgres]'"
        raise ConfigError(where="--to", found="no driver", expected=expected) from None
    return psycopg


def _refused(error: Exception) -> ConfigError:
    """The server's own words, which hold no password."""
    text = " ".join(str(error).split()) or type(error).__name__
    expected = "a PostgreSQL server that takes these tables"
    return ConfigError(where="--to", found=text[:300], expected=expected)
