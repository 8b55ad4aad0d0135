"""What leaves for the futures: orders, cancels, amendments, questions (binance §11.5, §11.6)."""

from __future__ import annotations

import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest
from msgspec.structs import replace

from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError, StateError
from pitwire.model.orders import AmendOrder, CancelOrder, Order, OrderType, Side, TimeInForce
from pitwire.venues.binance_futures import BINANCE_USDM
from pitwire.venues.venue import CodecOptions, HttpRequest, Role

KEY, SECRET = "theKey", "theSecret"
NOW = 1_700_000_000_123_456_789
LIMIT = Order(
    id="pw-1", symbol="BTC-USDT", side=Side.BUY, type=OrderType.LIMIT, size=Decimal("0.010"),
    price=Decimal("43187.10"),
)  # fmt: skip
MARKET = replace(LIMIT, type=OrderType.MARKET, price=None)


def codec(kind: str = "hmac") -> Any:
    made = BINANCE_USDM.codec(CodecOptions(role=Role.ORDERS))
    made.login(Credentials(KEY, SECRET, kind="hmac"), NOW, 1)
    return made


def signed(params: dict[str, Any]) -> str:
    plain = "&".join(f"{name}={value}" for name, value in sorted(params.items()))
    return hmac.new(SECRET.encode(), plain.encode(), hashlib.sha256).hexdigest()


def params_of(frame: bytes, method: str) -> dict[str, Any]:
    """The parameters of a signed request, its signature checked and gone."""
    request = json.loads(frame)
    assert request["method"] == method
    params: dict[str, Any] = request["params"]
    assert params.pop("signature") == signed(params)
    assert (params.pop("apiKey"), params.pop("timestamp")) == (KEY, 1_700_000_000_123)
    return params


def query_of(request: HttpRequest) -> dict[str, str]:
    """The same of a request over REST."""
    plain, _, signature = request.query.rpartition("&signature=")
    assert signature == hmac.new(SECRET.encode(), plain.encode(), hashlib.sha256).hexdigest()
    assert dict(request.headers) == {"X-MBX-APIKEY": KEY}
    found = dict(parse_qsl(plain))
    assert found.pop("timestamp") == "1700000000123"
    return found


def test_a_rehearsal_writes_the_same_bytes_and_notes_nothing() -> None:
    rehearsing, placing = codec(), codec()
    assert rehearsing.rehearse(LIMIT, NOW) == placing.place(LIMIT, NOW, 0)
    refused = b'{"id":"p0","status":400,"error":{"code":-2010,"msg":"no"}}'
    about = [made.decode(refused, NOW)[0] for made in (rehearsing, placing)]
    assert [reply.error.order_id for reply in about] == ["", "pw-1"]


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (LIMIT, {"type": "LIMIT", "price": "43187.10", "timeInForce": "GTC"}),
        (MARKET, {"type": "MARKET"}),
        (
            replace(LIMIT, type=OrderType.POST_ONLY, side=Side.SELL),
            {"type": "LIMIT", "price": "43187.10", "timeInForce": "GTX", "side": "SELL"},
        ),
        (
            replace(LIMIT, time_in_force=TimeInForce.IOC),
            {"type": "LIMIT", "price": "43187.10", "timeInForce": "IOC"},
        ),
        (replace(MARKET, reduce_only=True), {"type": "MARKET", "reduceOnly": "true"}),
    ],
)
def test_an_order_says_what_it_is(order: Order, words: dict[str, str]) -> None:
    frame = codec().place(order, NOW, 7)
    assert json.loads(frame)["id"] == "p7"
    assert params_of(frame, "order.place") == {
        "newClientOrderId": "pw-1", "newOrderRespType": "RESULT", "quantity": "0.010",
        "recvWindow": 2000, "side": "BUY", "symbol": "BTCUSDT", **words,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("order", "where"),
    [
        (replace(MARKET, size=None, quote_size=Decimal(5)), "order.size"),
        (replace(MARKET, price=Decimal(1)), "order.price"),
        (replace(LIMIT, price=None), "order.price"),
        (replace(LIMIT, stop_price=Decimal(1)), "order.stop_price"),
        (replace(MARKET, time_in_force=TimeInForce.IOC), "order.time_in_force"),
        (replace(LIMIT, time_in_force=TimeInForce.DAY), "order.time_in_force"),
        (replace(LIMIT, id="no spaces"), "order.id"),
        (replace(LIMIT, size=Decimal("NaN")), "order.size"),
    ],
)
def test_what_the_venue_has_no_words_for_is_refused_by_name(order: Order, where: str) -> None:
    with pytest.raises(ConfigError) as refused:
        codec().place(order, NOW, 1)
    assert refused.value.where == where


def test_a_cancel_names_the_order() -> None:
    command = CancelOrder(order_id="pw-1", symbol="BTC-USDT")
    found = params_of(codec().cancel(command, NOW, 3), "order.cancel")
    assert found == {"origClientOrderId": "pw-1", "symbol": "BTCUSDT"}
    known = replace(command, venue_id="55")
    found = params_of(codec().cancel(known, NOW, 3), "order.cancel")
    assert found == {"orderId": 55, "symbol": "BTCUSDT"}


def test_an_amendment_says_side_and_price_again() -> None:
    command = AmendOrder(
        order_id="pw-1", symbol="BTC-USDT", size=Decimal("0.005"), side=Side.SELL,
        price=Decimal("100.5"),
    )  # fmt: skip
    assert params_of(codec().amend(command, NOW, 3), "order.modify") == {
        "origClientOrderId": "pw-1", "price": "100.5", "quantity": "0.005", "recvWindow": 2000,
        "side": "SELL", "symbol": "BTCUSDT",
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"amend\.price"):
        codec().amend(replace(command, price=None), NOW, 3)


def test_what_the_venue_does_not_offer_is_said() -> None:
    with pytest.raises(StateError, match="replace"):
        codec().replace(None, NOW, 1)
    stop = replace(MARKET, type=OrderType.STOP, stop_price=Decimal(1))
    with pytest.raises(ConfigError, match=r"order\.type.*endpoint of their own"):
        codec().test_place(stop, NOW, 1)


def test_an_order_that_is_only_checked_is_written_like_one() -> None:
    request = codec().test_place(LIMIT, NOW, 4)
    assert (request.method, request.path) == ("POST", "/fapi/v1/order/test")
    placed = params_of(codec().place(LIMIT, NOW, 4), "order.place")
    assert query_of(request) == {name: str(value) for name, value in placed.items()}


def test_the_private_stream_is_asked_for_with_the_key_alone() -> None:
    assert json.loads(codec().watch_orders(NOW, 4)) == {
        "id": "w4", "method": "userDataStream.start", "params": {"apiKey": KEY},
    }  # fmt: skip
    with pytest.raises(StateError):
        BINANCE_USDM.codec(CodecOptions(role=Role.ORDERS)).watch_orders(NOW, 4)


def test_questions_over_the_socket() -> None:
    ours = codec()
    found = params_of(ours.order_status("BTC-USDT", "pw-1", NOW, 5), "order.status")
    assert found == {"origClientOrderId": "pw-1", "symbol": "BTCUSDT"}
    assert params_of(ours.account(NOW, 6), "account.status") == {}


@pytest.mark.parametrize(
    ("ask", "method", "path", "query", "weight"),
    [
        (lambda c: c.cancel_all("BTC-USDT", NOW, 9), "DELETE", "allOpenOrders",
         {"symbol": "BTCUSDT"}, 1),
        (lambda c: c.open_orders("", NOW, 9), "GET", "openOrders", {}, 40),
        (lambda c: c.open_orders("BTC-USDT", NOW, 9), "GET", "openOrders",
         {"symbol": "BTCUSDT"}, 1),
        (lambda c: c.order_fills("BTC-USDT", "pw-1", "55", NOW, 9), "GET", "userTrades",
         {"limit": "1000", "orderId": "55", "symbol": "BTCUSDT"}, 5),
        (lambda c: c.fills_since("BTC-USDT", "77", 0, NOW, 9), "GET", "userTrades",
         {"limit": "1000", "fromId": "77", "symbol": "BTCUSDT"}, 5),
        (lambda c: c.fills_since("BTC-USDT", "", 5_000_000, NOW, 9), "GET", "userTrades",
         {"limit": "1000", "startTime": "6", "symbol": "BTCUSDT"}, 5),
        (lambda c: c.set_leverage("BTC-USDT", 25, NOW, 9), "POST", "leverage",
         {"symbol": "BTCUSDT", "leverage": "25"}, 1),
        (lambda c: c.arm_countdown("BTC-USDT", 120.0, NOW, 9), "POST", "countdownCancelAll",
         {"symbol": "BTCUSDT", "countdownTime": "120000"}, 10),
        (lambda c: c.arm_countdown("BTC-USDT", 0, NOW, 9), "POST", "countdownCancelAll",
         {"symbol": "BTCUSDT", "countdownTime": "0"}, 10),
    ],
)  # fmt: skip
def test_what_goes_over_rest(
    ask: Any, method: str, path: str, query: dict[str, str], weight: int
) -> None:
    request = ask(codec())
    assert (request.method, request.path) == (method, f"/fapi/v1/{path}")
    assert query_of(request) == query
    assert (request.request_id, request.weight) == (9, weight)


@pytest.mark.parametrize("leverage", [0, 126, 2.5, True])
def test_a_leverage_that_cannot_be(leverage: Any) -> None:
    with pytest.raises(ConfigError, match="1 to 125"):
        codec().set_leverage("BTC-USDT", leverage, NOW, 1)


def test_a_countdown_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="seconds"):
        codec().arm_countdown("BTC-USDT", -1, NOW, 1)


def test_requests_of_the_sessions_own() -> None:
    ours = codec()
    clock = ours.server_time(NOW, 8)
    assert (clock.path, clock.query, clock.request_id) == ("/fapi/v1/time", "", 8)
    assert ours.ask_time().request_id == 0
    assert ours.ask_instruments(["BTC-USDT"]).query == ""
    book = ours.ask_snapshot("BTC-USDT", 60)
    assert (book.query, book.weight) == ("symbol=BTCUSDT&limit=100", 5)
    assert ours.ask_snapshot("BTC-USDT", 1000).weight == 20
    with pytest.raises(ConfigError, match="1 to 1000"):
        ours.ask_snapshot("BTC-USDT", 5000)
    trades = ours.ask_aggregates("BTC-USDT", 4, 5000)
    assert trades.query == "symbol=BTCUSDT&fromId=4&limit=1000"
    since = ours.ask_aggregates_since("BTC-USDT", 1_700_000_000_000_999_999, 5000)
    assert (since.path, since.weight) == ("/fapi/v1/aggTrades", 20)
    assert since.query == "symbol=BTCUSDT&startTime=1700000000000&limit=1000"
    with pytest.raises(ConfigError, match="an id of 0 or more"):
        ours.ask_trades("BTC-USDT", -1, 1)
