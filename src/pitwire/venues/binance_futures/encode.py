"""Orders of the futures to bytes (binance §11.5).

House rules: what the venue cannot do is refused here with a `ConfigError` and nothing is sent;
numbers of orders are strings, ids and times are integers (§11.2).
"""

from __future__ import annotations

from collections.abc import Mapping

from pitwire.model.errors import ConfigError
from pitwire.model.orders import AmendOrder, CancelOrder, Order, OrderType, Side, TimeInForce
from pitwire.venues.binance_futures.symbols import Symbols
from pitwire.venues.mbx.requests import Value, client_id, decimal, order_reference

WINDOW_SECONDS = 2.0
"""A new order that the venue reads later than this after we stamped it is refused (§5.5)."""
WINDOW = round(WINDOW_SECONDS * 1000)
TIMES: Mapping[TimeInForce, str] = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
}
_LIMITS = (OrderType.LIMIT, OrderType.POST_ONLY)


def refuse_impossible(order: Order) -> None:
    """Raise `ConfigError` for what the order endpoint has no words for (§11.5)."""
    limit = order.type in _LIMITS
    require(
        limit or order.type is OrderType.MARKET, "type", order.type.value,
        "limit, post_only or market: conditional orders have an endpoint of their own",
    )  # fmt: skip
    require(order.size is not None, "size", order.size, "a size in base units")
    require(order.quote_size is None, "quote_size", order.quote_size, "no quote_size: size it")
    expected = "a price" if limit else "no price"
    require((order.price is not None) == limit, "price", order.price, expected)
    triggers = order.stop_price is not None or order.trailing_bips is not None
    require(not triggers, "stop_price", order.stop_price, "no stop_price and no trailing_bips")
    times = TIMES if order.type is OrderType.LIMIT else (TimeInForce.GTC,)
    words = "gtc, ioc or fok" if order.type is OrderType.LIMIT else "gtc"
    require(order.time_in_force in times, "time_in_force", order.time_in_force.value, words)


def require(good: bool, field: str, found: object, expected: str) -> None:
    """Raise `ConfigError` about a field of the order unless it is good."""
    if not good:
        raise ConfigError(where=f"order.{field}", found=found, expected=expected)


def order_params(order: Order, symbols: Symbols) -> dict[str, Value]:
    """The parameters of `order.place`, without key and time."""
    refuse_impossible(order)
    assert order.size is not None
    limit = order.type in _LIMITS
    params: dict[str, Value] = {
        "newClientOrderId": client_id(order.id, "order.id"),
        # RESULT: a market order is answered with what became of it.
        "newOrderRespType": "RESULT",
        "quantity": decimal(order.size, "order.size"),
        "recvWindow": WINDOW,
        "side": side_word(order.side),
        "symbol": symbols.native(order.symbol),
        "type": "LIMIT" if limit else "MARKET",
    }
    if limit:
        assert order.price is not None
        params["price"] = decimal(order.price, "order.price")
        post_only = order.type is OrderType.POST_ONLY
        params["timeInForce"] = "GTX" if post_only else TIMES[order.time_in_force]
    if order.reduce_only:
        params["reduceOnly"] = "true"
    return params


def cancel_params(command: CancelOrder, symbols: Symbols) -> dict[str, Value]:
    """The parameters of `order.cancel`."""
    which = order_reference(command.order_id, command.venue_id)
    return {**which, "symbol": symbols.native(command.symbol)}


def amend_params(command: AmendOrder, symbols: Symbols) -> dict[str, Value]:
    """The parameters of `order.modify`, which wants the side and the price again."""
    for field, value in (("side", command.side), ("price", command.price)):
        if value is None:
            raise ConfigError(
                where=f"amend.{field}", found=None, expected=f"the order's {field}, asked for again"
            )
    assert command.side is not None
    assert command.price is not None
    return {
        **order_reference(command.order_id, command.venue_id),
        "price": decimal(command.price, "price"),
        "quantity": decimal(command.size, "size"),
        "recvWindow": WINDOW,
        "side": side_word(command.side),
        "symbol": symbols.native(command.symbol),
    }


def side_word(side: Side) -> str:
    """Their word for a side."""
    return "BUY" if side is Side.BUY else "SELL"
