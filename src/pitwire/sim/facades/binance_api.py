"""The method table: every request there is, its weight and who may ask (binance §5.7).

House rules: a WS method and its REST twin are one row; a REST route is only a name for a row.
"""

from __future__ import annotations

from typing import Any

from pitwire.sim.facades import binance_data as data
from pitwire.sim.facades import binance_info as info
from pitwire.sim.facades import binance_lists as lists
from pitwire.sim.facades import binance_orders as orders
from pitwire.sim.facades import binance_queries as queries
from pitwire.sim.facades import binance_records as records
from pitwire.sim.facades import binance_replace as changes
from pitwire.sim.facades import binance_session as session
from pitwire.sim.facades import binance_tickers as tickers
from pitwire.sim.facades.binance_call import Method, Table, nothing

METHODS: Table = {
    "ping": Method(read=nothing, run=data.ping, weight=1),
    "time": Method(read=nothing, run=data.time, weight=1),
    "exchangeInfo": Method(read=info.read_info, run=info.exchange_info, weight=20),
    "depth": Method(read=data.read_depth, run=data.depth, weight=5, weigh=data.weigh_depth),
    "trades.recent": Method(read=data.read_trades, run=data.trades, weight=25),
    "trades.historical": Method(read=data.read_historical, run=data.trades, weight=25),
    "trades.aggregate": Method(read=data.read_aggregates, run=data.aggregates, weight=4),
    "klines": Method(read=data.read_klines, run=data.klines, weight=2),
    "uiKlines": Method(read=data.read_klines, run=data.klines, weight=2),
    "avgPrice": Method(read=orders.read_symbol, run=data.average, weight=2),
    "ticker.24hr": Method(
        read=tickers.read_ticker, run=tickers.day, weight=2, weigh=tickers.weigh_day
    ),
    "ticker.tradingDay": Method(
        read=tickers.read_trading_day,
        run=tickers.trading_day,
        weight=4,
        weigh=tickers.weigh_rolling,
    ),
    "ticker": Method(
        read=tickers.read_rolling, run=tickers.rolling, weight=4, weigh=tickers.weigh_rolling
    ),
    "ticker.price": Method(
        read=tickers.read_symbols, run=tickers.price, weight=2, weigh=tickers.weigh_price
    ),
    "ticker.book": Method(
        read=tickers.read_symbols, run=tickers.book, weight=2, weigh=tickers.weigh_price
    ),
    "executionRules": Method(
        read=info.read_rules, run=info.execution_rules, weight=40, weigh=info.weigh_rules
    ),
    "referencePrice": Method(read=orders.read_symbol, run=records.reference, weight=2),
    "referencePrice.calculation": Method(
        read=orders.read_symbol, run=records.calculation, weight=2
    ),
    "blockTrades.historical": Method(
        read=data.read_historical, run=records.block_trades, weight=25
    ),
    "order.place": Method(
        read=orders.read_order, run=orders.place, weight=1, auth="trade", free=True, orders=True
    ),
    "order.test": Method(
        read=orders.read_test,
        run=orders.test,
        weight=1,
        weigh=lambda ask: 20 if ask.rates else 1,
        auth="trade",
    ),
    "sor.order.place": Method(read=records.read_sor, run=records.no_router, weight=1, auth="trade"),
    "sor.order.test": Method(read=records.read_sor, run=records.no_router, weight=1, auth="trade"),
    "order.cancel": Method(
        read=changes.read_cancel, run=changes.cancel, weight=1, auth="trade", free=True
    ),
    "order.cancelReplace": Method(
        read=changes.read_replace,
        run=changes.replace,
        weight=1,
        auth="trade",
        free=True,
        orders=True,
    ),
    "order.amend.keepPriority": Method(
        read=changes.read_amend, run=changes.amend, weight=changes.AMEND_WEIGHT, auth="trade"
    ),
    "openOrders.cancelAll": Method(
        read=orders.read_symbol, run=changes.cancel_all, weight=1, auth="trade", free=True
    ),
    "orderList.place": Method(
        read=lists.read_old_oco, run=lists.place, weight=1, auth="trade", free=True, orders=True
    ),
    "orderList.place.oco": Method(
        read=lists.read_oco, run=lists.place, weight=1, auth="trade", free=True, orders=True
    ),
    "orderList.place.oto": Method(
        read=lists.read_oto, run=lists.place, weight=1, auth="trade", free=True, orders=True
    ),
    "orderList.place.otoco": Method(
        read=lists.read_otoco, run=lists.place, weight=1, auth="trade", free=True, orders=True
    ),
    "orderList.place.opo": Method(read=lists.read_opo, run=lists.opo, weight=1, auth="trade"),
    "orderList.place.opoco": Method(read=lists.read_opo, run=lists.opo, weight=1, auth="trade"),
    "orderList.cancel": Method(
        read=lists.read_cancel, run=lists.cancel, weight=1, auth="trade", free=True
    ),
    "orderList.status": Method(read=lists.read_status, run=lists.status, weight=4, auth="user"),
    "openOrderLists.status": Method(read=nothing, run=lists.open_lists, weight=6, auth="user"),
    "allOrderLists": Method(read=lists.read_all, run=lists.all_lists, weight=20, auth="user"),
    "account.status": Method(
        read=queries.read_account, run=queries.account, weight=20, auth="user"
    ),
    "order.status": Method(read=queries.read_status, run=queries.status, weight=4, auth="user"),
    "openOrders.status": Method(
        read=queries.read_open,
        run=queries.open_orders,
        weight=80,
        weigh=queries.weigh_open,
        auth="user",
    ),
    "allOrders": Method(read=queries.read_all, run=queries.all_orders, weight=20, auth="user"),
    "myTrades": Method(
        read=queries.read_my_trades,
        run=queries.my_trades,
        weight=20,
        weigh=queries.weigh_my_trades,
        auth="user",
    ),
    "myPreventedMatches": Method(
        read=records.read_matches,
        run=records.matches,
        weight=20,
        weigh=records.weigh_matches,
        auth="user",
    ),
    "myAllocations": Method(
        read=records.read_allocations, run=records.none_yet, weight=20, auth="user"
    ),
    "order.amendments": Method(
        read=records.read_amendments, run=records.amendments, weight=4, auth="user"
    ),
    "myFilters": Method(read=orders.read_symbol, run=info.my_filters, weight=40, auth="user"),
    "account.rateLimits.orders": Method(
        read=nothing, run=queries.order_limits, weight=40, auth="user"
    ),
    "account.commission": Method(
        read=orders.read_symbol, run=queries.commission, weight=20, auth="user"
    ),
    "session.logon": Method(read=nothing, run=session.logon, weight=2, auth="signed"),
    "session.status": Method(read=nothing, run=session.status, weight=2),
    "session.logout": Method(read=nothing, run=session.logout, weight=2),
    "session.subscriptions": Method(read=nothing, run=session.subscriptions, weight=2),
    "userDataStream.subscribe": Method(read=nothing, run=session.subscribe, weight=2),
    "userDataStream.subscribe.signature": Method(
        read=nothing, run=session.subscribe_signed, weight=2, auth="signed"
    ),
    "userDataStream.unsubscribe": Method(
        read=session.read_unsubscribe, run=session.unsubscribe, weight=2
    ),
}

LISTEN_KEY_METHODS: Table = {
    "userDataStream.start": Method(read=nothing, run=session.open_listen_key, weight=2, auth="key"),
    "userDataStream.ping": Method(
        read=session.read_listen_key, run=session.keep_listen_key, weight=2, auth="key"
    ),
    "userDataStream.stop": Method(
        read=session.read_listen_key, run=session.close_listen_key, weight=2, auth="key"
    ),
}
"""What was removed on 2026-02-20 and can be brought back for old clients."""

RESTRICTIONS = Method(read=queries.read_nothing, run=queries.restrictions, weight=1, auth="user")
"""Of the wallet's API, which has its own root and no socket: what a key may do."""
RESTRICTIONS_PATH = "/sapi/v1/account/apiRestrictions"
ROUTES: dict[tuple[str, str], str] = {
    ("GET", "/ping"): "ping",
    ("GET", "/time"): "time",
    ("GET", "/exchangeInfo"): "exchangeInfo",
    ("GET", "/depth"): "depth",
    ("GET", "/trades"): "trades.recent",
    ("GET", "/historicalTrades"): "trades.historical",
    ("GET", "/historicalBlockTrades"): "blockTrades.historical",
    ("GET", "/executionRules"): "executionRules",
    ("GET", "/referencePrice"): "referencePrice",
    ("GET", "/referencePrice/calculation"): "referencePrice.calculation",
    ("GET", "/aggTrades"): "trades.aggregate",
    ("GET", "/klines"): "klines",
    ("GET", "/uiKlines"): "uiKlines",
    ("GET", "/avgPrice"): "avgPrice",
    ("GET", "/ticker"): "ticker",
    ("GET", "/ticker/24hr"): "ticker.24hr",
    ("GET", "/ticker/tradingDay"): "ticker.tradingDay",
    ("GET", "/ticker/price"): "ticker.price",
    ("GET", "/ticker/bookTicker"): "ticker.book",
    ("POST", "/order"): "order.place",
    ("POST", "/order/test"): "order.test",
    ("DELETE", "/order"): "order.cancel",
    ("GET", "/order"): "order.status",
    ("POST", "/order/cancelReplace"): "order.cancelReplace",
    ("PUT", "/order/amend/keepPriority"): "order.amend.keepPriority",
    ("POST", "/order/oco"): "orderList.place",
    ("POST", "/orderList/oco"): "orderList.place.oco",
    ("POST", "/orderList/oto"): "orderList.place.oto",
    ("POST", "/orderList/otoco"): "orderList.place.otoco",
    ("POST", "/orderList/opo"): "orderList.place.opo",
    ("POST", "/orderList/opoco"): "orderList.place.opoco",
    ("DELETE", "/orderList"): "orderList.cancel",
    ("GET", "/orderList"): "orderList.status",
    ("GET", "/openOrderList"): "openOrderLists.status",
    ("GET", "/allOrderList"): "allOrderLists",
    ("GET", "/openOrders"): "openOrders.status",
    ("DELETE", "/openOrders"): "openOrders.cancelAll",
    ("GET", "/allOrders"): "allOrders",
    ("GET", "/account"): "account.status",
    ("GET", "/myTrades"): "myTrades",
    ("POST", "/sor/order"): "sor.order.place",
    ("POST", "/sor/order/test"): "sor.order.test",
    ("GET", "/myPreventedMatches"): "myPreventedMatches",
    ("GET", "/myAllocations"): "myAllocations",
    ("GET", "/order/amendments"): "order.amendments",
    ("GET", "/myFilters"): "myFilters",
    ("GET", "/rateLimit/order"): "account.rateLimits.orders",
    ("GET", "/account/commission"): "account.commission",
}
LISTEN_KEY_ROUTES: dict[tuple[str, str], str] = {
    ("POST", "/userDataStream"): "userDataStream.start",
    ("PUT", "/userDataStream"): "userDataStream.ping",
    ("DELETE", "/userDataStream"): "userDataStream.stop",
}
KINDS = {
    "order.place": "place",
    "order.cancel": "cancel",
    "openOrders.cancelAll": "cancel",
    "order.cancelReplace": "replace",
    "orderList.place": "place",
    "orderList.place.oco": "place",
    "orderList.place.oto": "place",
    "orderList.place.otoco": "place",
    "orderList.cancel": "cancel",
    "orderList.status": "query",
    "openOrderLists.status": "query",
    "allOrderLists": "query",
    "order.amend.keepPriority": "amend",
    "order.status": "query status",
    "openOrders.status": "query open_orders",
    "allOrders": "query",
    "myTrades": "query fills",
    "account.status": "query account",
    "depth": "snapshot",
    "session.logon": "logon",
    "exchangeInfo": "info",
}
"""Method → the kinds that a fault script may mean; any other goes by its own name."""
INTERNAL = (-1001, "Internal error; unable to process your request. Please try again.")


def method(name: str, *, listen_keys: bool) -> Method[Any] | None:
    """The row of a method, also with a version in front: `v3/order.place`."""
    plain = name.removeprefix("v3/")
    found = METHODS.get(plain)
    if found is None and listen_keys:
        found = LISTEN_KEY_METHODS.get(plain)
    return found
