"""Requests over REST: paths, bodies and the numbers of orders (§5, §7).

House rules: numbers are written as they are, to the last digit; what the venue has no word for is
refused here, by name.
"""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import quote

import msgspec

from pitwire.model.errors import ConfigError
from pitwire.model.numbers import plain
from pitwire.model.orders import Order, OrderType, Side, TimeInForce
from pitwire.venues.codec import HttpRequest
from pitwire.venues.ibkr.orders import Known

ROOT = "/v1/api"
"""Of every path (§1)."""
ORDER_LIST, TRADE_LIST, PORTFOLIO = "order list", "trade list", "portfolio"
"""Scopes of limits (§9)."""
_HEADERS = {"Content-Type": "application/json"}
_TYPES = {
    OrderType.MARKET: "MKT",
    OrderType.LIMIT: "LMT",
    OrderType.STOP: "STP",
    OrderType.STOP_LIMIT: "STOP_LIMIT",
}
_TIFS = {TimeInForce.DAY: "DAY", TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC"}
_SIDES = {Side.BUY: "BUY", Side.SELL: "SELL"}
_LONGEST_ID = 64


def request(
    purpose: str,
    method: str,
    path: str,
    request_id: int = 0,
    *,
    query: str = "",
    body: bytes = b"",
    symbol: str = "",
    scope: str = "",
) -> HttpRequest:
    """One request; a POST without a body has none, and no content type (§11.2)."""
    return HttpRequest(
        purpose,
        method,
        f"{ROOT}{path}",
        query,
        _HEADERS if body else {},
        body,
        symbol=symbol,
        request_id=request_id,
        scope=scope,
    )


# ── the session ──


def open_session(request_id: int, *, compete: bool) -> HttpRequest:
    """§2.3: `publish` must be true; `compete` throws out another login."""
    body = msgspec.json.encode({"publish": True, "compete": compete})
    return request("login.init", "POST", "/iserver/auth/ssodh/init", request_id, body=body)


def select_account(request_id: int, account: str) -> HttpRequest:
    """§4.2."""
    body = msgspec.json.encode({"acctId": account})
    return request("login.select", "POST", "/iserver/account", request_id, body=body)


# ── orders ──


def order_body(order: Order, account: str, conid: str) -> bytes:
    """§7.1, one order to a request; raises `ConfigError` for what the venue has no word for."""
    if order.size is None or order.trailing_bips is not None or order.reduce_only:
        found = "an amount of money" if order.size is None else "a trailing or reducing order"
        raise ConfigError(where="order", found=found, expected="a plain size, on ibkr")
    if not 0 < len(order.id) <= _LONGEST_ID:
        expected = f"1 to {_LONGEST_ID} characters"
        raise ConfigError(where="order.id", found=order.id, expected=expected)
    ticket = _ticket(
        account, conid, order.id, order.side, order.type, order.price, order.stop_price,
        order.size, order.time_in_force,
    )  # fmt: skip
    return b'{"orders":[%b]}' % ticket


def amended_body(known: Known, account: str, size: Decimal) -> bytes:
    """§7.3: the whole order again, with what is changed, and not wrapped."""
    if known.side is None or known.type is None or not known.conid:
        raise ConfigError(
            where="amend", found=known.order_id, expected="an order that was told whole"
        )
    return _ticket(
        account, known.conid, known.order_id, known.side, known.type, known.price,
        known.stop_price, size, known.tif or TimeInForce.DAY,
    )  # fmt: skip


def _ticket(
    account: str,
    conid: str,
    order_id: str,
    side: Side,
    type: OrderType,
    price: Decimal | None,
    stop: Decimal | None,
    size: Decimal,
    tif: TimeInForce,
) -> bytes:
    word, lasts = _TYPES.get(type), _TIFS.get(tif)
    if word is None or lasts is None:
        found, known = (type, _TYPES) if word is None else (tif, _TIFS)
        expected = f"one of {', '.join(known)}, on ibkr"
        raise ConfigError(where="order", found=found, expected=expected)
    fields: dict[str, object] = {
        "acctId": account,
        "conid": int(conid),
        "cOID": order_id,
        "orderType": word,
        "side": _SIDES[side],
    }
    if type is OrderType.STOP:
        fields["price"] = _number(stop, "stop_price")  # §7.1: the stop of a STP stands here
    elif type is not OrderType.MARKET:
        fields["price"] = _number(price, "price")
    if type is OrderType.STOP_LIMIT:
        fields["auxPrice"] = _number(stop, "stop_price")
    fields |= {
        "quantity": _number(size, "size"),
        "tif": lasts,
        "outsideRTH": False,
        "listingExchange": "SMART",
    }
    return msgspec.json.encode(fields)


def _number(value: Decimal | None, name: str) -> msgspec.Raw:
    if value is None or not value.is_finite() or value <= 0:
        raise ConfigError(where=f"order.{name}", found=value, expected="a positive number")
    return msgspec.Raw(plain(value).encode())


def order_path(account: str, venue_id: str = "") -> str:
    """Of one order, or of new ones."""
    one = f"order/{quote(venue_id, safe='')}" if venue_id else "orders"
    return f"/iserver/account/{quote(account, safe='')}/{one}"


def answer(request_id: int, question: str, purpose: str, *, yes: bool) -> HttpRequest:
    """§7.2."""
    body = msgspec.json.encode({"confirmed": yes})
    path = f"/iserver/reply/{quote(question, safe='')}"
    return request(purpose, "POST", path, request_id, body=body)


def order_list(purpose: str, request_id: int, symbol: str = "") -> HttpRequest:
    """§7.4, without a filter: one would silence the stream (§8.7)."""
    return request(
        purpose, "GET", "/iserver/account/orders", request_id, symbol=symbol, scope=ORDER_LIST
    )


def trade_list(request_id: int, days: int, symbol: str = "") -> HttpRequest:
    """§7.7."""
    return request(
        "fills",
        "GET",
        "/iserver/account/trades",
        request_id,
        query=f"days={days}",
        symbol=symbol,
        scope=TRADE_LIST,
    )
