"""The method table of the futures: every request there is, its weight and who may ask (§11).

House rules: as in `binance_api`; weights that the sheet does not give are the venue's published
ones as we know them, and one is as good as another for a simulated address.
"""

from __future__ import annotations

from typing import Any

from pitwire.sim.facades import usdm_account as account
from pitwire.sim.facades import usdm_algo as algo
from pitwire.sim.facades import usdm_batches as batches
from pitwire.sim.facades import usdm_data as data
from pitwire.sim.facades import usdm_income as earned
from pitwire.sim.facades import usdm_info as info
from pitwire.sim.facades import usdm_orders as orders
from pitwire.sim.facades import usdm_queries as queries
from pitwire.sim.facades.binance_call import Method, Table, nothing
from pitwire.sim.facades.binance_data import (
    ping,
    read_aggregates,
    read_historical,
    read_trades,
    time,
)
from pitwire.sim.facades.binance_session import logon, logout, status

_POSITIONS_V2 = Method(read=data.read_one_or_all, run=account.positions_v2, weight=5, auth="user")
_POSITIONS_V3 = Method(read=data.read_one_or_all, run=account.positions_v3, weight=5, auth="user")
_ACCOUNT_V2 = Method(read=nothing, run=account.account_v2, weight=5, auth="user")
_ACCOUNT_V3 = Method(read=nothing, run=account.account_v3, weight=5, auth="user")
_BALANCE = Method(read=nothing, run=account.balance, weight=5, auth="user")
_PRICE = Method(read=data.read_one_or_all, run=data.price, weight=1, weigh=data.weigh_price)

METHODS: Table = {
    "ping": Method(read=nothing, run=ping, weight=1),
    "time": Method(read=nothing, run=time, weight=1),
    "exchangeInfo": Method(read=nothing, run=info.exchange_info, weight=1),
    "fundingInfo": Method(read=nothing, run=info.funding_info, weight=1),
    "depth": Method(read=data.read_depth, run=data.depth, weight=10, weigh=data.weigh_depth),
    "trades": Method(read=read_trades, run=data.trades, weight=5),
    "historicalTrades": Method(read=read_historical, run=data.trades, weight=20),
    "aggTrades": Method(read=read_aggregates, run=data.aggregates, weight=20),
    "klines": Method(read=data.read_bars, run=data.bars, weight=5, weigh=data.weigh_bars),
    "continuousKlines": Method(
        read=data.read_continuous, run=data.bars, weight=5, weigh=data.weigh_bars
    ),
    "premiumIndex": Method(
        read=data.read_one_or_all, run=data.premium, weight=1, weigh=data.weigh_premium
    ),
    "fundingRate": Method(read=data.read_funding, run=data.funding, weight=1),
    "openInterest": Method(read=orders.read_symbol, run=data.open_interest, weight=1),
    "ticker.24hr": Method(read=data.read_one_or_all, run=data.day, weight=1, weigh=data.weigh_day),
    "ticker.price": _PRICE,
    "ticker.book": Method(
        read=data.read_one_or_all, run=data.book, weight=2, weigh=data.weigh_book
    ),
    "order.place": Method(
        read=orders.read_order, run=orders.place, weight=0, auth="trade", orders=True
    ),
    "order.test": Method(read=orders.read_order, run=orders.test, weight=1, auth="trade"),
    "order.modify": Method(
        read=orders.read_modify, run=orders.modify, weight=0, auth="trade", orders=True
    ),
    "order.cancel": Method(read=orders.read_which, run=orders.cancel, weight=1, auth="trade"),
    "order.status": Method(read=orders.read_which, run=queries.query, weight=1, auth="user"),
    "openOrder": Method(read=orders.read_which, run=queries.query_open, weight=1, auth="user"),
    "openOrders": Method(
        read=data.read_one_or_all,
        run=queries.open_orders,
        weight=40,
        weigh=queries.weigh_open,
        auth="user",
    ),
    "allOpenOrders.cancel": Method(
        read=orders.read_symbol, run=orders.cancel_all, weight=1, auth="trade"
    ),
    "allOrders": Method(read=queries.read_history, run=queries.all_orders, weight=5, auth="user"),
    "userTrades": Method(read=queries.read_history, run=queries.own_trades, weight=5, auth="user"),
    "batchOrders.place": Method(
        read=batches.read_batch, run=batches.place_batch, weight=5, auth="trade", orders=True
    ),
    "batchOrders.modify": Method(
        read=batches.read_batch, run=batches.modify_batch, weight=5, auth="trade", orders=True
    ),
    "batchOrders.cancel": Method(
        read=batches.read_cancel_batch, run=batches.cancel_batch, weight=1, auth="trade"
    ),
    "countdownCancelAll": Method(
        read=orders.read_switch, run=orders.set_switch, weight=10, auth="trade"
    ),
    "algoOrder.place": Method(
        read=algo.read_algo, run=algo.place, weight=0, auth="trade", orders=True
    ),
    "algoOrder.cancel": Method(read=algo.read_which, run=algo.cancel, weight=1, auth="trade"),
    "algoOrder.status": Method(read=algo.read_which, run=algo.query, weight=1, auth="user"),
    "openAlgoOrders": Method(read=algo.read_open, run=algo.open_algos, weight=1, auth="user"),
    "allAlgoOrders": Method(read=algo.read_all, run=algo.all_algos, weight=5, auth="user"),
    "algoOpenOrders.cancel": Method(
        read=orders.read_symbol, run=algo.cancel_all, weight=1, auth="trade"
    ),
    "account.status": _ACCOUNT_V2,
    "v2/account.status": _ACCOUNT_V3,
    "account.balance": _BALANCE,
    "v2/account.balance": _BALANCE,
    "account.position": _POSITIONS_V2,
    "v2/account.position": _POSITIONS_V3,
    "leverage": Method(
        read=account.read_leverage, run=account.set_leverage, weight=1, auth="trade"
    ),
    "marginType": Method(
        read=account.read_margin_type, run=account.set_margin_type, weight=1, auth="trade"
    ),
    "positionSide.set": Method(
        read=account.read_dual, run=account.set_dual, weight=1, auth="trade"
    ),
    "positionSide": Method(read=nothing, run=account.dual, weight=30, auth="user"),
    "multiAssetsMargin.set": Method(
        read=account.read_joint, run=account.set_joint, weight=1, auth="trade"
    ),
    "multiAssetsMargin": Method(read=nothing, run=account.multi_assets, weight=30, auth="user"),
    "commissionRate": Method(
        read=orders.read_symbol, run=account.commission, weight=20, auth="user"
    ),
    "leverageBracket": Method(
        read=data.read_one_or_all, run=account.brackets, weight=1, auth="user"
    ),
    "symbolConfig": Method(
        read=data.read_one_or_all, run=account.symbol_config, weight=5, auth="user"
    ),
    "accountConfig": Method(read=nothing, run=account.account_config, weight=5, auth="user"),
    "rateLimit.order": Method(read=nothing, run=account.order_limits, weight=1, auth="user"),
    "income": Method(read=earned.read_income, run=earned.income, weight=30, auth="user"),
    "userDataStream.start": Method(read=nothing, run=account.open_key, weight=1, auth="key"),
    "userDataStream.ping": Method(
        read=account.read_key, run=account.keep_key, weight=1, auth="key"
    ),
    "userDataStream.stop": Method(
        read=account.read_key, run=account.close_key, weight=1, auth="key"
    ),
    "session.logon": Method(read=nothing, run=logon, weight=2, auth="signed"),
    "session.status": Method(read=nothing, run=status, weight=2),
    "session.logout": Method(read=nothing, run=logout, weight=2),
}
ON_SOCKET = frozenset(
    (
        "ping", "time", "depth", "ticker.price", "v2/ticker.price", "ticker.book", "order.place",
        "order.modify", "order.cancel", "order.status", "algoOrder.place", "algoOrder.cancel",
        "account.status", "v2/account.status", "account.balance", "v2/account.balance",
        "account.position", "v2/account.position", "session.logon", "session.status",
        "session.logout", "userDataStream.start", "userDataStream.ping", "userDataStream.stop",
    )
)  # fmt: skip
"""Methods of the WS-API; all others are asked over REST alone."""
ROUTES: dict[tuple[str, str], str] = {
    ("GET", "/v1/ping"): "ping",
    ("GET", "/v1/time"): "time",
    ("GET", "/v1/exchangeInfo"): "exchangeInfo",
    ("GET", "/v1/fundingInfo"): "fundingInfo",
    ("GET", "/v1/depth"): "depth",
    ("GET", "/v1/trades"): "trades",
    ("GET", "/v1/historicalTrades"): "historicalTrades",
    ("GET", "/v1/aggTrades"): "aggTrades",
    ("GET", "/v1/klines"): "klines",
    ("GET", "/v1/continuousKlines"): "continuousKlines",
    ("GET", "/v1/premiumIndex"): "premiumIndex",
    ("GET", "/v1/fundingRate"): "fundingRate",
    ("GET", "/v1/openInterest"): "openInterest",
    ("GET", "/v1/ticker/24hr"): "ticker.24hr",
    ("GET", "/v1/ticker/price"): "ticker.price",
    ("GET", "/v2/ticker/price"): "ticker.price",
    ("GET", "/v1/ticker/bookTicker"): "ticker.book",
    ("POST", "/v1/order"): "order.place",
    ("POST", "/v1/order/test"): "order.test",
    ("PUT", "/v1/order"): "order.modify",
    ("DELETE", "/v1/order"): "order.cancel",
    ("GET", "/v1/order"): "order.status",
    ("GET", "/v1/openOrder"): "openOrder",
    ("GET", "/v1/openOrders"): "openOrders",
    ("DELETE", "/v1/allOpenOrders"): "allOpenOrders.cancel",
    ("GET", "/v1/allOrders"): "allOrders",
    ("GET", "/v1/userTrades"): "userTrades",
    ("POST", "/v1/batchOrders"): "batchOrders.place",
    ("PUT", "/v1/batchOrders"): "batchOrders.modify",
    ("DELETE", "/v1/batchOrders"): "batchOrders.cancel",
    ("POST", "/v1/countdownCancelAll"): "countdownCancelAll",
    ("POST", "/v1/algoOrder"): "algoOrder.place",
    ("DELETE", "/v1/algoOrder"): "algoOrder.cancel",
    ("GET", "/v1/algoOrder"): "algoOrder.status",
    ("GET", "/v1/openAlgoOrders"): "openAlgoOrders",
    ("GET", "/v1/allAlgoOrders"): "allAlgoOrders",
    ("DELETE", "/v1/algoOpenOrders"): "algoOpenOrders.cancel",
    ("GET", "/v2/account"): "account.status",
    ("GET", "/v3/account"): "v2/account.status",
    ("GET", "/v2/balance"): "account.balance",
    ("GET", "/v3/balance"): "v2/account.balance",
    ("GET", "/v2/positionRisk"): "account.position",
    ("GET", "/v3/positionRisk"): "v2/account.position",
    ("POST", "/v1/leverage"): "leverage",
    ("POST", "/v1/marginType"): "marginType",
    ("POST", "/v1/positionSide/dual"): "positionSide.set",
    ("GET", "/v1/positionSide/dual"): "positionSide",
    ("POST", "/v1/multiAssetsMargin"): "multiAssetsMargin.set",
    ("GET", "/v1/multiAssetsMargin"): "multiAssetsMargin",
    ("GET", "/v1/commissionRate"): "commissionRate",
    ("GET", "/v1/leverageBracket"): "leverageBracket",
    ("GET", "/v1/symbolConfig"): "symbolConfig",
    ("GET", "/v1/accountConfig"): "accountConfig",
    ("GET", "/v1/rateLimit/order"): "rateLimit.order",
    ("GET", "/v1/income"): "income",
    ("POST", "/v1/listenKey"): "userDataStream.start",
    ("PUT", "/v1/listenKey"): "userDataStream.ping",
    ("DELETE", "/v1/listenKey"): "userDataStream.stop",
}
KINDS = {
    "order.place": "place",
    "order.cancel": "cancel",
    "allOpenOrders.cancel": "cancel",
    "order.modify": "amend",
    "order.status": "query status",
    "openOrders": "query open_orders",
    "allOrders": "query",
    "userTrades": "query fills",
    "account.status": "query account",
    "v2/account.status": "query account",
    "depth": "snapshot",
    "session.logon": "logon",
    "exchangeInfo": "info",
}
"""Method → what a fault script calls it."""


def method(name: str, *, listen_keys: bool = True) -> Method[Any] | None:
    """The row of a WS-API method."""
    if name not in ON_SOCKET or not listen_keys:
        return None
    return _PRICE if name == "v2/ticker.price" else METHODS[name]
