"""Conditional orders of the futures, apart from those on the book (binance §11.5, §11.7)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from pitwire.model import events as ev
from pitwire.model.errors import ConfigError, OrderRejected, OutcomeUnknown
from pitwire.model.orders import (
    CancelOrder,
    Order,
    OrderType,
    RejectReason,
    Side,
    TimeInForce,
    UpdateKind,
)
from pitwire.venues.binance import BINANCE
from pitwire.venues.binance_futures import BINANCE_USDM
from pitwire.venues.venue import CodecOptions, ConditionalCodec, Role
from tests.venues.binance_futures.test_encode import NOW, codec, params_of, query_of

_T = OrderType
STOP = Order(
    id="pw-1", symbol="BTC-USDT", side=Side.SELL, type=_T.STOP, size=Decimal("0.010"),
    stop_price=Decimal("43000.10"),
)  # fmt: skip
LIMIT = replace(STOP, type=_T.STOP_LIMIT, price=Decimal("42990.00"))
CANCEL = CancelOrder(order_id="pw-1", symbol="BTC-USDT", type=_T.STOP)
ROW = {
    "algoId": 12, "clientAlgoId": "pw-1", "algoType": "CONDITIONAL", "orderType": "STOP_MARKET",
    "symbol": "BTCUSDT", "side": "SELL", "positionSide": "BOTH", "timeInForce": "GTC",
    "quantity": "0.010", "algoStatus": "NEW", "triggerPrice": "43000.10", "price": "0.00",
    "icebergQuantity": None, "createTime": 5, "updateTime": 6, "triggerTime": 0,
}  # fmt: skip
UPDATE = ev.Update(
    "binance-usdm", "BTC-USDT", 6_000_000, NOW, "pw-1", "", UpdateKind.STATUS_OPEN, Side.SELL,
    _T.STOP, TimeInForce.GTC, None, Decimal("0.010"),
)  # fmt: skip


def answered(asked: Any, body: Any, *, status: int = 200, ours: Any = None) -> Any:
    """The reply to a request over REST."""
    made = ours or codec()
    request = asked(made)
    *_, reply = made.decode_response(request, status, {}, json.dumps(body).encode(), NOW)
    assert reply.request_id == 5
    return reply


def status(made: Any) -> Any:
    return made.conditional_status("BTC-USDT", "pw-1", NOW, 5)


def told(**changes: str) -> ev.Update:
    """What an ALGO_UPDATE says."""
    body = {
        "caid": "pw-1", "aid": 12, "at": "CONDITIONAL", "o": "STOP", "s": "BTCUSDT", "S": "SELL",
        "f": "GTC", "q": "0.010", "p": "42990.00", "X": "NEW", "ai": "", "aq": "0.000", "rm": "",
    }  # fmt: skip
    frame = json.dumps({"e": "ALGO_UPDATE", "E": 7, "T": 6, "o": body | changes}).encode()
    [found] = BINANCE_USDM.codec(CodecOptions(role=Role.PRIVATE)).decode(frame, NOW)
    assert isinstance(found, ev.Update)
    return found


def test_the_futures_keep_them_apart_and_spot_does_not() -> None:
    assert isinstance(codec(), ConditionalCodec)
    assert not isinstance(BINANCE.codec(CodecOptions(role=Role.ORDERS)), ConditionalCodec)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (STOP, {"type": "STOP_MARKET", "triggerPrice": "43000.10"}),
        (replace(STOP, type=_T.TAKE_PROFIT), {"type": "TAKE_PROFIT_MARKET"}),
        (LIMIT, {"type": "STOP", "price": "42990.00", "timeInForce": "GTC"}),
        (
            replace(LIMIT, type=_T.TAKE_PROFIT_LIMIT, time_in_force=TimeInForce.FOK),
            {"type": "TAKE_PROFIT", "price": "42990.00", "timeInForce": "FOK"},
        ),
        (replace(STOP, reduce_only=True), {"type": "STOP_MARKET", "reduceOnly": "true"}),
        (
            replace(STOP, trailing_bips=25, stop_price=None),
            {"type": "TRAILING_STOP_MARKET", "callbackRate": "0.25"},
        ),
        (
            replace(STOP, trailing_bips=1000),
            {"type": "TRAILING_STOP_MARKET", "callbackRate": "10", "activatePrice": "43000.10"},
        ),
    ],
)
def test_one_says_what_it_waits_for(order: Order, words: dict[str, str]) -> None:
    frame = codec().place(order, NOW, 7)
    assert json.loads(frame)["id"] == "s7"
    trigger = {} if order.trailing_bips else {"triggerPrice": "43000.10"}
    assert params_of(frame, "algoOrder.place") == {
        "algoType": "CONDITIONAL", "clientAlgoId": "pw-1", "quantity": "0.010", "recvWindow": 2000,
        "side": "SELL", "symbol": "BTCUSDT", "workingType": "CONTRACT_PRICE", **trigger, **words,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("order", "where"),
    [
        (replace(STOP, stop_price=None), "order.stop_price"),
        (replace(STOP, price=Decimal(1)), "order.price"),
        (replace(LIMIT, price=None), "order.price"),
        (replace(STOP, size=None, quote_size=Decimal(5)), "order.size"),
        (replace(STOP, quote_size=Decimal(5)), "order.quote_size"),
        (replace(STOP, time_in_force=TimeInForce.IOC), "order.time_in_force"),
        (replace(LIMIT, time_in_force=TimeInForce.DAY), "order.time_in_force"),
        (replace(LIMIT, trailing_bips=10), "order.type"),
        (replace(STOP, type=_T.TAKE_PROFIT, trailing_bips=10), "order.type"),
        (replace(STOP, trailing_bips=0), "order.trailing_bips"),
        (replace(STOP, id="no spaces"), "order.id"),
    ],
)
def test_what_the_venue_has_no_words_for_is_refused_by_name(order: Order, where: str) -> None:
    with pytest.raises(ConfigError) as refused:
        codec().place(order, NOW, 1)
    assert refused.value.where == where


def test_a_cancel_goes_where_the_order_is() -> None:
    waits = params_of(codec().cancel(CANCEL, NOW, 3), "algoOrder.cancel")
    assert waits == {"clientAlgoId": "pw-1"}
    triggered = params_of(codec().cancel(replace(CANCEL, venue_id="55"), NOW, 3), "order.cancel")
    assert triggered == {"orderId": 55, "symbol": "BTCUSDT"}


def test_questions_about_them_go_over_rest() -> None:
    ours = codec()
    for asked, path, words, weight in (
        (status(ours), "algoOrder", {"clientAlgoId": "pw-1"}, 1),
        (ours.open_conditional("BTC-USDT", NOW, 5), "openAlgoOrders", {"symbol": "BTCUSDT"}, 1),
        (ours.open_conditional("", NOW, 5), "openAlgoOrders", {}, 40),
    ):
        assert (asked.method, asked.path, asked.weight) == ("GET", f"/fapi/v1/{path}", weight)
        assert query_of(asked) == words
    away = ours.cancel_all_conditional("BTC-USDT", NOW, 5)
    assert (away.method, away.path) == ("DELETE", "/fapi/v1/algoOpenOrders")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"algoStatus": "TRIGGERING"}, {"text": "its price was touched"}),
        (
            {"algoStatus": "TRIGGERED", "actualOrderId": "9", "actualQty": "0.004"},
            {"update": UpdateKind.TRIGGERED, "venue_id": "9", "filled": Decimal("0.004"),
             "working": True},
        ),
        (
            {"algoStatus": "FINISHED", "actualOrderId": "9"},
            {"update": UpdateKind.TRIGGERED, "venue_id": "9", "working": True},
        ),
        ({"algoStatus": "FINISHED", "actualOrderId": ""}, {"update": UpdateKind.EXPIRED}),
        ({"algoStatus": "CANCELED"}, {"update": UpdateKind.CANCELED}),
        ({"algoStatus": "EXPIRED"}, {"update": UpdateKind.EXPIRED}),
    ],
)  # fmt: skip
def test_what_a_question_is_answered(changes: Any, expected: Any) -> None:
    reply = answered(status, ROW | changes)
    assert reply.events == (replace(UPDATE, **expected),)


def test_one_that_the_venue_does_not_know_is_missing() -> None:
    error = {"code": -2013, "msg": "Order does not exist."}
    reply = answered(status, error, status=400)
    assert isinstance(reply.error, OrderRejected)
    assert (reply.error.reason, reply.error.order_id) == ("unknown_order", "pw-1")


def test_a_list_names_all_that_wait() -> None:
    rows = [ROW, {**ROW, "clientAlgoId": "theirs", "quantity": None, "orderType": "VP"}]
    reply = answered(lambda made: made.open_conditional("", NOW, 5), rows)
    listed, ours, theirs = reply.events
    assert listed == ev.OpenOrders("binance-usdm", "", 0, NOW, ("pw-1", "theirs"))
    assert ours == UPDATE
    assert (theirs.order_id, theirs.size, theirs.type) == ("theirs", None, None)


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ({**ROW, "algoStatus": "LOST"}, "algoStatus"),
        ({**ROW, "side": "LEFT"}, "side"),
        ({**ROW, "quantity": "-1"}, "quantity"),
    ],
)
def test_what_cannot_be_read_is_said_and_answers_all_the_same(row: Any, path: str) -> None:
    ours = codec()
    broken, reply = ours.decode_response(status(ours), 200, {}, json.dumps(row).encode(), NOW)
    assert isinstance(broken, ev.Malformed)
    assert broken.path == path
    assert reply.error is not None


@pytest.mark.parametrize("code", ["200", 200])
def test_the_answer_to_a_cancel_ends_it(code: str | int) -> None:
    ours = codec()
    ours.cancel(CANCEL, NOW, 5)
    result = {"algoId": 12, "clientAlgoId": "pw-1", "code": code, "msg": "success"}
    [reply] = ours.decode(json.dumps({"id": "u5", "status": 200, "result": result}).encode(), NOW)
    [update] = reply.events
    assert (update.order_id, update.update) == ("pw-1", UpdateKind.CANCELED)
    assert (update.symbol, update.venue_id) == ("BTC-USDT", "")


def test_a_cancel_that_is_answered_otherwise_proves_nothing() -> None:
    ours = codec()
    ours.cancel(CANCEL, NOW, 5)
    result = {"algoId": 12, "clientAlgoId": "pw-1", "code": "301", "msg": "?"}
    frame = json.dumps({"id": "u5", "status": 200, "result": result}).encode()
    _, reply = ours.decode(frame, NOW)
    assert isinstance(reply.error, OutcomeUnknown)


@pytest.mark.parametrize(
    ("changes", "kind", "child"),
    [
        ({}, UpdateKind.ACCEPTED, ""),
        ({"X": "TRIGGERING"}, UpdateKind.ACCEPTED, ""),
        ({"X": "TRIGGERED", "ai": "77"}, UpdateKind.TRIGGERED, "77"),
        ({"X": "FINISHED", "ai": "77", "aq": "0.010"}, UpdateKind.TRIGGERED, "77"),
        ({"X": "CANCELED"}, UpdateKind.CANCELED, ""),
        ({"X": "EXPIRED", "ai": "0"}, UpdateKind.EXPIRED, ""),
    ],
)
def test_the_stream_tells_each_step(changes: Any, kind: UpdateKind, child: str) -> None:
    update = told(**changes)
    assert (update.update, update.venue_id) == (kind, child)
    assert (update.order_id, update.type) == ("pw-1", _T.STOP_LIMIT)
    assert (update.price, update.size) == (Decimal("42990.00"), Decimal("0.010"))


def test_one_refused_when_it_triggered_has_ended_and_says_why() -> None:
    update = told(X="REJECTED", rm="Margin is insufficient.")
    assert (update.update, update.reason) == (UpdateKind.EXPIRED, RejectReason.OTHER)
    assert update.text == "refused when it triggered: Margin is insufficient."
    assert told(X="REJECTED").text == "refused when it triggered"


def test_orders_of_other_algorithms_are_no_conditional_ones() -> None:
    frame = b'{"e":"ALGO_UPDATE","E":7,"o":{"caid":"a","aid":1,"at":"VP","s":"BTCUSDT","o":"VP",'
    frame += b'"S":"BUY","X":"WORKING"}}'
    assert list(BINANCE_USDM.codec(CodecOptions(role=Role.PRIVATE)).decode(frame, NOW)) == []
