"""CSV files of a data vendor become events, and what is wrong with one is a line of it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pitwire.model import events as ev
from pitwire.model.errors import ConfigError
from pitwire.model.orders import Side
from pitwire.store import exports
from pitwire.store.exports import export_hftbacktest, export_nautilus
from pitwire.store.parquet import TableWriter
from pitwire.store.query import open_store
from pitwire.store.tardis import Cut, read_tardis

TRADES = """exchange,symbol,timestamp,local_timestamp,id,side,price,amount
binance,BTCUSDT,1585699200245000,1585699200250636,3,buy,6423.5,0.002
binance,BTCUSDT,1585699200300000,1585699200310000,4,sell,6423.0,1
"""
BOOK = """exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount
binance,BTCUSDT,1585699199000000,1585699199100000,true,ask,6424,5
binance,BTCUSDT,1585699199000000,1585699199100000,true,bid,6423,2
binance,BTCUSDT,1585699200000000,1585699200100000,false,bid,6423,0
binance,BTCUSDT,1585699200000000,1585699200100000,false,bid,6422,7
binance,BTCUSDT,1585699201000000,1585699201100000,false,ask,6424,1
"""
QUOTES = """exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount
binance,BTCUSDT,1585699200245000,1585699200250636,5,6424,6423,2
binance,BTCUSDT,1585699200245001,1585699200250637,5,6424,,
"""


def ours(native: str) -> str:
    return native.replace("USDT", "-USDT")


def events(folder: Path, name: str, text: str) -> list[ev.Event]:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return list(read_tardis(path, ours))


@pytest.mark.parametrize("name", ["trades.csv", "trades.csv.gz"])
def test_trades(tmp_path: Path, name: str) -> None:
    first, second = events(tmp_path, name, TRADES)
    at = 1_585_699_200_250_636_000
    assert first == ev.Trade("binance", "BTC-USDT", at - 5_636_000, at, 6423.5, 0.002, Side.BUY, 3)
    assert isinstance(second, ev.Trade)
    assert second.side is Side.SELL


def test_quotes_may_have_an_empty_side(tmp_path: Path) -> None:
    whole, half = events(tmp_path, "quotes.csv", QUOTES)
    assert isinstance(whole, ev.Quote)
    assert isinstance(half, ev.Quote)
    assert (whole.bid, whole.bid_size, whole.ask, whole.ask_size) == (6423, 2, 6424, 5)
    assert (half.bid, half.bid_size) == (0.0, 0.0)


def test_rows_that_came_together_are_one_event(tmp_path: Path) -> None:
    snapshot, first, second = events(tmp_path, "incremental_book_L2.csv", BOOK)
    assert isinstance(snapshot, ev.BookSnapshot)
    assert (snapshot.bids, snapshot.asks) == (((6423.0, 2.0),), ((6424.0, 5.0),))
    assert isinstance(first, ev.BookDelta)
    assert first.bids == ((6423.0, 0.0), (6422.0, 7.0))
    assert isinstance(second, ev.BookDelta)
    assert (second.bids, second.asks) == ((), ((6424.0, 1.0),))
    assert first.first_id == snapshot.last_id + 1


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("trades.csv", TRADES.replace(",price", ",prix"), "line 1: found \"no column 'price'\""),
        ("trades.csv", TRADES.replace("6423.0", "much"), "line 3: .*much"),
        ("trades.csv", TRADES + "binance,BTCUSDT,15\n", "line 4"),
        ("book.csv", BOOK.replace("1585699201100000", "later"), "line 6: .*later"),
        ("what.csv", "", "line 1"),
        ("trades.csv", TRADES.replace("6423.0", "nan"), "line 3: found 'nan as a number'"),
        ("trades.csv", TRADES.replace("0.002", "-1"), "line 2: found '-1 as an amount'"),
        ("trades.csv", TRADES.replace("sell", "sold"), "line 3: .*sold"),
        ("trades.csv", TRADES.replace("1585699200310000", str(1 << 62)), "line 3: .* as times"),
        ("trades.csv", TRADES.replace("1585699200310000", "-5"), "line 3: .* as times"),
        ("trades.csv", TRADES.replace("0,4,", "0,4," + "9" * 200_000), "line 3: .*limit"),
        ("trades.csv", "x" * 200_000, "line 1: .*limit"),
        ("trades.csv", TRADES.replace("binance", "../../binance", 1), "line 2: .*exchange ../../"),
        ("trades.csv", TRADES.replace("binance", "..", 1), "line 2: .*exchange .."),
        ("book.csv", BOOK.replace("bid,6422", "bed,6422"), "line 5: .*bed"),
        ("quotes.csv", QUOTES.replace(",6423,2", ",6423"), "line 2: "),
        ("quotes.csv", QUOTES.replace(",6423,2", ",6423,"), "line 2: "),
        ("quotes.csv", QUOTES.replace("5,6424,6423,2", "5,6424"), "line 2: "),
    ],
)
def test_what_is_wrong_is_named_by_its_line(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        events(tmp_path, name, text)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
def test_of_a_file_that_is_cut_all_before_is_read(tmp_path: Path, packed: bool) -> None:
    head, row = TRADES.splitlines(keepends=True)[:2]
    text = (head + "".join(row.replace(",3,", f",{n},") for n in range(400))).encode()
    path = tmp_path / "trades.csv"
    path.write_bytes(gzip.compress(text)[:-30] if packed else text[:-22])
    found: list[int] = []
    with pytest.raises(Cut) as caught:
        found.extend(getattr(event, "trade_id", -1) for event in read_tardis(path, ours))
    assert found == list(range(len(found)))
    assert len(found) == 399 if not packed else 200 < len(found) < 400
    told = "one that is cut" if packed else "trades.csv line 401: found 'a row that is cut'"
    assert told in str(caught.value)


def test_a_last_row_without_an_end_is_not_believed(tmp_path: Path) -> None:
    """0.002 may have been 0.00275: that it reads as a number says nothing."""
    for lines in (TRADES.splitlines(keepends=True), QUOTES.splitlines(keepends=True)):
        path = tmp_path / "rows.csv"
        path.write_text("".join(lines).rstrip("\n"))
        found = []
        with pytest.raises(Cut, match=f"line {len(lines)}: .*line break at its end"):
            found.extend(read_tardis(path, ours))
        assert len(found) == len(lines) - 2


def test_of_a_packed_file_the_sum_says_that_its_last_row_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv.gz"
    path.write_bytes(gzip.compress(TRADES.rstrip("\n").encode()))
    assert len(list(read_tardis(path, ours))) == len(TRADES.splitlines()) - 1


@pytest.mark.parametrize("at", [-8, -1, 200, 300])
def test_a_packed_file_that_is_spoilt_is_not_called_cut(tmp_path: Path, at: int) -> None:
    """Its sum comes last, and says that some of what was read before is wrong."""
    head, row = TRADES.splitlines(keepends=True)[:2]
    text = head + "".join(row.replace("0.002", f"0.{n * 7919}") for n in range(400))
    packed = bytearray(gzip.compress(text.encode()))
    packed[at] ^= 1
    path = tmp_path / "trades.csv.gz"
    path.write_bytes(packed)
    with pytest.raises(ConfigError) as caught:
        list(read_tardis(path, ours))
    assert not isinstance(caught.value, Cut)


def test_a_byte_that_is_no_text_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_bytes(TRADES.encode().replace(b"sell", b"s\xe5ll"))
    with pytest.raises(ConfigError, match=r"line 3: .*can't decode"):
        list(read_tardis(path, ours))


def test_what_others_write_before_and_after_a_table_does_not_matter(tmp_path: Path) -> None:
    """A mark of the order of bytes, empty lines, ids that are no numbers of ours."""
    text = TRADES.replace(",3,buy", f",{10**22},buy").replace(",4,sell", ",x-4,unknown")
    first, second = events(tmp_path, "trades.csv", f"\ufeff{text}\r\n\n")
    assert isinstance(first, ev.Trade)
    assert isinstance(second, ev.Trade)
    assert (first.trade_id, second.trade_id, second.side) == (0, 0, Side.BUY)


def test_the_books_of_two_files_do_not_mix(tmp_path: Path) -> None:
    """The later file begins with a book of its own, and fewer rows before it."""
    later = BOOK.replace("15856992", "15856993").replace("6422", "6400")
    for number, text in enumerate((BOOK, later)):
        writer = TableWriter(tmp_path / "tables", str(number))
        writer.write(events(tmp_path, "incremental_book_L2.csv", text))
        writer.close()
    with open_store(tmp_path / "tables") as store:
        found = [
            store.book_at(at, "BTC-USDT")
            for at in (1_585_699_200_500_000_000, 1_585_699_300_500_000_000)
        ]
    assert [None if book is None else list(book.bids) for book in found] == [
        [(6422.0, 7.0)],
        [(6400.0, 7.0)],
    ]


def test_what_waited_for_a_snapshot_goes_out_after_it(tmp_path: Path) -> None:
    def delta(number: int, received: int) -> ev.BookDelta:
        head = ("binance", "BTC-USDT", received, received)
        return ev.BookDelta(*head, number, number, ((float(number), 1.0),), ())

    def snapshot(number: int, received: int) -> ev.BookSnapshot:
        return ev.BookSnapshot("binance", "BTC-USDT", 0, received, number, ((1.0, 2.0),), ())

    for run, told in (
        ("first", [snapshot(2, 50), delta(3, 30), delta(4, 40), delta(5, 60)]),
        ("after a death", [snapshot(9, 200), delta(10, 190), delta(11, 210)]),
    ):
        writer = TableWriter(tmp_path / "tables", run)
        writer.write(told)
        writer.close()
    with open_store(tmp_path / "tables") as store:
        export_hftbacktest(store, "BTC-USDT", tmp_path / "btc.npz")
    with np.load(tmp_path / "btc.npz") as loaded:
        data = loaded["data"]
    assert list(data["local_ts"]) == sorted(data["local_ts"])
    book: dict[float, float] = {}
    for row in data:
        if row["ev"] & 0xFF == exports.CLEAR:
            book = {price: size for price, size in book.items() if price < row["px"]}
        else:
            book[row["px"]] = row["qty"]
    assert sorted(book) == [1.0, 10.0, 11.0]


def test_tables_go_out_as_others_read_them(tmp_path: Path) -> None:
    for name, text in (("trades", TRADES), ("incremental_book_L2", BOOK), ("quotes", QUOTES)):
        writer = TableWriter(tmp_path / "tables", name)
        writer.write(events(tmp_path, f"{name}.csv", text))
        writer.close()
    with open_store(tmp_path / "tables") as store:
        count = export_hftbacktest(store, "BTC-USDT", tmp_path / "btc.npz")
        found = export_nautilus(store, "BTC-USDT", tmp_path / "nautilus")
        with pytest.raises(ConfigError, match="ETH-USDT"):
            export_hftbacktest(store, "ETH-USDT", tmp_path / "eth.npz")
        book = store.book_at(1_585_699_200_500_000_000, "BTC-USDT")
    assert book is not None
    assert list(book.bids) == [(6422.0, 7.0)]
    with np.load(tmp_path / "btc.npz") as loaded:
        data = loaded["data"]
    assert len(data) == count == 9  # a snapshot of two levels and its clears, 3 levels, 2 trades
    assert data.dtype == exports.EVENT
    assert list(data["local_ts"]) == sorted(data["local_ts"])
    trades = data[(data["ev"] & 0xFF) == exports.TRADE]
    assert [(row["px"], row["qty"]) for row in trades] == [(6423.5, 0.002), (6423.0, 1.0)]
    assert [bool(row["ev"] & exports.BUY) for row in trades] == [True, False]
    assert [path.name for path in found] == ["trades.parquet", "quotes.parquet"]
    columns = ["timestamp", "price", "quantity", "buyer_maker", "trade_id"]
    assert pq.read_table(found[0]).column_names == columns


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_half_an_export_is_none_and_leaves_the_one_before(
    tmp_path: Path, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("trades", TRADES), ("quotes", QUOTES)):
        writer = TableWriter(tmp_path / "tables", name)
        writer.write(events(tmp_path, f"{name}.csv", text))
        writer.close()
    folder = tmp_path / "out"
    folder.mkdir()
    before = {folder / "btc.npz": b"of before", folder / "trades.parquet": b"this as well"}
    for path, content in before.items():
        path.write_bytes(content)

    def half(file: Any, **_: object) -> None:
        file.write(b"half")
        raise error

    whole = pq.write_table

    def second(table: Any, path: Path, **options: Any) -> None:
        if "quotes" in path.name:
            path.write_bytes(b"half")
            raise error
        whole(table, path, **options)

    monkeypatch.setattr(exports.np, "savez_compressed", half)
    monkeypatch.setattr(exports.pq, "write_table", second)
    with open_store(tmp_path / "tables") as store:
        with pytest.raises(error):
            export_hftbacktest(store, "BTC-USDT", folder / "btc.npz")
        with pytest.raises(error):
            export_nautilus(store, "BTC-USDT", folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_trades_that_the_venue_merged_go_out_where_there_are_no_others(tmp_path: Path) -> None:
    merged = ev.AggregateTrade(
        "binance", "BTC-USDT", 5, 7, 100.0, 2.0, Side.SELL, aggregate_id=4, first_id=8, last_id=9
    )
    writer = TableWriter(tmp_path / "tables", "run")
    writer.write([merged])
    writer.close()
    with open_store(tmp_path / "tables") as store:
        assert export_hftbacktest(store, "BTC-USDT", tmp_path / "btc.npz") == 1
        [trades] = export_nautilus(store, "BTC-USDT", tmp_path / "nautilus")
    table = pq.read_table(trades).to_pylist()
    assert [(row["trade_id"], row["price"], row["buyer_maker"]) for row in table] == [
        ("4", 100.0, True)
    ]
