"""Placing, changing, cancelling and asking for futures orders (binance §11.5).

House rules: reading never touches the exchange; the type that belongs to the conditional orders is
refused before anything else is looked at.
"""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from enum import StrEnum

import msgspec

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.orders import Side
from pitwire.sim.facades import usdm_reports as reports
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_orders import VenueSide, read_side
from pitwire.sim.facades.binance_params import Args, missing, neither, superfluous
from pitwire.sim.facades.binance_text import ApiError
from pitwire.sim.facades.usdm_office import FuturesOffice, office_of
from pitwire.sim.facades.usdm_text import (
    FOK_REFUSED,
    TOO_LATE,
    WRONG_TYPE,
    FuturesScale,
    order_refused,
    refused,
)
from pitwire.sim.facts import (
    Kind,
    NewOrder,
    PositionSide,
    Refusal,
    Refused,
    SimOrder,
    Status,
    Stp,
    Tif,
)

CLIENT_ID = r"^[.A-Z:/a-z0-9_-]{1,36}$"
ALGO_TYPES = ("STOP", "TAKE_PROFIT", "STOP_MARKET", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
_TIFS = ("GTC", "IOC", "FOK", "GTX", "GTD", "RPI")
_MATCHES = ("OPPONENT", "OPPONENT_5", "OPPONENT_10", "OPPONENT_20", "QUEUE", "QUEUE_5", "QUEUE_10",
            "QUEUE_20", "NONE")  # fmt: skip
_SOONEST = 600 * SECOND


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
    reduce_only: bool | None
    """None where it was not sent, as it must not be in hedge mode."""
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
    reduces = args.flag("reduceOnly") if "reduceOnly" in args else None
    return OrderAsk(
        symbol=symbol,
        side=side,
        kind=kind,
        tif=tif,
        quantity=quantity,
        price=price,
        client_id=args.text("newClientOrderId", CLIENT_ID),
        position_side=read_position_side(args),
        reduce_only=reduces,
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


def place(call: Call, ask: OrderAsk, *, counted: bool = False) -> object:
    """order.place; `counted` where a batch has counted it already."""
    if not counted and (exceeded := call.orders.exceeded(call.now)):
        raise exceeded
    office = office_of(call)
    scale = office.contract(ask.symbol)
    request = _request(call, office, scale, ask)
    if not counted:
        call.orders.add(1, call.now)
    at_the_engine(call)
    try:
        order = _submit(call, office, request)
    except Refused as error:
        if not counted and not office.options.rejected_orders_count:
            call.orders.add(-1, call.now)
        raise order_refused(error, request, scale, _mark(office, request)) from error
    # "RESULT" waits for the end of what has its end at once; all else is told as it came to be.
    at_once = order.kind is Kind.MARKET or order.tif is not Tif.GTC
    told = order if ask.response == "RESULT" and at_once else as_accepted(order)
    return reports.order_answer(scale, told)


def as_accepted(order: SimOrder) -> SimOrder:
    """An order as the engine took it, whatever became of it since."""
    told = copy(order)
    told.status, told.filled_lots, told.updated = Status.NEW, 0, order.created
    return told


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
    demand_reducible(call, office, ask.reduce_only)
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
        reduce_only=bool(ask.reduce_only),
        position_side=ask.position_side,
        good_till=ask.good_till if ask.tif == "GTD" else 0,
        price_match=ask.price_match,
        retail=ask.tif == "RPI",
    )


def demand_reducible(call: Call, office: FuturesOffice, sent: bool | None) -> None:
    """binance §11.5: `reduceOnly`, whatever its value, is not for hedge mode."""
    if sent is not None and office.exchange.is_hedged(call.account):
        raise ApiError(-1106, "Parameter 'reduceonly' sent when not required.")


def at_the_engine(call: Call) -> None:
    """The second and third look at the timestamp, which has a code of its own here."""
    try:
        call.check_age()
    except ApiError as error:
        raise ApiError(*TOO_LATE) from error


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


def _submit(call: Call, office: FuturesOffice, request: NewOrder) -> SimOrder:
    """Hand an order to the engine."""
    office.take(call.now)
    if (
        request.tif is Tif.FOK
        and office.futures_options.unfillable_fok == "refuse"
        and not office.exchange.fills_whole(request)
    ):
        raise ApiError(*FOK_REFUSED)
    order = office.exchange.place(request, call.now)
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
    at_the_engine(call)
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


def found_order(call: Call, ask: Which) -> tuple[FuturesScale, SimOrder]:
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
    modify_id: int | None


def read_modify(args: Args) -> ModifyAsk:
    quantity, price = args.decimal("quantity"), args.decimal("price")
    if quantity is None or price is None:
        raise missing("price" if quantity is not None else "quantity")
    return ModifyAsk(
        which=read_which(args),
        side=read_side(args),
        quantity=quantity,
        price=price,
        reduce_only=args.flag("reduceOnly"),
        modify_id=args.number("modifyId"),
    )


def modify(call: Call, ask: ModifyAsk, *, counted: bool = False) -> object:
    """order.modify; `counted` where a batch has counted it already."""
    if not counted and (exceeded := call.orders.exceeded(call.now)):
        raise exceeded
    if not counted:
        call.orders.add(1, call.now)
    office = office_of(call)
    scale, before = found_order(call, ask.which)
    at_the_engine(call)
    if ask.reduce_only and not before.reduce_only:
        raise refused(Refused(Refusal.NOT_REDUCE_ONLY))
    price, lots = scale.to_ticks(ask.price), scale.to_lots(ask.quantity)
    try:
        order = office.exchange.modify(
            call.account,
            scale.listing.symbol,
            order_id=ask.which.order_id,
            client_id=ask.which.client_id,
            side=side_of(ask.side),
            price=price,
            lots=lots,
            now=call.now,
            modify_id=ask.modify_id,
        )
    except Refused as error:
        if error.refusal is Refusal.UNKNOWN_ORDER:
            raise refused(error, code=-2013) from error
        wanted = NewOrder(
            account=call.account, symbol=before.symbol, side=before.side, kind=before.kind,
            lots=lots, price=price,
        )  # fmt: skip
        raise order_refused(error, wanted, scale, _mark(office, wanted)) from error
    told = reports.order_answer(scale, order)
    return told if ask.modify_id is None else told | {"modifyId": ask.modify_id}


# ── several ───────────────────────────────────────────────────────────────────────────────────


def read_symbol(args: Args) -> str:
    return args.need("symbol")


def cancel_all(call: Call, symbol: str) -> object:
    office = office_of(call)
    name = office.contract(symbol).listing.symbol
    if office.exchange.open_orders(call.account, name):
        office.exchange.cancel_all(call.account, name, call.now)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


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
        # Looked at every so often, so that it may be thrown a little late, and never early.
        every = max(1, int(office.futures_options.auto_cancel_seconds * SECOND))
        due = call.now + milliseconds * MILLISECOND
        office.switches[key] = -(-due // every) * every
    return {"symbol": symbol, "countdownTime": str(milliseconds)}
