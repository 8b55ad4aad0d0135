"""Which bytes the answers and events of the WS-API are in SBE, schema 3:5 (binance §10.3).

House rules: written by hand against the schema, a line a field in the order of the wire: its name
in JSON, its kind with `?` where it may be nothing, and last what stands for nothing in JSON, or
after `=` what is meant where JSON is silent. Kinds: `exp` an exponent (`feeexp`: 0 without a
commission), `dec` a mantissa, `i64 i32 u64 u16 u8` numbers, `bool`, or an enumeration's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

ENUMS: Mapping[str, Mapping[str, int]] = {
    "side": {"BUY": 0, "SELL": 1},
    "tif": {"GTC": 0, "IOC": 1, "FOK": 2},
    "type": {
        "MARKET": 0, "LIMIT": 1, "STOP_LOSS": 2, "STOP_LOSS_LIMIT": 3, "TAKE_PROFIT": 4,
        "TAKE_PROFIT_LIMIT": 5, "LIMIT_MAKER": 6,
    },
    "status": {
        "NEW": 0, "PARTIALLY_FILLED": 1, "FILLED": 2, "CANCELED": 3, "PENDING_CANCEL": 4,
        "REJECTED": 5, "EXPIRED": 6, "EXPIRED_IN_MATCH": 9, "PENDING_NEW": 11,
    },
    "execution": {
        "NEW": 0, "CANCELED": 1, "REPLACED": 2, "REJECTED": 3, "TRADE": 4, "EXPIRED": 5,
        "TRADE_PREVENTION": 8,
    },
    "stp": {
        "NONE": 1, "EXPIRE_TAKER": 2, "EXPIRE_MAKER": 3, "EXPIRE_BOTH": 4, "DECREMENT": 5,
        "TRANSFER": 6,
    },
    "expiry": {
        "REJECTED": 1, "EXCHANGE_CANCELED": 2, "OCO_TRIGGER": 3, "OTO_PHASE_ONE_EXPIRED": 4,
        "UNFILLED_IOC_QUANTITY_EXPIRED": 5, "UNFILLED_FOK_ORDER_EXPIRED": 6,
        "INSUFFICIENT_LIQUIDITY": 7, "EXECUTION_RULE_PRICE_RANGE_EXCEEDED": 8,
    },
    "limit": {"RAW_REQUESTS": 0, "CONNECTIONS": 1, "REQUEST_WEIGHT": 2, "ORDERS": 3},
    "interval": {"SECOND": 0, "MINUTE": 1, "HOUR": 2, "DAY": 3},
    "account": {"SPOT": 0},
    "contingency": {"OCO": 1, "OTO": 2},
    "listStep": {"RESPONSE": 0, "EXEC_STARTED": 1, "ALL_DONE": 2, "UPDATED": 3},
    "listStatus": {"CANCELING": 0, "EXECUTING": 1, "ALL_DONE": 2, "REJECT": 3},
}  # fmt: skip


class Layout(msgspec.Struct, frozen=True):
    """A message, or an entry of a group."""

    fields: str
    groups: tuple[tuple[str, Layout], ...] = ()
    """JSON name ("" for the whole answer) → the layout of an entry."""
    texts: str = ""
    """JSON names of the texts at the end; `:16` for those with a length of two bytes."""
    small: tuple[str, ...] = ()
    """Groups whose number of entries takes two bytes."""


LEVEL = Layout("price dec\n qty dec")
_MORE = """
    pegPriceType u8?
    pegOffsetType u8?
    pegOffsetValue u8?
    peggedPrice dec?
"""
_SIZES = """
    price dec
    origQty dec
    executedQty dec
    cummulativeQuoteQty dec
    status status
    timeInForce tif
    type type
    side side
    stopPrice dec?
    trailingDelta i64?
    trailingTime i64? -1
"""
_PLACED = f"""
    priceExponent exp
    qtyExponent exp
    orderId i64
    orderListId i64? -1
    transactTime i64
    {_SIZES}
    workingTime i64? -1
    icebergQty dec?
    strategyId i64?
    strategyType i32?
    orderCapacity u8 =1
    workingFloor u8 =1
    selfTradePreventionMode stp
    tradeGroupId i64?
    preventedQuantity dec =0
    usedSor bool =false
    origQuoteOrderQty dec
    {_MORE}
    expiryReason expiry?
"""
_QUERIED = f"""
    priceExponent exp
    qtyExponent exp
    orderId i64
    orderListId i64? -1
    {_SIZES}
    icebergQty dec?
    time i64
    updateTime i64
    isWorking bool
    workingTime i64? -1
    origQuoteOrderQty dec
    strategyId i64?
    strategyType i32?
    orderCapacity u8 =1
    workingFloor u8 =1
    selfTradePreventionMode stp
    preventedMatchId i64?
    preventedQuantity dec =0
    usedSor bool =false
    {_MORE}
    expiryReason expiry?
"""
_FILL = Layout(
    """
    commissionExponent exp
    matchType u8 =1
    price dec
    qty dec
    commission dec
    tradeId i64?
    allocId i64?
    """,
    texts="commissionAsset",
)
_MATCH = Layout(
    """
    preventedMatchId i64
    makerOrderId i64?
    price dec?
    takerPreventedQuantity dec?
    makerPreventedQuantity dec?
    """,
    texts="makerSymbol",
)
_SESSION = """
    authorizedSince i64?
    connectedSince i64
    returnRateLimits bool
    serverTime i64
    userDataStream bool?
"""
_NAMES = "symbol clientOrderId"
_BOOK_TICKER = """
    priceExponent exp
    qtyExponent exp
    bidPrice dec? 0
    bidQty dec
    askPrice dec? 0
    askQty dec
"""
_PRICE = "priceExponent exp\n price dec? 0"
LIMITS = Layout(
    """
    rateLimitType limit
    interval interval
    intervalNum u8
    limit i64
    count i64
    """
)

LAYOUTS: Mapping[int, Layout] = MappingProxyType(
    {
        51: Layout(_SESSION, texts="apiKey:16"),
        52: Layout(_SESSION, texts="apiKey:16"),
        53: Layout(_SESSION, texts="apiKey:16"),
        101: Layout(""),
        102: Layout("serverTime i64"),
        200: Layout(
            "lastUpdateId i64\n priceExponent exp\n qtyExponent exp",
            (("bids", LEVEL), ("asks", LEVEL)),
        ),
        209: Layout(_PRICE, texts="symbol"),
        210: Layout("", (("", Layout(_PRICE, texts="symbol")),)),
        211: Layout(_BOOK_TICKER, texts="symbol"),
        212: Layout("", (("", Layout(_BOOK_TICKER, texts="symbol")),)),
        300: Layout("orderId i64\n orderListId i64? -1\n transactTime i64", texts=_NAMES),
        301: Layout(_PLACED, texts=_NAMES),
        302: Layout(_PLACED, (("fills", _FILL), ("preventedMatches", _MATCH)), _NAMES),
        303: Layout(""),
        304: Layout(_QUERIED, texts=_NAMES),
        305: Layout(
            f"""
            priceExponent exp
            qtyExponent exp
            orderId i64
            orderListId i64? -1
            transactTime i64
            {_SIZES}
            icebergQty dec?
            strategyId i64?
            strategyType i32?
            orderCapacity u8 =1
            workingFloor u8 =1
            selfTradePreventionMode stp
            preventedQuantity dec =0
            usedSor bool =false
            origQuoteOrderQty dec
            {_MORE}
            """,
            texts="symbol origClientOrderId clientOrderId",
        ),
        308: Layout("", (("", Layout(_QUERIED, texts=_NAMES)),)),
        400: Layout(
            """
            commissionExponent exp
            commissionRates.maker dec
            commissionRates.taker dec
            commissionRates.buyer dec
            commissionRates.seller dec
            canTrade bool
            canWithdraw bool
            canDeposit bool
            brokered bool
            requireSelfTradePrevention bool
            preventSor bool
            updateTime i64
            accountType account
            tradeGroupId i64?
            uid i64
            """,
            (
                ("balances", Layout("exponent exp\n free dec\n locked dec", texts="asset")),
                ("permissions", Layout("", texts=".")),
                ("reduceOnlyAssets", Layout("", texts=".")),
            ),
        ),
        401: Layout(
            "",
            (
                (
                    "",
                    Layout(
                        """
                        priceExponent exp
                        qtyExponent exp
                        commissionExponent exp
                        id i64
                        orderId i64
                        orderListId i64? -1
                        price dec
                        qty dec
                        quoteQty dec
                        commission dec
                        time i64
                        isBuyer bool
                        isMaker bool
                        isBestMatch bool
                        """,
                        texts="symbol commissionAsset",
                    ),
                ),
            ),
        ),
        503: Layout("subscriptionId u16?"),
        504: Layout(""),
        601: Layout("E i64\n T i64?\n qtyExponent exp\n d dec\n subscriptionId u16?", texts="a"),
        602: Layout("E i64\n subscriptionId u16?"),
        603: Layout(
            """
            E i64
            T i64
            priceExponent exp
            qtyExponent exp
            commissionExponent feeexp
            O i64? -1
            W i64?
            i i64
            g i64? -1
            q dec
            p dec
            Q dec
            F dec
            P dec
            o type
            S side
            f tif
            x execution
            X status
            t i64? -1
            I i64
            z dec
            Z dec
            l dec
            L dec
            Y dec
            n dec
            w bool
            m bool
            M bool
            b u8 =1
            V stp
            y u8 =1
            k u8 =1
            uS bool =false
            a i64?
            d u64?
            D i64?
            u i64?
            A dec =0
            B dec?
            v i64?
            pl dec?
            pL dec?
            pY dec?
            J i32?
            j i64?
            U i64?
            subscriptionId u16?
            gP u8?
            gOT u8?
            gOV u8?
            gp dec?
            eR expiry?
            """,
            texts="s c C N r:NONE Cs",
        ),
        606: Layout(
            """
            E i64
            T i64
            g i64
            c contingency
            l listStep
            L listStatus
            subscriptionId u16?
            """,
            (("O", Layout("i i64", texts="s c")),),
            "s C r:NONE",
            ("O",),
        ),
        607: Layout(
            "E i64\n u i64\n subscriptionId u16?",
            (("B", Layout("exponent exp\n f dec\n l dec", texts="a")),),
        ),
        610: Layout("E i64"),
    }
)

TEMPLATES: Mapping[str, int] = {
    "ping": 101,
    "time": 102,
    "depth": 200,
    "order.test": 303,
    "order.status": 304,
    "order.cancel": 305,
    "openOrders.status": 308,
    "allOrders": 308,
    "account.status": 400,
    "myTrades": 401,
    "session.logon": 51,
    "session.status": 52,
    "session.logout": 53,
    "userDataStream.subscribe": 503,
    "userDataStream.subscribe.signature": 503,
    "userDataStream.unsubscribe": 504,
}
"""Method → the template of its result, where the method alone says it."""
EVENTS: Mapping[str, int] = {
    "balanceUpdate": 601,
    "eventStreamTerminated": 602,
    "executionReport": 603,
    "listStatus": 606,
    "outboundAccountPosition": 607,
    "serverShutdown": 610,
}
