"""Several tapes as one: in order of time, and only what the markets said."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.tape.format import Exchange, Kind, decode_exchange, encode_exchange
from pitwire.tape.merged import MergedTape
from pitwire.tape.reader import Tape
from pitwire.tape.writer import TapeWriter
from tests.tape.tapes import META, START


def tape(folder: Path, symbol: str, *moments: tuple[float, str, Kind, bytes], **meta: str) -> Tape:
    writer = TapeWriter(folder, msgspec.structs.replace(META, symbols=(symbol,), **meta))
    writer.put(
        [(link, kind, START + round(at * SECOND), True, data) for at, link, kind, data in moments]
    )
    writer.close()
    return Tape(folder)


def answers(payload: bytes) -> bool:
    return payload.startswith(b"yes")


def test_what_markets_said_in_order_of_time(tmp_path: Path) -> None:
    body = encode_exchange(Exchange("GET", "http://x/depth", 0, 200, {}, body=b"{}"))
    one = tape(
        tmp_path / "a",
        "A-B",
        (0, "market-1", Kind.OPENED, b"ws://x"),
        (1, "market-1", Kind.OUT, b"ask"),
        (2, "market-1", Kind.IN, b"yes"),
        (3, "market-1", Kind.IN, b"a3"),
        (3, "orders", Kind.IN, b"ours"),
        (5, "", Kind.HTTP, body),
    )
    two = tape(
        tmp_path / "b", "B-C", (3, "market-1", Kind.IN, b"b3"), (4, "market-2", Kind.IN, b"b4")
    )
    merged = MergedTape([one, two], answers)
    heard = [(record.kind, record.payload) for record in merged.records()]
    assert heard == [(Kind.IN, b"a3"), (Kind.IN, b"b3"), (Kind.IN, b"b4"), (Kind.HTTP, body)]
    assert [r.payload for r in merged.records(until=START + 4 * SECOND)] == [b"a3", b"b3"]
    assert [r.payload for r in merged.records(only=Kind.HTTP)] == [body]
    assert (merged.meta.symbols, merged.meta.origin) == (("A-B", "B-C"), "merged")
    assert merged.span() == (START, START + 5 * SECOND)
    assert merged.flaws == ()
    listed = Exchange("GET", "http://x/listing", 0, 200, {}, body=b"[]")
    first = next(MergedTape([one, two], answers, listed).records())
    assert decode_exchange(first.payload).url == "http://x/listing"


def test_what_cannot_be_one(tmp_path: Path) -> None:
    one = tape(
        tmp_path / "a", "A-B", (1, "market-1", Kind.IN, b"1"), (3, "market-1", Kind.IN, b"2")
    )
    again = tape(tmp_path / "b", "A-B", (2, "market-1", Kind.IN, b"3"))
    with pytest.raises(ConfigError, match=r"A-B, which .* has at the same time"):
        MergedTape([one, again], answers)
    other = tape(tmp_path / "c", "B-C", (2, "market-1", Kind.IN, b"3"), venue="elsewhere")
    with pytest.raises(ConfigError, match="venue elsewhere"):
        MergedTape([one, other], answers)
