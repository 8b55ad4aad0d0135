"""The measure of redials: one drop over real sockets, and its table."""

from __future__ import annotations

from bench.redial import Drop, measure, rows


def test_a_drop_is_noticed_then_something_comes_then_everything() -> None:
    [drop] = measure(drops=1)
    assert 0 < drop.noticed <= drop.first <= drop.whole


def test_the_table_holds_the_first_event_against_its_bars() -> None:
    table = {name: (value, remark) for name, value, remark in rows([Drop(10**6, 3 * 10**8, 10**9)])}
    assert table["first good event, p50"] == (300.0, "of 1 drops; bar 250, missed")
    assert table["first good event, p99"] == (300.0, "of 1 drops; bar 1000, met")
    assert table["noticed, p50"][0] == 1.0
