"""Conditional orders on request (binance §11.5, algoOrder)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.sim.facades import usdm_algo_reports as algo_reports
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_orders import VenueSide, read_side
from pitwire.sim.facades.binance_params import Args, missing, neither, superfluous
from pitwire.sim.facades.binance_text import ApiError
from pitwire.sim.facades.usdm_office import FuturesOffice, office_of
from pitwire.sim.facades.usdm_orders import (
    ALGO_TYPES,
    CLIENT_ID,
    at_the_engine,
    demand_reducible,
    read_position_side,
    read_stp,
    side_of,
)
from pitwire.sim.facades.usdm_text import TOO_SMALL, FuturesScale, refused
from pitwire.sim.facts import PositionSide, Refused, Stp, Tif
from pitwire.sim.futures_facts import Conditional, NewConditional

_BIPS = 100


class AlgoAsk(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a conditional order."""

    symbol: str
    side: VenueSide
    kind: str
    quantity: Decimal | None
    price: Decimal | None
    trigger: Decimal | None
    activate: Decimal | None
    callback: Decimal | None
    by_mark: bool
    close_position: bool
    reduce_only: bool | None
    position_side: PositionSide
    tif: str
    client_id: str
    stp: Stp | None
    good_till: int
    price_protect: bool


def read_algo(args: Args) -> AlgoAsk:
    args.need("algoType")
    args.word("algoType", ("CONDITIONAL",))
    kind = args.need("type")
    if kind not in ALGO_TYPES:
        raise ApiError(-1116, "Invalid orderType.")
    args.word("priceMatch", ("NONE",))
    args.word("newOrderRespType", ("ACK", "RESULT"))
    ask = AlgoAsk(
        symbol=args.need("symbol"),
        side=read_side(args),
        kind=kind,
        quantity=args.decimal("quantity"),
        price=args.decimal("price"),
        trigger=args.decimal("triggerPrice"),
        activate=args.decimal("activatePrice"),
        callback=args.decimal("callbackRate"),
        by_mark=args.word("workingType", ("MARK_PRICE", "CONTRACT_PRICE")) == "MARK_PRICE",
        close_position=args.flag("closePosition"),
        reduce_only=args.flag("reduceOnly") if "reduceOnly" in args else None,
        position_side=read_position_side(args),
        tif=args.word("timeInForce", ("GTC", "IOC", "FOK", "GTX", "GTD")),
        client_id=args.text("clientAlgoId", CLIENT_ID),
        stp=read_stp(args),
        good_till=(args.number("goodTillDate") or 0) // 1000 * 1000 * MILLISECOND,
        price_protect=args.flag("priceProtect"),
    )
    _check(ask)
    return ask


def _check(ask: AlgoAsk) -> None:
    trails = ask.kind == "TRAILING_STOP_MARKET"
    if ask.kind in ("STOP", "TAKE_PROFIT") and ask.price is None:
        raise missing("price")
    if ask.kind not in ("STOP", "TAKE_PROFIT") and ask.price is not None:
        raise superfluous("price")
    if trails and ask.callback is None:
        raise missing("callbackRate")
    if not trails and ask.trigger is None:
        raise missing("triggerPrice")
    if ask.close_position and (ask.quantity is not None or trails):
        raise ApiError(-4136, "Target strategy invalid for orderType and closePosition")
    if not ask.close_position and ask.quantity is None:
        raise missing("quantity")


def _check_callback(office: FuturesOffice, ask: AlgoAsk) -> None:
    least, most = office.futures_options.callback_rates
    if ask.callback is not None and not least <= ask.callback <= most:
        raise ApiError(-2007, "Invalid callBack rate")


def place(call: Call, ask: AlgoAsk) -> object:
    """algoOrder.place."""
    if exceeded := call.orders.exceeded(call.now):
        raise exceeded
    office = office_of(call)
    scale = office.contract(ask.symbol)
    _check_callback(office, ask)
    demand_reducible(call, office, ask.reduce_only)
    trigger = ask.activate if ask.kind == "TRAILING_STOP_MARKET" else ask.trigger
    request = NewConditional(
        account=call.account,
        symbol=scale.listing.symbol,
        side=side_of(ask.side),
        kind=ask.kind,
        lots=0 if ask.quantity is None else scale.to_lots(ask.quantity),
        price=None if ask.price is None else scale.to_ticks(ask.price),
        trigger=0 if trigger is None else scale.to_ticks(trigger),
        callback_bips=0 if ask.callback is None else int(ask.callback * _BIPS),
        by_mark=ask.by_mark,
        close_position=ask.close_position,
        reduce_only=bool(ask.reduce_only),
        position_side=ask.position_side,
        tif=Tif(ask.tif) if ask.tif in ("IOC", "FOK") else Tif.GTC,
        post_only=ask.tif == "GTX",
        stp=ask.stp,
        client_id=ask.client_id,
        good_till=ask.good_till,
        price_protect=ask.price_protect,
    )
    call.orders.add(1, call.now)
    at_the_engine(call)
    try:
        made = office.exchange.conditionals.place(request, call.now)
    except Refused as error:
        if error.detail == "LOT_SIZE" and request.lots < scale.listing.min_lots:
            raise ApiError(*TOO_SMALL) from error
        raise refused(error) from error
    return algo_reports.algo_row(scale, made)


class WhichAlgo(msgspec.Struct, frozen=True):
    algo_id: int | None
    client_id: str


def read_which(args: Args) -> WhichAlgo:
    ask = WhichAlgo(args.number("algoId"), args.text("clientAlgoId"))
    if ask.algo_id is None and not ask.client_id:
        raise neither("algoId", "clientAlgoId")
    return ask


def cancel(call: Call, ask: WhichAlgo) -> object:
    """algoOrder.cancel."""
    conditionals = office_of(call).exchange.conditionals
    try:
        found = conditionals.cancel(call.account, ask.algo_id, ask.client_id, call.now)
    except Refused as error:
        raise refused(error) from error
    return {
        "algoId": found.algo_id,
        "clientAlgoId": found.client_id,
        "code": "200",
        "msg": "success",
    }


def query(call: Call, ask: WhichAlgo) -> object:
    office = office_of(call)
    try:
        found = office.exchange.conditionals.find(call.account, ask.algo_id, ask.client_id)
    except Refused as error:
        raise refused(error, code=-2013) from error
    return algo_reports.algo_row(_scale(office, found), found, queried=True, whole=True)


class OpenAsk(msgspec.Struct, frozen=True):
    symbol: str
    algo_id: int | None


def read_open(args: Args) -> OpenAsk:
    args.word("algoType", ("CONDITIONAL",))
    return OpenAsk(args.text("symbol"), args.number("algoId"))


def open_algos(call: Call, ask: OpenAsk) -> object:
    office = office_of(call)
    name = office.contract(ask.symbol).listing.symbol if ask.symbol else ""
    return [
        algo_reports.algo_row(_scale(office, each), each, queried=True)
        for each in office.exchange.conditionals.open_of(call.account, name)
        if ask.algo_id in (None, each.algo_id)
    ]


class AllAsk(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    algo_id: int
    start: int
    end: int
    page: int
    limit: int


def read_all(args: Args) -> AllAsk:
    limit, page = args.number("limit"), args.number("page")
    return AllAsk(
        symbol=args.need("symbol"),
        algo_id=args.number("algoId") or 0,
        start=(args.number("startTime") or 0) * MILLISECOND,
        end=(args.number("endTime") or 2**42) * MILLISECOND,
        page=max(1, page or 1),
        limit=min(500 if limit is None else max(1, limit), 1000),
    )


def all_algos(call: Call, ask: AllAsk) -> object:
    """Waiting and over, oldest first, from `algoId` on."""
    office = office_of(call)
    scale = office.contract(ask.symbol)
    found = [
        each
        for each in office.exchange.conditionals.all_of(call.account, scale.listing.symbol)
        if each.algo_id >= ask.algo_id and ask.start <= each.created <= ask.end
    ]
    kept = found[(ask.page - 1) * ask.limit : ask.page * ask.limit]
    return [algo_reports.algo_row(scale, each, queried=True) for each in kept]


def cancel_all(call: Call, symbol: str) -> object:
    office = office_of(call)
    name = office.contract(symbol).listing.symbol
    office.exchange.conditionals.cancel_all(call.account, name, call.now)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def _scale(office: FuturesOffice, each: Conditional) -> FuturesScale:
    scale = office.scales[each.request.symbol]
    assert isinstance(scale, FuturesScale)
    return scale
