"""Several futures orders in one request (binance §11.5): an answer a row, an error among them.

House rules: a batch is counted as a batch: five places in the window of ten seconds and one in that
of a minute, however many rows it has.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pitwire.sim.facades import usdm_orders as orders
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_params import Args, decode_json, neither
from pitwire.sim.facades.binance_text import ApiError
from pitwire.sim.facades.usdm_office import office_of
from pitwire.sim.facades.usdm_orders import Which

_BATCH_COUNTS = (5, 1)
_BATCH_CANCEL = 10
_LONGEST = 100


def _list_of(args: Args, name: str, most: int) -> list[object]:
    try:
        found = decode_json(args.need(name).encode())
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, list) or not 0 < len(found) <= most:
        raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return found


def read_batch(args: Args) -> list[object]:
    return _list_of(args, "batchOrders", _LONGEST)


def _each(call: Call, rows: list[object], do: Callable[[Args], object]) -> list[object]:
    if len(rows) > office_of(call).futures_options.batch_orders:
        raise ApiError(-1130, "Data sent for parameter 'batchOrders' is not valid.")
    if exceeded := call.orders.exceeded(call.now):
        raise exceeded
    call.orders.add_each(_BATCH_COUNTS, call.now)
    answers: list[object] = []
    for row in rows:
        try:
            if not isinstance(row, dict):
                raise ApiError(-1130, "Data sent for parameter 'batchOrders' is not valid.")
            args = Args(row, now=call.now)
            answers.append(do(args))
        except ApiError as error:
            answers.append(call.office.reword(error).body())
    return answers


def place_batch(call: Call, rows: list[object]) -> object:
    return _each(call, rows, lambda args: orders.place(call, orders.read_order(args), counted=True))


def modify_batch(call: Call, rows: list[object]) -> object:
    return _each(
        call, rows, lambda args: orders.modify(call, orders.read_modify(args), counted=True)
    )


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
            answers.append(orders.cancel(call, which))
        except ApiError as error:
            answers.append(call.office.reword(error).body())
    return answers
