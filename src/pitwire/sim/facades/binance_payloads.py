"""The market payloads, field by field, in the order the venue writes them (binance §3, §5.8).

House rules: a function per payload; times go through `stamp`, which knows the reader's unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TypeAlias

from pitwire.model.orders import Side
from pitwire.sim.facades.binance_candles import DAY, Aggregate, Bar, last_instant
from pitwire.sim.facades.binance_text import EIGHT, Scale, eights
from pitwire.sim.facades.facade import Level
from pitwire.sim.facts import Traded
from pitwire.sim.outside import BlockTraded, Referenced

Payload: TypeAlias = dict[str, object]


def levels(scale: Scale, side: Iterable[Level]) -> list[tuple[str, str]]:
    return scale.levels(side)


def trade(scale: Scale, fact: Traded, *, now: int, unit: int) -> Payload:
    return {
        "e": "trade",
        "E": now // unit,
        "s": scale.symbol,
        "t": fact.trade_id,
        "p": scale.price(fact.price),
        "q": scale.size(fact.lots),
        "T": fact.at // unit,
        "m": fact.taker_side is Side.SELL,
        "M": True,
    }


def aggregate_row(scale: Scale, found: Aggregate, unit: int) -> Payload:
    """The fields that the stream and `trades.aggregate` share."""
    return {
        "a": found.aggregate_id,
        "p": scale.price(found.price),
        "q": scale.size(found.lots),
        "f": found.first_id,
        "l": found.last_id,
        "T": found.at // unit,
        "m": found.taker_side is Side.SELL,
        "M": True,
    }


def aggregate(scale: Scale, found: Aggregate, *, now: int, unit: int) -> Payload:
    head: Payload = {"e": "aggTrade", "E": now // unit, "s": scale.symbol}
    return head | aggregate_row(scale, found, unit)


def book_ticker(scale: Scale, update_id: int, bid: Level, ask: Level) -> Payload:
    return {
        "u": update_id,
        "s": scale.symbol,
        "b": scale.price(bid[0]),
        "B": scale.size(bid[1]),
        "a": scale.price(ask[0]),
        "A": scale.size(ask[1]),
    }


def depth_update(
    scale: Scale, first: int, last: int, sides: tuple[Iterable[Level], Iterable[Level]], at: int
) -> Payload:
    """`at` is already in the reader's unit."""
    return {
        "e": "depthUpdate",
        "E": at,
        "s": scale.symbol,
        "U": first,
        "u": last,
        "b": levels(scale, sides[0]),
        "a": levels(scale, sides[1]),
    }


def partial_depth(
    scale: Scale, update_id: int, bids: Sequence[Level], asks: Sequence[Level]
) -> Payload:
    """A whole picture: partial depth streams and depth answers alike."""
    return {
        "lastUpdateId": update_id,
        "bids": levels(scale, bids),
        "asks": levels(scale, asks),
    }


def kline(scale: Scale, bar: Bar, interval: str, *, now: int, unit: int, offset: int) -> Payload:
    closes = last_instant(interval, bar.opened, unit, offset)
    return {
        "e": "kline",
        "E": now // unit,
        "s": scale.symbol,
        "k": {
            "t": bar.opened // unit,
            "T": closes // unit,
            "s": scale.symbol,
            "i": interval,
            "f": bar.first_id,
            "L": bar.last_id,
            "o": scale.price(bar.first),
            "c": scale.price(bar.last),
            "h": scale.price(bar.high),
            "l": scale.price(bar.low),
            "v": scale.size(bar.lots),
            "n": bar.trades,
            "x": now >= closes + unit,
            "q": scale.quote(bar.volume),
            "V": scale.size(bar.taker_lots),
            "Q": scale.quote(bar.taker_volume),
            "B": "0",
        },
    }


def kline_row(scale: Scale, bar: Bar, interval: str, unit: int, offset: int = 0) -> list[object]:
    return [
        bar.opened // unit,
        scale.price(bar.first),
        scale.price(bar.high),
        scale.price(bar.low),
        scale.price(bar.last),
        scale.size(bar.lots),
        last_instant(interval, bar.opened, unit, offset) // unit,
        scale.quote(bar.volume),
        bar.trades,
        scale.size(bar.taker_lots),
        scale.quote(bar.taker_volume),
        "0",
    ]


def mini_ticker(scale: Scale, day: Bar, *, now: int, unit: int) -> Payload:
    return {
        "e": "24hrMiniTicker",
        "E": now // unit,
        "s": scale.symbol,
        "c": scale.price(day.last),
        "o": scale.price(day.first),
        "h": scale.price(day.high),
        "l": scale.price(day.low),
        "v": scale.size(day.lots),
        "q": scale.quote(day.volume),
    }


def percent(bar: Bar) -> str:
    """A change in percent with three decimals (binance §0.1)."""
    if not bar.first:
        return "0.000"
    thousandths = (bar.last - bar.first) * 100_000 * 2 // bar.first
    thousandths = (thousandths + 1) // 2
    sign = "-" if thousandths < 0 else ""
    return f"{sign}{abs(thousandths) // 1000}.{abs(thousandths) % 1000:03d}"


def mean_price(scale: Scale, bar: Bar) -> str:
    """Volume-weighted price of a bar, 0 when nothing traded."""
    if not bar.lots:
        return eights(0)
    return eights(bar.volume * scale.tick // bar.lots)


def ticker(
    scale: Scale, day: Bar, *, before: int, last_lots: int, top: tuple[Level, Level], now: int,
    unit: int,
) -> Payload:  # fmt: skip
    bid, ask = top
    return {
        "e": "24hrTicker",
        "E": now // unit,
        "s": scale.symbol,
        "p": scale.change(day.last - day.first),
        "P": percent(day),
        "w": mean_price(scale, day),
        "x": scale.price(before or day.first),
        "c": scale.price(day.last),
        "Q": scale.size(last_lots),
        "b": scale.price(bid[0]),
        "B": scale.size(bid[1]),
        "a": scale.price(ask[0]),
        "A": scale.size(ask[1]),
        "o": scale.price(day.first),
        "h": scale.price(day.high),
        "l": scale.price(day.low),
        "v": scale.size(day.lots),
        "q": scale.quote(day.volume),
        "O": (now - DAY) // unit,
        "C": now // unit,
        "F": day.first_id,
        "L": day.last_id,
        "n": day.trades,
    }


def rolling_ticker(
    scale: Scale, bar: Bar, name: str, *, opened: int, now: int, unit: int
) -> Payload:
    return {
        "e": f"{name}Ticker",
        "E": now // unit,
        "s": scale.symbol,
        "p": scale.change(bar.last - bar.first),
        "P": percent(bar),
        "o": scale.price(bar.first),
        "h": scale.price(bar.high),
        "l": scale.price(bar.low),
        "c": scale.price(bar.last),
        "w": mean_price(scale, bar),
        "v": scale.size(bar.lots),
        "q": scale.quote(bar.volume),
        "O": opened // unit,
        "C": now // unit,
        "F": bar.first_id,
        "L": bar.last_id,
        "n": bar.trades,
    }


def average(scale: Scale, price: Decimal, *, last_trade: int, now: int, unit: int) -> Payload:
    """`price` in quote units."""
    return {
        "e": "avgPrice",
        "E": now // unit,
        "s": scale.symbol,
        "i": "5m",
        "w": eights(int(price * EIGHT)),
        "T": last_trade // unit,
    }


def block_trade(scale: Scale, fact: BlockTraded, *, now: int, unit: int) -> Payload:
    return {
        "e": "blockTrade",
        "E": now // unit,
        "s": scale.symbol,
        "t": fact.block_id,
        "p": scale.price(fact.price),
        "q": scale.size(fact.lots),
        "T": fact.at // unit,
        "m": fact.taker_side is Side.SELL,
    }


def reference_price(scale: Scale, fact: Referenced, *, unit: int) -> Payload:
    price = None if fact.price is None else scale.price(fact.price)
    return {"e": "referencePrice", "s": scale.symbol, "r": price, "t": fact.at // unit}
