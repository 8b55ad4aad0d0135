"""A live book is held against a fresh snapshot, exactly and seldom."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.market.book import OrderBook
from pitwire.market.sync import BookSync
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.events import (
    BookAudited,
    BookDelta,
    BookSnapshot,
    BookStale,
    Event,
    Level,
    Quote,
)
from pitwire.session.audit import EVERY_SECONDS, Audit
from pitwire.session.books import AT_ONCE, WITHIN_SECONDS, Books
from pitwire.session.copies import Copy
from pitwire.session.origins import DOUBT_SECONDS
from pitwire.session.pacing import Pacing
from pitwire.session.wants import Wants
from pitwire.venues.venue import CodecOptions, HttpRequest, Limit, Role
from tests.session.toy import TOY, ToyCodec

NOW = 1_700_000_000 * SECOND
EVERY = round(EVERY_SECONDS * SECOND)
WITHIN = round(WITHIN_SECONDS * SECOND)
DOUBT = round(DOUBT_SECONDS * SECOND)


class Market:
    """One symbol at the venue: its truth at every id, and our books of it."""

    def __init__(
        self, symbol: str = "A", *, limit: int = 6000, shallow: int = 0, numbered: bool = False
    ) -> None:
        channels = dict(TOY.channels)
        channels["ticker"] = msgspec.structs.replace(channels["ticker"], numbers_book=numbered)
        venue = msgspec.structs.replace(TOY, shallow_depth=shallow, channels=channels)
        pacing = Pacing([Limit("weight", limit, 60.0)])
        codec = ToyCodec(CodecOptions(Role.MARKET))
        self.symbol, self.pacing = symbol, pacing
        self.books = Books(TOY, codec, pacing, Entropy(1).stream("books"))
        self.copy = Copy("x", Wants(), {})
        self.audit = Audit(venue, codec, self.books, pacing=pacing, copies=[self.copy])
        self.audit.book_of = lambda symbol: self.ours
        self.truth = {1.0: 5.0, 2.0: 5.0, 3.0: 5.0}
        self.id = 10
        self.ours = OrderBook("toy", symbol)
        self.books.begin(symbol, NOW)
        [request] = self.books.due(NOW)
        self.tell(self.books.fetched(request, self.snapshot(), NOW))

    def snapshot(self, depth: int = 0) -> BookSnapshot:
        bids = tuple(sorted(self.truth.items(), reverse=True))
        return BookSnapshot("toy", self.symbol, 0, NOW, self.id, bids[: depth or None], (), depth)

    def change(self, *levels: Level, ids: int = 1) -> BookDelta:
        """The venue's book changes; the delta that says so."""
        first = self.id + 1
        self.id += ids
        for price, size in levels:
            self.truth[price] = size
            if not size:
                del self.truth[price]
        return BookDelta("toy", self.symbol, 0, NOW, first, self.id, levels, ())

    def hear(self, delta: BookDelta) -> None:
        self.tell(self.books.syncs[self.symbol].accept(delta))

    def tell(self, events: Any) -> list[Event]:
        for event in events:
            match event:
                case BookSnapshot():
                    self.ours.apply_snapshot(event)
                case BookDelta():
                    self.ours.apply(event)
                case BookStale():
                    self.ours.clear()
        return list(events)

    def begin(self, now: int = NOW + EVERY) -> HttpRequest:
        [request] = self.audit.due(now)
        return request

    def fetched(self, request: HttpRequest, snapshot: BookSnapshot, now: int) -> list[str]:
        return names(self.tell(self.audit.fetched(request, snapshot, now)))

    @property
    def is_right(self) -> bool:
        return self.ours.ready and dict(self.ours.bids) == self.truth


def names(events: list[Event]) -> list[str]:
    return [
        f"audited {event.difference}".strip()
        if isinstance(event, BookAudited)
        else type(event).__name__
        for event in events
    ]


def test_a_book_is_audited_when_it_has_been_live_for_a_while_and_again_after_as_long() -> None:
    market = Market()
    assert market.audit.due(NOW) == []
    assert market.audit.next_deadline(NOW) is not None
    assert market.audit.due(NOW + EVERY - 1) == []
    request = market.begin()
    assert market.audit.due(NOW + EVERY) == [], "one at a time"
    assert market.fetched(request, market.snapshot(), NOW + EVERY) == ["audited"]
    assert market.audit.due(NOW + 2 * EVERY - 1) == []
    assert len(market.audit.due(NOW + 2 * EVERY)) == 1
    market.hear(market.change((1.5, 1.0)))
    assert market.is_right


def test_deltas_around_the_fetch_are_laid_over_the_snapshot() -> None:
    market = Market()
    request = market.begin()
    market.hear(market.change((2.5, 1.0)))
    snapshot = market.snapshot()
    market.hear(market.change((2.5, 0.0), (3.0, 7.0)))
    assert market.fetched(request, snapshot, NOW + EVERY) == ["audited"]


def test_a_snapshot_ahead_of_us_waits_until_we_are_there() -> None:
    market = Market()
    request = market.begin()
    delta = market.change((2.5, 1.0), ids=3)
    now = NOW + EVERY
    assert market.fetched(request, market.snapshot(), now) == []
    when = market.audit.next_deadline(now)
    assert when is not None
    assert when - now <= SECOND // 10
    assert market.audit.overdue(when) == []
    market.hear(delta)
    assert names(market.audit.overdue(when)) == ["audited"]


def test_a_book_that_differs_is_named_and_begins_again_with_the_snapshot() -> None:
    market = Market()
    market.ours.bids.change(((2.0, 0.0),))
    request = market.begin()
    market.hear(market.change((3.5, 1.0)))
    told = market.fetched(request, market.snapshot(), NOW + EVERY)
    wrong = "audited bids at 2.0: 0.0 here, 5.0 at the venue"
    assert told == [wrong, "BookStale", "BookSnapshot"]
    assert market.is_right
    market.hear(market.change((3.5, 0.0)))
    assert market.is_right


def test_a_feed_that_went_mute_is_found_by_its_id() -> None:
    market = Market()
    request = market.begin()
    market.change((3.0, 0.0))
    now = NOW + EVERY
    assert market.fetched(request, market.snapshot(), now) == []
    assert market.audit.overdue(now + WITHIN - 1) == []
    told = names(market.tell(market.audit.overdue(now + WITHIN)))
    wrong = "audited the venue is at 11, deltas end at 10"
    assert told == [wrong, "BookStale", "BookSnapshot"]
    assert market.is_right


def test_a_book_that_stands_still_after_a_doubt_is_audited_out_of_turn() -> None:
    market = Market()
    market.change((3.0, 0.0))  # and nobody hears of it
    lost: list[str] = []
    market.books.on_break = lambda symbol, _: lost.append(symbol)
    market.audit.doubt("", NOW)
    assert market.audit.due(NOW + DOUBT - 1) == []
    assert market.audit.next_deadline(NOW + DOUBT - 1) == NOW + DOUBT
    request = market.begin(NOW + DOUBT)
    now = NOW + DOUBT
    assert market.audit.due(now) == [], "once"
    assert market.fetched(request, market.snapshot(), now) == []
    told = names(market.tell(market.audit.overdue(now + WITHIN)))
    assert told == ["audited the venue is at 11, deltas end at 10", "BookStale", "BookSnapshot"]
    assert market.is_right
    assert lost == ["A"], "and trades may be lost as well"


def test_a_venue_that_counts_on_and_sends_nothing_as_nothing_changed_is_no_loss() -> None:
    market = Market()
    lost: list[str] = []
    market.books.on_break = lambda symbol, _: lost.append(symbol)
    request = market.begin()
    market.change((3.0, 5.0), ids=2)  # as it was
    now = NOW + EVERY
    assert market.fetched(request, market.snapshot(), now) == []
    assert names(market.tell(market.audit.overdue(now + WITHIN))) == ["audited"]
    assert lost == []
    assert market.ours.ready
    market.hear(market.change((2.0, 0.0)))
    assert not market.ours.ready, "its number tells, if something is missing after all"


def test_a_lost_delta_of_a_deep_level_is_found_though_the_best_ones_are_as_they_were() -> None:
    market = Market(shallow=2)
    market.change((1.0, 0.0))  # and nobody hears of it
    market.audit.doubt("A", NOW)
    now = NOW + DOUBT
    request = market.begin(now)
    assert market.fetched(request, market.snapshot(depth=2), now) == []
    assert market.audit.overdue(now + WITHIN) == []
    deeper = market.begin(now + WITHIN)
    told = market.fetched(deeper, market.snapshot(depth=10), now + WITHIN)
    wrong = "audited the venue is at 11, deltas end at 10"
    assert told == [wrong, "BookStale", "BookSnapshot"], "and nothing is waited for again"
    assert market.is_right


def test_a_shallow_book_that_is_whole_is_not_asked_for_deeper() -> None:
    market = Market(shallow=5)
    market.change((3.0, 5.0), ids=2)  # as it was
    market.audit.doubt("A", NOW)
    request = market.begin(NOW + DOUBT)
    assert market.fetched(request, market.snapshot(depth=5), NOW + DOUBT) == []
    assert names(market.audit.overdue(NOW + DOUBT + WITHIN)) == ["audited"]


def test_a_quote_that_is_no_news_makes_no_book_be_audited_again_and_again() -> None:
    market = Market(numbered=True)
    market.change((3.0, 5.0), ids=2)  # as it was
    quotes: dict[str, object] = {"A": Quote("toy", "A", 0, NOW, 1.0, 1.0, 2.0, 1.0, 12)}
    market.copy.stands, market.copy.quotes = True, quotes
    market.audit.due(NOW)
    asked: list[int] = []
    for step in range(1, 1500):
        now = NOW + step * SECOND // 10
        if step == 900:
            quotes["A"] = Quote("toy", "A", 0, NOW, 1.0, 1.0, 2.0, 1.0, 14)
            market.change((3.0, 5.0), ids=2)
        for request in market.audit.due(now):
            asked.append(round((now - NOW) / SECOND))
            market.fetched(request, market.snapshot(), now)
        market.audit.overdue(now)
    assert asked == [3, 63, 93], "once each, and once as every book is now and then"


def test_a_sleep_of_ours_makes_no_book_stale() -> None:
    market = Market()
    request = market.begin()
    delta = market.change((2.5, 1.0))
    now = NOW + EVERY
    assert market.audit.overdue(now) == []
    assert market.fetched(request, market.snapshot(), now) == []
    assert market.audit.overdue(now + 60 * SECOND) == [], "the delta lies unread"
    market.hear(delta)
    assert names(market.audit.overdue(now + 60 * SECOND)) == ["audited"]


def test_a_sleep_of_ours_breaks_no_book_that_is_fetched_anew() -> None:
    market = Market()
    now = NOW + SECOND
    market.audit.overdue(now)
    market.books.refresh("A", now)
    [request] = market.books.due(now)
    delta = market.change((2.5, 1.0))
    assert market.books.fetched(request, market.snapshot(), now) == ()
    assert market.audit.overdue(now + 60 * SECOND) == []
    market.tell(market.books.accept(delta, now + 60 * SECOND))
    assert market.is_right


def test_five_hundred_doubts_are_gone_through_now_and_then_only() -> None:
    market = Market()
    for number in range(500):
        market.books.begin(f"S{number}", NOW)
        snapshot = BookSnapshot("toy", f"S{number}", 0, NOW, 10, (), ())
        market.books.syncs[f"S{number}"].accept_snapshot(snapshot, NOW)
    syncs = market.books.syncs = Counted(market.books.syncs)
    market.audit.doubt("", NOW)
    assert len(market.audit.due(NOW + DOUBT)) == AT_ONCE
    syncs.asked = 0
    for _ in range(100):  # whatever comes meanwhile
        assert market.audit.due(NOW + DOUBT) == []
        market.audit.next_deadline(NOW + DOUBT)
    assert syncs.asked == 0
    for later in range(1, 101):
        market.audit.due(NOW + DOUBT + later * MILLISECOND)
    assert syncs.asked < 50


class Counted(dict[str, BookSync]):
    asked = 0

    def get(self, *at: Any) -> Any:
        self.asked += 1
        return super().get(*at)


def test_a_delta_that_follows_tells_that_none_was_lost() -> None:
    market = Market()
    market.audit.doubt("A", NOW)
    market.hear(market.change((3.0, 0.0)))
    assert market.audit.due(NOW + DOUBT) == []
    market.audit.doubt("A", NOW + DOUBT)
    market.hear(market.change((3.0, 2.0)))
    market.audit.doubt("A", NOW + 2 * DOUBT - 1)  # what came since the first is no answer to this
    assert len(market.audit.due(NOW + 2 * DOUBT)) == 1


def test_a_doubt_outlives_a_snapshot_that_may_be_older() -> None:
    market = Market()
    market.tell(market.books.resync("A", "crossed", NOW))
    [request] = market.books.due(NOW)
    older = market.snapshot()
    market.change((3.0, 0.0))
    market.audit.doubt("", NOW)
    assert market.audit.due(NOW + DOUBT) == []
    deadline = market.audit.next_deadline(NOW + DOUBT)
    assert deadline is not None
    assert deadline > NOW + DOUBT, "nothing can be done before it is there"
    market.tell(market.books.fetched(request, older, NOW + DOUBT))
    assert market.audit.fetched(request, older, NOW + DOUBT) == [], "as a feed tells both"
    again = market.begin(NOW + DOUBT)
    assert market.fetched(again, market.snapshot(), NOW + DOUBT) == []
    market.tell(market.audit.overdue(NOW + DOUBT + WITHIN))
    assert market.is_right


def test_doubted_books_are_audited_together_while_the_weight_suffices() -> None:
    market = Market(limit=6000)
    for number in range(40):
        symbol = f"S{number}"
        market.books.begin(symbol, NOW)
        for request in market.books.due(NOW):
            market.books.fetched(
                request, BookSnapshot("toy", request.symbol, 0, NOW, 10, (), ()), NOW
            )
    market.audit.doubt("", NOW)
    asked = market.audit.due(NOW + DOUBT)
    assert len(asked) == AT_ONCE
    assert len({request.symbol for request in asked}) == AT_ONCE
    market.audit.failed(asked[0])
    assert len(market.audit.due(NOW + DOUBT)) == 1
    for request in asked[1:]:
        market.audit.failed(request)
    market.pacing.spend("weight", NOW + DOUBT, cost=5200)
    assert market.audit.due(NOW + DOUBT) == [], "most of it is left to others"
    deadline = market.audit.next_deadline(NOW + DOUBT)
    assert deadline is not None
    assert deadline > NOW + DOUBT
    assert len(market.audit.due(NOW + 120 * SECOND)) > 0


def test_what_breaks_meanwhile_is_not_judged() -> None:
    market = Market()
    request = market.begin()
    market.change((3.0, 0.0))
    market.hear(market.change((2.0, 0.0)))
    assert not market.ours.ready
    assert market.fetched(request, market.snapshot(), NOW + EVERY) == []
    [again] = market.books.due(NOW + EVERY) or [None]
    assert again is None, "whoever breaks tells the books, here nobody did"
    market.books.broken("A", NOW + EVERY)
    [resync] = market.books.due(NOW + EVERY)
    market.tell(market.books.fetched(resync, market.snapshot(), NOW + EVERY))
    assert market.is_right


def test_an_old_snapshot_a_failure_and_silence_prove_nothing() -> None:
    market = Market()
    old = market.snapshot()
    market.hear(market.change((9.0, 1.0)))
    request = market.begin()
    assert market.fetched(request, old, NOW + EVERY) == []
    request = market.begin(NOW + 2 * EVERY)
    market.audit.failed(request)
    request = market.begin(NOW + 3 * EVERY)
    assert market.audit.next_deadline(NOW + 3 * EVERY) is not None
    assert market.audit.overdue(NOW + 3 * EVERY + WITHIN) == []
    assert market.fetched(request, market.snapshot(), NOW + 3 * EVERY + WITHIN) == []
    market.hear(market.change((9.0, 2.0)))
    assert market.is_right
    request = market.begin(NOW + 4 * EVERY)
    market.audit.book_of = lambda symbol: None
    assert market.fetched(request, market.snapshot(), NOW + 4 * EVERY) == []


def test_a_quiet_book_that_the_venue_counts_anew_is_found_by_a_second_look() -> None:
    for minutes, ids in ((2, "stood"), (2, "moved"), (2, "was right"), (0.1, "stood")):
        market = Market()
        market.id = 5
        assert market.fetched(market.begin(), market.snapshot(), NOW + EVERY) == []
        if ids == "was right":
            market.id = 10
            request = market.begin(NOW + 2 * EVERY)
            assert market.fetched(request, market.snapshot(), NOW + 2 * EVERY) == ["audited"]
            market.id = 5
        if ids == "moved":
            market.id = 10
            market.hear(market.change((9.0, 1.0)))
            market.id = 6
        now = NOW + EVERY + round(minutes * EVERY)
        if minutes < 1:
            market.audit.doubt("A", now - DOUBT)
        told = market.fetched(market.begin(now), market.snapshot(), now)
        if (minutes, ids) != (2, "stood"):
            assert told == [], "it may have been a cache"
            continue
        assert told == ["audited the venue is at 5, deltas went to 10", "BookStale"]
        [request] = market.books.due(now)
        market.tell(market.books.fetched(request, market.snapshot(), now))
        market.hear(market.change((9.0, 1.0)))
        assert market.is_right


def test_nobody_keeps_books_nobody_audits() -> None:
    market = Market()
    market.audit.book_of = None
    assert market.audit.due(NOW + EVERY) == []
    assert market.audit.next_deadline(NOW) is None


def test_all_audits_together_cost_a_tenth_of_the_weight_and_give_way() -> None:
    market = Market()
    for number in range(100):
        symbol = f"S{number}"
        market.books.begin(symbol, NOW)
        for request in market.books.due(NOW):
            market.books.fetched(
                request, BookSnapshot("toy", request.symbol, 0, NOW, 10, (), ()), NOW
            )
    now, asked = NOW + EVERY, 0
    for _ in range(6000):
        now += 100 * MILLISECOND
        for request in market.audit.due(now):
            asked += request.weight
            market.audit.failed(request)
    assert 540 <= asked <= 600, "a tenth of 600 a minute, in ten minutes"
    market.pacing.spend("weight", now, cost=6000 - 400)
    assert market.audit.due(now + 55 * SECOND) == [], "books and questions may need the rest"


def test_a_book_about_to_be_walked_out_of_is_deepened() -> None:
    market = Market()
    sync = market.books.syncs["A"]
    sync.depth = 15
    market.ours.apply_snapshot(market.snapshot(depth=3))
    assert market.audit.due(NOW) == []
    assert market.books.due(NOW) == [], "three levels are known, a fifth of fifteen"
    market.hear(market.change((3.0, 0.0)))
    market.audit.due(NOW + SECOND)
    [request] = market.books.due(NOW + SECOND)
    assert sync.live
    assert market.ours.ready, "no blackout"
    story = market.tell(market.books.fetched(request, market.snapshot(), NOW + SECOND))
    assert names(story) == ["BookSnapshot"]
    market.audit.due(NOW + 2 * SECOND)
    assert market.books.due(NOW + 2 * SECOND) == []


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_a_right_book_is_never_accused_and_a_wrong_one_is_always_caught(
    seed: int, corrupt: bool
) -> None:
    chance = random.Random(seed)
    market = Market()
    now = NOW + EVERY
    under_way: list[BookDelta] = []
    depth = chance.choice((0, 0, 2, 3))
    if corrupt:
        market.ours.bids.change(((100.0, 1.0),))  # a ghost, better than all that is real
    request = market.begin(now)
    taken: BookSnapshot | None = None
    told: list[str] = []
    for step in range(40):
        now += 50 * MILLISECOND
        price = float(chance.randrange(1, 9))
        size = 0.0 if price in market.truth and chance.random() < 0.4 else chance.random() + 0.1
        under_way.append(market.change((price, size), ids=chance.choice((1, 1, 5))))
        if chance.random() < 0.2 and taken is None:
            taken = market.snapshot(depth)
        while under_way and chance.random() < 0.6:
            market.hear(under_way.pop(0))
        if taken is not None and chance.random() < 0.3 and request is not None:
            told += market.fetched(request, taken, now)
            request = None  # type: ignore[assignment]
        told += names(market.tell(market.audit.overdue(now)))
        if step == 30 and taken is None:
            taken = market.snapshot(depth)
    for delta in under_way:
        market.hear(delta)
    if request is not None:
        told += market.fetched(request, taken or market.snapshot(), now)
    told += names(market.tell(market.audit.overdue(now + 1)))
    verdicts = [one for one in told if one.startswith("audited")]
    assert len(verdicts) == 1
    assert (verdicts[0] != "audited") is corrupt, verdicts
    held, known = dict(market.ours.bids), market.ours.bids.edge
    assert held == {p: s for p, s in market.truth.items() if p in held or p >= known}
