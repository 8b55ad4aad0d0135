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
from pitwire.trading.pursuit import Pursuit
from tests.trading.making import BTC, at, order, update

K = UpdateKind
CANCEL = CancelOrder(order_id="a", symbol=BTC, rule="r", type=OrderType.STOP_LIMIT)
AGAIN = [Cancel(order_id="a", rule="r")]


def waiting(kind: OrderType = OrderType.STOP_LIMIT) -> tuple[OrderLedger, Pursuit]:
    """An order that waits for its price, and a cancel of it that has left."""
    ledger, pursuit = OrderLedger(), Pursuit()
    ledger.sent(order("a", type=kind), at(0))
    ledger.apply(replace(update("a", K.ACCEPTED), type=kind, venue_id=""), at(0))
    ledger.sent(CANCEL, at(1))
    pursuit.left(CANCEL)
    assert pursuit.due(ledger) == []
    return ledger, pursuit


def refuse(ledger: OrderLedger) -> None:
    refusal = replace(update("a", K.CANCEL_REJECTED), venue_id="")
    ledger.apply(replace(refusal, reason=RejectReason.UNKNOWN_ORDER), at(2))


def test_it_follows_once_when_the_order_is_known_on_the_book() -> None:
    ledger, pursuit = waiting()
    refuse(ledger)
    assert pursuit.due(ledger) == [], "nobody has said where it went"
    ledger.apply(replace(update("a", K.TRIGGERED), venue_id="7"), at(3))
    assert pursuit.due(ledger) == AGAIN
    assert pursuit.due(ledger) == []


def test_it_waits_for_the_answer_to_the_first() -> None:
    ledger, pursuit = waiting()
    ledger.apply(replace(update("a", K.TRIGGERED), venue_id="7"), at(3))
    assert pursuit.due(ledger) == []
    refuse(ledger)
    assert pursuit.due(ledger) == AGAIN


def test_one_that_still_waits_or_is_over_is_not_followed() -> None:
    ledger, pursuit = waiting()
    refuse(ledger)
    ledger.apply(replace(update("a", K.STATUS_OPEN), venue_id=""), at(3))
    assert pursuit.due(ledger) == []
    ledger.apply(replace(update("a", K.TRIGGERED), venue_id="7"), at(9))
    assert pursuit.due(ledger) == [], "its owner saw it open"
    ledger, pursuit = waiting()
    refuse(ledger)
    ledger.apply(update("a", K.CANCELED), at(3))
    assert pursuit.due(ledger) == []


def test_a_cancel_that_went_to_the_book_is_not_followed() -> None:
    ledger, pursuit = waiting()
    ledger.apply(replace(update("a", K.TRIGGERED), venue_id="7"), at(1))
    pursuit.left(replace(CANCEL, venue_id="7"))
    refuse(ledger)
    assert pursuit.due(ledger) == []
    pursuit.left(order("b"))
    pursuit.left(replace(CANCEL, type=OrderType.LIMIT))
    pursuit.left(ReplaceOrder(order_id="a", order=order("c")))
    assert pursuit.due(ledger) == []
