"""The compiled reader of binary frames beside the plain one: the same events, or left to it."""

from __future__ import annotations

import gc
import gzip
import json
import random
import struct
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bench import binary, native
from fuzz.twin_sbe import spoilt
from pitwire.model import events as ev
from pitwire.model.orders import Side
from pitwire.venues.binance import BINANCE, BINANCE_SBE
from pitwire.venues.binance.sbe import Decode, known_by
from pitwire.venues.binance.symbols import Symbols
from pitwire.venues.venue import CodecOptions, Role
from tests.venues.binance.test_sbe import FRAMES, NOW

Reader = Callable[[Symbols, Decode], Decode]


@pytest.fixture(scope="module")
def reader() -> Reader:
    reading, levels = native.twin(native.SBE), native.twin(native.PACKED)
    if reading is None:
        pytest.skip("no C compiler that can build it")
    return known_by(reading, levels)


def _plain(venue: Any = BINANCE_SBE) -> Any:
    codec = venue.codec(CodecOptions(role=Role.MARKET))
    codec.subscribe([], 1)
    codec._symbols.native("BTC-USDT")
    return codec


class _Left(Exception):
    pass


def _leave(_frame: object, _now: int) -> Sequence[ev.Event]:
    raise _Left


def _alone(reader: Reader) -> Decode:
    """Reads what it can by itself, and raises where it would ask."""
    return reader(_plain()._symbols, _leave)


class Both:
    """One codec read by its plain way and by the compiled one."""

    def __init__(self, reader: Reader) -> None:
        codec = _plain()
        self.plain: Decode = type(codec).decode.__get__(codec)
        self.compiled = reader(codec._symbols, self._ask)
        self.left = 0

    def _ask(self, frame: Any, now: int) -> Any:
        self.left += 1
        return self.plain(frame, now)

    def same(self, frame: bytes) -> bool:
        """Whether the compiled reader read it itself; alike either way, to the last bit."""
        left = self.left
        found, wanted = self.compiled(frame, NOW), self.plain(frame, NOW)
        assert repr(list(found)) == repr(list(wanted)), frame.hex()
        assert list(found) == list(wanted)
        assert [type(one) for one in found] == [type(one) for one in wanted]
        return self.left == left


@pytest.fixture(scope="module")
def both(reader: Reader) -> Both:
    return Both(reader)


@pytest.mark.parametrize("name", FRAMES)
def test_a_worked_frame_of_the_papers_is_read(reader: Reader, name: str) -> None:
    frame, events = FRAMES[name]
    for given_frame in (frame, bytearray(frame), memoryview(frame)):
        assert list(_alone(reader)(given_frame, NOW)) == events
    assert Both(reader).same(frame)


def test_a_recorded_session_is_the_same_in_both_spellings(reader: Reader, captures: Path) -> None:
    name = "spot_BTCUSDT_depth-trade-bookTicker_2024-08-08.jsonl.gz"
    both, text, kinds = Both(reader), _plain(BINANCE), Counter[str]()
    with gzip.open(captures / "binance" / name) as lines:
        for number, line in enumerate(lines):
            if number % 12:
                continue
            record = json.loads(line)
            if record["t"] != "recv":
                continue
            frame = record["data"].encode()
            raw = binary.spelled(frame, 1_700_000_000_000_000)
            assert raw is not None
            assert both.same(raw)
            [one], [other] = text.decode(frame, NOW), both.compiled(raw, NOW)
            assert replace(one, venue_time=0) == replace(other, venue_time=0)
            kinds[type(one).__name__] += 1
    assert set(kinds) == {"Trade", "Quote", "BookDelta"}
    assert sum(kinds.values()) > 8_000


@pytest.mark.parametrize("seed", range(2))
def test_spoilt_frames_are_left_or_read_alike(reader: Reader, seed: int) -> None:
    both, chance, read = Both(reader), random.Random(seed), Counter[bool]()
    for _ in range(1_500):
        read[both.same(spoilt(chance))] += 1
    assert min(read[True], read[False]) > 100


mantissas = st.integers(0, 2**53 + 2) | st.sampled_from((-1, 2**62, 2**63 - 1, -(2**63)))
ids = st.integers(0, 2**62 + 1) | st.sampled_from((-1, 2**63 - 1))
instants = st.integers(0, 9_223_372_036_854_776) | st.sampled_from((-1, 2**62))


@settings(max_examples=300, deadline=None)
@given(
    numbers=st.lists(mantissas, min_size=4, max_size=12),
    exponents=st.tuples(st.integers(-20, 4), st.integers(-20, 4)),
    number=ids,
    at=instants,
    flag=st.integers(0, 2),
)
def test_numbers_are_what_the_plain_reading_makes_of_them(
    both: Both, numbers: list[int], exponents: tuple[int, int], number: int, at: int, flag: int
) -> None:
    scales = struct.pack("<bb", *exponents)
    name = b"\x07BTCUSDT"
    entries = [
        struct.pack("<qqqB", number, price, size, flag)
        for price, size in zip(numbers[::2], numbers[1::2], strict=False)
    ]
    levels = b"".join(struct.pack("<q", one) for one in numbers[: len(numbers) // 2 * 2])
    side = struct.pack("<HH", 16, len(levels) // 16) + levels
    for frame in (
        struct.pack("<HHHHqq", 18, 10000, 1, 0, 5, at)
        + scales + struct.pack("<HI", 25, len(entries)) + b"".join(entries),
        struct.pack("<HHHHqq", 50, 10001, 1, 0, at, number)
        + scales + struct.pack("<qqqq", *numbers[:4]),
        struct.pack("<HHHHqq", 18, 10002, 1, 0, at, number) + scales + side + side,
        struct.pack("<HHHHqqq", 26, 10003, 1, 0, at, number, 9) + scales + side + side,
    ):  # fmt: skip
        both.same(frame + name)


def test_what_is_not_as_the_schema_of_today_is_left(reader: Reader) -> None:
    decode, symbols = _alone(reader), _plain()._symbols
    for frame, _ in FRAMES.values():
        for other in (
            b"", frame[:7], frame + b"\x00", frame[:-1], b'{"result":null,"id":4}',
            frame[:4] + b"\x02\x00" + frame[6:], frame[:2] + b"\x99\x99" + frame[4:],
            struct.pack("<H", frame[0] + 1) + frame[2:], frame.replace(b"BTC", b"NEW"),
            frame.replace(b"\x07BTCUSDT", b"\x00"), frame.replace(b"BTC", b"BT\xc3"),
            frame.replace(b"\x07BTCUSDT", b"\x29" + b"B" * 41),
        ):  # fmt: skip
            with pytest.raises(_Left):
                decode(other, NOW)
        assert decode(frame[:6] + b"\x09\x00" + frame[8:], NOW), "another version, as long"
    assert "NEWUSDT" not in symbols, "the plain reading guesses, and remembers"
    with pytest.raises(_Left):
        decode(memoryview(b"1234567890" * 9)[::2], NOW)


def test_what_a_name_means_may_be_learned_better(reader: Reader) -> None:
    both = Both(reader)
    codec = both.plain.__self__  # type: ignore[attr-defined]
    frame = FRAMES["best"][0]
    for ours in ("BTC-USDT", "BTCUS-DT"):
        codec._symbols.learn(ours, "BTCUSDT")
        assert both.same(frame)
        assert [one.symbol for one in both.compiled(frame, NOW)] == [ours]  # type: ignore[union-attr]
    new = frame.replace(b"BTCUSDT", b"NEWUSDT")
    assert not both.same(new)
    assert both.same(new), "known by now"


def test_more_names_than_it_keeps_at_hand(reader: Reader) -> None:
    both = Both(reader)
    frames = [
        FRAMES["best"][0].replace(b"\x07BTCUSDT", f"\x08{number:04}USDT".encode())
        for number in range(400)
    ]
    for _ in range(2):
        assert sum(map(both.same, frames)) in (0, 400)
    assert both.left == 400


def test_frames_that_break_off_leave_nothing_behind(reader: Reader) -> None:
    decode = reader(_plain()._symbols, lambda frame, now: ())
    frames = [frame for frame, _ in FRAMES.values()]
    cuts = [frame[:cut] for frame in frames for cut in range(len(frame))]
    price = frames[0].replace(struct.pack("<q", 6720000000000), struct.pack("<q", 0))
    cuts += [price, frames[0][:-3] + b"XYZ"]
    for frame in frames:
        decode(frame, NOW)
    before = sys.getallocatedblocks()
    for _ in range(100):
        assert not any(decode(cut, NOW) for cut in cuts)
        for frame in frames:
            decode(frame, NOW)
    assert sys.getallocatedblocks() - before < 50


def test_a_codec_goes_with_its_reader(reader: Reader) -> None:
    codec = _plain()
    codec.decode = reader(codec._symbols, type(codec).decode.__get__(codec))
    assert list(codec.decode(FRAMES["best"][0], NOW)) == FRAMES["best"][1]
    gone = weakref.ref(codec)
    del codec
    gc.collect()
    assert gone() is None


def test_it_asks_for_what_it_needs(reader: Reader) -> None:
    decode = _alone(reader)
    with pytest.raises(TypeError, match="expected a frame and a time"):
        decode(b"")  # type: ignore[call-arg]
    with pytest.raises(_Left):
        decode("text", NOW)  # type: ignore[arg-type]
    fresh = native.twin(native.SBE)
    with pytest.raises(TypeError, match="`know` to be called before"):
        fresh.Reader(Symbols(), _leave)


class _Odd(msgspec.Struct, frozen=True, tag_field="kind", tag="Quote"):
    """A quote that the collector looks after: of such a one nobody knows where its fields are."""

    venue: str
    symbol: str
    venue_time: int
    received: int
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    update_id: int = 0


class _Checked(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="Quote"):
    """A quote that looks at itself when it is made."""

    venue: str
    symbol: str
    venue_time: int
    received: int
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    update_id: int = 0

    def __post_init__(self) -> None:
        raise LookupError


def test_an_event_of_another_build_is_made_as_any_caller_makes_it() -> None:
    reading, levels = native.twin(native.SBE), native.twin(native.PACKED)
    if reading is None:
        pytest.skip("no C compiler that can build it")
    kinds: tuple[type, ...] = (ev.Trade, _Odd, ev.BookDelta, ev.PartialBook)
    others = (levels.PackedLevels, levels.maker, Side.BUY, Side.SELL, "binance", 2**62)
    reading.know(*kinds, *others)
    [found] = reading.Reader(_plain()._symbols, _leave).decode(FRAMES["best"][0], NOW)
    assert type(found) is _Odd
    [quote] = FRAMES["best"][1]
    assert msgspec.structs.astuple(found) == msgspec.structs.astuple(quote)
    reading.know(ev.Trade, _Checked, *kinds[2:], *others)
    with pytest.raises(LookupError):
        reading.Reader(_plain()._symbols, _leave).decode(FRAMES["best"][0], NOW)
    for wrong in (ev.Trade, ev.Bar, 5, Symbols):
        with pytest.raises((TypeError, AttributeError)):
            reading.know(ev.Trade, wrong, ev.BookDelta, ev.PartialBook, *others)
    with pytest.raises(ValueError, match="PyCapsule"):
        reading.know(*kinds, levels.PackedLevels, 5, *others[2:])
