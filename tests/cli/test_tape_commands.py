"""`import`, `tables`, `export` and `sim --tape`, as they are typed."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from contextlib import nullcontext
from pathlib import Path

import pytest

import pitwire
from pitwire.cli.main import main
from pitwire.cli.simulated import recorded_venue
from pitwire.cli.taped import frames_on, is_tape, listing_on, snapshots_on, symbol_of
from pitwire.desk.masking import Masker
from pitwire.model.clock import ManualClock
from pitwire.model.errors import ConfigError
from pitwire.model.events import BookDelta, BookSnapshot, Event, Trade
from pitwire.session.connect import connect_to_websocket
from pitwire.store.parquet import TableWriter
from pitwire.tape.format import Kind, Meta
from pitwire.tape.reader import Tape
from pitwire.tape.recorder import Recorder
from pitwire.tape.writer import TapeWriter
from tests.store.test_tardis import TRADES
from tests.tape.tapes import START
from tests.tape.test_imports import capture, depth
from tests.unhurried import commands

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def taped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape of two seconds of a simulated market."""
    folder = tmp_path_factory.mktemp("tape")
    channels = ["--channel", "trades", "--channel", "book"]
    arguments = ["record", "BTC-USDT", *channels, "--out", str(folder), "--seconds", "2"]
    with commands():
        assert main(arguments) == 0
    return folder


def test_import_and_replay(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "capture.jsonl"
    path.write_text(capture())
    assert main(["import", str(path), "--out", str(tmp_path / "tapes")]) == 0
    out = capsys.readouterr().out
    assert "frames 8\nsymbols BTC-USDT\nchannels book\nleft out 1 lines\n" in out
    assert main(["replay", str(tmp_path / "tapes")]) == 0
    assert "frames 8\nunheard 0\n" in capsys.readouterr().out


def test_an_import_that_no_decoder_knows_is_named_as_such(tmp_path: Path, capsys: Capture) -> None:
    path, tapes = tmp_path / "capture.jsonl", str(tmp_path / "tapes")
    line = {"t": "recv", "conn": "ws", "ts_ns": START, "data": "[1, [2, 3]]"}
    path.write_text(json.dumps(line) + "\n")
    assert main(["import", str(path), "--out", tapes]) == 0
    capsys.readouterr()
    for command in (["replay", tapes], ["tables", tapes, "--out", str(tmp_path / "tables")]):
        assert main(command) == 2
        told = capsys.readouterr().err
        assert told.startswith(f"pitwire: {tapes}: found 'an import from a venue that this program")
        assert "expected one of alpaca, binance" in told


def test_events_are_sent_to_the_command_that_takes_them(tmp_path: Path, capsys: Capture) -> None:
    csv = tmp_path / "trades.csv"
    csv.write_text(TRADES)
    assert main(["import", str(csv), "--out", str(tmp_path / "tapes")]) == 2
    assert "pitwire tables takes it" in capsys.readouterr().err
    assert main(["tables", str(tmp_path / "none.csv.gz"), "--out", str(tmp_path / "x")]) == 2
    assert main(["tables", str(tmp_path / "none"), "--out", str(tmp_path / "x")]) == 2
    assert "none: found 'nothing'" in capsys.readouterr().err


def test_a_desk_needs_the_listing_that_a_recording_lacks(tmp_path: Path, capsys: Capture) -> None:
    path, desk = tmp_path / "capture.jsonl", tmp_path / "desk.toml"
    path.write_text(capture())
    desk.write_text('[venue]\nsymbols = ["BTC-USDT"]\nchannels = ["book"]\n[log]\nfile = ""\n')
    listing = tmp_path / "listing.json"
    listing.write_text(
        '{"symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT",'
        '"baseAssetPrecision":8,"quoteAssetPrecision":8,"orderTypes":["LIMIT"],"filters":['
        '{"filterType":"PRICE_FILTER","minPrice":"0.01","maxPrice":"1000000","tickSize":"0.01"},'
        '{"filterType":"LOT_SIZE","minQty":"0.00001","maxQty":"9000","stepSize":"0.00001"}]}]}'
    )
    assert main(["import", str(path), "--out", str(tmp_path / "bare")]) == 0
    assert main(["replay", str(tmp_path / "bare"), "--config", str(desk)]) == 2
    assert "no listing of its venue" in capsys.readouterr().err
    arguments = ["import", str(path), "--out", str(tmp_path / "listed")]
    assert main([*arguments, "--instruments", str(listing)]) == 0
    assert main(["replay", str(tmp_path / "listed"), "--config", str(desk)]) == 0
    assert "answers paper" in capsys.readouterr().out
    found = listing_on(Tape(tmp_path / "listed"), "BTC-USDT")
    assert found is not None
    assert (str(found.tick), str(found.lot)) == ("0.01", "0.00001")


def test_tables_and_export(taped: Path, tmp_path: Path, capsys: Capture) -> None:
    folder, csv = tmp_path / "tables", tmp_path / "trades.csv"
    csv.write_text(TRADES)
    assert main(["tables", str(taped), str(csv), "--out", str(folder), "--compact"]) == 0
    assert "files fewer" in capsys.readouterr().out
    with pitwire.open_store(folder) as store:
        trades = store.trades("BTC-USDT").to_pandas()
        deltas = store.sql("SELECT * FROM BookDelta").to_polars()
        last = int(deltas["received"].max())
        book = store.book_at(last, "BTC-USDT")
    assert len(trades) > 2
    assert book is not None
    assert book.last_id == deltas["last_id"].max()
    assert main(["tables", str(taped), "--out", str(folder)]) == 2
    assert "not in these tables yet" in capsys.readouterr().err
    arguments = ["export", str(folder), "BTC-USDT", "--out", str(tmp_path / "out"), "--to"]
    assert main([*arguments, "nautilus"]) == 0
    assert (tmp_path / "out" / "trades.parquet").exists()
    assert main([*arguments, "abacus"]) == 2
    assert main(["tables", str(tmp_path / "x.txt"), "--out", str(folder)]) == 2


def run_of_files(folder: Path) -> Path:
    """A run of three files and more; its folder."""
    meta = Meta(program="test", venue="binance", started=START)
    writer = TapeWriter(folder, meta, max_bytes=1)
    for number in range(1, 4):
        at = START + number
        writer.put([("market-1", Kind.IN, at, True, depth(number).encode())])
    writer.close()
    return writer.run


def test_the_files_of_a_run_one_by_one_are_all_in_the_tables(
    tmp_path: Path, capsys: Capture
) -> None:
    run = run_of_files(tmp_path)
    files = sorted(map(str, run.glob("*.tape")))
    assert len(files) >= 3
    out = ["--out", str(tmp_path / "tables")]
    assert main(["tables", *files, *out]) == 0
    told = capsys.readouterr().out
    assert all(f"{file}: " in told for file in files)
    assert main(["tables", files[-1], *out]) == 2
    assert "not in these tables yet" in capsys.readouterr().err
    assert main(["tables", str(run), *out]) == 2
    assert "expected a tape as a whole, or its files one by one" in capsys.readouterr().err


def test_files_of_a_run_may_be_removed_once_they_are_in_the_tables(tmp_path: Path) -> None:
    run = run_of_files(tmp_path)
    out = ["--out", str(tmp_path / "tables")]
    for file in sorted(run.glob("*.tape")):
        assert main(["tables", str(file), *out]) == 0
        file.unlink()


def test_a_recorded_tape_is_enough_for_a_desk(taped: Path, tmp_path: Path, capsys: Capture) -> None:
    desk = tmp_path / "desk.toml"
    desk.write_text(
        """
        [venue]
        symbols = ["BTC-USDT"]
        channels = ["trades", "book"]
        [log]
        file = ""
        [[rule]]
        name = "buy"
        when = { price = "BTC-USDT", above = 1, of = "ask" }
        do = { market = "buy", size = 0.01 }
        once = true
        """
    )
    assert main(["replay", str(taped), "--config", str(desk)]) == 0
    assert "orders 1\nanswers paper\n" in capsys.readouterr().out
    wanted = desk.read_text().replace('["BTC-USDT"]', '["BTC-USDT", "ETH-USDT"]')
    desk.write_text(wanted)
    assert main(["replay", str(taped), "--config", str(desk)]) == 2
    assert "found 'ETH-USDT', expected a symbol that binance lists" in capsys.readouterr().err
    other = tmp_path / "other"
    arguments = ["record", "ETH-USDT", "--channel", "trades", "--channel", "book"]
    with commands():
        assert main([*arguments, "--out", str(other), "--seconds", "1"]) == 0
    capsys.readouterr()
    frames = []
    for tapes in ([taped], [other], [taped, other], [other, taped]):
        assert main(["replay", *map(str, tapes)]) == 0
        frames.append(int(capsys.readouterr().out.split()[1]))
    assert frames[2] == frames[3] <= frames[0] + frames[1]
    assert main(["replay", str(taped), str(other), "--config", str(desk)]) == 0
    told = capsys.readouterr().out
    assert "orders 1\nanswers paper\n" in told
    assert main(["replay", str(taped), str(other), "--config", str(desk)]) == 0
    assert capsys.readouterr().out == told
    assert main(["replay", str(taped), str(taped)]) == 2
    assert "expected a symbol in one tape at a time" in capsys.readouterr().err


def test_a_book_that_no_listing_fits_is_told(tmp_path: Path, capsys: Capture) -> None:
    path, desk = tmp_path / "capture.jsonl", tmp_path / "desk.toml"
    path.write_text(capture().replace("0000\\", "0010\\"))
    desk.write_text('[venue]\nsymbols = ["BTC-USDT"]\nchannels = ["book"]\n[log]\nfile = ""\n')
    assert main(["import", str(path), "--out", str(tmp_path / "tapes")]) == 0
    assert main(["backtest", str(tmp_path / "tapes"), "--config", str(desk)]) == 2
    assert "found 100.00000010, expected a multiple of 0.01" in capsys.readouterr().err


def test_a_tape_is_served_as_a_venue(taped: Path) -> None:
    tape = Tape(taped)
    assert is_tape(taped)
    assert is_tape(tape.files[0])
    assert not is_tape(taped.parent / "capture.jsonl.gz")
    assert symbol_of(tape) == "BTC-USDT"
    with pytest.raises(ConfigError, match="ETH-USDT"):
        symbol_of(tape, "ETH-USDT")
    recorded = list(frames_on(tape))
    assert list(frames_on(tape, 5)) == [(at + 5, frame) for at, frame in recorded]
    [snapshot] = snapshots_on(tape, ["BTCUSDT"])
    assert '"lastUpdateId"' in snapshot.data
    assert snapshots_on(tape, ["ETHUSDT"]) == []
    said = [record for record in tape.records() if record.kind is Kind.IN]
    assert len(said) - 3 <= len(recorded) < len(said), "all but the answers to asks"
    seen: list[Event] = []

    async def life() -> None:
        async with recorded_venue(taped, speed=20) as venue:
            connecting = connect_to_websocket(endpoints=venue.endpoints, on_event=seen.append)
            async with connecting as session:
                await session.subscribe_to_trades("BTC-USDT")
                await session.subscribe_to_book("BTC-USDT")
                venue.begin()
                while not venue.is_over:
                    await asyncio.sleep(0.01)
                while not any(isinstance(event, BookSnapshot) for event in seen):
                    await asyncio.sleep(0.01)

    asyncio.run(life())
    trades = [event.trade_id for event in seen if isinstance(event, Trade)]
    texts = [frame.decode() for _, frame in recorded]
    assert trades
    assert all(any(f'"t":{number},' in text for text in texts) for number in trades)
    assert any(isinstance(event, BookDelta | BookSnapshot) for event in seen)


def test_all_symbols_of_a_tape_are_served(tmp_path: Path) -> None:
    symbols = ("BTC-USDT", "ETH-USDT")
    arguments = ["record", *symbols, "--channel", "trades", "--channel", "book"]
    with commands():
        assert main([*arguments, "--out", str(tmp_path), "--seconds", "2"]) == 0
    seen: list[Event] = []

    async def life() -> None:
        async with recorded_venue(tmp_path, speed=20) as venue:
            assert list(venue.world.exchange.listings) == list(symbols)
            connecting = connect_to_websocket(endpoints=venue.endpoints, on_event=seen.append)
            async with connecting as session:
                await session.subscribe_to_trades(*symbols)
                await session.subscribe_to_book(*symbols)
                venue.begin()
                while not venue.is_over:
                    await asyncio.sleep(0.01)
                books = set[str]()
                while books != set(symbols):
                    await asyncio.sleep(0.01)
                    books = {one.symbol for one in seen if isinstance(one, BookSnapshot)}

    asyncio.run(life())
    said = [one.payload for one in Tape(tmp_path).records() if one.kind is Kind.IN]
    for symbol in symbols:
        native = symbol.replace("-", "").encode()
        ids = [one.trade_id for one in seen if isinstance(one, Trade) and one.symbol == symbol]
        assert ids
        told = [text for text in said if native in text]
        assert all(any(b'"t":%d,' % number in text for text in told) for number in ids)


async def test_who_serves_a_damaged_tape_is_told(
    taped: Path, tmp_path: Path, capsys: Capture
) -> None:
    [whole] = Tape(taped).files
    cut = tmp_path / "000001.tape"
    cut.write_bytes(whole.read_bytes()[:-600])
    async with recorded_venue(cut, speed=1000) as venue:
        venue.begin()
        while not venue.is_over:
            await asyncio.sleep(0.01)
    assert f"pitwire: {cut} at byte" in capsys.readouterr().err


def test_sim_ends_with_its_tape(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "capture.jsonl"
    path.write_text("".join(line for line in capture().splitlines(keepends=True)))
    assert depth(1) in path.read_text().replace("\\", "")
    assert main(["sim", "BTC-USDT", "--tape", str(path), "--seconds", "0.3"]) == 0
    assert "which begins when a client connects" in capsys.readouterr().out
    assert main(["sim", "--tape", str(tmp_path / "nothing")]) == 2


def test_a_tape_that_is_being_recorded_is_no_table_yet(tmp_path: Path, capsys: Capture) -> None:
    """What it held by then was taken for all, and the rest was refused as there already."""
    meta = Meta(program="test", venue="binance", started=10**18)
    recorder = Recorder(tmp_path / "tapes", meta, mask=Masker(), clock=ManualClock(10**18))
    typed = ["tables", str(tmp_path / "tapes"), "--out", str(tmp_path / "tables")]
    assert main(typed) == 2
    assert "found 'a tape that is being recorded', expected one" in capsys.readouterr().err
    recorder.close()
    assert main(typed) == 0


def test_tables_are_verified_as_it_is_typed(taped: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "tables"
    typed = ["tables", "--out", str(folder)]
    for bad, told in (
        (typed, "sources: found 'none', expected a tape"),
        ([*typed, "--verify"], f"{folder}: found 'nothing'"),
        ([*typed, "--compact"], f"{folder}: found 'nothing'"),
        ([*typed, "--verify", "--to", "postgresql://x"], "--verify: found 'with --to'"),
    ):
        assert main(bad) == 2
        assert told in capsys.readouterr().err
    assert main(["tables", str(taped), "--out", str(folder), "--verify"]) == 0
    assert f"{folder}: 0 files are not what was written" in capsys.readouterr().out
    path = next(folder.glob("venue=*/kind=Trade/day=*/*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 1
    path.write_bytes(data)
    assert main([*typed, "--verify"]) == 5
    out, err = capsys.readouterr()
    assert f"{folder}: 1 files are not" in out
    assert f"pitwire: {path}: found" in err


def test_a_csv_file_that_is_cut_or_spoilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """What stands before a cut is in the tables; of a spoilt one, which will be mended, nothing."""
    monkeypatch.setattr("pitwire.cli.tables._DRAW_EVERY", 1)
    monkeypatch.setitem(TableWriter.__init__.__kwdefaults__, "rows", 1)  # type: ignore[arg-type]
    head = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
    row = "binance,BTCUSDT,1585699200245000,1585699200250636,3,buy,6423.5,0.002\n"
    path, out = tmp_path / "trades.csv", tmp_path / "tables"
    typed = ["tables", str(path), "--out", str(out)]
    path.write_text(head + row + row + row.replace("buy", "bought") + row)
    assert main(typed) == 2
    assert f"{path} line 4: found" in capsys.readouterr().err
    with pitwire.open_store(out) as store:
        assert len(store.trades()) == 0
    path.write_text(head + row + row + row + row)
    assert main(typed) == 0
    path.write_text(head + row + row + row[:40])
    assert main(typed) == 5
    assert f"{path} line 4: found 'a row that is cut'" in (err := capsys.readouterr().err)
    assert "what stands before is in the tables" in err
    with pitwire.open_store(out) as store:
        assert len(store.trades()) == 6
    assert main(["tables", "--out", str(out), "--compact"]) == 0, "nothing is left unfinished"


def test_a_full_disk_is_named_by_an_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "out.npz"
    monkeypatch.setattr("pitwire.cli.tables.export_hftbacktest", full)
    monkeypatch.setattr("pitwire.cli.tables.open_store", lambda _: nullcontext())
    asked = ["export", "tables", "BTC-USDT", "--to", "hftbacktest", "--out", str(out)]
    assert main(asked) == 1
    assert f"{out}: {os.strerror(errno.ENOSPC)}; give the same command" in capsys.readouterr().err
    asked[-1] = str(tmp_path / "out")
    monkeypatch.setattr("pitwire.cli.tables.export_hftbacktest", lambda *_: 3)
    assert main(asked) == 0
    assert f"{out}: 3 events" in capsys.readouterr().out, "the name that it has in the end"


def test_an_import_onto_a_full_disk_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path, tapes = tmp_path / "capture.jsonl", tmp_path / "tapes"
    path.write_text(capture())
    monkeypatch.setattr("pitwire.tape.writer.TapeWriter.put", full)
    assert main(["import", str(path), "--out", str(tapes)]) == 1
    assert f"{tapes}: {os.strerror(errno.ENOSPC)}; give the same" in capsys.readouterr().err
    assert not list(tapes.iterdir())


def test_damage_is_told_by_line_and_code_and_the_rest_is_there(
    tmp_path: Path, capsys: Capture
) -> None:
    path, tapes = tmp_path / "capture.jsonl", tmp_path / "tapes"
    path.write_text(capture()[:-30])
    assert main(["import", str(path), "--out", str(tapes)]) == 5
    said = capsys.readouterr()
    assert "frames 7\n" in said.out
    assert said.err.startswith(f"pitwire: {path} line 11: found")
    assert "what stands before is on the tape" in said.err
    [file] = tapes.glob("*/*.tape")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    for command in (["replay"], ["tables", "--out", str(tmp_path / "tables")]):
        assert main([*command, str(tapes)]) == 5
        assert "not what was written" in capsys.readouterr().err
