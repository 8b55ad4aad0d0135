"""Stream names: which there are and what each one means (binance §1.2, §3)."""

from __future__ import annotations

import re

import msgspec

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.sim.facades.binance_candles import HOUR, INTERVALS

_LISTEN_KEY = re.compile(r"[A-Za-z0-9]{60,64}\Z")
_ARRAY = re.compile(r"!(miniTicker|ticker_1h|ticker_4h|ticker_1d|ticker)@arr\Z")
_DEPTH = re.compile(r"depth(5|10|20)?(@100ms|@1000ms)?\Z")
_KLINE = re.compile(rf"kline_({'|'.join(INTERVALS)})(@\+08:00)?\Z")
_ROLLING = re.compile(r"ticker_(1h|4h|1d)\Z")
_REAL_TIME = ("trade", "aggTrade", "blockTrade", "bookTicker")
_EVERY_SECOND = ("miniTicker", "ticker", "avgPrice", "referencePrice")
WINDOWS = {"1h": HOUR, "4h": 4 * HOUR, "1d": 24 * HOUR}


class StreamName(msgspec.Struct, frozen=True):
    """A well-formed name. `every` is the cadence in ns, 0 for real time."""

    text: str
    symbol: str
    """Lower case as written; "" for an array or a user stream."""
    kind: str
    every: int = 0
    depth: int = 0
    interval: str = ""
    offset: int = 0
    """Of a kline's alignment, in ns."""


def parse_stream(text: str) -> StreamName | None:
    """The meaning of a name, None when it is malformed."""
    if array := _ARRAY.match(text):
        return _array(text, array.group(1))
    symbol, at, what = text.partition("@")
    if not at:
        return StreamName(text, "", "user") if _LISTEN_KEY.match(text) else None
    if not symbol or symbol.startswith("!"):
        return None
    if what in _REAL_TIME:
        return StreamName(text, symbol, what)
    if what in _EVERY_SECOND:
        return StreamName(text, symbol, what, SECOND)
    return _with_argument(text, symbol, what)


def _array(text: str, what: str) -> StreamName:
    kind, _, interval = what.partition("_")
    return StreamName(text, "", f"{kind}@arr", SECOND, interval=interval)


def _with_argument(text: str, symbol: str, what: str) -> StreamName | None:
    if depth := _DEPTH.match(what):
        every = 100 * MILLISECOND if depth.group(2) == "@100ms" else SECOND
        size = int(depth.group(1) or 0)
        return StreamName(text, symbol, "partial" if size else "depth", every, size)
    if kline := _KLINE.match(what):
        every = SECOND if kline.group(1) == "1s" else 2 * SECOND
        offset = 8 * HOUR if kline.group(2) else 0
        return StreamName(text, symbol, "kline", every, interval=kline.group(1), offset=offset)
    if rolling := _ROLLING.match(what):
        return StreamName(text, symbol, "rolling", SECOND, interval=rolling.group(1))
    return None
