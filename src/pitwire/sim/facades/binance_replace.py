"""Cancelling, replacing and amending orders (binance §5.10, §5.11).

House rules: as for placing; a cancel always has an id of its own, made up when none is given.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from pitwire.sim.facades import binance_reports as reports
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_orders import (
    ENGINE,
    OrderAsk,
    on_grid,
    read_ids,
    read_order,
    submit,
)
from pitwire.sim.facades.binance_params import CLIENT_ID, Args
from pitwire.sim.facades.binance_text import ApiError, Scale, refused
from pitwire.sim.facts import Amended, NewOrder, Refused, SimOrder, Status

CANCEL = -2011
AMEND = -2038
AMEND_WEIGHT = 4


class CancelAsk(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    order_id: int | None
    client_id: str
    new_client_id: str
    only: Status | None


def read_cancel(args: Args) -> CancelAsk:
    """order.cancel."""
    return _read_cancel(args, "orderId", "origClientOrderId", "newClientOrderId")


def _read_cancel(args: Args, id_name: str, client_name: str, new_name: str) -> CancelAsk:
    symbol = args.need("symbol")
    order_id, client_id = read_ids(args, id_name, client_name)
    restriction = args.word(
        "cancelRestrictions",
        ("ONLY_NEW", "ONLY_PARTIALLY_FILLED"),
        (-1145, "Invalid cancelRestrictions"),
    )
    return CancelAsk(
        symbol=symbol,
        order_id=order_id,
        client_id=client_id,
        new_client_id=args.text(new_name, CLIENT_ID),
        only=Status(restriction.removeprefix("ONLY_")) if restriction else None,
    )


def cancel(call: Call, ask: CancelAsk) -> object:
    """order.cancel."""
    scale = call.office.scale(ask.symbol)
    call.check_age()
    return _cancel(call, ask, scale)


def _cancel(call: Call, ask: CancelAsk, scale: Scale) -> object:
    try:
        order = call.office.market.cancel(
            call.account,
            scale.listing.symbol,
            order_id=ask.order_id,
            client_id=ask.client_id,
            new_client_id=ask.new_client_id or call.office.new_id(),
            only=ask.only,
            now=call.now,
        )
    except Refused as error:
        raise refused(error, code=CANCEL) from error
    return _gone(call, scale, order)


def _gone(call: Call, scale: Scale, order: SimOrder) -> reports.Report:
    """What is answered of an order that was cancelled: itself, or the list that went with it."""
    if order.list_id < 0:
        return reports.canceled(scale, order, call.unit)
    found = call.office.market.lists.of(order)
    return reports.canceled_list(scale, found, call.now, call.unit)


def cancel_all(call: Call, symbol: str) -> object:
    """openOrders.cancelAll."""
    scale = call.office.scale(symbol)
    call.check_age()
    try:
        orders = call.office.market.cancel_all(call.account, scale.listing.symbol, call.now)
    except Refused as error:
        raise refused(error, code=CANCEL) from error
    if not orders:
        raise ApiError(CANCEL, "Unknown order sent.")
    once = {order.list_id if order.list_id >= 0 else -order.order_id: order for order in orders}
    return [_gone(call, scale, order) for order in once.values()]


class AmendAsk(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    order_id: int | None
    client_id: str
    quantity: Decimal
    new_client_id: str


def read_amend(args: Args) -> AmendAsk:
    """order.amend.keepPriority."""
    symbol = args.need("symbol")
    order_id, client_id = read_ids(args, "orderId", "origClientOrderId")
    args.need("newQty")
    return AmendAsk(
        symbol=symbol,
        order_id=order_id,
        client_id=client_id,
        quantity=args.decimal("newQty") or Decimal(0),
        new_client_id=args.text("newClientOrderId", CLIENT_ID),
    )


def amend(call: Call, ask: AmendAsk) -> object:
    """order.amend.keepPriority: smaller, and the place in the queue is kept."""
    scale = call.office.scale(ask.symbol)
    lots = scale.to_lots(ask.quantity)
    call.check_age()
    call.office.take(call.now)
    try:
        order = call.office.market.amend(
            call.account,
            scale.listing.symbol,
            order_id=ask.order_id,
            client_id=ask.client_id,
            lots=lots,
            new_client_id=ask.new_client_id or call.office.new_id(),
            now=call.now,
        )
    except Refused as error:
        raise refused(error, code=AMEND) from error
    if order.status is Status.EXPIRED:  # the one way in which it costs nothing (binance §5.7)
        call.office.limits.address(call.address).weight.add(-AMEND_WEIGHT, call.now)
    executions = [
        fact.execution for fact in call.office.take(call.now) if isinstance(fact, Amended)
    ]
    body = reports.amended(scale, order, executions[0] if executions else 0, call.unit)
    if order.list_id >= 0:
        body["listStatus"] = reports.amended_list(scale, call.office.market.lists.of(order))
    return body


class ReplaceAsk(msgspec.Struct, frozen=True, kw_only=True):
    cancel: CancelAsk
    order: OrderAsk
    stop_on_failure: bool
    cancel_when_exceeded: bool


def read_replace(args: Args) -> ReplaceAsk:
    """order.cancelReplace."""
    args.need("cancelReplaceMode")
    mode = args.word("cancelReplaceMode", ("STOP_ON_FAILURE", "ALLOW_FAILURE"))
    exceeded = args.word("orderRateLimitExceededMode", ("DO_NOTHING", "CANCEL_ONLY"))
    return ReplaceAsk(
        cancel=_read_cancel(
            args, "cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId"
        ),
        order=read_order(args),
        stop_on_failure=mode == "STOP_ON_FAILURE",
        cancel_when_exceeded=exceeded == "CANCEL_ONLY",
    )


def replace(call: Call, ask: ReplaceAsk) -> object:
    """order.cancelReplace: two steps, not one transaction (binance §5.11)."""
    office = call.office
    scale = office.scale(ask.order.symbol)
    request = on_grid(call, ask.order, scale)
    _check_filters(call, request)
    exceeded = call.orders.exceeded(call.now)
    if exceeded and not ask.cancel_when_exceeded:
        raise exceeded
    if not exceeded:
        call.orders.add(1, call.now)  # even when the order is not attempted
    call.check_age()
    done, cancel_answer = _try(lambda: _cancel(call, ask.cancel, scale))
    if not done and ask.stop_on_failure:
        raise _replace_failed("FAILURE", "NOT_ATTEMPTED", cancel_answer, None)
    placed, order_answer = _try(lambda: _place(call, ask.order, scale, request, exceeded))
    results = ("SUCCESS" if done else "FAILURE", "SUCCESS" if placed else "FAILURE")
    if not (done and placed):
        raise _replace_failed(*results, cancel_answer, order_answer)
    return _replace_body(*results, cancel_answer, order_answer)


def _check_filters(call: Call, request: NewOrder) -> None:
    try:
        call.office.market.check(request, call.now)
    except Refused as error:
        found = refused(error, code=ENGINE, kind=request.kind)
        if found.code == -1013:
            raise found from error


def _try(step: Callable[[], object]) -> tuple[bool, object]:
    try:
        return True, step()
    except ApiError as error:
        return False, error.body()


def _place(
    call: Call, ask: OrderAsk, scale: Scale, request: NewOrder, exceeded: ApiError | None
) -> object:
    if exceeded:
        raise exceeded
    return submit(call, ask, scale, request, replacing=True)


def _replace_body(
    canceled: str, placed: str, cancel_answer: object, order_answer: object
) -> dict[str, object]:
    return {
        "cancelResult": canceled,
        "newOrderResult": placed,
        "cancelResponse": cancel_answer,
        "newOrderResponse": order_answer,
    }


def _replace_failed(
    canceled: str, placed: str, cancel_answer: object, order_answer: object
) -> ApiError:
    data = _replace_body(canceled, placed, cancel_answer, order_answer)
    if "SUCCESS" in (canceled, placed):
        return ApiError(-2021, "Order cancel-replace partially failed.", status=409, data=data)
    return ApiError(-2022, "Order cancel-replace failed.", status=400, data=data)
