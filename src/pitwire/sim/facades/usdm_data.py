"""The futures' market data on request (binance §11.3, and the venue's own names for the rest).

House rules: what a request returns is what the streams would say, under the longer names; nothing
here needs to know who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.model.orders import Side
from pitwire.sim.facades import binance_payloads as spot
from pitwire.sim.facades import usdm_payloads as payloads
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_candles import DAY, INTERVALS
from pitwire.sim.facades.binance_data import TradesAsk, asked_of, read_limit, read_times
from pitwire.sim.facades.binance_params import Args
from pitwire.sim.facades.binance_payloads import Payload
from pitwire.sim.facades.binance_text import ApiError
from pitwire.sim.facades.usdm_office import FuturesOffice, office_of
from pitwire.sim.facades.usdm_text import FuturesScale, eight

_DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
_MOST_BARS = 1500


class DepthAsk(msgspec.Struct, frozen=True):
    symbol: str
    limit: int


def read_depth(args: Args) -> DepthAsk:
    symbol = args.need("symbol")
    limit = args.number("limit")
    if limit is not None and limit not in _DEPTHS:
        raise ApiError(-4021, f"{limit} is not valid depth limit.")
    return DepthAsk(symbol, limit or 500)


def weigh_depth(ask: DepthAsk) -> int:
    for most, weight in ((50, 2), (100, 5), (500, 10)):
        if ask.limit <= most:
            return weight
    return 20


def depth(call: Call, ask: DepthAsk) -> object:
    office = office_of(call)
    scale = office.contract(ask.symbol)
    board = office.boards[scale.listing.symbol]
    office.publish(call.now)
    if call.stale:
        book = board.as_of(call.now - call.stale)
    else:
        book = office.exchange.book(scale.listing.symbol)
    return {
        "lastUpdateId": payloads.wide(book.update_id),
        "E": call.now // MILLISECOND,
        "T": call.now // MILLISECOND,
        "bids": spot.levels(scale, book.bids[: ask.limit]),
        "asks": spot.levels(scale, book.asks[: ask.limit]),
    }


def trades(call: Call, ask: TradesAsk) -> object:
    """trades and historicalTrades."""
    office = office_of(call)
    scale = office.contract(ask.symbol)
    symbol = scale.listing.symbol
    if ask.from_id is None:
        found = office.exchange.recent_trades(symbol, ask.limit)
    else:
        found = office.exchange.trades_from(symbol, ask.from_id, ask.limit)
    return [
        {
            "id": each.trade_id,
            "price": scale.price(each.price),
            "qty": scale.size(each.lots),
            "quoteQty": scale.money(each.price * each.lots),
            "time": each.at // MILLISECOND,
            "isBuyerMaker": each.taker_side is Side.SELL,
        }
        for each in found
    ]


def aggregates(call: Call, ask: TradesAsk) -> object:
    board = call.office.board(ask.symbol)
    made = []
    for row in asked_of(board.history, ask):
        shown = spot.aggregate_row(board.scale, row, MILLISECOND)
        del shown["M"]
        made.append(shown)
    return made


class BarsAsk(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    interval: str
    limit: int
    start: int | None
    end: int | None


def read_bars(args: Args) -> BarsAsk:
    return _read_bars(args, args.need("symbol"))


def read_continuous(args: Args) -> BarsAsk:
    args.word("contractType", ("PERPETUAL",))
    return _read_bars(args, args.need("pair"))


def _read_bars(args: Args, symbol: str) -> BarsAsk:
    args.need("interval")
    known = tuple(name for name in INTERVALS if name != "1s")
    interval = args.word("interval", known, (-1120, "Invalid interval."))
    start, end = read_times(args)
    limit = args.number("limit")
    most = min(500 if limit is None else max(1, limit), _MOST_BARS)
    return BarsAsk(symbol=symbol, interval=interval, limit=most, start=start, end=end)


def weigh_bars(ask: BarsAsk) -> int:
    """1, 2, 5, 10 by the limit."""
    for most, weight in ((99, 1), (499, 2), (1000, 5)):
        if ask.limit <= most:
            return weight
    return 10


def bars(call: Call, ask: BarsAsk) -> object:
    board = call.office.board(ask.symbol)
    found = board.history.bars(
        ask.interval,
        start=ask.start or 0,
        end=call.now if ask.end is None else min(ask.end, call.now),
        limit=ask.limit,
        newest=ask.start is None,
    )
    return [spot.kline_row(board.scale, bar, ask.interval, MILLISECOND) for bar in found]


# ── of one symbol or of all ───────────────────────────────────────────────────────────────────


def read_one_or_all(args: Args) -> str:
    """A symbol, "" for all."""
    return args.text("symbol")


Row = Callable[[FuturesOffice, FuturesScale, int], object]


def _each(row: Row) -> Callable[[Call, str], object]:
    def answer(call: Call, symbol: str) -> object:
        office = office_of(call)
        if symbol:
            return row(office, office.contract(symbol), call.now)
        return [row(office, scale, call.now) for scale in office.contracts()]

    return answer


def _price(office: FuturesOffice, scale: FuturesScale, now: int) -> object:
    symbol = scale.listing.symbol
    traded = office.boards[symbol].history.last_time
    return {
        "symbol": scale.symbol,
        "price": scale.price(office.exchange.last_price(symbol)),
        "time": (traded or now) // MILLISECOND,
    }


def _book(office: FuturesOffice, scale: FuturesScale, now: int) -> object:
    found = office.exchange.book(scale.listing.symbol, 1)
    bid, bid_lots = found.bids[0] if found.bids else (0, 0)
    ask, ask_lots = found.asks[0] if found.asks else (0, 0)
    return {
        "symbol": scale.symbol,
        "bidPrice": scale.price(bid),
        "bidQty": scale.size(bid_lots),
        "askPrice": scale.price(ask),
        "askQty": scale.size(ask_lots),
        "time": now // MILLISECOND,
        "lastUpdateId": payloads.wide(found.update_id),
    }


_LONG_NAMES: Mapping[str, str] = {
    "s": "symbol",
    "p": "priceChange",
    "P": "priceChangePercent",
    "w": "weightedAvgPrice",
    "c": "lastPrice",
    "Q": "lastQty",
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


def _day(office: FuturesOffice, scale: FuturesScale, now: int) -> object:
    history = office.boards[scale.listing.symbol].history
    short: Payload = payloads.ticker(scale, history.window(now - DAY), history.last_lots, now)
    return {name: short[key] for key, name in _LONG_NAMES.items()}


def _premium(office: FuturesOffice, scale: FuturesScale, now: int) -> object:
    fact = office.marks.get(scale.listing.symbol)
    contract = scale.listing.contract
    assert contract is not None
    start = eight(office.exchange.margins.marks[scale.listing.symbol])
    return {
        "symbol": scale.symbol,
        "markPrice": eight(fact.mark) if fact else start,
        "indexPrice": eight(fact.index) if fact else start,
        "estimatedSettlePrice": eight(fact.settle) if fact else start,
        "lastFundingRate": eight(fact.rate) if fact else "0.00000000",
        "interestRate": eight(contract.interest_rate),
        "nextFundingTime": fact.funding_at // MILLISECOND if fact else 0,
        "time": now // MILLISECOND,
    }


price, book, day, premium = _each(_price), _each(_book), _each(_day), _each(_premium)


def weigh_price(symbol: str) -> int:
    return 1 if symbol else 2


def weigh_book(symbol: str) -> int:
    return 2 if symbol else 5


def weigh_day(symbol: str) -> int:
    return 1 if symbol else 40


def weigh_premium(symbol: str) -> int:
    return 1 if symbol else 10


class FundingAsk(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    limit: int
    start: int | None
    end: int | None


def read_funding(args: Args) -> FundingAsk:
    start, end = read_times(args)
    return FundingAsk(symbol=args.text("symbol"), limit=read_limit(args, 100), start=start, end=end)


def funding(call: Call, ask: FundingAsk) -> object:
    """fundingRate: what was paid, oldest first; the newest where no beginning is named."""
    office = office_of(call)
    chosen = [office.contract(ask.symbol)] if ask.symbol else office.contracts()
    rows = [
        {
            "symbol": scale.symbol,
            "fundingTime": at // MILLISECOND,
            "fundingRate": rate,
            "markPrice": eight(office.exchange.margins.marks[scale.listing.symbol]),
        }
        for scale in chosen
        for at, rate in office.paid[scale.listing.symbol]
        if (ask.start or 0) <= at and (ask.end is None or at <= ask.end)
    ]
    rows.sort(key=lambda row: int(str(row["fundingTime"])))
    return rows[-ask.limit :] if ask.start is None else rows[: ask.limit]


def open_interest(call: Call, symbol: str) -> object:
    """How much is held, long and short being the same."""
    office = office_of(call)
    scale = office.contract(symbol)
    lots = office.exchange.held(scale.listing.symbol)
    return {
        "openInterest": scale.size(lots),
        "symbol": scale.symbol,
        "time": call.now // MILLISECOND,
    }
