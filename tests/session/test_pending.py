"""Requests that wait for their answer."""

from __future__ import annotations

from pitwire.session.pending import Pending, Request, What


def test_an_answer_closes_its_request_once() -> None:
    pending = Pending(patience_ns=10)
    pending.add(1, Request(What.PLACE, 100, "a"))
    found = pending.pop(1)
    assert found is not None
    assert found.order_id == "a"
    assert pending.pop(1) is None
    assert pending.next_deadline() is None


def test_the_oldest_is_overdue_first_told_once_and_remembered() -> None:
    pending = Pending(patience_ns=10)
    pending.add(1, Request(What.PLACE, 100))
    pending.add(2, Request(What.LOGIN, 105))
    assert pending.next_deadline() == 110
    assert pending.expire(109) == []
    assert [request.what for request in pending.expire(110)] == [What.PLACE]
    assert pending.expire(110) == []
    assert pending.next_deadline() == 115
    late = pending.pop(1)
    assert late is not None
    assert late.what is What.PLACE


def test_what_is_remembered_has_a_bound() -> None:
    pending = Pending(patience_ns=1)
    for number in range(2500):
        pending.add(number, Request(What.PLACE, 0))
    pending.expire(1)
    assert pending.pop(0) is None
    assert pending.pop(2499) is not None


def test_a_loss_drains_what_waits() -> None:
    pending = Pending(patience_ns=10)
    pending.add(1, Request(What.PLACE, 100))
    pending.expire(200)
    pending.add(2, Request(What.CANCEL, 200))
    assert [request.what for request in pending.drain()] == [What.CANCEL]
    assert len(pending) == 0
    assert pending.pop(1) is None


def test_what_went_over_http_may_be_answered_after_a_loss() -> None:
    pending = Pending(patience_ns=10)
    for number in (1, 2, 3):
        pending.add(number, Request(What.PLACE, 100, str(number)))
    pending.goes_apart(1), pending.goes_apart(2)
    assert pending.pop(2) is not None
    assert [request.order_id for request in pending.drain()] == ["1", "3"]
    assert not pending.waits_for(1)
    assert pending.drain() == [], "it is told once"
    late = pending.pop(1)
    assert late is not None
    assert late.order_id == "1"
    assert pending.pop(1) is pending.pop(2) is pending.pop(3) is None


def test_commands_are_told_from_errands() -> None:
    errands = {what for what in What if not what.is_command}
    assert errands == {What.SUBSCRIBE, What.UNSUBSCRIBE, What.LOGIN, What.WATCH, What.TIME}


def test_it_says_whether_a_kind_of_request_waits() -> None:
    pending = Pending(patience_ns=10)
    pending.add(1, Request(What.FILLS, 0))
    assert pending.has(What.FILLS)
    assert not pending.has(What.STATUS)
    pending.pop(1)
    assert not pending.has(What.FILLS)


def test_what_was_answered_is_remembered_for_a_while() -> None:
    pending = Pending(patience_ns=10)
    order = Request(What.PLACE, 1, "a")
    others = [Request(What.LOGIN, 1), Request(What.OPEN_ORDERS, 1), Request(What.TEST, 1, "a")]
    pending.add(1, order)
    assert pending.answered(1) is None
    assert pending.pop(1) == order
    assert pending.answered(1) == order
    for number, other in enumerate(others, start=2000):
        pending.add(number, other)
        assert pending.pop(number) == other
        assert pending.answered(number) is None
    for number in range(3, 1003):
        pending.add(number, order)
        pending.pop(number)
    assert (pending.answered(1), pending.answered(3)) == (None, order)
    pending.drain()
    assert pending.answered(3) is None
