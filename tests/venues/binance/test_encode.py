"""What leaves: the exact bytes, their signatures, and what is refused before it leaves."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError, LocalError, StateError
from pitwire.model.orders import (
    AmendOrder,
    CancelOrder,
    Order,
    OrderType,
    ReplaceOrder,
    Side,
    TimeInForce,
)
from pitwire.venues.binance import BINANCE
from pitwire.venues.binance.codec import BinanceCodec
from pitwire.venues.venue import Ask, CodecOptions, Role

NOW = 1_660_801_715_431_000_000
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
ED_SECRET = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n"
)
D = Decimal


def codec() -> BinanceCodec:
    return BinanceCodec(CodecOptions(role=Role.ORDERS))


def logged_in() -> BinanceCodec:
    made = codec()
    made.login(Credentials(KEY, SECRET), NOW, 1)
    made.decode(b'{"id":"l1","status":200,"result":{"balances":[]}}', NOW)
    return made


def in_session() -> BinanceCodec:
    made = codec()
    made.login(Credentials(KEY, ED_SECRET), NOW, 1)
    made.decode(b'{"id":"l1","status":200,"result":{"serverTime":1660801715431}}', NOW)
    return made


def order(**changes: Any) -> Order:
    facts = {
        "id": "pw-1",
        "symbol": "BTC-USDT",
        "side": Side.SELL,
        "type": OrderType.LIMIT,
        "size": D("0.00847000"),
        "price": D("23416.10"),
    }
    return Order(**{**facts, **changes})


def sent(frame: bytes) -> dict[str, Any]:
    return json.loads(frame, parse_float=lambda text: pytest.fail(f"a float was sent: {text}"))


def check_signature(params: dict[str, Any]) -> None:
    unsigned = {name: value for name, value in params.items() if name != "signature"}
    payload = "&".join(f"{name}={unsigned[name]}" for name in sorted(unsigned))
    expected = hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
    assert params["signature"] == expected


TURNED_DOWN = b'{"id":"p0","status":400,"error":{"code":-2010,"msg":"no"}}'


@pytest.mark.parametrize("made", [logged_in, in_session])
def test_a_rehearsal_writes_the_same_bytes_and_notes_nothing(
    made: Callable[[], BinanceCodec],
) -> None:
    rehearsing, placing = made(), made()
    assert rehearsing.rehearse(order(), NOW) == placing.place(order(), NOW, 0)
    about: list[Any] = [codec.decode(TURNED_DOWN, NOW)[0] for codec in (rehearsing, placing)]
    assert [reply.error.order_id for reply in about] == ["", "pw-1"]


def test_a_signed_limit_order() -> None:
    message = sent(logged_in().place(order(), NOW, 17))
    params = message["params"]
    check_signature(params)
    del params["signature"]
    assert message == {
        "id": "p17",
        "method": "order.place",
        "params": {
            "apiKey": KEY,
            "newClientOrderId": "pw-1",
            "newOrderRespType": "FULL",
            "price": "23416.10",
            "quantity": "0.00847000",
            "recvWindow": 2000,
            "side": "SELL",
            "symbol": "BTCUSDT",
            "timeInForce": "GTC",
            "timestamp": 1660801715431,
            "type": "LIMIT",
        },
    }


def test_an_order_in_a_session_carries_only_the_time() -> None:
    params = sent(in_session().place(order(), NOW, 2))["params"]
    assert "signature" not in params
    assert "apiKey" not in params
    assert params["timestamp"] == 1660801715431


def test_an_ed25519_key_signs_until_the_session_stands_and_again_when_it_is_revoked() -> None:
    made = codec()
    made.login(Credentials(KEY, ED_SECRET), NOW, 1)
    assert "signature" in sent(made.place(order(), NOW, 2))["params"]
    made.decode(b'{"id":"l1","status":200,"result":{"serverTime":1660801715431}}', NOW)
    assert "signature" not in sent(made.place(order(), NOW, 3))["params"]
    made.decode(
        b'{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key, IP, or '
        b'permissions for action."}}',
        NOW,
    )
    assert "signature" in sent(made.place(order(), NOW, 4))["params"]


CASES = {
    "market": (
        {"type": OrderType.MARKET, "price": None},
        {"type": "MARKET", "quantity": "0.00847000"},
    ),
    "market by quote": (
        {"type": OrderType.MARKET, "price": None, "size": None, "quote_size": D("100")},
        {"type": "MARKET", "quoteOrderQty": "100"},
    ),
    "post only": (
        {"type": OrderType.POST_ONLY},
        {"type": "LIMIT_MAKER", "quantity": "0.00847000", "price": "23416.10"},
    ),
    "ioc": (
        {"time_in_force": TimeInForce.IOC},
        {"type": "LIMIT", "quantity": "0.00847000", "price": "23416.10", "timeInForce": "IOC"},
    ),
    "fok": (
        {"time_in_force": TimeInForce.FOK, "side": Side.BUY},
        {
            "type": "LIMIT",
            "quantity": "0.00847000",
            "price": "23416.10",
            "timeInForce": "FOK",
            "side": "BUY",
        },
    ),
    "stop": (
        {"type": OrderType.STOP, "price": None, "stop_price": D("23000")},
        {"type": "STOP_LOSS", "quantity": "0.00847000", "stopPrice": "23000"},
    ),
    "stop limit": (
        {"type": OrderType.STOP_LIMIT, "stop_price": D("23000")},
        {
            "type": "STOP_LOSS_LIMIT",
            "quantity": "0.00847000",
            "price": "23416.10",
            "stopPrice": "23000",
            "timeInForce": "GTC",
        },
    ),
    "trailing take profit": (
        {"type": OrderType.TAKE_PROFIT, "price": None, "trailing_bips": 50},
        {"type": "TAKE_PROFIT", "quantity": "0.00847000", "trailingDelta": 50},
    ),
    "take profit limit with both triggers": (
        {
            "type": OrderType.TAKE_PROFIT_LIMIT,
            "stop_price": D("24000"),
            "trailing_bips": 50,
        },
        {
            "type": "TAKE_PROFIT_LIMIT",
            "quantity": "0.00847000",
            "price": "23416.10",
            "stopPrice": "24000",
            "trailingDelta": 50,
            "timeInForce": "GTC",
        },
    ),
    "a tiny price without an exponent": (
        {"price": D("1E-8"), "size": D("1E+3")},
        {"type": "LIMIT", "quantity": "1000", "price": "0.00000001", "timeInForce": "GTC"},
    ),
}


@pytest.mark.parametrize(("changes", "expected"), CASES.values(), ids=CASES.keys())
def test_order_types(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    params = sent(logged_in().place(order(**changes), NOW, 1))["params"]
    check_signature(params)
    always = {
        "apiKey": KEY,
        "newClientOrderId": "pw-1",
        "newOrderRespType": "FULL",
        "recvWindow": 2000,
        "side": "SELL",
        "symbol": "BTCUSDT",
        "timestamp": 1660801715431,
        "signature": params["signature"],
    }
    assert params == {**always, **expected}


def test_a_promise_to_reduce_is_kept_by_risk_and_not_told_to_a_spot_market() -> None:
    frames = [logged_in().place(order(reduce_only=reduces), NOW, 1) for reduces in (False, True)]
    assert frames[0] == frames[1]


REFUSED = {
    "day": ({"time_in_force": TimeInForce.DAY}, "order.time_in_force"),
    "ioc market": (
        {"type": OrderType.MARKET, "price": None, "time_in_force": TimeInForce.IOC},
        "order.time_in_force",
    ),
    "ioc post only": (
        {"type": OrderType.POST_ONLY, "time_in_force": TimeInForce.IOC},
        "order.time_in_force",
    ),
    "limit without price": ({"price": None}, "order.price"),
    "market with price": ({"type": OrderType.MARKET}, "order.price"),
    "limit with stop": ({"stop_price": D("1")}, "order.stop_price"),
    "stop without stop": ({"type": OrderType.STOP, "price": None}, "order.stop_price"),
    "no size": ({"size": None}, "order.size"),
    "both sizes": ({"quote_size": D("1")}, "order.size"),
    "limit by quote": ({"size": None, "quote_size": D("1")}, "order.quote_size"),
    "float price": ({"price": 23416.1}, "order.price"),
    "nan price": ({"price": D("NaN")}, "order.price"),
    "negative size": ({"size": D("-1")}, "order.size"),
    "zero size": ({"size": D("0")}, "order.size"),
    "long id": ({"id": "x" * 37}, "order.id"),
    "quote in id": ({"id": 'x"'}, "order.id"),
    "newline after id": ({"id": "x\n"}, "order.id"),
    "share": ({"symbol": "AAPL"}, "symbol"),
    "unspellable": ({"symbol": "btc/usdt"}, "symbol"),
    "negative trail": (
        {"type": OrderType.STOP, "price": None, "trailing_bips": -5},
        "order.trailing_bips",
    ),
}


@pytest.mark.parametrize(("changes", "where"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_venue_cannot_do_is_refused_before_it_leaves(
    changes: dict[str, Any], where: str
) -> None:
    made = logged_in()
    made.place(order(), NOW, 1)  # a learned shape must not let a bad order through
    with pytest.raises(ConfigError) as caught:
        made.place(order(**changes), NOW, 2)
    assert caught.value.where == where
    assert caught.value.expected


PRIVATE = {
    "place": lambda c: c.place(order(), NOW, 5),
    "test": lambda c: c.test_place(order(), NOW, 5),
    "cancel": lambda c: c.cancel(CancelOrder(order_id="pw-1", symbol="BTC-USDT"), NOW, 5),
    "cancel all": lambda c: c.cancel_all("BTC-USDT", NOW, 5),
    "replace": lambda c: c.replace(ReplaceOrder(order_id="pw-0", order=order()), NOW, 5),
    "amend": lambda c: c.amend(
        AmendOrder(order_id="pw-1", symbol="BTC-USDT", size=D("0.005")), NOW, 5
    ),
    "status": lambda c: c.order_status("BTC-USDT", "pw-1", NOW, 5),
    "fills": lambda c: c.order_fills("BTC-USDT", "pw-1", "77", NOW, 5),
    "open orders": lambda c: c.open_orders("BTC-USDT", NOW, 5),
    "all open orders": lambda c: c.open_orders("", NOW, 5),
    "account": lambda c: c.account(NOW, 5),
    "watch": lambda c: c.watch_orders(NOW, 5),
}
EXPECTED = {
    "place": ("p5", "order.place", {}),
    "test": ("t5", "order.test", {}),
    "cancel": ("c5", "order.cancel", {"symbol": "BTCUSDT", "origClientOrderId": "pw-1"}),
    "cancel all": ("x5", "openOrders.cancelAll", {"symbol": "BTCUSDT"}),
    "replace": (
        "r5",
        "order.cancelReplace",
        {"cancelOrigClientOrderId": "pw-0", "cancelReplaceMode": "STOP_ON_FAILURE"},
    ),
    "amend": (
        "a5",
        "order.amend.keepPriority",
        {
            "symbol": "BTCUSDT",
            "origClientOrderId": "pw-1",
            "newClientOrderId": "pw-1",
            "newQty": "0.005",
        },
    ),
    "status": ("q5", "order.status", {"symbol": "BTCUSDT", "origClientOrderId": "pw-1"}),
    "fills": ("f5", "myTrades", {"symbol": "BTCUSDT", "orderId": 77, "limit": 1000}),
    "open orders": ("o5", "openOrders.status", {"symbol": "BTCUSDT"}),
    "all open orders": ("o5", "openOrders.status", {}),
    "account": ("b5", "account.status", {}),
    "watch": ("w5", "userDataStream.subscribe.signature", {}),
}


@pytest.mark.parametrize("name", PRIVATE)
def test_private_requests_are_signed(name: str) -> None:
    message = sent(PRIVATE[name](logged_in()))
    json_id, method, params = EXPECTED[name]
    assert (message["id"], message["method"]) == (json_id, method)
    check_signature(message["params"])
    assert message["params"]["apiKey"] == KEY
    assert params.items() <= message["params"].items()
    assert list(message["params"])[:-1] == sorted(list(message["params"])[:-1])


@pytest.mark.parametrize("name", PRIVATE)
def test_private_requests_in_a_session_are_not(name: str) -> None:
    message = sent(PRIVATE[name](in_session()))
    _, method, params = EXPECTED[name]
    if name == "watch":
        assert message == {"id": "w5", "method": "userDataStream.subscribe"}
        return
    assert message["method"] == method
    assert not {"apiKey", "signature"} & message["params"].keys()
    assert message["params"]["timestamp"] == 1660801715431
    assert params.items() <= message["params"].items()


@pytest.mark.parametrize("name", PRIVATE)
def test_nothing_private_is_asked_before_a_login(name: str) -> None:
    with pytest.raises(StateError):
        PRIVATE[name](codec())


def test_an_order_is_named_by_the_venues_id_where_it_is_known() -> None:
    made = in_session()
    command = CancelOrder(order_id="pw-1", symbol="BTC-USDT", venue_id="125690984230")
    assert sent(made.cancel(command, NOW, 1))["params"] == {
        "orderId": 125690984230,
        "symbol": "BTCUSDT",
        "timestamp": 1660801715431,
    }
    replace = ReplaceOrder(order_id="pw-0", order=order(), venue_id="7")
    params = sent(made.replace(replace, NOW, 2))["params"]
    assert params["cancelOrderId"] == 7
    assert "cancelRestrictions" not in params
    replace = ReplaceOrder(order_id="pw-0", order=order(), untouched=True)
    assert sent(made.replace(replace, NOW, 3))["params"]["cancelRestrictions"] == "ONLY_NEW"


def test_login_of_each_kind_of_key() -> None:
    message = sent(codec().login(Credentials(KEY, SECRET), NOW, 1))
    assert (message["id"], message["method"]) == ("l1", "account.status")
    check_signature(message["params"])
    ed_key = "4yNzx3yWC5bS6YTwEkSRaC0nRmSQIIStAUOh1b6kqaBrTLIhjCpI5lJH8q8R8WNO"
    assert sent(codec().login(Credentials(ed_key, ED_SECRET), 1649729878532000000, 2)) == {
        "id": "l2",
        "method": "session.logon",
        "params": {
            "apiKey": ed_key,
            "signature": "NBJq5sX1RkU7ta3XDctruMgnrhyBcouMvvPIxxQSCUbVWxhp3ai6W7a0Iip/3nOwmJx"
            "kVIv6n20cekYCOa5qAg==",
            "timestamp": 1649729878532,
        },
    }


def test_a_key_that_is_no_key_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError) as caught:
        codec().login(Credentials('my"key with blanks', SECRET), NOW, 1)
    assert "blanks" not in str(caught.value)


def test_server_time_needs_nobody() -> None:
    assert sent(codec().server_time(NOW, 3)) == {"id": "h3", "method": "time"}


ASKS = {
    Ask("trades", "BTC-USDT"): "btcusdt@trade",
    Ask("aggregate_trades", "BTC-USDT"): "btcusdt@aggTrade",
    Ask("ticker", "BTC-USDT"): "btcusdt@bookTicker",
    Ask("book", "BTC-USDT"): "btcusdt@depth@100ms",
    Ask("book", "BTC-USDT", "1000ms"): "btcusdt@depth",
    Ask("partial_book", "BTC-USDT"): "btcusdt@depth20@100ms",
    Ask("partial_book", "BTC-USDT", "5"): "btcusdt@depth5",
    Ask("bars", "BTC-USDT"): "btcusdt@kline_1m",
    Ask("bars", "BTC-USDT", "1M"): "btcusdt@kline_1M",
    Ask("mini_stats", "BTC-USDT"): "btcusdt@miniTicker",
    Ask("mini_stats"): "!miniTicker@arr",
    Ask("stats", "BTC-USDT"): "btcusdt@ticker",
    Ask("stats", "BTC-USDT", "4h"): "btcusdt@ticker_4h",
    Ask("stats", "", "1h"): "!ticker_1h@arr",
    Ask("average_price", "BTC-USDT"): "btcusdt@avgPrice",
}


def test_stream_names() -> None:
    made = BINANCE.codec(CodecOptions(role=Role.MARKET))
    assert sent(made.subscribe(list(ASKS), 9)) == {
        "method": "SUBSCRIBE",
        "params": list(ASKS.values()),
        "id": 9,
    }
    assert sent(made.unsubscribe([Ask("trades", "BTC-USDT")], 10)) == {
        "method": "UNSUBSCRIBE",
        "params": ["btcusdt@trade"],
        "id": 10,
    }


@pytest.mark.parametrize(
    ("ask", "where"),
    [
        (Ask("books", "BTC-USDT"), "channel"),
        (Ask("bars", "BTC-USDT", "7m"), "option of bars"),
        (Ask("trades", "BTC-USDT", "1m"), "option of trades"),
        (Ask("trades"), "symbol of trades"),
        (Ask("stats"), "symbol of stats"),
        (Ask("trades", "BTCUSDT"), "symbol"),
        (Ask("trades", "btc-usdt"), "symbol"),
    ],
)
def test_what_cannot_be_asked(ask: Ask, where: str) -> None:
    made = BINANCE.codec(CodecOptions(role=Role.MARKET))
    for verb in (made.check, lambda bad: made.subscribe([bad], 1)):
        with pytest.raises(ConfigError) as caught:
            verb(ask)
        assert caught.value.where == where


anything = st.one_of(st.none(), st.decimals(), st.floats(), st.text(max_size=5), st.integers())
amounts = st.one_of(st.none(), st.decimals(allow_nan=True), st.just(D("1.5")))


@settings(max_examples=150)
@given(
    id=st.text(max_size=40),
    symbol=st.sampled_from(["BTC-USDT", "AAPL", "", "ES-202612", "%s-%d"]),
    side=st.sampled_from(Side),
    type=st.sampled_from(OrderType),
    time_in_force=st.sampled_from(TimeInForce),
    size=amounts,
    quote_size=st.one_of(st.none(), anything),
    price=amounts,
    stop_price=amounts,
    trailing_bips=st.one_of(st.none(), anything),
    reduce_only=st.booleans(),
)
def test_an_order_is_encoded_or_refused_with_a_local_error(**facts: Any) -> None:
    made = logged_in()
    try:
        frame = made.place(Order(**facts), NOW, 1)
    except LocalError:
        return
    check_signature(sent(frame)["params"])
