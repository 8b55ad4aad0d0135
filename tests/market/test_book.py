"""The book beside a naive one: two plain dicts that know everything."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.market.book import NOTHING, BookSide, OrderBook, book_of, difference, merged
from pitwire.market.ladder import Ladder
from pitwire.model.events import BookDelta, BookSnapshot, Level, PartialBook
from pitwire.model.orders import Side

Levels = tuple[Level, ...]
BIDS: Levels = ((100.0, 1.0), (99.0, 2.0), (98.0, 3.0))
ASKS: Levels = ((101.0, 1.5), (102.0, 2.5), (103.0, 3.5))


def snapshot(bids: Levels = BIDS, asks: Levels = ASKS, depth: int = 0) -> BookSnapshot:
    return BookSnapshot(
        venue="v",
        symbol="A-B",
        venue_time=5,
        received=7,
        last_id=10,
        bids=bids,
        asks=asks,
        depth=depth,
    )


def delta(bids: Levels = (), asks: Levels = (), last_id: int = 11) -> BookDelta:
    return BookDelta(
        venue="v",
        symbol="A-B",
        venue_time=6,
        received=8,
        first_id=last_id,
        last_id=last_id,
        bids=bids,
        asks=asks,
    )


def ready(bids: Levels = BIDS, asks: Levels = ASKS, depth: int = 0) -> OrderBook:
    book = OrderBook("v", "A-B")
    book.apply_snapshot(snapshot(bids, asks, depth))
    return book


# ── plain reads ───────────────────────────────────────────────────────────────────────────────


def test_a_new_book_says_that_it_is_not_ready_and_is_empty() -> None:
    book = OrderBook("v", "A-B")
    assert not book.ready
    assert book
    assert len(book) == 0
    assert (book.best_bid, book.best_ask, book.mid, book.spread) == (None, None, None, None)
    assert book.depth(5) == ((), ())
    assert book.walk(Side.BUY, 1.0) is None
    assert book.imbalance(5) is None
    assert not book.crossed


def test_a_snapshot_is_the_book() -> None:
    book = ready()
    assert book.ready
    assert (book.last_id, book.venue_time, book.received) == (10, 5, 7)
    assert (book.best_bid, book.best_ask) == ((100.0, 1.0), (101.0, 1.5))
    assert (book.mid, book.spread) == (100.5, 1.0)
    assert book.depth(2) == (BIDS[:2], ASKS[:2])
    assert book.depth(9) == (BIDS, ASKS)
    assert len(book) == 6
    assert book.size_at(Side.BUY, 99.0) == 2.0
    assert book.size_at(Side.SELL, 99.0) == 0.0


def test_mid_and_spread_need_both_sides() -> None:
    assert ready(asks=()).mid is None
    assert ready(bids=()).spread is None


def test_a_delta_sets_inserts_and_removes() -> None:
    book = ready()
    book.apply(
        delta(bids=((99.0, 9.0), (99.5, 4.0), (98.0, 0.0)), asks=((101.0, 0.0), (55.0, 0.0)))
    )
    assert book.depth(9) == (((100.0, 1.0), (99.5, 4.0), (99.0, 9.0)), ASKS[1:])
    assert (book.last_id, book.venue_time, book.received) == (11, 6, 8)


def test_a_removed_level_comes_back() -> None:
    book = ready()
    book.apply(delta(bids=((99.0, 0.0),)))
    assert book.size_at(Side.BUY, 99.0) == 0.0
    assert len(book.bids) == 2
    book.apply(delta(bids=((99.0, 7.0),)))
    book.apply(delta(bids=((100.0, 0.0),)))
    assert book.best_bid == (99.0, 7.0)


def test_a_snapshot_leaves_nothing_of_the_book_before() -> None:
    book = ready()
    book.apply_snapshot(snapshot(bids=((97.0, 1.0),), asks=((98.0, 1.0),)))
    assert book.depth(9) == (((97.0, 1.0),), ((98.0, 1.0),))


def test_a_partial_book_is_a_book_that_is_known_to_its_depth() -> None:
    book = OrderBook("v", "A-B")
    partial = PartialBook(
        venue="v", symbol="A-B", venue_time=0, received=3, last_id=4, bids=BIDS, asks=ASKS, depth=3
    )
    book.apply_snapshot(partial)
    assert book.depth(3) == (BIDS, ASKS)
    assert book.knows(3)
    assert not book.knows(4)


def test_a_cleared_book_stays_empty_until_a_snapshot() -> None:
    book = ready()
    book.clear()
    book.apply(delta(bids=((99.0, 9.0),)))
    assert not book.ready
    assert len(book) == 0
    assert book.last_id == 0
    book.apply_snapshot(snapshot())
    assert book.depth(9) == (BIDS, ASKS)


def test_a_book_that_is_marked_is_kept_and_not_ready() -> None:
    book = OrderBook("binance", "BTC-USDT")
    book.mark("mute")
    assert (book.whole, book.ready, book.stale) == (False, False, "mute")
    book.apply_snapshot(BookSnapshot("binance", "BTC-USDT", 0, 0, 5, ((1.0, 1.0),), ((3.0, 1.0),)))
    assert (book.whole, book.ready) == (True, False)
    book.apply(BookDelta("binance", "BTC-USDT", 0, 0, 6, 6, ((2.0, 1.0),), ()))
    assert (book.best_bid, book.last_id) == ((2.0, 1.0), 6)
    book.mark("")
    assert book.ready
    book.clear()
    assert (book.whole, book.ready) == (False, False)


def test_crossed_and_locked() -> None:
    book = ready()
    book.apply(delta(bids=((101.0, 1.0),)))
    assert book.crossed
    book.apply(delta(bids=((101.0, 0.0),)))
    assert not book.crossed


def test_imbalance_is_of_the_levels_asked_for() -> None:
    book = ready()
    assert book.imbalance(1) == pytest.approx((1.0 - 1.5) / 2.5)
    assert book.imbalance(3) == pytest.approx((6.0 - 7.5) / 13.5)
    assert ready(asks=()).imbalance(3) == 1.0


def test_a_side_is_read_in_proportion_to_what_is_read() -> None:
    """Of a snapshot of 5,000 levels, so that no audit of it holds everything else up."""
    passed = 0

    class Counted(Ladder):
        __slots__ = ()

        def levels(self, start: int = 0, count: int = 1 << 62) -> list[Level]:
            nonlocal passed
            found = super().levels(start, count)
            passed += start + len(found)
            return found

    side = BookSide(1.0, Counted)
    rising = tuple((float(price), 1.0) for price in range(1, 5001))
    side.replace(rising, 0)
    assert list(side) == list(rising[::-1])
    assert passed <= 3 * len(rising)
    passed = 0
    next(iter(side))
    assert passed == 16


# ── walking ───────────────────────────────────────────────────────────────────────────────────


def test_walking_pays_level_by_level() -> None:
    walk = ready().walk(Side.BUY, 3.0)
    assert walk is not None
    assert (walk.filled, walk.worst, walk.exact) == (3.0, 102.0, True)
    assert walk.average == pytest.approx((1.5 * 101 + 1.5 * 102) / 3)
    sell = ready().walk(Side.SELL, 1.0)
    assert sell is not None
    assert (sell.average, sell.worst) == (100.0, 100.0)


def test_walking_a_whole_book_dry_is_exact_and_a_cut_one_is_not() -> None:
    whole, cut = ready().walk(Side.BUY, 99.0), ready(depth=3).walk(Side.BUY, 99.0)
    assert whole is not None
    assert cut is not None
    assert (whole.filled, whole.exact) == (7.5, True)
    assert (cut.filled, cut.exact) == (7.5, False)
    inside = ready(depth=3).walk(Side.BUY, 7.5)
    assert inside is not None
    assert inside.exact


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan")])
def test_walking_no_size_is_refused(size: float) -> None:
    with pytest.raises(ValueError, match=r"size: found .*, expected more than 0"):
        ready().walk(Side.BUY, size)


def test_a_depth_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="levels: found 0, expected 1 or more"):
        ready().depth(0)


# ── beyond the snapshot ───────────────────────────────────────────────────────────────────────


def test_a_side_with_fewer_levels_than_asked_for_is_known_whole() -> None:
    book = ready(depth=1000)
    assert book.size_at(Side.BUY, 1.0) == 0.0
    assert book.knows(50)
    assert book.known_depth == (3, 3)


def test_beyond_the_edge_an_absent_price_is_not_zero() -> None:
    book = ready(depth=3)
    assert book.size_at(Side.BUY, 97.0) is None
    assert book.size_at(Side.BUY, 98.5) == 0.0
    assert book.size_at(Side.SELL, 104.0) is None
    assert not book.bids.knows(97.0)


def test_a_level_beyond_the_edge_is_shown_but_not_called_complete() -> None:
    book = ready(depth=3)
    book.apply(delta(bids=((96.0, 5.0),)))
    assert book.depth(9)[0] == (*BIDS, (96.0, 5.0))
    assert book.known_depth == (3, 3)
    assert book.knows(3)
    assert not book.knows(4)
    walk = book.walk(Side.SELL, 7.0)
    assert walk is not None
    assert not walk.exact
    book.apply(delta(bids=((96.0, 0.0),)))
    assert book.size_at(Side.BUY, 96.0) is None
    assert book.depth(9)[0] == BIDS


def test_when_the_known_levels_are_gone_the_best_is_not_certain() -> None:
    book = ready(depth=3)
    book.apply(delta(bids=((96.0, 5.0), (98.0, 0.0), (99.0, 0.0), (100.0, 0.0))))
    assert book.best_bid == (96.0, 5.0)
    assert book.known_depth == (0, 3)
    assert not book.knows(1)


def test_an_ask_inside_unknown_bids_proves_what_is_not_there() -> None:
    book = ready(depth=3)
    book.apply(delta(bids=((100.0, 0.0), (99.0, 0.0), (98.0, 0.0)), asks=((97.0, 1.0),)))
    assert book.size_at(Side.BUY, 97.0) == 0.0
    assert book.size_at(Side.BUY, 96.0) is None
    # The market comes back: each bid above 97 was told by a delta.
    book.apply(delta(bids=((99.0, 1.0), (97.5, 2.0)), asks=((97.0, 0.0),)))
    assert book.known_depth[0] == 2
    assert book.bids.edge == 97.0


def test_a_crossed_book_proves_nothing() -> None:
    book = ready(depth=3)
    book.apply(delta(asks=((90.0, 1.0),)))
    assert book.crossed
    assert book.size_at(Side.BUY, 91.0) is None


# ── properties ────────────────────────────────────────────────────────────────────────────────

prices = st.integers(1, 40).map(lambda ticks: ticks / 8)
sizes = st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.25, 1e-8])
short = st.lists(st.tuples(prices, sizes), max_size=8)
long = st.lists(st.tuples(prices, sizes), min_size=25, max_size=40)
levels = st.one_of(short, short, long).map(tuple)


@settings(deadline=None)
@given(st.lists(st.tuples(levels, levels), max_size=25))
def test_the_book_equals_two_plain_dicts(changes: list[tuple[Levels, Levels]]) -> None:
    book = ready(bids=(), asks=())
    plain: tuple[dict[float, float], dict[float, float]] = ({}, {})
    for change in changes:
        book.apply(delta(*change))
        for side, told in zip(plain, change, strict=True):
            side.update(told)
        bids = tuple(sorted(((p, s) for p, s in plain[0].items() if s), reverse=True))
        asks = tuple(sorted((p, s) for p, s in plain[1].items() if s))
        assert book.depth(99) == (bids, asks)
        assert book.best_bid == (bids[0] if bids else None)
        assert book.best_ask == (asks[0] if asks else None)
        assert len(book) == len(bids) + len(asks)
        assert book.crossed == bool(bids and asks and bids[0][0] >= asks[0][0])
        assert book.known_depth == (len(bids), len(asks))


@st.composite
def markets(draw: st.DrawFn) -> list[tuple[dict[float, float], dict[float, float]]]:
    """Successive states of a market that never crosses."""
    states = []
    for _ in range(draw(st.integers(1, 12))):
        middle = draw(st.integers(2, 38))
        bids = draw(st.sets(st.integers(1, middle - 1), max_size=6))
        asks = draw(st.sets(st.integers(middle, 40), max_size=6))
        size = draw(st.sampled_from([1.0, 2.0]))
        states.append(({p / 8: size for p in bids}, {p / 8: size for p in asks}))
    return states


@settings(max_examples=150)
@given(markets(), st.integers(1, 4))
def test_what_a_cut_book_shows_is_true_and_what_it_knows_is_everything(
    states: list[tuple[dict[float, float], dict[float, float]]], depth: int
) -> None:
    bids, asks = states[0]
    book = ready(
        tuple(sorted(bids.items(), reverse=True)[:depth]),
        tuple(sorted(asks.items())[:depth]),
        depth,
    )
    for before, after in pairwise(states):
        book.apply(delta(*(_change(b, a) for b, a in zip(before, after, strict=True))))
        for side, half, truth in (
            (Side.BUY, book.bids, after[0]),
            (Side.SELL, book.asks, after[1]),
        ):
            assert set(half) <= set(truth.items()), "a ghost"
            for price in (ticks / 8 for ticks in range(1, 41)):
                assert book.size_at(side, price) in (None, truth.get(price, 0.0))
            best_first = sorted(truth.items(), reverse=side is Side.BUY)
            assert list(half)[: half.known_depth] == best_first[: half.known_depth]
            for levels in range(8):
                known = half.edge == NOTHING or levels <= half.known_depth
                assert half.knows_best(levels) is known


def _change(before: dict[float, float], after: dict[float, float]) -> Levels:
    gone = {price: 0.0 for price in before if price not in after}
    return tuple((gone | {p: s for p, s in after.items() if before.get(p) != s}).items())


def test_a_snapshot_and_its_deltas_become_one_snapshot_that_claims_no_more_than_is_known() -> None:
    chance = random.Random(5)
    for _ in range(200):
        depth = chance.choice((0, 3, 5))
        bids = tuple((100.0 - n, 1.0 + n) for n in range(5))
        asks = tuple((101.0 + n, 1.0 + n) for n in range(chance.choice((2, 5))))
        whole = BookSnapshot(
            "t", "S", 0, 0, 10, bids[: depth or None], asks[: depth or None], depth
        )
        deltas = [
            BookDelta(
                "t", "S", n, n, 11 + n, 11 + n,
                ((float(chance.randrange(90, 101)), chance.choice((0.0, 2.5))),),
                ((float(chance.randrange(101, 112)), chance.choice((0.0, 2.5))),),
            )
            for n in range(chance.randrange(6))
        ]  # fmt: skip
        true = book_of((whole, *deltas))
        told = merged(whole, deltas)
        if told is None:
            assert any(not side.levels_to(side.edge) for side in (true.bids, true.asks))
            continue
        one = book_of([told])
        assert (one.last_id, difference(one, true)) == (true.last_id, "")
        for mine, theirs in ((one.bids, true.bids), (one.asks, true.asks)):
            assert mine.edge >= theirs.edge
            assert mine.levels_to(mine.edge) == theirs.levels_to(mine.edge)
            assert theirs.edge == NOTHING or mine.edge > NOTHING


def test_a_difference_is_told_by_its_price_where_both_books_are_known() -> None:
    cut = BookSnapshot("t", "S", 0, 0, 10, ((5.0, 1.0), (4.0, 1.0)), ((6.0, 1.0),), 2)
    whole = BookSnapshot("t", "S", 0, 0, 10, ((5.0, 1.0), (4.0, 1.0), (3.0, 1.0)), ((6.0, 1.0),))
    one, other = book_of([cut]), book_of([whole])
    assert difference(one, other) == ""
    other.apply(BookDelta("t", "S", 0, 0, 11, 11, ((3.0, 9.0),), ()))
    assert difference(one, other) == "", "beyond what one of them knows"
    other.apply(BookDelta("t", "S", 0, 0, 12, 12, ((4.0, 0.0),), ((7.0, 2.0),)))
    assert difference(one, other) == "bids at 4.0: 1.0 here, 0.0 at the venue"
    one.apply(BookDelta("t", "S", 0, 0, 12, 12, ((4.0, 0.0),), ()))
    assert difference(one, other) == "asks at 7.0: 0.0 here, 2.0 at the venue"


def test_whoever_changes_a_book_is_told_that_it_is_crossed() -> None:
    book = OrderBook("t", "S")
    sides = ((5.0, 1.0),), ((6.0, 1.0),)
    assert book.apply_snapshot(BookSnapshot("t", "S", 0, 0, 10, *sides)) == ""
    assert book.apply(BookDelta("t", "S", 0, 0, 11, 11, ((5.5, 1.0),), ())) == ""
    assert book.apply(BookDelta("t", "S", 0, 0, 12, 12, ((6.0, 1.0),), ())) == "crossed"
    assert book.apply_snapshot(BookSnapshot("t", "S", 0, 0, 10, (), ())) == ""
    assert book.apply(BookDelta("t", "S", 0, 0, 11, 11, (), ((6.0, 1.0),))) == ""


def test_an_imbalance_of_levels_that_are_not_known_is_none() -> None:
    book = OrderBook("t", "S")
    book.apply_snapshot(BookSnapshot("t", "S", 0, 0, 10, ((5.0, 3.0),), ((6.0, 1.0),), 1))
    assert book.imbalance(1) == 0.5
    assert book.imbalance(2) is None
