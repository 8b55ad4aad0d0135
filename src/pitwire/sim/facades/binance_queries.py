"""What an account may ask about itself (binance §5.7, §5.13)."""

from __future__ import annotations

import msgspec

from pitwire.sim.facades import binance_reports as reports
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_candles import DAY
from pitwire.sim.facades.binance_data import read_limit, read_period
from pitwire.sim.facades.binance_orders import discount, read_ids
from pitwire.sim.facades.binance_params import Args
from pitwire.sim.facades.binance_text import ApiError, money, refused
from pitwire.sim.facts import Refused

QUERY = -2013
_BASIS = 10_000


class OrderQuery(msgspec.Struct, frozen=True):
    symbol: str
    order_id: int | None
    client_id: str


def read_status(args: Args) -> OrderQuery:
    symbol = args.need("symbol")
    return OrderQuery(symbol, *read_ids(args, "orderId", "origClientOrderId"))


def status(call: Call, ask: OrderQuery) -> object:
    """order.status."""
    scale = call.office.scale(ask.symbol)
    try:
        order = call.office.market.order(
            call.account, scale.listing.symbol, order_id=ask.order_id, client_id=ask.client_id
        )
    except Refused as error:
        raise refused(error, code=QUERY) from error
    return reports.queried(scale, order, call.unit)


def read_open(args: Args) -> str:
    return args.text("symbol")


def weigh_open(symbol: str) -> int:
    return 6 if symbol else 80


def open_orders(call: Call, symbol: str) -> object:
    """openOrders.status."""
    office = call.office
    name = office.scale(symbol).listing.symbol if symbol else ""
    found = office.market.open_orders(call.account, name)
    return [
        reports.queried(office.scales[order.symbol], order, call.unit)
        for order in found[: round(len(found) * call.kept)]
    ]


class HistoryAsk(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    limit: int
    order_id: int | None
    from_id: int | None = None
    start: int | None = None
    end: int | None = None

    def holds(self, at: int) -> bool:
        return (self.start is None or at >= self.start) and (self.end is None or at <= self.end)

    @property
    def newest(self) -> bool:
        """Without a lower bound it is the newest that are wanted."""
        return self.start is None and self.from_id is None


def _read_history(args: Args) -> HistoryAsk:
    symbol = args.need("symbol")
    start, end = read_period(args)
    if start is not None and end is not None and end - start > DAY:
        raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return HistoryAsk(
        symbol=symbol,
        limit=read_limit(args),
        order_id=args.number("orderId"),
        start=start,
        end=end,
    )


def read_all(args: Args) -> HistoryAsk:
    """allOrders: orderId is where to begin."""
    ask = _read_history(args)
    return msgspec.structs.replace(ask, order_id=None, from_id=ask.order_id)


def read_my_trades(args: Args) -> HistoryAsk:
    """myTrades: neither orderId nor fromId goes with times."""
    from_id = args.number("fromId")
    ask = _read_history(args)
    timed = ask.start is not None or ask.end is not None
    if timed and (from_id is not None or ask.order_id is not None):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    return msgspec.structs.replace(ask, from_id=from_id)


def weigh_my_trades(ask: HistoryAsk) -> int:
    return 20 if ask.order_id is None else 5


def all_orders(call: Call, ask: HistoryAsk) -> object:
    scale = call.office.scale(ask.symbol)
    found = [
        order
        for order in call.office.market.all_orders(call.account, scale.listing.symbol)
        if order.order_id >= (ask.from_id or 0) and ask.holds(order.created)
    ]
    found = found[-ask.limit :] if ask.newest else found[: ask.limit]
    return [reports.queried(scale, order, call.unit) for order in found]


def my_trades(call: Call, ask: HistoryAsk) -> object:
    scale = call.office.scale(ask.symbol)
    rows = []
    for trade in call.office.market.trades_of(call.account, scale.listing.symbol):
        for maker in (False, True):
            order = trade.maker if maker else trade.taker
            wanted = ask.order_id is None or ask.order_id == order.order_id
            known = trade.trade_id >= (ask.from_id or 0) and ask.holds(trade.at)
            if order.account == call.account and wanted and known:
                rows.append(reports.my_trade(scale, trade, maker=maker, unit=call.unit))
    rows = rows[-ask.limit :] if ask.newest else rows[: ask.limit]
    return rows[: round(len(rows) * call.kept)]


def read_nothing(args: Args) -> None:
    """What is asked with no parameter of its own."""


def restrictions(call: Call, _: None) -> object:
    """`GET /sapi/v1/account/apiRestrictions` of the wallet: what this key may do."""
    key = call.key
    may_trade = key is not None and key.may_trade
    return {
        "ipRestrict": False,
        "createTime": 1698645219000,
        "enableReading": True,
        "enableWithdrawals": key is not None and key.may_withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": True,
        "enableSpotAndMarginTrading": may_trade,
        "enablePortfolioMarginTrading": False,
    }


def read_account(args: Args) -> bool:
    return args.flag("omitZeroBalances")


def account(call: Call, omit_zero: bool) -> object:
    """account.status."""
    listings = [scale.listing for scale in call.office.scales.values()]
    maker, taker = listings[0].maker_fee, listings[0].taker_fee
    balances = [
        {"asset": asset, "free": money(free), "locked": money(locked)}
        for asset, (free, locked) in call.office.market.balances(call.account).items()
        if free or locked or not omit_zero
    ]
    return {
        "makerCommission": int(maker * _BASIS),
        "takerCommission": int(taker * _BASIS),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "canTrade": call.key is not None and call.key.may_trade,
        "canWithdraw": True,
        "canDeposit": True,
        "commissionRates": {
            "maker": money(maker),
            "taker": money(taker),
            "buyer": reports.ZERO,
            "seller": reports.ZERO,
        },
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": call.now // call.unit,
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": call.office.uid_of(call.account),
    }


def order_limits(call: Call, _ask: None) -> object:
    """account.rateLimits.orders."""
    return call.orders.states(call.now)


def commission(call: Call, symbol: str) -> object:
    """account.commission."""
    scale = call.office.scale(symbol)
    names = ("maker", "taker", "buyer", "seller")
    none = dict.fromkeys(names, reports.ZERO)
    fees = {"maker": money(scale.listing.maker_fee), "taker": money(scale.listing.taker_fee)}
    return {
        "symbol": scale.symbol,
        "standardCommission": none | fees,
        "specialCommission": none,
        "taxCommission": none,
        "discount": discount(),
    }
