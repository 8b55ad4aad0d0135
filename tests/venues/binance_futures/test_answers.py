"""What the futures answer, over a socket and over REST (binance §5.1, §11.5, §11.6, §11.8)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from pitwire.model import errors
from pitwire.model import events as ev
from pitwire.model.credentials import Credentials
from pitwire.model.orders import AmendOrder, CancelOrder, Order, OrderType, Side, UpdateKind
from pitwire.venues.binance_futures import BINANCE_USDM
from pitwire.venues.binance_futures.refusals import REASONS
from pitwire.venues.venue import CodecOptions, Role
from tests.venues.binance_futures.test_encode import LIMIT

NOW = 1_700_000_000_000_000_000
ORDER = {
    "orderId": 325078477, "symbol": "BTCUSDT", "status": "NEW", "clientOrderId": "pw-1",
    "price": "43187.00", "origQty": "0.100", "executedQty": "0.000", "cumQty": "0.000",
    "timeInForce": "GTC", "type": "LIMIT", "reduceOnly": False, "closePosition": False,
    "side": "BUY", "positionSide": "BOTH", "stopPrice": "0.00", "origType": "LIMIT",
    "updateTime": 1702555534435,
}  # fmt: skip
LIMITS = [
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300, "count": 1},
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400,
     "count": 17},
]  # fmt: skip


def codec(kind: str = "hmac") -> Any:
    made = BINANCE_USDM.codec(CodecOptions(role=Role.ORDERS))
    made.login(Credentials("key", "secret", kind="hmac"), NOW, 1)
    return made


def answer(
    ours: Any, json_id: str, result: Any = None, error: Any = None, status: int = 200
) -> Any:
    body: dict[str, Any] = {"id": json_id, "status": status, "rateLimits": LIMITS}
    body |= {"error": error} if error is not None else {"result": result}
    [reply] = ours.decode(json.dumps(body).encode(), NOW)
    return reply


def test_an_order_that_was_taken() -> None:
    ours = codec()
    ours.place(LIMIT, NOW, 7)
    reply = answer(ours, "p7", ORDER)
    assert (reply.request_id, reply.error, reply.used_weight) == (7, None, 17)
    [update] = reply.events
    assert update == ev.Update(
        "binance-usdm", "BTC-USDT", 1702555534435 * 1_000_000, NOW, "pw-1", "325078477",
        UpdateKind.ACCEPTED, Side.BUY, OrderType.LIMIT, LIMIT.time_in_force, Decimal("43187.00"),
        Decimal("0.100"), Decimal("0.000"), working=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("FILLED", "filled"),
        ("PARTIALLY_FILLED", "filled"),
        ("EXPIRED", "expired"),
        ("EXPIRED_IN_MATCH", "expired"),
        ("REJECTED", "rejected"),
    ],
)
def test_an_order_that_was_more_than_taken(status: str, kind: str) -> None:
    ours = codec()
    ours.place(LIMIT, NOW, 7)
    [update] = answer(ours, "p7", {**ORDER, "status": status}).events
    assert update.update.value == kind


def test_a_cancel_an_amendment_and_a_question() -> None:
    ours = codec()
    ours.cancel(CancelOrder(order_id="pw-1", symbol="BTC-USDT"), NOW, 2)
    [update] = answer(ours, "c2", {**ORDER, "status": "CANCELED"}).events
    assert (update.order_id, update.update.value) == ("pw-1", "canceled")
    amend = AmendOrder(
        order_id="pw-1", symbol="BTC-USDT", size=Decimal(1), side=Side.BUY, price=Decimal(1)
    )
    ours.amend(amend, NOW, 3)
    [update] = answer(ours, "a3", ORDER).events
    assert (update.update.value, update.size) == ("amended", Decimal("0.100"))
    ours.amend(amend, NOW, 4)  # at or below what is filled it ends the order
    [update] = answer(ours, "a4", {**ORDER, "status": "CANCELED"}).events
    assert update.update.value == "canceled"
    ours.order_status("BTC-USDT", "pw-1", NOW, 5)
    [update] = answer(ours, "q5", {**ORDER, "cumQuote": "0"}).events
    assert (update.update.value, update.filled_quote) == ("status_open", Decimal(0))


def test_the_key_of_the_private_stream() -> None:
    ours = codec()
    ours.watch_orders(NOW, 4)
    reply = answer(ours, "w4", {"listenKey": "pqia91ma19a5s61"})
    assert (reply.request_id, reply.error, reply.private_key) == (4, None, "pqia91ma19a5s61")


def test_an_account_is_balances_and_positions() -> None:
    ours = codec()
    ours.account(NOW, 6)
    reply = answer(ours, "b6", {
        "totalWalletBalance": "100",
        "assets": [{"asset": "USDT", "walletBalance": "103.12345678",
                    "crossWalletBalance": "100.00000000", "updateTime": 1}],
        "positions": [
            {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.010",
             "entryPrice": "43187.0", "updateTime": 2},
            {"symbol": "ETHUSDT", "positionSide": "LONG", "positionAmt": "1",
             "entryPrice": "1", "updateTime": 2},
        ],
    })  # fmt: skip
    balance, position = reply.events
    assert (balance.asset, balance.free, balance.locked) == (
        "USDT", Decimal(100), Decimal("3.12345678"),
    )  # fmt: skip
    assert (position.symbol, position.size, position.average_price) == (
        "BTC-USDT", Decimal("-0.010"), Decimal("43187.0"),
    )  # fmt: skip


# ── refusals ──


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (-2019, "insufficient_funds"),
        (-2021, "would_trigger"),
        (-2022, "reduce_only"),
        (-4014, "price_rule"),
        (-4023, "size_rule"),
        (-4116, "duplicate_id"),
        (-4120, "not_supported"),
        (-4164, "notional_rule"),
        (-5021, "no_liquidity"),
        (-5022, "would_take"),
        (-5028, "clock"),
        (-1121, "unknown_symbol"),
        (-999999, "other"),
    ],
)
def test_a_refused_order_says_why(code: int, reason: str) -> None:
    ours = codec()
    ours.place(LIMIT, NOW, 7)
    reply = answer(ours, "p7", error={"code": code, "msg": "some words"}, status=400)
    assert isinstance(reply.error, errors.OrderRejected)
    assert (reply.error.reason, reply.error.order_id) == (reason, "pw-1")


def test_every_code_of_the_sheet_has_a_row() -> None:
    sheet = [
        -1021, -1125, -2011, -2013, -2019, -2021, -2022, -2025, -4003, -4014, -4023, -4061, -4067,
        -4068, -4116, -4120, -4164, -5021, -5022, -5026, -5028, -5047,
    ]  # fmt: skip
    assert [code for code in sheet if code not in REASONS] == []


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (-1007, 503, errors.OutcomeUnknown),
        (-1000, 500, errors.OutcomeUnknown),
        (-1022, 400, errors.AuthenticationFailed),
        (-2015, 401, errors.AuthenticationFailed),
        (-1003, 429, errors.RateLimited),
        (-1003, 418, errors.RateLimited),
    ],
)
def test_what_a_refusal_proves(code: int, status: int, kind: type) -> None:
    ours = codec()
    ours.place(LIMIT, NOW, 7)
    error = {"code": code, "msg": "m"}
    assert isinstance(answer(ours, "p7", error=error, status=status).error, kind)
    # The same over REST, of a command.
    request = ours.cancel_all("BTC-USDT", NOW, 8)
    [reply] = ours.decode_response(request, status, {}, json.dumps(error).encode(), NOW)
    assert reply.request_id == 8
    assert isinstance(reply.error, kind)


def test_an_unknown_order_is_one_when_asked_for() -> None:
    ours = codec()
    ours.order_status("BTC-USDT", "pw-1", NOW, 5)
    error = {"code": -2013, "msg": "Order does not exist."}
    found = answer(ours, "q5", error=error, status=400).error
    assert (type(found), found.reason) == (errors.OrderRejected, "unknown_order")


def test_an_answer_that_cannot_be_read_proves_nothing() -> None:
    ours = codec()
    ours.place(LIMIT, NOW, 7)
    body = json.dumps({"id": "p7", "status": 200, "result": {**ORDER, "status": "ODD"}})
    broken, reply = ours.decode(body.encode(), NOW)
    assert isinstance(broken, ev.Malformed)
    assert isinstance(reply.error, errors.OutcomeUnknown)


# ── over REST ──


def rest(ours: Any, request: Any, body: Any, status: int = 200, **headers: str) -> list[Any]:
    said = json.dumps(body).encode()
    return list(ours.decode_response(request, status, headers, said, NOW))


def test_open_orders_over_rest() -> None:
    ours = codec()
    request = ours.open_orders("", NOW, 9)
    [reply] = rest(ours, request, [ORDER], **{"x-mbx-used-weight-1m": "57"})
    listed, update = reply.events
    assert (reply.request_id, reply.used_weight) == (9, 57)
    assert (listed.order_ids, update.update.value) == (("pw-1",), "status_open")


def test_fills_over_rest() -> None:
    ours = codec()
    request = ours.order_fills("BTC-USDT", "pw-1", "55", NOW, 9)
    row = {
        "buyer": False, "commission": "-0.07819010", "commissionAsset": "USDT", "id": 698759,
        "maker": False, "orderId": 55, "price": "7819.01", "qty": "0.002", "quoteQty": "15.63802",
        "realizedPnl": "-0.91539999", "side": "SELL", "positionSide": "BOTH",
        "symbol": "BTCUSDT", "time": 1569514978020,
    }  # fmt: skip
    [reply] = rest(ours, request, [row])
    [fill] = reply.events
    assert (fill.order_id, fill.trade_id, fill.side, fill.fee) == (
        "pw-1", "698759", Side.SELL, Decimal("-0.07819010"),
    )  # fmt: skip


def test_all_cancelled_and_the_countdown_and_the_leverage() -> None:
    ours = codec()
    done = {"code": 200, "msg": "The operation of cancel all open order is done."}
    [reply] = rest(ours, ours.cancel_all("BTC-USDT", NOW, 1), done)
    assert (reply.request_id, reply.error, reply.events) == (1, None, ())
    armed = {"symbol": "BTCUSDT", "countdownTime": "120000"}
    [reply] = rest(ours, ours.arm_countdown("BTC-USDT", 120, NOW, 2), armed)
    assert (reply.request_id, reply.error) == (2, None)
    set_to = {"leverage": 21, "maxNotionalValue": "1000000", "symbol": "BTCUSDT"}
    [reply] = rest(ours, ours.set_leverage("BTC-USDT", 21, NOW, 3), set_to)
    assert [one.leverage for one in reply.events] == [21]


def test_the_clock_over_rest() -> None:
    ours = codec()
    [reply] = rest(ours, ours.server_time(NOW, 4), {"serverTime": 1499827319559})
    assert (reply.request_id, reply.server_time) == (4, 1499827319559 * 1_000_000)


def test_a_page_of_html_is_a_refusal_with_its_status() -> None:
    ours = codec()
    request = ours.open_orders("", NOW, 9)
    [reply] = ours.decode_response(request, 403, {}, b"<html>blocked</html>", NOW)
    assert isinstance(reply.error, errors.RateLimited)
    [reply] = ours.decode_response(request, 502, {}, b"<html>bad gateway</html>", NOW)
    assert isinstance(reply.error, errors.VenueUnavailable)


def test_a_session_that_is_logged_on_signs_nothing() -> None:
    from tests.venues.mbx.test_signing import ED_KEY, ED_SECRET

    ours = BINANCE_USDM.codec(CodecOptions(role=Role.ORDERS))
    frame = ours.login(Credentials(ED_KEY, ED_SECRET), NOW, 1)
    assert json.loads(frame)["method"] == "session.logon"
    reply = answer(ours, "l1", {"apiKey": ED_KEY, "serverTime": 1700000000001})
    assert reply.server_time == 1700000000001 * 1_000_000
    order = Order(
        id="pw-2", symbol="BTC-USDT", side=Side.BUY, type=OrderType.MARKET, size=Decimal(1)
    )
    params = json.loads(ours.place(order, NOW, 2))["params"]
    assert "signature" not in params
    assert params["timestamp"] == 1_700_000_000_000
