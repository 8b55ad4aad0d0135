"""Placing, changing, cancelling and asking for futures orders (binance §11.5).

House rules: reading never touches the exchange; the type that belongs to the conditional orders is
refused before anything else is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum

import msgspec

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.orders import Side
from pitwire.sim.facades import usdm_reports as reports
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_orders import VenueSide, read_side
from pitwire.sim.facades.binance_params import Args, decode_json, missing, neither, superfluous
from pitwire.sim.facades.binance_text import ApiError
from pitwire.sim.facades.usdm_office import FuturesOffice, office_of
from pitwire.sim.facades.usdm_text import (
    FOK_REFUSED,
    WRONG_TYPE,
    FuturesScale,
    order_refused,
    refused,
)
from pitwire.sim.facts import Kind, NewOrder, PositionSide, Refusal, Refused, SimOrder, Stp, Tif

CLIENT_ID = r"^[.A-Z:/a-z0-9_-]{1,36}$"
ALGO_TYPES = ("STOP", "TAKE_PROFIT", "STOP_MARKET", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
_TIFS = ("GTC", "IOC", "FOK", "GTX", "GTD", "RPI")
_MATCHES = ("OPPONENT", "OPPONENT_5", "OPPONENT_10", "OPPONENT_20", "QUEUE", "QUEUE_5", "QUEUE_10",
            "QUEUE_20", "NONE")  # fmt: skip
_SOONEST = 600 * SECOND
_BATCH = 5
_BATCH_CANCEL = 10


class FuturesStp(StrEnum):
    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


class OrderAsk(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a new order, read and of the right shape."""

    symbol: str
    side: VenueSide
    kind: str
    tif: str
    quantity: Decimal
    price: Decimal | None
    client_id: str
    position_side: PositionSide
    reduce_only: bool
    response: str
    stp: Stp | None
    price_match: str
    good_till: int


def read_order(args: Args) -> OrderAsk:
    symbol, side = args.need("symbol"), read_side(args)
    kind = args.need("type")
    if kind in ALGO_TYPES:
        args.ignore()
        raise ApiError(*WRONG_TYPE)
    if kind not in ("LIMIT", "MARKET"):
        raise ApiError(-1116, "Invalid orderType.")
    quantity = args.decimal("quantity")
    if quantity is None:
        raise missing("quantity")
    match = args.word("priceMatch", _MATCHES) or "NONE"
    price = args.decimal("price")
    tif = args.word("timeInForce", _TIFS, (-1115, "Invalid timeInForce."))
    till = args.number("goodTillDate")
    if kind == "LIMIT" and not tif:
        raise missing("timeInForce")
    if kind == "LIMIT" and price is None and match == "NONE":
        raise missing("price")
    if kind == "MARKET" and price is not None:
        raise superfluous("price")
    if match != "NONE" and price is not None:
        raise superfluous("price")
    if tif == "GTD" and till is None:
        raise missing("goodTillDate")
    args.flag("closePosition")
    return OrderAsk(
        symbol=symbol,
        side=side,
        kind=kind,
        tif=tif,
        quantity=quantity,
        price=price,
        client_id=args.text("newClientOrderId", CLIENT_ID),
        position_side=read_position_side(args),
        reduce_only=args.flag("reduceOnly"),
        response=args.word("newOrderRespType", ("ACK", "RESULT")),
        stp=read_stp(args),
        price_match=match,
        good_till=(till or 0) // 1000 * 1000 * MILLISECOND,
    )


def read_position_side(args: Args) -> PositionSide:
    return args.choice("positionSide", PositionSide) or PositionSide.BOTH


def read_stp(args: Args) -> Stp | None:
    found = args.choice("selfTradePreventionMode", FuturesStp)
    return None if found is None else Stp(found.value)


def side_of(side: VenueSide) -> Side:
    return Side.BUY if side is VenueSide.BUY else Side.SELL


def place(call: Call, ask: OrderAsk) -> object:
    """order.place."""
    if exceeded := call.orders.exceeded(call.now):
        raise exceeded
    office = office_of(call)
    scale = office.contract(ask.symbol)
    request = _request(call, office, scale, ask)
    call.orders.add(1, call.now)
    call.check_age()
    order = _submit(call, office, scale, request)
    return reports.order_answer(scale, order)


def test(call: Call, ask: OrderAsk) -> object:
    """order/test: everything up to the filters, and then nothing."""
    office = office_of(call)
    scale = office.contract(ask.symbol)
    request = _request(call, office, scale, ask)
    try:
        office.exchange.check(request, call.now)
    except Refused as error:
        raise order_refused(error, request, scale, _mark(office, request)) from error
    return {}


def _request(call: Call, office: FuturesOffice, scale: FuturesScale, ask: OrderAsk) -> NewOrder:
    if ask.tif == "GTD" and ask.good_till <= call.now + _SOONEST:
        raise ApiError(-4199, "goodTillDate is not valid.")
    if ask.reduce_only and office.exchange.is_hedged(call.account):
        raise ApiError(-1106, "Parameter 'reduceonly' sent when not required.")
    kind = Kind(ask.kind)
    if ask.tif in ("GTX", "RPI"):
        kind = Kind.LIMIT_MAKER
    tif = Tif(ask.tif) if ask.tif in ("IOC", "FOK") else Tif.GTC
    lots = scale.to_lots(ask.quantity)
    price = None if ask.price is None else scale.to_ticks(ask.price)
    if ask.price_match != "NONE":
        price = _matched(office, scale, ask)
    return NewOrder(
        account=call.account,
        symbol=scale.listing.symbol,
        side=side_of(ask.side),
        kind=kind,
        tif=tif,
        lots=lots,
        price=price,
        client_id=ask.client_id,
        stp=ask.stp,
        reduce_only=ask.reduce_only,
        position_side=ask.position_side,
        good_till=ask.good_till if ask.tif == "GTD" else 0,
        price_match=ask.price_match,
    )


def _matched(office: FuturesOffice, scale: FuturesScale, ask: OrderAsk) -> int:
    """The price of some level of the book, theirs or ours."""
    side, _, number = ask.price_match.partition("_")
    book = office.exchange.book(scale.listing.symbol)
    theirs = (side == "OPPONENT") is (ask.side is VenueSide.BUY)
    levels = book.asks if theirs else book.bids
    place = int(number or 1) - 1
    if place >= len(levels):
        raise ApiError(-4131, "The counterparty's best price does not meet the PERCENT_PRICE "
                       "filter limit.")  # fmt: skip
    return levels[place][0]


def _mark(office: FuturesOffice, request: NewOrder) -> int:
    pit = office.exchange.pit(request.symbol)
    return pit.mark or pit.last


def _submit(call: Call, office: FuturesOffice, scale: FuturesScale, request: NewOrder) -> SimOrder:
    """Hand an order, already counted, to the engine."""
    office.take(call.now)
    try:
        if (
            request.tif is Tif.FOK
            and office.futures_options.unfillable_fok == "refuse"
            and not office.exchange.fills_whole(request)
        ):
            raise ApiError(*FOK_REFUSED)
        order = office.exchange.place(request, call.now)
    except Refused as error:
        if not office.options.rejected_orders_count:
            call.orders.add(-1, call.now)
        raise order_refused(error, request, scale, _mark(office, request)) from error
    office.placed(order)
    office.take(call.now)
    return order


# ── one order ─────────────────────────────────────────────────────────────────────────────────


class Which(msgspec.Struct, frozen=True):
    """An order by either of its ids."""

    symbol: str
    order_id: int | None
    client_id: str


def read_which(args: Args) -> Which:
    symbol = args.need("symbol")
    order_id = args.number("orderId")
    client_id = args.text("origClientOrderId")
    if order_id is None and not client_id:
        raise neither("origClientOrderId", "orderId")
    # Where both are sent the id decides, and the other must not contradict it.
    return Which(symbol, order_id, client_id)


def cancel(call: Call, ask: Which) -> object:
    office = office_of(call)
    scale = office.contract(ask.symbol)
    try:
        order = office.exchange.cancel(
            call.account,
            scale.listing.symbol,
            order_id=ask.order_id,
            client_id=ask.client_id,
            now=call.now,
        )
    except Refused as error:
        raise refused(error) from error
    return reports.order_answer(scale, order)


def query(call: Call, ask: Which) -> object:
    scale, order = _found(call, ask)
    return reports.order_queried(scale, order)


def query_open(call: Call, ask: Which) -> object:
    """openOrder: only one that is open still."""
    scale, order = _found(call, ask)
    if not order.on_book:
        raise ApiError(-2013, "Order does not exist.")
    return reports.order_queried(scale, order)


def _found(call: Call, ask: Which) -> tuple[FuturesScale, SimOrder]:
    office = office_of(call)
    scale = office.contract(ask.symbol)
    try:
        order = office.exchange.order(
            call.account, scale.listing.symbol, order_id=ask.order_id, client_id=ask.client_id
        )
    except Refused as error:
        raise refused(error, code=-2013) from error
    return scale, order


class ModifyAsk(msgspec.Struct, frozen=True, kw_only=True):
    which: Which
    side: VenueSide
    quantity: Decimal
    price: Decimal
    reduce_only: bool


def read_modify(args: Args) -> ModifyAsk:
    quantity, price = args.decimal("quantity"), args.decimal("price")
    if quantity is None or price is None:
        raise missing("price" if quantity is not None else "quantity")
    args.number("modifyId")
    return ModifyAsk(
        which=read_which(args),
        side=read_side(args),
        quantity=quantity,
        price=price,
        reduce_only=args.flag("reduceOnly"),
    )


def modify(call: Call, ask: ModifyAsk) -> object:
    """order.modify."""
    if exceeded := call.orders.exceeded(call.now):
        raise exceeded
    call.orders.add(1, call.now)
    office = office_of(call)
    scale, before = _found(call, ask.which)
    if ask.reduce_only and not before.reduce_only:
        raise refused(Refused(Refusal.NOT_REDUCE_ONLY))
    try:
        order = office.exchange.modify(
            call.account,
            scale.listing.symbol,
            order_id=ask.which.order_id,
            client_id=ask.which.client_id,
            side=side_of(ask.side),
            price=scale.to_ticks(ask.price),
            lots=scale.to_lots(ask.quantity),
            now=call.now,
        )
    except Refused as error:
        code = -2013 if error.refusal is Refusal.UNKNOWN_ORDER else -2011
        raise refused(error, code=code) from error
    return reports.order_answer(scale, order) | {"modifyId": order.amends}


# ── several ───────────────────────────────────────────────────────────────────────────────────


def read_symbol(args: Args) -> str:
    return args.need("symbol")


def cancel_all(call: Call, symbol: str) -> object:
    office = office_of(call)
    name = office.contract(symbol).listing.symbol
    if office.exchange.open_orders(call.account, name):
        office.exchange.cancel_all(call.account, name, call.now)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


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
        if order.order_id >= (ask.order_id or 0) and ask.start <= order.created <= ask.end
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
        and ask.start <= fact.at <= ask.end
        and ask.order_id in (None, fact.taker.order_id, fact.maker.order_id)
    ]
    kept = found[: ask.limit] if ask.from_id is not None else found[-ask.limit :]
    return [reports.own_trade(scale, fact, call.account) for fact in kept]


def _scale(office: FuturesOffice, order: SimOrder) -> FuturesScale:
    scale = office.scales[order.symbol]
    assert isinstance(scale, FuturesScale)
    return scale


# ── batches ───────────────────────────────────────────────────────────────────────────────────


def _list_of(args: Args, name: str, most: int) -> list[object]:
    try:
        found = decode_json(args.need(name).encode())
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, list) or not 0 < len(found) <= most:
        raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return found


def read_batch(args: Args) -> list[object]:
    return _list_of(args, "batchOrders", _BATCH)


def _each(rows: list[object], do: Callable[[Args], object]) -> list[object]:
    """One answer a row, an error among them."""
    answers: list[object] = []
    for row in rows:
        try:
            if not isinstance(row, dict):
                raise ApiError(-1130, "Data sent for parameter 'batchOrders' is not valid.")
            args = Args(row)
            answers.append(do(args))
        except ApiError as error:
            answers.append(error.body())
    return answers


def place_batch(call: Call, rows: list[object]) -> object:
    return _each(rows, lambda args: place(call, read_order(args)))


def modify_batch(call: Call, rows: list[object]) -> object:
    return _each(rows, lambda args: modify(call, read_modify(args)))


class CancelBatch(msgspec.Struct, frozen=True):
    symbol: str
    orders: list[Which]


def read_cancel_batch(args: Args) -> CancelBatch:
    symbol = args.need("symbol")
    found: list[Which] = []
    if "orderIdList" in args:
        for each in _list_of(args, "orderIdList", _BATCH_CANCEL):
            found.append(Which(symbol, each if isinstance(each, int) else -1, ""))
    elif "origClientOrderIdList" in args:
        for each in _list_of(args, "origClientOrderIdList", _BATCH_CANCEL):
            found.append(Which(symbol, None, str(each)))
    else:
        raise neither("orderIdList", "origClientOrderIdList")
    return CancelBatch(symbol, found)


def cancel_batch(call: Call, ask: CancelBatch) -> object:
    answers: list[object] = []
    for which in ask.orders:
        try:
            answers.append(cancel(call, which))
        except ApiError as error:
            answers.append(error.body())
    return answers


# ── the dead man's switch ─────────────────────────────────────────────────────────────────────


def read_switch(args: Args) -> tuple[str, int]:
    symbol, time = args.need("symbol"), args.number("countdownTime")
    if time is None:
        raise missing("countdownTime")
    return symbol, time


def set_switch(call: Call, ask: tuple[str, int]) -> object:
    """countdownCancelAll: 0 takes it away."""
    symbol, milliseconds = ask
    office = office_of(call)
    key = (call.account, office.contract(symbol).listing.symbol)
    office.switches.pop(key, None)
    if milliseconds:
        office.switches[key] = call.now + milliseconds * MILLISECOND
    return {"symbol": symbol, "countdownTime": str(milliseconds)}
