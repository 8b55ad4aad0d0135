"""A look at the head of a depth diff beside the reading of all of it."""

from __future__ import annotations

import gzip
import json
import random
from itertools import islice
from pathlib import Path

import pytest

from fuzz.mutations import golden_frames, mutate
from pitwire.model.events import BookDelta
from pitwire.venues.binance import BINANCE
from pitwire.venues.venue import Codec, CodecOptions, GlancingCodec, Role

NOW = 1_700_000_000_000_000_000
DIFF = (
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1700000000000,"s":"BTCUSDT",'
    b'"U":157,"u":160,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}}'
)


def codec() -> GlancingCodec:
    made: Codec = BINANCE.codec(CodecOptions(Role.MARKET))
    assert isinstance(made, GlancingCodec)
    return made


def _agrees(ours: GlancingCodec, frame: bytes) -> bool:
    """Whether something was seen; if a delta is read there, it is that one."""
    seen = ours.glance(frame)
    if seen is None:
        return False
    for event in ours.decode(frame, NOW):
        if isinstance(event, BookDelta):
            assert seen == (event.symbol, event.venue_time, event.last_id), frame
        else:
            assert type(event).__name__ == "Malformed", "the head of another kind was believed"
    return True


def test_of_a_diff_the_head_says_which_it_is() -> None:
    ours = codec()
    assert ours.glance(DIFF) == ("BTC-USDT", NOW, 160)
    micro = DIFF.replace(b"1700000000000", b"1700000000000001")
    assert ours.glance(micro) == ("BTC-USDT", NOW + 1_000, 160)


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        (b'{"stream":', b'{"strzam":'),
        (b'"depthUpdate"', b'"depthUpdated"'),
        (b'"E":1700000000000,', b'"E":"1700000000000",'),
        (b'"E":1700000000000,', b'"T":1700000000000,'),
        (b'"E":1700000000000,', b'"E":99999999999999999,'),
        (b'"s":"BTCUSDT"', b'"s": "BTCUSDT"'),
        (b'"s":"BTCUSDT"', b'"s":"BTC\\u0055"'),
        (b'"U":157', b'"V":157'),
        (b'"U":157,"u":160', b'"u":160,"U":157'),
        (b'"u":160', b'"u":-160'),
        (b'"u":160', b'"u":1_60'),
        (b'"u":160', b'"u": 160'),
        (b'"u":160', b'"u":1234567890123456789'),
        (b'"b":', b'"pu":150,"b":'),
        (b"]}}", b"]}"),
        (b"]}}", b""),
    ],
)
def test_what_is_not_written_to_the_letter_is_read_whole(found: bytes, instead: bytes) -> None:
    assert DIFF.count(found)
    assert codec().glance(DIFF.replace(found, instead)) is None


def test_what_is_no_bytes_is_read_whole() -> None:
    assert codec().glance(memoryview(DIFF)) is None


def test_golden_diffs_are_seen_and_nothing_else_is() -> None:
    ours = codec()
    seen = [frame for frame in golden_frames("binance") if _agrees(ours, frame)]
    assert seen
    assert all(b"depthUpdate" in frame for frame in seen)


def test_of_a_recorded_session_every_diff_is_seen(captures: Path) -> None:
    ours, seen = codec(), 0
    name = "spot_BTCUSDT_depth-trade-bookTicker_2024-08-08.jsonl.gz"
    with gzip.open(captures / "binance" / name) as lines:
        for line in islice(lines, 2_000):
            record = json.loads(line)
            if record["t"] == "recv":
                frame = record["data"].encode()
                found = _agrees(ours, frame)
                assert found is (b'"depthUpdate"' in frame)
                seen += found
    assert seen > 100


@pytest.mark.parametrize("seed", range(4))
def test_spoilt_heads_are_left_or_seen_as_they_are_read(seed: int) -> None:
    chance, seeds, ours = random.Random(seed), golden_frames("binance"), codec()
    whole = [DIFF, *(frame for frame in seeds if ours.glance(frame) is not None)]
    for _ in range(1_000):
        _agrees(ours, mutate(chance.choice(whole), seeds, chance))
        spoilt = bytearray(chance.choice(whole))
        spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        _agrees(ours, bytes(spoilt))


def test_a_head_is_one_where_it_says_whose_the_diff_is_and_how_far_it_goes() -> None:
    ours = codec()
    head = ours.head(DIFF, 160)
    assert head == DIFF[: ours.head_bytes]
    for frame, last in (
        (DIFF, 16), (DIFF, 60), (DIFF.replace(b'"u":160,"b"', b'"u":160,"x":1,"b"'), 160),
        (DIFF.replace(b'"s":', b'"z":'), 160), (b"", 160),
        (DIFF.replace(b'"e":"depthUpdate"', b'"y":"' + b"y" * 200 + b'","e":"depthUpdate"'), 160),
    ):  # fmt: skip
        assert ours.head(frame, last) is None
