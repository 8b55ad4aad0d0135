"""Orders as the venue describes them: in answers, in queries, and in user-data events.

House rules: a function per shape; the order of keys is that of the papers (binance §5.9–5.13,
§6.2); conditional fields appear only when they mean something.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

from pitwire.model.orders import Side
from pitwire.sim.facades.binance_text import Scale, money
from pitwire.sim.facts import (
    Kind,
    ListChanged,
    ListStep,
    NewOrder,
    OrderList,
    Prevented,
    Refusal,
    SimOrder,
    Status,
    Traded,
)

Report: TypeAlias = dict[str, object]

ZERO = "0.00000000"
STOPS = (Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT)


def stamp(at: int, unit: int) -> int:
    """A time in the reader's unit; -1 stays the sign of none."""
    return at if at < 0 else at // unit


def ack(scale: Scale, order: SimOrder, unit: int) -> Report:
    return {
        "symbol": scale.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "transactTime": order.updated // unit,
    }


def _core(scale: Scale, order: SimOrder) -> Report:
    return {
        "price": scale.price(order.price),
        "origQty": scale.size(order.lots),
        "executedQty": scale.size(order.filled_lots),
        "origQuoteOrderQty": money(order.quote),
        "cummulativeQuoteQty": money(order.filled_quote),
        "status": order.status.value,
        "timeInForce": order.tif.value,
        "type": order.kind.value,
        "side": side(order),
    }


def side(order: SimOrder) -> str:
    return "BUY" if order.side is Side.BUY else "SELL"


def _conditional(scale: Scale, order: SimOrder, unit: int) -> Report:
    found: Report = {}
    if order.stop_price:
        found["stopPrice"] = scale.price(order.stop_price)
    found |= _strategy_and_trail(order, unit)
    if order.iceberg_lots:
        found["icebergQty"] = scale.size(order.iceberg_lots)
    return found


def _strategy_and_trail(order: SimOrder, unit: int) -> Report:
    found: Report = {}
    if order.trailing_bips:
        found["trailingDelta"] = order.trailing_bips
        found["trailingTime"] = stamp(order.trailing_since, unit)
    if order.strategy_id is not None:
        found["strategyId"] = order.strategy_id
    if order.strategy_type is not None:
        found["strategyType"] = order.strategy_type
    return found


def _tail(scale: Scale, order: SimOrder) -> Report:
    found: Report = {"selfTradePreventionMode": order.stp.value}
    if order.prevented_lots:
        found["preventedQuantity"] = scale.size(order.prevented_lots)
    if order.expiry_reason:
        found["expiryReason"] = order.expiry_reason
    return found


def result(scale: Scale, order: SimOrder, unit: int) -> Report:
    """The RESULT form of an answer to a placement."""
    return {
        **ack(scale, order, unit),
        **_core(scale, order),
        **_conditional(scale, order, unit),
        "workingTime": stamp(order.working_since, unit),
        **_tail(scale, order),
    }


def full(
    scale: Scale,
    order: SimOrder,
    *,
    fills: Sequence[Traded],
    prevented: Sequence[Prevented],
    unit: int,
) -> Report:
    """The FULL form: RESULT with what was filled on arrival."""
    found = {
        **ack(scale, order, unit),
        **_core(scale, order),
        **_conditional(scale, order, unit),
        "workingTime": stamp(order.working_since, unit),
        "fills": [_fill(scale, trade) for trade in fills],
        **_tail(scale, order),
    }
    if prevented:
        found["preventedMatches"] = [_prevented(scale, match) for match in prevented]
    return found


def _fill(scale: Scale, trade: Traded) -> Report:
    return {
        "price": scale.price(trade.price),
        "qty": scale.size(trade.lots),
        "commission": money(trade.taker_fee),
        "commissionAsset": trade.taker_fee_asset,
        "tradeId": trade.trade_id,
    }


def _prevented(scale: Scale, match: Prevented) -> Report:
    return {
        "preventedMatchId": match.prevented_id,
        "makerOrderId": match.counter_order_id,
        "price": scale.price(match.price),
        "takerPreventedQuantity": scale.size(match.lots),
    }


def canceled(scale: Scale, order: SimOrder, unit: int) -> Report:
    """The answer to a cancel."""
    return {
        "symbol": scale.symbol,
        "origClientOrderId": order.original_client_id or order.client_id,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "transactTime": order.updated // unit,
        **_core(scale, order),
        **_conditional(scale, order, unit),
        **_tail(scale, order),
    }


def amended(scale: Scale, order: SimOrder, execution: int, unit: int) -> Report:
    """The answer to an amend, whose names differ from every other order object (§5.10)."""
    return {
        "transactTime": order.updated // unit,
        "executionId": execution,
        "amendedOrder": {
            "symbol": scale.symbol,
            "orderId": order.order_id,
            "orderListId": order.list_id,
            "origClientOrderId": order.original_client_id or order.client_id,
            "clientOrderId": order.client_id,
            "price": scale.price(order.price),
            "qty": scale.size(order.lots),
            "executedQty": scale.size(order.filled_lots),
            "preventedQty": scale.size(order.prevented_lots),
            "quoteOrderQty": money(order.quote),
            "cumulativeQuoteQty": money(order.filled_quote),
            "status": order.status.value,
            "timeInForce": order.tif.value,
            "type": order.kind.value,
            "side": side(order),
            "workingTime": stamp(order.working_since, unit),
            "selfTradePreventionMode": order.stp.value,
        },
    }


def queried(scale: Scale, order: SimOrder, unit: int) -> Report:
    """An order as the queries show it (§5.13)."""
    tail = _tail(scale, order)
    return {
        "symbol": scale.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "price": scale.price(order.price),
        "origQty": scale.size(order.lots),
        "executedQty": scale.size(order.filled_lots),
        "cummulativeQuoteQty": money(order.filled_quote),
        "status": order.status.value,
        "timeInForce": order.tif.value,
        "type": order.kind.value,
        "side": side(order),
        "stopPrice": scale.price(order.stop_price),
        "icebergQty": scale.size(order.iceberg_lots),
        "time": order.created // unit,
        "updateTime": order.updated // unit,
        "isWorking": order.working_since >= 0,
        **_strategy_and_trail(order, unit),
        "workingTime": stamp(order.working_since, unit),
        "origQuoteOrderQty": money(order.quote),
        **tail,
    }


def my_trade(scale: Scale, trade: Traded, *, maker: bool, unit: int) -> Report:
    """One fill as `myTrades` lists it."""
    order = trade.maker if maker else trade.taker
    return {
        "symbol": scale.symbol,
        "id": trade.trade_id,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "price": scale.price(trade.price),
        "qty": scale.size(trade.lots),
        "quoteQty": scale.quote(trade.price * trade.lots),
        "commission": money(trade.maker_fee if maker else trade.taker_fee),
        "commissionAsset": trade.maker_fee_asset if maker else trade.taker_fee_asset,
        "time": trade.at // unit,
        "isBuyer": order.side is Side.BUY,
        "isMaker": maker,
        "isBestMatch": True,
    }


def execution(
    scale: Scale, order: SimOrder, kind: str, *, execution_id: int, at: int, now: int, unit: int
) -> Report:
    """An executionReport with every unconditional field, as for an event without a fill."""
    gone = order.status not in (Status.NEW, Status.PARTIALLY_FILLED)
    report: Report = {
        "e": "executionReport",
        "E": now // unit,
        "s": scale.symbol,
        "c": order.client_id,
        "S": side(order),
        "o": order.kind.value,
        "f": order.tif.value,
        "q": scale.size(order.lots),
        "p": scale.price(order.price),
        "P": scale.price(order.stop_price),
        "F": scale.size(order.iceberg_lots),
        "g": order.list_id,
        "C": order.original_client_id if kind in ("CANCELED", "REPLACED") else "",
        "x": kind,
        "X": order.status.value,
        "r": "NONE",
        "i": order.order_id,
        "l": ZERO,
        "z": scale.size(order.filled_lots),
        "L": ZERO,
        "n": "0",
        "N": None,
        "T": at // unit,
        "t": -1,
        "I": execution_id,
        "w": order.working_since >= 0 and not gone,
        "m": False,
        "M": False,
        "O": order.created // unit,
        "Z": money(order.filled_quote),
        "Y": ZERO,
        "Q": money(order.quote),
    }
    if order.working_since >= 0:
        report["W"] = order.working_since // unit
    report["V"] = order.stp.value
    return report | _trail_and_strategy_keys(order, unit)


def _trail_and_strategy_keys(order: SimOrder, unit: int) -> Report:
    found: Report = {}
    if order.trailing_bips:
        found["d"] = order.trailing_bips
        if order.trailing_since >= 0:
            found["D"] = order.trailing_since // unit
    if order.strategy_id is not None:
        found["j"] = order.strategy_id
    if order.strategy_type is not None:
        found["J"] = order.strategy_type
    if order.status in (Status.EXPIRED, Status.EXPIRED_IN_MATCH) and order.expiry_reason:
        found["eR"] = order.expiry_reason
    return found


def trade_execution(
    scale: Scale, trade: Traded, *, maker: bool, on_book: bool, now: int, unit: int
) -> Report:
    """The executionReport of one fill, from the maker's or the taker's side."""
    order = trade.maker if maker else trade.taker
    report = execution(
        scale,
        order,
        "TRADE",
        execution_id=trade.maker_execution if maker else trade.taker_execution,
        at=trade.at,
        now=now,
        unit=unit,
    )
    return report | {
        "l": scale.size(trade.lots),
        "L": scale.price(trade.price),
        "n": money(trade.maker_fee if maker else trade.taker_fee),
        "N": trade.maker_fee_asset if maker else trade.taker_fee_asset,
        "t": trade.trade_id,
        "w": on_book,
        "m": maker,
        "M": True,
        "Y": scale.quote(trade.price * trade.lots),
    }


def prevention(scale: Scale, match: Prevented, *, now: int, unit: int) -> Report:
    """The executionReport of a prevented match, which also says when the order went with it."""
    order = match.order
    report = execution(
        scale,
        order,
        "TRADE_PREVENTION",
        execution_id=match.execution,
        at=match.at,
        now=now,
        unit=unit,
    )
    return report | {
        "v": match.prevented_id,
        "A": scale.size(order.prevented_lots),
        "B": scale.size(match.lots),
        "u": order.order_id,
        "U": match.counter_order_id,
        "Cs": scale.symbol,
        "pl": scale.size(match.lots),
        "pL": scale.price(match.price),
        "pY": scale.quote(match.price * match.lots),
    }


def list_skeleton(scale: Scale, found: OrderList, step: ListStep, at: int, unit: int) -> Report:
    """What every answer about a list begins with (§5.12); note `transactionTime`."""
    return {
        "orderListId": found.list_id,
        "contingencyType": found.contingency.value,
        "listStatusType": step.value,
        "listOrderStatus": "ALL_DONE" if found.done else "EXECUTING",
        "listClientOrderId": found.client_id,
        "transactionTime": at // unit,
        "symbol": scale.symbol,
        "orders": [
            {"symbol": scale.symbol, "orderId": each.order_id, "clientOrderId": each.client_id}
            for each in found.orders
        ],
    }


def canceled_list(scale: Scale, found: OrderList, now: int, unit: int) -> Report:
    """The answer to the end of a whole list: one report for each order, over before or not."""
    skeleton = list_skeleton(scale, found, ListStep.DONE, now, unit)
    names = [each.original_client_id or each.client_id for each in found.orders]
    for row, name in zip(skeleton["orders"], names, strict=True):  # type: ignore[call-overload]
        row["clientOrderId"] = name
    return skeleton | {"orderReports": [canceled(scale, each, unit) for each in found.orders]}


def amended_list(scale: Scale, found: OrderList) -> Report:
    """What an amend of an order in a list adds (§5.10)."""
    return {
        "orderListId": found.list_id,
        "contingencyType": found.contingency.value,
        "listOrderStatus": "ALL_DONE" if found.done else "EXECUTING",
        "listClientOrderId": found.client_id,
        "symbol": scale.symbol,
        "orders": [
            {"symbol": scale.symbol, "orderId": each.order_id, "clientOrderId": each.client_id}
            for each in found.orders
        ],
    }


def list_status(scale: Scale, fact: ListChanged, *, now: int, unit: int) -> Report:
    """The listStatus event (§6.3)."""
    return {
        "e": "listStatus",
        "E": now // unit,
        "s": scale.symbol,
        "g": fact.list_id,
        "c": fact.contingency.value,
        "l": fact.step.value,
        "L": "ALL_DONE" if fact.done else "EXECUTING",
        "r": "NONE",
        "C": fact.client_id,
        "T": fact.at // unit,
        "O": [
            {"s": scale.symbol, "i": order_id, "c": client_id}
            for order_id, client_id in fact.members
        ],
    }


def account_position(
    changed: dict[str, tuple[Decimal, Decimal]], *, updated: int, now: int, unit: int
) -> Report:
    """Absolute balances of the assets that may have changed (§6.3)."""
    return {
        "e": "outboundAccountPosition",
        "E": now // unit,
        "u": updated // unit,
        "B": [
            {"a": asset, "f": money(free), "l": money(locked)}
            for asset, (free, locked) in changed.items()
        ],
    }


_REJECT_REASONS = {
    Refusal.INSUFFICIENT_BALANCE: "INSUFFICIENT_BALANCES",
    Refusal.WOULD_TRIGGER: "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
    Refusal.WOULD_TAKE: "WOULD_MATCH_IMMEDIATELY",
}


def rejection(
    scale: Scale, request: NewOrder, refusal: Refusal, *, client_id: str, now: int, unit: int
) -> Report:
    """The executionReport of an order that the engine refused; it never had an id."""
    order = SimOrder(
        order_id=-1,
        account=request.account,
        symbol=request.symbol,
        side=request.side,
        kind=request.kind,
        tif=request.tif,
        lots=request.lots or 0,
        quote=request.quote or Decimal(0),
        price=request.price or 0,
        stop_price=request.stop_price or 0,
        client_id=client_id,
        stp=request.stp or scale.listing.default_stp,
        status=Status.REJECTED,
        created=now,
    )
    report = execution(scale, order, "REJECTED", execution_id=-1, at=now, now=now, unit=unit)
    return report | {"r": _REJECT_REASONS.get(refusal, "NONE")}


def balance_update(asset: str, delta: Decimal, *, at: int, now: int, unit: int) -> Report:
    """A deposit, a withdrawal or a transfer."""
    return {
        "e": "balanceUpdate",
        "E": now // unit,
        "a": asset,
        "d": money(delta),
        "T": at // unit,
    }


def lock_update(asset: str, delta: Decimal, *, at: int, now: int, unit: int) -> Report:
    """Another system has locked or freed part of a balance."""
    changed = balance_update(asset, delta, at=at, now=now, unit=unit)
    return changed | {"e": "externalLockUpdate"}
