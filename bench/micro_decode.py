"""What a Binance frame costs to decode and an order to write, as ratios to the calibration loop.

Frames are as a combined connection sends them; the delta has twenty levels a side.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal

from bench.calibration import calibrate, least
from pitwire.model.credentials import Credentials
from pitwire.model.orders import Order, OrderType, Side
from pitwire.venues.binance.codec import BinanceCodec
from pitwire.venues.venue import Ask, CodecOptions, Role

NOW = 1_700_000_000_000_000_000
RUNS = 40
TIMES = 1_000

Row = tuple[str, float, str]


def rows() -> list[Row]:
    """(name, ratio to one calibration unit, note) of each measurement."""
    unit = calibrate()
    measured = [*_decoded(), *_written()]
    return [
        (name, seconds / unit, f"{seconds * 1e9:.0f} ns; {note}")
        for name, seconds, note in measured
    ]


def _decoded() -> list[Row]:
    codec = BinanceCodec(CodecOptions(role=Role.MARKET))
    codec.subscribe([Ask("trades", "BTC-USDT"), Ask("ticker", "BTC-USDT")], 1)
    plain = json.loads

    def decode(frame: memoryview) -> Callable[[], object]:
        return lambda: codec.decode(frame, NOW)

    trade, quote, delta = (memoryview(frame) for frame in _frames())
    return [
        ("decode: trade", _least(decode(trade)), "to an event"),
        ("decode: quote", _least(decode(quote)), "to an event"),
        ("decode: delta of 40 levels", _least(decode(delta)), "to an event"),
        ("decode: trade, json alone", _least(lambda: plain(bytes(trade))), "for comparison"),
        ("decode: delta, json alone", _least(lambda: plain(bytes(delta))), "for comparison"),
    ]


def _written() -> list[Row]:
    order = Order(
        id="pw-0123456789abcdef",
        symbol="BTC-USDT",
        side=Side.BUY,
        type=OrderType.LIMIT,
        size=Decimal("0.00847"),
        price=Decimal("61837.63"),
    )
    signing = BinanceCodec(CodecOptions(role=Role.ORDERS))
    signing.login(Credentials("k" * 64, "s" * 64), NOW, 1)
    session = BinanceCodec(CodecOptions(role=Role.ORDERS))
    session.login(Credentials("k" * 64, _ED25519), NOW, 1)
    session.decode(b'{"id":"l1","status":200,"result":{"serverTime":1700000000000}}', NOW)
    return [
        ("encode: limit order, signed", _least(lambda: signing.place(order, NOW, 9)), "HMAC"),
        ("encode: limit order, in session", _least(lambda: session.place(order, NOW, 9)), "—"),
    ]


def _least(once: Callable[[], object]) -> float:
    return least(lambda: _run(once), RUNS)


def _run(once: Callable[[], object]) -> float:
    begun = time.process_time()
    for _ in range(TIMES):
        once()
    return (time.process_time() - begun) / TIMES


def _frames() -> tuple[bytes, bytes, bytes]:
    levels = [[f"{61000 + step}.63000000", "0.02000000"] for step in range(20)]
    instant = 1723161255343
    trade = {
        "e": "trade", "E": instant, "s": "BTCUSDT", "t": 3735683259, "p": "61837.63000000",
        "q": "0.02000000", "T": instant, "m": True, "M": True,
    }  # fmt: skip
    quote = {
        "u": 50093239212, "s": "BTCUSDT", "b": "61837.63000000", "B": "3.78826000",
        "a": "61837.64000000", "A": "1.54698000",
    }  # fmt: skip
    delta = {
        "e": "depthUpdate", "E": instant, "s": "BTCUSDT", "U": 50093239189, "u": 50093239202,
        "b": levels, "a": levels,
    }  # fmt: skip
    return _wrap("trade", trade), _wrap("bookTicker", quote), _wrap("depth@100ms", delta)


def _wrap(stream: str, data: dict[str, object]) -> bytes:
    return json.dumps({"stream": f"btcusdt@{stream}", "data": data}, separators=(",", ":")).encode()


# The key of RFC 8032's first test, published there.
_ED25519 = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n"
)
