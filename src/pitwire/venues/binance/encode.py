"""Requests to bytes: asks, login, orders, questions (binance §1.3, §5.3 – §5.13).

House rules: parameters are written in the order in which they are signed; a decimal is plain text
and never a float; what the venue cannot do is refused here with a `ConfigError` and nothing is
sent; only `LocalError`s are raised. `_writing.c` beside it fills a form as `Encoder.order` does,
where it has been built (ADR 23), or leaves it to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError
from pitwire.model.orders import Order, OrderType, Side, TimeInForce
from pitwire.model.twins import twin
from pitwire.venues.binance.symbols import Symbols
from pitwire.venues.mbx.requests import Params, Requests, Value, client_id, decimal, plain
from pitwire.venues.mbx.signing import HmacSigner

WINDOW_SECONDS = 2.0
"""A new order that the venue reads later than this after we stamped it is refused (§5.3)."""
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


Fill: TypeAlias = Callable[[Order, str, int], bytes | None]
"""(order, id of the request, now) → its frame; None: not to be written so, or not at all."""
COMPILED: Any = twin("pitwire.venues.binance._writing")
"""The compiled twin of `Encoder.order`, or None."""


class _Shape(NamedTuple):
    """What an order's bytes look like apart from its numbers."""

    payload: str
    head: str
    tail: str
    fill: Fill | None = None
    """Does at once what is nearly always done with it; there where `COMPILED` is."""


class Encoder:
    """Writes the WS-API requests of one connection; signs until a session is logged on."""

    def __init__(self, symbols: Symbols, compiled: Any = None) -> None:
        self._symbols = symbols
        self._compiled = compiled
        self.requests = Requests()
        """Who asks, and how it is signed."""
        self._shapes: dict[tuple[object, ...], _Shape] = {}

    def login(self, credentials: Credentials, now: int, request_id: int) -> bytes:
        """`session.logon` for an Ed25519 key (§5.6), else a signed `account.status` as proof."""
        self._shapes.clear()
        return self.requests.login(credentials, now, request_id, proof="account.status")

    def watch_orders(self, now: int, request_id: int) -> bytes:
        """The private stream (§6.1): by the session's account, else by signature."""
        requests, json_id = self.requests, f"w{request_id}"
        if requests.in_session:
            return plain("userDataStream.subscribe", {}, json_id)
        return requests.signed("userDataStream.subscribe.signature", {}, json_id, now)

    # ── orders ──

    def order(
        self,
        order: Order,
        method: str,
        json_id: str,
        now: int,
        *,
        extra: Params | None = None,
    ) -> bytes:
        """A new order; `extra` are the fixed parameters of a replacement (§5.11)."""
        requests = self.requests
        signed = not (requests.logged_on and requests.can_log_on)  # as `in_session` has it
        key = (
            method, signed, order.symbol, order.side, order.type, order.time_in_force,
            order.size is None, order.quote_size is None, order.price is None,
            order.stop_price is None, order.trailing_bips is None,
        )  # fmt: skip
        shape = None if extra else self._shapes.get(key)
        if shape is None:
            shape = self._new_shape(order, method, extra or {}, signed=signed)
            if not extra:
                self._shapes[key] = shape
        # A form knows its signer: who logs in anew begins without forms.
        if shape.fill is not None and (frame := shape.fill(order, json_id, now)) is not None:
            return frame
        signer = requests.signer(method) if signed else None
        values = _values(order, now)
        body = shape.head % (json_id, *values)
        if signer is None:
            return f"{body}{shape.tail}".encode()
        signature = signer.sign((shape.payload % values).encode())
        return f'{body},"signature":"{signature}"{shape.tail}'.encode()

    def _new_shape(self, order: Order, method: str, extra: Params, *, signed: bool) -> _Shape:
        signer = self.requests.signer(method) if signed else None
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
            params["apiKey"] = self.requests.key
        params = dict(sorted(params.items()))
        shape = _shape_of(method, params)
        if self._compiled is None or extra or "%%" in shape.head:
            return shape
        if signer is not None and not isinstance(signer, HmacSigner):
            return shape
        form = self._compiled.Form(*_form_of(shape, params, signer))
        return shape._replace(fill=form.fill)


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


def _bips(value: int) -> int:
    if type(value) is not int or value <= 0:
        raise ConfigError(
            where="order.trailing_bips", found=value, expected="a positive whole number"
        )
    return value


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


_FIELDS: Mapping[str, tuple[str, str]] = {
    "newClientOrderId": ("i", "id"),
    "price": ("d", "price"),
    "quantity": ("d", "size"),
    "quoteOrderQty": ("d", "quote_size"),
    "stopPrice": ("d", "stop_price"),
    "timestamp": ("t", ""),
    "trailingDelta": ("n", "trailing_bips"),
}
"""Parameter that changes → its kind (an id, a decimal, the time, a number), and where it stands in
an order."""


def _form_of(shape: _Shape, params: Params, signer: HmacSigner | None) -> tuple[object, ...]:
    """The same for the compiled twin: what stands before and behind each value."""
    start, *texts = (text.replace("%%", "%").encode() for text in shape.head.split("%s"))
    *signed, signed_end = (text.replace("%%", "%").encode() for text in shape.payload.split("%s"))
    fields = [_FIELDS[name] for name, value in params.items() if value == _SLOT]
    holes = tuple(
        (kind, field, text, payload)
        for (kind, field), text, payload in zip(fields, texts, signed, strict=False)
    )
    tail = shape.tail.encode()
    if signer is None:
        return start, holes, texts[-1] + tail, b"", None, None
    return start, holes, texts[-1] + b',"signature":"', b'"' + tail, signed_end, signer.key


def _slot(number: bool) -> str:
    return "%s" if number else '"%s"'


def _json(value: Value) -> str:
    return _escaped(msgspec.json.encode(value).decode())


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
