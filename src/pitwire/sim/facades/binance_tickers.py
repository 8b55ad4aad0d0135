"""Tickers on request: prices, quotes, and what a day or a window of trades adds up to (§5.7, §5.8).

House rules: what a request returns is what the streams would say, under the longer names of the
papers; the window of a ticker snaps to the start of a minute, a trading day to its own midnight.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pitwire.sim.facades import binance_payloads as payloads
from pitwire.sim.facades.binance_board import Board
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_candles import DAY, HOUR, MINUTE, last_instant, opening
from pitwire.sim.facades.binance_data import read_zone
from pitwire.sim.facades.binance_info import BAD_STATUS, STATUSES, demand_status, status_of
from pitwire.sim.facades.binance_params import Args, neither
from pitwire.sim.facades.binance_payloads import Payload
from pitwire.sim.facades.binance_streams import day_ticker
from pitwire.sim.facades.binance_text import ApiError

_SPANS = {"m": (MINUTE, 59), "h": (HOUR, 23), "d": (DAY, 7)}
"""Unit of a window → (its length, how many of them at most)."""
_MOST_SYMBOLS = 200


class SymbolsAsk(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol, several, or all (None)."""

    symbols: list[str] | None
    single: bool
    status: str = ""
    mini: bool = False
    window: int = DAY
    offset: int = 0


def read_symbols(args: Args) -> SymbolsAsk:
    """symbol, symbols or neither."""
    status = args.word("symbolStatus", STATUSES, BAD_STATUS)
    symbol = args.text("symbol")
    symbols = args.names("symbols")
    if symbol and symbols is not None:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    if symbols is not None and len(set(symbols)) < len(symbols):
        raise ApiError(-1151, "Symbol is present multiple times in the list.")
    return SymbolsAsk(symbols=[symbol] if symbol else symbols, single=bool(symbol), status=status)


def read_ticker(args: Args) -> SymbolsAsk:
    ask = read_symbols(args)
    kind = args.word("type", ("FULL", "MINI"), (-1139, "Invalid ticker type."))
    return msgspec.structs.replace(ask, mini=kind == "MINI")


def read_rolling(args: Args) -> SymbolsAsk:
    ask = read_ticker(args)
    text = args.text("windowSize") or "1d"
    span, most = _SPANS.get(text[-1:], (0, 0))
    number = int(text[:-1]) if text[:-1].isascii() and text[:-1].isdigit() else 0
    if not 1 <= number <= most:
        raise ApiError(-1130, "Data sent for parameter 'windowSize' is not valid.")
    return msgspec.structs.replace(_named(ask), window=number * span)


def read_trading_day(args: Args) -> SymbolsAsk:
    ask = _named(read_ticker(args))
    return msgspec.structs.replace(ask, offset=read_zone(args))


def _named(ask: SymbolsAsk) -> SymbolsAsk:
    """Refuse a request that names no symbol, or more than two hundred."""
    if ask.symbols is None:
        raise neither("symbol", "symbols")
    if len(ask.symbols) > _MOST_SYMBOLS:
        raise ApiError(
            -1101,
            f"Too many parameters; expected '{_MOST_SYMBOLS}' and received '{len(ask.symbols)}'.",
        )
    return ask


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
    if ask.symbols is None and ask.status:
        boards = [each for each in boards if status_of(call, each.scale) == ask.status]
    else:
        for board in boards:
            demand_status(call, board.scale, ask.status)
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
    """ticker.24hr."""

    def row(board: Board) -> Payload:
        if call.office.replaying:  # no fact tells a board of what is recorded
            board.come_up()
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


def trading_day(call: Call, ask: SymbolsAsk) -> object:
    """ticker.tradingDay: since midnight in a time zone, until the last instant of that day."""

    def row(board: Board) -> Payload:
        opened = opening("1d", call.now, ask.offset)
        bar = board.history.window(opened)
        short = payloads.rolling_ticker(
            board.scale, bar, "", opened=opened, now=call.now, unit=call.unit
        )
        short["C"] = last_instant("1d", opened, call.unit, ask.offset) // call.unit
        names = _MINI if ask.mini else _ROLLING
        return {_LONG_NAMES[name]: short[name] for name in names}

    return _each(call, ask, row)
