"""Counters add up, percentiles bound the truth, and stale means stale until it is not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.desk.health import TOGETHER, Health, Histogram, Reaction, Spread
from pitwire.model import events
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.orders import Side
from pitwire.session.stream import StreamCounts

START = 1_700_000_000 * SECOND


def quote(at: int, *, symbol: str = "BTC-USDT", lag: int = MILLISECOND) -> events.Quote:
    return events.Quote("binance", symbol, at - lag if lag else 0, at, 1.0, 1.0, 2.0, 1.0)


@settings(max_examples=200)
@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=50), st.floats(0, 1, allow_nan=False))
def test_a_percentile_is_at_most_an_eighth_above_the_truth(
    durations: list[int], share: float
) -> None:
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    truth = sorted(durations)[max(1, round(share * len(durations))) - 1]
    found = histogram.percentile(share)
    assert truth <= found <= truth + truth // 8
    assert histogram.largest == max(durations)
    assert histogram.count == len(durations)


def test_an_empty_histogram_and_odd_values() -> None:
    histogram = Histogram()
    assert histogram.spread() == Spread()
    histogram.add(-5)
    assert histogram.spread() == Spread(1, 0, 0, 0)
    with pytest.raises(ValueError, match="share: found 2"):
        histogram.percentile(2)


def test_durations_are_counted_by_the_hundred_or_when_somebody_reads() -> None:
    one, other = Histogram(), Histogram()
    for number in range(1, TOGETHER + 3):
        one.add(number * 1_000)
    assert len(one.waiting) == 2
    before = Histogram()
    before.take_in(one)
    assert before.spread() == one.spread()
    assert not one.waiting
    one.add(9 * SECOND)
    recent = one.since(before)
    assert (recent.count, recent.largest) == (1, 9 * SECOND)
    other.take_in(one)
    assert other.count == TOGETHER + 3


def test_what_is_done_with_a_stream_is_asked_once() -> None:
    health, asked, done = Health(START), [], []

    def reaction_to(event: events.Event) -> Reaction | None:
        asked.append(event.symbol)
        return done.append if event.symbol == "BTC-USDT" else None

    health.reaction_to = reaction_to
    burst = [quote(START), quote(START + 1), quote(START + 2, symbol="ETH-USDT")]
    health.note_all(burst)
    health.note(burst[2])
    assert asked == ["BTC-USDT", "ETH-USDT"]
    assert done == burst[:2]
    assert health.snapshot(START).events == 4


def test_streams_are_counted_apart() -> None:
    health = Health(START)
    for step in range(11):
        health.note(quote(START + step * 100 * MILLISECOND))
    health.note(quote(START, symbol="ETH-USDT", lag=0))
    report = health.snapshot(START + 3 * SECOND)
    assert report.events == 12
    assert report.up_seconds == 3.0
    btc, eth = report.streams
    assert (btc.symbol, btc.event, btc.count, btc.per_second) == ("BTC-USDT", "Quote", 11, 10.0)
    assert btc.silent_seconds == 2.0
    assert MILLISECOND <= btc.lag.p50 <= 9 * MILLISECOND // 8
    assert eth.lag == Spread()
    assert report.lag.count == 11
    assert report.well


def test_a_fill_that_an_answer_tells_again_is_no_lag() -> None:
    one, health = Decimal(1), Health(START)
    for received in (START, START + 100 * SECOND):
        health.note(
            events.Fill(
                "binance", "BTC-USDT", START - MILLISECOND, received, "a-1", "1", "7", Side.BUY,
                one, one, one, "BTC", False,
            )
        )  # fmt: skip
    health.note(quote(START + 100 * SECOND))
    report = health.snapshot(START + 100 * SECOND)
    fills, _ = report.streams
    assert (fills.count, fills.lag) == (2, Spread())
    assert (report.lag.count, report.lag.largest) == (1, MILLISECOND)


def test_lag_follows_the_clock_offset_and_work_is_told() -> None:
    health = Health(START)
    health.note(events.ClockOffset("binance", "", 0, START, offset=4 * MILLISECOND, error=1))
    health.note(quote(START), now=START + 20_000)
    report = health.snapshot(START)
    assert report.clock_offset == 4 * MILLISECOND
    assert report.lag.largest == 5 * MILLISECOND
    assert report.work == Spread(1, 20_000, 20_000, 20_000)


def test_a_book_is_stale_until_its_next_snapshot_and_a_gap_counts_once() -> None:
    health = Health(START)
    stale = events.BookStale("binance", "BTC-USDT", 0, START, "gap", 5, 7)
    health.note(stale)
    assert health.snapshot(START).gaps == 0, "a book that never stood has no gap"
    health.note(events.BookSnapshot("binance", "BTC-USDT", 0, START, 4, (), ()))
    health.note_all([stale, stale])
    report = health.snapshot(START)
    assert report.stale_books == ("BTC-USDT",)
    assert report.gaps == 1
    assert not report.well
    health.note(events.BookSnapshot("binance", "BTC-USDT", 0, START, 8, (), ()))
    assert health.snapshot(START).stale_books == ()


def test_a_book_that_falls_with_its_connection_is_no_gap() -> None:
    health = Health(START)
    health.note(events.BookSnapshot("binance", "BTC-USDT", 0, START, 4, (), ()))
    health.note(events.Lost("binance", "", 0, START, "market-1", "1006", 0.5))
    health.note(events.BookStale("binance", "BTC-USDT", 0, START, "connection lost"))
    report = health.snapshot(START)
    assert (report.gaps, report.losses) == (0, 1)
    assert report.stale_books == ("BTC-USDT",)
    health.note(events.Lost("binance", "", 0, START, "market-1", "closed by us", 0.0, by_us=True))
    assert health.snapshot(START).losses == 1, "our own goodbye is no loss"


def test_a_feed_is_stale_until_it_speaks() -> None:
    health = Health(START)
    health.note(events.FeedStale("binance", "BTC-USDT", 0, START, "trades", 4.0))
    assert health.snapshot(START).stale_feeds == ("BTC-USDT trades",)
    health.note(events.FeedFresh("binance", "BTC-USDT", 0, START, "trades"))
    assert health.snapshot(START).well


def test_connections_and_troubles_are_counted() -> None:
    health = Health(START)
    health.note_all(
        [
            events.Opened("binance", "", 0, START, link="market-1", attempt=1),
            events.Opened("binance", "", 0, START, link="orders-1", attempt=1),
            events.Lost("binance", "", 0, START, "market-1", "1006", 0.5),
            events.Opened("binance", "", 0, START, link="market-1", attempt=3),
            events.TradeGap("binance", "BTC-USDT", 0, START, 3, 4),
            events.Malformed("binance", "", 0, START, "trade", "$", "{"),
            events.Unhandled("binance", "", 0, START, "new", "{}"),
            events.Rejected("binance", "", 0, START, "market-1", "subscribe", 2, "no"),
            events.Unanswered("binance", "BTC-USDT", 0, START, "id", "place", 5.0),
            events.StreamDropped("binance", "", 0, START, "slow", 40),
            events.Lagging("binance", "", 0, START, "rule x", 0.3),
        ]
    )
    report = health.snapshot(START)
    assert (report.dials, report.losses, report.reconnects) == (5, 1, 1)
    assert (report.trade_gaps, report.malformed, report.unhandled) == (1, 1, 1)
    assert (report.rejected, report.unanswered, report.dropped, report.lagging) == (1, 1, 40, 1)


def test_what_streams_dropped_is_counted_once() -> None:
    health = Health(START)
    counts = StreamCounts(
        stream="stream-1", policy="drop", offered=50, delivered=5, conflated=0, dropped=40,
        spilled=0, waited=0, prompt=0, waiting=5, on_disk=0, disk_bytes=0,
    )  # fmt: skip
    report = health.snapshot(START, (counts,))
    assert (report.dropped, report.readers) == (40, (counts,))
    health.note(events.StreamDropped("binance", "", 0, START, "stream-1", 30))
    assert health.snapshot(START, (counts,)).dropped == 40


def test_lags_of_the_last_while_are_those_counted_since() -> None:
    health = Health(0)
    health.note(events.Trade("v", "A-B", 1_000, 2_000, 1.0, 1.0, Side.BUY, 1))
    count, before = health.lags()
    assert (count, before.count) == (1, 1)
    health.note(events.Trade("v", "A-B", 1_000, 900_001_000, 1.0, 1.0, Side.BUY, 2))
    recent = health.lags()[1].since(before)
    assert recent.count == 1
    assert recent.percentile(0.5) == 900_000_000
    assert health.tally("gaps") == 0
