"""Order lists: what a request for several orders must look like, and what is answered (§5.12).

House rules: as for single orders; the rules between the orders of a list are checked here where the
venue has a code of its own for them, and in the engine where it has only the engine's.
"""

from __future__ import annotations

import msgspec

from pitwire.sim.facades import binance_reports as reports
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_candles import DAY
from pitwire.sim.facades.binance_data import read_limit, read_period
from pitwire.sim.facades.binance_orders import (
    ENGINE,
    OrderAsk,
    Shared,
    VenueSide,
    describe,
    on_grid,
    read_leg,
    read_response,
    read_side,
    read_stp,
)
from pitwire.sim.facades.binance_params import CLIENT_ID, Args, Words, missing, neither
from pitwire.sim.facades.binance_replace import CANCEL
from pitwire.sim.facades.binance_text import ApiError, refused
from pitwire.sim.facts import (
    Accepted,
    Kind,
    ListStep,
    NewList,
    OrderList,
    Refused,
    Tif,
)

_PROFITS = (Kind.LIMIT_MAKER, Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT)
_LOSSES = (Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT)
_WORKING = (Kind.LIMIT, Kind.LIMIT_MAKER)
_TYPE_REFUSED = (-1158, "Order type not supported in OCO.")
_BOTH_LIMIT = (-1168, "At least one OCO order must be contingent.")
_UNKNOWN_LIST = (-2018, "Order list does not exist.")
_MISPLACED: dict[tuple[str, bool], Words] = {
    ("limit", True): (-1165, "A limit order in a buy OCO must be below."),
    ("limit", False): (-1166, "A limit order in a sell OCO must be above."),
    ("loss", True): (-1196, "A stop loss order in a buy OCO must be above."),
    ("loss", False): (-1197, "A stop loss order in a sell OCO must be below."),
    ("profit", True): (-1198, "A take profit order in a buy OCO must be below."),
    ("profit", False): (-1199, "A take profit order in a sell OCO must be above."),
}
"""(what kind of leg, whether of a buy) → what is said of it on the wrong side."""


class ListAsk(msgspec.Struct, frozen=True, kw_only=True):
    """A list, read and of the right shape; `working` or `pair`, or both, or the first two."""

    symbol: str
    client_id: str
    response: str
    working: OrderAsk | None = None
    pending: OrderAsk | None = None
    pair: tuple[OrderAsk, OrderAsk] | None = None

    @property
    def orders(self) -> list[OrderAsk]:
        """All of them, in the order of their ids."""
        single = [ask for ask in (self.working, self.pending) if ask is not None]
        return [*single, *(self.pair or ())]


# ── reading ───────────────────────────────────────────────────────────────────────────────────────


def read_oco(args: Args) -> ListAsk:
    """orderList.place.oco."""
    shared = _shared(args, "side", "quantity")
    above, below = read_leg(args, "above", shared), read_leg(args, "below", shared)
    _check_pair(above, below)
    return _list(args, shared, pair=(above, below))


def read_oto(args: Args) -> ListAsk:
    """orderList.place.oto."""
    shared, working = _read_working(args)
    pending = read_leg(args, "pending", _again(args, shared))
    return _list(args, shared, working=working, pending=pending)


def read_otoco(args: Args) -> ListAsk:
    """orderList.place.otoco; without a second pending leg it is an OTO."""
    shared, working = _read_working(args)
    theirs = _again(args, shared)
    above = read_leg(args, "pendingAbove", theirs)
    if "pendingBelowType" not in args:
        return _list(args, shared, working=working, pending=above)
    below = read_leg(args, "pendingBelow", theirs)
    _check_pair(above, below)
    return _list(args, shared, working=working, pair=(above, below))


def read_old_oco(args: Args) -> ListAsk:
    """orderList.place and POST order/oco, the deprecated form: a limit and a stop."""
    shared = _shared(args, "side", "quantity")
    stop_price = args.decimal("stopPrice")
    trailing = args.number("trailingDelta")
    limit_price = args.decimal("price")
    if limit_price is None:
        raise missing("price")
    if stop_price is None and trailing is None:
        raise neither("stopPrice", "trailingDelta")
    stop_limit = args.decimal("stopLimitPrice")
    tif = args.choice("stopLimitTimeInForce", Tif, (-1115, "Invalid timeInForce."))
    if stop_limit is not None and tif is None:
        raise missing("stopLimitTimeInForce")
    limit = _old_leg(args, shared, Kind.LIMIT_MAKER, "limit", price=limit_price)
    stop = _old_leg(
        args,
        shared,
        Kind.STOP_LOSS if stop_limit is None else Kind.STOP_LOSS_LIMIT,
        "stop",
        price=stop_limit,
        stop_price=stop_price,
        trailing=trailing,
        tif=tif,
    )
    pair = (limit, stop) if shared.side is VenueSide.SELL else (stop, limit)
    return _list(args, shared, pair=pair)


def _shared(args: Args, side: str, quantity: str) -> Shared:
    symbol = args.need("symbol")
    args.need(quantity)
    return Shared(
        symbol=symbol,
        side=read_side(args, side),
        quantity=args.decimal(quantity),
        response=read_response(args) or "RESULT",
        stp=read_stp(args),
    )


def _read_working(args: Args) -> tuple[Shared, OrderAsk]:
    shared = _shared(args, "workingSide", "workingQuantity")
    working = read_leg(args, "working", shared)
    if working.kind not in _WORKING:
        raise ApiError(-1116, "Invalid orderType.")
    return shared, working


def _again(args: Args, shared: Shared) -> Shared:
    """What the pending orders have in common."""
    args.need("pendingQuantity")
    return msgspec.structs.replace(
        shared, side=read_side(args, "pendingSide"), quantity=args.decimal("pendingQuantity")
    )


def _list(args: Args, shared: Shared, **orders: object) -> ListAsk:
    return ListAsk(
        symbol=shared.symbol,
        client_id=args.text("listClientOrderId", CLIENT_ID),
        response=shared.response,
        **orders,  # type: ignore[arg-type]
    )


def _old_leg(args: Args, shared: Shared, kind: Kind, prefix: str, **own: object) -> OrderAsk:
    absent = dict.fromkeys(("price", "stop_price", "trailing", "tif"))
    return OrderAsk(
        symbol=shared.symbol,
        side=shared.side,
        kind=kind,
        quantity=shared.quantity,
        quote=None,
        iceberg=args.decimal(f"{prefix}IcebergQty"),
        client_id=args.text(f"{prefix}ClientOrderId", CLIENT_ID),
        response=shared.response,
        stp=shared.stp,
        strategy_id=args.number(f"{prefix}StrategyId"),
        strategy_type=args.number(f"{prefix}StrategyType"),
        pegged=False,
        **(absent | own),  # type: ignore[arg-type]
    )


def _check_pair(above: OrderAsk, below: OrderAsk) -> None:
    """binance §5.12: one takes profit, the other stops a loss, each on its side of the market."""
    for leg in (above, below):
        if leg.kind not in _PROFITS + _LOSSES:
            raise ApiError(*_TYPE_REFUSED)
    buys = above.side is VenueSide.BUY
    if above.kind is below.kind is Kind.LIMIT_MAKER:
        raise ApiError(*_BOTH_LIMIT)
    profits_side, losses_side = (below, above) if buys else (above, below)
    if losses_side.kind is Kind.LIMIT_MAKER:
        raise ApiError(*_MISPLACED["limit", buys])
    if losses_side.kind in _PROFITS:
        raise ApiError(*_MISPLACED["profit", buys])
    if profits_side.kind in _LOSSES:
        raise ApiError(*_MISPLACED["loss", buys])


# ── placing ───────────────────────────────────────────────────────────────────────────────────────


def place(call: Call, ask: ListAsk) -> object:
    """Every orderList.place.…: all of its orders or none."""
    office, scale = call.office, call.office.scale(ask.symbol)
    if exceeded := call.orders.exceeded(call.now):
        raise exceeded
    asks = ask.orders
    made = {id(each): on_grid(call, each, scale) for each in asks}
    request = NewList(
        client_id=ask.client_id,
        working=None if ask.working is None else made[id(ask.working)],
        pending=None if ask.pending is None else made[id(ask.pending)],
        pair=None if ask.pair is None else (made[id(ask.pair[0])], made[id(ask.pair[1])]),
    )
    call.orders.add(len(asks), call.now)
    call.check_age()
    office.take(call.now)
    try:
        found = office.market.lists.place(request, call.now)
    except Refused as error:
        failed = refused(error, code=ENGINE, kind=asks[0].kind)
        if failed.code == -1013 or not office.options.rejected_orders_count:
            call.orders.add(-len(asks), call.now)
        raise failed from error
    for order in found.orders:
        office.placed(order)
    facts = office.take(call.now)
    first = {
        fact.order.order_id: fact.order for fact in reversed(facts) if isinstance(fact, Accepted)
    }
    # a working order may be filled already, and its pending ones are shown as they were
    shown = [
        order if order is found.working or found.working is None else first[order.order_id]
        for order in found.orders
    ]
    skeleton = reports.list_skeleton(scale, found, ListStep.STARTED, call.now, call.unit)
    skeleton["listOrderStatus"] = "EXECUTING"
    return skeleton | {
        "orderReports": [
            describe(call, each, scale, order, facts)
            for each, order in zip(asks, shown, strict=True)
        ]
    }


def read_opo(args: Args) -> None:
    """One pays the other: read as little as it takes to refuse it."""
    args.need("symbol")
    args.ignore()


def opo(_call: Call, _ask: None) -> object:
    """No listing of ours offers them; exchangeInfo says so (`opoAllowed`)."""
    raise ApiError(ENGINE, "OPO orders are not supported for this symbol.")


# ── cancelling and asking ─────────────────────────────────────────────────────────────────────────


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str = ""
    list_id: int | None
    client_id: str
    new_client_id: str = ""


def read_cancel(args: Args) -> ListQuery:
    """orderList.cancel."""
    symbol = args.need("symbol")
    list_id, client_id = args.number("orderListId"), args.text("listClientOrderId")
    if list_id is None and not client_id:
        raise neither("orderListId", "listClientOrderId")
    return ListQuery(
        symbol=symbol,
        list_id=list_id,
        client_id=client_id,
        new_client_id=args.text("newClientOrderId", CLIENT_ID),
    )


def cancel(call: Call, ask: ListQuery) -> object:
    """orderList.cancel: every order of it that is still open."""
    scale, lists = call.office.scale(ask.symbol), call.office.market.lists
    call.check_age()
    found = lists.find(call.account, list_id=ask.list_id, client_id=ask.client_id)
    if found is None or found.symbol != scale.listing.symbol:
        raise ApiError(CANCEL, "Unknown order list sent.")
    try:
        lists.cancel(found, ask.new_client_id or call.office.new_id(), call.now)
    except Refused as error:
        raise ApiError(CANCEL, "Unknown order list sent.") from error
    return reports.canceled_list(scale, found, call.now, call.unit)


def read_status(args: Args) -> ListQuery:
    """orderList.status: `origClientOrderId` is the list's, and counts before the number."""
    list_id, client_id = args.number("orderListId"), args.text("origClientOrderId")
    if list_id is None and not client_id:
        raise neither("origClientOrderId", "orderListId")
    return ListQuery(list_id=None if client_id else list_id, client_id=client_id)


def status(call: Call, ask: ListQuery) -> object:
    """orderList.status."""
    lists = call.office.market.lists
    found = lists.find(call.account, list_id=ask.list_id, client_id=ask.client_id)
    if found is None:
        raise ApiError(*_UNKNOWN_LIST)
    return _row(call, found)


def open_lists(call: Call, _ask: None) -> object:
    """openOrderLists.status."""
    return [_row(call, found) for found in call.office.market.lists.open_of(call.account)]


class ListHistory(msgspec.Struct, frozen=True, kw_only=True):
    limit: int
    from_id: int | None
    start: int | None
    end: int | None


def read_all(args: Args) -> ListHistory:
    """allOrderLists: from an id or between times."""
    from_id = args.number("fromId")
    start, end = read_period(args)
    if from_id is not None and (start is not None or end is not None):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    if start is not None and end is not None and end - start > DAY:
        raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return ListHistory(limit=read_limit(args), from_id=from_id, start=start, end=end)


def all_lists(call: Call, ask: ListHistory) -> object:
    """allOrderLists."""
    found = [
        each
        for each in call.office.market.lists.all_of(call.account)
        if each.list_id >= (ask.from_id or 0)
        and (ask.start is None or each.created >= ask.start)
        and (ask.end is None or each.created <= ask.end)
    ]
    newest = ask.start is None and ask.from_id is None
    found = found[-ask.limit :] if newest else found[: ask.limit]
    return [_row(call, each) for each in found]


def _row(call: Call, found: OrderList) -> reports.Report:
    scale = call.office.scales[found.symbol]
    step = ListStep.DONE if found.done else ListStep.STARTED
    return reports.list_skeleton(scale, found, step, found.updated, call.unit)
