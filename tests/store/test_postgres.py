"""Tables in a real PostgreSQL server, private to this test: on a socket of its own, no port."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pitwire.cli.main import main
from pitwire.model import events as ev
from pitwire.model.errors import ConfigError
from pitwire.model.events import Event
from pitwire.model.orders import Side
from pitwire.model.packed import SCALES, PackedLevels
from pitwire.store.postgres import PostgresWriter
from pitwire.store.schema import KINDS, VERSION, schema_of
from tests.store.test_tables import BTC, HEAD, SAMPLES, START, trade

pytestmark = pytest.mark.timeout(300)
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")


def _programs() -> Path | None:
    """The folder with the newest `initdb` and `pg_ctl`."""
    found = [one.parent for place in PLACES for one in Path("/").glob(f"{place[1:]}/initdb")]
    on_path = shutil.which("initdb")
    return max(found, default=Path(on_path).resolve().parent if on_path else None)


class Server:
    """A server that only whoever may enter its folder can talk to."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        # It refuses to run as root; whoever installs it has a user for it.
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user is not None:
            shutil.chown(folder, self._user)
        self.data = folder / "data"
        self._do("initdb", "-D", str(self.data), "-A", "trust", "-U", "pitwire", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        log = str(folder / "log")
        self._do("pg_ctl", "-D", str(self.data), "-w", "-l", log, "-o", options, "start")
        self.url = f"postgresql://pitwire@/postgres?host={folder}"

    def stop(self) -> None:
        self._do("pg_ctl", "-D", str(self.data), "-m", "immediate", "stop")

    def _do(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *words],
            user=self._user,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )
        assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    programs = _programs()
    if programs is None:
        pytest.skip("NO POSTGRESQL HERE, the sink is not tried: no initdb found")
    pytest.importorskip("psycopg")
    with tempfile.TemporaryDirectory(prefix="pitwire-pg-") as name:
        running = Server(programs, Path(name))
        try:
            yield running
        finally:
            running.stop()


def rows(server: Server, query: Any) -> list[tuple[Any, ...]]:
    import psycopg

    with psycopg.connect(server.url) as connection:
        return connection.execute(query).fetchall()


def write(server: Server, run: str, *events: Event) -> PostgresWriter:
    writer = PostgresWriter(server.url, run)
    writer.write(events)
    writer.close()
    return writer


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_was(server: Server, event: Event) -> None:
    name = type(event).__name__
    write(server, f"one {name}", event)
    [row] = rows(server, f"SELECT * FROM pitwire.\"{name}\" WHERE run = 'one {name}'")
    told = dict(zip(["run", *(field.name for field in schema_of(KINDS[name]))], row, strict=True))
    assert (told.pop("run"), told.pop("seq")) == (f"one {name}", 1)
    expected = msgspec.to_builtins(event, builtin_types=(Decimal,))
    expected.pop("kind")
    for field, value in expected.items():
        if isinstance(value, list | tuple):
            value = [list(level) for level in value]
        assert told.pop(field) == value, field
    assert told == {}


def test_packed_levels_are_written_as_the_tuple_that_they_equal(server: Server) -> None:
    packed = PackedLevels(struct.pack("<4q", 7, 2, 6, 0), SCALES[0], SCALES[-1])
    write(server, "packed", ev.BookDelta("toy", "A-B", 1, 2, 3, 4, packed, ()))
    query = "SELECT bids, asks FROM pitwire.\"BookDelta\" WHERE run = 'packed'"
    assert rows(server, query) == [([[7.0, 0.2], [6.0, 0.0]], [])]


def test_every_kind_has_a_table_that_the_server_takes(server: Server) -> None:
    PostgresWriter(server.url, "tables").close()
    found = {name for (name,) in rows(
        server, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'pitwire'"
    )}  # fmt: skip
    assert found == {*KINDS, "runs"} - {"Checkpoint"}


def test_floats_are_the_same_to_the_last_bit(server: Server) -> None:
    prices = [0.1 + 0.2, 1e-300, 1.7976931348623157e308, 60_000.01, 5e-324]
    write(server, "floats", *(trade(START, price) for price in prices))
    query = "SELECT price FROM pitwire.\"Trade\" WHERE run = 'floats' ORDER BY seq"
    assert [price for (price,) in rows(server, query)] == prices


def test_a_run_is_there_whole_or_not_at_all_and_once(server: Server) -> None:
    count = "SELECT count(*) FROM pitwire.\"Trade\" WHERE run = 'cut'"
    writer = PostgresWriter(server.url, "cut")
    writer.write(trade(START, number=number) for number in range(30_000))
    assert writer.written > 0, "some has been sent"
    assert rows(server, count) == [(0,)]
    writer.abandon()  # as when the process dies
    assert rows(server, count) == [(0,)]
    done = write(server, "cut", *(trade(START, number=number) for number in range(30_000)))
    assert done.written == 30_000
    assert rows(server, count) == [(30_000,)]
    assert rows(server, "SELECT version, rows FROM pitwire.runs WHERE run = 'cut'") == [
        (VERSION, 30_000)
    ]
    with pytest.raises(ConfigError, match="found 'run cut', expected one that is not in these"):
        PostgresWriter(server.url, "cut")


WRITTEN = "found 'run {}, which another process writes, as a whole or by its files'"


@pytest.mark.parametrize(("first", "second"), [
    ("whole", "whole"), ("whole", "whole.000002"), ("whole.000002", "whole"),
    ("whole.000002", "whole.000002"),
])  # fmt: skip
@pytest.mark.parametrize("isolation", ["", "serializable"])
def test_a_run_and_its_files_are_written_by_one_at_a_time(
    server: Server, first: str, second: str, isolation: str
) -> None:
    """The other is refused while it is written, and after that, too; not where it was abandoned."""
    url = server.url
    if isolation:  # as a server may have it for everybody
        url += f"&options=-c%20default_transaction_isolation%3D{isolation}"
    name = f"{first}-{second}-{isolation}-".replace(".", "-")
    first, second = name + first, name + second
    writer = PostgresWriter(url, first)
    held = name + "whole" if "whole.0" in first + second and first != second else first
    with pytest.raises(ConfigError, match=re.escape(WRITTEN.format(held))):
        PostgresWriter(url, second)
    writer.write([trade(START)])
    writer.flush()
    with pytest.raises(ConfigError, match="another process writes"):
        PostgresWriter(url, second)
    writer.abandon()
    writer = PostgresWriter(url, second)
    writer.write([trade(START)])
    writer.close()
    with pytest.raises(ConfigError, match=r"not in these tables yet|holds rows of"):
        PostgresWriter(url, first)
    query = f"SELECT run FROM pitwire.\"Trade\" WHERE run LIKE '{name}%'"
    assert rows(server, query) == [(second,)]


def test_files_of_a_run_and_other_runs_are_written_beside_one_another(server: Server) -> None:
    names = ["beside.000001", "beside.000002", "other"]
    writers = [PostgresWriter(server.url, name) for name in names]
    for writer in writers:
        writer.write([trade(START)])
        writer.flush()
    writers.append(PostgresWriter(server.url, "late"))  # waits for nobody who writes
    for writer in writers:
        writer.close()
    found = rows(server, "SELECT run FROM pitwire.runs")
    assert {(name,) for name in (*names, "late")} <= set(found)


def test_who_begins_in_an_empty_database_is_not_refused_by_another_who_does(
    server: Server,
) -> None:
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty")
    url = server.url.replace("/postgres?", "/empty?")
    begin = threading.Barrier(6)

    def one(number: int) -> None:
        begin.wait()
        with PostgresWriter(url, f"run-{number}") as writer:
            writer.write([trade(START), ev.BookStale("binance", BTC, 0, START, "a", 3, 5)])

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(one, range(6))) == [None] * 6
    with psycopg.connect(url) as connection:
        assert connection.execute('SELECT count(*) FROM pitwire."Trade"').fetchone() == (6,)


def test_what_has_no_table_is_counted(server: Server) -> None:
    assert write(server, "others", ev.Unhandled(*HEAD, 0, START, "x", "")).passed_over == 1


def test_tables_of_another_version_are_named(server: Server) -> None:
    import psycopg

    with psycopg.connect(server.url) as connection:
        connection.execute(
            "INSERT INTO pitwire.runs (run, version, rows) VALUES ('new', %s, 0)", (VERSION + 1,)
        )
    try:
        with pytest.raises(ConfigError, match=f"schema {VERSION + 1}"):
            PostgresWriter(server.url, "older")
    finally:
        with psycopg.connect(server.url) as connection:
            connection.execute("DELETE FROM pitwire.runs WHERE run = 'new'")


def test_text_that_the_server_cannot_keep_is_one_line(server: Server) -> None:
    writer = PostgresWriter(server.url, "zeros")
    writer.write([ev.BookStale("binance", BTC, 0, START, "a\0b", 3, 5)])
    with pytest.raises(ConfigError, match="NUL"):
        writer.close()


def test_from_the_command_line(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
    line = "binance,BTCUSDT,1700000000000000,1700000000000500,{},buy,{},0.5\n"
    for folder in ("monday", "tuesday"):
        (tmp_path / folder).mkdir()
        text = head + "".join(line.format(n, n + len(folder)) for n in range(1, 4))
        (tmp_path / folder / "trades.csv").write_text(text)
    files = [str(tmp_path / folder / "trades.csv") for folder in ("monday", "tuesday")]
    assert main(["tables", *files, "--to", server.url]) == 0
    assert capsys.readouterr().out.count("3 rows") == 2, "two files of one name are two runs"
    assert main(["tables", files[0], "--to", server.url]) == 2
    assert "expected one that is not in these tables yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "mysql://x"], "--to: found 'mysql', expected postgresql://USER@HOST/DATABASE"),
        (["--to", "postgresql:///x", "--compact"], "--compact: found 'with --to'"),
        (["--to", "postgresql://u:hush@/x?host=/nowhere"], "--to: found"),
    ],
)
def test_what_cannot_be_is_one_line_and_tells_no_password(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "trades.csv"
    file.write_text("x\n")
    assert main(["tables", str(file), *words]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
    assert "hush" not in line


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"pitwire\[postgres\]"):
        PostgresWriter("postgresql:///x", "run")


def test_sides_are_words(server: Server) -> None:
    write(server, "sides", trade(START))
    query = "SELECT DISTINCT side FROM pitwire.\"Trade\" WHERE run = 'sides'"
    assert rows(server, query) == [(Side.BUY.value,)]
