"""Market data on request: depth, trades, bars, tickers (binance §5.7, §5.8).

House rules: what a request returns is what the streams would say, under the longer names of the
papers; nothing here needs to know who asks.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.orders import Side
from pitwire.sim.facades import binance_payloads as payloads
from pitwire.sim.facades.binance_board import Board
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_candles import DAY, INTERVALS, MINUTE
from pitwire.sim.facades.binance_info import BAD_STATUS
from pitwire.sim.facades.binance_names import WINDOWS
from pitwire.sim.facades.binance_params import Args, missing
from pitwire.sim.facades.binance_payloads import Payload
from pitwire.sim.facades.binance_streams import day_ticker
from pitwire.sim.facades.binance_text import ApiError, money
from pitwire.sim.facades.facade import BookView

_DEEPEST = 5000
_MOST = 1000
_STATUSES = ("TRADING", "HALT", "BREAK")
_FOREVER = 2**62


def ping(_call: Call, _ask: None) -> object:
    return {}


def time(call: Call, _ask: None) -> object:
    return {"serverTime": call.now // call.unit}


class DepthAsk(msgspec.Struct, frozen=True):
    symbol: str
    limit: int


def read_depth(args: Args) -> DepthAsk:
    args.word("symbolStatus", _STATUSES, BAD_STATUS)
    symbol = args.need("symbol")
    limit = args.number("limit")
    return DepthAsk(symbol, min(100 if limit is None else max(1, limit), _DEEPEST))


def weigh_depth(ask: DepthAsk) -> int:
    """binance §4.1: 5, 25, 50, 250."""
    for most, weight in ((100, 5), (500, 25), (1000, 50)):
        if ask.limit <= most:
            return weight
    return 250


def depth(call: Call, ask: DepthAsk) -> object:
    board = call.office.board(ask.symbol)
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


def read_trades(args: Args) -> TradesAsk:
    return TradesAsk(symbol=args.need("symbol"), limit=read_limit(args))


def read_historical(args: Args) -> TradesAsk:
    return TradesAsk(
        symbol=args.need("symbol"), limit=read_limit(args), from_id=args.number("fromId")
    )


def read_aggregates(args: Args) -> TradesAsk:
    start, end = read_times(args)
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
    from_id = ask.from_id or 0
    rows = [
        found
        for found in board.history.aggregates
        if found.aggregate_id >= from_id and ask.start <= found.at <= ask.end
    ]
    newest = ask.from_id is None and ask.start == 0
    rows = rows[-ask.limit :] if newest else rows[: ask.limit]
    return [payloads.aggregate_row(board.scale, row, call.unit) for row in rows]


class KlinesAsk(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    interval: str
    limit: int
    start: int | None
    end: int | None


def read_klines(args: Args) -> KlinesAsk:
    symbol = args.need("symbol")
    args.need("interval")
    interval = args.word("interval", tuple(INTERVALS), ApiError(-1120, "Invalid interval."))
    start, end = read_times(args)
    args.text("timeZone")
    return KlinesAsk(symbol=symbol, interval=interval, limit=read_limit(args), start=start, end=end)


def klines(call: Call, ask: KlinesAsk) -> object:
    """klines and uiKlines."""
    board = call.office.board(ask.symbol)
    end = call.now if ask.end is None else min(ask.end, call.now)
    bars = board.history.bars(
        ask.interval, start=ask.start or 0, end=end, limit=ask.limit, newest=ask.start is None
    )
    return [payloads.kline_row(board.scale, bar, ask.interval, call.unit) for bar in bars]


def average(call: Call, symbol: str) -> object:
    """avgPrice."""
    board = call.office.board(symbol)
    price = call.office.market.average_price(board.scale.listing.symbol, 5, call.now)
    return {
        "mins": 5,
        "price": money(price),
        "closeTime": board.history.last_time // call.unit,
    }


class SymbolsAsk(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol, several, or all (None)."""

    symbols: list[str] | None
    single: bool
    mini: bool = False
    window: int = DAY


def read_symbols(args: Args) -> SymbolsAsk:
    """symbol, symbols or neither."""
    args.word("symbolStatus", _STATUSES, BAD_STATUS)
    symbol = args.text("symbol")
    symbols = args.names("symbols")
    if symbol and symbols is not None:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    return SymbolsAsk(symbols=[symbol] if symbol else symbols, single=bool(symbol))


def read_ticker(args: Args) -> SymbolsAsk:
    ask = read_symbols(args)
    kind = args.word("type", ("FULL", "MINI"), ApiError(-1139, "Invalid ticker type."))
    return msgspec.structs.replace(ask, mini=kind == "MINI")


def read_rolling(args: Args) -> SymbolsAsk:
    ask = read_ticker(args)
    text = args.text("windowSize") or "1d"
    number, unit = text[:-1], text[-1:]
    spans = {"m": MINUTE, "h": WINDOWS["1h"], "d": DAY}
    if not number.isdigit() or unit not in spans:
        raise ApiError(-1130, "Data sent for parameter 'windowSize' is not valid.")
    if ask.symbols is None:
        raise missing("symbol")
    return msgspec.structs.replace(ask, window=int(number) * spans[unit])


def weigh_price(ask: SymbolsAsk) -> int:
    return 2 if ask.single else 4


def weigh_day(ask: SymbolsAsk) -> int:
    if ask.symbols is None or len(ask.symbols) > 100:
        return 80
    return 2 if len(ask.symbols) <= 20 else 40


def weigh_rolling(ask: SymbolsAsk) -> int:
    return min(200, 4 * len(ask.symbols or ()))


def _each(call: Call, ask: SymbolsAsk, row: Callable[[Board], Payload]) -> object:
    office = call.office
    if ask.symbols is None:
        boards = list(office.boards.values())
    else:
        boards = [office.board(symbol) for symbol in ask.symbols]
    rows = [row(board) for board in boards]
    return rows[0] if ask.single else rows


def price(call: Call, ask: SymbolsAsk) -> object:
    """ticker.price."""
    return _each(
        call,
        ask,
        lambda board: {
            "symbol": board.scale.symbol,
            "price": board.scale.price(call.office.market.last_price(board.scale.listing.symbol)),
        },
    )


def book(call: Call, ask: SymbolsAsk) -> object:
    """ticker.book."""

    def row(board: Board) -> Payload:
        scale = board.scale
        found = call.office.market.book(scale.listing.symbol, 1)
        bid, bid_lots = found.bids[0] if found.bids else (0, 0)
        ask_price, ask_lots = found.asks[0] if found.asks else (0, 0)
        return {
            "symbol": scale.symbol,
            "bidPrice": scale.price(bid),
            "bidQty": scale.size(bid_lots),
            "askPrice": scale.price(ask_price),
            "askQty": scale.size(ask_lots),
        }

    return _each(call, ask, row)


_LONG_NAMES = {
    "s": "symbol",
    "p": "priceChange",
    "P": "priceChangePercent",
    "w": "weightedAvgPrice",
    "x": "prevClosePrice",
    "c": "lastPrice",
    "Q": "lastQty",
    "b": "bidPrice",
    "B": "bidQty",
    "a": "askPrice",
    "A": "askQty",
    "o": "openPrice",
    "h": "highPrice",
    "l": "lowPrice",
    "v": "volume",
    "q": "quoteVolume",
    "O": "openTime",
    "C": "closeTime",
    "F": "firstId",
    "L": "lastId",
    "n": "count",
}
_MINI = ("s", "o", "h", "l", "c", "v", "q", "O", "C", "F", "L", "n")
_ROLLING = ("s", "p", "P", "w", "o", "h", "l", "c", "v", "q", "O", "C", "F", "L", "n")


def day(call: Call, ask: SymbolsAsk) -> object:
    """ticker.24hr and ticker.tradingDay."""

    def row(board: Board) -> Payload:
        short = day_ticker(board, call.now, call.unit)
        names = _MINI if ask.mini else tuple(_LONG_NAMES)
        return {_LONG_NAMES[name]: short[name] for name in names}

    return _each(call, ask, row)


def rolling(call: Call, ask: SymbolsAsk) -> object:
    """ticker: the window is the caller's and snaps to the start of a minute."""

    def row(board: Board) -> Payload:
        opened = (call.now - ask.window) // MINUTE * MINUTE
        bar = board.history.window(opened)
        short = payloads.rolling_ticker(
            board.scale, bar, "", opened=opened, now=call.now, unit=call.unit
        )
        names = _MINI if ask.mini else _ROLLING
        return {_LONG_NAMES[name]: short[name] for name in names}

    return _each(call, ask, row)
