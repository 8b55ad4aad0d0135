"""Every door of the simulated Binance against what nobody should say."""

from __future__ import annotations

from fuzz import doors
from pitwire.sim.facades.binance_api import METHODS, ROUTES
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.world import BALANCES, World

_PLENTY = BinanceOptions(
    weight_per_minute=10**9,
    messages_per_second=10**9,
    orders_per_10_seconds=10**9,
    connections_per_5_minutes=10**9,
)
_PRICES = ("60000", "59000.01", "61000", "0.01", "30000")
_SIZES = ("0.01", "1", "0.00001", "9", "0.002")
_KINDS = ("LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
          "TAKE_PROFIT_LIMIT")  # fmt: skip
_SIDES, _TIFS = ("BUY", "SELL"), ("GTC", "IOC", "FOK")
_IDS, _NAMES = (1, 2, 3, 5, 9), ("mine", "a-1", "b_2")


_LIMIT = "symbol side type=LIMIT timeInForce price quantity"
_ORDERS = (
    _LIMIT,
    f"{_LIMIT} newClientOrderId newOrderRespType",
    f"{_LIMIT} icebergQty selfTradePreventionMode",
    "symbol side type=LIMIT_MAKER price quantity",
    "symbol side type=MARKET quantity",
    "symbol side type=MARKET quoteOrderQty",
    "symbol side type=STOP_LOSS quantity stopPrice",
    "symbol side type=TAKE_PROFIT quantity trailingDelta",
    "symbol side type=STOP_LOSS_LIMIT timeInForce price quantity stopPrice",
)
_TRADING = ("order.place", "order.cancel", "order.cancelReplace", "order.amend.keepPriority")
_TAKE_NOTHING = (
    "ping", "time", "account.status", "openOrderLists.status", "account.rateLimits.orders",
    "session.logon", "session.status", "session.subscriptions",
    "userDataStream.subscribe.signature",
)  # fmt: skip


def _legs() -> dict[str, tuple[object, ...]]:
    """The parameters of lists, whose names have a prefix."""
    found: dict[str, tuple[object, ...]] = {}
    for leg in ("above", "below", "working", "pending", "pendingAbove", "pendingBelow"):
        found |= {
            f"{leg}Type": _KINDS,
            f"{leg}Price": _PRICES,
            f"{leg}StopPrice": _PRICES,
            f"{leg}TimeInForce": _TIFS,
            f"{leg}Quantity": _SIZES,
            f"{leg}Side": _SIDES,
        }
    return found


DOORS = doors.Doors(
    make=lambda seed: World(
        seed=seed,
        scenario=None,
        options=_PLENTY,
        accounts={"main": BALANCES, "other": BALANCES},
        listen_keys=seed % 2 == 0,
    ),
    methods=[*sorted(METHODS), *_TRADING * 6],
    routes={(verb, f"/api/v3{path}"): method for (verb, path), method in ROUTES.items()}
    | {("POST", "/api/v3/userDataStream"): ""},
    signed=frozenset(name for name, row in METHODS.items() if row.auth != "none"),
    recipes={
        "order.place": _ORDERS,
        "order.test": [f"{order} computeCommissionRates" for order in _ORDERS],
        "order.cancel": ("symbol orderId", "symbol origClientOrderId newClientOrderId"),
        "order.cancelReplace": [f"{order} cancelReplaceMode cancelOrderId" for order in _ORDERS],
        "order.amend.keepPriority": ("symbol orderId newQty",),
        "openOrders.cancelAll": ("symbol",),
        "orderList.place.oco": (
            "symbol side=SELL quantity aboveType=LIMIT_MAKER abovePrice=61000 "
            "belowType=STOP_LOSS belowStopPrice=59000.01",
            "symbol side=BUY quantity aboveType=STOP_LOSS_LIMIT abovePrice aboveStopPrice=61000 "
            "aboveTimeInForce belowType=LIMIT_MAKER belowPrice=59000.01",
        ),
        "orderList.place.oto": (
            "symbol workingType=LIMIT workingSide workingPrice workingQuantity workingTimeInForce "
            "pendingType=MARKET pendingSide pendingQuantity",
        ),
        "orderList.place.otoco": (
            "symbol workingType=LIMIT workingSide=BUY workingPrice workingQuantity "
            "workingTimeInForce pendingSide=SELL pendingQuantity pendingAboveType=LIMIT_MAKER "
            "pendingAbovePrice=61000 pendingBelowType=STOP_LOSS pendingBelowStopPrice=59000.01",
        ),
        "orderList.cancel": ("symbol orderListId",),
        "orderList.status": ("orderListId", "origClientOrderId"),
        "order.status": ("symbol orderId", "symbol origClientOrderId"),
        "myTrades": ("symbol limit", "symbol orderId", "symbol fromId"),
        "allOrders": ("symbol limit startTime",),
        "myPreventedMatches": ("symbol orderId",),
        "order.amendments": ("symbol orderId",),
        "depth": ("symbol limit",),
        "klines": ("symbol interval limit", "symbol interval startTime endTime timeZone"),
        "trades.aggregate": ("symbol fromId", "symbol startTime endTime"),
        "ticker": ("symbols windowSize", "symbol windowSize"),
        "ticker.24hr": ("symbol", "symbols", ""),
        "exchangeInfo": ("symbol", "permissions", "symbolStatus"),
        "userDataStream.unsubscribe": ("subscriptionId", ""),
        **dict.fromkeys(_TAKE_NOTHING, ("",)),
    },
    parameters={
        "symbol": ("BTCUSDT", "BTCUSDT", "BTCUSDT", "ETHUSDT"),
        "symbols": (["BTCUSDT"], '["BTCUSDT","ETHUSDT"]'),
        "side": _SIDES,
        "type": _KINDS,
        "timeInForce": _TIFS,
        "price": _PRICES,
        "stopPrice": _PRICES,
        "quantity": _SIZES,
        "quoteOrderQty": ("10", "1000"),
        "icebergQty": ("0.001", "0.5"),
        "trailingDelta": (10, 100, 2001),
        "newClientOrderId": _NAMES,
        "newOrderRespType": ("ACK", "RESULT", "FULL"),
        "selfTradePreventionMode": ("NONE", "EXPIRE_BOTH", "DECREMENT", "TRANSFER"),
        "orderId": _IDS,
        "orderListId": _IDS,
        "origClientOrderId": _NAMES,
        "listClientOrderId": _NAMES,
        "cancelOrderId": _IDS,
        "cancelReplaceMode": ("STOP_ON_FAILURE", "ALLOW_FAILURE"),
        "cancelRestrictions": ("ONLY_NEW", "ONLY_PARTIALLY_FILLED"),
        "newQty": _SIZES,
        "limit": (1, 5, 5000),
        "fromId": _IDS,
        "interval": ("1s", "1m", "1M"),
        "startTime": (1_700_000_000_000, 1_700_000_000_000_000),
        "endTime": (1_700_000_001_000,),
        "timeZone": ("8", "-1:00"),
        "windowSize": ("1m", "1h", "7d"),
        "recvWindow": (5000, "0.5", 60_000),
        "subscriptionId": (0, 1),
        "returnRateLimits": (True, False),
        "permissions": ("SPOT", ["SPOT"]),
        "symbolStatus": ("TRADING", "HALT"),
        "computeCommissionRates": (True,),
        "pegPriceType": ("PRIMARY_PEG",),
        "listenKey": ("x" * 64,),
    }
    | _legs(),
    paths=("/ws", "/stream", "/ws/btcusdt@trade", "/stream?streams=btcusdt@depth/ethusdt@ticker"),
    streams=(
        "btcusdt@trade", "btcusdt@depth@100ms", "ethusdt@kline_1m", "!miniTicker@arr",
        "btcusdt@depth5", "btcusdt@referencePrice", "nosuch@trade", "btcusdt@ticker_1h",
        "btcusdt@kline_1d@+08:00",
    ),
)  # fmt: skip


def run(seconds: float, seed: int, *, most: int = 1 << 62) -> int:
    """Say spoilt things for so long, or so many; returns how many. Raises at the first fault."""
    return doors.run(DOORS, seconds, seed, most=most)
