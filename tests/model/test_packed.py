"""Levels that are no objects before they are read, plain and compiled, beside the tuple of them."""

from __future__ import annotations

import copy
import operator
import pickle
import struct
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import native
from pitwire.model.events import BookDelta, Level
from pitwire.model.packed import SCALES, PackedLevels, unpacked
from pitwire.venues.binance.sbe import known_by
from pitwire.venues.binance.symbols import Symbols

Pairs = Sequence[tuple[int, int]]
Pack = Callable[[Pairs], Any]
PAIRS = ((6721543000000, 125000000), (6720000000000, 0), (6719999000000, 734000))
TRUTH: tuple[Level, ...] = ((67215.43, 1.25), (67200.0, 0.0), (67199.99, 0.00734))


def _packed(pairs: Pairs) -> bytes:
    return b"".join(struct.pack("<qq", *pair) for pair in pairs)


def plain(pairs: Pairs) -> PackedLevels:
    return PackedLevels(_packed(pairs), SCALES[-8], SCALES[-8])


@pytest.fixture(scope="module")
def compiled() -> Pack:
    reading, levels = native.twin(native.SBE), native.twin(native.PACKED)
    if reading is None:
        pytest.skip("no C compiler that can build it")
    symbols = Symbols()
    symbols.native("BTC-USDT")
    decode = known_by(reading, levels)(symbols, lambda frame, now: ())

    def made(pairs: Pairs) -> Any:
        head = struct.pack("<HHHHqqbb", 18, 10002, 1, 0, 1, 2, -8, -8)
        side = struct.pack("<HH", 16, len(pairs)) + _packed(pairs)
        [event] = decode(head + side + struct.pack("<HH", 16, 0) + b"\x07BTCUSDT", 5)
        return event.bids  # type: ignore[union-attr]

    return made


@pytest.fixture(params=["plain", "compiled"])
def pack(request: pytest.FixtureRequest) -> Pack:
    return plain if request.param == "plain" else request.getfixturevalue("compiled")


def test_they_are_the_tuple_of_the_same_levels(pack: Pack) -> None:
    levels = pack(PAIRS)
    assert isinstance(levels, PackedLevels)
    assert isinstance(levels, Sequence)
    assert type(levels) is not tuple
    assert levels == TRUTH
    assert levels == TRUTH
    assert levels == pack(PAIRS)
    assert levels != TRUTH[:2]
    assert levels != list(TRUTH), "nor is a tuple"
    assert levels != pack(PAIRS[:2])
    assert (hash(levels), repr(levels), len(levels)) == (hash(TRUTH), repr(TRUTH), 3)
    assert (list(levels), tuple(reversed(levels))) == (list(TRUTH), TRUTH[::-1])
    assert {levels: 1}[TRUTH] == 1


def test_the_same_numbers_are_equal_however_they_are_written() -> None:
    one, other = ([(70, 20), (60, 0)], [(7, 2), (6, 0)])
    same = PackedLevels(_packed(one), SCALES[-1], SCALES[-2])
    assert same == PackedLevels(_packed(other), SCALES[0], SCALES[-1])
    assert same != PackedLevels(_packed(one), SCALES[-1], SCALES[-1])
    assert same != PackedLevels(_packed(one), SCALES[-2], SCALES[-2])


def test_each_level_counts(pack: Pack) -> None:
    for at in range(3):
        for part in range(2):
            pairs = [list(pair) for pair in PAIRS]
            pairs[at][part] += 1
            assert pack(pairs) != pack(PAIRS)  # type: ignore[arg-type]
            assert not pack(pairs) == pack(PAIRS)  # type: ignore[arg-type] # noqa: SIM201


def test_one_kind_equals_the_other(compiled: Pack) -> None:
    assert plain(PAIRS) == compiled(PAIRS)
    assert compiled(PAIRS) == plain(PAIRS)
    assert plain(PAIRS) != compiled(PAIRS[1:])
    assert plain(PAIRS) + compiled(PAIRS) == TRUTH + TRUTH
    assert compiled(PAIRS) + plain(PAIRS) == TRUTH + TRUTH


def test_one_is_read_by_its_place(pack: Pack) -> None:
    levels = pack(PAIRS)
    for at in range(-3, 3):
        assert levels[at] == TRUTH[at]
        assert type(levels[at]) is tuple
    for part in (slice(1), slice(1, None), slice(None, None, -1), slice(5, 9)):
        assert levels[part] == TRUTH[part]
    for at, why in ((3, "out of range"), (-4, "out of range"), (2**70, "cannot fit 'int'")):
        with pytest.raises(IndexError, match=why):
            levels[at]
    with pytest.raises(TypeError):
        levels["1"]
    assert TRUTH[1] in levels
    assert (1.0, 2.0) not in levels
    assert (levels.index(TRUTH[2]), levels.count(TRUTH[0]), levels.count(1)) == (2, 1, 0)
    with pytest.raises(ValueError, match="not in"):
        levels.index((1.0, 2.0))
    match levels:
        case [(best, _), *others]:
            assert (best, others) == (67215.43, list(TRUTH[1:]))
        case _:
            pytest.fail("it is a sequence")


def test_they_add_to_tuples_and_to_each_other(pack: Pack) -> None:
    levels = pack(PAIRS)
    assert levels + TRUTH == TRUTH + TRUTH
    assert TRUTH + levels == TRUTH + TRUTH
    assert levels + levels == TRUTH + TRUTH
    with pytest.raises(TypeError):
        levels + 1
    with pytest.raises(TypeError):
        1 + levels


class _Own(tuple[Level, ...]):
    """A tuple with an opinion on what equals it."""

    def __eq__(self, other: object) -> bool:
        raise LookupError

    __hash__ = tuple.__hash__


def test_they_ask_no_other_tuple_for_its_opinion_and_stand_in_no_order(pack: Pack) -> None:
    levels = pack(PAIRS)
    assert levels == _Own(TRUTH)
    assert levels != _Own(TRUTH[:1])
    for compare in (operator.lt, operator.le, operator.gt, operator.ge):
        for one, other in ((levels, TRUTH), (TRUTH, levels), (levels, levels)):
            with pytest.raises(TypeError, match="not supported between instances"):
                compare(one, other)
    for named in (lambda: levels.index(level=TRUTH[0]), lambda: levels.count(level=TRUTH[0])):
        with pytest.raises(TypeError):
            named()


def test_nothing_of_them_can_be_changed(pack: Pack) -> None:
    levels = pack(PAIRS)
    with pytest.raises(TypeError):
        levels[0] = TRUTH[1]
    with pytest.raises(TypeError):
        del levels[0]
    with pytest.raises(AttributeError):
        levels.other = 1


def test_elsewhere_they_are_a_tuple(pack: Pack) -> None:
    event = BookDelta("v", "A-B", 1, 2, 3, 4, pack(PAIRS), ())
    same = BookDelta("v", "A-B", 1, 2, 3, 4, TRUTH, ())
    assert event == same
    assert same == event
    assert (hash(event), repr(event)) == (hash(same), repr(same))
    for moved in (pickle.loads(pickle.dumps(event)), copy.deepcopy(event)):
        assert moved == same
        assert type(moved.bids) is tuple
    for coder in (msgspec.json, msgspec.msgpack):
        text = coder.encode(event, enc_hook=unpacked)
        assert text == coder.encode(same)
        assert coder.decode(text, type=BookDelta) == same
    assert msgspec.to_builtins(event, enc_hook=unpacked) == msgspec.to_builtins(same)
    with pytest.raises(TypeError, match="PackedLevels"):
        msgspec.json.encode(event)
    with pytest.raises(NotImplementedError, match="object"):
        unpacked(object())


def test_doubles_side_by_side_can_be_looked_at(compiled: Pack) -> None:
    levels = compiled(PAIRS)
    view = memoryview(levels)
    assert (view.shape, view.format, view.readonly) == ((3, 2), "d", True)
    assert view.tolist() == [list(level) for level in TRUTH]
    flat = [number for level in TRUTH for number in level]
    assert bytes(levels) == struct.pack("=6d", *flat)
    with pytest.raises(TypeError):
        view[0, 0] = 1.0
    with pytest.raises(TypeError):
        type(levels)()


@given(
    st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)), max_size=3),
    st.integers(-18, 18),
    st.integers(-18, 18),
)
def test_each_number_is_the_float_of_its_text(pairs: Pairs, price: int, size: int) -> None:
    levels = PackedLevels(_packed(pairs), SCALES[price], SCALES[size])
    assert list(levels) == [
        (float(f"{one}e{price}"), float(f"{other}e{size}")) for one, other in pairs
    ]
