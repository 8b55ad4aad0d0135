"""What is asked more seldom: amendments, prevented matches, block trades, reference prices, and
what there is none of (§5.7, §5.13, §7.2).

House rules: what a simulated venue cannot have (allocations, smart order routing) is answered as by
one that has none.
"""

from __future__ import annotations

import msgspec

from pitwire.model.orders import Side
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_data import TradesAsk, read_limit, read_period
from pitwire.sim.facades.binance_params import Args, neither
from pitwire.sim.facades.binance_text import ApiError, Scale
from pitwire.sim.outside import Referenced


class AmendmentsAsk(msgspec.Struct, frozen=True):
    symbol: str
    order_id: int
    from_id: int
    limit: int


def read_amendments(args: Args) -> AmendmentsAsk:
    """order.amendments."""
    symbol = args.need("symbol")
    args.need("orderId")
    return AmendmentsAsk(
        symbol, args.number("orderId") or 0, args.number("fromExecutionId") or 0, read_limit(args)
    )


def amendments(call: Call, ask: AmendmentsAsk) -> object:
    """order.amendments."""
    scale = call.office.scale(ask.symbol)
    rows = call.office.archive.amendments(call.account, scale.listing.symbol, ask.order_id)
    return [
        {
            "symbol": scale.symbol,
            "orderId": row.order.order_id,
            "executionId": row.execution,
            "origClientOrderId": row.order.original_client_id or row.order.client_id,
            "newClientOrderId": row.order.client_id,
            "origQty": scale.size(row.lots_before),
            "newQty": scale.size(row.order.lots),
            "time": row.at // call.unit,
        }
        for row in rows
        if row.execution >= ask.from_id
    ][: ask.limit]


class MatchesAsk(msgspec.Struct, frozen=True):
    symbol: str
    prevented_id: int | None
    order_id: int | None
    from_id: int
    limit: int


def read_matches(args: Args) -> MatchesAsk:
    """myPreventedMatches: one by its id, or those of an order."""
    symbol = args.need("symbol")
    prevented_id, order_id = args.number("preventedMatchId"), args.number("orderId")
    if prevented_id is None and order_id is None:
        raise neither("preventedMatchId", "orderId")
    if prevented_id is not None and order_id is not None:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    from_id = args.number("fromPreventedMatchId") or 0
    return MatchesAsk(symbol, prevented_id, order_id, from_id, read_limit(args))


def weigh_matches(ask: MatchesAsk) -> int:
    return 2 if ask.order_id is None else 20


def matches(call: Call, ask: MatchesAsk) -> object:
    """myPreventedMatches."""
    scale = call.office.scale(ask.symbol)
    found = [
        row
        for row in call.office.archive.matches(call.account, scale.listing.symbol)
        if ask.prevented_id in (None, row.prevented_id)
        and ask.order_id in (None, row.taker, row.maker)
        and row.prevented_id >= ask.from_id
    ]
    rows = []
    for row in found[: ask.limit]:
        lost = {"takerPreventedQuantity": row.taker_lots, "makerPreventedQuantity": row.maker_lots}
        rows.append(
            {
                "symbol": scale.symbol,
                "preventedMatchId": row.prevented_id,
                "takerOrderId": row.taker,
                "makerSymbol": scale.symbol,
                "makerOrderId": row.maker,
                "tradeGroupId": 1,
                "selfTradePreventionMode": row.mode,
                "price": scale.price(row.price),
            }
            | {name: scale.size(lots) for name, lots in lost.items() if lots}
            | {"transactTime": row.at // call.unit}
        )
    return rows


def read_allocations(args: Args) -> str:
    """myAllocations: only a smart order router makes any."""
    symbol = args.need("symbol")
    start, end = read_period(args)
    del start, end
    for name in ("fromAllocationId", "orderId", "limit"):
        args.number(name)
    return symbol


def block_trades(call: Call, ask: TradesAsk) -> object:
    """blockTrades.historical."""
    scale = call.office.scale(ask.symbol)
    found = call.office.market.outside.blocks(scale.listing.symbol, ask.from_id, ask.limit)
    return [
        {
            "id": block.block_id,
            "price": scale.price(block.price),
            "qty": scale.size(block.lots),
            "quoteQty": scale.quote(block.price * block.lots),
            "time": block.at // call.unit,
            "isBuyerMaker": block.taker_side is Side.SELL,
        }
        for block in found
    ]


def none_yet(call: Call, symbol: str) -> object:
    """There have been none, of a symbol that exists."""
    call.office.scale(symbol)
    return []


def _reference(call: Call, symbol: str) -> tuple[Scale, Referenced]:
    scale = call.office.scale(symbol)
    found = call.office.market.outside.reference(scale.listing.symbol)
    if found is None:
        raise ApiError(-2043, "This symbol doesn't have a reference price.")
    return scale, found


def reference(call: Call, symbol: str) -> object:
    """referencePrice (binance §7.2)."""
    scale, found = _reference(call, symbol)
    price = None if found.price is None else scale.price(found.price)
    return {"symbol": scale.symbol, "referencePrice": price, "timestamp": found.at // call.unit}


def calculation(call: Call, symbol: str) -> object:
    """referencePrice.calculation: here the operator says the price, from outside."""
    scale, _ = _reference(call, symbol)
    return {
        "symbol": scale.symbol,
        "calculationType": "EXTERNAL",
        "externalCalculationId": 1,
    }


def read_sor(args: Args) -> str:
    """sor.order.…: read as little as it takes to refuse it."""
    symbol = args.need("symbol")
    args.ignore()
    return symbol


def no_router(call: Call, symbol: str) -> object:
    """No symbol of ours is in a router's list; exchangeInfo has no `sors`."""
    call.office.scale(symbol)
    raise ApiError(*call.office.options.router_refusal)
