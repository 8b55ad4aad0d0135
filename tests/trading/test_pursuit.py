from __future__ import annotations

from msgspec.structs import replace

from pitwire.model.orders import (
    Cancel,
    CancelOrder,
    OrderType,
    RejectReason,
    ReplaceOrder,
    UpdateKind,
)
from pitwire.trading.ledger import OrderLedger
from pitwire.trading.snapshot import decode, encode, restore, take
from pitwire.trading.state import State
from tests.trading.making import BTC, at, order, update

K = UpdateKind
CANCEL = CancelOrder(order_id="a", symbol=BTC, rule="r", type=OrderType.STOP_LIMIT)
AGAIN = [Cancel(order_id="a", rule="r")]


def waiting(kind: OrderType = OrderType.STOP_LIMIT) -> OrderLedger:
    """An order that waits for its price, and a cancel of it that has left."""
    ledger = OrderLedger()
    ledger.sent(order("a", type=kind), at(0))
    ledger.apply(replace(update("a", K.ACCEPTED), type=kind, venue_id=""), at(0))
    ledger.sent(CANCEL, at(1))
    assert due(ledger) == []
    return ledger


def due(ledger: OrderLedger, reached_at: int | None = 0) -> list[Cancel]:
    return ledger.pursuit.due(reached_at)


def refuse(ledger: OrderLedger, reason: RejectReason = RejectReason.UNKNOWN_ORDER) -> None:
    refusal = replace(update("a", K.CANCEL_REJECTED), venue_id="")
    ledger.apply(replace(refusal, reason=reason), at(2))


def trigger(ledger: OrderLedger, seconds: float = 3) -> None:
    ledger.apply(replace(update("a", K.TRIGGERED), venue_id="7"), at(seconds))


def kept(ledger: OrderLedger) -> OrderLedger:
    """The ledger as a checkpoint gives it back."""
    state, again = State(ledger=ledger), State()
    restore(decode(encode(take(state, prefix="", epoch=0, made=0, halted=""))), again)
    return again.ledger


def test_it_follows_once_when_the_order_is_known_on_the_book() -> None:
    ledger = waiting()
    refuse(ledger)
    assert due(ledger) == [], "nobody has said where it went"
    trigger(ledger)
    assert due(ledger) == AGAIN
    assert due(ledger) == []


def test_it_waits_for_the_answer_to_the_first() -> None:
    ledger = waiting()
    trigger(ledger)
    assert due(ledger) == []
    refuse(ledger)
    assert due(ledger) == AGAIN


def test_one_that_still_waits_or_is_over_is_not_followed() -> None:
    ledger = waiting()
    refuse(ledger)
    ledger.apply(replace(update("a", K.STATUS_OPEN), venue_id=""), at(3))
    assert due(ledger) == []
    trigger(ledger, 9)
    assert due(ledger) == [], "its owner saw it open"
    ledger = waiting()
    refuse(ledger)
    ledger.apply(update("a", K.CANCELED), at(3))
    assert due(ledger) == []
    assert ledger.find("a").pursued is None  # type: ignore[union-attr]


def test_one_whose_cancel_was_refused_for_another_reason_is_not_followed() -> None:
    ledger = waiting()
    refuse(ledger, RejectReason.OTHER)
    trigger(ledger)
    assert due(ledger) == []


def test_a_cancel_that_went_to_the_book_is_not_followed() -> None:
    ledger = waiting()
    trigger(ledger, 1)
    ledger.sent(replace(CANCEL, venue_id="7"), at(1))
    refuse(ledger)
    assert due(ledger) == []
    ledger.sent(order("b"), at(2))
    ledger.sent(replace(CANCEL, order_id="b", type=OrderType.LIMIT), at(2))
    ledger.sent(ReplaceOrder(order_id="a", order=order("c")), at(2))
    refuse(ledger)
    assert due(ledger) == []


def test_one_that_could_not_leave_leaves_when_the_venue_is_reached_again() -> None:
    ledger = waiting()
    refuse(ledger)
    trigger(ledger)
    assert due(ledger, None) == [], "nothing can leave"
    assert due(ledger, 4) == AGAIN  # and is dropped: the connection was lost with it
    assert due(ledger, 4) == []
    assert due(ledger, 9) == AGAIN
    ledger.sent(replace(CANCEL, venue_id="7"), at(9))
    refuse(ledger)
    assert due(ledger, 12) == []


def test_it_goes_on_from_a_checkpoint() -> None:
    ledger = waiting()
    refuse(ledger)
    ledger = kept(ledger)
    assert due(ledger) == []
    trigger(ledger)
    assert due(ledger) == AGAIN
    assert due(kept(ledger)) == AGAIN, "nothing has left yet"
    ledger.sent(replace(CANCEL, venue_id="7"), at(4))
    assert due(kept(ledger)) == []
