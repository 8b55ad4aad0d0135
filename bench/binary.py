"""Market frames of Binance spot, spelled in SBE from the JSON that says the same (binance §10.2).

For measurements alone: written from the venue's layout, with neither side's codec. Numbers have the
eight decimals that the venue writes, so exponents are -8; a quote has no time in JSON, and gets the
one that is given.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

_EXPONENTS = (-8, -8)


def spelled(frame: bytes, at_micros: int) -> bytes | None:
    """The binary frame of a wrapped JSON one; None for a stream that there is not in binary."""
    wrapped = json.loads(frame)
    data = wrapped["data"]
    match data:
        case {"e": "trade"}:
            return _trade(data)
        case {"e": "depthUpdate"}:
            return _diff(data)
        case {"lastUpdateId": _}:
            symbol = wrapped["stream"].partition("@")[0].upper()
            root = struct.pack("<qqbb", at_micros, data["lastUpdateId"], *_EXPONENTS)
            return _head(18, 10002) + root + _sides(data, "bids", "asks") + _text(symbol)
        case {"u": number, "b": _} if "e" not in data:
            numbers = [_mantissa(data[key]) for key in "bBaA"]
            root = struct.pack("<qqbbqqqq", at_micros, number, *_EXPONENTS, *numbers)
            return _head(50, 10001) + root + _text(data["s"])
    return None


def _trade(data: Mapping[str, Any]) -> bytes:
    root = struct.pack("<qqbb", data["E"] * 1000, data["T"] * 1000, *_EXPONENTS)
    entry = struct.pack("<qqqB", data["t"], _mantissa(data["p"]), _mantissa(data["q"]), data["m"])
    return _head(18, 10000) + root + struct.pack("<HI", 25, 1) + entry + _text(data["s"])


def _diff(data: Mapping[str, Any]) -> bytes:
    root = struct.pack("<qqqbb", data["E"] * 1000, data["U"], data["u"], *_EXPONENTS)
    return _head(26, 10003) + root + _sides(data, "b", "a") + _text(data["s"])


def _sides(data: Mapping[str, Any], *names: str) -> bytes:
    return b"".join(_side(data[name]) for name in names)


def _side(levels: Sequence[tuple[str, str]]) -> bytes:
    told = [struct.pack("<qq", _mantissa(price), _mantissa(size)) for price, size in levels]
    return struct.pack("<HH", 16, len(told)) + b"".join(told)


def _head(block: int, template: int) -> bytes:
    return struct.pack("<HHHH", block, template, 1, 0)


def _text(name: str) -> bytes:
    return bytes([len(name)]) + name.encode()


def _mantissa(text: str) -> int:
    whole, _, part = text.partition(".")
    if len(part) > 8:
        raise ValueError(f"number: found {text}, expected at most eight decimals")
    return int(whole + part.ljust(8, "0"))
