"""Who needs a snapshot, and when it may be asked for."""

from __future__ import annotations

import pytest

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.events import BookDelta, BookSnapshot, BookStale
from pitwire.session.books import AT_ONCE, Books
from pitwire.session.pacing import Pacing
from pitwire.venues.venue import CodecOptions, Limit, Role
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
