"""The way of a frame by the compiled twin: it tells and leaves behind what plain Python does."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import native
from pitwire.market.sequence import ByPrevious
from pitwire.model import events as ev
from pitwire.model.clock import MILLISECOND
from pitwire.model.errors import ConnectionLost
from pitwire.model.events import Event
from pitwire.session import hearing
from pitwire.session.conversation import Conversation
from pitwire.session.told import KEPT, MOST
from pitwire.venues.venue import Buffer
from tests.session.test_skipping import MAKERS, NOW, Pair, S, diff, quote, trade

CUT = ConnectionLost(code=1006, reason="cut")
SHORT = '["100.00","1.0"]'


@pytest.fixture(scope="module")
def twin() -> Any:
    """The compiled hearing, built anew from its source."""
    found = native.twin(native.HEARING)
    if found is None:
        pytest.skip("no C compiler that can build it")
    return hearing.known_by(found)


def aggregate(number: int, price: str = "1.0") -> bytes:
    at = 1_700_000_000_000 + number
    return (
        f'{{"stream":"btcusdt@aggTrade","data":{{"e":"aggTrade","E":{at},"s":"BTCUSDT",'
        f'"a":{number},"p":"{price}","q":"1.0","f":{number},"l":{number},"T":{at},"m":true,'
        f'"M":true}}}}'
    ).encode()


def both(number: int, price: str = "1.0") -> bytes:
    """A delta whose levels are few, so that it is looked up whole."""
    return diff(number, SHORT if price == "1.0" else f'["{price}","1.0"]')


FRAMES: dict[str, Callable[..., bytes]] = {**MAKERS, "short": both, "aggregate": aggregate}
ODD = (
    b"", b"{}", b"nonsense", b'{"stream":"btcusdt@trade","data":{"e":"trade"}}',
    trade(1 << 62), quote(0), quote(1 << 61), diff(0), trade(5).replace(b'"T":17', b'"T":0,"x":17'),
)  # fmt: skip
KINDS: dict[str, Callable[[bytes], Buffer]] = {
    "bytes": lambda frame: bytes(bytearray(frame)),
    "array": bytearray,
    "view": lambda frame: memoryview(bytearray(frame)),
}


def _number_of(kind: str) -> str:
    return "diff" if kind == "short" else kind


def whole(pair: Pair) -> Any:
    """All that two connections keep, to the last number."""
    feed = pair.lines[0].feed
    lanes = [
        (key, lane._newest, lane._epoch, one.name, reader.at, reader.epoch)
        for key, lane in feed._lanes.items()
        for one, reader in lane._readers.items()
    ]  # fmt: skip
    rings = feed.conflicts.trades, feed.conflicts.quotes, feed.conflicts.deltas
    syncs = [
        (sync.live, sync.last_id, sync.next_id, sync._old, sync._old_at, sync._spliced)
        for sync in feed.books.syncs.values()
    ]  # fmt: skip
    lines = [
        (one.hearing.at, one.copy.wins, one.copy.cuts, one.copy._delay, one.copy.shared,
         list(one.vigil.freshness.heard.values()), one.outbox.stirred)
        for one in pair.lines
    ]  # fmt: skip
    chains = [(one.steady, one.dropped, one.filled) for one in feed.backfill.chains.values()]
    return repr((lanes, rings, syncs, lines, chains, list(feed.told.items()), feed.stirred))


def _gist(events: Sequence[Event]) -> list[str]:
    return [repr((type(one).__name__, msgspec.structs.astuple(one))) for one in events]


steps = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(("trade", "trade", "quote", "diff", "diff", "short", "aggregate")),
            st.integers(0, 1),
            st.sampled_from(["next"] * 8 + ["skip", "again", "back", "other"]),
            st.integers(0, 3),
            st.sampled_from(("bytes", "bytes", "bytes", "array", "view")),
        ),
        st.tuples(
            st.just("odd"), st.integers(0, 1), st.sampled_from(range(len(ODD))),
            st.integers(0, 3), st.just("bytes"),
        ),
        st.tuples(st.sampled_from(("cut", "look", "leave")), st.integers(0, 1), st.just(""),
                  st.integers(0, 30), st.just("bytes")),
    ),
    min_size=20,
    max_size=200,
)  # fmt: skip


class Life:
    """One pair, and what has come on it."""

    def __init__(self, kind: Any, *, alone: bool) -> None:
        self.pair = Pair(kind)
        self.left = alone
        if alone:
            self.leave(NOW)
            self.pair.lines[0].copy.shared = False

    def leave(self, now: int) -> None:
        """The second connection ends for good."""
        self.pair.told += self.pair.lines[1].lost(CUT, now, by_us=True)
        self.pair.lines[1].leave(now)
        self.left = True

    def step(self, kind: str, line: int, frame: Buffer, now: int) -> Sequence[Event]:
        """One thing happens."""
        pair, line = self.pair, 0 if self.left else line
        match kind:
            case "cut":
                pair.cut([line], now)
            case "look":
                pair.look(now)
            case "leave":
                if not self.left:
                    self.leave(now)
            case _:
                found = pair.lines[line].receive_data(frame, now)
                pair.told += found
                pair.fetch(pair.lines[line], now)
                return found
        return ()


@settings(max_examples=150, deadline=None)
@given(steps=steps, alone=st.booleans())
def test_a_life_is_the_same_by_either(
    twin: Any, steps: list[tuple[str, int, Any, int, str]], alone: bool
) -> None:
    lives = Life(None, alone=alone), Life(twin, alone=alone)
    at = {(name, line): 1 for name in FRAMES for line in (0, 1)}
    now = NOW
    for kind, line, how, wait, shape in steps:
        now += wait * 90 * MILLISECOND
        line = 0 if lives[0].left else line
        frame = b""
        if kind == "odd":
            frame = ODD[how]
        elif kind in FRAMES:
            key = (_number_of(kind), line)
            at[key] += how == "skip"
            number = at[key] - {"again": 1, "back": 3}.get(how, 0)
            more = ("7.0",) if how == "other" and kind != "diff" else ()
            frame = FRAMES[kind](max(number, 1), *more)
            at[key] += how not in ("again", "back")
        found = [_gist(life.step(kind, line, KINDS[shape](frame), now)) for life in lives]
        assert found[0] == found[1]
        assert lives[0].pair.state() == lives[1].pair.state()
        assert whole(lives[0].pair) == whole(lives[1].pair)
    assert _gist(lives[0].pair.told) == _gist(lives[1].pair.told)


def test_the_steady_state_of_two_copies_is_the_twins_alone(twin: Any) -> None:
    pair = Pair(twin)
    for number in (1, 2):
        for make in MAKERS.values():
            for line in (0, 1):
                pair.hear(line, make(number), NOW)
    feed, cannot = pair.lines[0].feed, None
    feed.merge = cannot  # type: ignore[assignment,method-assign]
    for one in pair.lines:
        one.copy.cuts, one.hearing.skips = 0, cannot  # type: ignore[assignment]
    for number in range(3, 3 + MOST + 40):
        for make in MAKERS.values():
            assert len(pair.hear(0, make(number), NOW)) == 1
            assert pair.hear(1, make(number), NOW) == ()
    assert KEPT <= len(feed.told) <= MOST
    with pytest.raises(TypeError):
        pair.hear(0, trade(2, "7.0"), NOW)  # and what is not in order is not


def test_the_steady_state_of_one_connection_is_the_twins_alone(twin: Any) -> None:
    pair = Life(twin, alone=True).pair
    one = pair.lines[0]
    for make in MAKERS.values():
        pair.hear(0, make(1), NOW)
    one.hearing._heard = None  # type: ignore[assignment]
    for number in range(2, 40):
        for make in MAKERS.values():
            [event] = pair.hear(0, make(number), NOW + number)
            assert event.received == NOW + number
    assert one.hearing.at == NOW + 39
    with pytest.raises(AttributeError):
        pair.hear(0, trade(99), NOW)


def test_what_it_does_not_know_is_left_to_plain_python(twin: Any) -> None:
    """Whatever lies in the tables and slots: it is the same, or the same error."""
    spoils: list[Callable[[Conversation], None]] = [
        lambda one: one.feed.backfill.trades.steady.update({S: 2.0}),  # type: ignore[dict-item]
        lambda one: one.feed.backfill.trades.steady.update({S: 1 << 80}),
        lambda one: one.feed.backfill.trades.steady.update({S: True}),
        lambda one: setattr(one.feed.books.syncs[S], "next_id", 1 << 70),
        lambda one: setattr(one.feed.books.syncs[S], "next_id", 2.0),
        lambda one: setattr(one.feed.books.syncs[S], "live", 1),
        lambda one: setattr(one.copy, "shared", 1),
        lambda one: setattr(one.copy, "shared", ()),
        lambda one: setattr(one.copy, "_delay", -(1 << 70)),
        lambda one: setattr(one.copy, "_delay", 0.5),
        lambda one: setattr(one.copy, "wins", 1 << 90),
        lambda one: setattr(one.copy, "cuts", 1 << 90),
        lambda one: setattr(one.feed.backfill.trades, "dropped", 1 << 90),
        lambda one: one.feed.conflicts.trades.update({S: []}),
        lambda one: one.feed.told.update({trade(2): ((S, NOW), b"")}),  # type: ignore[dict-item]
        lambda one: one.feed.told.update({trade(2): ((S, NOW, 1.0), b"")}),  # type: ignore[dict-item]
        lambda one: one.feed.told.update({quote(2): ((S, 1 << 90, 1), b"x")}),
        lambda one: one.feed.told.update({trade(2): ((S, NOW, 1), b"x")}),
    ]
    for number, spoil in enumerate(spoils):
        for alone in (True, False):
            ends = []
            for kind in (None, twin):
                life = Life(kind, alone=alone)
                for make in MAKERS.values():
                    for line in (0,) if alone else (0, 1):
                        life.pair.hear(line, make(1), NOW)
                spoil(life.pair.lines[0])
                said: list[object] = []
                for make in MAKERS.values():
                    for line in (0,) if alone else (0, 1):
                        try:
                            said.append(_gist(life.pair.hear(line, make(2), NOW)))
                        except (TypeError, ValueError, IndexError, AttributeError) as error:
                            said.append(type(error))
                ends.append((said, whole(life.pair)))
            assert ends[0] == ends[1], number


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("spliced", [True, False])
def test_what_comes_once_more_or_goes_back_is_judged_alike(
    twin: Any, dense: bool, spliced: bool
) -> None:
    """A quote of a venue that counts anew; a delta where the last id alone says nothing."""
    ends = []
    for kind in (None, twin):
        pair = Pair(kind)
        for number in range(1, 6):
            for make in MAKERS.values():
                for line in (0, 1):
                    pair.hear(line, make(number), NOW)
        sync = pair.lines[0].feed.books.syncs[S]
        if not dense:
            sync._continuity, sync._dense, sync.next_id = ByPrevious(), False, -1
        sync._spliced = spliced
        said = []
        for number in (5, 3, 4, 6):
            for make in MAKERS.values():
                for line in (1, 0):
                    said.append(_gist(pair.hear(line, make(number), NOW)))
        ends.append((said, whole(pair)))
    assert ends[0] == ends[1]


def test_it_is_made_of_what_it_knows_and_asked_as_it_should_be(twin: Any) -> None:
    one = Pair(None).lines[0]
    receive = one.hearing.by(twin)
    for wrong in ((), (b"",), (b"", 1, ())):
        with pytest.raises(TypeError, match="a frame and a time"):
            receive(*wrong)
    plain, copy, feed, tables = one.hearing, one.copy, one.feed, ({},) * 12
    for parts in (
        (None, copy, feed, None, None, 0, tables),
        (plain, None, feed, None, None, 0, tables),
        (plain, copy, feed, None, None, -1, tables),
        (plain, copy, feed, None, None, 0, tables[1:]),
        (plain, copy, feed, None, None, 0, ([], *tables[1:])),
    ):
        with pytest.raises(TypeError, match="expected a hearing, a copy and dicts"):
            twin(*parts)
    fresh = native.twin(native.HEARING)
    with pytest.raises(TypeError, match="after `know`"):
        fresh.Hearing(plain, copy, feed, None, None, 0, tables)
    with pytest.raises(TypeError):
        fresh.know((), None, 1, 1, 1, 1)
    types = ev.Event, ev.Trade, ev.Quote, ev.BookDelta, object, object, object, object, object
    with pytest.raises(TypeError, match="expected a slot `live` of object"):
        fresh.know(types, None, 1, 1, 1, 1)
    hearing.known_by(fresh)
    with pytest.raises(TypeError, match="once"):
        hearing.known_by(fresh)


def test_a_decoder_that_raises_is_heard_of_and_one_with_a_list_is_read(twin: Any) -> None:
    life = Life(twin, alone=True)
    one = life.pair.lines[0]
    life.pair.hear(0, trade(1), NOW)
    decode = one.hearing.decode

    def broken(frame: Buffer, now: int) -> Any:
        raise RuntimeError("no more")

    one.hearing.decode = broken
    with pytest.raises(RuntimeError, match="no more"):
        one.receive_data(trade(2), NOW)
    one.hearing.decode = lambda frame, now: list(decode(frame, now))
    assert [type(event) for event in one.receive_data(trade(2), NOW)] == [ev.Trade]
    one.hearing.decode = lambda frame, now: [*decode(frame, now)] * 2
    assert [type(event) for event in one.receive_data(trade(3), NOW)] == [ev.Trade]


def test_references_are_counted_right(twin: Any) -> None:
    pair = Pair(twin)
    symbol = ""

    def counts(first: int) -> tuple[int, ...]:
        nonlocal symbol
        now = NOW + (1 << 40) + first
        for number in range(first, first + 700):
            for make in MAKERS.values():
                for line in (0, 1):
                    pair.hear(line, make(number), now)
        gc.collect()
        symbol = next(iter(pair.lines[0].hearing._steady))
        copy, twins = pair.lines[0].copy, pair.lines[0].receive_data
        return tuple(sys.getrefcount(one) for one in (symbol, copy, twins, pair.told, ()))

    counts(1)
    pair.told.clear()
    before = counts(701)
    pair.told.clear()
    after = counts(1401)
    # What is remembered of late is between `KEPT` and `MOST` frames.
    assert all(abs(one - other) <= MOST for one, other in zip(before, after, strict=True))


def test_a_connection_that_nobody_has_any_more_is_gone(twin: Any) -> None:
    pair = Pair(twin)
    gone = [weakref.ref(one) for one in pair.lines]
    del pair
    gc.collect()
    assert [one() for one in gone] == [None, None]
