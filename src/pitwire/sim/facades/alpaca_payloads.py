"""Alpaca's market data as objects, field by field (alpaca §3.1, §3.2, §6).

House rules: ticks and lots in, the venue's short keys out, in the codec's own spelling of times and
numbers; what the papers call an integer is one.
"""

from __future__ import annotations

from collections.abc import Iterable

from pitwire.model.orders import Side
from pitwire.sim.facades.alpaca_text import Scale
from pitwire.sim.facades.alpaca_wire import Message, Wire
from pitwire.sim.facades.binance_candles import Bar
from pitwire.sim.facades.facade import Level
from pitwire.sim.facts import PublicTrade, Traded

ODD_LOT = 100
_VENUE_OF_TAPE = {"A": "N", "B": "P", "C": "Q"}
HALT = {
    "C": ("H", "Trading Halt", "O1", "Operations Halt, Contact Market Operations"),
    "A": ("2", "Trading Halt", "X", "Operational"),
}
RESUME = {
    "C": ("T", "Trading Resumption", "", ""),
    "A": ("3", "Resume", "", ""),
}


def price(scale: Scale, ticks: int, wire: Wire) -> object:
    return wire.number(float(scale.price(ticks)))


def size(scale: Scale, lots: int, wire: Wire) -> object:
    """Of crypto a number, of stocks an integer."""
    if not scale.is_crypto:
        return int(scale.size(lots))
    return wire.number(float(scale.size(lots)))


def where(scale: Scale, feed: str) -> str:
    """The letter of the exchange that a stock's trade or quote came from."""
    return "V" if feed == "iex" else _VENUE_OF_TAPE.get(scale.tape, "Q")


def trade(scale: Scale, fact: Traded | PublicTrade, wire: Wire, feed: str = "") -> Message:
    """A trade, without `T` and `S`."""
    if scale.is_crypto:
        return {
            "p": price(scale, fact.price, wire),
            "s": size(scale, fact.lots, wire),
            "t": wire.time(fact.at),
            "i": fact.trade_id,
            "tks": "B" if fact.taker_side is Side.BUY else "S",
        }
    shares = int(scale.size(fact.lots))
    return {
        "i": fact.trade_id,
        "x": where(scale, feed),
        "p": price(scale, fact.price, wire),
        "s": shares,
        "t": wire.time(fact.at),
        "c": ["@", "I"] if shares < ODD_LOT else ["@"],
        "z": scale.tape,
    }


def quote(scale: Scale, bid: Level, ask: Level, at: int, wire: Wire, feed: str = "") -> Message:
    """The best of both sides, without `T` and `S`; 0 where a side is empty."""
    if scale.is_crypto:
        return {
            "bp": price(scale, bid[0], wire),
            "bs": size(scale, bid[1], wire),
            "ap": price(scale, ask[0], wire),
            "as": size(scale, ask[1], wire),
            "t": wire.time(at),
        }
    venue = where(scale, feed)
    return {
        "bx": venue,
        "bp": price(scale, bid[0], wire),
        "bs": size(scale, bid[1], wire),
        "ax": venue,
        "ap": price(scale, ask[0], wire),
        "as": size(scale, ask[1], wire),
        "c": ["R"],
        "z": scale.tape,
        "t": wire.time(at),
    }


def bar(scale: Scale, found: Bar, wire: Wire, opened: int | None = None) -> Message:
    """A bar, without `T` and `S`, stamped with its beginning."""
    mean = found.volume / found.lots if found.lots else found.last
    return {
        "o": price(scale, found.first, wire),
        "h": price(scale, found.high, wire),
        "l": price(scale, found.low, wire),
        "c": price(scale, found.last, wire),
        "v": size(scale, found.lots, wire),
        "n": found.trades,
        "vw": wire.number(round(float(scale.listing.tick) * mean, 9)),
        "t": wire.time(found.opened if opened is None else opened),
    }


def levels(scale: Scale, sides: Iterable[Level], wire: Wire) -> list[Message]:
    """A side of a book; a size of 0 removes its level."""
    return [{"p": price(scale, ticks, wire), "s": size(scale, lots, wire)} for ticks, lots in sides]


def book(
    scale: Scale, bids: Iterable[Level], asks: Iterable[Level], at: int, wire: Wire
) -> Message:
    """Both sides, without `T` and `S`."""
    return {
        "t": wire.time(at),
        "b": levels(scale, bids, wire),
        "a": levels(scale, asks, wire),
    }


def status(scale: Scale, *, trading: bool, at: int, wire: Wire) -> Message:
    """A stock was halted, or trades again; each tape has codes of its own."""
    table = RESUME if trading else HALT
    code, text, reason, because = table["C" if scale.tape == "C" else "A"]
    return {"sc": code, "sm": text, "rc": reason, "rm": because, "t": wire.time(at),
            "z": scale.tape}  # fmt: skip


def bands(scale: Scale, lower: int, upper: int, at: int, wire: Wire) -> Message:
    """The band within which a stock trades (limit up, limit down)."""
    return {
        "u": price(scale, upper, wire),
        "d": price(scale, lower, wire),
        "i": "B",
        "t": wire.time(at),
        "z": scale.tape,
    }
