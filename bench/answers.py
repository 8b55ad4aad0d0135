"""What the bench's venue says on REST and on the order connection: just enough Binance.

House rules: text in, text out; times are given.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from bench import traffic
from bench.handshake import Head

Json = dict[str, Any]


def rest(
    head: Head, position: traffic.Position, now_ms: int
) -> tuple[Json | list[Any] | bytes, str]:
    """Body and status line of one REST request."""
    query = {name: values[-1] for name, values in parse_qs(head.query).items()}
    match head.path:
        case "/api/v3/depth":
            symbol = traffic.SYMBOLS.index(query["symbol"])
            limit = int(query.get("limit", "100"))
            return traffic.snapshot(symbol, position.book[symbol], limit), "200 OK"
        case "/api/v3/exchangeInfo":
            return exchange_info(now_ms), "200 OK"
        case "/api/v3/time":
            return {"serverTime": now_ms}, "200 OK"
        case "/api/v3/ping":
            return {}, "200 OK"
        case "/api/v3/trades" | "/api/v3/historicalTrades" | "/api/v3/aggTrades":
            return [], "200 OK"
        case path:
            return {"code": -1000, "msg": f"the bench has no {path}"}, "404 Not Found"


def exchange_info(now_ms: int) -> Json:
    """Twenty symbols with the filters that an order meets."""
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": [_listing(base) for base in traffic.BASES],
    }


def _listing(base: str) -> Json:
    price = {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "tickSize": "0.01000000"}
    lot = {"minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"}
    notional = {
        "filterType": "NOTIONAL",
        "minNotional": "5.00000000",
        "applyMinToMarket": True,
        "maxNotional": "9000000.00000000",
        "applyMaxToMarket": False,
        "avgPriceMins": 5,
    }
    return {
        "symbol": f"{base}USDT",
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            price | {"maxPrice": "1000000.00000000"},
            {"filterType": "LOT_SIZE"} | lot,
            {"filterType": "MARKET_LOT_SIZE"} | lot | {"minQty": "0.00000000"},
            notional,
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_MAKER"],
    }


def method(request: Json, now_ms: int, serial: int) -> Json:
    """The answer to one WS-API request; `serial` becomes an order's number at the venue."""
    name, params = request["method"], request.get("params") or {}
    match name:
        case "order.place":
            result = _order(params, now_ms, serial)
        case "session.logon" | "session.status" | "session.logout":
            result = _session(params, now_ms)
        case "account.status":
            result = _account(now_ms)
        case "userDataStream.subscribe" | "userDataStream.subscribe.signature":
            result = {"subscriptionId": 0}
        case "openOrders.status" | "openOrders.cancelAll" | "myTrades" | "allOrders":
            return {"id": request["id"], "status": 200, "result": []}
        case "time":
            result = {"serverTime": now_ms}
        case "ping":
            result = {}
        case "exchangeInfo":
            result = exchange_info(now_ms)
        case "order.status" | "order.cancel":
            missing = {"code": -2013, "msg": "Order does not exist."}
            return {"id": request["id"], "status": 400, "error": missing}
        case _:
            unknown = {"code": -1000, "msg": f"the bench has no {name}"}
            return {"id": request["id"], "status": 400, "error": unknown}
    return {"id": request["id"], "status": 200, "result": result, "rateLimits": []}


def _session(params: Json, now_ms: int) -> Json:
    return {
        "apiKey": params.get("apiKey"),
        "authorizedSince": now_ms,
        "connectedSince": now_ms,
        "returnRateLimits": False,
        "serverTime": now_ms,
        "userDataStream": False,
    }


def _account(now_ms: int) -> Json:
    held = [
        {"asset": asset, "free": "1000000.00000000", "locked": "0.00000000"}
        for asset in ("USDT", "BTC")
    ]
    rate = "0.00100000"
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": rate, "taker": rate, "buyer": "0.0", "seller": "0.0"},
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": now_ms,
        "accountType": "SPOT",
        "balances": held,
        "permissions": ["SPOT"],
        "uid": 1,
    }


def _order(params: Json, now_ms: int, serial: int) -> Json:
    # Every order expires unfilled, so that positions and open orders stay at nothing for ever.
    return {
        "symbol": params["symbol"],
        "orderId": serial,
        "orderListId": -1,
        "clientOrderId": params.get("newClientOrderId", f"venue{serial}"),
        "transactTime": now_ms,
        "price": params.get("price", "0.00000000"),
        "origQty": params.get("quantity", "0.00000000"),
        "executedQty": "0.00000000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "EXPIRED",
        "timeInForce": params.get("timeInForce", "GTC"),
        "type": params["type"],
        "side": params["side"],
        "workingTime": now_ms,
        "fills": [],
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }
