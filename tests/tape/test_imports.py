"""Other people's recordings become tapes, unchanged, and are played like our own."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pitwire.desk.playing import play
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.model.events import BookDelta, BookSnapshot, Event
from pitwire.tape.format import Kind
from pitwire.tape.imports import import_tape
from pitwire.tape.reader import Tape
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
    ],
)
def test_what_is_wrong_is_named_by_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "recording"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        import_tape(path, tmp_path / "tapes", VENUE)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_damaged_gzip_file_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "recording.gz"
    path.write_bytes(gzip.compress(capture().encode())[:-20])
    with pytest.raises(ConfigError, match="a whole gzip file"):
        import_tape(path, tmp_path / "tapes", VENUE)
    with pytest.raises(ConfigError, match="No such file"):
        import_tape(tmp_path / "missing", tmp_path / "tapes", VENUE)
    with pytest.raises(ConfigError, match="--format"):
        import_tape(path, tmp_path / "tapes", VENUE, source="vhs")
