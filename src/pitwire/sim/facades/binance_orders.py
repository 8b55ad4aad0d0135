"""Placing orders: what a new order must look like, and what is answered (binance §5.9, §7).

House rules: reading never touches the exchange; running turns decimals into ticks and lots, so
an off-grid price or size is the façade's own filter failure; every no of the exchange is spelt
as the venue would.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum

import msgspec

from pitwire.model.orders import Side
from pitwire.sim.facades import binance_reports as reports
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_params import CLIENT_ID, Args, missing, neither, superfluous
from pitwire.sim.facades.binance_text import ApiError, Scale, refused
from pitwire.sim.facts import (
    Fact,
    Kind,
    NewOrder,
    Prevented,
    Refusal,
    Refused,
    SimOrder,
    Stp,
    Tif,
    Traded,
)

ENGINE = -2010
_PRICED = (Kind.LIMIT, Kind.LIMIT_MAKER, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT_LIMIT)
_TIMED = (Kind.LIMIT, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT_LIMIT)
_FULL_BY_DEFAULT = (Kind.LIMIT, Kind.MARKET)
_LEAST_STRATEGY_TYPE = 1_000_000
_STP_REFUSED = (-1013, "This symbol does not allow the specified self-trade prevention mode.")


class VenueSide(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class OrderAsk(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a new order, read and of the right shape."""

    symbol: str
    side: VenueSide
    kind: Kind
    tif: Tif | None
    quantity: Decimal | None
    quote: Decimal | None
    price: Decimal | None
    stop_price: Decimal | None
    trailing: int | None
    iceberg: Decimal | None
    client_id: str
    response: str
    stp: Stp | None
    strategy_id: int | None
    strategy_type: int | None
    pegged: bool
    rates: bool = False

    def request(self, account: str, scale: Scale) -> NewOrder:
        """In ticks and lots; raises the filter failure of what is off the grid."""
        return NewOrder(
            account=account,
            symbol=scale.listing.symbol,
            side=Side.BUY if self.side is VenueSide.BUY else Side.SELL,
            kind=self.kind,
            tif=self.tif or Tif.GTC,
            lots=None if self.quantity is None else scale.to_lots(self.quantity),
            quote=self.quote,
            price=None if self.price is None else scale.to_ticks(self.price),
            stop_price=None if self.stop_price is None else scale.to_ticks(self.stop_price),
            trailing_bips=self.trailing,
            iceberg_lots=0 if self.iceberg is None else scale.to_lots(self.iceberg),
            client_id=self.client_id,
            stp=self.stp,
            strategy_id=self.strategy_id,
            strategy_type=self.strategy_type,
        )


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What the orders of one request have in common."""

    symbol: str
    side: VenueSide
    quantity: Decimal | None
    response: str
    stp: Stp | None


def read_side(args: Args, name: str = "side") -> VenueSide:
    side = args.choice(name, VenueSide, (-1117, "Invalid side."))
    if side is None:
        raise missing(name)
    return side


def read_response(args: Args) -> str:
    return args.word("newOrderRespType", ("ACK", "RESULT", "FULL"))


def read_stp(args: Args) -> Stp | None:
    return args.choice("selfTradePreventionMode", Stp, _STP_REFUSED)


def read_order(args: Args) -> OrderAsk:
    """The parameters of order.place."""
    symbol = args.need("symbol")
    shared = Shared(
        symbol=symbol,
        side=read_side(args),
        quantity=args.decimal("quantity"),
        response=read_response(args),
        stp=read_stp(args),
    )
    return read_leg(args, "", shared)


def read_leg(args: Args, prefix: str, shared: Shared) -> OrderAsk:
    """One order; in a list its own parameters bear a prefix: `abovePrice`, `workingType`."""

    def named(name: str) -> str:
        return prefix + name[0].upper() + name[1:] if prefix else name

    kind = args.choice(named("type"), Kind, (-1116, "Invalid orderType."))
    if kind is None:
        raise missing(named("type"))
    ask = OrderAsk(
        symbol=shared.symbol,
        side=shared.side,
        kind=kind,
        tif=args.choice(named("timeInForce"), Tif, (-1115, "Invalid timeInForce.")),
        quantity=shared.quantity,
        quote=None if prefix else args.decimal("quoteOrderQty"),
        price=args.decimal(named("price")),
        stop_price=args.decimal(named("stopPrice")),
        trailing=args.number(named("trailingDelta")),
        iceberg=args.decimal(named("icebergQty")),
        client_id=args.text(named("clientOrderId") if prefix else "newClientOrderId", CLIENT_ID),
        response=shared.response,
        stp=shared.stp,
        strategy_id=args.number(named("strategyId")),
        strategy_type=args.number(named("strategyType")),
        pegged=_pegged(args, named),
    )
    _check_shape(ask, named)
    if prefix and ask.tif is not None and kind not in _TIMED:
        raise superfluous(named("timeInForce"))  # for the parts of a list this is observed
    return ask


def read_test(args: Args) -> OrderAsk:
    """order.test: the same and `computeCommissionRates`."""
    rates = args.flag("computeCommissionRates")
    return msgspec.structs.replace(read_order(args), rates=rates)


def _pegged(args: Args, named: Callable[[str], str]) -> bool:
    kind = args.word(
        named("pegPriceType"),
        ("PRIMARY_PEG", "MARKET_PEG"),
        (-1210, "Invalid pegPriceType."),
    )
    offset = args.word(named("pegOffsetType"), ("PRICE_LEVEL",), (-1211, "Invalid pegOffsetType."))
    value = args.number(named("pegOffsetValue"))
    return bool(kind or offset or value)


def _check_shape(ask: OrderAsk, named: Callable[[str], str]) -> None:
    """binance §7.3: what each order type must have and must not have."""
    _check_amount(ask, named)
    if ask.kind in _PRICED and ask.price is None and not ask.pegged:
        raise missing(named("price"))
    if ask.kind not in _PRICED and ask.price is not None:
        raise superfluous(named("price"))
    if ask.kind in _TIMED and ask.tif is None:
        raise missing(named("timeInForce"))
    stops = ask.stop_price is not None or ask.trailing is not None
    if ask.kind in reports.STOPS and not stops:
        raise neither(named("stopPrice"), named("trailingDelta"))
    if ask.kind not in reports.STOPS and stops:
        wrong = "stopPrice" if ask.stop_price is not None else "trailingDelta"
        raise superfluous(named(wrong))
    if ask.iceberg is not None and (ask.tif or Tif.GTC) is not Tif.GTC:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    if ask.strategy_type is not None and ask.strategy_type < _LEAST_STRATEGY_TYPE:
        raise ApiError(-1134, "strategyType was less than 1000000.")


def _check_amount(ask: OrderAsk, named: Callable[[str], str]) -> None:
    if ask.kind is Kind.MARKET:
        if ask.quantity is None and ask.quote is None:
            raise neither("quantity", "quoteOrderQty")
        if ask.quantity is not None and ask.quote is not None:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
    elif ask.quantity is None:
        raise missing(named("quantity"))
    elif ask.quote is not None:
        raise superfluous("quoteOrderQty")


def place(call: Call, ask: OrderAsk) -> object:
    """order.place."""
    scale = call.office.scale(ask.symbol)
    if exceeded := call.orders.exceeded(call.now):
        raise exceeded
    request = on_grid(call, ask, scale)
    call.orders.add(1, call.now)
    call.check_age()
    return submit(call, ask, scale, request)


def on_grid(call: Call, ask: OrderAsk, scale: Scale) -> NewOrder:
    tif_unwanted = ask.kind not in _TIMED and ask.tif is not None
    if tif_unwanted:
        raise ApiError(*call.office.options.superfluous_tif)
    if ask.pegged:
        raise ApiError(ENGINE, "Pegged orders are not supported for this symbol.")
    return ask.request(call.account, scale)


def submit(
    call: Call, ask: OrderAsk, scale: Scale, request: NewOrder, *, replacing: bool = False
) -> object:
    """Hand an order, already counted, to the engine."""
    office = call.office
    office.take(call.now)
    try:
        order = office.market.place(request, call.now)
    except Refused as error:
        found = refused(error, code=ENGINE, kind=ask.kind)
        if error.refusal is Refusal.MARKET_CLOSED:
            found.code = office.options.market_closed_code
        if found.code == -1013 or not office.options.rejected_orders_count:
            call.orders.add(-1, call.now)
        if found.code == ENGINE and _reports(call, replacing=replacing):
            _report_rejection(call, scale, request, error)
        raise found from error
    office.placed(order)
    return describe(call, ask, scale, order, office.take(call.now))


def _reports(call: Call, *, replacing: bool) -> bool:
    chosen = call.office.options.report_rejections
    return chosen == "always" or (replacing and chosen == "replace")


def _report_rejection(call: Call, scale: Scale, request: NewOrder, error: Refused) -> None:
    users, now, account = call.office.users, call.now, call.account
    client_id = request.client_id or call.office.new_id()

    def report(unit: int) -> reports.Report:
        return reports.rejection(
            scale, request, error.refusal, client_id=client_id, now=now, unit=unit
        )

    call.afterwards.append(lambda: users.rejected(account, report))


def describe(
    call: Call, ask: OrderAsk, scale: Scale, order: SimOrder, facts: list[Fact]
) -> reports.Report:
    """An order that was just placed, in the form that was asked for."""
    form = ask.response or ("FULL" if ask.kind in _FULL_BY_DEFAULT else "ACK")
    if form == "ACK":
        return reports.ack(scale, order, call.unit)
    if form == "RESULT":
        return reports.result(scale, order, call.unit)
    fills = [
        fact for fact in facts if isinstance(fact, Traded) and fact.taker.order_id == order.order_id
    ]
    prevented = [
        fact
        for fact in facts
        if isinstance(fact, Prevented) and fact.order.order_id == order.order_id
    ]
    return reports.full(scale, order, fills=fills, prevented=prevented, unit=call.unit)


def test(call: Call, ask: OrderAsk) -> object:
    """order.test: everything up to the filters, and then nothing."""
    scale = call.office.scale(ask.symbol)
    request = on_grid(call, ask, scale)
    try:
        call.office.market.check(request, call.now)
    except Refused as error:
        raise refused(error, code=ENGINE, kind=ask.kind) from error
    if not ask.rates:
        return {}
    listing = scale.listing
    rates = {"maker": _rate(listing.maker_fee), "taker": _rate(listing.taker_fee)}
    none = {"maker": reports.ZERO, "taker": reports.ZERO}
    return {
        "standardCommissionForOrder": rates,
        "specialCommissionForOrder": none,
        "taxCommissionForOrder": none,
        "discount": discount(),
    }


def _rate(value: Decimal) -> str:
    return f"{value:.8f}"


def discount() -> dict[str, object]:
    """The simulated venue gives none."""
    return {
        "enabledForAccount": False,
        "enabledForSymbol": False,
        "discountAsset": "BNB",
        "discount": "0.25000000",
    }


def read_symbol(args: Args) -> str:
    return args.need("symbol")


def read_ids(args: Args, id_name: str, client_name: str) -> tuple[int | None, str]:
    """Which order: at least one of the two ids."""
    order_id = args.number(id_name)
    client_id = args.text(client_name)
    if order_id is None and not client_id:
        raise neither(client_name, id_name)
    return order_id, client_id
