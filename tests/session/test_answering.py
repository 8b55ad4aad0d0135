"""What an answer is told as, where that is not looked at through the commands themselves."""

from __future__ import annotations

from decimal import Decimal

from pitwire.model import errors
from pitwire.model.events import Balance, OpenOrders, Update
from pitwire.model.orders import RejectReason, UpdateKind
from pitwire.session.answering import brings, joined, order_ids, reason_of, sent_at, stamped_by
from pitwire.session.pending import Request, What


def test_lists_that_came_in_parts_are_one_that_was_asked_for_when_the_first_was() -> None:
    update = Update("toy", "A", 0, 9, "b", "v", UpdateKind.STATUS_OPEN)
    first, second = (
        OpenOrders("toy", "", 0, 8, ("a", "b"), asked=5),
        OpenOrders("toy", "", 0, 9, ("b", "c"), asked=7),
    )
    assert joined([first, update, second]) == [
        OpenOrders("toy", "", 0, 9, ("a", "b", "c"), asked=5),
        update,
    ]


def test_what_an_answer_says_of_orders_bears_the_question_and_nothing_else_does() -> None:
    request = Request(What.STATUS, 5, "a")
    update = Update("toy", "A", 0, 9, "a", "v", UpdateKind.STATUS_OPEN)
    balance = Balance("toy", "", 0, 9, "USD", Decimal(1), Decimal(0))
    stamped = stamped_by(update, request)
    assert isinstance(stamped, Update)
    assert (stamped.answers, stamped.asked) == ("status", 5)
    assert stamped_by(balance, request) is balance
    assert order_ids([update, balance]) == {"a"}


def test_which_order_a_request_puts_on_the_book() -> None:
    found = {what: brings(Request(what, 1, "old", "new")) for what in What}
    assert found[What.PLACE] == "old"
    assert found[What.REPLACE] == "new"
    assert {what for what, order_id in found.items() if order_id} == {What.PLACE, What.REPLACE}
    request = Request(What.PLACE, 1, "a")
    assert sent_at(request, 1) is request
    assert sent_at(request, 2) == Request(What.PLACE, 2, "a")


def test_a_reason_that_nobody_knows_is_other() -> None:
    strange = errors.OrderRejected(venue="toy", reason="moon")
    assert reason_of(strange) is RejectReason.OTHER
    clock = errors.AuthenticationFailed(venue="toy", hint="clock")
    assert reason_of(clock) is RejectReason.CLOCK
