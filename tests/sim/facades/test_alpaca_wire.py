"""Two codecs say the same (alpaca §2.1)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pitwire.sim.facades.alpaca_wire import JSON, JSON_IN_BINARY, MSGPACK, Wire, wire_of

AT = 1_614_009_105_335_689_322


def test_the_handshake_chooses() -> None:
    assert wire_of("") is wire_of("application/json") is JSON
    assert wire_of("Application/MsgPack; charset=x") is MSGPACK
    assert wire_of("", JSON_IN_BINARY) is JSON_IN_BINARY
    assert [wire.binary for wire in (JSON, JSON_IN_BINARY, MSGPACK)] == [False, True, True]


@pytest.mark.parametrize("wire", [JSON, MSGPACK])
@pytest.mark.parametrize("count", [1, 15, 16, 70_000])
def test_messages_encoded_apart_make_one_array(wire: Wire, count: int) -> None:
    one = wire.encode({"T": "t", "S": "AAPL"})
    decode: Any = json.loads if wire is JSON else msgspec.msgpack.decode
    assert decode(wire.array([one] * count)) == [{"T": "t", "S": "AAPL"}] * count


def test_times_are_text_or_timestamps_with_nanoseconds() -> None:
    assert JSON.time(AT) == "2021-02-22T15:51:45.335689322Z"
    packed = MSGPACK.encode([MSGPACK.time(AT)])
    assert packed[1:3] == b"\xd7\xff", "fixext 8 of type -1, as the papers say"
    assert int.from_bytes(packed[3:]) == 335_689_322 << 34 | 1_614_009_105
    whole = AT // 1000 * 1000
    assert msgspec.msgpack.decode(MSGPACK.encode([MSGPACK.time(whole)])) == [
        datetime.fromtimestamp(AT // 10**9, UTC).replace(microsecond=335_689)
    ]
    late = msgspec.msgpack.decode(MSGPACK.encode([MSGPACK.time(-1_000_000_000)]))
    assert late == [datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)]


def test_a_whole_price_is_an_integer_in_json_and_a_float_in_msgpack() -> None:
    assert JSON.encode([JSON.number(100.0), JSON.number(1.5)]) == b"[100,1.5]"
    assert MSGPACK.encode(MSGPACK.number(100.0))[:1] == b"\xcb"
