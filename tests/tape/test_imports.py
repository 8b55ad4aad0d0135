"""Other people's recordings become tapes, unchanged, and are played like our own."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from pitwire.desk.playing import play
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.model.events import AggregateTrade, BookDelta, BookSnapshot, BookStale, Event
from pitwire.tape import imports as module
from pitwire.tape import recordings
from pitwire.tape.format import Kind
from pitwire.tape.imports import import_tape
from pitwire.tape.reader import Tape, TapeFile, runs_in
from pitwire.tape.writer import TapeWriter
from pitwire.venues.registry import find_venue

VENUE = find_venue("binance")
AT = 1_723_161_253_937_085_768


def depth(number: int) -> str:
    data = {
        "e": "depthUpdate", "E": 1723161255208 + number, "s": "BTCUSDT", "U": number, "u": number,
        "b": [["100.00000000", f"{number}.00000000"]], "a": [["101.00000000", "1.00000000"]],
    }  # fmt: skip
    return json.dumps({"stream": "btcusdt@depth@100ms", "data": data}, separators=(",", ":"))


BOOK = '{"lastUpdateId":3,"bids":[["100.0","9.0"]],"asks":[["101.0","2.0"],["102.0","5.0"]]}'


def capture() -> str:
    lines = [
        {"t": "header", "conn": "c", "ts_ns": 0, "data": "{}"},
        {"t": "connect", "conn": "c", "ts_ns": AT, "addr": "wss://venue/stream"},
        *(
            {"t": "recv", "conn": "c", "ts_ns": AT + n * SECOND // 10, "data": depth(n)}
            for n in range(1, 4)
        ),
        {"t": "http", "conn": "rest", "ts_ns": None, "url": "REST depth", "data": BOOK},
        *(
            {"t": "recv", "conn": "c", "ts_ns": AT + n * SECOND // 10, "data": depth(n)}
            for n in range(4, 9)
        ),
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def cryptofeed() -> str:
    stamp = f"{AT // SECOND}.{AT % SECOND // 1000:06d}"
    lines = ["configuration: {'l2_book': ['BTC-USDT']}", f"wss://venue/stream <-> {stamp}"]
    lines += [f"wss://venue/stream <- {stamp}: {{}}"]
    lines += [f"{AT // SECOND + n}.5: {depth(n)}" for n in range(1, 4)]
    lines += [f"https://venue/api/v1/depth?symbol=BTCUSDT&limit=9 -> {AT // SECOND + 3}.6: {BOOK}"]
    lines += [f"{AT // SECOND + n}.5: {depth(n)}" for n in range(4, 9)]
    return "\n".join(lines) + "\n"


def hftbacktest() -> str:
    lines = [f"{AT + n * SECOND} {depth(n)}" for n in range(1, 4)]
    lines += [f"{AT + 3 * SECOND + 1} {BOOK}"]
    lines += [f"{AT + n * SECOND} {depth(n)}" for n in range(4, 9)]
    return "\n".join(lines) + "\n"


TEXTS = {"capture": capture, "cryptofeed": cryptofeed, "hftbacktest": hftbacktest}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("source", list(TEXTS))
def test_a_recording_is_played_like_a_tape_of_our_own(
    tmp_path: Path, source: str, packed: bool
) -> None:
    path = tmp_path / "recording"
    text = TEXTS[source]().encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    done = import_tape(path, tmp_path / "tapes", VENUE)
    assert (done.frames, done.symbols, done.channels) == (8, ("BTC-USDT",), ("book",))
    tape = Tape(done.run)
    assert tape.meta.origin == source
    payloads = [record.payload.decode() for record in tape.records() if record.kind is Kind.IN]
    assert payloads == [depth(n) for n in range(1, 9)]
    seen: list[Event] = []
    result = play(tape, events=lambda events, _now, _drained: seen.extend(events))
    assert result.unheard == 0
    assert play(tape).digest == result.digest
    [snapshot] = [event for event in seen if isinstance(event, BookSnapshot)]
    deltas = [event for event in seen if isinstance(event, BookDelta)]
    assert snapshot.last_id == 3
    assert [delta.last_id for delta in deltas] == [4, 5, 6, 7, 8]


def raw_files(folder: Path, *, headers: str = "") -> Path:
    """One feed as cryptofeed leaves it: a file for each connection, the changes' one begun anew."""
    folder.mkdir()
    line = cryptofeed().splitlines()
    frames = [one for one in line[3:] if one[:1].isdigit()]
    [book] = [one for one in line if "/depth?" in one]
    rest = [*line[1:3], *frames[:2]]
    listing = f"https://venue/api/v3/exchangeInfo -> {AT // SECOND - 1}.25: {{}}"
    (folder / "BINANCE.0").write_text(f"{listing}\n{line[0]}\n")
    (folder / "BINANCE.http.0.0").write_text(f"{book}{headers}\n\n\n")
    (folder / "BINANCE.ws.1.0").write_text("\n".join(rest) + "\n")
    for number in range(2, len(frames)):
        (folder / f"BINANCE.ws.1.{number - 1}").write_text(f"{frames[number]}\n")
    (folder / "notes.txt").write_text("mine")
    return folder


@pytest.mark.parametrize("headers", ["", ' header: {"Content-Type": "application/json"}'])
def test_a_folder_of_raw_files_is_one_recording_in_the_order_of_its_stamps(
    tmp_path: Path, headers: str
) -> None:
    read: list[int] = []
    raw = raw_files(tmp_path / "raw", headers=headers)
    done = import_tape(raw, tmp_path / "tapes", progress=read.append)
    assert (done.venue, done.frames, done.symbols, done.damage) == ("binance", 8, ("BTC-USDT",), "")
    tape = Tape(done.run)
    told = [(record.kind, record.link) for record in tape.records()]
    assert told.count((Kind.IN, "market-2")) == 8, "a connection has one link, whatever its files"
    payloads = [record.payload.decode() for record in tape.records() if record.kind is Kind.IN]
    assert payloads == [depth(n) for n in range(1, 9)]
    seen: list[Event] = []
    assert play(tape, events=lambda events, _now, _drained: seen.extend(events)).unheard == 0
    [snapshot] = [event for event in seen if isinstance(event, BookSnapshot)]
    assert snapshot.last_id == 3
    assert [event.last_id for event in seen if isinstance(event, BookDelta)] == [4, 5, 6, 7, 8]


def test_a_raw_file_that_is_cut_ends_none_but_itself(tmp_path: Path) -> None:
    raw = raw_files(tmp_path / "raw")
    with (raw / "BINANCE.http.0.0").open("a") as file:
        file.write("https://venue/api/v3/ti")
    done = import_tape(raw, tmp_path / "tapes")
    assert done.frames == 8
    assert "BINANCE.http.0.0 line 4" in done.damage


def test_a_folder_of_two_feeds_or_of_none_is_refused(tmp_path: Path) -> None:
    raw = raw_files(tmp_path / "raw")
    (raw / "COINBASE.ws.1.0").write_text("1700000000.5: {}\n")
    with pytest.raises(ConfigError, match="found 'those of BINANCE, COINBASE', expected the raw"):
        import_tape(raw, tmp_path / "tapes")
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match="no file called FEED"):
        import_tape(tmp_path / "none", tmp_path / "tapes")
    with pytest.raises(ConfigError, match="Is a directory"):
        import_tape(raw, tmp_path / "tapes", source="hftbacktest")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "an empty file"),
        ("1,2,3\n", "line 1: found '1,2,3'"),
        ('{"t":"recv","ts_ns":"x"}\n', "line 1"),
        (capture() + "{broken\n", "line 12: found '{broken'"),
        ("configuration: x\nnonsense\n", "line 2: found 'nonsense'"),
        (hftbacktest() + "soon {}\n", "line 10: found 'soon {}'"),
        ('{"t":"header","data":"{}"}\n', "no line with a time"),
        ('{"t":"recv","ts_ns":-5}\n', 'line 1: found \'{"t"'),
        (f'{{"t":"recv","ts_ns":{1 << 63}}}\n', "a time between 1970 and 2262"),
        (f"{10**25} {{}}\n", "line 1: found '1000"),
        ("9" * 5000 + " {}\n", "a time between 1970 and 2262"),
        ("99999999999: {}\n", "a time between 1970 and 2262"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "recording"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        import_tape(path, tmp_path / "tapes", VENUE)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)


def futures(symbol: str, extra: dict[str, str], at: int = AT) -> str:
    """Three frames as the futures send them, in lines of a capture."""
    frames: list[dict[str, object]] = [
        {"e": "bookTicker", "u": 7, "s": symbol, "b": "1", "B": "2", "a": "3", "A": "4"},
        {"e": "trade", "E": 1, "T": 1, "s": symbol, "t": 5, "p": "1", "q": "1", "X": "MARKET",
         "m": False},
        {"e": "depthUpdate", "E": 1, "T": 1, "s": symbol, "U": 1, "u": 2, "pu": 0, "b": [],
         "a": []},
    ]  # fmt: skip
    stamps = {"bookTicker": {"T": 1, "E": 1}}
    lines = [frame | extra | stamps.get(str(frame["e"]), {}) for frame in frames]
    told = [{"t": "recv", "conn": "c", "ts_ns": at, "data": json.dumps(line)} for line in lines]
    return "".join(json.dumps(line) + "\n" for line in told)


@pytest.mark.parametrize(
    ("text", "venue", "symbol"),
    [
        (capture(), "binance", "BTC-USDT"),
        (futures("ETHUSDT", {}), "binance-usdm", "ETH-USDT"),
        (futures("ETHUSD_PERP", {"ps": "ETHUSD"}), "binance-coinm", "ETH-USD"),
        (futures("ETHUSD_210924", {"ps": "ETHUSD"}), "binance-coinm", "ETHUSD-210924"),
        (futures("BNBUSD_210924", {"ps": "BNBUSD"}), "binance-coinm", "BNBUSD-210924"),
        (futures("BTCBUSD_210924", {}), "binance-usdm", "BTCBUSD-210924"),
    ],
)
def test_whose_market_it_is_shows_by_what_is_in_it(
    tmp_path: Path, text: str, venue: str, symbol: str
) -> None:
    """Spot's decoder knows half of what futures say, and made half a tape of it in silence."""
    path = tmp_path / "recording"
    path.write_text(text)
    done = import_tape(path, tmp_path / "tapes")
    assert (done.venue, done.symbols, done.unread) == (venue, (symbol,), 0)
    assert Tape(done.run).meta.venue == venue


def test_what_a_named_venue_does_not_know_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    path.write_text(futures("ETHUSDT", {}))
    done = import_tape(path, tmp_path / "tapes", VENUE)
    assert (done.venue, done.frames, done.unread) == ("binance", 3, 1)
    path.write_text(futures("ETHUSD_PERP", {}, AT + SECOND))
    with pytest.raises(
        ConfigError, match=r"found 'symbol ETHUSD_PERP', .*another --venue"
    ) as caught:
        import_tape(path, tmp_path / "tapes", VENUE)
    assert str(path) in str(caught.value)


def test_a_long_frame_stands_in_memory_once(tmp_path: Path) -> None:
    """A book of six megabytes was there four times while somebody looked at it."""
    path, text = tmp_path / "recording", "x" * (4 << 20)
    line = json.dumps({"t": "recv", "conn": "c", "ts_ns": AT, "data": text})
    path.write_text(f"{line}\n" * 2)
    tracemalloc.start()
    try:
        held = []
        for taken in recordings.read_capture(path, lambda _: None):
            assert len(taken.payload) == len(text)
            held.append(tracemalloc.get_traced_memory()[0] / len(text))
    finally:
        tracemalloc.stop()
    assert len(held) == 2
    assert max(held) < 2


def test_many_long_frames_are_no_block_that_nobody_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block of two thousand of them was longer than a reader takes, and so all were lost."""
    path = tmp_path / "recording"
    long = json.dumps({"e": "long", "pad": "x" * 50_000})
    count = module._BATCH_BYTES // 50_000 * 3
    line = {"t": "recv", "conn": "c", "ts_ns": AT, "data": long}
    path.write_text((json.dumps(line) + "\n") * count)
    done = import_tape(path, tmp_path / "tapes")
    tape = Tape(done.run)
    file = TapeFile(tape.files[0])
    assert max(head.raw for _, head in file._heads()) < module._BATCH_BYTES + 60_000
    file.close()
    assert sum(1 for _ in tape.records(only=Kind.IN)) == count
    monkeypatch.setattr(module, "_LONGEST_FRAME", 50_000)
    with pytest.raises(ConfigError, match=r"a frame of 50,\d+ bytes', expected up to 50,000"):
        import_tape(path, tmp_path / "others")


def test_a_damaged_gzip_file_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "recording.gz"
    path.write_bytes(gzip.compress(capture().encode())[:20])
    with pytest.raises(ConfigError, match="a whole gzip file"):
        import_tape(path, tmp_path / "tapes", VENUE)
    with pytest.raises(ConfigError, match="No such file"):
        import_tape(tmp_path / "missing", tmp_path / "tapes", VENUE)
    with pytest.raises(ConfigError, match="--format"):
        import_tape(path, tmp_path / "tapes", VENUE, source="vhs")


def test_a_recording_that_nobody_can_read_names_no_venue(tmp_path: Path) -> None:
    """It was said to be of the venue whose decoder knew nothing of it."""
    path = tmp_path / "stranger.jsonl"
    frame = json.dumps({"channel": "ticker", "product": "XBT", "price": "1"})
    line = {"t": "recv", "conn": "c", "ts_ns": AT, "data": frame}
    path.write_text(json.dumps(line) + "\n")
    done = import_tape(path, tmp_path / "tapes", VENUE)
    tape = Tape(done.run)
    assert (done.venue, done.frames, done.symbols) == ("unknown", 1, ())
    assert (tape.meta.venue, tape.meta.symbols) == ("unknown", ())
    assert [one.payload for one in tape.records(only=Kind.IN)] == [frame.encode()]
    with pytest.raises(ConfigError, match="that this program cannot read', expected one of "):
        play(tape)


def test_what_a_venue_says_at_two_addresses_is_heard_as_one(tmp_path: Path) -> None:
    """Futures' books and trades are asked for at different ones; a recording has no such thing."""
    path = tmp_path / "recording"
    lines = []
    for number in range(1, 9):
        said = json.loads(depth(number))
        said["data"] |= {"T": said["data"]["E"], "pu": number - 1}
        trade = {
            "e": "aggTrade", "E": 1723161255208, "s": "BTCUSDT", "a": number, "p": "100.0",
            "q": "1", "f": number, "l": number, "T": 1723161255208, "m": True,
        }  # fmt: skip
        lines += [said, {"stream": "btcusdt@aggTrade", "data": trade}]
    stamped = [f"{AT + n * SECOND // 10} {json.dumps(line)}" for n, line in enumerate(lines)]
    path.write_text("\n".join([*stamped[:5], f"{AT + SECOND // 2} {BOOK}", *stamped[5:]]) + "\n")
    done = import_tape(path, tmp_path / "tapes", find_venue("binance-usdm"))
    assert done.channels == ("book", "aggregate_trades")
    seen: list[Event] = []
    played = play(Tape(done.run), events=lambda events, _now, _drained: seen.extend(events))
    assert played.unheard == 0
    deltas = [event.last_id for event in seen if isinstance(event, BookDelta)]
    assert deltas == list(range(deltas[0], 9))
    assert sum(isinstance(event, AggregateTrade) for event in seen) == 8


def test_a_book_is_known_up_to_the_last_record_and_not_a_moment_longer(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    path.write_text(hftbacktest())
    done = import_tape(path, tmp_path / "tapes", VENUE)
    seen: list[Event] = []
    play(Tape(done.run), events=lambda events, _now, _drained: seen.extend(events))
    [stale] = [event for event in seen if isinstance(event, BookStale)]
    last = [event for event in seen if isinstance(event, BookDelta)][-1]
    assert (last.last_id, stale.received) == (8, last.received + 1)


@pytest.mark.parametrize("at", [-8, 500])
def test_a_packed_recording_that_is_spoilt_becomes_no_tape(tmp_path: Path, at: int) -> None:
    """Its sum comes last, and says that some frame is not what came."""
    path, text = tmp_path / "recording", "".join(f"{AT + n} {depth(n)}\n" for n in range(1, 400))
    packed = bytearray(gzip.compress(text.encode()))
    packed[at] ^= 1
    path.write_bytes(packed)
    with pytest.raises(ConfigError):
        import_tape(path, tmp_path / "tapes", VENUE)
    assert list(tmp_path.glob("tapes/*")) == []


def test_of_a_recording_that_is_cut_all_before_is_on_the_tape(tmp_path: Path) -> None:
    path, text = tmp_path / "recording", "".join(f"{AT + n} {depth(n)}\n" for n in range(1, 400))
    path.write_bytes(gzip.compress(text.encode())[:-60])
    done = import_tape(path, tmp_path / "packed", VENUE)
    assert 100 < done.frames < 399
    assert f"{path} behind line {done.frames}: found 'one that is cut'" in done.damage
    assert sum(record.kind is Kind.IN for record in Tape(done.run).records()) == done.frames
    path.write_text((capture() + capture())[:-30])
    done = import_tape(path, tmp_path / "plain", VENUE)
    assert done.frames == 15
    assert f"{path} line 22: found" in done.damage


def test_an_import_that_was_killed_is_no_tape_and_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had written by then looked like a short recording, and kept the whole one out."""
    path, folder = tmp_path / "recording", tmp_path / "tapes"
    path.write_text(capture())
    copy = module._copy
    seen: list[object] = []

    def copied(*given: Any) -> Any:
        done = copy(*given)
        seen.append(runs_in(folder))
        with pytest.raises(ConfigError, match="another process that imports it"):
            import_tape(path, folder, VENUE)
        if len(seen) == 1:  # as a kill would leave it: nothing is tidied up
            given[2].abandon()
            monkeypatch.setattr(TapeWriter, "discard", lambda _: None)
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(module, "_copy", copied)
    with pytest.raises(KeyboardInterrupt):
        import_tape(path, folder, VENUE)
    assert len(list(folder.rglob("*.tape"))) == 1
    done = import_tape(path, folder, VENUE)
    assert seen == [[], []]
    assert runs_in(folder) == [done.run]
    assert list(folder.iterdir()) == [done.run]
    assert sum(record.kind is Kind.IN for record in Tape(done.run).records()) == 8


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_import_that_does_not_come_to_its_end_leaves_nothing(
    tmp_path: Path, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, folder = tmp_path / "recording", tmp_path / "tapes"
    path.write_text(capture())

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("pitwire.tape.imports._copy", fail)
        with pytest.raises(error):
            import_tape(path, folder, VENUE)
        assert not list(folder.iterdir())
        patched.undo()
        patched.setattr(TapeWriter, "_append", fail)
        with pytest.raises((error, ConfigError)):
            import_tape(path, folder, VENUE)
    done = import_tape(path, folder, VENUE)
    with pytest.raises(ConfigError, match="a tape of that moment"):
        import_tape(path, folder, VENUE)
    assert Tape(done.run).meta.symbols == ("BTC-USDT",)
