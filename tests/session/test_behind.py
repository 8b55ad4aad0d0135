"""A cancel never overtakes the order that it is of, where both go over HTTP."""

from __future__ import annotations

from msgspec.structs import replace

from pitwire.model.clock import SECOND
from pitwire.model.orders import CancelOrder
from pitwire.session.pending import Request, What
from pitwire.venues.venue import CodecOptions, Role
from tests.session.test_commands import NOW, Bench, OverHttp
from tests.session.toy import ToyCodec, order

CANCEL = CancelOrder(order_id="a", symbol="BTC-USDT")


def bench() -> Bench:
    found = Bench(codec=OverHttp(CodecOptions(Role.ORDERS)))
    found.commands.place(order("a"), NOW)
    return found


def test_a_cancel_leaves_once_its_order_is_answered_whatever_the_answer() -> None:
    found = bench()
    [placed] = found.outbox.take_requests()
    found.commands.cancel(CANCEL, NOW)
    found.commands.cancel(CANCEL, NOW + 1)
    found.commands.release(NOW + SECOND)
    assert found.said() == [], "it would be told that there is no such order, and the order lives"
    found.pending.pop(placed.request_id)
    found.commands.release(NOW + SECOND)
    assert len(found.said()) == 1
    found.commands.release(NOW + SECOND)
    assert found.said() == []
    left = found.pending.pop(placed.request_id + 1)
    assert left == Request(What.CANCEL, NOW + SECOND, "a", symbol="BTC-USDT")


def test_a_cancel_leaves_once_the_order_stream_speaks_of_its_order() -> None:
    found = bench()
    found.commands.cancel(CANCEL, NOW)
    found.commands.behind.heard("b")
    found.commands.release(NOW)
    assert found.said() == []
    found.commands.behind.heard("a")
    found.commands.release(NOW)
    assert len(found.said()) == 1
    found.commands.cancel(CANCEL, NOW)
    assert len(found.said()) == 1, "and it waits no more"


def test_a_cancel_waits_no_longer_than_the_answer_may_take() -> None:
    found = bench()
    found.commands.cancel(CANCEL, NOW)
    assert len(found.pending.expire(NOW + 5 * SECOND)) == 1
    found.commands.release(NOW + 5 * SECOND)
    assert len(found.said()) == 1


def test_a_cancel_of_another_order_or_by_the_venue_s_id_waits_for_nothing() -> None:
    found = bench()
    found.commands.cancel(replace(CANCEL, order_id="b"), NOW)
    assert len(found.said()) == 1
    found.commands.cancel(replace(CANCEL, venue_id="v"), NOW)
    assert len(found.said()) == 1
    there = Bench(codec=ToyCodec(CodecOptions(Role.ORDERS)))
    there.commands.place(order("a"), NOW)
    there.commands.cancel(CANCEL, NOW)
    assert len(there.said()) == 2, "on one connection nothing overtakes"


def test_an_order_that_waited_for_its_turn_has_its_cancel_behind_it_too() -> None:
    found = bench()
    found.pacing.block("weight", NOW + SECOND)
    found.commands.place(order("b"), NOW)
    found.commands.release(NOW + SECOND)
    found.commands.cancel(replace(CANCEL, order_id="b"), NOW + SECOND)
    assert found.said() == []


def test_a_cancel_that_waits_when_the_connection_is_lost_was_never_sent() -> None:
    found = bench()
    found.commands.cancel(CANCEL, NOW)
    [told] = found.commands.lost(NOW)
    assert "never sent" in str(told)
    assert not found.commands.behind.held
