"""Who needs a snapshot, and when it may be asked for."""

from __future__ import annotations

import msgspec
import pytest

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.events import BookDelta, BookSnapshot, BookStale
from pitwire.session.books import AT_ONCE, MANY, WITHIN_SECONDS, YOUNG_SECONDS, Books
from pitwire.session.pacing import Pacing
from pitwire.venues.venue import CodecOptions, HttpRequest, Limit, Role
from tests.session.toy import TOY, ToyCodec

NOW = 1_700_000_000 * SECOND


def books(*limits: Limit) -> Books:
    codec = ToyCodec(CodecOptions(Role.MARKET))
    return Books(TOY, codec, Pacing(limits), Entropy(1).stream("books"))


def snapshot(symbol: str, last_id: int = 10) -> BookSnapshot:
    return BookSnapshot("toy", symbol, 0, NOW, last_id, (), ())


def delta(symbol: str, number: int) -> BookDelta:
    return BookDelta("toy", symbol, 0, NOW, number, number, (), ())


def test_only_so_many_are_under_way_together() -> None:
    ours = books()
    for number in range(AT_ONCE + 2):
        ours.begin(f"S{number}", NOW)
    first = ours.due(NOW)
    assert len(first) == AT_ONCE
    assert ours.due(NOW) == []
    assert ours.next_deadline(NOW) is None, "an answer comes first"
    ours.fetched(first[0], snapshot("S0"), NOW)
    assert [request.symbol for request in ours.due(NOW)] == [f"S{AT_ONCE}"]


def test_the_next_deadline_is_when_the_weight_allows() -> None:
    ours = books(Limit("weight", 50, 60.0))
    ours.begin("A", NOW)
    ours.begin("B", NOW)
    assert [request.symbol for request in ours.due(NOW)] == ["A"]
    when = ours.next_deadline(NOW)
    assert when is not None
    assert 60 * SECOND <= when - NOW <= 62 * SECOND
    assert [request.symbol for request in ours.due(when)] == ["B"]


def test_a_tenth_of_the_weight_is_left_to_logins_and_questions() -> None:
    pacing = Pacing([limit for limit in TOY.limits if limit.scope == "weight"])
    ours = Books(TOY, ToyCodec(CodecOptions(Role.MARKET)), pacing, Entropy(1).stream("books"))
    for number in range(20):
        ours.begin(f"S{number}", NOW)
    asked = 0
    while requests := ours.due(NOW):
        asked += len(requests)
        for request in requests:
            ours.fetched(request, snapshot(request.symbol), NOW)
    assert asked == 10, "of 600 weight, at 50 each"
    assert pacing.allows("weight", NOW, cost=60)
    when = ours.next_deadline(NOW)
    assert when is not None
    assert ours.due(when - 1) == []
    assert ours.due(when) != []


def test_live_books_that_want_depth_leave_half_of_the_weight_to_broken_ones() -> None:
    pacing = Pacing([limit for limit in TOY.limits if limit.scope == "weight"])
    ours = Books(TOY, ToyCodec(CodecOptions(Role.MARKET)), pacing, Entropy(1).stream("books"))
    ours.begin("A", NOW)
    [request] = ours.due(NOW)
    ours.fetched(request, snapshot("A"), NOW)
    pacing.spend("weight", NOW, cost=250)  # of 600, with the 50 of the snapshot
    ours.refresh("A", NOW)
    assert ours.due(NOW) == []
    ours.begin("B", NOW)
    assert [request.symbol for request in ours.due(NOW)] == ["B"]
    later = NOW + 90 * SECOND
    assert [request.symbol for request in ours.due(later)] == ["A"]


def test_a_snapshot_older_than_the_deltas_held_is_asked_for_again() -> None:
    ours = books()
    ours.begin("A", NOW)
    [request] = ours.due(NOW)
    assert ours.accept(delta("A", 20), NOW) == ()
    assert ours.fetched(request, snapshot("A", 10), NOW) == ()
    when = ours.next_deadline(NOW)
    assert when is not None
    assert NOW + 0.1 * SECOND <= when <= NOW + 0.3 * SECOND
    [again] = ours.due(when)
    story = ours.fetched(again, snapshot("A", 19), when)
    assert [type(event).__name__ for event in story] == ["BookSnapshot", "BookDelta"]


def test_a_book_nobody_wants_is_not_fetched_and_its_answers_are_nobodys() -> None:
    ours = books()
    ours.begin("A", NOW)
    [request] = ours.due(NOW)
    assert ours.end("A", NOW) == ()
    assert ours.fetched(request, snapshot("A"), NOW) == ()
    ours.failed(request, NOW)
    assert ours.next_deadline(NOW) is None
    assert ours.accept(delta("A", 1), NOW) == ()
    assert ours.end("A", NOW) == ()


@pytest.mark.parametrize("live", [True, False])
def test_after_a_loss_only_a_live_book_is_told_stale_and_nothing_is_fetched(live: bool) -> None:
    ours = books()
    ours.begin("A", NOW)
    [request] = ours.due(NOW)
    if live:
        ours.fetched(request, snapshot("A"), NOW)
    told = ours.lost(NOW)
    assert [isinstance(event, BookStale) for event in told] == [True] * live
    assert ours.next_deadline(NOW) is None
    ours.failed(request, NOW)  # the answer of before the loss
    assert ours.next_deadline(NOW) is None
    ours.begin("A", NOW)
    assert len(ours.due(NOW)) == 1


# ── broken again and again, many at once, deeper ones ──


def live(ours: Books, symbol: str, now: int, last_id: int = 10) -> None:
    ours.begin(symbol, now)
    [request] = ours.due(now)
    ours.fetched(request, snapshot(symbol, last_id), now)
    assert ours.syncs[symbol].live


def test_a_book_that_breaks_again_and_again_is_fetched_after_a_growing_while() -> None:
    ours = books()
    live(ours, "A", NOW)
    now, waits = NOW + round(YOUNG_SECONDS * SECOND), []
    for _ in range(6):
        ours.resync("A", "crossed", now)
        when = ours.next_deadline(now)
        assert when is not None
        waits.append((when - now) / SECOND)
        [request] = ours.due(when)
        ours.fetched(request, snapshot("A"), when)
        now = when + SECOND // 1000
    assert waits[0] == 0, "it had been live for long"
    for number, wait in enumerate(waits[1:]):
        assert 0.125 * 2**number <= wait <= 0.25 * 2**number
    ours.resync("A", "crossed", now + round(YOUNG_SECONDS * SECOND))
    assert ours.next_deadline(now) is not None
    assert len(ours.due(now + round(YOUNG_SECONDS * SECOND))) == 1, "calm has returned"


def test_a_live_book_is_fetched_again_without_a_blackout() -> None:
    ours = books()
    live(ours, "A", NOW)
    ours.refresh("A", NOW)
    [request] = ours.due(NOW)
    assert ours.accept(delta("A", 11), NOW) == (delta("A", 11),)
    assert ours.accept(delta("A", 12), NOW) == (delta("A", 12),)
    story = ours.fetched(request, snapshot("A", 11), NOW)
    [whole] = story
    assert isinstance(whole, BookSnapshot)
    assert whole.last_id == ours.syncs["A"].last_id == 12, "its deltas were told already"
    ours.refresh("B", NOW)
    assert ours.due(NOW) == []


def test_a_live_book_that_breaks_is_told() -> None:
    ours, broken = books(), list[tuple[str, int]]()
    ours.on_break = lambda symbol, now: broken.append((symbol, now))
    live(ours, "A", NOW)
    ours.accept(delta("A", 20), NOW)
    ours.accept(delta("A", 22), NOW)
    assert broken == [("A", NOW)], "once, and not again while it is broken"


def test_a_snapshot_ahead_of_the_deltas_waits_for_them() -> None:
    ours = books()
    live(ours, "A", NOW)
    ours.refresh("A", NOW)
    [request] = ours.due(NOW)
    assert ours.fetched(request, snapshot("A", 12), NOW) == ()
    assert ours.accept(delta("A", 11), NOW) == [delta("A", 11)], "left out by nobody"
    assert not ours.wants("A"), "it is here already"
    wide = BookDelta("toy", "A", 0, NOW, 12, 13, (), ())
    told = ours.accept(wide, NOW)
    assert told[0] is wide
    [whole] = told[1:]
    assert isinstance(whole, BookSnapshot)
    assert whole.last_id == ours.syncs["A"].last_id == 13
    assert ours.accept(delta("A", 14), NOW) == (delta("A", 14),), "and no longer held"
    assert ours.syncs["A"].follows(delta("A", 15))


def test_a_snapshot_that_no_delta_reaches_says_that_they_are_lost() -> None:
    ours, broken = books(), list[str]()
    ours.on_break = lambda symbol, _: broken.append(symbol)
    live(ours, "A", NOW)
    ours.refresh("A", NOW)
    [request] = ours.due(NOW)
    assert ours.fetched(request, snapshot("A", 12), NOW) == ()
    until = ours.next_deadline(NOW)
    assert until == NOW + round(WITHIN_SECONDS * SECOND)
    ours.accept(delta("A", 11), NOW)
    assert ours.overdue(until - 1) == []
    [stale] = ours.overdue(until)
    assert isinstance(stale, BookStale)
    assert stale.reason == "the venue is at 12, deltas end at 11"
    assert broken == ["A"]
    assert ours.wants("A")
    assert ours.overdue(until + 60 * SECOND) == []


def test_a_snapshot_that_waits_goes_with_the_book_it_waits_for() -> None:
    ours = books()
    live(ours, "A", NOW)
    ours.refresh("A", NOW)
    [request] = ours.due(NOW)
    assert ours.fetched(request, snapshot("A", 12), NOW) == ()
    [stale] = ours.accept(delta("A", 20), NOW)
    assert isinstance(stale, BookStale)
    [again] = ours.due(NOW + 60 * SECOND)
    story = ours.fetched(again, snapshot("A", 19), NOW)
    assert story == [snapshot("A", 19), delta("A", 20)]


def test_those_that_matter_come_first_and_live_ones_last() -> None:
    ours = books()
    live(ours, "L", NOW)
    ours.refresh("L", NOW)
    ours.urgent = lambda: ("C",)
    for symbol in "ABC":
        ours.begin(symbol, NOW)
    assert [request.symbol for request in ours.due(NOW)] == ["C", "A", "B", "L"]


def test_live_books_leave_half_of_the_weight_to_broken_ones() -> None:
    ours = books(Limit("weight", 600, 60.0))
    symbols = [f"S{number}" for number in range(6)]
    for symbol in symbols:
        live(ours, symbol, NOW)
    later = NOW + 120 * SECOND
    for symbol in symbols:
        ours.refresh(symbol, later)
    asked = 0
    while requests := ours.due(later):
        for request in requests:
            asked += 1
            ours.fetched(request, snapshot(request.symbol), later)
    assert asked == 600 // 2 // 50
    for symbol in symbols[:2]:
        ours.resync(symbol, "crossed", later)
    assert len(ours.due(later)) == 2
    assert ours.due(later) == []


def test_many_at_once_are_fetched_shallow_first() -> None:
    venue = msgspec.structs.replace(TOY, shallow_depth=5, snapshot_depth=1000)
    codec = DepthCodec(CodecOptions(Role.MARKET))
    ours = Books(venue, codec, Pacing([Limit("weight", 600, 60.0)]), Entropy(1).stream("books"))
    for number in range(MANY):
        ours.begin(f"S{number}", NOW)
    requests = ours.due(NOW)
    assert {request.query for request in requests} == {"5"}
    for request in requests:
        ours.fetched(request, snapshot(request.symbol), NOW)
    ours.refresh("S0", NOW)
    assert {request.query for request in ours.due(NOW)} == {"1000"}, "no longer many"


class DepthCodec(ToyCodec):
    """Says how deep it is asked, and what that costs."""

    def ask_snapshot(self, symbol: str, depth: int) -> HttpRequest:
        weight = 50 if depth > 5 else 5
        return HttpRequest("snapshot", "GET", "/depth", str(depth), weight=weight, symbol=symbol)


def test_no_snapshot_is_asked_for_during_a_ban_and_all_are_after_it() -> None:
    pacing = Pacing([Limit("weight", 6000, 60.0)])
    ours = Books(TOY, ToyCodec(CodecOptions(Role.MARKET)), pacing, Entropy(1).stream("books"))
    for number in range(30):
        ours.begin(f"S{number}", NOW)
    first = ours.due(NOW)
    until = NOW + 120 * SECOND
    pacing.block("weight", until)
    for request in first:
        ours.failed(request, NOW, until=until)
    now = NOW
    while now < until:
        assert ours.due(now) == []
        when = ours.next_deadline(now)
        assert when is not None
        assert when >= until, "no need to wake before"
        now += 7 * SECOND
    asked: list[str] = []
    while requests := ours.due(until):
        for request in requests:
            asked.append(request.symbol)
            ours.fetched(request, snapshot(request.symbol), until)
    assert len(set(asked)) == len(asked) == 30


def test_deltas_that_waited_for_their_snapshot_are_received_with_it() -> None:
    ours = books()
    ours.begin("A", NOW)
    [request] = ours.due(NOW)
    ours.accept(delta("A", 11), NOW)
    told = ours.fetched(request, msgspec.structs.replace(snapshot("A"), received=NOW + 5), NOW + 5)
    assert [(type(one), one.received) for one in told] == [
        (BookSnapshot, NOW + 5),
        (BookDelta, NOW + 5),
    ]


def test_a_snapshot_that_waited_for_its_deltas_is_received_with_them() -> None:
    ours = books()
    ours.begin("A", NOW)
    [request] = ours.due(NOW)
    ours.fetched(request, snapshot("A"), NOW)
    ours.refresh("A", NOW)
    [request] = ours.due(NOW)
    assert ours.fetched(request, snapshot("A", 12), NOW) == ()
    late = [
        msgspec.structs.replace(delta("A", number), received=NOW + number) for number in (11, 12)
    ]
    told = [one for each in late for one in ours.accept(each, each.received)]
    assert [type(one) for one in told] == [BookDelta, BookDelta, BookSnapshot]
    assert told[-1].received == NOW + 12
