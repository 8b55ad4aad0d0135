"""Asking for futures orders and trades, open and over (binance §11.5).

House rules: what the venue forgets is forgotten here: an order that ended without a fill three days
after it was placed, any other that is over after ninety, a trade after three months.
"""

from __future__ import annotations

import msgspec

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.sim.execution import OVER
from pitwire.sim.facades import usdm_reports as reports
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_params import Args
from pitwire.sim.facades.binance_text import ApiError
from pitwire.sim.facades.usdm_office import FuturesOffice, office_of
from pitwire.sim.facades.usdm_orders import Which, found_order
from pitwire.sim.facades.usdm_text import FuturesScale
from pitwire.sim.facts import SimOrder

_DAY = 86_400 * SECOND
_UNFILLED_KEPT, _KEPT = 3 * _DAY, 90 * _DAY


def query(call: Call, ask: Which) -> object:
    scale, order = found_order(call, ask)
    if _forgotten(order, call.now):
        raise ApiError(-2013, "Order does not exist.")
    return reports.order_queried(scale, order)


def query_open(call: Call, ask: Which) -> object:
    """openOrder: only one that is open still."""
    scale, order = found_order(call, ask)
    if not order.on_book:
        raise ApiError(-2013, "Order does not exist.")
    return reports.order_queried(scale, order)


def _forgotten(order: SimOrder, now: int) -> bool:
    """binance §11.5: whether the venue answers for an order no longer."""
    if order.status not in OVER:
        return False
    return now - order.created > (_KEPT if order.filled_lots else _UNFILLED_KEPT)


def open_orders(call: Call, symbol: str) -> object:
    office = office_of(call)
    name = office.contract(symbol).listing.symbol if symbol else ""
    return [
        reports.order_queried(_scale(office, order), order)
        for order in office.exchange.open_orders(call.account, name)
    ]


def weigh_open(symbol: str) -> int:
    return 1 if symbol else 40


class HistoryAsk(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    limit: int
    order_id: int | None
    from_id: int | None
    start: int
    end: int


def read_history(args: Args) -> HistoryAsk:
    """allOrders and userTrades."""
    limit = args.number("limit")
    return HistoryAsk(
        symbol=args.need("symbol"),
        limit=min(500 if limit is None else max(1, limit), 1000),
        order_id=args.number("orderId"),
        from_id=args.number("fromId"),
        start=(args.number("startTime") or 0) * MILLISECOND,
        end=(args.number("endTime") or 2**42) * MILLISECOND,
    )


def all_orders(call: Call, ask: HistoryAsk) -> object:
    office = office_of(call)
    scale = office.contract(ask.symbol)
    found = [
        order
        for order in office.exchange.all_orders(call.account, scale.listing.symbol)
        if order.order_id >= (ask.order_id or 0)
        and ask.start <= order.created <= ask.end
        and not _forgotten(order, call.now)
    ]
    kept = found[: ask.limit] if ask.order_id is not None else found[-ask.limit :]
    return [reports.order_queried(scale, order) for order in kept]


def own_trades(call: Call, ask: HistoryAsk) -> object:
    office = office_of(call)
    scale = office.contract(ask.symbol)
    found = [
        fact
        for fact in office.exchange.trades_of(call.account, scale.listing.symbol)
        if fact.trade_id >= (ask.from_id or 0)
        and max(ask.start, call.now - _KEPT) <= fact.at <= ask.end
        and ask.order_id in (None, fact.taker.order_id, fact.maker.order_id)
    ]
    kept = found[: ask.limit] if ask.from_id is not None else found[-ask.limit :]
    return [reports.own_trade(scale, fact, call.account) for fact in kept]


def _scale(office: FuturesOffice, order: SimOrder) -> FuturesScale:
    scale = office.scales[order.symbol]
    assert isinstance(scale, FuturesScale)
    return scale
