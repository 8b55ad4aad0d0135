"""Orders to bodies (alpaca §5.4).

House rules: a decimal is plain text and never a float; what the venue cannot do is refused here
with a `ConfigError` and nothing is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from pitwire.model.errors import ConfigError
from pitwire.model.orders import Order, OrderType, Side, TimeInForce
from pitwire.venues.alpaca.symbols import Symbols

_CLIENT_ID = re.compile(r"[!-~]{1,128}", re.ASCII)
_TYPES: Mapping[OrderType, str] = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP_LIMIT: "stop_limit",
}
"""Crypto has these (§5.4)."""
_TIMES: Mapping[TimeInForce, str] = {TimeInForce.GTC: "gtc", TimeInForce.IOC: "ioc"}
_PRICED = frozenset((OrderType.LIMIT, OrderType.STOP_LIMIT))
_STOPPED = frozenset((OrderType.STOP_LIMIT,))


def order_body(order: Order, symbols: Symbols) -> bytes:
    """The body of `POST /v2/orders`; raises `ConfigError` for what crypto at Alpaca is not.

    `reduce_only` is not among it: it is a promise between a rule and the screen, which keeps it.
    """
    body: dict[str, str] = {
        "symbol": symbols.native(order.symbol),
        "side": "buy" if order.side is Side.BUY else "sell",
        "type": _one_of(_TYPES, order.type, "type"),
        "time_in_force": _one_of(_TIMES, order.time_in_force, "time_in_force"),
        "client_order_id": client_id(order.id),
    }
    if order.quote_size is not None:
        if order.type is not OrderType.MARKET or order.size is not None:
            raise _refused("quote_size", order.quote_size, "a market order without a size")
        body["notional"] = decimal(order.quote_size, "quote_size")
    else:
        body["qty"] = decimal(order.size, "size")
    if order.type in _PRICED:
        body["limit_price"] = decimal(order.price, "price")
    elif order.price is not None:
        raise _refused("price", order.price, f"none for {order.type}")
    if order.type in _STOPPED:
        body["stop_price"] = decimal(order.stop_price, "stop_price")
    elif order.stop_price is not None:
        raise _refused("stop_price", order.stop_price, f"none for {order.type}")
    if order.trailing_bips is not None:
        raise _refused("trailing_bips", order.trailing_bips, "none")
    return msgspec.json.encode(body)


def client_id(text: str) -> str:
    """A client order id that the venue takes (§5.4), or `ConfigError`."""
    if _CLIENT_ID.fullmatch(text) is None:
        raise _refused("id", text, "1 to 128 printable characters without a space")
    return text


def decimal(value: Decimal | None, where: str) -> str:
    """Plain decimal text of a positive amount, or `ConfigError`; a float is refused."""
    if type(value) is not Decimal or not value.is_finite() or value <= 0:
        raise _refused(where, value, "a positive Decimal")
    return format(value, "f")


def _one_of(table: Mapping[Any, str], value: object, name: str) -> str:
    if value not in table:
        raise _refused(name, value, f"one of {', '.join(map(str, table))}")
    return table[value]


def _refused(field: str, found: object, expected: str) -> ConfigError:
    return ConfigError(where=f"order.{field}", found=found, expected=expected)
