"""Market data on request: depth, trades, bars, averages (binance §5.7, §5.8).

House rules: what a request returns is what the streams would say, under the longer names of the
papers; nothing here needs to know who asks.
"""

from __future__ import annotations

import re

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.orders import Side
from pitwire.sim.facades import binance_payloads as payloads
from pitwire.sim.facades.binance_auth import FIRST_DAY
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_candles import INTERVALS, MINUTE, Aggregate, SymbolHistory
from pitwire.sim.facades.binance_info import BAD_STATUS, STATUSES, demand_status
from pitwire.sim.facades.binance_params import Args
from pitwire.sim.facades.binance_text import ApiError, money
from pitwire.sim.facades.facade import BookView

_DEEPEST = 5000
_MOST = 1000
_ZONE = re.compile(r"(?P<sign>[+-]?)(?P<hours>\d{1,2})(?::(?P<minutes>\d{2}))?")
_FOREVER = 2**62
_AHEAD = 10 * SECOND


def ping(_call: Call, _ask: None) -> object:
    return {}


def time(call: Call, _ask: None) -> object:
    return {"serverTime": call.now // call.unit}


class DepthAsk(msgspec.Struct, frozen=True):
    symbol: str
    limit: int
    status: str


def read_depth(args: Args) -> DepthAsk:
    status = args.word("symbolStatus", STATUSES, BAD_STATUS)
    symbol = args.need("symbol")
    limit = args.number("limit")
    return DepthAsk(symbol, min(100 if limit is None else max(1, limit), _DEEPEST), status)


def weigh_depth(ask: DepthAsk) -> int:
    """binance §4.1: 5, 25, 50, 250."""
    for most, weight in ((100, 5), (500, 25), (1000, 50)):
        if ask.limit <= most:
            return weight
    return 250


def depth(call: Call, ask: DepthAsk) -> object:
    board = call.office.board(ask.symbol)
    demand_status(call, board.scale, ask.status)
    call.office.publish(call.now)
    scale, symbol = board.scale, board.scale.listing.symbol
    lag = call.stale or int(call.office.options.snapshot_lag_seconds * SECOND)
    if lag and not call.office.replaying:  # of a recording only the present book is known
        book: BookView = board.as_of(call.now - lag)
    else:
        book = call.office.market.book(symbol)
    return payloads.partial_depth(
        scale, book.update_id, book.bids[: ask.limit], book.asks[: ask.limit]
    )


class TradesAsk(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    limit: int
    from_id: int | None = None
    start: int = 0
    end: int = _FOREVER


def read_limit(args: Args, absent: int = 500) -> int:
    limit = args.number("limit")
    return min(absent if limit is None else max(1, limit), _MOST)


def read_times(args: Args) -> tuple[int | None, int | None]:
    """startTime and endTime in ns; ms or µs by magnitude."""
    found = []
    for name in ("startTime", "endTime"):
        number = args.number(name)
        if number is not None:
            number *= 1000 if number >= 10**14 else 1_000_000
        found.append(number)
    return found[0], found[1]


def read_period(args: Args) -> tuple[int | None, int | None]:
    """The same where the venue minds when: since 2017, and not ahead of it (binance §0.2)."""
    found = read_times(args)
    for name, at in zip(("startTime", "endTime"), found, strict=True):
        if at is not None and not FIRST_DAY <= at <= args.now + _AHEAD:
            raise ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return found


def read_trades(args: Args) -> TradesAsk:
    return TradesAsk(symbol=args.need("symbol"), limit=read_limit(args))


def read_historical(args: Args) -> TradesAsk:
    return TradesAsk(
        symbol=args.need("symbol"), limit=read_limit(args), from_id=args.number("fromId")
    )


def read_aggregates(args: Args) -> TradesAsk:
    start, end = read_period(args)
    return TradesAsk(
        symbol=args.need("symbol"),
        limit=read_limit(args),
        from_id=args.number("fromId"),
        start=start or 0,
        end=_FOREVER if end is None else end,
    )


def trades(call: Call, ask: TradesAsk) -> object:
    """trades.recent and trades.historical."""
    scale = call.office.scale(ask.symbol)
    market, symbol = call.office.market, scale.listing.symbol
    if ask.from_id is None:
        found = market.recent_trades(symbol, ask.limit)
    else:
        found = market.trades_from(symbol, ask.from_id, ask.limit)
    return [
        {
            "id": trade.trade_id,
            "price": scale.price(trade.price),
            "qty": scale.size(trade.lots),
            "quoteQty": scale.quote(trade.price * trade.lots),
            "time": trade.at // call.unit,
            "isBuyerMaker": trade.taker_side is Side.SELL,
            "isBestMatch": True,
        }
        for trade in found
    ]


def aggregates(call: Call, ask: TradesAsk) -> object:
    """trades.aggregate."""
    board = call.office.board(ask.symbol)
    return [
        payloads.aggregate_row(board.scale, row, call.unit) for row in asked_of(board.history, ask)
    ]


def asked_of(history: SymbolHistory, ask: TradesAsk) -> list[Aggregate]:
    """The aggregate trades that are asked for, oldest first; without a beginning the newest."""
    from_id = ask.from_id or 0
    rows = [
        found
        for found in history.aggregates
        if found.aggregate_id >= from_id and ask.start <= found.at <= ask.end
    ]
    newest = ask.from_id is None and ask.start == 0
    return rows[-ask.limit :] if newest else rows[: ask.limit]


class KlinesAsk(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    interval: str
    limit: int
    start: int | None
    end: int | None
    offset: int = 0


def read_klines(args: Args) -> KlinesAsk:
    symbol = args.need("symbol")
    args.need("interval")
    interval = args.word("interval", tuple(INTERVALS), (-1120, "Invalid interval."))
    start, end = read_period(args)
    return KlinesAsk(
        symbol=symbol,
        interval=interval,
        limit=read_limit(args),
        start=start,
        end=end,
        offset=read_zone(args),
    )


def read_zone(args: Args) -> int:
    """timeZone in ns: hours with or without minutes, -12:00 to +14:00; absent is UTC."""
    text = args.text("timeZone")
    found = _ZONE.fullmatch(text) if text else None
    if not text:
        return 0
    hours = int(found["hours"]) if found else 99
    minutes = int(found["minutes"] or 0) if found else 0
    ahead = (hours * 60 + minutes) * (-1 if found and found["sign"] == "-" else 1)
    if not -12 * 60 <= ahead <= 14 * 60 or minutes >= 60 or minutes % 15:
        raise ApiError(-1130, "Data sent for parameter 'timeZone' is not valid.")
    return ahead * MINUTE


def klines(call: Call, ask: KlinesAsk) -> object:
    """klines and uiKlines."""
    board = call.office.board(ask.symbol)
    end = call.now if ask.end is None else min(ask.end, call.now)
    bars = board.history.bars(
        ask.interval,
        start=ask.start or 0,
        end=end,
        limit=ask.limit,
        newest=ask.start is None,
        offset=ask.offset,
    )
    return [
        payloads.kline_row(board.scale, bar, ask.interval, call.unit, ask.offset) for bar in bars
    ]


def average(call: Call, symbol: str) -> object:
    """avgPrice."""
    board = call.office.board(symbol)
    price = call.office.market.average_price(board.scale.listing.symbol, 5, call.now)
    return {
        "mins": 5,
        "price": money(price),
        "closeTime": board.history.last_time // call.unit,
    }
