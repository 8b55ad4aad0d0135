"""The splice, clause by clause, and under every schedule of faults that hypothesis invents."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pitwire.market.book import OrderBook
from pitwire.market.sequence import ByPrevious, ByRange, ByStep, Continuity
from pitwire.market.sync import ANEW_SECONDS, BookSync
from pitwire.model.clock import SECOND
from pitwire.model.events import BookDelta, BookSnapshot, BookStale, Event, Level

RANGE = ByRange()
ANEW = round(ANEW_SECONDS * SECOND)


def sync(continuity: Continuity = RANGE, hold: int = 600) -> BookSync:
    return BookSync("v", "A-B", continuity, 1000, hold=hold)


def snapshot(last_id: int, bids: tuple[Level, ...] = ()) -> BookSnapshot:
    return BookSnapshot(
        venue="v", symbol="A-B", venue_time=0, received=1, last_id=last_id, bids=bids, asks=()
    )


def delta(
    first: int, last: int, previous: int = 0, bids: tuple[Level, ...] = (), received: int = 2
) -> BookDelta:
    return BookDelta(
        venue="v",
        symbol="A-B",
        venue_time=9,
        received=received,
        first_id=first,
        last_id=last,
        bids=bids,
        asks=(),
        previous_id=previous,
    )


def live_at(last_id: int, continuity: Continuity = RANGE) -> BookSync:
    book = sync(continuity)
    assert list(book.accept_snapshot(snapshot(last_id), 50)) == [snapshot(last_id)]
    return book


def test_a_delta_that_ends_where_the_book_stands_may_be_the_one_to_splice_at() -> None:
    chained = live_at(7, ByPrevious())
    assert not chained.has(delta(5, 7, 4)), "a futures snapshot may stand amid a delta"
    assert chained.has(delta(4, 6, 3))
    chained.accept(delta(5, 7, 4))
    assert chained.has(delta(5, 7, 4))
    assert live_at(7).has(delta(5, 7)), "spot ids are dense"


# ── start ─────────────────────────────────────────────────────────────────────────────────────


def test_at_the_start_deltas_are_held_and_a_snapshot_is_wanted() -> None:
    book = sync()
    assert book.wants_snapshot
    assert not book.live
    assert list(book.accept(delta(1, 5))) == []
    assert book.wants_snapshot


def test_the_story_is_the_snapshot_and_the_held_deltas_that_follow() -> None:
    book = sync()
    held = [delta(1, 5), delta(6, 8), delta(9, 12)]
    for one in held:
        book.accept(one)
    start = snapshot(7)
    assert list(book.accept_snapshot(start, 77)) == [start, held[1], held[2]]
    assert (book.live, book.wants_snapshot, book.last_id) == (True, False, 12)
    assert book.live_since == 77
    assert list(book.accept(delta(13, 13))) == [delta(13, 13)]


def test_a_first_delta_that_touches_the_snapshot_without_overlap_follows() -> None:
    book = sync()
    book.accept(delta(8, 9))
    assert len(book.accept_snapshot(snapshot(7), 0)) == 2


def test_a_snapshot_older_than_the_buffer_is_refused_and_wanted_again() -> None:
    book = sync()
    book.accept(delta(10, 12))
    assert list(book.accept_snapshot(snapshot(8), 0)) == []
    assert book.wants_snapshot
    assert not book.live
    assert list(book.accept_snapshot(snapshot(9), 0)) == [snapshot(9), delta(10, 12)]


def test_a_snapshot_ahead_of_the_stream_waits_for_it() -> None:
    book = live_at(20)
    assert list(book.accept(delta(10, 15))) == []
    assert list(book.accept(delta(16, 20))) == []
    assert list(book.accept(delta(21, 22))) == [delta(21, 22)]


def test_of_a_broken_buffer_the_part_after_the_gap_is_kept() -> None:
    book = sync()
    for one in (delta(1, 5), delta(9, 12), delta(13, 14)):
        book.accept(one)
    assert list(book.accept_snapshot(snapshot(3), 0)) == []
    assert list(book.accept_snapshot(snapshot(10), 0)) == [
        snapshot(10),
        delta(9, 12),
        delta(13, 14),
    ]


def test_held_deltas_that_overtook_one_another_are_put_in_order() -> None:
    book = sync()
    for one in (delta(9, 12), delta(6, 8), delta(9, 12)):
        book.accept(one)
    assert list(book.accept_snapshot(snapshot(5), 0)) == [snapshot(5), delta(6, 8), delta(9, 12)]


def test_the_buffer_is_bounded_and_a_snapshot_from_before_it_is_refused() -> None:
    book = sync(hold=3)
    for number in range(1, 6):
        book.accept(delta(number, number))
    assert list(book.accept_snapshot(snapshot(1), 0)) == []
    assert list(book.accept_snapshot(snapshot(2), 0)) == [snapshot(2), delta(3, 3), delta(4, 4),
                                                          delta(5, 5)]  # fmt: skip


def test_a_buffer_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="hold: found 0, expected 1 or more"):
        sync(hold=0)


# ── steady state ──────────────────────────────────────────────────────────────────────────────


def test_repeats_are_dropped_and_overlaps_applied() -> None:
    book = live_at(10)
    assert list(book.accept(delta(11, 15))) == [delta(11, 15)]
    assert list(book.accept(delta(11, 15))) == []
    assert list(book.accept(delta(12, 14))) == []
    assert list(book.accept(delta(14, 18))) == [delta(14, 18)]
    assert book.last_id == 18
    assert list(book.accept(delta(19, 19))) == [delta(19, 19)]


def test_a_gap_is_told_once_and_a_snapshot_mends_it() -> None:
    book = live_at(10)
    (stale,) = book.accept(delta(13, 14))
    assert stale == BookStale(
        venue="v",
        symbol="A-B",
        venue_time=9,
        received=2,
        reason="gap",
        expected=11,
        found=13,
    )
    assert not book.live
    assert book.wants_snapshot
    assert list(book.accept(delta(15, 16))) == []
    assert list(book.accept_snapshot(snapshot(11), 0)) == []
    assert list(book.accept_snapshot(snapshot(12), 0)) == [
        snapshot(12),
        delta(13, 14),
        delta(15, 16),
    ]


def test_a_gap_in_a_chain_names_the_chain() -> None:
    book = live_at(10, ByPrevious())
    assert list(book.accept(delta(8, 15, 7))) == [delta(8, 15, 7)]
    assert list(book.accept(delta(21, 25, 15))) == [delta(21, 25, 15)]
    (stale,) = book.accept(delta(40, 45, 30))
    assert isinstance(stale, BookStale)
    assert (stale.expected, stale.found) == (25, 30)


def test_a_step_sequence() -> None:
    book = live_at(10, ByStep())
    assert list(book.accept(delta(11, 11))) == [delta(11, 11)]
    assert isinstance(book.accept(delta(13, 13))[0], BookStale)


def test_a_late_snapshot_does_not_take_a_live_book_back() -> None:
    book = live_at(10)
    book.accept(delta(11, 15))
    assert list(book.accept_snapshot(snapshot(12), 0)) == []
    assert list(book.accept_snapshot(snapshot(15), 0)) == []
    assert list(book.accept(delta(16, 16))) == [delta(16, 16)]


def test_a_newer_snapshot_that_nobody_asked_for_is_a_new_start() -> None:
    book = live_at(10)
    assert list(book.accept_snapshot(snapshot(30), 0)) == [snapshot(30)]
    assert list(book.accept(delta(11, 30))) == []
    assert list(book.accept(delta(31, 31))) == [delta(31, 31)]


def test_ids_that_go_back_for_good_are_not_taken_for_repeats() -> None:
    book = BookSync("v", "A-B", ByRange(), 0, hold=3)
    book.accept_snapshot(snapshot(1000), 0)
    for number in range(1, 4):
        assert list(book.accept(delta(number, number))) == []
    (stale,) = book.accept(delta(4, 4))
    assert isinstance(stale, BookStale)
    assert (stale.reason, stale.expected, stale.found) == ("ids went back", 1001, 4)
    assert book.wants_snapshot


def test_a_quiet_book_whose_ids_went_back_is_found_out_by_the_venues_time() -> None:
    late = [
        replace(delta(number, number), venue_time=number * ANEW, received=number * ANEW)
        for number in range(1, 4)
    ]
    for times in ({"received": 7}, {"venue_time": 7}):
        book = live_at(1000)
        for each in late:
            assert list(book.accept(replace(each, **times))) == [], "what a copy was behind by"
    book = live_at(1000)
    assert list(book.accept(late[0])) == []
    assert list(book.accept(late[0])) == [], "the same once more"
    (stale,) = book.accept(late[1])
    assert isinstance(stale, BookStale)
    assert (stale.reason, stale.expected, stale.found) == ("ids went back", 1001, 2)
    book = live_at(1000)
    for index, each in enumerate(late):
        assert list(book.accept(each)) == []
        assert len(book.accept(delta(1001 + index, 1001 + index))) == 1
    assert book.live, "what goes on is not counted anew"


def test_a_connection_that_is_far_behind_its_snapshot_does_not_count_anew() -> None:
    book, now = sync(), 100 * ANEW
    book.accept_snapshot(snapshot(1000), now)
    behind = now - 3 * ANEW // 2
    for number, later in enumerate((0, ANEW, 3 * ANEW // 2, 5 * ANEW // 2 - 1)):
        each = replace(delta(number, number), venue_time=behind + later, received=now + later)
        assert list(book.accept(each)) == []
    assert book.live
    (stale,) = book.accept(replace(each, venue_time=now + ANEW, received=now + 5 * ANEW // 2))
    assert isinstance(stale, BookStale)


def test_a_book_that_waits_is_not_kept_back_by_deltas_of_a_count_that_is_over() -> None:
    book = sync()
    for number in (1000, 1001):
        book.accept(replace(delta(number, number), venue_time=10))
    assert list(book.accept_snapshot(snapshot(5), 0)) == [], "which of the two is over?"
    for number in (6, 7):
        book.accept(replace(delta(number, number), venue_time=20))
    told = list(book.accept_snapshot(snapshot(6), 0))
    assert [type(one) for one in told] == [BookSnapshot, BookDelta]
    assert (book.live, book.last_id) == (True, 7)
    book = sync()
    for number in (7, 9):
        book.accept(replace(delta(number, number), venue_time=number))
    assert list(book.accept_snapshot(snapshot(6), 0)) == []
    assert not book.live, "one is missing"


def test_repeats_spread_over_a_moving_book_never_add_up() -> None:
    book = BookSync("v", "A-B", ByRange(), 0, hold=3)
    book.accept_snapshot(snapshot(0), 0)
    for number in range(1, 50):
        assert len(book.accept(delta(number, number))) == 1
        assert list(book.accept(delta(number, number))) == []
    assert book.live


# ── loss, distrust, refresh ───────────────────────────────────────────────────────────────────


def test_a_loss_is_told_once_and_forgets_what_was_held() -> None:
    book = live_at(10)
    (stale,) = book.lost(99)
    assert stale == BookStale(
        venue="v", symbol="A-B", venue_time=0, received=99, reason="connection lost"
    )
    assert list(book.lost(100)) == []
    assert book.wants_snapshot
    book.accept(delta(11, 12))
    assert list(book.lost(101)) == []
    assert list(book.accept_snapshot(snapshot(10), 0)) == [snapshot(10)]


def test_a_loss_before_there_was_a_book_is_no_news() -> None:
    assert list(sync().lost(1)) == []


def test_a_distrusted_book_is_stale_and_resynced_from_what_comes_after() -> None:
    book = live_at(10)
    (stale,) = book.distrust("crossed", 5)
    assert isinstance(stale, BookStale)
    assert stale.reason == "crossed"
    book.accept(delta(11, 12))
    assert list(book.accept_snapshot(snapshot(10), 0)) == [snapshot(10), delta(11, 12)]


def test_a_refresh_has_no_blackout() -> None:
    book = live_at(10)
    book.refresh()
    assert book.live
    assert book.wants_snapshot
    assert list(book.accept(delta(11, 12))) == [delta(11, 12)]
    assert list(book.accept(delta(13, 14))) == [delta(13, 14)]
    assert list(book.accept_snapshot(snapshot(5), 0)) == []
    assert book.live
    assert book.wants_snapshot
    assert list(book.accept_snapshot(snapshot(11), 0)) == [
        snapshot(11),
        delta(11, 12),
        delta(13, 14),
    ]
    assert not book.wants_snapshot
    assert list(book.accept(delta(15, 15))) == [delta(15, 15)]


def test_a_refresh_never_takes_the_book_back() -> None:
    book = live_at(10)
    book.refresh()
    assert list(book.accept_snapshot(snapshot(9), 0)) == []
    assert book.wants_snapshot
    assert list(book.accept_snapshot(snapshot(10), 0)) == [snapshot(10)]


def test_a_gap_during_a_refresh_is_a_gap() -> None:
    book = live_at(10)
    book.refresh()
    book.accept(delta(11, 12))
    assert isinstance(book.accept(delta(14, 15))[0], BookStale)
    assert list(book.accept_snapshot(snapshot(12), 0)) == []
    assert len(book.accept_snapshot(snapshot(13), 0)) == 2


def test_a_stale_book_is_not_refreshed_but_synced() -> None:
    book = sync()
    book.refresh()
    book.accept(delta(1, 2))
    assert len(book.accept_snapshot(snapshot(1), 0)) == 2
    assert not book.wants_snapshot


# ── any schedule ──────────────────────────────────────────────────────────────────────────────

Book = dict[float, float]


class Exchange:
    """A venue's bids as a plain dict, remembered at every id, and the deltas that lead there."""

    def __init__(self, batches: Sequence[Sequence[tuple[float, float]]], *, skip: int) -> None:
        self.truth: dict[int, Book] = {100: {}}
        self.deltas: list[BookDelta] = []
        last_id, book = 100, {}
        for changes in batches:
            previous, first = last_id, last_id + 1 + skip
            for step, (price, size) in enumerate(changes):
                last_id = first + step
                book = {p: s for p, s in {**book, price: size}.items() if s}
                self.truth[last_id] = book
            told = {price: book.get(price, 0.0) for price, _ in changes}
            self.deltas.append(delta(first, last_id, previous, tuple(told.items())))

    def snapshot(self, which: int) -> BookSnapshot:
        last_id = list(self.truth)[which % len(self.truth)]
        return snapshot(last_id, tuple(sorted(self.truth[last_id].items(), reverse=True)))


change = st.tuples(st.integers(1, 6).map(float), st.sampled_from([0.0, 1.0, 2.0]))
batches = st.lists(st.lists(change, min_size=1, max_size=4), min_size=1, max_size=12)
faults = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.just(0)),
        st.tuples(st.just("deliver"), st.just(0)),
        st.tuples(st.just("deliver"), st.just(0)),
        st.tuples(st.just("drop"), st.just(0)),
        st.tuples(st.just("again"), st.integers(0, 11)),
        st.tuples(st.just("swap"), st.just(0)),
        st.tuples(st.just("snapshot"), st.integers(0, 60)),
        st.tuples(st.just("snapshot"), st.integers(0, 60)),
        st.tuples(st.just("lost"), st.just(0)),
        st.tuples(st.just("refresh"), st.just(0)),
        st.tuples(st.just("distrust"), st.just(0)),
    ),
    max_size=40,
)


def play(
    venue: Exchange, one: BookSync, step: tuple[str, int], queue: list[BookDelta]
) -> list[Event]:
    """One step of a schedule; what the sync says to it."""
    what, which = step
    match what:
        case "deliver" if queue:
            return list(one.accept(queue.pop(0)))
        case "drop" if queue:
            queue.pop(0)
        case "again":
            return list(one.accept(venue.deltas[which % len(venue.deltas)]))
        case "swap" if len(queue) > 1:
            queue[0], queue[1] = queue[1], queue[0]
        case "snapshot":
            return list(one.accept_snapshot(venue.snapshot(which), 0))
        case "lost":
            return list(one.lost(0))
        case "refresh":
            one.refresh()
        case "distrust":
            return list(one.distrust("said so", 0))
    return []


@settings(max_examples=300)
@given(batches, faults, st.sampled_from([RANGE, ByPrevious()]), st.sampled_from([2, 600]))
def test_the_book_is_the_truth_at_its_id_or_stale(
    changes: list[list[tuple[float, float]]],
    schedule: list[tuple[str, int]],
    continuity: Continuity,
    hold: int,
) -> None:
    venue = Exchange(changes, skip=0 if continuity is RANGE else 3)
    one, book = sync(continuity, hold), OrderBook("v", "A-B")
    queue = list(venue.deltas)
    for step in schedule:
        for event in play(venue, one, step, queue):
            match event:
                case BookSnapshot():
                    book.apply_snapshot(event)
                case BookDelta():
                    assert book.ready, "a delta after a break"
                    book.apply(event)
                case BookStale():
                    assert book.ready, "stale was told twice"
                    book.clear()
        assert book.ready == one.live
        if book.ready:
            assert book.last_id == one.last_id
            assert dict(book.bids) == venue.truth[book.last_id]


@given(batches, st.data())
def test_after_any_trouble_a_fresh_snapshot_and_a_calm_stream_make_it_live(
    changes: list[list[tuple[float, float]]], data: st.DataObject
) -> None:
    venue = Exchange(changes, skip=0)
    one = sync()
    queue = list(venue.deltas)
    for step in data.draw(faults):
        play(venue, one, step, queue)
    for left in queue:
        one.accept(left)
    if one.wants_snapshot:
        one.accept_snapshot(venue.snapshot(-1), 0)
    assert one.live
    assert not one.wants_snapshot
