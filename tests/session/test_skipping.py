"""What a second copy brings is not read to its end: all that follows is as if it had been."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import native
from pitwire.market.sync import HOLD
from pitwire.model import events as ev
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConnectionLost
from pitwire.model.events import Event
from pitwire.session import told
from pitwire.session.conversation import Conversation, ConversationOptions
from pitwire.session.copies import CUTS
from pitwire.session.hearing import fastest, known_by
from pitwire.session.pacing import Pacing
from pitwire.session.skew import Skew
from pitwire.venues.binance import BINANCE
from pitwire.venues.venue import Ask, Role

NOW = 1_700_000_000 * SECOND
S = "BTC-USDT"
ASKS = [Ask(name, S) for name in ("trades", "ticker", "book")]
CUT = ConnectionLost(code=1006, reason="cut")
LONG = ",".join(f'["{100 + step}.00","1.0"]' for step in range(40))


@pytest.fixture(scope="module")
def twin() -> Any:
    """The compiled hearing, built anew from its source."""
    found = native.twin(native.HEARING)
    if found is None:
        pytest.skip("no C compiler that can build it")
    return known_by(found)


@pytest.fixture(scope="module", params=["plain", "compiled"])
def kind(request: pytest.FixtureRequest) -> Any:
    return None if request.param == "plain" else request.getfixturevalue("twin")


class Pair:
    """Two connections of one feed, each with a book that is right."""

    def __init__(self, kind: Any = None, *, skips: bool = True) -> None:
        pacing, skew = Pacing(BINANCE.limits), Skew()
        skew.take(sent=NOW, received=NOW, server_time=NOW)
        self.lines: list[Conversation] = []
        for name in ("one", "two"):
            options = ConversationOptions(link=name, role=Role.MARKET)
            feed = self.lines[0].feed if self.lines else None
            chance = Entropy(1).stream(name)
            made = Conversation(
                BINANCE, options, pacing=pacing, skew=skew, chance=chance, feed=feed
            )
            made.receive_data = fastest(made.hearing, kind)
            if not skips:
                made.hearing.skips = lambda frame, now: False
            self.lines.append(made)
        self.told: list[Event] = []
        for one in self.lines:
            one.want(ASKS, NOW)
            self.stand(one, NOW)

    def stand(self, one: Conversation, now: int) -> None:
        """It is open and all is confirmed on it."""
        self.told += one.opened(now)
        for frame in one.outbox.take_frames():
            answer = json.dumps({"result": None, "id": json.loads(frame)["id"]}).encode()
            self.told += one.receive_data(answer, now)
        self.fetch(one, now)

    def fetch(self, one: Conversation, now: int) -> None:
        """Answer what it asks for."""
        self.told += one.outbox.take_told()
        for request in one.outbox.take_requests():
            if request.purpose == "snapshot":
                sync = one.feed.books.syncs[S]
                book = {"lastUpdateId": max(sync.last_id, 0), "bids": [], "asks": []}
                body = json.dumps(book).encode()
                self.told += one.receive_response(request, 200, {}, body, now)
            else:
                self.told += one.receive_response(request, 500, {}, b"", now)

    def hear(self, number: int, frame: bytes, now: int) -> Sequence[Event]:
        one = self.lines[number]
        found = one.receive_data(bytes(bytearray(frame)), now)
        self.told += found
        self.fetch(one, now)
        return found

    def cut(self, numbers: Sequence[int], now: int) -> None:
        """These connections break, and stand again at once."""
        for number in numbers:
            self.told += self.lines[number].lost(CUT, now)
        for number in numbers:
            self.stand(self.lines[number], now)

    def look(self, now: int) -> None:
        for one in self.lines:
            self.told += one.handle_deadline(now)
            self.fetch(one, now)

    def state(self) -> Any:
        """All that what was heard has left behind."""
        sync, feed = self.lines[0].feed.books.syncs[S], self.lines[0].feed
        voices = [
            (number, voice.ask, voice.newest.venue_time, voice.newest.received, voice.stale)
            for number, one in enumerate(self.lines)
            for voice in one.vigil.freshness.voices
        ]
        lines = [(one.copy.wins, one.copy.behind(feed.copies)) for one in self.lines]
        return (
            voices, lines, sync.live, sync.last_id, feed.backfill.trades.dropped,
            feed.backfill.trades.steady, self.lines[0].next_deadline(NOW + 99 * SECOND),
        )  # fmt: skip


def trade(number: int, price: str = "1.0") -> bytes:
    at = 1_700_000_000_000 + number
    return (
        f'{{"stream":"btcusdt@trade","data":{{"e":"trade","E":{at},"s":"BTCUSDT","t":{number},'
        f'"p":"{price}","q":"1.0","T":{at},"m":true,"M":true}}}}'
    ).encode()


def quote(number: int, price: str = "1.0") -> bytes:
    return (
        f'{{"stream":"btcusdt@bookTicker","data":{{"u":{number},"s":"BTCUSDT","b":"{price}",'
        f'"B":"1.0","a":"2.0","A":"1.0"}}}}'
    ).encode()


def diff(number: int, bids: str = LONG) -> bytes:
    at = 1_700_000_000_000 + number
    return (
        f'{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":{at},"s":"BTCUSDT",'
        f'"U":{number},"u":{number},"b":[{bids}],"a":[]}}}}'
    ).encode()


MAKERS = {"trade": trade, "quote": quote, "diff": diff}


def _gist(events: Sequence[Event]) -> list[str]:
    return [repr((type(one).__name__, msgspec.structs.astuple(one))) for one in events]


steps = st.lists(
    st.tuples(
        st.sampled_from(tuple(MAKERS)),
        st.integers(0, 1),
        st.sampled_from(["next", "next", "next", "next", "skip", "again", "other"]),
        st.integers(0, 3),
    ),
    min_size=20,
    max_size=150,
)


@settings(max_examples=40, deadline=None)
@given(
    steps=steps,
    breaks=st.integers(0, 60),
    broken=st.sampled_from([(), (0,), (1,), (0, 1)]),
)
def test_all_that_is_told_is_as_if_everything_had_been_read(
    kind: Any, steps: list[tuple[str, int, str, int]], breaks: int, broken: tuple[int, ...]
) -> None:
    pairs = Pair(kind), Pair(skips=False)
    at = {(name, line): 1 for name in MAKERS for line in (0, 1)}
    now = NOW
    for count, (name, line, how, wait) in enumerate(steps):
        now += wait * 90 * MILLISECOND
        if count == breaks:
            for pair in pairs:
                pair.cut(broken, now)
        if how == "skip":
            at[name, line] += 1
        number = at[name, line] - (how == "again")
        more = ("7.0",) if how == "other" and name != "diff" else ()
        frame = MAKERS[name](number, *more)
        found = [_gist(pair.hear(line, frame, now)) for pair in pairs]
        assert found[0] == found[1]
        at[name, line] += how != "again"
        for pair in pairs:
            pair.look(now)
        assert pairs[0].state() == pairs[1].state()
    assert _gist(pairs[0].told) == _gist(pairs[1].told)


def _decoded(one: Conversation) -> list[int]:
    """How many events the frames that are read from now on have; one entry a frame."""
    counts: list[int] = []
    decode = one.hearing.decode

    def counted(frame: Any, now: int) -> Any:
        found = decode(frame, now)
        counts.append(len(found))
        return found

    one.hearing.decode = counted
    return counts


@pytest.mark.parametrize("levels", [LONG, '["100.00","1.0"]'], ids=["long", "short"])
def test_the_second_copy_is_not_read(kind: Any, levels: str) -> None:
    pair = Pair(kind)
    makers = trade, quote, lambda number: diff(number, levels)
    for make in makers:  # the first of each connection is read by any means
        for line in (0, 1):
            pair.hear(line, make(1), NOW)
    read = _decoded(pair.lines[1])
    for number in range(2, 34):
        for make in makers:
            assert len(pair.hear(0, make(number), NOW)) == 1
            assert pair.hear(1, make(number), NOW) == ()
    assert read == []


def test_every_sixteenth_diff_is_compared_to_the_letter(kind: Any) -> None:
    pair = Pair(kind)
    for number in range(1, 17):
        pair.hear(0, diff(number), NOW)
    pair.hear(1, diff(1), NOW)
    read = _decoded(pair.lines[1])
    other = LONG.replace("139.00", "999.00")
    for number in (7, 8, 9):
        assert pair.hear(1, diff(number, other), NOW) == ()
    assert read == [], "it begins as what was told"
    found = pair.hear(1, diff(16, other), NOW)
    assert [type(one) for one in found] == [ev.CopyConflict, ev.BookStale]
    assert read == [1]


def test_of_a_copy_that_cuts_its_diffs_elsewhere_the_heads_are_read(kind: Any) -> None:
    pair = Pair(kind)
    for line in (0, 1):
        pair.hear(line, diff(1), NOW)
    for number in range(2, 200):
        pair.hear(0, diff(number), NOW)
    read = _decoded(pair.lines[1])
    numbers = [number for number in range(2, 150) if number % 16]
    for number in numbers:
        stamped = diff(number).replace(b'"E":17', b'"E":16')
        assert pair.hear(1, stamped, NOW) == ()
    assert len(read) == len(numbers) // (CUTS + 1) == 2, "one in so many tells that it still does"


def test_a_copy_that_differs_is_read_and_named(kind: Any) -> None:
    pair = Pair(kind)
    for line in (0, 1):
        pair.hear(line, trade(1), NOW)
    pair.hear(0, trade(2), NOW)
    [named] = pair.hear(1, trade(2, "3.0"), NOW)
    assert isinstance(named, ev.CopyConflict)


def test_too_many_old_diffs_are_no_coincidence_though_they_are_not_read(kind: Any) -> None:
    pair = Pair(kind)
    for line in (0, 1):
        pair.hear(line, diff(1), NOW)
    for number in range(2, 9):
        pair.hear(0, diff(number), NOW)
    found = [one for _ in range(HOLD + 1) for one in pair.hear(1, diff(7), NOW)]
    assert [type(one) for one in found] == [ev.BookStale]


def test_only_the_newest_frames_are_remembered(kind: Any) -> None:
    pair = Pair(kind)
    for line in (0, 1):
        pair.hear(line, trade(1), NOW)
    count = told.MOST + 10
    for number in range(2, 2 + count):
        pair.hear(0, trade(number), NOW)
    assert told.KEPT <= len(pair.lines[0].feed.told) <= told.MOST
    assert trade(1 + count) in pair.lines[0].feed.told
    assert pair.hear(1, trade(2), NOW) == (), "forgotten, and late all the same"
