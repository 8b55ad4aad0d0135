"""Stream names of the futures: which there are, and on which path each one flows (§11.1, §11.3)."""

from __future__ import annotations

import re

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.sim.facades.binance_candles import INTERVALS
from pitwire.sim.facades.binance_names import StreamName

PUBLIC, MARKET, PRIVATE = "public", "market", "private"
CATEGORIES = (PUBLIC, MARKET, PRIVATE)
_LISTEN_KEY = re.compile(r"[A-Za-z0-9]{60,64}\Z")
_SPEEDS = {"": 250, "@0ms": 0, "@100ms": 100, "@250ms": 250, "@500ms": 500}
_DEPTH = re.compile(r"depth(5|10|20)?(@0ms|@100ms|@250ms|@500ms)?\Z")
_FRAMES = "|".join(name for name in INTERVALS if name != "1s")
_KLINE = re.compile(rf"kline_({_FRAMES})\Z")
_KLINE_1S = re.compile(r"\w+@kline_1s\Z")
_CONTINUOUS = re.compile(
    rf"(\w+?)_(perpetual|current_quarter|next_quarter)@continuousKline_({_FRAMES})\Z"
)
_EVERY = {
    "aggTrade": 100 * MILLISECOND,
    "miniTicker": 2 * SECOND,
    "ticker": 2 * SECOND,
    "forceOrder": SECOND,
    "compositeIndex": SECOND,
}
_ARRAYS = {
    "!miniTicker@arr": SECOND,
    "!ticker@arr": SECOND,
    "!forceOrder@arr": SECOND,
    "!bookTicker": 5 * SECOND,
    "!markPrice@arr": 3 * SECOND,
    "!markPrice@arr@1s": SECOND,
    "!assetIndex@arr": SECOND,
    "!contractInfo": 0,
    "tradingSession": SECOND,
}
_ON_PUBLIC = ("bookTicker", "depth", "partial", "trade", "!bookTicker")


def category_of(name: StreamName) -> str:
    """The path on which a stream flows."""
    if name.kind == "user":
        return PRIVATE
    return PUBLIC if name.kind in _ON_PUBLIC else MARKET


def parse_stream(text: str, *, seconds: bool = False) -> StreamName | None:
    """The meaning of a name, None when it is malformed; `seconds`: bars of one second are known."""
    if seconds and _KLINE_1S.match(text):
        symbol = text.partition("@")[0]
        return StreamName(text, symbol, "kline", 250 * MILLISECOND, interval="1s")
    if text in _ARRAYS:
        kind = text.removesuffix("@1s")
        return StreamName(text, "", kind, _ARRAYS[text])
    if found := _CONTINUOUS.match(text):
        every = 250 * MILLISECOND
        # Quarterly contracts are named alike, and there are none: acknowledged, and silent.
        pair = found.group(1) if found.group(2) == "perpetual" else ""
        return StreamName(text, pair, "continuous", every, interval=found.group(3))
    symbol, at, what = text.partition("@")
    if not at:
        return StreamName(text, "", "user") if _LISTEN_KEY.match(text) else None
    if not symbol or symbol.startswith("!"):
        return None
    if what in ("trade", "bookTicker"):
        return StreamName(text, symbol, what)
    if what in _EVERY:
        return StreamName(text, symbol, what, _EVERY[what])
    return _with_argument(text, symbol, what)


def _with_argument(text: str, symbol: str, what: str) -> StreamName | None:
    if what in ("markPrice", "markPrice@1s"):
        return StreamName(text, symbol, "markPrice", SECOND if what.endswith("1s") else 3 * SECOND)
    if what == "rpiDepth@500ms":  # nobody here has a retail order: the same book
        return StreamName(text, symbol, "depth", 500 * MILLISECOND)
    if depth := _DEPTH.match(what):
        every = _SPEEDS[depth.group(2) or ""] * MILLISECOND
        size = int(depth.group(1) or 0)
        if size and not every:
            return None
        return StreamName(text, symbol, "partial" if size else "depth", every, size)
    if kline := _KLINE.match(what):
        return StreamName(text, symbol, "kline", 250 * MILLISECOND, interval=kline.group(1))
    return None
