"""Where what stands in the account's binary messages (binance §10.3; schema 3, versions 2 to 5).

House rules: fields follow one another without a gap, so an offset is a sum; names are those that
the JSON dialect reads; what is not read is named too, since it takes its place.

A field is `name:type`, a `?` says that it may be null. Types: `q` int64, `i` int32, `h` int16, `H`
uint16, `u` uint8, `b` truth, `x` an exponent, `p` `s` `c` `d` a number with the exponent
`priceExponent`, `qtyExponent`, `commissionExponent`, `exponent`; any other is a table of words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

SCHEMA = 3


class Layout(NamedTuple):
    """One message, or one entry of a group."""

    fields: str
    groups: tuple[tuple[str, str, Layout], ...] = ()
    """(name, `I` or `H` for the width of the count, layout of an entry)."""
    data: str = ""
    """`name:B`, `name:H` or `name:I` by the width of the length."""


WORDS: Mapping[str, Mapping[int, str]] = {
    "side": {0: "BUY", 1: "SELL"},
    "tif": {0: "GTC", 1: "IOC", 2: "FOK"},
    "type": {
        0: "MARKET", 1: "LIMIT", 2: "STOP_LOSS", 3: "STOP_LOSS_LIMIT", 4: "TAKE_PROFIT",
        5: "TAKE_PROFIT_LIMIT", 6: "LIMIT_MAKER",
    },
    "status": {
        0: "NEW", 1: "PARTIALLY_FILLED", 2: "FILLED", 3: "CANCELED", 4: "PENDING_CANCEL",
        5: "REJECTED", 6: "EXPIRED", 9: "EXPIRED_IN_MATCH", 11: "PENDING_NEW",
    },
    "execution": {
        0: "NEW", 1: "CANCELED", 2: "REPLACED", 3: "REJECTED", 4: "TRADE", 5: "EXPIRED",
        8: "TRADE_PREVENTION",
    },
    "expiry": {
        1: "REJECTED", 2: "EXCHANGE_CANCELED", 3: "OCO_TRIGGER", 4: "OTO_PHASE_ONE_EXPIRED",
        5: "UNFILLED_IOC_QUANTITY_EXPIRED", 6: "UNFILLED_FOK_ORDER_EXPIRED",
        7: "INSUFFICIENT_LIQUIDITY", 8: "EXECUTION_RULE_PRICE_RANGE_EXCEEDED",
    },
    "limit": {0: "RAW_REQUESTS", 1: "CONNECTIONS", 2: "REQUEST_WEIGHT", 3: "ORDERS"},
    "interval": {0: "SECOND", 1: "MINUTE", 2: "HOUR", 3: "DAY"},
}  # fmt: skip

_PEG = "pegPriceType:u? pegOffsetType:u? pegOffsetValue:u? peggedPrice:p?"
_TRADED = "price:p origQty:s executedQty:s cummulativeQuoteQty:p status:status timeInForce:tif"
_FILL = Layout(
    "commissionExponent:x matchType:u price:p qty:s commission:c tradeId:q? allocId:q?",
    data="commissionAsset:B",
)
_PREVENTED = Layout(
    "preventedMatchId:q makerOrderId:q? price:p? takerPreventedQuantity:s? "
    "makerPreventedQuantity:s?",
    data="makerSymbol:B",
)
_PLACED = (
    f"priceExponent:x qtyExponent:x orderId:q orderListId:q? transactTime:q {_TRADED} type:type "
    "side:side stopPrice:p? trailingDelta:q? trailingTime:q? workingTime:q? icebergQty:s? "
    "strategyId:q? strategyType:i? orderCapacity:u workingFloor:u stpMode:u tradeGroupId:q? "
    f"preventedQuantity:s usedSor:b origQuoteOrderQty:p {_PEG} expiryReason:expiry?"
)
_ASKED = Layout(
    f"priceExponent:x qtyExponent:x orderId:q orderListId:q? {_TRADED} type:type side:side "
    "stopPrice:p? trailingDelta:q? trailingTime:q? icebergQty:s? time:q updateTime:q isWorking:b "
    "workingTime:q? origQuoteOrderQty:p strategyId:q? strategyType:i? orderCapacity:u "
    f"workingFloor:u stpMode:u preventedMatchId:q? preventedQuantity:p usedSor:b {_PEG} "
    "expiryReason:expiry?",
    data="symbol:B clientOrderId:B",
)
_CANCELLED = Layout(
    f"priceExponent:x qtyExponent:x orderId:q orderListId:q? transactTime:q {_TRADED} type:type "
    "side:side stopPrice:p? trailingDelta:q? trailingTime:q? icebergQty:s? strategyId:q? "
    "strategyType:i? orderCapacity:u workingFloor:u stpMode:u preventedQuantity:s usedSor:b "
    f"origQuoteOrderQty:p {_PEG}",
    data="symbol:B origClientOrderId:B clientOrderId:B",
)
_TRADE = Layout(
    "priceExponent:x qtyExponent:x commissionExponent:x id:q orderId:q orderListId:q? price:p "
    "qty:s quoteQty:p commission:c time:q isBuyer:b isMaker:b isBestMatch:b",
    data="symbol:B commissionAsset:B",
)
_HOLDING = Layout("exponent:x free:d locked:d", data="asset:B")
_ACCOUNT = Layout(
    "commissionExponent:x maker:c taker:c buyer:c seller:c canTrade:b canWithdraw:b canDeposit:b "
    "brokered:b requireSelfTradePrevention:b preventSor:b updateTime:q accountType:u "
    "tradeGroupId:q? uid:q",
    (("balances", "I", _HOLDING),),
)

ANSWER = 50
_LIMIT = Layout("rateLimitType:limit interval:interval intervalNum:u limit:q count:q")
ENVELOPE = Layout("deprecated:b status:H", (("rateLimits", "H", _LIMIT),), "id:B result:I")
ERROR = 100
FAULT = Layout("code:h serverTime:q? retryAfter:q?", data="msg:H data:I")
CANCELLED_ALL = 306
RESULTS: Mapping[int, tuple[Layout, str]] = {
    51: (
        Layout(
            "authorizedSince:q connectedSince:q returnRateLimits:b serverTime:q userDataStream:u?"
        ),
        "",
    ),
    102: (Layout("serverTime:q"), ""),
    300: (Layout("orderId:q orderListId:q? transactTime:q", data="symbol:B clientOrderId:B"), ""),
    301: (Layout(_PLACED, data="symbol:B clientOrderId:B"), ""),
    302: (
        Layout(
            _PLACED,
            (("fills", "I", _FILL), ("preventedMatches", "I", _PREVENTED)),
            "symbol:B clientOrderId:B",
        ),
        "",
    ),
    303: (Layout(""), ""),
    304: (_ASKED, ""),
    305: (_CANCELLED, ""),
    CANCELLED_ALL: (Layout("", (("rows", "I", Layout("", data="response:H")),)), "rows"),
    308: (Layout("", (("rows", "I", _ASKED),)), "rows"),
    400: (_ACCOUNT, ""),
    401: (Layout("", (("rows", "I", _TRADE),)), "rows"),
    503: (Layout("subscriptionId:H?"), ""),
}
"""Template → its layout, and the group that is the whole of it where JSON has a list."""

EVENTS: Mapping[int, tuple[str, Layout]] = {
    601: (
        "balanceUpdate",
        Layout("E:q T:q? exponent:x d:d subscriptionId:H?", data="a:B"),
    ),
    602: ("eventStreamTerminated", Layout("E:q subscriptionId:H?")),
    603: (
        "executionReport",
        Layout(
            "E:q T:q priceExponent:x qtyExponent:x commissionExponent:x O:q? W:q? i:q g:q? q:s p:p "
            "Q:p F:s P:p o:type S:side f:tif x:execution X:status t:q? I:q z:s Z:p l:s L:p Y:p n:c "
            "w:b m:b M:b matchType:u stpMode:u orderCapacity:u workingFloor:u usedSor:b allocId:q? "
            "trailingDelta:q? trailingTime:q? tradeGroupId:q? preventedQty:s lastPreventedQty:s? "
            "preventedMatchId:q? preventedExecutionQty:s? preventedExecutionPrice:p? "
            "preventedExecutionQuoteQty:p? strategyType:i? strategyId:q? counterOrderId:q? "
            "subscriptionId:H? pegPriceType:u? pegOffsetType:u? pegOffsetValue:u? peggedPrice:p? "
            "eR:expiry?",
            data="s:B c:B C:B N:B r:B counterSymbol:B",
        ),
    ),
    604: (
        "externalLockUpdate",
        Layout("E:q T:q? exponent:x d:d subscriptionId:H?", data="a:B"),
    ),
    607: (
        "outboundAccountPosition",
        Layout(
            "E:q u:q subscriptionId:H?",
            (("B", "I", Layout("exponent:x f:d l:d", data="a:B")),),
        ),
    ),
    610: ("serverShutdown", Layout("E:q")),
}
"""Template → event type and layout; they come without an envelope."""
