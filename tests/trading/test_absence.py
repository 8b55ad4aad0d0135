"""The proof table: what makes an unknown order known, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.model import events as ev
from pitwire.model.orders import CancelOrder, OrderState, RejectReason, UpdateKind
from pitwire.model.proof import NO_PROOF, DeathProof
from pitwire.trading.journal import Started
from pitwire.trading.ledger import OrderLedger
from pitwire.trading.replay import Replay
from pitwire.trading.snapshot import decode, encode, restore
from pitwire.trading.state import State
from pitwire.trading.tracked import Origin
from pitwire.trading.wishes import cancel
from pitwire.venues.registry import find_venue
from tests.trading.making import BTC, Desk, at, fill, order, unanswered, update

S, K = OrderState, UpdateKind
BINANCE = find_venue("binance").proof
TWICE = DeathProof(automatic=True, processing_seconds=10, answers=2, apart_seconds=2)


def unknown(proof: DeathProof = BINANCE) -> OrderLedger:
    """Order `a`, sent at 0 and unknown since 5."""
    ledger = OrderLedger(proof=proof)
    ledger.sent(order("a", 2), at(0))
    ledger.apply(silence("a"), at(5))
    return ledger


def silence(order_id: str) -> ev.Unanswered:
    """Five seconds after it left, nobody had answered."""
    return ev.Unanswered("test", BTC, 0, at(5), order_id, "place", 5.0)


def the(ledger: OrderLedger, order_id: str = "a") -> Any:
    found = ledger.find(order_id)
    assert found is not None
    return found


def absent(asked: float, heard: float, *, order_id: str = "a") -> ev.Update:
    """The venue's "no such order" to a question asked then, heard then."""
    return update(
        order_id, K.MISSING, heard, asked=at(asked), answers="status", code=-2013, text="no such"
    )


# ── death ─────────────────────────────────────────────────────────────────────────────────────


def test_binance_proves_death_after_window_clock_processing_and_margin() -> None:
    assert BINANCE.automatic
    assert (BINANCE.window_seconds, BINANCE.processing_seconds, BINANCE.margin_seconds) == (
        2.0, 10.0, 2.0,
    )  # fmt: skip
    assert BINANCE.clock_seconds == 1.0, "a request stamped a second ahead is refused"
    assert BINANCE.after_seconds == 15.0


def test_not_found_counts_from_when_it_was_asked_not_from_when_it_was_heard() -> None:
    ledger = unknown()
    ledger.apply(absent(14.9, 45), at(45))
    assert the(ledger).state is S.UNKNOWN, "a copy might have come after this was asked"
    change = ledger.apply(absent(15, 45.1), at(45.1))
    assert change is not None
    assert (change.before, change.after) == (S.UNKNOWN, S.REJECTED)
    assert the(ledger).declared_dead


def test_an_order_that_waited_for_its_turn_is_counted_from_when_it_left() -> None:
    ledger = OrderLedger(proof=BINANCE)
    ledger.sent(order("a", 2), at(0))
    # Paced out for nine seconds, then two without an answer.
    ledger.apply(ev.Unanswered("test", BTC, 0, at(11), "a", "place", 2.0), at(11))
    ledger.apply(absent(20, 20), at(20))
    assert the(ledger).state is S.UNKNOWN
    ledger.apply(absent(24, 24), at(24))
    assert the(ledger).state is S.REJECTED


def test_what_a_dead_desk_had_sent_may_have_left_in_its_last_moment() -> None:
    """It may have waited for its turn, and the journal says only that it did."""
    ledger = OrderLedger(proof=BINANCE)
    ledger.sent(order("a", 2), at(0))
    ledger.lost(at(14), restarted=True)
    ledger.apply(absent(16, 16), at(16))
    assert the(ledger).state is S.UNKNOWN
    ledger.apply(absent(29, 29), at(29))
    assert the(ledger).state is S.REJECTED


def test_where_two_answers_are_wanted_they_must_be_apart() -> None:
    ledger = unknown(TWICE)
    for asked in (10, 11, 11.9):
        ledger.apply(absent(asked, asked), at(asked))
        assert the(ledger).state is S.UNKNOWN
    ledger.apply(absent(12, 12), at(12))
    assert the(ledger).state is S.REJECTED


def test_one_question_that_is_answered_twice_is_no_second_proof() -> None:
    ledger = unknown(DeathProof(automatic=True, processing_seconds=10, answers=2))
    for heard in (10, 11):
        ledger.apply(absent(10, heard), at(heard))
        assert the(ledger).state is S.UNKNOWN
    ledger.apply(absent(10.5, 12), at(12))
    assert the(ledger).state is S.REJECTED


def test_an_answer_from_before_it_may_have_left_again_counts_for_nothing() -> None:
    """The first of two that are wanted, and then it turns out to have left later."""
    ledger = unknown(TWICE)
    ledger.apply(absent(11, 11), at(11))
    ledger.apply(ev.Unanswered("test", BTC, 0, at(16), "a", "place", 2.0), at(16))
    ledger.apply(absent(25, 25), at(25))
    assert the(ledger).state is S.UNKNOWN
    ledger.apply(absent(27, 27), at(27))
    assert the(ledger).state is S.REJECTED


def test_a_clock_set_back_while_nobody_ran_makes_no_order_younger() -> None:
    """What the old clock said was later than now was before it: it had left by the start."""
    ledger = OrderLedger(proof=BINANCE)
    for name in ("a", "b"):
        ledger.sent(order(name, 2), at(1000))
    ledger.apply(ev.Unanswered("test", BTC, 0, at(1005), "a", "place", 5.0), at(1005))
    ledger.apply(update("b", K.ACCEPTED, 1001), at(1001))
    ledger.apply(unanswered("b", "cancel", 1005), at(1005))
    ledger.lost(at(900), restarted=True)
    assert ledger.tally.oldest_unknown() is the(ledger)
    assert the(ledger).changed_at == at(900)
    ledger.apply(absent(914, 914), at(914))
    assert the(ledger).state is S.UNKNOWN
    ledger.apply(absent(915, 915), at(915))
    assert the(ledger).state is S.REJECTED
    ledger.apply(update("b", K.STATUS_OPEN, 901, asked=at(900.5)), at(901))
    assert the(ledger, "b").doubt == ""


@pytest.mark.parametrize("born_anew", [900, 1001.5, 1100])
def test_a_cancel_that_was_on_its_way_at_a_death_may_be_sent_anew(born_anew: float) -> None:
    """Nobody will answer it; a clock that was set back held the next one back by as much."""
    ledger = OrderLedger(proof=BINANCE)
    ledger.sent(order("a", 2), at(1000))
    ledger.sent(CancelOrder(order_id="a", symbol=BTC), at(1001))
    ledger.lost(at(born_anew), restarted=True)
    assert the(ledger).state is S.UNKNOWN
    assert the(ledger).cancel_sent == 0


def test_a_venue_of_which_nothing_is_known_never_proves_a_death() -> None:
    ledger = unknown(NO_PROOF)
    for second in range(20, 4000, 100):
        ledger.apply(absent(second, second), at(second))
    assert the(ledger).state is S.UNKNOWN
    assert ledger.exposure(BTC, None).buys == 2


def test_a_question_that_failed_is_no_information() -> None:
    ledger = unknown()
    before = the(ledger).doubt, the(ledger).state, the(ledger).absences
    for second in (16, 20, 40):
        assert ledger.apply(unanswered("a", "status", second), at(second)) is None
    assert (the(ledger).doubt, the(ledger).state, the(ledger).absences) == before


def test_a_sign_of_life_rules_death_out_for_good() -> None:
    ledger = unknown()
    ledger.apply(update("a", K.STATUS_OPEN, 6, asked=at(6)), at(6))
    ledger.lost(at(7))
    ledger.apply(absent(60, 60), at(60))
    assert the(ledger).is_open


def test_the_first_question_that_can_prove_anything_is_asked_at_once() -> None:
    ledger = unknown()
    asked = [tenth / 10 for tenth in range(50, 200) if ledger.due_questions(at(tenth / 10))]
    assert 15.0 in asked


# ── the proof is kept ─────────────────────────────────────────────────────────────────────────


def test_death_keeps_its_proof_with_the_order_and_in_the_journal() -> None:
    ledger = unknown()
    change = ledger.apply(absent(16, 17), at(17))
    assert change is not None
    proof = change.proof
    assert proof is the(ledger).proof
    assert proof is not None
    assert (proof.by, proof.said, proof.code, proof.text) == ("status", "missing", -2013, "no such")
    assert (proof.asked, proof.heard, proof.counts_from) == (at(16), at(17), at(15))


@pytest.mark.parametrize(
    ("message", "by", "said"),
    [
        (update("a", K.CANCELED, 6), "order stream", "canceled"),
        (update("a", K.REJECTED, 6, answers="place", asked=at(0)), "place", "rejected"),
        (fill("a", 2, seconds=6, trade_id="77"), "fill", "trade 77"),
    ],
)
def test_every_end_has_its_proof(message: Any, by: str, said: str) -> None:
    change = unknown().apply(message, at(6))
    assert change is not None
    assert change.ended
    assert change.proof is not None
    assert (change.proof.by, change.proof.said) == (by, said)


def test_what_never_left_is_proven_by_ourselves() -> None:
    ledger = OrderLedger()
    made = order("a", 2)
    ledger.made(made, at(0))
    change = ledger.dropped(made, at(1), "not connected")
    assert change is not None
    assert change.proof is not None
    assert (change.proof.by, change.proof.said) == ("desk", "dropped: not connected")


def test_a_checkpoint_keeps_proofs_and_what_they_take() -> None:
    replay = Replay()
    replay.take(Started(at=at(0), prefix="t", epoch=1, proof=BINANCE))
    ledger = replay.state.ledger
    for name in ("a", "b"):
        ledger.sent(order(name, 2), at(0))
        ledger.apply(silence(name), at(5))
    ledger.apply(absent(16, 16), at(16))
    again = State()
    restore(decode(encode(replay.snapshot())), again)
    assert again.ledger.proof == BINANCE
    assert the(again.ledger).proof == the(ledger).proof
    again.ledger.apply(absent(16, 18, order_id="b"), at(18))
    assert the(again.ledger, "b").state is S.REJECTED


# ── what is late, and what is unknown meanwhile ───────────────────────────────────────────────


def test_a_late_acknowledgement_goes_to_its_order() -> None:
    ledger = unknown()
    ledger.sent(order("b", 2), at(20))
    ledger.apply(update("a", K.ACCEPTED, 35, venue_id="9", answers="place", asked=at(0)), at(35))
    assert the(ledger).state is S.OPEN
    assert the(ledger, "b").state is S.SENT


def test_an_answer_older_than_the_doubt_does_not_close_it() -> None:
    ledger = OrderLedger(proof=BINANCE)
    ledger.sent(order("a", 2), at(0))
    ledger.apply(update("a", K.ACCEPTED), at(0))
    ledger.compare(ev.OpenOrders("test", BTC, 0, at(10), (), at(9)), at(10))
    ledger.apply(update("a", K.STATUS_OPEN, 11, answers="status", asked=at(3)), at(11))
    assert the(ledger).doubt
    ledger.apply(update("a", K.STATUS_OPEN, 12, answers="status", asked=at(11)), at(12))
    assert not the(ledger).doubt


def test_an_order_that_ended_after_the_list_was_asked_for_may_still_be_in_it() -> None:
    ledger = OrderLedger(proof=BINANCE)
    ledger.sent(order("a", 2), at(0))
    ledger.apply(fill("a", 2, seconds=4), at(4))
    ledger.compare(ev.OpenOrders("test", BTC, 0, at(5), ("a",), at(3)), at(5))
    assert not the(ledger).doubt
    ledger.compare(ev.OpenOrders("test", BTC, 0, at(7), ("a",), at(6)), at(7))
    assert the(ledger).doubt == "finished for us, open at the venue"


def test_an_order_that_is_filled_by_the_venues_own_word_is_in_doubt_no_longer() -> None:
    ledger = OrderLedger(proof=BINANCE)
    ledger.sent(order("a", 2), at(0))
    ledger.apply(fill("a", 2, seconds=4), at(4))
    ledger.compare(ev.OpenOrders("test", BTC, 0, at(7), ("a",), at(6)), at(7))
    assert [one.id for one in ledger.in_doubt] == ["a"]
    said = update("a", K.FILLED, 8, filled=2, size=2, answers="status", asked=at(7))
    ledger.apply(said, at(8))
    assert ledger.in_doubt == []


def test_an_order_sent_after_the_list_was_asked_for_cannot_be_in_it() -> None:
    ledger = OrderLedger(proof=BINANCE)
    ledger.sent(order("a", 2), at(4))
    ledger.apply(update("a", K.ACCEPTED, 4), at(4))
    ledger.compare(ev.OpenOrders("test", BTC, 0, at(5), (), at(3)), at(5))
    assert not the(ledger).doubt


def test_an_unknown_order_may_be_cancelled_by_its_client_id() -> None:
    desk = Desk()
    desk.state.ledger.made(order("t-1", 2), at(0))
    desk.state.ledger.sent(order("t-1", 2), at(0))
    desk.state.ledger.apply(unanswered("t-1", seconds=5), at(5))
    [command] = desk.screen.admit((cancel(),), desk.state, at(6))
    assert isinstance(command, CancelOrder)
    assert (command.order_id, command.venue_id) == ("t-1", "")


def test_a_cancel_refused_for_an_unknown_order_leaves_it_unknown() -> None:
    ledger = unknown()
    ledger.sent(CancelOrder(order_id="a", symbol=BTC), at(6))
    refused = update("a", K.CANCEL_REJECTED, 7, reason=RejectReason.UNKNOWN_ORDER)
    ledger.apply(refused, at(7))
    assert the(ledger).state is S.UNKNOWN
    assert ledger.exposure(BTC, None).buys == 2


def test_a_reconnection_asks_at_once_and_anew() -> None:
    ledger = unknown()
    for second in range(5, 600):
        ledger.due_questions(at(second))
    assert ledger.due_questions(at(600)) == []
    ledger.hurry_questions(at(600))
    assert [one.order_id for one in ledger.due_questions(at(600))] == ["a"]
    assert [one.order_id for one in ledger.due_questions(at(602))] == ["a"]


def test_many_questions_are_handed_out_a_few_at_a_time() -> None:
    ledger = OrderLedger(proof=BINANCE)
    for number in range(25):
        ledger.sent(order(f"o{number}", 1), at(0))
    ledger.lost(at(1))
    asked: list[str] = []
    for _ in range(3):
        asked += [one.order_id for one in ledger.due_questions(at(1), most=10)]
    assert sorted(asked) == sorted(f"o{number}" for number in range(25))


# ── strangers ─────────────────────────────────────────────────────────────────────────────────


def test_a_stranger_known_by_its_fill_turns_out_to_be_ours() -> None:
    ledger = unknown()
    # A list of trades names an order by the venue's id only, and ours is not known by it yet.
    ledger.apply(fill("9", 1, seconds=6, trade_id="5", venue_id="9"), at(6))
    stranger = ledger.find("9", symbol=BTC)
    assert stranger is not None
    assert stranger.origin is Origin.FOREIGN
    ledger.take_disagreements()
    found = update("a", K.STATUS_OPEN, 7, venue_id="9", filled=1, size=2, asked=at(6))
    ledger.apply(found, at(7))
    ours = the(ledger)
    assert ours is ledger.find("9", symbol=BTC)
    assert (ours.origin, ours.state, ours.filled) == (Origin.OURS, S.PARTLY_FILLED, 1)
    assert ours.missing == 0
    assert list(ledger.open) == ["a"]
    assert [one.what for one in ledger.take_disagreements()] == ["foreign order"]
    assert ledger.apply(fill("a", 1, seconds=8, trade_id="5", venue_id="9"), at(8)) is None
