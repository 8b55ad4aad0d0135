"""The compiled reader beside the typed one: the same event, or None."""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import native
from fuzz.mutations import golden_frames, mutate
from pitwire.model.events import BookDelta, Event, Malformed, Quote, Trade
from pitwire.venues.binance import codec as codec_module
from pitwire.venues.binance.decode import MarketDecoder, Read, known_by
from pitwire.venues.binance.symbols import Symbols
from pitwire.venues.reading import UNREADABLE
from pitwire.venues.venue import CodecOptions, Role

NOW = 1_700_000_000_000_000_000
KINDS = (Trade, Quote, BookDelta)


@pytest.fixture(scope="module")
def read() -> Read:
    found = native.twin(native.READING)
    if found is None:
        pytest.skip("no C compiler that can build it")
    return known_by(found)


def _symbols() -> Symbols:
    symbols = Symbols()
    for ours in ("BTC-USDT", "BNB-BTC", "BNB-USDT"):
        symbols.native(ours)
    return symbols


def _typed(frame: bytes, symbols: Symbols) -> list[Event] | None:
    decoder = MarketDecoder(symbols, lambda stream: ("A-B", 5))
    try:
        return list(decoder.decode(frame, NOW))
    except UNREADABLE:
        return None


def _same(read: Read, frame: bytes, symbols: Symbols) -> bool:
    """Whether the compiled reader read it; if it did, as the typed one does, to the last bit."""
    found = read(frame, NOW, symbols)
    if found is None:
        return False
    typed = _typed(frame, symbols)
    assert typed is not None, f"the typed reading refuses {frame!r}"
    assert repr(list(found)) == repr(typed)
    assert [type(one) for one in found] == [type(one) for one in typed]
    return True


def test_golden_frames_are_read(read: Read) -> None:
    symbols, kinds = _symbols(), Counter[str]()
    for frame in golden_frames("binance"):
        if _same(read, frame, symbols):
            [event] = read(frame, NOW, symbols) or ()
            kinds[type(event).__name__] += 1
    assert set(kinds) == {kind.__name__ for kind in KINDS}
    assert min(kinds.values()) >= 2, "bare and wrapped"


def test_a_recorded_session_is_read_whole(read: Read, captures: Path) -> None:
    name = "spot_BTCUSDT_depth-trade-bookTicker_2024-08-08.jsonl.gz"
    symbols, done = _symbols(), Counter[bool]()
    with gzip.open(captures / "binance" / name) as lines:
        for line in lines:
            record = json.loads(line)
            if record["t"] == "recv":
                done[_same(read, record["data"].encode(), symbols)] += 1
    assert done[True] > 1_000
    assert not done[False]


@pytest.mark.parametrize("seed", range(8))
def test_spoilt_frames_are_left_or_read_alike(read: Read, seed: int) -> None:
    chance, seeds, symbols = random.Random(seed), golden_frames("binance"), _symbols()
    whole = [frame for frame in seeds if read(frame, NOW, symbols) is not None]
    for _ in range(1_500):
        _same(read, mutate(chance.choice(whole), seeds, chance), symbols)
        spoilt = bytearray(chance.choice(whole))
        spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        _same(read, bytes(spoilt), symbols)


digits = st.text("0123456789", min_size=1, max_size=18)
decimals = st.one_of(
    st.tuples(st.integers(0, 10**10).map(str), st.text("0123456789", min_size=8, max_size=8)),
    st.tuples(digits, digits),
).map(".".join) | st.sampled_from(
    (
        *("0", "0.0", "00.5", "1.", ".5", "-1", "1e5", "", "NaN", "9" * 16, "0.000000000000001"),
        *("90000000.00000000", "89999999.99999999", "123456789012345.00000000", "1.50000000x"),
    )
)  # fmt: skip
numbers = st.one_of(st.integers(0, 2**63).map(str), st.sampled_from(["007", "-1", "1.5", ""]))


@settings(max_examples=400, deadline=None)
@given(
    price=decimals,
    size=decimals,
    number=numbers,
    at=numbers | st.integers(1_600_000_000_000, 1_800_000_000_000).map(str),
    levels=st.lists(st.tuples(decimals, decimals), max_size=4),
    wrapped=st.booleans(),
)
def test_numbers_are_what_their_text_is(
    read: Read,
    price: str,
    size: str,
    number: str,
    at: str,
    levels: list[tuple[str, str]],
    wrapped: bool,
) -> None:
    sides = json.dumps(levels, separators=(",", ":"))
    frames = [
        f'{{"e":"trade","E":{at},"s":"BTCUSDT","t":{number},"p":"{price}","q":"{size}","T":{at},'
        '"m":true,"M":false}',
        f'{{"u":{number},"s":"BTCUSDT","b":"{price}","B":"{size}","a":"{size}","A":"{price}"}}',
        f'{{"e":"depthUpdate","E":{at},"s":"BTCUSDT","U":{number},"u":{number},"b":{sides},'
        f'"a":[["{price}","{size}"]]}}',
    ]
    for frame in frames:
        text = f'{{"stream":"any@name","data":{frame}}}' if wrapped else frame
        _same(read, text.encode(), _symbols())


def test_what_is_not_written_to_the_letter_is_left_to_the_typed_reading(read: Read) -> None:
    symbols = _symbols()
    body = '{"u":1,"s":"BTCUSDT","b":"1.0","B":"2.0","a":"3.0","A":"4.0"}'
    good = f'{{"stream":"btcusdt@bookTicker","data":{body}}}'
    assert read(good.encode(), NOW, symbols) is not None
    for frame in (
        good.replace("data", "dato"),
        good.replace(":1,", ": 1,"),
        good + " ",
        good[:-1],
        good.replace("BTCUSDT", "btcusdt"),
        good.replace("BTCUSDT", "B" * 41),
        good.replace("btcusdt@", "bt\\u0063usdt@"),
        good.replace("btcusdt@", "btcüsdt@"),
        good.replace('"1.0"', '"0.0"'),
        good.replace('"4.0"}', '"4.0","T":1}'),
        good.replace('"u":1,"s":"BTCUSDT"', '"s":"BTCUSDT","u":1'),
        "",
        "{",
    ):
        assert read(frame.encode(), NOW, symbols) is None
    assert read(good.replace("BTCUSDT", "NEWUSDT").encode(), NOW, symbols) is None
    assert "NEWUSDT" not in symbols, "the typed reading guesses, and remembers"
    many = json.dumps([["1.0", "2.0"]] * 5_001, separators=(",", ":"))
    delta = '{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"b":%s,"a":[]}'
    assert read((delta % many).encode(), NOW, symbols) is None
    assert read((delta % "[]").encode(), NOW, symbols) is not None


def test_frames_that_break_off_leave_nothing_behind(read: Read) -> None:
    symbols = _symbols()
    ours = symbols["BTCUSDT"]
    frame = (
        b'{"e":"depthUpdate","E":1672515782136,"s":"BTCUSDT","U":157,"u":160,'
        b'"b":[["0.0024","10"],["0.0025","11"]],"a":[["0.0026","100"],["0.0027","0"]]}'
    )
    cuts = [frame[:cut] for cut in range(len(frame))]
    assert read(frame, NOW, symbols) is not None
    before = sys.getrefcount(ours), sys.getallocatedblocks()
    for _ in range(200):
        for cut in cuts:
            assert read(cut, NOW, symbols) is None
        read(frame, NOW, symbols)
    assert sys.getrefcount(ours) == before[0]
    assert sys.getallocatedblocks() - before[1] < 50


def test_it_asks_for_what_it_needs(read: Read) -> None:
    with pytest.raises(TypeError, match="expected a frame, a time and symbols"):
        read("text", NOW, _symbols())  # type: ignore[arg-type]
    fresh = native.twin(native.READING)
    with pytest.raises(TypeError, match="after `know`"):
        fresh.read(b"{}", NOW, _symbols())


def test_the_codec_falls_back_to_the_typed_reading(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def noted(frame: bytes, now: int, symbols: Symbols) -> tuple[Event, ...] | None:
        asked.append(frame)
        return read(frame, now, symbols)

    monkeypatch.setattr(codec_module, "COMPILED", noted)
    codec = codec_module.BinanceCodec(CodecOptions(role=Role.MARKET))
    quote = b'{"u":1,"s":"NEWUSDT","b":"1.0","B":"2.0","a":"3.0","A":"4.0"}'
    [event] = codec.decode(quote, NOW)
    assert event == Quote("binance", "NEW-USDT", 0, NOW, 1.0, 2.0, 3.0, 4.0, 1)
    assert read(quote, NOW, codec._symbols) == (event,), "known by now"
    [event] = codec.decode(quote.replace(b"1.0", b"nan"), NOW)
    assert isinstance(event, Malformed)
    assert len(asked) == 2
