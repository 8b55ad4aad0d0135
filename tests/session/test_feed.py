"""Several copies of one feed: each event once, in order, whatever one copy loses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pitwire.model import events as ev
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.events import Event
from pitwire.model.orders import Side
from pitwire.session.beginnings import PATIENCE_SECONDS
from pitwire.session.copies import Copy
from pitwire.session.feed import ALONE_SECONDS, Feed
from pitwire.session.lanes import HOLD_AT_MOST_SECONDS, HOLD_SECONDS
from pitwire.session.pacing import Pacing
from pitwire.session.wants import Wants
from pitwire.venues.binance import BINANCE
from pitwire.venues.venue import Ask, CodecOptions, Role

NOW = 1_700_000_000 * SECOND
S = "BTC-USDT"
ASKS = (Ask("trades", S), Ask("ticker", S), Ask("book", S, "100ms"), Ask("stats", S))
HOLD = round(HOLD_SECONDS * SECOND)
PATIENCE = round(PATIENCE_SECONDS * SECOND)


class Bench:
    """A feed and its copies, without a connection."""

    def __init__(self, copies: int = 2, *, backfill: bool = False) -> None:
        codec = BINANCE.codec(CodecOptions(Role.MARKET))
        chance = Entropy(1).stream("books")
        self.feed = Feed(BINANCE, codec, pacing=Pacing(()), chance=chance, backfill=backfill)
        self.wants = [Wants() for _ in range(copies)]
        self.spoken: list[dict[type, set[str]]] = [{ev.Trade: set()} for _ in range(copies)]
        self.copies = [
            self.feed.join(f"copy-{number}", wants, self.spoken[number])
            for number, wants in enumerate(self.wants)
        ]
        self.told: list[Event] = []
        for number in range(copies):
            self.rise(number, NOW)
        sync = self.feed.books.syncs[S]
        [request] = self.feed.books.due(NOW)
        self.feed.books.fetched(request, ev.BookSnapshot("binance", S, 0, NOW, 0, (), ()), NOW)
        assert sync.live

    def rise(self, number: int, now: int) -> Copy:
        """This copy's connection opens and everything is confirmed on it."""
        copy, wants = self.copies[number], self.wants[number]
        self.feed.stood(copy)
        wants.begin_again()
        wants.add(ASKS)
        for ask in wants.confirm(wants.next_asks()):
            copy.confirm(ask, BINANCE.channels[ask.channel], now)
            if ask.channel == "book":
                self.feed.books.begin(ask.symbol, now)
        return copy

    def fall(self, number: int, now: int) -> list[Event]:
        events = self.feed.lost(self.copies[number], now)
        self.wants[number].begin_again()
        self.told += events
        return events

    def hear(self, number: int, event: Event) -> Sequence[Event]:
        events = self.feed.accept(event, self.copies[number], event.received)
        self.told += events
        return events

    def ring(self, now: int) -> list[Event]:
        """Meet every deadline up to now."""
        whole: list[Event] = []
        while (due := self.feed.next_deadline()) is not None and due <= now:
            whole += self.feed.overdue(due)
        self.told += whole
        return whole


def trade(number: int, at: int = NOW, **more: Any) -> ev.Trade:
    return ev.Trade("binance", S, more.get("time", NOW), at, 1.0, 1.0, Side.BUY, number)


def delta(number: int, at: int = NOW) -> ev.BookDelta:
    return ev.BookDelta("binance", S, NOW, at, number, number, (), ())


def quote(number: int, at: int = NOW) -> ev.Quote:
    return ev.Quote("binance", S, 0, at, 1.0, 1.0, 2.0, 1.0, number)


def stats(time: int, last: float, at: int = NOW) -> ev.Ticker:
    nothing = float("nan")
    return ev.Ticker(
        "binance", S, time, at, "24h", 1.0, 1.0, 1.0, last, 1.0, 1.0, average=nothing, trades=1
    )


def gist(events: Sequence[Event]) -> list[Any]:
    """Without what differs from copy to copy."""
    return [repr((type(one).__name__, *_rest(one))) for one in events]


def _rest(event: Event) -> tuple[object, ...]:
    fields = msgspec.structs.astuple(event)
    return (*fields[:3], *fields[4:])


# --- the first wins


def test_the_first_copy_wins_and_the_later_one_is_dropped() -> None:
    bench = Bench()
    makers = (trade, delta, quote, lambda n: stats(NOW + n, 1.0))
    for make in makers:
        for number in (1, 2, 3):
            assert len(bench.hear(0, make(number))) == 1
            assert bench.hear(1, make(number)) == ()
    assert [copy.wins for copy in bench.copies] == [12, 0]


def test_the_lead_may_change_at_every_event() -> None:
    bench = Bench()
    for number in range(1, 9):
        first, second = (0, 1) if number % 2 else (1, 0)
        for make in (trade, delta, quote):
            assert len(bench.hear(first, make(number))) == 1
            assert bench.hear(second, make(number)) == ()


def test_the_first_trade_of_a_venue_that_counts_anew_is_no_copy_however_alike_it_is() -> None:
    for first in (1, 4):  # where nothing is remembered, and where 900 is
        bench = Bench()
        for number in (900, 901):
            assert len(bench.hear(0, trade(number))) == 1
        gap, told = bench.hear(1, trade(first, time=NOW + 2 * SECOND))
        assert isinstance(gap, ev.TradeGap)
        assert (gap.since, gap.venue_time, told.venue_time) == (NOW, *[NOW + 2 * SECOND] * 2)
        assert bench.hear(0, trade(first, time=NOW + 2 * SECOND)) == ()
        assert bench.hear(0, trade(901)) == bench.hear(1, trade(902)) == (), "late, of before"
        assert len(bench.hear(0, trade(first + 1, time=NOW + 3 * SECOND))) == 1
        assert not bench.feed.early


def test_a_venue_that_counts_a_few_trades_again_is_followed() -> None:
    bench = Bench()
    for number in range(900, 910):
        bench.hear(0, trade(number))
    gap, told = bench.hear(0, trade(905, time=NOW + 2 * SECOND))
    assert isinstance(gap, ev.TradeGap)
    assert (gap.since, told.venue_time) == (NOW, NOW + 2 * SECOND)
    assert bench.hear(1, trade(905, time=NOW + 2 * SECOND)) == ()
    assert bench.hear(1, trade(905)) == bench.hear(1, trade(909)) == (), "late, of before"
    assert bench.feed.backfill.trades.dropped == 3


def test_a_venue_that_counts_anew_after_trades_that_did_not_go_the_short_way_is_followed() -> None:
    bench = Bench()
    for number in (900, 901, 903):
        bench.hear(0, trade(number))
    assert bench.feed.early
    assert len(bench.hear(1, trade(902))) == 2
    gap, told = bench.hear(0, trade(1, time=NOW + 2 * SECOND))
    assert isinstance(gap, ev.TradeGap)
    assert (gap.since, told.trade_id) == (NOW, 1)


def test_copies_that_differ_are_named_and_the_first_stands() -> None:
    bench = Bench()
    for number in range(4):
        assert len(bench.hear(0, trade(number))) == 1
    for number in range(4):
        other = msgspec.structs.replace(trade(number), price=2.0)
        bench.hear(1, other)
    told = [one for one in bench.told if isinstance(one, ev.CopyConflict)]
    assert [(one.link, one.channel, one.number, one.count) for one in told] == [
        ("copy-1", "trades", 1, 1),
        ("copy-1", "trades", 2, 2),
    ], "again when it has doubled"
    assert (told[0].told, told[0].found) == ("buy 1.0 at 1.0", "buy 1.0 at 2.0")
    for number in (5, 6, 7):
        bench.hear(0, quote(number))
        if number < 7:
            bench.hear(1, quote(number))
    [named] = bench.hear(1, msgspec.structs.replace(quote(7), ask=2.5))
    assert isinstance(named, ev.CopyConflict)
    assert (named.channel, named.number) == ("ticker", 7)


def test_a_book_of_which_two_copies_tell_different_stories_is_fetched_again() -> None:
    bench = Bench()
    for number in range(1, 99):
        bench.hear(0, delta(number))
        found = bench.hear(1, msgspec.structs.replace(delta(number), bids=((1.0, float(number)),)))
        if found:
            break
    assert number == 16, "every sixteenth is compared"
    assert [type(one) for one in found] == [ev.CopyConflict, ev.BookStale]
    assert found[1].reason == "copies differ"
    assert [request.symbol for request in bench.feed.books.due(NOW + SECOND)] == [S]


def test_two_updates_of_one_moment_are_two_and_their_copies_are_none() -> None:
    bench = Bench()
    sent = [stats(NOW, 1.0), stats(NOW, 2.0), stats(NOW, 2.0)]
    assert [len(bench.hear(0, one)) for one in sent] == [1, 1, 1]
    assert [len(bench.hear(1, one)) for one in sent] == [0, 0, 0]
    assert len(bench.hear(1, stats(NOW, 2.0))) == 1, "the venue sent it a third time"
    assert bench.hear(0, stats(NOW, 2.0)) == ()


def test_a_venue_whose_clock_is_set_back_is_followed() -> None:
    bench = Bench()
    for number in (0, 1):
        bench.hear(number, stats(NOW + 50, 1.0))
    for time in (NOW + 100, NOW + 10, NOW + 20):
        assert len(bench.hear(0, stats(time, 1.0))) == 1
    for time in (NOW + 100, NOW + 10, NOW + 20):
        assert bench.hear(1, stats(time, 1.0)) == ()
    assert len(bench.hear(1, stats(NOW + 30, 1.0))) == 1


def test_what_has_neither_number_nor_time_is_told_by_the_copy_that_stands_longest() -> None:
    bench = Bench()
    status = ev.MarketStatus("binance", S, 0, NOW, "open")
    assert bench.hear(1, status) == (status,), "no other brings such events"
    bare = ev.Quote("binance", S, 0, NOW, 1.0, 1.0, 2.0, 1.0)
    assert bench.hear(1, bare) == ()
    assert bench.hear(0, bare) == (bare,)
    bench.fall(0, NOW)
    assert bench.hear(1, bare) == (bare,)


# --- what one copy skips


def test_what_one_copy_skips_is_waited_for_and_then_told_in_order() -> None:
    bench = Bench()
    bench.hear(0, trade(1))
    bench.hear(0, delta(1))
    assert bench.hear(0, trade(3)) == ()
    assert bench.hear(0, delta(3)) == ()
    assert bench.hear(0, trade(4)) == ()
    assert bench.feed.stirred, "somebody must time it"
    bench.hear(1, trade(1))
    assert gist(bench.hear(1, trade(2))) == gist([trade(2), trade(3), trade(4)])
    assert gist(bench.hear(1, delta(2))) == gist([delta(2), delta(3)])
    assert bench.feed.next_deadline() is None


def test_a_wait_has_an_end_and_the_gap_is_named() -> None:
    bench = Bench()
    for make in (trade, delta):
        bench.hear(0, make(1))
        bench.hear(0, make(3))
    assert bench.feed.next_deadline() == NOW + HOLD
    gap, late, stale = bench.ring(NOW + HOLD)
    assert isinstance(gap, ev.TradeGap)
    assert (gap.first_missing, gap.last_missing) == (2, 2)
    assert late == trade(3, NOW + HOLD), "received when it is let go"
    assert isinstance(stale, ev.BookStale)
    assert bench.feed.books.wants(S)


def test_a_gap_that_both_copies_have_is_told_at_once() -> None:
    bench = Bench()
    for number in (0, 1):
        bench.hear(number, trade(1))
    assert bench.hear(0, trade(3)) == ()
    gap, late = bench.hear(1, trade(3))
    assert isinstance(gap, ev.TradeGap)
    assert late.received == NOW


def test_nobody_is_waited_for_who_cannot_bring_it() -> None:
    bench = Bench()
    bench.hear(0, trade(1))
    bench.fall(1, NOW)
    assert len(bench.hear(0, trade(3))) == 2, "the gap and the trade"


def test_who_was_waited_for_is_lost_and_the_gap_is_told() -> None:
    bench = Bench()
    bench.hear(0, trade(1))
    bench.hear(0, trade(3))
    told = bench.fall(1, NOW)
    assert [type(one) for one in told] == [ev.TradeGap, ev.Trade]


def test_a_copy_that_is_behind_and_makes_progress_is_waited_for_longer() -> None:
    bench = Bench()
    bench.hear(0, trade(1))
    bench.hear(1, trade(1))
    bench.hear(0, trade(50))
    now, step = NOW, HOLD // 2
    for number in range(2, 50):
        now += step
        bench.ring(now)
        bench.hear(1, trade(number, now))
    assert gist(bench.told) == gist([trade(number) for number in range(1, 51)])
    assert now - NOW < HOLD_AT_MOST_SECONDS * SECOND


def test_but_not_for_ever() -> None:
    bench = Bench()
    bench.hear(0, trade(1))
    bench.hear(0, trade(500))
    now, limit = NOW, round(HOLD_AT_MOST_SECONDS * SECOND)
    for number in range(2, 400):
        now += HOLD // 2
        bench.ring(now)
        bench.hear(1, trade(number, now))
        if now - NOW > limit:
            break
    gaps = [one for one in bench.told if isinstance(one, ev.TradeGap)]
    assert len(gaps) == 1
    assert gaps[0].last_missing == 499


# --- losses and joins


def test_a_lost_copy_breaks_no_book_that_another_keeps() -> None:
    bench = Bench()
    bench.hear(0, delta(1))
    assert bench.fall(0, NOW) == []
    assert bench.hear(1, delta(1)) == ()
    assert len(bench.hear(1, delta(2))) == 1
    [stale] = bench.fall(1, NOW)
    assert isinstance(stale, ev.BookStale)


def test_a_book_that_is_live_is_not_fetched_again_for_another_copy() -> None:
    bench = Bench()
    bench.fall(1, NOW)
    bench.rise(1, NOW)
    assert bench.feed.books.due(NOW) == []


def test_a_copy_that_joins_skips_nothing_that_another_may_still_bring() -> None:
    bench = Bench()
    bench.hear(0, quote(1))
    bench.hear(1, quote(1))
    bench.fall(0, NOW)  # with 2 and 3 in it
    bench.rise(0, NOW)
    assert bench.hear(0, quote(4)) == ()
    assert gist(bench.hear(1, quote(2))) == gist([quote(2)])
    assert gist(bench.hear(1, quote(3))) == gist([quote(3)])
    assert bench.hear(0, quote(5)) == ()
    assert gist(bench.hear(1, quote(4))) == gist([quote(4), quote(5)])
    assert bench.feed.next_deadline() is None


def test_a_copy_that_joins_where_nothing_moves_is_heard_after_a_moment() -> None:
    bench = Bench()
    bench.hear(0, quote(1))
    bench.fall(1, NOW)
    bench.rise(1, NOW)
    assert bench.hear(1, quote(5)) == ()
    assert gist(bench.ring(NOW + HOLD)) == gist([quote(5)])
    assert bench.hear(0, quote(5)) == ()


def test_a_feed_that_has_one_copy_again_compares_for_a_while_and_no_longer() -> None:
    bench = Bench()
    bench.hear(0, quote(1))
    bench.hear(1, quote(1))
    bench.hear(1, quote(2))
    bench.fall(1, NOW)
    bench.feed.leave(bench.copies[1], NOW)
    assert bench.hear(0, quote(2)) == (), "the other had brought it"
    assert bench.copies[0].shared
    bench.ring(NOW + round(ALONE_SECONDS * SECOND))
    assert not bench.copies[0].shared


def test_who_is_behind_is_seen_though_the_clocks_differ() -> None:
    bench = Bench()
    for number in range(1, 200):
        bench.hear(0, trade(number, NOW - 2 * SECOND))  # our clock is behind the venue's
        bench.hear(1, trade(number, NOW - 2 * SECOND + 300 * MILLISECOND))
    lag = [one.behind_seconds(bench.copies) for one in bench.copies]
    assert lag[0] == 0.0
    assert 0.28 < lag[1] <= 0.31


# --- delivered is what was emitted


@st.composite
def lives(
    draw: st.DrawFn,
) -> tuple[list[tuple[int, int]], list[list[int]], list[tuple[int, int, int]]]:
    """Emissions (at, kind), each copy's delays, and who is down from when to when: never two."""
    gaps = draw(st.lists(st.integers(0, 80), min_size=1, max_size=60))
    kinds = draw(st.lists(st.integers(0, 3), min_size=len(gaps), max_size=len(gaps)))
    at, emitted = 0, []
    for gap, kind in zip(gaps, kinds, strict=True):
        at += gap
        emitted.append((at, kind))
    delays = [
        draw(st.lists(st.integers(0, 240), min_size=len(gaps), max_size=len(gaps)))
        for _ in range(2)
    ]
    downs, since = [], 0
    for who, calm, length in draw(
        st.lists(
            st.tuples(st.integers(0, 1), st.integers(250, 700), st.integers(1, 600)), max_size=4
        )
    ):
        downs.append((who, since + calm, since + calm + length))
        since += calm + length
    return emitted, delays, downs


def _emissions(emitted: list[tuple[int, int]]) -> list[Event]:
    """Dense trades and deltas; quotes with holes in their ids; tickers, many of one moment."""
    count, made = [0, 0, 0, 0], []
    for at, kind in emitted:
        count[kind] += 1
        number = count[kind]
        made.append(
            (
                trade(number),
                delta(number),
                quote(at * 100 + number),
                stats(NOW + at * MILLISECOND // 50, float(number % 2)),
            )[kind]
        )
    return made


def _arrivals(
    made: list[Event],
    emitted: list[tuple[int, int]],
    delays: list[list[int]],
    downs: list[tuple[int, int, int]],
) -> list[tuple[int, int, int, int, Event | None]]:
    """(when, what first, serial, copy, event), losses and returns among them."""
    agenda: list[tuple[int, int, int, int, Event | None]] = []
    for who, down, up in downs:
        agenda += [(down, 0, 0, who, None), (up, 1, 0, who, None)]
    for who in range(2):
        clear = 0
        for serial, ((at, _), late, event) in enumerate(
            zip(emitted, delays[who], made, strict=True)
        ):
            clear = max(clear, at + late)  # one connection keeps its order
            cut = [(d, u) for w, d, u in downs if w == who and at < u and d <= clear]
            if not cut:
                agenda.append((clear, 2, serial, who, event))
            elif cut[-1][0] <= at:
                clear = max(at, cut[-1][1])
    return sorted(agenda, key=lambda one: one[:4])


@settings(max_examples=150)
@example(
    (
        [(0, 1), (0, 1), (0, 1), (71, 1), (151, 0), (151, 0), (151, 0), (171, 0), (251, 0)],
        [[0, 0, 0, 0, 101, 0, 0, 0, 0], [0, 0, 0, 0, 99, 0, 0, 0, 0]],
        [(1, 250, 251)],
    )
)
@example(
    (
        [(0, 0), (0, 0), (45, 0), (125, 0), (205, 1), (251, 1)],
        [[0, 0, 0, 0, 47, 0], [0, 0, 0, 0, 45, 0]],
        [(1, 250, 251)],
    )
)
@example(
    (
        [(0, 0), (39, 0), (119, 0), (199, 0), (279, 3), (333, 3), (349, 0)],
        [[0] * 7, [0, 0, 0, 0, 55, 0, 0]],
        [(0, 250, 333)],
    )
)
@given(lives())
def test_two_copies_never_both_down_deliver_what_was_emitted(
    life: tuple[list[tuple[int, int]], list[list[int]], list[tuple[int, int, int]]],
) -> None:
    emitted, delays, downs = life
    made, bench = _emissions(emitted), Bench()
    agenda = _arrivals(made, emitted, delays, downs)
    for when, what, _, who, event in agenda:
        now = NOW + when * MILLISECOND
        bench.ring(now - 1)
        if event is not None:
            bench.hear(who, msgspec.structs.replace(event, received=now))
        elif what == 0:
            bench.fall(who, now)
        else:
            bench.rise(who, now)
    bench.ring(NOW + 3600 * SECOND)
    for kind in (ev.Trade, ev.BookDelta, ev.Quote, ev.Ticker):
        told = [one for one in bench.told if isinstance(one, kind)]
        said = [one for one in made if isinstance(one, kind)]
        # A stream begins with what is heard first, or with what the copy that stands longer brings
        # of what was before that, where it is only slower; from there on nothing is missing.
        heard = [one[4] for one in agenda if isinstance(one[4], kind)]
        begin = said.index(heard[0]) if heard else 0
        assert len(told) >= len(said) - begin
        assert gist(told) == gist(said[len(said) - len(told) :])
    assert all(
        isinstance(one, ev.Trade | ev.BookDelta | ev.Quote | ev.Ticker) for one in bench.told
    )
    stamps = [one.received for one in bench.told]
    assert stamps == sorted(stamps)


# --- how trades begin


def test_and_with_the_copy_on_which_they_were_confirmed_first_where_that_is_another() -> None:
    bench = Bench()
    bench.copies[0].confirmed.clear()
    for ask in ASKS:  # it stands longer, and its asks went unanswered for a while
        bench.copies[0].confirm(ask, BINANCE.channels[ask.channel], NOW + 1)
    assert bench.hear(0, trade(3)) == (), "the other may have heard what was before"
    assert gist(bench.hear(1, trade(1))) == gist([trade(1)])
    assert gist(bench.hear(1, trade(2))) == gist([trade(2), trade(3)])
    assert gist(bench.hear(1, stats(NOW, 1.0))) == gist([stats(NOW, 1.0)])
    other = Bench()
    other.copies[0].confirmed.clear()
    assert len(other.hear(1, trade(1))) == 1, "nobody else has any"


def test_trades_begin_with_what_the_copy_that_stands_longer_heard_first() -> None:
    bench = Bench()
    assert bench.hear(1, trade(3)) == ()
    assert bench.feed.stirred, "somebody must time it"
    assert gist(bench.hear(0, trade(1))) == gist([trade(1)])
    assert gist(bench.hear(0, trade(2))) == gist([trade(2), trade(3)])
    assert bench.hear(0, trade(3)) == ()
    assert bench.feed.next_deadline() is None


def test_but_only_so_long_is_waited_for_it() -> None:
    bench = Bench()
    for number in (3, 4):
        assert bench.hear(1, trade(number)) == ()
    assert bench.feed.next_deadline() == NOW + PATIENCE
    assert gist(bench.ring(NOW + PATIENCE)) == gist([trade(3), trade(4)])
    assert bench.hear(0, trade(2)) == (), "it is past"
    other = Bench()
    assert len(other.hear(0, trade(1))) == 1, "the one that stands longer waits for nobody"


def test_what_nobody_brought_while_another_connection_stood_is_asked_for() -> None:
    bench = Bench(backfill=True)
    for number in range(2):
        bench.hear(number, trade(1))
    bench.rise(1, NOW)
    bench.copies[1].confirmed.clear()  # it stands, and nothing is confirmed on it yet
    bench.fall(0, NOW)
    assert bench.feed.backfill.due(NOW) == []
    bench.feed.backfill.confirmed("trades", S, NOW)
    [request] = bench.feed.backfill.due(NOW)
    assert request.query == "symbol=BTCUSDT&fromId=2&limit=1000"


# --- what no copy brings


def test_what_all_copies_miss_is_asked_for_and_what_one_brings_meanwhile_fills_it() -> None:
    bench = Bench(backfill=True)
    bench.hear(0, trade(1))
    bench.hear(1, trade(1))
    assert bench.hear(0, trade(4)) == ()
    assert bench.feed.backfill.due(NOW) == [], "the other may bring it"
    assert not bench.hear(1, trade(4)), "it has not: nobody will"
    assert bench.feed.stirred
    [request] = bench.feed.backfill.due(NOW)
    assert request.query == "symbol=BTCUSDT&fromId=2&limit=1000"
    assert not bench.hear(0, trade(5))
    assert [one.trade_id for one in bench.hear(1, trade(2)) if isinstance(one, ev.Trade)] == [2]
    history = msgspec.structs.replace(trade(3), backfilled=True)
    filled = bench.feed.backfill.answered(request, [history], None, NOW)
    assert [one.trade_id for one in filled if isinstance(one, ev.Trade)] == [3, 4, 5]
    assert not bench.hear(1, trade(5))
    assert len(bench.hear(1, trade(6))) == 1


def test_only_the_last_connection_lost_ends_the_waiting() -> None:
    bench = Bench(backfill=True)
    for number in (1, 4):
        bench.hear(0, trade(number))
        bench.hear(1, trade(number))
    assert not any(isinstance(one, ev.TradeGap) for one in bench.fall(0, NOW))
    [gap] = [one for one in bench.fall(1, NOW) if isinstance(one, ev.TradeGap)]
    assert (gap.first_missing, gap.last_missing) == (2, 3)


def test_aggregates_are_merged_by_the_ids_of_their_own() -> None:
    def aggregate(number: int) -> ev.AggregateTrade:
        return ev.AggregateTrade("binance", S, NOW, NOW, 1.0, 1.0, Side.BUY, number, number, number)

    bench = Bench()
    for spoken in bench.spoken:
        spoken[ev.AggregateTrade] = {S}
    assert len(bench.hear(0, aggregate(1))) == 1
    assert bench.hear(1, aggregate(1)) == ()
    told = [*bench.hear(1, aggregate(3)), *bench.hear(0, aggregate(3)), *bench.ring(NOW + HOLD)]
    assert [type(one).__name__ for one in told] == ["TradeGap", "AggregateTrade"]
