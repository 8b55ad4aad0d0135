"""Every documented code has an answer, for every sort of request (binance §5.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.clock import SECOND
from pitwire.model.errors import (
    AuthenticationFailed,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    RemoteError,
    RequestRejected,
    SubscriptionRejected,
    VenueUnavailable,
)
from pitwire.model.orders import RejectReason
from pitwire.venues.binance import refusals
from pitwire.venues.binance.refusals import reason, refusal
from pitwire.venues.mbx import refusals as family
from pitwire.venues.mbx.refusals import Asked, Context

NOW = 1_659_142_907_531_000_000
MINUTE_END = 1_659_142_920 * SECOND

# Copied from §5.2 of the fact sheet; ranges written out, -1010 from the line below the table.
CODES = [
    -1000, -1001, -1002, -1003, -1006, -1007, -1008, -1010, -1013, -1014, -1015, -1016, -1020,
    -1021, -1022, -1034, -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108, -1111, -1112,
    -1114, -1115, -1116, -1117, -1118, -1119, -1120, -1121, -1122, -1125, -1127, -1128, -1130,
    -1134, -1135, -1139, -1145, -1151, -1152, -1153, -1155, -1161, -1158, -1160, -1165, -1166,
    -1168, -1194, -1196, -1197, -1198, -1199, -1210, -1211, -1220, -1222, -1223, -1224, -1225,
    -2010, -2011, -2013, -2014, -2015, -2016, -2021, -2022, -2026, -2035, -2036, -2038, -2039,
    -2042, -2043,
]  # fmt: skip

# §5.2: the messages of the matching engine → what a rule must be able to tell apart.
MESSAGES = {
    "Unknown order sent.": "unknown_order",
    "Duplicate order sent.": "duplicate_id",
    "Market is closed.": "market_closed",
    "Account has insufficient balance for requested action.": "insufficient_funds",
    "Market orders are not supported for this symbol.": "not_supported",
    "Iceberg orders are not supported for this symbol.": "not_supported",
    "Stop loss orders are not supported for this symbol.": "not_supported",
    "Stop loss limit orders are not supported for this symbol.": "not_supported",
    "Take profit orders are not supported for this symbol.": "not_supported",
    "Take profit limit orders are not supported for this symbol.": "not_supported",
    "Order amend is not supported for this symbol.": "not_supported",
    "Price * QTY is zero or less.": "notional_rule",
    "IcebergQty exceeds QTY.": "size_rule",
    "This action is disabled on this account.": "not_permitted",
    "This account may not place or cancel orders.": "not_permitted",
    "Unsupported order combination": "bad_parameter",
    "Order would trigger immediately.": "would_trigger",
    "Cancel order is invalid. Check origClOrdId and orderId.": "unknown_order",
    "Order would immediately match and take.": "would_take",
    "The relationship of the prices for the orders is not correct.": "price_rule",
    "OCO orders are not supported for this symbol": "not_supported",
    "Quote order qty market orders are not support for this symbol.": "not_supported",
    "Trailing stop orders are not supported for this symbol.": "not_supported",
    "Order cancel-replace is not supported for this symbol.": "not_supported",
    "This symbol is not permitted for this account.": "not_permitted",
    "This symbol is restricted for this account.": "not_permitted",
    "Order was not canceled due to cancel restrictions.": "other",
    "Rest API trading is not enabled.": "not_permitted",
    "WebSocket API trading is not enabled.": "not_permitted",
    "Order book liquidity is less than `LOT_SIZE` filter minimum quantity.": "no_liquidity",
    "Order book liquidity is less than `MARKET_LOT_SIZE` filter minimum quantity.": "no_liquidity",
    "Order book liquidity is less than symbol minimum quantity.": "no_liquidity",
    "Order amend (quantity increase) is not supported.": "size_rule",
    "The requested action would change no state; rejecting": "size_rule",
    "Pegged orders are not supported for this symbol.": "not_supported",
    "This order type may not use pegged price.": "bad_parameter",
    "This price peg cannot be used with this order type.": "bad_parameter",
    "Order book liquidity is too low for this pegged order.": "no_liquidity",
    "OPO orders are not supported for this symbol.": "not_supported",
    "Order amend (pending OPO order) is not supported.": "not_supported",
    "This symbol does not allow the specified self-trade prevention mode.": "self_trade",
}

# §7.1.
FILTERS = {
    "PRICE_FILTER": "price_rule",
    "PERCENT_PRICE": "price_rule",
    "PERCENT_PRICE_BY_SIDE": "price_rule",
    "LOT_SIZE": "size_rule",
    "MARKET_LOT_SIZE": "size_rule",
    "MIN_NOTIONAL": "notional_rule",
    "NOTIONAL": "notional_rule",
    "ICEBERG_PARTS": "size_rule",
    "MAX_NUM_ORDERS": "order_count_rule",
    "MAX_NUM_ALGO_ORDERS": "order_count_rule",
    "MAX_NUM_ICEBERG_ORDERS": "order_count_rule",
    "MAX_POSITION": "size_rule",
    "TRAILING_DELTA": "price_rule",
    "MAX_NUM_ORDER_AMENDS": "order_count_rule",
    "MAX_NUM_ORDER_LISTS": "order_count_rule",
    "EXCHANGE_MAX_NUM_ORDERS": "order_count_rule",
    "EXCHANGE_MAX_NUM_ALGO_ORDERS": "order_count_rule",
    "EXCHANGE_MAX_NUM_ICEBERG_ORDERS": "order_count_rule",
    "EXCHANGE_MAX_NUM_ORDER_LISTS": "order_count_rule",
    "MAX_ASSET": "size_rule",
    "T_PLUS_SELL": "not_permitted",
}

ALLOWED = {
    Asked.STREAM: (SubscriptionRejected, VenueUnavailable),
    Asked.LOGIN: (AuthenticationFailed, VenueUnavailable),
    Asked.QUESTION: (RequestRejected, VenueUnavailable),
    Asked.STATUS: (RequestRejected, OrderRejected, VenueUnavailable),
    Asked.TEST: (OrderRejected, VenueUnavailable),
    Asked.COMMAND: (OrderRejected, OutcomeUnknown, VenueUnavailable),
}


def context(asked: Asked = Asked.COMMAND, **facts: object) -> Context:
    return Context(asked=asked, request="place", now=NOW, order_id="pw-1", **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", Asked)
@pytest.mark.parametrize("code", CODES)
def test_every_documented_code_is_answered(code: int, asked: Asked) -> None:
    error = refusal(code, "some text", context(asked, status=400))
    assert isinstance(error, (*ALLOWED[asked], AuthenticationFailed, RateLimited))
    assert (error.code, error.text, error.venue) == (code, "some text", "binance")


@pytest.mark.parametrize("code", CODES)
def test_every_documented_code_has_a_row_of_its_own(code: int) -> None:
    tables = (
        family.AUTHENTICATION,
        family.THROTTLED,
        family.UNPROVEN,
        family.OVERLOADED,
        refusals.REASONS,
    )
    assert any(code in table for table in tables)


@pytest.mark.parametrize(("text", "expected"), MESSAGES.items())
@pytest.mark.parametrize("code", [-1010, -2010, -2011, -2038])
def test_the_engines_messages(code: int, text: str, expected: str) -> None:
    error = refusal(code, text, context(status=400))
    assert isinstance(error, OrderRejected)
    assert (error.reason, error.order_id) == (expected, "pw-1")


@pytest.mark.parametrize(("name", "expected"), FILTERS.items())
@pytest.mark.parametrize("code", [-1013, -2010, -2038])
def test_filters(code: int, name: str, expected: str) -> None:
    assert reason(code, f"Filter failure: {name}").value == expected


def test_an_unknown_filter_is_a_refusal_all_the_same() -> None:
    assert reason(-1013, "Filter failure: SOMETHING_NEW") is RejectReason.OTHER


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (-1111, "Parameter 'price' has too much precision.", "price_rule"),
        (-1111, "Parameter 'quantity' has too much precision.", "size_rule"),
        (-1111, "Parameter 'x' has too much precision.", "bad_parameter"),
        (-1121, "Invalid symbol.", "unknown_symbol"),
        (-1021, "Timestamp for this request is outside of the recvWindow.", "clock"),
        (-2013, "Order does not exist.", "unknown_order"),
        (-2011, "", "unknown_order"),
        (-9999, "something new", "other"),
    ],
)
def test_reasons_by_code(code: int, text: str, expected: str) -> None:
    assert reason(code, text).value == expected


@pytest.mark.parametrize(
    ("code", "hint"),
    [(-1002, "permission"), (-1022, "signature"), (-2014, "key"), (-2015, "permission")],
)
@pytest.mark.parametrize("asked", Asked)
def test_a_key_that_is_not_accepted_is_said_so_whatever_was_asked(
    code: int, hint: str, asked: Asked
) -> None:
    error = refusal(code, "", context(asked, status=401))
    assert isinstance(error, AuthenticationFailed)
    assert error.hint == hint


def test_a_late_request_is_a_wrong_clock_only_at_login() -> None:
    text = "Timestamp for this request was 1000ms ahead of the server's time."
    error = refusal(-1021, text, context(Asked.LOGIN, status=400))
    assert isinstance(error, AuthenticationFailed)
    assert error.hint == "clock"
    assert isinstance(refusal(-1021, text, context(status=400)), OrderRejected)
    assert isinstance(refusal(-1021, text, context(Asked.QUESTION, status=400)), RequestRejected)


@pytest.mark.parametrize("code", [-1006, -1007, -1000, -1001])
def test_an_unproven_outcome_is_never_called_a_refusal(code: int) -> None:
    error = refusal(code, "", context())
    assert isinstance(error, OutcomeUnknown)
    assert error.request == "place"
    for asked in (Asked.QUESTION, Asked.STATUS, Asked.TEST):
        assert isinstance(refusal(code, "", context(asked)), VenueUnavailable)


@given(st.integers(-9999, 9999), st.text(max_size=30), st.integers(500, 599))
def test_any_5xx_on_a_command_is_unproven(code: int, text: str, status: int) -> None:
    error = refusal(code, text, context(status=status))
    assert isinstance(error, OutcomeUnknown | RateLimited)


@given(
    st.integers(), st.text(max_size=60), st.integers(0, 999), st.sampled_from(Asked),
)  # fmt: skip
def test_total_over_codes_texts_and_statuses(
    code: int, text: str, status: int, asked: Asked
) -> None:
    assert isinstance(refusal(code, text, context(asked, status=status)), RemoteError)


def test_an_overload_below_5xx_refused_the_order() -> None:
    assert isinstance(refusal(-1008, "", context(status=429)), RateLimited)
    assert isinstance(refusal(-1008, "", context(status=400)), VenueUnavailable)
    assert isinstance(refusal(-1008, "", context(status=503)), OutcomeUnknown)


def test_when_to_ask_again() -> None:
    told = refusal(-1003, "", context(status=429, until=5))
    assert isinstance(told, RateLimited)
    assert told.until == 5
    banned = refusal(
        -1003,
        "Way too much request weight used; IP banned until 1659146400000. Please use WebSocket "
        "Streams for live updates to avoid bans.",
        context(status=418),
    )
    assert isinstance(banned, RateLimited)
    assert (banned.until, banned.banned) == (1659146400000000000, True)
    # §8: windows are aligned to wall clock.
    orders = refusal(-1015, "Too many new orders; current limit is 50 orders per 10 SECOND.",
                     context(status=429))  # fmt: skip
    assert isinstance(orders, RateLimited)
    assert (orders.until, orders.limit, orders.banned) == (1659142910 * SECOND, "orders", False)
    weight = refusal(-1003, "Too many requests queued.", context(status=429))
    assert isinstance(weight, RateLimited)
    assert (weight.until, weight.limit) == (MINUTE_END, "weight")


def test_the_firewall_is_waited_for() -> None:
    error = refusal(0, "HTTP 403: <html>", context(Asked.QUESTION, status=403))
    assert isinstance(error, RateLimited)
    assert (error.limit, error.until) == ("firewall", NOW + 60 * SECOND)


@pytest.mark.parametrize(("status", "hint"), [(401, "key"), (451, "address")])
def test_refusals_without_a_code(status: int, hint: str) -> None:
    error = refusal(0, "", context(Asked.QUESTION, status=status))
    assert isinstance(error, AuthenticationFailed)
    assert error.hint == hint
