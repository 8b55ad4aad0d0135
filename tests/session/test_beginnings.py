"""Before a symbol's first trade there is nothing but the time since which it should have spoken."""

from __future__ import annotations

from pitwire.model.clock import SECOND
from pitwire.model.events import Trade, TradeGap
from pitwire.model.orders import Side
from pitwire.session.beginnings import MOST_HELD, PATIENCE_SECONDS, Beginnings

NOW = 1_700_000_000 * SECOND
PATIENCE = round(PATIENCE_SECONDS * SECOND)


def trade(number: int, now: int = NOW, symbol: str = "A") -> Trade:
    return Trade("toy", symbol, now, now, 1.0, 1.0, Side.BUY, number)


def asking() -> tuple[Beginnings, list[tuple[str, str, int]]]:
    ours, waits = Beginnings("toy", "trades"), list[tuple[str, str, int]]()
    ours.on_wait = lambda *one: waits.append(one)
    return ours, waits


def test_where_nothing_is_doubted_the_first_trade_goes_at_once() -> None:
    ours, waits = asking()
    ours.confirmed("A", NOW)
    assert ours.since("A") is None
    assert not ours.holds(trade(7), 7)
    assert waits == []


def test_after_a_doubt_the_first_trade_waits_and_others_with_it_by_their_ids() -> None:
    ours, waits = asking()
    for symbol in ("A", "B"):
        ours.confirmed(symbol, NOW)
    ours.confirmed("A", NOW + 1)  # by another connection: the first counts
    assert ours.doubt("A") == ["A"]
    assert ours.since("A") == NOW
    assert ours.since("B") is None
    for number in (8, 7, 8):
        assert ours.holds(trade(number, NOW + 5), number)
    assert waits == [("trades", "A", NOW + 5)], "asked once"
    assert ours.waiting() == ["A"]
    assert ours.next_deadline() == NOW + 5 + PATIENCE
    assert ours.overdue(NOW + 4 + PATIENCE) == []
    assert ours.overdue(NOW + 5 + PATIENCE) == ["A"]
    assert ours.first("A") == trade(7, NOW + 5)
    assert [one.trade_id for one in ours.release("A") if isinstance(one, Trade)] == [7, 8]
    assert ours.next_deadline() is None


def test_so_many_wait_and_no_more() -> None:
    ours, _ = asking()
    ours.confirmed("A", NOW)
    ours.doubt()
    for number in range(MOST_HELD + 1):
        ours.holds(trade(number), number)
    assert ours.overdue(NOW) == ["A"]


def test_a_gap_says_the_time_and_what_is_lost_later_is_another() -> None:
    ours, _ = asking()
    ours.span = lambda at, now: (at - 1, at + 1)
    ours.confirmed("A", NOW)
    assert ours.gap("A", NOW + 9) == [], "nothing is doubted"
    ours.doubt()
    [gap] = ours.gap("A", NOW + 9)
    assert gap == TradeGap("toy", "A", NOW + 10, NOW + 9, 0, -1, "trades", NOW - 1)
    assert ours.gap("A", NOW + 9) == []
    ours.doubt()
    [gap] = ours.gap("A", NOW + 20, trade(5, NOW + 15))
    assert gap == TradeGap("toy", "A", NOW + 15, NOW + 20, 0, -1, "trades", NOW + 8)


def test_what_is_found_to_be_nothing_is_doubted_no_more() -> None:
    ours, _ = asking()
    ours.confirmed("A", NOW)
    ours.doubt()
    ours.sure("A")
    assert ours.since("A") is None
    ours.doubt()
    ours.holds(trade(7), 7)
    ours.sure("A")
    assert ours.since("A") == NOW, "a trade waits: something was said"


def test_a_symbol_that_is_wanted_no_more_is_told_and_forgotten() -> None:
    ours, _ = asking()
    ours.confirmed("A", NOW)
    ours.doubt()
    ours.holds(trade(7), 7)
    ours.forget("A")
    assert ours.is_forgotten("A")
    assert ours.overdue(NOW) == ["A"]
    assert ours.since("A") is None
    ours.confirmed("A", NOW + 1)
    assert ours.doubt() == ["A"]
