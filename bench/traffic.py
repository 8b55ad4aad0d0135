"""The traffic of the bench: trades and depth diffs of twenty symbols, framed before the clock runs.

House rules: one block of ready WebSocket frames is made once from a seed; before a frame is sent
only its times and ids are overwritten in place, so that ids stay continuous for every lane.
"""

from __future__ import annotations

import json
import random
from typing import NamedTuple

BASES = (
    *("BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "AVAX", "DOT", "LINK"),
    *("LTC", "BCH", "UNI", "ATOM", "XLM", "NEAR", "FIL", "APT", "ARB", "OP"),
)
SYMBOLS = tuple(f"{base}USDT" for base in BASES)
OURS = tuple(f"{base}-USDT" for base in BASES)
TRIGGER_SYMBOL, TRIGGER_OURS = SYMBOLS[0], OURS[0]

TICK = 0.01
LADDER = 600
"""Levels a side that the traffic ever touches; the snapshot holds them all."""
DEPTH_SHARE = 0.37
LEVELS = 40
"""Mean levels in one depth diff."""

MIDDLE = tuple(50_000.0 - 2_000.0 * place for place in range(len(SYMBOLS)))
TRIGGER_PRICE = MIDDLE[0] + 4.0
"""A trade of the trigger symbol at this price or above makes the rule place an order."""
ORDER_PRICE, ORDER_SIZE = "50005.00", "0.00100"

FIRST_TRADE = 1_000_000_000
FIRST_BOOK = 5_000_000_000
_TRADE, _DEPTH = 0, 1


def number(value: float) -> str:
    """Decimal text as the venue pads it."""
    return f"{value:.8f}"


def level_price(symbol: int, side: str, step: int) -> float:
    """Price of the `step`-th level from the middle (1 is the best one)."""
    away = step * TICK
    return MIDDLE[symbol] - away if side == "b" else MIDDLE[symbol] + away


def snapshot(symbol: int, last_id: int, limit: int) -> bytes:
    """The REST book of one symbol: every level of the ladder, always the same sizes."""
    ladder = range(1, min(limit, LADDER) + 1)
    sides = {
        side: [[number(level_price(symbol, side, step)), number(1 + step / 100)] for step in ladder]
        for side in ("b", "a")
    }
    return json.dumps({"lastUpdateId": last_id, "bids": sides["b"], "asks": sides["a"]}).encode()


def text_frame(payload: bytes) -> bytes:
    """One unmasked text frame (RFC 6455 §5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return bytes((0x81, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x81, 127)) + size.to_bytes(8, "big") + payload


class Mark(NamedTuple):
    """Where a frame ends in the block, and which digits are written before it is sent."""

    end: int
    kind: int
    symbol: int
    span: int
    """How many book ids the diff covers; 1 for a trade."""
    times: tuple[int, ...]
    ids: tuple[int, ...]


class Position:
    """Where one lane stands: the next ids of every symbol."""

    __slots__ = ("book", "trade")

    def __init__(self) -> None:
        self.book = [FIRST_BOOK] * len(SYMBOLS)
        self.trade = [FIRST_TRADE] * len(SYMBOLS)


class Block:
    """A long run of frames in one buffer; `combined` and `micro` are how the connection asked."""

    def __init__(self, count: int, *, combined: bool, micro: bool, seed: int = 7) -> None:
        self._combined, self._time_digits = combined, 16 if micro else 13
        self._micro = micro
        self.data = bytearray()
        self.marks: list[Mark] = []
        chance = random.Random(seed)
        for _ in range(count):
            symbol = chance.randrange(len(SYMBOLS))
            if chance.random() < DEPTH_SHARE:
                self._add_depth(symbol, chance)
            else:
                self._add_trade(symbol, MIDDLE[symbol] + chance.randrange(-5, 6) * TICK, chance)

    def times(self, now_ns: int) -> bytes:
        """The venue's time as this connection wants it."""
        return b"%d" % (now_ns // (1_000 if self._micro else 1_000_000))

    def stamp(self, place: int, position: Position, times: bytes) -> None:
        """Write times and ids into one frame and move the lane on."""
        data, width = self.data, self._time_digits
        mark = self.marks[place]
        for at in mark.times:
            data[at : at + width] = times
        if mark.kind == _TRADE:
            first = position.trade[mark.symbol]
            position.trade[mark.symbol] = first + 1
            at = mark.ids[0]
            data[at : at + 10] = b"%d" % first
            return
        first, (at, until) = position.book[mark.symbol] + 1, mark.ids
        position.book[mark.symbol] = last = first + mark.span - 1
        data[at : at + 10] = b"%d" % first
        data[until : until + 10] = b"%d" % last

    def start(self, place: int) -> int:
        """Where a frame begins."""
        return self.marks[place - 1].end if place else 0

    def _add_trade(self, symbol: int, price: float, chance: random.Random) -> None:
        when = "1" * self._time_digits
        payload = (
            f'{{"e":"trade","E":{when},"s":"{SYMBOLS[symbol]}","t":{FIRST_TRADE},'
            f'"p":"{number(price)}","q":"{number(chance.randrange(1, 500) / 1000)}",'
            f'"T":{when},"m":{chance.choice(("true", "false"))},"M":true}}'
        )
        self._add(_TRADE, symbol, 1, f"{SYMBOLS[symbol].lower()}@trade", payload)

    def _add_depth(self, symbol: int, chance: random.Random) -> None:
        sides = {}
        for side in ("b", "a"):
            # Most changes happen near the best price, as they do in recorded books.
            steps = {1 + min(int(chance.expovariate(1 / 60)), LADDER - 1) for _ in range(24)}
            sides[side] = [
                [
                    number(level_price(symbol, side, step)),
                    number(0 if chance.random() < 0.25 else chance.randrange(1, 90_000) / 1000),
                ]
                for step in sorted(steps)
            ]
        text = json.dumps(sides, separators=(",", ":"))[1:]
        payload = (
            f'{{"e":"depthUpdate","E":{"1" * self._time_digits},"s":"{SYMBOLS[symbol]}",'
            f'"U":{FIRST_BOOK},"u":{FIRST_BOOK},{text}'
        )
        span = chance.randrange(2, 60)
        self._add(_DEPTH, symbol, span, f"{SYMBOLS[symbol].lower()}@depth@100ms", payload)

    def _add(self, kind: int, symbol: int, span: int, stream: str, payload: str) -> None:
        if self._combined:
            payload = f'{{"stream":"{stream}","data":{payload}}}'
        frame = text_frame(payload.encode())
        begin = len(self.data)
        keys = (b'"E":', b'"T":') if kind == _TRADE else (b'"E":',)
        ids = (b'"t":',) if kind == _TRADE else (b'"U":', b'"u":')
        self.data += frame
        self.marks.append(
            Mark(
                end=len(self.data),
                kind=kind,
                symbol=symbol,
                span=span,
                times=tuple(begin + frame.index(key) + len(key) for key in keys),
                ids=tuple(begin + frame.index(key) + len(key) for key in ids),
            )
        )


class Trigger(Block):
    """One trade that makes the rule act, ready but for its times and its id."""

    def __init__(self, *, combined: bool, micro: bool) -> None:
        super().__init__(0, combined=combined, micro=micro)
        self._add_trade(0, TRIGGER_PRICE, random.Random(1))
