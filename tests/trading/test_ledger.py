from __future__ import annotations

import itertools
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pitwire.model import events as ev
from pitwire.model.orders import (
    FINAL,
    TRANSITIONS,
    UNANSWERED,
    AmendOrder,
    CancelOrder,
    OrderState,
    OrderType,
    RejectReason,
    ReplaceOrder,
    Side,
    UpdateKind,
)
from pitwire.model.proof import DeathProof
from pitwire.trading.ledger import OrderLedger
from pitwire.trading.tracked import Origin
from tests.trading.making import BTC, ETH, at, fill, order, unanswered, update

S, K = OrderState, UpdateKind
PROOF = DeathProof(automatic=True, window_seconds=2, processing_seconds=10, margin_seconds=2)


def ledger_with(state: OrderState = S.SENT, size: Any = 2) -> OrderLedger:
    """A ledger with order `a` brought to this state by what the venue would say."""
    ledger = OrderLedger(proof=PROOF)
    ledger.sent(order("a", size), at(0))
    match state:
        case S.OPEN:
            ledger.apply(update("a", K.ACCEPTED), at(0))
        case S.PARTLY_FILLED:
            ledger.apply(fill("a", 1), at(0))
        case S.FILLED:
            ledger.apply(fill("a", 2), at(0))
        case S.UNKNOWN:
            ledger.apply(unanswered("a"), at(0))
        case S.CANCELED | S.EXPIRED | S.REJECTED:
            ledger.apply(update("a", K(state.value)), at(0))
        case S.SENT | S.NEW:
            pass
    assert ledger.find("a").state is state  # type: ignore[union-attr]
    ledger.take_disagreements()
    return ledger


def the(ledger: OrderLedger, order_id: str = "a") -> Any:
    found = ledger.find(order_id)
    assert found is not None
    return found


def test_a_fill_of_nothing_brings_no_order_back() -> None:
    ledger = ledger_with(S.REJECTED)
    ledger.apply(fill("a", 0), at(1))
    assert the(ledger).state is S.REJECTED


# ── the whole table ───────────────────────────────────────────────────────────────────────────

STATES = [state for state in S if state is not S.NEW]
REFUTING = (K.ACCEPTED, K.TRIGGERED, K.FILLED, K.AMENDED, K.STATUS_OPEN)
"""What shows that an order lives that was said to be refused."""


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(STATES, [*K, UNANSWERED])))
def test_every_cell_of_the_table(state: OrderState, kind: UpdateKind | str) -> None:
    ledger = ledger_with(state)
    # 20 s later, so that a missing order may be proof; filled stays below the size.
    message = (
        unanswered("a", "place", 20)
        if kind == UNANSWERED
        else update("a", UpdateKind(kind), 20, filled=1 if kind == K.FILLED else None)
    )
    ledger.apply(message, at(20))
    refuted = state is S.REJECTED and kind in REFUTING
    expected = TRANSITIONS.get((S.UNKNOWN if refuted else state, kind), state)
    assert the(ledger).state is expected
    silent_about_missing = kind == K.MISSING and state is S.SENT
    in_table = (state, kind) in TRANSITIONS or silent_about_missing or kind == UNANSWERED
    told = [d.what for d in ledger.take_disagreements()]
    if refuted:
        assert told == ["alive after death"]
        assert bool(the(ledger).doubt) is (kind != K.STATUS_OPEN), "that is asked for"
    elif state not in FINAL:
        assert bool(told) is not in_table
    contradicts = {K.CANCELED, K.EXPIRED, K.REJECTED} - {K(state.value)} if state in FINAL else ()
    if state in FINAL:
        assert ("end" in told) is (kind in contradicts)


def test_one_that_was_acknowledged_and_refused_is_not_brought_back_by_a_late_answer() -> None:
    """V12: the venue takes it, changes its mind on its stream, and the first answer comes last."""
    ledger = ledger_with(S.SENT)
    ledger.apply(update("a", K.ACCEPTED, 1, sequence=1), at(1))
    ledger.apply(update("a", K.REJECTED, 2, sequence=2), at(2))
    assert the(ledger).state is S.OPEN, "refused while open: that is asked about"
    ledger.apply(update("a", K.EXPIRED, 3, sequence=3), at(3))
    ledger.take_disagreements()
    ledger.apply(update("a", K.ACCEPTED, 30), at(30))
    assert (the(ledger).state, ledger.take_disagreements()) == (S.EXPIRED, [])


# ── one life ──────────────────────────────────────────────────────────────────────────────────


def test_a_life_from_made_to_filled() -> None:
    ledger = OrderLedger()
    ledger.made(order("a"), at(0))
    assert the(ledger).state is S.NEW
    ledger.sent(order("a"), at(1))
    assert the(ledger).state is S.SENT
    accepted = ledger.apply(update("a", K.ACCEPTED, 2, venue_id="77", sequence=1), at(2))
    assert accepted is not None
    assert (accepted.before, accepted.after) == (S.SENT, S.OPEN)
    part = ledger.apply(fill("a", "0.5", 99, trade_id="1"), at(3))
    assert part is not None
    assert (part.after, part.filled, part.fill, part.price) == (
        S.PARTLY_FILLED, Decimal("0.5"), Decimal("0.5"), Decimal(99),
    )  # fmt: skip
    assert the(ledger).remaining == Decimal("1.5")
    end = ledger.apply(fill("a", "1.5", 101, trade_id="2"), at(4))
    assert end is not None
    assert end.ended
    assert end.after is S.FILLED
    assert the(ledger).average_price == Decimal("100.5")
    assert not ledger.open
    assert not ledger.open_by_symbol[BTC]
    assert not ledger.take_disagreements()


def test_a_fill_before_its_acknowledgement_is_legal() -> None:
    ledger = ledger_with(S.SENT)
    ledger.apply(fill("a", 2), at(1))
    assert the(ledger).state is S.FILLED
    assert ledger.apply(update("a", K.ACCEPTED, 2), at(2)) is None
    assert the(ledger).state is S.FILLED
    assert ledger.late == 1
    assert not ledger.take_disagreements()


def test_the_venues_id_finds_the_order_too() -> None:
    ledger = ledger_with(S.SENT)
    ledger.apply(update("a", K.ACCEPTED, venue_id="77"), at(1))
    assert ledger.find("77", symbol=BTC) is the(ledger)
    assert ledger.find("other", "77", BTC) is the(ledger)
    assert ledger.find("77", symbol="ETH-USDT") is None
    ledger.apply(update("77", K.CANCELED, venue_id="77"), at(2))
    assert the(ledger).state is S.CANCELED


# ── doubled and late ──────────────────────────────────────────────────────────────────────────


def test_one_fill_told_by_two_paths_counts_once() -> None:
    ledger = ledger_with(S.OPEN)
    assert ledger.apply(fill("a", 1, trade_id="9"), at(1)) is not None
    assert ledger.apply(fill("77", 1, trade_id="9", venue_id="77"), at(1)) is None
    assert the(ledger).filled == 1
    assert ledger.doubled == 1


def test_a_trade_with_ourselves_fills_both_orders() -> None:
    ledger = ledger_with(S.OPEN)
    ledger.sent(order("b", side=Side.SELL), at(0))
    ledger.apply(fill("a", 1, trade_id="9", side=Side.BUY), at(1))
    ledger.apply(fill("b", 1, trade_id="9", side=Side.SELL), at(1))
    assert (the(ledger).filled, the(ledger, "b").filled) == (1, 1)


def test_the_same_trade_with_other_numbers_is_a_disagreement() -> None:
    ledger = ledger_with(S.OPEN)
    ledger.apply(fill("a", 1, 100, trade_id="9"), at(1))
    ledger.apply(fill("a", 1, 101, trade_id="9"), at(1))
    [told] = ledger.take_disagreements()
    assert (told.what, told.ours, told.theirs) == ("trade 9", "1 @ 100", "1 @ 101")


def test_doubled_and_older_updates_are_counted_and_change_nothing() -> None:
    ledger = ledger_with(S.SENT)
    ledger.apply(update("a", K.ACCEPTED, sequence=5), at(1))
    ledger.apply(update("a", K.FILLED, sequence=7, filled=1), at(1))
    assert ledger.apply(update("a", K.FILLED, sequence=7, filled=1), at(2)) is None
    assert ledger.apply(update("a", K.TRIGGERED, sequence=6), at(2)) is None
    assert (ledger.doubled, ledger.late) == (1, 1)
    assert the(ledger).state is S.PARTLY_FILLED


def test_an_older_update_that_completes_the_order_still_counts() -> None:
    ledger = ledger_with(S.OPEN, size=5)
    ledger.apply(update("a", K.FILLED, sequence=7, filled=3), at(1))
    ledger.sent(AmendOrder(order_id="a", symbol=BTC, size=Decimal(3)), at(1))
    change = ledger.apply(update("a", K.AMENDED, sequence=6, size=3, filled=0), at(2))
    assert change is not None
    assert change.after is S.FILLED
    assert "a" not in ledger.open


def test_an_older_update_does_not_make_the_newest_forgotten() -> None:
    ledger = ledger_with(S.SENT)
    for sequence in (5, 7, 6, 7):
        ledger.apply(update("a", K.ACCEPTED, sequence=sequence), at(1))
    assert (ledger.doubled, ledger.late) == (1, 1)


# ── sums and fills ────────────────────────────────────────────────────────────────────────────


def test_a_sum_ahead_of_the_fills_is_asked_for_after_a_grace() -> None:
    ledger = ledger_with(S.OPEN)
    ledger.apply(update("a", K.STATUS_OPEN, filled=1), at(1))
    assert the(ledger).missing == 1
    assert the(ledger).state is S.PARTLY_FILLED
    assert ledger.due_questions(at(1.5)) == []
    [question] = ledger.due_questions(at(2.1))
    assert question.why == "missing fills"
    [told] = ledger.take_disagreements()
    assert (told.what, told.ours, told.theirs) == ("missing fills", "0", "1")
    ledger.apply(fill("a", 1), at(3))
    assert the(ledger).missing == 0
    assert ledger.due_questions(at(60)) == []
    assert ledger.next_question() is None


def test_fills_that_never_came_count_as_exposure_beside_what_is_left() -> None:
    ledger = ledger_with(S.OPEN, size=5)
    ledger.apply(update("a", K.STATUS_OPEN, filled=2), at(1))
    assert ledger.exposure(BTC, None).buys == 5


def test_fills_that_never_came_still_count_as_exposure_when_the_order_is_over() -> None:
    ledger = ledger_with(S.OPEN)
    ledger.apply(update("a", K.CANCELED, filled=1), at(1))
    assert the(ledger).state is S.CANCELED
    assert ledger.exposure(BTC, Decimal(100)).buys == 1
    ledger.apply(fill("a", 1), at(2))
    assert ledger.exposure(BTC, Decimal(100)).buys == 0
    assert the(ledger).state is S.CANCELED


def test_more_fills_than_the_order_had_is_a_disagreement() -> None:
    ledger = ledger_with(S.OPEN)
    ledger.apply(fill("a", 2, trade_id="1"), at(1))
    ledger.apply(fill("a", 1, trade_id="2"), at(1))
    assert [told.what for told in ledger.take_disagreements()] == ["overfilled"]


def test_a_market_order_in_quote_units_learns_its_size() -> None:
    ledger = OrderLedger()
    spend = order("q", price=None, type=OrderType.MARKET)
    ledger.sent(type(spend)(**{**_fields(spend), "size": None, "quote_size": Decimal(50)}), at(0))
    assert ledger.exposure(BTC, Decimal(100)).buys == Decimal("0.5")
    ledger.apply(fill("q", "0.3", 100), at(1))
    assert the(ledger, "q").state is S.PARTLY_FILLED
    assert ledger.exposure(BTC, Decimal(100)).buys == Decimal("0.2")
    ledger.apply(update("q", K.FILLED, filled="0.3", size="0.3"), at(2))
    assert the(ledger, "q").state is S.FILLED


def _fields(thing: Any) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in thing.__struct_fields__}


# ── unknown, and its proof ────────────────────────────────────────────────────────────────────


def test_an_unanswered_order_is_unknown_and_counts_in_full() -> None:
    ledger = ledger_with(S.UNKNOWN)
    assert ledger.unknown(BTC) is the(ledger)
    assert ledger.exposure(BTC, None).buys == 2
    [question] = ledger.due_questions(at(0))
    assert (question.order_id, question.why) == ("a", "unknown")


def test_a_missing_order_is_dead_only_when_the_venue_could_no_longer_take_it() -> None:
    ledger = ledger_with(S.UNKNOWN)
    ledger.apply(update("a", K.MISSING, 13), at(13))
    assert the(ledger).state is S.UNKNOWN
    change = ledger.apply(update("a", K.MISSING, 14), at(14))
    assert change is not None
    assert change.after is S.REJECTED
    assert the(ledger).declared_dead
    assert ledger.due_questions(at(20)) == []


def test_a_missing_order_that_was_acknowledged_is_never_dead() -> None:
    ledger = ledger_with(S.OPEN)
    ledger.apply(update("a", K.MISSING, 99), at(99))
    assert the(ledger).state is S.OPEN
    assert [told.what for told in ledger.take_disagreements()] == ["existence"]
    assert [question.order_id for question in ledger.due_questions(at(99))] == ["a"]


def of_the_futures(**facts: Any) -> OrderLedger:
    """An order that is open, at a venue that forgets what ended after three days, or ninety."""
    day = 86_400.0
    proof = replace(PROOF, forgets_after_seconds=3 * day, forgets_all_after_seconds=90 * day)
    ledger = OrderLedger(proof=proof)
    ledger.sent(order("a"), at(0))
    ledger.apply(update("a", K.ACCEPTED, venue_id="7", **facts), at(1))
    return ledger


@pytest.mark.parametrize(
    ("days", "facts", "after"),
    [
        (2.9, {}, S.OPEN),
        (3.1, {}, S.CANCELED),
        (3.1, {"filled": 1}, S.PARTLY_FILLED),
        (89.0, {}, S.CANCELED),
        (91.0, {}, S.OPEN),
    ],
)
def test_an_order_that_the_venue_has_forgotten_is_over_only_if_it_forgets_no_other(
    days: float, facts: dict[str, Any], after: OrderState
) -> None:
    ledger, then = of_the_futures(**facts), 86_400 * days
    change = ledger.apply(update("a", K.MISSING, then, answers="status", asked=at(then)), at(then))
    assert the(ledger).state is after
    told = [told.what for told in ledger.take_disagreements()]
    assert told == ([] if after is S.CANCELED else ["existence"])
    if after is S.CANCELED:
        assert change is not None
        assert change.proof is not None
        assert (change.proof.said, change.proof.asked) == (K.MISSING, at(then))
        ledger.apply(update("a", K.STATUS_OPEN, then + 1), at(then + 1))
        assert the(ledger).state is S.OPEN
        assert [told.what for told in ledger.take_disagreements()] == ["alive after death"]


def test_what_says_nothing_of_an_order_does_not_count_as_having_heard_of_it() -> None:
    """Asked and told to go at each start meanwhile, it was heard of "just now" for ever."""
    ledger, day = of_the_futures(), 86_400
    for then in (day, 2 * day, 3 * day - 60):
        ledger.apply(update("a", K.MISSING, then, answers="status", asked=at(then)), at(then))
        refused = update("a", K.CANCEL_REJECTED, then + 1, reason=RejectReason.UNKNOWN_ORDER)
        ledger.apply(refused, at(then + 1))
    ledger.apply(update("a", K.MISSING, 3 * day + 5, asked=at(3 * day + 5)), at(3 * day + 5))
    assert the(ledger).state is S.CANCELED


@pytest.mark.parametrize("kind", [K.STATUS_OPEN, K.AMENDED])
def test_a_sign_of_life_does(kind: UpdateKind) -> None:
    ledger, day = of_the_futures(), 86_400
    ledger.apply(update("a", kind, day, size=2), at(day))
    ledger.apply(update("a", K.MISSING, 3 * day + 5, asked=at(3 * day + 5)), at(3 * day + 5))
    assert the(ledger).state is S.OPEN


def test_one_that_was_forgotten_and_trades_after_all_is_open_again() -> None:
    ledger, then = of_the_futures(), 86_400 * 4
    ledger.apply(update("a", K.MISSING, then, asked=at(then)), at(then))
    assert the(ledger).state is S.CANCELED
    ledger.apply(fill("a", 1, seconds=then + 1), at(then + 1))
    assert the(ledger).state is S.PARTLY_FILLED
    assert [told.what for told in ledger.take_disagreements()] == ["alive after death"]


def test_what_waits_for_its_price_is_never_called_forgotten() -> None:
    ledger, then = of_the_futures(), 86_400 * 4
    the(ledger).type = OrderType.STOP
    ledger.apply(update("a", K.MISSING, then, asked=at(then)), at(then))
    assert the(ledger).state is S.OPEN


@pytest.mark.parametrize("message", [update("a", K.ACCEPTED, 30), fill("a", 1, seconds=30)])
def test_an_order_alive_after_it_was_declared_dead_is_open_again(message: Any) -> None:
    ledger = ledger_with(S.UNKNOWN)
    ledger.apply(update("a", K.MISSING, 20), at(20))
    ledger.apply(message, at(30))
    assert the(ledger).is_open
    assert "a" in ledger.open
    assert [told.what for told in ledger.take_disagreements()] == ["alive after death"]


def test_an_order_that_traded_after_it_was_declared_dead_dies_no_second_time() -> None:
    ledger = ledger_with(S.UNKNOWN)
    ledger.apply(update("a", K.MISSING, 20), at(20))
    ledger.apply(fill("a", 2, seconds=30), at(30))
    ledger.apply(update("a", K.CANCELED, 31), at(31))
    assert the(ledger).state is S.FILLED
    assert not the(ledger).declared_dead
    told = [one.what for one in ledger.take_disagreements()]
    assert told == ["alive after death", "end"]


def test_the_first_question_that_may_prove_a_death_is_asked_when_it_may() -> None:
    """Between two that are due as they come, here at 12 and at 16 seconds."""
    ledger = OrderLedger(proof=DeathProof(automatic=True, processing_seconds=13.5))
    ledger.sent(order("a"), at(0))
    ledger.apply(unanswered("a", "place", 2), at(2))
    asked = [tenth for tenth in range(300) if ledger.due_questions(at(tenth / 10))]
    assert round(the(ledger).dead_from - at(0)) == round(13.5 * 10**9)
    assert 135 in asked
    assert 134 not in asked


def test_what_came_since_a_loss_is_not_all_until_the_venue_has_been_asked() -> None:
    ledger = OrderLedger(proof=PROOF)
    ledger.lost(at(0))
    ledger.apply(fill("web", 1, seconds=1, trade_id="5", venue_id="7"), at(1))
    assert ledger.trades.told_up_to == {}, "nothing was told before that"
    for seconds in (10, 500):
        ledger.lost(at(seconds))
        ledger.apply(
            fill("web", 1, seconds=seconds + 1, trade_id=f"{seconds}", venue_id="7"), at(0)
        )
        assert ledger.trades.told_up_to == {}, "of several losses the first counts"
    ledger.apply(fill("web", 1, seconds=1_101, trade_id="600", venue_id="7"), at(1_101))
    assert ledger.trades.told_up_to == {BTC: 600}


def test_a_fill_of_nothing_brings_no_refused_order_back() -> None:
    ledger = ledger_with(S.REJECTED)
    ledger.apply(fill("a", 0), at(1))
    assert the(ledger).state is S.REJECTED
    assert not ledger.open


@pytest.mark.parametrize(("made", "is_doubted"), [(9, False), (11, True)])
def test_a_list_that_says_when_it_was_made_lacks_nothing_that_came_later(
    made: float, is_doubted: bool
) -> None:
    ledger = OrderLedger(proof=PROOF)
    ledger.sent(order("a"), at(9))
    ledger.apply(update("a", K.ACCEPTED, 10), at(10))
    ledger.compare(ev.OpenOrders("test", BTC, at(made), at(12), ()), at(12))
    assert bool(the(ledger).doubt) is is_doubted


def test_whether_it_works_is_what_the_newest_word_says() -> None:
    ledger = ledger_with(S.SENT)
    ledger.apply(update("a", K.ACCEPTED, 2, sequence=5, working=True), at(2))
    ledger.apply(update("a", K.ACCEPTED, 1, sequence=4, working=False), at(3))
    assert the(ledger).working


def test_what_has_traded_by_the_venues_word_is_never_missing_without_a_question() -> None:
    """A refused cancel that tells how much was filled is a sign of life, too."""
    ledger = ledger_with(S.UNKNOWN)
    ledger.apply(update("a", K.CANCEL_REJECTED, 1, filled=1), at(1))
    ledger.apply(update("a", K.MISSING, 20), at(20))
    assert the(ledger).state is S.PARTLY_FILLED
    assert [one.what for one in ledger.take_disagreements()] == ["existence"]
    assert the(ledger).doubt


def test_questions_come_again_and_ever_more_seldom() -> None:
    ledger = ledger_with(S.UNKNOWN)
    asked = [second for second in range(600) if ledger.due_questions(at(second))]
    gaps = [b - a for a, b in itertools.pairwise(asked)]
    assert asked[0] == 0
    assert gaps[0] == 2
    assert gaps == sorted(gaps)
    assert gaps[-1] == 60
    assert ledger.next_question() is not None


def test_fills_of_an_order_that_was_long_unknown_are_asked_for_at_once() -> None:
    ledger = ledger_with(S.UNKNOWN)
    for second in range(5, 60):
        ledger.due_questions(at(second))
    ledger.apply(update("a", K.FILLED, 60, venue_id="7", filled=2, size=2), at(60))
    [question] = ledger.due_questions(at(61))
    assert (question.why, question.wants_fills) == ("missing fills", True)


def test_an_answer_that_proves_nothing_does_not_hurry_the_next_question() -> None:
    ledger = ledger_with(S.UNKNOWN)
    asked = 0
    for tenth in range(100):
        asked += len(ledger.due_questions(at(tenth / 10)))
        ledger.apply(update("a", K.MISSING, tenth / 10), at(tenth / 10))
    assert asked == 4


def test_a_duplicate_id_is_no_proof_of_death() -> None:
    ledger = ledger_with(S.SENT)
    ledger.apply(update("a", K.REJECTED, reason=RejectReason.DUPLICATE_ID), at(1))
    assert the(ledger).state is S.UNKNOWN
    assert [told.what for told in ledger.take_disagreements()] == ["duplicate id"]


def test_a_lost_connection_makes_unacknowledged_orders_unknown() -> None:
    ledger = ledger_with(S.SENT)
    ledger.sent(order("b"), at(0))
    ledger.apply(update("b", K.ACCEPTED), at(0))
    ledger.sent(CancelOrder(order_id="b", symbol=BTC), at(1))
    changes = ledger.lost(at(2))
    assert [(c.order_id, c.after) for c in changes] == [("a", S.UNKNOWN)]
    assert the(ledger, "b").cancel_sent == 0
    assert {q.order_id for q in ledger.due_questions(at(2))} == {"a", "b"}


# ── cancel, replace, amend ────────────────────────────────────────────────────────────────────


def test_a_cancel_is_pending_until_it_is_answered() -> None:
    ledger = ledger_with(S.OPEN)
    ledger.sent(CancelOrder(order_id="a", symbol=BTC), at(1))
    assert the(ledger).cancel_sent == at(1)
    change = ledger.apply(update("a", K.CANCEL_REJECTED, 2), at(2))
    assert change is not None
    assert the(ledger).cancel_sent == 0
    assert the(ledger).state is S.OPEN


def test_a_cancel_of_an_order_that_the_venue_does_not_know_is_asked_about() -> None:
    ledger = ledger_with(S.OPEN)
    ledger.sent(CancelOrder(order_id="a", symbol=BTC), at(1))
    ledger.apply(update("a", K.CANCEL_REJECTED, 2, reason=RejectReason.UNKNOWN_ORDER), at(2))
    assert [q.order_id for q in ledger.due_questions(at(2))] == ["a"]
    ledger.apply(update("a", K.STATUS_OPEN, 3), at(3))
    assert ledger.due_questions(at(9)) == []


def stopped() -> OrderLedger:
    """A ledger with a stop that waits, and has no name at the venue until it triggers."""
    ledger = OrderLedger(proof=PROOF)
    ledger.sent(replace(order("a", 2), type=OrderType.STOP, stop_price=Decimal(90)), at(0))
    assert ledger.is_waiting(BTC), "nobody has said that it waits"
    ledger.apply(update("a", K.ACCEPTED, venue_id=""), at(0))
    return ledger


def test_a_stop_that_waits_has_no_name_and_no_fills() -> None:
    ledger = stopped()
    assert the(ledger).venue_id == ""
    assert not ledger.is_waiting(BTC)


def test_what_a_stop_became_is_asked_for_when_its_trigger_was_an_answer() -> None:
    ledger = stopped()
    ledger.apply(update("a", K.TRIGGERED, venue_id="77"), at(1))
    assert (the(ledger).state, the(ledger).venue_id) == (S.OPEN, "77")
    assert ledger.due_questions(at(9)) == [], "its stream goes on"
    ledger.apply(update("a", K.TRIGGERED, venue_id="77", answers="status", asked=at(9)), at(10))
    [asked] = ledger.due_questions(at(10))
    assert (asked.venue_id, asked.type) == ("77", OrderType.STOP)
    ledger.apply(update("a", K.CANCELED, venue_id="77", answers="status", asked=at(11)), at(11))
    assert the(ledger).state is S.CANCELED
    assert ledger.due_questions(at(99)) == []


def test_a_stop_whose_answer_was_lost_is_found_triggered_and_then_filled() -> None:
    ledger = OrderLedger(proof=PROOF)
    ledger.sent(replace(order("a", 2), type=OrderType.STOP, stop_price=Decimal(90)), at(0))
    ledger.apply(unanswered("a"), at(5))
    ledger.apply(update("a", K.TRIGGERED, venue_id="77", answers="status", asked=at(5)), at(6))
    assert [one.venue_id for one in ledger.due_questions(at(9))] == ["77"]
    ledger.apply(
        update("a", K.FILLED, venue_id="77", filled=2, answers="status", asked=at(9)), at(9)
    )
    assert the(ledger).state is S.FILLED
    assert [one.wants_fills for one in ledger.due_questions(at(20))] == [True]


def test_a_fill_under_a_name_nobody_knew_is_the_stops_once_it_says_so() -> None:
    ledger = stopped()
    ledger.apply(fill("other", 1, venue_id="77"), at(1))
    assert the(ledger).filled == 0
    ledger.apply(update("a", K.TRIGGERED, venue_id="77", filled=1), at(2))
    assert (the(ledger).filled, the(ledger).state) == (1, S.PARTLY_FILLED)
    assert [one.id for one in ledger.open_of(BTC)] == ["a"]


@pytest.mark.parametrize("what", ["cancel", "amend"])
def test_an_unanswered_cancel_leaves_the_order_open_and_in_doubt(what: str) -> None:
    ledger = ledger_with(S.OPEN)
    ledger.sent(CancelOrder(order_id="a", symbol=BTC), at(1))
    ledger.apply(unanswered("a", what, 3), at(3))
    assert the(ledger).state is S.OPEN
    assert the(ledger).cancel_sent == 0
    assert [q.order_id for q in ledger.due_questions(at(3))] == ["a"]


def test_an_unanswered_replacement_makes_the_new_order_unknown() -> None:
    ledger = ledger_with(S.OPEN)
    ledger.sent(ReplaceOrder(order_id="a", order=order("b")), at(1))
    assert (the(ledger).replaced_by, the(ledger, "b").replaces) == ("b", "a")
    ledger.apply(unanswered("a", "replace", 3), at(3))
    assert the(ledger).state is S.OPEN
    assert the(ledger, "b").state is S.UNKNOWN
    assert {q.order_id for q in ledger.due_questions(at(3))} == {"a", "b"}


def test_an_amendment_makes_the_order_smaller() -> None:
    ledger = ledger_with(S.OPEN)
    ledger.sent(AmendOrder(order_id="a", symbol=BTC, size=Decimal(1)), at(1))
    ledger.apply(update("a", K.AMENDED, 2, size=1), at(2))
    assert the(ledger).size == 1
    assert the(ledger).amend_to is None
    assert not ledger.take_disagreements()


def test_a_size_made_smaller_by_somebody_else_is_a_disagreement() -> None:
    ledger = ledger_with(S.OPEN)
    ledger.apply(update("a", K.STATUS_OPEN, 2, size=1), at(2))
    assert the(ledger).size == 1
    assert [told.what for told in ledger.take_disagreements()] == ["size"]


def test_a_command_that_never_left_is_certainly_over() -> None:
    ledger = OrderLedger()
    ledger.made(order("a"), at(0))
    change = ledger.dropped(order("a"), at(1), "expired before sending")
    assert change is not None
    assert change.after is S.REJECTED
    assert not ledger.open
    ledger.sent(order("b"), at(0))
    assert ledger.dropped(order("b"), at(1), "too late") is None
    assert the(ledger, "b").state is S.SENT


# ── whose it is ───────────────────────────────────────────────────────────────────────────────


def test_a_foreign_order_is_adopted_and_marked() -> None:
    ledger = OrderLedger(is_ours=lambda text: text.startswith("pw-"))
    ledger.apply(update("web_1", K.ACCEPTED, side=Side.SELL, size=3, price=9), at(1))
    ledger.apply(update("pw-0-1", K.STATUS_OPEN, side=Side.BUY, size=1), at(1))
    assert the(ledger, "web_1").origin is Origin.FOREIGN
    assert not the(ledger, "web_1").is_ours
    assert the(ledger, "pw-0-1").origin is Origin.EARLIER
    assert the(ledger, "pw-0-1").is_ours
    assert ledger.exposure(BTC, None).sells == 3
    assert [t.what for t in ledger.take_disagreements()] == ["foreign order", "earlier order"]


def test_a_foreign_fill_is_adopted_and_asked_about() -> None:
    ledger = OrderLedger()
    change = ledger.apply(fill("web_2", 1), at(1))
    assert change is not None
    assert change.origin is Origin.FOREIGN
    assert [q.order_id for q in ledger.due_questions(at(1))] == ["web_2"]


def test_a_stranger_that_uses_a_client_id_again_has_another_order() -> None:
    ledger = OrderLedger()
    foreign: dict[str, Any] = {"side": Side.BUY, "price": 9}
    ledger.apply(update("web", K.ACCEPTED, venue_id="7", size=1, **foreign), at(1))
    ledger.apply(update("web", K.CANCELED, venue_id="7", size=1, **foreign), at(2))
    ledger.apply(update("web", K.ACCEPTED, venue_id="8", size=5, **foreign), at(3))
    assert ledger.exposure(BTC, None).buys == 5
    ledger.apply(update("web", K.CANCELED, venue_id="7", size=1, **foreign), at(4))
    assert ledger.exposure(BTC, None).buys == 5, "a late word about the first ends no second"
    ledger.apply(fill("web", 2, venue_id="8"), at(5))
    assert ledger.exposure(BTC, None).buys == 3
    ledger.apply(update("web", K.CANCELED, venue_id="8", size=5, filled=2, **foreign), at(6))
    assert ledger.exposure(BTC, None).buys == 0
    assert not ledger.open


def test_a_stranger_who_calls_his_order_as_the_venue_calls_ours_does_not_touch_ours() -> None:
    ledger = OrderLedger()
    ours = ledger.sent(order("a"), at(0))
    ledger.apply(update("a", K.ACCEPTED, venue_id="7", size=2), at(1))
    ledger.apply(update("7", K.ACCEPTED, venue_id="8", size=1), at(2))
    ledger.apply(fill("7", 1, venue_id="8"), at(3))
    ledger.apply(update("7", K.CANCELED, venue_id="8", size=1), at(4))
    assert ours is not None
    assert (ours.state, ours.filled, ours.size) == (S.OPEN, 0, 2)
    foreign = ledger.find("7", "8", BTC)
    assert foreign is not None
    assert foreign.origin is Origin.FOREIGN


def test_strangers_orders_of_one_name_in_two_symbols_are_two() -> None:
    ledger = OrderLedger()
    for symbol in (BTC, ETH):
        ledger.apply(
            update("web", K.ACCEPTED, symbol=symbol, venue_id="7", side=Side.BUY, size=1), at(1)
        )
    assert ledger.exposure(BTC, None).buys == ledger.exposure(ETH, None).buys == 1
    ledger.apply(update("web", K.CANCELED, symbol=ETH, venue_id="7", side=Side.BUY, size=1), at(2))
    assert ledger.exposure(BTC, None).buys == 1
    assert ledger.exposure(ETH, None).buys == 0


@pytest.mark.parametrize("kind", [K.MISSING, K.REJECTED, K.CANCEL_REJECTED])
def test_nothing_alive_nothing_adopted(kind: UpdateKind) -> None:
    ledger = OrderLedger()
    assert ledger.apply(update("x", kind), at(1)) is None
    assert ledger.apply(unanswered("x"), at(1)) is None
    assert ledger.find("x") is None


# ── the venue's list ──────────────────────────────────────────────────────────────────────────


def listing(*ids: str, seconds: float = 5, venue_time: int = 0) -> ev.OpenOrders:
    return ev.OpenOrders("test", BTC, venue_time, at(seconds), ids)


def test_a_stranger_of_the_name_that_is_our_number_does_not_stand_in_for_ours() -> None:
    ledger = OrderLedger()
    ledger.sent(order("a"), at(0))
    ledger.apply(update("a", K.ACCEPTED, venue_id="7"), at(1))
    ledger.apply(update("7", K.STATUS_OPEN, venue_id="8"), at(5))
    ledger.compare(listing("7"), at(5))
    assert [one.order_id for one in ledger.due_questions(at(9))] == ["a"]


def test_an_open_order_that_the_list_lacks_is_asked_about() -> None:
    ledger = ledger_with(S.OPEN)
    ledger.sent(order("b"), at(0))
    ledger.compare(listing(), at(5))
    assert ledger.due_questions(at(5)) == []
    assert not ledger.take_disagreements(), "the word of its end may be on its way"
    assert [q.order_id for q in ledger.due_questions(at(6))] == ["a"]
    assert [told.order_id for told in ledger.take_disagreements()] == ["a"]
    assert the(ledger).state is S.OPEN
    assert the(ledger, "b").state is S.SENT


def test_an_order_acknowledged_after_the_list_was_made_is_not_missing() -> None:
    ledger = ledger_with(S.SENT)
    ledger.apply(update("a", K.ACCEPTED, 4), at(4))
    ledger.compare(listing(venue_time=at(3)), at(5))
    assert not ledger.take_disagreements()


def test_an_order_that_is_over_for_us_and_open_at_the_venue_is_a_disagreement() -> None:
    ledger = ledger_with(S.CANCELED)
    ledger.compare(listing("a"), at(5))
    assert [told.what for told in ledger.take_disagreements()] == ["open orders"]
    assert [q.order_id for q in ledger.due_questions(at(5))] == ["a"]


def test_what_agrees_is_left_alone() -> None:
    ledger = ledger_with(S.OPEN)
    ledger.compare(listing("a"), at(5))
    assert not ledger.take_disagreements()
    assert ledger.due_questions(at(5)) == []


# ── memory ────────────────────────────────────────────────────────────────────────────────────


def test_finished_orders_and_trades_are_forgotten_in_time() -> None:
    ledger = OrderLedger(keep_finished=10, keep_trades=10)
    for number in range(100):
        ledger.sent(order(str(number), 1), at(0))
        ledger.apply(update(str(number), K.ACCEPTED, venue_id=f"v{number}"), at(0))
        ledger.apply(fill(str(number), 1, trade_id=str(number)), at(0))
    assert ledger.find("89") is None
    assert ledger.find("v89", symbol=BTC) is None
    assert ledger.find("99") is not None
    assert not ledger.open


def test_an_order_that_is_alive_again_is_not_forgotten() -> None:
    ledger = OrderLedger(keep_finished=1)
    ledger.sent(order("a"), at(0))
    ledger.apply(unanswered("a"), at(0))
    ledger.apply(update("a", K.MISSING, 20), at(20))
    ledger.apply(update("a", K.ACCEPTED, 21), at(21))
    for name in ("b", "c", "d"):
        ledger.sent(order(name, 1), at(22))
        ledger.apply(fill(name, 1, trade_id=name), at(22))
    assert the(ledger).state is S.OPEN


# ── any order of arrival ──────────────────────────────────────────────────────────────────────


def life(chance: random.Random) -> tuple[list[Any], OrderState, Decimal, Decimal]:
    """What the venue says in one order's life, and how it ends: state, filled, size."""
    size, filled, sequence, trades = Decimal(10), Decimal(0), 1, 0
    told: list[Any] = [update("a", K.ACCEPTED, sequence=1, venue_id="7", filled=0, size=size)]
    for _ in range(chance.randrange(6)):
        sequence += chance.randrange(1, 3)
        if chance.random() < 0.25 and size - filled > 1:
            size -= 1
            told.append(
                update("a", K.AMENDED, sequence=sequence, venue_id="7", filled=filled, size=size)
            )
            continue
        part = min(size - filled, Decimal(chance.randrange(1, 4)))
        if not part:
            break
        filled, trades = filled + part, trades + 1
        told += [
            fill("a", part, trade_id=str(trades), venue_id="7"),
            update("a", K.FILLED, sequence=sequence, venue_id="7", filled=filled, size=size),
        ]
    end = S.FILLED
    if filled < size:
        end = chance.choice([S.CANCELED, S.EXPIRED, S.OPEN])
        if end is S.OPEN:
            end = S.PARTLY_FILLED if filled else S.OPEN
        else:
            told.append(update("a", K(end.value), sequence=sequence + 1, filled=filled, size=size))
    return told, end, filled, size


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_order_the_messages_come_in_the_venues_truth_is_reached(seed: int) -> None:
    chance = random.Random(seed)
    told, end, filled, size = life(chance)
    doubled = chance.choices(told, k=chance.randrange(4))
    late = [update("a", K.STATUS_OPEN, filled=filled, size=size)] if end not in FINAL else []
    arriving = [*told, *doubled, *late, unanswered("a")]
    chance.shuffle(arriving)
    ledger = OrderLedger()
    ledger.sent(order("a", 10), at(0))
    for message in arriving:
        ledger.apply(message, at(1))
    found = the(ledger)
    assert found.filled == filled
    assert found.reported == filled
    assert found.size == size
    assert found.state is end
    assert ("a" in ledger.open) is (end not in FINAL)
    assert found.missing == 0
