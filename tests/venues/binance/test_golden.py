"""Frames from the venue's documents against the events they are, field by field.

A line of `tests/golden/binance/*.jsonl` has a name, its source with the date, the frame as the
document prints it, and what it decodes to (NaN is null there). `stream` is the name under which a
combined connection would wrap it; `before` is what was asked for. `pitwire examine`
reads them, too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pitwire.conformance.golden import Call, Golden, written
from pitwire.venues.binance.codec import BinanceCodec
from pitwire.venues.venue import CodecOptions, Role

NOW = 1_700_000_000_000_000_000
GOLDEN = Path(__file__).parents[2] / "golden" / "binance"
golden = Golden(GOLDEN)


def _lines(name: str) -> list[Any]:
    rows = [json.loads(line) for line in (GOLDEN / f"{name}.jsonl").read_text().splitlines()]
    return [pytest.param(row, id=row["name"]) for row in rows]


def _codec(role: Role) -> BinanceCodec:
    return BinanceCodec(CodecOptions(role=role))


@pytest.mark.parametrize("row", _lines("market"))
def test_market_frames_wrapped_and_bare(row: dict[str, Any]) -> None:
    codec = _codec(Role.MARKET)
    golden.prepare(codec, msgspec.convert(row.get("before", []), list[Call]))
    frames = [row["frame"]]
    if "stream" in row:
        frames += [
            f'{{"stream":"{row["stream"]}","data":{row["frame"]}}}',
            f'{{"data":{row["frame"]},"stream":"{row["stream"]}"}}',
            f' {{ "stream" : "{row["stream"]}" , "data" : {row["frame"]} }} ',
        ]
    for frame in frames:
        found = [written(item) for item in codec.decode(frame.encode(), NOW)]
        for event in found + row["events"]:
            event.pop("excerpt", None)
        assert found == row["events"], frame


EVENTS = [line for line in _lines("market") if "stream" in line.values[0]]


@pytest.mark.parametrize("row", EVENTS)
def test_the_order_of_fields_is_not_trusted(row: dict[str, Any]) -> None:
    backwards = dict(reversed(json.loads(row["frame"]).items()))
    frame = json.dumps({"stream": row["stream"], "data": backwards, "new": [1]})
    found = [written(item) for item in _codec(Role.MARKET).decode(frame.encode(), NOW)]
    for event in found + row["events"]:
        event.pop("excerpt", None)
    assert found == row["events"]


@pytest.mark.parametrize("row", _lines("user_data"))
def test_user_data(row: dict[str, Any]) -> None:
    codec = _codec(Role.ORDERS)
    found = [written(one, excerpts=True) for one in codec.decode(row["frame"].encode(), NOW)]
    assert found == row["events"]
    message = json.loads(row["frame"])
    bare = json.dumps(message.get("event", message), separators=(",", ":")).encode()
    again = [written(item) for item in codec.decode(bare, NOW)]
    for event in again + found:
        event.pop("excerpt", None)
    assert again == found


@pytest.mark.parametrize("row", _lines("answers"))
def test_answers(row: dict[str, Any]) -> None:
    codec = _codec(Role.ORDERS)
    golden.prepare(codec, msgspec.convert(row.get("before", []), list[Call]))
    frame = memoryview(bytearray(row["frame"].encode()))
    assert [written(item) for item in codec.decode(frame, NOW)] == row["events"]


def test_microseconds_are_told_from_milliseconds() -> None:
    frame = (
        b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1672515782136999,"s":"BTCUSDT",'
        b'"t":1,"p":"1","q":"1","T":1672515782136123,"m":false,"M":true}}'
    )
    codec = BinanceCodec(CodecOptions(role=Role.MARKET, time_unit="us"))
    [event] = codec.decode(frame, NOW)
    assert isinstance(event, msgspec.Struct)
    assert event.venue_time == 1672515782136123000
