"""Orders: their bytes, their questions, what their answers and the streams say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from pitwire.model.errors import (
    ConfigError,
    OrderRejected,
    OutcomeUnknown,
    RemoteError,
    RequestRejected,
    StateError,
    VenueUnavailable,
)
from pitwire.model.events import Balance, Fill, OpenOrders, Rejected, Update
from pitwire.model.orders import (
    AmendOrder,
    CancelOrder,
    OrderType,
    Side,
    TimeInForce,
    UpdateKind,
)
from pitwire.venues.codec import Decoded, Ended, HttpRequest
from pitwire.venues.ibkr.codec import IbkrCodec
from pitwire.venues.ibkr.settings import Settings
from tests.venues.ibkr.talk import (
    NO_DATA,
    NOW,
    PLACED,
    QUESTION,
    answer,
    frame,
    fresh,
    further,
    order,
    ready,
    reply,
)

AGREES = Settings(answers=("no-market-data", "price-percentage"))
FULL: dict[str, Any] = {
    "acct": "DU1234567",
    "conidex": "265598",
    "conid": 265598,
    "orderId": 1370093239,
    "cashCcy": "USD",
    "sizeAndFills": "0/100",
    "ticker": "AAPL",
    "remainingQuantity": 100.0,
    "filledQuantity": 0.0,
    "totalSize": 100.0,
    "status": "Inactive",
    "origOrderType": "LIMIT",
    "lastExecutionTime_r": 1702317649000,
    "order_ref": "my-1",
    "side": "BUY",
    "timeInForce": "CLOSE",
    "price": 165.5,
}
EXECUTION: dict[str, Any] = {
    "execution_id": "0000e0d5.6576fd38.01.01",
    "symbol": "AAPL",
    "side": "B",
    "trade_time_r": 1702317649000,
    "size": 5.0,
    "price": "192.26",
    "order_ref": "my-1",
    "commission": "1.01",
    "account": "DU1234567",
    "conid": 265598,
    "order_id": 1370093239,
}


def placed(codec: IbkrCodec, **more: Any) -> HttpRequest:
    return codec.place(order(**more), NOW, 7)


def sor(codec: IbkrCodec, *rows: dict[str, Any]) -> Sequence[Decoded]:
    return codec.decode(frame(topic="sor", args=list(rows)), NOW)


def error_of(decoded: Sequence[Decoded]) -> RemoteError:
    error = reply(decoded).error
    assert error is not None
    return error


# ── bytes ──


def test_an_order_leaves_as_the_papers_have_it() -> None:
    request = placed(ready())
    assert (request.method, request.path) == ("POST", "/v1/api/iserver/account/DU1234567/orders")
    assert request.body == (
        b'{"orders":[{"acctId":"DU1234567","conid":265598,"cOID":"my-1","orderType":"LMT",'
        b'"side":"BUY","price":165.5,"quantity":100,"tif":"DAY","outsideRTH":false,'
        b'"listingExchange":"SMART"}]}'
    )


def test_a_stop_stands_where_the_venue_wants_it() -> None:
    stop = Decimal("150.25")
    request = placed(ready(), type=OrderType.STOP, price=None, stop_price=stop)
    [ticket] = json.loads(request.body)["orders"]
    assert (ticket["orderType"], ticket["price"], "auxPrice" in ticket) == ("STP", 150.25, False)
    request = placed(ready(), type=OrderType.STOP_LIMIT, stop_price=stop)
    [ticket] = json.loads(request.body)["orders"]
    assert (ticket["orderType"], ticket["price"], ticket["auxPrice"]) == (
        "STOP_LIMIT", 165.5, 150.25,
    )  # fmt: skip
    [ticket] = json.loads(placed(ready(), type=OrderType.MARKET, price=None).body)["orders"]
    assert (ticket["orderType"], "price" in ticket) == ("MKT", False)


@pytest.mark.parametrize(
    "more",
    [
        {"type": OrderType.POST_ONLY},
        {"time_in_force": TimeInForce.FOK},
        {"reduce_only": True},
        {"trailing_bips": 10},
        {"id": "x" * 65},
        {"type": OrderType.STOP, "price": None},
    ],
)
def test_what_the_venue_has_no_word_for_does_not_leave(more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        placed(ready(), **more)


def test_no_order_leaves_before_the_account_is_known() -> None:
    with pytest.raises(StateError):
        placed(fresh())


# ── answers ──


def test_an_accepted_order_is_told_with_the_venues_number() -> None:
    codec = ready()
    [update] = reply(answer(codec, placed(codec), PLACED)).events
    assert isinstance(update, Update)
    assert (update.update, update.order_id, update.venue_id) == (
        UpdateKind.ACCEPTED, "my-1", "1370093239",
    )  # fmt: skip


def test_without_a_name_in_the_settings_every_question_is_answered_with_no() -> None:
    codec = ready()
    no = further(answer(codec, placed(codec), QUESTION))
    assert no.path == "/v1/api/iserver/reply/99097238-9824-4830-84ef-46979aa22593"
    assert (no.body, no.request_id) == (b'{"confirmed":false}', 7)
    error = error_of(answer(codec, no, {"error": "Order not confirmed "}))
    assert isinstance(error, OrderRejected)
    assert (error.reason, error.order_id) == ("not_permitted", "my-1")
    assert "o354: You are submitting an order without market data" in error.text


def test_a_chain_of_questions_that_were_agreed_to_is_answered_to_its_end() -> None:
    codec, asked = ready(settings=AGREES), placed(ready(settings=AGREES))
    asked = placed(codec)
    for text, id in (
        (NO_DATA, "o354"),
        ("… price exceeds the Percentage constraint of 3%", "o163"),
    ):
        asked = further(answer(codec, asked, [{"id": "r1", "message": [text], "messageIds": [id]}]))
        assert asked.body == b'{"confirmed":true}'
    [update] = reply(answer(codec, asked, PLACED)).events
    assert isinstance(update, Update)
    assert update.text.startswith("said yes to o354: You are submitting")
    assert "o163" in update.text


@pytest.mark.parametrize(
    ("ids", "messages"),
    [
        (["o354"], ["Something else altogether. Are you sure?"]),  # the id alone is not enough
        (["o999"], [NO_DATA]),
        (["o354"], [NO_DATA, "and another thing"]),
        (["o354", "o999"], [NO_DATA, "and another thing"]),
        (["o354", "o163"], [NO_DATA]),
        ([], [NO_DATA]),
        (["o354"], []),
    ],
)
def test_nothing_unknown_is_ever_answered_with_yes(ids: list[str], messages: list[str]) -> None:
    codec = ready(settings=AGREES)
    asked = [{"id": "r1", "message": messages, "messageIds": ids}]
    assert further(answer(codec, placed(codec), asked)).body == b'{"confirmed":false}'


def test_a_chain_without_an_end_is_refused() -> None:
    codec = ready(settings=AGREES)
    asked = placed(codec)
    for _ in range(8):
        asked = further(answer(codec, asked, QUESTION))
        assert asked.body == b'{"confirmed":true}'
    assert further(answer(codec, asked, QUESTION)).body == b'{"confirmed":false}'


def test_a_question_that_is_a_bare_object_is_one_too() -> None:
    codec = ready(settings=AGREES)
    assert further(answer(codec, placed(codec), QUESTION[0])).body == b'{"confirmed":true}'


def test_a_yes_of_which_nobody_knows_what_became_proves_nothing() -> None:
    for status, body in ((503, {"error": "timed out"}), (500, b""), (200, b"{"), (200, b"[]"),
                         (200, {"error": "reply id not found: 'r1'"})):  # fmt: skip
        codec = ready(settings=AGREES)
        yes = further(answer(codec, placed(codec), QUESTION))
        assert isinstance(error_of(answer(codec, yes, body, status)), OutcomeUnknown)


def test_a_prompt_that_has_no_no_is_cancelled_and_asked_about() -> None:
    codec = ready(settings=AGREES)
    prompt = {"orderId": 123456789, "reqId": "22170", "dismissable": [], "text": "Use it?",
              "options": ["Use on this order", "Do not use"], "type": "M", "messageId": "p12",
              "prompt": True}  # fmt: skip
    cancel = further(answer(codec, placed(codec), prompt))
    assert (cancel.method, cancel.path) == (
        "DELETE", "/v1/api/iserver/account/DU1234567/order/123456789",
    )  # fmt: skip
    error = error_of(answer(codec, cancel, {"msg": "Request was submitted"}))
    assert isinstance(error, OutcomeUnknown)


@pytest.mark.parametrize(
    ("status", "body", "error", "reason"),
    [
        (200, "We cannot accept an order at the limit price you selected.", OrderRejected,
         "price_rule"),
        (200, "Order couldn't be submitted: Local order ID=my-1 is already registered.",
         OrderRejected, "duplicate_id"),
        (200, '"BUY 100 SERV"\nInvalid time-in-force for at-the-closing order.', OrderRejected,
         "bad_parameter"),
        (400, "java.lang.String cannot be cast to java.lang.Number", OrderRejected,
         "bad_parameter"),
        (503, "no answer", OutcomeUnknown, ""),
        (500, "unknown", OutcomeUnknown, ""),
        (403, "no", RequestRejected, ""),
    ],
)  # fmt: skip
def test_what_an_error_proves(
    status: int, body: str, error: type[RemoteError], reason: str
) -> None:
    codec = ready()
    found = error_of(answer(codec, placed(codec), {"error": body}, status))
    assert isinstance(found, error)
    assert found.text == body
    assert getattr(found, "reason", "") == reason


def test_who_has_no_session_any_more_begins_another() -> None:
    for status, text in ((401, "not authenticated"), (400, "Bad Request: no bridge")):
        codec = ready()
        told = answer(codec, placed(codec), {"error": text, "statusCode": status}, status)
        assert [one for one in told if isinstance(one, Ended)]
        assert not isinstance(error_of(told), OutcomeUnknown)  # nothing was done


# ── cancels, amendments ──


def test_a_cancel_goes_by_the_venues_number_and_only_says_that_it_was_heard() -> None:
    codec = ready()
    answer(codec, placed(codec), PLACED)
    request = codec.cancel(CancelOrder(order_id="my-1", symbol="AAPL-USD"), NOW, 8)
    assert request.path.endswith("/order/1370093239")
    found = reply(answer(codec, request, {"msg": "Request was submitted", "order_id": 1370093239}))
    assert (found.error, found.events) == (None, ())


def test_an_order_whose_number_is_not_known_is_looked_for_before_it_is_cancelled() -> None:
    codec = ready()
    look = codec.cancel(CancelOrder(order_id="my-1", symbol="AAPL-USD"), NOW, 8)
    assert (look.path, look.scope) == ("/v1/api/iserver/account/orders", "order list")
    cancel = further(answer(codec, look, {"orders": [FULL], "snapshot": True}))
    assert (cancel.method, cancel.path.rpartition("/")[2]) == ("DELETE", "1370093239")


def test_a_cancel_of_what_is_not_there_is_refused_in_either_status() -> None:
    for status in (200, 400):
        codec = ready()
        answer(codec, placed(codec), PLACED)
        request = codec.cancel(CancelOrder(order_id="my-1", symbol="AAPL-USD"), NOW, 8)
        error = error_of(answer(codec, request, {"error": "OrderID 1 doesn't exist"}, status))
        assert isinstance(error, OrderRejected)
        assert error.reason == "unknown_order"


def test_an_amendment_says_the_whole_order_again() -> None:
    codec = ready()
    answer(codec, placed(codec), PLACED)
    smaller = AmendOrder(order_id="my-1", symbol="AAPL-USD", size=Decimal(40))
    request = codec.amend(smaller, NOW, 9)
    assert request.path.endswith("/account/DU1234567/order/1370093239")
    assert json.loads(request.body) == {
        "acctId": "DU1234567", "conid": 265598, "cOID": "my-1", "orderType": "LMT", "side": "BUY",
        "price": 165.5, "quantity": 40, "tif": "DAY", "outsideRTH": False,
        "listingExchange": "SMART",
    }  # fmt: skip
    with pytest.raises(StateError):
        fresh().amend(smaller, NOW, 9)


def test_the_venue_has_neither_a_replacement_nor_all_orders_of_a_symbol() -> None:
    assert isinstance(ready(), IbkrCodec)
    with pytest.raises(StateError):
        ready().cancel_all("AAPL-USD", NOW, 1)


# ── the stream of orders ──


def test_the_first_word_of_an_order_ends_nothing() -> None:
    assert sor(ready(), FULL) == []


def test_an_order_is_told_whole_and_then_by_what_changes() -> None:
    codec = ready()
    sor(codec, FULL)
    assert sor(codec, {"orderId": 1370093239, "status": "PendingSubmit"}) == []
    [open_] = sor(codec, {"orderId": 1370093239, "status": "Submitted"})
    assert isinstance(open_, Update)
    assert (open_.update, open_.order_id, open_.symbol, open_.side, open_.working) == (
        UpdateKind.ACCEPTED, "my-1", "AAPL-USD", Side.BUY, True,
    )  # fmt: skip
    [part] = sor(codec, {"orderId": 1370093239, "filledQuantity": 30.0, "avgPrice": "165.40",
                         "status": "Submitted"})  # fmt: skip
    assert isinstance(part, Update)
    assert (part.update, part.filled, part.size) == (UpdateKind.FILLED, Decimal(30), Decimal(100))
    assert part.filled_quote == Decimal("4962.00")
    [late] = sor(codec, {"orderId": 1370093239, "filledQuantity": 10.0, "status": "Submitted"})
    assert isinstance(late, Update)
    assert late.filled == 30
    [over] = sor(codec, {"orderId": 1370093239, "status": "Cancelled"})
    assert isinstance(over, Update)
    assert (over.update, over.filled) == (UpdateKind.CANCELED, Decimal(30))


def test_a_complete_order_is_filled_to_its_size() -> None:
    codec = ready()
    sor(codec, FULL)
    [over] = sor(codec, {"orderId": 1370093239, "status": "Filled"})
    assert isinstance(over, Update)
    assert (over.update, over.filled) == (UpdateKind.FILLED, Decimal(100))


def test_what_the_broker_rejects_later_is_told_with_its_reason() -> None:
    codec = ready()
    sor(codec, FULL)
    why = {"order_cancellation_by_system_reason": "no shares to borrow"}
    [over] = sor(codec, {"orderId": 1370093239, "status": "Inactive", **why})
    assert isinstance(over, Update)
    assert (over.update, over.text) == (UpdateKind.REJECTED, "no shares to borrow")


def test_a_change_of_an_order_that_was_never_told_is_left_to_the_list() -> None:
    assert sor(ready(), {"orderId": 99, "status": "Submitted"}) == []


# ── executions ──


def test_an_execution_is_a_fill_once_its_commission_is_there() -> None:
    codec = ready()
    bare = {key: value for key, value in EXECUTION.items() if key != "commission"}
    assert codec.decode(frame(topic="str", args=[]), NOW) == []
    assert codec.decode(frame(topic="str", args=[bare]), NOW) == []
    [fill] = codec.decode(frame(topic="str", args=[EXECUTION]), NOW)
    assert fill == Fill(
        "ibkr", "AAPL-USD", 1_702_317_649_000_000_000, NOW, "my-1", "1370093239",
        "0000e0d5.6576fd38.01.01", Side.BUY, Decimal("192.26"), Decimal("5.0"), Decimal("1.01"),
        "USD", False,
    )  # fmt: skip


def test_a_correction_is_told_to_a_person_and_counted_by_nobody() -> None:
    codec = ready()
    codec.decode(frame(topic="str", args=[EXECUTION]), NOW)
    other = {**EXECUTION, "execution_id": "0000e0d5.6576fd38.01.02", "price": "192.20"}
    [told] = codec.decode(frame(topic="str", args=[other]), NOW)
    assert isinstance(told, Rejected)
    assert told.what == "correction"


def test_the_fills_of_one_order_are_picked_out_of_the_list() -> None:
    codec = ready()
    request = codec.order_fills("AAPL-USD", "my-1", "1370093239", NOW, 3)
    assert (request.path, request.query) == ("/v1/api/iserver/account/trades", "days=7")
    other = {**EXECUTION, "execution_id": "a.b.01.01", "order_id": 5, "order_ref": "x"}
    events = reply(answer(codec, request, [EXECUTION, other])).events
    assert [one.order_id for one in events if isinstance(one, Fill)] == ["my-1"]
    since = codec.fills_since("AAPL-USD", "", NOW - 86_400 * 10**9, NOW, 4)
    assert since.query == "days=3"
    ibm = {**EXECUTION, "execution_id": "c.d.01.01", "conid": 8314, "symbol": "IBM"}
    events = reply(answer(codec, since, [EXECUTION, ibm])).events
    assert {one.symbol for one in events} == {"AAPL-USD"}


# ── questions ──


def test_an_order_is_asked_about_by_the_venues_number() -> None:
    codec = ready()
    request = codec.order_status("AAPL-USD", "my-1", NOW, 4, "1405318862")
    assert request.path == "/v1/api/iserver/account/order/status/1405318862"
    state = {"order_id": 1405318862, "conid": 265598, "symbol": "AAPL", "side": "S",
             "total_size": "250.0", "order_type": "LIMIT", "limit_price": "10.65",
             "cum_fill": "50.0", "order_status": "Submitted"}  # fmt: skip
    [update] = reply(answer(codec, request, state)).events
    assert isinstance(update, Update)
    assert (update.update, update.order_id, update.filled, update.price) == (
        UpdateKind.STATUS_OPEN, "my-1", Decimal("50.0"), Decimal("10.65"),
    )  # fmt: skip


def test_an_order_of_which_only_our_id_is_known_is_found_in_the_list() -> None:
    codec = ready()
    look = codec.order_status("AAPL-USD", "my-1", NOW, 4)
    assert look.path == "/v1/api/iserver/account/orders"
    rows = {"orders": [{**FULL, "status": "Submitted"}], "snapshot": True}
    [update] = reply(answer(codec, look, rows)).events
    assert isinstance(update, Update)
    assert (update.update, update.order_id) == (UpdateKind.STATUS_OPEN, "my-1")


def test_an_empty_list_proves_nothing_the_first_time() -> None:
    codec, empty = ready(), {"orders": [], "snapshot": False}
    look = codec.order_status("AAPL-USD", "my-1", NOW, 4)
    assert isinstance(error_of(answer(codec, look, empty)), VenueUnavailable)
    again = error_of(answer(codec, codec.order_status("AAPL-USD", "my-1", NOW, 5), empty))
    assert isinstance(again, OrderRejected)
    assert again.reason == "unknown_order"


def test_an_order_of_an_earlier_session_is_looked_for_in_the_list() -> None:
    codec = ready()
    request = codec.order_status("AAPL-USD", "my-1", NOW, 4, "553617933")
    gone = {"error": "Order 553617933 is not found", "statusCode": 503}
    look = further(answer(codec, request, gone, 503))
    assert (look.path, look.request_id) == ("/v1/api/iserver/account/orders", 4)
    other = {"orders": [{**FULL, "orderId": 5, "order_ref": "x"}], "snapshot": True}
    error = error_of(answer(codec, look, other))
    assert isinstance(error, OrderRejected)
    assert error.reason == "unknown_order"


def test_the_list_of_open_orders_leaves_out_what_is_over() -> None:
    codec = ready()
    rows = [
        {**FULL, "status": "Submitted"},
        {**FULL, "orderId": 2, "order_ref": "my-2", "status": "Filled", "price": ""},
        {**FULL, "orderId": 3, "order_ref": None, "status": "PreSubmitted"},
    ]
    look = codec.open_orders("", NOW, 4)
    listed, *updates = reply(answer(codec, look, {"orders": rows, "snapshot": False})).events
    assert isinstance(listed, OpenOrders)
    assert listed.order_ids == ("my-1", "3")
    assert [one.update for one in updates if isinstance(one, Update)] == [
        UpdateKind.STATUS_OPEN, UpdateKind.FILLED, UpdateKind.STATUS_OPEN,
    ]  # fmt: skip


def test_a_first_list_that_is_empty_says_nothing() -> None:
    codec, empty = ready(), {"orders": [], "snapshot": False}
    first = answer(codec, codec.open_orders("", NOW, 4), empty)
    assert isinstance(error_of(first), VenueUnavailable)
    [listed] = reply(answer(codec, codec.open_orders("", NOW, 5), empty)).events
    assert isinstance(listed, OpenOrders)
    assert listed.order_ids == ()


def test_what_the_account_holds_is_four_requests_and_one_answer() -> None:
    codec = ready()
    steps = [codec.account(NOW, 6)]
    held = [
        {"conid": "265598", "position": 3.0, "contractDesc": "AAPL", "currency": "USD"},
        {"conid": 1, "position": -2, "contractDesc": "QQQ", "currency": "USD"},
    ]
    for body in ([{"id": "DU1234567"}], {"message": "success"}, held):
        steps.append(further(answer(codec, steps[-1], body)))
    assert [one.path.removeprefix("/v1/api/portfolio/") for one in steps] == [
        "accounts", "DU1234567/positions/invalidate", "DU1234567/positions/0", "DU1234567/ledger",
    ]  # fmt: skip
    cash = {"USD": {"cashbalance": 998037.35, "settledcash": 1.0}, "BASE": {"cashbalance": 5.0}}
    events = reply(answer(codec, steps[-1], cash)).events
    told = {one.asset: one.free for one in events if isinstance(one, Balance)}
    assert told == {
        "AAPL": Decimal("3.0"), "QQQ": Decimal(-2), "USD": Decimal("998037.35"), "IBM": Decimal(0),
    }  # fmt: skip


def test_a_test_order_asks_what_would_be() -> None:
    codec = ready()
    request = codec.test_place(order(), NOW, 6)
    assert request.path.endswith("/orders/whatif")
    assert reply(answer(codec, request, {"amount": {}, "error": None})).error is None
    assert isinstance(error_of(answer(codec, request, {"error": "no funds"})), OrderRejected)
