"""Requests to bytes: asks, login, orders, questions (binance §1.3, §5.3 – §5.13).

House rules: parameters are written in the order in which they are signed; a decimal is plain text
and never a float; what the venue cannot do is refused here with a `ConfigError` and nothing is
sent; only `LocalError`s are raised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError, StateError
from pitwire.model.orders import Order, OrderType, Side, TimeInForce
from pitwire.venues.binance.signing import Signer, signer_for
from pitwire.venues.binance.symbols import Symbols

Value = str | int
Params = Mapping[str, Value]

WINDOW_SECONDS = 2.0
"""A new order that the venue reads later than this after we stamped it is refused (§5.3)."""
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_KEY = re.compile(r"[A-Za-z0-9_-]{1,256}")
_SLOT = "\0"
"""Stands in a template for a value that changes from order to order."""

_TYPES: Mapping[OrderType, str] = {
    OrderType.LIMIT: "LIMIT",
    OrderType.POST_ONLY: "LIMIT_MAKER",
    OrderType.MARKET: "MARKET",
    OrderType.STOP: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
    OrderType.TAKE_PROFIT: "TAKE_PROFIT",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT_LIMIT",
}
_PRICED = frozenset(
    (
        OrderType.LIMIT,
        OrderType.POST_ONLY,
        OrderType.STOP_LIMIT,
        OrderType.TAKE_PROFIT_LIMIT,
    )
)
_STOPPED = frozenset(
    (
        OrderType.STOP,
        OrderType.STOP_LIMIT,
        OrderType.TAKE_PROFIT,
        OrderType.TAKE_PROFIT_LIMIT,
    )
)
_TIMED = _PRICED - {OrderType.POST_ONLY}
"""§7.3: types that must name a time in force; the others must not (-1106)."""
_TIMES: Mapping[TimeInForce, str] = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
}


class _Shape(NamedTuple):
    """What an order's bytes look like apart from its numbers."""

    payload: str
    head: str
    tail: str


class Encoder:
    """Writes the WS-API requests of one connection; signs until a session is logged on."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols
        self._key = ""
        self._signer: Signer | None = None
        self._can_log_on = False
        self._shapes: dict[tuple[object, ...], _Shape] = {}

    # ── who we are ──

    def login(self, credentials: Credentials, now: int, request_id: int) -> bytes:
        """`session.logon` for an Ed25519 key (§5.6), else a signed `account.status` as proof."""
        if _KEY.fullmatch(credentials.key) is None:
            raise ConfigError(
                where=f"key of account {credentials.account}",
                found=f"{len(credentials.key)} characters",
                expected="letters and digits, as the venue printed it",
            )
        self._signer = signer_for(credentials)
        self._key = credentials.key
        self._can_log_on = credentials.kind == "ed25519"
        self._shapes.clear()
        if self._can_log_on:
            return self._signed("session.logon", {}, f"l{request_id}", now)
        return self._signed("account.status", {}, f"l{request_id}", now)

    def watch_orders(self, now: int, request_id: int, *, logged_on: bool) -> bytes:
        """The private stream (§6.1): by the session's account, else by signature."""
        if logged_on and self._can_log_on:
            return _plain("userDataStream.subscribe", {}, f"w{request_id}")
        return self._signed("userDataStream.subscribe.signature", {}, f"w{request_id}", now)

    def ask(self, method: str, params: Params, json_id: str, now: int, *, logged_on: bool) -> bytes:
        """A private request: signed, or with its `timestamp` alone in a session (§5.3)."""
        if logged_on and self._can_log_on:
            return _plain(method, {**params, "timestamp": now // MILLISECOND}, json_id)
        return self._signed(method, params, json_id, now)

    def public(self, method: str, json_id: str) -> bytes:
        """A request that needs nobody's name."""
        return _plain(method, {}, json_id)

    def _signed(self, method: str, params: Params, json_id: str, now: int) -> bytes:
        signer = self._ready(method)
        full = {**params, "apiKey": self._key, "timestamp": now // MILLISECOND}
        # §5.4: by name in byte order, values raw and not percent-encoded.
        ordered = dict(sorted(full.items()))
        payload = "&".join([f"{name}={value}" for name, value in ordered.items()])
        ordered["signature"] = signer.sign(payload.encode())
        return _plain(method, ordered, json_id)

    def _ready(self, verb: str) -> Signer:
        if self._signer is None:
            raise StateError(
                verb=verb, state="without credentials", expected="a login on this connection first"
            )
        return self._signer

    # ── orders ──

    def order(
        self,
        order: Order,
        method: str,
        json_id: str,
        now: int,
        *,
        logged_on: bool,
        extra: Params | None = None,
    ) -> bytes:
        """A new order; `extra` are the fixed parameters of a replacement (§5.11)."""
        in_session = logged_on and self._can_log_on
        signer = None if in_session else self._ready(method)
        shape = self._shape(order, method, extra or {}, signed=not in_session)
        values = _values(order, now)
        body = shape.head % (json_id, *values)
        if signer is None:
            return f"{body}{shape.tail}".encode()
        signature = signer.sign((shape.payload % values).encode())
        return f'{body},"signature":"{signature}"{shape.tail}'.encode()

    def _shape(self, order: Order, method: str, extra: Params, *, signed: bool) -> _Shape:
        key = (
            method, signed, order.symbol, order.side is Side.BUY, order.type._value_,
            order.time_in_force._value_, order.size is None, order.quote_size is None,
            order.price is None, order.stop_price is None, order.trailing_bips is None,
        )  # fmt: skip
        if extra:
            return self._new_shape(order, method, extra, signed=signed)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = self._new_shape(order, method, extra, signed=signed)
        return shape

    def _new_shape(self, order: Order, method: str, extra: Params, *, signed: bool) -> _Shape:
        refuse_impossible(order)
        params: dict[str, Value] = {
            **extra,
            "newClientOrderId": _SLOT,
            "newOrderRespType": "FULL",
            "recvWindow": round(WINDOW_SECONDS * 1000),
            "side": "BUY" if order.side is Side.BUY else "SELL",
            "symbol": self._symbols.native(order.symbol),
            "timestamp": _SLOT,
            "type": _TYPES[order.type],
        }
        optional = {
            "price": order.price,
            "quantity": order.size,
            "quoteOrderQty": order.quote_size,
            "stopPrice": order.stop_price,
            "trailingDelta": order.trailing_bips,
        }
        params |= {name: _SLOT for name, value in optional.items() if value is not None}
        if order.type in _TIMED:
            params["timeInForce"] = _TIMES[order.time_in_force]
        if signed:
            params["apiKey"] = self._key
        return _shape_of(method, dict(sorted(params.items())))


def refuse_impossible(order: Order) -> None:
    """Raise `ConfigError` for what Binance spot has no words for (§7.3).

    `reduce_only` is not among it: spot knows no positions, so it is a promise between a rule and
    risk, which has held the order against our own position, and nothing that the venue is told.
    """
    _require(
        order.time_in_force in _TIMES, "time_in_force", order.time_in_force.value,
        "gtc, ioc or fok: the venue never closes, so there is no day order",
    )  # fmt: skip
    plain = order.time_in_force is TimeInForce.GTC or order.type in _TIMED
    _require(plain, "time_in_force", order.time_in_force.value, f"gtc for {order.type.value}")
    priced = order.type in _PRICED
    expected = "a price" if priced else "no price"
    _require(
        (order.price is not None) == priced, "price", order.price,
        f"{expected} for {order.type.value}",
    )  # fmt: skip
    triggers = order.stop_price is not None or order.trailing_bips is not None
    stopped = order.type in _STOPPED
    expected = "stop_price or trailing_bips" if stopped else "no stop_price and no trailing_bips"
    _require(
        triggers == stopped, "stop_price", order.stop_price, f"{expected} for {order.type.value}"
    )
    sized = (order.size is not None) != (order.quote_size is not None)
    _require(sized, "size", order.size, "exactly one of size and quote_size")
    _require(
        order.quote_size is None or order.type is OrderType.MARKET, "quote_size",
        order.quote_size, f"size for {order.type.value}; only market orders take quote_size",
    )  # fmt: skip


def _require(good: bool, field: str, found: object, expected: str) -> None:
    if not good:
        raise ConfigError(where=f"order.{field}", found=found, expected=expected)


def _values(order: Order, now: int) -> tuple[Value, ...]:
    """The changing values, in the order of their names."""
    values: list[Value] = [client_id(order.id, "order.id")]
    if order.price is not None:
        values.append(decimal(order.price, "order.price"))
    if order.size is not None:
        values.append(decimal(order.size, "order.size"))
    if order.quote_size is not None:
        values.append(decimal(order.quote_size, "order.quote_size"))
    if order.stop_price is not None:
        values.append(decimal(order.stop_price, "order.stop_price"))
    values.append(now // MILLISECOND)
    if order.trailing_bips is not None:
        values.append(_bips(order.trailing_bips))
    return tuple(values)


def client_id(text: str, where: str) -> str:
    """A client order id the venue takes (§5.9), or `ConfigError`."""
    if _CLIENT_ID.fullmatch(text) is None:
        raise ConfigError(where=where, found=text, expected="1 to 36 of A-Z a-z 0-9 _ -")
    return text


def decimal(value: Decimal, where: str) -> str:
    """Plain decimal text of a positive amount, or `ConfigError`; a float is refused."""
    if type(value) is not Decimal or not value.is_finite() or value <= 0:
        raise ConfigError(where=where, found=value, expected="a positive Decimal")
    return format(value, "f")


def _bips(value: int) -> int:
    if type(value) is not int or value <= 0:
        raise ConfigError(
            where="order.trailing_bips", found=value, expected="a positive whole number"
        )
    return value


def order_reference(
    order_id: str, venue_id: str, *, client: str = "origClientOrderId", venue: str = "orderId"
) -> dict[str, Value]:
    """Which order is meant: by the venue's id where known, which is fastest (§5.10)."""
    if venue_id.isascii() and venue_id.isdigit():
        return {venue: int(venue_id)}
    return {client: client_id(order_id, "order_id")}


def _shape_of(method: str, params: Params) -> _Shape:
    numbers = ("timestamp", "trailingDelta")
    fields = ",".join(
        f'"{name}":{_slot(name in numbers) if value == _SLOT else _json(value)}'
        for name, value in params.items()
    )
    payload = "&".join(
        f"{name}={'%s' if value == _SLOT else _escaped(str(value))}"
        for name, value in params.items()
    )
    head = f'{{"id":"%s","method":"{method}","params":{{{fields}'
    return _Shape(payload, head, "}}")


def _slot(number: bool) -> str:
    return "%s" if number else '"%s"'


def _json(value: Value) -> str:
    return _escaped(msgspec.json.encode(value).decode())


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _plain(method: str, params: Params, json_id: str) -> bytes:
    body: dict[str, object] = {"id": json_id, "method": method}
    if params:
        body["params"] = params
    return msgspec.json.encode(body)


def control(method: str, names: Sequence[str], request_id: int) -> bytes:
    """A stream connection's request (§1.3); its id is a small positive integer (§12.1)."""
    return msgspec.json.encode({"method": method, "params": list(names), "id": request_id})
