"""Both ladders, the plain one and its compiled twin, beside a plain dict and beside each other."""

from __future__ import annotations

import copy
import ctypes
import gc
import pickle
import struct
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import native
from pitwire.market.book import OrderBook
from pitwire.market.ladder import NOTHING, Ladder
from pitwire.model.events import BookDelta, BookSnapshot, Level, PartialBook
from pitwire.model.orders import Side
from pitwire.venues.binance import BINANCE_SBE
from pitwire.venues.binance.sbe import known_by
from pitwire.venues.binance.symbols import Symbols
from pitwire.venues.venue import CodecOptions, Role
from tests.venues.binance.test_sbe import SNAPSHOT


@pytest.fixture(scope="module")
def twin() -> type[Ladder]:
    """The compiled ladder, built anew from its source."""
    found = native.twin(native.LADDER)
    if found is None:
        pytest.skip("no C compiler that can build it")
    made: type[Ladder] = found.Ladder
    return made


@pytest.fixture(params=["plain", "compiled"])
def kind(request: pytest.FixtureRequest) -> type[Ladder]:
    return Ladder if request.param == "plain" else request.getfixturevalue("twin")


# ── each alone ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_best_level_is_first(kind: type[Ladder], sign: float) -> None:
    ladder = kind(sign)
    assert (ladder.top, len(ladder), ladder.levels()) == (NOTHING, 0, [])
    ladder.fill(((2.0, 20.0), (3.0, 30.0), (1.0, 10.0), (4.0, 0.0)))
    rising = [(1.0, 10.0), (2.0, 20.0), (3.0, 30.0)]
    best_first = rising[::-1] if sign > 0 else rising
    assert ladder.levels() == best_first
    assert ladder.top == sign * best_first[0][0]
    assert ladder.levels(1, 1) == best_first[1:2]
    assert ladder.levels(0, 2) == best_first[:2]
    assert ladder.levels(3, 9) == []
    assert (ladder.size(2.0), ladder.size(4.0), ladder.size(9.5)) == (20.0, 0.0, 0.0)
    ladder.change(((best_first[0][0], 0.0), (2.0, 21.5)))
    assert ladder.levels() == [(2.0, 21.5), best_first[2]]
    assert ladder.top == sign * 2.0
    ladder.change(((2.0, 0.0), (1.0, 0.0), (3.0, 0.0)))
    assert (ladder.top, len(ladder)) == (NOTHING, 0)


def test_of_a_price_named_twice_the_last_size_counts(kind: type[Ladder]) -> None:
    ladder = kind(1.0)
    ladder.change(((5.0, 1.0), (5.0, 2.0), (6.0, 1.0), (6.0, 0.0)))
    assert ladder.levels() == [(5.0, 2.0)]


def test_a_ladder_grows_and_is_filled_anew(kind: type[Ladder]) -> None:
    ladder = kind(-1.0)
    many = tuple((number / 8, float(number)) for number in range(1, 5001))
    ladder.change(many)
    assert ladder.levels() == list(many)
    ladder.fill([(1.0, 2.0)])
    assert ladder.levels() == [(1.0, 2.0)]


def test_what_is_no_level_is_refused(kind: type[Ladder]) -> None:
    for wrong in (((1.0,),), ((1.0, 2.0, 3.0),), (3.0,), 7):
        with pytest.raises((TypeError, ValueError)):
            kind(1.0).change(wrong)  # type: ignore[arg-type]


def test_what_cannot_be_read_leaves_a_ladder_as_it_was(kind: type[Ladder]) -> None:
    """And what is read of the ladder itself is there until all is read."""
    ladder = kind(1.0)
    ladder.fill([(2.0, 20.0), (3.0, 30.0)])

    def cut_off() -> Iterator[Level]:
        yield 1.0, 10.0
        raise LookupError

    with pytest.raises(LookupError):
        ladder.fill(cut_off())
    assert (ladder.top, ladder.levels()) == (3.0, [(3.0, 30.0), (2.0, 20.0)])
    ladder.fill(ladder.levels(at, 1)[0] for at in (1, 0))
    assert (ladder.top, ladder.levels()) == (3.0, [(3.0, 30.0), (2.0, 20.0)])


def test_fewer_than_no_levels_cannot_be_read(kind: type[Ladder]) -> None:
    ladder = kind(1.0)
    ladder.fill(((1.0, 2.0),))
    for start, count in ((-1, 5), (0, -1), (5, -1)):
        with pytest.raises(ValueError, match="expected a start and a count of 0 or more"):
            ladder.levels(start, count)
    with pytest.raises(TypeError):
        ladder.levels(start=0)  # type: ignore[call-arg]


def test_a_number_may_change_what_it_is_in(twin: type[Ladder]) -> None:
    """It is asked for its value, and takes everything away: the process must live."""

    class Odd:
        def __float__(self) -> float:
            level.clear()
            levels.clear()
            ladder.fill(())
            return 1.5

    ladder = twin(1.0)
    ladder.fill(tuple((float(price), 1.0) for price in range(1, 200)))
    level: list[Any] = [Odd(), Odd()]
    levels: list[Any] = [level, (3.0, 4.0)]
    ladder.change(levels)  # type: ignore[arg-type]
    assert ladder.levels() == [(3.0, 4.0), (1.5, 1.5)]


class _Row(ctypes.Structure):
    _fields_ = (("price", ctypes.c_double), ("size", ctypes.c_double))


def test_what_lies_elsewhere_in_memory_is_taken_as_it_is_said(twin: type[Ladder]) -> None:
    """Nothing but doubles in two columns is read without asking for each."""
    rows = ((ctypes.c_float * 2) * 2)((2.0, 20.0), (1.0, 10.0))
    ladder = twin(1.0)
    ladder.fill(rows)
    assert ladder.levels() == [(2.0, 20.0), (1.0, 10.0)]
    whole = [(3.0, 4.0), (5.0, 6.0)]
    strided, wide = _doubles([*whole, *whole])[::2], memoryview(b"12345678" * 6)
    for wrong in (b"ab", array("d", [1.0, 2.0]), (_Row * 2)((1.0, 2.0), (3.0, 4.0)), strided,
                  wide.cast("d", [2, 3])):  # fmt: skip
        with pytest.raises((TypeError, NotImplementedError)):
            ladder.change(wrong)
    assert ladder.levels() == [(2.0, 20.0), (1.0, 10.0)]
    ladder.change(_doubles(whole))
    assert ladder.levels() == [(5.0, 6.0), (3.0, 4.0), (2.0, 20.0), (1.0, 10.0)]


def test_packed_levels_are_taken_by_either(kind: type[Ladder]) -> None:
    frame = SNAPSHOT[:26] + 2 * (
        struct.pack("<HH", 16, 3) + struct.pack("<6q", 3, 30, 2, 0, 1, 10)
    ) + SNAPSHOT[-8:]  # fmt: skip
    packed = [BINANCE_SBE.codec(CodecOptions(role=Role.MARKET)).decode(frame, 1)]
    reading, levels = native.twin(native.SBE), native.twin(native.PACKED)
    if reading is not None:
        symbols = Symbols()
        symbols.native("BTC-USDT")
        packed.append(known_by(reading, levels)(symbols, lambda frame, now: ())(frame, 1))
    for [event] in packed:
        assert isinstance(event, PartialBook)
        ladder = kind(1.0)
        ladder.fill(((2e-8, 1.0), (9.0, 1.0)))
        ladder.change(event.bids)
        assert ladder.levels() == [(9.0, 1.0), (3e-8, 30e-8), (1e-8, 10e-8)]
        ladder.fill(event.asks)
        assert ladder.levels() == [(3e-8, 30e-8), (1e-8, 10e-8)]
        assert ladder.top == 3e-8


def test_the_collector_may_run_while_levels_are_read(kind: type[Ladder]) -> None:
    class Last:
        def __init__(self) -> None:
            self.myself = self

        def __del__(self) -> None:
            ladder.fill(())

    ladder, thresholds = kind(1.0), gc.get_threshold()
    held = [(float(price), 1.0) for price in range(5000, 0, -1)]
    try:
        for _ in range(20):
            ladder.fill(held)
            gc.set_threshold(50)
            Last()
            found = ladder.levels()
            gc.set_threshold(*thresholds)
            gc.collect()
            assert found in (held, [])
    finally:
        gc.set_threshold(*thresholds)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda book: pickle.loads(pickle.dumps(book))])
def test_a_book_over_either_can_be_copied(
    kind: type[Ladder], copied: Callable[[OrderBook], OrderBook]
) -> None:
    book = OrderBook("v", "A-B", ladder=kind)
    book.apply_snapshot(
        PartialBook("v", "A-B", 1, 2, 5, ((9.0, 1.0), (8.0, 2.0)), ((10.0, 3.0),), 2)
    )
    other = copied(book)
    assert (other.depth(9), other.known_depth, other.last_id, other.ready) == (
        book.depth(9), book.known_depth, 5, True,
    )  # fmt: skip
    other.apply(BookDelta("v", "A-B", 3, 4, 6, 6, ((9.0, 0.0),), ()))
    assert (other.best_bid, book.best_bid) == ((8.0, 2.0), (9.0, 1.0))


def test_removed_levels_do_not_pile_up_in_the_plain_one() -> None:
    ladder = Ladder(1.0)
    ladder.change(((1e6, 1.0),))
    for number in range(5000):
        ladder.change(((float(number + 1), 1.0),))
        ladder.change(((float(number + 1), 0.0),))
    assert ladder.levels() == [(1e6, 1.0)]
    assert len(ladder._prices) == len(ladder._sizes) <= 300


def test_without_a_compiler_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    building = native.building()
    [source, *_] = building.SOURCES
    monkeypatch.setenv("CC", "no-such-compiler-here")
    with pytest.raises(building.CannotBuild, match="no C compiler: no-such-compiler-here"):
        building.build(source, tmp_path)
    monkeypatch.setenv("CC", f"{sys.executable} -c \"raise SystemExit('not today')\"")
    with pytest.raises(building.CannotBuild, match="refused: not today"):
        building.build(source, tmp_path)


# ── beside each other ─────────────────────────────────────────────────────────────────────────

prices = st.one_of(
    st.integers(1, 60).map(lambda ticks: ticks / 8),
    st.floats(1e-8, 1e12, allow_nan=False, allow_infinity=False),
)
sizes = st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.25, 1e-8, 123456.789])
short = st.lists(st.tuples(prices, sizes), max_size=8)
long = st.lists(st.tuples(prices, sizes), min_size=25, max_size=40)
levels = st.one_of(short, short, long).map(tuple)
Changes = Sequence[tuple[Level, ...]]


@settings(max_examples=200, deadline=None)
@given(sign=st.sampled_from([1.0, -1.0]), changes=st.lists(levels, max_size=25), data=st.data())
def test_the_twins_and_a_dict_are_equal(
    twin: type[Ladder], sign: float, changes: Changes, data: st.DataObject
) -> None:
    plain, compiled, truth = Ladder(sign), twin(sign), dict[float, float]()
    for number, change in enumerate(changes):
        if number % 7 == 6:
            truth = {}
            plain.fill(change)
            compiled.fill(change)
        else:
            ordered = sorted(change, reverse=sign > 0) if data.draw(st.booleans()) else change
            change = tuple(ordered)
            plain.change(change)
            compiled.change(_doubles(change) if change and number % 2 else change)
        truth.update(change)
        truth = {price: size for price, size in truth.items() if size}
        held = sorted(truth.items(), reverse=sign > 0)
        for ladder in (plain, compiled):
            assert ladder.levels() == held
            assert len(ladder) == len(held)
            assert ladder.top == (sign * held[0][0] if held else NOTHING)
            assert all(ladder.size(price) == truth.get(price, 0.0) for price, _ in change)
        at, count = data.draw(st.integers(0, 30)), data.draw(st.integers(0, 30))
        assert plain.levels(at, count) == compiled.levels(at, count) == held[at : at + count]


def _doubles(change: Sequence[Level]) -> Any:
    """The same as packed levels show it, two doubles each."""
    flat = array("d", [number for level in change for number in level])
    return memoryview(flat).cast("B").cast("d", [len(change), 2])


def _everything(book: OrderBook) -> tuple[object, ...]:
    sides = (book.bids, book.asks)
    return (
        [(list(side), side.best, side.top, side.edge, side.known_depth) for side in sides],
        [side.walk(3.0) for side in sides],
        [book.size_at(side, price / 8) for side in Side for price in range(0, 70, 3)],
        (book.mid, book.spread, book.crossed, len(book), book.depth(4), book.imbalance(3)),
    )


@settings(max_examples=150, deadline=None)
@given(
    start=st.tuples(levels, levels),
    depth=st.sampled_from([0, 3, 10]),
    changes=st.lists(st.tuples(levels, levels), max_size=15),
    keep=st.integers(1, 9),
)
def test_books_over_either_twin_are_equal(
    twin: type[Ladder],
    start: tuple[tuple[Level, ...], tuple[Level, ...]],
    depth: int,
    changes: Sequence[tuple[tuple[Level, ...], tuple[Level, ...]]],
    keep: int,
) -> None:
    books = [OrderBook("v", "A-B", ladder=kind) for kind in (Ladder, twin)]
    snapshot = BookSnapshot("v", "A-B", 5, 7, 10, *start, depth)
    assert len({book.apply_snapshot(snapshot) for book in books}) == 1
    for number, (bids, asks) in enumerate(changes):
        delta = BookDelta("v", "A-B", 6, 8 + number, 11 + number, 11 + number, bids, asks)
        assert len({book.apply(delta) for book in books}) == 1
        if number % 5 == 4:
            for book in books:
                for side in (book.bids, book.asks):
                    side.keep(keep)
        plain, compiled = map(_everything, books)
        assert plain == compiled
