"""Conditional orders as the futures tell them (binance §11.5, §11.7 ALGO_UPDATE).

House rules: as in `usdm_reports`; `ia` is whether a trailing stop follows already, and false of all
others, which is our guess.
"""

from __future__ import annotations

from decimal import Decimal

from pitwire.model.clock import MILLISECOND
from pitwire.sim.facades.usdm_reports import Report, mean_price
from pitwire.sim.facades.usdm_text import FuturesScale, order_type
from pitwire.sim.futures_facts import AlgoStatus, Conditional


def algo_row(
    scale: FuturesScale, algo: Conditional, *, queried: bool = False, whole: bool = False
) -> Report:
    """A conditional order, as placed or as asked for; `whole` where one alone is asked for."""
    ask, became = algo.request, algo.order
    trails = ask.kind == "TRAILING_STOP_MARKET"
    tif = "GTX" if ask.post_only else "GTD" if ask.good_till else ask.tif.value
    head: Report = {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": ask.kind,
        "symbol": scale.symbol,
        "side": ask.side.name,
        "positionSide": ask.position_side.value,
        "timeInForce": tif,
        "quantity": scale.size(ask.lots),
        "algoStatus": algo.status.value,
    }
    if queried:
        head |= {
            "actualOrderId": str(became.order_id) if became else "",
            "actualPrice": scale.average(mean_price(scale, became)) if became else "0.00000",
        }
    if whole and became:
        head["actualType"] = order_type(became.kind)
        if became.filled_lots:
            head["actualQty"] = scale.size(became.filled_lots)
    return head | {
        "triggerPrice": scale.price(0 if trails else ask.trigger),
        "price": scale.price(ask.price or 0),
        "icebergQuantity": None,
        "selfTradePreventionMode": ask.stp.value if ask.stp else "EXPIRE_MAKER",
        "workingType": "MARK_PRICE" if ask.by_mark else "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": ask.close_position,
        "priceProtect": ask.price_protect,
        "reduceOnly": ask.reduce_only or ask.close_position,
        **(
            {
                "activatePrice": scale.price(ask.trigger),
                "callbackRate": f"{Decimal(ask.callback_bips) / 100:.1f}",
            }
            if trails
            else {}
        ),
        "createTime": algo.created // MILLISECOND,
        "updateTime": algo.updated // MILLISECOND,
        "triggerTime": algo.triggered // MILLISECOND,
        "goodTillDate": ask.good_till // MILLISECOND,
    }


def algo_update(scale: FuturesScale, algo: Conditional, at: int, now: int) -> Report:
    ask, became = algo.request, algo.order
    trails = ask.kind == "TRAILING_STOP_MARKET"
    done = algo.status in (AlgoStatus.TRIGGERED, AlgoStatus.FINISHED) and became is not None
    return {
        "e": "ALGO_UPDATE",
        "T": at // MILLISECOND,
        "E": now // MILLISECOND,
        "o": {
            "caid": algo.client_id,
            "aid": algo.algo_id,
            "at": "CONDITIONAL",
            "o": ask.kind,
            "s": scale.symbol,
            "S": ask.side.name,
            "ps": ask.position_side.value,
            "f": "GTX" if ask.post_only else "GTD" if ask.good_till else ask.tif.value,
            "q": scale.size(ask.lots),
            "X": algo.status.value,
            "ai": str(became.order_id) if became and done else "",
            "ap": scale.average(mean_price(scale, became)) if became and done else "0.00000",
            "aq": scale.size(became.filled_lots) if became and done else "0.00000",
            "act": order_type(became.kind) if became and done else "0",
            "tp": scale.price(0 if trails else ask.trigger),
            "p": scale.price(ask.price or 0),
            "V": ask.stp.value if ask.stp else "EXPIRE_MAKER",
            "wt": "MARK_PRICE" if ask.by_mark else "CONTRACT_PRICE",
            "pm": "NONE",
            "cp": ask.close_position,
            "pP": ask.price_protect,
            "R": ask.reduce_only or ask.close_position,
            "tt": algo.triggered // MILLISECOND,
            "gtd": ask.good_till // MILLISECOND,
            "rm": algo.why,
            "ia": algo.extreme is not None,
        },
    }
