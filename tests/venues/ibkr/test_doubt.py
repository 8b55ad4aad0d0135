"""What proves something of an order, and what does not; what is ours of all that is told."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from pitwire.model.errors import OrderRejected, OutcomeUnknown, RateLimited
from pitwire.model.events import Balance, Fill, Malformed, Rejected, Update
from pitwire.model.orders import AmendOrder, UpdateKind
from pitwire.session.answering import NOT_DONE
from pitwire.venues.codec import Decoded, HttpRequest, Reply
from pitwire.venues.ibkr.codec import IbkrCodec
from pitwire.venues.ibkr.settings import Settings
from tests.venues.ibkr.talk import (
    NOW,
    PLACED,
    QUESTION,
    answer,
    frame,
    further,
    ready,
    reply,
)
from tests.venues.ibkr.test_orders import EXECUTION, FULL, error_of, placed, sor

AGREES = Settings(answers=("no-market-data",))
PROMPT: dict[str, Any] = {
    "orderId": 123456789, "reqId": "22170", "dismissable": [], "text": "Use it?",
    "options": ["Use on this order", "Do not use"], "type": "M", "messageId": "p12",
    "prompt": True,
}  # fmt: skip


def proves_nothing(told: Sequence[Decoded], status: int) -> None:
    """And who was told to be silent is."""
    replies = [one for one in told if isinstance(one, Reply)]
    [found] = [one.error for one in replies if one.request_id]
    assert isinstance(found, OutcomeUnknown)
    assert any(isinstance(one.error, RateLimited) for one in replies) is (status == 429)


# ── answers ──


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"<html><body>404 Not Found</body></html>"),
        (400, {"error": "Bad Request: account not found", "statusCode": 400}),
        (400, {"error": "Bad Request: Please query /accounts first", "statusCode": 400}),
        (200, {"error": "session not found"}),
        (403, b"Forbidden"),
    ],
)
def test_a_list_that_is_refused_is_no_proof_that_an_order_never_was(status: int, body: Any) -> None:
    codec = ready()
    look = codec.order_status("AAPL-USD", "my-1", NOW, 4)
    error = error_of(answer(codec, look, body, status))
    assert not isinstance(error, OrderRejected)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"error": "Order is filled already"}),
        (200, {"error": "OrderID 123456789 doesn't exist"}),
        (400, {"error": "OrderID 123456789 doesn't exist"}),
        (404, b""),
        (401, {"error": "not authenticated", "statusCode": 401}),
        (429, {"error": "Too many requests"}),
        (503, b""),
    ],
)
def test_a_prompt_whose_cancel_is_refused_proves_nothing_of_the_order(
    status: int, body: Any
) -> None:
    codec = ready()
    cancel = further(answer(codec, placed(codec), PROMPT))
    proves_nothing(answer(codec, cancel, body, status), status)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": "reply id not found: 'r1'"}),
        (404, b"<html>404 Not Found</html>"),
        (401, {"error": "not authenticated", "statusCode": 401}),
        (403, b"Forbidden"),
        (429, {"error": "Too many requests"}),
        (400, {"error": "Bad Request: no bridge", "statusCode": 400}),
    ],
)
@pytest.mark.parametrize("settings", [Settings(), AGREES])
def test_an_answer_of_ours_that_did_not_arrive_proves_nothing(
    settings: Settings, status: int, body: Any
) -> None:
    codec = ready(settings=settings)
    ours = further(answer(codec, placed(codec), QUESTION))
    proves_nothing(answer(codec, ours, body, status), status)


def test_a_no_to_a_question_that_is_not_there_any_more_proves_nothing() -> None:
    codec = ready()
    no = further(answer(codec, placed(codec), QUESTION))
    lost = {"error": "reply id not found: 'r1'"}
    assert isinstance(error_of(answer(codec, no, lost)), OutcomeUnknown)


@pytest.mark.parametrize("status", [201, 202, 204, 302, 408, 409, 425, 499])
def test_an_answer_of_which_nothing_is_known_proves_nothing_of_a_command(status: int) -> None:
    codec = ready()
    error = error_of(answer(codec, placed(codec), b"", status))
    assert not isinstance(error, NOT_DONE)


# ── what is ours ──


def test_orders_and_executions_of_another_account_are_not_ours() -> None:
    codec = ready()
    assert sor(codec, {**FULL, "acct": "DU7654321", "status": "Submitted"}) == []
    other = {**EXECUTION, "account": "DU7654321"}
    assert codec.decode(frame(topic="str", args=[other]), NOW) == []
    look = codec.open_orders("", NOW, 4)
    rows = [{**FULL, "status": "Submitted"}, {**FULL, "orderId": 9, "acct": "DU7654321"}]
    _, *updates = reply(answer(codec, look, {"orders": rows, "snapshot": True})).events
    assert [one.venue_id for one in updates if isinstance(one, Update)] == ["1370093239"]
    fills = reply(answer(codec, codec.fills_since("", "", 0, NOW, 5), [EXECUTION, other])).events
    assert len([one for one in fills if isinstance(one, Fill)]) == 1


def test_one_execution_that_cannot_be_read_hides_none_beside_it() -> None:
    codec = ready()
    odd = {**EXECUTION, "execution_id": "a.b.01.01", "price": "n/a"}
    told = codec.decode(frame(topic="str", args=[odd, EXECUTION]), NOW)
    assert [type(one) for one in told] == [Fill, Malformed]


def test_one_order_that_cannot_be_read_hides_none_beside_it() -> None:
    codec = ready()
    odd = {**FULL, "orderId": 9, "order_ref": "x", "totalSize": "many"}
    told = sor(codec, odd, {**FULL, "status": "Submitted"})
    assert {type(one) for one in told} == {Update, Malformed}


def test_fills_are_asked_for_a_day_more_than_has_passed() -> None:
    """A day of the venue may be one of its calendar: a minute past midnight is another one."""
    codec = ready()
    asked = codec.fills_since("AAPL-USD", "", NOW - 120 * 10**9, NOW, 4)
    assert asked.query == "days=2"


# ── sizes ──


def amended(codec: IbkrCodec, size: str = "40") -> HttpRequest:
    answer(codec, placed(codec), PLACED)
    sor(codec, {**FULL, "status": "Submitted"})
    smaller = AmendOrder(order_id="my-1", symbol="AAPL-USD", size=Decimal(size))
    return codec.amend(smaller, NOW, 9)


def test_a_smaller_size_that_the_stream_tells_is_an_amendment() -> None:
    codec = ready()
    answer(codec, amended(codec), PLACED)
    [told] = sor(codec, {"orderId": 1370093239, "totalSize": 40.0, "status": "Submitted"})
    assert isinstance(told, Update)
    assert (told.update, told.size) == (UpdateKind.AMENDED, Decimal("40.0"))
    [told] = sor(codec, {"orderId": 1370093239, "totalSize": 40.0, "status": "Submitted"})
    assert isinstance(told, Update)
    assert told.update is UpdateKind.ACCEPTED


def test_what_is_filled_is_what_the_venue_says_and_not_what_was_wanted() -> None:
    codec = ready()
    answer(codec, amended(codec), PLACED)
    [told] = sor(codec, {"orderId": 1370093239, "filledQuantity": 40.0, "status": "Filled"})
    assert isinstance(told, Update)
    assert (told.update, told.filled) == (UpdateKind.FILLED, Decimal("40.0"))


# ── what the account holds ──


def held(codec: IbkrCodec, rows: list[dict[str, Any]], cash: Any) -> dict[str, Decimal]:
    step = codec.account(NOW, 6)
    for body in ([{"id": "DU1234567"}], {"message": "success"}, rows):
        step = further(answer(codec, step, body))
    events = reply(answer(codec, step, cash)).events
    return {one.asset: one.free for one in events if isinstance(one, Balance)}


def test_a_rest_of_a_cent_is_a_balance() -> None:
    cash = b'{"USD":{"cashbalance":1.1368683772161603E-13},"EUR":{"cashbalance":-2.5e-05}}'
    told = held(ready(), [], cash)
    assert told["USD"] == Decimal("1.1368683772161603E-13")
    assert told["EUR"] == Decimal("-0.000025")


def test_an_option_on_a_stock_is_not_that_stock() -> None:
    stock = {"conid": 265598, "position": 100.0, "contractDesc": "AAPL", "currency": "USD",
             "assetClass": "STK"}  # fmt: skip
    option = {"conid": 7001, "position": 5.0, "contractDesc": "AAPL JAN2027 200 C",
              "currency": "USD", "assetClass": "OPT"}  # fmt: skip
    abroad = {"conid": 7002, "position": 7.0, "contractDesc": "AAPL", "currency": "CAD",
              "assetClass": "STK"}  # fmt: skip
    told = held(ready(), [stock, option, abroad], {})
    assert told["AAPL"] == Decimal(100)
    assert sorted(told.values()) == [0, 5, 7, 100]  # IBM is listed, and not held


def test_a_number_with_a_separator_where_none_belongs_is_none() -> None:
    codec = ready()
    [told] = sor(codec, {**FULL, "avgPrice": "647,09", "status": "Submitted"})
    assert isinstance(told, Malformed)
    [fine] = sor(codec, {**FULL, "avgPrice": "1,647.09", "filledQuantity": 1.0,
                         "status": "Submitted"})  # fmt: skip
    assert isinstance(fine, Update)
    assert fine.filled_quote == Decimal("1647.09")


def test_an_execution_or_an_order_of_an_option_is_none_of_its_stock() -> None:
    codec = ready()
    option = {**EXECUTION, "execution_id": "o.p.01.01", "conid": 7001, "order_ref": None}
    [fill] = codec.decode(frame(topic="str", args=[option]), NOW)
    assert isinstance(fill, Fill)
    assert fill.symbol == "AAPL7001-USD"
    [told] = sor(codec, {**FULL, "orderId": 9, "conid": 7001, "order_ref": None,
                         "status": "Submitted"})  # fmt: skip
    assert isinstance(told, Update)
    assert told.symbol == "AAPL7001-USD"


def test_a_frame_or_an_answer_is_one_that_cannot_be_read_however_many_rows_are_so() -> None:
    codec = ready()
    odd = [{**EXECUTION, "execution_id": f"a.{n}.01.01", "price": "n/a"} for n in range(6)]
    told = codec.decode(frame(topic="str", args=[*odd, EXECUTION]), NOW)
    assert [type(one) for one in told] == [Fill, Malformed]
    told = answer(codec, codec.fills_since("", "", 0, NOW, 5), [*odd, EXECUTION])
    assert len([one for one in told if isinstance(one, Malformed)]) == 1
    assert [type(one) for one in reply(told).events] == [Fill]
    rows = [{**FULL, "orderId": n, "totalSize": "many"} for n in range(2, 8)]
    assert [type(one) for one in sor(codec, *rows)] == [Malformed]


def test_a_correction_is_told_once_however_often_it_is_listed() -> None:
    codec = ready()
    rows = [EXECUTION, {**EXECUTION, "execution_id": "0000e0d5.6576fd38.01.02"}]
    first = reply(answer(codec, codec.fills_since("", "", 0, NOW, 5), rows)).events
    assert [type(one) for one in first] == [Fill, Rejected]
    again = reply(answer(codec, codec.fills_since("", "", 0, NOW, 6), rows)).events
    assert [type(one) for one in again] == [Fill]
