"""The futures' market payloads, field by field (binance §11.3).

House rules: fields that captures have stand in the captures' order, newer ones (`ps`, `st`, `nq`)
behind or beside them as the sheet's examples have them; milliseconds only.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from pitwire.model.clock import MILLISECOND
from pitwire.model.orders import Side
from pitwire.sim.facades.binance_candles import DAY, Aggregate, Bar
from pitwire.sim.facades.binance_payloads import Payload, levels, percent
from pitwire.sim.facades.binance_payloads import kline as spot_kline
from pitwire.sim.facades.facade import Level
from pitwire.sim.facades.usdm_text import (
    FOREVER_MS,
    ONBOARD_MS,
    USDM,
    FuturesScale,
    eight,
    order_type,
)
from pitwire.sim.facts import SimOrder, Traded
from pitwire.sim.futures_facts import MarkChanged

_STRIDE = 7


def wide(update_id: int) -> int:
    """The venue's update id: rising, and with gaps, since all symbols share its numbers (§4.3)."""
    return _STRIDE * update_id + update_id * 31 % 5


def trade(scale: FuturesScale, fact: Traded, now: int) -> Payload:
    return {
        "e": "trade",
        "E": now // MILLISECOND,
        "T": fact.at // MILLISECOND,
        "s": scale.symbol,
        "t": fact.trade_id,
        "p": scale.price(fact.price),
        "q": scale.size(fact.lots),
        "X": "MARKET",
        "m": fact.taker_side is Side.SELL,
    }


def aggregate(scale: FuturesScale, found: Aggregate, now: int) -> Payload:
    size = scale.size(found.lots)
    return {
        "e": "aggTrade",
        "E": now // MILLISECOND,
        "a": found.aggregate_id,
        "s": scale.symbol,
        "p": scale.price(found.price),
        "q": size,
        "nq": size,
        "f": found.first_id,
        "l": found.last_id,
        "T": found.at // MILLISECOND,
        "m": found.taker_side is Side.SELL,
        "st": USDM,
    }


def book_ticker(
    scale: FuturesScale, update_id: int, top: tuple[Level, Level], at: int, now: int
) -> Payload:
    bid, ask = top
    return {
        "e": "bookTicker",
        "u": wide(update_id),
        "s": scale.symbol,
        "ps": scale.symbol,
        "b": scale.price(bid[0]),
        "B": scale.size(bid[1]),
        "a": scale.price(ask[0]),
        "A": scale.size(ask[1]),
        "T": at // MILLISECOND,
        "E": now // MILLISECOND,
        "st": USDM,
    }


def depth(
    scale: FuturesScale,
    ids: tuple[int, int, int],
    sides: tuple[Iterable[Level], Iterable[Level]],
    at: int,
    now: int,
) -> Payload:
    """A diff, or the first levels of the book; `ids` are first, last, previous."""
    first, last, previous = ids
    return {
        "e": "depthUpdate",
        "E": now // MILLISECOND,
        "T": at // MILLISECOND,
        "s": scale.symbol,
        "U": wide(first),
        "u": wide(last),
        "pu": wide(previous),
        "b": levels(scale, sides[0]),
        "a": levels(scale, sides[1]),
        "ps": scale.symbol,
        "st": USDM,
    }


def kline(scale: FuturesScale, bar: Bar, interval: str, now: int) -> Payload:
    return spot_kline(scale, bar, interval, now=now, unit=MILLISECOND, offset=0)


def continuous(scale: FuturesScale, bar: Bar, interval: str, now: int) -> Payload:
    made = kline(scale, bar, interval, now)
    inner = made["k"]
    assert isinstance(inner, dict)
    return {
        "e": "continuous_kline",
        "E": made["E"],
        "ps": scale.symbol,
        "ct": "PERPETUAL",
        "k": {name: value for name, value in inner.items() if name != "s"},
    }


def mini_ticker(scale: FuturesScale, day: Bar, now: int) -> Payload:
    return {
        "e": "24hrMiniTicker",
        "E": now // MILLISECOND,
        "s": scale.symbol,
        "c": scale.price(day.last),
        "o": scale.price(day.first),
        "h": scale.price(day.high),
        "l": scale.price(day.low),
        "v": scale.size(day.lots),
        "q": scale.money(day.volume),
        "ps": scale.symbol,
        "st": USDM,
    }


def ticker(scale: FuturesScale, day: Bar, last_lots: int, now: int) -> Payload:
    mean = day.volume * scale.listing.tick / day.lots if day.lots else Decimal(0)
    return {
        "e": "24hrTicker",
        "E": now // MILLISECOND,
        "s": scale.symbol,
        "p": scale.change(day.last - day.first),
        "P": percent(day),
        "w": f"{mean:.{scale.price_digits}f}",
        "c": scale.price(day.last),
        "Q": scale.size(last_lots),
        "o": scale.price(day.first),
        "h": scale.price(day.high),
        "l": scale.price(day.low),
        "v": scale.size(day.lots),
        "q": scale.money(day.volume),
        "O": (now - DAY) // MILLISECOND,
        "C": now // MILLISECOND,
        "F": day.first_id,
        "L": day.last_id,
        "n": day.trades,
        "ps": scale.symbol,
        "st": USDM,
    }


def contract_info(scale: FuturesScale, status: str, now: int) -> Payload:
    """A contract's status has changed; fields as the SDK's model has them (§11.3)."""
    return {
        "e": "contractInfo",
        "E": now // MILLISECOND,
        "s": scale.symbol,
        "ct": "PERPETUAL",
        "dt": FOREVER_MS,
        "ot": ONBOARD_MS,
        "cs": status,
        "st": USDM,
    }


def mark_price(scale: FuturesScale, fact: MarkChanged, now: int) -> Payload:
    return {
        "e": "markPriceUpdate",
        "E": now // MILLISECOND,
        "s": scale.symbol,
        "p": eight(fact.mark),
        "i": eight(fact.index),
        "P": eight(fact.settle),
        "r": eight(fact.rate),
        "ap": eight(fact.average),
        "T": fact.funding_at // MILLISECOND,
        "st": USDM,
    }


def force_order(scale: FuturesScale, order: SimOrder, now: int) -> Payload:
    lot = scale.listing.lot
    mean = order.filled_quote / (order.filled_lots * lot) if order.filled_lots else Decimal(0)
    return {
        "e": "forceOrder",
        "E": now // MILLISECOND,
        "o": {
            "s": scale.symbol,
            "S": order.side.name,
            "o": order_type(order.kind),
            "f": order.tif.value,
            "q": scale.size(order.lots),
            "p": scale.price(order.price),
            "ap": f"{mean:.{scale.price_digits}f}",
            "X": order.status.value,
            "l": scale.size(order.filled_lots),
            "z": scale.size(order.filled_lots),
            "T": order.updated // MILLISECOND,
        },
    }
