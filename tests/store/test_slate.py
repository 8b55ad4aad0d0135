from __future__ import annotations

import gc
import mmap
import os
import sys
import weakref
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import native
from pitwire.model.orders import CancelOrder, Cause, Order, OrderType, Side, TimeInForce
from pitwire.store.segment import Ill
from pitwire.store.slate import (
    ON_SLATE,
    SIZE,
    Entry,
    Pens,
    Slate,
    can_be_mapped,
    entries_of,
    known_by,
    left_over,
    read_slate,
    slate_path,
)
from pitwire.trading.journal import Alerted, Decided, Record, payload
from tests.trading.making import order

PLACE, CHAIN = (3, 7), bytes(range(16))
ONE, TWO = (Decided(at=at, command=order(name)) for at, name in ((1, "a"), (2, "b")))


@pytest.fixture(scope="module")
def compiled() -> Pens:
    found = native.twin(native.SLATE)
    if found is None:
        pytest.skip("no C compiler that can build it")
    return known_by(found)


@pytest.fixture(params=["plain", "compiled"])
def note(request: pytest.FixtureRequest) -> Pens | None:
    """Who puts down what nearly every order is."""
    return request.getfixturevalue("compiled") if request.param == "compiled" else None


@pytest.fixture
def slate(tmp_path: Path, note: Pens | None) -> Iterator[Slate]:
    made = Slate(tmp_path, PLACE, CHAIN, note)
    yield made
    made.close()


def put(pens: Pens, record: Any, room: Any, begin: int = 16, rest: bytes = bytes(16)) -> int | None:
    """Where the entry ends that is put down, or None."""
    pen = pens(room, begin, rest, _hand_over, str)
    try:
        return pen.end if pen.note(record) else None
    finally:
        pen.release()


def _hand_over(record: Record) -> None:
    raise AssertionError(f"handed over: {record}")


def found(folder: Path, *behind: bytes) -> list[bytes]:
    return left_over(read_slate(folder), CHAIN, behind)[0]


def test_what_is_put_down_is_found_by_whoever_opens_the_file(slate: Slate, tmp_path: Path) -> None:
    assert read_slate(tmp_path) == []
    assert slate.note(ONE)
    assert slate.note(TWO)
    assert read_slate(tmp_path) == [
        Entry(PLACE, CHAIN[:8], payload(one), is_whole=True) for one in (ONE, TWO)
    ]
    assert slate.payloads() == found(tmp_path) == [payload(ONE), payload(TWO)]
    slate.wipe((3, 9), CHAIN)
    assert read_slate(tmp_path) == slate.payloads() == []
    assert not any(slate_path(tmp_path).read_bytes()[16:])


def test_without_a_folder_it_is_memory() -> None:
    slate = Slate(None, PLACE, CHAIN)
    assert slate.note(ONE)
    assert slate.payloads() == [payload(ONE)]
    slate.wipe(PLACE, CHAIN)
    assert slate.payloads() == []
    slate.close()


def test_what_does_not_fit_is_not_put_down(slate: Slate, tmp_path: Path) -> None:
    count = 0
    while slate.note(ONE):
        count += 1
    assert count == (SIZE - 40) // (24 + len(payload(ONE)))
    assert slate.payloads() == found(tmp_path) == [payload(ONE)] * count


def test_what_is_cut_off_is_gone(slate: Slate, tmp_path: Path) -> None:
    slate.note(ONE)
    end = slate.end
    slate.note(TWO)
    slate.cut(end)
    assert slate.payloads() == found(tmp_path) == [payload(ONE)]


def test_a_new_run_has_a_wiped_one(slate: Slate, tmp_path: Path) -> None:
    slate.note(ONE)
    slate.close()
    again = Slate(tmp_path, (4, 0), CHAIN)
    assert read_slate(tmp_path) == []
    again.close()


def test_a_folder_without_one_and_a_file_that_is_none(tmp_path: Path) -> None:
    assert read_slate(tmp_path) == []
    slate_path(tmp_path).write_bytes(b"somebody's" * 9)
    assert read_slate(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        Slate(tmp_path / "nowhere", PLACE, CHAIN)


def test_cut_at_every_byte_nothing_is_used_that_is_not_whole(slate: Slate, tmp_path: Path) -> None:
    """Whatever part of it a power cut leaves: the first whole entries, and nothing else."""
    slate.note(ONE)
    first = slate.end
    slate.note(TWO)
    whole = slate_path(tmp_path).read_bytes()[: slate.end]
    for cut in range(16, slate.end):
        entries = entries_of(whole[:cut] + bytes(slate.end + 24 - cut))
        payloads, flaw = left_over(entries, CHAIN, ())
        assert payloads == [payload(ONE)] * (cut >= first)
        if (cut - 16) % (first - 16) >= 24:  # the head is whole, the payload is not
            assert flaw is not None
            assert flaw.ill is Ill.TORN


def test_no_flipped_bit_makes_another_intent(slate: Slate, tmp_path: Path) -> None:
    slate.note(ONE)
    whole = slate_path(tmp_path).read_bytes()[: slate.end + 24]
    for place in range(16, slate.end):
        for bit in range(8):
            data = bytearray(whole)
            data[place] ^= 1 << bit
            entries = entries_of(bytes(data))
            chain = CHAIN if entries[0].place == PLACE else bytes(16)  # elsewhere stands another
            payloads, flaw = left_over(entries, chain, ())
            assert payloads == []
            assert flaw is not None


def test_what_follows_another_chain_or_stands_at_another_place_is_told() -> None:
    text = payload(ONE)
    one, two = (Entry(PLACE, CHAIN[:8], payload(each), is_whole=True) for each in (ONE, TWO))
    assert left_over([one], CHAIN, ()) == ([text], None)
    for slate, chain in (([one], bytes(16)), ([one, two._replace(place=(3, 6))], CHAIN)):
        payloads, flaw = left_over(slate, chain, ())
        assert payloads == [text] * (len(slate) - 1)
        assert flaw is not None
        assert (flaw.ill, flaw.record, flaw.text) == (Ill.TORN, 8, ON_SLATE)


def test_what_stands_behind_its_place_is_not_taken_again(slate: Slate, tmp_path: Path) -> None:
    """As much of it as a disk took, or a start that died; and all of one that was not wiped."""
    slate.note(ONE)
    slate.note(TWO)
    one, two = payload(ONE), payload(TWO)
    assert found(tmp_path) == [one, two]
    assert found(tmp_path, one) == [two]
    assert found(tmp_path, one, two) == found(tmp_path, one, two, b"{}") == []


def test_what_another_version_has_written_there_has_the_last_word(
    slate: Slate, tmp_path: Path
) -> None:
    slate.note(ONE)
    slate.note(TWO)
    assert left_over(read_slate(tmp_path), CHAIN, [b"{}"]) == ([], None)
    assert found(tmp_path, payload(ONE), b"{}") == []


def test_a_slate_with_holes_is_filled(slate: Slate, tmp_path: Path) -> None:
    """A copy may have been made without the zeros: a store into a hole needs room."""
    slate.close()
    os.truncate(slate_path(tmp_path), 0)
    os.truncate(slate_path(tmp_path), SIZE)
    Slate(tmp_path, PLACE, CHAIN).close()
    with slate_path(tmp_path).open("rb") as file:
        assert os.lseek(file.fileno(), 0, os.SEEK_HOLE) == SIZE


@pytest.mark.parametrize(
    ("system", "fit"), [("ext4", True), ("tmpfs", True), ("btrfs", False), ("fuse.x", False)]
)
def test_only_where_a_store_needs_no_room(tmp_path: Path, system: str, fit: bool) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mounts"
    line = f"36 35 {os.major(device)}:{os.minor(device)} / /data rw,noatime shared:1 - "
    mounts.write_text(f"22 1 250:250 / /other rw - btrfs none rw\n{line}{system} /dev/x rw\n")
    assert can_be_mapped(tmp_path, mounts) is fit


def test_where_nobody_says_what_file_system_it_is(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    assert not can_be_mapped(tmp_path, mounts)
    mounts.write_text("nonsense\n")
    assert not can_be_mapped(tmp_path, mounts)
    assert not can_be_mapped(tmp_path / "nowhere")


# ── either part ───────────────────────────────────────────────────────────────────────────────

texts = st.one_of(
    st.text("abcXYZ019_-. ", max_size=40),
    st.sampled_from(
        ["", 'a"b', "a\\b", "a\nb", "\x7f", "é", "\ud800", "\x00", "/<>&'", "x" * 3_000]
    ),
)
whole = st.one_of(
    st.integers(0, 2**63 - 1), st.sampled_from([0, 9, 10, -1, 2**63, 2**64, 10**30, True, 1.5])
)
amounts = st.one_of(
    st.none(),
    st.decimals(min_value="1e-12", max_value="1e9", places=8, allow_nan=False),
    st.sampled_from(["0", "-1", "1E+3", "1E-9", "0.00", "NaN", "Infinity", "12.50"]).map(Decimal),
)
reals = st.one_of(
    st.floats(),
    st.tuples(st.integers(0, 10**16), st.integers(0, 22)).map(lambda it: it[0] / 10 ** it[1]),
    st.sampled_from(
        [0.0, -0.0, 1e-5, 9.999e-6, 1e15, 999999999999999.0, 1e16, 0.1 + 0.2, 99, 2**70]
    ),
)
causes = st.builds(Cause, texts, texts, whole, whole, texts)
placed = st.builds(
    Order,
    id=texts,
    symbol=texts,
    side=st.sampled_from([*Side, "buy"]),
    type=st.sampled_from([*OrderType, "limit"]),
    size=amounts,
    quote_size=st.one_of(st.none(), amounts),
    price=amounts,
    stop_price=st.one_of(st.none(), amounts),
    trailing_bips=st.sampled_from([None, None, None, 100]),
    time_in_force=st.sampled_from([*TimeInForce, "gtc"]),
    reduce_only=st.sampled_from([False, True, 1]),
    tag=texts,
    rule=texts,
    cause=st.one_of(st.none(), causes),
    decided=whole,
)
records = st.builds(Decided, at=whole, command=placed, bid=reals, ask=reals)
_GOOD = Order(
    "a-1-1", "BTC-USDT", Side.BUY, OrderType.LIMIT, Decimal("0.010"), None, Decimal("97.5"),
    tag="t", rule="r", cause=Cause("Trade", "BTC-USDT", 1, 2, "97.5"), decided=3,
)  # fmt: skip
_USUAL = Decided(4, _GOOD, 97.25, 97.5)


def _put(record: Any, compiled: Pens | None) -> bytes | str:
    """What stands on a slate of that part, or why nothing does."""
    slate = Slate(None, PLACE, CHAIN, compiled)
    try:
        if not slate.note(record):
            return "no room"
        return slate._map[:]
    except (UnicodeEncodeError, OverflowError) as error:
        assert not any(slate._map[16:])
        return type(error).__name__
    finally:
        slate.close()


@given(records)
@settings(max_examples=400, deadline=None)
def test_the_same_is_put_down_by_either(compiled: Pens, record: Decided) -> None:
    assert _put(record, compiled) == _put(record, None)


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_one_strange_part_of_a_usual_order_changes_nothing(compiled: Pens, data: Any) -> None:
    """A draw of everything at once is hardly ever one that the twin writes."""
    replace = msgspec.structs.replace
    drawn = data.draw(records)
    name = data.draw(st.sampled_from([*Order.__struct_fields__, "at", "bid", "ask"]))
    if name in Order.__struct_fields__:
        command = replace(_GOOD, **{name: getattr(drawn.command, name)})
        record = replace(_USUAL, command=command)
    else:
        record = replace(_USUAL, **{name: getattr(drawn, name)})
    assert _put(record, compiled) == _put(record, None)


@given(st.integers(1, 10**16), st.integers(0, 10))
@settings(max_examples=2_000, deadline=None)
def test_prices_are_written_with_the_same_digits(compiled: Pens, digits: int, places: int) -> None:
    record = Decided(4, _GOOD, digits / 10**places, digits / 10**places * 1.0001)
    assert _put(record, compiled) == _put(record, None)


def test_what_nearly_every_order_is_goes_by_the_compiled_part(compiled: Pens) -> None:
    slate = Slate(None, PLACE, CHAIN, None)
    for price in (0.00001234, 0.5, 97.25, 65_432.1, 120_000.0, 123_456_789.12345):
        for kind in OrderType:
            command = msgspec.structs.replace(_GOOD, type=kind, reduce_only=True)
            for one in (command, msgspec.structs.replace(command, cause=None)):
                found = put(compiled, Decided(4, one, price, price), slate._map)
                assert found == 16 + 24 + len(payload(Decided(4, one, price, price)))
    slate.close()


@pytest.mark.parametrize(
    "record",
    [
        ONE.command,
        Decided(1, CancelOrder(order_id="a", symbol="b")),
        msgspec.structs.replace(_USUAL, bid=97),
        msgspec.structs.replace(_USUAL, ask=0.1 + 0.2),
        msgspec.structs.replace(_USUAL, at=-1),
        None,
        *(
            msgspec.structs.replace(_USUAL, bid=bid)
            for bid in (-0.0, -97.5, 9.99e-6, 1e15, float("inf"), float("nan"))
        ),
        *(
            msgspec.structs.replace(_USUAL, command=msgspec.structs.replace(_GOOD, **part))
            for part in (
                {"trailing_bips": 100},
                {"reduce_only": 1},
                {"side": "buy"},
                {"type": "limit"},
                {"time_in_force": "gtc"},
                {"price": 97.5},
                {"size": 1},
                {"cause": "Trade"},
                {"id": 'a"'},
                {"id": "a\\"},
                {"tag": "\x1f"},
                {"rule": "é"},
                {"decided": 2**64},
                {"tag": "x" * 2_048},
            )
        ),
    ],
)
def test_of_everything_else_it_says_none_and_has_done_nothing(compiled: Pens, record: Any) -> None:
    slate = Slate(None, PLACE, CHAIN, None)
    assert put(compiled, record, slate._map) is None
    assert not any(slate._map[16:])
    slate.close()


def test_it_writes_nowhere_but_where_there_is_room(compiled: Pens) -> None:
    size = 24 + len(payload(_USUAL))
    for room in (mmap.mmap(-1, SIZE), bytearray(SIZE)):
        last = SIZE - 24 - size  # behind it there is room for one more head
        for place in (last + 1, SIZE - 1, SIZE, SIZE + 1, -1, -2, 2**62, -(2**62)):
            assert put(compiled, _USUAL, room, place) is None
            assert not any(room[:])
        assert put(compiled, _USUAL, room, last) == SIZE - 24
        assert room[last + 24 : last + size] == payload(_USUAL)
    for bad in (b"read-only" * 100, 7, None):
        with pytest.raises((TypeError, BufferError)):
            compiled(bad, 16, bytes(16), _hand_over, str)  # type: ignore[arg-type]
    for arguments in ((bytearray(9),), (bytearray(9), 0, bytes(15), _hand_over, str), (),
                      (bytearray(9), "0", bytes(16), _hand_over, str)):  # fmt: skip
        with pytest.raises(TypeError):
            compiled(*arguments)  # type: ignore[call-arg, arg-type]
    with pytest.raises(OverflowError):
        compiled(bytearray(9), 2**70, bytes(16), _hand_over, str)  # type: ignore[arg-type]


def test_a_slate_that_is_closed_takes_nothing(compiled: Pens) -> None:
    slate = Slate(None, PLACE, CHAIN, compiled)
    slate.close()
    with pytest.raises(ValueError, match="closed"):
        slate.note(_USUAL)


def test_a_slate_that_is_closed_while_an_entry_is_written_takes_nothing() -> None:
    """A number's text may be code of others, and the collector may run whatever it finds."""
    found = native.twin(native.SLATE)
    if found is None:
        pytest.skip("no C compiler that can build it")
    over: list[Record] = []

    class Amount:
        def __str__(self) -> str:
            slate.close()
            return "1"

    found.know(Decided, Order, Cause, Side, OrderType, TimeInForce, Amount)
    slate = Slate(None, PLACE, CHAIN, found.Pen, over.append)
    command = msgspec.structs.replace(_GOOD, size=Amount(), price=None, stop_price=None)
    record = msgspec.structs.replace(_USUAL, command=command)
    assert slate.pen is not None
    slate.pen.is_open = True
    slate.pen.write(record)
    assert over == [record]


def test_types_that_it_was_not_written_for_are_refused() -> None:
    found = native.twin(native.SLATE)
    if found is None:
        pytest.skip("no C compiler that can build it")

    class Order15(msgspec.Struct):
        id: str

    class Loose:
        __struct_fields__ = Cause.__struct_fields__

    words = (Side, OrderType, TimeInForce, Decimal)
    with pytest.raises(TypeError, match="after `know`"):
        found.Pen(bytearray(SIZE), 16, bytes(16), _hand_over, str)
    for told in (
        (Decided, Order15, Cause, *words), (Decided, Order, Loose, *words),
        (Decided, Order, Cause, int, OrderType, TimeInForce, Decimal), (Decided, Order), (1, 2, 3),
    ):  # fmt: skip
        with pytest.raises((TypeError, AttributeError)):
            found.know(*told)
    with pytest.raises(TypeError, match="after `know`"):
        found.Pen(bytearray(SIZE), 16, bytes(16), _hand_over, str)


def test_what_it_could_not_learn_changes_nothing_of_what_it_knows() -> None:
    found = native.twin(native.SLATE)
    if found is None:
        pytest.skip("no C compiler that can build it")

    class Misplaced:
        """Has what is asked for, but for the last, and each in another place."""

        __struct_fields__ = Cause.__struct_fields__
        __slots__ = ("a", "b", "c", *Cause.__struct_fields__[:-1])

    pens, slate = known_by(found), Slate(None, PLACE, CHAIN, None)
    with pytest.raises(TypeError, match="other fields"):
        found.know(Decided, Order, Misplaced, Side, OrderType, TimeInForce, Decimal)
    assert put(pens, _USUAL, slate._map) == 16 + 24 + len(payload(_USUAL))
    assert slate._map[40 : 40 + len(payload(_USUAL))] == payload(_USUAL)
    slate.close()


def test_it_holds_on_to_nothing(compiled: Pens) -> None:
    room = bytearray(SIZE)
    strange = msgspec.structs.replace(_USUAL, command=msgspec.structs.replace(_GOOD, tag="é"))
    held = (_GOOD.price, _GOOD.id, _GOOD.cause, _USUAL, room, Side.BUY)

    def counted() -> list[int]:
        gc.collect()
        return [sys.getrefcount(one) for one in held]

    before, blocks = counted(), sys.getallocatedblocks()
    for _ in range(1_000):
        assert put(compiled, _USUAL, room)
        assert put(compiled, strange, room) is None
        assert put(compiled, _USUAL, room, SIZE) is None
    assert sys.getallocatedblocks() - blocks < 500
    assert counted() == before
    room.extend(b"and no view of it is left")


def test_a_pen_hands_over_what_it_does_not_put_down(compiled: Pens) -> None:
    """All of it while it is shut, so that nothing overtakes what waits; and then a commit, too."""
    over: list[Record] = []
    slate = Slate(None, PLACE, CHAIN, compiled, over.append, lambda: "said to it")
    pen, said = slate.pen, Alerted(at=1, text="a")
    assert pen is not None
    pen.write(ONE)
    assert (over, slate.is_blank, pen.commit()) == ([ONE], True, "said to it")
    pen.is_open = True
    pen.write(TWO)
    assert (over, slate.payloads(), pen.commit()) == ([ONE], [payload(TWO)], "")
    pen.write(said)
    pen.end = SIZE - 30
    pen.write(TWO)
    assert over == [ONE, said, TWO]
    slate.close()
    pen.write(ONE)
    assert (over[3:], pen.commit()) == ([ONE], "said to it"), "a slate that is closed takes nothing"


def test_a_pen_raises_what_is_raised_by_who_takes_over(compiled: Pens) -> None:
    def refuse(*_: object) -> str:
        raise RuntimeError("not now")

    slate = Slate(None, PLACE, CHAIN, compiled, refuse, refuse)  # type: ignore[arg-type]
    assert slate.pen is not None
    for call in (lambda: slate.pen.write(ONE), slate.pen.commit):  # type: ignore[union-attr]
        with pytest.raises(RuntimeError, match="not now"):
            call()
    slate.close()


def test_what_the_plain_part_puts_down_and_wipes_the_pen_knows_of(compiled: Pens) -> None:
    slate = Slate(None, PLACE, CHAIN, compiled)
    odd = msgspec.structs.replace(_USUAL, bid=0.1 + 0.2)
    assert slate.pen is not None
    assert [slate.note(one) for one in (_USUAL, odd, ONE)] == [True] * 3
    assert slate.payloads() == [payload(one) for one in (_USUAL, odd, ONE)]
    slate.wipe((4, 9), bytes(range(16, 32)))
    assert slate.pen.note(ONE)
    (entry,) = entries_of(slate._map[:])
    assert (entry.place, entry.chain, entry.payload) == ((4, 9), bytes(range(16, 24)), payload(ONE))
    with pytest.raises(TypeError):
        slate.pen.move(16, bytes(15))
    slate.close()


def test_a_pen_and_who_takes_over_are_forgotten_together(compiled: Pens) -> None:
    class Owner:
        def __init__(self) -> None:
            self.slate = Slate(None, PLACE, CHAIN, compiled, self.take)

        def take(self, record: Record) -> None: ...

    owner = Owner()
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None
