"""Conditional orders, which the futures keep apart from those on the book (binance §11.5, §11.7).

Such an order is known by our id alone while it waits. Once it has triggered it is an order on the
book with an id of its own, and all else is told of that one.

House rules: the venue's id of an `Update` is always that of the order on the book, so that who has
none yet still waits; what a conditional order has become is never guessed from its own last word.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from pitwire.model.events import Update
from pitwire.model.orders import Order, OrderType, RejectReason, TimeInForce, UpdateKind
from pitwire.venues.binance_futures import frames as wire
from pitwire.venues.binance_futures.decode import SIDES
from pitwire.venues.binance_futures.encode import TIMES, WINDOW, require, side_word
from pitwire.venues.binance_futures.symbols import ORDER_TYPES, Symbols
from pitwire.venues.mbx.amounts import nanoseconds
from pitwire.venues.mbx.requests import Value, client_id, decimal
from pitwire.venues.reading import Unreadable, amount

TYPES: Mapping[OrderType, str] = {
    OrderType.STOP: "STOP_MARKET",
    OrderType.STOP_LIMIT: "STOP",
    OrderType.TAKE_PROFIT: "TAKE_PROFIT_MARKET",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT",
}
"""Our word → theirs; a stop that trails is TRAILING_STOP_MARKET (§11.5)."""
KIND = "CONDITIONAL"
_LIMITS = (OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
_STATUSES: Mapping[str, UpdateKind] = {
    "NEW": UpdateKind.ACCEPTED,
    "TRIGGERING": UpdateKind.ACCEPTED,
    "TRIGGERED": UpdateKind.TRIGGERED,
    "FINISHED": UpdateKind.TRIGGERED,
    "CANCELED": UpdateKind.CANCELED,
    "REJECTED": UpdateKind.EXPIRED,
    "EXPIRED": UpdateKind.EXPIRED,
}
"""Algo status → what it tells (§11.7). It finished when the order on the book did, which tells
itself how; one that the matching engine refused had been open before."""
_WAITING = ("NEW", "TRIGGERING")
_TIMES: Mapping[str, TimeInForce] = {name: ours for ours, name in TIMES.items()}


def refuse_impossible(order: Order) -> None:
    """Raise `ConfigError` for what the algo endpoint has no words for (§11.5)."""
    require(order.size is not None, "size", order.size, "a size in base units")
    require(order.quote_size is None, "quote_size", order.quote_size, "no quote_size: size it")
    limit = order.type in _LIMITS
    expected = "a price" if limit else "no price"
    require((order.price is not None) == limit, "price", order.price, expected)
    if order.trailing_bips is None:
        require(order.stop_price is not None, "stop_price", None, "a stop_price")
    else:
        require(order.trailing_bips > 0, "trailing_bips", order.trailing_bips, "more than 0")
        require(
            order.type is OrderType.STOP, "type", order.type.value,
            "stop, where it trails: the venue's trailing stop becomes a market order",
        )  # fmt: skip
    times = TIMES if limit else (TimeInForce.GTC,)
    words = "gtc, ioc or fok" if limit else "gtc"
    require(order.time_in_force in times, "time_in_force", order.time_in_force.value, words)


def order_params(order: Order, symbols: Symbols) -> dict[str, Value]:
    """The parameters of `algoOrder.place`, without key and time."""
    refuse_impossible(order)
    assert order.size is not None
    params: dict[str, Value] = {
        "algoType": KIND,
        "clientAlgoId": client_id(order.id, "order.id"),
        "quantity": decimal(order.size, "order.size"),
        "recvWindow": WINDOW,
        "side": side_word(order.side),
        "symbol": symbols.native(order.symbol),
        **_trigger(order),
        # The last price, which is what our words for these orders mean.
        "workingType": "CONTRACT_PRICE",
    }
    if order.type in _LIMITS:
        assert order.price is not None
        params["price"] = decimal(order.price, "order.price")
        params["timeInForce"] = TIMES[order.time_in_force]
    if order.reduce_only:
        params["reduceOnly"] = "true"
    return params


def _trigger(order: Order) -> dict[str, Value]:
    """What it waits for: a price, or a turn of so many percent after one."""
    if order.trailing_bips is None:
        assert order.stop_price is not None
        price = decimal(order.stop_price, "order.stop_price")
        return {"triggerPrice": price, "type": TYPES[order.type]}
    percent = (Decimal(order.trailing_bips) / 100).normalize()
    trigger: dict[str, Value] = {
        "callbackRate": decimal(percent, "order.trailing_bips"), "type": "TRAILING_STOP_MARKET",
    }  # fmt: skip
    if order.stop_price is not None:
        trigger["activatePrice"] = decimal(order.stop_price, "order.stop_price")
    return trigger


def reference(order_id: str) -> dict[str, Value]:
    """Which of them is meant."""
    return {"clientAlgoId": client_id(order_id, "order_id")}


class Said(NamedTuple):
    """What the venue says of one, on the stream or in an answer."""

    symbol: str
    order_id: str
    status: str
    at: int
    side: str
    type: str
    time_in_force: str
    size: str
    price: str
    child: str
    """The order on the book that it became; "" before."""
    filled: str
    text: str = ""


def of_event(frame: wire.AlgoFrame) -> Said:
    """An ALGO_UPDATE."""
    body = frame.o
    return Said(
        body.s, body.caid or str(body.aid), body.X, frame.T or frame.E, body.S, body.o, body.f,
        body.q, body.p, body.ai, body.aq, body.rm,
    )  # fmt: skip


def of_answer(row: wire.AlgoResult) -> Said:
    """The object that answers carry."""
    return Said(
        row.symbol, row.client_algo_id or str(row.algo_id), row.algo_status, row.update_time,
        row.side, row.order_type, row.time_in_force, row.quantity or "", row.price or "",
        row.actual_order_id or "", row.actual_qty or "",
    )  # fmt: skip


def update(said: Said, venue: str, symbols: Symbols, now: int, *, asked: bool = False) -> Update:
    """One of them as an `Update`; `asked` when it answers a question."""
    if said.status not in _STATUSES:
        raise Unreadable("algoStatus", said.status)
    if said.side not in SIDES:
        raise Unreadable("side", said.side)
    waits, child = said.status in _WAITING, said.child.strip("0")
    kind = UpdateKind.STATUS_OPEN if waits and asked else _STATUSES[said.status]
    if said.status == "FINISHED" and not child:
        kind = UpdateKind.EXPIRED
    refused = said.status == "REJECTED"
    return Update(
        venue, symbols[said.symbol], nanoseconds(said.at), now, said.order_id,
        said.child if child and not waits else "", kind,
        side=SIDES[said.side],
        type=ORDER_TYPES.get(said.type),
        time_in_force=_TIMES.get(said.time_in_force),
        price=_optional(said.price, "price") or None,
        size=_optional(said.size, "quantity") or None,
        filled=_optional(said.filled, "actualQty"),
        working=bool(child) and not waits,
        reason=RejectReason.OTHER if refused else None,
        text=_text(said),
    )  # fmt: skip


def _text(said: Said) -> str:
    match said.status:
        case "TRIGGERING":
            return "its price was touched"
        case "REJECTED":
            return f"refused when it triggered: {said.text}".removesuffix(": ")
        case _:
            return said.text


def _optional(text: str, path: str) -> Decimal | None:
    return amount(text, path) if text else None
