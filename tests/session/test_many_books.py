"""Five hundred books broken at once, in virtual time, against a venue that counts."""

from __future__ import annotations

from heapq import heappop, heappush

import pytest

from pitwire.market.book import OrderBook
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.events import BookSnapshot, Event
from pitwire.session.audit import Audit
from pitwire.session.books import AT_ONCE, Books
from pitwire.session.pacing import Pacing
from pitwire.venues.binance import BINANCE
from pitwire.venues.venue import CodecOptions, HttpRequest, Limit, Role

NOW = 1_700_000_000 * SECOND
MINUTE = 60 * SECOND
LIMIT = 6000
ANSWER = 100 * MILLISECOND
SYMBOLS = [f"S{number}-USDT" for number in range(500)]
BIDS = tuple((1000.0 - number / 10, 1.0) for number in range(1000))
ASKS = tuple((1001.0 + number / 10, 1.0) for number in range(1000))


class Counting:
    """The venue: it counts weight by the clock's minutes and bans whoever exceeds it."""

    def __init__(self) -> None:
        self.weights: dict[int, int] = {}
        self.refused = 0
        self.depths: dict[str, int] = {}
        self.banned_until = 0

    def answer(self, request: HttpRequest, now: int) -> BookSnapshot | None:
        if now < self.banned_until:
            self.refused += 1
            return None
        minute = now // MINUTE
        self.weights[minute] = self.weights.get(minute, 0) + request.weight
        if self.weights[minute] > LIMIT:
            self.refused += 1
            return None
        depth = int(request.query.rpartition("limit=")[2])
        self.depths[request.symbol] = depth
        return BookSnapshot(
            "binance", request.symbol, 0, now, 10, BIDS[:depth], ASKS[:depth], depth
        )


class House:
    """What looks after the books, its requests on their way, and the time."""

    def __init__(self, urgent: tuple[str, ...] = ()) -> None:
        codec = BINANCE.codec(CodecOptions(Role.MARKET))
        limits = [limit for limit in BINANCE.limits if limit.scope == "weight"]
        assert limits == [Limit("weight", LIMIT, 60, per="address")]
        self.pacing = Pacing(limits)
        self.books = Books(BINANCE, codec, self.pacing, Entropy(3).stream("books"))
        self.books.urgent = lambda: urgent
        self.audit = Audit(BINANCE, codec, self.books, pacing=self.pacing)
        self.audit.book_of = self.kept_book
        self.kept: dict[str, OrderBook] = {}
        self.live_at: dict[str, int] = {}
        self.venue = Counting()
        self.now = NOW
        self._coming: list[tuple[int, int, HttpRequest]] = []
        self._sent = 0
        self.asked: list[tuple[int, str]] = []

    def kept_book(self, symbol: str) -> OrderBook | None:
        return self.kept.get(symbol)

    def run(self, until: int) -> None:
        while self.now < until:
            for request in (*self.books.due(self.now), *self.audit.due(self.now)):
                self._sent += 1
                self.asked.append((self.now, request.symbol))
                heappush(self._coming, (self.now + ANSWER, self._sent, request))
            self.now = min(until, self._next())
            while self._coming and self._coming[0][0] <= self.now:
                self._take(heappop(self._coming)[2])
            self._hear(self.audit.overdue(self.now))

    def _next(self) -> int:
        times = [self.books.next_deadline(self.now), self.audit.next_deadline(self.now)]
        times += [self._coming[0][0]] if self._coming else []
        return max(self.now + MILLISECOND, min(time for time in times if time is not None))

    def _take(self, request: HttpRequest) -> None:
        snapshot = self.venue.answer(request, self.now)
        if snapshot is not None:
            self._hear(self.books.fetched(request, snapshot, self.now))
            self._hear(self.audit.fetched(request, snapshot, self.now))
        until = 0
        if self.now < self.venue.banned_until:  # as `obey` does with the answer
            until = self.venue.banned_until
            self.pacing.block("weight", until)
        self.books.failed(request, self.now, until=until)
        self.audit.failed(request)

    def _hear(self, events: object) -> None:
        assert isinstance(events, list | tuple)
        for event in events:
            assert isinstance(event, Event)
            if isinstance(event, BookSnapshot):
                self.live_at.setdefault(event.symbol, self.now)
                book = self.kept.setdefault(event.symbol, OrderBook("binance", event.symbol))
                book.apply_snapshot(event)


def test_five_hundred_books_come_back_within_the_weight_and_are_deep_again_later() -> None:
    urgent = tuple(SYMBOLS[-3:])
    house = House(urgent)
    for symbol in SYMBOLS:
        house.books.begin(symbol, NOW)
    house.run(NOW + 10 * SECOND)
    assert len(house.live_at) == 500
    assert max(house.live_at.values()) - NOW <= 8 * SECOND
    first = min(house.live_at.values())
    assert {symbol for symbol, at in house.live_at.items() if at == first} >= set(urgent)
    house.run(NOW + 15 * MINUTE)
    assert house.venue.refused == 0, "no 429 of our making"
    assert max(house.venue.weights.values()) <= LIMIT * 9 // 10, "and something left for others"
    assert set(house.venue.depths.values()) == {1000}
    assert all(book.knows(1000) for book in house.kept.values())
    assert all(sync.live for sync in house.books.syncs.values())


def test_a_weight_that_is_spent_already_delays_them_and_breaks_nothing() -> None:
    house = House()
    house.pacing.spend("weight", NOW, cost=5000)
    house.venue.weights[NOW // MINUTE] = 5000
    for symbol in SYMBOLS:
        house.books.begin(symbol, NOW)
    house.run(NOW + 3 * MINUTE)
    assert len(house.live_at) == 500
    assert house.venue.refused == 0
    assert max(house.live_at.values()) - NOW <= 80 * SECOND


@pytest.mark.parametrize("told", ["by a refusal", "by another session"])
def test_a_ban_amid_five_hundred_broken_books_is_kept_and_then_the_most_urgent_come_first(
    told: str,
) -> None:
    urgent = tuple(SYMBOLS[-3:])
    house = House(urgent)
    for symbol in SYMBOLS:
        house.books.begin(symbol, NOW)
    house.run(NOW + 2 * SECOND)
    before, ends = set(house.live_at), NOW + 45 * SECOND
    assert 10 < len(before) < 400
    for symbol in urgent:
        house.books.resync(symbol, "asked for", house.now)
    house.venue.banned_until = ends
    if told == "by another session":
        house.pacing.block("weight", ends)
    house.live_at.clear()
    house.run(ends + 20 * SECOND)
    assert house.venue.refused <= AT_ONCE, "what was on its way when it came, and nothing after"
    asked = [at for at, _ in house.asked if at > NOW + 2 * SECOND]
    assert min(asked) >= ends
    after = [symbol for at, symbol in house.asked if ends <= at < ends + ANSWER]
    assert len(after) == AT_ONCE, "no storm at its end"
    assert set(after[:3]) == set(urgent)
    assert len(before | set(house.live_at)) == 500
    assert all(sync.live for sync in house.books.syncs.values())
    assert max(house.venue.weights.values()) <= LIMIT * 9 // 10
