"""Events in tables come back as they were; a crash leaves whole files or none; books are exact."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

import pitwire
from pitwire.market.book import OrderBook
from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError
from pitwire.model.events import Event
from pitwire.model.orders import OrderType, Side, UpdateKind
from pitwire.model.packed import SCALES, PackedLevels
from pitwire.store import parquet as module
from pitwire.store import query
from pitwire.store.parquet import TableWriter, compact, day_of, files_of, partitions
from pitwire.store.query import Store, open_store
from pitwire.store.schema import KINDS, VERSION, VERSION_KEY, Decision, describe, table_of

START = 1_722_470_399 * SECOND
"""A second before August: what follows crosses midnight."""
BTC = "BTC-USDT"
HEAD = ("binance", BTC)


def trade(at: int, price: float = 1.0, size: float = 1.0, number: int = 0) -> ev.Trade:
    return ev.Trade(*HEAD, at - 5, at, price, size, Side.BUY, number)


def write(folder: Path, *batches: list[Event], run: str = "run", **options: Any) -> TableWriter:
    writer = TableWriter(folder, run, **options)
    for batch in batches:
        writer.write(batch)
        writer.flush()
    writer.close()
    return writer


SAMPLES: list[Event] = [
    trade(START, 60_000.01, 0.00001, 7),
    ev.Quote(*HEAD, 0, START, 1.0, 2.0, 3.0, 4.0, 9),
    ev.BookSnapshot(*HEAD, 1, START, 5, ((1.0, 2.0), (0.9, 3.0)), (), 2),
    ev.BookDelta(*HEAD, 1, START, 6, 7, (), ((1.1, 0.0),)),
    ev.BookStale(*HEAD, 0, START, "gap", 3, 5),
    ev.Update(
        *HEAD, 1, START, "id-1", "77", UpdateKind.ACCEPTED, Side.SELL, OrderType.LIMIT, None,
        Decimal("0.01"), None, Decimal("0"),
    ),
    ev.Fill(
        *HEAD, 1, START, "id-1", "77", "t", Side.BUY, Decimal("60000.01"), Decimal("0.00001"),
        Decimal("0.00000001"), "BTC", True,
    ),
    Decision(
        *HEAD, 0, START, "id-1", Side.BUY, OrderType.MARKET, None, Decimal("0.02"), "dip", "", 1.0,
        2.0,
    ),
]  # fmt: skip


def test_packed_levels_make_the_table_that_their_tuple_makes() -> None:
    packed = PackedLevels(struct.pack("<4q", 7, 2, 6, 0), SCALES[0], SCALES[-1])
    made = [
        table_of(ev.BookDelta, [ev.BookDelta(*HEAD, 1, START, 6, 7, bids, ())], [1])
        for bids in (packed, ((7.0, 0.2), (6.0, 0.0)))
    ]
    assert made[0].equals(made[1])


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_was(tmp_path: Path, event: Event) -> None:
    write(tmp_path, [event])
    with open_store(tmp_path) as store:
        [row] = store.sql(f'SELECT * FROM "{type(event).__name__}"').to_arrow().to_pylist()
    expected = msgspec.to_builtins(event, builtin_types=(Decimal,))
    expected.pop("kind")
    assert row.pop("seq") == 1
    assert row.pop("time").timestamp() * SECOND == START
    for name, value in expected.items():
        if isinstance(value, list | tuple):
            value = [{"price": price, "size": size} for price, size in value]
        assert row.pop(name) == value, name
    assert row == {}


def test_the_page_says_every_column(repository: Path) -> None:
    page = (repository / "docs" / "tables.md").read_text()
    assert f"Schema, version {VERSION}" in page
    for name, kind in KINDS.items():
        section = page.partition(f"\n### `{name}`\n")[2].partition("\n### ")[0]
        for column, arrow, nullable in describe(kind)[5:]:
            assert f"| `{column}` | {arrow} | {'yes' if nullable else 'no'} |" in section, column


def test_files_lie_by_venue_kind_and_day(tmp_path: Path) -> None:
    write(tmp_path, [trade(START), trade(START + SECOND), ev.Quote(*HEAD, 0, START, 1, 1, 2, 1)])
    found = {(place.venue, place.kind, place.day) for place, _ in partitions(tmp_path)}
    assert found == {
        ("binance", "Trade", "2024-07-31"),
        ("binance", "Trade", "2024-08-01"),
        ("binance", "Quote", "2024-07-31"),
    }
    assert day_of(START) == "2024-07-31"


# ── crashes ───────────────────────────────────────────────────────────────────────────────────


class Cut(RuntimeError):
    """The process dies here."""


def _cut_at(monkeypatch: pytest.MonkeyPatch, name: str, call: int) -> None:
    real: Callable[..., Any] = getattr(os, name)
    calls = [0]

    def dies(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] >= call:
            raise Cut
        return real(*arguments)

    monkeypatch.setattr(module.os, name, dies)


def _ends(work: Callable[[], object]) -> bool:
    try:
        work()
    except Cut:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "call"), [("replace", 1), ("replace", 3), *(("fsync", call) for call in range(1, 10))]
)
def test_a_crash_leaves_whole_files_and_the_next_try_no_row_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: int
) -> None:
    batches: list[list[Event]] = [
        [trade(START + n, number=n) for n in range(first, first + 10)] for first in (0, 10, 20)
    ]
    with monkeypatch.context() as patch:
        _cut_at(patch, name, call)
        finished = _ends(lambda: write(tmp_path, *batches))
    assert not finished
    with open_store(tmp_path) as store:
        assert len(store.trades()) % 10 == 0, "whole files or none"
    write(tmp_path, *batches)
    with open_store(tmp_path) as store:
        found = store.trades().to_arrow()["trade_id"].to_pylist()
    assert found == list(range(30))


def test_a_run_that_was_cut_takes_out_nobody_elses_file_when_it_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _cut_at(patch, "replace", 1)  # its file is noted, and not there
        assert not _ends(lambda: write(tmp_path, [trade(START, number=1)], run="cut"))
    write(tmp_path, [trade(START + 1, number=2)], run="other")
    write(tmp_path, [trade(START, number=1)], run="cut")
    with open_store(tmp_path) as store:
        assert sorted(store.trades().to_arrow()["trade_id"].to_pylist()) == [1, 2]


@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("name", ["fsync", "replace", "unlink"])
def test_compaction_may_be_cut_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: int
) -> None:
    write(tmp_path, *([trade(START + n, number=n)] for n in range(5)))
    [(_, folder)] = partitions(tmp_path)
    with monkeypatch.context() as patch:
        if name == "unlink":
            calls = [0]
            real = Path.unlink

            def unlink(path: Path, missing_ok: bool = False) -> None:
                calls[0] += 1
                if calls[0] >= call:
                    raise Cut
                real(path, missing_ok)

            patch.setattr(Path, "unlink", unlink)
        else:
            _cut_at(patch, name, call)
        _ends(lambda: compact(tmp_path))
    with open_store(tmp_path) as store:
        assert store.trades().to_arrow()["trade_id"].to_pylist() == list(range(5))
    compact(tmp_path)
    assert [path.name for path in files_of(folder)] == ["000001-000005.parquet"]
    assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == [
        "000001-000005.parquet"
    ]
    write(tmp_path, [trade(START + 5, number=5)], run="next")
    assert compact(tmp_path) == 1
    with open_store(tmp_path) as store:
        assert store.trades().to_arrow()["trade_id"].to_pylist() == list(range(6))


def test_a_run_is_taken_once_and_an_unfinished_one_is_not_compacted(tmp_path: Path) -> None:
    writer = TableWriter(tmp_path, "cut")
    writer.write([trade(START)])
    writer.flush()
    assert compact(tmp_path) == 0, "somebody is writing it"
    del writer  # and dies
    with pytest.raises(ConfigError, match="run cut"):
        compact(tmp_path)
    write(tmp_path, [trade(START)], run="cut")
    with pytest.raises(ConfigError, match="not in these tables yet"):
        TableWriter(tmp_path, "cut")
    assert compact(tmp_path) == 0


def test_a_newer_schema_and_a_damaged_file_are_one_clear_line(tmp_path: Path) -> None:
    write(tmp_path, [trade(START)])
    [(_, folder)] = partitions(tmp_path)
    path = folder / "000001.parquet"
    table = table_of(ev.Trade, [trade(START)], [1])
    newer = table.replace_schema_metadata({VERSION_KEY: str(VERSION + 1).encode()})
    pq.write_table(newer, path)
    with pytest.raises(ConfigError, match=f"schema {VERSION + 1}") as caught:
        open_store(tmp_path)
    assert str(path) in str(caught.value)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ConfigError, match="a whole Parquet file"):
        open_store(tmp_path)
    with pytest.raises(ConfigError, match="a folder of tables"):
        open_store(tmp_path / "nowhere")


def test_a_bit_that_flipped_in_a_table_is_found(tmp_path: Path) -> None:
    """Most of them are read as other numbers by whoever asks; pages have a checksum."""
    for run in ("one", "two"):
        writer = TableWriter(tmp_path, run)
        trades = [ev.Trade(*HEAD, 0, START + n, n / 7, 1.0, Side.BUY, n) for n in range(3000)]
        writer.write(trades)
        writer.close()
    assert list(module.verify(tmp_path)) == []
    [(_, partition)] = partitions(tmp_path)
    sound, path = files_of(partition)
    whole = path.read_bytes()
    chance = Entropy(1).stream("places")
    looked: list[Path] = []
    rows = pq.read_table(path, partitioning=None)
    found = 0
    for _ in range(40):
        data = bytearray(whole)
        data[chance.randrange(4, len(whole) // 2)] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        errors = list(module.verify(tmp_path, looked.append))
        found += len(errors)
        assert [error.where for error in errors] in ([], [str(path)])
        if not errors:  # in what a page says of itself, which nobody needs
            assert pq.read_table(path, partitioning=None).equals(rows)
    assert found > 30
    assert looked == [partition] * 40
    data = bytearray(whole)
    data[len(whole) // 4] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="move it away to read the others"):
        compact(tmp_path)
    assert files_of(partition) == [sound, path], "what is wrong does not become one with the rest"
    path.write_bytes(whole)
    assert compact(tmp_path) == 1
    with open_store(tmp_path) as store:
        assert len(store.trades()) == 6000


def test_a_folder_of_other_things_is_no_empty_store(tmp_path: Path) -> None:
    """Asked of a folder of tapes, every question had the answer that nothing was there."""
    (tmp_path / "tapes").mkdir()
    with pytest.raises(ConfigError, match="found 'other things', expected a folder of tables"):
        open_store(tmp_path)
    (file := tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="found 'a file'"):
        open_store(file)
    TableWriter(tmp_path, "run").close()
    with open_store(tmp_path) as store:
        assert len(store.trades()) == 0


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="a folder that tables can be written to"):
        TableWriter(tmp_path / "file", "run")


# ── questions ─────────────────────────────────────────────────────────────────────────────────


def _lived(seed: int, count: int) -> list[Event]:
    """A snapshot that was cut, deltas, a break and another snapshot; some stamps are the same."""
    chance = Entropy(seed).stream("book")
    events: list[Event] = []
    at, last = START, 100

    def level(side: int) -> tuple[float, float]:
        price = 1000 + side * chance.randint(1, 300) / 10
        return price, chance.choice([0.0, 0.0, 1.5, 2.25])

    def snapshot() -> ev.BookSnapshot:
        bids = tuple((1000 - n / 10, 1.0 + n) for n in range(1, 51))
        asks = tuple((1000 + n / 10, 1.0 + n) for n in range(1, 51))
        return ev.BookSnapshot(*HEAD, at, at, last, bids, asks, 50)

    events.append(snapshot())
    for number in range(count):
        at += chance.choice([0, 0, SECOND // 10, SECOND // 3])
        last += 1
        if number == count // 2:
            events.append(ev.BookStale(*HEAD, 0, at, "gap"))
            at += SECOND
            last += 10
            events.append(snapshot())
            continue
        # Each price once: which of two sizes would count, no venue says.
        pairs = [tuple(dict([level(side) for _ in range(4)]).items()) for side in (-1, 1)]
        events.append(ev.BookDelta(*HEAD, at, at, last, last, *pairs))
    return events


def _truth(events: list[Event], at: int) -> OrderBook | None:
    book: OrderBook | None = None
    for event in events:
        if event.received > at:
            break
        match event:
            case ev.BookSnapshot():
                book = OrderBook(*HEAD)
                book.apply_snapshot(event)
            case ev.BookDelta() if book is not None:
                book.apply(event)
            case ev.BookStale():
                book = None
    return book


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_book_of_any_moment_is_exact(tmp_path: Path, seed: int) -> None:
    events = _lived(seed, 400)
    write(tmp_path, events, checkpoint=5 * SECOND)
    chance = Entropy(seed).stream("moments")
    with open_store(tmp_path) as store:
        assert len(store.sql("SELECT * FROM Checkpoint")) > 5
        assert store.book_at(START - 1, BTC) is None
        for _ in range(40):
            at = chance.randint(START, events[-1].received + SECOND)
            found, truth = store.book_at(at, BTC), _truth(events, at)
            assert (found is None) == (truth is None)
            if found is None or truth is None:
                continue
            assert list(found.bids) == list(truth.bids)
            assert list(found.asks) == list(truth.asks)
            assert (found.last_id, found.received) == (truth.last_id, truth.received)
            assert (found.bids.edge, found.asks.edge) == (truth.bids.edge, truth.asks.edge)


def _counted(first: int, count: int, *, every: int = 10) -> list[Event]:
    """Deltas that each put a level of their own."""
    return [
        ev.BookDelta(*HEAD, 0, START + every * n, n, n, ((1.0 - n / 1000, float(n)),), ())
        for n in range(first, first + count)
    ]


def test_a_time_may_be_a_moment_with_its_zone(tmp_path: Path) -> None:
    """Those in an answer's `time` are asked with; they ended in the database's words."""
    at = START + 1_001
    head = ("binance", BTC, 0)
    writer = TableWriter(tmp_path, "run")
    writer.write([ev.BookSnapshot(*head, at, 7, ((1.0, 2.0),), ((3.0, 4.0),))])
    writer.write([ev.Trade(*head, at, 1.0, 1.0, Side.BUY, 1)])
    writer.close()
    with open_store(tmp_path) as store:
        [time] = store.trades().to_pandas()["time"]
        assert (time.value, time.nanosecond) == (at, at % 1000)
        before = time.to_pydatetime(warn=False)  # to the microsecond
        book = store.book_at(time, BTC)
        assert book is not None
        assert book.last_id == 7
        assert store.book_at(before, BTC) is None
        assert [len(store.trades(since=since)) for since in (before, time, at + 1)] == [1, 1, 0]
        assert len(store.trades(until=time)) == 0
        there = time.tz_convert("Asia/Kolkata")
        assert len(store.trades(since=there, until=there + timedelta(microseconds=1))) == 1
        for bad, told in (
            (datetime(2026, 1, 1), "of no zone', expected one with its zone"),
            ("2026-01-01", "expected ns since 1970 as a whole number"),
            (1.5, "expected ns since 1970"),
        ):
            with pytest.raises(ConfigError, match=told):
                store.book_at(bad, BTC)  # type: ignore[arg-type]


def test_two_runs_that_record_the_same_book_do_not_spoil_it(tmp_path: Path) -> None:
    """Each brings every change; the one that is behind must neither hide one nor undo one."""
    near = [ev.BookSnapshot(*HEAD, 0, START, 1, ((1.0, 2.0),), ((1.1, 2.0),)), *_counted(2, 30)]
    far = [msgspec.structs.replace(one, received=one.received + 25) for one in near]
    write(tmp_path, near, run="near", checkpoint=100)
    write(tmp_path, far, run="far", checkpoint=70)
    with open_store(tmp_path) as store:
        for at in range(START + 25, START + 340):
            found, truth = store.book_at(at, BTC), _truth(near, at)
            assert found is not None
            assert truth is not None
            assert (found.last_id, list(found.bids)) == (truth.last_id, list(truth.bids))


def test_what_waited_for_a_snapshot_is_in_the_book(tmp_path: Path) -> None:
    """It was received before the snapshot, and told after it."""
    whole = ev.BookSnapshot(*HEAD, 0, START - 99, 900, ((1.0, 2.0),), ())
    old = [whole, *_counted(1000, 3, every=0)]
    old = [msgspec.structs.replace(one, received=START - 9) for one in old]
    broken = ev.BookStale(*HEAD, 0, START, "ids went back")
    waited, came = _counted(2, 3), START + 100
    snapshot = ev.BookSnapshot(*HEAD, 0, came, 2, ((1.0, 2.0),), ())
    write(tmp_path, [*old, broken, snapshot, *waited, *_counted(5, 1, every=30)])
    with open_store(tmp_path) as store:
        assert store.book_at(START + 50, BTC) is None
        assert len(store.sql("SELECT * FROM BookStale").to_arrow()) == 1  # more can be asked
        for at in (came, came + 49, came + 50):
            book = store.book_at(at, BTC)
            assert book is not None
            assert [size for _, size in book.bids][1:] == [3.0, 4.0, 5.0][: 2 + (at == came + 50)]


def test_files_that_become_one_while_they_are_looked_at_are_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        write(tmp_path, [trade(START, number=number)], run=f"run-{number}")
    looked: list[Path] = []

    def look(path: Path) -> None:
        looked.append(path)
        if len(looked) == 2:
            compact(tmp_path)
        module.check_version(path)

    monkeypatch.setattr(query, "check_version", look)
    with open_store(tmp_path) as store:
        assert len(store.trades()) == 3
    assert len(looked) == 3, "two of the three, and the one that they became"


def test_bars_are_what_the_trades_make(tmp_path: Path) -> None:
    minute = START // (60 * SECOND) * 60 * SECOND
    prices = [(0, 10.0), (1, 12.0), (59, 9.0), (60, 11.0), (200, 8.0)]
    write(tmp_path, [trade(minute + s * SECOND, price, 2.0) for s, price in prices])
    with open_store(tmp_path) as store:
        bars = store.bars(BTC, "1m").to_pandas()
        with pytest.raises(ConfigError, match="interval"):
            store.bars(BTC, "fortnight")
    assert list(bars["open_time"] - minute) == [0, 60 * SECOND, 180 * SECOND]
    columns = ["open", "high", "low", "close", "volume", "quote_volume", "trades"]
    assert list(bars[columns].iloc[0]) == [10.0, 12.0, 9.0, 9.0, 6.0, 62.0, 3]
    assert str(bars["time"].dtype) == "datetime64[ns, UTC]"


def test_trades_find_the_quote_that_stood(tmp_path: Path) -> None:
    quotes = [ev.Quote(*HEAD, 0, START + n * 10, 100.0 + n, 1, 102.0 + n, 1) for n in range(3)]
    trades = [trade(START + after, 101.0) for after in (-1, 0, 15, 99)]
    write(tmp_path, [*quotes, *trades])
    with open_store(tmp_path) as store:
        found = store.quotes_asof(store.trades(BTC)).to_polars()
    assert found["mid"].to_list() == [None, 101.0, 102.0, 103.0]
    assert found["quote_age"].to_list() == [None, 0, 5, 79]


def test_orders_and_what_they_cost(tmp_path: Path) -> None:
    def fill(order_id: str, after: int, side: Side, price: str, size: str) -> ev.Fill:
        amounts = (Decimal(price), Decimal(size), Decimal(0), "BTC", False)
        return ev.Fill(*HEAD, 0, START + after, order_id, "1", f"t{after}", side, *amounts)

    def decision(order_id: str, side: Side) -> Decision:
        facts = (order_id, side, OrderType.MARKET, None, Decimal(2), "rule", "")
        return Decision(*HEAD, 0, START, *facts, 100.0, 102.0)

    write(
        tmp_path,
        [
            decision("a", Side.BUY),
            decision("b", Side.SELL),
            decision("c", Side.BUY),
            fill("a", 5, Side.BUY, "102", "1"),
            # The stream tells again what the answer to the order has told.
            msgspec.structs.replace(fill("a", 5, Side.BUY, "102", "1"), received=START + 6),
            fill("a", 9, Side.BUY, "104.04", "1"),
            fill("b", 7, Side.SELL, "99", "2"),
        ],
    )
    with open_store(tmp_path) as store:
        orders = store.orders(BTC).to_arrow().to_pylist()
        costs = store.slippage().to_arrow().to_pylist()
    assert [(one["order_id"], one["filled"], one["fills"]) for one in orders] == [
        ("a", Decimal(2), 2), ("b", Decimal(2), 1), ("c", Decimal(0), 0),
    ]  # fmt: skip
    assert orders[0]["average"] == pytest.approx(103.02)
    assert [round(one["from_touch"], 6) for one in costs] == [0.0, 100.0, 200.0]
    assert [one["after"] for one in costs] == [5, 7, 9]


def test_a_fill_that_another_run_was_told_of_counts_once(tmp_path: Path) -> None:
    """A desk that starts anew asks for what it may have missed."""
    facts = ("a", "1", "t", Side.BUY, Decimal(102), Decimal(1), Decimal(0), "BTC", False)
    for run, received in (("before", START), ("after", START + 9)):
        write(tmp_path, [ev.Fill(*HEAD, 0, received, *facts)], run=run)
    with open_store(tmp_path) as store:
        assert store.fills().to_arrow()["received"].to_pylist() == [START]
        assert len(store.sql('SELECT * FROM "Fill"')) == 1


def test_tables_of_nothing_have_their_columns(tmp_path: Path) -> None:
    write(tmp_path, [trade(START)])
    store = pitwire.open_store(tmp_path)
    assert isinstance(store, Store)
    with store:
        assert store.fills().to_pandas().empty
        assert "maker" in store.fills().to_pandas().columns
        assert len(store.trades(since=START + 1)) == 0
        assert len(store.trades(until=START)) == 0
