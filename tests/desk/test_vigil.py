"""The watchdog's judgement: silence, whose orders, and when an account is clear."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pitwire.desk.vigil import (
    AWAKE_AGAIN,
    CANCEL_AGAIN,
    CLEAR_LISTS,
    LIST_EVERY,
    Outcome,
    Sweep,
    Vigil,
)
from pitwire.model.clock import SECOND
from pitwire.model.events import Event, OpenOrders, Update
from pitwire.model.orders import UpdateKind
from pitwire.trading.ids import OrderIds

IDS = OrderIds("pwtest", 7)
IS_OURS = IDS.is_ours
T = 1_700_000_000 * SECOND


def listing(*order_ids: str, asked: int = T) -> list[Event]:
    """What the venue says when it is asked what is open."""
    updates = [
        Update("binance", "BTC-USDT", 0, T, one, f"v{one}", UpdateKind.STATUS_OPEN, size=Decimal(1))
        for one in order_ids
    ]
    return [OpenOrders("binance", "", 0, T, order_ids, asked), *updates]


def sweep(*, keep: bool = True, certain_from: int | None = T) -> Sweep:
    """One that knows from when on a list proves something."""
    made = Sweep(IS_OURS, keep_protective=keep, begun=T)
    made.certain_from = certain_from
    return made


def test_silence_becomes_an_alarm_at_its_time_and_a_beat_ends_it() -> None:
    vigil = Vigil(3 * SECOND, T)
    assert vigil.alarm(T + 3 * SECOND - 1) == ""
    assert "silent for 3.0 s" in vigil.alarm(T + 3 * SECOND)
    vigil.hear(T + 4 * SECOND)
    assert vigil.alarm(T + 6 * SECOND) == ""
    assert vigil.next_deadline() == T + 7 * SECOND


def test_a_broken_line_is_an_alarm_for_ever() -> None:
    vigil = Vigil(3 * SECOND, T)
    vigil.lose("the desk is gone")
    vigil.hear(T + SECOND)
    assert vigil.alarm(T + SECOND) == "the desk is gone"
    assert vigil.is_over


def test_ours_are_cancelled_and_the_orders_of_others_are_not() -> None:
    ours, protective = IDS.next(), IDS.next(protective=True)
    other = OrderIds("pwother", 7).next()
    one = sweep()
    cancels = one.take(listing(ours, protective, other, "4711"), T)
    assert [(each.order_id, each.venue_id, each.symbol) for each in cancels] == [
        (ours, f"v{ours}", "BTC-USDT")
    ]
    assert one.outcome() == Outcome(spared=(protective,), left=(ours,), foreign=2, lists=1)


def test_protective_orders_go_too_when_told_so() -> None:
    protective = IDS.next(protective=True)
    cancels = sweep(keep=False).take(listing(protective), T)
    assert [each.order_id for each in cancels] == [protective]


def test_it_is_clear_only_when_the_venue_has_said_so_twice_in_a_row() -> None:
    late = IDS.next()
    one = sweep()
    one.take(listing(), T)
    assert not one.is_clear
    assert [each.order_id for each in one.take(listing(late), T + SECOND)] == [late]
    one.take(listing(), T + 2 * SECOND)
    assert not one.is_clear
    one.take(listing(), T + 3 * SECOND)
    assert one.is_clear
    assert one.outcome() == Outcome(cancelled=(late,), late=(late,), lists=4)
    assert not one.wants_list(T + 60 * SECOND)


def test_no_list_proves_anything_while_an_order_could_still_be_accepted() -> None:
    late, certain = IDS.next(), T + 15 * SECOND
    one = sweep(certain_from=certain)
    for second in range(15):
        one.take(listing(asked=T + second * SECOND), T + second * SECOND)
    assert one.looks_clear
    assert not one.is_clear
    one.take(listing(asked=certain - 1), certain + SECOND)
    assert not one.is_clear, "when it was answered does not matter"
    one.take(listing(asked=certain), certain)
    assert not one.is_clear, "one list may lack what is open"
    [cancel] = one.take(listing(late, asked=certain + SECOND), certain + SECOND)
    assert cancel.order_id == late
    for second in (2, 3):
        assert not one.is_clear
        one.take(listing(asked=certain + second * SECOND), certain + second * SECOND)
    assert one.is_clear
    assert one.outcome() == Outcome(cancelled=(late,), late=(late,), lists=20)


def test_while_nobody_knows_how_late_an_order_may_be_accepted_nothing_is_clear() -> None:
    one = sweep(certain_from=None)
    for second in range(600):
        one.take(listing(asked=T + second * SECOND), T + second * SECOND)
    assert (one.looks_clear, one.is_clear) == (True, False)


def test_a_cancel_that_the_lists_do_not_confirm_is_sent_again_but_not_at_once() -> None:
    ours = IDS.next()
    one = sweep()
    assert len(one.take(listing(ours), T)) == 1
    assert one.take(listing(ours), T + CANCEL_AGAIN - 1) == []
    assert len(one.take(listing(ours), T + CANCEL_AGAIN)) == 1
    assert one.outcome().left == (ours,)


def test_the_venue_is_asked_at_once_and_then_at_a_rhythm() -> None:
    one = sweep()
    assert one.wants_list(T)
    assert not one.wants_list(T + LIST_EVERY - 1)
    assert one.next_deadline() == T + LIST_EVERY
    assert one.wants_list(T + LIST_EVERY)


def test_the_list_of_one_symbol_says_nothing_about_the_account() -> None:
    one = sweep()
    for _ in range(CLEAR_LISTS + 1):
        one.take([OpenOrders("binance", "BTC-USDT", 0, T, ())], T)
    assert not one.is_clear


def test_before_the_first_list_nothing_is_claimed() -> None:
    assert sweep().outcome() == Outcome()
    assert not sweep().is_clear


@given(
    st.lists(
        st.lists(st.sampled_from(["ours", "kept", "other"]), max_size=6, unique=True), max_size=8
    )
)
def test_whatever_the_lists_say_no_other_order_is_touched_and_left_is_what_is_listed(
    lists: list[list[str]],
) -> None:
    ids = OrderIds("pwtest", 9)
    names = {"ours": ids.next(), "kept": ids.next(protective=True), "other": "stranger"}
    one = sweep()
    now = T
    for listed in lists:
        was_clear = one.is_clear
        for cancel in one.take(listing(*(names[each] for each in listed)), now):
            assert cancel.order_id == names["ours"]
        assert one.outcome().left == ((names["ours"],) if "ours" in listed else ())
        if not was_clear and one.is_clear:
            assert "ours" not in listed
        now += SECOND


def test_what_the_watchdog_slept_through_is_no_silence_of_the_desk_but_only_once() -> None:
    vigil = Vigil(3 * SECOND, T)
    awake = T + 60 * SECOND
    vigil.excuse(awake)
    assert vigil.alarm(awake) == ""
    assert vigil.next_deadline() == awake + AWAKE_AGAIN
    vigil.excuse(awake + AWAKE_AGAIN)  # and still not a word: it is frozen, or the machine crawls
    assert vigil.alarm(awake + AWAKE_AGAIN)
    vigil.hear(awake + 2 * SECOND)
    vigil.excuse(awake + 9 * SECOND)
    assert vigil.alarm(awake + 9 * SECOND) == ""


def test_to_sleep_never_makes_the_watchdog_wait_for_less() -> None:
    vigil = Vigil(3 * SECOND, T)
    vigil.excuse(T + SECOND)
    assert vigil.next_deadline() == T + 3 * SECOND


def test_a_venue_that_does_not_follow_is_asked_and_told_ever_more_seldom() -> None:
    """A hundred orders that no cancel reaches, for ten minutes: no 6,000 of weight in a minute."""
    ours = [IDS.next() for _ in range(100)]
    one, spent = sweep(), list[tuple[int, int]]()
    for tick in range(12_000):
        now = T + tick * SECOND // 20
        if one.wants_list(now):
            cancels = one.take(listing(*ours, asked=now), now)
            spent.append((now, 80 + len(cancels)))
    minutes = [sum(cost for at, cost in spent if 0 <= at - T - start < 60 * SECOND)
               for start in range(0, 540 * SECOND, SECOND)]  # fmt: skip
    assert max(minutes) < 3_000
    assert len([at for at, cost in spent if cost > 80]) > 20, "it does not give up"
