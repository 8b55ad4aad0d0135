"""What waits for a tape: either part keeps the same, in the same order, and copies it."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import native
from pitwire.tape import recorder as module
from pitwire.tape.format import RECORD, Kind, records_in
from pitwire.tape.reader import Tape
from pitwire.tape.waiting import LOT_BYTES, Waiting, needles_in
from tests.tape.tapes import START, recorder

NUMBERS = {"market-1": 1, "market-2": 0xFFFF}


@pytest.fixture(scope="module", params=["plain", "compiled"])
def part(request: pytest.FixtureRequest) -> Any:
    if request.param == "plain":
        return Waiting
    found = native.twin(native.WAITING)
    if found is None:
        pytest.skip("no C compiler")
    return found.Waiting


steps = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["market-1", "market-2", "orders", "markt"]),
            st.sampled_from(["in", "in", "in", "out", "inn"]),
            st.binary(max_size=20),
            st.integers(-(2**63), 2**63 - 1),
            st.booleans(),
        ),
        st.sampled_from(["take", "add"]),
    ),
    max_size=40,
)


def lived(part: Any, told: list[Any], most: int) -> list[object]:
    """What comes of it, step by step."""
    seen: list[object] = []
    waiting = part(NUMBERS, lambda *frame: seen.append(frame), most)
    for number, step in enumerate(told):
        if step == "take":
            seen.append(waiting.take())
        elif step == "add":
            waiting.add(("", number))
        else:
            waiting.frame(*step)
    return [*seen, waiting.take(), waiting.take()]


@given(steps, st.integers(0, 12))
def test_either_part_keeps_the_same(part: Any, told: list[Any], most: int) -> None:
    assert lived(part, told, most) == lived(Waiting, told, most)


def test_a_frame_is_the_record_that_the_tape_holds(part: Any) -> None:
    waiting = part(NUMBERS, None, 9)
    buffer = bytearray(b"first")
    waiting.frame("market-1", "in", memoryview(buffer), START, True)
    buffer[:] = b"again"  # the reader's buffer is used again at once
    waiting.frame("market-2", "in", b"", START + 1, False)
    waiting.add(("", Kind.STOP))
    waiting.frame("market-1", "in", bytearray(b"last"), -1, False)
    first = RECORD.pack(START, 5, 0x80, 1) + b"first"
    second, last = RECORD.pack(START + 1, 0, 0, 0xFFFF), RECORD.pack(-1, 4, 0, 1) + b"last"
    lots, count, hole = waiting.take()
    assert lots == [(first + second, 2, START, START + 1), ("", Kind.STOP), (last, 1, -1, -1)]
    assert (count, hole) == (4, 0)
    assert list(records_in(lots[0][0])) == [first, second]
    assert waiting.take() == ([], 0, 0)


def test_a_lot_stays_what_it_was_while_it_is_held_and_is_whole_when_its_bytes_served_before(
    part: Any,
) -> None:
    waiting = part(NUMBERS, None, 999)
    held: list[tuple[bytes, bytes]] = []
    sizes = (70_000, 3, 200_000, 0, 70_001, 2_000_000, 65_536 - RECORD.size, 1, 300_000, 5)
    for number in range(60):
        frame = bytes([number]) * sizes[number % len(sizes)]
        waiting.frame("market-1", "in", frame, number, False)
        waiting.frame("market-2", "in", b"end", number, False)
        [(raw, count, first, last)], _, _ = waiting.take()
        expected = RECORD.pack(number, len(frame), 0, 1) + frame
        expected += RECORD.pack(number, 3, 0, 0xFFFF) + b"end"
        assert (raw, count, first, last) == (expected, 2, number, number)
        assert hash(raw) == hash(expected), "none is remembered of what was there before"
        if number % 3 == 0:
            held.append((raw, expected))
        assert all(one == other for one, other in held)
        del raw


def test_who_is_asked_for_a_bit_may_hear_another_line(part: Any) -> None:
    waiting = part(NUMBERS, None, 9)

    class Bit:
        def __bool__(self) -> bool:
            waiting.frame("market-2", "in", b"meanwhile", START, False)
            return True

    waiting.frame("market-1", "in", b"x", START + 1, Bit())
    [(raw, count, *_)], _, _ = waiting.take()
    assert count == 2
    assert [RECORD.unpack_from(record)[3] for record in records_in(raw)] == [0xFFFF, 1]


def test_no_lot_is_longer_than_a_block_but_for_a_record_that_is(part: Any) -> None:
    waiting = part(NUMBERS, None, 99)
    third = bytes(LOT_BYTES // 3)
    for frame in (third, third, third, bytes(LOT_BYTES + 1), b"x", b"y"):
        waiting.frame("market-1", "in", frame, START, False)
    lots, count, hole = waiting.take()
    assert [number for _, number, *_ in lots] == [2, 1, 1, 2]
    assert (count, hole) == (6, 0)


@pytest.mark.parametrize(
    "told",
    [
        ("market-1", "in", "text", START, True),
        ("market-1", "in", b"x", 2**63, True),
        ("market-1", "in", b"x", "now", True),
        ("market-1", "in", b"x", START),
    ],
)
def test_what_is_no_frame_is_an_error_and_leaves_nothing(part: Any, told: tuple[Any, ...]) -> None:
    waiting = part(NUMBERS, None, 9)
    with pytest.raises(Exception):  # noqa: B017,PT011 — which one is the part's own
        waiting.frame(*told)
    assert waiting.take() == ([], 0, 0)


def test_what_the_rare_way_raises_is_raised(part: Any) -> None:
    waiting = part({}, lambda *_frame: 1 / 0, 9)
    with pytest.raises(ZeroDivisionError):
        waiting.frame("market-1", "in", b"x", START, True)


def test_nothing_is_held_that_was_taken(part: Any) -> None:
    class Owner:
        def rare(self, *_frame: object) -> None: ...

    owner, entry, frame = Owner(), ("", START), b"a frame"
    owner.waiting = waiting = part(NUMBERS, owner.rare, 99)  # type: ignore[attr-defined]
    before = sys.getrefcount(entry), sys.getrefcount(frame)
    for _ in range(20):
        waiting.frame("market-1", "in", frame, START, True)
        waiting.add(entry)
        waiting.frame("orders", "out", frame, START, True)
        waiting.take()
    assert (sys.getrefcount(entry), sys.getrefcount(frame)) == before
    gone = weakref.ref(owner)
    del owner, waiting
    gc.collect()
    assert gone() is None


def test_a_tape_by_either_part_is_the_same(
    part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IN_USE", part)
    told = recorder(tmp_path, flush_seconds=1000.0)
    for number in range(30):
        link = ("market-1", "orders")[number % 7 == 0]
        told.frame(link, "in", b"%d" % number, START + number, True)
        if number % 11 == 0:
            told.drained(link, START + number)
    told.close()
    found = [(r.link, r.kind, r.at - START) for r in Tape(tmp_path).records()]
    expected = []
    for number in range(30):
        link = ("market-1", "orders")[number % 7 == 0]
        expected.append((link, Kind.IN, number))
        if number % 11 == 0:
            expected.append((link, Kind.DRAINED, number))
    assert found == expected
    assert told.kept == len(expected)


# ── what is sought in a lot ───────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def search() -> Any:
    found = native.twin(native.WAITING)
    if found is None:
        pytest.skip("no C compiler")
    return found.needles_in


few = st.text("ab", max_size=12).map(str.encode)


@given(st.lists(few, max_size=4), st.lists(few, max_size=12))
def test_the_same_needles_are_found(search: Any, needles: list[bytes], parts: list[bytes]) -> None:
    raw = b"".join([*parts, *needles[:1], b"b"])
    assert search(raw, tuple(needles)) == needles_in(raw, tuple(needles))


def test_a_needle_is_found_wherever_it_begins(search: Any) -> None:
    needle, other = bytes(range(40, 104)), b"another that is not there"
    for size in (64, 65, 200):
        for begin in range(size - 63):
            raw = b"." * begin + needle + b"." * (size - 64 - begin)
            assert search(raw, (other, needle)) == {needle}
            assert search(raw[:-1] if begin + 64 == size else raw[1:], ()) == set()
    assert search(needle[:-1], (needle,)) == search(b"." + needle[1:], (needle,)) == set()


@pytest.mark.parametrize("told", [("raw", (b"needle",)), (b"raw", ("needle",)), (b"raw", 1)])
def test_what_is_no_bytes_is_not_searched(search: Any, told: tuple[Any, Any]) -> None:
    for way in (search, needles_in):
        with pytest.raises(TypeError):
            way(*told)


def test_a_lot_is_as_long_as_what_it_holds(part: Any) -> None:
    """Its room is that of the one before, of which only a part is used."""
    waiting = part(NUMBERS, None, 1 << 17)
    for count in (3000, 5, 900, 0, 3000):
        for number in range(count):
            waiting.frame("market-1", "in", b"%0100d" % number, START + number, True)
        taken, found, _ = waiting.take()
        records = [record for lot in taken for record in records_in(lot[0])]
        assert found == len(records) == count
        assert [record[RECORD.size :] for record in records] == [
            b"%0100d" % n for n in range(count)
        ]
