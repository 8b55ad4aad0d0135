"""Every door of the simulated futures against what nobody should say."""

from __future__ import annotations

from decimal import Decimal

from fuzz import doors
from pitwire.sim.facades.usdm_api import METHODS, ON_SOCKET, ROUTES
from pitwire.sim.facades.usdm_options import UsdmOptions
from pitwire.sim.world import USDM, World

_PLENTY = UsdmOptions(
    weight_per_minute=10**9,
    messages_per_second=10**9,
    orders_per_10_seconds=10**9,
    orders_per_minute=10**9,
    connections_per_5_minutes=10**9,
)
_PRICES = ("60000", "59000.1", "61000", "0.1")
_IDS, _NAMES = (1, 2, 3, 5), ("mine", "a-1", "b_2")

_LIMIT = "symbol side type=LIMIT timeInForce=GTC price quantity"
_ORDERS = (
    _LIMIT,
    f"{_LIMIT} positionSide newClientOrderId",
    f"{_LIMIT} reduceOnly newOrderRespType",
    "symbol side type=LIMIT timeInForce=GTD price quantity goodTillDate",
    "symbol side type=LIMIT timeInForce=GTC quantity priceMatch",
    "symbol side type=MARKET quantity",
)

DOORS = doors.Doors(
    make=lambda seed: World(
        seed=seed,
        venue=USDM,
        scenario=None,
        options=_PLENTY,
        accounts={name: {"USDT": Decimal(1_000_000)} for name in ("main", "other")},
    ),
    methods=[*sorted(ON_SOCKET), *("order.place", "order.modify", "order.cancel") * 6],
    routes={(verb, f"/fapi{path}"): method for (verb, path), method in ROUTES.items()},
    signed=frozenset(name for name, row in METHODS.items() if row.auth != "none"),
    recipes={
        "order.place": _ORDERS,
        "order.test": _ORDERS,
        "order.modify": ("symbol orderId side quantity price",),
        "order.cancel": ("symbol orderId", "symbol origClientOrderId"),
        "order.status": ("symbol orderId",),
        "algoOrder.place": (
            "algoType symbol side type=STOP_MARKET quantity triggerPrice workingType",
            "algoType symbol side type=TRAILING_STOP_MARKET quantity callbackRate",
            "algoType symbol side type=STOP_MARKET triggerPrice closePosition=true",
        ),
        "algoOrder.cancel": ("algoId", "clientAlgoId"),
        "leverage": ("symbol leverage",),
        "marginType": ("symbol marginType",),
        "positionSide.set": ("dualSidePosition",),
        "countdownCancelAll": ("symbol countdownTime",),
        "batchOrders": ("batchOrders",),
        "depth": ("symbol limit",),
        "klines": ("symbol interval limit",),
    },
    parameters={
        "symbol": ("BTCUSDT", "ETHUSDT"),
        "pair": ("BTCUSDT",),
        "contractType": ("PERPETUAL",),
        "side": ("BUY", "SELL"),
        "type": ("LIMIT", "MARKET", "STOP", "STOP_MARKET", "TRAILING_STOP_MARKET"),
        "algoType": ("CONDITIONAL",),
        "timeInForce": ("GTC", "IOC", "FOK", "GTX", "GTD"),
        "price": _PRICES,
        "triggerPrice": _PRICES,
        "activatePrice": _PRICES,
        "callbackRate": ("1", "0.1"),
        "quantity": ("0.01", "1", "20"),
        "positionSide": ("BOTH", "LONG", "SHORT"),
        "reduceOnly": ("true", "false"),
        "closePosition": ("true", "false"),
        "priceProtect": ("true", "false"),
        "workingType": ("MARK_PRICE", "CONTRACT_PRICE"),
        "priceMatch": ("OPPONENT", "QUEUE_5", "NONE"),
        "newClientOrderId": _NAMES,
        "clientAlgoId": _NAMES,
        "newOrderRespType": ("ACK", "RESULT"),
        "selfTradePreventionMode": ("EXPIRE_MAKER", "EXPIRE_BOTH"),
        "goodTillDate": (2_000_000_000_000,),
        "orderId": _IDS,
        "algoId": _IDS,
        "modifyId": _IDS,
        "origClientOrderId": _NAMES,
        "orderIdList": ("[1,2]",),
        "batchOrders": ('[{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"0.01"}]',),
        "leverage": (1, 20, 125),
        "marginType": ("ISOLATED", "CROSSED"),
        "dualSidePosition": ("true", "false"),
        "countdownTime": (0, 1, 100_000),
        "limit": (5, 100, 1000),
        "fromId": _IDS,
        "interval": ("1m", "1M"),
        "startTime": (1_700_000_000_000,),
        "endTime": (1_700_000_001_000,),
        "incomeType": ("COMMISSION", "FUNDING_FEE"),
        "recvWindow": (5000,),
        "listenKey": ("x" * 64,),
    },
    paths=("/public/ws", "/market/stream", "/private/ws", "/ws", "/market/ws/btcusdt@markPrice"),
    streams=(
        "btcusdt@aggTrade", "btcusdt@depth@100ms", "btcusdt@markPrice@1s", "!markPrice@arr",
        "btcusdt@bookTicker", "!forceOrder@arr", "btcusdt@kline_1m", "nosuch@depth5",
    ),
)  # fmt: skip


def run(seconds: float, seed: int, *, most: int = 1 << 62) -> int:
    """Say spoilt things for so long, or so many; returns how many. Raises at the first fault."""
    return doors.run(DOORS, seconds, seed, most=most)
