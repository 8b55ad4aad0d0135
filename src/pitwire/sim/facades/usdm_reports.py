"""Orders, positions and accounts as the futures tell them (binance §11.5, §11.7).

House rules: user events stand in the order of the live capture, fields that are newer at the end of
their object; answers in the order of the sheet's sample; what the sheet only names has the names of
the venue's own SDK (18.1.0).
"""

from __future__ import annotations

from decimal import Decimal

from pitwire.model.clock import MILLISECOND
from pitwire.sim.facades.usdm_text import FuturesScale, eight, none_or, order_type, short
from pitwire.sim.facts import Kind, PositionSide, SimOrder, Status, Traded
from pitwire.sim.futures_facts import (
    MarginCalled,
    MarginChanged,
    MarginState,
    PositionState,
    Reason,
)

Report = dict[str, object]
ZERO = Decimal(0)


def time_in_force(order: SimOrder) -> str:
    """GTX is a post-only order, RPI one too, GTD one that has a date."""
    if order.retail:
        return "RPI"
    if order.kind is Kind.LIMIT_MAKER:
        return "GTX"
    return "GTD" if order.good_till else order.tif.value


def status_of(order: SimOrder) -> str:
    return order.status.value


def mean_price(scale: FuturesScale, order: SimOrder) -> Decimal:
    """What its fills cost, 0 without one."""
    size = order.filled_lots * scale.listing.lot
    return order.filled_quote / size if size else ZERO


# ── answers ───────────────────────────────────────────────────────────────────────────────────


def order_answer(scale: FuturesScale, order: SimOrder) -> Report:
    """To placing, cancelling, modifying: without what was dropped in July 2026."""
    return {
        "orderId": order.order_id,
        "symbol": scale.symbol,
        "status": status_of(order),
        "clientOrderId": order.original_client_id or order.client_id,
        "price": scale.price(order.price),
        "origQty": scale.size(order.lots),
        "executedQty": scale.size(order.filled_lots),
        "cumQty": scale.size(order.filled_lots),
        "timeInForce": time_in_force(order),
        "type": order_type(order.kind),
        "reduceOnly": order.reduce_only and order.position_side is PositionSide.BOTH,
        "closePosition": False,
        "side": order.side.name,
        "positionSide": order.position_side.value,
        "stopPrice": scale.price(order.stop_price),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.origin or order_type(order.kind),
        "priceMatch": order.price_match,
        "selfTradePreventionMode": order.stp.value,
        "goodTillDate": order.good_till // MILLISECOND,
        "updateTime": order.updated // MILLISECOND,
    }


def order_queried(scale: FuturesScale, order: SimOrder) -> Report:
    """What a question about an order is answered."""
    mean = mean_price(scale, order)
    return {
        "orderId": order.order_id,
        "symbol": scale.symbol,
        "status": status_of(order),
        "clientOrderId": order.original_client_id or order.client_id,
        "price": scale.price(order.price),
        "avgPrice": scale.average(mean),
        "origQty": scale.size(order.lots),
        "executedQty": scale.size(order.filled_lots),
        "cumQuote": scale.average(order.filled_quote),
        "timeInForce": time_in_force(order),
        "type": order_type(order.kind),
        "reduceOnly": order.reduce_only and order.position_side is PositionSide.BOTH,
        "closePosition": False,
        "side": order.side.name,
        "positionSide": order.position_side.value,
        "stopPrice": scale.price(order.stop_price),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.origin or order_type(order.kind),
        "priceMatch": order.price_match,
        "selfTradePreventionMode": order.stp.value,
        "goodTillDate": order.good_till // MILLISECOND,
        "time": order.created // MILLISECOND,
        "updateTime": order.updated // MILLISECOND,
    }


def own_trade(scale: FuturesScale, fact: Traded, account: str) -> Report:
    """A row of userTrades; of a trade with oneself, the taker's."""
    taker = fact.taker.account == account
    order = fact.taker if taker else fact.maker
    value = fact.price * scale.listing.tick * fact.lots * scale.listing.lot
    return {
        "buyer": order.side.name == "BUY",
        "commission": eight(fact.taker_fee if taker else fact.maker_fee),
        "commissionAsset": fact.taker_fee_asset if taker else fact.maker_fee_asset,
        "id": fact.trade_id,
        "maker": not taker,
        "orderId": order.order_id,
        "price": scale.price(fact.price),
        "qty": scale.size(fact.lots),
        "quoteQty": scale.average(value),
        "realizedPnl": eight(fact.taker_result if taker else fact.maker_result),
        "side": order.side.name,
        "positionSide": order.position_side.value,
        "symbol": scale.symbol,
        "time": fact.at // MILLISECOND,
    }


def position_row(scale: FuturesScale, at: PositionState, *, old: bool) -> Report:
    """A row of positionRisk: v3, or v2 where it is `old`."""
    amount = scale.size(at.lots)
    isolated = eight(at.wallet + at.unrealised) if at.isolated else "0.00000000"
    entry, even = scale.average(at.entry), scale.average(at.breakeven)
    updated = max(at.updated, 0) // MILLISECOND
    if old:
        return {
            "entryPrice": entry,
            "breakEvenPrice": even,
            "marginType": "isolated" if at.isolated else "cross",
            "isAutoAddMargin": "false",
            "isolatedMargin": isolated,
            "leverage": str(at.leverage),
            "liquidationPrice": short(at.liquidation),
            "markPrice": eight(at.mark),
            "maxNotionalValue": "100000000",
            "positionAmt": amount,
            "notional": eight(at.value),
            "isolatedWallet": eight(at.wallet),
            "symbol": scale.symbol,
            "unRealizedProfit": eight(at.unrealised),
            "positionSide": at.side.value,
            "updateTime": updated,
        }
    return {
        "symbol": scale.symbol,
        "positionSide": at.side.value,
        "positionAmt": amount,
        "entryPrice": entry,
        "breakEvenPrice": even,
        "markPrice": eight(at.mark),
        "unRealizedProfit": eight(at.unrealised),
        "liquidationPrice": short(at.liquidation),
        "isolatedMargin": isolated if at.isolated else "0",
        "notional": eight(at.value),
        "marginAsset": scale.listing.quote,
        "isolatedWallet": short(at.wallet),
        "initialMargin": eight(at.initial + at.order_margin),
        "maintMargin": eight(at.maintenance),
        "positionInitialMargin": eight(at.initial),
        "openOrderInitialMargin": short(at.order_margin),
        "adl": 0 if not at.lots else 2,
        "bidNotional": short(at.bids),
        "askNotional": short(at.asks),
        "updateTime": updated,
    }


def totals(state: MarginState) -> Report:
    """What an account comes to."""
    return {
        "totalInitialMargin": eight(state.position_margin + state.order_margin),
        "totalMaintMargin": eight(state.maintenance),
        "totalWalletBalance": eight(state.wallet),
        "totalUnrealizedProfit": eight(state.unrealised),
        "totalMarginBalance": eight(state.wallet + state.unrealised),
        "totalPositionInitialMargin": eight(state.position_margin),
        "totalOpenOrderInitialMargin": eight(state.order_margin),
        "totalCrossWalletBalance": eight(state.cross),
        "totalCrossUnPnl": eight(state.cross_unrealised),
        "availableBalance": eight(state.available),
        "maxWithdrawAmount": eight(min(state.available, state.cross)),
    }


def asset_row(asset: str, state: MarginState, now: int, *, old: bool) -> Report:
    """One asset of an account: v3, or v2 where it is `old`."""
    return {
        "asset": asset,
        "walletBalance": eight(state.wallet),
        "unrealizedProfit": eight(state.unrealised),
        "marginBalance": eight(state.wallet + state.unrealised),
        "maintMargin": eight(state.maintenance),
        "initialMargin": eight(state.position_margin + state.order_margin),
        "positionInitialMargin": eight(state.position_margin),
        "openOrderInitialMargin": eight(state.order_margin),
        "crossWalletBalance": eight(state.cross),
        "crossUnPnl": eight(state.cross_unrealised),
        "availableBalance": eight(state.available),
        "maxWithdrawAmount": eight(min(state.available, state.cross)),
        **({"marginAvailable": True} if old else {}),
        "updateTime": now // MILLISECOND,
    }


def account_position(scale: FuturesScale, at: PositionState, *, old: bool) -> Report:
    """A row of an account's positions: v3, or v2 where it is `old`."""
    updated = max(at.updated, 0) // MILLISECOND
    if old:
        return {
            "symbol": scale.symbol,
            "initialMargin": eight(at.initial + at.order_margin),
            "maintMargin": eight(at.maintenance),
            "unrealizedProfit": eight(at.unrealised),
            "positionInitialMargin": eight(at.initial),
            "openOrderInitialMargin": eight(at.order_margin),
            "leverage": str(at.leverage),
            "isolated": at.isolated,
            "entryPrice": scale.average(at.entry),
            "maxNotional": "100000000",
            "bidNotional": short(at.bids),
            "askNotional": short(at.asks),
            "positionSide": at.side.value,
            "positionAmt": scale.size(at.lots),
            "updateTime": updated,
        }
    return {
        "symbol": scale.symbol,
        "positionSide": at.side.value,
        "positionAmt": scale.size(at.lots),
        "unrealizedProfit": eight(at.unrealised),
        "isolatedMargin": eight(at.wallet + at.unrealised) if at.isolated else "0",
        "notional": eight(at.value),
        "isolatedWallet": short(at.wallet),
        "initialMargin": eight(at.initial + at.order_margin),
        "maintMargin": eight(at.maintenance),
        "updateTime": updated,
    }


def balance_row(asset: str, state: MarginState, now: int) -> Report:
    return {
        "accountAlias": "SgsR",
        "asset": asset,
        "balance": eight(state.wallet),
        "crossWalletBalance": eight(state.cross),
        "crossUnPnl": eight(state.cross_unrealised),
        "availableBalance": eight(state.available),
        "maxWithdrawAmount": eight(min(state.available, state.cross)),
        "marginAvailable": True,
        "updateTime": now // MILLISECOND,
    }


# ── events ────────────────────────────────────────────────────────────────────────────────────


def trade_lite(scale: FuturesScale, fact: Traded, *, maker: bool, now: int) -> Report:
    order = fact.maker if maker else fact.taker
    return {
        "e": "TRADE_LITE",
        "E": now // MILLISECOND,
        "T": fact.at // MILLISECOND,
        "s": scale.symbol,
        "q": scale.size(order.lots),
        "p": scale.price(order.price),
        "m": maker,
        "c": order.client_id,
        "S": order.side.name,
        "L": scale.price(fact.price),
        "l": scale.size(fact.lots),
        "t": fact.trade_id,
        "i": order.order_id,
    }


def order_update(
    scale: FuturesScale,
    order: SimOrder,
    kind: str,
    *,
    at: int,
    now: int,
    open_value: tuple[Decimal, Decimal] = (ZERO, ZERO),
    fill: Traded | None = None,
    maker: bool = False,
    modify_id: int | None = None,
    tells_no_fee: bool = True,
) -> Report:
    """ORDER_TRADE_UPDATE; `open_value` of the account's bids and asks in the symbol.

    `tells_no_fee`: whether `n` and `N` are there where there was no commission.
    """
    mean = mean_price(scale, order)
    fee = ZERO if fill is None else fill.maker_fee if maker else fill.taker_fee
    result = ZERO if fill is None else fill.maker_result if maker else fill.taker_result
    return {
        "e": "ORDER_TRADE_UPDATE",
        "T": at // MILLISECOND,
        "E": now // MILLISECOND,
        "o": {
            "s": scale.symbol,
            "c": order.original_client_id or order.client_id,
            "S": order.side.name,
            "o": order_type(order.kind),
            "f": time_in_force(order),
            "q": scale.size(order.lots),
            "p": none_or(order.price, scale.price(order.price)),
            "ap": none_or(mean, scale.average(mean)),
            "sp": "0",
            "x": kind,
            "X": _status_then(order, kind),
            "i": order.order_id,
            **({} if modify_id is None else {"M": str(modify_id)}),
            "l": "0" if fill is None else scale.size(fill.lots),
            "z": none_or(order.filled_lots, scale.size(order.filled_lots)),
            "L": "0" if fill is None else scale.price(fill.price),
            **(
                {"n": none_or(fee, eight(fee)), "N": scale.listing.quote}
                if fee or tells_no_fee
                else {}
            ),
            "T": at // MILLISECOND,
            "t": 0 if fill is None else fill.trade_id,
            "b": short(open_value[0]),
            "a": short(open_value[1]),
            "m": maker,
            "R": order.reduce_only and order.position_side is PositionSide.BOTH,
            "wt": "CONTRACT_PRICE",
            "ot": order.origin or order_type(order.kind),
            "ps": order.position_side.value,
            "cp": False,
            "rp": none_or(result, eight(result)),
            "pP": False,
            "si": 0,
            "ss": 0,
            "V": order.stp.value,
            "pm": order.price_match,
            "gtd": order.good_till // MILLISECOND,
            "er": "0",
        },
    }


def _status_then(order: SimOrder, kind: str) -> str:
    """What it was when that was reported, which its copy says but for a fresh one."""
    return Status.NEW.value if kind == "NEW" else order.status.value


def account_update(
    scales: dict[str, FuturesScale], fact: MarginChanged, now: int, *, extra: str = ""
) -> Report:
    """ACCOUNT_UPDATE: only what changed; `extra` is `S`, of whose meaning we know nothing."""
    rows = []
    for at in fact.positions:
        own = scales[at.symbol]
        rows.append(
            {
                "s": own.symbol,
                "pa": none_or(at.lots, own.size(at.lots)),
                "ep": short(Decimal(own.average(at.entry))),
                "cr": short(at.realised),
                "up": none_or(at.unrealised, eight(at.unrealised)),
                "mt": "isolated" if at.isolated else "cross",
                "iw": none_or(at.wallet, eight(at.wallet)),
                "ps": at.side.value,
                "ma": own.listing.quote,
                "bep": short(Decimal(own.average(at.breakeven))),
            }
        )
    if fact.reason is Reason.FUNDING_FEE:
        rows = [row for row in rows if row["mt"] == "isolated"]
    balances = []
    if fact.reason is not Reason.MARGIN_TYPE_CHANGE:  # which moves no money
        balances.append(
            {
                "a": fact.asset,
                "wb": eight(fact.wallet),
                "cw": eight(fact.cross),
                "bc": short(fact.change),
            }
        )
    return {
        "e": "ACCOUNT_UPDATE",
        "T": fact.at // MILLISECOND,
        "E": now // MILLISECOND,
        "a": {
            "B": balances,
            "P": rows,
            "m": fact.reason.value,
            **({"S": extra} if extra else {}),
        },
    }


def margin_call(scales: dict[str, FuturesScale], fact: MarginCalled, now: int) -> Report:
    return {
        "e": "MARGIN_CALL",
        "E": now // MILLISECOND,
        "cw": eight(fact.cross),
        "p": [
            {
                "s": scales[at.symbol].symbol,
                "ps": at.side.value,
                "pa": scales[at.symbol].size(at.lots),
                "mt": "ISOLATED" if at.isolated else "CROSSED",
                "iw": none_or(at.wallet, eight(at.wallet)),
                "mp": eight(at.mark),
                "up": eight(at.unrealised),
                "mm": eight(at.maintenance),
            }
            for at in fact.positions
        ],
    }
