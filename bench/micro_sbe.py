"""What a market message of Binance spot costs to decode, in JSON and in binary, in the same run.

Both spell the same event. CPU time, the smallest of many short rounds that take turns.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

from bench.micro_decode import NOW, _frames
from pitwire.venues.binance import BINANCE, BINANCE_SBE
from pitwire.venues.venue import Ask, CodecOptions, Role

ROUNDS, TIMES = 40, 500
KINDS = ("trade", "quote", "delta")

Row = tuple[str, float, str]


def rows() -> list[Row]:
    """(name, JSON over binary, note) of each kind of message."""
    return [
        (
            f"decode: {kind}, JSON over binary",
            in_json / binary,
            f"{in_json:.0f} and {binary:.0f} ns of CPU, {sizes[0]} and {sizes[1]} bytes",
        )
        for kind, (in_json, binary, sizes) in measured().items()
    ]


def measured() -> dict[str, tuple[float, float, tuple[int, int]]]:
    """Kind → ns in JSON, ns in binary, bytes of both."""
    found = {}
    for kind, text, raw in zip(KINDS, _frames(), binary_frames(), strict=True):
        in_json, binary = _decoder(BINANCE, text), _decoder(BINANCE_SBE, raw)
        best = [float("inf"), float("inf")]
        for _ in range(ROUNDS):
            for place, once in enumerate((in_json, binary)):
                best[place] = min(best[place], _round(once))
        found[kind] = best[0], best[1], (len(text), len(raw))
    return found


def binary_frames() -> tuple[bytes, bytes, bytes]:
    """The frames of `micro_decode`, in binary (binance §10.2)."""
    micros = 1723161255343000
    price, size = 6183763000000, 2000000
    level = b"".join(
        struct.pack("<qq", 6100063000000 + step * 10**8, 2000000) for step in range(20)
    )
    side = struct.pack("<HH", 16, 20) + level
    symbol = b"\x07BTCUSDT"
    trade = (
        struct.pack("<HHHHqqbb", 18, 10000, 1, 0, micros, micros, -8, -8)
        + struct.pack("<HI", 25, 1)
        + struct.pack("<qqqB", 3735683259, price, size, 1)
        + symbol
    )
    quote = (
        struct.pack("<HHHHqqbb", 50, 10001, 1, 0, micros, 50093239212, -8, -8)
        + struct.pack("<qqqq", price, 378826000, price + 10**6, 154698000)
        + symbol
    )
    delta = (
        struct.pack("<HHHHqqqbb", 26, 10003, 1, 0, micros, 50093239189, 50093239202, -8, -8)
        + side
        + side
        + symbol
    )
    return trade, quote, delta


def _decoder(venue: object, frame: bytes) -> Callable[[], object]:
    codec = venue.codec(CodecOptions(role=Role.MARKET))  # type: ignore[attr-defined]
    codec.subscribe([Ask("trades", "BTC-USDT"), Ask("ticker", "BTC-USDT")], 1)
    view = memoryview(frame)
    return lambda: codec.decode(view, NOW)


def _round(once: Callable[[], object]) -> float:
    begun = time.process_time_ns()
    for _ in range(TIMES):
        once()
    return (time.process_time_ns() - begun) / TIMES


if __name__ == "__main__":
    for name, ratio, note in rows():
        print(f"{name}: {ratio:.2f}; {note}")
