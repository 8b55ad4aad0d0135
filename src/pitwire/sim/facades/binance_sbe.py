"""Market frames in SBE, schema 1:0 (binance §10.1, §10.2).

House rules: written by hand against the schema, little-endian, one message a frame; what is told is
a mantissa with an exponent that stands in the message; times are microseconds, always.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct

from pitwire.model.clock import MICROSECOND
from pitwire.model.orders import Side
from pitwire.sim.facades.binance_text import Scale
from pitwire.sim.facades.facade import Level
from pitwire.sim.facts import Traded

SCHEMA, VERSION = 1, 0
TRADES, BEST, SNAPSHOT, DIFF = 10000, 10001, 10002, 10003
_HEADER = Struct("<HHHH")
_TRADES = Struct("<qqbb")
_TRADE = Struct("<qqqB")
_BEST = Struct("<qqbbqqqq")
_SNAPSHOT = Struct("<qqbb")
_DIFF = Struct("<qqqbb")
_LEVEL = Struct("<qq")
_GROUP = Struct("<HI")
_GROUP16 = Struct("<HH")
_EIGHT = 8


class SbeScale:
    """A symbol's prices and sizes as mantissas, and the exponents that go with them."""

    __slots__ = ("exponents", "lot", "symbol", "tick")

    def __init__(self, scale: Scale, *, native: bool = False) -> None:
        """`native`: with the exponents of the symbol's own steps, and not eight digits."""
        name = scale.symbol.encode()
        self.symbol = bytes((len(name),)) + name
        digits = [_EIGHT, _EIGHT]
        if native:
            digits = [_digits(scale.tick), _digits(scale.lot)]
        self.exponents = (-digits[0], -digits[1])
        self.tick = scale.tick // 10 ** (_EIGHT - digits[0])
        self.lot = scale.lot // 10 ** (_EIGHT - digits[1])


def _digits(units: int) -> int:
    """How many decimals a count of 1e-8 needs."""
    digits = _EIGHT
    while digits and units % 10 == 0:
        units //= 10
        digits -= 1
    return digits


def trades(scale: SbeScale, facts: Sequence[Traded], now: int) -> bytes:
    """Trades of one instant."""
    rows = b"".join(
        _TRADE.pack(
            fact.trade_id,
            fact.price * scale.tick,
            fact.lots * scale.lot,
            fact.taker_side is Side.SELL,
        )
        for fact in facts
    )
    root = _TRADES.pack(now // MICROSECOND, facts[0].at // MICROSECOND, *scale.exponents)
    group = _GROUP.pack(_TRADE.size, len(facts))
    return _head(_TRADES, TRADES) + root + group + rows + scale.symbol


def best(scale: SbeScale, update_id: int, top: tuple[Level, Level], now: int) -> bytes:
    """The best quotes; zeros for an empty side (unconfirmed)."""
    (bid, bid_lots), (ask, ask_lots) = top
    root = _BEST.pack(
        now // MICROSECOND,
        update_id,
        *scale.exponents,
        bid * scale.tick,
        bid_lots * scale.lot,
        ask * scale.tick,
        ask_lots * scale.lot,
    )
    return _head(_BEST, BEST) + root + scale.symbol


def snapshot(
    scale: SbeScale, update_id: int, sides: tuple[Sequence[Level], Sequence[Level]], now: int
) -> bytes:
    """The first levels of a book."""
    root = _SNAPSHOT.pack(now // MICROSECOND, update_id, *scale.exponents)
    levels = b"".join(_levels(scale, side) for side in sides)
    return _head(_SNAPSHOT, SNAPSHOT) + root + levels + scale.symbol


def diff(
    scale: SbeScale,
    ids: tuple[int, int],
    sides: tuple[Sequence[Level], Sequence[Level]],
    now: int,
) -> bytes:
    """What changed in a book; size 0 deletes."""
    root = _DIFF.pack(now // MICROSECOND, *ids, *scale.exponents)
    levels = b"".join(_levels(scale, side) for side in sides)
    return _head(_DIFF, DIFF) + root + levels + scale.symbol


def _head(root: Struct, template: int) -> bytes:
    return _HEADER.pack(root.size, template, SCHEMA, VERSION)


def _levels(scale: SbeScale, side: Iterable[Level]) -> bytes:
    tick, lot, pack = scale.tick, scale.lot, _LEVEL.pack
    rows = [pack(price * tick, lots * lot) for price, lots in side]
    return _GROUP16.pack(_LEVEL.size, len(rows)) + b"".join(rows)
