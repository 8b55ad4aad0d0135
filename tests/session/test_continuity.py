"""Trades leave in order, each once, and what is missing is named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.clock import SECOND
from pitwire.model.events import AggregateTrade, Event, Trade, TradeGap
from pitwire.model.orders import Side
from pitwire.session.anew import ANEW_SECONDS
from pitwire.session.continuity import (
    HOLD_SECONDS,
    HOLD_TRADES,
    MOST_MISSING,
    Gap,
    TradeChain,
)
from pitwire.venues.binance.venue import BINANCE

TRADES = BINANCE.channels["trades"]
HOLD = round(HOLD_SECONDS * SECOND)
ANEW = round(ANEW_SECONDS * SECOND)
LATER = 6 + ANEW


def trade(trade_id: int, symbol: str = "BTC-USDT", *, at: int = 7, venue_time: int = 5) -> Trade:
    return Trade("binance", symbol, venue_time, at, 1.0, 1.0, Side.BUY, trade_id)


def aggregate(number: int) -> AggregateTrade:
    return AggregateTrade(
        "binance", "BTC-USDT", 5, 7, 1.0, 1.0, Side.BUY, number, 10 * number, 10 * number + 9
    )


def history(*ids: int) -> list[Trade]:
    return [msgspec.structs.replace(trade(each), backfilled=True) for each in ids]


def spelled(events: Iterable[Event]) -> list[Any]:
    """Ids of trades, and (first, last) of gaps."""
    return [
        (event.first_missing, event.last_missing) if isinstance(event, TradeGap) else event.trade_id  # type: ignore[attr-defined]
        for event in events
    ]


def told(chain: TradeChain, *ids: int, symbol: str = "BTC-USDT", venue_time: int = 5) -> list[Any]:
    """What comes out for these, in the order in which it does."""
    trades = [trade(each, symbol, venue_time=venue_time) for each in ids]
    return spelled(event for one in trades for event in chain.accept(one, one.trade_id))


def waiting() -> tuple[TradeChain, list[Gap]]:
    """A chain that waits for what is missing, and the gaps it told of."""
    gaps: list[Gap] = []
    return TradeChain(TRADES, on_gap=gaps.append), gaps


def steadily(chain: TradeChain, number: int) -> None:
    """The next one, by the flat way of a frame: nothing else is noted of it here."""
    assert chain.due("BTC-USDT") == number
    chain.steady["BTC-USDT"] = number + 1


def test_in_order_nothing_is_added() -> None:
    chain = TradeChain(TRADES)
    assert told(chain, 7, 8, 9) == [7, 8, 9]
    assert chain.dropped == 0


def test_copies_and_latecomers_are_dropped() -> None:
    chain = TradeChain(TRADES)
    assert told(chain, 7, 7, 8, 6, 9, 8) == [7, 8, 9]
    assert chain.dropped == 3


def test_what_never_came_is_named_before_what_comes_next() -> None:
    chain = TradeChain(TRADES)
    assert told(chain, 7, 11, 12) == [7, (8, 10), 11, 12]
    (gap, _) = chain.accept(trade(14), 14)
    assert gap == TradeGap("binance", "BTC-USDT", 5, 7, 13, 13)


def test_symbols_do_not_mix() -> None:
    chain = TradeChain(TRADES)
    assert told(chain, 7) == [7]
    assert told(chain, 100, symbol="ETH-USDT") == [100]
    assert told(chain, 8) == [8]


def test_a_lost_connection_loses_trades_by_name() -> None:
    chain = TradeChain(TRADES)
    assert told(chain, 7) == [7]
    chain.begin_again()
    assert told(chain, 10, 11) == [(8, 9), 10, 11]
    chain.begin_again()
    assert told(chain, 12, 11, 13) == [12, 13]


def test_a_skipped_id_is_a_loss_where_the_connection_stands_and_not_after_one_that_fell() -> None:
    chain, _ = waiting()
    lost: list[tuple[str, int]] = []
    chain.on_loss = lambda symbol, now: lost.append((symbol, now))
    told(chain, 7, 8)
    chain.begin_again()
    told(chain, 10)
    assert lost == [], "what traded while nobody listened"
    told(chain, 11, 13)
    assert lost == [("BTC-USDT", 7)], "though the one before is waited for"
    chain.fill(history(9, 12), 50)
    told(chain, 14, 16)
    told(chain, 15, 17, 20)
    assert len(lost) == 3


def test_a_venue_that_counts_anew_is_followed() -> None:
    chain = TradeChain(TRADES)
    assert told(chain, 1_000_000) == [1_000_000]
    chain.begin_again()
    found = told(chain, 1, 2, 4, venue_time=LATER)
    assert found == [(0, -1), 1, 2, (3, 3), 4], "nobody knows what came before"


def test_what_may_have_traded_before_a_venue_counted_anew_is_named_by_its_time() -> None:
    for heard in (True, False):
        chain = TradeChain(TRADES, venue="binance")
        told(chain, 1_000_000)
        steadily(chain, 1_000_001)
        if heard:
            chain.ends(trade(1_000_001))
        assert chain.give_up_all(40) == []
        chain.begin_again()
        gap, first = chain.accept(trade(3, at=90, venue_time=LATER), 3)
        since = 5 if heard else 40  # the last one told, or the loss of the connection
        assert gap == TradeGap("binance", "BTC-USDT", LATER, 90, 0, -1, "trades", since)
        assert (first.venue_time, told(chain, 4, 3, venue_time=LATER)) == (LATER, [4])


def test_a_connection_that_begins_with_what_was_told_is_behind_and_counts_nothing_anew() -> None:
    chain = TradeChain(TRADES)
    told(chain, 7, 8)
    steadily(chain, 9)
    chain.ends(trade(9))
    chain.begin_again()
    assert told(chain, 8, 9, 10) == [10]
    assert chain.dropped == 2


def test_nor_does_one_that_begins_with_what_was_asked_for_or_waited_for() -> None:
    chain, _ = waiting()
    told(chain, 7)
    chain.begin_again()
    assert spelled(chain.go_on(history(8, 9), 8, 50)) == [8, 9]
    chain.begin_again()
    assert told(chain, 8, 9, 10, 12, 11) == [10, 11, 12]
    chain.begin_again()
    assert told(chain, 12, 13) == [13]


def test_a_venue_that_counts_anew_while_the_connection_stands_is_followed() -> None:
    chain = TradeChain(TRADES)
    told(chain, 900)
    steadily(chain, 901)
    soon, later = (trade(1, venue_time=5 + at * ANEW) for at in (1, 2))
    for before, past in ((trade(901), soon), (soon, later)):
        chain.hears(past, before)
        events = chain.accept(past, 1)
        assert spelled(events) == ([] if past is soon else [(0, -1), 1])
    assert chain.dropped == 1
    assert told(chain, 2, 3) == [2, 3]


def test_what_comes_late_of_a_count_that_is_over_is_told_no_second_time() -> None:
    chain, gaps = waiting()
    assert told(chain, 900) == [900]
    steadily(chain, 901)
    chain.hears(trade(1, venue_time=LATER), trade(901))
    assert told(chain, 1, 2, venue_time=LATER) == [(0, -1), 1, 2]
    for late in (900, 901, 902):
        assert chain.ahead(trade(late), late) < 0
    assert told(chain, 900, 901, 902) == []
    assert told(chain, 3, 5, venue_time=LATER) == [3]
    assert (told(chain, 901), len(gaps)) == ([], 1), "nor while one is missing"
    assert told(chain, 4, venue_time=LATER) == [4, 5]
    chain.forget("BTC-USDT")
    assert told(chain, 902) == [902], "nothing of it counts any more"


def test_aggregates_of_several_copies_are_followed_when_the_venue_counts_anew() -> None:
    chain = TradeChain(BINANCE.channels["aggregate_trades"])
    for number in (900, 901, 902):
        assert len(chain.accept(aggregate(number), number)) == 1
    for number, late, kinds in ((902, 5, []), (1, LATER - 1, []), (1, LATER, [TradeGap, Any])):
        past = msgspec.structs.replace(aggregate(number), venue_time=late)
        assert chain.ahead(past, number) < 0
        assert len(events := chain.late(past)) == len(kinds)
    assert isinstance(events[0], TradeGap)
    assert events[1:] == (past,)
    assert chain.dropped == 2


def test_a_copy_that_is_behind_where_a_symbol_begins_counts_nothing_anew() -> None:
    chain, _ = waiting()
    chain.beginnings.on_wait = lambda *_: None
    chain.confirmed("BTC-USDT", 1)
    chain.beginnings.doubt()
    assert told(chain, 7) == []
    assert spelled(chain.begin("BTC-USDT", 9, 50)) == [7], (
        "from before the first that was asked for"
    )
    assert told(chain, 8, 9) == [8, 9]


def test_a_late_copy_of_what_was_asked_for_meanwhile_counts_nothing_anew() -> None:
    chain, _ = waiting()
    told(chain, 7)
    chain.doubt("BTC-USDT")
    late = trade(9, venue_time=5 + 9 * ANEW)
    assert spelled(chain.go_on([*history(8), late], 8, 50)) == [8, 9]
    chain.hears(late, trade(7))
    assert list(chain.accept(late, 9)) == [], "its connection told of 7, others of what followed"


def test_what_nobody_wants_is_not_missing() -> None:
    chain = TradeChain(TRADES)
    assert told(chain, 7) == [7]
    chain.forget("BTC-USDT")
    assert told(chain, 20, 21) == [20, 21]


def test_where_ids_do_not_count_by_one_nothing_is_judged() -> None:
    row = msgspec.structs.replace(TRADES, dense=False)
    assert told(TradeChain(row), 7, 3, 3, 100) == [7, 3, 3, 100]
    assert told(TradeChain(None), 7, 3) == [7, 3]


@given(st.lists(st.integers(1, 30), max_size=60))
def test_whatever_comes_every_id_is_told_once_and_in_order(ids: list[int]) -> None:
    chain = TradeChain(TRADES)
    covered: list[int] = []
    for item in told(chain, *ids):
        covered += range(item[0], item[1] + 1) if isinstance(item, tuple) else [item]
    assert covered == (list(range(ids[0], max(ids) + 1)) if ids else [])


# ── waiting for what is missing ──


def test_trades_wait_behind_a_gap_and_leave_in_order_when_it_is_filled() -> None:
    chain, gaps = waiting()
    assert told(chain, 7, 10, 11) == [7]
    assert gaps == [Gap("trades", "BTC-USDT", 8, 9, 7, 7 + HOLD)]
    assert chain.next_deadline() == 7 + HOLD
    filled = chain.fill(history(8, 9), 50)
    assert spelled(filled) == [8, 9, 10, 11]
    assert [event.backfilled for event in filled if isinstance(event, Trade)] == [
        True, True, False, False,
    ]  # fmt: skip
    assert {event.received for event in filled} == {50}, "stamps never decrease"
    assert told(chain, 12, 10) == [12]
    assert (chain.filled, chain.dropped) == (2, 1)
    assert chain.next_deadline() is None


def test_other_symbols_do_not_wait() -> None:
    chain, _ = waiting()
    assert told(chain, 7, 10) == [7]
    assert told(chain, 3, 4, symbol="ETH-USDT") == [3, 4]


def test_a_gap_that_comes_late_by_the_connection_itself_is_no_gap() -> None:
    chain, _ = waiting()
    assert told(chain, 7, 9, 8, 10) == [7, 8, 9, 10]
    assert chain.filled == 1


def test_a_part_of_a_gap_is_told_and_the_rest_is_named_in_time() -> None:
    chain, _ = waiting()
    assert told(chain, 1, 10) == [1]
    assert spelled(chain.fill(history(2, 3, 6), 50)) == [2, 3]
    assert chain.overdue(6 + HOLD) == []
    assert spelled(chain.overdue(7 + HOLD)) == [(4, 5), 6, (7, 9), 10]
    assert told(chain, 11) == [11]
    assert chain.fill(history(4), 60) == [], "told as missing: too late"


def test_gaps_behind_gaps_have_their_own_time() -> None:
    chain, gaps = waiting()
    assert told(chain, 1, 3) == [1]
    assert list(chain.accept(trade(5, at=100), 5)) == []
    assert [(gap.first, gap.last) for gap in gaps] == [(2, 2), (4, 4)]
    assert spelled(chain.overdue(7 + HOLD)) == [(2, 2), 3]
    assert spelled(chain.overdue(100 + HOLD)) == [(4, 4), 5]


def test_too_many_that_wait_give_the_gap_up() -> None:
    chain, _ = waiting()
    assert told(chain, 1, *range(3, HOLD_TRADES + 3)) == [1]
    out = told(chain, HOLD_TRADES + 3)
    assert out[:2] == [(2, 2), 3]
    assert out[-1] == HOLD_TRADES + 3


def test_a_gap_too_long_to_fill_is_named_at_once() -> None:
    chain, gaps = waiting()
    assert told(chain, 1, MOST_MISSING + 3) == [1, (2, MOST_MISSING + 2), MOST_MISSING + 3]
    assert gaps == []
    start = MOST_MISSING + 5
    assert told(chain, start) == [], "one is missing, and waited for"
    far = start + MOST_MISSING + 2
    assert told(chain, far) == [(start - 1, start - 1), start, (start + 1, far - 1), far]


def test_the_next_connection_and_what_nobody_wanted_meanwhile() -> None:
    chain, _ = waiting()
    assert told(chain, 7, 9) == [7]
    assert spelled(chain.give_up_all(8)) == [(8, 8), 9]
    chain.begin_again()
    assert told(chain, 3, 4, venue_time=LATER) == [(0, -1), 3, 4], "the venue counts anew"
    assert told(chain, 6, venue_time=LATER) == []
    chain.begin_again()
    found = told(chain, 1, venue_time=LATER + 1 + ANEW)
    assert found == [(5, 5), 6, (0, -1), 1], "and once more, while one was missing"
    assert told(chain, 3, venue_time=LATER + 1 + ANEW) == []
    chain.forget("BTC-USDT")
    assert told(chain, 90, 91) == [(2, 2), 3, 90, 91]


def test_aggregates_count_by_their_own_ids() -> None:
    chain = TradeChain(BINANCE.channels["aggregate_trades"])
    first, second = (
        AggregateTrade("binance", "BTC-USDT", 5, 7, 1.0, 1.0, Side.BUY, number, 10 * number, 0)
        for number in (4, 6)
    )
    assert list(chain.accept(first, 4)) == [first]
    gap = TradeGap("binance", "BTC-USDT", 5, 7, 5, 5, "aggregate_trades")
    assert list(chain.accept(second, 6)) == [gap, second]


_Step = st.one_of(
    st.tuples(st.just("live"), st.integers(1, 40)),
    st.tuples(st.just("fill"), st.lists(st.integers(1, 40), max_size=6)),
    st.tuples(st.just("late"), st.just(0)),
    st.tuples(st.just("lost"), st.just(0)),
)


@given(st.lists(_Step, max_size=60))
def test_whatever_comes_and_whatever_fills_every_id_is_told_once_and_in_order(
    steps: list[tuple[str, Any]],
) -> None:
    chain, _ = waiting()
    out: list[Event] = []
    came: list[int] = []
    now = 0
    for what, value in steps:
        now += SECOND // 4
        match what:
            case "live":
                came.append(value)
                out += chain.accept(trade(value, at=now), value)
            case "fill":
                out += chain.fill(history(*value), now)
            case "late":
                out += chain.overdue(now)
            case _:
                out += chain.give_up_all(now)
    out += chain.give_up_all(now + HOLD)
    covered: list[int] = []
    for item in spelled(out):
        covered += range(item[0], item[1] + 1) if isinstance(item, tuple) else [item]
    assert covered == (list(range(came[0], max(came) + 1)) if came else [])
    assert [event.received for event in out] == sorted(event.received for event in out)
    marked = {event.trade_id for event in out if isinstance(event, Trade) and event.backfilled}
    assert {item for item in spelled(out) if isinstance(item, int)} - marked <= set(came)
