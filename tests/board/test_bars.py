"""Bars of the chart: folded once for each interval, late trades in their own bar, bounded."""

from __future__ import annotations

from pitwire.board.bars import BARS, INTERVALS, ChartBars
from pitwire.model.clock import SECOND

START = 1_700_000_100 * SECOND  # a whole quarter of an hour


def test_trades_are_folded_into_all_intervals() -> None:
    bars = ChartBars()
    bars.take([(START, 10.0, 1.0), (START + 1, 12.0, 2.0), (START + SECOND, 9.0, 1.0)])
    second = START // SECOND
    assert bars.all("1s") == [
        (second, 10.0, 12.0, 10.0, 12.0, 3.0),
        (second + 1, 9.0, 9.0, 9.0, 9.0, 1.0),
    ]
    assert bars.all("15m") == [(second - second % 900, 10.0, 12.0, 9.0, 9.0, 4.0)]
    assert bars.moved("1m") == [(second - second % 60, 10.0, 12.0, 9.0, 9.0, 4.0)]
    assert bars.moved("1m") == []


def test_a_late_trade_goes_into_its_own_bar() -> None:
    bars = ChartBars()
    bars.take([(START, 10.0, 1.0), (START + 5 * SECOND, 11.0, 1.0)])
    bars.moved("1s")
    bars.take([(START + 1, 7.0, 1.0)])
    [late] = bars.moved("1s")
    assert late == (START // SECOND, 10.0, 10.0, 7.0, 7.0, 2.0)


def test_memory_is_bounded_and_what_is_too_old_is_left_out() -> None:
    bars = ChartBars()
    for second in range(3 * BARS):
        bars.take([(START + second * SECOND, 1.0, 1.0)])
    assert len(bars.all("1s")) == BARS
    bars.take([(START, 99.0, 1.0)])
    assert max(bar[2] for bar in bars.all("1s")) == 1.0
    assert all(len(bars._moved[interval]) <= 2 * BARS for interval in INTERVALS)


def test_the_last_price_of_each_second_stands_until_the_next() -> None:
    bars = ChartBars()
    now = START // SECOND + 10
    bars.take([(START, 5.0, 1.0), (START + 8 * SECOND, 6.0, 1.0)])
    assert bars.closes(4, now) == [5.0, 6.0, 6.0, 6.0]
    assert ChartBars().closes(4, now) == []
