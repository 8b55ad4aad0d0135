"""Answers beyond the golden ones: statuses, halves of a replacement, and what cannot be read."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from pitwire.model.clock import MILLISECOND
from pitwire.model.credentials import Credentials
from pitwire.model.errors import (
    AuthenticationFailed,
    MalformedFrame,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
    SubscriptionRejected,
)
from pitwire.model.events import Fill, Malformed, OpenOrders, Update
from pitwire.model.orders import CancelOrder, Order, OrderType, RejectReason, ReplaceOrder, Side
from pitwire.model.orders import UpdateKind as K
from pitwire.venues.binance.codec import BinanceCodec
from pitwire.venues.venue import CodecOptions, Reply, Role

NOW = 1_700_000_000_000_000_000
ORDER = {
    "symbol": "BTCUSDT",
    "orderId": 7,
    "orderListId": -1,
    "clientOrderId": "pw-1",
    "transactTime": 1660801715793,
    "price": "23416.10",
    "origQty": "0.00847",
    "executedQty": "0.00000",
    "cummulativeQuoteQty": "0.0",
    "status": "NEW",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "SELL",
    "workingTime": 1660801715793,
    "fills": [],
}
NEW_ORDER = Order(
    id="pw-2", symbol="BTC-USDT", side=Side.SELL, type=OrderType.LIMIT, size=Decimal("1"),
    price=Decimal("2"),
)  # fmt: skip


@pytest.fixture
def codec() -> BinanceCodec:
    made = BinanceCodec(CodecOptions(role=Role.ORDERS))
    made.login(Credentials("key", "secret"), NOW, 1)
    return made


def answer(codec: BinanceCodec, json_id: str | None, *, status: int = 200, **body: Any) -> Reply:
    frame = json.dumps({"id": json_id, "status": status, **body}).encode()
    [reply] = codec.decode(frame, NOW)
    assert isinstance(reply, Reply)
    return reply


def first_update(reply: Reply) -> Update:
    update = reply.events[0]
    assert isinstance(update, Update)
    return update


@pytest.mark.parametrize(
    ("status", "placed", "asked"),
    [
        ("NEW", K.ACCEPTED, K.STATUS_OPEN),
        ("PENDING_NEW", K.ACCEPTED, K.STATUS_OPEN),
        ("PARTIALLY_FILLED", K.FILLED, K.STATUS_OPEN),
        ("FILLED", K.FILLED, K.FILLED),
        ("CANCELED", K.CANCELED, K.CANCELED),
        ("REJECTED", K.REJECTED, K.REJECTED),
        ("EXPIRED", K.EXPIRED, K.EXPIRED),
        ("EXPIRED_IN_MATCH", K.EXPIRED, K.EXPIRED),
    ],
)
def test_order_states(codec: BinanceCodec, status: str, placed: K, asked: K) -> None:
    body = {**ORDER, "status": status}
    assert first_update(answer(codec, "p5", result=body)).update is placed
    codec.order_status("BTC-USDT", "pw-1", NOW, 6)
    assert first_update(answer(codec, "q6", result=body)).update is asked


def test_a_market_order_that_emptied_the_book(codec: BinanceCodec) -> None:
    fill = {"price": "1", "qty": "4", "commission": "0.001", "commissionAsset": "BNB", "tradeId": 9}
    body = {
        **ORDER, "type": "MARKET", "price": "0.00000000", "origQty": "6", "executedQty": "4",
        "cummulativeQuoteQty": "4", "status": "EXPIRED", "fills": [fill],
        "expiryReason": "INSUFFICIENT_LIQUIDITY",
    }  # fmt: skip
    reply = answer(codec, "p5", result=body)
    update, traded = reply.events
    assert isinstance(update, Update)
    assert (update.update, update.filled, update.price) == (K.EXPIRED, Decimal(4), None)
    assert update.reason is RejectReason.NO_LIQUIDITY
    assert isinstance(traded, Fill)
    assert (traded.size, traded.fee, traded.fee_asset) == (Decimal(4), Decimal("0.001"), "BNB")


@pytest.mark.parametrize(
    ("changes", "working"),
    [
        ({}, True),
        ({"workingTime": -1, "type": "STOP_LOSS"}, False),
        ({"status": "FILLED"}, False),
        ({"isWorking": False}, False),
    ],
)
def test_whether_an_order_works(
    codec: BinanceCodec, changes: dict[str, Any], working: bool
) -> None:
    assert first_update(answer(codec, "p5", result={**ORDER, **changes})).working is working


def test_a_question_keeps_the_id_that_was_asked_for(codec: BinanceCodec) -> None:
    # §5.13: after a cancel the order object carries the id of the cancel.
    codec.order_status("BTC-USDT", "pw-1", NOW, 6)
    body = {**ORDER, "status": "CANCELED", "clientOrderId": "cancel-id"}
    assert first_update(answer(codec, "q6", result=body)).order_id == "pw-1"


def test_an_order_the_venue_does_not_know(codec: BinanceCodec) -> None:
    codec.order_status("BTC-USDT", "pw-1", NOW, 6)
    fault = {"code": -2013, "msg": "Order does not exist."}
    reply = answer(codec, "q6", status=400, error=fault)
    assert isinstance(reply.error, OrderRejected)
    assert (reply.error.reason, reply.error.order_id) == ("unknown_order", "pw-1")
    assert reply.events == ()


def test_a_refused_cancel_names_its_order(codec: BinanceCodec) -> None:
    codec.cancel(CancelOrder(order_id="pw-1", symbol="BTC-USDT"), NOW, 8)
    reply = answer(codec, "c8", status=400, error={"code": -2011, "msg": "Unknown order sent."})
    assert isinstance(reply.error, OrderRejected)
    assert (reply.error.reason, reply.error.order_id) == ("unknown_order", "pw-1")


def test_all_open_orders(codec: BinanceCodec) -> None:
    codec.open_orders("", NOW, 6)
    rows = [ORDER, {**ORDER, "symbol": "ETHUSDT", "clientOrderId": "pw-9"}]
    reply = answer(codec, "o6", result=rows)
    assert reply.events[0] == OpenOrders("binance", "", 0, NOW, ("pw-1", "pw-9"))
    assert [e.symbol for e in reply.events[1:]] == ["BTC-USDT", "ETH-USDT"]
    codec.open_orders("BTC-USDT", NOW, 7)
    reply = answer(codec, "o7", result=[])
    assert reply.events == (OpenOrders("binance", "BTC-USDT", 0, NOW, ()),)


def test_what_an_order_traded_is_told_fill_by_fill(codec: BinanceCodec) -> None:
    codec.order_fills("BTC-USDT", "pw-1", "12569099453", NOW, 6)
    row = {
        "symbol": "BTCUSDT", "id": 1650422481, "orderId": 12569099453, "orderListId": -1,
        "price": "23416.10000000", "qty": "0.00635000", "quoteQty": "148.69223500",
        "commission": "0.00000635", "commissionAsset": "BTC", "time": 1660801715793,
        "isBuyer": True, "isMaker": True, "isBestMatch": True,
    }  # fmt: skip
    reply = answer(codec, "f6", result=[row, {**row, "id": 1650422482, "isBuyer": False}])
    assert reply.events == (
        Fill(
            "binance", "BTC-USDT", 1660801715793 * MILLISECOND, NOW, "pw-1", "12569099453",
            "1650422481", Side.BUY, Decimal("23416.1"), Decimal("0.00635"),
            Decimal("0.00000635"), "BTC", True,
        ),
        reply.events[1],
    )  # fmt: skip
    assert isinstance(reply.events[1], Fill)
    assert (reply.events[1].trade_id, reply.events[1].side) == ("1650422482", Side.SELL)


# ── replacement (§5.11) ───────────────────────────────────────────────────────────────────────

CANCELLED = {**ORDER, "origClientOrderId": "pw-1", "clientOrderId": "x", "status": "CANCELED"}
PLACED = {**ORDER, "clientOrderId": "pw-2", "orderId": 8}
UNKNOWN = {"code": -2011, "msg": "Unknown order sent."}
POOR = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
FULL = {"code": -1015, "msg": "Too many new orders; current limit is 50 orders per 10 SECOND."}
MATRIX = {
    "stop: not attempted": (
        (400, -2022), ("FAILURE", UNKNOWN), ("NOT_ATTEMPTED", None),
        [("pw-1", K.CANCEL_REJECTED, "unknown_order"), ("pw-2", K.REJECTED, "other")],
        ("pw-1", "unknown_order"),
    ),
    "cancelled, not placed": (
        (409, -2021), ("SUCCESS", CANCELLED), ("FAILURE", POOR),
        [("pw-1", K.CANCELED, None), ("pw-2", K.REJECTED, "insufficient_funds")],
        ("pw-2", "insufficient_funds"),
    ),
    "cancelled, placing throttled": (
        (409, -2021), ("SUCCESS", CANCELLED), ("FAILURE", FULL),
        [("pw-1", K.CANCELED, None), ("pw-2", K.REJECTED, "rate_limit")],
        ("pw-2", "rate_limit"),
    ),
    "both failed": (
        (400, -2022), ("FAILURE", UNKNOWN), ("FAILURE", POOR),
        [("pw-1", K.CANCEL_REJECTED, "unknown_order"), ("pw-2", K.REJECTED, "insufficient_funds")],
        ("pw-2", "insufficient_funds"),
    ),
    "not cancelled, placed": (
        (409, -2021), ("FAILURE", UNKNOWN), ("SUCCESS", PLACED),
        [("pw-1", K.CANCEL_REJECTED, "unknown_order"), ("pw-2", K.ACCEPTED, None)],
        ("pw-1", "unknown_order"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("how", "cancel", "new", "expected", "blame"), MATRIX.values(), ids=MATRIX.keys()
)
def test_a_replacement_tells_of_both_orders(
    codec: BinanceCodec, how: Any, cancel: Any, new: Any, expected: Any, blame: Any
) -> None:
    codec.replace(ReplaceOrder(order_id="pw-1", order=NEW_ORDER), NOW, 9)
    data = {
        "cancelResult": cancel[0],
        "cancelResponse": cancel[1],
        "newOrderResult": new[0],
        "newOrderResponse": new[1],
    }
    fault = {"code": how[1], "msg": "Order cancel-replace failed.", "data": data}
    reply = answer(codec, "r9", status=how[0], error=fault)
    found = [
        (e.order_id, e.update, e.reason.value if e.reason else None)
        for e in reply.events
        if isinstance(e, Update)
    ]
    assert found == expected
    assert isinstance(reply.error, OrderRejected)
    assert (reply.error.order_id, reply.error.reason) == blame


def test_a_replacement_that_was_not_tried_has_no_events(codec: BinanceCodec) -> None:
    codec.replace(ReplaceOrder(order_id="pw-1", order=NEW_ORDER), NOW, 9)
    reply = answer(codec, "r9", status=429, error=FULL)
    assert isinstance(reply.error, RateLimited)
    assert reply.events == ()


def test_a_half_that_may_have_been_done_is_unknown(codec: BinanceCodec) -> None:
    codec.replace(ReplaceOrder(order_id="pw-1", order=NEW_ORDER), NOW, 9)
    lost = {"code": -1007, "msg": "Timeout waiting for response from backend server."}
    data = {
        "cancelResult": "SUCCESS",
        "cancelResponse": CANCELLED,
        "newOrderResult": "FAILURE",
        "newOrderResponse": lost,
    }
    fault = {"code": -2021, "msg": "partially", "data": data}
    reply = answer(codec, "r9", status=409, error=fault)
    assert isinstance(reply.error, OutcomeUnknown)
    assert [e.order_id for e in reply.events if isinstance(e, Update)] == ["pw-1"]
    data["cancelResponse"] = {"nonsense": 1}
    codec.replace(ReplaceOrder(order_id="pw-1", order=NEW_ORDER), NOW, 10)
    reply = answer(codec, "r10", status=409, error=fault)
    assert isinstance(reply.error, OutcomeUnknown)
    assert reply.events == ()


# ── throttling, login, nonsense ───────────────────────────────────────────────────────────────


def test_retry_after_is_an_instant(codec: BinanceCodec) -> None:
    data = {"serverTime": 1659142907531, "retryAfter": 1659142965000}
    fault = {"code": -1003, "msg": "Too much request weight used", "data": data}
    reply = answer(codec, "p5", status=429, error=fault)
    assert isinstance(reply.error, RateLimited)
    assert reply.error.until == 1659142965000000000


@pytest.mark.parametrize("code", [-1021, -1022, -2014, -2015, -1135, -9999])
def test_a_login_that_is_refused_has_failed(codec: BinanceCodec, code: int) -> None:
    reply = answer(codec, "l2", status=400, error={"code": code, "msg": "no"})
    assert isinstance(reply.error, AuthenticationFailed)


def test_a_private_stream_that_is_refused(codec: BinanceCodec) -> None:
    text = "User Data Stream subscription already active."
    reply = answer(codec, "w2", status=400, error={"code": -2035, "msg": text})
    assert isinstance(reply.error, SubscriptionRejected)
    assert reply.error.channel == "orders"


def test_a_request_that_could_not_be_read(codec: BinanceCodec) -> None:
    reply = answer(codec, None, status=400, error={"code": -1135, "msg": "Invalid JSON Request"})
    assert reply.request_id == -1
    assert isinstance(reply.error, RequestRejected)


@pytest.mark.parametrize("json_id", ["", "p", "17", "z17", "p-1", "p1x", "e2a85d9f", "p²"])
def test_a_foreign_id_is_nobodys(codec: BinanceCodec, json_id: str) -> None:
    assert answer(codec, json_id, result={}).request_id == -1


def test_an_error_status_without_an_error(codec: BinanceCodec) -> None:
    assert isinstance(answer(codec, "p5", status=503).error, OutcomeUnknown)
    assert isinstance(answer(codec, "p5", status=400).error, OrderRejected)


@pytest.mark.parametrize(
    "result", [{}, [], "x", {**ORDER, "status": "SOMETHING"}, {**ORDER, "executedQty": "-1"}]
)
def test_an_unreadable_placement_is_an_unknown_outcome(codec: BinanceCodec, result: Any) -> None:
    frame = json.dumps({"id": "p5", "status": 200, "result": result}).encode()
    broken, reply = codec.decode(frame, NOW)
    assert isinstance(broken, Malformed)
    assert isinstance(reply, Reply)
    assert reply.request_id == 5
    assert isinstance(reply.error, OutcomeUnknown)


def test_an_unreadable_answer_to_a_question_is_an_answer(codec: BinanceCodec) -> None:
    _, reply = codec.decode(b'{"id":"b5","status":200,"result":{"balances":[{}]}}', NOW)
    assert isinstance(reply, Reply)
    assert isinstance(reply.error, MalformedFrame)
    assert "balances" in reply.error.path


def test_an_answer_with_a_key_twice_is_refused(codec: BinanceCodec) -> None:
    [event] = codec.decode(b'{"id":"p5","status":200,"status":400,"result":{}}', NOW)
    assert isinstance(event, Malformed)
    assert event.path == "status"


def test_what_was_asked_is_not_kept_for_ever(codec: BinanceCodec) -> None:
    for request_id in range(1, 6000):
        codec.order_status("BTC-USDT", f"pw-{request_id}", NOW, request_id)
    assert len(codec._answers._requests) == 4096
    body = {**ORDER, "clientOrderId": "cancel-id"}
    assert first_update(answer(codec, "q5999", result=body)).order_id == "pw-5999"
    assert first_update(answer(codec, "q1", result=body)).order_id == "cancel-id"


# ── reports (§6.2) ────────────────────────────────────────────────────────────────────────────

REPORT = {
    "e": "executionReport", "E": 1499405658658, "s": "ETHBTC", "c": "mine", "S": "BUY",
    "o": "LIMIT", "f": "GTC", "q": "1.0", "p": "0.1", "P": "0.0", "F": "0.0", "g": -1, "C": "",
    "x": "NEW", "X": "NEW", "r": "NONE", "i": 4, "l": "0.0", "z": "0.0", "L": "0.0", "n": "0",
    "N": None, "T": 1499405658657, "t": -1, "I": 8, "w": True, "m": False, "M": False,
    "O": 1499405658657, "Z": "0.0", "Y": "0.0", "Q": "0.0", "W": 1499405658657, "V": "NONE",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "kind", "why", "order_id"),
    [
        ({}, K.ACCEPTED, None, "mine"),
        ({"o": "STOP_LOSS", "w": False}, K.ACCEPTED, None, "mine"),
        ({"o": "STOP_LOSS", "w": True}, K.TRIGGERED, None, "mine"),
        ({"x": "CANCELED", "c": "cancel", "C": "mine"}, K.CANCELED, None, "mine"),
        ({"x": "REPLACED", "c": "amend", "C": "mine"}, K.AMENDED, None, "mine"),
        (
            {"x": "REJECTED", "X": "REJECTED", "r": "INSUFFICIENT_BALANCES"},
            K.REJECTED, RejectReason.INSUFFICIENT_FUNDS, "mine",
        ),
        ({"x": "REJECTED", "r": "NEW_REASON"}, K.REJECTED, RejectReason.OTHER, "mine"),
        (
            {"x": "TRADE_PREVENTION", "X": "EXPIRED_IN_MATCH"},
            K.EXPIRED, RejectReason.SELF_TRADE, "mine",
        ),
        (
            {"x": "TRADE_PREVENTION", "X": "NEW"},
            K.STATUS_OPEN, RejectReason.SELF_TRADE, "mine",
        ),
        (
            {"x": "EXPIRED", "eR": "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"},
            K.EXPIRED, RejectReason.PRICE_RULE, "mine",
        ),
    ],
)  # fmt: skip
def test_reports(
    codec: BinanceCodec, changes: dict[str, Any], kind: K, why: Any, order_id: str
) -> None:
    frame = json.dumps({"subscriptionId": 0, "event": {**REPORT, **changes}}).encode()
    [update] = codec.decode(frame, NOW)
    assert isinstance(update, Update)
    assert (update.update, update.reason, update.order_id) == (kind, why, order_id)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"x": "SOMETHING"}, "x"),
        ({"S": "HOLD"}, "side"),
        ({"z": "-1"}, "z"),
        ({"q": "NaN"}, "q"),
        ({"p": "1E+999999"}, "p"),
        ({"x": "TRADE", "l": "0.0", "L": "1"}, "l"),
        ({"i": "4"}, "$.event.i"),
    ],
)
def test_a_report_that_cannot_be_true_is_malformed(
    codec: BinanceCodec, changes: dict[str, Any], path: str
) -> None:
    frame = json.dumps({"event": {**REPORT, **changes}}).encode()
    [event] = codec.decode(frame, NOW)
    assert isinstance(event, Malformed)
    assert event.path == path
